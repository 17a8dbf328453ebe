"""What each coder said of the outcome of a regression: of the expected coder, not of the majority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from annotune.correction.crossed import Answers
from annotune.correction.expected_coder import answers_to, other_labels, require_enough_coders
from annotune.correction.families import Floats
from annotune.correction.formulas import Reference
from annotune.correction.prepare import Job
from annotune.data.codings import ANSWERED, Codings, check
from annotune.data.columns_of_sets import label_columns
from annotune.data.encoded import variable_of
from annotune.errors import AnnotuneError

ANY = "any"


@dataclass(frozen=True)
class Crowd:
    """The answers to n coded texts in q equations.

    Attributes
    ----------
    answers
        Their texts are places among the coded ones.
    shares
        The mean over each text's coders, shape (n, q).
    n_coders
        How many coders they are from.
    """

    answers: Answers
    shares: Floats
    n_coders: int

    def notes(self, job: Job, degrees: Floats) -> list[str]:
        """Whose outcome is explained, and how certain that is, by the degrees of freedom of the last method, (k,)."""
        explained = job.formula.explained
        numbers = explained is not None and explained.label is None and not np.isin(self.answers.truth, (0, 1)).all()
        what = "what coders say on average" if numbers else "the share of coders who would say so"
        if job.options.coders != ANY:
            return [f"What is explained is {what}, of these {self.n_coders}."]
        low, high = degrees.min(), degrees.max()
        span = f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"
        return [
            f"What is explained is {what}, of all coders like these {self.n_coders}: standard errors are by text and "
            f"coder, intervals by t with {span} degrees of freedom (Satterthwaite)."
        ]


def crowd_of(job: Job, equations: Sequence[str | None]) -> Crowd:
    """What coders said of each hand-coded text, in the equations of the regression.

    Raises
    ------
    AnnotuneError
        Where the outcome was not coded, or a covariate was; a text has no answer; an answer is none that the regression
        knows; or coders are too few to speak of any.
    """
    outcome = _outcome(job)
    if "unit_id" not in job.frame.columns:
        raise AnnotuneError("The data have no column 'unit_id' to find the texts' codings by.", "Add it.")
    units = job.frame["unit_id"].filter(pl.Series(job.coded))
    places = pl.Series("_text", np.arange(len(units)))
    name, label, labels = _asked(outcome, check(job.options.codings))
    rows = answers_to(units, places, job.options.codings, name, labels)
    n_coders = rows["_coder"].n_unique()
    if job.options.coders == ANY:
        require_enough_coders(n_coders)
    if equations != [None]:
        truth = _by_label(job, rows["label"], equations)
    else:
        truth = _as_numbers(outcome, label, rows, job.frame[job.gold[outcome.column]].dtype.is_numeric())
    text = rows["_text"].to_numpy()
    each = np.bincount(text, minlength=len(units))
    shares = np.stack([np.bincount(text, column, len(units)) / each for column in truth.T], axis=1)
    return Crowd(Answers(text, rows["_coder"].to_numpy(), truth), shares, n_coders)


def _outcome(job: Job) -> Reference:
    """The outcome, which is what was coded, and alone."""
    outcome, text = job.formula.explained, job.formula.text
    if outcome is None or outcome.column not in job.gold:
        what = f"{text!r}: what it explains is not a coded column or one of its labels."
        raise AnnotuneError(what, "Leave out codings= and coders=, or explain what was coded.")
    covariates = [entry.column for entry in job.formula.within(job.formula.terms).values()]
    if predicted := [name for name in covariates if name in job.gold]:
        what = f"{text!r}: {predicted[0]!r} was coded as well, and a coder is known for what is explained alone."
        raise AnnotuneError(what, "Leave out codings=, or this covariate.")
    return outcome


def _asked(outcome: Reference, codings: Codings) -> tuple[str, str | None, tuple[str, ...]]:
    """The variable that codings are looked for by, the label that counts as a yes, and the labels that are known.

    A share, `topic_share_Health`, is that of the label Health of the variable topic. Of a label of a set it is whether
    each coder gave it, 0 or 1.
    """
    if outcome.label is not None:
        return outcome.column, outcome.label, ()
    whole = codings.filter(pl.col("status").is_in(ANSWERED))
    for variable in whole["variable"].unique().sort():
        rows = whole.filter(pl.col("variable") == variable)
        entry = variable_of(variable, rows["label"].drop_nulls().unique().sort().to_list())
        shares = label_columns(entry, f"{variable}_share")
        label = next((name for name, column in shares.items() if column == outcome.column), None)
        if label is not None:
            is_set = (rows["status"] == "none").any() or rows.select("unit_id", "coder").is_duplicated().any()
            return (label_columns(entry, variable)[label], None, ("0", "1")) if is_set else (variable, label, ())
    return outcome.column, None, ("0", "1")


def _as_numbers(outcome: Reference, label: str | None, rows: pl.DataFrame, has_numbers: bool) -> Floats:
    """Whether each answer is the label, or its number, shape (m, 1); the table's own may be numbers or words."""
    if label is not None:
        return ((rows["label"] == label) != outcome.negated).cast(pl.Float64).to_numpy()[:, None]
    numbers = rows["label"].cast(pl.Float64, strict=False)
    if numbers.null_count():
        strange = rows["label"].filter(numbers.is_null())[0]
        if has_numbers:
            raise other_labels(outcome.column, [strange], "the table has numbers")
        what = f"codings= hold {strange!r} for {outcome.column!r}, which is no number."
        raise AnnotuneError(what, f"Name one of its labels: {outcome.column} == {strange!r}.")
    return numbers.to_numpy()[:, None]


def _by_label(job: Job, labels: pl.Series, equations: Sequence[str | None]) -> Floats:
    """Whether each answer is the label of each equation, shape (m, q)."""
    outcome = job.formula.outcome
    column = job.formula.references[outcome].column
    known = {*map(str, equations), *job.frame[column].cast(pl.String), *job.frame[job.gold[column]].cast(pl.String)}
    if beyond := sorted(set(labels) - known):
        what = f"{job.formula.text!r}: coders gave {beyond[0]!r}, which no text has by most of them, nor by prediction."
        raise AnnotuneError(what, "Explain one label: topic == 'Health' ~ party.")
    return np.column_stack([(labels == name).cast(pl.Float64).to_numpy() for name in equations])
