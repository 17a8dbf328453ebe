"""Coding to the level where the risk holds: the minor where a model is sure of it, else the major, else people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import Codings, check, of_variable, sound_codings
from annotune.data.frames import as_frame
from annotune.data.hierarchy import NO_HIERARCHY, has_levels, levels
from annotune.data.rolled_up import PROBABILITY, roll_up
from annotune.errors import AnnotuneError
from annotune.evidence.abstention import Abstention, guaranteed_abstention
from annotune.evidence.probabilities import coded_by_one
from annotune.readable import Part, Readable


@dataclass(frozen=True, repr=False)
class LevelAbstention(Readable):
    """Each text coded at the lowest level of a hierarchy where the risk holds.

    Attributes
    ----------
    codings
        One row per text: its label at that level; the variable of it in `level` (`topic_minor`, `topic_major`), with
        `confidence`; null and `missing` where no level holds, with `by_hand`.
    levels
        The division at each level, the lowest first; each of the texts that the levels before it left.
    risk, confidence
        The arguments of `abstain`.
    """

    codings: pl.DataFrame
    levels: dict[str, Abstention]
    risk: float
    confidence: float

    @property
    def n_by_hand(self) -> int:
        """Units to be coded by hand."""
        return int(self.codings["by_hand"].sum())

    def _parts(self) -> Iterator[Part]:
        """The result in a sentence."""
        yield self.in_words()

    def in_words(self) -> str:
        """The result in a sentence."""
        counts = dict(self.codings.group_by("level").len().rows())
        coded = ", ".join(f"{counts.get(name, 0):,} by {name}" for name in self.levels)
        return (
            f"Of {len(self.codings):,} texts {coded}, and {self.n_by_hand:,} by hand: with {self.confidence:.0%} "
            f"confidence at most {self.risk:.1%} of the codes given at each level are wrong."
        )


def code_to_level(
    codings: Any,
    held_out: Any,
    gold: Any,
    risk: float,
    confidence: float,
    variable: str | None,
    codebook: Codebook | None,
) -> LevelAbstention:
    """`abstain(by_level=True)`: from the lowest level upwards, each divides the texts that those below it left.

    At a level a text's answer is its likeliest label there, by the sums of probabilities: the major in which the
    minors are likeliest together, not the major of the likeliest minor. The chance of error is shared among levels.
    """
    entry = _hierarchy(codebook, variable)
    book = levels(Codebook(variables=(entry,)))
    by_level = list(reversed(book.variables))
    open_: pl.DataFrame = _rolled(coded_by_one(codings, codebook, entry.name), entry, book)
    seen: pl.DataFrame = _rolled(coded_by_one(held_out, codebook, entry.name), entry, book)
    truth = roll_up(of_variable(check(as_frame(gold)), entry.name), Codebook(variables=(entry,)))
    own_confidence = 1 - (1 - confidence) / len(by_level)
    units = open_["unit_id"].unique(maintain_order=True)
    divisions, coded_texts = {}, []
    for level in by_level:
        here = _stated(seen, level)
        if not _comparable(here, truth, level):
            break
        rows = _stated(open_, level)
        division = guaranteed_abstention(rows, here, truth, risk, own_confidence, level.name, book)
        divisions[level.name] = division
        done = division.codings.filter(~pl.col("by_hand"))
        coded_texts.append(done.with_columns(level=pl.lit(level.name)))
        open_ = open_.filter(~pl.col("unit_id").is_in(done["unit_id"].implode()))
        sure = here.filter(pl.col("prob") >= (2.0 if division.threshold is None else division.threshold))
        seen = seen.filter(~pl.col("unit_id").is_in(sure["unit_id"].implode()))
    return LevelAbstention(_together(units, coded_texts, entry, open_), divisions, risk, confidence)


def _hierarchy(codebook: Codebook | None, variable: str | None) -> Variable:
    if codebook is None:
        raise AnnotuneError("by_level= needs the codebook, which has the levels.", "Give codebook=.")
    entry = codebook.variable(variable)
    if not has_levels(entry):
        raise AnnotuneError(f"No label of {entry.name!r} has a parent, so that there are no levels.", NO_HIERARCHY)
    if entry.kind == "multilabel":
        what = f"{entry.name!r} is multi-label, and by_level= is for one label a text."
        raise AnnotuneError(what, "Leave it out.")
    return entry


def _rolled(codings: Codings, entry: Variable, book: Codebook) -> Codings:
    """Codings of every level, each text's answer the likeliest there."""
    rows = roll_up(of_variable(codings, entry.name), Codebook(variables=(entry,)))
    return sound_codings(pl.concat([_likeliest(rows.filter(variable=level.name), level) for level in book.variables]))


def _likeliest(rows: pl.DataFrame, level: Variable) -> pl.DataFrame:
    """The rows with the label of the largest probability, where they have any."""
    names = [name for name in level.names if f"{PROBABILITY}{name}" in rows.columns]
    if not names:
        return rows
    stated = pl.concat_list([pl.col(f"{PROBABILITY}{name}") for name in names])
    has_all = stated.list.drop_nulls().list.len() == len(names)
    labels = pl.Series(names)
    best = stated.list.arg_max().replace_strict(dict(enumerate(labels)), default=None, return_dtype=pl.String)
    answered = has_all & (pl.col("status") != "error")
    return rows.with_columns(
        label=pl.when(answered).then(best).otherwise("label"),
        prob=pl.when(answered).then(stated.list.max()).otherwise("prob"),
        status=pl.when(answered).then(pl.lit("ok")).otherwise("status"),
    )


def _stated(rows: pl.DataFrame, level: Variable) -> Codings:
    """The rows of a level, without columns of probabilities that are not about it."""
    own = rows.filter(variable=level.name)
    empty = [name for name in own.columns if name.startswith(PROBABILITY) and own[name].null_count() == len(own)]
    return sound_codings(own.drop(empty))


def _comparable(seen: pl.DataFrame, truth: pl.DataFrame, level: Variable) -> bool:
    """Whether a held-out text has both an answer and a truth at this level."""
    true = truth.filter((pl.col("variable") == level.name) & pl.col("label").is_not_null())["unit_id"]
    return (
        seen.filter(pl.col("label").is_not_null() & pl.col("prob").is_not_null())["unit_id"].is_in(true.implode()).any()
    )


def _together(units: pl.Series, coded_texts: list[pl.DataFrame], entry: Variable, left: pl.DataFrame) -> pl.DataFrame:
    """One row per text in their order: what was given at some level, or nothing."""
    columns = ["unit_id", "coder", "label", "confidence", "level"]
    rows = [part.select(columns) for part in coded_texts]
    nothing = left.unique("unit_id", keep="first").select("unit_id", "coder", label=pl.lit(None, pl.String))
    rows.append(nothing.with_columns(confidence=pl.lit(None, pl.Float64), level=pl.lit(None, pl.String)))
    texts = pl.DataFrame({"unit_id": units}).join(pl.concat(rows), on="unit_id", how="left", maintain_order="left")
    coded = pl.col("label").is_not_null()
    status = pl.when(coded).then(pl.lit("ok")).otherwise(pl.lit("missing"))
    whole = texts.with_columns(variable=pl.lit(entry.name), prob="confidence", status=status, by_hand=~coded)
    return whole.select("unit_id", "variable", "coder", "label", "prob", "status", "level", "confidence", "by_hand")
