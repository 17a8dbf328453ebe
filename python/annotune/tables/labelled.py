"""Stata and SPSS files, read with value labels, variable labels, dates and reasons for missing cells."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, listing
from annotune.tables.reasons import reason
from annotune.tables.table import Code, Labels
from annotune.tables.temporal import converted, kind_of, labels_of_format, padded

READERS = {".dta": "read_dta", ".sav": "read_sav", ".zsav": "read_sav", ".por": "read_por"}  # of pyreadstat
EXACT_BELOW = {pl.Float32: 2**24, pl.Float64: 2**53}  # beyond, floating-point numbers skip integers


@dataclass(frozen=True)
class Described:
    """A table, and what its file says about its columns.

    For each column that has some: its value labels, its variable label, the reasons for its missing cells, and the
    display format that makes days, times or periods of its numbers. `notes` are assumptions and losses.
    """

    frame: pl.DataFrame
    labels: Labels = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, pl.Series] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_labelled(path: Path, encoding: str | None, first: int = 0, most: int = 0) -> Described:
    """The table of a Stata or SPSS file.

    `first` and `most` choose rows: how many to skip, and how many to read (0: all of them).
    """
    import pyreadstat  # it is slow to load, and mostly wanted in another process

    reader: functools.partial[Any] = functools.partial(
        getattr(pyreadstat, READERS[path.suffix.lower()]),
        str(path),
        output_format="polars",
        **({} if path.suffix.lower() == ".por" else {"encoding": encoding}),  # it has one for all
        row_offset=first,
        row_limit=most,
        disable_datetime_conversion=True,  # it knows some formats only, and days only where they are doubles
    )
    frame, meta = reader()
    reasons = _reasons_of_columns(reader, frame, meta.variable_value_labels)
    labels = _labels_of_columns(frame, meta)
    headings = {name: text for name, text in meta.column_names_to_labels.items() if text}
    notes: list[tuple[str, str]] = []
    columns = [_typed(column, labels.get(column.name, {}), meta, notes) for column in frame]
    formats = {name: form for name, form in meta.original_variable_types.items() if kind_of(form)}
    frame = pl.DataFrame(columns) if columns else frame
    return Described(frame, labels, headings, reasons, formats, tuple(sentences(path.name, notes)))


def sentences(file: str, notes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Notes on columns as sentences, one for all columns with the same note.

    >>> list(sentences("t.dta", [("a", "weeks (%tw) are read as their first days"), ("b", "1 cell is missing")]))
    ["t.dta, 'a': weeks (%tw) are read as their first days.", "t.dta, 'b': 1 cell is missing."]
    """
    columns: dict[str, list[str]] = {}
    for column, note in notes:
        columns.setdefault(note, []).append(column)
    return (f"{file}, {listing(names)}: {note}." for note, names in columns.items())


def require_different(names: Sequence[str], where: str) -> None:
    """Refuse a table with two columns of one name: nobody knows which of them is meant."""
    double = next((name for name, times in Counter(names).items() if times > 1), None)
    if double is not None:
        raise AnnotuneError(f"{where}: there are two columns {double!r}.", "Rename or remove one.")


def _labels_of_columns(frame: pl.DataFrame, meta: Any) -> Labels:
    """The value labels in the file, and the words that SPSS shows for weekdays and months."""
    shown = {
        name: labels_of_format(form) for name, form in meta.original_variable_types.items() if labels_of_format(form)
    }
    texts = {name: dtype == pl.String for name, dtype in frame.schema.items()}
    labels = {name: codes(values, texts[name]) for name, values in {**shown, **meta.variable_value_labels}.items()}
    return {name: values for name, values in labels.items() if values}


def _typed(column: pl.Series, labels: Mapping[Code, str], meta: Any, notes: list[tuple[str, str]]) -> pl.Series:
    """A column as days or times, as the labels of its codes, as padded identifiers, or as numbers."""
    name, form = column.name, meta.original_variable_types.get(column.name, "")
    single = meta.readstat_variable_types.get(name) == "float"
    if not labels and kind_of(form) not in (None, "year"):
        cells, sayings = converted(column, form, single)
        notes.extend((name, note) for note in sayings)
        return cells
    if form.startswith(("%tb", "%-tb")):
        notes.append((name, f"business days ({form}) are numbers, as their calendar is in a file of its own"))
    column = column.cast(pl.Float32) if single else column
    if labels:
        return name_values(as_whole(column), labels)
    if column.dtype.is_numeric() and (words := padded(column, form)) is not None:
        notes.append((name, f"numbers with zeros in front ({form}) are read as texts"))
        return words
    return as_whole(column)


def _reasons_of_columns(
    reader: functools.partial[Any], frame: pl.DataFrame, labels: Mapping[str, Mapping[Any, str]]
) -> dict[str, pl.Series]:
    """For each column with extended or user-missing values, the reasons of its missing cells.

    The columns with missing cells are read again with their missing codes; only these are used.
    """
    gaps = [column.name for column in frame if column.has_nulls()]
    if not gaps or reader.func.__name__ == READERS[".por"]:  # which knows missing codes, and does not give them
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


def codes(values: Mapping[Any, str], text: bool = False) -> dict[Code, str]:
    """Value labels in the order of their codes: texts, or numbers, of which whole ones become integers.

    In a column of numbers, texts and not-a-number are not codes but missing values with a label, such as Stata's .a.

    >>> codes({2.0: "two", 0.5: "half", "a": "refused"}), codes({"h ": "Health"}, text=True)
    ({0.5: 'half', 2: 'two'}, {'h': 'Health'})
    """
    if text:
        return {str(code).rstrip(" "): label for code, label in values.items()}
    numbers = {float(code): label for code, label in values.items() if isinstance(code, (int, float)) and code == code}
    return {whole_code(code): numbers[code] for code in sorted(numbers)}


def whole_code(code: Any) -> Code:
    """A code as a text, a whole number, or a fraction.

    >>> whole_code(2.0), whole_code(0.5), whole_code("h")
    (2, 0.5, 'h')
    """
    return int(code) if isinstance(code, float) and code.is_integer() else code


def as_whole(column: pl.Series) -> pl.Series:
    """Integers that a statistical package stored as floating-point numbers, as integers where they are exact."""
    limit = next((below for dtype, below in EXACT_BELOW.items() if column.dtype == dtype), None)
    values = column.drop_nulls()
    if limit is None or values.is_empty() or not values.is_finite().all():
        return column
    return column.cast(pl.Int64) if bool(((values == values.round()) & (values.abs() < limit)).all()) else column


def name_values(column: pl.Series, labels: Mapping[Code, str]) -> pl.Series:
    """The labels in place of the codes, where every code has a label of its own."""
    names = list(labels.values())
    if len(set(names)) < len(names):
        return column
    if column.dtype == pl.String:
        column = column.str.strip_chars_end(" ").replace("", None) if "" not in labels else column
    values = column.drop_nulls()
    if values.is_empty():
        return pl.Series(column.name, [None] * len(column), dtype=pl.Enum(names))
    keys: list[Any] = [float(code) for code in labels] if column.dtype.is_float() else list(labels)
    if not values.is_in(keys).all():
        return column
    return column.replace_strict(keys, names, return_dtype=pl.Enum(names))
