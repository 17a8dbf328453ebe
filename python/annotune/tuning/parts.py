"""Train, validation and test: parts of the coded texts that are never mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.errors import AnnotuneError

Indices = np.ndarray


@dataclass(frozen=True)
class Cases:
    """n cases to be split: what is to be spread evenly, and what has to stay together.

    Attributes
    ----------
    strata
        Shape (n,), such as label numbers: every part gets its share of each stratum.
    groups
        Shape (n,): cases of one group are always in one part.
    large
        Whether groups are large (documents), so that parts are balanced by size and no longer by
        stratum; otherwise nearly every case is a group of its own (equal texts).
    seed
        The same seed gives the same parts.
    """

    strata: np.ndarray
    groups: np.ndarray
    large: bool = False
    seed: int = 1

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.groups))

    def at(self, places: Indices) -> Cases:
        """The cases at these places alone."""
        return Cases(self.strata[places], self.groups[places], self.large, self.seed)

    def hold_out(self, places: Indices, share: float) -> tuple[Indices, Indices]:
        """`places` in two: the rest, and about `share` of them held out.

        >>> cases = Cases(strata=np.array([0] * 8 + [1] * 4), groups=np.arange(12))
        >>> rest, held = cases.hold_out(np.arange(12), 0.25)
        >>> cases.strata[rest].tolist(), cases.strata[held].tolist()
        ([0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 1])
        """
        groups, rng = self.groups[places], np.random.default_rng(self.seed)
        names, first = np.unique(groups, return_index=True)
        if self.large:
            chosen = _whole_groups(groups, share, rng)
        else:
            chosen = names[_of_each_stratum(self.strata[places][first], share, rng)]
        out = np.isin(groups, chosen)
        return places[~out], places[out]

    def folds(self, k: int) -> list[tuple[Indices, Indices]]:
        """k pairs of places (rest, fold); every case is in exactly one fold."""
        rng = np.random.default_rng(self.seed)
        names, first, inverse = np.unique(self.groups, return_index=True, return_inverse=True)
        if not 2 <= k <= len(names):
            kept = "groups" if self.large else "different texts"
            advice = f"Choose from 2 to {len(names)}." if len(names) > 1 else "At least two are needed."
            raise AnnotuneError(f"{len(names)} {kept} cannot be put into {k} folds.", advice)
        dealt = _dealt_by_size(np.bincount(inverse), k, rng) if self.large else _dealt(self.strata[first], k, rng)
        fold = dealt[inverse]
        return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def _of_each_stratum(strata: np.ndarray, share: float, rng: np.random.Generator) -> Indices:
    """About `share` of each stratum, which keeps at least one case itself."""
    held: list[Indices] = []
    owed = 0.0  # what rounding has withheld from the held-out part so far
    for stratum in np.unique(strata):
        cases = rng.permutation(np.flatnonzero(strata == stratum))
        owed += len(cases) * share
        take = max(min(int(owed + 0.5), len(cases) - 1), 0)
        owed -= take
        held.append(cases[:take])
    return np.concatenate(held)


def _whole_groups(groups: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Groups that together come closest to the share; at least one, and not all."""
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise AnnotuneError(
            "All texts to be split are in one group.", "Choose a group column with more values, or none."
        )
    order = rng.permutation(len(names))
    filled = np.cumsum(sizes[order])
    take = 1 + int(np.argmin(np.abs(filled[:-1] - share * len(groups))))
    return np.asarray(names[order[:take]])


def _dealt(strata: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each case, dealt like cards stratum by stratum."""
    order = np.lexsort((rng.permutation(len(strata)), strata))
    fold = np.empty(len(strata), dtype=np.int64)
    fold[order] = np.arange(len(strata)) % k
    return fold


def _dealt_by_size(sizes: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each group: the largest first, each into the emptiest fold."""
    load, fold = np.zeros(k), np.empty(len(sizes), dtype=np.int64)
    for group in sorted(rng.permutation(len(sizes)), key=lambda i: -sizes[i]):
        fold[group] = int(np.argmin(load))
        load[fold[group]] += sizes[group]
    return fold
