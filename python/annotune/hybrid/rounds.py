"""What the rounds of a study gave, one row each: agreement, the model, coefficients, and what it all took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from annotune.hybrid.round_words import Stop, rounds_in_words, rule_in_words
from annotune.numbers import decimals, with_interval
from annotune.readable import Part, Readable
from annotune.text_table import Column, Say, TextTable

TABLE = {
    "round": pl.Int64,
    "variable": pl.String,
    "n_coded": pl.Int64,
    "codings": pl.Int64,
    "hours": pl.Float64,
    "cost": pl.Float64,
    **dict.fromkeys(("alpha", "alpha_low", "alpha_high"), pl.Float64),
    **dict.fromkeys(("macro_f1", "macro_f1_low", "macro_f1_high"), pl.Float64),
    "n_evaluation": pl.Int64,
    **dict.fromkeys(("evaluation_f1", "evaluation_f1_low", "evaluation_f1_high"), pl.Float64),
}
COEFFICIENTS = {
    "round": pl.Int64,
    "formula": pl.String,
    "term": pl.String,
    **dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), pl.Float64),
    "n_next": pl.Int64,
    "expected_width": pl.Float64,
}
LABELS = {
    "round": pl.Int64,
    "variable": pl.String,
    "label": pl.String,
    **dict.fromkeys(("alpha", "alpha_low", "alpha_high"), pl.Float64),
    "n_pairable": pl.Int64,
}


@dataclass(frozen=True, repr=False)
class Rounds(Readable):
    """The rounds of a study, and what is due.

    Attributes
    ----------
    table
        One row per round and variable. `n_coded`: texts that were coded for tuning so far; `codings`, `hours`, `cost`:
        answers of people, their hours and the dollars for proposals so far, with the evaluation set (null where nobody
        recorded them); Krippendorff's alpha; the model's macro-F1 by cross-fitting, on which rounds are decided; and
        `evaluation_f1` on the `n_evaluation` texts that were kept apart, for showing only. All with 95 % limits.
    coefficients
        One row per round, formula and term: the corrected estimate, its standard error and limits, and how wide the
        interval is expected to be with the `n_next` texts of the next round (null where it cannot be planned for).
    labels
        One row per round, variable and label: alpha of the label against all others, on `n_pairable` texts.
    words
        What the last round says about a next one, a sentence each.
    rule
        Why rounds end here, by the rule of `stop`, in a sentence; empty where it is not reached, or there is none.
    due
        What is to be done now, and by whom.

    Examples
    --------
    >>> import annotune as at
    >>> f1 = {"macro_f1": 0.7, "macro_f1_low": 0.6, "macro_f1_high": 0.8}
    >>> row = {"round": 1, "variable": "topic", "n_coded": 200, "codings": 240, **f1}
    >>> made_of([{"table": [row], "coefficients": [], "labels": []}], Stop(rounds=1), 100, "Finish.").rule
    'The rule is reached: 1 round was to be made.'
    """

    table: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TABLE))
    coefficients: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COEFFICIENTS))
    labels: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LABELS))
    words: tuple[str, ...] = ()
    rule: str = ""
    due: str = ""

    @property
    def n(self) -> int:
        """How many rounds are done."""
        return self.table["round"].n_unique()

    def _parts(self) -> Iterator[Part]:
        """The figures of every round, what they say, and what is due."""
        if self.n:
            yield round_table(self.table)
            if len(self.coefficients):
                yield coefficient_table(self.coefficients)
        yield from self.words
        yield from [sentence for sentence in (self.rule, self.due) if sentence]


def made_of(rows: Sequence[Mapping[str, Any]], stop: Stop, n_next: int, due: str = "") -> Rounds:
    """The rounds from the rows that were kept, one per round, with what they say of a next one of so many texts."""
    schemas = {"table": TABLE, "coefficients": COEFFICIENTS, "labels": LABELS}
    frames = [
        pl.DataFrame([line for row in rows for line in row[name]], schema=schema) for name, schema in schemas.items()
    ]
    table, coefficients, labels = frames
    words = tuple(rounds_in_words(table, coefficients, labels, n_next)) if rows else ()
    return Rounds(table, coefficients, labels, words, rule_in_words(table, coefficients, stop), due)


def round_table(table: pl.DataFrame) -> TextTable:
    """One line per round and variable, for a screen."""
    columns = [
        Column("round", lambda row: str(row["round"])),
        Column("variable", lambda row: row["variable"], words=True, above=True),
        Column("texts", lambda row: f"{row['n_coded']:,}"),
        Column("codings", lambda row: f"{row['codings']:,}", last=4),
        Column("hours", _plain("hours", ".1f"), last=6),
        Column("cost ($)", _plain("cost", ".2f"), last=5),
        Column("alpha", _interval("alpha"), brief=_plain("alpha", ".2f"), last=1),
        Column("macro-F1, cross-fitted", _interval("macro_f1"), brief=_plain("macro_f1", ".2f"), last=2),
        Column("on the evaluation set", _interval("evaluation_f1"), brief=_plain("evaluation_f1", ".2f"), last=3),
    ]
    empty = {name for name in ("hours", "cost", "evaluation_f1") if table[name].null_count() == len(table)}
    headings = {"hours": "hours", "cost": "cost ($)", "evaluation_f1": "on the evaluation set"}
    shown = tuple(column for column in columns if column.heading not in {headings[name] for name in empty})
    return TextTable(table, shown, "Rounds.table has all figures.")


def coefficient_table(coefficients: pl.DataFrame) -> TextTable:
    """One line per coefficient and round, for a screen."""
    form = f".{decimals(coefficients['std_error'])}f"
    widths = coefficients.with_columns(width=pl.col("conf_high") - pl.col("conf_low"))
    ordered = widths.sort("formula", "term", "round", maintain_order=True)
    columns = (
        Column("formula", lambda row: row["formula"], words=True, above=True, group=True),
        Column("coefficient", lambda row: row["term"], words=True),
        Column("round", lambda row: str(row["round"])),
        Column(
            "corrected",
            lambda row: with_interval(row["estimate"], row["conf_low"], row["conf_high"], form),
            brief=lambda row: with_interval(row["estimate"], None, None, form),
        ),
        Column("wide", _plain("width", form), last=1),
        Column("expected in the next", _plain("expected_width", form), last=2),
    )
    return TextTable(ordered, columns, "Rounds.coefficients has all figures.")


def _interval(name: str) -> Say:
    return lambda row: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], ".2f")


def _plain(name: str, form: str) -> Say:
    return lambda row: "-" if row[name] is None else format(row[name], form)
