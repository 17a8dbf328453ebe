"""Train, validation and test: three parts of the coded texts that are never mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from annotune.errors import AnnotuneError

Indices = np.ndarray


@dataclass(frozen=True)
class Parts:
    """Places of the coded texts, each in exactly one of three arrays.

    Attributes
    ----------
    train
        What the weights are fitted to.
    validation
        For stopping and every choice.
    test
        Looked at once, for the figures that are reported; may be empty.
    """

    train: Indices
    validation: Indices
    test: Indices


def hold_out(
    strata: np.ndarray, share: float, rng: np.random.Generator, groups: np.ndarray | None = None
) -> tuple[Indices, Indices]:
    """Split n cases into (rest, held out), `share` of them held out.

    Parameters
    ----------
    strata
        Shape (n,): each stratum gives its share, and keeps at least one case in the rest.
    share
        Between 0 and 1.
    groups
        Shape (n,): whole groups are held out, so that sentences of one document stay together;
        the strata are then not balanced.
    """
    if groups is not None:
        return _hold_out_groups(groups, share, rng)
    held: list[Indices] = []
    owed = 0.0  # what rounding has withheld from the held-out part so far
    for stratum in np.unique(strata):
        cases = rng.permutation(np.flatnonzero(strata == stratum))
        owed += len(cases) * share
        take = min(int(owed + 0.5), len(cases) - 1)
        owed -= take
        held.append(cases[: max(take, 0)])
    out = np.sort(np.concatenate(held)) if held else np.array([], dtype=np.int64)
    return np.setdiff1d(np.arange(len(strata)), out), out


def folds(
    strata: np.ndarray, k: int, rng: np.random.Generator, groups: np.ndarray | None = None
) -> Iterator[tuple[Indices, Indices]]:
    """k pairs of (rest, fold); every case is in one fold, strata spread evenly, groups kept whole."""
    if groups is None:
        order = np.lexsort((rng.permutation(len(strata)), strata))
        fold = np.empty(len(strata), dtype=np.int64)
        fold[order] = np.arange(len(strata)) % k
    else:
        fold = _deal_groups(groups, k, rng)
    for i in range(k):
        yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


def _hold_out_groups(groups: np.ndarray, share: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise AnnotuneError("All coded texts are in one group.", "Choose a group column with several values, or none.")
    order = rng.permutation(len(names))
    filled = np.cumsum(sizes[order])
    # the number of groups whose size comes closest to the share, leaving at least one on each side
    take = 1 + int(np.argmin(np.abs(filled[:-1] - share * len(groups))))
    out = np.isin(groups, names[order[:take]])
    return np.flatnonzero(~out), np.flatnonzero(out)


def _deal_groups(groups: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < k:
        raise AnnotuneError(f"There are {len(names)} groups for {k} folds.", "Choose a finer group column, or none.")
    load = np.zeros(k)
    where = np.empty(len(names), dtype=np.int64)
    for name in sorted(rng.permutation(len(names)), key=lambda i: -sizes[i]):
        where[name] = int(np.argmin(load))  # the largest groups first, each into the emptiest fold
        load[where[name]] += sizes[name]
    return where[inverse]
