"""Tables in: a polars frame from what is given, with identifiers that are sound and columns that are there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.data.checked import Door
from annotune.errors import AnnotuneError, nearest
from annotune.extras import require
from annotune.tables.labelled import EXACT_BELOW

IDENTIFIED = Door()
STUDY_KEYS = {"corpus": "corpus: {path: ...", "codings": "codings: {paths: [...]"}  # where a column is named there
NAMED_ID = re.compile(
    r"(?i)(^|[\W_])(id|nr|key|identifier)$|^(id|case|nr)([\W_]|$)|(?<=[a-z])ID$"
)  # textId, case_nr, id


def as_frame(data: Any) -> pl.DataFrame:
    """A polars frame from a polars or pandas one; a pandas index that has a name is a column."""
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, (str, Path)):
        what = f"{str(data)!r} is a text, and a table is wanted."
        raise AnnotuneError(what, "Read the file first, as read_corpus(), read_codings() or polars do.")
    if not hasattr(data, "iloc") or not hasattr(data, "columns"):
        what = f"A {type(data).__name__} is no table."
        raise AnnotuneError(what, "Give a file's path, or a polars or pandas data frame.")
    index_has_names = all(name is not None and name not in data.columns for name in data.index.names)
    require("pyarrow", "pandas data frames need")
    try:
        frame: pl.DataFrame = pl.from_pandas(data.reset_index(drop=not index_has_names))
    except (TypeError, ValueError) as error:  # pyarrow's own errors are both
        what = f"The pandas frame cannot be taken over: {str(error).splitlines()[0]}."
        raise AnnotuneError(what, "Give every column one type, and a name of its own.") from None
    return frame


def identified(corpus: Any) -> pl.DataFrame:
    """The corpus, whatever sort of table it is, with its identifiers as text, each there once."""
    frame = as_frame(corpus)
    if IDENTIFIED.knows(frame):
        return frame
    require_columns(frame, ["unit_id"], "The corpus")
    frame = frame.with_columns(identifiers(frame["unit_id"], "The corpus").alias("unit_id"))
    twice = frame.filter(frame["unit_id"].is_duplicated())["unit_id"]
    if len(twice):
        raise AnnotuneError(f"The corpus has the unit {twice[0]!r} more than once.", "Keep one row of each.")
    return IDENTIFIED.admit(frame)


def unique_names(columns: str | Sequence[str]) -> list[str]:
    """Each name once; a single one may be given without brackets."""
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))


def require_columns(frame: pl.DataFrame, names: Sequence[str], source: str) -> None:
    """Stop with the nearest name where a column is missing."""
    for column in names:
        if column not in frame.columns:
            raise AnnotuneError(f"{source} has no column {column!r}.", nearest(column, frame.columns))


def require_own_columns(
    frame: pl.DataFrame, columns: Mapping[str, str], source: str, part: Literal["corpus", "codings"] = "corpus"
) -> None:
    """Stop where a column with a usual name is not there, and say what to write for the one that may be meant.

    `columns` maps the argument to the column that it names; `part` is the key of a study where it is named.
    """
    for argument, column in columns.items():
        if column in frame.columns:
            continue
        hint = nearest(column, frame.columns)
        likely = _likely_column(argument, frame) if column == argument else None
        write = (
            f"Name the one that it is: {argument}={likely!r}; in a study, {STUDY_KEYS[part]}, {argument}: {likely}}}."
        )
        if likely is None and column == argument == "unit_id":
            hint = f"Add one, with a name or number of its own for every text. {hint}"
        raise AnnotuneError(f"{source} has no column {column!r}.", f"{write} {hint}" if likely else hint)


def _likely_column(argument: str, frame: pl.DataFrame) -> str | None:
    """The column that may be meant: that with the longest texts; identifiers by their name, or as none is repeated."""
    flat = [name for name in frame.columns if name != "unit_id" and not frame[name].dtype.is_nested()]
    ids = [name for name in flat if NAMED_ID.search(name)]
    ids.sort(key=lambda name: not name.lower().endswith("unit_id"))  # Mechanical Turk's Input.unit_id before HITId
    if argument == "text":
        words = [name for name in flat if frame[name].dtype == pl.String and name not in ids]
        lengths = {name: frame[name].str.len_chars().mean() or 0 for name in words}
        return max(lengths, key=lengths.__getitem__, default=None)
    others = [name for name in flat if name not in ("text", _likely_column("text", frame))]
    return next(iter([*ids, *(name for name in others if frame[name].n_unique() == len(frame) > 1)]), None)


def identifiers(column: pl.Series, source: str, first: int = 1) -> pl.Series:
    """Identifiers as strings, refused where they are missing or have lost digits; `first` numbers the rows."""
    if column.dtype.is_nested():
        raise AnnotuneError(f"{source}: the column {column.name!r} holds lists.", "Name another with unit_id=.")
    column = column.fill_nan(None) if column.dtype.is_float() else column
    words = column.cast(pl.String)
    missing = words.is_null() | (words.str.strip_chars() == "")
    if missing.any():
        raise AnnotuneError(
            f"{source}, row {_position(missing, first)}, column {column.name!r}: the identifier is missing "
            f"({missing.sum():,} in all).",
            "Every row needs one.",
        )
    lost = _lost_digits(column)
    if lost.any():
        raise AnnotuneError(
            f"{source}, row {_position(lost, first)}, column {column.name!r}: the identifier "
            f"{column.filter(lost)[0]!r} is a number that has lost digits ({lost.sum():,} in all).",
            "Store identifiers as text in the file they come from.",
        )
    return column.cast(pl.Int64).cast(pl.String) if column.dtype.is_float() else words


def _position(rows: pl.Series, first: int) -> int:
    return int(rows.arg_max() or 0) + first


def _lost_digits(column: pl.Series) -> pl.Series:
    """Doubles beyond what they can hold, and the 1.23E+18 that spreadsheets make of long numbers."""
    for dtype, below in EXACT_BELOW.items():
        if column.dtype == dtype:
            return ~((column.abs() < below) & (column == column.round()))
    if column.dtype == pl.String:
        return column.str.contains(r"^\s*\d([.,]\d+)?[eE]\+?\d\d\s*$")
    return pl.repeat(False, len(column), eager=True)
