"""The study's store: one SQLite file that keeps draws, proposals and decisions, and loses none that it acknowledged."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables import store_schema as schema
from annotune.tables.store import SUFFIX

PATIENCE = 10.0  # seconds that a change waits for another process


class StoreFull(AnnotuneError):
    """The disk has no room for what is to be kept."""


class StoreUnusable(AnnotuneError):
    """The file cannot be read or written now."""


class Store:
    """An open store; `with open_store(path) as store:` closes it.

    A change that returned is on the disk. Several processes may use one store at once; each change is whole or absent.

    Examples
    --------
    >>> import tempfile
    >>> with open_store(Path(tempfile.mkdtemp()) / "study.annotune") as store:
    ...     with store.change() as connection:
    ...         _ = connection.execute("INSERT INTO codebooks VALUES (1, ?, 'anna', '', '{}')", [now()])
    ...     store.table("SELECT version, author FROM codebooks").rows()
    [(1, 'anna')]
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a store that was closed can be opened again."""
        self._connection.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Changes that happen together, or not at all where one of them fails."""
        with _in_words(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            with _in_words(self.path):
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def table(self, query: str, values: Sequence[Any] = (), schema: dict[str, Any] | None = None) -> pl.DataFrame:
        """What a query gives, one row per row; columns of no rows have the types in `schema`, else none."""
        with _in_words(self.path):
            cursor = self._connection.execute(query, values)
            rows, names = cursor.fetchall(), [column[0] for column in cursor.description]
        schema = {name: (schema or {}).get(name) for name in names}
        return pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)

    def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """What a query gives, as plain rows."""
        with _in_words(self.path):
            return self._connection.execute(query, values).fetchall()

    def value(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The only cell that a query gives; None without one."""
        with _in_words(self.path):
            row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]


def now() -> str:
    """The time as the store writes it, in UTC: 2026-11-26T23:05:07.123+00:00."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def store_of(study: Path) -> Path:
    """Where the store of a study file is: beside it, under its name.

    >>> store_of(Path("work/study.yaml")).name
    'study.annotune'
    """
    return study.with_suffix(SUFFIX)


def open_store(path: str | Path, *, create: bool = True) -> Store:
    """Open a store, and make it where there is none.

    Parameters
    ----------
    path
        A file with the suffix .annotune.
    create
        Whether a store that is not there is made.

    Raises
    ------
    AnnotuneError
        For a file that is no store, one of a newer version of annotune, one that cannot be written, and one that
        another process does not give free.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise AnnotuneError(f"{path} cannot be a store.", f"Give a file with the suffix {SUFFIX}.")
    if not path.parent.is_dir():
        raise AnnotuneError(f"{path} cannot be written: {path.parent} is no folder.", "Make it, or choose another.")
    if not path.exists() and not create:
        raise AnnotuneError(f"There is no store {path}.", "Draw texts with sample, or let a model propose first.")
    with _in_words(path):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _migrate(path, connection)
        except BaseException:
            connection.close()
            raise
    return Store(path, connection)


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Bring the tables to this version; whoever comes second waits, and finds them so."""
    schema.trust_nothing(connection)
    schema.require_store(path, connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an answer that was acknowledged outlives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = schema.require_store(path, connection)
        _execute(connection, *schema.MIGRATIONS[version:])
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
        if not _has_views(connection):
            _execute(connection, schema.WITHOUT_VIEWS, schema.VIEWS)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it
            connection.execute("ROLLBACK")
        raise
    schema.with_own_views(connection)


def _has_views(connection: sqlite3.Connection) -> bool:
    """Whether the file's views, which other programs see, are as this version of annotune makes them."""
    made = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'view'")}
    return {f"{sql};" for sql in made} >= set(schema.statements(schema.VIEWS))


def _execute(connection: sqlite3.Connection, *scripts: str) -> None:
    for script in scripts:
        for statement in schema.statements(script):
            connection.execute(statement)


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """SQLite's errors as one sentence of what is wrong and one of what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = str(error)
        if "locked" in reason or "busy" in reason:
            raise StoreUnusable(f"{path} is in use by another process.", "Wait until it has finished.") from None
        if "full" in reason:
            raise StoreFull(f"{path} cannot grow: the disk is full.", "Make room; nothing was lost.") from None
        advice = "Check that the file and its folder may be written to."
        raise StoreUnusable(f"{path} cannot be used: {reason}.", advice) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's sentence may quote bytes of the file
        raise StoreUnusable(f"{path} is damaged, or no store: {error}.", "Take a copy that is whole.") from error
