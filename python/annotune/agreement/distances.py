"""The distance between two categories, at each level of measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annotune.agreement.patterns import Floats
from annotune.data.hierarchy import common_steps

Sets = Sequence[frozenset[Any]]


def nominal(categories: int) -> Floats:
    """0 for the same category, 1 for any other (q x q)."""
    return 1.0 - np.eye(categories)


def linear(values: Floats) -> Floats:
    """The absolute difference of the categories' values."""
    return np.abs(values[:, None] - values[None, :])


def interval(values: Floats) -> Floats:
    """The squared difference; as weights these are the quadratic ones."""
    return linear(values) ** 2


def ratio(values: Floats) -> Floats:
    """The squared difference relative to the sum (Krippendorff 2019, chapter 12)."""
    total = values[:, None] + values[None, :]
    return (linear(values) / np.where(total == 0, 1.0, total)) ** 2


def gwet_ordinal(categories: int) -> Floats:
    """Gwet's ordinal weights as a distance (Gwet 2014, table 3.7); not Krippendorff's ordinal metric."""
    apart = linear(np.arange(categories, dtype=float))
    return apart * (apart + 1)


def jaccard(sets: Sets) -> Floats:
    """1 minus the share of labels that two sets have in common; two empty sets are the same."""
    return 1.0 - _similarity_of_sets(sets)[0]


def masi(sets: Sets) -> Floats:
    """Passonneau's (2006) distance of sets: Jaccard, tempered by whether one set contains the other.

    >>> masi([frozenset("ab"), frozenset("abcd"), frozenset("ac")]).round(3)[0].tolist()
    [0.0, 0.667, 0.889]
    """
    shared, monotonic = _similarity_of_sets(sets)
    return 1.0 - shared * monotonic


def _similarity_of_sets(sets: Sets) -> tuple[Floats, Floats]:
    """Jaccard similarity, and Passonneau's 1, 2/3, 1/3 or 0 for same, contained, overlapping, apart."""
    labels = sorted({label for labels in sets for label in labels}, key=repr)
    member = np.array([[label in labels_ for label in labels] for labels_ in sets], float).reshape(len(sets), -1)
    common, size = member @ member.T, member.sum(1)
    union = size[:, None] + size[None, :] - common
    smaller = np.minimum(size[:, None], size[None, :])
    contained = np.where(common == smaller, 2 / 3, 1 / 3) * (common > 0)
    return np.where(union == 0, 1.0, common / np.maximum(union, 1)), np.where(common == union, 1.0, contained)


def tree(paths: Sequence[tuple[str, ...]]) -> Floats:
    """1 minus what two labels have in common of their ways down a hierarchy (q x q), so that near misses count less.

    It is 1 minus the hierarchical F1 (Kiritchenko, Matwin, Nock and Famili 2006) of one label against the other:
    twice the number of labels on both ways, divided by the lengths of the two.

    >>> tree([("Economy", "Prices"), ("Economy", "Jobs"), ("Economy",), ("Health",)]).round(2)[0].tolist()
    [0.0, 0.5, 0.33, 1.0]
    """
    common = common_steps(list(paths))
    length = np.diag(common)
    return np.asarray(1.0 - 2 * common / (length[:, None] + length[None, :]), dtype=np.float64)


def custom(distance: Callable[[Any, Any], float], categories: Sequence[Any]) -> Floats:
    """The distance that the user's function gives each pair of categories."""
    return np.array([[distance(a, b) for b in categories] for a in categories], float)


def weights(distance: Floats) -> Floats:
    """Agreement weights: 1 for the same category, 0 for the pair that is furthest apart."""
    most = distance.max(initial=0.0)
    return 1.0 - distance / most if most > 0 else np.ones_like(distance)
