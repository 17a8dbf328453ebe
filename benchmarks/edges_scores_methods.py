"""Rows of `edges.py`: intervals of scores, and of the difference of two coders' scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from edge_methods import Edge

import annotune as at

SHARES = {
    "2 labels": np.array([0.9, 0.1]),
    "4 labels": np.array([0.5, 0.3, 0.15, 0.05]),
    "8 labels": np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.06, 0.04, 0.03]),
}
RIGHT = {  # of each label, the share of texts that a coder gets right
    "2 labels": np.array([0.95, 0.7]),
    "4 labels": np.array([0.9, 0.85, 0.7, 0.4]),
    "8 labels": np.full(8, 0.75),
}
N_BOOT = 500


def macro_f1(labels: str, n: int, seed: int) -> bool | None:
    """Whether the interval of macro-F1 holds that of the population, over the labels that the sample has."""
    truth, predicted, f1 = _sample(labels, n, seed)
    result = at.evaluate(_names(truth), _names(predicted), n_boot=N_BOOT)
    present = np.union1d(truth, predicted)
    return _holds(_row(result.measures, "macro_f1"), f1[present].mean())


def balanced_accuracy(labels: str, n: int, seed: int) -> bool | None:
    """Whether the interval of balanced accuracy holds that of the population."""
    truth, predicted, _ = _sample(labels, n, seed)
    result = at.evaluate(_names(truth), _names(predicted), n_boot=N_BOOT)
    return _holds(_row(result.measures, "balanced_accuracy"), RIGHT[labels][np.unique(truth)].mean())


def rare_label(n: int, seed: int) -> bool | None:
    """Whether the interval of the F1 of a label of 5 % of the texts holds that of the population."""
    truth, predicted, f1 = _sample("4 labels", n, seed)
    labels = at.evaluate(_names(truth), _names(predicted), n_boot=N_BOOT).labels
    rows = labels.filter((pl.col("label") == "l3") & (pl.col("model") == "predicted")).to_dicts()
    return _holds({"ci_low": rows[0]["f1_low"], "ci_high": rows[0]["f1_high"]}, f1[3]) if rows else None


def accuracy(chance: float, n: int, seed: int) -> bool | None:
    """Whether the interval of the accuracy of a model that is seldom wrong holds it."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    predicted = np.where(rng.random(n) < chance, truth, 1 - truth)
    return _holds(_row(at.evaluate(_names(truth), _names(predicted), n_boot=N_BOOT).measures, "accuracy"), chance)


def clustered_macro_f1(clusters: int, seed: int) -> bool | None:
    """The same as `macro_f1` where ten texts each come from one document, some documents being harder."""
    rng = np.random.default_rng(seed)
    shares, n = SHARES["4 labels"], 10 * clusters
    chance = np.repeat(rng.beta(3.2, 0.8, clusters), 10)
    truth, away = rng.choice(4, n, p=shares), rng.integers(1, 4, n)
    predicted = np.where(rng.random(n) < chance, truth, (truth + away) % 4)
    corpus = pl.DataFrame({"unit_id": _units(n), "doc": np.repeat(np.arange(clusters), 10)})
    tables = (_table(answers, name) for answers, name in ((truth, "gold"), (predicted, "m")))
    result = at.evaluate(*tables, corpus=corpus.with_columns(text=pl.lit("a")), cluster="doc", n_boot=N_BOOT, name="m")
    f1 = _f1(shares, np.full(4, 0.8), np.full((4, 4), 1 / 3))
    return _holds(_row(result.measures, "macro_f1"), f1[np.union1d(truth, predicted)].mean())


def paired_macro_f1(first: tuple[float, ...], second: tuple[float, ...], n: int, seed: int) -> bool | None:
    """Whether the interval of a difference of macro-F1 holds it, of two coders who are mostly right together."""
    rng = np.random.default_rng(seed)
    shares, chances = SHARES["4 labels"], [np.array(first), np.array(second)]
    truth, away, luck = rng.choice(4, n, p=shares), rng.integers(1, 4, n), rng.random((2, n))
    luck[1] = np.where(rng.random(n) < 0.7, luck[0], luck[1])
    said = [np.where(luck[i] < chances[i][truth], truth, (truth + away) % 4) for i in range(2)]
    coders = {name: _table(answers, name) for name, answers in zip("ab", said, strict=True)}
    pairs = at.compare(coders, _table(truth, "gold"), n_boot=N_BOOT).pairs
    row = pairs.filter((pl.col("a") == "a") & (pl.col("b") == "b") & (pl.col("measure") == "macro_f1"))
    even = np.full((4, 4), 1 / 3)
    return _holds(row.to_dicts()[0], float(np.subtract(*(_f1(shares, chance, even).mean() for chance in chances))))


def _sample(labels: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and prediction of n texts, and the F1 of each label in the population; errors go to frequent labels."""
    rng, shares, right = np.random.default_rng(seed), SHARES[labels], RIGHT[labels]
    others = np.tile(shares, (len(shares), 1)) / (1 - shares[:, None])
    table = (1 - right[:, None]) * others
    np.fill_diagonal(table, right)
    cell = rng.choice(table.size, n, p=(table * shares[:, None]).ravel())
    return cell // len(shares), cell % len(shares), _f1(shares, right, others)


def _f1(shares: np.ndarray, right: np.ndarray, others: np.ndarray) -> np.ndarray:
    table = (1 - right[:, None]) * others
    np.fill_diagonal(table, right)
    table = table * shares[:, None]
    return np.asarray(2 * np.diag(table) / (table.sum(0) + table.sum(1)))


def _names(labels: np.ndarray) -> list[str]:
    return [f"l{label}" for label in labels]


def _units(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def _table(labels: np.ndarray, coder: str) -> pl.DataFrame:
    return pl.DataFrame({"unit_id": _units(len(labels)), "label": _names(labels), "coder": coder})


def _row(measures: pl.DataFrame, measure: str) -> dict[str, float | None]:
    return measures.filter(pl.col("measure") == measure).row(0, named=True)


def _holds(row: dict[str, float | None], truth: float) -> bool | None:
    low, high = row["ci_low"], row["ci_high"]
    return None if low is None or high is None else low <= truth <= high


EVEN, WORSE, RARE = (0.85, 0.85, 0.85, 0.85), (0.75, 0.75, 0.75, 0.75), (0.85, 0.85, 0.85, 0.5)
BEFORE = {  # of 400 samples each
    "macro-F1, 2 labels, 60 texts": 91.8,
    "macro-F1, 2 labels, 150 texts": 93.2,
    "macro-F1, 4 labels, 60 texts": 87.8,
    "macro-F1, 4 labels, 150 texts": 90.8,
    "macro-F1, 8 labels, 60 texts": 90.5,
    "macro-F1, 8 labels, 150 texts": 93.2,
    "balanced accuracy, 4 labels, 60 texts": 89.0,
    "balanced accuracy, 4 labels, 150 texts": 92.5,
    "F1 of a label of 5 %, 60 texts": 63.6,
    "F1 of a label of 5 %, 150 texts": 91.8,
    "accuracy of 97 %, 60 texts": 79.2,
    "accuracy of 97 %, 150 texts": 91.5,
    "macro-F1, 12 documents of 10 texts": 89.8,
    "macro-F1, 30 documents of 10 texts": 92.2,
    "compare, macro-F1, equal coders, 60 texts": 94.0,
    "compare, macro-F1, equal coders, 150 texts": 94.2,
    "compare, macro-F1, 85 and 75 %, 60 texts": 96.0,
    "compare, macro-F1, 85 and 75 %, 150 texts": 93.5,
    "compare, macro-F1, a rare label, 60 texts": 89.0,
    "compare, macro-F1, a rare label, 150 texts": 93.8,
}


def _edge(name: str, repetition: object, low: float = 93, high: float = 97.5) -> Edge:
    return Edge(name, repetition, BEFORE.get(name), low, high, "coverage")  # type: ignore[arg-type]


EDGES = (
    *(_edge(f"macro-F1, {labels}, {n} texts", partial(macro_f1, labels, n)) for labels in SHARES for n in (60, 150)),
    *(_edge(f"balanced accuracy, 4 labels, {n} texts", partial(balanced_accuracy, "4 labels", n)) for n in (60, 150)),
    *(_edge(f"F1 of a label of 5 %, {n} texts", partial(rare_label, n)) for n in (60, 150)),
    *(_edge(f"accuracy of 97 %, {n} texts", partial(accuracy, 0.97, n), 92, 99) for n in (60, 150)),
    *(_edge(f"macro-F1, {n} documents of 10 texts", partial(clustered_macro_f1, n), 93, 99) for n in (12, 30)),
    *(
        _edge(f"compare, macro-F1, {what}, {n} texts", partial(paired_macro_f1, first, second, n), 93, 100)
        for what, first, second in (
            ("equal coders", EVEN, EVEN),
            ("85 and 75 %", EVEN, WORSE),
            ("a rare label", EVEN, RARE),
        )
        for n in (60, 150)
    ),
)
