"""Texts for coders where a draw named none: all that were drawn, or where nothing was drawn the whole corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import Corpus
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid.page.work import ORDER
from annotune.hybrid.people import Shares, require_people, require_seed
from annotune.hybrid.scored import EVALUATION
from annotune.hybrid.store import Store
from annotune.hybrid.waves import last_wave, record_wave
from annotune.records.fingerprints import fingerprint

FREE_WAVES = """
    SELECT wave, seed, json_extract(settings, '$.for') FROM waves
    WHERE json_array_length(settings, '$.coders') = 0 OR design = 'order'
"""


def coders_of(store: Store, corpus: Corpus, codebook: Codebook | None, coders: Sequence[str], seed: int) -> list[str]:
    """Who codes: those that are named, or those among whom texts were divided.

    Where nothing was drawn, the whole corpus is offered in a random order that all coders share. Such a wave counts as
    a simple random sample of the texts that are coded when somebody looks (see `tables.store`): whoever stops has coded
    the first of a random order.

    Raises
    ------
    AnnotuneError
        Where nobody is named, and where somebody is for whom nothing was drawn.
    """
    require_people(coders, 0.0, Shares())
    require_seed(seed)
    if last_wave(store) == 0:
        _offer_all(store, corpus, codebook, coders, seed)
    _divide_free_waves(store, coders)
    rows = store.rows("SELECT DISTINCT coder FROM assignments ORDER BY coder")
    there = [coder for (coder,) in rows]
    for name in coders:
        if name not in there:
            what = f"No text was drawn for {name!r}."
            raise AnnotuneError(what, f"{nearest(name, there)} Draw a further wave for others (sample).")
    if not there:
        raise AnnotuneError("Nobody is named who codes.", "Name them with coders=.")
    return list(coders) or there


def _offer_all(store: Store, corpus: Corpus, codebook: Codebook | None, coders: Sequence[str], seed: int) -> None:
    """Record a wave of all texts that are not empty, to be coded in a random order."""
    if not coders:
        raise AnnotuneError("No texts were drawn, and nobody is named who codes.", "Name them with coders=.")
    units = corpus.filter(pl.col("text").is_not_null())["unit_id"]
    if units.is_empty():
        raise AnnotuneError("All texts are empty.", "Give a corpus with texts.")
    draws = pl.DataFrame({"unit_id": units}).with_columns(
        wave=pl.lit(1, pl.Int64),
        pi=pl.lit(1.0),
        drawn=pl.lit(True),
        stratum=pl.lit(None, pl.String),
        cluster=pl.lit(None, pl.String),
    )
    settings = {"n": len(units), "design": ORDER, "coders": list(coders), "overlap": 1.0, "blind": 0.0}
    about = {"wave": 1, "design": ORDER, "seed": seed, "settings": settings}
    about["corpus"] = fingerprint(sorted(corpus["unit_id"]))
    empty = pl.DataFrame(schema=dict.fromkeys(("unit_id", "wave", "coder", "place", "arm"), pl.String))
    record_wave(store, draws, empty, about, codebook)


def _divide_free_waves(store: Store, coders: Sequence[str]) -> None:
    """Every named coder gets all texts of the waves that were divided among nobody, in one random order.

    Texts that are kept apart for evaluation are coded blind, as those are that were divided when they were drawn.
    """
    for wave, seed, aim in store.rows(FREE_WAVES):
        arm = "blind" if aim == EVALUATION else "open"
        units = [unit for (unit,) in store.rows("SELECT unit_id FROM draws WHERE wave = ? ORDER BY unit_id", [wave])]
        order = np.random.default_rng([seed, wave]).permutation(len(units))
        with store.change() as connection:
            there = {
                name for (name,) in connection.execute("SELECT DISTINCT coder FROM assignments WHERE wave = ?", [wave])
            }
            for coder in (name for name in coders if name not in there):
                rows = [(wave, units[number], coder, place, arm) for place, number in enumerate(order, start=1)]
                connection.executemany("INSERT INTO assignments VALUES (?, ?, ?, ?, ?)", rows)


def require_texts(store: Store, corpus: Corpus) -> None:
    """Stop where the corpus lacks texts that are to be coded."""
    units = {unit for (unit,) in store.rows("SELECT DISTINCT unit_id FROM assignments")}
    absent = sorted(units - set(corpus["unit_id"]))
    if absent:
        lost = f"{len(absent):,} of {len(units):,} texts that are to be coded"
        what = f"The corpus lacks {lost}, such as {absent[0]!r}."
        raise AnnotuneError(what, "It is of another study: give this study's corpus.")
