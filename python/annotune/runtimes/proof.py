"""Whether another runtime gives the labels that float32 gives: on the very codings that would be handed out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotune.measures.limits import wilson

LEAST_EQUAL = 0.995  # of the labels, where numbers have fewer digits
REACH = 1.959964
BETWEEN, NOTHING = "\x1f", "\x00"


@dataclass(frozen=True)
class Agreement:
    """How the codings of a runtime compare with those of float32.

    Attributes
    ----------
    n, equal
        Answers compared (one per text and variable; a set is one answer), and how many are the same.
    moved
        A label whose share left the 95 % interval of its share by float32, with both shares; empty where none did.
    """

    n: int
    equal: int
    moved: str

    def why_not(self, exact: bool) -> str:
        """Why a runtime is not taken; empty where it proves itself. One that is exact has to give every label."""
        if self.equal < (self.n if exact else LEAST_EQUAL * self.n):
            return f"{self.equal:,} of {self.n:,} labels are those of float32, and too few"
        return self.moved


def agreement(reference: pl.DataFrame, codings: pl.DataFrame) -> Agreement:
    """Codings of the same texts by the same model, compared with those that float32 gave.

    Examples
    --------
    >>> one = pl.DataFrame({"unit_id": ["a", "b"], "variable": "topic", "label": ["Law", "Law"], "status": "ok"})
    >>> agreement(one, one.with_columns(label=pl.Series(["Law", "Health"])))
    Agreement(n=2, equal=1, moved='')
    """
    pair = _answers(reference).join(_answers(codings), on=["unit_id", "variable"], how="full", suffix="_other")
    equal = pair.filter(pl.col("answer") == pl.col("answer_other"))
    return Agreement(len(pair), len(equal), _moved(reference, codings))


def _answers(codings: pl.DataFrame) -> pl.DataFrame:
    """One row per text and variable: its labels, or its status where it has none."""
    labels = pl.col("label").fill_null(NOTHING + pl.col("status")).sort().str.join(BETWEEN)
    return codings.group_by("unit_id", "variable").agg(answer=labels)


def _moved(reference: pl.DataFrame, codings: pl.DataFrame) -> str:
    by = ["variable", "label"]
    n = reference.group_by("variable").agg(n=pl.col("unit_id").n_unique())
    counts = [frame.drop_nulls("label").group_by(by).len() for frame in (reference, codings)]
    both = counts[0].join(counts[1], on=by, how="full", coalesce=True, suffix="_other").fill_null(0)
    both = both.join(n, on="variable").sort(by)
    total = both["n"].to_numpy().astype(float)
    share, other = (both[name].to_numpy() / total for name in ("len", "len_other"))
    low, high = wilson(share, total, np.full(len(both), REACH))
    outside = np.flatnonzero((other < low) | (other > high))
    if not len(outside):
        return ""
    first = outside[0]
    return f"the share of {both['label'][int(first)]!r} moved from {share[first]:.1%} to {other[first]:.1%}"
