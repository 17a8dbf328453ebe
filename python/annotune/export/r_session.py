"""Polars frames and R data frames in one Python session, through rpy2.

Both cross in R's own serialization, so factors, labelled columns, dates and missing values arrive as they would from a
file. Inside an R process there is nothing to bridge: R and Python would each hold the other.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.export.write import write
from annotune.extras import require
from annotune.tables import Table, read_table


def to_r(
    data: Any,
    *,
    codebook: Codebook | None = None,
    labels: Mapping[str, Mapping[int, str]] | None = None,
    headings: Mapping[str, str] | None = None,
    labelled: bool = False,
) -> Any:
    """A table as an R data frame (a tibble): rpy2's object, to be handed to any R function.

    The parameters, and what becomes of each type, are those of `write` for .rds.

    Raises
    ------
    AnnotuneError
        Where rpy2 is not installed, and inside an R process.
    """
    r = _r()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.rds"
        write(data, path, codebook=codebook, labels=labels, headings=headings, labelled=labelled)
        return r["readRDS"](str(path))


def from_r(data: Any) -> pl.DataFrame:
    """An R data frame as a polars one: factors and labelled columns as Enum, days and times as such, NA as null.

    Parameters
    ----------
    data
        rpy2's object for an R data frame.
    """
    return table_from_r(data).frame


def table_from_r(data: Any) -> Table:
    """An R data frame with the codes of its labelled columns and the variable labels."""
    r = _r()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.rds"
        r["saveRDS"](data, str(path), compress=False)
        return read_table(path)


def _r() -> Any:
    if "rpycall" in sys.modules:  # reticulate's own module, which only a Python inside R has
        raise AnnotuneError("This Python runs inside R, where rpy2 would start a second R.", "Hand R the data as .rds.")
    with _library_path_kept():
        return require("rpy2.robjects", "The bridge to R needs", ", where R is installed").r


@contextmanager
def _library_path_kept() -> Iterator[None]:
    """R puts its own folders first for all programs started later, and a Python among them loads another's library."""
    before = os.environ.get("LD_LIBRARY_PATH")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LD_LIBRARY_PATH", None)
            os.unsetenv("LD_LIBRARY_PATH")  # R sets it behind Python's back
        else:
            os.environ["LD_LIBRARY_PATH"] = before
