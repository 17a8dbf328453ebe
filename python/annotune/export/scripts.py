"""A do-file and an R script beside the data: load, show the labels, run the regressions.

The do-file uses commands of Stata 14 alone; the R script uses base R and the package sandwich, and haven where the data
are a .dta. Their robust standard errors are the same ones (HC1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError, nearest
from annotune.export.names import stata_names
from annotune.export.sheet import Column, Sheet

LABEL = re.compile(r"""^\s*(?P<column>.+?)\s*==\s*(?P<quote>['"])(?P<label>.*)(?P=quote)\s*$""")


@dataclass(frozen=True)
class Regression:
    """A linear regression on codes, and the columns that hold its outcome in other ways.

    Attributes
    ----------
    formula
        `outcome ~ a + b + a:b`; the outcome is a column, or a label of a coded one: `topic == 'Health'`.
    corrected
        The column with the outcome corrected for the model's error (such as `dsl_y`), where there is one.
    gold, probability
        The coded column with the coders' own codes, and the one with each text's probability of being coded.
    """

    formula: str
    corrected: str | None = None
    gold: str | None = None
    probability: str | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """What is explained, and what explains it."""
        sides = [side.strip() for side in self.formula.split("~")]
        if len(sides) != 2 or not all(sides):
            raise AnnotuneError(f"{self.formula!r} is no formula.", "Write it as: topic == 'Health' ~ party + year.")
        return sides[0], sides[1]

    @property
    def terms(self) -> list[tuple[str, ...]]:
        """The explanatory terms, each with its columns and the signs between them: `a`, or `a`, `:`, `b`."""
        parts = [re.split(r"\s*([:*])\s*", term.strip()) for term in self.sides[1].split("+")]
        return [tuple(part) for part in parts if part != ["1"]]


def scripts(
    sheet: Sheet, targets: Sequence[Path], regressions: Sequence[Regression | str], labelled: bool = False
) -> Iterator[tuple[Path, str]]:
    """A do-file for results.dta and an R script for results.rds, or for results.dta where that is alone.

    `labelled` says that coded columns in the .rds are haven_labelled.
    """
    wanted = [Regression(entry) if isinstance(entry, str) else entry for entry in regressions]
    _require_columns(sheet, wanted)
    by_suffix = {target.suffix.lower(): target for target in targets}
    stata, r = by_suffix.get(".dta"), by_suffix.get(".rds", by_suffix.get(".dta"))
    if stata is not None:
        yield stata.with_suffix(".do"), "\n".join(do_file(sheet, stata.name, wanted)) + "\n"
    if r is not None:
        yield r.with_suffix(".R"), "\n".join(r_script(sheet, r.name, wanted, labelled)) + "\n"


def _require_columns(sheet: Sheet, regressions: Sequence[Regression]) -> None:
    for regression in regressions:
        outcome, label = _outcome(regression)
        columns = [outcome, regression.corrected, regression.gold, regression.probability]
        columns += [column for term in regression.terms for column in term[::2]]
        for name in columns:
            if name is not None and name not in sheet.schema:
                what = f"{regression.formula!r}: there is no column {name!r}."
                raise AnnotuneError(what, nearest(name, list(sheet.schema)))
        for name in (outcome, regression.gold):
            if name is not None:
                _require_outcome(sheet, regression.formula, _columns(sheet)[name], label)


def _require_outcome(sheet: Sheet, formula: str, column: Column, label: str | None) -> None:
    """A label needs a column that has it; without a label, the column must be a number."""
    if label is not None and column.labels is None:
        advice = "Name it in the codebook, or give its labels with labels=."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} has no labels.", advice)
    if label is not None and label not in column.names:
        what = f"{formula!r}: {label!r} is no label of {column.name!r}."
        raise AnnotuneError(what, nearest(label, column.names))
    if label is None and (column.labels is not None or sheet.schema[column.name] == pl.String):
        advice = f"Name one of its labels: {column.name} == 'Health' ~ ..."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} is no number.", advice)


def _outcome(regression: Regression) -> tuple[str, str | None]:
    """The column on the left, and the label that is asked for."""
    left = regression.sides[0]
    found = LABEL.match(left)
    return (found["column"], found["label"]) if found else (left, None)


def _explanatory(regressions: Sequence[Regression]) -> list[str]:
    return list(dict.fromkeys(name for entry in regressions for term in entry.terms for name in term[::2]))


def _columns(sheet: Sheet) -> dict[str, Column]:
    return {column.name: column for column in sheet.columns}


@dataclass(frozen=True)
class _Model:
    """One regression to run: its name, the column of its outcome, the label that counts as 1, and the weight."""

    name: str
    column: str
    label: str | None = None
    probability: str | None = None


def _models(regression: Regression, number: int) -> list[_Model]:
    """The predictions as if they were the truth, the coders' codes alone, and the corrected outcome."""
    column, label = _outcome(regression)
    models = [_Model(f"plain_{number}", column, label)]
    if regression.gold is not None:
        models.append(_Model(f"hand_{number}", regression.gold, label, regression.probability))
    if regression.corrected is not None:
        models.append(_Model(f"corrected_{number}", regression.corrected))
    return models


def do_file(sheet: Sheet, data: str, regressions: Sequence[Regression]) -> list[str]:
    """The lines of the do-file."""
    names = _stata_names(sheet)
    lines = ["version 14", f'use "{data}", clear', "describe", "notes"]
    lines += [
        f"capture noisily tabulate {names[column.name]}, missing"
        for column in sheet.columns
        if column.labels is not None
    ]
    factors = {name: _stata_factor(sheet, name, names[name]) for name in _explanatory(regressions)}
    lines += [ready for _, ready in factors.values() if ready]
    signs = {":": "#", "*": "##"}
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"* {_comment(regression.formula)}"]
        right = " ".join(
            "".join(signs[part] if place % 2 else factors[part][0] for place, part in enumerate(term))
            for term in regression.terms
        )
        models = _models(regression, number)
        for model in models:
            lines += _stata_model(sheet, model, right, names)
        lines.append(f"estimates table {' '.join(model.name for model in models)}, b(%9.4f) se(%9.4f) stats(N)")
    return lines


def _stata_names(sheet: Sheet) -> dict[str, str]:
    originals = [column.name for column in sheet.columns]
    return dict(zip(originals, stata_names(originals)[0], strict=True))


def _stata_factor(sheet: Sheet, name: str, stata: str) -> tuple[str, str]:
    """How an explanatory column enters, and what makes it ready: Stata's factors are whole numbers from 0 on."""
    labels = _columns(sheet)[name].labels
    if labels is None and sheet.schema[name] != pl.String:
        return f"c.{stata}", ""
    if labels is None or min(labels, default=0) < 0:
        ready = f"{stata[:25]}_factor"
        return f"i.{ready}", f"egen {ready} = group({stata}), label"
    base = next(iter(labels), 0)
    return f"ib{base}.{stata}", ""  # the codebook's first label is the base, as it is in R


def _stata_model(sheet: Sheet, model: _Model, right: str, names: Mapping[str, str]) -> list[str]:
    left, column, weight, lines = names[model.column], _columns(sheet)[model.column], "", []
    if model.label is not None:
        codes = {text: str(code) for code, text in (column.labels or {}).items()}
        lines.append(f"generate byte {model.name}_y = {left} == {codes[model.label]} if !missing({left})")
        left = f"{model.name}_y"
    if model.probability is not None:
        lines.append(f"generate double {model.name}_w = 1 / {names[model.probability]}")
        weight = f" [pweight = {model.name}_w]"
    return [*lines, f"regress {left} {right}{weight}, vce(robust)", f"estimates store {model.name}"]


R_FACTORS = (
    "data[] <- lapply(data, haven::zap_missing)",
    "data[coded] <- lapply(data[coded], haven::as_factor)",
    "data[] <- lapply(data, haven::zap_labels)",
)
R_EMPTY = "data[] <- lapply(data, function(x) if (is.character(x)) haven::zap_empty(x) else x)"
R_ROBUST = """
# estimates with standard errors robust to heteroskedasticity, as Stata's vce(robust) gives them
robust <- function(model) {
  estimate <- coef(model)[!is.na(coef(model))]
  se <- sqrt(diag(sandwich::vcovHC(model, type = "HC1")))[names(estimate)]
  margin <- qt(0.975, df.residual(model)) * se
  data.frame(estimate, se, lower = estimate - margin, upper = estimate + margin, n = nobs(model))
}"""


def r_script(sheet: Sheet, data: str, regressions: Sequence[Regression], labelled: bool = False) -> list[str]:
    """The lines of the R script."""
    names = {column.name: column.name for column in sheet.columns}
    read = f"readRDS({_r_text(data)})"
    if data.lower().endswith(".dta"):
        names = _stata_names(sheet)
        read, labelled = f"haven::read_dta({_r_text(data)})", True
    coded = [names[column.name] for column in sheet.columns if column.labels is not None]
    lines = [f"data <- {read}", 'print(attr(data, "notes"))']
    if labelled:  # columns with labels for missing values alone stay numbers
        lines += [f"coded <- c({', '.join(_r_text(name) for name in coded)})", *R_FACTORS]
        lines += [
            _r_base(names[name], _columns(sheet)[name])
            for name in _explanatory(regressions)
            if _columns(sheet)[name].labels
        ]
    if data.lower().endswith(".dta"):  # where a missing text is an empty one, which Stata leaves out
        lines.append(R_EMPTY)
    lines.append("str(data)")
    lines += [f'print(table(data[[{_r_text(name)}]], useNA = "ifany"))' for name in coded]
    lines += [R_ROBUST] * bool(regressions)
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"# {_comment(regression.formula)}"]
        right = " + ".join(
            " ".join(part if place % 2 else _r_name(names[part]) for place, part in enumerate(term))
            for term in regression.terms
        )
        for model in _models(regression, number):
            lines += _r_model(model, right or "1", names)
    return lines


def _r_model(model: _Model, right: str, names: Mapping[str, str]) -> list[str]:
    left, weight, lines = _r_name(names[model.column]), "", []
    if model.label is not None:
        cells = f"data[[{_r_text(names[model.column])}]]"
        lines.append(f"data${model.name}_y <- as.numeric({cells} == {_r_text(model.label)})")
        left = f"{model.name}_y"
    if model.probability is not None:
        weight = f", weights = 1 / {_r_name(names[model.probability])}"
    return [*lines, f"{model.name} <- lm({left} ~ {right}, data{weight})", f"print(robust({model.name}))"]


def _r_base(name: str, column: Column) -> str:
    """The codebook's first label as the base; haven sorts the levels by code."""
    cells = f"data[[{_r_text(name)}]]"
    return f"{cells} <- relevel({cells}, {_r_text(column.names[0])})"


def _r_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _r_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """One line without the signs that begin a comment of several."""
    return " ".join(text.split()).replace("/*", "/ *").replace("//", "/ /")
