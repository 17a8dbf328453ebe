"""The section of a report on what proposals did to people's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import polars as pl

from annotune.hybrid.anchoring import MAIN, NAMES, Anchoring
from annotune.reporting.drawing import svg_figure
from annotune.reporting.page import Figure, Section, Table, count, interval, number, p_value

MOST_ROWS = 60
HEADER = ("n", "with", "95 % interval", "n", "without", "95 % interval", "difference", "95 % interval")


def anchoring_section(result: Anchoring) -> Section:
    """The findings in sentences, both arms side by side, and pictures of them."""
    tables = [_given(result), *([_shares(result)] if len(result.shares) else []), *_recall(result)]
    return Section("What proposals did to answers", (*result.in_words(), *_pictures(result), *tables))


def _pictures(result: Anchoring) -> Iterator[Figure]:
    """The differences where there are blind answers, and the shares that are accepted."""
    of_all = result.acceptance.filter(by="all").to_dicts()
    if result.n_blind:
        alt = "What seeing proposals added, in points: " + "; ".join(
            f"{row['label']} {number(None if row['difference'] is None else 100 * row['difference'], 1)}"
            for row in result.shares.head(MOST_ROWS).to_dicts()
        )
        caption = "Answers with proposals in sight less those without, in points, with 95 % intervals."
        yield svg_figure("anchoring", partial(result.plot, of="differences"), f"{alt}.", caption)
    alt = "; ".join(f"proposed labels are given in {number(row['share_shown'], 2)} of cases" for row in of_all)
    caption = "How often a proposed label is given, in sight and not, with 95 % intervals."
    yield svg_figure("accepted", partial(result.plot, of="acceptance"), f"{alt}.", caption)


def _given(result: Anchoring) -> Table:
    """How often proposed labels are given: in all, by coder and by proposer."""
    rows = result.acceptance.filter(pl.col("by").is_in(MAIN)).to_dicts()
    cells = [(NAMES.get(row["by"], f"{row['by']} {row['name']}"), *_numbers(row)) for row in rows]
    title = "How often the proposed label is given, with the proposal in sight and without."
    return Table(title, ("", *HEADER), tuple(cells), 1, result.notes)


def _shares(result: Anchoring) -> Table:
    """Each label's share in both arms."""
    rows = result.shares.head(MOST_ROWS).to_dicts()
    cells = [
        (row["variable"], row["label"], *_numbers(row), "–" if row["p_holm"] is None else p_value(row["p_holm"]))
        for row in rows
    ]
    notes: Sequence[str] = ("p: two-sided, after Holm's correction for the labels of a variable.",)
    return Table("Shares of labels.", ("variable", "label", *HEADER, "p"), tuple(cells), 2, tuple(notes))


def _recall(result: Anchoring) -> Iterator[Table]:
    """What blind coders gave, and how much of it was proposed."""
    rows = result.recall.filter(pl.col("n_blind") > 0).head(MOST_ROWS).to_dicts()
    if rows:
        cells = [
            (
                NAMES.get(row["by"], f"{row['by']} {row['name']}"),
                count(row["n_blind"]),
                number(row["share_blind"]),
                interval(row["low_blind"], row["high_blind"], 2),
            )
            for row in rows
        ]
        header = ("", "labels by blind coders", "proposed", "95 % interval")
        yield Table("Recall of the proposals.", header, tuple(cells), 1)


def _numbers(row: dict[str, Any]) -> tuple[str, ...]:
    """Both arms, each with its limits, and the difference."""
    arms = [
        cell
        for arm in ("shown", "blind")
        for cell in (
            count(row[f"n_{arm}"]),
            number(row[f"share_{arm}"]),
            interval(row[f"low_{arm}"], row[f"high_{arm}"], 2),
        )
    ]
    return (*arms, number(row["difference"]), interval(row["ci_low"], row["ci_high"], 2))
