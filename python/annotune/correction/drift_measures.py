"""Periods compared with a reference by what a model said in them, with intervals for all comparisons together.

Sums are enough: how often each label was given, and how sure the model was as a histogram. So any number of texts is
compared in little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstwobign, norm

from annotune.measures.limits import wilson

BINS = 1000  # of certainty, from 0 to 1
UNSURE = 0.1  # of the reference's texts, those of which the model is least sure
MEASURES = ("uncertain", "certainty", "labels", "accuracy")


@dataclass(frozen=True)
class Period:
    """What a model said in a period.

    Attributes
    ----------
    n
        Texts that it answered.
    given
        How many were given each label, shape (k,).
    sure
        How many had each certainty, shape (BINS,); None where it is not known.
    coded, right, squares
        The hand-coded texts' weights (1 / pi): their sum, that of the texts that the model coded alike, and that of
        their squares.
    n_coded
        How many these are.
    """

    n: int
    given: np.ndarray
    sure: np.ndarray | None = None
    coded: float = 0.0
    right: float = 0.0
    squares: float = 0.0
    n_coded: int = 0

    def with_texts_of(self, other: Period) -> Period:
        """Both together."""
        return Period(
            self.n + other.n,
            self.given + other.given,
            None if self.sure is None or other.sure is None else self.sure + other.sure,
            self.coded + other.coded,
            self.right + other.right,
            self.squares + other.squares,
            self.n_coded + other.n_coded,
        )


@dataclass(frozen=True)
class Comparison:
    """A measure in a period beside the reference; `change` with its limits is None where there is no reference."""

    measure: str
    about: str | None
    value: float
    reference: float | None
    change: float | None
    low: float | None
    high: float | None
    n: int

    def is_beyond(self, tolerance: float) -> bool:
        """Whether the change is more than the tolerance and chance explain."""
        return self.low is not None and self.high is not None and (self.low > tolerance or self.high < -tolerance)


def cut_off(sure: np.ndarray) -> float:
    """The certainty below which a tenth of the texts are, as nearly as the histogram tells.

    >>> cut_off(np.full(BINS, 3))
    0.1
    """
    below = np.concatenate([[0], np.cumsum(sure)]) / sure.sum()
    away = np.abs(below - UNSURE)
    return float(np.flatnonzero(away <= away.min() + 1e-12).max() / BINS)


def comparisons(
    period: Period, reference: Period, labels: Sequence[str], below: float | None, error: float
) -> Iterator[Comparison]:
    """Each measure of a period beside the reference.

    Parameters
    ----------
    below
        Of a text that the model is unsure of, the certainty; None where certainty is not known.
    error
        The probability with which an interval may miss: of each comparison.
    """
    reach = float(norm.isf(error / 2))
    if period.sure is not None and reference.sure is not None and below is not None:
        bins = round(below * BINS)
        counts = (float(period.sure[:bins].sum()), float(reference.sure[:bins].sum()))
        yield _two_shares("uncertain", f"below {below:.3g}", counts, period.n, reference.n, reach)
        yield _distance(period, reference, error)
    yield _labels(period, reference, labels, error)
    if period.n_coded:
        yield _accuracy(period, reference, reach)


def difference(share: float, n: float, other: float, n_other: float, reach: float) -> tuple[float, float]:
    """Limits of the difference of two independent shares, from Wilson's of each (Newcombe 1998, method 10).

    >>> low, high = difference(56 / 70, 70, 48 / 80, 80, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    shares, sizes = np.array([share, other]), np.array([n, n_other])
    low, high = wilson(shares, sizes, np.array([reach, reach]))
    change = share - other
    down, up = shares - low, high - shares
    return float(change - np.hypot(down[0], up[1])), float(change + np.hypot(up[0], down[1]))


def _two_shares(
    measure: str, about: str, counts: tuple[float, float], n: int, n_reference: int, reach: float
) -> Comparison:
    share, other = counts[0] / n, counts[1] / n_reference
    return Comparison(measure, about, share, other, share - other, *difference(share, n, other, n_reference, reach), n)


def _distance(period: Period, reference: Period, error: float) -> Comparison:
    """The largest difference of two distributions of certainty (Kolmogorov and Smirnov)."""
    here, there = (np.asarray(one.sure) / one.n for one in (period, reference))
    first, second = (np.cumsum(np.asarray(one.sure)) / one.n for one in (period, reference))
    distance = float(np.abs(first - second).max())
    margin = float(kstwobign.isf(error)) * np.sqrt(1 / period.n + 1 / reference.n)
    centres = (np.arange(BINS) + 0.5) / BINS
    means = float(here @ centres), float(there @ centres)
    limits = max(distance - margin, 0.0), min(distance + margin, 1.0)
    return Comparison("certainty", "mean", means[0], means[1], distance, *limits, period.n)


def _labels(period: Period, reference: Period, labels: Sequence[str], error: float) -> Comparison:
    """The label whose share moved furthest beyond chance; limits hold for all labels together."""
    reach = float(norm.isf(error / 2 / len(labels)))
    every = [
        _two_shares("labels", label, (float(here), float(there)), period.n, reference.n, reach)
        for label, here, there in zip(labels, period.given, reference.given, strict=True)
    ]
    return max(every, key=lambda one: (max(one.low or 0.0, -(one.high or 0.0)), abs(one.change or 0.0)))


def _accuracy(period: Period, reference: Period, reach: float) -> Comparison:
    """The share of hand-coded texts that the model coded alike; of the reference only where some were coded there."""
    share, size = period.right / period.coded, period.coded**2 / period.squares
    if not reference.n_coded:
        return Comparison("accuracy", None, share, None, None, None, None, period.n_coded)
    other, size_other = reference.right / reference.coded, reference.coded**2 / reference.squares
    limits = difference(share, size, other, size_other, reach)
    return Comparison("accuracy", None, share, other, share - other, *limits, period.n_coded)


def n_comparisons(periods: Sequence[Period], reference: Period) -> int:
    """How many intervals there are for these periods, over which the error is shared out."""
    n = len(periods) * (3 if reference.sure is not None else 1)
    return n + (sum(one.n_coded > 0 for one in periods) if reference.n_coded else 0)


def own_limits(period: Period, level: float) -> tuple[float, float] | None:
    """Wilson's limits of a period's accuracy by itself; None where nothing was coded."""
    if not period.n_coded:
        return None
    share, size = np.array([period.right / period.coded]), np.array([period.coded**2 / period.squares])
    low, high = wilson(share, size, np.array([norm.isf((1 - level) / 2)]))
    return float(low[0]), float(high[0])
