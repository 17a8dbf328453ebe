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
    """
    estimates = _estimates(tally, rows_by_group, probabilities, coded, clusters, n_boot, seed, level)
    return with_clusters_known("em", tally, estimates)


def _estimates(
    tally: Tally,
    rows_by_group: list[np.ndarray],
    probabilities: np.ndarray | None,
    coded: np.ndarray,
    clusters: np.ndarray | None,
    n_boot: int,
    seed: int,
    level: float,
) -> list[Estimate]:
    if probabilities is None:
        return [Estimate(None, note="there are no columns with the labels' probabilities") for _ in tally.groups]
    prior = probabilities[coded].mean(0, keepdims=True)
    if not (prior > 0).all():
        return [Estimate(None, note="a label has the probability 0 in all hand-coded texts") for _ in tally.groups]
    shares = [em(probabilities[rows], prior)[0] for rows in rows_by_group]
    drawn: list[list[np.ndarray]] = [[] for _ in tally.groups]
    with bar("Bootstrap of em", n_boot) as advance:
        for counts in resamples(len(coded), clusters, n_boot, seed):
            sizes = counts[:, coded].sum(1)
            priors = (counts[:, coded] @ probabilities[coded]) / np.maximum(sizes, 1)[:, None]
            for i, rows in enumerate(rows_by_group):
                mine = counts[:, rows]
                usable = (sizes > 0) & (mine.sum(1) > 0) & (priors > 0).all(1)
                drawn[i].append(em(probabilities[rows], priors[usable], mine[usable], shares[i], NEAR))
            advance(len(counts))
    how = f"bootstrap, {n_boot:,} replicates, seed {seed}"
    none = np.zeros((0, tally.k))
    return [
        _percentile_interval(share, np.concatenate([none, *draws]), level, how, Few(tally.n_clusters(group, "em")).note)
        for group, share, draws in zip(tally.groups, shares, drawn, strict=True)
    ]


def _percentile_interval(shares: np.ndarray, draws: np.ndarray, level: float, how: str, note: str | None) -> Estimate:
    if len(draws) < 2:
        return Estimate(shares, note="no interval: too few replicates of the bootstrap")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Estimate(shares, draws.std(0, ddof=1), low, high, how, note)
