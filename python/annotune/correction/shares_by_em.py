"""The shares of labels under which the model's probabilities are right on average, in groups of texts in memory."""

from __future__ import annotations

import numpy as np

from annotune.correction.quantify import NEAR, em, resamples
from annotune.correction.shares_by_method import Estimate, Few, with_clusters_known
from annotune.correction.tally import Tally
from annotune.progress import bar


def em_by_group(
    tally: Tally,
    rows_by_group: list[np.ndarray],
    probabilities: np.ndarray | None,
    coded: np.ndarray,
    clusters: np.ndarray | None,
    n_boot: int,
    seed: int,
    level: float,
) -> list[Estimate]:
    """The estimates for each group of texts, given by its rows.

    Parameters
    ----------
    probabilities, coded, clusters
        Of all N texts: shape (N, k), whether they are coded by hand (N,), and the number of their cluster (N,).
    n_boot, seed, level
        Replicates of the bootstrap, their seed, and the level of the percentile intervals.
    """
    obstacle = _obstacle(probabilities, coded)
    if probabilities is None or obstacle is not None:
        return [Estimate(None, note=obstacle) for _ in tally.groups]
    prior = probabilities[coded].mean(0, keepdims=True)
    shares = [em(probabilities[rows], prior)[0] for rows in rows_by_group]
    replicates = _replicates(rows_by_group, shares, probabilities, coded, clusters, n_boot, seed)
    how = f"bootstrap, {n_boot:,} replicates, seed {seed}"
    estimates = [
        _percentile_interval(share, draws, level, how, Few(tally.n_clusters(group, "em")).note)
        for group, share, draws in zip(tally.groups, shares, replicates, strict=True)
    ]
    return with_clusters_known("em", tally, estimates)


def _obstacle(probabilities: np.ndarray | None, coded: np.ndarray) -> str | None:
    """Why there are no estimates; None where there are."""
    if probabilities is None:
        return "there are no columns with the labels' probabilities"
    if not (probabilities[coded].mean(0) > 0).all():
        return "a label has the probability 0 in all hand-coded texts"
    return None


def _replicates(
    rows_by_group: list[np.ndarray],
    shares: list[np.ndarray],
    probabilities: np.ndarray,
    coded: np.ndarray,
    clusters: np.ndarray | None,
    n_boot: int,
    seed: int,
) -> list[np.ndarray]:
    """Shares (replicates, k) of each group in those bootstrap samples in which they can be estimated."""
    replicates = [[np.zeros((0, probabilities.shape[1]))] for _ in rows_by_group]
    with bar("Bootstrap of em", n_boot) as advance:
        for counts in resamples(len(coded), clusters, n_boot, seed):
            sizes = counts[:, coded].sum(1)
            priors = (counts[:, coded] @ probabilities[coded]) / np.maximum(sizes, 1)[:, None]
            for i, rows in enumerate(rows_by_group):
                mine = counts[:, rows]
                usable = (sizes > 0) & (mine.sum(1) > 0) & (priors > 0).all(1)
                replicates[i].append(em(probabilities[rows], priors[usable], mine[usable], shares[i], NEAR))
            advance(len(counts))
    return [np.concatenate(draws) for draws in replicates]


def _percentile_interval(shares: np.ndarray, draws: np.ndarray, level: float, how: str, note: str | None) -> Estimate:
    if len(draws) < 2:
        return Estimate(shares, note="no interval: too few replicates of the bootstrap")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Estimate(shares, draws.std(0, ddof=1), low, high, how, note)
