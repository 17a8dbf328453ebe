"""The measures that are shares of sums over units, or means of the labels' shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from annotune.measures.limits import Array, Score, Shares, shares_of

MEANS = ("macro_f1", "macro_f1_all_labels", "weighted_f1", "macro_precision", "macro_recall", "balanced_accuracy")


def columns(features: Any, n_labels: int, sets: bool) -> dict[str, Array]:
    """What the measures sum, from each unit's `features` (units, d), dense or sparse: each (units, labels or 1)."""
    selected = {name: features @ chosen for name, chosen in _selections(n_labels, sets).items()}
    dense = {name: part.toarray() if sparse.issparse(part) else np.asarray(part) for name, part in selected.items()}
    if sets:
        dense["given"], dense["support"] = dense["right"] + dense.pop("wrong"), dense["right"] + dense.pop("missed")
    return dense


def _selections(n_labels: int, sets: bool) -> dict[str, Any]:
    """For each sum, which features are part of it, sparse (d, labels or 1)."""
    if sets:
        names = ("exact_set", "any_right", "jaccard", "answered", "n")
        places = {name: 3 * n_labels + i for i, name in enumerate(names)}
        by_label = {name: i * n_labels + np.arange(n_labels) for i, name in enumerate(("right", "wrong", "missed"))}
        width = 3 * n_labels + len(names)
        every = {**by_label, **{name: np.array([place]) for name, place in places.items()}}
        return {name: _chosen(rows, np.arange(len(rows)), width) for name, rows in every.items()}
    width = n_labels * (n_labels + 1)
    truth, predicted = np.divmod(np.arange(width), n_labels + 1)
    same, answered = truth == predicted, predicted < n_labels
    cell, one = np.arange(width), np.zeros(width, dtype=int)
    return {
        "right": _chosen(cell[same], truth[same], width),
        "given": _chosen(cell[answered], predicted[answered], width),
        "support": _chosen(cell, truth, width),
        "answered": _chosen(cell[answered], one[answered], width),
        "n": _chosen(cell, one, width),
    }


def _chosen(rows: Array, places: Array, width: int) -> Any:
    return sparse.csr_array((np.ones(len(rows)), (rows, places)), shape=(width, int(places.max()) + 1))


def by_label(sums: dict[str, Array], times: Array, clustered: bool) -> dict[str, Shares]:
    """Precision, recall and the share behind F1 of each label, from `columns`."""
    right, given, support = (sums[name] for name in ("right", "given", "support"))
    cases = {"precision": given, "recall": support, "f1": given + support - right}
    return {name: shares_of(right, below, times, clustered) for name, below in cases.items()}


def scores(features: Any, times: Array, n_labels: int, sets: bool, clustered: bool = False) -> dict[str, Score]:
    """Every measure that is a share or a mean of the labels' shares, as far as it is defined.

    Parameters
    ----------
    features, times
        Shapes (units, d) and (units,): as in `Sums`, dense or sparse, and how often each row occurs.
    clustered
        Whether a row is a cluster of texts.
    """
    sums = columns(features, n_labels, sets)
    labels = by_label(sums, times, clustered)
    f1, support = labels["f1"], np.asarray(times @ sums["support"])
    recall = "macro_recall" if sets else "balanced_accuracy"
    every = {
        "macro_f1": Score(f1, _even(f1), f1=True),
        "macro_f1_all_labels": Score(f1, f1.defined / n_labels, f1=True),
        "weighted_f1": Score(f1, support / max(support.sum(), 1e-12), f1=True),
        "macro_precision": Score(labels["precision"], _even(labels["precision"])),
        recall: Score(labels["recall"], _even(labels["recall"])),
    }
    singles = {
        name: Score(shares_of(hits, cases, times, clustered), np.ones(1))
        for name, (hits, cases) in _single_shares(sums, n_labels, sets).items()
    }
    return {name: score for name, score in (every | singles).items() if (score.weight * score.shares.defined).any()}


def _even(shares: Shares) -> Array:
    return np.asarray(shares.defined / max(shares.defined.sum(), 1))


def _single_shares(sums: dict[str, Array], n_labels: int, sets: bool) -> dict[str, tuple[Array, Array]]:
    """The hits and cases of each measure that is one share, each (units, 1)."""
    right, given, support = (sums[name].sum(1, keepdims=True) for name in ("right", "given", "support"))
    n = sums["n"]
    shares = {"micro_f1": (2 * right, given + support), "coverage": (sums["answered"], n)}
    if not sets:
        return {**shares, "accuracy": (right, n)}
    return {
        **shares,
        "micro_precision": (right, given),
        "micro_recall": (right, support),
        **{name: (sums[name], n) for name in ("exact_set", "any_right", "jaccard")},
        "hamming_loss": (given + support - 2 * right, n * n_labels),
    }
