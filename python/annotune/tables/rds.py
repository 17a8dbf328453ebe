"""R's .rds files: a reader for data frames that keeps factors, labelled columns and dates.

The format is R's serialization in XDR (big-endian), versions 2 and 3, as "R Internals", section 1.8
describes it. Existing libraries lose labels or dates, or take half a minute per million rows.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables.labelled import Labels, as_whole, name_values, whole_codes
from annotune.tables.reasons import reason

NA_INTEGER = -(2**31)
NA_REAL_LOW_WORD = 1954  # the low 32 bits of R's NA_real_, which a NaN does not have
_NIL, _NAMESPACE, _REFERENCE, _ALTREP, _ATTRIBUTES = 254, 249, 255, 238, (239, 240)
ASCII, UTF8, LATIN1 = 64 << 12, 8 << 12, 4 << 12  # the marks of a string
TWO_INTEGERS = struct.Struct(">ii").unpack_from
_CONSTANTS = (_NIL, 253, 252, 251, 250, 242, 241)


@dataclass
class RObject:
    """A value of R: a NumPy array, list or string list, and its attributes."""

    value: Any
    attributes: dict[str, Any] = field(default_factory=dict)


def read_rds(path: Path) -> tuple[pl.DataFrame, Labels, dict[str, str], dict[str, pl.Series]]:
    """A data frame with its value labels (1, 2, ... for factors), variable labels, and reasons for missing cells."""
    root = _Stream(_decompress(path.read_bytes()), path).item()
    columns = _names_of(root) if isinstance(root, RObject) else None
    if columns is None or "data.frame" not in _classes(root):
        raise AnnotuneError(f"{path} holds no data frame.", "Save one with saveRDS(data, file).")
    labels: Labels = {}
    headings: dict[str, str] = {}
    series = []
    for name, column in zip(columns, root.value, strict=True):
        series.append(_series_of_column(name, column, labels, path))
        heading = _attribute(column, "label")
        if heading is not None and len(heading):
            headings[name] = str(heading[0])
    why = {name: _reasons_of_column(column) for name, column in zip(columns, root.value, strict=True)}
    return pl.DataFrame(series), labels, headings, {name: words for name, words in why.items() if words.count()}


def _reasons_of_column(column: RObject) -> pl.Series:
    """The reasons for missing cells: tagged missing values of haven, and user-missing ones of SPSS."""
    value, coded = column.value, column.attributes.get("labels")
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "if" or "factor" in _classes(column):
        return pl.Series(dtype=pl.String)
    pairs = [] if coded is None else zip(_label_codes(coded.value), _names_of(coded) or [], strict=True)
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


def _decompress(data: bytes) -> bytes:
    for mark, opener in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma)):
        if data.startswith(mark):
            return bytes(opener.decompress(data))
    return data


def _series_of_column(name: str, column: RObject, labels: Labels, path: Path) -> pl.Series:
    classes = _classes(column)
    value = column.value
    if isinstance(value, list) and (not value or value[0] is None or isinstance(value[0], str)):
        return pl.Series(name, value, dtype=pl.String)
    if not isinstance(value, np.ndarray) or "dim" in column.attributes or value.dtype.kind == "c":
        what = f"{path}, column {name!r}: lists, matrices and complex numbers cannot be columns."
        raise AnnotuneError(what, "Leave it out, or flatten it.")
    if "factor" in classes:
        levels = column.attributes["levels"].value  # NA may be one of them
        codes = _attribute(column, "codes")  # kept by our own writer
        numbers = range(1, len(levels) + 1) if codes is None else codes.astype(int).tolist()
        named = {number: level for number, level in zip(numbers, levels, strict=True) if level is not None}
        labels[name] = named
        places = pl.Series(name, value.astype(np.int64) - 1)
        return pl.Series(name, levels, dtype=pl.Enum(list(named.values()))).gather(places.set(places < 0, None))
    if "integer64" in classes:  # the bits of 64-bit integers, stored as doubles
        whole = value.view(np.int64)
        return pl.Series(name, whole).set(pl.Series(whole == np.iinfo(np.int64).min), None)
    series = _without_user_missing(_numbers_without_na(name, value), column)
    if "Date" in classes:
        return series.cast(pl.Float64).floor().cast(pl.Int32).cast(pl.Date)
    if "POSIXct" in classes:
        return (series.cast(pl.Float64) * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    if "haven_labelled" in classes and _attribute(column, "labels") is not None:
        coded = column.attributes["labels"]
        codes_and_labels = whole_codes(dict(zip(coded.value.tolist(), _names_of(coded) or [], strict=True)))
        if codes_and_labels:  # else only missing values have labels
            labels[name] = codes_and_labels
            return name_values(as_whole(series), codes_and_labels)
        return as_whole(series)
    return series


def _without_user_missing(series: pl.Series, column: RObject) -> pl.Series:
    """The series with user-missing values of SPSS, as haven keeps them, as missing."""
    values, limits = _attribute(column, "na_values"), _attribute(column, "na_range")
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


def _attribute(item: Any, name: str) -> Any:
    attribute = item.attributes.get(name) if isinstance(item, RObject) else None
    return attribute.value if isinstance(attribute, RObject) else None


def _classes(item: RObject) -> list[str]:
    return list(_attribute(item, "class") or [])


def _names_of(item: RObject) -> list[str] | None:
    names = _attribute(item, "names")
    return None if names is None else [str(name) for name in names]


class _Stream:
    """A reader of the serialized items in order."""

    def __init__(self, data: bytes, path: Path) -> None:
        if data[:2] != b"X\n":
            raise AnnotuneError(f"{path} is not R's binary format.", "Save it with saveRDS(data, file).")
        self.data, self.at, self.path = data, 2, path
        self.references: list[Any] = []
        version = self._integer()
        self.at += 8
        self.native = "utf-8"  # of strings without a mark
        if version == 3:
            length = self._integer()
            self.native = _encoding(self.data[self.at : self.at + length].decode("ascii"))
            self.at += length

    def item(self) -> Any:
        """The next item: a symbol or string as str, a pairlist as dict, anything else as RObject."""
        flags = self._integer()
        kind, has_attributes, has_tag = flags & 0xFF, bool(flags & 512), bool(flags & 1024)
        if kind in _CONSTANTS:
            return None
        if kind == _REFERENCE:
            return self.references[(flags >> 8 or self._integer()) - 1]
        if kind == 1:
            return self._remember(self.item())
        if kind in (2, 3, 5, 6, *_ATTRIBUTES):
            return self._pairs(has_attributes or kind in _ATTRIBUTES, has_tag)
        if kind == 9:
            self.at -= 4
            return self._string()
        if kind == _ALTREP:
            return self._altrep()
        if kind in (4, 22, 23, _NAMESPACE):
            return self._by_reference(kind, has_attributes)
        result = RObject(self._vector(kind))
        if has_attributes:
            result.attributes = self.item() or {}
        return result

    def _integer(self) -> int:
        (value,) = struct.unpack_from(">i", self.data, self.at)
        self.at += 4
        return int(value)

    def _length(self) -> int:
        length = self._integer()
        return length if length >= 0 else (self._integer() << 32) + self._integer()

    def _array(self, dtype: str) -> np.ndarray:
        length = self._length()
        values = np.frombuffer(self.data, dtype, length, self.at)
        self.at += values.nbytes
        return values.astype(values.dtype.newbyteorder("="))

    def _string(self) -> str | None:
        flags, length = TWO_INTEGERS(self.data, self.at)
        self.at += 8
        if length < 0:
            return None
        raw = self.data[self.at : self.at + length]
        self.at += length
        if flags & (ASCII | UTF8):
            return raw.decode("utf-8", errors="replace")
        return raw.decode("cp1252" if flags & LATIN1 else self.native, errors="replace")

    def _remember(self, thing: Any) -> Any:
        self.references.append(thing)
        return thing

    def _pairs(self, has_attributes: bool, has_tag: bool) -> dict[str, Any]:
        """A pairlist's tags and values (untagged ones are numbered), read without recursion."""
        pairs: dict[str, Any] = {}
        while True:
            if has_attributes:
                self.item()
            tag = self.item() if has_tag else None
            pairs[str(len(pairs)) if tag is None else str(tag)] = self.item()
            flags = self._integer()
            if flags & 0xFF != 2:
                self.at -= 4
                self.item()
                return pairs
            has_attributes, has_tag = bool(flags & 512), bool(flags & 1024)

    def _by_reference(self, kind: int, has_attributes: bool) -> RObject:
        """Environments, external pointers and similar items: they hold no data, but are numbered as references."""
        thing = RObject(None)
        self._remember(thing)
        if kind == _NAMESPACE:
            self._integer()
            for _ in range(self._integer()):
                self.item()
        elif kind == 4:
            self._integer()
            for _ in range(4):
                self.item()
        else:
            for _ in range(2 if kind == 22 else 0):
                self.item()
            if has_attributes:
                self.item()
        return thing

    def _vector(self, kind: int) -> Any:
        if kind == 10:
            values = self._array(">i4")
            return np.where(values == NA_INTEGER, -1, values != 0).astype(np.int8)  # int8 is only ever a logical
        if kind == 13:
            return self._array(">i4")
        if kind == 14:
            return self._array(">f8")
        if kind == 15:
            return self._array(">c16")
        if kind == 24:
            return self._array("u1")
        if kind == 16:
            return [self._string() for _ in range(self._length())]
        if kind in (19, 20):
            return [self.item() for _ in range(self._length())]
        if kind == 25:
            return None
        raise AnnotuneError(f"{self.path} holds R code (type {kind}) beside the data.", "Save the plain data frame.")

    def _altrep(self) -> RObject:
        """R's compact forms: 1:n, wrapped vectors, numbers converted to strings on demand."""
        name, state, attributes = next(iter(self.item().values())), self.item(), self.item() or {}
        if name in ("compact_intseq", "compact_realseq"):
            length, start, step = state.value
            values = start + step * np.arange(int(length))
            return RObject(values.astype("i4" if name == "compact_intseq" else "f8"), attributes)
        inner = state.value[0] if isinstance(state, RObject) else next(iter(state.values()))
        if name == "deferred_string":
            words = [_as_word(value) for value in inner.value.tolist()]
            return RObject(words, attributes)
        if name.startswith("wrap_"):
            return RObject(inner.value, attributes or inner.attributes)
        raise AnnotuneError(
            f"{self.path} holds a compact vector of an unknown kind ({name}).", "Save a copy of the data."
        )


def _encoding(name: str) -> str:
    """The Python name of an encoding, from its R name."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def _as_word(value: float) -> str | None:
    if value == NA_INTEGER or value != value:
        return None
    return str(int(value)) if value == int(value) else repr(value)
