"""A correction as an R object: a plain list on which coef() works as on other models.

With the R package annotune attached it is the result of `at_correct()`, with vcov(), tidy() and other methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from annotune.export import rds
from annotune.export.estimates import Estimates, b_and_v, methods, require_corrected, row_name

CLASSES = ("at_correction", "annotune_correction")


def write_r_object(correction: Estimates, path: Path, title: str, notes: Sequence[str]) -> None:
    """Write the object to `path`; `title` is its label."""
    rds.write_object(as_r(correction, title, notes), path)


def as_r(correction: Estimates, title: str, notes: Sequence[str]) -> rds.Vector:
    """The list: coefficients and vcov of the corrected estimates; all methods' estimates and covariance matrices.

    Raises
    ------
    AnnotuneError
        Where a corrected estimate has no variance.
    """
    require_corrected(correction)
    *_, corrected = methods(correction)
    rows, matrix = b_and_v(correction, corrected)
    items = {
        "coefficients": rds.numbers(rows["estimate"].to_list(), {"names": _row_names(rows)}),
        "vcov": _named_matrix(rows, matrix),
        "formula": rds.texts([correction.formula]),
        "model": rds.texts([correction.model]),
        "method": rds.texts([correction.method]),
        "n": rds.integers([correction.n]),
        "n_coded": rds.integers([correction.n_coded]),
        "n_clusters": rds.integers([correction.n_clusters]),
        "level": rds.numbers([correction.level]),
        "notes": rds.texts(notes),
        "estimates": _data_frame(correction.estimates),
        "covariance": rds.named_list(
            {method: _named_matrix(*b_and_v(correction, method)) for method in methods(correction)}
        ),
    }
    return rds.named_list(items, {"class": rds.texts(CLASSES), "label": rds.texts([title])})


def _row_names(rows: pl.DataFrame) -> rds.Vector:
    return rds.texts([row_name(row) for row in rows.to_dicts()])


def _named_matrix(rows: pl.DataFrame, matrix: np.ndarray) -> rds.Vector:
    both = rds.Vector(rds.LIST, 2, [_row_names(rows), _row_names(rows)])
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
    return rds.named_list(columns, {"row.names": rows, "class": rds.texts(["data.frame"])})
