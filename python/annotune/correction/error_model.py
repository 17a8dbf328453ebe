"""Is the coder's error related to the covariates? Then a regression on its labels can be wrong in any direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import blanks_as_null
from annotune.correction.formulas import Reference, parse
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.logit import COEFFICIENTS, EFFECTS, TESTS, Design, fit_logit
from annotune.data.formula_sides import right_side
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest
from annotune.numbers import p_equals

SIGNIFICANT = 0.05
EVIDENCE, NONE, TOO_FEW = "evidence", "none detected", "too few"
FEWEST_EACH = 5  # right and wrong predictions a coefficient (Vittinghoff and McCulloch 2007)
FEW_CLUSTERS = 30


@dataclass(frozen=True)
class ErrorModel:
    """Whether a coder errs more often here than there.

    Attributes
    ----------
    coefficients
        Of the logit of an error: term, estimate (log odds), std_error, statistic, p_value (two-sided), conf_low,
        conf_high (95 %); null for a category without errors, or with nothing else.
    effects
        Average differences in the probability of an error: covariate, level (against `reference`; of a number, one
        standard deviation more), difference, std_error, conf_low, conf_high, and `detectable`, the difference that
        would have been found with a probability of 80 %.
    tests
        For all covariates together (null) and for each term: statistic (chi-squared), df, p_value, and the test:
        Wald's; Rao's score test where a category has no errors, or nothing else.
    outcome
        "evidence", "none detected" or "too few".
    verdict, note
        The outcome in plain words, and in a line for the notes of a data file.
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


def error_model(
    data: Any,
    covariates: str | Sequence[str],
    variable: str | None = None,
    *,
    label: str | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    cluster: str | None = None,
) -> ErrorModel:
    """Regress whether a prediction is wrong on covariates, among the hand-coded texts.

    A logit with standard errors robust to heteroscedasticity (HC1) or to clusters, weighted by 1 / pi where the
    probability of being hand coded is known. An error that is unrelated to the covariates still biases a regression
    (towards zero, or by the share of errors); one that is related can bias it in any direction.

    Parameters
    ----------
    data
        A row a text, as `crossfit(...).data` or `attach` give it.
    covariates
        Columns, or the right-hand side of a formula: `["party", "year"]`, `"party * year"`. Of a whole formula, such as
        `correct` takes, the left-hand side says which variable and label is meant.
    variable, gold, predicted, pi
        What was coded, and the columns with gold, prediction and sampling probability, where they are not the usual
        ones (see `labelled`).
    label
        Look at errors about this label alone: texts that have it and were not given it, or the reverse.
    cluster
        A column whose values (documents, authors) depend on each other.

    Raises
    ------
    AnnotuneError
        For columns that are not there, covariates that do not vary or determine each other, or a single cluster.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> side = ["left"] * 60 + ["right"] * 60
    >>> wrong = [i % 10 == 0 for i in range(60)] + [i % 3 == 0 for i in range(60)]
    >>> frame = pl.DataFrame({"side": side, "y_gold": [1] * 120, "y_hat": [0 if bad else 1 for bad in wrong]})
    >>> found = at.error_model(frame, "side")
    >>> found.outcome, round(found.effects["difference"][0], 3)
    ('evidence', 0.233)
    """
    explained = _explained(covariates)
    if explained is not None:
        variable, label = variable or explained.column, label or explained.label
    found = labelled(data, variable, gold=gold, predicted=predicted, pi=pi)
    if explained is not None and (explained.column, explained.label) != (found.name, label):
        raise AnnotuneError(f"{covariates!r} is not about {found.name!r}.", "Give the covariates alone: party + year.")
    if label is not None and label not in found.labels:
        raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, found.labels))
    formula = _right_side(covariates, found.frame)
    design = Design.of(formula, found.frame.filter(pl.Series(found.coded)))
    wrong, weights = _errors(found, label)
    wrong, weights = wrong[design.places], weights[design.places]
    groups = _groups(design.rows, cluster)
    n_clusters = None if cluster is None else len(np.unique(groups))
    about = found.name if label is None else f"{found.name} == {label!r}"
    told = _Told(about, formula, len(wrong), int(wrong.sum()), n_clusters)
    slopes = design.matrix.shape[1] - 1
    if not told.enough_for(slopes):
        none, no_effect, no_test = (pl.DataFrame(schema=schema) for schema in (COEFFICIENTS, EFFECTS, TESTS))
        return ErrorModel(none, no_effect, no_test, TOO_FEW, told.too_few(slopes), told.too_few_note(), *told.counts)
    fit = fit_logit(wrong, design, weights, groups)
    coefficients, effects, tests = fit.coefficients(), fit.effects(), fit.tests()
    p = tests["p_value"][0]
    if p is None:
        return ErrorModel(coefficients, effects, tests, TOO_FEW, told.untested(), told.too_few_note(), *told.counts)
    outcome = EVIDENCE if p < SIGNIFICANT else NONE
    verdict = told.evidence(tests, effects) if outcome == EVIDENCE else told.none(tests, effects)
    return ErrorModel(coefficients, effects, tests, outcome, verdict, told.note(p, effects), *told.counts)


def _explained(covariates: str | Sequence[str]) -> Reference | None:
    """What a whole formula explains; None of a right-hand side alone."""
    if not isinstance(covariates, str) or right_side(covariates) == covariates.strip():
        return None
    explained = parse(covariates).explained
    if explained is None:
        raise AnnotuneError(f"{covariates!r} does not explain a coded variable.", "Give the covariates: party + year.")
    return explained


def _right_side(covariates: str | Sequence[str], frame: pl.DataFrame) -> str:
    """The right-hand side of a formula; a list of columns, whatever their names, as their sum."""
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


def _errors(found: Labelled, label: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether each hand-coded text was predicted wrongly, and its weight, both (n_coded,)."""
    predicted, gold = (found.places(column)[found.coded] for column in (found.predicted, found.gold))
    if label is not None:
        place = found.labels.index(label)
        predicted, gold = predicted == place, gold == place
    return predicted != gold, found.weights[found.coded]


def _groups(rows: pl.DataFrame, cluster: str | None) -> np.ndarray:
    """A number a text: of its cluster, or else its own."""
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
class _Told:
    """The outcome in words."""

    about: str
    covariates: str
    n_coded: int
    n_wrong: int
    n_clusters: int | None

    @property
    def counts(self) -> tuple[int, int, int | None]:
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
            reason = f"{FEWEST_EACH * slopes} {kinds} predictions are needed at least, {FEWEST_EACH} a coefficient"
        return (
            f"Too few to tell: {self.n_wrong:,} of {self.n_coded:,} hand-coded texts have a wrong prediction of "
            f"{self.about}, and whether that is related to {self.covariates} cannot be seen ({reason})."
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
            f"Errors about {self.about} are related to {self.covariates} ({self._test(tests)}): {_contrast(most)} they "
            f"are {100 * abs(most['difference']):.1f} percentage points {more} frequent{span}. A regression on the "
            f"predicted labels can be wrong in any direction; correct it.{self._caution()}"
        )

    def none(self, tests: pl.DataFrame, effects: pl.DataFrame) -> str:
        return (
            f"No relation of errors about {self.about} with {self.covariates} was detected ({self._test(tests)}), "
            f"which does not prove that there is none: {_power(effects)}. Errors that are unrelated bias a regression "
            f"on the predicted labels as well, mostly towards zero.{self._caution()}"
        )

    def note(self, p: float, effects: pl.DataFrame) -> str:
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
        return f" With {self.n_clusters} clusters the p-value is too small rather than too large."


def _contrast(effect: dict[str, Any]) -> str:
    if effect["reference"] is None:
        return f"with {effect['covariate']} higher by {effect['level']}"
    return f"with {effect['covariate']} = {effect['level']}, against {effect['reference']},"


def _power(effects: pl.DataFrame) -> str:
    """The difference that could have been found, where it is largest."""
    known = effects.filter(pl.col("detectable").is_not_null()).sort("detectable", descending=True)
    if known.is_empty():
        return "no difference that could have been detected can be computed"
    least = known.row(0, named=True)
    return (
        f"differences of {100 * least['detectable']:.1f} percentage points {_contrast(least).rstrip(',')} would have "
        "been found with a probability of 80 %, smaller ones more rarely"
    )
