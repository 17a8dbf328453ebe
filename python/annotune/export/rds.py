"""R's .rds: a tibble in R's own serialization (XDR, version 3), written column by column in batches.

The format is that of "R Internals", section 1.8. Tagged missing values are those of the R package haven: a NaN
that carries a letter.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.export.sheet import Column, Sheet
from annotune.export.storable import Change, Facts

SYMBOL, PAIRS, LOGICAL, INTEGER, REAL, STRING, LIST, NIL = 1, 2, 10, 13, 14, 16, 19, 254
HAS_CLASS, HAS_ATTRIBUTES, HAS_TAG = 0x100, 0x200, 0x400
ASCII, UTF8, NA_STRING = 0x0004_0009, 0x0000_8009, 0x0000_0009  # the flags of a string
NA_INTEGER = -(2**31)
NA_REAL = 0x7FF0_0000_0000_07A2
MOST_ROWS = 2**31 - 1
HEADER = b"X\n" + struct.pack(">iiii5s", 3, 0x0004_0000, 0x0003_0500, 5, b"UTF-8")

Pack = Callable[[pl.Series], np.ndarray]


@dataclass(frozen=True)
class Vector:
    """A vector of R: its type, its length, its values as bytes, in parts, and its attributes.

    The parts of a list are vectors themselves.
    """

    kind: int
    length: int
    parts: Iterable[np.ndarray | Vector]
    attributes: dict[str, Vector] = field(default_factory=dict)


def write_rds(
    sheet: Sheet, facts: dict[str, Facts], path: Path, *, labelled: bool = False, compress: bool = True
) -> list[Change]:
    """Write the sheet to `path`, and return the changes that R's types required.

    With `labelled`, coded columns are haven_labelled with tagged missing values, instead of factors.
    """
    if sheet.rows > MOST_ROWS:
        raise AnnotuneError(f"{sheet.rows:,} rows are more than an R data frame has.", "Write them as parquet.")
    changes: list[Change] = []
    with _opened(path, compress) as out:
        _write_data_frame(out, sheet, facts, labelled, changes)
    return changes


def write_object(vector: Vector, path: Path) -> None:
    """Write any vector of R, such as a list of lists, to `path`."""
    with _opened(path, True) as out:
        out.write(HEADER)
        _write_vector(out, vector)


@contextmanager
def _opened(path: Path, compress: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("wb") as file:
        if compress:  # no name and no time in the header: the same data give the same bytes
            with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
                yield packed
        else:
            yield file


def _write_data_frame(
    out: IO[bytes] | gzip.GzipFile, sheet: Sheet, facts: dict[str, Facts], labelled: bool, changes: list[Change]
) -> None:
    """Write the data frame: a list of its columns, and its attributes."""
    out.write(HEADER)
    out.write(struct.pack(">ii", LIST | HAS_CLASS | HAS_ATTRIBUTES, len(sheet.columns)))
    for column in sheet.columns:
        _write_vector(out, _vector(sheet, column, facts[column.name], labelled, changes))
    attributes = {
        "names": texts([column.name for column in sheet.columns]),
        "row.names": Vector(INTEGER, 2, [np.array([NA_INTEGER, -sheet.rows], ">i4")]),
        "class": texts(["tbl_df", "tbl", "data.frame"]),
    }
    if sheet.title:
        attributes["label"] = texts([sheet.title])
    if sheet.notes:
        attributes["notes"] = texts(sheet.notes)
    _write_attributes(out, attributes)


def _vector(sheet: Sheet, column: Column, facts: Facts, labelled: bool, changes: list[Change]) -> Vector:
    heading = {"label": texts([column.heading])} if column.heading else {}
    explained = column.status is not None and facts.nulls > 0
    if column.labels is None and not (labelled and explained and sheet.schema[column.name].is_numeric()):
        if explained:
            changes.append(Change(column.name, "missing", f"is NA; {column.status} tells why", facts.nulls))
        kind, cells, pack, attributes = _vector_type(pl.col(column.name), sheet.schema[column.name], facts)
        return Vector(kind, sheet.rows, map(pack, sheet.column(cells)), heading | attributes)
    ambiguous = is_ambiguous(column, facts)
    if ambiguous and not labelled:
        changes.append(Change(column.name, "type", "is haven_labelled, as not every code has a unique label"))
    if labelled or ambiguous:
        return _haven_labelled(sheet, column, heading)
    if explained:
        detail = f"missing codes are all NA in a factor; {column.status} tells why"
        changes.append(Change(column.name, "missing", detail, facts.nulls))
    return _factor(sheet, column, heading)


def is_ambiguous(column: Column, facts: Facts) -> bool:
    """Whether a factor cannot hold a coded column: codes without a label, or two codes with the same label."""
    return not column.named and (facts.unlabelled > 0 or len(set(column.names)) < len(column.names))


def _factor(sheet: Sheet, column: Column, attributes: dict[str, Vector]) -> Vector:
    """A factor with its levels in codebook order; the attribute `codes` keeps the codes."""
    described = {
        "levels": texts(column.names),
        "class": texts(["ordered", "factor"] if column.ordered else ["factor"]),
        "codes": _codes(column),
    }
    places = map(_packed_integers, sheet.column(column.positions()))
    return Vector(INTEGER, sheet.rows, places, attributes | described)


def _codes(column: Column) -> Vector:
    codes: list[Any] = list(column.labels or {})
    return texts(codes) if column.code_type == pl.String else numbers(codes)


def _haven_labelled(sheet: Sheet, column: Column, attributes: dict[str, Vector]) -> Vector:
    """Codes with labels; where the column has a status, missing values are NA with the letter of the reason."""
    labels = column.labels or {}
    if column.code_type == pl.String:
        named = texts(list(map(str, labels)), {"names": texts(list(labels.values()))})
        described = {"labels": named, "class": texts(["haven_labelled", "vctrs_vctr", "character"])}
        return Vector(STRING, sheet.rows, map(_packed_texts, sheet.column(column.codes())), attributes | described)
    reasons = [(letter, text) for letter, text in column.lettered.items() if text]
    coded = pl.Series([*labels, *(None for _ in reasons)], dtype=pl.Float64, strict=False)
    tagged = pl.Series([*(0 for _ in labels), *(ord(letter) for letter, _ in reasons)], dtype=pl.UInt64)
    names = {"names": texts([*labels.values(), *(text for _, text in reasons)])}
    described = {
        "labels": Vector(REAL, len(coded), [_packed_reals(coded, tagged)], names),
        "class": texts(["haven_labelled", "vctrs_vctr", "double"]),
    }
    described = described if column.labels is not None or reasons else {}
    ordinals = {letter: ord(letter) for letter in column.lettered}
    tags = column.tags().replace_strict(ordinals, default=0, return_dtype=pl.UInt64).alias("tag")
    cells = sheet.batches([column.codes().alias("code"), tags])
    values = (_packed_reals(batch["code"], batch["tag"]) for batch in cells)
    return Vector(REAL, sheet.rows, values, attributes | described)


def _vector_type(cells: pl.Expr, dtype: pl.DataType, facts: Facts) -> tuple[int, pl.Expr, Pack, dict[str, Vector]]:
    """The R type of texts, truth values, numbers, days and times: type, cells, packing function and attributes."""
    if dtype == pl.String:
        return STRING, cells, _packed_texts, {}
    if dtype in (pl.Boolean, pl.Null):
        return LOGICAL, cells, _packed_integers, {}
    if dtype == pl.Date:
        return REAL, cells.to_physical(), _packed_reals, {"class": texts(["Date"])}
    if isinstance(dtype, pl.Datetime):
        seconds = cells.to_physical() / {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit]
        return REAL, seconds, _packed_reals, {"class": texts(["POSIXct", "POSIXt"]), "tzone": texts(["UTC"])}
    if dtype == pl.Time:
        return REAL, cells.to_physical() / 1e9, _packed_reals, _units("hms", "difftime")
    if isinstance(dtype, pl.Duration):
        return REAL, cells.dt.total_microseconds() / 1e6, _packed_reals, _units("difftime")
    if dtype.is_integer() and max(-(facts.low or 0), facts.high or 0) < 2**31:
        return INTEGER, cells, _packed_integers, {}
    return REAL, cells, _packed_reals, {}


def _units(*kinds: str) -> dict[str, Vector]:
    """The attributes of durations in seconds."""
    return {"class": texts(kinds), "units": texts(["secs"])}


def texts(values: Sequence[str | None], attributes: Mapping[str, Vector] | None = None) -> Vector:
    """A character vector, with attributes such as its names."""
    packed = _packed_texts(pl.Series(values, dtype=pl.String))
    return Vector(STRING, len(values), [packed], dict(attributes or {}))


def numbers(values: Sequence[float | None], attributes: Mapping[str, Vector] | None = None) -> Vector:
    """A numeric vector, with attributes such as its names or dimensions."""
    packed = _packed_reals(pl.Series(values, dtype=pl.Float64, strict=False))
    return Vector(REAL, len(values), [packed], dict(attributes or {}))


def integers(values: Sequence[int | None]) -> Vector:
    """An integer vector."""
    return Vector(INTEGER, len(values), [_packed_integers(pl.Series(values, dtype=pl.Int64))])


def named_list(items: Mapping[str, Vector], attributes: Mapping[str, Vector] | None = None) -> Vector:
    """A named list."""
    return Vector(LIST, len(items), list(items.values()), {"names": texts(list(items)), **(attributes or {})})


def _packed_integers(cells: pl.Series) -> np.ndarray:
    return cells.cast(pl.Int32).fill_null(NA_INTEGER).to_numpy().astype(">i4")


def _packed_reals(cells: pl.Series, tags: pl.Series | None = None) -> np.ndarray:
    """Doubles whose missing values are R's NA, which is distinct from NaN, with a letter where `tags` has one."""
    values = cells.cast(pl.Float64).fill_nan(float("nan")).fill_null(0).to_numpy().copy()
    missing = cells.is_null().to_numpy()
    letters = np.zeros(len(values), "u8") if tags is None else tags.to_numpy()
    values.view("u8")[missing] = NA_REAL | letters[missing] << np.uint64(32)
    return values.astype(">f8")


def _write_vector(out: IO[bytes] | gzip.GzipFile, vector: Vector) -> None:
    """Write a vector with its attributes."""
    flags = vector.kind | (HAS_ATTRIBUTES if vector.attributes else 0)
    flags |= HAS_CLASS if "class" in vector.attributes else 0
    out.write(struct.pack(">ii", flags, vector.length))
    for part in vector.parts:
        if isinstance(part, Vector):
            _write_vector(out, part)
        else:
            out.write(part.data)
    if vector.attributes:
        _write_attributes(out, vector.attributes)


def _write_attributes(out: IO[bytes] | gzip.GzipFile, attributes: dict[str, Vector]) -> None:
    """Write attributes as a pairlist: each value after the symbol of its name."""
    for name, value in attributes.items():
        out.write(struct.pack(">iiii", PAIRS | HAS_TAG, SYMBOL, ASCII, len(name)) + name.encode())
        _write_vector(out, value)
    out.write(struct.pack(">i", NIL))


def _packed_texts(cells: pl.Series) -> np.ndarray:
    """Every text as flags, length and bytes, computed for all of them at once."""
    lengths = cells.str.len_bytes()
    plain = (lengths == cells.str.len_chars()).to_numpy()
    missing = cells.is_null().to_numpy()
    heads = np.empty((len(cells), 2), ">i4")
    heads[:, 0] = np.where(missing, NA_STRING, np.where(plain, ASCII, UTF8))
    sizes = lengths.fill_null(0).to_numpy().astype(np.int64)
    heads[:, 1] = np.where(missing, -1, sizes)
    starts = np.cumsum(sizes + 8) - sizes - 8
    places = (starts[:, None] + np.arange(8)).ravel()
    out = np.empty(int(sizes.sum()) + 8 * len(cells), np.uint8)
    body = np.ones(len(out), bool)
    body[places] = False
    out[places] = heads.view(np.uint8).ravel()
    out[body] = np.frombuffer(cells.str.join("").cast(pl.Binary).item() or b"", np.uint8)
    return out
