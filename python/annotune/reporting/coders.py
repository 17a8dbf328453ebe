"""The section of a report on what single coders would say: whether their habits are known, and of whom."""

from __future__ import annotations

from typing import Any

import polars as pl

from annotune.reporting.page import Section, Table, count, interval, number

HEADER = ("coder", "own answers to", "as any coder", "as this coder", "difference", "95 % interval", "offered")


def coders_section(title: str, scores: pl.DataFrame) -> Section:
    """How well each coder's own answers are foreseen, by `Classifier.coder_scores`."""
    first, *each = scores.to_dicts()
    offered = sum(bool(row["offered"]) for row in each)
    known = (
        f"Coders differ in what they say readily, and knowing it pays: of {offered:,} of {len(each):,} coders the "
        "model says what that coder would."
        if offered
        else "Knowing who codes a text does not make its answer more foreseeable beyond chance, so the model speaks "
        "for all coders alike."
    )
    how = (
        "The log score is how surprising coders' own answers are, to texts that the model was not tuned on: minus the "
        "logarithm of the probability that the answer had, 0 for one that was certain. Lower is better."
    )
    rows = tuple(_cells(row) for row in (first, *each))
    caption = "Log score of each coder's own answers, by what any coder would say and by what this coder would."
    notes = ("The interval is by texts; below 0, it pays to know who codes.",)
    return Section(title, (known, how, Table(caption, HEADER, rows, notes=notes)))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    scores = (number(row[name]) for name in ("log_score", "log_score_as_coder", "gain"))
    texts, span = f"{count(row['n_texts'])} texts", interval(row["ci_low"], row["ci_high"])
    return row["coder"] or "all coders", texts, *scores, span, "yes" if row["offered"] else ""
