"""The passages that decided, for the surest and the least sure text of each label: what a long text was coded by."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import check
from annotune.data.wide import detach
from annotune.reporting.page import Section, Table, number

MOST_LABELS = 20
MOST_CHARACTERS = 300  # of a passage
NOTE = "The share of a passage is its part of all that speaks in the text for the label over the runner-up."


def passages_of(coded: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    """The rows of a variable with a deciding passage; none where there are no passages."""
    rows = coded
    if "label" in coded.columns:
        rows = check(coded).filter(pl.col("variable") == entry.name)
    elif any(name.startswith(f"{entry.name}_evidence") for name in coded.columns):
        rows = detach(coded, entry)
    return rows.drop_nulls("evidence") if "evidence" in rows.columns else rows.clear()


def passages_section(title: str, rows: pl.DataFrame, labels: Sequence[str]) -> Section:
    """A table with the passages of the surest and the least sure text of each label, the most frequent labels."""
    often = rows["label"].value_counts(sort=True)["label"].head(MOST_LABELS).to_list()
    cells = [row for label in labels if label in often for row in _of_label(rows.filter(pl.col("label") == label))]
    header = ("label", "passage that decided", "probability", "share")
    notes = (NOTE, *((f"Labels: the {MOST_LABELS} that are given most often.",) if len(often) < len(labels) else ()))
    caption = "Of each label the text that the model is surest of, and the one that it is least sure of."
    return Section(title, (Table(caption, header, tuple(cells), words=2, notes=notes),))


def _of_label(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    """The surest row and the least sure one, as cells."""
    ordered = rows.sort("prob", descending=True, nulls_last=True, maintain_order=True)
    ends = [ordered.row(0, named=True), *([ordered.row(-1, named=True)] if len(ordered) > 1 else [])]
    return [
        (row["label"], _shortened(row["evidence"]), number(row["prob"], 2), number(row["evidence_share"], 2))
        for row in ends
    ]


def _shortened(passage: str) -> str:
    """On one line, and not much longer than what is read in passing."""
    words = " ".join(passage.split())
    return words if len(words) <= MOST_CHARACTERS else words[:MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
