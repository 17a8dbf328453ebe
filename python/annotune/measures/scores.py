"""How far `predicted` agrees with `truth`, as numbers: pure functions of counts.

Everything is computed from sums over units, so that a bootstrap replicate is another vector of
sums, and a thousand replicates are one array operation. In every array a leading dimension, written
`...`, stands for replicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
CHUNK = 2_000_000  # numbers held at once while resampling
NAMES = {  # as people write those that are not words, at the head of a column
    "macro_f1": "macro-F1",
    "hierarchical_f1": "hierarchical F1",
    "micro_f1": "micro-F1",
    "kappa_quadratic": "quadratic kappa",
    "mcc": "MCC",
    "any_right": "at least one right",
    "jaccard": "Jaccard",
}
IN_FULL = {  # within a sentence, where it is longer
    "kappa": "Cohen's kappa",
    "exact_set": "share of exact sets",
    "any_right": "share with a label right",
    "ece": "expected calibration error",
    "brier": "Brier score",
}


@dataclass(frozen=True)
class Sums:
    """What is summed over units: `features` (rows, d) of each kind of unit and `counts` (rows,) of how often it occurs.

    With clusters, a row is a cluster and counts once.
    """

    features: Array
    counts: Array
    n_labels: int
    sets: bool
    clustered: bool = False

    @property
    def total(self) -> Array:
        """The sums over all units, shape (d,)."""
        return np.asarray(self.counts @ self.features)

    def replicates(self, n: int, rng: np.random.Generator) -> list[Array]:
        """Sums (some, d) over resampled units (or clusters), `n` replicates in chunks."""
        draws = int(self.counts.sum())
        size = max(1, CHUNK // max(self.features.shape))
        done = range(0, n, size)
        shares = self.counts / draws
        return [rng.multinomial(draws, shares, size=min(size, n - start)) @ self.features for start in done]


def label_sums(
    truth: Array, predicted: Array, n_labels: int, clusters: Array | None = None, weights: Array | None = None
) -> Sums:
    """Sums for one label a unit: the cells of the confusion table.

    Parameters
    ----------
    truth
        Shape (n,): label numbers from 0.
    predicted
        Shape (n,): label numbers, -1 where the model gave none, which counts as wrong.
    clusters
        Shape (n,): resample these instead of units.
    weights
        Shape (n,): how much each unit counts, one on the average.
    """
    cell = truth * (n_labels + 1) + np.where(predicted < 0, n_labels, predicted)
    width = n_labels * (n_labels + 1)
    weights = np.ones(len(truth)) if weights is None else weights
    if clusters is None:
        (cells, values), counts = _distinct(cell, weights)
        features = np.zeros((len(cells), width))
        features[np.arange(len(cells)), cells] = values
        return Sums(features, counts, n_labels, sets=False)
    _, cluster = np.unique(clusters, return_inverse=True)
    features = np.zeros((cluster.max() + 1, width))
    np.add.at(features, (cluster, cell), weights)
    return Sums(features, np.ones(len(features)), n_labels, sets=False, clustered=True)


def _distinct(cell: Array, weights: Array) -> tuple[tuple[Array, Array], Array]:
    """Cells and weights that occur together, and how often."""
    pairs, counts = np.unique(np.column_stack([cell, weights]), axis=0, return_counts=True)
    return (pairs[:, 0].astype(np.int64), pairs[:, 1]), counts.astype(np.float64)


def set_features(truth: Array, predicted: Array, answered: Array) -> Array:
    """What is summed for sets of labels, shape (n, 3 labels + 5): right, wrong and missed labels, how the sets compare.

    Parameters
    ----------
    truth, predicted
        Shape (n, labels): truth values.
    answered
        Shape (n,): False where the model gave no answer, which is wrong even for an empty truth.
    """
    truth, predicted = truth.astype(bool), predicted.astype(bool) & answered[:, None]
    both, either = (truth & predicted).sum(1), (truth | predicted).sum(1)
    exact = (truth == predicted).all(1) & answered
    any_right = (both > 0) | ((either == 0) & answered)
    jaccard = np.where(either > 0, both / np.maximum(either, 1), answered)
    cells = [truth & predicted, ~truth & predicted, truth & ~predicted]
    return np.column_stack([*cells, exact, any_right, jaccard, answered, np.ones(len(truth))]).astype(np.float64)


def set_sums(
    truth: Array, predicted: Array, answered: Array, clusters: Array | None = None, weights: Array | None = None
) -> Sums:
    """Sums for sets of labels; parameters as of `set_features`, with `clusters` and `weights` as of `label_sums`."""
    features = set_features(truth, predicted, answered)
    if weights is not None:
        features = features * weights[:, None]
    if clusters is None:
        rows, counts = np.unique(features, axis=0, return_counts=True)
        return Sums(rows, counts.astype(np.float64), truth.shape[1], sets=True)
    _, cluster = np.unique(clusters, return_inverse=True)
    summed = np.zeros((cluster.max() + 1, features.shape[1]))
    np.add.at(summed, cluster, features)
    return Sums(summed, np.ones(len(summed)), truth.shape[1], sets=True, clustered=True)


def measures(
    sums: Array, n_labels: int, sets: bool, ordinal: bool = False, of: Array | None = None
) -> dict[str, Array]:
    """Every measure of `sums` (..., d), each of shape (...); NaN where it is not defined.

    Where `sums` are resamples of the sums `of` (d,), macro means cover the same labels in each: one that a resample
    lacks has its value in `of` there, because the resample says nothing about it.
    """
    whole = None if of is None else per_label(of, n_labels, sets)
    if sets:
        return _of_sets(sums, n_labels, whole)
    return _of_labels(sums.reshape(*sums.shape[:-1], n_labels, n_labels + 1), ordinal, whole)


def per_label(sums: Array, n_labels: int, sets: bool) -> dict[str, Array]:
    """precision, recall, f1, and how often each label was true and given; each (..., labels), NaN where not defined."""
    right, given, support = _by_label(sums, n_labels, sets)
    return {
        "precision": _ratio(right, given),
        "recall": _ratio(right, support),
        "f1": _ratio(2 * right, given + support),
        "n_true": support,
        "n_predicted": given,
    }


def named(measure: str) -> str:
    """A measure as people write it at the head of a column.

    >>> named("macro_f1"), named("exact_set")
    ('macro-F1', 'exact set')
    """
    return NAMES.get(measure, measure.replace("_", " "))


def in_full(measure: str) -> str:
    """A measure as people write it within a sentence.

    >>> in_full("macro_f1"), in_full("exact_set")
    ('macro-F1', 'share of exact sets')
    """
    return IN_FULL.get(measure) or named(measure)


def hierarchical_f1(sums: Array, common: Array) -> Array:
    """F1 of labels and all labels above them (Kiritchenko, Matwin, Nock and Famili 2006), of `sums` (..., d); (...).

    Parameters
    ----------
    common
        Shape (labels, labels): how many labels each two have in common, of themselves and those above them; on the
        diagonal, how many each has. See `annotune.data.hierarchy.common_steps`.

    Examples
    --------
    >>> common = np.array([[2, 1, 0], [1, 2, 0], [0, 0, 1]])  # two minors of one major, and a major without any
    >>> sums = label_sums(np.array([0, 0, 2]), np.array([0, 1, 1]), 3).total
    >>> round(float(hierarchical_f1(sums, common)), 3)  # of (2 + 2 + 1) true and 6 given, (2 + 1 + 0) are right
    0.545
    """
    n_labels = len(common)
    table = sums.reshape(*sums.shape[:-1], n_labels, n_labels + 1)
    square, length = table[..., :n_labels], np.diag(common)
    right = (square * common).sum((-2, -1))
    return _ratio(2 * right, table.sum(-1) @ length + square.sum(-2) @ length)


def macro_f1(truth: Array, predicted: Array, n_labels: int, weights: Array | None = None) -> float:
    """Macro-F1 over the labels that occur, of label numbers (n,) or sets (n, labels), each unit by its weight."""
    if truth.ndim == 2:
        sums = set_sums(truth, predicted, np.ones(len(truth), dtype=bool), weights=weights)
    else:
        sums = label_sums(truth, predicted, n_labels, weights=weights)
    return float(measures(sums.total, n_labels, sums.sets)["macro_f1"])


def quadratic_kappa(truth: Array, predicted: Array, n_labels: int) -> float:
    """Kappa with quadratic weights of label numbers (n,) in their order; 0 where it is not defined."""
    sums = label_sums(truth, predicted, n_labels)
    return float(np.nan_to_num(measures(sums.total, n_labels, sets=False, ordinal=True)["kappa_quadratic"]))


def _by_label(sums: Array, n_labels: int, sets: bool) -> tuple[Array, Array, Array]:
    """For each label (..., labels): how often it was right, given, and true."""
    if sets:
        right, wrong, missed = (sums[..., i * n_labels : (i + 1) * n_labels] for i in range(3))
        return right, right + wrong, right + missed
    table = sums.reshape(*sums.shape[:-1], n_labels, n_labels + 1)
    square = table[..., :n_labels]
    return np.diagonal(square, axis1=-2, axis2=-1), square.sum(-2), table.sum(-1)


def _ratio(above: Array, below: Array) -> Array:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0))


def _mean(values: Array) -> Array:
    """The mean over labels that are defined; NaN where none is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1).astype(np.float64))


def _f_scores(right: Array, given: Array, support: Array, whole: dict[str, Array] | None) -> dict[str, Array]:
    by_label = {
        "f1": _ratio(2 * right, given + support),
        "precision": _ratio(right, given),
        "recall": _ratio(right, support),
    }
    if whole is not None:
        by_label = {name: np.where(np.isnan(values), whole[name], values) for name, values in by_label.items()}
    f1 = by_label["f1"]
    return {
        "macro_f1": _mean(f1),
        "macro_f1_all_labels": np.nan_to_num(f1).mean(-1),
        "micro_f1": _ratio(2 * right.sum(-1), given.sum(-1) + support.sum(-1)),
        "weighted_f1": _ratio((support * np.nan_to_num(f1)).sum(-1), support.sum(-1)),
        "macro_precision": _mean(by_label["precision"]),
        "macro_recall": _mean(by_label["recall"]),
    }


def _of_labels(table: Array, ordinal: bool, whole: dict[str, Array] | None) -> dict[str, Array]:
    n_labels = table.shape[-2]
    n = table.sum((-1, -2))
    right = np.diagonal(table[..., :n_labels], axis1=-2, axis2=-1)
    said, true = table.sum(-2), table.sum(-1)  # said has one place more: no answer
    scores = _f_scores(right, said[..., :n_labels], true, whole)
    hits = right.sum(-1)
    chance = (said[..., :n_labels] * true).sum(-1)
    scores["balanced_accuracy"] = scores.pop("macro_recall")
    spread = (n**2 - (said**2).sum(-1)) * (n**2 - (true**2).sum(-1))
    scores["mcc"] = _ratio(hits * n - chance, np.sqrt(np.maximum(spread, 0)))  # a rounded 0 of weights may be below it
    scores["kappa"] = _ratio(hits * n - chance, n**2 - chance)
    scores["alpha"] = _nominal_alpha(hits, said, true, n)
    if ordinal:
        scores["kappa_quadratic"] = _quadratic_kappa(table, said, true, n)
    return {**scores, "accuracy": hits / n, "coverage": 1 - said[..., n_labels] / n}


def _nominal_alpha(hits: Array, said: Array, true: Array, n: Array) -> Array:
    """Krippendorff's nominal alpha of truth and prediction; a missing prediction is a category of its own."""
    pooled = said.copy()
    pooled[..., :-1] += true
    disagreement = (2 * n - 1) * 2 * (n - hits)
    return 1 - _ratio(disagreement, 4 * n**2 - (pooled**2).sum(-1))


def _quadratic_kappa(table: Array, said: Array, true: Array, n: Array) -> Array:
    """Cohen's kappa with quadratic weights (Cohen 1968); no answer is as far away as can be."""
    n_labels = table.shape[-2]
    place = np.arange(n_labels)
    cost = np.column_stack([(place[:, None] - place) ** 2, np.full(n_labels, (n_labels - 1) ** 2)])
    expected = (true[..., :, None] * said[..., None, :] * cost).sum((-1, -2)) / n
    return 1 - _ratio((table * cost).sum((-1, -2)), expected)


def _of_sets(sums: Array, n_labels: int, whole: dict[str, Array] | None) -> dict[str, Array]:
    right, given, support = _by_label(sums, n_labels, sets=True)
    exact, any_right, jaccard, answered, n = (sums[..., 3 * n_labels + i] for i in range(5))
    scores = _f_scores(right, given, support, whole)
    errors = (given + support - 2 * right).sum(-1)
    return {
        **scores,
        "micro_precision": _ratio(right.sum(-1), given.sum(-1)),
        "micro_recall": _ratio(right.sum(-1), support.sum(-1)),
        "exact_set": exact / n,
        "any_right": any_right / n,
        "jaccard": jaccard / n,
        "hamming_loss": errors / (n * n_labels),
        "coverage": answered / n,
    }
