"""From a formula and a frame to the rows of the regression; data that cannot be corrected are refused here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.expected_coder import require_coders
from annotune.correction.families import MODELS
from annotune.correction.formulas import Formula, Reference
from annotune.correction.matrices import column, occurring_labels, with_dates
from annotune.data.waves import Counts
from annotune.errors import AnnotuneError, listing, nearest

PREDICTIONS = ("prob", "label", "recalibrated")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of `correct` beside the formula and the data."""

    model: str
    method: str
    cluster: str | Sequence[str] | None
    weights: str | None
    prediction: str
    pi: str | float | None
    gold: str | Mapping[str, str] | None
    predicted: Mapping[str, tuple[str, str | Sequence[str]]]
    coded: str | None
    fold: str | None
    wave: str | None
    reference: Mapping[str, str | float]
    level: float
    small_sample: bool | None
    power: float | None
    codings: Any = None
    coders: str = "these"

    def named_columns(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """The columns with a variable's hand codings and its predictions, one or several, as the user named them."""
        if name not in self.predicted:
            return None
        by_hand, predictions = self.predicted[name]
        several = [predictions] if isinstance(predictions, str) else list(predictions)
        if not several:
            what = f"predicted= names no predictions of {name!r}."
            raise AnnotuneError(what, f"Such as {{{name!r}: ('{name}_gold', '{name}')}}; of several ['gpt', 'tuned'].")
        return by_hand, tuple(dict.fromkeys(several))

    @property
    def clusters(self) -> tuple[str, ...]:
        """The columns of clusters: none, one, or two."""
        return (self.cluster,) if isinstance(self.cluster, str) else tuple(dict.fromkeys(self.cluster or ()))


@dataclass(frozen=True)
class Job:
    """The rows of the regression: predicted columns are named as in the formula; `gold` has those of hand codings.

    `proxies` are the columns with predictions of the outcome where there are several.
    """

    formula: Formula
    frame: pl.DataFrame
    gold: dict[str, str]
    coded: np.ndarray
    counts: Counts
    options: Options
    notes: list[str]
    proxies: tuple[str, ...] = ()


def require_sound(options: Options) -> None:
    """Refuse unknown choices, and numbers outside their range."""
    allowed = {"model": tuple(MODELS), "method": ("dsl", "ppi", "auto", "none"), "prediction": PREDICTIONS}
    for name, choices in allowed.items():
        value = getattr(options, name)
        if value not in choices:
            raise AnnotuneError(f"There is no {name} {value!r}.", nearest(str(value), choices))
    if not 0 < options.level < 1:
        raise AnnotuneError(f"The level {options.level} is not between 0 and 1.", "Such as 0.95.")
    if len(options.clusters) > 2:
        advice = "Name one or two columns; of others, the one with the fewest values matters most."
        raise AnnotuneError(f"There are {len(options.clusters)} kinds of clusters.", advice)
    if options.power is not None and not (options.method == "ppi" and 0 <= options.power <= 1):
        raise AnnotuneError("power is the lambda of PPI, from 0 to 1.", "Give it with method='ppi', or leave it out.")
    require_coders(options.coders, options.codings, None)
    if options.coders == "any" and options.method == "auto":
        what = "method='auto' weighs estimates by their variance by text, which any coders' is not."
        raise AnnotuneError(what, "Take method='dsl' or 'ppi', or coders='these'.")
    if options.coders == "any" and len(options.clusters) > 1:
        what = f"Texts in clusters of {listing(options.clusters)}, and coders, are three kinds of clusters."
        raise AnnotuneError(what, "Name one column of clusters, or take coders='these'.")


def prepared(formula: Formula, frame: pl.DataFrame, options: Options) -> Job:
    """Find the columns, leave out incomplete rows, and refuse data that cannot be corrected."""
    if frame.is_empty():
        raise AnnotuneError("The data have no rows.", "Pass one row per text.")
    _require_groups(formula, options.model)
    frame, gold = _with_predicted_columns(formula, frame, options)
    proxies = _proxies(formula, options)
    options = replace(options, prediction="recalibrated") if proxies else options
    options = _with_own_columns(options, gold, frame.columns)
    named = (*options.clusters, options.weights, options.coded, options.fold)
    others = [name for name in named if name is not None]
    coding_columns.require_named(frame, [*formula.columns, *others], formula.text)
    beside = [name for name in (*options.clusters, options.weights) if name is not None]
    frame = _without_zero_weights(coding_columns.blanks_as_null(frame, list(gold.values())), options.weights)
    terms = formula.within(formula.terms).values()
    frame = with_dates(frame, [entry.column for entry in terms if entry.may_be_a_number])
    likely = list(probabilities(formula, frame, gold, options).values())
    coding_columns.require_probabilities(frame, likely)
    coding_columns.warn_of_repeated_units(frame)
    frame = coding_columns.complete(frame, [*formula.columns, *likely, *beside])
    coded = coding_columns.coded_rows(frame, list(gold.values()), options.coded)
    notes: list[str] = []
    job = Job(formula, frame, gold, coded, Counts(np.ones(int(coded.sum()))), options, notes, proxies)
    require_coded(job)
    if options.method != "none":
        note = coding_columns.require_out_of_fold(frame, coded, options.fold)
        notes += [note] if note else []
    if options.method != "none" or options.pi is not None or "pi" in frame.columns:
        job = replace(job, counts=coding_columns.counts_of(frame, coded, options.pi, options.wave))
        notes += job.counts.note
    return job


def _with_own_columns(options: Options, gold: Mapping[str, str], columns: Sequence[str]) -> Options:
    """The options with the columns that a study wrote for what was coded, where others are not named."""
    by_hand = next(iter(gold.values()))
    own = {role: coding_columns.own_column(role, by_hand, columns) for role in ("pi", "coded", "fold")}
    unnamed: dict[str, Any] = {role: name for role, name in own.items() if name and getattr(options, role) is None}
    return replace(options, **unnamed)


def _without_zero_weights(frame: pl.DataFrame, weights: str | None) -> pl.DataFrame:
    """The rows with a weight above 0: others are in no regression, nor among the hand-coded texts."""
    if weights is None or not frame[weights].dtype.is_numeric() or not (frame[weights] != 0).any():
        return frame
    return frame.filter(pl.col(weights).ne_missing(0))


def _require_groups(formula: Formula, model: str) -> None:
    if model == "fixed_effects" and not formula.groups:
        what = f"{formula.text!r} names no groups."
        raise AnnotuneError(what, "Put them after a bar: ~ party | district.")
    if formula.groups and model not in ("linear", "fixed_effects"):
        advice = f"Put them among the covariates: + factor({formula.groups[0]})."
        raise AnnotuneError(f"Fixed effects cannot be absorbed in a {model} model.", advice)


def _with_predicted_columns(
    formula: Formula, frame: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The frame with predictions under the names of the formula, and the columns with their hand codings."""
    gold: dict[str, str] = {}
    sides = [entry.column for entry in formula.within(formula.outcome).values()]
    for name in dict.fromkeys(entry.column for entry in formula.references.values()):
        outcome = name if name in sides else None
        by_hand = coding_columns.gold_of(options.gold, name, outcome, frame.columns)
        columns_of: tuple[str, ...] = (coding_columns.prediction_column(name, frame.columns),)
        if named := options.named_columns(name):
            by_hand, columns_of = named
        if by_hand is None:
            continue
        coding_columns.require_named(frame, [by_hand, *columns_of], formula.text)
        if by_hand == name:  # a share of coders, in whose place the formula has what was predicted of it
            by_hand = f"{name}_gold"
            frame = frame.with_columns(pl.col(name).alias(by_hand))
        gold[name] = by_hand
        # what the first did not answer is taken from the next: naive estimates want a label
        frame = frame.with_columns(_first_answer(frame, columns_of).alias(name))
    coding_columns.require_named(frame, formula.columns, formula.text)
    if not gold:
        what = f"{formula.text!r}: no column has hand codings beside it."
        advice = f"Such as {sides[0] if sides else 'topic'}_gold; or name it with gold=."
        raise AnnotuneError(what, advice)
    require_not_reversed(formula, gold, frame.schema)
    require_apart(formula, gold, (*options.clusters, options.weights, *formula.groups))
    truths = [name for name in (*formula.columns, *gold.values()) if frame.schema[name] == pl.Boolean]
    return frame.with_columns(pl.col(truths).cast(pl.Int8)), gold


def _first_answer(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The answers of the first of these coders who gave one, in the type of the first column."""
    first = frame[columns[0]]
    if len(columns) == 1:
        return first
    words = bool(coding_columns.categories(first.dtype))
    cells = [coding_columns.as_words(frame[name]) if words else frame[name].cast(pl.Float64) for name in columns]
    numbered = pl.DataFrame([part.alias(str(place)) for place, part in enumerate(cells)])
    answers = numbered.select(pl.coalesce(pl.all())).to_series()
    ordered = isinstance(first.dtype, pl.Enum) and answers.drop_nulls().is_in(first.dtype.categories.implode()).all()
    return answers.cast(first.dtype) if ordered else answers


def _proxies(formula: Formula, options: Options) -> tuple[str, ...]:
    """The columns with predictions of the outcome, where there are several; a covariate has one."""
    explained = formula.explained
    several = {name for name in options.predicted if len((options.named_columns(name) or ("", ()))[1]) > 1}
    if not several:
        return ()
    others = sorted(several - {explained.column if explained is not None else ""})
    if others or explained is None:
        name = (others or sorted(several))[0]
        what = f"{formula.text!r}: {name!r} has several predictions, and is not what is explained."
        raise AnnotuneError(what, "Of a covariate name one column with predictions.")
    if options.prediction == "label":
        raise AnnotuneError("prediction='label' takes one label per text, and there are several.", "Leave it out.")
    if options.method == "none":
        raise AnnotuneError("Several predictions are combined by the correction.", "Leave out method='none'.")
    return (options.named_columns(explained.column) or ("", ()))[1]


def require_not_reversed(formula: Formula, gold: Collection[str], schema: Mapping[str, pl.DataType]) -> None:
    """Refuse a formula that explains a covariate by what was coded, where it can only be meant the other way round."""
    outcome = formula.explained
    coded = [entry for entry in formula.within(formula.terms).values() if entry.column in gold]
    if outcome is None or outcome.label is not None or outcome.column in gold or not coded:
        return
    if coding_columns.categories(schema[outcome.column]):
        what = f"{formula.text!r} is the wrong way round: {outcome.column!r} holds categories."
        raise AnnotuneError(what, f"What was coded comes first: {coded[0]} ~ {outcome.column}.")


def require_apart(formula: Formula, gold: Mapping[str, str], others: Sequence[str | None]) -> None:
    """Refuse an outcome among the covariates, and predicted columns as clusters, weights or groups."""
    sides = [entry.column for entry in formula.within(formula.outcome).values()]
    shared = [name for name in others if name in gold]
    if shared:
        raise AnnotuneError(f"{shared[0]!r} was predicted.", "Clusters, weights and groups must be known.")
    covariates = [entry.column for entry in formula.within(formula.terms).values()]
    same = [name for name in covariates if name in sides or name in gold.values()]
    if same:
        raise AnnotuneError(f"{formula.text!r}: {same[0]!r} would explain itself.", "Take it out of the covariates.")


def require_coded(job: Job) -> None:
    """Refuse too few coded texts in all; a note on a category of the outcome, or of a predicted covariate, with few."""
    by_hand = job.frame.filter(pl.Series(job.coded))
    coding_columns.require_enough(by_hand[next(iter(job.gold.values()))], "this regression")
    sentences: list[str] = []
    for alias, reference in job.formula.references.items():
        if reference.column not in job.gold:
            continue
        cells = job.frame[reference.column]
        mine = by_hand[job.gold[reference.column]]
        if reference.label is not None:
            _require_label(job, reference)
            counted = column(replace(reference, column=mine.name), by_hand)
            words = pl.Series(counted).cast(pl.Int8).cast(pl.String)
            named = {"1": str(replace(reference, negated=False)), "0": str(replace(reference, negated=True))}
            sentences += coding_columns.note_of_few(words.replace_strict(named), list(named.values()), "")
            continue
        whole = job.options.model == "multinomial" and alias == job.formula.outcome
        binary = cells.dtype.is_numeric() and mine.cast(pl.Float64).is_in([0.0, 1.0]).all()
        if whole or binary or reference.category or coding_columns.categories(cells.dtype):
            labels = ["0", "1"] if binary and not whole else occurring_labels([cells, mine])
            sentences += coding_columns.note_of_few(coding_columns.as_words(mine), labels, reference.column)
    job.notes[:] = [*(note for note in sentences if note not in job.notes), *job.notes]


def _require_label(job: Job, reference: Reference) -> None:
    cells, by_hand = job.frame[reference.column], job.frame[job.gold[reference.column]]
    if cells.dtype.is_numeric():
        return
    labels = occurring_labels([cells.cast(pl.String), by_hand.cast(pl.String)])
    if reference.label not in labels:
        what = f"{job.formula.text!r}: no text has the {reference.column} {reference.label!r}."
        raise AnnotuneError(what, nearest(str(reference.label), labels))


def probabilities(formula: Formula, frame: pl.DataFrame, gold: Mapping[str, str], options: Options) -> dict[str, str]:
    """For each label of a predicted outcome the column with its probability; empty where there are none."""
    explained = formula.explained
    if options.prediction == "label" or explained is None or explained.column not in gold:
        return {}
    name = explained.column
    if explained.label is not None:
        return coding_columns.probability_columns(name, [explained.label], frame.columns) or {}
    if options.model == "multinomial":
        labels = occurring_labels([frame[name], frame[gold[name]]])
        return coding_columns.probability_columns(name, labels, frame.columns) or {}
    alone = coding_columns.yes_probability_column(name, frame.columns, [frame[name], frame[gold[name]]])
    return {"": alone} if alone else {}
