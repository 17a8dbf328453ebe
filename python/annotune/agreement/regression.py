"""Does agreement depend on who coded, when, or on the text?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.patterns import Floats
from annotune.agreement.ratings import require_codings
from annotune.data.codebook import Codebook
from annotune.data.codings import ANSWERED, of_variable
from annotune.data.frames import as_frame, require_columns
from annotune.errors import AnnotuneError, warn
from annotune.numbers import p_equals
from annotune.readable import Part, Readable, brief_table

SIGNIFICANT = 0.05
MOST_LEVELS = 200
OUTCOME = "share of agreeing coders"
FEW_CLUSTERS = 30
FEW_CODINGS = 10  # a category with fewer can agree never or always by accident


@dataclass(frozen=True, repr=False)
class AgreementRegression(Readable):
    """A fitted reliability regression.

    `table`: one row per term: covariate, term, reference, n_codings, estimate (log odds), se, ci_low, ci_high,
    p_value (two-sided), effect (average change of the share of agreeing coders). Categories whose codings agree all
    or never have an effect only, and no part in the tests. `tests`: one row per covariate: chi2, df, p_value of the
    joint Wald test. `verdict`: the result of the tests in words.
    """

    table: pl.DataFrame
    tests: pl.DataFrame
    verdict: str
    n_codings: int
    n_units: int
    n_clusters: int

    def _parts(self) -> Iterator[Part]:
        """The terms, on how many codings they rest, and the verdict."""
        yield brief_table(self.table, ("covariate", "term", "reference", "estimate", "ci_low", "ci_high", "p_value"))
        yield f"{self.n_codings:,} codings of {self.n_units:,} texts in {self.n_clusters:,} clusters."
        yield self.verdict


def reliability_regression(
    codings: Any,
    on: str | Sequence[str],
    variable: str | None = None,
    codebook: Codebook | None = None,
    corpus: Any = None,
    cluster: str = "unit_id",
) -> AgreementRegression:
    """Regress each coding's agreement with the unit's other codings on who, when, or what was coded.

    The outcome is the share of the unit's other coders who gave the same label (the same set of labels), in a
    fractional logit (Papke and Wooldridge 1996) with standard errors robust to clusters.

    Parameters
    ----------
    codings
        A table of codings.
    on
        Covariates: columns of the codings (`coder` among them) or of the corpus. Numbers enter as they are;
        everything else as categories, the most frequent one being the reference.
    variable
        The coded variable; may be left out where the table has only one.
    codebook
        Tells which variables are multi-label.
    corpus
        Texts with covariates, joined by `unit_id`.
    cluster
        The column whose groups of codings depend on each other: `unit_id`, `coder`, or another.

    Raises
    ------
    AnnotuneError
        For columns that are missing or do not vary, where no unit was coded twice, or where agreement
        does not vary.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> codings = {"unit_id": list("aabbccddee"), "coder": ["ann", "ben"] * 5, "label": list("xxxyyxxxyy")}
    >>> frame = pl.DataFrame(codings | {"words": [3, 3, 40, 40, 20, 20, 5, 5, 30, 30], "variable": ["v"] * 10})
    >>> fit = at.reliability_regression(frame, "words")
    >>> fit.tests["covariate"].to_list(), fit.n_codings, fit.table["estimate"][1] < 0
    (['words'], 10, True)
    """
    names = [on] if isinstance(on, str) else list(on)
    if not names:
        raise AnnotuneError("No covariate was named.", "Name columns of the codings or the corpus with on=.")
    rows = _agreeing(codings, variable, codebook)
    rows = _with_corpus_columns(rows, corpus, [*names, cluster])
    rows = _complete_codings(rows, names, cluster)
    design, terms = _design(rows, names)
    clusters = rows[cluster].n_unique()
    if clusters <= len(terms):
        raise AnnotuneError(
            f"{clusters} clusters of {cluster!r} cannot carry the standard errors of {len(terms)} terms.",
            "Take fewer covariates or categories, or smaller clusters.",
        )
    outcome = rows[OUTCOME].to_numpy()
    fit = _fractional_logit(outcome, design, rows[cluster].rank("dense").to_numpy())
    extreme = [term.reference is not None and _extreme(outcome[design[:, i] != 0]) for i, term in enumerate(terms)]
    table = _coefficient_table(fit, design, terms, extreme)
    tests = _wald_tests(fit, terms, names, extreme)
    return AgreementRegression(
        table,
        tests,
        _verdict_in_words(table, tests, clusters, fit.converged),
        len(rows),
        rows["unit_id"].n_unique(),
        clusters,
    )


def _agreeing(codings: Any, variable: str | None, codebook: Codebook | None) -> pl.DataFrame:
    """One row per coding of a unit that two coders coded, with the share of the others who gave the same label."""
    table = require_codings(codings)
    names = table["variable"].unique(maintain_order=True).to_list()
    if variable is None and len(names) != 1:
        raise AnnotuneError("The table has several variables.", f"Choose with variable=: {names}.")
    rows: pl.DataFrame = of_variable(table, variable or names[0])
    entry = codebook.variable(variable or names[0]) if codebook else None
    key = ["unit_id", "coder"]
    if entry is not None and entry.kind == "multilabel":
        label_set = pl.col("label").drop_nulls().unique().sort().str.join(";")
        rest = [pl.col(name).first() for name in rows.columns if name not in (*key, "label")]
        rows = rows.filter(pl.col("status").is_in(ANSWERED)).group_by(key, maintain_order=True).agg(label_set, *rest)
    else:
        rows = rows.filter((pl.col("status") == "ok") & pl.col("label").is_not_null())
    rows = rows.unique(key, keep="first", maintain_order=True)
    others = pl.len().over("unit_id") - 1
    share = (pl.len().over("unit_id", "label") - 1) / others
    rows = rows.with_columns(share.alias(OUTCOME)).filter(others > 0)
    if rows.is_empty():
        raise AnnotuneError("No unit was coded by two coders.", "Agreement can only be seen on units coded twice.")
    return rows


def _with_corpus_columns(rows: pl.DataFrame, corpus: Any, names: Sequence[str]) -> pl.DataFrame:
    absent = [name for name in names if name not in rows.columns]
    if corpus is not None and absent:
        texts = as_frame(corpus)
        require_columns(texts, ["unit_id", *absent], "The corpus, like the table of codings,")
        texts = texts.select(pl.col("unit_id").cast(pl.String), *dict.fromkeys(absent))
        again = texts.filter(texts["unit_id"].is_duplicated())
        if len(again):
            raise AnnotuneError(f"The corpus has the text {again['unit_id'][0]!r} twice.", "Leave one of them out.")
        return rows.join(texts, on="unit_id", how="left", maintain_order="left")
    require_columns(rows, names, "The table of codings")
    return rows


def _complete_codings(rows: pl.DataFrame, names: Sequence[str], cluster: str) -> pl.DataFrame:
    """The codings that have all covariates; refused where clusters, covariates or agreement do not vary."""
    nested = [name for name in names if rows[name].dtype.is_nested()]
    if nested:
        raise AnnotuneError(f"The covariate {nested[0]!r} holds lists.", "Give one number or category per coding.")
    finite = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in names if rows[name].dtype.is_float()]
    whole = rows.with_columns(finite).drop_nulls(list(names))
    if whole[cluster].null_count():
        raise AnnotuneError(
            f"The column {cluster!r} is empty for {whole[cluster].null_count():,} codings.",
            "Every coding must be in a cluster.",
        )
    if whole[OUTCOME].n_unique() == 1:
        raise AnnotuneError("Agreement is the same for every coding.", "There is nothing to explain.")
    if whole[cluster].n_unique() == 1:
        raise AnnotuneError(f"All codings are in one cluster of {cluster!r}.", "Standard errors need two or more.")
    if len(whole) < len(rows):
        warn(f"{len(rows) - len(whole):,} of {len(rows):,} codings lack a covariate and were left out.")
    for name in names:
        if whole[name].n_unique() < 2:
            raise AnnotuneError(f"The covariate {name!r} is the same for all {len(whole):,} codings.", "Leave it out.")
        if not whole[name].dtype.is_numeric() and whole[name].n_unique() > MOST_LEVELS:
            many = whole[name].n_unique()
            raise AnnotuneError(f"The covariate {name!r} has {many:,} categories.", "Group them, or give numbers.")
    return whole


@dataclass(frozen=True)
class _Term:
    covariate: str
    name: str
    reference: str | None


def _design(rows: pl.DataFrame, names: Sequence[str]) -> tuple[Floats, list[_Term]]:
    """The columns of the regression, the constant first; numbers as they are, categories as dummies."""
    columns, terms = [np.ones(len(rows))], [_Term("", "constant", None)]
    for name in names:
        column = rows[name]
        if column.dtype.is_numeric():
            columns.append(column.cast(pl.Float64).to_numpy())
            terms.append(_Term(name, name, None))
            continue
        words = column.cast(pl.String)
        often = words.value_counts().sort("count", name, descending=[True, False])[name].to_list()
        for level in sorted(often[1:]):
            columns.append((words == level).cast(pl.Float64).to_numpy())
            terms.append(_Term(name, level, often[0]))
    return np.column_stack(columns), terms


def _fractional_logit(outcome: Floats, design: Floats, groups: Any) -> Any:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise AnnotuneError("The covariates determine each other.", "Leave one of them out.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence and separation are read from the fit and stated in the verdict
        model = GLM(outcome, design, family=Binomial())
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    if not (fit.bse > 1e-8).all():  # NaN included
        what = "A covariate is the same for both codings of every pair, such as the coder where there are only two."
        raise AnnotuneError(what, "Leave it out, or add texts or coders.")
    return fit


def _extreme(outcome: Floats) -> bool:
    """Whether all codings agree, or none: the odds then have no estimate, and the Wald test is not defined."""
    return bool((outcome == outcome[0]).all() and outcome[0] in (0, 1))


def _coefficient_table(fit: Any, design: Floats, terms: Sequence[_Term], extreme: Sequence[bool]) -> pl.DataFrame:
    limits = fit.conf_int()
    table = pl.DataFrame(
        {
            "covariate": [term.covariate for term in terms],
            "term": [term.name for term in terms],
            "reference": pl.Series([term.reference for term in terms], dtype=pl.String),
            "n_codings": [
                int((design[:, i] != 0).sum()) if term.reference else len(design) for i, term in enumerate(terms)
            ],
            "estimate": fit.params,
            "se": fit.bse,
            "ci_low": limits[:, 0],
            "ci_high": limits[:, 1],
            "p_value": fit.pvalues,
            "effect": [None, *(_effect(fit, design, terms, i) for i in range(1, len(terms)))],
        }
    )
    unknown = pl.Series(extreme)
    odds = ["estimate", "se", "ci_low", "ci_high", "p_value"]
    return table.with_columns(pl.when(unknown).then(None).otherwise(pl.col(odds)).name.keep())


def _effect(fit: Any, design: Floats, terms: Sequence[_Term], term: int) -> float:
    """The average change in agreement: per unit of a number, against the reference for a category."""
    if terms[term].reference is None:
        share = fit.predict(design)
        return float((share * (1 - share)).mean() * fit.params[term])
    mine = [i for i, other in enumerate(terms) if other.covariate == terms[term].covariate]
    reference = design @ fit.params - design[:, mine] @ fit.params[mine]
    share = 1 / (1 + np.exp(-np.stack([reference, reference + fit.params[term]])))
    return float((share[1] - share[0]).mean())


def _wald_tests(fit: Any, terms: Sequence[_Term], names: Sequence[str], extreme: Sequence[bool]) -> pl.DataFrame:
    """Joint Wald tests, by the covariance that is robust to clusters."""
    from scipy.stats import chi2

    rows: list[dict[str, Any]] = []
    for name in names:
        mine = [i for i, term in enumerate(terms) if term.covariate == name and not extreme[i]]
        if not mine:
            rows.append({"covariate": name, "chi2": None, "df": 0, "p_value": None})
            continue
        beta, cov = fit.params[mine], fit.cov_params()[np.ix_(mine, mine)]
        statistic = float(beta @ np.linalg.pinv(cov) @ beta)
        rows.append(
            {"covariate": name, "chi2": statistic, "df": len(mine), "p_value": float(chi2.sf(statistic, len(mine)))}
        )
    return pl.DataFrame(rows, {"covariate": pl.String, "chi2": pl.Float64, "df": pl.Int64, "p_value": pl.Float64})


def _verdict_in_words(table: pl.DataFrame, tests: pl.DataFrame, clusters: int, converged: bool) -> str:
    sentences = [
        _sentence_of_test(test, table.filter(pl.col("covariate") == test["covariate"])) for test in tests.to_dicts()
    ]
    if clusters < FEW_CLUSTERS:
        sentences.append(f"With {clusters} clusters the p-values are too small rather than too large.")
    if not converged:
        sentences.append("The regression has not converged: do not rely on it.")
    return " ".join(sentences)


def _sentence_of_test(test: dict[str, Any], terms: pl.DataFrame) -> str:
    lost = terms["estimate"].null_count()
    if test["p_value"] is None:
        return f"No test of {test['covariate']}: in each of its categories but the first coders agree always, or never."
    tested = _sentence_of_result(test, terms.filter(pl.col("estimate").is_not_null()))
    return f"{tested} ({lost} of its categories agree always, or never, and are not tested.)" if lost else tested


def _sentence_of_result(test: dict[str, Any], terms: pl.DataFrame) -> str:
    by = f"two-sided Wald test, {p_equals(test['p_value'])}"
    if test["p_value"] >= SIGNIFICANT:
        return f"No sign that agreement depends on {test['covariate']} ({by}), which does not prove that it does not."
    if terms["reference"].is_not_null().any():
        terms = terms.filter(pl.col("n_codings") >= FEW_CODINGS)
        if terms.is_empty():
            return f"Agreement depends on {test['covariate']} ({by}), whose categories have few codings each."
    most = terms.sort(pl.col("effect").abs(), descending=True).row(0, named=True)
    points = f"{abs(most['effect']) * 100:.1f} percentage points {'more' if most['effect'] > 0 else 'less'}"
    if most["reference"] is None:
        return f"Agreement depends on {test['covariate']}: {points} for each further unit of it ({by})."
    against = f"{most['term']!r} agrees {points} than {most['reference']!r}"
    return f"Agreement depends on {test['covariate']}: {against} ({by})."
