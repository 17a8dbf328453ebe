"""csv and similar formats: encoding and delimiter are detected, types inferred last.

All cells are read as text first, so that no identifier loses digits or leading zeros.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError, counted, listing
from annotune.tables.column_types import inferred, notes_on_blanks
from annotune.tables.descriptions import Rows, without_descriptions
from annotune.tables.encodings import detect_encoding, is_utf8, named_encoding
from annotune.tables.labelled import require_different
from annotune.tables.r_columns import ROW_NAMES
from annotune.tables.row_parts import UnusualQuotes, first_row, row_parts
from annotune.tables.unpacking import pieces, unpacked

DELIMITERS = ",;\t|"
UTF8 = ("utf-8", "utf-8-sig")
COPIES = 3  # of the text, while it becomes a table
PART = 1 << 22  # bytes that are parsed at once
SEPARATOR = b"sep="  # how a first line of Excel begins that names the delimiter
MOST_COLUMNS = 32_767  # as many as Stata takes; each takes time, and marks alone can make a million of them
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
    frame, notes = (None if plain is not str else _in_parts(path, encoding, delimiter)) or _at_once(
        path, encoding, delimiter, plain
    )
    described = without_descriptions(frame, path.name)
    blanks = notes_on_blanks(described.frame, path.name)
    columns, described = described.frame.get_columns(), replace(described, frame=pl.DataFrame())
    del frame  # each column is given up where another takes its place
    frame, doubts = inferred(columns, strings, path.name, described.first)
    return replace(described, frame=frame, notes=(*notes, *described.notes, *doubts, *blanks))


def _in_parts(path: Path, encoding: str | None, delimiter: str) -> tuple[pl.DataFrame, list[str]] | None:
    """The cells as they are written, and notes, of a text that is UTF-8 and whose rows are as long as its header.

    It is never there as a whole. None for any other text, of which only all of it says how it is to be read.
    """
    if encoding not in (None, *UTF8):
        return None
    rest = pieces(path, COPIES, PART)
    first = next(rest, b"").removeprefix(codecs.BOM_UTF8)
    if b"\n" not in first or first.startswith((b"\n", b"\r", SEPARATOR)):
        return None
    delimiter = delimiter or detect_delimiter(_start(first))
    frames, lost = list[pl.DataFrame](), 0
    try:
        for part in row_parts(chain([first], rest), delimiter):
            if b"\0" in part or not is_utf8(part):
                return None
            lost += part.count("\ufffd".encode())
            if not frames:
                header, names = first_row(part), _header(path, part, delimiter)
            frame = _part(path, part if not frames else header + part, delimiter, names)
            if frame is None:
                return None
            frames.append(frame.with_columns(pl.all().replace("", None)))
    except UnusualQuotes:
        return None
    return pl.concat(frames), list(_notes_on_lost(path, "utf-8", 0 if encoding else lost))


def _part(path: Path, data: bytes, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """The rows of a part; None where some are too short or too long, or quotation marks are amiss."""
    frame = _parsed(data, delimiter, names)
    if frame is not None:
        return frame
    with suppress(AnnotuneError):  # only the whole text says in which line that is, or whether all rows are so
        return _by_row(path, data, delimiter, names)
    return None


def _at_once(
    path: Path, encoding: str | None, delimiter: str, plain: Callable[[str], str]
) -> tuple[pl.DataFrame, list[str]]:
    """The cells as they are written, and notes; the bytes of the file are given up on the way out."""
    data, notes = decode(path, unpacked(path, COPIES), encoding)
    if plain is not str:
        data = plain(data.decode()).encode()
    delimiter = delimiter or detect_delimiter(_start(data))
    if data.startswith(SEPARATOR):  # it stays empty, so that the other lines keep their numbers
        delimiter, data = _start(data)[4], b"\n" + data.partition(b"\n")[2]
    frame, fitted = _parsed_frame(path, data, delimiter)
    return frame.with_columns(pl.all().replace("", None)), [*notes, *fitted]


def decode(path: Path, data: bytes, encoding: str | None) -> tuple[bytes, tuple[str, ...]]:
    """The text of the file in UTF-8, with its line ends as newlines; bytes that are such a text stay where they are."""
    name = encoding or detect_encoding(data)
    is_told = name in (encoding, named_encoding())
    if name in UTF8 and b"\0" not in data and b"\n" in data and is_utf8(data):
        lost = 0 if is_told else data.count("\ufffd".encode())
        return data.removeprefix(codecs.BOM_UTF8), _notes_on_lost(path, name, lost)
    try:
        text = data.decode(name, errors="strict" if is_told else "replace")
    except (UnicodeDecodeError, LookupError) as error:
        raise AnnotuneError(f"{path} is not {name}: {error}.", "Leave encoding= out, or name the right one.") from None
    notes = []
    if not is_told and not name.startswith("utf"):
        what = f"{path.name} is not UTF-8; it was read as {name}."
        notes.append(f"{what} If letters are wrong, save it as UTF-8, or name its encoding (encoding=).")
    notes.extend(_notes_on_lost(path, name, 0 if is_told else text.count("\ufffd")))
    if empty := text.count("\0"):
        notes.append(f"{path.name}: null characters, which texts cannot hold, were left out ({empty:,} in all).")
    text = text.replace("\0", "").removeprefix("\ufeff")
    return (text if "\n" in text else text.replace("\r", "\n")).encode(), tuple(notes)


def _notes_on_lost(path: Path, name: str, lost: int) -> tuple[str, ...]:
    """What to tell of bytes that have no meaning in an encoding."""
    what = f"{path.name}: bytes that cannot be read as {name} became '\ufffd' ({lost:,} times)."
    return (what,) if lost else ()


def _start(data: bytes) -> str:
    """The first characters of a text."""
    return data[:_START].decode(errors="ignore")


def _lines(data: bytes) -> io.TextIOWrapper:
    """The text, line by line."""
    return io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")


def detect_delimiter(text: str) -> str:
    """The candidate that splits the header into the most columns, and the first rows into as many."""

    def fit(mark: str) -> tuple[bool, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        widths = [len(row) for row in islice(rows, 20) if row] or [0]
        return len(set(widths)) == 1 < widths[0], widths[0]

    return max(DELIMITERS, key=fit)


def _parsed_frame(path: Path, data: bytes, delimiter: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame as read by polars, or row by row where rows may be short: polars pads these and names no line.

    With it, notes on rows that are all shorter or longer than the header.
    """
    names = _header(path, data, delimiter)
    frame = _parsed(data, delimiter, names)
    if frame is not None:
        return frame, []
    width = _width_of_rows(data, delimiter, len(names))
    columns = [*names[:width], *(f"{_BEYOND}{place}" for place in range(width - len(names)))]
    return _fitted(path, _by_row(path, data, delimiter, columns), names)


def _parsed(data: bytes, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """The frame as read by polars; None where rows may be short."""
    try:
        frame = pl.read_csv(io.BytesIO(data), separator=delimiter, infer_schema=False)
    except pl.exceptions.PolarsError:
        return None
    if frame.width != len(names) or frame.to_series(-1).has_nulls() or b'\\"' in data:
        return None
    frame.columns = names
    return frame


def _header(path: Path, data: bytes, delimiter: str) -> list[str]:
    header = next(_rows_of_text(path, io.StringIO(_start(data), newline=""), delimiter), [])
    if not header:
        raise AnnotuneError(f"{path} is empty.", "It needs a header and rows.")
    if len(header) > MOST_COLUMNS:
        what = f"{path} has {len(header):,} columns, and may not have more than {MOST_COLUMNS:,}."
        raise AnnotuneError(what, "Check its delimiter, and that it has a row for each text.")
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header, start=1)]
    require_different(names, f"{path}, line 1")
    return names


def _width_of_rows(data: bytes, delimiter: str, header: int) -> int:
    """The number of fields of every row below the header where all have the same, else that of the header."""
    rows = (row for row in csv.reader(_lines(data), delimiter=delimiter, strict=True) if row)
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


def _by_row(path: Path, data: bytes, delimiter: str, names: list[str]) -> pl.DataFrame:
    rows = _rows_of_text(path, _lines(data), delimiter, len(names))
    next(rows)
    parts = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))]
    while chunk := list(islice(rows, _AT_ONCE)):
        parts.append(pl.DataFrame(dict(zip(names, zip(*chunk, strict=True), strict=True)), schema=parts[0].schema))
    return pl.concat(parts)


def _rows_of_text(path: Path, lines: Iterable[str], delimiter: str, below: int = 0) -> Iterator[list[str]]:
    """Every row, the header first; errors in quotes or the number of fields name the line.

    `below`: the number of fields below the header, where it is another one.
    """
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
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
