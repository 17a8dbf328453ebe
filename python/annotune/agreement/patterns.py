"""Units with the same codings are counted together, and a coefficient is a function of sums over patterns.

Ten thousand units coded by three people show a few dozen distinct patterns. Every coefficient here is
a smooth function of sums over patterns, so that an estimate, a thousand bootstrap replicates and
the delta method all evaluate the same function, on one, on a thousand, and on complex sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Value = Callable[[Any], Any]  # sums of shape (..., K) to values of shape (...)

ABSENT = -1  # no coding


@dataclass(frozen=True)
class Patterns:
    """Distinct rows of a table: `rows` (P x w), how many units show each, and each unit's pattern (-1: left out)."""

    rows: Ints
    freq: Ints
    of_unit: Ints


@dataclass(frozen=True)
class Statistic:
    """`value` of the sums of `terms` (P x K, dense or sparse) over units.

    `held` is the same value, with the parts that the published standard errors take as known held fixed
    in its derivative.
    """

    patterns: Patterns
    terms: Any
    value: Value
    held: Value | None = None

    def estimate(self) -> float:
        """The coefficient in the sample; NaN where it is not defined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(self.value(self.patterns.freq @ self.terms))


def distinct(table: Ints) -> Patterns:
    """The distinct rows of a table of whole numbers from -1 up (N x w).

    Columns are combined into one key; keys are ranked before they overflow, so that any width is possible.

    >>> distinct(np.array([[0, 1], [1, 1], [0, 1]])).freq.tolist()
    [2, 1]
    """
    units = len(table)
    key, size = np.zeros(units, np.int64), 1
    for column in table.T:
        width = int(column.max(initial=ABSENT)) + 2
        if size * width > 2**62:
            key, size = _ranked(key)
        key, size = key * width + column + 1, size * width
    if size > 4 * units + 1024:
        key, size = _ranked(key)
    return _counted(table, key, size)


def _ranked(key: Ints) -> tuple[Ints, int]:
    keys, rank = np.unique(key, return_inverse=True)
    return rank.astype(np.int64), len(keys)


def _counted(table: Ints, key: Ints, size: int) -> Patterns:
    freq = np.bincount(key, minlength=size)
    present = np.flatnonzero(freq)
    example, rank = np.zeros(size, np.int64), np.zeros(size, np.int64)
    example[key] = np.arange(len(key))
    rank[present] = np.arange(len(present))
    return Patterns(table[example[present]], freq[present], rank[key])


def restricted(patterns: Patterns, keep: NDArray[np.bool_]) -> Patterns:
    """The patterns that a mask (P,) selects; units with other patterns are left out."""
    place = np.where(keep, np.cumsum(keep) - 1, ABSENT)
    return Patterns(
        patterns.rows[keep], patterns.freq[keep], np.where(patterns.of_unit < 0, ABSENT, place[patterns.of_unit])
    )


def slots(unit: Ints, value: Ints, units: int) -> Ints:
    """The sorted codings of each unit, regardless of coder (N x most codings of a unit, -1 where absent).

    >>> slots(np.array([0, 1, 0]), np.array([2, 1, 0]), 2).tolist()
    [[0, 2], [1, -1]]
    """
    size = int(value.max(initial=0)) + 1
    unit, value = np.divmod(np.sort(unit * size + value), size)
    n_codings = np.bincount(unit, minlength=units)
    place = np.arange(len(unit)) - np.repeat(np.cumsum(n_codings) - n_codings, n_codings)
    table = np.full((units, int(n_codings.max(initial=0))), ABSENT, np.int64)
    table[unit, place] = value
    return table


def by_coder(unit: Ints, coder: Ints, value: Ints, units: int, coders: int) -> Ints:
    """The table of units by coders, -1 where absent (N x coders)."""
    table = np.full((units, coders), ABSENT, np.int64)
    table[unit, coder] = value
    return table


def counts(rows: Ints, categories: int) -> Floats:
    """How many codings of each row are in each category (P x q)."""
    row, place = np.nonzero(rows != ABSENT)
    cells = np.bincount(row * categories + rows[row, place], minlength=len(rows) * categories)
    return cells.reshape(len(rows), categories).astype(float)


def clustered(statistic: Statistic, cluster: Ints) -> Statistic:
    """The same statistic with clusters (`cluster` of each unit, 0 to G-1) in place of units."""
    from scipy import sparse

    patterns = statistic.patterns
    present = patterns.of_unit != ABSENT
    groups, cluster = np.unique(cluster[present], return_inverse=True)
    cells = (np.ones(len(cluster)), (cluster, patterns.of_unit[present]))
    members = sparse.csr_array(cells, shape=(len(groups), len(patterns.freq)))
    rows = np.arange(len(groups))
    each = Patterns(rows[:, None], np.ones_like(rows), rows)
    return Statistic(each, members @ statistic.terms, statistic.value, statistic.held)
