"""Texts in, from any format: one row a text, with its identifier, the text and the covariates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.extras import require
from annotune.tables import Table, read_table
from annotune.tables.labelled import EXACT_BELOW

EXACT_UP_TO = EXACT_BELOW[pl.Float64]  # a double holds whole numbers exactly below


def read_corpus(
    path: str | Path | Any,
    unit_id: str = "unit_id",
    text: str = "text",
    covariates: Sequence[str] | None = None,
    encoding: str | None = None,
) -> pl.DataFrame:
    """Read a corpus from a file or take one from a data frame.

    Parameters
    ----------
    path
        A csv, tsv, jsonl, parquet, xlsx, dta, sav or rds file, or a polars or pandas frame.
    unit_id, text
        The columns with the identifier and the text.
    covariates
        The other columns to keep; all of them when left out.
    encoding
        Of a csv file; found out when left out.

    Returns
    -------
    polars.DataFrame
        n rows in the file's order: `unit_id` (str), `text` (str, null where missing or blank), covariates.

    Raises
    ------
    AnnotuneError
        For a column that is not there, an identifier that is missing, double, or has lost digits.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> at.read_corpus(pl.DataFrame({"id": [7, 8], "q": ["Why?", "How?"]}), unit_id="id", text="q")["unit_id"].to_list()
    ['7', '8']
    """
    frame, name, first = load(path, "The corpus", (unit_id, text), encoding)
    others = [column for column in frame.columns if column not in (unit_id, text)]
    wanted = others if covariates is None else unique_names(covariates)
    require_columns(frame, [unit_id, text, *wanted], name)
    corpus = frame.select(
        identifiers(frame[unit_id], name, first).alias("unit_id"),
        _texts(frame[text], name).alias("text"),
        *(frame[column] for column in wanted if column not in ("unit_id", "text", unit_id, text)),
    )
    _require_unique(corpus["unit_id"], name, unit_id, first)
    _tell_losses(corpus, name, [column for column in wanted if column in {"unit_id", "text"} - {unit_id, text}])
    return corpus


def load(source: Any, called: str, strings: tuple[str, ...], encoding: str | None) -> tuple[pl.DataFrame, str, int]:
    """The rows of a file or frame, its name in messages (`called`, for a frame), and its first row's number."""
    is_file = isinstance(source, (str, Path))
    table = read_table(source, strings=strings, encoding=encoding) if is_file else Table(as_frame(source))
    name = str(source) if is_file else called
    for note in table.notes:
        warn(note)
    if table.frame.is_empty():
        raise AnnotuneError(f"{name} has no rows.", f"Its columns are {listing(table.frame.columns)}.")
    return table.frame, name, table.first


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
    named = all(name is not None and name not in data.columns for name in data.index.names)
    require("pyarrow", "pandas data frames need")
    try:
        frame: pl.DataFrame = pl.from_pandas(data.reset_index(drop=not named))
    except (TypeError, ValueError) as error:  # pyarrow's own errors are both
        what = f"The pandas frame cannot be taken over: {str(error).splitlines()[0]}."
        raise AnnotuneError(what, "Give every column one type, and a name of its own.") from None
    return frame


def identified(corpus: Any) -> pl.DataFrame:
    """The corpus, whatever sort of table it is, with its identifiers as text, each there once."""
    frame = as_frame(corpus)
    require_columns(frame, ["unit_id"], "The corpus")
    frame = frame.with_columns(identifiers(frame["unit_id"], "The corpus").alias("unit_id"))
    twice = frame.filter(frame["unit_id"].is_duplicated())["unit_id"]
    if len(twice):
        raise AnnotuneError(f"The corpus has the unit {twice[0]!r} more than once.", "Keep one row of each.")
    return frame


def unique_names(columns: str | Sequence[str]) -> list[str]:
    """Each name once; a single one may be given without brackets."""
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))


def require_columns(frame: pl.DataFrame, names: Sequence[str], source: str) -> None:
    """Stop with the nearest name where a column is missing."""
    for column in names:
        if column not in frame.columns:
            raise AnnotuneError(f"{source} has no column {column!r}.", nearest(column, frame.columns))


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


def _texts(column: pl.Series, source: str) -> pl.Series:
    if column.dtype not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise AnnotuneError(
            f"{source}: the column {column.name!r} holds {column.dtype}, not texts.", "Name another with text=."
        )
    texts = column.cast(pl.String)
    return texts.set(texts.str.strip_chars().is_in(["", "NA"]), None)  # NA is how R writes a missing text


def _require_unique(units: pl.Series, source: str, column: str, first: int) -> None:
    double = units.is_duplicated()
    if not double.any():
        return
    unit = units.filter(double)[0]
    rows = [str(row + first) for row in (units == unit).arg_true()[:3].to_list()]
    raise AnnotuneError(
        f"{source}, column {column!r}: {unit!r} is there more than once (rows {', '.join(rows)}); "
        f"so are {units.filter(double).n_unique() - 1:,} other identifiers.",
        "Every text needs an identifier of its own.",
    )


def _tell_losses(corpus: pl.DataFrame, source: str, displaced: list[str]) -> None:
    empty = corpus["text"].null_count()
    if empty:
        warn(
            f"{source}: {empty:,} of {len(corpus):,} texts are empty; they keep their rows, with the status 'missing'."
        )
    words = [column.name for column in corpus[:, 2:] if column.dtype == pl.String and (column == "NA").any()]
    if words:
        what = f"{source}: the word NA is a value like any other in {listing(words)}."
        warn(f"{what} If it is how R wrote a missing one, make these cells empty.")
    for column in displaced:
        warn(f"{source}: the column {column!r} was left out, because another one was named as {column}.")
