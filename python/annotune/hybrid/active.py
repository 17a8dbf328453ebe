"""Which texts matter most: a score for each text of a table, by what the codings are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.absorb import absorb
from annotune.correction.arrays import group_numbers
from annotune.correction.families import MODELS, Floats
from annotune.correction.formulas import Formula, Reference, parse
from annotune.correction.matrices import column, design, occurring_labels, with_dates
from annotune.correction.moments import Equations, NoSolutionError, Part, determined, solve
from annotune.correction.plan_quantities import chosen_terms
from annotune.correction.text_scores import (
    FLOOR,
    best_floor,
    doubt,
    for_coefficients,
    for_tuning,
    with_floor,
)
from annotune.data.frames import as_frame
from annotune.errors import AnnotuneError, nearest

TUNING, SHARE = "tuning", "share"


def scores(
    frame: Any,
    *,
    for_: str,
    variable: str | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    model: str = "linear",
    term: str | None = None,
    floor: float | None = None,
    weight: str | None = None,
) -> np.ndarray:
    """How much it matters to code each text: its chance to be drawn is to be in proportion to it.

    Parameters
    ----------
    frame
        N rows, one per text, with predictions: `topic` and, better, the probabilities `topic_p_<label>`; covariates;
        and `topic_gold`, where some are coded already.
    for_
        "tuning": where the model is unsure, and about rare labels. "share": the shares of all labels;
        `"topic == 'Health'"`: the share of one. A formula, `"topic == 'Health' ~ party"`: its coefficients.
    variable, gold, predicted
        The coded variable for tuning and shares (where several are predicted), and the columns with hand codings and
        predictions, by default `<variable>_gold` and `<variable>` (or `<variable>_hat`).
    model, term
        Of a formula: "linear", "logit" or "poisson", and the coefficient that matters; all but the constant by default.
    floor
        The lowest score, from 0 (not at all safe) to 1 (a simple draw): the part of the codings that is drawn as if all
        texts mattered alike. By default coded texts choose it, by what they would have given (.1 to 1); .2 where there
        are few, and for tuning.
    weight
        The column with how many texts each coded one stands for (1 / pi); by default all count alike.

    Returns
    -------
    numpy.ndarray
        Shape (N,), of mean 1, none below the floor. Texts without a prediction are as unknown as the average text;
        those without a covariate do not move the coefficients, and have the lowest score.

    Raises
    ------
    AnnotuneError
        Without predictions, for missing columns and labels, and for formulas in which a covariate was predicted.

    Examples
    --------
    >>> frame = pl.DataFrame({"y": [0, 1, 1, 0], "y_p_1": [0.1, 0.5, 0.9, 0.5], "x": [0.0, 0.0, 0.0, 1.0]})
    >>> scores(frame, for_="share", variable="y", floor=0.2).round(2).tolist()
    [0.8, 1.2, 0.8, 1.2]
    >>> scores(frame, for_="y ~ x", floor=0.2).round(2).tolist()
    [0.57, 0.82, 0.57, 2.05]
    """
    if floor is not None and not 0 <= floor <= 1:
        raise AnnotuneError(f"A floor of {floor!r} cannot be.", "Give a share from 0 to 1, such as 0.2.")
    table = as_frame(frame)
    if table.is_empty():
        raise AnnotuneError("There is no text to draw.", "Pass one row per text.")
    if "~" in for_:
        formula = parse(for_)
        table, outcome, by_hand = _with_outcome(table, formula, gold, predicted)
        reach = _reach(table, formula, outcome, model, term)
        score = for_coefficients(reach, _doubt(table, outcome, by_hand))
        return _with_best_floor(score, reach, table, outcome, by_hand, floor, weight)
    if for_ == TUNING:
        name = _variable(table, variable, gold)
        return with_floor(for_tuning(_of_every_label(table, name, predicted)), FLOOR if floor is None else floor)
    if for_ == SHARE:
        name = _variable(table, variable, gold)
        likely = _of_every_label(table, name, predicted)
        return with_floor(doubt(likely), FLOOR if floor is None else floor)
    formula = parse(f"{for_} ~ 1")
    table, outcome, by_hand = _with_outcome(table, formula, gold, predicted)
    alike = np.ones((len(table), 1))
    score = for_coefficients(alike, _doubt(table, outcome, by_hand))
    return _with_best_floor(score, alike, table, outcome, by_hand, floor, weight)


def _variable(frame: pl.DataFrame, variable: str | None, gold: str | None) -> str:
    """The variable that is named, or the only one with predictions of probabilities or hand codings."""
    if variable is not None:
        return variable
    likely = coding_columns.with_probabilities(frame.columns)
    return likely[0] if len(likely) == 1 else coding_columns.only_variable(frame.columns, gold)


def _of_every_label(frame: pl.DataFrame, name: str, predicted: str | None) -> Floats:
    """Every label's probability, shape (N, k), rows summing to 1; where there is none, that of the average text."""
    own = predicted or coding_columns.prediction_column(name, frame.columns)
    alone = coding_columns.yes_probability_column(name, frame.columns, [])
    prefix = f"{name}_p_"
    names = [each for each in frame.columns if each.startswith(prefix)]
    if own in frame.columns and coding_columns.categories(frame[own].dtype):
        labels = occurring_labels([frame[own]])
        names = list((coding_columns.probability_columns(name, labels, frame.columns) or {}).values()) or names
    if not names and alone is None:
        what = f"The table has no probabilities of {name!r}."
        raise AnnotuneError(what, f"Code the texts with a model that gives them: columns {prefix}<label>.")
    single = [alone] if alone is not None and len(names) <= 1 else []
    chosen = single or names
    coding_columns.require_probabilities(frame, chosen)
    likely = np.column_stack([_numbers(frame[each]) for each in chosen])
    likely = np.column_stack([1 - likely, likely]) if likely.shape[1] == 1 else likely
    known = np.isfinite(likely).all(axis=1) & (likely.sum(axis=1) > 0)
    if not known.any():
        raise AnnotuneError(f"No text has probabilities of {name!r}.", "Code the texts first.")
    likely[known] /= likely[known].sum(axis=1, keepdims=True)
    likely[~known] = likely[known].mean(axis=0)
    return np.asarray(likely)


def _with_outcome(
    frame: pl.DataFrame, formula: Formula, gold: str | None, predicted: str | None
) -> tuple[pl.DataFrame, Reference, str | None]:
    """The frame with predictions under the outcome's name, the outcome, and the column with its hand codings."""
    outcome = formula.explained
    if outcome is None:
        what = f"{formula.text!r} does not explain a coded variable or one of its labels."
        raise AnnotuneError(what, "Write it as: topic == 'Health' ~ party.")
    name = outcome.column
    own = predicted or coding_columns.prediction_column(name, frame.columns)
    by_hand = gold or coding_columns.gold_column(name, frame.columns)
    covariates = [entry.column for entry in formula.within(formula.terms).values()]
    coding_columns.require_named(frame, [own, *covariates, *formula.groups], formula.text)
    if coded := [each for each in covariates if coding_columns.gold_column(each, frame.columns) or each == name]:
        what = f"{formula.text!r}: {coded[0]!r} was predicted, and texts can be drawn for a predicted outcome alone."
        raise AnnotuneError(what, "Draw for its share, or for a formula that explains it.")
    frame = coding_columns.blanks_as_null(frame, [own, *([by_hand] if by_hand in frame.columns else [])])
    if outcome.label is not None and not frame[own].dtype.is_numeric():
        labels = occurring_labels([frame[own].cast(pl.String)])
        if outcome.label not in labels and _likely_column(frame, outcome) is None:
            raise AnnotuneError(f"No text has the {name} {outcome.label!r}.", nearest(outcome.label, labels))
    return frame.with_columns(frame[own].alias(name)), outcome, by_hand if by_hand in frame.columns else None


def _likely_column(frame: pl.DataFrame, outcome: Reference) -> str | None:
    """The column with the outcome's probability."""
    if outcome.label is not None:
        columns = coding_columns.probability_columns(outcome.column, [outcome.label], frame.columns)
        return columns[outcome.label] if columns else None
    return coding_columns.yes_probability_column(outcome.column, frame.columns, [frame[outcome.column]])


def _likely(frame: pl.DataFrame, outcome: Reference) -> Floats:
    """What the correction takes for the outcome, shape (N,): its probability, or else the prediction; NaN for none."""
    name = _likely_column(frame, outcome)
    if name is None:
        cells = frame[outcome.column]
        values = np.full(len(frame), np.nan)
        filled = cells.is_not_null().to_numpy()
        values[filled] = column(outcome, frame.filter(pl.Series(filled)))
        return values
    coding_columns.require_probabilities(frame, [name])
    likely = _numbers(frame[name])
    return 1 - likely if outcome.negated else likely


def _doubt(frame: pl.DataFrame, outcome: Reference, by_hand: str | None) -> Floats:
    """The outcome's standard deviation given its prediction, shape (N,)."""
    likely = _likely(frame, outcome)
    known = np.isfinite(likely)
    if not known.any():
        raise AnnotuneError(f"No text has a prediction of {outcome}.", "Code the texts first (classify, crossfit).")
    share = ((likely[known] >= 0) & (likely[known] <= 1)).all()
    if share and not np.isin(likely[known], (0, 1)).all():
        unknown = doubt(likely)
    else:
        unknown = _by_prediction(likely, _errors(frame, outcome, by_hand)) if share else np.ones(len(frame))
    unknown[~known] = unknown[known].mean()
    return unknown


def _errors(frame: pl.DataFrame, outcome: Reference, by_hand: str | None) -> Floats:
    """Hand coding less prediction, shape (N,); NaN where nobody coded the text, or it has no prediction."""
    errors = np.full(len(frame), np.nan)
    if by_hand is None:
        return errors
    coded = frame[by_hand].is_not_null().to_numpy()
    if coded.any():
        own = Reference(by_hand, outcome.label, outcome.negated)
        errors[coded] = column(own, frame.filter(pl.Series(coded)))
    return np.asarray(errors - _likely(frame, outcome))


def _by_prediction(likely: Floats, errors: Floats) -> Floats:
    """Bare labels' doubts: the deviation of the errors among texts with this label; alike where few are coded."""
    unknown = np.ones(len(likely))
    for label in (0.0, 1.0):
        mine = likely == label
        seen = errors[mine & np.isfinite(errors)]
        if len(seen) < coding_columns.FEWEST:
            return np.ones(len(likely))
        wrong = ((seen != 0).sum() + 0.5) / (len(seen) + 1)  # no label is without an error
        unknown[mine] = np.sqrt(wrong)
    return unknown


def _reach(frame: pl.DataFrame, formula: Formula, outcome: Reference, model: str, term: str | None) -> Floats:
    """How far each coefficient moves with each text's outcome, shape (N, p); 0 where a covariate is missing."""
    if model not in ("linear", "fixed_effects", "logit", "poisson"):
        raise AnnotuneError(f"Texts cannot be drawn for a {model} model.", "Use linear, logit or poisson.")
    columns = [entry.column for entry in formula.within(formula.terms).values()]
    frame = with_dates(frame, [each.column for each in formula.within(formula.terms).values() if each.may_be_a_number])
    likely = _likely(frame, outcome)
    whole = np.isfinite(likely) & coding_columns.complete_rows(frame, [*columns, *formula.groups]).to_numpy()
    rows = frame.filter(pl.Series(whole))
    matrices = design(formula, rows, np.zeros(0, dtype=np.int64), {})
    if not np.isfinite(matrices.design).all():
        raise AnnotuneError(f"{formula.text!r} gives no number for some texts.", "Such as log() of 0 or less.")
    slopes = [j for j, name in enumerate(matrices.names) if name != "Intercept"]
    x = matrices.design[:, slopes] if formula.groups else matrices.design
    names = [matrices.names[j] for j in slopes] if formula.groups else list(matrices.names)
    groups = [group_numbers(rows, name) for name in formula.groups]
    inverse, x = _inverse_information(formula, model, x, likely[whole], groups)
    places = chosen_terms(names, term)
    reach = np.zeros((len(frame), len(places)))
    reach[whole] = x @ inverse[:, places]
    return reach


def _inverse_information(
    formula: Formula, model: str, x: Floats, likely: Floats, groups: list[np.ndarray]
) -> tuple[Floats, Floats]:
    """The inverse of the mean information, shape (k, k), and the covariates less their groups' means, shape (n, k)."""
    part = Part(x, likely[:, None], np.ones(len(x)))
    if groups:
        (part,) = absorb((part,), groups, len(x))
    equations = Equations(MODELS[model], (part,), len(x))
    dependent = determined(part.design.T @ part.design, np.einsum("ij,ij->j", x, x))
    try:
        if dependent is not None:
            raise NoSolutionError("determined", dependent)
        _, information = solve(equations, np.zeros(x.shape[1]))
    except NoSolutionError:
        what = f"{formula.text!r} has no solution with the predictions: covariates, or outcomes, determine each other."
        raise AnnotuneError(what, "Leave a covariate out, or join categories.") from None
    return np.linalg.inv(information / len(x)), part.design


def _with_best_floor(
    score: Floats,
    reach: Floats,
    frame: pl.DataFrame,
    outcome: Reference,
    by_hand: str | None,
    floor: float | None,
    weight: str | None,
) -> Floats:
    """The scores above the floor that was named, or else the one that coded texts choose."""
    if floor is not None:
        return with_floor(score, floor)
    errors = _errors(frame, outcome, by_hand)
    coded = np.flatnonzero(np.isfinite(errors))
    stands_for = np.ones(len(coded)) if weight is None else np.nan_to_num(_numbers(frame[weight]))[coded]
    return with_floor(score, best_floor(score, reach[coded] * errors[coded, None], coded, stands_for))


def _numbers(cells: pl.Series) -> Floats:
    return cells.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
