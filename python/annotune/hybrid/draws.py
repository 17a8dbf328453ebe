"""Draws with known probabilities, on arrays: which units are drawn, and how likely each of them was to be.

Särndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, chapters 3 and 4; Tillé (2006), Sampling
Algorithms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from annotune.correction.text_scores import CERTAIN, proportional

Floats = NDArray[np.float64]
LEAST = 2  # texts of each stratum: from one alone no variance can be told


def by_scores(scores: Floats, n: int, floor: float) -> Floats:
    """Probabilities proportional to scores of 0 or more, (N,), none below `floor` times that of a simple draw, n / N.

    Examples
    --------
    >>> by_scores(np.array([0.0, 0.0, 1.0, 3.0]), 1, floor=0.2).round(3).tolist()
    [0.05, 0.05, 0.25, 0.65]
    """
    mean = scores.mean()
    shares = scores / mean if mean > 0 else np.ones(len(scores))
    return proportional((1 - floor) * shares + floor, n)


def allocated(sizes: NDArray[np.int64], n: int, weights: Floats) -> NDArray[np.int64]:
    """How many texts of each stratum are drawn, (H,): proportional to weights, from 2 to all of them, n in all.

    Parameters
    ----------
    sizes
        Texts in each stratum, 2 or more.
    n
        From 2 H to all texts.
    weights
        The sizes for a proportional allocation, sizes times standard deviations for Neyman's (1934), 1 for an equal
        one.

    Examples
    --------
    >>> allocated(np.array([1000, 100, 3]), 20, np.array([1000.0, 100.0, 3.0])).tolist()
    [16, 2, 2]
    """
    most, least = sizes.astype(float), np.full(len(sizes), float(LEAST))
    weights = np.maximum(weights, weights.max() * 1e-12) if weights.max() > 0 else most

    def numbers(scale: float) -> Floats:
        return np.asarray(np.clip(np.exp(scale) * weights, least, most))

    if n >= sizes.sum():
        return sizes
    ends = np.log(least / weights).min() - 1, np.log(most / weights).max() + 1
    wanted = numbers(brentq(lambda scale: numbers(scale).sum() - n, *ends, xtol=1e-13))
    whole = np.floor(wanted + 1e-9).astype(np.int64)
    rest = np.argsort(whole - wanted, kind="stable")[: n - whole.sum()]  # the largest remainders
    whole[rest] += 1
    return whole


def poisson(pi: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Each unit drawn by itself with its probability, (N,): how many are drawn is left to chance."""
    return rng.random(len(pi)) < pi


def fixed_size(pi: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """As many units as the sum of pi, a whole number, each with its probability, (N,).

    Systematic along a random order (Madow 1949; Hartley and Rao 1962): with equal probabilities that is a simple random
    sample without replacement.
    """
    chosen = pi >= CERTAIN
    order = rng.permutation(np.flatnonzero(~chosen))
    n = round(float(pi[order].sum()))
    if n:
        along = np.concatenate([[0.0], np.cumsum(pi[order])])
        along *= n / along[-1]
        along[-1] = n
        chosen[order[np.diff(np.floor(along - rng.random())) > 0]] = True
    return chosen
