"""R's .rds files: a reader for data frames that keeps factors, labelled columns and dates.

The format is R's serialization in XDR (big-endian), versions 2 and 3, as "R Internals", section 1.8
describes it. Existing libraries lose labels or dates, or take half a minute per million rows.
"""

from __future__ import annotations

import codecs
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables.labelled import Described, require_different, sentences
from annotune.tables.memory import free_memory, want_of_memory
from annotune.tables.r_columns import (
    NA_INTEGER,
    RObject,
    attribute,
    cells_of_column,
    classes,
    names_of,
    reasons_of_column,
    with_row_names,
)
from annotune.tables.table import Labels
from annotune.tables.unpacking import unpacked

_NIL, _NAMESPACE, _REFERENCE, _ALTREP, _ATTRIBUTES = 254, 249, 255, 238, (239, 240)
ASCII, UTF8, LATIN1 = 64 << 12, 8 << 12, 4 << 12  # the marks of a string
TWO_INTEGERS = struct.Struct(">ii").unpack_from
COPIES = 3  # of the bytes, while they become a table
_CONSTANTS = (_NIL, 253, 252, 251, 250, 242, 241)


def read_rds(path: Path) -> Described:
    """A data frame with its value labels (1, 2, ... for factors), variable labels, and reasons for missing cells."""
    root = _Stream(unpacked(path, COPIES), path).item()
    names = names_of(root) if isinstance(root, RObject) else None
    if names is None or "data.frame" not in classes(root):
        raise AnnotuneError(f"{path} holds no data frame.", "Save one with saveRDS(data, file).")
    require_different(names, str(path))
    columns = dict(zip(names, root.value, strict=True))
    labels: Labels = {}
    notes: list[tuple[str, str]] = []
    cells = {name: _cells(path, name, column, labels, notes) for name, column in columns.items()}
    texts = {name: attribute(column, "label") for name, column in columns.items()}
    headings = {name: str(text[0]) for name, text in texts.items() if isinstance(text, list) and text}
    reasons = {name: words for name, column in columns.items() if (words := reasons_of_column(column)).count()}
    frame, told = with_row_names(pl.DataFrame(list(cells.values())), attribute(root, "row.names"), path.name)
    return Described(frame, labels, headings, reasons, notes=(*told, *sentences(path.name, notes)))


def _cells(path: Path, name: str, column: Any, labels: Labels, notes: list[tuple[str, str]]) -> pl.Series:
    """The cells of a column; what cannot be taken over is blamed on the column, not on the file."""
    where = f"{path}, column {name!r}"
    try:
        return cells_of_column(name, column, labels, notes, where)
    except (ValueError, OverflowError, TypeError, KeyError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise AnnotuneError(
            f"{where} cannot be read: {reason}.", "Leave it out, or make it words or numbers."
        ) from error


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
            if length * COPIES * 8 > free_memory():
                raise want_of_memory(self.path)
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
