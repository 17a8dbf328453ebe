"""Confidence limits of shares, of F1, and of their means over labels, that hold with few texts and with none wrong.

A share has Wilson's (1927) limits. F1 is 2 J / (1 + J) of the share J of right ones among the texts that have a label
in truth or prediction, and has the limits of J. A mean over labels combines the limits of its labels (Zou and Donner
2008), and a difference between two coders is a paired t statistic of each text's part in it. Texts that have weights or
come in clusters count by their effective number (Korn and Graubard 1998). `benchmarks/edges.py` prints the coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

Array = np.ndarray
COVERED = 0.975  # of 95 % limits, the part below the upper one
PSEUDO = 1.0  # right and wrong texts added where a variance would be 0 (Agresti and Coull 1998)


@dataclass(frozen=True)
class Shares:
    """k shares of sums over the same units.

    Attributes
    ----------
    share, cases
        Shape (k,): sum of hits / sum of cases, 0 where there is no case; and the cases.
    n
        Shape (k,): the number of independent cases that would give its variance.
    size
        Shape (k,): the cases of a text that has any.
    reach
        Shape (k,): the standard errors between a normal estimate and its limits; more where clusters are few.
    part
        Shape (units, k): each unit's part in the error, sum zero; in rows of equal units.
    times
        Shape (units,): the number of units in a row.
    clustered
        Whether a unit is a cluster of texts.
    """

    share: Array
    cases: Array
    n: Array
    size: Array
    reach: Array
    part: Array
    times: Array
    clustered: bool

    @property
    def defined(self) -> Array:
        """Which shares have a case, shape (k,)."""
        return self.cases > 0

    @property
    def smoothed(self) -> Array:
        """The shares with a right and a wrong case more, shape (k,)."""
        return np.asarray((self.share * self.n + PSEUDO) / (self.n + 2 * PSEUDO))


@dataclass(frozen=True)
class Score:
    """A measure as a weighted mean of k shares, or of F1 scores where `f1`; `weight` (k,) sums to one at most."""

    shares: Shares
    weight: Array
    f1: bool = False

    @property
    def slope(self) -> Array:
        """The change of each score with its share, at the smoothed share."""
        return _slope_of_f1(self.shares.smoothed) if self.f1 else np.ones(len(self.weight))

    @property
    def estimate(self) -> float:
        """The weighted mean."""
        return float(self.weight @ self.scores(self.shares.share))

    @property
    def bias(self) -> float:
        """By how much the estimate is too low on average: F1 is concave in its share."""
        if not self.f1:
            return 0.0
        share = self.shares.smoothed
        return float(self.weight @ (2 * share * (1 - share) / self.shares.n / (1 + share) ** 3))

    def scores(self, shares: Array) -> Array:
        """The F1 scores of shares, or the shares."""
        return 2 * shares / (1 + shares) if self.f1 else shares


def _slope_of_f1(share: Array) -> Array:
    return np.asarray(2 / (1 + share) ** 2)


def shares_of(hits: Array, cases: Array, times: Array, clustered: bool = False) -> Shares:
    """k shares from each unit's hits and cases.

    Parameters
    ----------
    hits, cases
        Shape (units, k): what is summed above and below the line, weighted where texts are.
    times
        Shape (units,): the number of units in a row.
    clustered
        Whether a unit is a cluster of texts.
    """
    total = np.asarray(times @ cases)
    filled = np.where(total > 0, total, 1.0)
    share = np.asarray(times @ hits) / filled
    part = (hits - cases * share) / filled
    variance, units = times @ part**2, times @ (cases > 0)
    even = total**2 / np.maximum(times @ cases**2, np.finfo(float).tiny)  # Kish's number of equal units
    spread = share * (1 - share)
    if clustered:
        variance = variance * units / np.maximum(units - 1, 1)
    alike = (variance <= 1e-12 * spread) | (spread < 1e-12) | (units < 2)
    n = np.where(alike, even, spread / np.where(alike, 1.0, variance))
    if clustered:
        n = np.minimum(n, np.maximum(total, even))
    reach = (
        stats.t.ppf(COVERED, np.maximum(units - 1, 1)) if clustered else np.full(len(share), stats.norm.ppf(COVERED))
    )
    size = np.ones(len(share)) if clustered else total / np.maximum(units, 1)
    return Shares(share, total, np.where(total > 0, n, 1.0), size, reach, part, times, clustered)


def wilson(share: Array, n: Array, reach: Array) -> tuple[Array, Array]:
    """Wilson's (1927) limits of shares (k,) of n (k,) cases.

    Examples
    --------
    >>> low, high = wilson(np.array([1.0]), np.array([40.0]), np.array([1.959964]))
    >>> low.round(4).tolist(), high.tolist()
    ([0.9124], [1.0])
    """
    square = reach**2 / n
    centre, half = share + square / 2, np.sqrt(square * (share * (1 - share) + square / 4))
    low, high = (centre - half) / (1 + square), (centre + half) / (1 + square)
    return np.where(share <= 0, 0.0, np.maximum(low, 0.0)), np.where(share >= 1, 1.0, np.minimum(high, 1.0))


def limits_of_each(shares: Shares, f1: bool = False) -> list[tuple[float | None, float | None]]:
    """The 95 % limits of every share or F1 score; none where there is no case."""
    score = Score(shares, np.zeros(len(shares.share)), f1)
    low, high = (score.scores(limit) for limit in wilson(shares.share, shares.n, shares.reach))
    return [
        (float(below), float(above)) if defined else (None, None)
        for below, above, defined in zip(low, high, shares.defined, strict=True)
    ]


def limits(score: Score) -> tuple[float, float]:
    """The 95 % limits of a weighted mean of shares or F1 scores.

    The distances to the limits of the labels combine as standard errors would (Zou and Donner 2008). The more labels
    there are, the less each of them nears its own limit, and the more the variance at the estimate counts, with a right
    and a wrong case more for each label.
    """
    shares, centre = score.shares, score.scores(score.shares.share)
    low, high = (score.scores(limit) for limit in wilson(shares.share, shares.n, shares.reach))
    error = score.slope * np.sqrt(shares.smoothed * (1 - shares.smoothed) / shares.n)
    own = _concentration((score.weight * error) ** 2)
    related = _correlation(shares)
    below, above = (
        _combined(score.weight * _mixed(arm, shares.reach * error, own), related)
        for arm in (centre - low, high - centre)
    )
    middle, estimate = score.estimate + score.bias, score.estimate
    return max(min(estimate, middle - below), 0.0), min(max(estimate, middle + above), 1.0)


def _concentration(variances: Array) -> float:
    """1 where one label has all of the variance, 1 / k where k labels share it."""
    total = variances.sum()
    return float(((variances / total) ** 2).sum()) if total > 0 else 1.0


def _mixed(arm: Array, normal: Array, own: float) -> Array:
    return np.asarray(np.sqrt(own * arm**2 + (1 - own) * np.maximum(arm, normal) ** 2))


def _combined(arms: Array, related: Array) -> float:
    return float(np.sqrt(max(arms @ related @ arms, 0.0)))


def _correlation(shares: Shares) -> Array:
    """Of the errors of k shares, (k, k); 0 where one of them has no variation."""
    together = shares.part.T @ (shares.times[:, None] * shares.part)
    error = np.sqrt(np.diag(together))
    scale = np.outer(error, error)
    related = np.divide(together, scale, out=np.zeros_like(together), where=scale > 0)
    np.fill_diagonal(related, 1.0)
    return np.asarray(related)


@dataclass(frozen=True)
class Difference:
    """The difference of two scores of the same units: its centre, standard error and degrees of freedom."""

    centre: float
    error: float
    freedom: float

    @property
    def limits(self) -> tuple[float, float]:
        """The 95 % limits, within -1 and 1."""
        half = float(stats.t.ppf(COVERED, self.freedom)) * self.error
        return max(self.centre - half, -1.0), min(self.centre + half, 1.0)

    @property
    def p(self) -> float:
        """The two-sided p-value of no difference."""
        return float(2 * stats.t.sf(abs(self.centre) / self.error, self.freedom))


def difference(a: Score, b: Score) -> Difference:
    """The difference a minus b of two scores of the same units, as a paired t statistic of each unit's part in it.

    One text more counts, on which the two differ (as in Agresti and Min 2005), so that few such texts do not make the
    difference sure; and the degrees of freedom are the number of texts that carry the variance (Satterthwaite 1946),
    with this one. A label that one got right or wrong throughout, and the other not, has the variance of its share with
    a right and a wrong text more, because a single text may decide it.
    """
    first, second = a.shares, b.shares
    part = _parts(a) - _parts(b)
    variance, fourth = first.times @ part**2, first.times @ part**4
    units = float(first.times @ ((first.part != 0).any(1) | (second.part != 0).any(1)))
    freedom = variance**2 / fourth + 1 if fourth > 0 else 1.0
    if first.clustered:
        variance, freedom = variance * units / max(units - 1, 1), min(freedom, max(units - 1, 1))
    error = np.sqrt(variance + (_one_more(a) + _one_more(b)) / 2 + _unseen(a, b) + _unseen(b, a))
    return Difference(a.estimate - b.estimate + a.bias - b.bias, float(error), float(freedom))


def _parts(score: Score) -> Array:
    """Each unit's part in the error of a score, shape (units,)."""
    slope = _slope_of_f1(score.shares.share) if score.f1 else np.ones(len(score.weight))
    return np.asarray(score.shares.part @ (slope * score.weight))


def _unseen(score: Score, other: Score) -> float:
    """The variance of labels that were right or wrong throughout, where the other coder's score is not the same."""
    shares = score.shares
    throughout = shares.defined & ((shares.share <= 0) | (shares.share >= 1)) & (shares.share != other.shares.share)
    if len(score.weight) == 1:  # one text more is enough where there is no label that few texts have
        return 0.0
    variance = (score.weight * score.slope) ** 2 * shares.smoothed * (1 - shares.smoothed) / shares.n
    return float(variance[throughout].sum())


def _one_more(score: Score) -> float:
    """The variance that one text right or wrong adds, whose label is drawn by how often labels occur."""
    shares = score.shares
    step = score.weight * score.slope * shares.size / np.where(shares.defined, shares.cases, 1.0)
    return float(shares.cases / max(shares.cases.sum(), 1.0) @ step**2)
