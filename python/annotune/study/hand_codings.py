"""What a study's corrections take for coded by hand: all that people said, or what they said without a proposal."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from annotune.agreement.gold import resolve
from annotune.correction.coding_columns import FEWEST
from annotune.data.codebook import Codebook
from annotune.data.codings import ANSWERED, Codings, is_store, sound_codings
from annotune.data.drawn import read_draws
from annotune.errors import AnnotuneError, AnnotuneWarning, counted, warn
from annotune.hybrid.blind_gold import BySight, answers_by_sight, shown_columns, wave_without, with_blind_gold
from annotune.study.file import StudyFile
from annotune.study.parts import GoldPart

BLIND, ALL = "blind", "all"
ADVICE = "Have a part of each wave's texts coded blind, such as sample: {n: 300, coders: [anna], blind: 0.2}"


@dataclass(frozen=True)
class BlindCodings:
    """Answers that were given without a proposal in sight, which are the hand codings of a study's corrections.

    Attributes
    ----------
    sight
        People's answers, apart by whether a proposal was in sight.
    draws
        Those of the waves that count, as `read_draws` gives them.
    gold
        One answer per text out of the blind ones.
    part, codebook
        How several answers become one.
    """

    sight: BySight
    draws: pl.DataFrame
    gold: Codings
    part: GoldPart
    codebook: Codebook

    def in_place_of_gold(self, data: pl.DataFrame) -> pl.DataFrame:
        """The results with blind answers as gold and each text's probability of one; see `blind_gold`."""
        in_use = [name for name in shown_columns(self.codebook) if name in data.columns]
        if in_use:
            what = f"The corpus has a column {in_use[0]!r} already, which is to hold what people coded with proposals."
            raise AnnotuneError(what, "Rename it, or leave it out (covariates).")
        with warnings.catch_warnings():  # all that there is to tell was told when the codings were read
            warnings.simplefilter("ignore", AnnotuneWarning)
            return with_blind_gold(data, self.draws, self.sight, self.codebook, one_answer=self._resolved)

    def part_of(self, units: pl.Series) -> float:
        """The part of the drawn texts among these that was coded blind."""
        drawn = self.draws.filter(pl.col("drawn"), pl.col("unit_id").is_in(units.implode()))["unit_id"]
        return float(drawn.is_in(self.gold["unit_id"].unique().implode()).mean() or 0.0)  # type: ignore[arg-type]

    def note(self, variable: str) -> str:
        """What counts as coded by hand, in words."""
        n = self.texts_of(variable)
        return f"{variable}: coded by hand are the {n:,} texts that were coded without a proposal in sight."

    def texts_of(self, variable: str) -> int:
        """How many texts have an answer of this variable."""
        mine = self.gold.filter(pl.col("variable") == variable, pl.col("status").is_in(ANSWERED))
        return mine["unit_id"].n_unique()

    def _resolved(self, codings: Codings) -> Codings:
        return _resolved(codings, self.part, self.codebook)


def blind_codings(
    file: StudyFile,
    codings: Codings,
    codebook: Codebook,
    variables: Sequence[str],
    until: int | None = None,
    apart: Collection[str] = (),
) -> BlindCodings | None:
    """The blind codings where they are to be the hand codings; None where all codings are.

    Parameters
    ----------
    codings
        What everybody said, as the study reads it.
    variables
        Those of which blind codings are needed.
    until, apart
        The last wave that counts, and texts that do not.

    Raises
    ------
    AnnotuneError
        Where the study wants blind codings and there are too few.

    Warns
    -----
    AnnotuneWarning
        Where people saw proposals, and what they said counts as coded by hand nevertheless.
    """
    wanted = file.study.gold.by_hand
    sample = file.study.sample
    if sample is None or not sample.drawn or not is_store(file.store):
        if wanted == BLIND:
            raise AnnotuneError(f"{file.path}: gold: by_hand: no store says what was coded blind.", f"{ADVICE}.")
        return None
    if wanted == ALL or not _saw_proposals(codings):
        return None
    blind = _read(file, codings, codebook, until, apart)
    reason = _why_not(blind, variables)
    if reason is not None and wanted == BLIND:
        more = "; or write by_hand: all, and what was coded with a proposal in sight counts with its leaning."
        raise AnnotuneError(f"{file.path}: gold: by_hand: {reason}", ADVICE + more)
    if reason is not None:
        warn(f"{reason} What was coded with one counts as coded by hand, with its leaning. {ADVICE}.")
        return None
    return blind


def _saw_proposals(codings: Codings) -> bool:
    return "shown" in codings.columns and bool((codings["shown"].fill_null(0) > 0).any())


def _read(
    file: StudyFile, codings: Codings, codebook: Codebook, until: int | None, apart: Collection[str]
) -> BlindCodings:
    draws = read_draws(file.store)
    draws = draws if until is None else draws.filter(pl.col("wave") <= until)
    draws = draws.filter(~pl.col("unit_id").is_in(list(apart)))
    people = codings.filter(pl.col("unit_id").is_in(draws["unit_id"].unique().implode()))
    sight, part = answers_by_sight(file.store, codebook).among(people), file.study.gold
    return BlindCodings(sight, draws, _resolved(sight.blind, part, codebook), part, codebook)


def _why_not(blind: BlindCodings, variables: Sequence[str]) -> str | None:
    """Why blind codings cannot be the hand codings, in a sentence; None where they can."""
    for name in variables:
        n = blind.texts_of(name)
        if n < FEWEST:
            texts = counted(n, "text was", "texts were")
            return f"{texts} coded without a proposal in sight for {name!r}; that is too few for a correction."
    wave = wave_without(blind.draws, blind.sight.blind)
    return None if wave is None else f"No text of wave {wave} was coded without a proposal in sight."


def _resolved(codings: Codings, part: GoldPart, codebook: Codebook) -> Codings:
    """One answer out of several by the study's rule, as far as it is about coders who gave such answers.

    Who settles differences has seen what others said, so that elsewhere the majority counts.
    """
    names = codings["coder"].unique().to_list()
    coders = None if part.coders is None else [name for name in part.coders if name in names]
    rule, coder = part.rule, part.coder
    if coder is not None and coder not in names:
        if rule == "coder":
            return sound_codings(codings.clear())
        rule, coder = "majority", None
    if codings.is_empty() or coders == []:
        return sound_codings(codings.clear())
    return resolve(codings, rule, codebook=codebook, ties=part.ties, coder=coder, coders=coders)  # type: ignore[arg-type]
