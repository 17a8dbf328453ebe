"""Draws in the store: which texts earlier waves took, and a new wave with its people, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.hybrid.page.versions import version_of
from annotune.hybrid.store import Store, now


def last_wave(store: Store) -> int:
    """The number of the last wave, 0 before the first."""
    return int(store.value("SELECT coalesce(max(wave), 0) FROM waves"))


def settings_of(store: Store, wave: int) -> dict[str, Any]:
    """What a wave was drawn by."""
    content = store.value("SELECT settings FROM waves WHERE wave = ?", [wave])
    return dict(json.loads(content)) if content else {}


def record_wave(
    store: Store,
    draws: pl.DataFrame,
    assignments: pl.DataFrame,
    about: Mapping[str, Any],
    codebook: Codebook | None,
    before_it_counts: Callable[[], object] = lambda: None,
) -> None:
    """Add a wave to the store.

    Parameters
    ----------
    draws
        One row per text that could be drawn: `unit_id`, `wave`, `pi`, `drawn`, `stratum`, `cluster`.
    assignments
        One row per text and coder: `unit_id`, `wave`, `coder`, `place`, `arm`.
    about
        `wave`, `design`, `seed`, `corpus` (the fingerprint of its identifiers) and `settings`.
    before_it_counts
        Is called when all is recorded; where it fails, nothing is.

    Raises
    ------
    AnnotuneError
        Where another process drew the same wave meanwhile.
    """
    wave = about["wave"]
    with store.change() as connection:
        if connection.execute("SELECT 1 FROM waves WHERE wave >= ?", [wave]).fetchone():
            what = f"Another process drew wave {wave} from {store.path} meanwhile."
            raise AnnotuneError(what, "Look at what it drew; run this again for a further wave.")
        values = [wave, now(), about["design"], about["seed"], len(draws), about["corpus"]]
        connection.execute("INSERT INTO waves VALUES (?, ?, ?, ?, ?, ?, ?)", [*values, json.dumps(about["settings"])])
        drawn, left = draws.filter("drawn"), draws.filter(~pl.col("drawn"))
        for table, rows in (("draws", drawn), ("chances", left)):
            _insert(connection, table, rows.select("wave", "unit_id", "pi", "stratum", "cluster").sort("unit_id"))
        _insert(connection, "assignments", assignments.select("wave", "unit_id", "coder", "place", "arm"))
        if codebook is not None:
            version_of(connection, codebook)
        before_it_counts()


def _insert(connection: sqlite3.Connection, table: str, rows: pl.DataFrame) -> None:
    marks = ", ".join("?" * rows.width)
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows.iter_rows())
