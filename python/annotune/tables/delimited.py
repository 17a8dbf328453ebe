"""csv and similar formats: encoding and delimiter are detected, types inferred last.

All cells are read as text first, so that no identifier loses digits or leading zeros.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError, counted, listing
from annotune.tables.column_types import inferred, notes_on_blanks
from annotune.tables.descriptions import Rows, without_descriptions
from annotune.tables.encodings import detect_encoding
from annotune.tables.labelled import require_different
from annotune.tables.r_columns import ROW_NAMES

DELIMITERS = ",;\t|"
_BEYOND = "\n"  # the beginning of the names of fields beyond the header's; no header has it, as names are stripped
_START = 1_000_000  # characters from which the delimiter is detected
_AT_ONCE = 50_000  # rows held as Python objects when a file is read row by row
csv.field_size_limit(2**31 - 1)  # the default limit of Python is below the length of a speech


def read_delimited(
    path: Path, strings: tuple[str, ...], encoding: str | None, delimiter: str = "", plain: Callable[[str], str] = str
) -> Rows:
    """The table, its columns' descriptions, and notes on assumptions and omissions.

    The delimiter is found out where none is given; `plain` makes csv of a form that differs in its marks.
    """
    data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    text, notes = decode(path, data, encoding)
    text = plain(text)
    delimiter = delimiter or detect_delimiter(text)
    if text.startswith("sep="):  # a first line of Excel; it stays empty, so that the others keep their numbers
        delimiter, text = text[4], "\n" + text.partition("\n")[2]
    written, fitted = _parsed_frame(path, text, delimiter)
    described = without_descriptions(written.with_columns(pl.all().replace("", None)), path.name)
    frame, doubts = inferred(described.frame, strings, path.name, described.first)
    blanks = notes_on_blanks(described.frame, path.name)
    return replace(described, frame=frame, notes=(*notes, *fitted, *described.notes, *doubts, *blanks))


def decode(path: Path, data: bytes, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """The text of the file, with its line ends as newlines."""
    name = encoding or detect_encoding(data)
    try:
        text = data.decode(name, errors="strict" if encoding else "replace")
    except (UnicodeDecodeError, LookupError) as error:
        raise AnnotuneError(f"{path} is not {name}: {error}.", "Leave encoding out, or name the right one.") from None
    notes = []
    if encoding is None and not name.startswith("utf"):
        notes.append(f"{path.name} is not UTF-8; it was read as {name}. If letters are wrong, name its encoding.")
    if lost := text.count("\ufffd") if encoding is None else 0:
        notes.append(f"{path.name}: bytes that cannot be read as {name} became '\ufffd' ({lost:,} times).")
    if empty := text.count("\0"):
        notes.append(f"{path.name}: null characters, which texts cannot hold, were left out ({empty:,} in all).")
    text = text.replace("\0", "").removeprefix("\ufeff")
    return (text if "\n" in text else text.replace("\r", "\n")), tuple(notes)


def detect_delimiter(text: str) -> str:
    """The candidate that splits the header into the most columns, and the first rows into as many."""

    def fit(mark: str) -> tuple[bool, int]:
        rows = csv.reader(io.StringIO(text[:_START], newline=""), delimiter=mark)
        widths = [len(row) for row in islice(rows, 20) if row] or [0]
        return len(set(widths)) == 1 < widths[0], widths[0]

    return max(DELIMITERS, key=fit)


def _parsed_frame(path: Path, text: str, delimiter: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame as read by polars, or row by row where rows may be short: polars pads these and names no line.

    With it, notes on rows that are all shorter or longer than the header.
    """
    names = _header(path, text, delimiter)
    try:
        frame = pl.read_csv(io.BytesIO(text.encode()), separator=delimiter, infer_schema=False)
        doubtful = frame.width != len(names) or frame.to_series(-1).has_nulls() or '\\"' in text
    except pl.exceptions.PolarsError:
        doubtful = True
    if doubtful:
        width = _width_of_rows(text, delimiter, len(names))
        columns = [*names[:width], *(f"{_BEYOND}{place}" for place in range(width - len(names)))]
        return _fitted(path, _by_row(path, text, delimiter, columns), names)
    frame.columns = names
    return frame, []


def _header(path: Path, text: str, delimiter: str) -> list[str]:
    header = next(_rows_of_text(path, text[:_START], delimiter), [])
    if not header:
        raise AnnotuneError(f"{path} is empty.", "It needs a header and rows.")
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header, start=1)]
    require_different(names, f"{path}, line 1")
    return names


def _width_of_rows(text: str, delimiter: str, header: int) -> int:
    """The number of fields of every row below the header where all have the same, else that of the header."""
    rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row)
    next(rows)
    try:
        width = len(next(rows, [""] * header))
        return width if width != header and all(len(row) == width for row in rows) else header
    except csv.Error:  # which is told when the rows are read
        return header


def _fitted(path: Path, frame: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """The frame in the columns of the header: empty ones where rows end early, and row names where they are longer."""
    rows = f"{path.name}: every row has {counted(frame.width, 'field', 'fields')}, and the header has {len(names):,}"
    if frame.width <= len(names):
        absent = names[frame.width :]
        note = [f"{rows}: the last columns are empty ({listing(absent)})."] if absent else []
        return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in absent), note
    beyond = frame[:, len(names) :]
    if beyond.select(pl.all_horizontal((pl.all() == "").all())).item():
        return frame[:, : len(names)], [f"{rows}: the empty fields at the end of the rows were left out."]
    first = frame.to_series(0)
    unquoted = frame.select(pl.any_horizontal(pl.all().str.starts_with(" ")).any()).item()  # commas inside texts
    named = (first != "").all() and first.is_unique().all() and ROW_NAMES not in names
    if beyond.width == 1 and named and not unquoted:
        frame.columns = [ROW_NAMES, *names]  # as R's write.table has them
        return frame, [f"{rows}: the first field is the row's name, in the column {ROW_NAMES!r}."]
    what = f"{path}, line 2: {frame.width} fields where the header has {len(names)}, as in every row."
    advice = "Name every column in the header, or put quotes around texts that hold the delimiter."
    raise AnnotuneError(what, advice)


def _by_row(path: Path, text: str, delimiter: str, names: list[str]) -> pl.DataFrame:
    rows = _rows_of_text(path, text, delimiter, len(names))
    next(rows)
    parts = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))]
    while chunk := list(islice(rows, _AT_ONCE)):
        parts.append(pl.DataFrame(dict(zip(names, zip(*chunk, strict=True), strict=True)), schema=parts[0].schema))
    return pl.concat(parts)


def _rows_of_text(path: Path, text: str, delimiter: str, below: int = 0) -> Iterator[list[str]]:
    """Every row, the header first; errors in quotes or the number of fields name the line.

    `below`: the number of fields below the header, where it is another one.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width = 0
    while True:
        where = f"{path}, line {rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error:
            what = f"{where}: a quotation mark is not closed, or is inside a quoted text."
            raise AnnotuneError(what, 'Double the marks inside a text: "so ""quoted"" here".') from None
        if row is None:
            return
        if not width and row:
            yield row
            width = below or len(row)
            continue
        row = row or [""] * width
        if len(row) != width:
            what = f"{where}: {len(row)} fields where the header has {width}."
            raise AnnotuneError(what, "Put quotes around texts that hold the delimiter or a line break.")
        if width:
            yield row
