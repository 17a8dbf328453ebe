"""From a formula and a frame to numbers: the design twice, by predictions and by hand codings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.correction.formulas import Formula, Reference
from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    import pandas as pd

Floats = np.ndarray
MOST_LEVELS = 1000  # beyond, a column of categories is a mistake, or a group whose effects are absorbed


@dataclass(frozen=True)
class Matrices:
    """Both sides of a formula as numbers.

    Attributes
    ----------
    names
        The k terms, as the user named them.
    design, design_gold
        The covariates of all N units by their predictions, shape (N, k), and of the n coded ones by hand codings,
        shape (n, k); the same rows where no covariate was predicted.
    """

    names: tuple[str, ...]
    design: Floats
    design_gold: Floats


def design(formula: Formula, frame: pl.DataFrame, coded: np.ndarray, gold: Mapping[str, str]) -> Matrices:
    """The covariates of all rows, and of the rows numbered in `coded` with hand codings in the place of predictions.

    `gold` maps the name of a predicted column to that of its hand codings.
    """
    references = formula.within(formula.terms)
    levels = {alias: _levels(entry, frame, gold) for alias, entry in references.items()}
    names, matrix, spec = _matrix(formula, formula.terms, _pandas(references, frame, levels))
    if not names:
        raise AnnotuneError(f"{formula.text!r} has no terms.", "Such as: ~ party + year, or ~ 1 for a mean.")
    spoken = tuple(formula.spoken(name) for name in names)
    if not any(entry.column in gold for entry in references.values()):
        return Matrices(spoken, matrix, matrix[coded])
    by_hand = with_gold(frame[coded], gold)
    _, matrix_gold, _ = _matrix(formula, spec, _pandas(references, by_hand, levels))
    return Matrices(spoken, matrix, matrix_gold)


def with_gold(frame: pl.DataFrame, gold: Mapping[str, str]) -> pl.DataFrame:
    """The frame with hand codings in the place of predictions."""
    return frame.with_columns(frame[by_hand].alias(name) for name, by_hand in gold.items())


def column(reference: Reference, frame: pl.DataFrame) -> Floats:
    """A column as numbers, or whether it has a label, shape (N,)."""
    cells = frame[reference.column]
    if reference.label is not None:
        return _matches(cells, reference).cast(pl.Float64).to_numpy()
    if not (cells.dtype.is_numeric() or cells.dtype == pl.Boolean):
        what = f"The column {reference.column!r} holds {_kind(cells)}, not numbers."
        raise AnnotuneError(what, f"Name one of its labels: {reference.column} == 'Health'.")
    return cells.cast(pl.Float64).to_numpy()


def expression(formula: Formula, side: str, frame: pl.DataFrame) -> Floats:
    """A function of columns, such as `log(score)`, shape (N,)."""
    references = formula.within(side)
    levels: dict[str, list[str] | None] = dict.fromkeys(references)
    _, matrix, _ = _matrix(formula, f"{side} - 1", _pandas(references, frame, levels))
    if matrix.shape[1] != 1:
        raise AnnotuneError(f"{formula.text!r} explains {matrix.shape[1]} columns.", "Put a single one on the left.")
    return matrix[:, 0]


def occurring_labels(columns: Sequence[pl.Series]) -> list[str]:
    """The labels in columns of one variable, in the order of the first one's type, or else of size or the alphabet."""
    found = {value for cells in columns for value in cells.drop_nulls().unique().to_list()}
    ordered = sorted(found, key=lambda value: (isinstance(value, str), value))
    first = next((cells.dtype.categories.to_list() for cells in columns if isinstance(cells.dtype, pl.Enum)), [])
    place = {name: i for i, name in enumerate(first)}
    return [_word(value) for value in sorted(ordered, key=lambda value: place.get(value, len(place)))]


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _matches(cells: pl.Series, reference: Reference) -> pl.Series:
    if cells.dtype.is_numeric():
        try:
            found = cells.cast(pl.Float64) == float(str(reference.label))
        except ValueError:
            what = f"The column {cells.name!r} holds numbers, none of which is {reference.label!r}."
            raise AnnotuneError(what, f"Compare it with a number: {cells.name} == 1.") from None
    else:
        found = cells.cast(pl.String) == reference.label
    return ~found if reference.negated else found


def _levels(reference: Reference, frame: pl.DataFrame, gold: Mapping[str, str]) -> list[str] | None:
    """The categories of a column that occur by prediction or by hand; none for numbers and comparisons."""
    cells = frame[reference.column]
    numbers = cells.dtype.is_numeric() or cells.dtype == pl.Boolean
    if reference.label is not None or (numbers and not reference.category):
        return None
    if not (numbers or cells.dtype in (pl.String, pl.Categorical) or isinstance(cells.dtype, pl.Enum)):
        raise AnnotuneError(f"The column {cells.name!r} holds {_kind(cells)}.", "Give numbers or categories.")
    found = occurring_labels([cells, *([frame[gold[reference.column]]] if reference.column in gold else [])])
    if len(found) < 2:
        raise AnnotuneError(f"All texts have the same {cells.name!r}.", "Leave it out of the covariates.")
    if len(found) > MOST_LEVELS:
        advice = f"Absorb them as fixed effects, ~ ... | {cells.name}, or group them."
        raise AnnotuneError(f"The column {cells.name!r} has {len(found):,} categories.", advice)
    return found


def _kind(cells: pl.Series) -> str:
    if cells.dtype.is_nested():
        return "lists"
    return "dates or times" if cells.dtype.is_temporal() else "words"


def _pandas(
    references: Mapping[str, Reference], frame: pl.DataFrame, levels: Mapping[str, list[str] | None]
) -> pd.DataFrame:
    """What formulaic reads: plain names, floats and categories."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for alias, reference in references.items():
        names = levels[alias]
        if names is None:
            columns[alias] = column(reference, frame)
            continue
        cells = frame[reference.column]
        words = (
            cells if cells.dtype in (pl.String, pl.Categorical) or isinstance(cells.dtype, pl.Enum) else _words(cells)
        )
        columns[alias] = categorical(words, names)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def categorical(words: pl.Series, names: Sequence[str]) -> pd.Categorical[str]:
    """Categories in the order of `names`, as formulaic reads them: those of polars it would turn with pyarrow."""
    import pandas as pd

    places = words.cast(pl.String).cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1)
    return pd.Categorical.from_codes(places.to_numpy(), pd.Index(names))


def _words(cells: pl.Series) -> pl.Series:
    unique = cells.drop_nulls().unique()
    names = [_word(value) for value in unique.to_list()]
    return cells.replace_strict(unique, pl.Series(names, dtype=pl.String), default=None, return_dtype=pl.String)


def _matrix(formula: Formula, spec: Any, frame: pd.DataFrame) -> tuple[tuple[str, ...], Floats, Any]:
    from formulaic import Formula as Formulaic
    from formulaic import ModelSpec
    from formulaic.errors import FormulaicError

    context = {"sqrt": np.sqrt, "abs": np.abs}
    options: dict[str, Any] = {"na_action": "ignore"}
    try:
        with np.errstate(all="ignore"):  # what is no number is found, told and left out afterwards
            made = Formulaic(spec) if isinstance(spec, str) else spec
            options |= {} if isinstance(made, ModelSpec) else {"output": "numpy"}
            matrix = made.get_model_matrix(frame, context=context, **options)
    except (FormulaicError, SyntaxError, TypeError, ValueError, KeyError, NameError) as error:
        reason = formula.spoken(str(error).splitlines()[0].rstrip(".")) if str(error) else type(error).__name__
        raise AnnotuneError(f"{formula.text!r} cannot be computed: {reason}.", "Write it as in R.") from None
    values = np.asarray(matrix, dtype=np.float64)
    if values.shape[0] != len(frame):  # a formula without a column
        values = np.ones((len(frame), values.shape[1]))
    return tuple(matrix.model_spec.column_names), values, matrix.model_spec
