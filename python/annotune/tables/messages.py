"""A table on its way from one process to another: its frames as Arrow files, and the rest as JSON.

JSON, not pickle: whoever has taken over the process that read a hostile file can send back words and numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables.table import Table

FRAME, CODINGS = "frame.arrow", "codings.arrow"


def sent(table: Table, folder: Path) -> dict[str, Any]:
    """What to say of the table, whose frames are put in the folder."""
    table.frame.write_ipc(folder / FRAME)
    if table.codings is not None:
        table.codings.write_ipc(folder / CODINGS)
    return {
        "labels": [[column, list(labels.items())] for column, labels in table.labels.items()],
        "headings": table.headings,
        "notes": table.notes,
        "first": table.first,
        "codings": table.codings is not None,
        "formats": table.formats,
    }


def received(message: Mapping[str, Any], folder: Path) -> Table:
    """The table; its frames are maps of their files where the system has such maps."""
    return Table(
        pl.read_ipc(folder / FRAME),
        {column: dict(labels) for column, labels in message["labels"]},
        message["headings"],
        tuple(message["notes"]),
        message["first"],
        pl.read_ipc(folder / CODINGS) if message["codings"] else None,
        message["formats"],
    )


def complaint(error: AnnotuneError) -> dict[str, Any]:
    """What to say of a file that cannot be read."""
    return {"what": error.what, "advice": error.advice}
