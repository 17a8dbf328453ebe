"""The estimates of a correction as its writers need them: for Stata and R, for tables of a paper, and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError

CORRECTED = "corrected"  # the method whose estimates are the result; the others are for comparison


@runtime_checkable
class Estimates(Protocol):
    """The parts of a correction that are written: its estimates in long form, and covariance matrices by method.

    `estimates` has one row per method and term: method, equation, term, estimate, std_error, statistic, p_value,
    conf_low, conf_high, n. The matrices' rows and columns are a method's terms in the order of its rows.
    """

    @property
    def estimates(self) -> pl.DataFrame:
        """The estimates in long form."""

    @property
    def covariance(self) -> Mapping[str, np.ndarray]:
        """The covariance matrix of each method."""

    @property
    def formula(self) -> str:
        """The formula of the regression."""

    @property
    def model(self) -> str:
        """The regression model, such as "linear"."""

    @property
    def method(self) -> str:
        """The correction: "dsl", "ppi", "auto" or "none"."""

    @property
    def n(self) -> int:
        """The number of texts."""

    @property
    def n_coded(self) -> int:
        """The number of hand-coded texts."""

    @property
    def n_clusters(self) -> int | None:
        """The number of clusters; None without them."""

    @property
    def cluster(self) -> str | None:
        """The column whose values are the clusters; None without them."""

    @property
    def n_clusters_coded(self) -> int | None:
        """The number of clusters with hand-coded texts; None without clusters."""

    @property
    def clusters(self) -> Mapping[str, int]:
        """How many clusters there are of each kind, by column."""

    @property
    def clusters_coded(self) -> Mapping[str, int]:
        """How many clusters of each kind have hand-coded texts, by column."""

    @property
    def coders(self) -> str | None:
        """Of the expected coder: of "these" coders or of "any" like them; else None."""

    @property
    def df(self) -> Mapping[str, np.ndarray]:
        """For each method the degrees of freedom of each estimate's interval, infinite for normal ones."""

    @property
    def level(self) -> float:
        """The level of the confidence intervals."""

    @property
    def references(self) -> Mapping[str, str]:
        """For each column with categories the one that the others are compared with."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about omitted texts and assumptions."""


def title_of(correction: Estimates) -> str:
    """One line that names formula, model and correction."""
    model = correction.model.replace("_", " ")
    return f"{correction.formula}: {model} regression, {correction_in_words(correction.method)}"


def correction_in_words(method: str) -> str:
    """The method of a correction in words.

    >>> correction_in_words("ppi"), correction_in_words("none")
    ('corrected by prediction-powered inference', 'not corrected')
    """
    names = {"dsl": "design-based supervised learning", "ppi": "prediction-powered inference"}
    names["auto"] = "design-based supervised learning, weighted by coefficient"
    return f"corrected by {names[method]}" if method in names else "not corrected"


def about(correction: Estimates) -> list[str]:
    """The numbers of texts, coded texts and clusters, reference categories, and the notes of the correction."""
    words = clusters_in_words(correction.n_clusters, correction.clusters)
    clusters = f", {words}" if words else ""
    sizes = f"{correction.n:,} texts, {correction.n_coded:,} of them coded by hand{clusters}."
    return [sizes, *references_in_words(correction.references), *correction.notes]


def clusters_in_words(n_clusters: int | None, clusters: Mapping[str, int]) -> str | None:
    """How many clusters there are; of two kinds by column.

    >>> clusters_in_words(12, {"author": 12}), clusters_in_words(9, {"author": 12, "paper": 9})
    ('12 clusters', '12 clusters of author and 9 of paper')
    """
    if n_clusters is None or len(clusters) < 2:
        return None if n_clusters is None else f"{n_clusters:,} clusters"
    (first, one), (second, other) = clusters.items()
    return f"{one:,} clusters of {first} and {other:,} of {second}"


def references_in_words(references: Mapping[str, str]) -> list[str]:
    """One sentence on the reference categories; none where there are no categories.

    >>> references_in_words({"party": "Labour", "year": "1990"})
    ['Reference categories: Labour (party), 1990 (year).']
    """
    if not references:
        return []
    names = ", ".join(f"{base} ({column})" for column, base in references.items())
    return [f"Reference {'category' if len(references) == 1 else 'categories'}: {names}."]


def methods(correction: Estimates) -> list[str]:
    """The methods, the corrected one last."""
    names: list[str] = correction.estimates["method"].unique(maintain_order=True).to_list()
    return [*(name for name in names if name != CORRECTED), *(name for name in names if name == CORRECTED)]


def b_and_v(correction: Estimates, method: str) -> tuple[pl.DataFrame, np.ndarray]:
    """A method's rows, and the covariance matrix of its terms, exactly symmetric.

    Raises
    ------
    AnnotuneError
        Where the matrix does not belong to the terms.
    """
    rows = correction.estimates.filter(pl.col("method") == method)
    matrix = np.asarray(correction.covariance[method], dtype=float)
    if matrix.shape != (len(rows), len(rows)):
        what = f"The covariance matrix of {method!r} is {matrix.shape}, but there are {len(rows)} terms."
        raise AnnotuneError(what, "It needs one row and one column for each term.")
    return rows, (matrix + matrix.T) / 2


def is_known(rows: pl.DataFrame, matrix: np.ndarray) -> bool:
    """Whether every estimate and every variance is a number."""
    return bool(rows["estimate"].is_not_null().all() and np.isfinite(rows["estimate"].to_numpy()).all()) and bool(
        np.isfinite(matrix).all()
    )


def require_corrected(correction: Estimates) -> None:
    """Refuse corrected estimates that are not numbers, as Stata and R do."""
    names = methods(correction)
    if not names or not is_known(*b_and_v(correction, names[-1])):
        what = f"{correction.formula!r}: not every estimate has a variance."
        raise AnnotuneError(what, "Leave out the terms that are not identified.")


def row_name(row: Mapping[str, Any]) -> str:
    """The term of a row, with its equation where there is one."""
    return str(row["term"]) if row["equation"] is None else f"{row['equation']}: {row['term']}"
