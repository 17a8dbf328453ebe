"""Shares as means, corrected by hand-coded texts: in closed form what a regression on a constant gives.

A text adds `share` times its prediction, and a hand-coded one in its place what it has by hand, 1 / pi times, less as
much of its prediction. With `share` 1 this is DSL, with others PPI; `tests/correction/test_prevalence.py` compares both
with regressions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.tally import Group, HandCoded, added

SAME = 1e-9  # the share by which probabilities of being drawn may differ and still count as equal


@dataclass(frozen=True)
class Mean:
    """Shares (k,), their variances (k,) where all texts are drawn anew, and the weight of predictions in them."""

    shares: Floats
    variance: Floats
    share: float


def equal(weights: Floats) -> bool:
    """Whether all texts were drawn with one probability."""
    return bool(np.ptp(weights) <= SAME * weights.max())


def counted_mean(group: Group) -> Mean:
    """The predicted labels, treated as if they were the truth; variances robust to heteroskedasticity or clusters."""
    sums, each = group.sums, group.by_cluster
    shares = sums.given[0] / group.n
    if each is None:
        return Mean(shares, shares * (1 - shares) / group.n, 1.0)
    scores = each.given - each.n[:, None] * shares
    return Mean(shares, (scores**2).sum(axis=0) / group.n**2, 1.0)


def corrected_mean(group: Group, coded: HandCoded, share: float, centred: bool = False) -> Mean:
    """Predictions with `share` of their weight, corrected by hand-coded texts.

    `centred` takes coded and uncoded texts for two samples, each with a variance of its own.
    """
    ratio, n = coded.weights, group.n
    weight = share * (n - ratio.sum()) + ratio.sum()
    gap = coded.truth - share * coded.likely
    shares = (share * group.sums.likely[0] + ratio @ gap) / weight
    own = ratio[:, None] * (gap - (1 - share) * shares)  # of a coded text, beside its prediction
    if group.by_cluster is not None and group.clusters is not None and coded.clusters is not None:
        each = group.by_cluster
        predicted = share * (each.likely - each.n[:, None] * shares)
        scores = added([(group.clusters, predicted), (coded.clusters, own)], group.clusters, len(shares))
        return Mean(shares, (scores**2).sum(axis=0) / weight**2, share)
    own = own + share * (coded.likely - shares)
    rest, total = n - len(ratio), group.sums.likely[0] - coded.likely.sum(axis=0)
    squares = group.sums.squares[0] - (coded.likely**2).sum(axis=0)
    about = share**2 * np.maximum(squares - 2 * shares * total + rest * shares**2, 0)
    meat = about + (own**2).sum(axis=0)
    if centred:
        meat = meat - own.sum(axis=0) ** 2 / len(ratio)
        meat = meat - (share * (total - rest * shares)) ** 2 / rest if rest else meat
    return Mean(shares, np.maximum(meat, 0) / weight**2, share)


def powered_mean(group: Group, coded: HandCoded) -> Mean:
    """The correction with the weight of predictions under which its variance is smallest.

    With equal pi, 1 / pi being the texts for each coded one, it is that of Angelopoulos, Duchi and Zrnic (2023,
    proposition 2), else it is searched for.
    """
    n, n_coded = group.n, len(coded.weights)
    if n == n_coded:
        return corrected_mean(group, coded, 0.0, equal(coded.weights))
    if not equal(coded.weights):
        return corrected_mean(group, coded, _least_variance(group, coded))
    mean = group.sums.likely[0] / n
    spread = (group.sums.squares[0] / n - mean**2).sum()
    truth, likely = coded.truth, coded.likely
    shared = ((truth - truth.mean(axis=0)) * (likely - likely.mean(axis=0))).sum() / n_coded
    weight = float(np.clip(shared / spread * (n - n_coded) / n, 0, 1)) if spread > 0 else 0.0
    return corrected_mean(group, coded, weight * n / (n - n_coded), centred=True)


def _least_variance(group: Group, coded: HandCoded) -> float:
    from scipy.optimize import minimize_scalar

    if group.clusters is not None and len(group.clusters) == 1:  # whatever the weight, one cluster does not vary
        group = replace(group, clusters=None, by_cluster=None)

    def variance(share: float) -> float:
        return float(corrected_mean(group, coded, share).variance.sum())

    return float(minimize_scalar(variance, bounds=(0, 1), method="bounded", options={"xatol": 0.01}).x)
