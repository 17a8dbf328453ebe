"""A regression that scripts of Stata and R run on the written data: its formula, taken apart, and its columns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from annotune.data.formula_sides import NAME, NUMBER, TEXT, sides_of, unescaped, value_of
from annotune.errors import AnnotuneError, nearest
from annotune.export.sheet import Column, Sheet

FACTOR = re.compile(
    rf"""^(?:(?:C|factor|as\.factor)\(\s*(?P<column>{NAME})\s*(?:,\s*levels\s*=\s*c\(\s*(?P<first>{TEXT}|{NUMBER}).*\)\s*)?\)
    |relevel\(\s*(?:(?:C|factor|as\.factor)\()?\s*(?P<releveled>{NAME})\s*\)?\s*,\s*(?:ref\s*=\s*)?(?P<base>{TEXT}|{NUMBER})\s*\))$""",
    re.VERBOSE,
)
PIECE = re.compile(rf"(?:{TEXT}|`[^`]*`|[^:*+])+|[:*+]")  # of a right-hand side: signs, and what is between them
LABEL = re.compile(r"""\s*(?P<column>.+?)\s*==\s*(?P<quote>['"])(?P<label>.*)(?P=quote)\s*""", re.DOTALL)


@dataclass(frozen=True)
class Regression:
    """A regression with a coded outcome, and the columns that hold this outcome in other forms.

    Attributes
    ----------
    formula
        `outcome ~ a + b + a:b`; the outcome is a column, or a label of a coded one: `topic == 'Health'`. `C(year)`
        treats numbers as categories.
    corrected
        The column with the outcome corrected for the model's error (such as `dsl_y`), where there is one.
    gold, probability
        The coded column with the coders' own codes, and the one with each text's probability of being coded.
    model
        "linear", or "logit". The corrected outcome of a logit is not 0 or 1, which logit commands do not accept: its
        moments are solved by gmm in Stata, and by a few lines of R.
    cluster
        A column: texts with the same value depend on each other.
    references
        The category of a column with which the others are compared; also what `relevel(party, ref = 'Labour')` in the
        formula says. By default the first one.
    weight
        The column with how many texts each coded one stands for, where texts were drawn in several waves: it takes the
        place of 1 / probability.
    """

    formula: str
    corrected: str | None = None
    gold: str | None = None
    probability: str | None = None
    model: Literal["linear", "logit"] = "linear"
    cluster: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    weight: str | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """The left-hand and the right-hand side of the formula."""
        return sides_of(self.formula)

    @property
    def terms(self) -> list[tuple[str, ...]]:
        """The explanatory terms, each with its columns and the signs between them: `a`, or `a`, `:`, `b`."""
        pieces = [piece.strip() for piece in PIECE.findall(self.sides[1])]
        ends = [-1, *(place for place, piece in enumerate(pieces) if piece == "+"), len(pieces)]
        terms = [pieces[before + 1 : end] for before, end in itertools.pairwise(ends)]
        return [tuple(_column_of_part(part) for part in term) for term in terms if term != ["1"]]

    @property
    def columns(self) -> list[str]:
        """The explanatory columns, each once."""
        return list(dict.fromkeys(name for term in self.terms for name in term[::2]))

    @property
    def factors(self) -> set[str]:
        """The columns that the formula names as categories."""
        return {_column_of_part(match[0]) for match in self._factors}

    @property
    def bases(self) -> dict[str, str]:
        """The reference categories that were chosen, by column."""
        base_of_column = {_column_of_part(match[0]): match["first"] or match["base"] for match in self._factors}
        return {name: value_of(base) for name, base in base_of_column.items() if base} | dict(self.references)

    @property
    def _factors(self) -> list[re.Match[str]]:
        parts = [piece.strip() for piece in PIECE.findall(self.sides[1])]
        return [match for match in map(FACTOR.match, parts) if match]


def _column_of_part(part: str) -> str:
    """The column of a part of a term."""
    match = FACTOR.match(part)
    return ((match["column"] or match["releveled"]) if match else part).strip("`")


def require_regression_columns(sheet: Sheet, regressions: Sequence[Regression]) -> None:
    """Refuse a formula with an unknown column or label; the sheet may have no rows."""
    for regression in regressions:
        outcome, label = outcome_and_label(regression)
        columns = [outcome, regression.corrected, regression.gold, regression.probability, regression.cluster]
        columns += [regression.weight]
        columns += regression.columns
        for name in columns:
            if name is not None and name not in sheet.schema:
                what = f"{regression.formula!r}: there is no column {name!r}."
                raise AnnotuneError(what, nearest(name, list(sheet.schema)))
        for name in (outcome, regression.gold):
            if name is not None:
                _require_outcome(sheet, regression.formula, columns_by_name(sheet)[name], label)
        for name in regression.columns:
            if name in regression.bases:
                _require_base(sheet, regression, columns_by_name(sheet)[name])


def _require_outcome(sheet: Sheet, formula: str, column: Column, label: str | None) -> None:
    """A label needs a column that has it; without a label, the column must be a number."""
    if label is not None and column.labels is None:
        advice = "Name it in the codebook, or give its labels with labels=."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} has no labels.", advice)
    if label is not None and label not in column.names:
        what = f"{formula!r}: {label!r} is not a label of {column.name!r}."
        raise AnnotuneError(what, nearest(label, column.names))
    if label is None and (column.labels is not None or sheet.schema[column.name] == pl.String):
        advice = f"Name one of its labels: {column.name} == {next(iter(column.names), '...')!r} ~ ..."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} is not numeric.", advice)


def _require_base(sheet: Sheet, regression: Regression, column: Column) -> None:
    """A reference category is a label or a code of the column, or a value that the column can have."""
    base, labels, dtype = regression.bases[column.name], column.labels, sheet.schema[column.name]
    known = [*column.names, *map(str, labels)] if labels is not None else None
    if known is not None and base not in known:
        what = f"{regression.formula!r}: {base!r} is not a label of {column.name!r}."
        raise AnnotuneError(what, nearest(base, known))
    if known is None and dtype != pl.String and number_of(dtype, base) is None:
        what = f"{regression.formula!r}: {base!r} is no value of {column.name!r}, which holds numbers."
        raise AnnotuneError(what, "Give one of its numbers as the reference category.")


def outcome_and_label(regression: Regression) -> tuple[str, str | None]:
    """The column on the left-hand side, and its label, where one is named."""
    left = regression.sides[0]
    match = LABEL.fullmatch(left)
    return (match["column"].strip("`"), unescaped(match["label"])) if match else (left.strip("`"), None)


def explanatory(regressions: Sequence[Regression]) -> list[str]:
    """The explanatory columns of all regressions, each once."""
    return list(dict.fromkeys(name for entry in regressions for name in entry.columns))


def columns_by_name(sheet: Sheet) -> dict[str, Column]:
    """The columns of a sheet by their names."""
    return {column.name: column for column in sheet.columns}


@dataclass(frozen=True)
class Model:
    """One regression to run: its name, its outcome, the label coded as 1, and the probability or the weight."""

    name: str
    column: str
    label: str | None = None
    probability: str | None = None
    weight: str | None = None


def models_of(regression: Regression, number: int) -> list[Model]:
    """Regressions on the predictions as if they were the truth, on the hand codings, and on the corrected outcome."""
    column, label = outcome_and_label(regression)
    models = [Model(f"plain_{number}", column, label)]
    if regression.gold is not None:
        probability = regression.probability if regression.weight is None else None
        models.append(Model(f"hand_{number}", regression.gold, label, probability, regression.weight))
    if regression.corrected is not None:
        models.append(Model(f"corrected_{number}", regression.corrected))
    return models


def number_of(dtype: pl.DataType, base: str) -> str | None:
    """The number that a category is in Stata, of a column without labels; None where it is none."""
    if dtype == pl.Boolean:
        return {"true": "1", "false": "0"}.get(base.lower())
    return base if dtype != pl.String and re.fullmatch(rf"-?{NUMBER}", base) else None
