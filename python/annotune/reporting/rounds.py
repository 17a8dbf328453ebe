"""The section of a report on the rounds of a study: their table and picture, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotune.hybrid.round_plot import plot_rounds
from annotune.hybrid.round_words import of_interest
from annotune.hybrid.rounds import Rounds
from annotune.numbers import decimals
from annotune.reporting.drawing import svg_figure
from annotune.reporting.page import Section, Table, count, interval, number

APART = (
    "Rounds were decided on the texts that were coded for tuning, each predicted by a model that had not seen it. The "
    "evaluation set was drawn first, coded without proposals and kept apart: no model was tuned on it, and nothing "
    "was decided on it."
)


def rounds_section(rounds: Rounds) -> Section:
    """Every round's figures, a picture of them, and the rule by which they ended."""
    words = [APART] if rounds.table["evaluation_f1"].drop_nulls().len() else []
    caption = "Agreement, macro-F1 and coefficients by round, with 95 % intervals, and all codings so far."
    alt = "Rounds: " + "; ".join(_in_brief(row) for row in rounds.table.to_dicts()) + "."
    picture = svg_figure("rounds", lambda: plot_rounds(rounds), alt, caption)
    tables = [_table(rounds), *([_coefficients(rounds)] if len(rounds.coefficients) else [])]
    return Section("Rounds", (*words, *([rounds.rule] if rounds.rule else []), *tables, picture))


def _in_brief(row: Mapping[str, Any]) -> str:
    return f"round {row['round']}, {row['n_coded']:,} texts, macro-F1 {number(row['macro_f1'], 2)}"


def _table(rounds: Rounds) -> Table:
    """One row per round and variable; columns of which nothing is known are left out."""
    head = {"round": lambda row: str(row["round"]), "variable": lambda row: row["variable"]}
    numbers = {
        "texts": ("n_coded", lambda row: count(row["n_coded"])),
        "codings": ("codings", lambda row: count(row["codings"])),
        "hours": ("hours", lambda row: number(row["hours"], 1)),
        "cost ($)": ("cost", lambda row: number(row["cost"], 2)),
        "alpha": ("alpha", lambda row: _estimate(row, "alpha")),
        "macro-F1": ("macro_f1", lambda row: _estimate(row, "macro_f1")),
        "on the evaluation set": ("evaluation_f1", lambda row: _estimate(row, "evaluation_f1")),
    }
    known = {title: say for title, (name, say) in numbers.items() if rounds.table[name].drop_nulls().len()}
    rows = tuple(tuple(say(row) for say in (head | known).values()) for row in rounds.table.to_dicts())
    notes = ("Texts that were coded for tuning; codings, hours and cost of all that people and models did so far.",)
    return Table("The rounds, with 95 % intervals.", (*head, *known), rows, len(head), notes)


def _coefficients(rounds: Rounds) -> Table:
    shown = of_interest(rounds.coefficients).sort("formula", "term", "round", maintain_order=True)
    digits = decimals(shown["std_error"])
    rows = tuple(
        (
            row["formula"],
            row["term"],
            str(row["round"]),
            number(row["estimate"], digits),
            interval(row["conf_low"], row["conf_high"], digits),
            number(row["expected_width"], digits),
        )
        for row in shown.to_dicts()
    )
    header = ("regression", "coefficient", "round", "corrected", "95 % interval", "width expected in the next")
    return Table("Corrected coefficients by round, without the evaluation set.", header, rows, words=3)


def _estimate(row: Mapping[str, Any], name: str) -> str:
    limits = interval(row[f"{name}_low"], row[f"{name}_high"], 2)
    return number(row[name], 2) + (f" ({limits})" if limits else "")
