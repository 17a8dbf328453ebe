"""Parquet files: the frame, and the labels and headings that annotune keeps in their metadata."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

METADATA = "annotune"  # the key; its value is JSON with labels, headings, notes and title


def about(path: Path) -> tuple[dict[str, dict[int, str]], dict[str, str]]:
    """The value labels and variable labels in a parquet file's metadata; none in a file from elsewhere."""
    known = json.loads(pl.read_parquet_metadata(path).get(METADATA, "{}"))
    labels = {
        column: {int(code): text for code, text in coded.items()} for column, coded in known.get("labels", {}).items()
    }
    return labels, known.get("headings", {})


def read(path: Path) -> tuple[pl.DataFrame, dict[str, dict[int, str]], dict[str, str]]:
    """The frame, the value labels of its columns, and the columns' variable labels."""
    return pl.read_parquet(path), *about(path)
