"""Excel workbooks: what the reading library leaves out is read from the workbook's XML.

That is the date system of Macs, errors in cells, zeros that a number format puts in front, and headers that are dates
or double. The XML is that of ECMA-376, Part 1, SpreadsheetML.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl

from annotune.errors import AnnotuneError, counted
from annotune.tables.excel_extent import Sheet, require_small, within_extent
from annotune.tables.excel_words import with_words
from annotune.tables.labelled import as_whole, require_different, sentences
from annotune.tables.memory import free_memory, want_of_memory
from annotune.tables.temporal import with_zeros

NAMELESS = "__UNNAMED__"  # the beginning of the names that fastexcel gives to columns without one
ZEROS = re.compile(r"0{2,}")
EXTENSIONS = re.compile(rb"<(?:\w+:)?extLst\b.*?</(?:\w+:)?extLst>", re.DOTALL)
ERROR_CELL = re.compile(rb"""\bt=["']e["']""")
COPIES = 2  # of a workbook's XML, while a table is made of it
ODS = "content.xml"
WORKBOOK, RELATIONS, STYLES = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml"
DAY_0 = {dt.date(1899, 12, 31), dt.date(1904, 1, 1)}  # of times of day, in the two date systems
OWN_SHEETS = {"labels", "about", "codebook"}  # that annotune writes beside the data


@dataclass
class _Marks:
    """What the XML of a sheet says of its columns, by their place: error cells, and widths of numbers with zeros."""

    errors: dict[int, Counter[str]] = field(default_factory=dict)
    widths: dict[int, set[int]] = field(default_factory=dict)


def read_excel(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The first sheet, and notes on assumptions and losses."""
    import fastexcel  # it is slow to load, and mostly wanted in another process

    content, cut = _readable(path)
    book = fastexcel.read_excel(content)
    header = book.load_sheet(0, header_row=None, n_rows=1).to_polars()
    names = [_name(cell, place) for place, cell in enumerate(header.row(0))] if len(header) else []
    require_different([name for name in names if not name.startswith(NAMELESS)], f"{path}, row 1")
    # Excel has doubles only: those beyond 2^53 must stay doubles, or lost digits would look like real ones
    frame = book.load_sheet(0, schema_sample_rows=None).to_polars().with_columns(pl.selectors.float().fill_nan(None))
    if not frame.width:
        raise AnnotuneError(f"{path}: the sheet {book.sheet_names[0]!r} is empty.", "Put the table on the first sheet.")
    frame, lost = with_words(frame, book, path.name)
    frame.columns = names if len(names) == frame.width else frame.columns
    marks, told = _marks(content), list[tuple[str, str]]()
    columns = [_typed(column, marks.widths.get(place, set()), told) for place, column in enumerate(frame)]
    others = len(set(book.sheet_names[1:]) - OWN_SHEETS)
    notes = [f"{path.name}: the sheet {book.sheet_names[0]!r} was read, {others} more were not."] if others else []
    told += [(frame.columns[place], _errors_in_words(kinds)) for place, kinds in sorted(marks.errors.items())]
    return pl.DataFrame(columns), (*cut, *notes, *lost, *sentences(path.name, told))


def _name(cell: Any, place: int) -> str:
    """The name of a column from its cell in the header, as a spreadsheet shows it: 2019, or 2019-01-31."""
    if cell is None or str(cell).strip() == "":
        return f"{NAMELESS}{place}"
    if isinstance(cell, dt.datetime):
        return str(cell.date() if cell.time() == dt.time() else cell)
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()


def _typed(column: pl.Series, widths: set[int], told: list[tuple[str, str]]) -> pl.Series:
    """Numbers as whole ones, as the padded texts that a number format shows, or as days or times of day."""
    if len(widths) == 1 and (words := with_zeros(column, *widths)) is not None:
        told.append((column.name, f"numbers with zeros in front ({'0' * max(widths)}) are read as texts"))
        return words
    if (zeros := widths - {0}) and _are_shorter(as_whole(column), min(zeros)):
        shown = "0" * min(zeros)
        told.append((column.name, f"cells that Excel shows with zeros in front ({shown}) are read without them"))
    if isinstance(column.dtype, pl.Datetime) and column.count():
        if set(column.dt.date().drop_nulls().unique().to_list()) <= DAY_0:
            return column.dt.time()
        if (column.dt.time() == dt.time()).all():
            return column.dt.date()
    return as_whole(column)


def _are_shorter(column: pl.Series, width: int) -> bool:
    """Whether some whole numbers, or texts of digits, have fewer digits than a number format shows."""
    words = column.cast(pl.String)
    return bool((words.str.contains(r"^\d+$") & (words.str.len_chars() < width)).any())


def _errors_in_words(kinds: Counter[str]) -> str:
    shown = ", ".join(f"{kind} {times:,} times" if times > 1 else kind for kind, times in kinds.items())
    cells = counted(kinds.total(), "cell with an error of Excel is", "cells with errors of Excel are")
    return f"{cells} missing ({shown})"


def _readable(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """The workbook as the library reads it well, and notes: its first sheet as far as the table goes, for one."""
    content = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content, ()
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if sum(part.file_size for part in parts.infolist()) > free_memory() // COPIES:
            raise want_of_memory(path)
        if ODS in parts.namelist():
            require_small(parts, ODS, str(path))
        place = _place_of_sheet(parts)
        sheet = within_extent(parts.read(place), str(path)) if place in parts.namelist() else Sheet(b"")
        changed = {place: sheet.xml} if sheet.notes else {}
        return _with_parts(content, parts, changed | _date_system(parts)), sheet.notes


def _date_system(parts: zipfile.ZipFile) -> dict[str, bytes]:
    """What is about the workbook, without the extensions beside its date system of 1904, which hide that system."""
    about = parts.read(WORKBOOK) if WORKBOOK in parts.namelist() else b""
    return {WORKBOOK: EXTENSIONS.sub(b"", about)} if b"date1904" in about and EXTENSIONS.search(about) else {}


def _with_parts(content: bytes, parts: zipfile.ZipFile, changed: dict[str, bytes]) -> bytes:
    """The workbook with some of its files changed."""
    if not changed:
        return content
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as out:
        for part in parts.infolist():
            out.writestr(part.filename, changed[part.filename] if part.filename in changed else parts.read(part))
    return book.getvalue()


def _marks(content: bytes) -> _Marks:
    """What the XML of the first sheet says; nothing where there is no XML, or the library reads all."""
    marks = _Marks()
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return marks
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        place = _place_of_sheet(parts)
        widths = _widths_of_styles(parts)
        if place not in parts.namelist():
            return marks
        xml = parts.read(place)
    if widths or ERROR_CELL.search(xml):
        cells = list(_cells(xml))
        first = min((column for column, _, _, _ in cells), default=0)
        for column, kind, style, text in cells:
            if kind == "e":
                marks.errors.setdefault(column - first, Counter())[text] += 1
            elif kind == "n":
                marks.widths.setdefault(column - first, set()).add(widths.get(style, 0))
    return marks


def _cells(xml: bytes) -> Iterator[tuple[int, str, int, str]]:
    """The column, type, style and value of each cell that has a value, below the row with the names."""
    row = 0
    for _, element in ElementTree.iterparse(io.BytesIO(xml)):
        name = _local(element)
        if name == "c" and len(element):
            value = next((part.text for part in element if _local(part) == "v"), "") or ""
            kind = element.get("t", "n") if row else "header"
            yield _column(element.get("r", "")), kind, int(element.get("s", 0)), value
        elif name == "row":
            row += 1 if len(element) else 0
            element.clear()


def _place_of_sheet(parts: zipfile.ZipFile) -> str:
    """The file of the first sheet inside the workbook; "" where there is none."""
    if not {WORKBOOK, RELATIONS} <= set(parts.namelist()):
        return ""
    sheets = [part for part in ElementTree.fromstring(parts.read(WORKBOOK)).iter() if _local(part) == "sheet"]
    identifiers = [value for part in sheets[:1] for key, value in part.items() if "}id" in key]
    relations = {part.get("Id"): part.get("Target", "") for part in ElementTree.fromstring(parts.read(RELATIONS))}
    target = relations.get(identifiers[0], "") if identifiers else ""
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _widths_of_styles(parts: zipfile.ZipFile) -> dict[int, int]:
    """For each style whose number format puts zeros in front of whole numbers, such as 00000, its number of digits."""
    if STYLES not in parts.namelist():
        return {}
    root = ElementTree.fromstring(parts.read(STYLES))
    codes = {
        part.get("numFmtId"): part.get("formatCode", "").split(";")[0]
        for part in root.iter()
        if _local(part) == "numFmt"
    }
    styles = next((list(part) for part in root if _local(part) == "cellXfs"), [])
    shown = {place: codes.get(style.get("numFmtId"), "") for place, style in enumerate(styles)}
    return {place: len(code) for place, code in shown.items() if ZEROS.fullmatch(code)}


def _local(element: Any) -> str:
    """The name of an XML element without its namespace, of which there are two: transitional and strict."""
    return str(element.tag).rpartition("}")[2]


def _column(reference: str) -> int:
    """The number of a cell's column, from 0.

    >>> _column("A1"), _column("AB12")
    (0, 27)
    """
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - 64
    return number - 1
