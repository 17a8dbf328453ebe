"""Reading a written file back: its first and last rows must equal those of the sheet."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError
from annotune.export.sheet import Column, Sheet
from annotune.tables import labelled, rds
from annotune.tables.labelled import Described
from annotune.tables.table import Labels
from annotune.tables.temporal import clock_or_duration

SAMPLE = 500  # rows from each end
MS = 2_000  # in microseconds: one is cut off, and far from 1960 another part is rounded
STATA_INFINITY = 2.0**1023  # numbers from here on are missing in Stata
MOST_CELLS = 5_000_000  # of an .rds, which can only be read whole


def confirm(sheet: Sheet, draft: Path, target: Path) -> None:
    """Raise where the file at `draft` does not hold the sheet that goes to `target`."""
    suffix = target.suffix.lower()
    if suffix == ".rds" and sheet.rows * len(sheet.columns) <= MOST_CELLS:
        _require_same_cells(sheet, sheet.frame().collect(), rds.read_rds(draft), target)
    elif suffix in (".dta", ".sav"):
        for first in sorted({0, max(0, sheet.rows - SAMPLE)}):
            sent = sheet.slice(first, SAMPLE)
            _require_same_cells(sheet, sent, labelled.read_labelled(draft, None, first, SAMPLE), target)
    elif suffix in (".parquet", ".csv"):
        scan = pl.scan_parquet(draft) if suffix == ".parquet" else pl.scan_csv(draft, infer_schema=False)
        rows = scan.select(pl.len()).collect().item()
        if rows != sheet.rows:
            raise _error_of_difference(target, f"there are {rows:,} rows instead of {sheet.rows:,}")


def _require_same_cells(sheet: Sheet, sent: pl.DataFrame, read: Described, target: Path) -> None:
    """Compare cells column by column, because names may have been changed for the format."""
    received = read.frame
    if sent.shape != received.shape:
        raise _error_of_difference(target, f"its sample has the shape {received.shape} instead of {sent.shape}")
    if sent.is_empty():  # without rows, pyreadstat has no types
        return
    for column, name in zip(sheet.columns, received.columns, strict=True):
        before, after = sent[column.name], received[name]
        numbered = column.with_numbers() if target.suffix.lower() == ".dta" else column
        if numbered.labels is not None and after.dtype != pl.String:  # text: more labels than Stata has
            before, after = sent.select(numbered.codes()).to_series(), _codes_of_cells(after, read.labels)
        if before.dtype == pl.Duration and after.dtype.is_numeric():  # Stata has no durations, only seconds
            after = clock_or_duration(after.cast(pl.Float64), clock=False)
        same = _comparable_cells(before).eq_missing(_comparable_cells(after))
        if before.dtype in (pl.Datetime, pl.Time, pl.Duration):  # kept in parts of a second that round
            same |= ((_comparable_cells(before) - _comparable_cells(after)).abs() <= MS).fill_null(False)
        if not same.all():
            row = int((~same).arg_max() or 0)
            raise _error_of_difference(target, f"column {column.name!r} has {after[row]!r} instead of {before[row]!r}")


def _codes_of_cells(cells: pl.Series, labels: Labels) -> pl.Series:
    column = Column(cells.name, labels.get(cells.name), named=isinstance(cells.dtype, pl.Enum))
    return cells.to_frame().select(column.codes()).to_series() if column.labels is not None else cells


def _comparable_cells(cells: pl.Series) -> pl.Series:
    """Cells as every format has them: texts, empty where missing, or numbers, null where missing."""
    if cells.dtype in (pl.String, pl.Enum, pl.Categorical):
        return cells.cast(pl.String).fill_null("").str.strip_chars_end(" ")  # SPSS pads with blanks
    if isinstance(cells.dtype, pl.Datetime):
        cells = cells.dt.timestamp("us")
    elif isinstance(cells.dtype, pl.Duration):
        cells = cells.dt.total_microseconds()
    elif cells.dtype == pl.Time:
        cells = cells.to_physical() / 1_000
    elif cells.dtype == pl.Date:
        cells = cells.to_physical().cast(pl.Int64) * 86_400_000_000  # a day may come back as its midnight
    numbers = cells.cast(pl.Float64)
    return numbers.set(~(numbers.abs() < STATA_INFINITY), None)


def _error_of_difference(target: Path, how: str) -> AnnotuneError:
    return AnnotuneError(f"{target} was not kept: read back, {how}.", "Try again, and report it if it persists.")
