"""Results as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.console import Group
from rich.table import Table
from rich.text import Text

from annotune.evaluation import Evaluation, leading
from annotune.measures import named


def comparison(evaluation: Evaluation, narrow: bool = False) -> Group:
    """The model beside its baselines, a row each, the leading measures with 95 % intervals, `narrow` below them.

    What does better than the model is said in words below.
    """
    names = leading(evaluation.measures)
    table = _table("", *map(named, names), "texts")
    table.columns[0].no_wrap = not narrow
    for model in evaluation.models:
        rows = {row["measure"]: row for row in evaluation.measures.filter(pl.col("model") == model).to_dicts()}
        figures = (_with_interval(rows[name], narrow) for name in names)
        _add(table, model, *figures, f"{rows[names[0]]['n_units']:,}")
    return Group(table, *map(Text, evaluation.in_words()[1:]))


def labels(evaluation: Evaluation) -> Table:
    """Every label's precision, recall and F1, of the first model."""
    table = _table("label", "precision", "recall", "F1", "95 % interval", "true", "predicted")
    for row in evaluation.labels.filter(pl.col("model") == evaluation.models[0]).to_dicts():
        interval = "" if row["f1_low"] is None else f"{row['f1_low']:.2f} to {row['f1_high']:.2f}"
        figures = (_number(row[name]) for name in ("precision", "recall", "f1"))
        _add(table, row["label"], *figures, interval, f"{row['n_true']:,}", f"{row['n_predicted']:,}")
    return table


def counts(codings: pl.DataFrame) -> Table:
    """How many units got each label, or why they got none."""
    table = _table("variable", "label", "texts", "share")
    for (variable,), rows in codings.group_by("variable", maintain_order=True):
        said = pl.coalesce("label", pl.format("({})", "status")).alias("said")
        units = rows["unit_id"].n_unique()
        for row in rows.group_by(said).len().sort("len", descending=True).to_dicts():
            _add(table, str(variable), row["said"], f"{row['len']:,}", f"{row['len'] / units:.1%}")
    return table


def rows(frame: pl.DataFrame, title: str | None = None, floats: str = ".4g") -> Table:
    """A table as it is: the names of its columns, numbers rounded, what is missing as a dash, brackets as brackets."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, dtype in frame.schema.items():
        table.add_column(Text(name), justify="right" if dtype.is_numeric() else "left")
    for row in frame.iter_rows():
        _add(table, *(_cell(*pair, floats) for pair in zip(frame.columns, row, strict=True)))
    return table


def _cell(name: str, value: Any, floats: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return format(value, floats)
    count = name == "n" or name.startswith("n_")  # a year has no comma
    return f"{value:,}" if count and isinstance(value, int) else str(value)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add(table: Table, *cells: str) -> None:
    """A row of cells as they are: brackets in a label are no markup."""
    table.add_row(*map(Text, cells))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_interval(row: dict[str, float | None], narrow: bool) -> str:
    if row["ci_low"] is None:
        return _number(row["estimate"])
    interval = f"{row['ci_low']:.2f}-{row['ci_high']:.2f}"
    return _number(row["estimate"]) + (f"\n{interval}" if narrow else f" ({interval})")
