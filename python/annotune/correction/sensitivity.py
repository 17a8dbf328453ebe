"""By how much would the draw have to depend on the error, beyond what pi says, for a finding to go?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from annotune.correction.families import Floats
from annotune.correction.influence import Influence

MOST = 1000.0  # a factor beyond which it is as good as infinite
HALVINGS = 40


def sensitivity(influence: Influence, estimate: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """The factors G at which signs and findings go, by the marginal sensitivity model.

    Each coded text counts 1 / pi times. If those whose errors push a coefficient away from 0 had in truth been drawn
    with G times the probability pi, and those that pull it towards 0 with pi / G, the estimate would be nearer to 0.
    This is the worst that can happen with probabilities within a factor of G of pi (Tan 2006; Zhao, Small and
    Bhattacharya 2019), to the first order.

    Parameters
    ----------
    influence
        On the p estimates.
    estimate
        The corrected estimates, shape (p,).
    level
        Of the interval.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        The factor at which the sign goes, and the one at which the interval reaches 0, which is 1 where it holds 0
        without; shape (p,). Infinite where none below 1,000 suffices.

    Examples
    --------
    A mean of .4 by predictions, to which two errors add .4 and -.2. Counted 1 / 2.73 and 2.73 times they add -.4, and
    nothing is left.

    >>> drawn = np.array([[0.4], [-0.2]])
    >>> influence = Influence(drawn, np.arange(2), np.zeros((2, 1)), np.zeros((1, 1)))
    >>> [round(float(factor), 2) for factor in sensitivity(influence, np.array([0.6]))[0]]
    [2.73]
    """
    towards = np.where(estimate < 0, -1.0, 1.0)
    drawn = influence.drawn * towards
    margin = float(norm.ppf((1 + level) / 2))

    def centre(factor: Floats) -> Floats:
        return np.asarray(abs(estimate) + (drawn * (_counts(drawn, factor) - 1)).sum(axis=0))

    def limit(factor: Floats) -> Floats:
        moved = replace(influence, drawn=influence.drawn * _counts(drawn, factor))
        variance = np.diag(moved.covariance())  # what is at no place may be negative by chance, as that of coders
        error = np.sqrt(np.maximum(variance, 0.0))
        return np.asarray(centre(factor) - margin * error)

    return _root(centre, len(estimate)), _root(limit, len(estimate))


def _counts(drawn: Floats, factor: Floats) -> Floats:
    return np.where(drawn > 0, 1 / factor, np.where(drawn < 0, factor, 1.0))


def _root(function: Callable[[Floats], Floats], p: int) -> Floats:
    """The smallest factor from 1 at which each of p falling functions is 0, by halving on the log scale."""
    low, high = np.zeros(p), np.full(p, np.log(MOST))
    never = function(np.exp(high)) > 0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        positive = function(np.exp(middle)) > 0
        low, high = np.where(positive, middle, low), np.where(positive, high, middle)
    return np.where(never, np.inf, np.exp(high))
