"""What a comparison of coders says, in sentences."""

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


def best(measures: pl.DataFrame, pairs: pl.DataFrame, measure: str) -> Iterator[str]:
    """Who is best, and against each other coder how sure that is."""
    name = in_full(measure)
    of = measures.filter((pl.col("measure") == measure) & (pl.col("units") == ALL))
    if of.is_empty():
        raise AnnotuneError(
            f"There is no measure {measure!r}.", nearest(measure, measures["measure"].unique(maintain_order=True))
        )
    known = of.filter(pl.col("estimate").is_not_null() & ~pl.col("model").is_in(BASELINES))
    if known.is_empty():
        return
    lead = known.sort("estimate", descending=True, maintain_order=True).row(0, named=True)
    spread = "" if lead["ci_low"] is None else f" ({lead['ci_low']:.3f} to {lead['ci_high']:.3f})"
    every, asked = max(of["n_units"].to_list()), lead["n_units"]
    on = f"{asked:,} units" if asked == every else f"the {asked:,} of {every:,} units that it was asked about"
    yield f"{lead['model']} has the highest {name}: {lead['estimate']:.3f}{spread} on {on}."
    for row in pairs.filter(pl.col("measure") == measure).to_dicts():
        if lead["model"] in (row["a"], row["b"]) and row["difference"] is not None:
            yield _difference(row, lead["model"], name)


def _difference(row: dict[str, Any], best: str, name: str) -> str:
    turned = -1 if row["b"] == best else 1
    other = row["a"] if row["b"] == best else row["b"]
    spread = ""
    if row["ci_low"] is not None:
        low, high = sorted((turned * row["ci_low"], turned * row["ci_high"]))
        spread = f"{low:+.3f} to {high:+.3f}; "
    told, p = "cannot be tested against", "too few units tell them apart"
    if row["p_holm"] is not None:
        better = "is better than" if turned * row["difference"] > 0 else "is worse than"
        told = better if row["p_holm"] < SURE else "cannot be told from"
        p = f"{p_equals(row['p_holm'])} after Holm's correction"
    return (
        f"On the {row['n_units']:,} units that both were asked about, it {told} {other}: "
        f"{turned * row['difference']:+.3f} {name} ({spread}{p})."
    )


def gaps(measures: pl.DataFrame, models: Sequence[str], measure: str) -> Iterator[str]:
    """Who left texts out, and what that hides."""
    for model in models:
        rows = measures.filter((pl.col("model") == model) & (pl.col("measure") == measure))
        both = {row["units"]: row for row in rows.to_dicts()}
        if ANSWERED in both and None not in (both[ALL]["estimate"], both[ANSWERED]["estimate"]):
            left_out = both[ALL]["n_units"] - both[ANSWERED]["n_units"]
            yield (
                f"{model} left out {left_out:,} of {both[ALL]['n_units']:,} units; on the others alone it would have "
                f"{both[ANSWERED]['estimate']:.3f} in place of {both[ALL]['estimate']:.3f}."
            )


def ceiling(agreement: pl.DataFrame) -> Iterator[str]:
    """How far people agree among themselves."""
    for row in agreement.filter((pl.col("metric") == "alpha") & pl.col("estimate").is_not_null()).to_dicts():
        spread = "" if row["ci_low"] is None else f" ({row['ci_low']:.2f} to {row['ci_high']:.2f})"
        yield (
            f"Among themselves, {row['group']} agree at alpha {row['estimate']:.2f}{spread}, {row['level']}, on the "
            f"{row['n_pairable']:,} units that several of them coded; a model can hardly be held to more."
        )
