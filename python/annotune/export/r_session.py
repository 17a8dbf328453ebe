"""Polars frames and R data frames in one Python session, through rpy2.

Both are passed in R's own serialization, so that factors, labelled columns, dates and missing values arrive as from a
file. Inside an R process the bridge is refused: rpy2 would start a second R there.
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
    """A table as an R data frame (a tibble): rpy2's object, which can be passed to any R function.

    The parameters, and the conversion of types, are those of `write` for .rds.

    Raises
    ------
    AnnotuneError
        Where rpy2 is not installed, and inside an R process.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> data = at.to_r(pl.DataFrame({"topic": pl.Series(["war", "trade"], dtype=pl.Enum(["war", "trade"]))}))
    >>> list(data.rx2("topic").levels)
    ['war', 'trade']
    """
    r = _r()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.rds"
        write(data, path, codebook=codebook, labels=labels, headings=headings, labelled=labelled)
        return r["readRDS"](str(path))


def from_r(data: Any) -> pl.DataFrame:
    """An R data frame as a polars one: factors and labelled columns as Enum, dates and times kept, NA as null.

    Parameters
    ----------
    data
        rpy2's object for an R data frame.

    Raises
    ------
    AnnotuneError
        Where rpy2 is not installed, and inside an R process.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> at.from_r(at.to_r(pl.DataFrame({"unit_id": ["a", "b"], "year": [1990, None]}))).rows()
    [('a', 1990), ('b', None)]
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
        raise AnnotuneError("This Python runs inside R, where rpy2 would start a second R.", "Pass the data as .rds.")
    with _library_path_kept():
        return require("rpy2.robjects", "The bridge to R needs", ", where R is installed").r


@contextmanager
def _library_path_kept() -> Iterator[None]:
    """Restore LD_LIBRARY_PATH, where R puts its own folders first: later programs would load libraries from there."""
    before = os.environ.get("LD_LIBRARY_PATH")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LD_LIBRARY_PATH", None)
            os.unsetenv("LD_LIBRARY_PATH")  # R sets it behind Python's back
        else:
            os.environ["LD_LIBRARY_PATH"] = before
