"""Rows of `edges.py`: tests of related errors, and few clusters."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from edge_methods import Edge
from scipy.special import expit

import annotune as at

GROUPS = (0.5, 0.3, 0.15, 0.05)


def unrelated_errors(n: int, share: float, seed: int) -> bool | None:
    """Whether errors are found to be related to four groups of which they are independent."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {"party": rng.choice(list("abcd"), n, p=GROUPS), "y_hat": (rng.random(n) < share) * 1, "y_gold": [0] * n}
    )
    return _found(frame, None)


def unrelated_errors_of_clusters(clusters: int, groups: int, seed: int, n: int = 600) -> bool | None:
    """The same where errors come in clusters of unequal size, each of which is in one group."""
    rng = np.random.default_rng(seed)
    cluster = rng.choice(clusters, n, p=_unequal(clusters, rng))
    party = np.array(list("abcd"))[np.arange(clusters) % groups]
    chance = expit(-1.5 + 0.8 * rng.normal(size=clusters))
    wrong = rng.random(n) < chance[cluster]
    frame = pl.DataFrame({"party": party[cluster], "cluster": cluster, "y_hat": wrong * 1, "y_gold": [0] * n})
    return _found(frame, "cluster")


def _unequal(clusters: int, rng: np.random.Generator) -> np.ndarray:
    size = np.exp(0.8 * rng.normal(size=clusters))
    return size / size.sum()


def _found(frame: pl.DataFrame, cluster: str | None) -> bool | None:
    outcome = at.error_model(frame, "party", cluster=cluster).outcome
    return None if outcome == "too few" else outcome == "evidence"


def interval_of_clusters(model: str, clusters: int, method: str, kinds: int, seed: int, n: int = 1500) -> bool:
    """Whether the interval holds the effect of something that varies between clusters, of one kind or crossed ones."""
    rng = np.random.default_rng(seed)
    cluster, paper = rng.choice(clusters, n, p=_unequal(clusters, rng)), rng.integers(0, 14, n)
    x = rng.normal(size=clusters)[cluster] + (rng.normal(size=14)[paper] if kinds == 2 else 0)
    shift = rng.normal(size=clusters)[cluster] + (rng.normal(size=14)[paper] if kinds == 2 else 0)
    if model == "linear":
        truth = 0.5 * shift + rng.normal(size=n)
        predicted = 0.5 * truth + 0.5 * rng.normal(size=n)
    else:
        truth = (rng.random(n) < expit(-0.3 + 0.5 * shift)) * 1.0
        predicted = abs(truth - (rng.random(n) < 0.15))
    gold = np.where(rng.random(n) < 0.3, truth, np.nan)
    frame = pl.DataFrame({"x": x, "cluster": cluster, "paper": paper, "y_hat": predicted, "y_gold": gold})
    by = ["cluster", "paper"] if kinds == 2 else "cluster"
    how = "auto" if method == "auto" else "dsl"
    fit = at.correct("y ~ x", frame, model=model, method=how, pi=0.3, cluster=by)  # type: ignore[arg-type]
    row = fit.tidy().filter(method="corrected" if method == "auto" else method, term="x").row(0, named=True)
    return bool(row["conf_low"] <= 0 <= row["conf_high"])


def of_clusters(model: str, clusters: int, before: float | None, method: str = "corrected", kinds: int = 1) -> Edge:
    which = "unequal clusters" if kinds == 1 else "unequal clusters crossed with 14 others"
    name = f"correct, {model}, {clusters} {which}, {method}"
    return Edge(name, partial(interval_of_clusters, model, clusters, method, kinds), before, 93, 98)


EDGES = (
    *(
        Edge(
            f"error_model, four groups, {n} coded, {share:.0%} errors",
            partial(unrelated_errors, n, share),
            before,
            3,
            7,
            "size",
            2000,
        )
        for n, share, before in ((200, 0.05, 24.7), (200, 0.10, 22.0), (400, 0.05, 37.0), (400, 0.10, 16.7))
    ),
    *(
        Edge(
            f"error_model, {clusters} unequal clusters, {groups} groups",
            partial(unrelated_errors_of_clusters, clusters, groups),
            before,
            0,
            7,
            "size",
        )
        for clusters, groups, before in ((12, 2, 15.7), (30, 2, 9.8), (12, 4, 52.8), (30, 4, 23.3))
    ),
    of_clusters("linear", 12, 76.8),
    of_clusters("linear", 12, 76.9, "hand-coded only"),
    of_clusters("linear", 30, 87.9),
    of_clusters("logit", 12, 77.4),
    of_clusters("logit", 12, 78.6, "hand-coded only"),
    of_clusters("logit", 30, 87.8),
    of_clusters("linear", 12, 90.1, "auto"),
    of_clusters("linear", 12, 70.3, kinds=2),
    of_clusters("logit", 12, 76.5, kinds=2),
)
