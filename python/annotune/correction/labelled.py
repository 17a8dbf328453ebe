"""Texts with their predicted labels, and for some of them the labels assigned by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.data.frames import as_frame, require_columns
from annotune.errors import AnnotuneError, warn


@dataclass(frozen=True)
class Labelled:
    """The n texts that have a prediction.

    Attributes
    ----------
    name
        The coded variable.
    frame
        All their columns.
    predicted, gold
        One label per text (n,), as words; gold is null where people did not code the text.
    labels
        Those that occur, in the order of the column's categories, or else alphabetically.
    ratio
        1 / pi of the coded texts (n,), 0 for the others; None where pi, the probability of being drawn for hand
        coding, is not known. Of several waves how many texts each stands for.
    chance
        Of several waves the part of each coded text's squared weight that is by chance (n,), 0 for the others; None
        where there is one wave.
    """

    name: str
    frame: pl.DataFrame
    predicted: pl.Series
    gold: pl.Series
    labels: tuple[str, ...]
    ratio: np.ndarray | None
    chance: np.ndarray | None = None

    @property
    def coded(self) -> np.ndarray:
        """Whether people coded the text (n,)."""
        return self.gold.is_not_null().to_numpy()

    @property
    def weights(self) -> np.ndarray:
        """The ratio (n,), or 1 for coded texts where it is not known."""
        return self.coded.astype(float) if self.ratio is None else self.ratio

    @property
    def probabilities(self) -> np.ndarray | None:
        """Every label's probability (n, labels), rows summing to 1; None where a label has no column of its own."""
        names, frame = _probability_columns(self), self.frame
        if names is None:
            return None
        coding_columns.require_probabilities(frame, names)
        table = np.column_stack([frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names])
        if len(names) < len(self.labels):  # only the probability of yes
            table = np.column_stack([1 - table, table])
        if not (np.isfinite(table).all() and (table >= 0).all() and (table.sum(1) > 0).all()):
            raise AnnotuneError(
                f"The probabilities of {self.name!r} have empty or negative cells.", "Code the texts again."
            )
        return np.asarray(table / table.sum(1, keepdims=True))

    def places(self, column: pl.Series) -> np.ndarray:
        """Each label's number in `labels` (n,), -1 for none."""
        numbers = {label: i for i, label in enumerate(self.labels)}
        return column.replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()


def labelled(
    data: Any,
    variable: str | None = None,
    *,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    wave: str | None = None,
) -> Labelled:
    """Find predictions, hand codings and sampling probabilities in a frame with one row per text.

    Parameters
    ----------
    data
        One row per text, as in `crossfit(...).data` or from `attach`.
    variable
        The coded variable; may be left out where only one column ends in `_gold`.
    gold, predicted
        The columns with hand codings and predictions; by default `<variable>_gold` and `<variable>`, or
        `<variable>_hat`.
    pi
        The column with the probability of being drawn for hand coding, or the probability where it is the same for
        all; by default the column `<variable>_pi` or `pi`, where there is one.
    wave
        The column with the number of the wave in which a text was drawn; by default `<variable>_wave` or `wave`, where
        the drawn texts alone have one.

    Raises
    ------
    AnnotuneError
        For missing or unsuitable columns, and for predictions by a model that was tuned on the text.

    Examples
    --------
    >>> frame = pl.DataFrame({"topic": ["a", "b", "a"], "topic_gold": ["a", None, "b"], "pi": [0.5, 0.5, 0.5]})
    >>> codings = labelled(frame)
    >>> codings.name, codings.labels, codings.weights.tolist()
    ('topic', ('a', 'b'), [2.0, 0.0, 2.0])
    """
    frame = as_frame(data)
    name = variable or coding_columns.only_variable(frame.columns, gold)
    gold = gold or coding_columns.gold_column(name, frame.columns) or f"{name}_gold"
    predicted = predicted or coding_columns.prediction_column(name, frame.columns)
    sets = [column for column in frame.columns if column.startswith(f"{name}_gold_")]
    if sets and gold not in frame.columns:
        what = f"Labels of {name!r} are sets, with a column for each label, such as {sets[0]!r}."
        raise AnnotuneError(what, f"Name one of them: variable={sets[0].replace('_gold_', '_', 1)!r}.")
    require_columns(frame, [gold, predicted], "The table")
    coding_columns.warn_of_repeated_units(frame)
    frame = _with_prediction(frame, predicted, name)
    own = {role: coding_columns.own_column(role, gold, frame.columns) for role in ("pi", "coded", "fold")}
    drawn = coding_columns.coded_rows(frame, [gold], own["coded"])
    if not drawn.any():
        raise AnnotuneError(f"No text has a hand-coded label in {gold!r}.", "Errors cannot be estimated without any.")
    coding_columns.require_out_of_fold(frame, drawn, own["fold"])
    cells = labels_as_words(frame[predicted]), labels_as_words(frame[gold]).set(~pl.Series(drawn), None)
    return Labelled(
        name,
        frame,
        *cells,
        _occurring_labels(frame, cells, (predicted, gold)),
        *_weights(frame, drawn, own["pi"] if pi is None else pi, wave),
    )


def has_hand_codings(data: Any, variable: str | None, gold: str | None) -> bool:
    """Whether a table has hand codings, of the variable where one is named, or they are said to be there."""
    columns = as_frame(data).columns
    if gold is not None or variable is None:
        return gold is not None or any(name.endswith("_gold") for name in columns)
    of_its_own = any(name.startswith(f"{variable}_gold") for name in columns)
    return of_its_own or coding_columns.gold_column(variable, columns) is not None


def predicted_alone(data: Any, variable: str | None = None, *, predicted: str | None = None) -> Labelled:
    """The predictions of a frame in which nothing was coded by hand.

    Examples
    --------
    >>> predicted_alone(pl.DataFrame({"topic": ["a", "b"], "topic_p_a": [0.9, 0.2]})).coded.tolist()
    [False, False]
    """
    frame = as_frame(data)
    name = variable or predicted or coding_columns.only_predicted(frame.columns)
    predicted = predicted or coding_columns.prediction_column(name, frame.columns)
    require_columns(frame, [predicted], "The table")
    coding_columns.warn_of_repeated_units(frame)
    frame = _with_prediction(frame, predicted, name)
    cells = labels_as_words(frame[predicted]), pl.Series(f"{name}_gold", [None] * len(frame), pl.String)
    return Labelled(name, frame, *cells, _occurring_labels(frame, cells, (predicted,)), None)


def _probability_columns(codings: Labelled) -> list[str] | None:
    columns = codings.frame.columns
    by_label = coding_columns.probability_columns(codings.name, codings.labels, columns)
    if by_label is not None:
        return list(by_label.values())
    if all(f"p_{label}" in columns for label in codings.labels):
        return [f"p_{label}" for label in codings.labels]
    yes_or_no = codings.labels == ("0", "1")
    alone = coding_columns.yes_probability_column(codings.name, columns, []) if yes_or_no else None
    return None if alone is None else [alone]


def _with_prediction(frame: pl.DataFrame, predicted: str, name: str) -> pl.DataFrame:
    whole = coding_columns.blanks_as_null(frame, [predicted]).drop_nulls(predicted)
    if whole.is_empty():
        raise AnnotuneError(f"No text has a prediction in {predicted!r}.", "Code the texts first (classify, crossfit).")
    if len(whole) < len(frame):
        missing = len(frame) - len(whole)
        warn(f"{missing:,} of {len(frame):,} texts have no predicted {name} and are left out.")
    return whole


def labels_as_words(column: pl.Series) -> pl.Series:
    """Labels as words; 0 and 1 for yes and no. Fractions and lists are refused."""
    if column.dtype.is_nested():
        raise AnnotuneError(f"The column {column.name!r} holds lists.", "Give one label per text.")
    cells = column.fill_nan(None) if column.dtype.is_float() else column
    if cells.dtype.is_float() and not bool((cells.drop_nulls() == cells.drop_nulls().round()).all()):
        what = f"The column {column.name!r} holds fractions, not labels."
        raise AnnotuneError(what, "Give the predicted label, such as 0 or 1.")
    return coding_columns.as_words(cells)


def _occurring_labels(frame: pl.DataFrame, cells: Sequence[pl.Series], columns: Sequence[str]) -> tuple[str, ...]:
    occurring = set(cells[0].drop_nulls()) | set(cells[1].drop_nulls())
    order = [name for column in columns for name in _categories(frame[column])]
    if frame[columns[0]].dtype.is_numeric():
        return tuple(sorted(occurring, key=int))
    return (*dict.fromkeys(name for name in order if name in occurring), *sorted(occurring - set(order)))


def _categories(column: pl.Series) -> list[str]:
    return column.dtype.categories.to_list() if isinstance(column.dtype, pl.Enum) else []


def _weights(
    frame: pl.DataFrame, drawn: np.ndarray, pi: str | float | None, wave: str | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """How many texts each stands for, and the part of the squared weight that is by chance, (n,) both."""
    if pi is None and wave is None and "pi" not in frame.columns:
        return None, None
    count = coding_columns.counts_of(frame, drawn, pi, wave)
    return _among_all(count.ratio, drawn), None if count.chance is None else _among_all(count.chance, drawn)


def _among_all(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    every = np.zeros(len(drawn))
    every[drawn] = values
    return every
