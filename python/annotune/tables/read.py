"""One reader for every format; identifiers and labels keep the characters that stand in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError
from annotune.tables import delimited, labelled, rds


@dataclass(frozen=True)
class Table:
    """A frame (one row a case) and what polars cannot hold: the labels of coded columns.

    Attributes
    ----------
    frame
        Labelled columns hold their labels (`pl.Enum`, ordered by code) when every value has one,
        else the bare codes.
    labels
        For each labelled column, its codes and their labels.
    headings
        For each column that has one, its variable label.
    notes
        What had to be assumed, such as an encoding.
    """

    frame: pl.DataFrame
    labels: dict[str, dict[int, str]] = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_table(path: str | Path, *, strings: tuple[str, ...] = (), encoding: str | None = None) -> Table:
    """Read a table, whatever its format.

    Parameters
    ----------
    path
        csv, tsv, txt, jsonl, parquet, xlsx, dta, sav or rds; csv and its like also gzipped.
    strings
        Columns that are words even where they look like numbers: identifiers, texts, labels.
    encoding
        Of a text file; found out when left out.

    Raises
    ------
    AnnotuneError
        When the file is missing, empty, of an unknown format, or broken; the row is named.
    """
    path = Path(path)
    reader = FORMATS.get(_suffix(path))
    if reader is None:
        raise AnnotuneError(
            f"{path}: no reader for {path.suffix or 'a file without suffix'!r}.", f"Use one of {', '.join(FORMATS)}."
        )
    if not path.is_file():
        raise AnnotuneError(f"{path} is not there." if not path.exists() else f"{path} is a folder.", "Check the path.")
    if path.stat().st_size == 0:
        raise AnnotuneError(f"{path} is empty.", "Give a file with a header and rows.")
    try:
        return reader(path, strings, encoding)
    except PermissionError:
        raise AnnotuneError(f"{path} may not be read.", "Change its permissions.") from None
    except AnnotuneError:
        raise
    except Exception as error:  # each library has its own errors for a broken file; the user needs one sentence
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise AnnotuneError(
            f"{path} cannot be read as {_suffix(path)[1:]}: {reason}.", "Check that the file is whole."
        ) from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def _delimited(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    frame, notes = delimited.read(path, strings, encoding)
    return Table(frame, notes=notes)


def _parquet(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return Table(pl.read_parquet(path))


def _jsonl(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return Table(pl.read_ndjson(path, infer_schema_length=None))


def _excel(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return Table(pl.read_excel(path, infer_schema_length=None))


def _labelled(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return Table(*labelled.read(path, encoding))


def _rds(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return Table(*rds.read(path))


FORMATS: dict[str, Callable[[Path, tuple[str, ...], str | None], Table]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".txt": _delimited,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".xlsx": _excel,
    ".dta": _labelled,
    ".sav": _labelled,
    ".rds": _rds,
}
