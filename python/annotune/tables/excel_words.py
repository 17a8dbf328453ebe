"""Words in a sheet's columns of numbers and days: fastexcel leaves out NA, None, null and others like them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from annotune.errors import counted

if TYPE_CHECKING:
    import fastexcel

_DAY = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"  # as fastexcel writes one in a column of words


def with_words(frame: pl.DataFrame, book: fastexcel.ExcelReader, source: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The first sheet with the words of its columns of numbers; words among days are told.

    None may be a label, a coder's word that no label applies, or no answer: that is not for a reader to decide.
    """
    gaps = [column.name for column in frame if column.has_nulls() and column.dtype not in (pl.String, pl.Null)]
    if not gaps:
        return frame, ()
    written = book.load_sheet(0, dtypes="string").to_polars().head(len(frame))
    lost = {name: written[name].filter(frame[name].is_null()).drop_nulls() for name in gaps}
    lost = {name: words.filter(words.str.strip_chars() != "") for name, words in lost.items()}
    days = [name for name, words in lost.items() if len(words) and frame.schema[name].is_temporal()]
    numbers = [name for name, words in lost.items() if len(words) and name not in days]
    notes = (
        f"{source}, column {name!r}: {lost[name][0]!r} among days is read as missing "
        f"({counted(len(lost[name]), 'cell', 'cells')})."
        for name in days
    )
    return frame.with_columns(written[name] for name in numbers), tuple(notes)


def with_days(frame: pl.DataFrame, strings: tuple[str, ...]) -> pl.DataFrame:
    """Columns, all but `strings`, whose cells are all days, as days: they came as words, below a description."""
    texts = frame.drop(strings, strict=False).select(pl.selectors.string())
    days = [column.name for column in texts if column.count() and column.drop_nulls().str.contains(_DAY).all()]
    times = frame.with_columns(frame[name].str.to_datetime("%Y-%m-%d %H:%M:%S") for name in days)
    whole = [name for name in days if (times[name].dt.time().drop_nulls() == dt.time()).all()]
    return times.with_columns(times[name].dt.date() for name in whole)


def notes_on_days(frame: pl.DataFrame, source: str) -> list[str]:
    """Notes on columns in which days stand beside words."""
    texts = frame.select(pl.selectors.string())
    beside = [column.name for column in texts if column.str.contains(_DAY).any()]
    return [f"{source}, column {name!r}: days stand beside words, and are read as texts." for name in beside]
