"""Is the coder's error related to the covariates? If so, a regression on its labels can be biased in any direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import FEW_CLUSTERS, blanks_as_null
from annotune.correction.formulas import Reference, parse
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.logit import COEFFICIENTS, EFFECTS, FEWEST_EACH, TESTS, Design, fit_logit
from annotune.data.formula_sides import right_side
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest
from annotune.numbers import p_equals
from annotune.readable import Part, Readable, brief_table

SIGNIFICANT = 0.05
EVIDENCE, NONE, TOO_FEW = "evidence", "none detected", "too few"


@dataclass(frozen=True, repr=False)
class ErrorModel(Readable):
    """Whether a coder errs more often for some values of the covariates than for others.

    Attributes
    ----------
    coefficients
        Of the logit of an error: term, estimate (log odds), std_error, statistic, p_value (two-sided), conf_low,
        conf_high (95 %); null for a category without errors, or with errors only.
    effects
        Average differences in the probability of an error: covariate, level (against `reference`; for a number, one
        standard deviation more), difference, std_error, conf_low, conf_high, and `detectable`, the difference that
        would have been detected with a probability of 80 %.
    tests
        For all covariates together (null) and for each term: statistic, df, p_value, and the test: Wald's, or Rao's
        score test with clusters, and where a category has fewer than 5 errors, or others. The statistic is chi-squared,
        or with clusters F with `df_residual`, the number of clusters less 1.
    outcome
        "evidence", "none detected" or "too few".
    verdict, note
        The outcome in words, and in one line for the notes of a data file.
    n_coded, n_wrong, n_clusters
        Hand-coded texts, wrong predictions among them, and clusters (None without them).
    """

    coefficients: pl.DataFrame
    effects: pl.DataFrame
    tests: pl.DataFrame
    outcome: str
    verdict: str
    note: str
    n_coded: int
    n_wrong: int
    n_clusters: int | None = None

    def _parts(self) -> Iterator[Part]:
        """The verdict, and what covariates do to errors."""
        yield self.verdict
        if len(self.effects):
            names = ("covariate", "level", "reference", "difference", "conf_low", "conf_high")
            yield brief_table(self.effects, names)


def error_model(
    data: Any,
    covariates: str | Sequence[str],
    variable: str | None = None,
    *,
    label: str | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    wave: str | None = None,
    cluster: str | None = None,
) -> ErrorModel:
    """Regress whether a prediction is wrong on covariates, among the hand-coded texts.

    A logit with standard errors robust to heteroscedasticity (HC1) or to clusters (with fewer than 50: CR2 and
    Satterthwaite's degrees of freedom), weighted by 1 / pi where the probability of being hand coded is known. An error
    that is unrelated to the covariates still biases a regression (towards zero, or by the share of errors); one that is
    related can bias it in any direction.

    Parameters
    ----------
    data
        One row per text, as in `crossfit(...).data` or from `attach`.
    covariates
        Columns, or the right-hand side of a formula: `["party", "year"]`, `"party * year"`. In a whole formula, as for
        `correct`, the left-hand side names the variable and the label.
    variable, gold, predicted, pi, wave
        The coded variable, and the columns with hand codings, predictions, sampling probability and the wave of the
        draw, where their names are not the usual ones (see `labelled`).
    label
        Consider only errors about this label: texts that have it and were not assigned it, or the reverse.
    cluster
        A column whose values (documents, authors) depend on each other.

    Raises
    ------
    AnnotuneError
        For missing columns, covariates that do not vary or are collinear, or a single cluster.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> side = ["left"] * 60 + ["right"] * 60
    >>> wrong = [i % 10 == 0 for i in range(60)] + [i % 3 == 0 for i in range(60)]
    >>> frame = pl.DataFrame({"side": side, "y_gold": [1] * 120, "y_hat": [0 if bad else 1 for bad in wrong]})
    >>> errors = at.error_model(frame, "side")
    >>> errors.outcome, round(errors.effects["difference"][0], 3)
    ('evidence', 0.233)
    """
    explained = _explained_reference(covariates)
    if explained is not None:
        variable, label = variable or explained.column, label or explained.label
    codings = labelled(data, variable, gold=gold, predicted=predicted, pi=pi, wave=wave)
    if explained is not None and (explained.column, explained.label) != (codings.name, label):
        raise AnnotuneError(
            f"{covariates!r} is not about {codings.name!r}.", "Give the covariates alone: party + year."
        )
    if label is not None and label not in codings.labels:
        raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, codings.labels))
    formula = _right_side(covariates, codings.frame)
    design = Design.of(formula, codings.frame.filter(pl.Series(codings.coded)))
    wrong, weights = _prediction_errors(codings, label)
    wrong, weights = wrong[design.places], weights[design.places]
    groups = _cluster_numbers(design.rows, cluster)
    n_clusters = None if cluster is None else len(np.unique(groups))
    about = codings.name if label is None else f"{codings.name} == {label!r}"
    sentences = _Sentences(about, formula, len(wrong), int(wrong.sum()), n_clusters)
    slopes = design.matrix.shape[1] - 1
    if not sentences.enough_for(slopes):
        none, no_effect, no_test = (pl.DataFrame(schema=schema) for schema in (COEFFICIENTS, EFFECTS, TESTS))
        return ErrorModel(
            none, no_effect, no_test, TOO_FEW, sentences.too_few(slopes), sentences.too_few_note(), *sentences.counts
        )
    fit = fit_logit(wrong, design, weights, groups)
    coefficients, effects, tests = fit.coefficients(), fit.effects(), fit.tests()
    p = tests["p_value"][0]
    if p is None:
        return ErrorModel(
            coefficients, effects, tests, TOO_FEW, sentences.untested(), sentences.too_few_note(), *sentences.counts
        )
    outcome = EVIDENCE if p < SIGNIFICANT else NONE
    verdict = sentences.evidence(tests, effects) if outcome == EVIDENCE else sentences.none_detected(tests, effects)
    return ErrorModel(coefficients, effects, tests, outcome, verdict, sentences.note(p), *sentences.counts)


def _explained_reference(covariates: str | Sequence[str]) -> Reference | None:
    """The outcome of a whole formula; None where only a right-hand side is given."""
    if not isinstance(covariates, str) or right_side(covariates) == covariates.strip():
        return None
    explained = parse(covariates).explained
    if explained is None:
        raise AnnotuneError(f"{covariates!r} does not explain a coded variable.", "Give the covariates: party + year.")
    return explained


def _right_side(covariates: str | Sequence[str], frame: pl.DataFrame) -> str:
    """The right-hand side of a formula; a list of columns as their sum."""
    if isinstance(covariates, str):
        if covariates in frame.columns:
            return _quoted(covariates)
        return right_side(covariates)
    names = list(dict.fromkeys(covariates)) if isinstance(covariates, Sequence) else []
    if not names:
        raise AnnotuneError("No covariate was named.", "Name columns of the table, or write a formula.")
    require_columns(frame, names, "The table")
    return " + ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _prediction_errors(codings: Labelled, label: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether each hand-coded text was predicted wrongly, and its weight, both (n_coded,)."""
    predicted, gold = (codings.places(column)[codings.coded] for column in (codings.predicted, codings.gold))
    if label is not None:
        place = codings.labels.index(label)
        predicted, gold = predicted == place, gold == place
    return predicted != gold, codings.weights[codings.coded]


def _cluster_numbers(rows: pl.DataFrame, cluster: str | None) -> np.ndarray:
    """One number per text: that of its cluster, or else its own."""
    if cluster is None:
        return np.arange(len(rows))
    require_columns(rows, [cluster], "The table")
    rows = blanks_as_null(rows, [cluster])
    if rows[cluster].null_count():
        what = f"The column {cluster!r} is empty for {rows[cluster].null_count():,} hand-coded texts."
        raise AnnotuneError(what, "Every text must be in a cluster.")
    if rows[cluster].n_unique() == 1:
        raise AnnotuneError(f"All hand-coded texts are in one cluster of {cluster!r}.", "Errors need two or more.")
    return rows[cluster].rank("dense").to_numpy()


@dataclass(frozen=True)
class _Sentences:
    """The sentences that state the outcome."""

    about: str
    covariates: str
    n_coded: int
    n_wrong: int
    n_clusters: int | None

    @property
    def counts(self) -> tuple[int, int, int | None]:
        """The last three attributes of `ErrorModel`."""
        return self.n_coded, self.n_wrong, self.n_clusters

    def enough_for(self, slopes: int) -> bool:
        fewer = min(self.n_wrong, self.n_coded - self.n_wrong)
        return fewer >= FEWEST_EACH * slopes and (self.n_clusters is None or self.n_clusters > slopes + 1)

    def too_few(self, slopes: int) -> str:
        if self.n_clusters is not None and self.n_clusters <= slopes + 1:
            errors = f"standard errors of {slopes:,} coefficients" if slopes > 1 else "standard error of a coefficient"
            reason = f"{self.n_clusters} clusters cannot carry the {errors}"
        else:
            kinds = "wrong" if self.n_wrong <= self.n_coded - self.n_wrong else "right"
            reason = f"at least {FEWEST_EACH * slopes} {kinds} predictions are needed, {FEWEST_EACH} per coefficient"
        have = "has" if self.n_wrong == 1 else "have"
        return (
            f"Too few to tell: {self.n_wrong:,} of {self.n_coded:,} hand-coded texts {have} a wrong prediction of "
            f"{self.about}, and whether that is related to {self.covariates} cannot be assessed ({reason})."
        )

    def untested(self) -> str:
        return (
            f"Too few to tell: the {self.n_wrong:,} wrong predictions of {self.about} among {self.n_coded:,} "
            f"hand-coded texts are so spread over {self.covariates} that no test is defined."
        )

    def too_few_note(self) -> str:
        return (
            f"{self.about}: too few wrong predictions ({self.n_wrong:,} of {self.n_coded:,}) to relate them to "
            f"{self.covariates}."
        )

    def evidence(self, tests: pl.DataFrame, effects: pl.DataFrame) -> str:
        most = effects.sort(pl.col("difference").abs(), descending=True).row(0, named=True)
        more = "more" if most["difference"] > 0 else "less"
        span = ""
        if most["std_error"] is not None:
            sign = 1 if most["difference"] > 0 else -1
            low, high = sorted(100 * sign * most[name] for name in ("conf_low", "conf_high"))
            span = f" (95 % interval of the difference {low:.1f} to {high:.1f})"
        return (
            f"Errors about {self.about} are related to {self.covariates} ({self._test(tests)}): "
            f"{_contrast_in_words(most)} they are {100 * abs(most['difference']):.1f} percentage points {more} "
            f"frequent{span}. A regression on the predicted labels can be wrong in any direction; correct it."
            f"{self._caution()}"
        )

    def none_detected(self, tests: pl.DataFrame, effects: pl.DataFrame) -> str:
        return (
            f"No relation of errors about {self.about} with {self.covariates} was detected ({self._test(tests)}), "
            f"which does not prove that there is none: {_detectable_difference(effects)}. Errors that are unrelated "
            f"bias a regression on the predicted labels as well, mostly towards zero.{self._caution()}"
        )

    def note(self, p: float) -> str:
        tested = f"{p_equals(p)}, {self.n_coded:,} hand-coded texts, {self.n_wrong:,} wrong"
        if p < SIGNIFICANT:
            return f"{self.about}: prediction errors are related to {self.covariates} ({tested})."
        return f"{self.about}: no relation of prediction errors with {self.covariates} detected ({tested})."

    def _test(self, tests: pl.DataFrame) -> str:
        name = "Wald" if tests["test"][0] == "wald" else "score"
        return f"joint {name} test, {p_equals(tests['p_value'][0])}, {self.n_wrong:,} of {self.n_coded:,} texts wrong"

    def _caution(self) -> str:
        if self.n_clusters is None or self.n_clusters >= FEW_CLUSTERS:
            return ""
        return f" With {self.n_clusters} clusters only strong relations are detected."


def _contrast_in_words(effect: dict[str, Any]) -> str:
    if effect["reference"] is None:
        return f"with {effect['covariate']} higher by {effect['level']}"
    return f"with {effect['covariate']} = {effect['level']}, against {effect['reference']},"


def _detectable_difference(effects: pl.DataFrame) -> str:
    """The difference that could have been detected, where it is largest."""
    detectable = effects.filter(pl.col("detectable").is_not_null()).sort("detectable", descending=True)
    if detectable.is_empty():
        return "no difference that could have been detected can be computed"
    least = detectable.row(0, named=True)
    return (
        f"differences of {100 * least['detectable']:.1f} percentage points {_contrast_in_words(least).rstrip(',')} "
        "would have been detected with a probability of 80 %, smaller ones more rarely"
    )
