"""Shares of labels from texts that were drawn for hand coding, of the corpus itself or of what it is a sample of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.few_errors import (
    FEWEST_ERRORS,
    TOP_HEAVY,
    UNEQUAL,
    kish,
    more_errors,
    number_of_errors,
    share_of_largest,
    typical_error,
    where_errors_are,
)
from annotune.correction.moments import sums_by_group


@dataclass(frozen=True)
class Drawn:
    """The n hand-coded texts behind the shares of k labels.

    Attributes
    ----------
    residuals
        What is unknown of a text until it is coded, shape (n, k): the error of its prediction, or without predictions
        its label's distance from the share.
    wrong
        How large an error a text's prediction can have, shape (n, k): 1 where it is a label.
    reach
        What a residual of 1 adds to a share, shape (n,): 1 / pi, over the number of texts.
    pi
        The probability of being drawn, shape (n,): of several waves 1 over how many texts each stands for.
    finite
        Whether shares are those of the corpus, of which the coded texts are a known part.
    clusters
        Clusters of the coded texts, shape (n,).
    chance
        Of several waves the part of each squared weight that is by chance, shape (n,); of one it is 1 - pi.
    """

    residuals: Floats
    wrong: Floats
    reach: Floats
    pi: Floats
    finite: bool
    clusters: np.ndarray | None = None
    chance: Floats | None = None

    @property
    def rest(self) -> Floats:
        """The part of each text's variance that there is, shape (n,): of the corpus 1 - pi."""
        if not self.finite:
            return np.ones(len(self.pi))
        return 1 - self.pi if self.chance is None else self.chance

    @property
    def squares(self) -> Floats:
        """What each residual contributes to the variance of each share, shape (n, k)."""
        return np.asarray((self.rest * self.reach**2)[:, None] * self.residuals**2)

    @property
    def typical(self) -> Floats:
        """What a wrong prediction adds to the variances of the shares, shape (k,)."""
        where = where_errors_are(1 / self.pi, self.wrong)
        return typical_error((self.rest * self.reach**2)[:, None] * self.wrong**2, where)

    def variance(self) -> Floats:
        """The variances of the shares when texts (or clusters) are drawn anew, shape (k,)."""
        if self.clusters is None:
            return np.asarray(self.squares.sum(axis=0))
        scores = (np.sqrt(self.rest) * self.reach)[:, None] * self.residuals
        return np.asarray((sums_by_group(scores, self.clusters) ** 2).sum(axis=0))

    def few(self, variance: Floats) -> np.ndarray:
        """Whether few errors are behind these variances of shares, shape (k,)."""
        return np.asarray(number_of_errors(variance, self.typical) < FEWEST_ERRORS)

    def with_more_errors(self, variance: Floats, level: float) -> Floats:
        """These variances, and where errors are few those with some more than were seen."""
        seen = number_of_errors(variance, self.typical)
        return np.asarray(variance + more_errors(seen, level) * self.typical)

    def size(self, shares: Floats, variance: Floats) -> Floats:
        """How many texts drawn with equal probabilities give these variances of shares, shape (k,).

        Where few texts have the label (or lack it), by the weights alone (Kish 1965; Dean and Pagano 2015): a variance
        that is estimated from one or two texts is hardly known.
        """
        weight = self.rest * self.reach**2
        total = weight.sum()
        by_weights = self.reach.sum() ** 2 / total if total > 0 else np.inf
        spread = shares * (1 - shares)
        by_variance = np.divide(spread, variance, out=np.full(len(shares), np.inf), where=variance > 0)
        if self.clusters is None:
            return np.where(self.few(variance), by_weights, by_variance)
        apart = len(np.unique(self.clusters)) / (total / (self.reach**2).sum() if total > 0 else 1.0)
        fewer = np.minimum(by_weights, np.where(variance > 0, by_variance, apart))
        return np.where(self.few(variance), fewer, by_variance)

    def notes(self, variance: Floats, if_few: Sequence[str]) -> tuple[str | None, ...]:
        """For each label what makes its interval wide, or doubtful; `if_few` where it rests on few errors."""
        n, number = len(self.pi), kish(1 / self.pi)
        unequal = [f"unequal pi: {n:,} hand-coded texts count as {number:,.0f}"] if number < UNEQUAL * n else []
        heavy = share_of_largest(self.squares, variance) > TOP_HEAVY
        own = [
            [sentence] if few else ["five texts have most of the variance"] if top else []
            for sentence, few, top in zip(if_few, self.few(variance), heavy, strict=True)
        ]
        return tuple("; ".join([*unequal, *part]) or None for part in own)
