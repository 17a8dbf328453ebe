"""The columns that texts are grouped by: present, filled, and dates as the start of their period."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from annotune.correction.coding_columns import blanks_as_null
from annotune.correction.matrices import with_dates
from annotune.errors import AnnotuneError


def with_periods(frame: pl.DataFrame, time: str | None, every: str | None) -> pl.DataFrame:
    """The frame with dates as the first day of their period, such as `1mo`; texts that are dates count as such.

    Raises
    ------
    AnnotuneError
        Where `every` is no length, or the column holds no dates.

    Examples
    --------
    >>> frame = pl.DataFrame({"day": ["2020-01-30", "2020-02-02", None]})
    >>> with_periods(frame, "day", "1mo")["day"].cast(pl.String).to_list()
    ['2020-01-01', '2020-02-01', None]
    """
    if every is None:
        return frame
    if time is not None:
        frame = blanks_as_null(frame, [time])
        empty = frame[time].null_count() == len(frame)
        frame = frame.with_columns(pl.col(time).cast(pl.Date)) if empty else with_dates(frame, [time])
    if time is None or not frame[time].dtype.is_temporal():
        first = frame[time].drop_nulls().head(1).to_list() if time is not None else []
        there = f"{time!r} holds others, such as {first[0]!r}" if first else "time= names none"
        raise AnnotuneError(
            f"every= divides a column of dates, and {there}.", "Name one with dates such as 2020-01-31."
        )
    try:
        return frame.with_columns(pl.col(time).dt.truncate(every))
    except pl.exceptions.PolarsError:
        raise AnnotuneError(f"{every!r} is not a period.", "Such as 1mo, 1q or 1y.") from None


def usable_keys(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The frame with empty cells of these columns as null; lists are refused.

    Raises
    ------
    AnnotuneError
        Where a column holds lists.
    """
    nested = [key for key in keys if frame[key].dtype.is_nested()]
    if nested:
        raise AnnotuneError(f"The column {nested[0]!r} holds lists.", "Group by columns with one value per text.")
    return blanks_as_null(frame, list(keys))
