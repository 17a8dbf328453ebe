"""Parquet files: the frame, and the labels and headings that annotune keeps in their metadata."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import polars.selectors as cs

from annotune.tables.labelled import sentences, whole_code
from annotune.tables.memory import free_memory, want_of_memory
from annotune.tables.table import Labels
from annotune.tables.temporal import DAY_MS, FIRST_DAY, LAST_DAY, notes_on_lost

_PER_DAY = {"day": 1, "ms": DAY_MS, "us": DAY_MS * 1_000, "ns": DAY_MS * 1_000_000}

METADATA = "annotune"  # the key; its value is JSON with labels, headings, notes, title, and columns with texts as codes


def labels_and_headings(path: Path) -> tuple[Labels, dict[str, str]]:
    """The value labels and variable labels in a parquet file's metadata; none in a file by other programs."""
    metadata = json.loads(pl.read_parquet_metadata(path).get(METADATA, "{}"))
    texts = metadata.get("text_codes", [])
    labels: Labels = {
        column: {code if column in texts else whole_code(float(code)): text for code, text in coded.items()}
        for column, coded in metadata.get("labels", {}).items()
    }
    return labels, metadata.get("headings", {})


def read_parquet(path: Path) -> tuple[pl.DataFrame, Labels, dict[str, str], tuple[str, ...]]:
    """The frame, the value labels of its columns, their variable labels, and notes."""
    if _least_size(path) > free_memory():
        raise want_of_memory(path)
    frame, notes = _within_years(pl.read_parquet(path), path.name)
    return frame, *labels_and_headings(path), notes


def _within_years(frame: pl.DataFrame, source: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The frame without days and times beyond the years 1 to 9999, which nothing else can hold, and notes."""
    lost: list[tuple[str, str]] = []
    for column in frame.select(cs.date() | cs.datetime()):
        days = column.to_physical() // _PER_DAY[getattr(column.dtype, "time_unit", "day")]
        cells = column.set(~days.is_between(FIRST_DAY, LAST_DAY), None)
        if notes := notes_on_lost(column, cells):
            lost += [(column.name, note) for note in notes]
            frame = frame.with_columns(cells)
    return frame, tuple(sentences(source, lost))


def _least_size(path: Path) -> int:
    """The bytes that the cells take at least: a small file can say of a few that they are there a billion times."""
    scan = pl.scan_parquet(path)
    narrow = (pl.Boolean, pl.Null, pl.Int8, pl.UInt8, pl.Enum, pl.Categorical)
    kinds = scan.collect_schema().values()
    width = sum(16 if kind == pl.String else 0 if kind in narrow else 2 for kind in kinds)
    return int(scan.select(pl.len()).collect().item()) * width
