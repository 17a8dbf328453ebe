"""The share of coders who would give each label: of the coders whose codings these are, or of any such coders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t

from annotune.correction.crossed import Answers, Crossed, crossed_shares
from annotune.correction.labelled import Labelled
from annotune.correction.shares_by_method import Estimate, require_design
from annotune.data.codings import ANSWERED, Codings, check
from annotune.data.columns_of_sets import label_columns
from annotune.data.encoded import variable_of
from annotune.errors import AnnotuneError, listing, nearest

CODERS = ("these", "any")
METHODS = ("hand", "dsl")
FEWEST_CODERS = 5  # with which intervals for any coders were found to hold: benchmarks/expected_coder.py


def require_coders(coders: str, codings: Any, methods: Sequence[str] | None) -> None:
    """Refuse what cannot be said of coders."""
    if coders not in CODERS:
        raise AnnotuneError(f"There are no shares of the coders {coders!r}.", nearest(coders, CODERS))
    if codings is None and coders == "any":
        what = "What any such coders would say needs each coder's answers."
        raise AnnotuneError(what, "Give codings=, the table of codings that the gold was resolved from.")
    if codings is not None and (others := set(methods or METHODS) - set(METHODS)):
        what = f"The method {min(others)!r} knows no coders."
        raise AnnotuneError(what, "With codings= there are 'hand' and 'dsl'.")


def of_answers(codings: Labelled, answers: Any) -> tuple[Labelled, Answers, int]:
    """The texts with all labels that a coder gave, every answer to the hand-coded ones, and how many coders they had.

    Raises
    ------
    AnnotuneError
        Where nothing says who said what of a hand-coded text, or what is said is no label of the table's.
    """
    if codings.chance is not None:
        what = "Texts drawn in several waves have no shares of the expected coder yet."
        raise AnnotuneError(what, "Leave out codings=, or estimate from one wave.")
    if codings.ratio is None:
        require_design(METHODS)
    if "unit_id" not in codings.frame.columns:
        raise AnnotuneError("The table has no column 'unit_id' to find its texts' codings by.", "Add it.")
    places = pl.Series("_text", np.flatnonzero(codings.coded))
    mine = answers_to(codings.frame["unit_id"].gather(places), places, answers, codings.name, codings.labels)
    beyond = sorted(set(mine["label"]) - set(codings.labels))
    if len(beyond) == mine["label"].n_unique():
        raise other_labels(codings.name, beyond, f"the table has {listing(list(codings.labels))}")
    codings = replace(codings, labels=(*codings.labels, *beyond))
    truth = np.eye(len(codings.labels))[codings.places(mine["label"])]
    return codings, Answers(mine["_text"].to_numpy(), mine["_coder"].to_numpy(), truth), mine["_coder"].n_unique()


def answers_to(units: pl.Series, places: pl.Series, answers: Any, name: str, labels: Sequence[str]) -> pl.DataFrame:
    """Every answer to hand-coded texts, a row each: the text's place, the coder's number, the label.

    Parameters
    ----------
    units, places
        The identifiers and the places of the texts, shape (n,) both.
    answers
        The table of codings.
    name, labels
        Of the variable, or of the column of one label of a set.

    Raises
    ------
    AnnotuneError
        Where a text has no answer.
    """
    rows = _rows(check(answers), name, labels)
    texts = pl.DataFrame({"unit_id": units.cast(pl.String), "_text": places})
    mine = rows.join(texts, on="unit_id", how="inner", maintain_order="left")
    if lacking := sorted(set(texts["unit_id"]) - set(mine["unit_id"])):
        what = (
            f"{len(lacking):,} of {len(texts):,} hand-coded texts have no answer in codings=, such as {lacking[0]!r}."
        )
        raise AnnotuneError(what, "Give the codings that the gold was resolved from.")
    return mine.select("_text", (pl.col("coder").rank("dense") - 1).cast(pl.Int64).alias("_coder"), "label")


def other_labels(name: str, labels: Sequence[str], own: str) -> AnnotuneError:
    """What coders are said to have answered, where none of it is an answer of the variable's."""
    what = f"codings= hold {listing(list(labels))} for {name!r}, and {own}."
    return AnnotuneError(what, "Read them with the codebook (codebook=), which knows labels, codes and sets in cells.")


def require_enough_coders(n_coders: int) -> None:
    """Refuse to speak of all such coders by a handful of them."""
    if n_coders < FEWEST_CODERS:
        what = f"{n_coders} coders say too little of what any such coders would."
        raise AnnotuneError(
            what, f"Have at least {FEWEST_CODERS} code, or estimate the share of these (coders='these')."
        )


def estimate(
    method: str,
    codings: Labelled,
    answers: Answers,
    rows: np.ndarray,
    clusters: np.ndarray | None,
    coders: str,
    level: float,
    finite: bool,
) -> Estimate:
    """One method's shares of the texts at these rows."""
    new = np.full(len(codings.frame), -1)
    new[rows] = np.arange(len(rows))
    mine = new[answers.text] >= 0
    if len(np.unique(answers.text[mine])) < 2:
        return Estimate(None, note="fewer than 2 hand-coded texts")
    part = Answers(new[answers.text[mine]], answers.coder[mine], answers.truth[mine])
    assert codings.ratio is not None
    own = None if clusters is None else np.unique(clusters[rows], return_inverse=True)[1]
    likely = np.zeros((len(rows), len(codings.labels))) if method == "hand" else _likely(codings)[rows]
    crossed = crossed_shares(likely, part, codings.ratio[rows], finite, own)
    return _with_interval(crossed, coders, level, len(np.unique(part.coder)))


def _with_interval(crossed: Crossed, coders: str, level: float, n_coders: int) -> Estimate:
    """The interval for these coders, or for any: by t, and wide where coders are few."""
    if coders == "these":
        whose = "of this one coder" if n_coders == 1 else f"of these {n_coders} coders"
        return Estimate.normal(crossed.shares, crossed.these, level, note=whose)
    if n_coders < FEWEST_CODERS:
        return Estimate(crossed.shares, note=f"{n_coders} coders here: too few for an interval about any")
    error = np.sqrt(crossed.any)
    margin = t.ppf((1 + level) / 2, crossed.freedom) * error
    low, high = (np.clip(crossed.shares + side, 0, 1) for side in (-margin, margin))
    low, high = np.minimum(low, crossed.shares), np.maximum(high, crossed.shares)
    return Estimate(crossed.shares, error, low, high, "t, by text and coder", f"of any coders, by {n_coders}")


def _likely(codings: Labelled) -> np.ndarray:
    """Every label's probability (n, labels), or one for the predicted label where no probabilities are there."""
    known = codings.probabilities
    return np.eye(len(codings.labels))[codings.places(codings.predicted)] if known is None else known


def _rows(codings: Codings, name: str, labels: Sequence[str]) -> pl.DataFrame:
    """One row per text, coder and answer: unit_id, coder, label; for one label of a set, whether each coder gave it."""
    mine = codings.filter((pl.col("variable") == name) & pl.col("status").is_in(["ok"])).drop_nulls("label")
    if len(mine):
        return mine.select("unit_id", "coder", "label")
    whole = codings.filter(pl.col("status").is_in(ANSWERED))
    for variable in whole["variable"].unique().sort():
        rows = whole.filter(pl.col("variable") == variable)
        names = rows["label"].drop_nulls().unique().sort().to_list()
        columns = {column: label for label, column in label_columns(variable_of(variable, names), variable).items()}
        if name in columns and set(labels) <= {"0", "1"}:
            has_label = (pl.col("label") == columns[name]).fill_null(False).any().cast(pl.Int8).cast(pl.String)
            return rows.group_by("unit_id", "coder", maintain_order=True).agg(has_label.alias("label"))
    known = listing(whole["variable"].unique().sort().to_list())
    raise AnnotuneError(f"codings= holds no answers for {name!r}.", f"It holds {known}.")
