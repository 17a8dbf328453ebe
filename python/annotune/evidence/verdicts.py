"""A comparison of coders in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, nearest
from annotune.measures.baselines import BASELINES
from annotune.measures.scores import in_full
from annotune.numbers import p_equals

ALL, ANSWERED = "all", "answered"  # the units that a row of measures is about
SURE = 0.05


def best_in_words(measures: pl.DataFrame, pairs: pl.DataFrame, measure: str) -> Iterator[str]:
    """Which coder is best, and the evidence for this against each other coder."""
    name = in_full(measure)
    of = measures.filter((pl.col("measure") == measure) & (pl.col("units") == ALL))
    if of.is_empty():
        raise AnnotuneError(
            f"There is no measure {measure!r}.", nearest(measure, measures["measure"].unique(maintain_order=True))
        )
    coders = of.filter(pl.col("estimate").is_not_null() & ~pl.col("model").is_in(BASELINES))
    if coders.is_empty():
        return
    lead = coders.sort("estimate", descending=True, maintain_order=True).row(0, named=True)
    spread = "" if lead["ci_low"] is None else f" ({lead['ci_low']:.3f} to {lead['ci_high']:.3f})"
    n_gold, n_units = max(of["n_units"].to_list()), lead["n_units"]
    on = f"{n_units:,} units" if n_units == n_gold else f"the {n_units:,} of {n_gold:,} units that it was to code"
    yield f"{lead['model']} has the highest {name}: {lead['estimate']:.3f}{spread} on {on}."
    for row in pairs.filter(pl.col("measure") == measure).to_dicts():
        if lead["model"] in (row["a"], row["b"]) and row["difference"] is not None:
            yield _difference_in_words(row, lead["model"], name)


def _difference_in_words(row: dict[str, Any], leader: str, name: str) -> str:
    turned = -1 if row["b"] == leader else 1
    other = row["a"] if row["b"] == leader else row["b"]
    spread = ""
    if row["ci_low"] is not None:
        low, high = sorted((turned * row["ci_low"], turned * row["ci_high"]))
        spread = f"{low:+.3f} to {high:+.3f}; "
    verb, p = "cannot be tested against", "too few units distinguish them"
    if row["p_holm"] is not None:
        better = "is better than" if turned * row["difference"] > 0 else "is worse than"
        verb = better if row["p_holm"] < SURE else "cannot be distinguished from"
        p = f"{p_equals(row['p_holm'])} after Holm's correction"
    return (
        f"On the {row['n_units']:,} units that both were to code, it {verb} {other}: "
        f"{turned * row['difference']:+.3f} {name} ({spread}{p})."
    )


def gaps_in_words(measures: pl.DataFrame, models: Sequence[str], measure: str) -> Iterator[str]:
    """Which coders left texts out, and their measure without these."""
    for model in models:
        rows = measures.filter((pl.col("model") == model) & (pl.col("measure") == measure))
        both = {row["units"]: row for row in rows.to_dicts()}
        if ANSWERED in both and None not in (both[ALL]["estimate"], both[ANSWERED]["estimate"]):
            left_out = both[ALL]["n_units"] - both[ANSWERED]["n_units"]
            yield (
                f"{model} left out {left_out:,} of {both[ALL]['n_units']:,} units; on the others alone it would have "
                f"{both[ANSWERED]['estimate']:.3f} instead of {both[ALL]['estimate']:.3f}."
            )


def ceiling_in_words(agreement: pl.DataFrame) -> Iterator[str]:
    """How far people agree with each other."""
    for row in agreement.filter((pl.col("metric") == "alpha") & pl.col("estimate").is_not_null()).to_dicts():
        spread = "" if row["ci_low"] is None else f" ({row['ci_low']:.2f} to {row['ci_high']:.2f})"
        yield (
            f"Among themselves, {row['group']} agree at alpha {row['estimate']:.2f}{spread}, {row['level']}, on the "
            f"{row['n_pairable']:,} units that several of them coded; a model can hardly be held to more."
        )
