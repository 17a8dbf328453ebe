"""A correction as an R object: a plain list on which coef() works as on any model.

With the R package annotune attached it is what `at_correct()` gives there, with vcov(), tidy() and the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from annotune.export import rds
from annotune.export.estimates import Estimates, b_and_v, methods, require_corrected, row_name

CLASSES = ("at_correction", "annotune_correction")


def write(found: Estimates, path: Path, title: str, notes: Sequence[str]) -> None:
    """Write the object to `path`; `title` is its label."""
    rds.write_object(as_r(found, title, notes), path)


def as_r(found: Estimates, title: str, notes: Sequence[str]) -> rds.Vector:
    """The list: coefficients and vcov of the corrected estimates; all methods' estimates and covariance matrices.

    Raises
    ------
    AnnotuneError
        Where a corrected estimate has no variance.
    """
    require_corrected(found)
    *_, corrected = methods(found)
    rows, matrix = b_and_v(found, corrected)
    items = {
        "coefficients": rds.numbers(rows["estimate"].to_list(), {"names": _names(rows)}),
        "vcov": _matrix(rows, matrix),
        "formula": rds.texts([found.formula]),
        "model": rds.texts([found.model]),
        "method": rds.texts([found.method]),
        "n": rds.integers([found.n]),
        "n_coded": rds.integers([found.n_coded]),
        "n_clusters": rds.integers([found.n_clusters]),
        "level": rds.numbers([found.level]),
        "notes": rds.texts(notes),
        "estimates": _data_frame(found.estimates),
        "covariance": rds.listed({method: _matrix(*b_and_v(found, method)) for method in methods(found)}),
    }
    return rds.listed(items, {"class": rds.texts(CLASSES), "label": rds.texts([title])})


def _names(rows: pl.DataFrame) -> rds.Vector:
    return rds.texts([row_name(row) for row in rows.to_dicts()])


def _matrix(rows: pl.DataFrame, matrix: np.ndarray) -> rds.Vector:
    both = rds.Vector(rds.LIST, 2, [_names(rows), _names(rows)])
    shape = {"dim": rds.integers(list(matrix.shape)), "dimnames": both}
    return rds.numbers([None if np.isnan(cell) else cell for cell in matrix.ravel("F")], shape)


def _data_frame(table: pl.DataFrame) -> rds.Vector:
    columns = {
        name: rds.texts(table[name].cast(pl.String).to_list())
        if not table.schema[name].is_numeric()
        else rds.numbers(table[name].cast(pl.Float64).to_list())
        for name in table.columns
    }
    rows = rds.integers([None, -len(table)])  # R's short form of 1, 2, ..., n
    return rds.listed(columns, {"row.names": rows, "class": rds.texts(["data.frame"])})
