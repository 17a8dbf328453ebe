"""The result of a correction: every coefficient by the hand codings, by the predictions, and corrected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.stats import norm, t

from annotune.correction import hypotheses
from annotune.correction.balance import Balance
from annotune.correction.coefficients import plot_correction
from annotune.errors import AnnotuneError, nearest
from annotune.export.estimates import clusters_in_words, correction_in_words, references_in_words
from annotune.export.journal import SPACE, Layout, journal, require_layout
from annotune.numbers import decimals, p_value, with_interval
from annotune.readable import Part, Readable
from annotune.text_table import Column, TextTable, screen_width, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HAND, NAIVE, CORRECTED = "hand-coded only", "naive", "corrected"
METHODS = (HAND, NAIVE, CORRECTED)
ELSEWHERE = "A wider window shows more, tidy() all."
MOST_FACTORS = 8  # coefficients whose factors are in the summary
MANY_TIMES = 10  # factors from here on have no decimals
SCHEMA = {
    "method": pl.String,
    "equation": pl.String,
    "term": pl.String,
    **dict.fromkeys(("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"), pl.Float64),
    "n": pl.Int64,
}


@dataclass(frozen=True, slots=True, repr=False)
class Correction(Readable):
    """A regression with machine labels, corrected for their error.

    Attributes
    ----------
    estimates
        One row per coefficient and method ("hand-coded only", "naive", "corrected"): method, equation (null, or the
        category where there are several), term, estimate, std_error, statistic, p_value (two-sided), conf_low,
        conf_high, n (units used). Null where a method has no estimate; `notes` say why.
    covariance
        For each method the covariance matrix of its estimates, shape (k, k), in the order of its rows; NaN where
        it has none.
    formula, model, method
        The specification; `method` is the correction: "dsl", "ppi", "auto" or "none".
    balance
        Whether hand-coded texts are like the others, as texts that were drawn as pi says are (`balance.verdict`); None
        where there was no correction, or no text that was not coded.
    sensitivity
        For each corrected coefficient: equation, term, `sign` and `interval`, the factors by which the probabilities
        of being drawn would have to depend on the error, beyond pi, for the sign to go, and for the interval to reach
        0 (1: it holds 0); null where no factor below 1,000 would do. None where there was no correction.
    margins
        Of a logit the average marginal effects, in points of probability and over all texts: one row per term and
        method, as `estimates`; a category beside the reference, and a covariate of 0 and 1, by the difference it makes,
        others by the derivative (delta method, covariates as they are). None for other models, predicted covariates,
        and where a covariate is in several terms.
    n, n_coded, n_clusters, n_clusters_coded, cluster
        Units, units coded by hand, clusters (of two kinds, the fewer), those of them with hand-coded units, and the
        column that they are the values of, or two columns (None without clusters).
    level
        Of the confidence intervals.
    references
        For each column with categories the one that the others are compared with; of a multinomial model also that of
        the outcome.
    clusters, clusters_coded
        How many clusters there are of each kind, by column, and how many of these have hand-coded units.
    df
        For each method the degrees of freedom of each estimate's interval, shape (k,); infinite for normal ones.
    coders, n_coders
        Where the outcome is that of the expected coder: of "these" coders or of "any" like them, and how many coded.
    notes
        Sentences about omitted texts, assumptions, and methods without an estimate, as a paper's table has them.
    advice
        What may be done about the notes: for the screen, in no table.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> frame = pl.DataFrame({"y_hat": [1, 0, 1, 1] * 40, "y_gold": [1, 0, None, 0] * 40})
    >>> fit = at.correct("y ~ 1", frame, pi=0.75)
    >>> {method: round(fit.coefficients(method)["Intercept"], 2) for method in ("naive", "corrected")}
    {'naive': 0.75, 'corrected': 0.42}
    """

    estimates: pl.DataFrame
    covariance: dict[str, np.ndarray]
    formula: str
    model: str
    method: str
    n: int
    n_coded: int
    n_clusters: int | None = None
    level: float = 0.95
    references: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, int] = field(default_factory=dict)
    df: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    balance: Balance | None = None
    sensitivity: pl.DataFrame | None = None
    margins: pl.DataFrame | None = None
    cluster: str | None = None
    n_clusters_coded: int | None = None
    clusters_coded: Mapping[str, int] = field(default_factory=dict)
    coders: str | None = None
    n_coders: int | None = None

    def tidy(self) -> pl.DataFrame:
        """The estimates: one row per coefficient and method, the three rows of a coefficient one below the other."""
        return self.estimates

    def coefficients(self, method: str = CORRECTED) -> dict[str, float | None]:
        """Each term's estimate; `category: term` where there are several equations."""
        rows = self.estimates.filter(pl.col("method") == method)
        if rows.is_empty():
            methods = self.estimates["method"].unique(maintain_order=True).to_list()
            raise AnnotuneError(f"There are no estimates by {method!r}.", nearest(method, methods))
        names = pl.concat_str("equation", "term", separator=": ", ignore_nulls=True)
        return dict(rows.select(names, "estimate").iter_rows())

    def joint_test(self, terms: str | Sequence[str]) -> pl.DataFrame:
        """Whether several coefficients are all 0, such as those of all parties: Wald's test, for each method.

        Parameters
        ----------
        terms
            A covariate, whose categories are tested together, or several covariates or terms; of several equations in
            all of them.

        Returns
        -------
        polars.DataFrame
            method, terms, statistic, df, df_error, p_value: chi-squared (df_error null); with few clusters F, as
            Hotelling's T-squared with the fewest degrees of freedom of these coefficients (Tipton and Pustejovsky
            2015).

        Examples
        --------
        >>> import annotune as at, polars as pl
        >>> frame = pl.DataFrame({"y_hat": [1, 0, 1, 1] * 60, "y_gold": [1, 0, None, 0] * 60, "x": list("abc") * 80})
        >>> test = at.correct("y ~ x", frame, pi=0.75).joint_test("x")
        >>> test.filter(method="corrected").select("terms", "df").rows()
        [('x[b], x[c]', 2.0)]
        """
        return hypotheses.joint_test(self.estimates, self.covariance, self.df, terms)

    def contrast(self, weights: str | Mapping[str, float]) -> pl.DataFrame:
        """A sum or difference of coefficients with its interval, such as of two parties neither of which is the base.

        Parameters
        ----------
        weights
            Such as `"party[Con] - party[Lib]"`, or `{"party[Con]": 1, "party[Lib]": -1}`.

        Returns
        -------
        polars.DataFrame
            One row per method (and equation): method, equation, contrast, estimate, std_error, statistic, p_value,
            conf_low, conf_high.

        Examples
        --------
        >>> import annotune as at, polars as pl
        >>> frame = pl.DataFrame({"y_hat": [1, 0, 1, 1] * 60, "y_gold": [1, 0, None, 0] * 60, "x": list("abc") * 80})
        >>> fit = at.correct("y ~ x", frame, pi=0.75)
        >>> fit.contrast("x[b] - x[c]").select("method", "contrast").rows()[-1]
        ('corrected', 'x[b] - x[c]')
        """
        return hypotheses.contrast(self.estimates, self.covariance, self.df, weights, self.level)

    def summary(self, width: int | None = None, layout: Layout = "journal") -> str:
        """The estimates as a table for reading, with the notes.

        Parameters
        ----------
        width
            Of the lines, at most; by default that of the terminal, or 80 without one.
        layout
            "journal": a column per method, standard errors in brackets below the estimates. "stacked": a row per
            method, with interval and p-value.
        """
        require_layout(layout)
        width = width or screen_width()
        above = [self.formula, self._about(), *references_in_words(self.references)]
        table = TextTable(self.estimates, self._columns(), ELSEWHERE) if layout == "stacked" else self._journal()
        brackets = journal(self).notes if layout == "journal" else ()
        last = (self.sensitivity_in_words(), self.advice_in_words())
        sentences = (*brackets, *self.notes, *filter(None, last))
        notes = [part for note in sentences for part in ("", *wrapped(note, width))]
        return "\n".join([*(part for line in above for part in wrapped(line, width)), "", table.text(width), *notes])

    def plot(
        self, path: str | Path | None = None, *, only: str | Sequence[str] | None = None, intercept: bool = False
    ) -> Figure:
        """The coefficients with their intervals as a picture: see `plot_correction`."""
        return plot_correction(self, path, only=only, intercept=intercept)

    def sensitivity_in_words(self) -> str:
        """By how much pi would have to depend on the error for signs to go; empty without a correction."""
        rows = [] if self.sensitivity is None else self.sensitivity.filter(pl.col("term") != "Intercept").to_dicts()
        factors = [f"{_coefficient_name(row)} {_factor(row['sign'])} ({_factor(row['interval'])})" for row in rows]
        if not factors:
            return ""
        more = ", ..." if len(factors) > MOST_FACTORS else ""
        return (
            "A sign would go if texts whose errors push the coefficient away from 0 had been drawn G times as often as "
            "pi says, and the others with errors 1 / G times. G (in brackets: where the interval reaches 0): "
            f"{', '.join(factors[:MOST_FACTORS])}{more}."
        )

    def advice_in_words(self) -> str:
        """What may be done about the notes, in one line; empty where there is nothing to be done."""
        return f"To do: {' '.join(self.advice)}" if self.advice else ""

    def _columns(self) -> tuple[Column, ...]:
        forms = {
            names: f".{decimals(rows['std_error'])}f" for names, rows in self.estimates.group_by("equation", "term")
        }

        def form(row: Mapping[str, Any]) -> str:
            return forms[row["equation"], row["term"]]

        return (
            Column("", _coefficient_name, words=True, group=True),
            Column("", lambda row: str(row["method"]), words=True),
            Column(f"estimate ({self.level * 100:g} % interval)", lambda row: _estimate_with_interval(row, form(row))),
            Column("std. error", lambda row: with_interval(row["std_error"], None, None, form(row)), last=1),
            Column("p", lambda row: "-" if row["std_error"] is None else p_value(row["p_value"] or 0)),
            Column("n", lambda row: f"{row['n']:,}", last=2),
        )

    def _about(self) -> str:
        corrected = correction_in_words(self.method)
        sizes = (clusters_in_words(self.n_clusters, self.clusters), self.coders_in_words())
        errors = " and ".join(filter(None, sizes)) or "robust standard errors"
        name = self.model.replace("_", " ")
        return f"{name} regression, {corrected}; {self.n:,} units, {self.n_coded:,} of them coded by hand; {errors}"

    def coders_in_words(self) -> str | None:
        """How many coders standard errors allow for; None where they are not by coder."""
        return f"{self.n_coders} coders" if self.coders == "any" else None

    def __repr__(self) -> str:
        """The summary."""
        return self.summary()

    def _parts(self) -> Iterator[Part]:
        """The estimates as a table for reading, with the notes."""
        yield from (self.formula, self._about(), *references_in_words(self.references))
        yield replace(self._journal(), frame=self._journal().frame.with_columns(pl.all().str.strip_chars(SPACE)))
        yield from self.notes
        yield from filter(None, [self.advice_in_words()])

    def _journal(self) -> TextTable:
        """A column per method, standard errors in brackets below the estimates."""
        cells = journal(self)
        names = [f"column_{place}" for place in range(len(cells.header))]
        frame = pl.DataFrame([*cells.coefficients, *cells.sizes], schema=names, orient="row")
        columns = [
            Column(heading, itemgetter(name), words=not place)
            for place, (name, heading) in enumerate(zip(names, cells.header, strict=True))
        ]
        return TextTable(frame, tuple(columns), ELSEWHERE)


def _factor(factor: float | None) -> str:
    return "above 1,000" if factor is None else f"{factor:.2f}" if factor < MANY_TIMES else f"{factor:.0f}"


def _coefficient_name(row: Mapping[str, Any]) -> str:
    """The coefficient, after its category where there are several equations."""
    return ": ".join(part for part in (row["equation"], row["term"]) if part is not None)


def _estimate_with_interval(row: Mapping[str, Any], form: str) -> str:
    """The estimate with its interval; a dash where there is none."""
    low, high = (None, None) if row["std_error"] is None else (row["conf_low"], row["conf_high"])
    return with_interval(row["estimate"], low, high, form)


def rows_of(
    method: str,
    names: Sequence[tuple[str | None, str]],
    estimate: np.ndarray,
    covariance: np.ndarray,
    n: int,
    level: float = 0.95,
    df: float | np.ndarray | None = None,
) -> pl.DataFrame:
    """The rows of one method: Wald statistics by the normal distribution, or by t with `df` degrees of freedom.

    Those are for all, or one for each of the k estimates; infinite ones are the normal distribution's.

    Parameters
    ----------
    names
        k pairs of equation and term.
    estimate, covariance
        Shapes (k,) and (k, k), in the order of `names`; NaN becomes null.

    Examples
    --------
    >>> import numpy as np
    >>> rows_of("naive", [(None, "year")], np.array([0.2]), np.array([[0.01]]), 500)["conf_high"].round(3).to_list()
    [0.396]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.diag(covariance))
        statistic = estimate / error
    law = norm if df is None else t(df)
    margin = law.ppf((1 + level) / 2) * error
    figures = (estimate, error, statistic, 2 * law.sf(abs(statistic)), estimate - margin, estimate + margin)
    columns = [np.asarray(column, dtype=float) for column in figures]
    return pl.DataFrame(
        {
            "method": [method] * len(names),
            "equation": [equation for equation, _ in names],
            "term": [term for _, term in names],
            **dict(zip(list(SCHEMA)[3:-1], columns, strict=True)),
            "n": [n] * len(names),
        },
        schema=SCHEMA,
        nan_to_null=True,
    )


def three_rows(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The tables of all methods as one, the rows of each coefficient together."""
    numbered = [table.with_columns(pl.int_range(pl.len()).alias("_place")) for table in tables]
    return pl.concat(numbered).sort("_place", maintain_order=True).drop("_place")
