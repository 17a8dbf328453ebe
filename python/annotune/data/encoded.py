"""Codings as arrays: label numbers or truth values in the order of the units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Label, Variable
from annotune.data.codings import ANSWERED, Codings, answered
from annotune.data.corpus import VISIBLE
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, counted, warn

SAME_IDS = "Check that unit_id is the same in both."


def encode(codings: Codings, units: pl.Series, entry: Variable) -> tuple[np.ndarray, np.ndarray]:
    """Answers in the order of `units`, and whether each was given, shape (n,).

    Answers are label numbers (n,), -1 for none, or truth values (n, labels) for a multi-label variable.
    """
    place = {name: i for i, name in enumerate(entry.names)}
    strange = codings.filter(pl.col("label").is_not_null() & ~pl.col("label").is_in(entry.names))
    if len(strange):
        raise AnnotuneError(
            f"The label {strange['label'][0]!r} is not in the variable {entry.name!r}.", "Check the codebook."
        )
    rows = codings.filter(pl.col("status").is_in(ANSWERED)).join(
        pl.DataFrame({"unit_id": units, "_row": np.arange(len(units))}), on="unit_id"
    )
    row = rows["_row"].to_numpy()
    label = rows["label"].replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    has_answer = np.zeros(len(units), dtype=bool)
    has_answer[row] = True
    if entry.kind == "multilabel":
        sets = np.zeros((len(units), len(place)), dtype=bool)
        sets[row[label >= 0], label[label >= 0]] = True
        return sets, has_answer
    if rows["unit_id"].is_duplicated().any():
        unit = rows.filter(rows["unit_id"].is_duplicated())["unit_id"][0]
        raise AnnotuneError(
            f"The unit {unit!r} has several answers for {entry.name!r}.", "Make them one with resolve()."
        )
    answers = np.full(len(units), -1)
    answers[row] = label
    return answers, has_answer & (answers >= 0)


def entry_for(truth: Codings, predicted: Codings, variable: str | None, codebook: Codebook | None) -> Variable:
    """What is measured: from the codebook, or a nominal variable with the labels that occur in the two tables."""
    coded = truth["variable"].unique(maintain_order=True).to_list()
    if codebook is not None:
        return codebook.variable(variable if variable is not None or len(codebook.variables) == 1 else _one(coded))
    name = variable if variable is not None else _one(coded)
    labels = (
        pl.concat([truth, predicted], how="diagonal_relaxed").filter(pl.col("variable") == name)["label"].drop_nulls()
    )
    # no validation: a single label is a poor truth but no mistake in a codebook
    return variable_of(name, sorted(labels.unique().to_list()))


def variable_of(name: str, labels: Sequence[str]) -> Variable:
    """A nominal variable with these labels, numbered from 0."""
    return Variable(name=name, labels=tuple(Label(code=code, name=label) for code, label in enumerate(labels)))


def _one(variables: list[str]) -> str:
    if not variables:
        raise AnnotuneError("The truth is empty.", "Give at least one coded unit.")
    if len(variables) > 1:
        raise AnnotuneError(f"The truth holds several variables: {variables}.", "Choose with variable=.")
    return variables[0]


def with_truth(truth: Codings, entry: Variable) -> Codings:
    """The rows of the truth that say something about their unit; units without are counted in a warning."""
    labelled = answered(truth, entry)
    left_out = truth["unit_id"].n_unique() - labelled["unit_id"].n_unique()
    if labelled.is_empty():
        raise AnnotuneError(f"No unit has a true label for {entry.name!r}.", "Check the gold.")
    if left_out:
        units = counted(left_out, "unit has", "units have")
        warn(f"{units} no true label for {entry.name!r}: left out.")
    return labelled


def with_texts(truth: Codings, corpus: pl.DataFrame | None, predictions: Iterable[pl.DataFrame]) -> Codings:
    """The truth without units that nobody could code, because they have no text; these are counted in a warning.

    The corpus says so; without one, predictions in folds do (those with a column `fold`), which have a row for every
    coded text.
    """
    units = truth["unit_id"].unique(maintain_order=True)
    without = pl.Series([False]).new_from_index(0, len(units))
    if corpus is not None and "text" in corpus.columns:
        with_text = pl.col("text").cast(pl.String).str.contains(VISIBLE).fill_null(False)
        without |= units.is_in(corpus.filter(~with_text)["unit_id"].implode())
    for table in predictions:
        if "fold" in table.columns:
            without |= ~units.is_in(table["unit_id"].implode())
    if without.all() or not without.any():
        return truth
    what = counted(int(without.sum()), "unit of the truth has", "units of the truth have")
    warn(f"{what} no text, or no row among predictions made in folds, such as {units.filter(without)[0]!r}: left out.")
    return Codings(truth.filter(~pl.col("unit_id").is_in(units.filter(without).implode())))


def clusters_of(units: pl.Series, corpus: pl.DataFrame | None, cluster: str | None) -> np.ndarray | None:
    """What is resampled in place of units: a value of the corpus column `cluster` a unit, (n,)."""
    if cluster is None:
        return None
    if corpus is None or cluster not in corpus.columns:
        raise AnnotuneError(f"There is no column {cluster!r} to resample by.", "Give the corpus that has it.")
    joined = pl.DataFrame({"unit_id": units}).join(
        corpus.select("unit_id", cluster), on="unit_id", how="left", maintain_order="left"
    )
    clusters = joined[cluster].cast(pl.String)
    if clusters.null_count():
        units_without = counted(clusters.null_count(), "unit has", "units have")
        what = f"{units_without} no {cluster!r} in the corpus to resample by."
        raise AnnotuneError(what, "Fill it, or take another.")
    return clusters.to_numpy()


def texts_of(corpus: pl.DataFrame, units: pl.Series) -> list[str]:
    """The texts of `units`, in their order; empty where the corpus has none."""
    require_columns(corpus, ["text"], "The corpus")
    joined = pl.DataFrame({"unit_id": units}).join(
        corpus.select("unit_id", "text", _there=pl.lit(True)), on="unit_id", how="left", maintain_order="left"
    )
    if absent := joined["_there"].null_count():
        warn(f"The corpus has no text for {absent:,} of {len(units):,} units; they are taken as empty.")
    return joined["text"].fill_null("").to_list()
