"""A binary logit on a formula, with robust errors, average differences, and tests that allow for separation."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import chi2, norm

from annotune.correction.coding_columns import as_words, blanks_as_null
from annotune.correction.formulas import Formula, Reference, parse
from annotune.correction.matrices import categorical, days, in_order, is_date, require_full_rank
from annotune.correction.moments import sums_by_group
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, counted, warn

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 15.0  # log odds beyond this belong to a category where the answer is always, or never, yes
OTHERS = "all others"  # the reference of a label that the formula names
DETECTABLE = float(norm.ppf(0.975) + norm.ppf(0.8))  # standard errors of a difference detected with a power of 80 %
COEFFICIENTS = {
    "term": pl.String,
    **dict.fromkeys(("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"), pl.Float64),
}
EFFECTS = {
    **dict.fromkeys(("covariate", "level", "reference"), pl.String),
    **dict.fromkeys(("difference", "std_error", "conf_low", "conf_high", "detectable"), pl.Float64),
}
TESTS = {"covariate": pl.String, "statistic": pl.Float64, "df": pl.Int64, "p_value": pl.Float64, "test": pl.String}


@dataclass(frozen=True)
class Design:
    """Covariates as the columns of a regression.

    Attributes
    ----------
    formula
        The formula; its right-hand side makes the design.
    rows, places
        The n rows that have all covariates, and their positions in the original frame.
    matrix
        Shape (n, k), the constant first.
    spec
        The model specification of formulaic, with which the design is built for other rows.
    """

    formula: Formula
    rows: pl.DataFrame
    places: np.ndarray
    matrix: np.ndarray
    spec: Any

    @classmethod
    def of(cls, covariates: str, rows: pl.DataFrame) -> Design:
        """The design of the formula `~ covariates` for the complete `rows`; a warning counts the others."""
        from formulaic import model_matrix
        from formulaic.errors import FormulaicError

        formula = parse(f"error ~ {covariates}")
        if formula.groups:
            raise AnnotuneError(f"{covariates!r} has fixed effects.", "Name the groups as covariates, or as clusters.")
        references = formula.within(formula.terms)
        columns = list(dict.fromkeys(reference.column for reference in references.values()))
        if not columns:
            raise AnnotuneError(f"{covariates!r} names no covariate.", "Name one, such as: party + year.")
        require_columns(rows, columns, "The table")
        complete, places = _complete_rows(_with_days(rows, references.values()), references.values())
        try:
            context = {"sqrt": np.sqrt, "abs": np.abs}
            with np.errstate(all="ignore"):  # cells that are not numbers are reported below
                built = model_matrix(formula.terms, _aliased(complete, references), context=context, output="numpy")
        except FormulaicError as error:
            what = f"The formula {covariates!r} cannot be used: {str(error).splitlines()[0]}"
            raise AnnotuneError(what, "Write it as: party + year.") from None
        lost = len(complete) - len(built)
        if lost or not np.isfinite(np.asarray(built, dtype=float)).all():
            texts = counted(lost, "text", "texts") if lost else "some texts"
            raise AnnotuneError(
                f"The formula {covariates!r} gives no number for {texts}.", "Such as log() of 0 or less."
            )
        design = cls(formula, complete, places, np.asarray(built, dtype=float), built.model_spec)
        if "Intercept" not in built.model_spec.column_names:
            raise AnnotuneError(f"The formula {covariates!r} has no constant.", "Leave out 0 and -1.")
        require_full_rank(design.matrix)

        return design

    @property
    def names(self) -> list[str]:
        """The names of the columns (k)."""
        return [self.formula.spoken(name) for name in self.spec.column_names]

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """The columns of each term except the constant."""
        slices = {str(term): np.arange(self.matrix.shape[1])[at] for term, at in self.spec.term_slices.items()}
        return {self.formula.spoken(name): columns for name, columns in slices.items() if columns[0] > 0}

    def contrasts(self) -> Iterator[tuple[str, str, str | None, np.ndarray, np.ndarray]]:
        """Covariate, level, reference, and the design with all rows at the reference and at the level.

        A number is compared with itself plus one standard deviation; its reference is None. A label that the formula
        names (`party == 'b'`, or `!=`) is compared with all others.
        """
        for alias, entry in self._references.items():
            if entry.label is not None:
                without, named = (self._with(fixed={alias: float(yes != entry.negated)}) for yes in (False, True))
                yield entry.column, entry.label, OTHERS, without, named
        references = [one for one in self._references.values() if one.label is None]
        for name in dict.fromkeys(reference.column for reference in references):
            column = self.rows[name]
            grouped = any(entry.category for entry in references if entry.column == name)
            if column.dtype.is_numeric() and not grouped and not set(column.unique()) <= {0, 1}:
                step = float(column.cast(pl.Float64).std())  # type: ignore[arg-type]
                yield name, f"{step:.3g}", None, self.matrix, self._with(column.cast(pl.Float64) + step)
                continue
            first, *others = _ordered_levels(column)
            reference = self._with(_constant_column(column, first))
            for level in others:
                yield name, str(level), str(first), reference, self._with(_constant_column(column, level))

    @property
    def _references(self) -> dict[str, Reference]:
        return self.formula.within(self.formula.terms)

    def _with(self, column: pl.Series | None = None, fixed: Mapping[str, float] | None = None) -> np.ndarray:
        """The design with another column, or with comparisons that have one answer throughout."""
        rows = self.rows if column is None else self.rows.with_columns(column)
        aliased = _aliased(rows, self._references).assign(**(fixed or {}))
        return np.asarray(self.spec.get_model_matrix(aliased, context={"sqrt": np.sqrt, "abs": np.abs}), dtype=float)


def _aliased(rows: pl.DataFrame, references: Mapping[str, Reference]) -> pd.DataFrame:
    """The columns and comparisons of the formula, under their aliases in it."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for alias, entry in references.items():
        column = rows[entry.column]
        if entry.label is not None:
            columns[alias] = ((column.cast(pl.String) == entry.label) != entry.negated).cast(pl.Float64).to_numpy()
        elif column.dtype == pl.Boolean:
            columns[alias] = categorical(column.cast(pl.String).str.to_titlecase(), ["False", "True"])
        elif isinstance(column.dtype, pl.Enum) or entry.category:
            columns[alias] = categorical(column, [str(level) for level in _ordered_levels(column)])
        else:
            columns[alias] = column.to_numpy()
    return pd.DataFrame(columns)


def _constant_column(column: pl.Series, value: Any) -> pl.Series:
    return pl.repeat(value, len(column), dtype=column.dtype, eager=True).alias(column.name)


def _ordered_levels(column: pl.Series) -> list[Any]:
    """The values that occur, in the order that formulaic uses: the first is the reference."""
    if isinstance(column.dtype, pl.Enum):
        return list(column.dtype.categories)
    values = column.unique().to_list()
    return sorted(values, key=str if column.dtype.is_numeric() else None)


def _with_days(rows: pl.DataFrame, references: Collection[Reference]) -> pl.DataFrame:
    """The rows with dates as numbers of days, where the formula does not take them for categories."""
    dates = {entry.column for entry in references if not entry.category and is_date(rows.schema[entry.column])}
    return rows.with_columns(days(rows[name]).alias(name) for name in sorted(dates))


def _complete_rows(rows: pl.DataFrame, references: Collection[Reference]) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows with all covariates, categories reduced to those that occur, and the positions of the rows."""
    names = list(dict.fromkeys(entry.column for entry in references))
    orders = {entry.column: entry for entry in references if entry.order}
    for name in names:
        if rows[name].dtype.is_nested():
            raise AnnotuneError(f"The covariate {name!r} holds lists.", "Give one number or category per text.")
    floats = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in names if rows[name].dtype.is_float()]
    whole = blanks_as_null(rows.with_columns(*floats, _place=pl.int_range(pl.len())), names).drop_nulls(names)
    if len(whole) < len(rows):
        warn(f"{len(rows) - len(whole):,} of {len(rows):,} hand-coded texts lack a covariate and are left out.")
    for name in names:
        column = whole[name]
        if column.n_unique() < 2:
            what = f"The covariate {name!r} is the same for all {len(whole):,} hand-coded texts."
            raise AnnotuneError(what, "Leave it out.")
        if name in orders or not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            words = as_words(column)
            levels = column.dtype.categories if isinstance(column.dtype, pl.Enum) else words.unique().sort()
            occurring = set(words)
            present = [level for level in levels if level in occurring]
            present = in_order(present, orders[name]) if name in orders else present
            whole = whole.with_columns(words.cast(pl.Enum(present)))
    return whole.drop("_place"), whole["_place"].to_numpy()


@dataclass(frozen=True)
class Fit:
    """A fitted logit.

    Attributes
    ----------
    design, outcome, weights, groups
        The data of the fit: k columns, and n outcomes, weights and clusters.
    params, covariance
        Shapes (k,) and (k, k), robust to clusters (Stata's correction: G / (G - 1) times (n - 1) / (n - k)).
    """

    design: Design
    outcome: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    params: np.ndarray
    covariance: np.ndarray

    @property
    def endless(self) -> np.ndarray:
        """Which coefficients have no finite estimate, because the outcome does not vary in some category (k,)."""
        unbounded = _endless(self.design.matrix, self.params, self.weights)
        return np.asarray(unbounded | ~np.isfinite(np.diag(self.covariance)))

    def coefficients(self) -> pl.DataFrame:
        """One row per column of the design; null where the estimate is not finite."""
        with np.errstate(invalid="ignore"):  # figures that are not finite become null below
            error = np.sqrt(np.diag(self.covariance))
        figures = _wald_columns(self.params, error, self.endless)
        return pl.DataFrame({"term": self.design.names, **figures}, schema=COEFFICIENTS, nan_to_null=True)

    def effects(self) -> pl.DataFrame:
        """Average differences in the probability of yes, with standard errors by the delta method."""
        share, rows = self.weights / self.weights.sum(), []
        for covariate, level, reference, before, after in self.design.contrasts():
            p0, p1 = (expit(matrix @ self.params) for matrix in (before, after))
            gradient = share @ ((p1 * (1 - p1))[:, None] * after - (p0 * (1 - p0))[:, None] * before)
            concerned = np.abs(after - before).max(0) > 0
            error = np.nan if self.endless[concerned].any() else np.sqrt(gradient @ self.covariance @ gradient)
            rows.append((covariate, level, reference, float(share @ (p1 - p0)), float(error)))
        schema = dict(list(EFFECTS.items())[:5])
        table = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("std_error").fill_nan(None))
        margin = pl.col("std_error") * float(norm.ppf(0.975))
        return table.with_columns(
            conf_low=pl.col("difference") - margin,
            conf_high=pl.col("difference") + margin,
            detectable=pl.col("std_error") * DETECTABLE,
        )

    def tests(self) -> pl.DataFrame:
        """The joint test of all slopes, then of each term: Wald's, or the score test where that is not defined."""
        terms = self.design.terms
        slopes = np.concatenate(list(terms.values()))
        rows = [(None, *self._test(slopes)), *((name, *self._test(columns)) for name, columns in terms.items())]
        return pl.DataFrame(rows, schema=TESTS, orient="row")

    def _test(self, columns: np.ndarray) -> tuple[float | None, int, float | None, str]:
        if self.endless[columns].any():
            statistic, name = self._score(columns), "score"
        else:
            beta = self.params[columns]
            statistic, name = float(beta @ np.linalg.pinv(self.covariance[np.ix_(columns, columns)]) @ beta), "wald"
        if statistic is None:
            return None, len(columns), None, name
        return statistic, len(columns), float(chi2.sf(statistic, len(columns))), name

    def _score(self, columns: np.ndarray) -> float | None:
        """Rao's test, robust to clusters (Boos 1992, eq. 9), of the model without `columns`."""
        matrix = self.design.matrix
        rest = np.setdiff1d(np.arange(matrix.shape[1]), columns)
        params, covariance = _glm_estimates(self.outcome, matrix[:, rest], self.weights, self.groups)
        p = expit(matrix[:, rest] @ params)
        if not np.isfinite(covariance).all() or _endless(matrix[:, rest], params, self.weights).any():
            return None
        scores = (self.weights * (self.outcome - p))[:, None] * matrix
        information = (matrix * (self.weights * p * (1 - p))[:, None]).T @ matrix
        projection = information[np.ix_(columns, rest)] @ np.linalg.pinv(information[np.ix_(rest, rest)])
        adjusted = sums_by_group(scores[:, columns] - scores[:, rest] @ projection.T, self.groups)
        total = adjusted.sum(0)
        return float(total @ np.linalg.pinv(adjusted.T @ adjusted) @ total)


def fit_logit(outcome: np.ndarray, design: Design, weights: np.ndarray, groups: np.ndarray) -> Fit:
    """Fit `outcome` (n,) on the design by weighted logit; `groups` (n,) are the clusters, all different without any."""
    weights = weights / weights.mean()
    return Fit(design, outcome, weights, groups, *_glm_estimates(outcome, design.matrix, weights, groups))


def _glm_estimates(
    outcome: np.ndarray, matrix: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation is read from the estimates; robust errors are valid with weights
        fit = GLM(outcome.astype(float), matrix, family=Binomial(), var_weights=weights).fit(
            cov_type="cluster", cov_kwds={"groups": groups}, tol=1e-10
        )
    return np.asarray(fit.params), np.asarray(fit.cov_params())


def _endless(matrix: np.ndarray, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which of the k estimates diverge: the texts they depend on hold no information, as yes or no is certain.

    By the information and not by the size: a number with a long tail, such as a text's length, may well make an answer
    certain at its end.
    """
    p = expit(matrix @ params)
    if np.abs(matrix @ params).max() <= LARGEST:
        return np.zeros(len(params), dtype=bool)
    reach = np.where(np.ptp(matrix, axis=0) > 0, np.ptp(matrix, axis=0), 1.0)
    scaled = matrix / reach
    information = (scaled * (weights * p * (1 - p))[:, None]).T @ scaled
    try:
        with np.errstate(invalid="ignore"):
            error = np.sqrt(np.diag(np.linalg.inv(information)))
    except np.linalg.LinAlgError:
        return np.ones(len(params), dtype=bool)
    return np.asarray(~(error <= 10 * LARGEST))


def _wald_columns(estimate: np.ndarray, error: np.ndarray, unknown: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = estimate / error
    margin = norm.ppf(0.975) * error
    figures = (estimate, error, statistic, 2 * norm.sf(abs(statistic)), estimate - margin, estimate + margin)
    return {
        name: np.where(unknown, np.nan, column) for name, column in zip(list(COEFFICIENTS)[1:], figures, strict=True)
    }
