"""Which texts a model should leave to people: abstention at a chosen risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import of_variable
from annotune.data.encoded import encode
from annotune.errors import AnnotuneError, warn
from annotune.evidence.probabilities import against_gold, coded_by_one, how_sure


@dataclass(frozen=True)
class Abstention:
    """Which texts to code by hand, so that few of the others are wrong.

    Attributes
    ----------
    codings
        As given, with the columns `confidence` (the probability that the unit's answer is right) and `by_hand`.
    curve
        Columns threshold, kept (the share of held-out units at least as sure), n, n_wrong, error, bound (its upper
        confidence bound, by itself): a row for each threshold that held-out units allow.
    threshold
        Units at least as sure as this keep the model's answer; None where no threshold holds the risk.
    risk, confidence
        As asked for.
    bound
        What the share of wrong answers among the units kept does not exceed, with that confidence.
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

    def in_words(self) -> str:
        """What to do, in a sentence."""
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


def abstain(
    codings: Any,
    *,
    held_out: Any,
    gold: Any,
    risk: float = 0.05,
    confidence: float = 0.95,
    variable: str | None = None,
    codebook: Codebook | None = None,
) -> Abstention:
    """Say which texts to code by hand, so that at most `risk` of the others are wrong.

    Texts are put in the order of the model's probability for its answer, and the lowest threshold is sought above
    which held-out answers are right often enough. The guarantee is that of selection with guaranteed risk (Geifman
    and El-Yaniv 2017, algorithm 1): exact binomial (Clopper-Pearson) bounds, the error shared among the steps of a
    binary search. It holds for texts drawn like the held-out ones, whatever the probabilities are worth.

    Parameters
    ----------
    codings
        The model's codings of the texts to be divided, with `prob` (for label sets: `p_<label>`); with `codebook` also
        coded texts with a column a variable, as `attach` and `annotune classify` make them.
    held_out
        Its predictions for coded texts that it was not tuned on; or the tuned `Classifier` itself.
    gold
        The hand codings of those texts.
    risk
        The share of wrong answers (for sets: of sets not entirely right) that is acceptable among the texts kept.
    confidence
        That the risk is held.
    variable, codebook
        Which variable, and the labels there are.

    Returns
    -------
    Abstention
        Texts without an answer or a probability are to be coded by hand.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> said = pl.DataFrame({"unit_id": [str(i) for i in range(400)], "label": ["x"] * 400})
    >>> said = said.with_columns(prob=pl.Series([0.6] * 100 + [0.99] * 300), coder=pl.lit("model"))
    >>> gold = said.select("unit_id", label=pl.Series((["x", "y"] * 50) + ["x"] * 300))
    >>> print(at.abstain(said, held_out=said, gold=gold, risk=0.05).in_words())
    Code by hand the 25.0% that it is least sure of (100 of 400 texts): with 95% confidence at most 1.8% of the others
    are wrong. Of 300 held-out texts as sure as those, 0.0% are wrong.
    """
    for name, value in (("risk", risk), ("confidence", confidence)):
        if not 0 < value < 1:
            raise AnnotuneError(f"{name}={value} is no share between 0 and 1.", "Such as risk=0.05, confidence=0.95.")
    sure = against_gold(held_out, gold, variable, codebook)
    table = of_variable(coded_by_one(codings, codebook, variable), sure.entry.name)
    units = table["unit_id"].unique(maintain_order=True)
    stated, _ = how_sure(table, units, encode(table, units, sure.entry)[0], sure.entry)
    threshold, bound = guaranteed(sure.confidence, ~sure.right, risk, 1 - confidence)
    known = np.nan_to_num(stated, nan=-1.0)
    by_unit = pl.DataFrame({"unit_id": units, "confidence": pl.Series(stated).fill_nan(None)}).with_columns(
        by_hand=pl.Series(known < (2.0 if threshold is None else threshold))
    )
    if len(units) and (known < 0).all():
        warn("No text has a probability, so all are to be coded by hand.")
    told = table.drop("confidence", "by_hand", strict=False).join(
        by_unit, on="unit_id", how="left", maintain_order="left"
    )
    return Abstention(told, _curve(sure.confidence, ~sure.right, 1 - confidence), threshold, risk, confidence, bound)


def guaranteed(stated: np.ndarray, wrong: np.ndarray, risk: float, delta: float) -> tuple[float | None, float | None]:
    """The lowest threshold found whose error is at most `risk` but for a chance of `delta`; and its bound.

    Parameters
    ----------
    stated, wrong
        Shape (m,): how sure the model was about held-out units, and whether it was wrong.

    Returns
    -------
    tuple
        None and None where no step of the search holds the risk.
    """
    order = np.sort(stated)
    steps = int(np.ceil(np.log2(len(order)))) + 1
    low, high = 0, len(order) - 1
    found: tuple[float | None, float | None] = (None, None)
    for _ in range(steps):
        if low > high:
            break
        middle = (low + high) // 2
        kept = stated >= order[middle]
        bound = upper_bound(int(wrong[kept].sum()), int(kept.sum()), delta / steps)
        if bound <= risk:
            found, high = (float(order[middle]), bound), middle - 1
        else:
            low = middle + 1
    return found


def upper_bound(errors: int, n: int, delta: float) -> float:
    """The share of errors that is exceeded with a chance of `delta` at most (Clopper and Pearson 1934).

    >>> round(upper_bound(0, 59, 0.05), 4)  # the rule of three: 1 - .05 ** (1 / 59)
    0.0495
    """
    from scipy.stats import beta

    return 1.0 if errors >= n else float(beta.ppf(1 - delta, errors + 1, n - errors))


def _curve(stated: np.ndarray, wrong: np.ndarray, delta: float) -> pl.DataFrame:
    """Error and bound at every threshold, from all units to the surest alone."""
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
