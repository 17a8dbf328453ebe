"""Texts with a predicted label each, and for some of them the label that people gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.data.frames import as_frame, require_columns
from annotune.errors import AnnotuneError, listing, warn


@dataclass(frozen=True)
class Labelled:
    """The n texts that have a prediction.

    Attributes
    ----------
    name
        The variable that was coded.
    frame
        All their columns.
    predicted, gold
        A label a text (n,), as words; gold is null where people did not code the text.
    labels
        Those that occur, in the order of the column's categories, else in the alphabet's.
    ratio
        1 / pi of the coded texts (n,), 0 for the others; None where pi, the probability of being drawn for hand
        coding, is not known.
    """

    name: str
    frame: pl.DataFrame
    predicted: pl.Series
    gold: pl.Series
    labels: tuple[str, ...]
    ratio: np.ndarray | None

    @property
    def coded(self) -> np.ndarray:
        """Whether people coded the text (n,)."""
        return self.gold.is_not_null().to_numpy()

    @property
    def weights(self) -> np.ndarray:
        """The ratio (n,), or where it is not known 1 for coded texts."""
        return self.coded.astype(float) if self.ratio is None else self.ratio

    @property
    def probabilities(self) -> np.ndarray | None:
        """Every label's probability (n, labels), rows summing to 1; None where a label has no column of its own."""
        names, frame = _probability_columns(self), self.frame
        if names is None:
            return None
        coding_columns.require_probabilities(frame, names)
        table = np.column_stack([frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names])
        if len(names) < len(self.labels):  # of yes or no, that of yes
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
) -> Labelled:
    """Find predictions, gold and sampling probabilities in a frame with a row a text.

    Parameters
    ----------
    data
        As `crossfit(...).data` or `attach` give it.
    variable
        What was coded; not needed where one column ends in `_gold`.
    gold, predicted
        The columns; by default `<variable>_gold` and `<variable>`, or `<variable>_hat`.
    pi
        The column with the probability of being drawn for hand coding, or the probability where it is the same for
        all; by default the column `pi`, where there is one.

    Raises
    ------
    AnnotuneError
        For columns that are not there or hold something else, and predictions by a model that has seen the text.

    Examples
    --------
    >>> frame = pl.DataFrame({"topic": ["a", "b", "a"], "topic_gold": ["a", None, "b"], "pi": [0.5, 0.5, 0.5]})
    >>> found = labelled(frame)
    >>> found.name, found.labels, found.weights.tolist()
    ('topic', ('a', 'b'), [2.0, 0.0, 2.0])
    """
    frame = as_frame(data)
    name = variable or _only_variable(frame, gold)
    gold = gold or coding_columns.gold_column(name, frame.columns) or f"{name}_gold"
    predicted = predicted or coding_columns.prediction_column(name, frame.columns)
    require_columns(frame, [gold, predicted], "The table")
    coding_columns.tell_doubles(frame)
    frame = _with_predictions(frame, predicted, name)
    drawn = coding_columns.coded_rows(frame, [gold], None)
    if not drawn.any():
        raise AnnotuneError(f"No text has a hand-coded label in {gold!r}.", "Without any, errors cannot be known.")
    coding_columns.require_out_of_fold(frame, drawn, None)
    said = _words(frame[predicted]), _words(frame[gold]).set(~pl.Series(drawn), None)
    return Labelled(name, frame, *said, _labels(frame, said, (predicted, gold)), _ratio(frame, drawn, pi))


def _probability_columns(found: Labelled) -> list[str] | None:
    columns = found.frame.columns
    known = coding_columns.probability_columns(found.name, found.labels, columns)
    if known is not None:
        return list(known.values())
    if all(f"p_{label}" in columns for label in found.labels):
        return [f"p_{label}" for label in found.labels]
    alone = coding_columns.set_probability_column(found.name, columns) if found.labels == ("0", "1") else None
    return None if alone is None else [alone]


def _only_variable(frame: pl.DataFrame, gold: str | None) -> str:
    found = [name.removesuffix("_gold") for name in frame.columns if name.endswith("_gold")]
    if gold is None and len(found) != 1:
        what = "No column ends in '_gold'." if not found else f"Several variables were coded: {listing(found)}."
        raise AnnotuneError(what, "Name one with variable=, or the columns with gold= and predicted=.")
    return (gold or found[0]).removesuffix("_gold")


def _with_predictions(frame: pl.DataFrame, predicted: str, name: str) -> pl.DataFrame:
    whole = coding_columns.blanks_as_null(frame, [predicted]).drop_nulls(predicted)
    if whole.is_empty():
        raise AnnotuneError(f"No text has a prediction in {predicted!r}.", "Code the texts first (classify, crossfit).")
    if len(whole) < len(frame):
        missing = len(frame) - len(whole)
        warn(f"{missing:,} of {len(frame):,} texts have no predicted {name} and are left out.")
    return whole


def _words(column: pl.Series) -> pl.Series:
    """Labels as words; 0 and 1 for yes and no. Fractions and lists are none."""
    if column.dtype.is_nested():
        raise AnnotuneError(f"The column {column.name!r} holds lists.", "Give one label a text.")
    cells = column.fill_nan(None) if column.dtype.is_float() else column
    if cells.dtype.is_float() and not bool((cells.drop_nulls() == cells.drop_nulls().round()).all()):
        what = f"The column {column.name!r} holds fractions, not labels."
        raise AnnotuneError(what, "Give the predicted label, such as 0 or 1.")
    return coding_columns.as_words(cells)


def _labels(frame: pl.DataFrame, said: Sequence[pl.Series], columns: Sequence[str]) -> tuple[str, ...]:
    occurring = set(said[0].drop_nulls()) | set(said[1].drop_nulls())
    known = [name for column in columns for name in _categories(frame[column])]
    if frame[columns[0]].dtype.is_numeric():
        return tuple(sorted(occurring, key=int))
    return (*dict.fromkeys(name for name in known if name in occurring), *sorted(occurring - set(known)))


def _categories(column: pl.Series) -> list[str]:
    return column.dtype.categories.to_list() if isinstance(column.dtype, pl.Enum) else []


def _ratio(frame: pl.DataFrame, drawn: np.ndarray, pi: str | float | None) -> np.ndarray | None:
    if pi is None and "pi" not in frame.columns:
        return None
    ratio = np.zeros(len(frame))
    ratio[drawn] = coding_columns.ratios(frame, drawn, pi)
    return ratio
