"""Shares of labels in a corpus against those held out: the table, and a warning where chance does not explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codings import ANSWERED
from annotune.errors import counted, warn
from annotune.measures.shares import apart

FEWEST = 30  # texts, below which a share says nothing
LEAST = 0.005  # added to shares that are compared as ratios


def share_table(known: Mapping[str, Any], labels: Sequence[str], codings: pl.DataFrame) -> pl.DataFrame:
    """One row per label, as `annotune.shares` returns it; `known` are the shares on the model's card."""
    rows = codings.filter(pl.col("status").is_in(ANSWERED))
    n = rows["unit_id"].n_unique()
    counts = dict(rows.group_by("label").len().iter_rows())
    corpus, held_out = np.array([counts.get(label, 0) for label in labels]) / max(n, 1), np.array(known["model"])
    return pl.DataFrame(
        {
            "label": labels,
            "people": known["people"],
            "held_out": held_out,
            "corpus": corpus,
            "n_held_out": [round(known["n"])] * len(labels),
            "n_corpus": [n] * len(labels),
            "apart": apart(corpus, n, held_out, known["n"]) if n else np.zeros(len(labels), dtype=bool),
        }
    )


def warn_of_shares(known: Mapping[str, Any] | None, labels: Sequence[str], codings: pl.DataFrame) -> None:
    """Say which label a model gives to these texts much more or less often than to held-out ones.

    `known` are the shares on the model's card; without, nothing can be said.
    """
    if known is None:
        return
    far = share_table(known, labels, codings).filter("apart", pl.col("n_corpus") >= FEWEST)
    times = (pl.col("corpus") + LEAST) / (pl.col("held_out") + LEAST)
    far = far.sort(times.log().abs(), descending=True)  # the most striking first
    if len(far):
        warn(in_words(far.row(0, named=True), len(far)))


def in_words(row: dict[str, Any], n_labels: int) -> str:
    """What a label that is given more or less often than chance explains says about a corpus, and what to do."""
    others = f" (and {counted(n_labels - 1, 'other label', 'other labels')})" if n_labels > 1 else ""
    return (
        f"{row['label']!r} is given to {row['corpus']:.1%} of these {row['n_corpus']:,} texts{others}. Of coded texts "
        f"that it had not seen, the model gave it to {row['held_out']:.1%}, and people to {row['people']:.1%}: that is "
        "more than chance. Where these texts are of another kind than the coded ones, what was measured does not hold "
        "for them: code some of them by hand, or say how the coded ones were drawn (pi=, prevalence=)."
    )
