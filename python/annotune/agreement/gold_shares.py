"""The shares of a text's coders who gave each label, as columns beside its gold."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from annotune.data.coder_shares import PREFIX


def with_shares(gold: pl.DataFrame, answers: pl.DataFrame, names: Sequence[str], sets: bool) -> pl.DataFrame:
    """The gold of one variable with a column `share_<label>` for each label.

    Parameters
    ----------
    gold
        Rows by unit_id, as resolved.
    answers
        Answered codings of the variable: of single labels every coding counts, of sets every coder.
    names
        The labels, in their order.
    sets
        Whether several labels may hold.
    """
    if sets:
        total = answers.group_by("unit_id").agg(pl.col("coder").n_unique().alias("_all"))
        counts = answers.group_by("unit_id", "label").agg(pl.col("coder").n_unique().alias("_n"))
    else:
        answers = answers.filter(pl.col("label").is_not_null())
        total = answers.group_by("unit_id").agg(pl.len().alias("_all"))
        counts = answers.group_by("unit_id", "label").agg(pl.len().alias("_n"))
    shares = total
    for name in names:
        of_label = counts.filter(pl.col("label") == name).select("unit_id", pl.col("_n").alias(f"{PREFIX}{name}"))
        share = pl.col(f"{PREFIX}{name}").fill_null(0) / pl.col("_all")
        shares = shares.join(of_label, on="unit_id", how="left").with_columns(share)
    return gold.join(shares.drop("_all"), on="unit_id", how="left", maintain_order="left")
