"""From a formula and a frame to design matrices: one by predictions and one by hand codings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.correction.families import Floats
from annotune.correction.formulas import Formula, Reference, as_word
from annotune.errors import AnnotuneError, listing, nearest

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 1000  # a column with more categories is a mistake, or a group whose effects should be absorbed


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
    bases
        For each column with categories the one that the others are compared with, its reference category.
    """

    names: tuple[str, ...]
    design: Floats
    design_gold: Floats
    bases: dict[str, str] = field(default_factory=dict)


def design(formula: Formula, frame: pl.DataFrame, coded: np.ndarray, gold: Mapping[str, str]) -> Matrices:
    """The covariates of all rows, and of the rows numbered in `coded` with hand codings in place of predictions.

    `gold` maps the name of a predicted column to that of its hand codings.
    """
    references = formula.within(formula.terms)
    levels = {alias: _category_levels(entry, frame, gold) for alias, entry in references.items()}
    names, matrix, spec = _model_matrix(formula, formula.terms, _formulaic_frame(references, frame, levels))
    if not names:
        raise AnnotuneError(f"{formula.text!r} has no terms.", "Such as: ~ party + year, or ~ 1 for a mean.")
    spoken = tuple(formula.spoken(name) for name in names)
    bases = {references[alias].column: base for alias, base in _bases(names, levels)}
    if not any(entry.column in gold for entry in references.values()):
        return Matrices(spoken, matrix, matrix[coded], bases)
    by_hand = with_gold(frame[coded], gold)
    _, matrix_gold, _ = _model_matrix(formula, spec, _formulaic_frame(references, by_hand, levels))
    return Matrices(spoken, matrix, matrix_gold, bases)


def _bases(names: Sequence[str], levels: Mapping[str, list[str] | None]) -> Iterator[tuple[str, str]]:
    """The alias and the reference category of each column with categories: the only one without a term of its own."""
    for alias, categories in levels.items():
        written = re.compile(rf"{alias}(?:,[^\[\]]*)?\)?\[T\.(.*)\]", re.DOTALL)
        parts = [match[1] for name in names for match in [written.search(name)] if match]
        absent = [level for level in categories or () if not any(_begins(part, level) for part in parts)]
        if parts and len(absent) == 1:
            yield alias, absent[0]


def _begins(part: str, level: str) -> bool:
    """Whether a term's name goes on with this category: it ends there, or another part of the term follows."""
    return part == level or part.startswith(f"{level}]:")


def require_full_rank(matrix: Floats) -> None:
    """Refuse a design with collinear columns."""
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise AnnotuneError("The covariates determine each other.", "Leave one of them out.")


def with_gold(frame: pl.DataFrame, gold: Mapping[str, str]) -> pl.DataFrame:
    """The frame with hand codings in place of predictions."""
    return frame.with_columns(frame[by_hand].alias(name) for name, by_hand in gold.items())


def column(reference: Reference, frame: pl.DataFrame) -> Floats:
    """A column as numbers, or whether it has a label, shape (N,)."""
    cells = frame[reference.column]
    if reference.label is not None:
        return _matches(cells, reference).cast(pl.Float64).to_numpy()
    if is_date(cells.dtype):
        return days(cells).to_numpy()
    if not (cells.dtype.is_numeric() or cells.dtype == pl.Boolean):
        what = f"The column {reference.column!r} holds {_kind_of_cells(cells)}, not numbers."
        raise AnnotuneError(what, f"Name one of its labels: {reference.column} == {_a_label(cells)!r}.")
    return cells.cast(pl.Float64).to_numpy()


def is_date(dtype: pl.DataType) -> bool:
    """Whether a column holds dates, with or without a time of day."""
    return dtype in (pl.Date, pl.Datetime)


_TIME_OF_DAY = r"^(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?$"


def with_dates(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """The frame with those of these columns as dates that are texts and hold nothing but dates, as csv files do.

    A time of day behind the date, as in 2020-01-04T12:00:00Z, is left out: it is the day as it is written.

    >>> with_dates(pl.DataFrame({"day": ["2020-01-04", None], "land": ["UK", "2020"]}), ["day", "land"]).dtypes
    [Date, String]
    """
    whole = []
    for name in dict.fromkeys(columns):
        if frame.schema.get(name) == pl.String:
            words = frame[name].str.strip_chars().replace("", None)
            dates = words.str.replace(_TIME_OF_DAY, "${1}").str.to_date("%Y-%m-%d", strict=False)
            whole += [dates] if dates.null_count() == words.null_count() < len(dates) else []
    return frame.with_columns(whole)


def days(cells: pl.Series) -> pl.Series:
    """Dates as days since 1970-01-01, as R counts them; a time of day is a part of a day."""
    microseconds = cells.cast(pl.Datetime("us")).to_physical().cast(pl.Float64)
    return microseconds / 86_400_000_000


def expression(formula: Formula, side: str, frame: pl.DataFrame) -> Floats:
    """A function of columns, such as `log(score)`, shape (N,)."""
    references = formula.within(side)
    levels: dict[str, list[str] | None] = dict.fromkeys(references)
    _, matrix, _ = _model_matrix(formula, f"{side} - 1", _formulaic_frame(references, frame, levels))
    if matrix.shape[1] != 1:
        raise AnnotuneError(f"{formula.text!r} explains {matrix.shape[1]} columns.", "Put a single one on the left.")
    return matrix[:, 0]


def occurring_labels(columns: Sequence[pl.Series]) -> list[str]:
    """The labels in columns of one variable, in the order of the first column's type, or else by size or alphabet."""
    values = {value for cells in columns for value in cells.drop_nulls().unique().to_list()}
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    first = next((cells.dtype.categories.to_list() for cells in columns if isinstance(cells.dtype, pl.Enum)), [])
    place = {name: i for i, name in enumerate(first)}
    return [as_word(value) for value in sorted(ordered, key=lambda value: place.get(value, len(place)))]


def _a_label(cells: pl.Series) -> str:
    """One that occurs; three dots where cells are no words, or empty."""
    is_words = isinstance(cells.dtype, (pl.String, pl.Enum, pl.Categorical)) and cells.count() > 0
    return occurring_labels([cells])[0] if is_words else "..."


def _matches(cells: pl.Series, reference: Reference) -> pl.Series:
    if cells.dtype.is_numeric():
        try:
            matches = cells.cast(pl.Float64) == float(str(reference.label))
        except ValueError:
            what = f"The column {cells.name!r} holds numbers, none of which is {reference.label!r}."
            raise AnnotuneError(what, f"Compare it with a number: {cells.name} == 1.") from None
    else:
        matches = cells.cast(pl.String) == reference.label
    return ~matches if reference.negated else matches


def _category_levels(reference: Reference, frame: pl.DataFrame, gold: Mapping[str, str]) -> list[str] | None:
    """The categories of a column that occur by prediction or by hand; none for numbers and comparisons."""
    cells = frame[reference.column]
    numbers = cells.dtype.is_numeric() or cells.dtype == pl.Boolean or is_date(cells.dtype)
    if numbers and reference.order and not reference.category:
        what = f"The column {cells.name!r} holds numbers or dates, which have no reference category."
        raise AnnotuneError(what, f"To take them for categories, write factor({cells.name}).")
    if reference.label is not None or (numbers and not reference.category):
        return None
    if not (numbers or cells.dtype in (pl.String, pl.Categorical) or isinstance(cells.dtype, pl.Enum)):
        raise AnnotuneError(f"The column {cells.name!r} holds {_kind_of_cells(cells)}.", "Give numbers or categories.")
    labels = occurring_labels([cells, *([frame[gold[reference.column]]] if reference.column in gold else [])])
    if len(labels) < 2:
        raise AnnotuneError(f"All texts have the same {cells.name!r}.", "Leave it out of the covariates.")
    if len(labels) > MOST_LEVELS:
        advice = f"Absorb them as fixed effects, ~ ... | {cells.name}, or group them."
        raise AnnotuneError(f"The column {cells.name!r} has {len(labels):,} categories.", advice)
    return in_order(labels, reference)


def in_order(labels: Sequence[str], reference: Reference) -> list[str]:
    """The categories of a column in the order that the formula asks for."""
    for name in reference.order:
        if name not in labels and not reference.closed:
            raise AnnotuneError(f"No text has the {reference.column} {name!r}.", nearest(name, labels))
    rest = [name for name in labels if name not in reference.order]
    if rest and reference.closed:
        what = f"The levels of {reference.column!r} lack {listing(rest)}."
        raise AnnotuneError(what, "Name every category, or leave these texts out of the table.")
    return [*(name for name in reference.order if name in labels), *rest]


def _kind_of_cells(cells: pl.Series) -> str:
    if cells.dtype.is_nested():
        return "lists"
    if cells.dtype.is_temporal():
        return "times of day" if cells.dtype == pl.Time else "lengths of time"
    return "words"


def _formulaic_frame(
    references: Mapping[str, Reference], frame: pl.DataFrame, levels: Mapping[str, list[str] | None]
) -> pd.DataFrame:
    """The frame that formulaic reads: plain names, floats and categories."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for alias, reference in references.items():
        names = levels[alias]
        if names is None:
            columns[alias] = column(reference, frame)
            continue
        cells = frame[reference.column]
        words = (
            cells
            if cells.dtype in (pl.String, pl.Categorical) or isinstance(cells.dtype, pl.Enum)
            else _cells_as_words(cells)
        )
        columns[alias] = categorical(words, names)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def categorical(words: pl.Series, names: Sequence[str]) -> pd.Categorical[str]:
    """Categories in the order of `names`, as formulaic reads them, without a conversion by pyarrow."""
    import pandas as pd

    places = words.cast(pl.String).cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1)
    return pd.Categorical.from_codes(places.to_numpy(), pd.Index(names))


def _cells_as_words(cells: pl.Series) -> pl.Series:
    unique = cells.drop_nulls().unique()
    names = [as_word(value) for value in unique.to_list()]
    return cells.replace_strict(unique, pl.Series(names, dtype=pl.String), default=None, return_dtype=pl.String)


def _model_matrix(formula: Formula, spec: Any, frame: pd.DataFrame) -> tuple[tuple[str, ...], Floats, Any]:
    from formulaic import Formula as Formulaic
    from formulaic import ModelSpec
    from formulaic.errors import FormulaicError

    context = {"sqrt": np.sqrt, "abs": np.abs}
    options: dict[str, Any] = {"na_action": "ignore"}
    try:
        with np.errstate(all="ignore"):  # cells that are not numbers are reported and left out afterwards
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
