"""How far a sheet reaches, before it is read: the library for it makes a full rectangle out of its farthest cells.

A key pressed in the last row or column is enough for seventeen thousand million cells.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from annotune.errors import AnnotuneError, counted
from annotune.tables.memory import free_memory

GAP_ROWS, GAP_COLUMNS = 1_000, 100  # empty ones, behind which a few cells are no part of the table
FEW, SHARE = 10, 0.01  # the most cells behind a gap that are cut: so many, or this share of all
MOST_EMPTY = 50  # times as many cells as have a value: a sheet that reaches farther is refused
SURELY_FINE = 30_000_000  # cells, of which any number may be empty: 26 columns of the longest sheet
BYTES = 32  # that the library takes for a cell
_SMALL = 4_000_000  # bytes of XML, of which each cell can be looked at in no time
# The lengths are limited, as what has no end would be looked at to its end again and again.
_CELL = re.compile(rb"<(?:\w{1,9}:)?c\s(?:[^>]{0,200}?\s)?r=[\"']([A-Z]{1,3})(\d{1,7})[\"'](?:[^>]{0,200}[^/>])?>")
_WIDE = [(re.compile(rb"\sr=[\"'][A-Z]{3}"), 16_384), (re.compile(rb"\sr=[\"'][A-Z]{2}"), 702)]
_ROW = re.compile(rb"<(?:\w{1,9}:)?row\s(?:[^>]{0,200}?\s)?r=[\"'](\d{1,7})[\"']")
_END = re.compile(rb"</(?:\w{1,9}:)?c>")
_ALPHABET = 26


@dataclass(frozen=True)
class Sheet:
    """The XML of a sheet as far as it holds the table, and notes on what was cut off."""

    xml: bytes
    notes: tuple[str, ...] = ()


def within_extent(xml: bytes, where: str) -> Sheet:
    """The sheet without the few cells that stand far from the table.

    Raises
    ------
    AnnotuneError
        Where the cells with a value stand so far from each other that nearly all between them are empty.
    """
    if _is_surely_fine(xml):
        return Sheet(xml)
    places, rows, columns = _cells_with_values(xml)
    beyond = _beyond(rows, GAP_ROWS) | _beyond(columns, GAP_COLUMNS)
    few = 0 < beyond.sum() <= max(FEW, SHARE * len(rows))
    if few:
        rows, columns = rows[~beyond], columns[~beyond]
    _require_dense(rows, columns, where)
    return _cut(xml, places[beyond].tolist(), where) if few else Sheet(xml)


def reference(row: int, column: int) -> str:
    """The name of a cell, from numbers that begin with 1.

    >>> reference(1, 1), reference(1_048_576, 16_384)
    ('A1', 'XFD1048576')
    """
    letters = ""
    while column:
        column, letter = divmod(column - 1, _ALPHABET)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"


def require_extent(rows: int, columns: int, filled: int, where: str, corners: str) -> None:
    """Refuse a sheet that is nearly empty, and would be too large."""
    if rows * columns > max(SURELY_FINE, MOST_EMPTY * filled):
        what = f"{where} reaches from {corners}: {rows * columns:,} cells, of which {filled:,} have a value."
        raise AnnotuneError(what, "Delete the rows and columns that stand far from the table, and save it again.")
    if rows * columns * BYTES > free_memory():
        what = f"{where} reaches from {corners}: {rows * columns:,} cells, for which there is no memory."
        raise AnnotuneError(what, "Give the table as .csv or .parquet.")


def require_small(parts: zipfile.ZipFile, name: str, where: str) -> None:
    """Refuse a sheet of OpenDocument that is nearly empty; it repeats cells and rows by number."""
    rows, width, filled, height = 0, 0, 0, 0
    cells, last, values = 0, 0, 0  # of the row: so far, up to the last one with a value, and those with a value
    with parts.open(name) as xml:
        for _, element in ElementTree.iterparse(xml):
            kind = str(element.tag).rpartition("}")[2]
            if kind in ("table-cell", "covered-table-cell"):
                times = _repeated(element, "columns")
                cells += times
                if len(element):
                    values, last = values + times, cells
            elif kind == "table-row":
                times = _repeated(element, "rows")
                rows += times
                if last:
                    height, width, filled = rows, max(width, last), filled + values * times
                cells, last, values = 0, 0, 0
                element.clear()
            elif kind == "table":
                break
    require_extent(height, width, filled, where, f"A1 to {reference(max(height, 1), max(width, 1))}")


def _is_surely_fine(xml: bytes) -> bool:
    """Whether the sheet is neither wide nor has gaps, as far as a quick look shows: most are so."""
    if len(xml) < _SMALL:
        return False
    columns = next((columns for pattern, columns in _WIDE if pattern.search(xml)), _ALPHABET)
    numbers = _ROW.findall(xml)
    rows = max(map(int, numbers), default=0)
    return columns * rows <= SURELY_FINE and rows - len(numbers) < GAP_ROWS


def _cells_with_values(xml: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where in the XML each cell with a value begins, its row and its column, counted from 1."""
    cells = ((match.start(), int(match[2]), _number(match[1])) for match in _CELL.finditer(xml))
    table = np.fromiter(cells, np.dtype((np.int64, 3))).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * _ALPHABET + letter - 64
    return number


def _beyond(numbers: np.ndarray, gap: int) -> np.ndarray:
    """Which rows or columns stand behind the first gap."""
    used = np.unique(numbers)
    ends = np.flatnonzero(np.diff(used) > gap)
    return numbers > (used[ends[0]] if len(ends) else np.inf)


def _require_dense(rows: np.ndarray, columns: np.ndarray, where: str) -> None:
    if len(rows):
        first, last = (rows.min(), columns.min()), (rows.max(), columns.max())
        height, width = int(last[0] - first[0]) + 1, int(last[1] - first[1]) + 1
        corners = f"{reference(*map(int, first))} to {reference(*map(int, last))}"
        require_extent(height, width, len(rows), where, corners)


def _cut(xml: bytes, places: Sequence[int], where: str) -> Sheet:
    """The XML without the cells that begin at these places."""
    names = [match[1] + match[2] for place in places if (match := _CELL.match(xml, place))]
    shown = ", ".join(name.decode() for name in names[:5]) + (" and others" if len(names) > 5 else "")
    note = f"{where}: {counted(len(names), 'cell', 'cells')} far from the table ({shown}) left out."
    return Sheet(b"".join(_without(xml, places)), (note,))


def _without(xml: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """The parts of the XML between cells."""
    at = 0
    for place in sorted(places):
        yield xml[at:place]
        end = _END.search(xml, place)
        at = end.end() if end else len(xml)
    yield xml[at:]


def _repeated(element: ElementTree.Element, what: str) -> int:
    """How many times a cell or a row is there."""
    number = next((value for key, value in element.items() if key.endswith(f"number-{what}-repeated")), "1")
    return int(number) if number.isascii() and number.isdigit() else 1
