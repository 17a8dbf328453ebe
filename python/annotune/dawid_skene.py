"""Which label is right, and who errs how: the model of Dawid and Skene (1979), on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DawidSkene:
    """`prior` (q,), `confusion` (coders x true x given), `posterior` of each unit (N x q), and the EM's rounds."""

    prior: Floats
    confusion: Floats
    posterior: Floats
    rounds: int
    converged: bool


def dawid_skene(
    unit: Ints, coder: Ints, value: Ints, shape: tuple[int, int, int], tolerance: float = 1e-7, most: int = 2000
) -> DawidSkene:
    """Maximum likelihood by EM, started from the share of codings for each label.

    Parameters
    ----------
    unit, coder, value
        Of each of L codings, from 0; a coder may code a unit more than once, or not at all.
    shape
        The numbers of units, coders and categories.
    tolerance, most
        EM ends when no posterior moves by more than `tolerance`, or after `most` rounds.

    Returns
    -------
    DawidSkene
        A coder who never met a unit of some true label has an even row there.

    References
    ----------
    Dawid, A. P. and Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the
    EM algorithm. Applied Statistics 28, 20-28.

    Examples
    --------
    >>> unit, coder = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    >>> fit = dawid_skene(unit, coder, np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0]), (4, 3, 2))
    >>> fit.posterior.argmax(1).tolist(), fit.confusion[2].round(2).tolist()
    ([0, 1, 0, 1], [[0.5, 0.5], [0.5, 0.5]])
    """
    from scipy import sparse

    units, coders, q = shape
    cells = (np.ones(len(unit)), (unit, coder * q + value))
    given = sparse.csr_array(cells, shape=(units, coders * q))
    start = np.bincount(unit * q + value, minlength=units * q).reshape(units, q)
    posterior = start / np.maximum(start.sum(1, keepdims=True), 1)
    moved, rounds = 1.0, 0
    while moved > tolerance and rounds < most:
        prior, confusion = _maximised(given, posterior, coders)
        expected = _expected(given, prior, confusion)
        moved, posterior, rounds = np.abs(expected - posterior).max(initial=0.0), expected, rounds + 1
    return DawidSkene(prior, confusion, posterior, rounds, bool(moved <= tolerance))


def _maximised(given: Any, posterior: Floats, coders: int) -> tuple[Floats, Floats]:
    """Shares of true labels, and each coder's answers by true label."""
    q = posterior.shape[1]
    answers = (given.T @ posterior).reshape(coders, q, q).transpose(0, 2, 1)
    met = answers.sum(2, keepdims=True)
    return posterior.mean(0), np.where(met > 0, answers / np.where(met > 0, met, 1), 1 / q)


def _expected(given: Any, prior: Floats, confusion: Floats) -> Floats:
    """The posterior of each unit's true label, from logarithms so that many coders do not underflow."""
    tiny = np.finfo(float).tiny
    coders, q, _ = confusion.shape
    answers = np.log(np.maximum(confusion, tiny)).transpose(0, 2, 1).reshape(coders * q, q)
    log = given @ answers + np.log(np.maximum(prior, tiny))
    weight = np.exp(log - log.max(1, keepdims=True))
    return np.asarray(weight / weight.sum(1, keepdims=True))
