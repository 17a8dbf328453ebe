"""csv and json lines become parquet, once and before the work begins, so that any rows of them can be read."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from annotune.bulk.shards import BROKEN, PARQUET, suffix_of, unreadable
from annotune.errors import AnnotuneError, nearest
from annotune.records.drafts import put, settle
from annotune.tables import read_table
from annotune.tables.delimited import detect_delimiter

LARGE = 200_000_000  # bytes, beyond which a file is not read as a whole
LINES = 20  # that are looked at for the names of columns
START = 1_000_000  # bytes, from which the delimiter of a large one is found out
ROWS_PER_GROUP = 50_000


def convert(path: Path, target: Path, columns: Sequence[str], strings: tuple[str, ...]) -> tuple[str, ...]:
    """Write these columns of a csv, tsv or jsonl file as parquet; notes on what was assumed.

    A file beyond 200 MB is converted as it is read: it has to be in UTF-8, and its columns stay text.

    Raises
    ------
    AnnotuneError
        Where it cannot be read or lacks a column.
    """
    draft = target.with_name(f"{target.name}.draft")
    if path.stat().st_size == 0:
        raise unreadable(path, EOFError())
    if path.stat().st_size <= LARGE or path.suffix == ".gz":
        table = read_table(path, strings=strings)
        _require(path, columns, table.frame.columns)
        table.frame.select(columns).write_parquet(draft, row_group_size=ROWS_PER_GROUP)
        notes = table.notes
    else:
        try:
            scan = _scan(path)
            _require(path, columns, scan.collect_schema().names())
            scan.select(columns).sink_parquet(draft, row_group_size=ROWS_PER_GROUP)
        except BROKEN as error:
            raise unreadable(path, error) from None
        notes = ()
    settle(draft)
    put(draft, target)
    return notes


def column_names(path: Path) -> list[str] | None:
    """The columns of a file of texts, by its end or its first lines; None where these do not tell."""
    try:
        if suffix_of(path) == PARQUET:
            return pl.scan_parquet(path, glob=False).collect_schema().names()
        if suffix_of(path) in (".jsonl", ".ndjson"):
            return None  # a row may have keys that others lack
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            first = b"".join(islice(file, LINES))
        with tempfile.TemporaryDirectory() as folder:
            beginning = Path(folder) / f"texts{suffix_of(path)}"
            beginning.write_bytes(first)
            return read_table(beginning).frame.columns
    except (*BROKEN, AnnotuneError, EOFError):
        return None


def _scan(path: Path) -> pl.LazyFrame:
    if suffix_of(path) in (".jsonl", ".ndjson"):
        return pl.scan_ndjson(path, infer_schema_length=10_000)
    with path.open("rb") as file:
        start = file.read(START).decode("utf-8", "ignore")
    return pl.scan_csv(path, separator=detect_delimiter(start), infer_schema=False)


def _require(path: Path, columns: Sequence[str], there: Sequence[str]) -> None:
    for column in columns:
        if column not in there:
            raise AnnotuneError(f"{path.name} has no column {column!r}.", nearest(column, there))
