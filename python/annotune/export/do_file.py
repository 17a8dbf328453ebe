"""A do-file for the data: Stata loads them, shows the labels, and runs naive and corrected regressions.

It uses commands of Stata 14 alone. Stata's regress multiplies the squares of the robust standard errors of `correct`
(HC0) by n / (n - k), its logit by n / (n - 1), its gmm by 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.export.names import names_in_stata, stata_names
from annotune.export.quoting import comment, stata_file, stata_string
from annotune.export.regressions import Model, Regression, columns_by_name, explanatory, models_of, number_of
from annotune.export.sheet import Sheet

LEVEL = re.compile(r"0*\d{1,9}")  # of a numeric column that Stata takes as a factor


def do_file(sheet: Sheet, data: str, regressions: Sequence[Regression]) -> list[str]:
    """The lines of the do-file."""
    names = _Names.of(sheet, regressions)
    lines = ["version 14", f"use {stata_file(data)}, clear", "describe", "notes"]
    lines += [
        f"capture noisily tabulate {names.columns[column.name]}, missing"
        for column in sheet.columns
        if column.labels is not None
    ]
    lines += [f"egen {made} = group({names.columns[name]}), label" for name, made in names.factors.items()]
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"* {comment(regression.formula)}"]
        factors = {name: _stata_factor(sheet, name, names, regression) for name in regression.columns}
        lines += [ready for _, ready in factors.values() if ready]
        right = _stata_right(regression, factors)
        models = models_of(regression, number)
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


@dataclass(frozen=True)
class _Names:
    """Names in Stata, all different: of columns, of factors and macros made of them, and of models' variables."""

    columns: dict[str, str]
    factors: dict[str, str]
    bases: dict[str, str]
    models: dict[str, str]

    @classmethod
    def of(cls, sheet: Sheet, regressions: Sequence[Regression]) -> _Names:
        columns = names_in_stata(sheet)
        based = {name: base for regression in regressions for name, base in regression.bases.items()}
        grouped = [name for name in explanatory(regressions) if _is_grouped(sheet, name, based.get(name))]
        models = [
            f"{model.name}_{letter}"
            for number, regression in enumerate(regressions, start=1)
            for model in models_of(regression, number)
            for letter in "yw"
        ]
        own_names = [*(f"{columns[name][:25]}_factor" for name in grouped), *models]
        made = stata_names([*columns.values(), *own_names])[0][len(columns) :]  # those of columns come first, and stay
        macros = stata_names([f"base_{columns[name][:20]}" for name in grouped])[0]
        return cls(
            columns,
            dict(zip(grouped, made, strict=False)),
            dict(zip(grouped, macros, strict=True)),
            dict(zip(models, made[len(grouped) :], strict=True)),
        )


def _is_grouped(sheet: Sheet, name: str, base: str | None) -> bool:
    """Whether a column has to be numbered before it can be a factor of Stata: these are integers from 0."""
    labels = columns_by_name(sheet)[name].labels
    if labels is not None:
        return min(map(float, labels), default=0) < 0
    number = number_of(sheet.schema[name], base) if base is not None else None
    return sheet.schema[name] == pl.String or (number is not None and LEVEL.fullmatch(number) is None)


def _stata_factor(sheet: Sheet, name: str, names: _Names, regression: Regression) -> tuple[str, str]:
    """The term of an explanatory column, and the commands that find the number of its reference category."""
    labels, base, stata = columns_by_name(sheet)[name].labels, regression.bases.get(name), names.columns[name]
    number = number_of(sheet.schema[name], base) if labels is None and base is not None else None
    if name in names.factors:
        factor, macro = names.factors[name], names.bases[name]
        if base is None:
            return f"i.{factor}", ""
        value = _code_of(labels, base) if labels is not None else number or stata_string(base)
        find = f"quietly summarize {factor} if {stata} == {value}, meanonly"
        return f"ib`{macro}'.{factor}", f"{find}\nlocal {macro} = r(min)"
    if labels is None:
        return f"ib{number}.{stata}" if number else f"{'i' if name in regression.factors else 'c'}.{stata}", ""
    code = next(iter(labels), 0) if base is None else _code_of(labels, base)
    return f"ib{code}.{stata}", ""  # by default the codebook's first label, as it is in R


def _code_of(labels: Mapping[Any, str], name: str) -> Any:
    """The code of a label; a name that is none is a code itself."""
    return next((code for code, label in labels.items() if label == name), name)


def _stata_model(sheet: Sheet, regression: Regression, model: Model, right: str, names: _Names) -> list[str]:
    left, column, weight, lines = names.columns[model.column], columns_by_name(sheet)[model.column], "", []
    if model.label is not None:
        codes = {text: str(code) for code, text in (column.labels or {}).items()}
        outcome = names.models[f"{model.name}_y"]
        lines.append(f"generate byte {outcome} = {left} == {codes[model.label]} if !missing({left})")
        left = outcome
    if model.probability is not None:
        share = names.models[f"{model.name}_w"]
        lines.append(f"generate double {share} = 1 / {names.columns[model.probability]}")
        weight = f" [pweight = {share}]"
    elif model.weight is not None:
        weight = f" [pweight = {names.columns[model.weight]}]"
    errors = "robust" if regression.cluster is None else f"cluster {names.columns[regression.cluster]}"
    if regression.model == "logit" and model.column == regression.corrected:
        moments = f"({left} - invlogit({{xb: {right} _cons}}))".replace("  ", " ")
        fit = f"gmm {moments}, instruments({right}) onestep vce({errors})"
    else:
        command = "logit" if regression.model == "logit" else "regress"
        fit = f"{command} {left} {right}{weight}, vce({errors})"
    return [*lines, fit, f"estimates store {model.name}"]
