"""The answers of a coder with their probabilities, beside the gold standard: one row per unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import shares_of
from annotune.data.codings import Codings, check, of_variable
from annotune.data.encoded import encode, entry_for, variable_of, with_truth
from annotune.data.frames import as_frame
from annotune.data.wide import detach
from annotune.errors import AnnotuneError, listing
from annotune.models.classifier import Classifier

ROUNDED = 0.05  # probabilities of many labels, written with two digits, may differ from one in sum by so much


@dataclass(frozen=True)
class Sure:
    """n units of the gold standard for which the coder gave an answer and a probability.

    Attributes
    ----------
    entry
        The variable.
    units
        Their identifiers.
    truth, predicted
        Label numbers (n,), or truth values (n, labels) of label sets.
    shares
        Probabilities (n, labels), where the codings have columns `p_<label>`.
    confidence
        Shape (n,): the coder's probability that its answer is right.
    left_out
        The number of gold units without an answer or a probability.
    coders
        Of each unit's coders the share that gave each label (n, labels), where the gold has them.
    """

    entry: Variable
    units: pl.Series
    truth: np.ndarray
    predicted: np.ndarray
    shares: np.ndarray | None
    confidence: np.ndarray
    left_out: int
    coders: np.ndarray | None = None

    @property
    def right(self) -> np.ndarray:
        """Whether the answer (of a set: the whole set) is right, (n,)."""
        return np.asarray(
            (self.truth == self.predicted).all(1) if self.truth.ndim == 2 else self.truth == self.predicted
        )


def against_gold(codings: Any, gold: Any, variable: str | None, codebook: Codebook | None) -> Sure:
    """The units in both; `codings` are by one coder, or a `Classifier`, which stands for its held-out predictions.

    Raises
    ------
    AnnotuneError
        If there is no such unit, or several coders, no probabilities, or values that are not probabilities.
    """
    codings_of_units, truth = coded_by_one(codings, codebook, variable), check(as_frame(gold))
    entry = entry_for(truth, codings_of_units, variable, codebook)
    if codebook is None:
        entry = _with_stated(entry, of_variable(codings_of_units, entry.name))
    truth = with_truth(of_variable(truth, entry.name), entry)
    in_gold = pl.col("unit_id").is_in(truth["unit_id"].implode())
    codings_of_units = Codings(of_variable(codings_of_units, entry.name).filter(in_gold))
    units = codings_of_units["unit_id"].unique(maintain_order=True)
    answers, answered = encode(codings_of_units, units, entry)
    confidence, shares = how_sure(codings_of_units, units, answers, entry)
    usable = answered & np.isfinite(confidence) & (True if shares is None else np.isfinite(shares).all(1))
    if not usable.any():
        what = "No unit of the gold has an answer and a probability by this coder."
        raise AnnotuneError(what, "Pass predictions for hand-coded texts, with the column prob or p_<label>.")
    labels, _ = encode(truth, units, entry)
    of_coders = shares_of(truth, units, entry)
    of_coders = None if of_coders is None else of_coders[usable]
    n_gold = truth["unit_id"].n_unique()
    shares = None if shares is None else shares[usable]
    places = units.filter(pl.Series(usable))
    _require_probabilities(confidence[usable], shares, places, entry)
    left_out = n_gold - int(usable.sum())
    return Sure(entry, places, labels[usable], answers[usable], shares, confidence[usable], left_out, of_coders)


def _with_stated(entry: Variable, codings: pl.DataFrame) -> Variable:
    """The variable with all labels that have a probability, including those that were never assigned."""
    stated = [
        name[2:] for name in codings.columns if name.startswith("p_") and codings[name].null_count() < len(codings)
    ]
    if not set(stated) & set(entry.names):
        return entry
    return variable_of(entry.name, sorted({*entry.names, *stated}))


def _require_probabilities(
    confidence: np.ndarray, shares: np.ndarray | None, units: pl.Series, entry: Variable
) -> None:
    """Refuse numbers outside 0 to 1, and probabilities of single labels that do not add up to one."""
    values = confidence[:, None] if shares is None else np.column_stack([confidence, shares])
    if values.min() < 0 or values.max() > 1:
        raise AnnotuneError("Some probabilities are not from 0 to 1.", "Give shares, not percentages or scores.")
    if shares is None or entry.kind == "multilabel":
        return
    sums = shares.sum(1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > ROUNDED:
        what = f"The probabilities p_<label> of the text {units[worst]!r} add up to {sums[worst]:.2f}."
        raise AnnotuneError(what, f"Give a column for every label: {listing([f'p_{name}' for name in entry.names])}.")


def held_out_codings(model: Classifier) -> Codings:
    """The held-out predictions of a tuned model; refused where it has none."""
    if model.held_out is None:
        raise AnnotuneError(f"The model {model.name} has no held-out predictions.", "Tune it with test= or folds=.")
    return check(model.held_out)


def coded_by_one(codings: Any, codebook: Codebook | None = None, variable: str | None = None) -> Codings:
    """A table of codings by one coder; with a codebook also from a table with one column per variable."""
    if isinstance(codings, Classifier):
        return held_out_codings(codings)
    frame = as_frame(codings)
    if "label" not in frame.columns:
        if codebook is None:
            what = "The predictions have no column 'label'."
            raise AnnotuneError(what, "Pass the result of classify, or a codebook and a column for each variable.")
        return detach(frame, codebook.variable(variable))
    if codebook is not None and "variable" not in frame.columns:
        frame = frame.with_columns(variable=pl.lit(codebook.variable(variable).name))
    table = check(frame)
    coders = table["coder"].unique().sort().to_list()
    if len(coders) != 1:
        what = f"The codings are by {len(coders):,} coders{', such as ' + repr(coders[0]) if coders else ''}."
        raise AnnotuneError(what, "Pass those of one.")
    return table


def how_sure(
    codings: pl.DataFrame, units: pl.Series, answers: np.ndarray, entry: Variable
) -> tuple[np.ndarray, np.ndarray | None]:
    """The probability (n,) that each unit's answer is right, NaN where unknown; and those of all labels, where known.

    The probability of a set is the product of those of its labels, taken as independent.
    """
    columns = [name for name in entry.names if f"p_{name}" in codings.columns]
    one = pl.DataFrame({"unit_id": units}).join(codings.unique("unit_id", keep="first"), on="unit_id", how="left")
    one = pl.DataFrame({"unit_id": units}).join(one, on="unit_id", how="left", maintain_order="left")
    shares = None
    if columns:  # a label that the model cannot give has the probability 0
        shares = np.zeros((len(units), len(entry.names)))
        for name in columns:
            shares[:, entry.names.index(name)] = _column_of_probabilities(one[f"p_{name}"])
    if entry.kind == "multilabel":
        if shares is None:
            raise AnnotuneError(
                f"The codings of {entry.name!r} have no columns p_<label>.", "Pass the result of classify."
            )
        return np.where(answers, shares, 1 - shares).prod(1), shares
    return one["prob"].to_numpy().astype(np.float64), shares


def _column_of_probabilities(column: pl.Series) -> np.ndarray:
    try:
        return column.cast(pl.Float64).to_numpy()
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"The column {column.name!r} has words in it.", "Give numbers from 0 to 1.") from None
