"""Parquet files: the frame, and the labels and headings that annotune keeps in their metadata."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from annotune.tables.labelled import whole_code
from annotune.tables.table import Labels

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


def read_parquet(path: Path) -> tuple[pl.DataFrame, Labels, dict[str, str]]:
    """The frame, the value labels of its columns, and their variable labels."""
    return pl.read_parquet(path), *labels_and_headings(path)
