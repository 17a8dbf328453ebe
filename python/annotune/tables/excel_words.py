"""Words in a sheet's columns of numbers and days: fastexcel leaves out NA, None, null and others like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from annotune.errors import counted

if TYPE_CHECKING:
    import fastexcel

_DAY = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"  # as fastexcel writes one in a column of words


def with_words(frame: pl.DataFrame, book: fastexcel.ExcelReader, source: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The first sheet with the words of its columns of numbers; words among days, and days among words, are told.

    None may be a label, a coder's word that no label applies, or no answer: that is not for a reader to decide.
    """
    beside = [column.name for column in frame if column.dtype == pl.String and column.str.contains(_DAY).any()]
    told = [f"{source}, column {name!r}: days stand beside words, and are read as texts." for name in beside]
    gaps = [column.name for column in frame if column.has_nulls() and column.dtype not in (pl.String, pl.Null)]
    if not gaps:
        return frame, tuple(told)
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
    return frame.with_columns(written[name] for name in numbers), (*told, *notes)
