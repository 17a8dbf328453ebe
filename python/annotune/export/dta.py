"""Stata's .dta, release 118 (119 above 32,767 variables), written in batches: memory does not grow with the rows.

The layout is that of "Description of .dta file format 118" in Stata's manual [P] Programming, under file formats .dta.
"""

from __future__ import annotations

import dataclasses
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError, listing
from annotune.export.names import cut, stata_names
from annotune.export.sheet import Column, Sheet
from annotune.export.storable import Change, Facts
from annotune.tables.temporal import DAY_MS, are_first_days, kind_of, numbers_of_periods, period
from annotune.tables.temporal import STATA_DAY_0 as EPOCH

MOST_VARIABLES = 32_767  # of release 118, and of Stata/SE
LONGEST_STR = 2_045  # bytes; a longer text is a strL
LONGEST_LABEL = 80  # characters, of a variable's label and the data's
LONGEST_VALUE_LABEL, MOST_VALUE_LABELS, LONGEST_NOTE = 32_000, 65_536, 67_784  # bytes, labels, bytes
MOST_PAIRS = 8  # codes and labels in the report


@dataclass(frozen=True)
class Storage:
    """One of Stata's types: its number in the file, the range of its values, and its missing values."""

    kind: int
    dtype: str
    polars: Any
    low: float
    high: float
    missing: float = 0  # the value of "."
    step: float = 1  # from "." to .a, and from .a to .b
    format: str = "%9.0g"

    def letter(self, letter: str) -> float:
        """The value of an extended missing value such as .a."""
        return self.missing + (ord(letter) - 96) * self.step


BYTE = Storage(65_530, "i1", pl.Int8, -127, 100, 101, format="%8.0g")
INT = Storage(65_529, "<i2", pl.Int16, -32_767, 32_740, 32_741, format="%8.0g")
LONG = Storage(65_528, "<i4", pl.Int32, -2_147_483_647, 2_147_483_620, 2_147_483_621, format="%12.0g")
FLOAT = Storage(65_527, "<f4", pl.Float32, -(2.0**127), 2.0**127 - 2.0**103, 2.0**127, 2.0**115)
DOUBLE = Storage(65_526, "<f8", pl.Float64, -(2.0**1023), 2.0**1023 - 2.0**970, 2.0**1023, 2.0**1011, "%10.0g")
STR_L = Storage(32_768, "<u8", pl.String, 0, 0, format="%9s")


@dataclass(frozen=True)
class Variable:
    """A column in Stata; `values` are its cells, missing values included."""

    name: str
    storage: Storage
    values: pl.Expr
    format: str
    heading: str = ""
    labels: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


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
        _File(out, sheet, variables).write(title, notes)
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


class _File:
    """The sections of a .dta file in order; the position of each is recorded for the map."""

    def __init__(self, out: BinaryIO, sheet: Sheet, variables: Sequence[Variable]) -> None:
        self.out, self.sheet, self.variables = out, sheet, variables
        self.many = len(variables) > MOST_VARIABLES
        self.starts: list[int] = []

    def write(self, title: str, notes: Sequence[str]) -> None:
        """Write the whole file."""
        self._begin("stata_dta")
        self.out.write(self._header(title))
        self._section("map", bytes(8 * 14))
        self._section("variable_types", np.array([v.storage.kind for v in self.variables], "<u2").tobytes())
        self._section("varnames", _padded([v.name for v in self.variables], 129))
        self._section("sortlist", bytes((4 if self.many else 2) * (len(self.variables) + 1)))
        self._section("formats", _padded([v.format for v in self.variables], 57))
        self._section("value_label_names", _padded([v.name if v.labels else "" for v in self.variables], 129))
        self._section("variable_labels", _padded([v.heading for v in self.variables], 321))
        self._section("characteristics", self._characteristics(notes))
        with tempfile.TemporaryFile(dir=Path(self.out.name).parent) as long_texts:
            self._begin("data")
            self._data(long_texts)
            self.out.write(b"</data>")
            self._begin("strls")
            long_texts.seek(0)
            shutil.copyfileobj(long_texts, self.out)
            self.out.write(b"</strls>")
        self._section("value_labels", b"".join(_label_table(v) for v in self.variables if v.labels))
        self.starts.append(self.out.tell())
        self.out.write(b"</stata_dta>")
        self.starts.append(self.out.tell())
        self.out.seek(self.starts[1] + len("<map>"))
        self.out.write(np.array(self.starts, "<u8").tobytes())

    def _begin(self, tag: str) -> None:
        self.starts.append(self.out.tell())
        self.out.write(f"<{tag}>".encode())

    def _section(self, tag: str, content: bytes) -> None:
        self._begin(tag)
        self.out.write(content + f"</{tag}>".encode())

    def _header(self, title: str) -> bytes:
        """Release, byte order, counts and the data label; no time, so that the same data give the same bytes."""
        label = title.encode()
        return b"".join(
            (
                b"<header><release>%d</release><byteorder>LSF</byteorder>" % (119 if self.many else 118),
                b"<K>%s</K>" % struct.pack("<I" if self.many else "<H", len(self.variables)),
                b"<N>%s</N>" % struct.pack("<Q", self.sheet.rows),
                b"<label>%s</label>" % (struct.pack("<H", len(label)) + label),
                b"<timestamp>\0</timestamp></header>",
            )
        )

    def _characteristics(self, notes: Sequence[str]) -> bytes:
        owned = [("_dta", notes), *((variable.name, variable.notes) for variable in self.variables)]
        return b"".join(_note_characteristics(owner, texts) for owner, texts in owned if texts)

    def _data(self, long_texts: BinaryIO) -> None:
        """Write the rows as records of fixed width; texts of a strL go to a separate file."""
        record = np.dtype([(f"f{place}", variable.storage.dtype) for place, variable in enumerate(self.variables)])
        values = [variable.values.alias(f"f{place}") for place, variable in enumerate(self.variables)]
        done = 0
        for batch in self.sheet.batches(values, record.itemsize):
            records = np.empty(batch.height, record)
            for place, variable in enumerate(self.variables):
                column = batch[f"f{place}"]
                if variable.storage is STR_L:
                    records[column.name] = self._pointers(column, place + 1, done)
                elif variable.storage.dtype.startswith("S"):
                    records[column.name] = column.to_numpy().view(variable.storage.dtype)[:, 0]
                else:
                    records[column.name] = column.to_numpy()
            self.out.write(records.data)
            self._long_texts(batch, done, long_texts)
            done += batch.height
        if done != self.sheet.rows:
            raise AnnotuneError("The data changed while they were being written.", "Write them again.")

    def _pointers(self, column: pl.Series, variable: int, done: int) -> np.ndarray:
        """The pointer to each text of a strL, by variable and observation; 0 for an empty one."""
        rows = np.arange(done + 1, done + 1 + len(column), dtype="<u8")
        return np.where(column.to_numpy() != "", rows << (24 if self.many else 16) | variable, 0)

    def _long_texts(self, batch: pl.DataFrame, done: int, out: BinaryIO) -> None:
        """Write the texts of all strLs, observation by observation."""
        places = [place for place, variable in enumerate(self.variables) if variable.storage is STR_L]
        for row, texts in enumerate(batch.select(f"f{place}" for place in places).iter_rows(), start=done + 1):
            for place, text in zip(places, texts, strict=True):
                if text:
                    content = text.encode() + b"\0"
                    out.write(struct.pack("<3sIQBI", b"GSO", place + 1, row, 130, len(content)) + content)


def _padded(texts: Sequence[str], width: int) -> bytes:
    return np.array([text.encode() for text in texts], f"S{width}").tobytes()


def _note_characteristics(owner: str, texts: Sequence[str]) -> bytes:
    """The notes as characteristics note1, note2, ...; note0 is their number."""
    contents = [str(len(texts)), *texts]
    return b"".join(_characteristic(owner, f"note{place}", text) for place, text in enumerate(contents))


def _characteristic(owner: str, name: str, text: str) -> bytes:
    content = cut(text, LONGEST_NOTE).encode() + b"\0"
    names = struct.pack("129s129s", owner.encode(), name.encode())
    return b"<ch>" + struct.pack("<I", len(names) + len(content)) + names + content + b"</ch>"


def _label_table(variable: Variable) -> bytes:
    texts = [text.encode() + b"\0" for _, text in variable.labels]
    offsets = np.cumsum([0, *(len(text) for text in texts)])
    table = struct.pack("<II", len(texts), offsets[-1]) + offsets[:-1].astype("<u4").tobytes()
    table += np.array([code for code, _ in variable.labels], "<i4").tobytes() + b"".join(texts)
    return b"<lbl>" + struct.pack("<I129s3x", len(table), variable.name.encode()) + table + b"</lbl>"
