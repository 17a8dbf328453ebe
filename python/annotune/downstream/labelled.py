"""Texts with a predicted label each, and for some of them the label that people gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.corpus import as_frame, require_columns
from annotune.errors import AnnotuneError, nearest, warn


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
    pi
        Each text's probability of being drawn for hand coding (n,); None where it is not known.
    """

    name: str
    frame: pl.DataFrame
    predicted: pl.Series
    gold: pl.Series
    labels: tuple[str, ...]
    pi: np.ndarray | None

    @property
    def coded(self) -> np.ndarray:
        """Whether people coded the text (n,)."""
        return self.gold.is_not_null().to_numpy()

    @property
    def weights(self) -> np.ndarray:
        """1 / pi of the coded texts (n,), 0 for the others; 1 where pi is not known."""
        return np.where(self.coded, 1.0 if self.pi is None else 1 / self.pi, 0.0)

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
        The columns; by default `<variable>_gold` or `y_gold`, and `<variable>` or `y_hat`.
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
    gold = gold or _gold_column(frame, variable)
    name = variable or gold.removesuffix("_gold")
    predicted = predicted or next((column for column in (name, "y_hat") if column in frame.columns), name)
    require_columns(frame, [gold, predicted], "The table")
    frame = _with_predictions(frame, predicted, name)
    said = [_words(frame[column]) for column in (predicted, gold)]
    if "coded" in frame.columns:
        said[1] = said[1].set(~_truth(frame["coded"]), None)
    if said[1].null_count() == len(frame):
        raise AnnotuneError(f"No text has a hand-coded label in {gold!r}.", "Without any, errors cannot be known.")
    if "fold" in frame.columns:
        seen = frame.filter(said[1].is_not_null() & frame["fold"].is_null())
        if len(seen):
            what = f"{len(seen):,} hand-coded texts were predicted by a model that was tuned on them (no fold)."
            raise AnnotuneError(what, "Take predictions from crossfit.")
    return Labelled(name, frame, said[0], said[1], _labels(frame, said, (predicted, gold)), _pi(frame, pi))


def _gold_column(frame: pl.DataFrame, variable: str | None) -> str:
    if variable is not None:
        wanted = f"{variable}_gold"
        return wanted if wanted in frame.columns or "y_gold" not in frame.columns else "y_gold"
    found = [name for name in frame.columns if name.endswith("_gold")]
    if len(found) != 1:
        what = f"{'No column' if not found else 'More than one column'} ends in '_gold'."
        raise AnnotuneError(what, f"Name what was coded with variable=, or the column with gold=; {_there(frame)}")
    return found[0]


def _there(frame: pl.DataFrame) -> str:
    hint = nearest("", frame.columns)
    return hint[0].lower() + hint[1:]


def _with_predictions(frame: pl.DataFrame, predicted: str, name: str) -> pl.DataFrame:
    whole = frame.filter(pl.col(predicted).is_not_null())
    if whole.is_empty():
        raise AnnotuneError(f"No text has a prediction in {predicted!r}.", "Code the texts first (classify, crossfit).")
    if len(whole) < len(frame):
        missing = len(frame) - len(whole)
        warn(f"{missing:,} of {len(frame):,} texts have no predicted {name} and are left out.")
    return whole


def _words(column: pl.Series) -> pl.Series:
    """Labels as words; 0 and 1 for yes and no, whole numbers without their point."""
    if column.dtype == pl.Boolean:
        return column.cast(pl.Int8).cast(pl.String)
    if column.dtype.is_float():
        column = column.fill_nan(None)
        if not bool((column.drop_nulls() == column.drop_nulls().round()).all()):
            what = f"The column {column.name!r} holds fractions, not labels."
            raise AnnotuneError(what, "Give the predicted label, such as 0 or 1.")
        return column.cast(pl.Int64).cast(pl.String)
    if column.dtype.is_nested():
        raise AnnotuneError(f"The column {column.name!r} holds lists.", "Give one label a text.")
    return column.cast(pl.String)


def _truth(column: pl.Series) -> pl.Series:
    words = column.cast(pl.Int8) if column.dtype == pl.Boolean else column
    words = words.cast(pl.String).str.to_lowercase()
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    if not words.drop_nulls().is_in(list(known)).all():
        raise AnnotuneError("The column 'coded' is neither true and false nor 1 and 0.", "Mend it, or drop it.")
    return words.replace_strict(known, default=False, return_dtype=pl.Boolean)


def _labels(frame: pl.DataFrame, said: Sequence[pl.Series], columns: Sequence[str]) -> tuple[str, ...]:
    occurring = set(said[0].drop_nulls()) | set(said[1].drop_nulls())
    known = [name for column in columns for name in _categories(frame[column])]
    if frame[columns[0]].dtype.is_numeric():
        return tuple(sorted(occurring, key=int))
    return (*dict.fromkeys(name for name in known if name in occurring), *sorted(occurring - set(known)))


def _categories(column: pl.Series) -> list[str]:
    return column.dtype.categories.to_list() if isinstance(column.dtype, pl.Enum) else []


def _pi(frame: pl.DataFrame, given: str | float | None) -> np.ndarray | None:
    """Probabilities above 0 and up to 1, one a text."""
    if given is None and "pi" not in frame.columns:
        return None
    name = given if isinstance(given, str) else "pi"
    if isinstance(given, (int, float)):
        column = pl.repeat(float(given), len(frame), eager=True)
    else:
        require_columns(frame, [name], "The table")
        column = frame[name]
    if not column.dtype.is_numeric():
        raise AnnotuneError(f"The column {name!r} holds {column.dtype}, not probabilities.", "Give numbers up to 1.")
    numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    bad = ~((numbers > 0) & (numbers <= 1))
    if bad.any():
        what = f"The probability of being hand coded is missing, 0, or above 1 for {bad.sum():,} texts ({name!r})."
        advice = "Every text must have had a chance: leave out those that had none, and speak of the rest only."
        raise AnnotuneError(what, advice)
    return numbers
