"""Outputs appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyreadstat
import xlsxwriter.exceptions

from annotune.errors import AnnotuneError

REFUSALS = (  # how each library says that a file could not be written
    OSError,
    pl.exceptions.PolarsError,
    pyreadstat.PyreadstatError,
    pyreadstat.ReadstatError,
    xlsxwriter.exceptions.XlsxWriterException,
)


def require_writable(targets: Sequence[Path], inputs: Sequence[Path] = ()) -> None:
    """Stop, before anything is computed, where a file could not be written or would replace what it rests on."""
    read, seen = {path.resolve() for path in inputs}, set[Path]()
    for target in targets:
        place = target.resolve()
        if place in read:
            raise AnnotuneError(f"{target} is read, and would be replaced.", "Write to a file of another name.")
        if place in seen:
            raise AnnotuneError(f"{target} would be written twice.", "Name it once.")
        if place.is_dir():
            raise AnnotuneError(f"{target} is a folder.", "Write to a file of another name.")
        above = next(folder for folder in place.parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise AnnotuneError(f"{target} cannot be written: see {above}.", "Choose another folder.")
        seen.add(place)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes its place when all went well, and is removed when not."""
    if not path.parent.is_dir():
        raise AnnotuneError(f"{path} cannot be written: {path.parent} is no folder.", "Make it, or choose another.")
    draft = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield draft
        os.replace(draft, path)
    except REFUSALS as error:
        reason = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        advice = "Check that there is room and that the folder may be written to."
        raise AnnotuneError(f"{path} cannot be written: {reason}.", advice) from error
    finally:
        draft.unlink(missing_ok=True)
