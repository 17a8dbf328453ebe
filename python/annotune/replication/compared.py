"""Two tables beside each other: identical, equal within a tolerance, or different, with the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

IDENTICAL, WITHIN, DIFFERENT, ABSENT = "identical", "equal within the tolerance", "different", "not repeated"
A, B = "_a", "_b"  # what is behind the names of columns of the one and of the other


@dataclass(frozen=True)
class Compared:
    """How a table differs from another.

    Attributes
    ----------
    state
        `identical`, `equal within the tolerance`, or `different`.
    n_cells, n_different
        How many cells were compared, and how many of them differ by more than the tolerance.
    largest
        The largest difference of two numbers that both tables have.
    first
        Where the first difference is, and what stands there; empty where there is none.
    """

    state: str
    n_cells: int
    n_different: int
    largest: float
    first: str


def compared(one: pl.DataFrame, other: pl.DataFrame, keys: Sequence[str], tolerance: float) -> Compared:
    """Compare two tables row by row, as `keys` name rows, and column by column.

    A number is equal to another within the tolerance where they differ by no more than `tolerance`, or than that times
    the larger of them where this is above 1. Whatever else stands in cells is equal or not.

    Examples
    --------
    >>> one = pl.DataFrame({"term": ["x", "z"], "estimate": [0.5, 1.0]})
    >>> other = one.with_columns(estimate=pl.Series([0.5, 1.25]))
    >>> result = compared(one, other, ["term"], 1e-6)
    >>> result.state, result.n_different, result.largest, result.first
    ('different', 1, 0.25, 'estimate of z: 1 and 1.25')
    >>> compared(one, one, ["term"], 1e-6).state
    'identical'
    """
    columns = [name for name in one.columns if name not in keys]
    alone = set(one.columns) ^ set(other.columns)
    absent = [f"the column {name} is in one alone" for name in (*one.columns, *other.columns) if name in alone]
    both = joined(one, other, keys)
    unmatched = both.filter(pl.col(f"in{A}") != pl.col(f"in{B}"))
    only = [f"{_named(row, keys)} is in one alone" for row in unmatched.to_dicts()]
    sides = both.filter(pl.col(f"in{A}") & pl.col(f"in{B}"))
    exact, n_different, largest, firsts = True, len(absent) + len(only), 0.0, list[tuple[int, str]]()
    for name in (name for name in columns if name in other.columns):
        is_same, is_near, distance = _cells(sides[f"{name}{A}"], sides[f"{name}{B}"], tolerance)
        exact, n_different = exact and bool(is_same.all()), n_different + int((~is_near).sum())
        largest = max(largest, distance)
        if not is_near.all():
            place = int(np.argmin(is_near))
            row = sides.row(place, named=True)
            cells = f"{_cell(row[f'{name}{A}'])} and {_cell(row[f'{name}{B}'])}"
            firsts.append((place, f"{name} of {_named(row, keys)}: {cells}"))
    first = (absent + only + [words for _, words in sorted(firsts, key=lambda pair: pair[0])] + [""])[0]
    state = DIFFERENT if n_different else IDENTICAL if exact else WITHIN
    return Compared(state, len(sides) * len(columns), n_different, largest, first)


def joined(one: pl.DataFrame, other: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows of both, side by side; `in_a` and `in_b` say which of them has a row."""
    sides = []
    for frame, end in ((one, A), (other, B)):
        names = {name: f"{name}{end}" for name in frame.columns if name not in keys}
        words = [pl.col(name).cast(pl.String) for name in keys]
        numbered = frame.with_columns(words).with_columns(pl.int_range(pl.len()).over(keys).alias("_place"))
        sides.append(numbered.rename(names).with_columns(pl.lit(True).alias(f"in{end}")))
    on = [*keys, "_place"]
    both = sides[0].join(sides[1], on=on, how="full", coalesce=True, nulls_equal=True, maintain_order="left_right")
    return both.with_columns(pl.col(f"in{A}", f"in{B}").fill_null(False))


def _cells(one: pl.Series, other: pl.Series, tolerance: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Which cells are the same, which are near enough, and how far the furthest numbers are apart."""
    if not (_is_number(one) and _is_number(other)):
        same = one.cast(pl.String).eq_missing(other.cast(pl.String)).to_numpy()
        return same, same, 0.0
    x, y = (side.cast(pl.Float64).fill_null(np.nan).to_numpy() for side in (one, other))
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):
        distance = np.abs(x - y)
        near = same | (distance <= tolerance * np.maximum(1.0, np.maximum(np.abs(x), np.abs(y))))
    finite = distance[np.isfinite(distance)]
    return same, near, float(finite.max()) if len(finite) else 0.0


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)


def _named(row: dict[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(str(row[name]) for name in keys if row[name] is not None) or "the only row"


def _cell(value: Any) -> str:
    return "nothing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
