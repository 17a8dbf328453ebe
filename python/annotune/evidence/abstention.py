"""Which texts a model should leave to people: abstention at a chosen risk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import of_variable
from annotune.data.encoded import encode
from annotune.errors import warn
from annotune.evidence.probabilities import against_gold, coded_by_one, how_sure
from annotune.readable import Part, Readable


@dataclass(frozen=True, repr=False)
class Abstention(Readable):
    """Which texts to code by hand, so that few of the others are wrong.

    Attributes
    ----------
    codings
        The codings, with the columns `confidence` (the probability that the unit's answer is right) and `by_hand`.
    curve
        Columns threshold, kept (the share of held-out units at least as sure), n, n_wrong, error, bound (its pointwise
        upper confidence bound): one row per threshold among the held-out units.
    threshold
        Units at least as sure as this keep the model's answer; None where no threshold controls the risk.
    risk, confidence
        The arguments of `abstain`.
    bound
        The upper bound, with that confidence, of the share of wrong answers among the units kept.
    """

    codings: pl.DataFrame
    curve: pl.DataFrame
    threshold: float | None
    risk: float
    confidence: float
    bound: float | None

    @property
    def n_by_hand(self) -> int:
        """Units to be coded by hand."""
        return self.codings.filter("by_hand")["unit_id"].n_unique()

    def _parts(self) -> Iterator[Part]:
        """The result in a sentence."""
        yield self.in_words()

    def in_words(self) -> str:
        """The result in a sentence."""
        n = self.codings["unit_id"].n_unique()
        if self.threshold is None:
            return (
                f"No threshold holds the errors at {self.risk:.1%} with {self.confidence:.0%} confidence: "
                f"code all {n:,} texts by hand, hold out more coded texts, or accept a higher risk."
            )
        seen = self.curve.filter(pl.col("threshold") >= self.threshold).sort("threshold").row(0, named=True)
        return (
            f"Code by hand the {self.n_by_hand / n:.1%} that it is least sure of ({self.n_by_hand:,} of {n:,} texts): "
            f"with {self.confidence:.0%} confidence at most {self.bound:.1%} of the others are wrong. "
            f"Of {seen['n']:,} held-out texts as sure as those, {seen['error']:.1%} are wrong."
        )


def guaranteed_abstention(
    codings: Any,
    held_out: Any,
    gold: Any,
    risk: float,
    confidence: float,
    variable: str | None,
    codebook: Codebook | None,
) -> Abstention:
    """`abstain` at one level."""
    sure = against_gold(held_out, gold, variable, codebook)
    table = of_variable(coded_by_one(codings, codebook, variable), sure.entry.name)
    units = table["unit_id"].unique(maintain_order=True)
    stated, _ = how_sure(table, units, encode(table, units, sure.entry)[0], sure.entry)
    threshold, bound = guaranteed(sure.confidence, ~sure.right, risk, 1 - confidence)
    comparable = np.nan_to_num(stated, nan=-1.0)
    by_unit = pl.DataFrame({"unit_id": units, "confidence": pl.Series(stated).fill_nan(None)}).with_columns(
        by_hand=pl.Series(comparable < (2.0 if threshold is None else threshold))
    )
    if len(units) and (comparable < 0).all():
        warn("No text has a probability, so all have to be coded by hand.")
    rows = table.drop("confidence", "by_hand", strict=False).join(
        by_unit, on="unit_id", how="left", maintain_order="left"
    )
    return Abstention(
        rows, _error_by_threshold(sure.confidence, ~sure.right, 1 - confidence), threshold, risk, confidence, bound
    )


def guaranteed(stated: np.ndarray, wrong: np.ndarray, risk: float, delta: float) -> tuple[float | None, float | None]:
    """The lowest threshold of the search whose error is at most `risk` except with probability `delta`; and its bound.

    Parameters
    ----------
    stated, wrong
        Shape (m,): the model's stated probability for held-out units, and whether it was wrong.

    Returns
    -------
    tuple
        None and None where no step of the search controls the risk.
    """
    order = np.sort(stated)
    steps = int(np.ceil(np.log2(len(order)))) + 1
    low, high = 0, len(order) - 1
    answer: tuple[float | None, float | None] = (None, None)
    for _ in range(steps):
        if low > high:
            break
        middle = (low + high) // 2
        sure = stated >= order[middle]
        bound = upper_bound(int(wrong[sure].sum()), int(sure.sum()), delta / steps)
        if bound <= risk:
            answer, high = (float(order[middle]), bound), middle - 1
        else:
            low = middle + 1
    return answer


def upper_bound(errors: int, n: int, delta: float) -> float:
    """The share of errors that is exceeded with a probability of at most `delta` (Clopper and Pearson 1934).

    >>> round(upper_bound(0, 59, 0.05), 4)  # the rule of three: 1 - .05 ** (1 / 59)
    0.0495
    """
    from scipy.stats import beta

    return 1.0 if errors >= n else float(beta.ppf(1 - delta, errors + 1, n - errors))


def _error_by_threshold(stated: np.ndarray, wrong: np.ndarray, delta: float) -> pl.DataFrame:
    """Error and bound at every threshold, from all units to the surest ones."""
    thresholds = np.unique(stated)
    order = np.argsort(stated)
    first = np.searchsorted(stated[order], thresholds)
    n = len(stated) - first
    errors = wrong.sum() - np.concatenate([[0], np.cumsum(wrong[order])])[first]
    return pl.DataFrame(
        {
            "threshold": thresholds,
            "kept": n / len(stated),
            "n": n,
            "n_wrong": errors,
            "error": errors / n,
            "bound": [upper_bound(int(e), int(m), delta) for e, m in zip(errors, n, strict=True)],
        }
    )
