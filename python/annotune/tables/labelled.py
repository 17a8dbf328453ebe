"""Stata and SPSS files: value labels, variable labels and dates survive the reading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

Labels = dict[str, dict[int, str]]
EXACT_BELOW = {pl.Float32: 2**24, pl.Float64: 2**53}  # beyond, floating-point numbers skip whole ones


def read(
    path: Path, encoding: str | None, first: int = 0, most: int = 0
) -> tuple[pl.DataFrame, Labels, dict[str, str]]:
    """The table, the value labels of its columns, and the columns' variable labels.

    `first` and `most` choose rows: how many to skip, and how many to read (0: all of them).
    """
    reader = pyreadstat.read_dta if path.suffix.lower() == ".dta" else pyreadstat.read_sav
    frame, meta = reader(str(path), output_format="polars", encoding=encoding, row_offset=first, row_limit=most)
    labels = {name: whole_codes(values) for name, values in meta.variable_value_labels.items()}
    labels = {name: values for name, values in labels.items() if values}
    headings = {name: text for name, text in meta.column_names_to_labels.items() if text}
    single = [name for name, kind in meta.readstat_variable_types.items() if kind == "float"]
    frame = frame.with_columns(as_whole(column) for column in frame.cast(dict.fromkeys(single, pl.Float32)))
    return frame.with_columns(name_values(frame[name], values) for name, values in labels.items()), labels, headings


def whole_codes(values: Mapping[Any, str]) -> dict[int, str]:
    """Value labels in the order of their codes; labels of extended missing values (.a) are not codes."""
    numbers = {float(code): text for code, text in values.items() if isinstance(code, (int, float))}
    codes = {int(code): text for code, text in numbers.items() if code.is_integer()}
    return dict(sorted(codes.items()))


def as_whole(column: pl.Series) -> pl.Series:
    """Statistical packages store whole numbers as floating-point; where they are exact they are whole again."""
    limit = next((below for dtype, below in EXACT_BELOW.items() if column.dtype == dtype), None)
    values = column.drop_nulls()
    if limit is None or values.is_empty() or not values.is_finite().all():
        return column
    return column.cast(pl.Int64) if bool(((values == values.round()) & (values.abs() < limit)).all()) else column


def name_values(column: pl.Series, labels: dict[int, str]) -> pl.Series:
    """The labels in place of the codes, when every code has one and no two share one."""
    names = list(labels.values())
    if not column.dtype.is_integer() or len(set(names)) < len(names):
        return column
    if not column.drop_nulls().is_in(list(labels)).all():
        return column
    return column.replace_strict(labels, return_dtype=pl.Enum(names))
