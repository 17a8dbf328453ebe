"""A table of shares: one row per group, period, label and method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.shares_by_method import Estimate

COLUMNS = ("label", "method", "estimate", "std_error", "conf_low", "conf_high", "interval", "n", "n_coded", "note")
FIGURES = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), pl.Float64)


def estimate_rows(
    values: tuple[Any, ...],
    keys: list[str],
    labels: Sequence[str],
    method: str,
    estimate: Estimate,
    n: tuple[int, int],
) -> pl.DataFrame:
    """The rows of one group and method, one per label."""
    figures = (estimate.shares, estimate.error, estimate.low, estimate.high)
    unknown = np.full(len(labels), np.nan)
    columns = {name: unknown if column is None else column for name, column in zip(FIGURES, figures, strict=True)}
    notes = list(estimate.note) if isinstance(estimate.note, tuple) else [estimate.note] * len(labels)
    schema = {"label": pl.String, **FIGURES, "note": pl.String}
    table = pl.DataFrame({"label": list(labels), **columns, "note": notes}, schema=schema, nan_to_null=True)
    return table.select(
        *(pl.lit(value).alias(key) for key, value in zip(keys, values, strict=True)),
        "label",
        pl.lit(method).alias("method"),
        *FIGURES,
        pl.lit(estimate.interval, pl.String).alias("interval"),
        pl.lit(n[0], pl.Int64).alias("n"),
        pl.lit(n[1], pl.Int64).alias("n_coded"),
        "note",
    )
