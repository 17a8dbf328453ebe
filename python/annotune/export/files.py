"""Outputs appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes its place when all went well, and is removed when not."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotuneError(f"{path} cannot be written: {reason}.", "Make room, or choose another folder.") from error
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise AnnotuneError(f"{path} cannot be written: {reason}.", "Check the data.") from error
    finally:
        draft.unlink(missing_ok=True)
