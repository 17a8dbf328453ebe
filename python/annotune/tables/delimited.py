"""csv and its relatives: the encoding and the delimiter are found out, types inferred last.

Everything is read as words first, so that no identifier loses digits or leading zeros on the way.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from pathlib import Path

import charset_normalizer
import polars as pl

from annotune.errors import AnnotuneError

ALL_COLUMNS = ("*",)  # as `strings`: leave every column as the words it is
DELIMITERS = ",;\t|"
# Western single-byte encodings differ in a handful of characters; Windows' is the one in use.
_WESTERN = {"ascii", "cp1252", "latin_1", "iso8859_15", "cp1250", "iso8859_2", "mac_roman", "cp850", "cp437", "cp858"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(path: Path, strings: tuple[str, ...], encoding: str | None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The table, and a note where the encoding had to be guessed."""
    data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    found = encoding or detect_encoding(data)
    try:
        text = data.decode(found)
    except (UnicodeDecodeError, LookupError) as error:
        raise AnnotuneError(f"{path} is not {found}: {error}.", "Leave encoding out, or name the right one.") from None
    guessed = encoding is None and not found.startswith("utf")
    notes = (f"{path.name} is not UTF-8; it was read as {found}.",) if guessed else ()
    delimiter = detect_delimiter(text)
    frame = _parse(path, text, delimiter)
    typed = () if strings == ALL_COLUMNS else (column for column in frame if column.name not in strings)
    return frame.with_columns(infer(column) for column in typed), notes


def detect_encoding(data: bytes) -> str:
    """UTF-8 where the bytes allow it, else the likeliest encoding; Western ones count as Windows-1252."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(data[:200_000]).best()
        likely = best.encoding if best else "cp1252"
    if likely not in _WESTERN:
        return likely
    try:
        data.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:  # five bytes have no character there
        return "latin-1"


def detect_delimiter(text: str) -> str:
    """The candidate that splits the header into most columns."""
    header = next(iter(text.splitlines()), "")
    return max(DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def infer(column: pl.Series) -> pl.Series:
    """Words as numbers or truth values where all of them are; NA then means missing.

    Numbers with a leading zero (post codes) or of more than 15 digits (identifiers) stay words.
    """
    words = column.str.strip_chars()
    words = words.set(words.is_in(["", "NA"]), None)
    present = words.drop_nulls()
    if present.is_empty() or present.str.contains(r"^[+-]?0\d|\d{16,}").any():
        return column
    for pattern, dtype in ((r"^[+-]?\d+$", pl.Int64), (r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$", pl.Float64)):
        if present.str.contains(pattern).all():
            return words.cast(dtype)
    if present.str.to_lowercase().is_in(["true", "false"]).all():
        return words.str.to_lowercase() == "true"
    return column


def _parse(path: Path, text: str, delimiter: str) -> pl.DataFrame:
    try:
        return pl.read_csv(
            io.BytesIO(text.encode("utf-8")), separator=delimiter, infer_schema=False, truncate_ragged_lines=False
        )
    except pl.exceptions.PolarsError as error:
        raise _ragged(path, text, delimiter, error) from None


def _ragged(path: Path, text: str, delimiter: str, error: Exception) -> AnnotuneError:
    """polars does not say which row is broken; a second, slow reading does."""
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    width = len(next(rows, []))
    for row in rows:
        if len(row) > width:
            what = f"{path}, line {rows.line_num}: {len(row)} fields where the header has {width}."
            return AnnotuneError(what, "Put quotes around texts that hold the delimiter.")
    return AnnotuneError(
        f"{path} cannot be read as a table: {str(error).splitlines()[0]}.", "Check quotes and delimiters."
    )
