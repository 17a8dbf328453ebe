"""How often a model gives each label to a corpus, beside how often people and the model gave it to held-out texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.frames import as_frame
from annotune.errors import AnnotuneError, counted, warn
from annotune.measures.shares import apart


class HasCard(Protocol):
    """A tuned model."""

    labels: tuple[str, ...]
    card: dict[str, Any]
    variable: Variable

    @property
    def name(self) -> str:
        """The coder's name in tables of codings."""


FEWEST = 30  # texts, below which a share says nothing


def shares(model: HasCard, codings: Any) -> pl.DataFrame:
    """How often each label was given to a corpus, beside how often people and the model gave it to held-out texts.

    Where the texts of the corpus are like the coded ones, the last two columns agree but for chance. Where they do not,
    either the corpus is of another kind, or coded texts were not drawn from it at random (see `pi` and `prevalence` of
    `tune`); what was measured on held-out texts does then not hold for the corpus.

    Parameters
    ----------
    model
        A tuned model that was measured on held-out texts.
    codings
        What it says of the corpus: the table of codings that `classify` returns.

    Returns
    -------
    polars.DataFrame
        One row per label: label, people, held_out and corpus (shares of the texts with an answer), n_held_out (texts;
        with weights, as many as they are worth), n_corpus, and apart: whether held_out and corpus differ by more than
        chance (a z-test with Bonferroni's correction at .001, which allows for what models made anew vary).

    Raises
    ------
    AnnotuneError
        Where nothing was held out, or the model was tuned before annotune kept these shares.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=150, n_coded=80)
    >>> gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook, coder=None), rule="majority")
    >>> model = at.tune(data.corpus, gold, data.codebook, method="probe", folds=2, n_boot=0)
    >>> at.shares(model, model.classify(data.corpus)).columns
    ['label', 'people', 'held_out', 'corpus', 'n_held_out', 'n_corpus', 'apart']
    """
    known = model.card.get("shares")
    if known is None:
        what = f"{model.name} holds no shares of held-out texts."
        raise AnnotuneError(what, "Tune a model with test= or folds=, so that something is held out.")
    rows = as_frame(codings).filter(variable=model.variable.name)
    return _table(known, model.labels, rows)


def _table(known: Mapping[str, Any], labels: Sequence[str], codings: pl.DataFrame) -> pl.DataFrame:
    rows = codings.filter(pl.col("status").is_in(["ok", "none"]))
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
    far = _table(known, labels, codings).filter("apart", pl.col("n_corpus") >= FEWEST)
    far = far.sort((pl.col("corpus") - pl.col("held_out")).abs(), descending=True)
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
