"""What `anchoring` found, in sentences that a reviewer understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from annotune.agreement.arms import BLIND, SEEN
from annotune.correction.coding_columns import FEW_CLUSTERS
from annotune.errors import counted
from annotune.hybrid.anchoring_tables import THESE, Measured
from annotune.hybrid.answers_by_arm import Answers
from annotune.numbers import p_equals

SURE = 0.05
FEWEST = 20  # verdicts behind a share that is named as the highest or lowest
TO_CORRECT = "To correct for it, take the blind answers as hand codings: blind_gold()."
CLUSTER_NAMES = {"coder": "coders", "unit_id": "texts"}


def in_words(result: Measured) -> list[str]:
    """A sentence or two on each of its tables."""
    parts = (_size, _pull, _shares, _leniency, _same_proposals, _decoys, _recall, _worth, _time)
    return [sentence for part in parts for sentence in part(result)]


def _size(result: Measured) -> Iterator[str]:
    by = f"by {counted(result.n_coders, 'coder', 'coders')} on {counted(result.n_texts, 'text', 'texts')}"
    seen = counted(result.n_shown, "answer was", "answers were")
    yield f"{seen} given with a model's proposal in sight and {result.n_blind:,} blind, {by}."


def _pull(result: Measured) -> Iterator[str]:
    """Whether showing a label makes coders give it."""
    row = _row(result.acceptance, "all")
    if row is None:
        return
    if row["share_blind"] is None:
        yield f"Coders accepted {_share(row, 'shown')} of the proposed labels."
        yield "What they would have answered without a proposal is not known: no text was coded blind."
        return
    yield (
        f"Coders gave the proposed label in {_share(row, 'shown')} of cases when they saw it, and in "
        f"{_share(row, 'blind')} when they did not: {_verdict(row, 'showing it')}."
    )
    alone = _row(result.acceptance, THESE)
    if alone is not None and alone["p_value"] is not None:
        few = f"For these {result.n_coders} coders, whatever others would do, it is {_points(alone)}"
        yield f"{few}, {p_equals(alone['p_value'])}."


def _verdict(row: Mapping[str, Any], what: str) -> str:
    """What a difference says, in points."""
    if row["p_value"] is None or row["p_value"] >= SURE:
        return f"a difference of {_points(row)}, which may be chance"
    return f"{what} {'added' if row['difference'] > 0 else 'took'} {_points(row, signed=False)}"


def _shares(result: Measured) -> Iterator[str]:
    """Whose share moved."""
    for (variable,), part in result.shares.group_by("variable", maintain_order=True):
        of = f" of {variable}" if result.shares["variable"].n_unique() > 1 else ""
        moved = part.filter(pl.col("p_holm") < SURE).sort(pl.col("difference").abs(), descending=True).head(3)
        for row in moved.to_dicts():
            yield (
                f"The share of {row['label']!r}{of} is {row['share_shown']:.1%} with proposals and "
                f"{row['share_blind']:.1%} without: {_points(row)}, {p_equals(row['p_holm'])} after Holm's correction."
            )
        if moved.is_empty() and part["ci_low"].count():
            farthest = float(part.select(pl.max_horizontal(pl.col("ci_low", "ci_high").abs()).max()).item())
            yield (
                f"No label's share{of} differs between the arms by more than chance; differences of up to "
                f"{100 * farthest:.0f} points are not ruled out."
            )


def _leniency(result: Measured) -> Iterator[str]:
    """Who accepts most and least, and of whom most is accepted."""
    for by, who in (("coder", "Of the labels they were shown, coders gave"), ("proposer", "Of models, coders gave")):
        rows = result.acceptance.filter((pl.col("by") == by) & (pl.col("n_shown") >= FEWEST)).sort("share_shown")
        if len(rows) < 2:
            continue
        low, high = rows.row(0, named=True), rows.row(-1, named=True)
        figures = " to ".join(f"{_share(row, 'shown')} ({row['name']})" for row in (low, high))
        yield f"{who} from {figures}."


def _same_proposals(result: Measured) -> Iterator[str]:
    """The same label by two proposers, and the same proposal by two coders."""
    of_models = result.pairs.filter(pl.col("of") == "proposer").sort("n_a", descending=True).head(1)
    for row in of_models.to_dicts():
        yield (
            f"The same coder gave the same label on the same text in {_share(row, 'a')} of {row['n_a']:,} pairs of "
            f"cases when {row['a']} had proposed it and in {_share(row, 'b')} when {row['b']} had: {_points(row)}."
        )
    percent = result.reliability.filter((pl.col("metric") == "percent") & pl.col("estimate").is_not_null())
    for row in percent.to_dicts():
        alpha = result.reliability.filter(metric="alpha")["estimate"].drop_nulls()
        by_chance = f"; alpha {alpha[0]:.2f}" if len(alpha) else ""
        limits = f"{row['ci_low']:.0%} to {row['ci_high']:.0%}" if row["ci_low"] is not None else "no interval"
        yield (
            f"Of {row['n_pairable']:,} proposals that several coders judged, two coders gave the same verdict on "
            f"{row['estimate']:.0%} ({limits}{by_chance})."
        )
    apart = result.pairs.filter((pl.col("of") == "coder") & (pl.col("n_a") >= FEWEST) & (pl.col("p_value") < SURE))
    for row in apart.sort(pl.col("difference").abs(), descending=True).head(1).to_dicts():
        yield (
            f"Of the same {row['n_a']:,} proposals {row['a']} accepted {_share(row, 'a')} and {row['b']} "
            f"{_share(row, 'b')}."
        )


def _decoys(result: Measured) -> Iterator[str]:
    row = _row(result.decoys, "all")
    if row is None:
        return
    limits = f"95 % interval {row['low']:.0%} to {row['high']:.0%}" if row["low"] is not None else "no interval"
    yield f"Of {row['n']:,} proposals that were false on purpose, coders accepted {row['accepted']:.0%} ({limits})."
    if row["n_again"]:
        yield (
            f"Coded again without them ({counted(row['n_again'], 'text', 'texts')}), the false label was given in "
            f"{_share(row, 'again')}, and the answer was the same as before in {row['agreement']:.0%}."
        )


def _recall(result: Measured) -> Iterator[str]:
    """What nobody proposed."""
    row = _row(result.recall, "all")
    if row is None or row["share_blind"] is None:
        return
    missed = 1 - row["share_blind"]
    span = (
        f" (95 % interval {1 - row['high_blind']:.0%} to {1 - row['low_blind']:.0%})"
        if row["low_blind"] is not None
        else ""
    )
    yield (
        f"Of {row['n_blind']:,} labels that blind coders gave, no proposal had {missed:.0%}{span}: whoever only "
        "accepts or rejects does not find these."
    )
    if row["share_shown"] is not None:
        yield f"With proposals in sight, coders added {1 - row['share_shown']:.0%} of their labels themselves."


def _worth(result: Measured) -> Iterator[str]:
    """How verified answers agree with blind ones, and blind ones with each other."""
    rows = result.agreement.filter((pl.col("metric") == "percent") & pl.col("estimate").is_not_null())
    for (variable,), part in rows.group_by("variable", maintain_order=True):
        figures = {(row["coder_a"], row["coder_b"]): row for row in part.to_dicts()}
        cross, blind = figures.get((SEEN, BLIND)), figures.get((BLIND, BLIND))
        if cross is None:
            continue
        among = f"; two blind answers agree in {blind['estimate']:.0%}" if blind else ""
        of = f" on {variable}" if result.agreement["variable"].n_unique() > 1 else ""
        yield (
            f"Verified answers agree with blind ones to the same texts{of} in {cross['estimate']:.0%} of "
            f"{cross['n_pairable']:,} texts{among}."
        )


def _time(result: Measured) -> Iterator[str]:
    for row in result.seconds.filter(pl.col("arm").is_in(["open", "two"]) & pl.col("ratio").is_not_null()).to_dicts():
        blind = result.seconds.filter(arm="blind")["median"][0]
        name = "a proposal" if row["arm"] == "open" else "two proposals"
        change = f"{abs(row['ratio'] - 1):.0%} {'more' if row['ratio'] > 1 else 'less'}"
        span = f", 95 % interval {row['ci_low'] - 1:+.0%} to {row['ci_high'] - 1:+.0%}" if row["ci_low"] else ""
        yield f"With {name} coders took {row['median']:.1f} seconds per text, without {blind:.1f} ({change}{span})."


def notes_of(answers: Answers, rows: pl.DataFrame, clusters: Sequence[str]) -> Iterator[str]:
    """How sure all this is, what was left out, and what to do about it."""
    if len(answers.blind) and not answers.complete:
        yield "What blind coders would have been shown is not known: give it with proposals=."
    if rows["shown"].n_unique() == 2:
        yield TO_CORRECT
        both = rows.group_by("coder").agg(pl.col("shown").n_unique() == 2)["shown"].any()
        if not both:
            yield "No coder has answers of both kinds: a difference between the arms is also one between their coders."
    else:
        yield "Have a part of the texts coded blind, and these figures get their comparison: sample(..., blind=0.1)."
    lost = len(answers.blind) + len(answers.sighted) - len(rows)
    if lost:
        by = "by coders with one kind of answers alone in a wave"
        yield f"{counted(lost, 'answer', 'answers')} {by} are not compared."
    n_coders = rows["coder"].n_unique()
    few = [f"{n} {CLUSTER_NAMES[name]}" for name in clusters if 1 < (n := rows[name].n_unique()) < FEW_CLUSTERS]
    if few:
        several = "coder" in clusters and n_coders > 1
        alone = " cluster='unit_id' gives intervals for these very coders." if several else ""
        yield (
            f"With {' and '.join(few)}, standard errors are CR2 and intervals by t (degrees of freedom: df), so that "
            f"they hold for others like these.{alone}"
        )
    if "coder" in clusters and n_coders == 1:
        yield "There is one coder: intervals say nothing about others."


def _row(table: pl.DataFrame, by: str) -> dict[str, Any] | None:
    rows = table.filter(pl.col("by") == by)
    return rows.row(0, named=True) if len(rows) else None


def _share(row: Mapping[str, Any], of: str) -> str:
    """A share with its interval.

    >>> _share({"share_a": 0.835, "low_a": 0.7, "high_a": 0.91}, "a")
    '84% (70% to 91%)'
    """
    span = f" ({row[f'low_{of}']:.0%} to {row[f'high_{of}']:.0%})" if row[f"low_{of}"] is not None else ""
    return f"{row[f'share_{of}']:.0%}{span}"


def _points(row: Mapping[str, Any], signed: bool = True) -> str:
    """A difference in points, with its interval.

    >>> _points({"difference": 0.184, "ci_low": 0.05, "ci_high": 0.31})
    '+18.4 points (+5.0 to +31.0)'
    """
    form, turn = ("+.1f", 1) if signed else (".1f", -1 if row["difference"] < 0 else 1)
    low, high = row["ci_low"], row["ci_high"]
    span = sorted((100 * turn * low, 100 * turn * high)) if low is not None else None
    return f"{100 * turn * row['difference']:{form}} points" + (
        f" ({span[0]:{form}} to {span[1]:{form}})" if span else ""
    )
