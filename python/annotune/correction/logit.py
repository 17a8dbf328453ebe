"""A binary logit on a formula, with robust errors, average differences, and tests that allow for separation."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import chi2, f, t

from annotune.correction.coding_columns import FEW_CLUSTERS, as_words, blanks_as_null
from annotune.correction.few_clusters import Reduced, reduced
from annotune.correction.formulas import Formula, Reference, parse
from annotune.correction.matrices import categorical, days, in_order, is_date, require_full_rank, with_dates
from annotune.correction.moments import sums_by_group
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, counted, warn

if TYPE_CHECKING:
    import pandas as pd

FEWEST_EACH = 5  # right and wrong predictions per coefficient (Vittinghoff and McCulloch 2007)
LARGEST = 15.0  # log odds beyond this belong to a category where the answer is always, or never, yes
OTHERS = "all others"  # the reference of a label that the formula names
POWER = 0.8  # with which `detectable` is detected
COEFFICIENTS = {
    "term": pl.String,
    **dict.fromkeys(("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"), pl.Float64),
}
EFFECTS = {
    **dict.fromkeys(("covariate", "level", "reference"), pl.String),
    **dict.fromkeys(("difference", "std_error", "conf_low", "conf_high", "detectable"), pl.Float64),
}
TESTS = {
    "covariate": pl.String,
    "statistic": pl.Float64,
    "df": pl.Int64,
    "p_value": pl.Float64,
    "test": pl.String,
    "df_residual": pl.Int64,
}


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
    numbers = [entry.column for entry in references if entry.may_be_a_number]
    rows = with_dates(rows, numbers)
    dates = {name for name in numbers if is_date(rows.schema[name])}
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
        The data of the fit: k columns, and n outcomes, weights and clusters, numbered from 0.
    params, covariance
        Shapes (k,) and (k, k), robust to clusters, with Stata's correction: G / (G - 1) times (n - 1) / (n - k).
    few
        Where there are few clusters: CR2, which is then the covariance, and its degrees of freedom.
    """

    design: Design
    outcome: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    params: np.ndarray
    covariance: np.ndarray
    few: Reduced | None

    @property
    def endless(self) -> np.ndarray:
        """Which coefficients have no finite estimate, because the outcome does not vary in some category (k,)."""
        unbounded = _endless(self.design.matrix, self.params, self.weights)
        return np.asarray(unbounded | ~np.isfinite(np.diag(self.covariance)))

    @property
    def clustered(self) -> bool:
        """Whether some texts depend on each other."""
        return len(np.unique(self.groups)) < len(self.groups)

    def coefficients(self) -> pl.DataFrame:
        """One row per column of the design; null where the estimate is not finite."""
        with np.errstate(invalid="ignore"):  # figures that are not finite become null below
            error = np.sqrt(np.diag(self.covariance))
        figures = _wald_columns(self.params, error, self._df(np.eye(len(error))), self.endless)
        return pl.DataFrame({"term": self.design.names, **figures}, schema=COEFFICIENTS, nan_to_null=True)

    def effects(self) -> pl.DataFrame:
        """Average differences in the probability of yes, with standard errors by the delta method."""
        share, rows = self.weights / self.weights.sum(), []
        for covariate, level, reference, before, after in self.design.contrasts():
            p0, p1 = (expit(matrix @ self.params) for matrix in (before, after))
            gradient = share @ ((p1 * (1 - p1))[:, None] * after - (p0 * (1 - p0))[:, None] * before)
            concerned = np.abs(after - before).max(0) > 0
            difference = float(share @ (p1 - p0))
            error = np.nan if self.endless[concerned].any() else float(np.sqrt(gradient @ self.covariance @ gradient))
            law = t(self._df(gradient)[0])
            margin, detectable = float(law.ppf(0.975)), float(law.ppf(0.975) + law.ppf(POWER))
            around = (error, difference - margin * error, difference + margin * error, detectable * error)
            rows.append((covariate, level, reference, difference, *around))
        return pl.DataFrame(rows, schema=EFFECTS, orient="row").with_columns(pl.col(pl.Float64).fill_nan(None))

    def tests(self) -> pl.DataFrame:
        """The joint test of all slopes, then of each term: Wald's, or the score test with few errors or clusters."""
        terms = self.design.terms
        slopes = np.concatenate(list(terms.values()))
        rows = [(None, *self._test(slopes)), *((name, *self._test(columns)) for name, columns in terms.items())]
        return pl.DataFrame(rows, schema=TESTS, orient="row")

    def _df(self, contrasts: np.ndarray) -> np.ndarray:
        """The degrees of freedom of each contrast, (m,); without end where errors count as normal."""
        contrasts = np.atleast_2d(contrasts)
        return np.full(len(contrasts), np.inf) if self.few is None else self.few.df(contrasts)

    def _test(self, columns: np.ndarray) -> tuple[float | None, int, float | None, str, int | None]:
        if not (self.clustered or self.endless[columns].any() or self._few_errors(columns)):
            beta = self.params[columns]
            wald = float(beta @ np.linalg.pinv(self.covariance[np.ix_(columns, columns)]) @ beta)
            return wald, len(columns), float(chi2.sf(wald, len(columns))), "wald", None
        statistic = self._score(columns)
        if statistic is None:
            return None, len(columns), None, "score", None
        if not self.clustered:
            return statistic, len(columns), float(chi2.sf(statistic, len(columns))), "score", None
        free, each = int(self.groups.max()), statistic / len(columns)
        return each, len(columns), float(f.sf(each, len(columns), free)), "score", free

    def _few_errors(self, columns: np.ndarray) -> bool:
        """Whether fewer than 5 texts are yes, or no, in a category of these columns, or in that which has none."""
        categories = self.design.matrix[:, [j for j in columns if set(self.design.matrix[:, j]) <= {0.0, 1.0}]] == 1
        parts = [*categories.T, ~categories.any(axis=1)]
        yes = [(self.outcome[part].sum(), (~self.outcome.astype(bool))[part].sum()) for part in parts if part.any()]
        return bool(min(min(pair) for pair in yes) < FEWEST_EACH)

    def _score(self, columns: np.ndarray) -> float | None:
        """Rao's score test of the model without `columns`, chi-squared.

        The variance of the scores is that of the model, as the observed one is far too small where few texts are yes.
        Clusters add the covariance of their texts with one correlation of Pearson residuals, estimated under the model
        (Liang and Zeger 1986, example 3; Rotnitzky and Jewell 1990).
        """
        matrix = self.design.matrix
        rest = np.setdiff1d(np.arange(matrix.shape[1]), columns)
        p = expit(matrix[:, rest] @ _glm_params(self.outcome, matrix[:, rest], self.weights))
        variance = p * (1 - p)
        information = (matrix * (self.weights * variance)[:, None]).T @ matrix
        projection = information[np.ix_(columns, rest)] @ np.linalg.pinv(information[np.ix_(rest, rest)])
        left = (matrix[:, columns] - matrix[:, rest] @ projection.T) * self.weights[:, None]
        total, spread = left.T @ (self.outcome - p), left * np.sqrt(variance)[:, None]
        alone, together = spread.T @ spread, sums_by_group(spread, self.groups)
        varies = variance > 1e-9
        correlation = _correlation((self.outcome - p)[varies] / np.sqrt(variance[varies]), self.groups[varies])
        covariance = alone + correlation * (together.T @ together - alone)
        if np.linalg.matrix_rank(covariance, hermitian=True) < len(columns):
            return None
        return float(total @ np.linalg.solve(covariance, total))


def _correlation(residuals: np.ndarray, groups: np.ndarray) -> float:
    """The mean product of two residuals of one cluster, at least 0."""
    sums, sizes = sums_by_group(residuals[:, None], groups)[:, 0], np.unique(groups, return_counts=True)[1]
    pairs = float((sizes * (sizes - 1)).sum())
    return float(np.clip((sums @ sums - residuals @ residuals) / pairs, 0, 1)) if pairs else 0.0


def fit_logit(outcome: np.ndarray, design: Design, weights: np.ndarray, groups: np.ndarray) -> Fit:
    """Fit `outcome` (n,) on the design by weighted logit; `groups` (n,) are the clusters, all different without any."""
    weights, groups, matrix = weights / weights.mean(), np.unique(groups, return_inverse=True)[1], design.matrix
    params = _glm_params(outcome, matrix, weights)
    p = expit(matrix @ params)
    scores = sums_by_group((weights * (outcome - p))[:, None] * matrix, groups)
    (n, k), g = matrix.shape, len(scores)
    if g < FEW_CLUSTERS and g < n:
        each = [(matrix[groups == group], (weights * p * (1 - p))[groups == group]) for group in range(g)]
        few = reduced(scores, np.stack([rows.T @ (rows * weight[:, None]) for rows, weight in each]))
        return Fit(design, outcome, weights, groups, params, few.covariance, few)
    inverse = np.linalg.pinv((matrix * (weights * p * (1 - p))[:, None]).T @ matrix)
    covariance = inverse @ scores.T @ scores @ inverse * (g / (g - 1) * (n - 1) / (n - k))
    return Fit(design, outcome, weights, groups, params, covariance, None)


def _glm_params(outcome: np.ndarray, matrix: np.ndarray, weights: np.ndarray) -> np.ndarray:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation is read from the estimates
        fit = GLM(outcome.astype(float), matrix, family=Binomial(), var_weights=weights).fit(tol=1e-10)
    return np.asarray(fit.params)


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


def _wald_columns(
    estimate: np.ndarray, error: np.ndarray, df: np.ndarray, unknown: np.ndarray
) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = estimate / error
    margin = t.ppf(0.975, df) * error
    figures = (estimate, error, statistic, 2 * t.sf(abs(statistic), df), estimate - margin, estimate + margin)
    return {
        name: np.where(unknown, np.nan, column) for name, column in zip(list(COEFFICIENTS)[1:], figures, strict=True)
    }
