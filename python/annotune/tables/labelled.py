"""Stata and SPSS files: value labels, variable labels and dates survive the reading."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyreadstat

Labels = dict[str, dict[int, str]]


def read(path: Path, encoding: str | None) -> tuple[pl.DataFrame, Labels, dict[str, str]]:
    """The table, the value labels of its columns, and the columns' variable labels."""
    reader = pyreadstat.read_dta if path.suffix.lower() == ".dta" else pyreadstat.read_sav
    frame, meta = reader(str(path), output_format="polars", encoding=encoding)
    labels = {name: whole_codes(values) for name, values in meta.variable_value_labels.items()}
    labels = {name: values for name, values in labels.items() if values}
    headings = {name: text for name, text in meta.column_names_to_labels.items() if text}
    frame = frame.with_columns(as_whole(column) for column in frame)
    return frame.with_columns(name_values(frame[name], values) for name, values in labels.items()), labels, headings


def whole_codes(values: dict[object, str]) -> dict[int, str]:
    """Value labels in the order of their codes; labels of extended missing values (.a) are not codes."""
    codes = {int(code): text for code, text in values.items() if isinstance(code, (int, float)) and code == int(code)}
    return dict(sorted(codes.items()))


def as_whole(column: pl.Series) -> pl.Series:
    """Statistical packages store whole numbers as doubles; below 2^53 they are whole again."""
    if column.dtype not in (pl.Float64, pl.Float32):
        return column
    values = column.drop_nulls()
    whole = len(values) > 0 and bool(values.is_finite().all() and (values == values.round()).all())
    return column.cast(pl.Int64) if whole and bool((values.abs() < 2**53).all()) else column


def name_values(column: pl.Series, labels: dict[int, str]) -> pl.Series:
    """The labels in place of the codes, when every code has one and no two share one."""
    names = list(labels.values())
    if not column.dtype.is_integer() or len(set(names)) < len(names):
        return column
    if not column.drop_nulls().is_in(list(labels)).all():
        return column
    return column.replace_strict(labels, return_dtype=pl.Enum(names))
