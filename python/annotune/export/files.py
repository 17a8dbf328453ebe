"""Outputs appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
