"""The training sets of a learning curve: the smaller ones are part of the larger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotune.errors import AnnotuneError
from annotune.tuning.task import Task

SMALLEST, MOST_SIZES = 25, 6


def nested(task: Task, rest: np.ndarray, seed: int) -> np.ndarray:
    """`rest` in an order in which every first part has the distribution of strata of the whole; or group by group.

    The k-th of a stratum's m texts has its place at (k + u) / m, with one draw u per stratum.
    """
    rng = np.random.default_rng(seed)
    if task.cases.large:
        groups = task.cases.groups[rest]
        rank = np.argsort(rng.permutation(np.unique(groups)))[np.searchsorted(np.unique(groups), groups)]
        return rest[np.lexsort((rng.random(len(rest)), rank))]
    key = np.zeros(len(rest))
    strata = task.cases.strata[rest]
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        key[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return rest[np.argsort(key, kind="stable")]


def sizes_of(sizes: Sequence[int] | None, task: Task, orders: list[np.ndarray]) -> list[int]:
    """The requested sizes, or by default the number of all texts, its half, and so on."""
    n = len(orders[0])
    least = max(SMALLEST - 5, _smallest_by_groups(task, orders))
    if n < least:
        raise _too_few(n)
    if sizes is not None:
        chosen = sorted({int(size) for size in sizes})
        if not chosen or chosen[0] < least or chosen[-1] > n:
            what = f"The sizes {list(sizes)} are not all from {least:,} to {n:,}, the number of texts to learn from."
            raise AnnotuneError(what, "Name others, or leave them out.")
        return chosen
    halves = [n // 2**i for i in range(MOST_SIZES)]
    usable = sorted(size for size in halves if size >= max(SMALLEST, least))
    if not usable:
        raise _too_few(n)
    return usable


def _too_few(n: int) -> AnnotuneError:
    return AnnotuneError(f"{n:,} texts to learn from are too few for a curve.", "Code more, or hold out fewer.")


def _smallest_by_groups(task: Task, orders: list[np.ndarray]) -> int:
    """With groups, the size from which every set has texts of three: one to hold out, and two to learn from."""
    if not task.cases.large:
        return 0
    third = []
    for order in orders:
        groups = task.cases.groups[order]
        first = np.sort(np.unique(groups, return_index=True)[1])
        if len(first) < 3:
            raise AnnotuneError("A curve by groups needs three to learn from.", "Hold out fewer, or do not group.")
        third.append(int(first[2]) + 1)
    return max(third)
