"""A comparison of coders in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, nearest
from annotune.measures.baselines import BASELINES
from annotune.measures.evaluation import RESTS_ON
from annotune.measures.scores import in_full
from annotune.numbers import p_equals, p_value

ALL, ANSWERED = "all", "answered"  # the units that a row of measures is about
SURE = 0.05
EQUAL = 1e-9  # estimates that differ by less are tied
MOST_LISTED = 3  # coders of one verdict that a sentence lists; of more it has the first and the last


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
    tied = coders.filter((pl.col("estimate") - lead["estimate"]).abs() < EQUAL)["model"].to_list()
    spread = "" if lead["ci_low"] is None else f" ({lead['ci_low']:.3f} to {lead['ci_high']:.3f})"
    n_gold, n_units = max(of["n_units"].to_list()), lead["n_units"]
    on = f"{n_units:,} units" if n_units == n_gold else f"the {n_units:,} of {n_gold:,} units that it was to code"
    which = f"{lead['model']} has" if len(tied) == 1 else f"{', '.join(tied[:-1])} and {tied[-1]} are tied for"
    yield f"{which} the highest {name}: {lead['estimate']:.3f}{spread} on {on}."
    of_leader = pl.col("a").eq(lead["model"]) | pl.col("b").eq(lead["model"])
    rows = pairs.filter((pl.col("measure") == measure) & of_leader & pl.col("difference").is_not_null())
    others = [_seen_from(row, lead["model"]) for row in rows.to_dicts()]
    yield from _differences_in_words(others, name, "it" if len(tied) == 1 else lead["model"])
    if str(lead.get("note")).startswith(RESTS_ON):
        yield f"The {name} {lead['note']}: a single text may decide it."


@dataclass(frozen=True)
class _Beside:
    """Another coder beside the best: how far the best is above it, and what the test says."""

    other: str
    difference: float
    interval: str
    p: float | None
    n_units: int

    @property
    def verdict(self) -> str:
        """What can be said of the best coder against this one."""
        if self.p is None:
            return "cannot be tested against"
        better = "is better than" if self.difference > 0 else "is worse than"
        return better if self.p < SURE else "cannot be distinguished from"


def _seen_from(row: dict[str, Any], leader: str) -> _Beside:
    turned = -1 if row["b"] == leader else 1
    interval = ""
    if row["ci_low"] is not None:
        low, high = sorted((turned * row["ci_low"], turned * row["ci_high"]))
        interval = f"{low:+.3f} to {high:+.3f}; "
    other = row["a"] if row["b"] == leader else row["b"]
    return _Beside(other, turned * row["difference"], interval, row["p_holm"], row["n_units"])


def _differences_in_words(others: Sequence[_Beside], name: str, leader: str) -> Iterator[str]:
    """A sentence for every verdict, with the coders that it is about."""
    groups: dict[tuple[int, str], list[_Beside]] = {}
    for other in others:
        groups.setdefault((other.n_units, other.verdict), []).append(other)
    for (n_units, verdict), alike in groups.items():
        on = f"On the {n_units:,} units that both were to code, {leader} {verdict}"
        yield f"{on} {_alone(alike[0], name) if len(alike) == 1 else _together(alike, name)}."


def _alone(other: _Beside, name: str) -> str:
    p = "too few units distinguish them"
    if other.p is not None:
        p = f"{p_equals(other.p)} after Holm's correction"
    return f"{other.other}: {other.difference:+.3f} {name} ({other.interval}{p})"


def _together(others: Sequence[_Beside], name: str) -> str:
    """Several coders: all of them where they are few, else the nearest and the farthest."""
    ordered = sorted(others, key=lambda other: other.difference)
    shown = ordered if len(ordered) <= MOST_LISTED else [ordered[0], ordered[-1]]
    figures = [f"{one.other} ({one.difference:+.3f}; {one.interval.removesuffix('; ')})" for one in shown]
    figures = [figure.replace("; )", ")") for figure in figures]
    ps = [one.p for one in ordered if one.p is not None]
    p = "too few units distinguish them"
    if ps:
        p = f"{'every p < .001' if max(ps) < 0.001 else f'p up to {p_value(max(ps))}'} after Holm's correction"
    if len(shown) == len(ordered):
        return f"{', '.join(figures[:-1])} and {figures[-1]} in {name}; {p}"
    return f"each of {len(ordered)} others in {name}, from {figures[0]} to {figures[1]}; {p}"


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
