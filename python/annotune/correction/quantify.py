"""Shares of labels from predictions with errors: the adjusted count, and EM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.few_errors import typical_error
from annotune.correction.tally import Group, HandCoded, added

CLOSE, MOST_ROUNDS = 1e-9, 10_000
NEAR = 1e-6  # is close enough for replicates, of which only the spread is used
AT_ONCE = 10_000_000  # texts times replicates in memory
SINGULAR = 1e-6


@dataclass(frozen=True)
class Errors:
    """The error rates by true label, from the n hand-coded texts among N.

    Attributes
    ----------
    rates
        Shape (k, k): `rates[j, i]` is the share of texts with label i that are predicted to have label j; columns of
        labels that nobody coded are NaN.
    coded, gold
        The coded texts' numbers and true labels (n,).
    scores
        Shape (n, k): the contribution of each text to the column of its label, for the variance of that column.
    size
        Shape (n,): the part of the weight of all texts with its label that each coded text has.
    ratio
        Shape (n,): its weight, 1 / pi.
    """

    rates: Floats
    coded: np.ndarray
    gold: np.ndarray
    scores: Floats
    size: Floats
    ratio: Floats

    @classmethod
    def of(cls, gold: np.ndarray, predicted: np.ndarray, weights: Floats, k: int) -> Errors:
        """From label numbers (N,), -1 where nobody coded, and weights (N,) of coded texts.

        >>> Errors.of(np.array([0, 0, 0, 0, 1, -1]), np.array([0, 0, 0, 1, 1, 0]), np.ones(6), 2).rates
        array([[0.75, 0.  ],
               [0.25, 1.  ]])
        """
        coded = np.flatnonzero(gold >= 0)
        true, indicators, weight = gold[coded], np.eye(k)[predicted[coded]], weights[coded]
        sizes = np.bincount(true, weight, minlength=k)
        with np.errstate(invalid="ignore"):
            rates = np.stack([np.bincount(true, weight * indicators[:, j], minlength=k) for j in range(k)]) / sizes
        size = weight / sizes[true]
        return cls(rates, coded, true, size[:, None] * (indicators - rates.T[true]), size, weight)

    @property
    def tell_apart(self) -> bool:
        """Whether predictions distinguish the labels: the matrix of rates can be inverted."""
        complete = bool(np.isfinite(self.rates).all())
        return complete and bool(np.linalg.svd(self.rates, compute_uv=False).min() > SINGULAR)

    def behind(self, shares: Floats) -> tuple[Floats, Floats]:
        """What the coded texts' errors add to the variance of each adjusted share, and what one more would, (k,) each.

        Of one more, the text may have any label, as often as the shares say, and be taken for any other.
        """
        inverse = np.linalg.inv(self.rates)
        weight = shares[self.gold] * self.size
        seen = ((shares[self.gold][:, None] * self.scores @ inverse.T) ** 2).sum(axis=0)
        apart = (inverse[:, :, None] - inverse[:, None, :]) ** 2  # of each share: predicted j in place of label i
        k = len(shares)
        per_label = apart.sum(axis=1) / max(k - 1, 1)
        return seen, typical_error(weight[:, None] ** 2 * per_label[:, self.gold].T, self.ratio)


def adjusted_count(errors: Errors, group: Group, by_hand: HandCoded) -> tuple[Floats, Floats]:
    """Shares (k,) of a group's texts and their covariance (k, k), as if error rates were the same in all groups.

    With q the shares of predictions and M the rates, p = M^-1 q (Buck and Gart 1966; Rogan and Gladen 1978; Forman
    2008). The variance is that of the estimating equations of q and M together: hand-coded texts count in both. Shares
    can lie outside 0 to 1; see `onto_simplex`.

    Parameters
    ----------
    by_hand
        The hand-coded texts of all groups, on which the rates rest.
    """
    k = len(errors.rates)
    q = group.sums.given[0] / group.n
    inverse = np.linalg.inv(errors.rates)
    shares = inverse @ q
    by_rates = -shares[errors.gold][:, None] * errors.scores
    if by_hand.clusters is not None and group.clusters is not None and group.by_cluster is not None:
        by_count = (group.by_cluster.given - group.by_cluster.n[:, None] * q) / group.n
        numbers = np.union1d(group.clusters, by_hand.clusters)
        scores = added([(group.clusters, by_count), (by_hand.clusters, by_rates)], numbers, k)
        return shares, inverse @ (scores.T @ scores) @ inverse.T
    own = (np.eye(k)[by_hand.predicted[group.at]] - q) / group.n
    both = own.T @ by_rates[group.at]
    meat = (np.diag(q) - np.outer(q, q)) / group.n + by_rates.T @ by_rates + both + both.T
    return shares, inverse @ meat @ inverse.T


def onto_simplex(shares: Floats) -> Floats:
    """The nearest shares from 0 to 1 that sum to 1 (Duchi, Shalev-Shwartz, Singer and Chandra 2008).

    >>> onto_simplex(np.array([1.2, -0.2])), onto_simplex(np.array([0.3, 0.7]))
    (array([1., 0.]), array([0.3, 0.7]))
    """
    descending = np.sort(shares)[::-1]
    excess = (np.cumsum(descending) - 1) / np.arange(1, len(shares) + 1)
    last = int(np.flatnonzero(descending > excess).max())
    return np.asarray(np.maximum(shares - excess[last], 0))


def em(
    posteriors: Floats,
    prior: Floats,
    counts: Floats | None = None,
    start: Floats | None = None,
    close: float = CLOSE,
) -> Floats:
    """Shares under which the posteriors of a model trained on `prior` are right on average.

    The EM algorithm of Saerens, Latinne and Decaestecker (2002, eq. 2.9), which finds the maximum of the likelihood.

    Parameters
    ----------
    posteriors, prior
        Probabilities of the k labels for each text (N, k), and their mean in the training data (b, k).
    counts
        How often each text counts (b, N), one row per replicate; once each when left out.
    start, close
        Starting values (k,), and the largest change in the last round.

    Returns
    -------
    numpy.ndarray
        Shares (b, k), each row summing to 1.

    Examples
    --------
    Where the mean is that of the training data, the shares are equal to it:

    >>> posteriors = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    >>> em(posteriors, posteriors.mean(0, keepdims=True)).round(6)
    array([[0.5, 0.5]])
    """
    counts = np.ones((len(prior), len(posteriors))) if counts is None else counts
    size = counts.sum(1, keepdims=True)
    shares = np.tile(prior.mean(0) if start is None else start, (len(prior), 1))
    for _ in range(MOST_ROUNDS):
        scale = shares / prior
        mixed = np.maximum(scale @ posteriors.T, 1e-300)
        new = scale * (np.divide(counts, mixed, out=mixed) @ posteriors) / size
        moved = float(np.abs(new - shares).max())
        shares = new
        if moved < close:
            break
    return np.asarray(shares / shares.sum(1, keepdims=True))


def resamples(n: int, clusters: np.ndarray | None, n_boot: int, seed: int) -> Iterator[Floats]:
    """Bootstrap counts of n texts, in blocks (b, n) of `n_boot` rows in all; clusters are drawn as a whole."""
    rng, units = np.random.default_rng(seed), n if clusters is None else int(clusters.max()) + 1
    height = max(1, min(n_boot, AT_ONCE // n))
    for first in range(0, n_boot, height):
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=min(height, n_boot - first)).astype(float)
        yield drawn if clusters is None else drawn[:, clusters]
