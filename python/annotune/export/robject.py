"""A correction as an R object: a plain list of class annotune_correction, on which coef() works as on any model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from annotune.export import rds
from annotune.export.estimates import Estimates, b_and_v, methods, require_corrected, row_name

CLASS = "annotune_correction"


def write(found: Estimates, path: Path, title: str, notes: Sequence[str]) -> None:
    """Write the object to `path`; `title` is its label."""
    rds.write_object(as_r(found, title, notes), path)


def as_r(found: Estimates, title: str, notes: Sequence[str]) -> rds.Vector:
    """The list: coefficients and vcov of the corrected estimates, the same of the others, and all rows as a data frame.

    Raises
    ------
    AnnotuneError
        Where a corrected estimate has no variance.
    """
    require_corrected(found)
    *others, corrected = methods(found)
    items = {
        **_fit(found, corrected),
        "formula": rds.texts([found.formula]),
        "model": rds.texts([found.model]),
        "method": rds.texts([found.method]),
        "nobs": rds.integers([found.n]),
        "n_coded": rds.integers([found.n_coded]),
        "n_clusters": rds.integers([found.n_clusters]),
        "level": rds.numbers([found.level]),
        "notes": rds.texts(notes),
        "estimates": _data_frame(found.estimates),
        "others": rds.listed({method: rds.listed(_fit(found, method)) for method in others}),
    }
    return rds.listed(items, {"class": rds.texts([CLASS]), "label": rds.texts([title])})


def _fit(found: Estimates, method: str) -> dict[str, rds.Vector]:
    rows, matrix = b_and_v(found, method)
    names = rds.texts([row_name(row, ":") for row in rows.to_dicts()])
    both = rds.Vector(rds.LIST, 2, [names, names])
    shape = {"dim": rds.integers(list(matrix.shape)), "dimnames": both}
    return {
        "coefficients": rds.numbers(rows["estimate"].to_list(), {"names": names}),
        "vcov": rds.numbers([None if np.isnan(cell) else cell for cell in matrix.ravel("F")], shape),
    }


def _data_frame(table: pl.DataFrame) -> rds.Vector:
    columns = {
        name: rds.texts(table[name].cast(pl.String).to_list())
        if not table.schema[name].is_numeric()
        else rds.numbers(table[name].cast(pl.Float64).to_list())
        for name in table.columns
    }
    rows = rds.integers([None, -len(table)])  # R's short form of 1, 2, ..., n
    return rds.listed(columns, {"row.names": rows, "class": rds.texts(["data.frame"])})
