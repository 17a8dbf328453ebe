"""A do-file and an R script for the data: they load them, show the labels, and run naive and corrected regressions.

The do-file uses commands of Stata 14 alone; the R script uses base R and the package sandwich, and haven where the data
are a .dta. The R script's robust standard errors are those of `correct` (HC0; with fewer than 50 clusters it has CR2).
Stata's regress multiplies their squares by n / (n - k), its logit by n / (n - 1), its gmm by 1.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.data.formula_sides import NAME, NUMBER, TEXT, sides_of
from annotune.errors import AnnotuneError, nearest
from annotune.export.ereturn import comment
from annotune.export.names import stata_names
from annotune.export.sheet import Column, Sheet

FACTOR = re.compile(
    rf"""^(?:(?:C|factor|as\.factor)\(\s*(?P<column>{NAME})\s*(?:,\s*levels\s*=\s*c\(\s*(?P<first>{TEXT}|{NUMBER}).*\)\s*)?\)
    |relevel\(\s*(?:(?:C|factor|as\.factor)\()?\s*(?P<releveled>{NAME})\s*\)?\s*,\s*(?:ref\s*=\s*)?(?P<base>{TEXT}|{NUMBER})\s*\))$""",
    re.VERBOSE,
)
PIECE = re.compile(rf"(?:{TEXT}|`[^`]*`|[^:*+])+|[:*+]")  # of a right-hand side: signs, and what is between them
LABEL = re.compile(r"""^\s*(?P<column>.+?)\s*==\s*(?P<quote>['"])(?P<label>.*)(?P=quote)\s*$""")


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
    """

    formula: str
    corrected: str | None = None
    gold: str | None = None
    probability: str | None = None
    model: Literal["linear", "logit"] = "linear"
    cluster: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)

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
        written = {_column_of_part(match[0]): match["first"] or match["base"] for match in self._factors}
        return {name: base.strip("'\"") for name, base in written.items() if base} | dict(self.references)

    @property
    def _factors(self) -> list[re.Match[str]]:
        parts = [piece.strip() for piece in PIECE.findall(self.sides[1])]
        return [match for match in map(FACTOR.match, parts) if match]


def _column_of_part(part: str) -> str:
    """The column of a part of a term."""
    match = FACTOR.match(part)
    return ((match["column"] or match["releveled"]) if match else part).strip("`")


def scripts(
    sheet: Sheet, targets: Sequence[Path], regressions: Sequence[Regression | str], labelled: bool = False
) -> Iterator[tuple[Path, str]]:
    """A do-file for results.dta and an R script for results.rds, or for results.dta without a .rds.

    `labelled` says that coded columns in the .rds are haven_labelled.
    """
    models = [Regression(entry) if isinstance(entry, str) else entry for entry in regressions]
    require_regression_columns(sheet, models)
    by_suffix = {target.suffix.lower(): target for target in targets}
    stata, r = by_suffix.get(".dta"), by_suffix.get(".rds", by_suffix.get(".dta"))
    if stata is not None:
        yield stata.with_suffix(".do"), "\n".join(do_file(sheet, stata.name, models)) + "\n"
    if r is not None:
        yield r.with_suffix(".R"), "\n".join(r_script(sheet, r.name, models, labelled)) + "\n"


def require_regression_columns(sheet: Sheet, regressions: Sequence[Regression]) -> None:
    """Refuse a formula with an unknown column or label; the sheet may have no rows."""
    for regression in regressions:
        outcome, label = _outcome_and_label(regression)
        columns = [outcome, regression.corrected, regression.gold, regression.probability, regression.cluster]
        columns += regression.columns
        for name in columns:
            if name is not None and name not in sheet.schema:
                what = f"{regression.formula!r}: there is no column {name!r}."
                raise AnnotuneError(what, nearest(name, list(sheet.schema)))
        for name in (outcome, regression.gold):
            if name is not None:
                _require_outcome(sheet, regression.formula, _columns_by_name(sheet)[name], label)


def _require_outcome(sheet: Sheet, formula: str, column: Column, label: str | None) -> None:
    """A label needs a column that has it; without a label, the column must be a number."""
    if label is not None and column.labels is None:
        advice = "Name it in the codebook, or give its labels with labels=."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} has no labels.", advice)
    if label is not None and label not in column.names:
        what = f"{formula!r}: {label!r} is not a label of {column.name!r}."
        raise AnnotuneError(what, nearest(label, column.names))
    if label is None and (column.labels is not None or sheet.schema[column.name] == pl.String):
        advice = f"Name one of its labels: {column.name} == 'Health' ~ ..."
        raise AnnotuneError(f"{formula!r}: the column {column.name!r} is not numeric.", advice)


def _outcome_and_label(regression: Regression) -> tuple[str, str | None]:
    """The column on the left-hand side, and its label, where one is named."""
    left = regression.sides[0]
    match = LABEL.match(left)
    return (match["column"].strip("`"), match["label"]) if match else (left.strip("`"), None)


def _explanatory(regressions: Sequence[Regression]) -> list[str]:
    return list(dict.fromkeys(name for entry in regressions for name in entry.columns))


def _columns_by_name(sheet: Sheet) -> dict[str, Column]:
    return {column.name: column for column in sheet.columns}


@dataclass(frozen=True)
class _Model:
    """One regression to run: its name, the column of its outcome, the label coded as 1, and the weight."""

    name: str
    column: str
    label: str | None = None
    probability: str | None = None


def _models_of(regression: Regression, number: int) -> list[_Model]:
    """Regressions on the predictions as if they were the truth, on the hand codings, and on the corrected outcome."""
    column, label = _outcome_and_label(regression)
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
    grouped = [name for name in _explanatory(regressions) if _is_grouped(sheet, name)]
    lines += [f"egen {names[name][:25]}_factor = group({names[name]}), label" for name in grouped]
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"* {comment(regression.formula)}"]
        factors = {name: _stata_factor(sheet, name, names[name], regression) for name in regression.columns}
        lines += [ready for _, ready in factors.values() if ready]
        right = _stata_right(regression, factors)
        models = _models_of(regression, number)
        for model in models:
            lines += _stata_model(sheet, regression, model, right, names)
        equations = " equations(1)" if regression.model == "logit" else ""
        stored = " ".join(model.name for model in models)
        lines.append(f"estimates table {stored}, b(%9.4f) se(%9.4f) stats(N){equations}")
    return lines


def _stata_right(regression: Regression, factors: Mapping[str, tuple[str, str]]) -> str:
    """The terms as Stata writes them."""
    signs = {":": "#", "*": "##"}
    terms = [
        "".join(signs[text] if place % 2 else factors[text][0] for place, text in enumerate(term))
        for term in regression.terms
    ]
    return " ".join(terms)


def _stata_names(sheet: Sheet) -> dict[str, str]:
    originals = [column.name for column in sheet.columns]
    return dict(zip(originals, stata_names(originals)[0], strict=True))


def _is_grouped(sheet: Sheet, name: str) -> bool:
    """Whether a column has to be numbered before it can be a factor of Stata: these are integers from 0."""
    labels = _columns_by_name(sheet)[name].labels
    return sheet.schema[name] == pl.String if labels is None else min(map(float, labels), default=0) < 0


def _stata_factor(sheet: Sheet, name: str, stata: str, regression: Regression) -> tuple[str, str]:
    """The term of an explanatory column, and the commands that find the number of its reference category."""
    labels, base = _columns_by_name(sheet)[name].labels, regression.bases.get(name)
    if _is_grouped(sheet, name):
        ready = f"{stata[:25]}_factor"
        if base is None:
            return f"i.{ready}", ""
        value = f'"{base}"' if labels is None else _code_of(labels, base)
        find = f"quietly summarize {ready} if {stata} == {value}, meanonly"
        return f"ib`base_{stata[:20]}'.{ready}", f"{find}\nlocal base_{stata[:20]} = r(min)"
    if labels is None:
        return (f"c.{stata}" if name not in regression.factors else f"{f'ib{base}' if base else 'i'}.{stata}"), ""
    code = next(iter(labels), 0) if base is None else _code_of(labels, base)
    return f"ib{code}.{stata}", ""  # by default the codebook's first label, as it is in R


def _code_of(labels: Mapping[Any, str], name: str) -> Any:
    """The code of a label; a name that is none is a code itself."""
    return next((code for code, label in labels.items() if label == name), name)


def _stata_model(
    sheet: Sheet, regression: Regression, model: _Model, right: str, names: Mapping[str, str]
) -> list[str]:
    left, column, weight, lines = names[model.column], _columns_by_name(sheet)[model.column], "", []
    if model.label is not None:
        codes = {text: str(code) for code, text in (column.labels or {}).items()}
        lines.append(f"generate byte {model.name}_y = {left} == {codes[model.label]} if !missing({left})")
        left = f"{model.name}_y"
    if model.probability is not None:
        lines.append(f"generate double {model.name}_w = 1 / {names[model.probability]}")
        weight = f" [pweight = {model.name}_w]"
    errors = "robust" if regression.cluster is None else f"cluster {names[regression.cluster]}"
    if regression.model == "logit" and model.column == regression.corrected:
        moments = f"({left} - invlogit({{xb: {right} _cons}}))".replace("  ", " ")
        fit = f"gmm {moments}, instruments({right}) onestep vce({errors})"
    else:
        command = "logit" if regression.model == "logit" else "regress"
        fit = f"{command} {left} {right}{weight}, vce({errors})"
    return [*lines, fit, f"estimates store {model.name}"]


R_FACTORS = (
    "data[] <- lapply(data, haven::zap_missing)",
    "data[coded] <- lapply(data[coded], haven::as_factor)",
    "data[] <- lapply(data, haven::zap_labels)",
)
R_EMPTY = "data[] <- lapply(data, function(x) if (is.character(x)) haven::zap_empty(x) else x)"
R_ROBUST = """
# estimates with standard errors robust to heteroskedasticity (HC0), or clustered; with fewer than 50 clusters those of
# estimatr::lm_robust(..., clusters = , se_type = "CR2") are annotune's, and its intervals hold more often
robust <- function(model, cluster = NULL) {
  estimate <- coef(model)[!is.na(coef(model))]
  variance <- if (is.null(cluster)) sandwich::sandwich(model) else
    sandwich::vcovCL(model, cluster = cluster, type = "HC0", cadjust = FALSE)
  told(estimate, sqrt(diag(variance))[names(estimate)], nobs(model))
}
told <- function(estimate, se, n) {
  margin <- qnorm(0.975) * se
  data.frame(estimate, se, lower = estimate - margin, upper = estimate + margin, n)
}"""
R_LOGIT = """
# the logit's moments with a corrected outcome, which is not 0 or 1 and not accepted by glm
corrected_logit <- function(formula, data, cluster = NULL) {
  frame <- model.frame(formula, data)
  x <- model.matrix(formula, frame)
  y <- model.response(frame)
  estimate <- setNames(numeric(ncol(x)), colnames(x))
  for (round in 1:100) {
    p <- drop(plogis(x %*% estimate))
    bread <- solve(crossprod(x, x * (p * (1 - p))))
    step <- drop(bread %*% crossprod(x, y - p))
    estimate <- estimate + step
    if (max(abs(step)) < 1e-12) break
  }
  scores <- x * (y - p)
  if (!is.null(cluster)) scores <- rowsum(scores, data[rownames(frame), all.vars(cluster), drop = TRUE])
  told(estimate, sqrt(diag(bread %*% crossprod(scores) %*% bread)), nrow(x))
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
            _r_base(names[name], _columns_by_name(sheet)[name])
            for name in _explanatory(regressions)
            if _columns_by_name(sheet)[name].labels
        ]
    if data.lower().endswith(".dta"):  # where a missing text is an empty one, which Stata leaves out
        lines.append(R_EMPTY)
    lines.append("str(data)")
    lines += [f'print(table(data[[{_r_text(name)}]], useNA = "ifany"))' for name in coded]
    lines += [R_ROBUST] * bool(regressions)
    lines += [R_LOGIT] * any(entry.model == "logit" and entry.corrected for entry in regressions)
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"# {comment(regression.formula)}"]
        for model in _models_of(regression, number):
            lines += _r_model(regression, model, names)
    return lines


def _r_right(regression: Regression, names: Mapping[str, str]) -> str:
    """The terms as R writes them."""

    def part(name: str) -> str:
        quoted, base = _r_name(names[name]), regression.bases.get(name)
        if base is not None:
            return f"relevel(factor({quoted}, ordered = FALSE), ref = {_r_text(base)})"
        return f"factor({quoted})" if name in regression.factors else quoted

    terms = [
        " ".join(text if place % 2 else part(text) for place, text in enumerate(term)) for term in regression.terms
    ]
    return " + ".join(terms) or "1"


def _r_model(regression: Regression, model: _Model, names: Mapping[str, str]) -> list[str]:
    left, weight, lines = _r_name(names[model.column]), "", []
    if model.label is not None:
        cells = f"data[[{_r_text(names[model.column])}]]"
        lines.append(f"data${model.name}_y <- as.numeric({cells} == {_r_text(model.label)})")
        left = f"{model.name}_y"
    if model.probability is not None:
        weight = f", weights = 1 / {_r_name(names[model.probability])}"
    formula = f"{left} ~ {_r_right(regression, names)}"
    cluster = "" if regression.cluster is None else f", cluster = ~ {_r_name(names[regression.cluster])}"
    if regression.model == "logit" and model.column == regression.corrected:
        return [*lines, f"{model.name} <- corrected_logit({formula}, data{cluster})", f"print({model.name})"]
    fit = (
        f"glm({formula}, quasibinomial, data{weight})"
        if regression.model == "logit"
        else f"lm({formula}, data{weight})"
    )
    return [*lines, f"{model.name} <- {fit}", f"print(robust({model.name}{cluster}))"]


def _r_base(name: str, column: Column) -> str:
    """The first label of the codebook as the base; haven sorts the levels by code."""
    cells = f"data[[{_r_text(name)}]]"
    return f"{cells} <- relevel({cells}, {_r_text(column.names[0])})"


def _r_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _r_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
