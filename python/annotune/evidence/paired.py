"""Several coders against one truth on shared resamples: pure functions of each coder's contributions to sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, stats

from annotune.data.codebook import Variable
from annotune.measures.limits import Score
from annotune.measures.scores import CHUNK, measures, set_features
from annotune.measures.shares_of_sums import scores

Array = np.ndarray


@dataclass(frozen=True)
class Answers:
    """The answers of one coder, or of several as one, about n units.

    Attributes
    ----------
    features
        Sparse, shape (n, d): the contribution of each unit to the sums that `measures` uses.
    answered
        Shape (n,): units with at least one answer.
    eligible
        Shape (n,): units that are evaluated: all of them for a model, those they coded for people.
    right
        Shape (n,): whether the answer is right; None where a unit has the answers of several people.
    """

    features: Any
    answered: Array
    eligible: Array
    right: Array | None

    @property
    def total(self) -> Array:
        """The sums over all units, shape (d,)."""
        return np.asarray(self.features.sum(0)).ravel()

    def only(self, units: Array) -> Answers:
        """The answers where `units` (n,) is true; others contribute nothing."""
        features = sparse.diags_array(units.astype(np.float64)) @ self.features
        return Answers(features.tocsr(), self.answered & units, self.eligible & units, self.right)


def one_coder(
    truth: Array, predicted: Array, answered: Array, entry: Variable, weights: Array | None = None
) -> Answers:
    """A coder with one answer per unit, evaluated on every unit: a missing answer is wrong.

    With `weights` (n,), one on average, each unit counts by its own.
    """
    everyone, features = np.ones(len(truth), dtype=bool), _features(truth, predicted, answered, entry)
    if weights is not None:
        features = (sparse.diags_array(weights) @ features).tocsr()
    return Answers(features, answered, everyone, _right_answers(truth, predicted, answered))


def several_coders(truth: Array, unit: Array, predicted: Array, entry: Variable) -> Answers:
    """People one at a time: r codings, each of the unit at this position in `truth`; every coding counts once."""
    features = _features(truth[unit], predicted, np.ones(len(unit), dtype=bool), entry)
    member = sparse.csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(len(truth), len(unit)))
    coded = np.bincount(unit, minlength=len(truth)) > 0
    return Answers((member @ features).tocsr(), coded, coded, None)


def _features(truth: Array, predicted: Array, answered: Array, entry: Variable) -> Any:
    if entry.kind == "multilabel":
        return sparse.csr_array(set_features(truth, predicted, answered))
    n_labels = len(entry.labels)
    cell = truth * (n_labels + 1) + np.where(answered, predicted, n_labels)
    places = (np.arange(len(truth)), cell)
    return sparse.csr_array((np.ones(len(truth)), places), shape=(len(truth), n_labels * (n_labels + 1)))


def _right_answers(truth: Array, predicted: Array, answered: Array) -> Array:
    return np.asarray(answered & ((truth == predicted).all(1) if truth.ndim == 2 else truth == predicted))


@dataclass(frozen=True)
class Resampling:
    """Units (or clusters) drawn with replacement; the same for every coder, so that differences are paired.

    Attributes
    ----------
    rows
        Sparse, shape (r, n): sums units into rows to draw. Units with the same answers by all coders are one row.
    counts
        Shape (r,): the number of units in a row; 1 for a cluster.
    n_boot, seed
        The number of draws, and their seed.
    clustered
        Whether rows are clusters.
    """

    rows: Any
    counts: Array
    n_boot: int
    seed: int
    clustered: bool = False

    def scores(self, answers: Answers, entry: Variable) -> dict[str, Score]:
        """Every measure that is a share or a mean of shares, with each row's part in its error; none without draws."""
        if not self.n_boot:
            return {}
        features = (self.rows @ answers.features).tocsr()
        return scores(features, self.counts, len(entry.labels), entry.kind == "multilabel", self.clustered)

    def drawn(self, answers: Answers, entry: Variable) -> dict[str, Array]:
        """Every measure in every replicate, each of shape (n_boot,)."""
        features = (self.rows @ answers.features).tocsr()
        rng, draws = np.random.default_rng(self.seed), int(self.counts.sum())
        size, shares = max(1, CHUNK // max(features.shape)), self.counts / self.counts.sum()
        chunks, total = [], self.counts @ features
        for start in range(0, self.n_boot, size):
            times = rng.multinomial(draws, shares, size=min(size, self.n_boot - start)).astype(np.float64)
            chunks.append(_measures_of_sums((features.T @ times.T).T, entry, total))
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]} if chunks else {}


def resampling(answers: Sequence[Answers], clusters: Array | None, n_boot: int, seed: int) -> Resampling:
    """A resampling of units, or of `clusters` (n,)."""
    n = len(answers[0].eligible)
    if clusters is not None:
        _, cluster = np.unique(clusters, return_inverse=True)
        rows = sparse.csr_array((np.ones(n), (cluster, np.arange(n))), shape=(cluster.max() + 1, n))
        return Resampling(rows, np.ones(rows.shape[0]), n_boot, seed, clustered=True)
    mixed = [
        coder.features @ np.random.default_rng(i).random(coder.features.shape[1]) for i, coder in enumerate(answers)
    ]
    _, first, counts = np.unique(np.column_stack(mixed), axis=0, return_index=True, return_counts=True)
    rows = sparse.csr_array((np.ones(len(first)), (np.arange(len(first)), first)), shape=(len(first), n))
    return Resampling(rows, counts.astype(np.float64), n_boot, seed)


def _measures_of_sums(sums: Array, entry: Variable, of: Array | None = None) -> dict[str, Array]:
    with np.errstate(invalid="ignore", divide="ignore"):  # a replicate may hold no unit that people coded
        return measures(sums, len(entry.labels), entry.kind == "multilabel", entry.kind == "ordinal", of)


def differences(
    a: Answers, b: Answers, drawn_a: Mapping[str, Array], drawn_b: Mapping[str, Array], entry: Variable
) -> dict[str, tuple[float, Array]]:
    """For each measure a minus b, and this difference in every replicate where it is defined."""
    first, second = _measures_of_sums(a.total, entry), _measures_of_sums(b.total, entry)
    replicates = {name: drawn_a[name] - drawn_b[name] for name in drawn_a}
    none = np.zeros(0)
    return {
        name: (float(first[name] - second[name]), values[np.isfinite(values)])
        for name, values in ((name, replicates.get(name, none)) for name in first)
    }


def wald(difference: float, replicates: Array) -> float | None:
    """The two-sided p-value of a difference by its bootstrap standard error; None without one.

    >>> rng = np.random.default_rng(1)
    >>> round(wald(1.96, rng.normal(1.96, 1, 100_000)), 2)
    0.05
    """
    if len(replicates) < 2 or not np.isfinite(difference):
        return None
    error = float(replicates.std(ddof=1))
    if error == 0:
        return 1.0 if difference == 0 else None
    return float(2 * stats.norm.sf(abs(difference) / error))


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value of McNemar's (1947) test.

    Parameters
    ----------
    only_a, only_b
        Units that only the first, and only the second, got right. Units on which both are right, or both wrong, are
        not informative.

    Examples
    --------
    >>> round(mcnemar(1, 9), 4)  # 2 * (C(10, 0) + C(10, 1)) / 2 ** 10
    0.0215
    >>> mcnemar(0, 0)
    1.0
    """
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for multiple testing by Holm (1979); undefined ones stay None and are not counted.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    tested = [i for i, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, i in enumerate(sorted(tested, key=lambda i: p_values[i] or 0.0)):
        largest = max(largest, min(1.0, (len(tested) - step) * (p_values[i] or 0.0)))
        corrected[i] = largest
    return corrected
