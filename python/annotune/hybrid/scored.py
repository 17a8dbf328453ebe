"""What a model says about the texts, as a draw needs it: scores, or predicted labels and how unsure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import check
from annotune.data.frames import as_frame, identifiers, require_columns
from annotune.data.wide import attach
from annotune.errors import AnnotuneError, counted, nearest
from annotune.hybrid.designs import FLOOR, Design
from annotune.hybrid.draws import Floats

SCORE, STANDS_FOR = "_score", "_stands_for"  # columns that only pass through
EVALUATION = "evaluation"  # what texts are drawn for that are kept apart, simply, and nothing is decided on


def require_scores(how: Design, for_: str | None, scores: str | None, predictions: Any) -> None:
    """An active draw has something to go by, and no other has."""
    if how.design == "simple" and for_ == EVALUATION and scores is None and how.floor is None:
        return
    if how.design != "active":
        if for_ is not None or scores is not None or how.floor is not None:
            raise AnnotuneError(
                "for_=, scores= and floor= are of design='active'.", "Give that design, or leave them out."
            )
        return
    if (for_ is None) == (scores is None):
        what = "An active draw needs to know what it is for."
        raise AnnotuneError(what, "Give for_= ('tuning', 'share', a formula), or scores=, a column of the corpus.")
    if for_ is not None and predictions is None:
        what = "An active draw goes by what a model does not know, and there are no predictions to sample from."
        raise AnnotuneError(what, "Code a simple draw first, and give predictions=, as crossfit makes them.")


def scored(
    free: pl.DataFrame,
    how: Design,
    for_: str | None,
    scores: str | None,
    predictions: Any,
    variable: str | None,
    codebook: Codebook | None,
) -> tuple[pl.DataFrame, Design, Floats | None]:
    """The texts with the predictions that the design needs beside them, the design, and each text's score (n,)."""
    if scores is not None:
        return free, replace(how, floor=FLOOR if how.floor is None else how.floor), _sound_scores(free, scores)
    if predictions is None or for_ == EVALUATION:
        return free, how, None
    table = _predicted(free, predictions, codebook)
    if for_ is not None:
        of_all = table.with_columns(pl.Series(SCORE, scores_for(table, for_, variable, how.floor)))
        values = _matched(free, of_all, [SCORE])[SCORE].to_numpy()
        return free, replace(how, floor=None), values  # they are above their floor already
    predicted_strata = [name for name in how.strata if name not in free.columns]
    predicted = variable or next(iter(predicted_strata), None)
    spread = f"{predicted}_prob" if f"{predicted}_prob" in table.columns else None
    beside = _matched(free, table, [*predicted_strata, *([spread] if spread else [])])
    return beside, replace(how, spread=spread), None


def scores_for(table: pl.DataFrame, for_: str, variable: str | None, floor: float | None) -> Floats:
    """How much each text of the table matters, (n,); codings so far count by the number of texts each stands for."""
    from annotune.hybrid.active import scores

    if "pi" not in table.columns:
        return scores(table, for_=for_, variable=variable, floor=floor)
    weighted = table.with_columns((1 / pl.col("pi")).alias(STANDS_FOR))
    return scores(weighted, for_=for_, variable=variable, floor=floor, weight=STANDS_FOR)


def _predicted(free: pl.DataFrame, predictions: Any, codebook: Codebook | None) -> pl.DataFrame:
    """Predictions as a table with one row per text: as they are, or out of codings, beside the texts' covariates."""
    table = as_frame(predictions)
    if not {"label", "variable"} <= set(table.columns):
        require_columns(table, ["unit_id"], "The table of predictions")
        return table.with_columns(identifiers(table["unit_id"], "The table of predictions").alias("unit_id"))
    if codebook is None:
        raise AnnotuneError("predictions= is a table of codings.", "Give codebook= too, whose labels it has.")
    codings = check(table)
    mine = codings.filter(pl.col("unit_id").is_in(free["unit_id"].implode()))
    return attach(free, mine, codebook=codebook)


def _matched(free: pl.DataFrame, table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The texts with these columns of the predictions."""
    require_columns(table, columns, "The corpus, and the table of predictions,")
    beside = table.select("unit_id", *(name for name in columns)).unique("unit_id", keep="first")
    absent = free.join(beside, on="unit_id", how="anti")["unit_id"]
    if len(absent):
        what = f"predictions= lack {counted(len(absent), 'text', 'texts')} that can be drawn, such as {absent[0]!r}."
        raise AnnotuneError(what, "Every text needs a prediction: code the whole corpus.")
    return free.join(beside, on="unit_id", how="left", maintain_order="left")


def _sound_scores(free: pl.DataFrame, column: str) -> Floats:
    if column not in free.columns:
        raise AnnotuneError(f"The corpus has no column {column!r} with scores.", nearest(column, free.columns[2:]))
    if not free[column].dtype.is_numeric():
        raise AnnotuneError(f"The column {column!r} holds no numbers.", "Give scores of 0 or more.")
    values = free[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        unit = free["unit_id"][int(bad.argmax())]
        what = f"The score of the text {unit!r} in {column!r} is missing, negative or infinite ({bad.sum():,} in all)."
        raise AnnotuneError(what, "Give scores of 0 or more.")
    return values
