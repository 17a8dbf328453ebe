"""An R script for the data: R loads them, shows the labels, and runs naive and corrected regressions.

It uses base R and the package sandwich, and haven where the data are a .dta. Its robust standard errors are those of
`correct` (HC0; with fewer than 50 clusters `correct` has CR2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annotune.export.names import names_in_stata
from annotune.export.quoting import comment, r_name, r_string
from annotune.export.regressions import Model, Regression, columns_by_name, explanatory, models_of
from annotune.export.sheet import Column, Sheet

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
    read = f"readRDS({r_string(data)})"
    if data.lower().endswith(".dta"):
        names = names_in_stata(sheet)
        read, labelled = f"haven::read_dta({r_string(data)})", True
    coded = [names[column.name] for column in sheet.columns if column.labels is not None]
    lines = [f"data <- {read}", 'print(attr(data, "notes"))']
    if labelled:  # columns with labels for missing values alone stay numbers
        lines += [f"coded <- c({', '.join(r_string(name) for name in coded)})", *R_FACTORS]
        lines += [
            _r_base(names[name], columns_by_name(sheet)[name])
            for name in explanatory(regressions)
            if columns_by_name(sheet)[name].labels
        ]
    if data.lower().endswith(".dta"):  # where a missing text is an empty one, which Stata leaves out
        lines.append(R_EMPTY)
    lines.append("str(data)")
    lines += [f'print(table(data[[{r_string(name)}]], useNA = "ifany"))' for name in coded]
    lines += [R_ROBUST] * bool(regressions)
    lines += [R_LOGIT] * any(entry.model == "logit" and entry.corrected for entry in regressions)
    for number, regression in enumerate(regressions, start=1):
        lines += ["", f"# {comment(regression.formula)}"]
        for model in models_of(regression, number):
            lines += _r_model(regression, model, names)
    return lines


def _r_right(regression: Regression, names: Mapping[str, str]) -> str:
    """The terms as R writes them."""

    def part(name: str) -> str:
        quoted, base = r_name(names[name]), regression.bases.get(name)
        if base is not None:
            return f"relevel(factor({quoted}, ordered = FALSE), ref = {r_string(base)})"
        return f"factor({quoted})" if name in regression.factors else quoted

    terms = [
        " ".join(text if place % 2 else part(text) for place, text in enumerate(term)) for term in regression.terms
    ]
    return " + ".join(terms) or "1"


def _r_model(regression: Regression, model: Model, names: Mapping[str, str]) -> list[str]:
    left, weight, lines = r_name(names[model.column]), "", []
    if model.label is not None:
        cells = f"data[[{r_string(names[model.column])}]]"
        left = f"{model.name}_y" + "_" * sum(name.startswith(f"{model.name}_y") for name in names.values())
        lines.append(f"data${left} <- as.numeric({cells} == {r_string(model.label)})")
    if model.probability is not None:
        weight = f", weights = 1 / {r_name(names[model.probability])}"
    elif model.weight is not None:
        weight = f", weights = {r_name(names[model.weight])}"
    formula = f"{left} ~ {_r_right(regression, names)}"
    cluster = "" if regression.cluster is None else f", cluster = ~ {r_name(names[regression.cluster])}"
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
    cells = f"data[[{r_string(name)}]]"
    return f"{cells} <- relevel({cells}, {r_string(column.names[0])})"
