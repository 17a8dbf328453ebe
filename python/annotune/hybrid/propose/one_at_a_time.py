"""Only one run asks for a store at a time: two would ask, and pay, for the same texts."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from annotune.errors import AnnotuneError


@contextlib.contextmanager
def alone(store: Path) -> Iterator[None]:
    """Hold the store for this process, which gives it free when it ends, however it ends.

    The hold is SQLite's lock of a file beside the store, which every system lets go of with the process.

    Raises
    ------
    AnnotuneError
        Where another process holds it.
    """
    path = store.with_name(f".{store.name}-proposing")
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            what = f"Another process asks models for proposals to {store} at this moment."
            raise AnnotuneError(what, "Wait until it has finished: what it asks is not asked again.") from None
        yield
    finally:
        connection.close()
