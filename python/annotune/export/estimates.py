"""What a correction gave, written: b and V for Stata and R, tables for a paper, and the estimates as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError

CORRECTED = "corrected"  # the method whose estimates are the result; the others stand beside it


@runtime_checkable
class Estimates(Protocol):
    """What is read from a correction: its estimates in long form, and each method's covariance matrix.

    `estimates` has a row per method and term: method, equation, term, estimate, std_error, statistic, p_value,
    conf_low, conf_high, n. The matrices' rows and columns are a method's terms in the order of its rows.
    """

    @property
    def estimates(self) -> pl.DataFrame: ...

    @property
    def covariance(self) -> Mapping[str, np.ndarray]: ...

    @property
    def formula(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def n(self) -> int: ...

    @property
    def n_coded(self) -> int: ...

    @property
    def n_clusters(self) -> int | None: ...

    @property
    def level(self) -> float: ...

    @property
    def notes(self) -> Sequence[str]: ...


def title_of(found: Estimates) -> str:
    """One line on what was estimated."""
    corrections = {"dsl": "design-based supervised learning", "ppi": "prediction-powered inference"}
    corrected = f"corrected by {corrections[found.method]}" if found.method in corrections else "not corrected"
    return f"{found.formula}: {found.model.replace('_', ' ')} regression, {corrected}"


def about(found: Estimates) -> list[str]:
    """How many texts stand behind the estimates, and what the correction says of itself."""
    clusters = "" if found.n_clusters is None else f", {found.n_clusters:,} clusters"
    return [f"{found.n:,} texts, {found.n_coded:,} of them coded by hand{clusters}.", *found.notes]


def methods(found: Estimates) -> list[str]:
    """The methods, the corrected one last."""
    names: list[str] = found.estimates["method"].unique(maintain_order=True).to_list()
    return [*(name for name in names if name != CORRECTED), *(name for name in names if name == CORRECTED)]


def b_and_v(found: Estimates, method: str) -> tuple[pl.DataFrame, np.ndarray]:
    """A method's rows, and the covariance matrix of its terms, exactly symmetric.

    Raises
    ------
    AnnotuneError
        Where the matrix does not belong to the terms.
    """
    rows = found.estimates.filter(pl.col("method") == method)
    matrix = np.asarray(found.covariance[method], dtype=float)
    if matrix.shape != (len(rows), len(rows)):
        what = f"The covariance matrix of {method!r} is {matrix.shape}, but there are {len(rows)} terms."
        raise AnnotuneError(what, "Give a row and a column for each term.")
    return rows, (matrix + matrix.T) / 2


def is_known(rows: pl.DataFrame, matrix: np.ndarray) -> bool:
    """Whether every estimate and every variance is a number."""
    return bool(rows["estimate"].is_not_null().all() and np.isfinite(rows["estimate"].to_numpy()).all()) and bool(
        np.isfinite(matrix).all()
    )


def require_corrected(found: Estimates) -> None:
    """Stop where the corrected estimates are not numbers: Stata and R would refuse them."""
    names = methods(found)
    if not names or not is_known(*b_and_v(found, names[-1])):
        what = f"{found.formula!r}: not every estimate has a variance."
        raise AnnotuneError(what, "Leave out the terms that the texts cannot tell apart.")


def row_name(row: Mapping[str, Any]) -> str:
    """The term of a row, with its equation where there is one."""
    return str(row["term"]) if row["equation"] is None else f"{row['equation']}: {row['term']}"
