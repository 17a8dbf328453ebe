"""Stata's .dta, written in batches: memory does not grow with the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from annotune.errors import listing
from annotune.export.dta_file import DtaFile
from annotune.export.dta_types import BYTE, DOUBLE, FLOAT, INT, LONG, LONGEST_NOTE, STR_L, Storage, Variable
from annotune.export.names import cut, stata_names
from annotune.export.sheet import Column, Sheet
from annotune.export.storable import Change, Facts
from annotune.tables.temporal import DAY_MS, are_first_days, kind_of, numbers_of_periods, period
from annotune.tables.temporal import STATA_DAY_0 as EPOCH

LONGEST_STR = 2_045  # bytes; a longer text is a strL
LONGEST_LABEL = 80  # characters, of a variable's label and the data's
LONGEST_VALUE_LABEL, MOST_VALUE_LABELS = 32_000, 65_536  # bytes, labels
MOST_PAIRS = 8  # codes and labels in the report


def write_dta(sheet: Sheet, facts: dict[str, Facts], path: Path) -> list[Change]:
    """Write the sheet to `path`, and return the changes that Stata's format required."""
    names, changes = stata_names([column.name for column in sheet.columns])
    variables = [
        _stata_variable(_in_periods(sheet, column), name, sheet.schema[column.name], facts[column.name], changes)
        for column, name in zip(sheet.columns, names, strict=True)
    ]
    title, notes = _shortened(sheet.title, LONGEST_LABEL, None, "title", changes)
    notes += sheet.notes
    for note in notes:
        if len(note.encode()) > LONGEST_NOTE:
            changes.append(Change(None, "truncated", f"a note was cut to {LONGEST_NOTE:,} bytes"))
    with path.open("wb") as out:
        DtaFile(out, sheet, variables).write(title, notes)
    return changes


def _stata_variable(column: Column, name: str, dtype: pl.DataType, facts: Facts, changes: list[Change]) -> Variable:
    heading = column.heading or (column.name if name != column.name else "")
    heading, notes = _shortened(heading, LONGEST_LABEL, column.name, "variable label", changes)
    if column.with_numbers() is not column:
        column = _numbered(column, changes)
    too_many = len(column.labels or {}) > MOST_VALUE_LABELS
    if column.labels is not None and not (too_many and column.named):
        storage, values = _codes_and_storage(column, dtype, facts, changes)
        labels = _value_labels(column, changes)
        width = min(max([8, *(len(text) for _, text in labels)]), LONGEST_LABEL)
        return Variable(name, storage, values, f"%{width}.0g", heading, labels, notes)
    if column.labels is not None:
        changes.append(Change(column.name, "type", f"more than {MOST_VALUE_LABELS:,} labels: they became text"))
        width = max(len(label.encode()) for label in column.names)
        storage, values = _text_and_storage(pl.col(column.name).cast(pl.String), width)
    elif dtype == pl.String:
        storage, values = _text_and_storage(pl.col(column.name), facts.width)
        if facts.nulls:
            changes.append(Change(column.name, "missing", "missing texts became empty ones", facts.nulls))
    else:
        storage, values = _numbers_and_storage(column, dtype, facts, changes)
        _report_missing_codes(column, facts, changes)
        form = _display_format(column, dtype, storage)
        return Variable(name, storage, values, form, heading, _value_labels(column, changes), notes)
    return Variable(name, storage, values, storage.format, heading, notes=notes)


def _in_periods(sheet: Sheet, column: Column) -> Column:
    """The column; without its display format where that is of months or the like, and not all dates begin one."""
    unit = period(column.format)
    if unit is None or sheet.schema[column.name] != pl.Date:
        return column
    fits = sheet.frame().select(are_first_days(pl.col(column.name), unit)).collect().item()
    return column if fits else dataclasses.replace(column, format="")


def _numbered(column: Column, changes: list[Change]) -> Column:
    """The column with numbers in place of texts as codes, because Stata labels nothing else."""
    pairs = ", ".join(f"{code} {label}" for code, label in list((column.labels or {}).items())[:MOST_PAIRS])
    what = "text codes became 1, 2, ..." if column.named else "the labels of texts were left out"
    changes.append(Change(column.name, "label", f"{what}: Stata labels whole numbers only ({pairs})"))
    return column.with_numbers()


def _shortened(
    text: str, most: int, column: str | None, what: str, changes: list[Change]
) -> tuple[str, tuple[str, ...]]:
    """A label that fits, and a note with the whole text of one that does not."""
    if len(text) <= most:
        return text, ()
    changes.append(Change(column, "truncated", f"the {what} was cut to {most} characters; a note has the whole text"))
    return text[:most], (text,)


def _display_format(column: Column, dtype: pl.DataType, storage: Storage) -> str:
    """The format that the column had in Stata, where its cells still are what that shows; else that of its type."""
    own = column.format if column.format.startswith("%") else ""
    kind = kind_of(own)
    if dtype == pl.Date:
        unit = period(column.format)
        return (own or f"%t{unit[0]}") if unit else (own if kind == "day" else "%td")
    if isinstance(dtype, pl.Datetime):
        return own.replace("%tC", "%tc") if kind in ("moment", "clock") else "%tc"
    if dtype == pl.Time:
        return own.replace("%tC", "%tc") if kind == "clock" else "%tcHH:MM:SS"
    return own if kind == "year" and dtype.is_integer() else storage.format


def _text_and_storage(cells: pl.Expr, width: int) -> tuple[Storage, pl.Expr]:
    """Texts padded with NUL to the width of the longest, as one array of bytes; unchanged for a strL."""
    if width > LONGEST_STR:
        return STR_L, cells.fill_null("")
    width = max(width, 1)
    padded = pl.concat_str(cells.fill_null(""), pl.lit("\0" * width)).cast(pl.Binary).bin.head(width)
    array = padded.bin.reinterpret(dtype=pl.Array(pl.UInt8, width))
    return Storage(width, f"S{width}", pl.Array(pl.UInt8, width), 0, 0, format=f"%{max(width, 9)}s"), array


def _codes_and_storage(
    column: Column, dtype: pl.DataType, facts: Facts, changes: list[Change]
) -> tuple[Storage, pl.Expr]:
    """The codes, and where there is none, the missing value for the reason."""
    limits = [] if column.named else [number for number in (facts.low, facts.high) if number is not None]
    limits += [float(code) for code in column.labels or () if column.named]
    _report_missing_codes(column, facts, changes)
    if any(limit != round(limit) for limit in limits) or dtype.is_float():
        return _reals_and_storage(column, pl.Float64(), limits, facts, changes)
    storage = _tightest(limits)
    codes = column.codes()
    values = pl.when(codes.is_null()).then(_missing_value(column, storage)).otherwise(codes.cast(pl.Float64))
    return storage, values.cast(storage.polars)


def _missing_value(column: Column, storage: Storage) -> pl.Expr:
    """The missing value for the reason, and "." without one."""
    if column.status is None:
        return pl.lit(storage.missing, pl.Float64)
    values = {letter: storage.letter(letter) for letter in column.lettered}
    return column.tags().replace_strict(values, default=storage.missing, return_dtype=pl.Float64)


def _report_missing_codes(column: Column, facts: Facts, changes: list[Change]) -> None:
    if column.status is not None and facts.nulls:
        changes.append(
            Change(column.name, "missing", f"missing codes tell why: {column.letters_in_words()}", facts.nulls)
        )


def _value_labels(column: Column, changes: list[Change]) -> tuple[tuple[int, str], ...]:
    if len(column.labels or {}) > MOST_VALUE_LABELS:
        changes.append(
            Change(column.name, "label", f"more than {MOST_VALUE_LABELS:,} labels: only the codes were kept")
        )
        return ()
    whole = {code: text for code, text in (column.labels or {}).items() if isinstance(code, int)}
    if len(whole) < len(column.labels or {}):
        lost = listing([text for code, text in (column.labels or {}).items() if code not in whole])
        changes.append(
            Change(column.name, "label", f"fractions lost their labels, as Stata labels whole numbers: {lost}")
        )
    labels = {code: text for code, text in whole.items() if LONG.low <= code <= LONG.high}
    if len(labels) < len(whole):
        changes.append(Change(column.name, "label", "codes beyond Stata's long lost their labels"))
    if list(labels) != sorted(labels):  # the format needs them sorted
        changes.append(Change(column.name, "label", "the labels are in the order of their codes"))
    labels |= {int(LONG.letter(letter)): text for letter, text in column.lettered.items() if text}
    if any(len(text.encode()) > LONGEST_VALUE_LABEL for text in labels.values()):
        changes.append(Change(column.name, "truncated", f"value labels were cut to {LONGEST_VALUE_LABEL:,} bytes"))
    return tuple((code, cut(labels[code], LONGEST_VALUE_LABEL)) for code in sorted(labels))


def _numbers_and_storage(
    column: Column, dtype: pl.DataType, facts: Facts, changes: list[Change]
) -> tuple[Storage, pl.Expr]:
    """Numbers, truth values, days and times in the smallest type that holds them."""
    name, cells = column.name, pl.col(column.name)
    bounds = [number for number in (facts.low, facts.high) if number is not None]
    if dtype.is_float():
        return _reals_and_storage(column, dtype, bounds, facts, changes)
    if dtype in (pl.Boolean, pl.Null):
        storage, values = BYTE, cells.cast(pl.Int8)
    elif isinstance(dtype, pl.Datetime):
        if facts.finer:
            changes.append(Change(name, "type", "times were cut to milliseconds", facts.finer))
        storage, values = DOUBLE, (cells.dt.timestamp("ms") + EPOCH * DAY_MS).cast(pl.Float64)
    elif dtype == pl.Time:
        if facts.finer:
            changes.append(Change(name, "type", "times of day were cut to milliseconds", facts.finer))
        storage, values = DOUBLE, (cells.to_physical() // 1_000_000).cast(pl.Float64)
    elif isinstance(dtype, pl.Duration):
        changes.append(Change(name, "type", "durations became seconds"))
        storage, values = DOUBLE, cells.dt.total_microseconds() / 1e6
    elif dtype == pl.Date and (unit := period(column.format)):
        storage, values = LONG, numbers_of_periods(cells, unit)
    elif dtype == pl.Date:
        storage, values = _tightest([day + EPOCH for day in bounds]), cells.to_physical().cast(pl.Int64) + EPOCH
    else:
        storage, values = _tightest(bounds), cells
    return storage, values.cast(storage.polars).fill_null(_missing_value(column, storage).cast(storage.polars))


def _reals_and_storage(
    column: Column, dtype: pl.DataType, bounds: list[float], facts: Facts, changes: list[Change]
) -> tuple[Storage, pl.Expr]:
    """Real numbers; .n stands for not-a-number, .i for infinity and numbers beyond Stata's range."""
    single = dtype == pl.Float32 and all(FLOAT.low <= bound <= FLOAT.high for bound in bounds)
    name, cells = column.name, column.codes().cast(pl.Float64)
    storage = FLOAT if single else DOUBLE
    if dtype == pl.Float32 and not single:
        changes.append(Change(name, "type", "single became double precision, for its large numbers"))
    for count, text in ((facts.nan, "not-a-number became .n"), (facts.infinite, "infinite values became .i")):
        if count:
            changes.append(Change(name, "missing", text, count))
    if any(not DOUBLE.low <= bound <= DOUBLE.high for bound in bounds):
        changes.append(Change(name, "missing", "numbers beyond 8.9e307 became .i"))
    values = (
        pl.when(cells.is_null())
        .then(_missing_value(column, storage))
        .when(cells.is_nan())
        .then(storage.letter("n"))
        .when((cells < storage.low) | (cells > storage.high))
        .then(storage.letter("i"))
        .otherwise(cells)
    )
    return storage, values.cast(storage.polars)


def _tightest(bounds: Sequence[float]) -> Storage:
    for storage in (BYTE, INT, LONG):
        if all(storage.low <= bound <= storage.high for bound in bounds):
            return storage
    return DOUBLE
