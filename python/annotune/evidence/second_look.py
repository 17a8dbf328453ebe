"""Hand codings to check again: confident learning on out-of-fold predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.encoded import texts_of
from annotune.errors import AnnotuneError
from annotune.evidence.probabilities import Sure, against_gold

YES, NO = "given", "not given"


def label_errors(
    held_out: Any,
    gold: Any,
    *,
    corpus: pl.DataFrame | None = None,
    variable: str | None = None,
    codebook: Codebook | None = None,
    n: int = 50,
) -> pl.DataFrame:
    """Rank hand codings by how likely they are errors, the most likely first.

    Confident learning (Northcutt, Jiang and Chuang 2021): a label's threshold is the mean probability that the model
    gives it where people gave it; a coding counts as a likely error when the model's probability for another label
    reaches that label's threshold, and is higher than for any other that does. Within likely errors, and then within
    the rest, codings are ranked by how much more likely the model's label is than the hand-coded one. It is a list for
    a second look, not a verdict: the model may be wrong, and a text may be unclear.

    Parameters
    ----------
    held_out
        Predictions with columns `p_<label>`, for texts that the model was not tuned on; or a tuned `Classifier`.
        Cross-validated predictions (`folds=`) cover all coded texts. With `codebook` also coded texts with one column
        per variable, as made by `attach` and `annotune classify`.
    gold
        The hand codings.
    corpus
        Texts (unit_id, text), added to the list.
    variable, codebook
        The variable, and its labels.
    n
        The number of codings to list.

    Returns
    -------
    polars.DataFrame
        rank, unit_id, text (with a corpus), label (of a multi-label variable: the label in question), hand, model,
        p_hand, p_model, likely_error, why. Only codings that the model disagrees with are listed.

    Raises
    ------
    AnnotuneError
        Where no unit has both, or the predictions have no probability for each label.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> gold = pl.DataFrame({"unit_id": list("abcd"), "label": list("xxyx")})
    >>> codings = pl.DataFrame({"unit_id": list("abcd"), "label": list("xxyy"), "coder": ["model"] * 4})
    >>> codings = codings.with_columns(p_x=pl.Series([0.9, 0.8, 0.1, 0.1]), p_y=pl.Series([0.1, 0.2, 0.9, 0.9]))
    >>> at.label_errors(codings.with_columns(prob=pl.Series([0.9, 0.8, 0.9, 0.9])), gold)["unit_id"].to_list()
    ['d']
    """
    if n < 1:
        raise AnnotuneError(f"A list of {n} codings is empty.", "Ask for at least one.")
    sure = against_gold(held_out, gold, variable, codebook)
    if sure.shares is None:
        what = "The predictions have no columns p_<label>, which confident learning needs."
        raise AnnotuneError(what, "Pass the predictions of classify or tune.")
    rows = _suspects_of_sets(sure, sure.shares) if sure.truth.ndim == 2 else _suspects_of_labels(sure, sure.shares)
    rows = rows.filter(pl.col("hand") != pl.col("model")).sort(
        ["likely_error", pl.col("p_model") - pl.col("p_hand")], descending=True, maintain_order=True
    )
    rows = rows.head(n).with_row_index("rank", offset=1).with_columns(pl.col("rank").cast(pl.Int64))
    if corpus is None:
        return rows
    texts = pl.Series("text", texts_of(corpus, rows["unit_id"]), dtype=pl.String)
    return rows.with_columns(texts).select("rank", "unit_id", "text", pl.exclude("rank", "unit_id", "text"))


def suspects(shares: np.ndarray, hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confident learning: thresholds (labels,), and for each unit the label it confidently has, -1 for none.

    Parameters
    ----------
    shares
        Probabilities (n, labels).
    hand
        Hand-coded label numbers (n,).
    """
    n_labels = shares.shape[1]
    thresholds = np.full(n_labels, np.inf)  # a label that nobody gave cannot be reached
    for label in np.unique(hand):
        thresholds[label] = shares[hand == label, label].mean()
    reached = shares >= thresholds - 1e-9  # a mean of equal numbers is not always the number
    confident = np.where(reached, shares, -1.0).argmax(1)
    return thresholds, np.where(reached.any(1), confident, -1)


def _suspects_of_labels(sure: Sure, shares: np.ndarray) -> pl.DataFrame:
    thresholds, confident = suspects(shares, sure.truth)
    rows, names = np.arange(len(shares)), np.array(sure.entry.names, dtype=object)
    best = shares.argmax(1)
    frame = _suspect_frame(sure.units, names[sure.truth], names[best], shares[rows, sure.truth], shares[rows, best])
    likely = (confident >= 0) & (confident != sure.truth) & (confident == best)
    return frame.with_columns(likely_error=pl.Series(likely), why=pl.Series(_reasons(frame, likely, thresholds[best])))


def _suspects_of_sets(sure: Sure, shares: np.ndarray) -> pl.DataFrame:
    """Each label as a yes/no variable."""
    parts = []
    names = np.array([NO, YES], dtype=object)
    for i, label in enumerate(sure.entry.names):
        both, hand = np.column_stack([1 - shares[:, i], shares[:, i]]), sure.truth[:, i].astype(int)
        thresholds, confident = suspects(both, hand)
        rows, best = np.arange(len(both)), both.argmax(1)
        frame = _suspect_frame(sure.units, names[hand], names[best], both[rows, hand], both[rows, best])
        likely = (confident >= 0) & (confident != hand) & (confident == best)
        rows_of_label = frame.with_columns(
            likely_error=pl.Series(likely), why=pl.Series(_reasons(frame, likely, thresholds[best]))
        )
        parts.append(rows_of_label.select("unit_id", pl.lit(label).alias("label"), pl.exclude("unit_id")))
    return pl.concat(parts)


def _suspect_frame(units: pl.Series, hand: Any, model: Any, p_hand: np.ndarray, p_model: np.ndarray) -> pl.DataFrame:
    words = {"hand": pl.Series(hand, dtype=pl.String), "model": pl.Series(model, dtype=pl.String)}
    return pl.DataFrame({"unit_id": units, **words, "p_hand": p_hand, "p_model": p_model})


def _reasons(frame: pl.DataFrame, likely: np.ndarray, thresholds: np.ndarray) -> list[str]:
    """The reasons to doubt each coding."""
    reasons = []
    for row, sure, usual in zip(frame.to_dicts(), likely, thresholds, strict=True):
        reason = f"the model gives {row['model']!r} {row['p_model']:.2f} and {row['hand']!r} {row['p_hand']:.2f}"
        about = f"where people code {row['model']!r} it gives {usual:.2f} on average" if np.isfinite(usual) else ""
        reasons.append(reason + (f"; {about}" if sure and about else ""))
    return reasons
