"""A study's store as tables: the codings in it, by people and models alike, and which texts were drawn for whom."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables.store_schema import require_store, trust_nothing, with_own_views

SUFFIX = ".annotune"
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
    "shown": pl.Int64,
}


DRAWS = {
    "unit_id": pl.String,
    "wave": pl.Int64,
    "pi": pl.Float64,
    "drawn": pl.Boolean,
    "stratum": pl.String,
    "cluster": pl.String,
}
PEOPLE = {
    "unit_id": pl.String,
    "wave": pl.Int64,
    "coder": pl.String,
    "place": pl.Int64,
    "arm": pl.String,
    "answered": pl.Boolean,
}
DECISIONS = {
    "id": pl.Int64,
    "unit_id": pl.String,
    "variable": pl.String,
    "coder": pl.String,
    "labels": pl.String,
    "status": pl.String,
    "wave": pl.Int64,
    "arm": pl.String,
    "proposals": pl.String,
    "seconds": pl.Float64,
}
# A wave that offers all texts in a random order is a simple random sample of those that were coded so far.
OF_TEXTS = """
    WITH coded AS (SELECT DISTINCT unit_id, wave FROM people),
    offered AS (
        SELECT d.wave, count(*) AS texts, count(c.unit_id) AS coded FROM draws d
        JOIN waves w ON w.wave = d.wave AND w.design = 'order'
        LEFT JOIN coded c ON c.unit_id = d.unit_id AND c.wave = d.wave
        GROUP BY d.wave
    )
    SELECT d.unit_id, d.wave, CASE WHEN o.wave IS NULL THEN d.pi ELSE max(o.coded, 1) * 1.0 / o.texts END AS pi,
        o.wave IS NULL OR (d.unit_id, d.wave) IN (SELECT unit_id, wave FROM coded) AS drawn, d.stratum, d."cluster"
    FROM draws d LEFT JOIN offered o ON o.wave = d.wave
    UNION ALL SELECT unit_id, wave, pi, 0, stratum, "cluster" FROM chances ORDER BY wave, unit_id
"""
OF_PEOPLE = """
    SELECT a.unit_id, a.wave, a.coder, a.place, a.arm,
        EXISTS (SELECT 1 FROM people p WHERE p.unit_id = a.unit_id AND p.coder = a.coder) AS answered
    FROM assignments a ORDER BY a.wave, a.coder, a.place
"""


def read_store(path: Path) -> pl.DataFrame:
    """The codings in a store: one row per label that somebody gave, in a fixed order; see `store_schema`.

    Raises
    ------
    AnnotuneError
        For a file that is no store.
    """
    return rows_in_store(
        path, f"SELECT {', '.join(COLUMNS)} FROM codings ORDER BY kind DESC, coder, unit_id, variable, label", COLUMNS
    )


def draws_in_store(path: Path) -> pl.DataFrame:
    """The draws in a store: one row per wave and text that it could have drawn, with the columns of `DRAWS`."""
    return rows_in_store(path, OF_TEXTS, DRAWS)


def people_in_store(path: Path) -> pl.DataFrame:
    """Who is to code what in a store: one row per wave, text and coder, with the columns of `PEOPLE`."""
    return rows_in_store(path, OF_PEOPLE, PEOPLE)


def decisions_in_store(path: Path) -> pl.DataFrame:
    """Every decision in a store in order, those that later ones changed among them, with the columns of `DECISIONS`.

    `labels` and `proposals` are JSON: the labels of the answer, and what was shown, in order.
    """
    return rows_in_store(path, f"SELECT {', '.join(DECISIONS)} FROM decisions ORDER BY id", DECISIONS)


def rows_in_store(path: Path, query: str, schema: dict[str, Any], values: Sequence[Any] = ()) -> pl.DataFrame:
    """What a query gives, in these columns; the file is not written to.

    Raises
    ------
    AnnotuneError
        For a file that is no store.
    """
    if not path.is_file():
        raise AnnotuneError(f"There is no store {path}.", "Check the path, or draw texts with sample first.")
    try:
        with closing(sqlite3.connect(_address(path.resolve()), uri=True)) as connection:
            trust_nothing(connection)
            require_store(path, connection)
            with_own_views(connection)
            connection.execute("PRAGMA query_only = ON")
            rows = connection.execute(query, values).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of SQLite's own sentence, where it quotes bytes of the file
        raise AnnotuneError(f"{path} cannot be read as a store: {error}.", "Check that the file is whole.") from error
    loaded = {name: pl.Int64 if dtype == pl.Boolean else dtype for name, dtype in schema.items()}
    return pl.DataFrame(rows, schema=loaded, orient="row").cast(schema)  # type: ignore[arg-type]


def _address(path: Path) -> str:
    """The file for SQLite, which puts files beside it while it is open.

    Only who may write can remove those at the end, so that the file is opened as if to be written; `query_only` sees
    to it that nothing is. A journal beside it is none of ours, and whatever it says is not done.
    """
    is_ours = os.access(path, os.W_OK) and not path.with_name(f"{path.name}-journal").exists()
    query = "mode=rw" if is_ours else "mode=ro"
    if not os.access(path.parent, os.W_OK):  # nothing can be put beside it, and nobody writes to it either
        query = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return f"file:{quote(str(path))}?{query}"
