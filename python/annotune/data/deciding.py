"""The passage of a text that decided for its label, in columns: beside codings, and beside the corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import Codings, sound_codings
from annotune.data.columns_of_sets import label_columns

EVIDENCE = {"evidence": pl.String, "evidence_share": pl.Float64, "evidence_start": pl.Int64, "evidence_end": pl.Int64}
MEANINGS = {
    "evidence": "the passage that decided",
    "evidence_share": "the share of that passage in the decision",
    "evidence_start": "the first character of that passage, from 0",
    "evidence_end": "the character after that passage",
}


def with_numbers(
    codings: pl.DataFrame, units: pl.Series, place: np.ndarray, numbers: np.ndarray, labels: Sequence[str]
) -> pl.DataFrame:
    """Codings with share, start and end of the passage that decided for each label; null where there is no label.

    Parameters
    ----------
    units, place
        Each unit and its row of `numbers`, -1 where it has none.
    numbers
        Of each text (texts, 3), or of sets of each label (texts, 3 * labels); see `annotune.network.deciding`.
    """
    row_of = pl.DataFrame({"unit_id": units, "_place": place})
    rows = codings.select("unit_id", "label").join(row_of, on="unit_id", how="left", maintain_order="left")
    coded = rows["label"].is_not_null().to_numpy()
    each = numbers.reshape(len(numbers), numbers.shape[1] // 3, 3)
    by_label = {label: min(number, each.shape[1] - 1) for number, label in enumerate(labels)}
    column = rows["label"].replace_strict(by_label, default=0, return_dtype=pl.Int64).to_numpy()
    chosen = np.full((len(rows), 3), np.nan)
    chosen[coded] = each[rows["_place"].to_numpy()[coded], column[coded]]
    names = list(EVIDENCE)[1:]
    columns = [pl.Series(name, chosen[:, i]).fill_nan(None).cast(EVIDENCE[name]) for i, name in enumerate(names)]
    return sound_codings(codings.with_columns(columns))


def with_passages(codings: pl.DataFrame, texts: pl.DataFrame) -> Codings:
    """The same with the passages, word for word; `texts` are unit_id and text."""
    beside = codings.select("unit_id", "evidence_start", "evidence_end").join(
        texts.select("unit_id", "text"), on="unit_id", how="left", maintain_order="left"
    )
    start, end = pl.col("evidence_start"), pl.col("evidence_end")
    passages = beside.select(pl.when(end.is_not_null()).then(pl.col("text").str.slice(start, end - start)))
    place = codings.columns.index("evidence_share")
    return sound_codings(codings.clone().insert_column(place, passages.to_series().alias("evidence")))


def evidence_columns(entry: Variable) -> dict[str, dict[str, str]]:
    """What the columns are called beside the corpus: of each kind, by label where there are sets, else one by ""."""
    sets = entry.kind == "multilabel"
    stems = {kind: f"{entry.name}_{kind}" for kind in EVIDENCE}
    return {kind: label_columns(entry, stem) if sets else {"": stem} for kind, stem in stems.items()}


def evidence_beside(frame: pl.DataFrame, rows: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    """The frame with the deciding passages of a variable's codings, one row per text."""
    for label in entry.names if entry.kind == "multilabel" else [""]:
        named = {kind: by_label[label] for kind, by_label in evidence_columns(entry).items()}
        of_label = rows if not label else rows.filter(pl.col("label") == label)
        columns = of_label.select("unit_id", *(pl.col(kind).alias(name) for kind, name in named.items()))
        frame = frame.join(columns, on="unit_id", how="left", maintain_order="left")
    return frame


def evidence_of_labels(rows: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    """Rows of a table that was made so, one per label, with each label's own passage in place of all labels'."""
    for kind, column_of in evidence_columns(entry).items():
        there = {label: column for label, column in column_of.items() if column in rows.columns}
        own = [
            pl.when((pl.col("label") == label) if label else pl.col("label").is_not_null()).then(pl.col(column))
            for label, column in there.items()
        ]
        if own:
            rows = rows.with_columns(pl.coalesce(own).alias(kind)).drop(there.values())
    return rows


def evidence_headings(entry: Variable) -> dict[str, str]:
    """What each of these columns holds, in words."""
    return {
        name: f"{entry.name}: {MEANINGS[kind]}{f' for {label}' if label else ''}"
        for kind, by_label in evidence_columns(entry).items()
        for label, name in by_label.items()
    }
