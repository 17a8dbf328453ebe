"""A study's store as a table: the codings in it, by people and models alike."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import polars as pl

from annotune.errors import AnnotuneError

SUFFIX = ".annotune"
APPLICATION = 0x616E6E6F  # "anno" in the file's header: which program made it
COLUMNS = {
    "unit_id": pl.String,
    "variable": pl.String,
    "coder": pl.String,
    "label": pl.String,
    "prob": pl.Float64,
    "status": pl.String,
    "wave": pl.Int64,
    "arm": pl.String,
    "codebook": pl.Int64,
    "kind": pl.String,
}


def read_store(path: Path) -> pl.DataFrame:
    """The codings in a store: one row per label that somebody gave, in a fixed order; see `hybrid.schema`.

    Raises
    ------
    AnnotuneError
        For a file that is no store.
    """
    query = f"SELECT {', '.join(COLUMNS)} FROM codings ORDER BY kind DESC, coder, unit_id, variable, label"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            rows = connection.execute(query).fetchall() if application == APPLICATION else None
    except sqlite3.Error as error:
        raise AnnotuneError(f"{path} cannot be read as a store: {error}.", "Check that the file is whole.") from error
    if rows is None:
        raise AnnotuneError(f"{path} is a database, but no store of annotune.", "Choose another file.")
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
