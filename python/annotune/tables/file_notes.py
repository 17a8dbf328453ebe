"""The notes inside of a file: sentences on where the data come from, which travel with it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from annotune.tables.parquet import METADATA

MOST_BYTES = 4_000_000  # of a .dta, before its data: names, labels and notes take some thousand
OWNER, NAME = 129, 129  # bytes of a characteristic's variable and name (Stata 14 to 19, formats 118 and 119)


def file_notes(path: Path) -> tuple[str, ...]:
    """The notes in a .dta or .parquet file that annotune wrote; none of any other, and of one that is damaged."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".dta":
            return tuple(_notes_of_dta(path))
        if suffix == ".parquet":
            notes = json.loads(pl.read_parquet_metadata(path).get(METADATA, "{}")).get("notes", [])
            return tuple(str(note) for note in notes)
    except (OSError, ValueError, AttributeError, TypeError, pl.exceptions.PolarsError):
        pass
    return ()


def _notes_of_dta(path: Path) -> Iterator[str]:
    """The data's own characteristics note1, note2, ...: a record of fixed width with the text behind it."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    if not content.startswith(b"<stata_dta>"):
        return
    at = content.find(b"<characteristics>") + len(b"<characteristics>")
    while content[at : at + 4] == b"<ch>":
        (size,) = struct.unpack_from("<I", content, at + 4) if len(content) >= at + 8 else (0,)
        entry = content[at + 8 : at + 8 + size]
        owner, name = entry[:OWNER], entry[OWNER : OWNER + NAME]
        label = name.split(b"\0")[0].decode("utf-8", "replace")
        if owner.split(b"\0")[0] == b"_dta" and label.startswith("note") and label != "note0":
            yield entry[OWNER + NAME :].rstrip(b"\0").decode("utf-8", "replace")
        at += 8 + size + len(b"</ch>")
