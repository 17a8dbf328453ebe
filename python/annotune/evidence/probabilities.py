"""What a coder said, how sure it was, and what the gold says: one row a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import Codings, check, of_variable
from annotune.data.encoded import encode, entry_for, variable_of, with_truth
from annotune.data.frames import as_frame
from annotune.data.wide import detach
from annotune.errors import AnnotuneError, listing
from annotune.models.classifier import Classifier

ROUNDED = 0.05  # probabilities of many labels that were written with two digits add up to one but for so much


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
        When there is no such unit, several coders, no probability, or probabilities that are none.
    """
    said, truth = coded_by_one(codings, codebook, variable), check(as_frame(gold))
    entry = entry_for(truth, said, variable, codebook)
    if codebook is None:
        entry = _with_stated(entry, of_variable(said, entry.name))
    truth = with_truth(of_variable(truth, entry.name), entry)
    in_gold = pl.col("unit_id").is_in(truth["unit_id"].implode())
    said = Codings(of_variable(said, entry.name).filter(in_gold))
    units = said["unit_id"].unique(maintain_order=True)
    answers, answered = encode(said, units, entry)
    confidence, shares = how_sure(said, units, answers, entry)
    kept = answered & np.isfinite(confidence) & (True if shares is None else np.isfinite(shares).all(1))
    if not kept.any():
        what = "No unit of the gold has an answer and a probability by this coder."
        raise AnnotuneError(what, "Give predictions for hand-coded texts, with the column prob or p_<label>.")
    wanted, _ = encode(truth, units, entry)
    n_gold = truth["unit_id"].n_unique()
    shares = None if shares is None else shares[kept]
    places = units.filter(pl.Series(kept))
    _require_probabilities(confidence[kept], shares, places, entry)
    return Sure(entry, places, wanted[kept], answers[kept], shares, confidence[kept], n_gold - int(kept.sum()))


def _with_stated(entry: Variable, said: pl.DataFrame) -> Variable:
    """With the labels that have a probability, too: one that nobody gave is as much a label."""
    stated = [name[2:] for name in said.columns if name.startswith("p_") and said[name].null_count() < len(said)]
    if not set(stated) & set(entry.names):
        return entry
    return variable_of(entry.name, sorted({*entry.names, *stated}))


def _require_probabilities(
    confidence: np.ndarray, shares: np.ndarray | None, units: pl.Series, entry: Variable
) -> None:
    """Stop at numbers that are not from 0 to 1, or, of labels of which one applies, do not add up to one."""
    given = confidence[:, None] if shares is None else np.column_stack([confidence, shares])
    if given.min() < 0 or given.max() > 1:
        raise AnnotuneError("Some probabilities are not from 0 to 1.", "Give shares, not percentages or scores.")
    if shares is None or entry.kind == "multilabel":
        return
    sums = shares.sum(1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > ROUNDED:
        what = f"The probabilities p_<label> of the text {units[worst]!r} add up to {sums[worst]:.2f}."
        raise AnnotuneError(what, f"Give a column for every label: {listing([f'p_{name}' for name in entry.names])}.")


def coded_by_one(codings: Any, codebook: Codebook | None = None, variable: str | None = None) -> Codings:
    """A table of codings by one coder; with a codebook also out of a table with a column a variable."""
    if isinstance(codings, Classifier):
        if codings.held_out is None:
            what = f"The model {codings.name} has no held-out predictions."
            raise AnnotuneError(what, "Tune it with test= or folds=.")
        return check(codings.held_out)
    frame = as_frame(codings)
    if "label" not in frame.columns:
        if codebook is None:
            what = "The predictions have no column 'label'."
            raise AnnotuneError(what, "Give what classify returned, or with the codebook a column for each variable.")
        return detach(frame, codebook.variable(variable))
    if codebook is not None and "variable" not in frame.columns:
        frame = frame.with_columns(variable=pl.lit(codebook.variable(variable).name))
    table = check(frame)
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
            shares[:, entry.names.index(name)] = _numbers(one[f"p_{name}"])
    if entry.kind == "multilabel":
        if shares is None:
            raise AnnotuneError(f"The codings of {entry.name!r} have no columns p_<label>.", "Give what classify gave.")
        return np.where(answers, shares, 1 - shares).prod(1), shares
    return one["prob"].to_numpy().astype(np.float64), shares


def _numbers(column: pl.Series) -> np.ndarray:
    try:
        return column.cast(pl.Float64).to_numpy()
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"The column {column.name!r} has words in it.", "Give numbers from 0 to 1.") from None
