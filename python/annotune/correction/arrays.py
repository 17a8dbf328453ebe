"""The rows of a regression as arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.estimate import Sample
from annotune.correction.families import Floats, Model
from annotune.correction.formulas import Formula, Reference
from annotune.correction.matrices import Matrices, column, design, expression, in_order, occurring_labels, with_gold
from annotune.correction.notes import Note
from annotune.correction.prepare import Job, probabilities
from annotune.errors import AnnotuneError

RECALIBRATE = "With prediction='recalibrated', probabilities are learned from the coded texts."


def sample_of(job: Job) -> tuple[Matrices, Sample, list[str | None]]:
    """The design matrices, the sample, and the names of the equations."""
    frame, options, at = job.frame, job.options, np.flatnonzero(job.coded)
    matrices = design(job.formula, frame, at, job.gold)
    if options.model == "multinomial":
        matrices = _with_base_of_outcome(job, matrices)
    if job.formula.groups:
        matrices = _without_constant(job.formula, matrices)
    labels, predicted, by_hand, equations = _outcomes(job)
    sample = Sample(
        design=matrices.design,
        design_gold=matrices.design_gold,
        labels=labels,
        predicted=predicted,
        gold=by_hand,
        at=at,
        ratio=job.counts.ratio,
        weight=_survey_weights(frame, options.weights),
        clusters=group_numbers(frame, options.clusters[0]) if options.clusters else None,
        across=group_numbers(frame, options.clusters[1]) if len(options.clusters) == 2 else None,
        groups=tuple(group_numbers(frame, name) for name in job.formula.groups),
    )
    return matrices, sample, equations


def _without_constant(formula: Formula, matrices: Matrices) -> Matrices:
    slopes = [j for j, name in enumerate(matrices.names) if name != "Intercept"]
    if not slopes:
        raise AnnotuneError(f"{formula.text!r} has no covariate beside its groups.", "Name one before the bar.")
    names = tuple(matrices.names[j] for j in slopes)
    return replace(
        matrices, names=names, design=matrices.design[:, slopes], design_gold=matrices.design_gold[:, slopes]
    )


def _with_base_of_outcome(job: Job, matrices: Matrices) -> Matrices:
    """The matrices, and among the reference categories that of the outcome."""
    outcome, labels = _labels_of_outcome(job)
    return replace(matrices, bases={outcome.column: labels[0], **matrices.bases})


def _labels_of_outcome(job: Job) -> tuple[Reference, list[str]]:
    """The outcome of a multinomial model, and its labels, the reference category first."""
    outcome = job.formula.explained
    if outcome is None or outcome.label is not None:
        raise AnnotuneError("A multinomial outcome is a coded variable itself.", "Write it as: topic ~ party.")
    by_hand = [job.frame[job.gold[outcome.column]]] if outcome.column in job.gold else []
    return outcome, in_order(occurring_labels([job.frame[outcome.column], *by_hand]), outcome)


def _outcomes(job: Job) -> tuple[Floats, Floats, Floats, list[str | None]]:
    """Outcomes by predicted label, as used by the correction, and by hand, and the names of the equations."""
    formula, frame = job.formula, job.frame
    by_hand = with_gold(frame.filter(pl.Series(job.coded)), job.gold)
    probability_columns = probabilities(formula, frame, job.gold, job.options)
    explained = formula.explained
    if job.options.model == "multinomial":
        return _outcomes_by_label(job, by_hand, probability_columns)
    if explained is None:
        _require_of_each_row(formula)
        labels = expression(formula, formula.outcome, frame)
        return labels[:, None], labels[:, None], expression(formula, formula.outcome, by_hand)[:, None], [None]
    labels = column(explained, frame)[:, None]
    predicted = labels
    if probability_columns:
        predicted = frame[next(iter(probability_columns.values()))].cast(pl.Float64).to_numpy()[:, None]
        predicted = 1 - predicted if explained.negated else predicted
    elif explained.label is not None and explained.column in job.gold and job.options.prediction == "prob":
        what = f"Predicted labels are used as they are: there are no probabilities of {explained.label!r}."
        job.notes.append(Note(what, RECALIBRATE))
    return labels, predicted, column(explained, by_hand)[:, None], [None]


def _require_of_each_row(formula: Formula) -> None:
    """Refuse an outcome that depends on all rows: these differ between predictions and hand codings."""
    match = re.search(r"\b(scale|center|poly|bs|cr|cc)\s*\(", formula.outcome)
    if match:
        what = f"{formula.text!r}: {match[1]}() depends on all rows, which differ between predictions and hand codings."
        raise AnnotuneError(what, "Use the outcome as it is, or a function of single rows such as log().")


def _outcomes_by_label(
    job: Job, by_hand: pl.DataFrame, probability_columns: Mapping[str, str]
) -> tuple[Floats, Floats, Floats, list[str | None]]:
    """One column for each label after the first."""
    reference, names = _labels_of_outcome(job)
    if len(names) < 2:
        raise AnnotuneError(f"All texts have the {reference.column} {names[0]!r}.", "There is nothing to explain.")
    labels, gold = (_dummies(frame[reference.column], names) for frame in (job.frame, by_hand))
    predicted = labels
    if probability_columns:
        predicted = job.frame.select(
            pl.col(probability_columns[name]).cast(pl.Float64) for name in names[1:]
        ).to_numpy()
    elif job.options.prediction == "prob" and reference.column in job.gold:
        what = f"Predicted labels are used as they are: there are no probabilities of {reference.column}."
        job.notes.append(Note(what, RECALIBRATE))
    return labels, predicted, gold, list(names[1:])


def _dummies(cells: pl.Series, names: list[str]) -> Floats:
    words = coding_columns.as_words(cells)
    return np.column_stack([(words == name).cast(pl.Float64).to_numpy() for name in names[1:]])


def _survey_weights(frame: pl.DataFrame, name: str | None) -> Floats:
    if name is None:
        return np.ones(len(frame))
    if not frame[name].dtype.is_numeric():
        raise AnnotuneError(f"The weights {name!r} are not numbers.", "Give survey weights, 0 or above.")
    values = frame[name].cast(pl.Float64).to_numpy()
    if (values < 0).any() or not (values > 0).any():
        raise AnnotuneError(
            f"The weights {name!r} are {'negative' if (values < 0).any() else 'all 0'}.", "Correct them."
        )
    return np.asarray(values / values.mean())


def group_numbers(frame: pl.DataFrame, name: str) -> np.ndarray:
    """The values of a column numbered from 0, shape (N,)."""
    if frame[name].dtype.is_nested():
        raise AnnotuneError(f"The column {name!r} holds lists.", "Give one value per text.")
    numbers = frame[name].rank("dense").to_numpy() if not coding_columns.categories(frame[name].dtype) else None
    if numbers is None:
        numbers = frame[name].cast(pl.String).rank("dense").to_numpy()
    numbers = numbers.astype(np.int64) - 1
    if numbers.max() == 0:
        raise AnnotuneError(f"All texts have the same {name!r}.", "Clusters and groups need two or more.")
    return np.asarray(numbers)


def finite(sample: Sample) -> np.ndarray:
    """Whether each unit has numbers in its covariates and outcomes, shape (N,)."""
    finite = np.isfinite(sample.design).all(axis=1)
    for part in (sample.labels, sample.predicted):
        finite &= np.isfinite(part).all(axis=1)
    finite[sample.at] &= np.isfinite(sample.design_gold).all(axis=1) & np.isfinite(sample.gold).all(axis=1)
    return np.asarray(finite)


def require_outcome(job: Job, model: Model, sample: Sample) -> None:
    """Refuse outcomes outside the range of the model, and an outcome that does not vary."""
    parts = (("by hand", sample.gold), ("by label", sample.labels), ("by prediction", sample.predicted))
    for how, values in parts:
        wrong = values[(values < model.lowest - 1e-6) | (values > model.highest + 1e-6)]
        if len(wrong):
            range_of = "from 0 to 1" if model.name == "logit" else "0 or more"
            what = f"{job.formula.text!r}: the outcome is {wrong[0]:g} {how}; in a {model.name} model it is {range_of}."
            raise AnnotuneError(what, "Use model='linear', or another outcome.")
    if (sample.gold == sample.gold[0]).all():
        what = f"{job.formula.text!r}: the outcome is the same for all hand-coded texts."
        raise AnnotuneError(what, "There is nothing to explain.")
