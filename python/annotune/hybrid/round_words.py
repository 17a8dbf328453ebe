"""What the figures of rounds say, in words: what a next round is expected to bring, what is unclear, when to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import norm

from annotune.errors import counted
from annotune.evidence.power_law import bounds, fit_power_law
from annotune.numbers import decimals

TENTATIVE, RELIABLE = 0.667, 0.8  # alpha from which conclusions can be drawn, tentatively and not (Krippendorff 2004)
FEWEST_PAIRS = 20  # texts by two coders, without which a label's alpha says little
FEWEST_ROUNDS = 3  # of a power law, which has three parameters
MOST_NAMED = 3
REPLICATES = 1000


@dataclass(frozen=True)
class Stop:
    """The rule by which rounds end: after so many, or once all standard errors and macro-F1 are good enough."""

    rounds: int | None = None
    std_error: float | None = None
    macro_f1: float | None = None


def rule_in_words(table: pl.DataFrame, coefficients: pl.DataFrame, stop: Stop) -> str:
    """Why rounds end, by cross-fitted figures alone; empty where they do not.

    >>> table = pl.DataFrame({"round": [1, 2], "variable": ["topic"] * 2, "macro_f1": [0.6, 0.7]})
    >>> rule_in_words(table, pl.DataFrame(), Stop(macro_f1=0.65))
    'The rule is reached: no macro-F1 is below 0.65.'
    """
    if table.is_empty():
        return ""
    done = int(table["round"].max())  # type: ignore[arg-type]
    reached = list(_goals_reached(table.filter(round=done), coefficients, stop, done))
    wanted = sum(goal is not None for goal in (stop.std_error, stop.macro_f1))
    if wanted and len(reached) == wanted:
        return f"The rule is reached: {' and '.join(reached)}."
    if stop.rounds is not None and done >= stop.rounds:
        return f"The rule is reached: {counted(stop.rounds, 'round was', 'rounds were')} to be made."
    return ""


def _goals_reached(last: pl.DataFrame, coefficients: pl.DataFrame, stop: Stop, done: int) -> Iterator[str]:
    if stop.std_error is not None and len(coefficients):
        errors = of_interest(coefficients.filter(round=done))["std_error"]
        if errors.null_count() == 0 and (errors <= stop.std_error).all():
            yield f"no standard error is above {stop.std_error:g}"
    if stop.macro_f1 is not None:
        reached = last["macro_f1"]
        if reached.null_count() == 0 and (reached >= stop.macro_f1).all():
            yield f"no macro-F1 is below {stop.macro_f1:g}"


def of_interest(coefficients: pl.DataFrame) -> pl.DataFrame:
    """The coefficients but for the constants of regressions that have others."""
    constant = pl.col("term").str.ends_with("Intercept")
    return coefficients.filter(~constant | constant.all().over("round", "formula"))


def rounds_in_words(
    table: pl.DataFrame, coefficients: pl.DataFrame, labels: pl.DataFrame, n_next: int
) -> Iterator[str]:
    """What the last round says: of each interval, of the model, and of labels on which coders differ."""
    done = int(table["round"].max())  # type: ignore[arg-type]
    yield from _intervals(of_interest(coefficients.filter(round=done)))
    for name in table["variable"].unique(maintain_order=True):
        yield from _model(table.filter(variable=name), name, n_next)
    last = table.filter(round=done)
    for row in last.filter(pl.col("alpha").is_null()).to_dicts():
        yield f"How far coders agree on {row['variable']} is not known: no text was coded by two of them (overlap:)."
    yield from _unclear(labels.filter(round=done))


def _intervals(rows: pl.DataFrame) -> Iterator[str]:
    """How much narrower intervals are expected to become, those that gain most first."""
    planned = rows.drop_nulls("expected_width").with_columns(width=pl.col("conf_high") - pl.col("conf_low"))
    planned = planned.with_columns(gain=pl.col("width") - pl.col("expected_width"))
    form = f".{decimals(planned['std_error'])}f"
    for row in planned.sort("gain", descending=True).head(MOST_NAMED).to_dicts():
        name = row["term"] if row["term"] != "Intercept" else row["formula"]
        yield (
            f"{row['n_next']:,} more codings are expected to narrow the interval of {name} by {row['gain']:{form}}, "
            f"from {row['width']:{form}} to {row['expected_width']:{form}}."
        )


def _model(rows: pl.DataFrame, variable: str, n_next: int) -> Iterator[str]:
    """What they are expected to do to the model's macro-F1, by the power law through the rounds so far."""
    gain = expected_gain(rows, n_next)
    if gain is None:
        return
    low, high = (f"{gain[side]:.3f}" for side in ("ci_low", "ci_high"))
    now = rows["macro_f1"][-1]
    yield (
        f"With them the model's macro-F1 for {variable}, {now:.3f} now, is expected to rise by {gain['estimate']:.3f} "
        f"({low} to {high} as measured, with few texts mostly by chance)."
    )


def expected_gain(rows: pl.DataFrame, n_next: int, seed: int = 1) -> dict[str, float] | None:
    """What n further texts are expected to add to macro-F1: estimate, ci_low, ci_high; None with fewer than 3 rounds.

    The interval is that of the gain as it will be measured: by the curve's uncertainty, and by chance in both figures,
    as if they were of different texts.

    Parameters
    ----------
    rows
        One row per round: `n_coded`, `macro_f1`, `macro_f1_low`, `macro_f1_high`.

    Examples
    --------
    >>> rows = pl.DataFrame({"n_coded": [100, 200, 400], "macro_f1": [0.7, 0.744, 0.775]})
    >>> rows = rows.with_columns(macro_f1_low=pl.col("macro_f1") - 0.01, macro_f1_high=pl.col("macro_f1") + 0.01)
    >>> round(expected_gain(rows, 400)["estimate"], 3)
    0.022
    """
    rows = rows.drop_nulls(["macro_f1", "macro_f1_low", "macro_f1_high"])
    if len(rows) < FEWEST_ROUNDS or not n_next:
        return None
    sizes, measured = rows["n_coded"].to_numpy().astype(float), rows["macro_f1"].to_numpy()
    errors = ((rows["macro_f1_high"] - rows["macro_f1_low"]) / (2 * norm.ppf(0.975))).to_numpy()
    errors = np.maximum(errors, 1e-6)
    rng, further = np.random.default_rng(seed), sizes[-1] + n_next
    drawn = measured + rng.normal(0, errors, (REPLICATES, len(rows)))
    law = fit_power_law(sizes, np.vstack([measured, drawn]), 1 / errors**2)
    now, then = law.at(np.array([sizes[-1], further])).T
    chance = rng.normal(0, errors[-1] * np.sqrt(1 + sizes[-1] / further), REPLICATES)
    gain = then - now + np.concatenate([[0.0], chance])
    return {name: value for name, value in bounds(gain).items() if value is not None}


def _unclear(labels: pl.DataFrame) -> Iterator[str]:
    """The labels on which coders agree too little to rely on, the worst first; how sure that is, by its interval."""
    yes_or_no = pl.len().over("variable") == 2  # of two labels, agreement on one is that on the other
    labels = labels.with_columns(alone=yes_or_no).filter(~pl.col("alone") | pl.col("variable").is_last_distinct())
    known = labels.filter(pl.col("n_pairable") >= FEWEST_PAIRS, pl.col("alpha") < TENTATIVE).sort("alpha")
    for row in known.head(MOST_NAMED).to_dicts():
        name = row["variable"] if row["alone"] else f"{row['label']!r} of {row['variable']}"
        agreement = f"Agreement on {name} is {row['alpha']:.2f}"
        low, high, n = row["alpha_low"], row["alpha_high"], f"{row['n_pairable']:,} texts"
        if high is None or high < RELIABLE:
            spread = "" if high is None else f" ({low:.2f} to {high:.2f})"
            yield f"{agreement}{spread}, on {n}: sharpen its definition first."
        else:
            yield (
                f"{agreement}, and by {n} it may be from {low:.2f} to {high:.2f}: look at those on which coders differ."
            )
