"""A reliability table for readers: on the screen, in LaTeX, and in words with the sources of the conventions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from annotune.agreement.estimators import ONE_CODER
from annotune.agreement.reliability import SCHEMA
from annotune.export.latex import escaped
from annotune.numbers import p_value, with_interval
from annotune.text_table import Column, TextTable

NAMES = {
    "percent": "percent agreement",
    "weighted_percent": "weighted percent agreement",
    "cohen_kappa": "Cohen's kappa",
    "scott_pi": "Scott's pi",
    "fleiss_kappa": "Fleiss' kappa",
    "conger_kappa": "Conger's kappa",
    "light_kappa": "Light's kappa",
    "brennan_prediger": "Brennan-Prediger",
    "ac1": "Gwet's AC1",
    "ac2": "Gwet's AC2",
    "alpha": "Krippendorff's alpha",
    "dawid_skene": "error matrix",
    "advantage": "model as near or nearer",
    **{f"icc{form}": f"ICC({form},1)" for form in "123"},
    **{f"icc{form}k": f"ICC({form},k)" for form in "123"},
}
KAPPA_WORDS = ((0.0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
LANDIS_KOCH = "Landis and Koch 1977, p. 165"
KRIPPENDORFF = "Krippendorff 2004, p. 241: reliable from .800, tentative from .667"
MOST_NAMED = 3  # rows that a note names
DIFFERENCE = "_difference"
ELSEWHERE = "A wider window shows more, --write all."
NUMBERS = 4  # the last columns of a printed table
CAUTION = "Conventions are no verdict: how much agreement is enough depends on what the codes are used for."


def named(metric: str) -> str:
    """The metric's name in prose."""
    base = metric.removesuffix("_difference")
    name = NAMES.get(base, base.replace("_", " "))
    return f"{name}, difference" if base != metric else name


def titled(row: dict[str, Any]) -> str:
    """The coefficient of a row with its level, where that is not nominal."""
    return named(row["metric"]) + ("" if row["level"] == "nominal" else f" ({row['level']})")


def in_words(table: pl.DataFrame) -> list[str]:
    """How published conventions describe each coefficient and its interval, with their sources; not as a verdict.

    Only kappa-like coefficients and alpha have conventions. Rows without an interval have no sentence.

    Examples
    --------
    >>> row = {"variable": "topic", "metric": "alpha", "level": "nominal", "estimate": 0.71}
    >>> print(in_words(pl.DataFrame([row | {"ci_low": 0.6, "ci_high": 0.82}]))[0])
    topic: Krippendorff's alpha 0.71, 95 % interval 0.60 to 0.82: enough for tentative conclusions at the estimate;
    the interval reaches from too low to rely on to reliable (Krippendorff 2004, p. 241: reliable from .800, tentative
    from .667).
    """
    sentences = [sentence for row in table.to_dicts() for sentence in _sentence(row)]
    return [*sentences, CAUTION] if sentences else []


def _sentence(row: dict[str, Any]) -> Iterator[str]:
    judged = _judge(row["metric"])
    if judged is None or row["ci_low"] is None:
        return
    words, source = judged
    at, low, high = (words(row[key]) for key in ("estimate", "ci_low", "ci_high"))
    span = (
        f"{at} over the whole interval"
        if low == high
        else f"{at} at the estimate; the interval reaches from {low} to {high}"
    )
    yield (
        f"{about(row)}: {titled(row)} {row['estimate']:.2f}, "
        f"95 % interval {row['ci_low']:.2f} to {row['ci_high']:.2f}: {span} ({source})."
    )


def _judge(metric: str) -> Any:
    if metric == "alpha":
        return _alpha_word, KRIPPENDORFF
    if metric.endswith("_kappa") or metric == "scott_pi":
        return _kappa_word, LANDIS_KOCH
    return None


def _alpha_word(value: float) -> str:
    if value >= 0.8:
        return "reliable"
    return "enough for tentative conclusions" if value >= 0.667 else "too low to rely on"


def _kappa_word(value: float) -> str:
    return next((word for limit, word in KAPPA_WORDS if value <= limit), "almost perfect")


def about(row: dict[str, Any]) -> str:
    """What a row is about: the groups of `by`, the variable, the category and the coders."""
    groups = [f"{name} {value}" for name, value in row.items() if name not in SCHEMA]
    coders = " and ".join(str(row[side]) for side in ("coder_a", "coder_b") if row.get(side) is not None)
    parts = [*groups, row["variable"], row.get("category"), coders or None]
    return ", ".join(str(part) for part in parts if part is not None)


def with_several_coders(table: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows of a table of agreement that have several coders, and a sentence on every variable that has only one."""
    if "metric" not in table.columns:
        return table, []
    alone = (pl.col("note") == ONE_CODER).fill_null(False)
    rows = table.filter(alone).to_dicts()
    what = {about(row | dict.fromkeys(("category", "coder_a", "coder_b"))): None for row in rows}
    return table.filter(~alone), [f"{name}: {ONE_CODER}" for name in what]


def screen(table: pl.DataFrame) -> TextTable:
    """A table of agreement, or of a reliability regression, as it is printed in the width of the screen."""
    terms = "covariate" in table.columns and "metric" not in table.columns
    return TextTable(table, tuple(_term_columns() if terms else _agreement_columns(table)), ELSEWHERE)


def _agreement_columns(table: pl.DataFrame) -> Iterator[Column]:
    for name in [name for name in table.columns if name not in SCHEMA]:
        yield _name_column(name, name, above=True, group=True)
    yield _name_column("variable", "variable", above=True, group=True)
    yield _name_column("category", "category", group=True)
    coefficient = Column("coefficient", lambda row: named(row["metric"].removesuffix(DIFFERENCE)), words=True)
    if table["metric"].str.ends_with(DIFFERENCE).any():
        yield replace(coefficient, above=True, group=True)
        yield Column("between", _coder_pair, words=True)
    else:
        yield Column("between", _coder_pair, words=True, above=True, group=True)
        yield coefficient
    yield _name_column("level", "level", last=2, above=True)
    yield Column("estimate (95 % interval)", _estimate_with_interval)
    yield Column("units coded twice", lambda row: f"{row['n_pairable']:,}", last=1, above=True)
    yield Column("coders", lambda row: f"{row['n_coders']:,}", last=3, above=True)


def _term_columns() -> Iterator[Column]:
    yield _name_column("covariate", "covariate", group=True)
    yield _name_column("term", "term")
    yield _name_column("reference", "reference", last=1)
    yield Column("log odds (95 % interval)", _estimate_with_interval)
    yield Column("p", lambda row: "" if row["p_value"] is None else p_value(row["p_value"]))
    yield Column("effect, points", lambda row: "" if row["effect"] is None else f"{100 * row['effect']:.2f}")


def _name_column(column: str, heading: str, **how: Any) -> Column:
    return Column(heading, lambda row: "" if row.get(column) is None else str(row[column]), words=True, **how)


def _coder_pair(row: Mapping[str, Any]) -> str:
    if row["metric"].endswith(DIFFERENCE):
        return "difference"
    return " and ".join(str(row[side]) for side in ("coder_a", "coder_b") if row.get(side) is not None)


def _estimate_with_interval(row: Mapping[str, Any]) -> str:
    return with_interval(row["estimate"], row["ci_low"], row["ci_high"])


def tex(table: pl.DataFrame) -> str:
    """The table as LaTeX, for the package booktabs."""
    shown, header = cells(table)
    lines = [" & ".join(escaped(cell) for cell in row) + r" \\" for row in shown]
    head = " & ".join(escaped(cell) for cell in header) + r" \\"
    below = [f"% {note}" for note in table["note"].drop_nulls().unique(maintain_order=True)] if "note" in table else []
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * (len(header) - NUMBERS)}{'r' * NUMBERS}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            "",
        ]
    )


def notes(table: pl.DataFrame) -> list[str]:
    """The notes of the rows, each once, with the rows they are about; the table itself counts lost replicates."""
    rows_by_note: dict[str, list[str]] = {}
    for row in table.filter(pl.col("note").is_not_null()).to_dicts():
        for note in re.sub(r"\b\d+ replicates", "some replicates", row["note"]).split("; "):
            rows_by_note.setdefault(note, []).append(f"{about(row)}, {named(row['metric'])}")
    return [f"Note: {note} ({_first_rows(rows)})." for note, rows in rows_by_note.items()]


def _first_rows(rows: list[str]) -> str:
    rest = len(rows) - MOST_NAMED
    return "; ".join(rows[:MOST_NAMED]) + (f"; and {rest:,} more" if rest > 0 else "")


def cells(table: pl.DataFrame) -> tuple[list[list[str]], list[str]]:
    """Rows of text and their header, without the columns that are empty throughout; the last four hold numbers."""
    if "covariate" in table.columns and "metric" not in table.columns:
        return _term_cells(table)
    groups = [name for name in table.columns if name not in SCHEMA]
    sides = [name for name in ("category", "coder_a", "coder_b") if table[name].is_not_null().any()]
    labels = [*groups, "variable", *sides]
    header = [*labels, "coefficient", "level", "estimate", "95 % interval", "units coded twice", "coders"]
    rows = []
    for row in table.to_dicts():
        interval = "" if row["ci_low"] is None else f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
        estimate = "-" if row["estimate"] is None else f"{row['estimate']:.3f}"
        first = ["" if row[name] is None else str(row[name]) for name in labels]
        numbers = [estimate, interval, f"{row['n_pairable']:,}", f"{row['n_coders']:,}"]
        rows.append([*first, named(row["metric"]), row["level"], *numbers])
    return rows, header


def _term_cells(table: pl.DataFrame) -> tuple[list[list[str]], list[str]]:
    """The same of the terms of a reliability regression."""
    header = ["covariate", "term", "reference", "log odds", "95 % interval", "two-sided p", "effect, points"]
    rows = []
    for row in table.to_dicts():
        first = [row["covariate"], row["term"], row["reference"] or ""]
        effect = "" if row["effect"] is None else f"{100 * row['effect']:.2f}"
        if row["estimate"] is None:
            rows.append([*first, "-", "", "", effect])
            continue
        interval = f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
        rows.append([*first, f"{row['estimate']:.3f}", interval, p_value(row["p_value"]), effect])
    return rows, header


def write_reliability(table: pl.DataFrame, path: Path, say: Callable[[str], None] | None = None) -> None:
    """Write the table: .tex as LaTeX, anything else as `annotune.write` does, which tells `say` of changes."""
    if path.suffix.lower() == ".tex":
        from annotune.records.files import write_whole

        write_whole(path, tex(table))
        return
    from annotune.export.write import write as write_table

    write_table(table, path, title="Reliability", say=say)
