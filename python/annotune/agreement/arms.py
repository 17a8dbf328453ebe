"""What an answer that was given with a proposal in sight is worth: does it agree with those that were given without?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.estimators import NotDefined
from annotune.agreement.intervals import Method
from annotune.agreement.pairs import over_units, sided, two_groups
from annotune.agreement.ratings import Ratings
from annotune.agreement.reliability import Options, described, each, framed, measured_by
from annotune.data.codings import ANSWERED

BLIND, SEEN = "without a proposal", "with a proposal"
PAIRS = ((BLIND, BLIND), (SEEN, BLIND), (SEEN, SEEN))
METRICS = ("percent", "alpha")


def agreement_by_sight(
    codings: pl.DataFrame, ci: Method = "analytic", n_boot: int = 1000, seed: int = 1
) -> pl.DataFrame:
    """Agreement of answers that were given without a proposal in sight, with one, and of each kind with the other.

    Parameters
    ----------
    codings
        A table of codings, one label per answer, with a column `shown`: whether a proposal was in sight.

    Returns
    -------
    polars.DataFrame
        In the columns of `reliability`: for each variable, percent and alpha of two coders who both saw no proposal,
        of one who saw one and one who did not, and of two who did. A row whose texts nobody coded so has a note.

    Examples
    --------
    >>> texts = {"unit_id": list("aabbccdd"), "coder": ["ann", "ben"] * 4, "label": list("xxxyyyxx")}
    >>> codings = pl.DataFrame(texts).with_columns(variable=pl.lit("v"), shown=pl.col("coder") == "ben")
    >>> table = agreement_by_sight(codings)
    >>> table.filter(metric="percent").select("coder_a", "coder_b", "estimate").row(1)
    ('with a proposal', 'without a proposal', 0.75)
    """
    options = over_units(ci, n_boot, None, seed)
    sight = pl.when("shown").then(pl.lit(SEEN)).otherwise(pl.lit(BLIND))
    named = codings.with_columns(coder=pl.concat_str([sight, pl.lit(": "), "coder"]))
    rows: list[dict[str, Any]] = []
    for group, ratings in each(named, None, None, None, None):
        rows += [group | row for row in _of_variable(ratings, options)]
    return framed(rows)


def _of_variable(ratings: Ratings, options: Options) -> Iterator[dict[str, Any]]:
    """Two metrics for each pair of kinds of answers."""
    for metric in METRICS:
        for a, b in PAIRS:
            first, second = (np.array([coder.startswith(f"{kind}: ") for coder in ratings.coders]) for kind in (a, b))
            row = described(ratings, metric, "nominal") | {"coder_a": a, "coder_b": b}
            yield row | {"n_coders": int((first | second).sum())} | _measured(ratings, metric, first, second, options)


def _measured(ratings: Ratings, metric: str, first: np.ndarray, second: np.ndarray, options: Options) -> dict[str, Any]:
    """One metric of answers by the coders of two masks, which are the same or have nobody in common."""
    alike = bool((first == second).all())
    if not first.any() or not second.any():
        return {"n_pairable": 0, "note": "no such answers"}
    patterns, own, other = two_groups(ratings, first, second, fewest=2 if alike else 1)
    size = {"n_pairable": int(patterns.freq.sum())}
    if not len(patterns.freq):
        return size | {"note": "no text has both"}
    try:
        coefficient = sided(patterns, ratings, own, None if alike else other, metric, "nominal", None)
    except NotDefined as reason:
        return size | {"note": str(reason)}
    return size | measured_by(coefficient, ratings, options, metric)


def notes_of_sight(codings: pl.DataFrame) -> list[str]:
    """What gold is worth that rests on answers given with a proposal in sight: a sentence for each variable with any.

    `codings` are a store's, with the column `shown`: how many proposals the person saw.
    """
    if "shown" not in codings.columns:
        return []
    answered = codings.filter(pl.col("status").is_in(ANSWERED))
    sets = pl.col("label").fill_null("").sort().str.join("; ")
    each = answered.group_by("variable", "unit_id", "coder", maintain_order=True).agg(
        sets, (pl.col("shown").first().fill_null(0) > 0).alias("shown")
    )
    notes = []
    for (variable,), part in each.group_by("variable", maintain_order=True):
        seen = part.filter("shown")["unit_id"].n_unique()
        if seen:
            texts = f"Gold of {seen:,} of {part['unit_id'].n_unique():,} texts for {variable!r}"
            notes.append(f"{texts} rests on answers that were given with a proposal in sight. {_worth(part)}")
    return notes


def _worth(codings: pl.DataFrame) -> str:
    """How such answers agree with others, beside which these agree with each other."""
    table = agreement_by_sight(codings).filter(pl.col("estimate").is_not_null())
    figures = {tuple(row[:3]): row[3] for row in table.select("metric", "coder_a", "coder_b", "estimate").iter_rows()}
    percent, alpha = (figures.get((metric, SEEN, BLIND)) for metric in METRICS)
    if percent is None:
        return "How they agree with answers without one is not known: no text has both (sample: blind=, overlap=)."
    texts = table.filter((pl.col("coder_a") == SEEN) & (pl.col("coder_b") == BLIND))["n_pairable"][0]
    by_chance = "" if alpha is None else f" (alpha {alpha:.2f})"
    among = figures.get(("percent", BLIND, BLIND))
    beside = "" if among is None else f", and two of the latter with each other in {among:.0%}"
    return (
        f"They agree with answers without one in {percent:.0%} of {texts:,} texts{by_chance}{beside}. anchoring() says "
        "what proposals did, and blind_gold() takes the answers without."
    )
