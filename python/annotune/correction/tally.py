"""What shares of labels rest on: sums over all texts of a group, and its hand-coded texts one by one.

The sums are enough for every estimate but `em`, so that texts need not be in memory together: those of a folder are
added up file by file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotune.correction.drawn_shares import Drawn
from annotune.correction.families import Floats
from annotune.correction.moments import sums_by_group

DESIGNED = ("hand", "dsl", "ppi")  # these rest on how texts were drawn for hand coding


@dataclass(frozen=True)
class HandCoded:
    """The n hand-coded texts of all groups, with k labels.

    Attributes
    ----------
    gold, predicted
        Label numbers by hand and by prediction, shape (n,).
    likely
        What the correction uses as prediction: probabilities where they exist, else 0 and 1, shape (n, k).
    weights
        1 / pi, or 1 where pi is not known, shape (n,).
    chance
        Of several waves the part of each squared weight that is by chance, shape (n,).
    clusters
        Shape (n,), numbered as in the groups.
    """

    gold: np.ndarray
    predicted: np.ndarray
    likely: Floats
    weights: Floats
    chance: Floats | None = None
    clusters: np.ndarray | None = None

    @property
    def truth(self) -> Floats:
        """The labels by hand as 0 and 1, shape (n, k)."""
        return np.asarray(np.eye(self.likely.shape[1])[self.gold])

    def of(self, at: np.ndarray) -> HandCoded:
        """Some of these texts."""
        chance, clusters = (None if each is None else each[at] for each in (self.chance, self.clusters))
        return HandCoded(self.gold[at], self.predicted[at], self.likely[at], self.weights[at], chance, clusters)


@dataclass(frozen=True)
class Sums:
    """Sums over texts, one row each for m sets of texts.

    Attributes
    ----------
    n
        Texts, shape (m,).
    given
        Those that were predicted to have each label, shape (m, k).
    likely, squares
        Predictions as the correction uses them, and their squares, shape (m, k).
    """

    n: np.ndarray
    given: Floats
    likely: Floats
    squares: Floats


@dataclass(frozen=True)
class Group:
    """The texts of a group: their sums, (1,) and (1, k); those of each of its clusters; where the hand-coded ones are.

    Attributes
    ----------
    sums
        Over all its texts, hand-coded or not.
    at
        Places of its hand-coded texts among those of all groups.
    clusters, by_cluster
        The numbers of its clusters, shape (m,), and the sums of each; None where texts are on their own.
    """

    sums: Sums
    at: np.ndarray
    clusters: np.ndarray | None = None
    by_cluster: Sums | None = None

    @property
    def n(self) -> int:
        """How many texts there are."""
        return int(self.sums.n[0])


@dataclass(frozen=True)
class Tally:
    """All groups, their hand-coded texts, and whether shares are those of the corpus itself."""

    labels: tuple[str, ...]
    by_hand: HandCoded
    groups: tuple[Group, ...]
    finite: bool

    @property
    def k(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    def n(self, group: Group) -> tuple[int, int]:
        """Texts, and hand-coded ones among them."""
        return group.n, len(group.at)

    def coded(self, group: Group) -> HandCoded:
        """The hand-coded texts of a group."""
        return self.by_hand.of(group.at)

    def n_clusters(self, group: Group, method: str) -> int | None:
        """How many clusters an estimate for a group rests on; None where texts are on their own."""
        if group.clusters is None or self.by_hand.clusters is None:
            return None
        return len(np.unique(self.by_hand.clusters[group.at])) if method in DESIGNED else len(group.clusters)

    def drawn(self, coded: HandCoded, residuals: Floats, wrong: Floats, reach: Floats) -> Drawn:
        """Hand-coded texts by what each adds to the shares."""
        return Drawn(residuals, wrong, reach, 1 / coded.weights, self.finite, coded.clusters, coded.chance)


def sums_of(predicted: np.ndarray, likely: Floats | None, k: int) -> Sums:
    """The sums over some texts, by label numbers (n,) and probabilities (n, k), as a single row.

    >>> sums_of(np.array([0, 1, 1]), None, 2).given
    array([[1., 2.]])
    """
    given = np.bincount(predicted, minlength=k).astype(float)[None]
    if likely is None:
        return Sums(np.array([len(predicted)]), given, given, given)
    return Sums(np.array([len(predicted)]), given, likely.sum(0)[None], (likely**2).sum(0)[None])


def group_of(
    predicted: np.ndarray, likely: Floats | None, k: int, at: np.ndarray, clusters: np.ndarray | None = None
) -> Group:
    """A group of texts in memory, by label numbers (n,), probabilities (n, k) and clusters (n,)."""
    sums = sums_of(predicted, likely, k)
    if clusters is None:
        return Group(sums, at)
    numbers, place = np.unique(clusters, return_inverse=True)
    given = np.eye(k)[predicted]
    parts = [sums_by_group(each, place) for each in (given, given if likely is None else likely)]
    by_cluster = Sums(np.bincount(place), parts[0], parts[1], np.zeros_like(parts[1]))
    return Group(sums, at, numbers, by_cluster)


def added(parts: Sequence[tuple[np.ndarray, Floats]], numbers: np.ndarray, k: int) -> Floats:
    """Scores (m, k) by cluster, summed over parts with the number of each row's cluster: shape (len(numbers), k).

    >>> added([(np.array([3, 5]), np.ones((2, 1))), (np.array([5]), np.ones((1, 1)))], np.array([3, 5]), 1).ravel()
    array([1., 2.])
    """
    total = np.zeros((len(numbers), k))
    for clusters, scores in parts:
        np.add.at(total, np.searchsorted(numbers, clusters), scores)
    return total
