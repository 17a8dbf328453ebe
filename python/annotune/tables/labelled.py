"""Stata and SPSS files, read with value labels, variable labels, dates and reasons for missing cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat

from annotune.tables.reasons import reason

Labels = dict[str, dict[int, str]]
READERS: dict[str, Callable[..., Any]] = {
    ".dta": pyreadstat.read_dta,
    ".sav": pyreadstat.read_sav,
    ".zsav": pyreadstat.read_sav,
    ".por": pyreadstat.read_por,
}
EXACT_BELOW = {pl.Float32: 2**24, pl.Float64: 2**53}  # beyond, floating-point numbers skip integers


def read_labelled(
    path: Path, encoding: str | None, first: int = 0, most: int = 0
) -> tuple[pl.DataFrame, Labels, dict[str, str], dict[str, pl.Series]]:
    """The table, the value labels of its columns, their variable labels, and the reasons for missing cells.

    `first` and `most` choose rows: how many to skip, and how many to read (0: all of them).
    """
    reader: functools.partial[Any] = functools.partial(
        READERS[path.suffix.lower()],
        str(path),
        output_format="polars",
        **({} if path.suffix.lower() == ".por" else {"encoding": encoding}),  # it has one for all
        row_offset=first,
        row_limit=most,
    )
    frame, meta = reader()
    reasons = _reasons_of_columns(reader, frame, meta.variable_value_labels)
    labels = {name: whole_codes(values) for name, values in meta.variable_value_labels.items()}
    labels = {name: values for name, values in labels.items() if values}
    headings = {name: text for name, text in meta.column_names_to_labels.items() if text}
    single = [name for name, kind in meta.readstat_variable_types.items() if kind == "float"]
    frame = frame.with_columns(as_whole(column) for column in frame.cast(dict.fromkeys(single, pl.Float32)))
    frame = frame.with_columns(name_values(frame[name], values) for name, values in labels.items())
    return frame, labels, headings, reasons


def _reasons_of_columns(
    reader: functools.partial[Any], frame: pl.DataFrame, labels: Mapping[str, Mapping[Any, str]]
) -> dict[str, pl.Series]:
    """For each column with extended or user-missing values, the reasons of its missing cells.

    The columns with missing cells are read again with their missing codes; only these are used.
    """
    gaps = [column.name for column in frame if column.has_nulls()]
    if not gaps or reader.func is pyreadstat.read_por:  # which knows missing codes, and does not give them
        return {}
    coded, _ = reader(usecols=gaps, user_missing=True, disable_datetime_conversion=True)
    reasons = {}
    for name in gaps:
        dot = "" if frame.schema[name] == pl.String else "."  # words are SPSS's own, letters Stata's
        labels_of_column = labels.get(name, {})
        words: list[str | None] = [None] * len(frame)
        for row in frame[name].is_null().arg_true().to_list():
            code = coded[name][row]
            if code is not None and code == code:
                words[row] = reason(f"{dot}{code}" if isinstance(code, str) else code, labels_of_column.get(code))
        if any(words):
            reasons[name] = pl.Series(name, words, dtype=pl.String)
    return reasons


def whole_codes(values: Mapping[Any, str]) -> dict[int, str]:
    """Value labels in the order of their codes; labels of extended missing values (.a) are not codes."""
    numbers = {float(code): text for code, text in values.items() if isinstance(code, (int, float))}
    codes = {int(code): text for code, text in numbers.items() if code.is_integer()}
    return dict(sorted(codes.items()))


def as_whole(column: pl.Series) -> pl.Series:
    """Integers that a statistical package stored as floating-point numbers, as integers where they are exact."""
    limit = next((below for dtype, below in EXACT_BELOW.items() if column.dtype == dtype), None)
    values = column.drop_nulls()
    if limit is None or values.is_empty() or not values.is_finite().all():
        return column
    return column.cast(pl.Int64) if bool(((values == values.round()) & (values.abs() < limit)).all()) else column


def name_values(column: pl.Series, labels: dict[int, str]) -> pl.Series:
    """The labels in place of the codes, where every code has a label of its own."""
    names = list(labels.values())
    if not column.dtype.is_integer() or len(set(names)) < len(names):
        return column
    if not column.drop_nulls().is_in(list(labels)).all():
        return column
    return column.replace_strict(labels, return_dtype=pl.Enum(names))
