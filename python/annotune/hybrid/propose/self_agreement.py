"""How far a model agrees with itself: some texts are asked again, and the two answers compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.reliability import reliability
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, Codings, of_variable
from annotune.measures.limits import wilson

Z = 1.959964  # of a 95 % interval
AGAIN = "-again"  # after the coder's name: the same one, asked a second time
SCHEMA: dict[str, Any] = {
    "variable": pl.String,
    "metric": pl.String,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n": pl.Int64,
    "n_same": pl.Int64,
}


def texts_again(units: Sequence[str], n: int, seed: int) -> list[str]:
    """So many of the texts, at random."""
    chosen = np.random.default_rng(seed).permutation(len(units))[:n]
    return sorted(units[place] for place in chosen)


def self_agreement(codings: Codings, codebook: Codebook) -> pl.DataFrame:
    """Agreement of a coder's two answers to the same texts, for each variable.

    Parameters
    ----------
    codings
        Of the coder and of the same one asked again.

    Returns
    -------
    polars.DataFrame
        Two rows per variable: `percent`, the share of texts with the same answer, with Wilson's (1927) 95 % interval;
        and Krippendorff's `alpha` of the answers with its bootstrap interval, null where it is not defined. `n` texts
        were asked about twice and answered at least once, `n_same` have the same answer.
    """
    rows = [row for entry in codebook.variables for row in _of_variable(codings, entry, codebook)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _of_variable(codings: Codings, entry: Variable, codebook: Codebook) -> list[tuple[object, ...]]:
    mine = of_variable(codings, entry.name)
    answer = pl.coalesce("label", pl.format("({})", "status")).sort().str.join(";")
    answers = mine.group_by("unit_id", "coder").agg(answer.alias("answer"))
    twice = answers.group_by("unit_id").agg(pl.len().alias("n"), pl.col("answer").n_unique().alias("kinds"))
    answered = mine.filter(pl.col("status").is_in(ANSWERED))["unit_id"].unique().to_list()
    twice = twice.filter((pl.col("n") == 2) & pl.col("unit_id").is_in(answered))
    n, same = len(twice), int((twice["kinds"] == 1).sum())
    if not n:
        return []
    low, high = wilson(np.array([same / n]), np.array([float(n)]), np.array([Z]))
    percent = (entry.name, "percent", same / n, float(low[0]), float(high[0]), n, same)
    pairs = mine.filter(pl.col("unit_id").is_in(twice["unit_id"].to_list()))
    alpha = reliability(pairs, entry.name, codebook, metrics="alpha").row(0, named=True)
    return [percent, (entry.name, "alpha", alpha["estimate"], alpha["ci_low"], alpha["ci_high"], n, same)]
