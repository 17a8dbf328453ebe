"""Shares of labels in a corpus against those held out: the table, and a warning where chance does not explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codings import ANSWERED
from annotune.errors import counted, warn
from annotune.measures.shares import apart
from annotune.models.card import CardShares

FEWEST = 30  # texts, below which a share says nothing
LEAST = 0.005  # added to shares that are compared as ratios


def share_table(known: CardShares, labels: Sequence[str], codings: pl.DataFrame) -> pl.DataFrame:
    """One row per label, as `annotune.shares` returns it; `known` are the shares on the model's card."""
    rows = codings.filter(pl.col("status").is_in(ANSWERED))
    return shares_of_counts(known, labels, dict(rows.group_by("label").len().iter_rows()), rows["unit_id"].n_unique())


def shares_of_counts(
    known: CardShares, labels: Sequence[str], counts: Mapping[str | None, int], n: int
) -> pl.DataFrame:
    """The same from how often each label was given to `n` texts that were answered."""
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


def warn_of_shares(known: CardShares | None, labels: Sequence[str], codings: pl.DataFrame) -> None:
    """Say which label a model gives to these texts much more or less often than to held-out ones.

    `known` are the shares on the model's card; without, nothing can be said.
    """
    sentence = None if known is None else in_words(share_table(known, labels, codings))
    if sentence:
        warn(sentence)


def in_words(table: pl.DataFrame) -> str | None:
    """What the most striking label of a table of shares says about a corpus, and what to do; None where none does."""
    times = (pl.col("corpus") + LEAST) / (pl.col("held_out") + LEAST)
    far = table.filter("apart", pl.col("n_corpus") >= FEWEST).sort(times.log().abs(), descending=True)
    return _sentence(far.row(0, named=True), len(far)) if len(far) else None


def _sentence(row: dict[str, Any], n_labels: int) -> str:
    others = f" (and {counted(n_labels - 1, 'other label', 'other labels')})" if n_labels > 1 else ""
    return (
        f"{row['label']!r} is given to {row['corpus']:.1%} of these {row['n_corpus']:,} texts{others}. Of coded texts "
        f"that it had not seen, the model gave it to {row['held_out']:.1%}, and people to {row['people']:.1%}: that is "
        "more than chance. Where these texts are of another kind than the coded ones, what was measured does not hold "
        "for them: code some of them by hand, or say how the coded ones were drawn (pi=, prevalence=)."
    )


def as_note(variable: str, table: pl.DataFrame) -> str:
    """A table of shares as a line that travels in a file.

    >>> row = {"label": "Health", "people": 0.205, "held_out": 0.21, "corpus": 0.218, "n_corpus": 900, "apart": False}
    >>> as_note("topic", pl.DataFrame([row]))
    'topic, shares of texts (of held-out ones by the model, by people): Health 21.8% (21.0%, 20.5%).'
    """
    shares = [
        f"{row['label']} {row['corpus']:.1%} ({row['held_out']:.1%}, {row['people']:.1%})" for row in table.to_dicts()
    ]
    return f"{variable}, shares of texts (of held-out ones by the model, by people): {'; '.join(shares)}."
