"""What a coder said, how sure it was, and what the gold says: one row a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.classifier import Classifier
from annotune.codebook import Codebook, Variable
from annotune.codings import check, of_variable
from annotune.corpus import as_frame
from annotune.errors import AnnotuneError
from annotune.evaluation import encode, entry_for, with_truth


@dataclass(frozen=True)
class Sure:
    """n units of the gold for which the coder gave an answer and a probability.

    Attributes
    ----------
    entry
        The variable.
    units
        Their identifiers.
    truth, said
        Label numbers (n,), or truth values (n, labels) of label sets.
    shares
        Probabilities (n, labels), where the codings have a column `p_<label>` for each label.
    confidence
        Shape (n,): the coder's probability that its answer is right.
    left_out
        Units of the gold without an answer or a probability.
    """

    entry: Variable
    units: pl.Series
    truth: np.ndarray
    said: np.ndarray
    shares: np.ndarray | None
    confidence: np.ndarray
    left_out: int

    @property
    def right(self) -> np.ndarray:
        """Whether the answer (of a set: the whole set) is right, (n,)."""
        return np.asarray((self.truth == self.said).all(1) if self.truth.ndim == 2 else self.truth == self.said)


def against_gold(codings: Any, gold: Any, variable: str | None, codebook: Codebook | None) -> Sure:
    """The units that both have; `codings` by one coder, or a `Classifier`, which stands for its held-out predictions.

    Raises
    ------
    AnnotuneError
        When there is no such unit, several coders, or no probability.
    """
    said, truth = coded_by_one(codings), check(as_frame(gold))
    entry = entry_for(truth, said, variable, codebook)
    truth = with_truth(of_variable(truth, entry.name), entry)
    said = of_variable(said, entry.name).join(truth.select("unit_id").unique(), on="unit_id", how="semi")
    units = said["unit_id"].unique(maintain_order=True)
    answers, answered = encode(said, units, entry)
    confidence, shares = how_sure(said, units, answers, entry)
    kept = answered & np.isfinite(confidence)
    if not kept.any():
        what = "No unit of the gold has an answer and a probability by this coder."
        raise AnnotuneError(what, "Give predictions for hand-coded texts, with the column prob or p_<label>.")
    if (confidence[kept] < 0).any() or (confidence[kept] > 1).any():
        raise AnnotuneError("Some probabilities are not from 0 to 1.", "Give shares, not percentages or scores.")
    wanted, _ = encode(truth, units, entry)
    n_gold = truth["unit_id"].n_unique()
    shares = None if shares is None else shares[kept]
    places = units.filter(pl.Series(kept))
    return Sure(entry, places, wanted[kept], answers[kept], shares, confidence[kept], n_gold - int(kept.sum()))


def coded_by_one(codings: Any) -> pl.DataFrame:
    """A table of codings by one coder."""
    if isinstance(codings, Classifier):
        if codings.held_out is None:
            what = f"The model {codings.name} has no held-out predictions."
            raise AnnotuneError(what, "Tune it with test= or folds=.")
        codings = codings.held_out
    table = check(codings)
    coders = table["coder"].unique().sort().to_list()
    if len(coders) != 1:
        what = f"The codings are by {len(coders):,} coders{', such as ' + repr(coders[0]) if coders else ''}."
        raise AnnotuneError(what, "Give those of one.")
    return table


def how_sure(
    said: pl.DataFrame, units: pl.Series, answers: np.ndarray, entry: Variable
) -> tuple[np.ndarray, np.ndarray | None]:
    """The probability (n,) that each unit's answer is right, NaN where unknown; and that of every label, if there.

    A set is as likely right as all its yeses and noes together, taken as independent.
    """
    columns = [name for name in entry.names if f"p_{name}" in said.columns]
    one = pl.DataFrame({"unit_id": units}).join(said.unique("unit_id", keep="first"), on="unit_id", how="left")
    one = pl.DataFrame({"unit_id": units}).join(one, on="unit_id", how="left", maintain_order="left")
    shares = None
    if columns:  # a label that the model cannot give has the probability 0
        shares = np.zeros((len(units), len(entry.names)))
        for name in columns:
            shares[:, entry.names.index(name)] = one[f"p_{name}"].cast(pl.Float64).to_numpy()
    if entry.kind == "multilabel":
        if shares is None:
            raise AnnotuneError(f"The codings of {entry.name!r} have no columns p_<label>.", "Give what classify gave.")
        return np.where(answers, shares, 1 - shares).prod(1), shares
    return one["prob"].to_numpy().astype(np.float64), shares
