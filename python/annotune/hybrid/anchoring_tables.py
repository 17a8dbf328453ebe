"""The tables of `anchoring`: from answers with proposals in sight and without to shares with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import FEW_CLUSTERS
from annotune.evidence.paired import holm
from annotune.hybrid.answers_by_arm import BLIND, DECOY, KEY, NONE, Answers
from annotune.hybrid.two_arms import CLUSTERS, columns, compared

CELL = ["variable", "coder", "wave"]  # within which arms are drawn
ALL = "(all)"
THESE = "these coders"  # of all rows, by texts alone: what holds for these coders, if not for others
MOST_PAIRS = 45  # of coders, of each of which there is a row
NUMBERS = columns("blind", "shown")
PAIRED = columns("a", "b") | {"agreement": pl.Float64, "agreement_low": pl.Float64, "agreement_high": pl.Float64}


@dataclass(frozen=True, repr=False)
class Measured:
    """The tables of `anchoring`, how many answers, coders and texts they rest on, and notes; see `Anchoring`."""

    shares: pl.DataFrame
    acceptance: pl.DataFrame
    recall: pl.DataFrame
    decoys: pl.DataFrame
    pairs: pl.DataFrame
    reliability: pl.DataFrame
    agreement: pl.DataFrame
    seconds: pl.DataFrame
    n_shown: int
    n_blind: int
    n_coders: int
    n_texts: int
    notes: tuple[str, ...]


def side_by_side(answers: Answers) -> pl.DataFrame:
    """One row per answer of the two arms: its columns, `shown`, and `weight`.

    Arms are drawn within coders and waves, perhaps with different shares: weighted by how many answers of its coder and
    wave there are for each of its arm, both arms are of the same texts and coders. Coders with one arm alone, beside
    others with both, are left out; where no coder has both, arms are compared as they are.
    """
    parts = [answers.blind.with_columns(shown=pl.lit(False)), answers.sighted.with_columns(shown=pl.lit(True))]
    rows = pl.concat(parts)
    both = pl.col("shown").n_unique().over(CELL) == 2
    balanced = rows.filter(both)
    if balanced.is_empty():
        return rows.with_columns(weight=pl.lit(1.0))
    return balanced.with_columns(weight=pl.len().over(CELL) / pl.len().over([*CELL, "shown"]))


def label_shares(rows: pl.DataFrame, clusters: Sequence[str] = CLUSTERS) -> pl.DataFrame:
    """The share of each label with and without proposals: a row per variable and label, p after Holm's correction."""
    cells = []
    for (variable,), part in rows.group_by("variable", maintain_order=True):
        if part["shown"].n_unique() < 2:
            continue
        names = part["labels"].explode().unique().sort().to_list()
        mine = [
            {"variable": variable, "label": name} | compared(_with_label(part, name), clusters)
            for name in sorted(names, key=lambda name: name == NONE)
        ]
        corrected = holm([row["p_value"] for row in mine])
        cells += [row | {"p_holm": p} for row, p in zip(mine, corrected, strict=True)]
    schema = {"variable": pl.String, "label": pl.String} | NUMBERS | {"p_holm": pl.Float64}
    return pl.DataFrame(cells, schema=schema)


def _with_label(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    return rows.with_columns(y=pl.col("labels").list.contains(label))


def verdicts(answers: Answers, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per answer and proposed label: `y` is whether the answer has it; `shown` says whether it was seen."""
    about = answers.shown.filter(~pl.col("decoy")).select("answer", "proposer", "label")
    seen = rows.filter("shown").join(about, on="answer")
    unseen = rows.filter(~pl.col("shown")).join(answers.offered, on=["unit_id", "variable"])
    each = pl.concat([seen, unseen.select(seen.columns)])
    return each.with_columns(y=pl.col("labels").list.contains(pl.col("label")))


def acceptance(judged: pl.DataFrame, clusters: Sequence[str] = CLUSTERS) -> pl.DataFrame:
    """How often coders give a proposed label, when they see it and when not: in all, by coder, proposer and label."""
    cells = [{"by": by, "name": name} | compared(part, own) for by, name, part, own in _groups(judged, clusters)]
    return pl.DataFrame(cells, schema={"by": pl.String, "name": pl.String} | NUMBERS)


def _groups(
    judged: pl.DataFrame, clusters: Sequence[str], by: Sequence[str] = ("coder", "proposer", "variable", "label")
) -> Iterator[tuple[str, str, pl.DataFrame, Sequence[str]]]:
    """All rows, and those of each coder, proposer and label."""
    yield "all", ALL, judged, clusters
    if "coder" in clusters and 1 < judged["coder"].n_unique() < FEW_CLUSTERS:
        yield THESE, ALL, judged, ["unit_id"]
    several = judged["variable"].n_unique() > 1
    named = judged.with_columns(label=_full_label(several))
    for column in by:
        if column == "variable" and not several:
            continue
        for name in named[column].unique().sort().to_list():
            own = ["unit_id"] if column == "coder" else clusters
            yield column, name, named.filter(pl.col(column) == name), own


def _full_label(several: bool) -> pl.Expr:
    return pl.format("{}: {}", "variable", "label") if several else pl.col("label")


def recall(answers: Answers, rows: pl.DataFrame, clusters: Sequence[str] = CLUSTERS) -> pl.DataFrame:
    """Of the labels that coders gave, how many a proposal had: in all, by label, and by proposer.

    Blind coders say what there was to find. With proposals in sight, what no proposal had is what coders added.
    """
    schema = {"by": pl.String, "name": pl.String} | NUMBERS
    texts = rows.join(answers.offered, on=["unit_id", "variable"], how="semi")
    labels = texts.explode("labels").rename({"labels": "label"}).filter(pl.col("label") != NONE)
    if labels["shown"].all():  # without blind answers nobody knows
        return pl.DataFrame(schema=schema)
    groups = _groups(_was_proposed(labels, answers.offered), clusters, ("variable", "label"))
    cells = [{"by": by, "name": name} | compared(part, own) for by, name, part, own in groups]
    for (proposer,), own in answers.offered.sort("proposer").group_by("proposer", maintain_order=True):
        part = labels.join(own, on=["unit_id", "variable"], how="semi")
        cells.append({"by": "proposer", "name": proposer} | compared(_was_proposed(part, own), clusters))
    return pl.DataFrame(cells, schema=schema)


def _was_proposed(labels: pl.DataFrame, offered: pl.DataFrame) -> pl.DataFrame:
    """The labels that were given, each with whether it was proposed for its text, `y`."""
    key = ["unit_id", "variable", "label"]
    proposed = offered.select(key).unique().with_columns(y=pl.lit(True))
    return labels.join(proposed, on=key, how="left", maintain_order="left").with_columns(pl.col("y").fill_null(False))


def decoys(answers: Answers) -> pl.DataFrame:
    """How often false proposals are accepted, and the same label given at the second look; in all and by coder.

    `agreement` is the share of second looks that come to the same answer; the comparison is of texts with both.
    """
    about = answers.shown.filter(pl.col("decoy")).select(*KEY, "labels", "label", "answer", "accepted")
    about = about.join(answers.offered, on=["unit_id", "variable", "label"], how="anti")  # of a set one label is false
    later = answers.answers.filter("second").select(*KEY, pl.col("labels").alias("again"))
    each = about.join(later, on=KEY, how="left", maintain_order="left")
    schema = {"by": pl.String, "name": pl.String, "n": pl.Int64, "accepted": pl.Float64, "low": pl.Float64}
    schema |= {"high": pl.Float64} | columns("again", "decoy")
    schema |= {name: dtype for name, dtype in PAIRED.items() if name.startswith("agreement")}
    cells = []
    for by, name, part, clusters in _of_decoys(each):
        one = compared(part.with_columns(y="accepted", shown=pl.lit(True), weight=pl.lit(1.0)), clusters)
        row = {"by": by, "name": name, "n": len(part), "accepted": one["share_shown"]}
        cells.append(row | {"low": one["low_shown"], "high": one["high_shown"]} | _second_look(part, clusters))
    return pl.DataFrame(cells, schema=schema)


def _of_decoys(each: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame, Sequence[str]]]:
    if len(each):
        yield "all", ALL, each, CLUSTERS
    for coder in each["coder"].unique().sort().to_list():
        yield "coder", coder, each.filter(pl.col("coder") == coder), ["unit_id"]


def _second_look(part: pl.DataFrame, clusters: Sequence[str]) -> dict[str, Any]:
    """The decoy's label with it in sight and at the second look, of texts that have both."""
    both = part.drop_nulls("again").with_columns(weight=pl.lit(1.0))
    first = both.with_columns(y=pl.col("accepted"), shown=pl.lit(True))
    second = both.with_columns(y=pl.col("again").list.contains(pl.col("label")), shown=pl.lit(False))
    cells = compared(pl.concat([first, second]), clusters, ("again", "decoy"))
    same = pl.col("labels").list.sort() == pl.col("again").list.sort()
    return cells | _agreement(both.with_columns(y=same), clusters)


def _agreement(rows: pl.DataFrame, clusters: Sequence[str]) -> dict[str, Any]:
    """The share of rows that agree (`y`)."""
    cells = compared(rows.with_columns(shown=pl.lit(True), weight=pl.lit(1.0)), clusters)
    parts = {"agreement": "share", "agreement_low": "low", "agreement_high": "high"}
    return {name: cells[f"{part}_shown"] for name, part in parts.items()}


def pairs(judged: pl.DataFrame, clusters: Sequence[str] = CLUSTERS) -> pl.DataFrame:
    """Two proposers of the same label to the same coder, and two coders of the same proposal: a row per pair.

    Verdicts are compared in pairs: each by (or on) the one with each by the other, on the same text. `agreement` is the
    share of pairs with the same verdict.
    """
    seen = judged.filter("shown").select("answer", *KEY, "proposer", "label", "y")
    names = ["unit_id", "variable", "label"]
    cells = _paired(seen, "proposer", [*names, "coder"], clusters)
    cells += _paired(seen, "coder", [*names, "proposer"], ["unit_id"])
    return pl.DataFrame(cells, schema={"of": pl.String, "a": pl.String, "b": pl.String} | PAIRED)


def _paired(seen: pl.DataFrame, of: str, same: list[str], clusters: Sequence[str]) -> list[dict[str, Any]]:
    """Verdicts of each pair of coders (or on each pair of proposers) where the rest is the same."""
    rows, who = [], seen[of].unique().sort().to_list()
    for a, b in list(combinations(who, 2))[:MOST_PAIRS]:
        first, second = (seen.filter(pl.col(of) == name) for name in (a, b))
        two = first.join(second, on=same, suffix="_b").filter(pl.col("answer") != pl.col("answer_b"))
        if two.is_empty():
            continue
        sides = [two.with_columns(y=column, shown=pl.lit(last)) for column, last in (("y", False), ("y_b", True))]
        cells = compared(pl.concat(sides).with_columns(weight=pl.lit(1.0)), clusters, ("a", "b"))
        same_verdict = _agreement(two.with_columns(y=pl.col("y") == pl.col("y_b")), clusters)
        rows.append({"of": of, "a": a, "b": b} | cells | same_verdict)
    return rows


def reliability_of_verdicts(judged: pl.DataFrame) -> pl.DataFrame:
    """The agreement of coders on the same proposals, as `reliability` computes it; texts are its clusters."""
    from annotune.agreement.reliability import reliability

    seen = judged.filter("shown")
    unit = pl.concat_str(["unit_id", "variable", "label", "proposer"], separator="\u2063")
    verdict = pl.when("y").then(pl.lit("accepted")).otherwise(pl.lit("rejected"))
    table = seen.select(unit_id=unit, variable=pl.lit("verdict"), coder="coder", label=verdict, text="unit_id")
    return reliability(table, metrics=["percent", "scott_pi", "alpha"], ci="analytic", cluster="text")


def seconds(answers: Answers, clusters: Sequence[str] = CLUSTERS) -> pl.DataFrame:
    """Seconds per text in each arm, and their ratio to those without a proposal: a row per arm."""
    timed = answers.answers.filter((pl.col("seconds") > 0) & ~pl.col("second"))
    each = timed.group_by("unit_id", "coder", "arm", maintain_order=True).agg(pl.col("seconds").max())
    each = each.with_columns(y=pl.col("seconds").log(), weight=pl.lit(1.0))
    cells = []
    for arm in (BLIND, "open", "two", DECOY):
        mine = each.filter(pl.col("arm") == arm)
        if mine.is_empty():
            continue
        row: dict[str, Any] = {"arm": arm, "n": len(mine), "median": mine["seconds"].median()}
        row |= {"mean": mine["seconds"].mean()}
        if arm != BLIND:
            two = each.filter(pl.col("arm").is_in([BLIND, arm])).with_columns(shown=pl.col("arm") == arm)
            gap = compared(two, clusters, is_share=False)
            ratios = {"ratio": "difference", "ci_low": "ci_low", "ci_high": "ci_high"}
            row |= {name: None if gap[of] is None else float(np.exp(gap[of])) for name, of in ratios.items()}
            row |= {"p_value": gap["p_value"]}
        cells.append(row)
    numbers: dict[str, Any] = dict.fromkeys(("median", "mean", "ratio", "ci_low", "ci_high", "p_value"), pl.Float64)
    return pl.DataFrame(cells, schema={"arm": pl.String, "n": pl.Int64} | numbers)


def as_codings(answers: Answers) -> pl.DataFrame:
    """First answers as a table of codings, sets of labels as one label each, with `shown`: whether with proposals."""
    parts = [answers.blind.with_columns(shown=pl.lit(False)), answers.sighted.with_columns(shown=pl.lit(True))]
    label = pl.col("labels").list.sort().list.join("; ")
    return pl.concat(parts).select("unit_id", "variable", "coder", label.alias("label"), "shown")
