"""How many texts to code by hand, given a pilot with hand codings and predictions for all texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.stats import norm

from annotune.correction.coding_columns import FEWEST
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.plan_designs import ACTIVE, SIMPLE, STRATIFIED, Variance, fewest
from annotune.correction.plan_quantities import Quantities, coefficient_quantities, share_quantities
from annotune.errors import AnnotuneError, nearest, warn
from annotune.readable import Part, Readable, brief_table

FEWEST_WRONG = 5  # wrong predictions in the pilot, with fewer of which their share is hardly known
POINTS = 25  # of the curve
METHODS = ("dsl", "ppi")
WHOSE = ("corpus", "population")
PLANNED = ("linear", "logit", "poisson")
WORTH = 0.95  # another design is told of where it takes fewer than this share of the codings
SIGNIFICANT = 0.05


@dataclass(frozen=True, repr=False)
class SamplePlan(Readable):
    """The precision that a number of hand codings gives.

    Attributes
    ----------
    n
        Hand codings in all, drawn at random from the `total` texts; those of the pilot count if drawn at random.
    n_low, n_high
        Its 95 % interval by bootstrap of the pilot's hand codings; `n` itself where it was an argument.
    estimates
        One row per estimate (a label's share, or a coefficient): estimate, std_error with `n`, std_error_hand (with the
        hand codings alone), std_error_least (with all texts coded by hand), n_needed and n_needed_hand for the
        target (null without a target, or where no number reaches it).
    designs
        One row per design (simple, stratified by the predicted label, active) and estimate: design, estimate, std_error
        with `n`, n_needed for the target. Without the method "ppi", for which there is the simple draw alone.
    curve
        estimate, n, std_error, std_error_hand, and std_error_stratified and std_error_active, for numbers from few to
        all.
    total, n_pilot
        Texts in the corpus, and those of them that the pilot coded.
    verdict
        The plan in words.
    """

    n: int
    n_low: int
    n_high: int
    estimates: pl.DataFrame
    curve: pl.DataFrame
    total: int
    n_pilot: int
    verdict: str
    designs: pl.DataFrame = field(default_factory=pl.DataFrame)

    def _parts(self) -> Iterator[Part]:
        """The plan in words, and what it gives for each estimate."""
        yield self.verdict
        yield brief_table(self.estimates)


def plan_sample(
    pilot: Any,
    variable: str | None = None,
    *,
    target: float | None = None,
    n: int | None = None,
    effect: float | None = None,
    power: float = 0.8,
    label: str | None = None,
    formula: str | None = None,
    term: str | None = None,
    model: str = "linear",
    cluster: str | None = None,
    method: str = "dsl",
    total: int | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    wave: str | None = None,
    n_boot: int = 1000,
    seed: int = 1,
    of: Literal["corpus", "population"] = "corpus",
) -> SamplePlan:
    """Find how many hand codings give a target standard error, or which standard error a number of them gives.

    With n of N texts coded by hand at random, the squared standard error of a corrected mean or coefficient is
    A / N + (1/n - 1/N) B: A is the variance when all texts are coded by hand (0 for shares of the corpus itself), B the
    variance that predictions leave unexplained (Egami et al. 2023; Angelopoulos, Duchi and Zrnic 2023). Both are
    estimated from the pilot. A model tuned on more texts errs less, so the number tends to be too large.

    Parameters
    ----------
    pilot
        One row per text, as in `crossfit(...).data`: predictions for all, hand codings for some, covariates.
    variable, gold, predicted, pi, wave
        The coded variable, and the columns with hand codings, predictions, sampling probability and wave, as for
        `error_model`.
    target, n, effect, power
        The target standard error; or the planned number of hand codings; or an effect, a coefficient or a difference of
        a share from a fixed one, that is to be found with this probability by a two-sided test at 5 %: its standard
        error is the effect over 1.96 + z(power).
    label
        Plan for the share of this label; for those of all labels when left out.
    formula, term
        Plan for a regression, `topic == 'Health' ~ party`, and one of its coefficients; for all of them except the
        constant when left out.
    model, cluster
        Of the regression: "linear", "logit" or "poisson", and the column of clusters for which its standard errors
        allow. Clusters are as many in relation to the texts as in the pilot; they matter to what is left when all texts
        are coded, as texts are drawn one by one.
    method
        `dsl`, or `ppi`, which weights predictions by their accuracy and is never worse.
    total
        The number of texts in the corpus, where it is not that of the pilot.
    n_boot, seed
        Bootstrap replicates of the pilot for the interval, and their seed.
    of
        Whose shares: "corpus", those of the texts that are there, where A is 0; or "population", as in `prevalence`.
        Coefficients are those of a population.

    Raises
    ------
    AnnotuneError
        For a target that not even coding all texts by hand would reach, and for missing columns, labels or
        terms.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> truth = [1, 0, 0, 0] * 500
    >>> wrong = [i % 10 == 3 for i in range(2000)]
    >>> y_hat = [1 - y if bad else y for y, bad in zip(truth, wrong)]
    >>> frame = pl.DataFrame({"y_hat": y_hat, "y_gold": [y if i < 200 else None for i, y in enumerate(truth)]})
    >>> plan = at.plan_sample(frame, target=0.02, label="1")
    >>> plan.n, plan.estimates["n_needed_hand"][0]
    (223, 380)
    """
    if sum(given is not None for given in (target, n, effect)) != 1:
        advice = "A standard error to reach, an effect to find, or the number of hand codings."
        raise AnnotuneError("Give one of target=, effect= and n=.", advice)
    if effect is not None:
        target = _error_that_finds(effect, power)
    if method not in METHODS:
        raise AnnotuneError(f"The method {method!r} is unknown.", "Use 'dsl' or 'ppi'.")
    if formula is None and term is not None:
        raise AnnotuneError(f"term={term!r} has no regression to be a coefficient of.", "Give its formula= as well.")
    if formula is not None and label is not None:
        raise AnnotuneError("label= plans for a share, formula= for a regression.", "Give one of them.")
    if of not in WHOSE:
        raise AnnotuneError(f"There are no shares of {of!r}.", nearest(of, WHOSE))
    _require_regression(formula, model, cluster)
    codings = labelled(pilot, variable, gold=gold, predicted=predicted, pi=pi, wave=wave)
    size = len(codings.frame) if total is None else total
    _require_sound(codings, size, target, n, n_boot)
    quantities = (
        share_quantities(codings, label, finite=of == "corpus")
        if formula is None
        else coefficient_quantities(codings, formula, term, model, cluster)
    )
    floor, noise = quantities.moments(1.0 if method == "dsl" else None)
    if quantities.clustered is not None:
        floor = np.maximum(floor, quantities.clustered)
    by_hand = quantities.moments(0.0)[1]
    if target is not None:
        needed = needed_codings(target, size, floor, noise)
        _require_reachable(needed, quantities.names, floor, size, target)
        chosen = int(needed.max())
        low, high = _bootstrap_interval(quantities, method, target, size, n_boot, seed)
    else:
        needed, chosen = np.full(len(floor), np.nan), int(n or 0)
        low = high = chosen
    table = pl.DataFrame(
        {
            "estimate": quantities.names,
            "std_error": standard_error(chosen, size, floor, noise),
            "std_error_hand": standard_error(chosen, size, floor, by_hand),
            "std_error_least": np.sqrt(floor / size),
            "n_needed": needed,
            "n_needed_hand": np.full(len(floor), np.nan)
            if target is None
            else needed_codings(target, size, floor, by_hand),
        },
        nan_to_null=True,
    ).with_columns(pl.col("n_needed", "n_needed_hand").cast(pl.Int64))
    others = quantities.residuals(size).designs() if method == "dsl" else {}
    curve = _standard_error_curve(quantities.names, chosen, size, floor, noise, by_hand, others)
    plan = SamplePlan(chosen, low, high, table, curve, size, int(codings.coded.sum()), "")
    plan = replace(plan, designs=_by_design(plan, floor, others, target))
    return replace(plan, verdict=_plan_in_words(plan, target) + _other_designs_in_words(plan, target))


def _error_that_finds(effect: float, power: float) -> float:
    """The standard error with which an effect is found with this probability, by a two-sided test at 5 %.

    >>> round(_error_that_finds(0.1, 0.8), 4)
    0.0357
    """
    if not (np.isfinite(effect) and effect != 0 and SIGNIFICANT < power < 1):
        what = f"An effect of {effect!r} cannot be found with a probability of {power!r}."
        raise AnnotuneError(what, "Give an effect other than 0, and a power such as 0.8.")
    return float(abs(effect) / (norm.ppf(1 - SIGNIFICANT / 2) + norm.ppf(power)))


def _require_regression(formula: str | None, model: str, cluster: str | None) -> None:
    if model not in PLANNED:
        raise AnnotuneError(f"There is no plan for the model {model!r}.", nearest(model, PLANNED))
    if formula is None and (model != "linear" or cluster is not None):
        option = f"model={model!r}" if model != "linear" else f"cluster={cluster!r}"
        raise AnnotuneError(f"{option} has no regression to be of.", "Give its formula= as well.")


def _by_design(plan: SamplePlan, floor: np.ndarray, others: dict[str, Variance], target: float | None) -> pl.DataFrame:
    """The rows of `SamplePlan.designs`."""
    names = plan.estimates["estimate"]
    simple = plan.estimates.select(pl.lit(SIMPLE).alias("design"), "estimate", "std_error", "n_needed")
    parts = [simple]
    for design_name, variance in others.items():
        least = floor / plan.total
        needed: list[int | None] = [None] * len(names)
        if target is not None:
            needed = [_fewest_of(variance, least, i, target, plan.total) for i in range(len(names))]
        columns = {"estimate": names, "std_error": np.sqrt(least + variance(plan.n)), "n_needed": needed}
        other = pl.DataFrame(columns, schema_overrides={"n_needed": pl.Int64})
        parts.append(other.select(pl.lit(design_name).alias("design"), pl.all()))
    return pl.concat(parts)


def _fewest_of(variance: Variance, least: np.ndarray, i: int, target: float, total: int) -> int | None:
    return fewest(lambda n: least[[i]] + variance(n)[[i]], target**2, FEWEST, total)


def _other_designs_in_words(plan: SamplePlan, target: float | None) -> str:
    """What the better of the other designs gives, for the estimate that needs most."""
    if plan.designs["design"].n_unique() == 1:
        return ""
    figure = "std_error" if target is None else "n_needed"
    worst = plan.designs.group_by("design", maintain_order=True).agg(pl.col(figure).max())
    by_design = dict(worst.iter_rows())
    best = min((name for name in by_design if name != SIMPLE), key=lambda name: by_design[name])
    limit = WORTH if target is not None else np.sqrt(WORTH)
    if by_design[best] > limit * by_design[SIMPLE]:
        return (
            " Neither an active draw nor strata by the predicted label take clearly fewer codings than a simple draw."
        )
    how = {ACTIVE: "Drawn actively", STRATIFIED: "Drawn in strata by the predicted label (Neyman)"}[best]
    if target is None:
        return f" {how}, so many codings would give {by_design[best]:.3g}."
    return f" {how}, {by_design[best]:,} codings would do, {1 - by_design[best] / by_design[SIMPLE]:.0%} fewer."


def standard_error(n: Any, total: int, floor: Any, noise: Any) -> Any:
    """The standard error with `n` of `total` texts coded by hand; see `plan_sample`.

    >>> round(float(standard_error(100, 100, 4.0, 1.0)), 6), round(float(standard_error(50, 100, 4.0, 4.0)), 6)
    (0.2, 0.282843)
    """
    return np.sqrt(floor / total + (1 / np.asarray(n) - 1 / total) * noise)


def needed_codings(target: float, total: int, floor: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The number of hand codings that gives the standard error `target`; NaN where not even `total` does.

    >>> needed_codings(0.3, 100, np.array([4.0, 16.0]), np.array([4.0, 1.0]))
    array([45., nan])
    """
    room = target**2 - floor / total
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.ceil(noise / (room + noise / total) - 1e-9)
    return np.asarray(np.where(room >= 0, np.clip(n, FEWEST, total), np.nan))


def _require_sound(codings: Labelled, total: int, target: float | None, n: int | None, n_boot: int) -> None:
    coded = int(codings.coded.sum())
    if coded < FEWEST:
        what = f"The pilot has {coded:,} hand-coded texts; errors cannot be judged from fewer than {FEWEST}."
        raise AnnotuneError(what, "Code some more first.")
    if total < FEWEST:
        raise AnnotuneError(f"A corpus of {total:,} texts needs no plan.", "Code all of them by hand.")
    if n_boot < 1:
        raise AnnotuneError(f"There cannot be {n_boot} replicates.", "Give at least 1, such as 1000.")
    if target is not None and not 0 < target < np.inf:
        raise AnnotuneError(f"The standard error {target!r} cannot be reached.", "Give one above 0, such as 0.01.")
    if n is not None and not FEWEST <= n <= total:
        raise AnnotuneError(
            f"{n:,} of {total:,} texts cannot be planned for.", f"Give a whole number from {FEWEST} to {total:,}."
        )
    wrong = int((codings.gold != codings.predicted).fill_null(False).sum())
    if wrong < FEWEST_WRONG:
        warn(
            f"Only {wrong} of the pilot's {coded:,} hand-coded texts are predicted wrongly: the plan is a rough guess."
        )


def _require_reachable(needed: np.ndarray, names: list[str], floor: np.ndarray, total: int, target: float) -> None:
    if np.isnan(needed).any():
        worst = int(np.argmax(floor))
        what = f"With all {total:,} texts coded by hand, the standard error of {names[worst]!r} would be "
        what += f"{np.sqrt(floor[worst] / total):.3g}, above {target:g}."
        raise AnnotuneError(what, "Take a larger target, or more texts.")


def _bootstrap_interval(
    quantities: Quantities, method: str, target: float, total: int, n_boot: int, seed: int
) -> tuple[int, int]:
    """The 2.5 and 97.5 percentiles of the number needed; all texts where no number is sufficient."""
    rng, m = np.random.default_rng(seed), len(quantities.weights)
    share = 1.0 if method == "dsl" else None
    drawn = []
    for _ in range(n_boot):
        floor, noise = quantities.moments(share, rng.multinomial(m, np.full(m, 1 / m)))
        drawn.append(np.nan_to_num(needed_codings(target, total, floor, noise), nan=total).max())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return int(low), int(np.ceil(high))


def _standard_error_curve(
    names: list[str],
    chosen: int,
    total: int,
    floor: np.ndarray,
    noise: np.ndarray,
    by_hand: np.ndarray,
    others: dict[str, Variance],
) -> pl.DataFrame:
    grid = np.geomspace(FEWEST, total, POINTS).round().astype(int)
    numbers = np.unique([*grid[grid <= total], chosen])
    by_design = {key: np.array([variance(int(n)) for n in numbers]) for key, variance in others.items()}
    parts = [
        pl.DataFrame(
            {
                "n": numbers,
                "std_error": standard_error(numbers, total, floor[i], noise[i]),
                "std_error_hand": standard_error(numbers, total, floor[i], by_hand[i]),
                **{f"std_error_{key}": np.sqrt(floor[i] / total + each[:, i]) for key, each in by_design.items()},
            }
        ).select(pl.lit(name).alias("estimate"), pl.all())
        for i, name in enumerate(names)
    ]
    return pl.concat(parts)


def _plan_in_words(plan: SamplePlan, target: float | None) -> str:
    worst = plan.estimates.sort("std_error", descending=True, nulls_last=True).row(0, named=True)
    about = f"the standard error of {worst['estimate']!r} is expected to be {worst['std_error']:.3g}"
    alone = f"{worst['std_error_hand']:.3g} by the hand codings alone"
    if worst["std_error"] > worst["std_error_hand"]:
        alone += ", which is better: predictions err so often that method='ppi' is needed to weight them"
    if target is None:
        return f"With {plan.n:,} of {plan.total:,} texts coded by hand {about} ({alone})."
    more = plan.n - plan.n_pilot
    pilot = (
        f"{more:,} more than the pilot's {plan.n_pilot:,}" if more > 0 else f"the pilot's {plan.n_pilot:,} are enough"
    )
    return (
        f"{plan.n:,} of {plan.total:,} texts coded by hand ({plan.n_low:,} to {plan.n_high:,}, as the pilot is a "
        f"sample; {pilot}): {about} ({alone})."
    )
