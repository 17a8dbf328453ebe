"""The sections of a .dta file, release 118 (119 above 32,767 variables), in their order and in batches of rows.

The layout is that of "Description of .dta file format 118" in Stata's manual [P] Programming, under file formats .dta.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.export.dta_types import LONGEST_NOTE, STR_L, Variable
from annotune.export.names import cut
from annotune.export.sheet import Sheet

MOST_VARIABLES = 32_767  # of release 118, and of Stata/SE


class DtaFile:
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
