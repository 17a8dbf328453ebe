"""The columns of R's data frames as polars columns: factors, labelled ones, days, times and durations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables.labelled import as_whole, codes, name_values, whole_code
from annotune.tables.reasons import reason
from annotune.tables.table import Labels
from annotune.tables.temporal import clock_or_duration, days, moments, notes_on_lost

NA_INTEGER = -(2**31)
NA_REAL_LOW_WORD = 1954  # the low 32 bits of R's NA_real_, which a NaN does not have
SECONDS = {"secs": 1, "mins": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
ROW_NAMES = "row_names"


@dataclass
class RObject:
    """A value of R: a NumPy array, list or string list, and its attributes."""

    value: Any
    attributes: dict[str, Any] = field(default_factory=dict)


def cells_of_column(name: str, column: Any, labels: Labels, notes: list[tuple[str, str]], where: str) -> pl.Series:
    """A column; its value labels are added to `labels`, what there is to tell about it to `notes`."""
    kinds, value = classes(column), column.value
    if "POSIXlt" in kinds:
        return _from_parts(name, column, notes)
    if isinstance(value, list) and (not value or value[0] is None or isinstance(value[0], str)):
        return _with_labels(pl.Series(name, value, dtype=pl.String), column, labels)
    if not isinstance(value, np.ndarray) or "dim" in column.attributes or value.dtype.kind == "c":
        what = f"{where}: lists, matrices and complex numbers cannot be columns."
        raise AnnotuneError(what, "Leave it out, or flatten it.")
    if "factor" in kinds:
        return _from_factor(name, column, labels)
    if "integer64" in kinds:  # the bits of 64-bit integers, stored as doubles
        whole = value.view(np.int64)
        return pl.Series(name, whole).set(pl.Series(whole == np.iinfo(np.int64).min), None)
    numbers = _without_user_missing(_numbers_without_na(name, value), column)
    if {"Date", "POSIXct", "difftime"} & set(kinds):
        return _temporal(numbers.cast(pl.Float64), column, notes)
    return _with_labels(numbers, column, labels) if "haven_labelled" in kinds else numbers


def _from_factor(name: str, column: RObject, labels: Labels) -> pl.Series:
    levels = column.attributes["levels"].value  # NA may be one of them
    kept = attribute(column, "codes")  # by our own writer
    numbers: Sequence[Any] = range(1, len(levels) + 1) if kept is None else np.asarray(kept, object).tolist()
    named = {number: level for number, level in zip(numbers, levels, strict=True) if level is not None}
    labels[name] = {whole_code(number): level for number, level in named.items()}  # in the order of the levels
    places = pl.Series(name, column.value.astype(np.int64) - 1)
    return pl.Series(name, levels, dtype=pl.Enum(list(named.values()))).gather(places.set(places < 0, None))


def _with_labels(cells: pl.Series, column: RObject, labels: Labels) -> pl.Series:
    """The labels in place of codes where the column has some; numbers stay numbers where only missing values do."""
    coded = column.attributes.get("labels")
    if coded is None or "haven_labelled" not in classes(column):
        return cells
    text = cells.dtype == pl.String
    own = codes(dict(zip(np.asarray(coded.value, object).tolist(), names_of(coded) or [], strict=True)), text)
    whole = cells if text else as_whole(cells)
    if not own:
        return whole
    labels[cells.name] = own
    return name_values(whole, own)


def _temporal(numbers: pl.Series, column: RObject, notes: list[tuple[str, str]]) -> pl.Series:
    """Days, times in their zone, times of day, or durations."""
    kinds = classes(column)
    if "difftime" in kinds:
        seconds = numbers * SECONDS.get((attribute(column, "units") or ["secs"])[0], 1)
        cells = clock_or_duration(seconds) if "hms" in kinds else clock_or_duration(seconds, clock=False)
    elif "Date" in kinds:
        cells = days(numbers)
    else:
        cells = _in_zone(moments(numbers * 1e6, "us"), column, notes)
    notes.extend((numbers.name, note) for note in notes_on_lost(numbers.fill_nan(None), cells))
    return cells


def _in_zone(times: pl.Series, column: RObject, notes: list[tuple[str, str]]) -> pl.Series:
    """Times in the zone that R shows them in; in UTC where the file does not say which, and that is told."""
    zone = (attribute(column, "tzone") or [""])[0]
    if zone in ("UTC", "GMT", "Etc/UTC"):
        return times.dt.replace_time_zone("UTC")
    try:
        if zone:
            return times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        notes.append((times.name, f"times are in UTC, as the zone {zone!r} is unknown here"))
        return times.dt.replace_time_zone("UTC")
    notes.append((times.name, "times are in UTC, as the file names no zone; R shows them in that of its computer"))
    return times.dt.replace_time_zone("UTC")


def _from_parts(name: str, column: RObject, notes: list[tuple[str, str]]) -> pl.Series:
    """R's POSIXlt, a list of years, months, days, hours, minutes and seconds as the clock showed them."""
    parts = dict(zip(names_of(column) or [], column.value, strict=True))
    numbers = {key: _numbers_without_na(key, parts[key].value) for key in ("year", "mon", "mday", "hour", "min", "sec")}
    frame = pl.DataFrame([part.cast(pl.Float64).fill_nan(None) for part in numbers.values()])
    clock = pl.datetime(pl.col("year") + 1900, pl.col("mon") + 1, 1, time_unit="us")
    rest = pl.duration(days=pl.col("mday") - 1, hours="hour", minutes="min", microseconds=pl.col("sec") * 1e6)
    times = frame.select((clock + rest).alias(name)).to_series()
    zone = (attribute(column, "tzone") or [""])[0]
    try:
        return times.dt.replace_time_zone(zone or None, ambiguous="earliest", non_existent="null")
    except pl.exceptions.PolarsError:
        notes.append((name, f"times are what the clock showed, as the zone {zone!r} is unknown here"))
        return times


def with_row_names(frame: pl.DataFrame, names: Any, file: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame with R's row names as its first column, where they are words and not only numbers."""
    if not isinstance(names, list) or not names or all(str(name).isdigit() for name in names):
        return frame, []
    if ROW_NAMES in frame.columns:
        return frame, []
    told = f"{file}: the names of the rows are in the column {ROW_NAMES!r}."
    return frame.insert_column(0, pl.Series(ROW_NAMES, names, dtype=pl.String)), [told]


def reasons_of_column(column: Any) -> pl.Series:
    """The reasons for missing cells: tagged missing values of haven, and user-missing ones of SPSS."""
    value, coded = column.value, column.attributes.get("labels")
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "if" or "factor" in classes(column):
        return pl.Series(dtype=pl.String)
    pairs = [] if coded is None else zip(_label_codes(coded.value), names_of(coded) or [], strict=True)
    labels = {code: text for code, text in pairs if code is not None}
    numbers = pl.Series(value.astype(float)).fill_nan(None)
    user = numbers.is_not_null() & _without_user_missing(numbers, column).is_null()
    words: list[str | None] = [None] * len(value)
    tags = _tag_letters(value)
    for row in np.flatnonzero(tags).tolist():
        words[row] = reason(f".{chr(tags[row])}", labels.get(chr(tags[row])))
    for row in user.arg_true().to_list():
        words[row] = reason(float(value[row]), labels.get(float(value[row])))
    return pl.Series(words, dtype=pl.String)


def _tag_letters(value: np.ndarray) -> np.ndarray:
    """The letters in R's missing doubles, as numbers; 0 for none."""
    if value.dtype.kind != "f":
        return np.zeros(len(value), np.uint64)
    bits = value.view(np.uint64)
    letters = (bits >> np.uint64(32)) & np.uint64(0xFF)
    tagged = np.isnan(value) & ((bits & np.uint64(0xFFFFFFFF)) == NA_REAL_LOW_WORD) & (letters >= 97) & (letters <= 122)
    return np.where(tagged, letters, 0)


def _label_codes(value: Any) -> list[str | float | None]:
    """The codes of value labels: numbers, or the letters of tagged missing values."""
    if not isinstance(value, np.ndarray):
        return [None] * len(value)
    return [chr(tag) if tag else float(code) for code, tag in zip(value, _tag_letters(value).tolist(), strict=True)]


def _without_user_missing(series: pl.Series, column: RObject) -> pl.Series:
    """The series with user-missing values of SPSS, as haven keeps them, as missing."""
    values, limits = attribute(column, "na_values"), attribute(column, "na_range")
    if values is not None:
        series = series.set(series.cast(pl.Float64).is_in(values.astype(float).tolist()), None)
    return series if limits is None else series.set(series.is_between(*limits.tolist()), None)


def _numbers_without_na(name: str, value: np.ndarray) -> pl.Series:
    """Numbers and truth values with R's missing values as null."""
    if value.dtype == np.int8:
        missing, value = value < 0, value.astype(bool)
    elif value.dtype.kind in "iu":
        missing = value == NA_INTEGER
    else:
        missing = np.isnan(value) & ((value.view(np.uint64) & 0xFFFFFFFF) == NA_REAL_LOW_WORD)
    return pl.Series(name, value).set(pl.Series(missing), None)


def attribute(item: Any, name: str) -> Any:
    """The values of an attribute, such as `units`; None where there is none."""
    value = item.attributes.get(name) if isinstance(item, RObject) else None
    return value.value if isinstance(value, RObject) else None


def classes(item: Any) -> list[str]:
    """The classes of an object of R."""
    return list(attribute(item, "class") or [])


def names_of(item: RObject) -> list[str] | None:
    """The names of a list's or vector's elements."""
    names = attribute(item, "names")
    return None if names is None else [str(name) for name in names]
