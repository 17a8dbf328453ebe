"""Texts in, from any format: one row a text, with its identifier, the text and the covariates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.tables import read_table

EXACT_UP_TO = 2**53  # a double holds whole numbers exactly up to here


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
    frame, name = _frame(path, (unit_id, text), encoding)
    wanted = (
        [column for column in frame.columns if column not in (unit_id, text)]
        if covariates is None
        else list(covariates)
    )
    require_columns(frame, [unit_id, text, *wanted], name)
    corpus = frame.select(
        identifiers(frame[unit_id], name).alias("unit_id"),
        _texts(frame[text], name).alias("text"),
        *(frame[column] for column in wanted if column not in ("unit_id", "text")),
    )
    _require_unique(corpus["unit_id"], name, unit_id)
    empty = corpus["text"].null_count()
    if empty:
        warn(
            f"{name}: {empty:,} of {len(corpus):,} texts are empty; they stay in the results with the status 'missing'."
        )
    return corpus


def as_frame(data: Any) -> pl.DataFrame:
    """A polars frame from a polars or pandas one."""
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if hasattr(data, "iloc"):
        frame: pl.DataFrame = pl.from_pandas(data.reset_index(drop=True))
        return frame
    raise AnnotuneError(
        f"A {type(data).__name__} is no table.", "Give a file's path, or a polars or pandas data frame."
    )


def require_columns(frame: pl.DataFrame, names: Sequence[str], source: str) -> None:
    """Stop with the nearest name where a column is missing."""
    for column in names:
        if column not in frame.columns:
            raise AnnotuneError(f"{source} has no column {column!r}.", nearest(column, frame.columns))


def identifiers(column: pl.Series, source: str) -> pl.Series:
    """Identifiers as strings, refused where they are missing or have lost digits on the way."""
    missing = column.is_null()
    if column.dtype == pl.String:
        missing = missing | (column.str.strip_chars() == "")
    if missing.any():
        row = int(missing.arg_max() or 0) + 2
        raise AnnotuneError(
            f"{source}, row {row}, column {column.name!r}: the identifier is missing ({missing.sum():,} in all).",
            "Every row needs one.",
        )
    if column.dtype.is_float():
        column = _whole_identifiers(column, source)
    return column.cast(pl.String)


def _whole_identifiers(column: pl.Series, source: str) -> pl.Series:
    lost = (column.abs() > EXACT_UP_TO) | (column != column.round())
    if lost.any():
        row = int(lost.arg_max() or 0)
        raise AnnotuneError(
            f"{source}, row {row + 2}, column {column.name!r}: the identifier {column[row]!r} is stored as a number "
            "that cannot hold all its digits.",
            "Store identifiers as text in the file they come from.",
        )
    return column.cast(pl.Int64)


def _texts(column: pl.Series, source: str) -> pl.Series:
    if column.dtype not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise AnnotuneError(
            f"{source}: the column {column.name!r} holds {column.dtype}, not texts.", "Name another with text=."
        )
    texts = column.cast(pl.String)
    return texts.set(texts.str.strip_chars() == "", None)


def _require_unique(units: pl.Series, source: str, column: str) -> None:
    double = units.is_duplicated()
    if double.any():
        first = units.filter(double)[0]
        rows = [int(row) + 2 for row in (units == first).arg_true()[:3]]
        raise AnnotuneError(
            f"{source}, column {column!r}: {first!r} is there more than once (rows {', '.join(map(str, rows))}); "
            f"{units.filter(double).n_unique():,} identifiers are.",
            "Every text needs an identifier of its own.",
        )


def _frame(path: Any, strings: tuple[str, ...], encoding: str | None) -> tuple[pl.DataFrame, str]:
    if not isinstance(path, (str, Path)):
        return as_frame(path), "The corpus"
    table = read_table(path, strings=strings, encoding=encoding)
    for note in table.notes:
        warn(note)
    if table.frame.is_empty():
        raise AnnotuneError(f"{path} has no rows.", f"Its columns are {listing(table.frame.columns)}.")
    return table.frame, str(path)
