"""Rows of `edges.py`: few errors among the coded, rare labels, heavy weights, and corpora of which much is coded."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
from edge_methods import Edge

import annotune as at

RARE = {"share": 0.03, "right": (0.7, 0.99)}
GOOD = {"share": 0.3, "right": (0.97, 0.97)}
ONE_SIDED = {"share": 0.3, "right": (0.9, 1.0)}


def corpus(
    seed: int,
    n: int,
    coded: int | tuple[float, float],
    share: float,
    right: tuple[float, float],
) -> tuple[pl.DataFrame, np.ndarray]:
    """n texts of two parties, a label with this share in both, and its truth.

    `right` is how many of the texts with the label, and without it, are predicted right. `coded` texts are drawn at
    random, or with one probability where the label is predicted and another where it is not.
    """
    rng = np.random.default_rng(seed)
    true = rng.random(n) < share
    said = np.where(true, rng.random(n) < right[0], rng.random(n) >= right[1])
    if isinstance(coded, tuple):
        pi = np.where(said, *coded)
        drawn = rng.random(n) < pi
    else:
        pi, drawn = np.full(n, coded / n), np.isin(np.arange(n), rng.permutation(n)[:coded])
    frame = pl.DataFrame({"y_hat": said * 1.0, "y_gold": np.where(drawn, true, np.nan), "pi": pi})
    return frame.with_columns(pl.col("y_gold").fill_nan(None), party=pl.Series((rng.random(n) < 0.3) * 1)), true


def share_of_corpus(method: str, seed: int, n: int = 10_000, coded: Any = 100, **texts: Any) -> bool | None:
    """Whether the interval of the label's share holds its share of the corpus."""
    frame, true = corpus(seed, n, coded, **texts)
    if frame["y_gold"].sum() == 0 and method != "hand":
        return None
    row = at.prevalence(frame, methods=method).filter(label="1").row(0, named=True)
    return bool(row["conf_low"] - 1e-12 <= true.mean() <= row["conf_high"] + 1e-12)


def coefficient(
    method: str, seed: int, n: int = 10_000, coded: Any = 100, model: str = "linear", **texts: Any
) -> bool | None:
    """Whether the interval of the difference between parties, which is 0, holds it; the model errs in one alone."""
    frame, true = corpus(seed, n, coded, **texts)
    right = pl.Series(true * 1.0)
    frame = frame.with_columns(y_hat=pl.when(pl.col("party") == 1).then("y_hat").otherwise(right))
    fit = at.correct("y ~ party", frame, method="dsl" if method == "hand" else method, model=model)  # type: ignore[arg-type]
    name = "hand-coded only" if method == "hand" else "corrected"
    row = fit.tidy().filter(method=name, term="party").row(0, named=True)
    return None if row["conf_low"] is None else bool(row["conf_low"] <= 0 <= row["conf_high"])


def _edge(name: str, repetition: Any, before: float | None, low: float = 93, high: float = 97, n: int = 1000) -> Edge:
    return Edge(name, repetition, before, low, high, "coverage", n)


BOUND = 100.0  # the row's note says that its interval is a bound
UNEQUAL = {"n": 20_000, "coded": (0.5, 0.005)}
EDGES = (
    _edge("share, model 97 % right, 100 coded, dsl", partial(share_of_corpus, "dsl", **GOOD), 89.6, high=BOUND),
    _edge("share, model 97 % right, 100 coded, ppi", partial(share_of_corpus, "ppi", **GOOD), 91.7, high=BOUND),
    _edge("share, errors of one kind, 100 coded, dsl", partial(share_of_corpus, "dsl", **ONE_SIDED), 92.1, high=BOUND),
    _edge("share, errors of one kind, 100 coded, ppi", partial(share_of_corpus, "ppi", **ONE_SIDED), 88.7, high=BOUND),
    _edge("share, 3 % label, 100 coded, hand", partial(share_of_corpus, "hand", **RARE), 85.9),
    _edge("share, 3 % label, 100 coded, dsl", partial(share_of_corpus, "dsl", **RARE), 98.5, high=BOUND),
    _edge("share, 3 % label, 100 coded, ppi", partial(share_of_corpus, "ppi", **RARE), 88.2, high=BOUND),
    _edge(
        "share, 3 % label, pi .5 and .005, hand", partial(share_of_corpus, "hand", **UNEQUAL, **RARE), 63.0, high=BOUND
    ),
    _edge(
        "share, 3 % label, pi .5 and .005, dsl", partial(share_of_corpus, "dsl", **UNEQUAL, **RARE), 57.5, high=BOUND
    ),
    *(
        _edge(
            f"share, half of 800 coded, {method}",
            partial(share_of_corpus, method, n=800, coded=400, share=0.3, right=(0.85, 0.85)),
            before,
        )
        for method, before in (("hand", 99.7), ("dsl", 99.8), ("ppi", 99.8))
    ),
    _edge(
        "share, weak model, different pi, ppi",
        partial(share_of_corpus, "ppi", n=3000, coded=(0.2, 0.05), share=0.3, right=(0.7, 0.7)),
        None,
    ),
    _edge(
        "coefficient, errors in one party, 100 coded, dsl", partial(coefficient, "dsl", **ONE_SIDED), 61.6, high=BOUND
    ),
    _edge(
        "coefficient, errors in one party, 100 coded, ppi", partial(coefficient, "ppi", **ONE_SIDED), 61.6, high=BOUND
    ),
    _edge(
        "coefficient, errors in one party, 100 coded, dsl, logit",
        partial(coefficient, "dsl", model="logit", **ONE_SIDED),
        61.6,
        high=BOUND,
    ),
    _edge("coefficient, 3 % label, 400 coded, hand", partial(coefficient, "hand", coded=400, **RARE), None),
    _edge("coefficient, 3 % label, 400 coded, dsl", partial(coefficient, "dsl", coded=400, **RARE), None, high=BOUND),
)
