"""The standard error that other designs than a simple draw would give, by a pilot: strata, and active draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.text_scores import best_floor, for_coefficients, proportional, with_floor

SIMPLE, STRATIFIED, ACTIVE = "simple", "stratified", "active"
FEWEST_IN_STRATUM = 2  # codings, without which a stratum has no variance
Variance = Callable[[int], Floats]  # of p estimates, from a number of codings


@dataclass(frozen=True)
class Residuals:
    """What codings add to p estimates, each the mean of N texts, by the m coded texts of a pilot.

    Attributes
    ----------
    added
        The parts of the coded texts that predictions do not tell, shape (m, p).
    weights
        How many texts each of them stands for, shape (m,).
    at
        Their numbers among the N texts, shape (m,).
    reach
        How far each text's outcome moves the estimates, shape (N, p).
    unknown
        The outcome's standard deviation given the prediction, shape (N,).
    stratum
        Each text's stratum, numbered from 0, shape (N,).
    total
        How many texts the corpus has, of which the N are the part that is at hand.
    """

    added: Floats
    weights: Floats
    at: np.ndarray
    reach: Floats
    unknown: Floats
    stratum: np.ndarray
    total: int

    def designs(self) -> dict[str, Variance]:
        """The part of the variances that codings leave, by design."""
        return {STRATIFIED: self.stratified(), ACTIVE: self.active()}

    def stratified(self) -> Variance:
        """Strata with the numbers of codings in proportion to their size times deviation (Neyman 1934).

        A stratum's deviation is that of its coded texts and of one more, the average text of all: few of them may have
        shown no error.
        """
        share = np.bincount(self.stratum) / len(self.stratum)
        mine, h = self.stratum[self.at], len(share)
        weights = self.weights / self.weights.mean()
        centred = self.added - self._means(mine, weights, h)[mine]
        whole = np.average((self.added - np.average(self.added, 0, weights)) ** 2, 0, weights)
        squares = np.stack([np.bincount(mine, weights * column, h) for column in (centred**2).T], axis=1)
        spread = (squares + whole) / (np.bincount(mine, weights, h) + 1)[:, None]
        relative = np.sqrt((spread / np.maximum(whole, np.finfo(float).tiny)).mean(axis=1))
        sizes = share * self.total

        def variance(n: int) -> Floats:
            rate = _rates(relative, sizes, n)
            coded = np.minimum(np.maximum(rate * sizes, FEWEST_IN_STRATUM), sizes)
            return np.asarray((share**2 * (1 / coded - 1 / sizes)) @ spread)

        return variance

    def active(self) -> Variance:
        """Draws in proportion to how far a coding is expected to move the estimates, above the best floor."""
        score = for_coefficients(self.reach, self.unknown)
        score = with_floor(score, best_floor(score, self.added, self.at, self.weights))
        weights = self.weights / self.weights.sum()

        def variance(n: int) -> Floats:
            pi = proportional(score, n * len(score) / self.total)[self.at]
            return np.asarray((weights * (1 - pi) / pi) @ self.added**2 / self.total)

        return variance

    def _means(self, mine: np.ndarray, weights: Floats, h: int) -> Floats:
        size = np.maximum(np.bincount(mine, weights, h), np.finfo(float).tiny)
        return np.stack([np.bincount(mine, weights * column, h) / size for column in self.added.T], axis=1)


def _rates(relative: Floats, sizes: Floats, n: int) -> Floats:
    """The part of each stratum that is coded, none above 1, so that n texts are coded in all."""
    rate, certain = np.zeros(len(sizes)), np.zeros(len(sizes), dtype=bool)
    while True:
        rest = (sizes * relative)[~certain].sum()
        left = max(n - sizes[certain].sum(), 0.0)
        rate = np.where(certain, 1.0, relative * left / rest if rest > 0 else 0.0)
        above = (rate >= 1) & ~certain
        if not above.any():
            return rate
        certain |= above


def fewest(variance: Callable[[int], Floats], wanted: float, low: int, high: int) -> int | None:
    """The fewest codings from `low` to `high` with which no variance is above the wanted one; None where none will do.

    >>> fewest(lambda n: np.array([4 / n, 1 / n]), 0.1, 20, 1000)
    40
    """
    if (variance(high) > wanted).any():
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if (variance(middle) <= wanted).all() else (middle + 1, high)
    return high
