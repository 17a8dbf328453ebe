"""Texts in, from any format: one row per text, with its identifier, the text and the covariates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NewType

import polars as pl

from annotune.data.checked import Door
from annotune.data.frames import IDENTIFIED, as_frame, identifiers, require_columns, require_own_columns, unique_names
from annotune.errors import AnnotuneError, listing, warn
from annotune.tables import Table, read_table
from annotune.tables.column_types import are_missing

Corpus = NewType("Corpus", pl.DataFrame)  # what `read_corpus` gave: sound identifiers, each there once, and texts
CORPORA = Door()
VISIBLE = r"[^\s\p{Z}\p{Cc}\p{Cf}]"  # a text without is blank: one of zero-width characters alone shows nothing


def read_corpus(
    path: str | Path | Any,
    unit_id: str = "unit_id",
    text: str = "text",
    covariates: Sequence[str] | None = None,
    encoding: str | None = None,
) -> Corpus:
    """Read a corpus from a file or take one from a data frame; one that was read already comes back as it is.

    Parameters
    ----------
    path
        A csv, tsv, tab, json, jsonl, parquet, xlsx, xls, ods, dta, sav, zsav, por or rds file, or a polars or pandas
        frame.
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
    if (unit_id, text, covariates) == ("unit_id", "text", None) and CORPORA.knows(path):
        return Corpus(as_frame(path))
    frame, name, first = load(path, "The corpus", (unit_id, text), encoding)
    others = [column for column in frame.columns if column not in (unit_id, text)]
    columns = others if covariates is None else unique_names(covariates)
    require_own_columns(frame, {"unit_id": unit_id, "text": text}, name)
    require_columns(frame, [unit_id, text, *columns], name)
    corpus = frame.select(
        identifiers(frame[unit_id], name, first).alias("unit_id"),
        texts_of(frame[text], name).alias("text"),
        *(frame[column] for column in columns if column not in ("unit_id", "text", unit_id, text)),
    )
    _require_unique(corpus["unit_id"], name, unit_id, first)
    _tell_losses(corpus, name, [column for column in columns if column in {"unit_id", "text"} - {unit_id, text}])
    return sound_corpus(corpus)


def sound_corpus(frame: pl.DataFrame) -> Corpus:
    """A frame that is sound by its making, such as some rows of a corpus: no door checks it or speaks of it again."""
    return Corpus(CORPORA.admit(IDENTIFIED.admit(frame)))


def load(
    source: Any, name_of_frame: str, strings: tuple[str, ...], encoding: str | None, codings: bool = False
) -> tuple[pl.DataFrame, str, int]:
    """The rows of a file or frame, its name in messages (`called`, for a frame), and its first row's number.

    Of an annotation tool's file, which has both, these are the texts or, on request, the codings.
    """
    is_file = isinstance(source, (str, Path))
    table = read_table(source, strings=strings, encoding=encoding) if is_file else Table(as_frame(source))
    name = str(source) if is_file else name_of_frame
    for note in table.notes:
        warn(note)
    if not codings:
        _tell_of_bare_codes(table, name)
    frame = table.codings if codings and table.codings is not None else table.frame
    if frame.is_empty():
        raise AnnotuneError(f"{name} has no rows.", f"Its columns are {listing(frame.columns)}.")
    return frame, name, table.first


def _tell_of_bare_codes(table: Table, source: str) -> None:
    """A frame holds labels where every value has one; a scale of which only the ends are named has not."""
    bare = [name for name in table.labels if table.frame[name].dtype != pl.Enum]
    if bare:
        first = ", ".join(f"{code} {label}" for code, label in list(table.labels[bare[0]].items())[:3])
        what = f"{source}: not every value of {listing(bare)} has a label; values are read without labels"
        warn(f"{what} ({bare[0]}: {first}). annotune write keeps them from file to file.")


def texts_of(column: pl.Series, source: str) -> pl.Series:
    """A column of texts, null where one is missing or blank; a column of anything else is refused."""
    if column.dtype not in (pl.String, pl.Null, pl.Categorical, pl.Enum):
        raise AnnotuneError(
            f"{source}: the column {column.name!r} holds {column.dtype}, not texts.", "Name another with text=."
        )
    texts = column.cast(pl.String)
    return texts.set(are_missing(texts) | ~texts.str.contains(VISIBLE), None)


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
    words = {column.name: are_missing(column) for column in corpus[:, 2:] if column.dtype == pl.String}
    names = [name for name, missing in words.items() if missing.any()]
    if names:
        example = corpus[names[0]].filter(words[names[0]])[0].strip()
        what = f"{source}: the word {example} is a value like any other in {listing(names)}."
        warn(f"{what} If it means that a value is missing, make these cells empty.")
    for column in displaced:
        warn(f"{source}: the column {column!r} was left out, because another one was named as {column}.")
