"""Columns with which the linear regression of any program is a corrected one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.families import Floats
from annotune.correction.few_errors import FEWEST_ERRORS, number_of_errors, typical_error, where_errors_are
from annotune.correction.formulas import Reference
from annotune.correction.matrices import column, occurring_labels
from annotune.data.codebook import Codebook
from annotune.data.frames import as_frame
from annotune.data.waves import Counts
from annotune.errors import AnnotuneError, listing, nearest, warn


def dsl_columns(
    data: Any,
    variable: str | None = None,
    *,
    label: str | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    coded: str | None = None,
    fold: str | None = None,
    wave: str | None = None,
    prediction: Literal["prob", "label"] = "prob",
    codebook: Codebook | None = None,
) -> pl.DataFrame:
    """Add the outcome corrected for the coder's error, `dsl_y`, to which a linear regression is fitted as usual.

    `dsl_y = y_hat + coded / pi (y_gold - y_hat)` (Egami, Hinck, Stewart and Wei 2023). Least squares on it, with
    standard errors robust to heteroskedasticity, are design-based supervised learning: in Stata
    `regress dsl_y x, vce(robust)`, in R `lm(dsl_y ~ x)` with `sandwich::vcovHC`. Its mean is the corrected share. The
    column is **for linear models only**: for coded texts it is below 0 or above 1, which a logit refuses or
    misinterprets; use `correct` for other models.

    Parameters
    ----------
    data
        N rows, one per text, as in `crossfit(...).data` or from `attach`.
    variable
        The coded variable; may be left out where only one column ends in `_gold`.
    label
        Correct for this label alone: the outcome is 1 for it and 0 for others. Without it a coded variable gets a
        column for each label.
    gold, predicted
        The columns with hand codings (null where nobody coded the text) and predictions; by default `<variable>_gold`
        and `<variable>` (or `<variable>_hat`).
    pi, coded, fold, wave
        The column with the probability of being drawn for hand coding (by default `<variable>_pi` or `pi`), or one
        number; and the columns that say which texts were coded, in which fold they were predicted, and in which wave
        they were drawn. See `correct`.
    prediction
        "prob" uses the label's probability as y_hat where it exists (`<variable>_p_<label>`), which gives smaller
        standard errors; "label" uses whether it is the predicted label.
    codebook
        Has the labels, and the names of their columns.

    Returns
    -------
    polars.DataFrame
        The N rows with `coded` (whether the hand coding counts) and `pi`, and for one outcome `y_gold`, `y_hat`,
        `dsl_y`; for a variable of several labels `dsl_<label>` for each, which sum to 1. Null where a text has no
        prediction. Where texts were drawn in several waves, `dsl_weight` takes the place of coded / pi.

    Raises
    ------
    AnnotuneError
        As `correct`; and where a column of the result exists already.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> frame = pl.DataFrame({"y_hat": [0.6, 0.4] * 40, "y_gold": [1.0, 0.0, None, None] * 20})
    >>> at.dsl_columns(frame, "y", pi=0.5)["dsl_y"].head(4).round(1).to_list()
    [1.4, -0.4, 0.6, 0.4]
    """
    if prediction not in ("prob", "label"):
        raise AnnotuneError(f"There is no prediction {prediction!r}.", nearest(prediction, ("prob", "label")))
    frame = as_frame(data)
    if frame.is_empty():
        raise AnnotuneError("The data have no rows.", "Pass one row per text.")
    name = variable or coding_columns.only_variable(frame.columns, gold)
    gold = gold or coding_columns.gold_column(name, frame.columns) or f"{name}_gold"
    predicted = predicted or coding_columns.prediction_column(name, frame.columns)
    own = {role: coding_columns.own_column(role, gold, frame.columns) for role in ("pi", "coded", "fold")}
    pi, coded, fold = own["pi"] if pi is None else pi, coded or own["coded"], fold or own["fold"]
    beside = [named for named in (coded, fold) if named is not None]
    coding_columns.require_named(frame, [gold, predicted, *beside], "The data")
    frame = coding_columns.blanks_as_null(frame, [gold, predicted])
    outcomes = _outcome_columns(frame, name, predicted, gold, label, prediction, codebook)
    drawn = coding_columns.coded_rows(frame, [gold], coded) & _has_predictions(outcomes)
    if not drawn.any():
        raise AnnotuneError(f"No text has both a hand coding in {gold!r} and a prediction.", "Check both columns.")
    coding_columns.require_out_of_fold(frame, drawn, fold)
    count = coding_columns.counts_of(frame, drawn, pi, wave)
    ratio = count.ratio
    _require_enough(frame.filter(drawn)[gold], label)
    frame = frame.with_columns(pl.Series("coded", drawn), _pi_column(frame, pi), *_weight_column(drawn, count))
    added = {key: _corrected_outcome(*pair, drawn, ratio) for key, pair in outcomes.items()}
    _warn_of_few_errors(outcomes, added, drawn, ratio)
    return _with_columns(frame, added, outcomes if list(outcomes) == ["dsl_y"] else {}, gold, predicted)


def _outcome_columns(
    frame: pl.DataFrame,
    name: str,
    predicted: str,
    gold: str,
    label: str | None,
    prediction: str,
    codebook: Codebook | None,
) -> dict[str, tuple[Floats, Floats]]:
    """For each new column the predictions and the hand codings as numbers, shape (N,), NaN where missing."""
    cells, by_hand = frame[predicted], frame[gold]
    if label is None and not coding_columns.categories(cells.dtype):
        likely = prediction == "prob"
        alone = coding_columns.yes_probability_column(name, frame.columns, [cells, by_hand]) if likely else None
        return {"dsl_y": (_column_as_numbers(frame, alone or predicted), _column_as_numbers(frame, gold))}
    in_codebook = codebook is not None and name in [entry.name for entry in codebook.variables]
    labels = list(codebook.variable(name).names) if in_codebook and codebook else occurring_labels([cells, by_hand])
    if label is not None and label not in labels:
        raise AnnotuneError(f"{label!r} is not a label of {name!r}.", nearest(label, labels))
    chosen = labels if label is None else [label]
    chances = (
        coding_columns.probability_columns(name, chosen, frame.columns, codebook) if prediction == "prob" else None
    )
    coding_columns.require_probabilities(frame, list((chances or {}).values()))
    return {
        "dsl_y" if label is not None else f"dsl_{each}": (
            _column_as_numbers(frame, chances[each]) if chances else column(Reference(predicted, each), frame),
            column(Reference(gold, each), frame),
        )
        for each in chosen
    }


def _column_as_numbers(frame: pl.DataFrame, name: str) -> Floats:
    return column(Reference(name), frame)


def _has_predictions(outcomes: Mapping[str, tuple[Floats, Floats]]) -> np.ndarray:
    return np.asarray(np.all([np.isfinite(predicted) for predicted, _ in outcomes.values()], axis=0))


def _corrected_outcome(predicted: Floats, by_hand: Floats, drawn: np.ndarray, ratio: Floats) -> Floats:
    corrected = predicted.copy()
    corrected[drawn] += ratio * (by_hand[drawn] - predicted[drawn])
    return corrected


def _warn_of_few_errors(
    outcomes: Mapping[str, tuple[Floats, Floats]], added: Mapping[str, Floats], drawn: np.ndarray, ratio: Floats
) -> None:
    """Tell of columns that rest on few errors: no other program allows for more of them than were seen."""
    few = []
    for key, (predicted, by_hand) in outcomes.items():
        likely, truth = predicted[drawn], by_hand[drawn]
        if not (np.isin(truth, (0, 1)).all() and (likely >= 0).all() and (likely <= 1).all()):
            continue
        wrong = np.maximum(likely, 1 - likely)[:, None]
        typical = typical_error((ratio[:, None] * wrong) ** 2, where_errors_are(ratio, wrong))
        total = np.nansum((added[key] - np.nanmean(added[key])) ** 2)
        if number_of_errors(np.array([total]), typical)[0] < FEWEST_ERRORS:
            few.append(key)
    if few:
        which = f"{listing(few)} rest{'s' if len(few) == 1 else ''} on fewer than {FEWEST_ERRORS} errors among"
        what = (
            f"{which} {int(drawn.sum()):,} hand-coded texts: robust standard errors of regressions on it are too small."
        )
        warn(f"{what} correct() allows for more errors than were seen.")


def _pi_column(frame: pl.DataFrame, pi: str | float | None) -> pl.Series:
    """Each text's probability of being drawn; null for uncoded texts where the column pi is."""
    if coding_columns.is_number(pi):
        return pl.Series("pi", np.full(len(frame), float(pi)))
    return frame[str(pi or "pi")].cast(pl.Float64).alias("pi")


def _weight_column(drawn: np.ndarray, count: Counts) -> list[pl.Series]:
    """Of several waves how much each text counts, 0 where it was not coded; of one it is coded / pi."""
    if count.chance is None:
        return []
    weight = np.zeros(len(drawn))
    weight[drawn] = count.ratio
    return [pl.Series("dsl_weight", weight)]


def _require_enough(by_hand: pl.Series, label: str | None) -> None:
    """Refuse too few hand codings in all; a warning of labels with few."""
    coding_columns.require_enough(by_hand, "this variable")
    if label is not None:
        words = coding_columns.as_words(by_hand).eq(label).replace_strict({True: label, False: f"not {label}"})
        _warn_of_each(coding_columns.note_of_few(words, [label, f"not {label}"], ""))
    elif coding_columns.categories(by_hand.dtype):
        counts = by_hand.cast(pl.String).value_counts().filter(pl.col("count") < coding_columns.FEWEST)
        if len(counts):
            few = counts.sort(by_hand.name)[by_hand.name].to_list()
            fewest = coding_columns.FEWEST
            warn(f"Fewer than {fewest} texts are coded by hand as {listing(few)}: their columns are unreliable.")
    elif by_hand.cast(pl.Float64).is_in([0.0, 1.0]).all():
        words = coding_columns.as_words(by_hand)
        _warn_of_each(coding_columns.note_of_few(words, ["0", "1"], by_hand.name.removesuffix("_gold")))


def _warn_of_each(sentences: list[str]) -> None:
    for sentence in sentences:
        warn(sentence)


def _with_columns(
    frame: pl.DataFrame,
    added: Mapping[str, Floats],
    single: Mapping[str, tuple[Floats, Floats]],
    gold: str,
    predicted: str,
) -> pl.DataFrame:
    columns = {key: pl.Series(key, values).fill_nan(None) for key, values in added.items()}
    for pair in single.values():
        sides = {"y_gold": np.where(frame["coded"].to_numpy(), pair[1], np.nan), "y_hat": pair[0]}
        columns = {key: pl.Series(key, values).fill_nan(None) for key, values in sides.items()} | columns
    taken = [key for key in columns if key in frame.columns and key not in (gold, predicted)]
    if taken:
        raise AnnotuneError(f"The data have a column {taken[0]!r} already.", "Rename it, or leave it out.")
    return frame.with_columns(columns.values())
