"""How many texts to code by hand, given a pilot with hand codings and predictions for all texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.correction import moments
from annotune.correction.coding_columns import FEWEST, complete_rows
from annotune.correction.families import LOGIT
from annotune.correction.formulas import parse
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.matrices import design, require_full_rank
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest, warn
from annotune.readable import Part, Readable, brief_table

FEWEST_WRONG = 5  # wrong predictions in the pilot, with fewer of which their share is hardly known
POINTS = 25  # of the curve
METHODS = ("dsl", "ppi")
WHOSE = ("corpus", "population")
PLANNED_MODELS = ("linear", "logit")


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
    curve
        estimate, n, std_error, std_error_hand, for numbers from few to all.
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
    label: str | None = None,
    formula: str | None = None,
    term: str | None = None,
    model: Literal["linear", "logit"] = "linear",
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
    target, n
        The target standard error, or the planned number of hand codings.
    label
        Plan for the share of this label; for those of all labels when left out.
    formula, term
        Plan for a regression, `topic == 'Health' ~ party`, and one of its coefficients; for all of them except the
        constant when left out.
    model
        What the regression is: `linear`, or `logit`, whose outcome is a label, or 0 and 1.
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
    if (target is None) == (n is None):
        raise AnnotuneError("Give either target= or n=.", "A standard error to reach, or the number of hand codings.")
    if method not in METHODS:
        raise AnnotuneError(f"The method {method!r} is unknown.", "Use 'dsl' or 'ppi'.")
    if formula is None and term is not None:
        raise AnnotuneError(f"term={term!r} has no regression to be a coefficient of.", "Give its formula= as well.")
    if model not in PLANNED_MODELS:
        raise AnnotuneError(f"There is no plan for the model {model!r}.", nearest(model, PLANNED_MODELS))
    if formula is None and model != "linear":
        raise AnnotuneError(f"model={model!r} has no regression to be of.", "Give its formula= as well.")
    if formula is not None and label is not None:
        raise AnnotuneError("label= plans for a share, formula= for a regression.", "Give one of them.")
    if of not in WHOSE:
        raise AnnotuneError(f"There are no shares of {of!r}.", nearest(of, WHOSE))
    codings = labelled(pilot, variable, gold=gold, predicted=predicted, pi=pi, wave=wave)
    size = len(codings.frame) if total is None else total
    _require_sound(codings, size, target, n, n_boot)
    quantities = (
        _share_quantities(codings, label, finite=of == "corpus")
        if formula is None
        else _coefficient_quantities(codings, formula, term, model)
    )
    floor, noise = quantities.moments(1.0 if method == "dsl" else None)
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
    curve = _standard_error_curve(quantities.names, chosen, size, floor, noise, by_hand)
    plan = SamplePlan(chosen, low, high, table, curve, size, int(codings.coded.sum()), "")
    return SamplePlan(**{**vars(plan), "verdict": _plan_in_words(plan, target)})


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


@dataclass(frozen=True)
class _Quantities:
    """p estimates: the contributions of each of the m coded texts by its hand coding and by its prediction.

    `by_hand` and `by_prediction` have the shape (m, p), `weights` (m,). `all_by_hand` and `all_by_prediction` determine
    PPI's lambda: the contributions to all estimates that share it, coefficients of standardised covariates.
    """

    names: list[str]
    by_hand: np.ndarray
    by_prediction: np.ndarray
    weights: np.ndarray
    all_by_hand: np.ndarray
    all_by_prediction: np.ndarray
    finite: bool = False  # shares of the corpus, which all texts coded by hand would tell without an error

    def moments(self, share: float | None, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A and B (p,), with predictions weighted by `share`; without one, by PPI's lambda."""
        weights = self.weights if counts is None else self.weights * counts
        weights = weights / weights.sum()
        u, v = self.by_hand, self.by_prediction
        floor = weights @ u**2 * (not self.finite)
        if share is not None:
            return floor, weights @ (u - share * v) ** 2
        every_u, every_v = (side - weights @ side for side in (self.all_by_hand, self.all_by_prediction))
        worth, cost = (weights @ (every_v * side) for side in (every_u, every_v))
        best = np.clip(worth.sum() / cost.sum(), 0, 1) if cost.sum() > 0 else 0.0
        rest = u - best * v
        return floor, weights @ (rest - weights @ rest) ** 2


def _share_quantities(codings: Labelled, label: str | None, finite: bool) -> _Quantities:
    """The shares of labels: indicators minus their means."""
    if label is not None and label not in codings.labels:
        raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, codings.labels))
    names = list(codings.labels) if label is None else [label]
    numbers = [codings.labels.index(name) for name in names]
    coded, weights = codings.coded, codings.weights[codings.coded]
    y, g = (_indicators(codings, column)[coded][:, numbers] for column in (codings.gold, codings.predicted))
    mean = weights @ y / weights.sum()
    return _Quantities(names, y - mean, g - mean, weights, y, g, finite)


def _indicators(codings: Labelled, column: pl.Series) -> np.ndarray:
    """Whether each text has each label (n, labels); for predictions their probability, where it exists."""
    likely = codings.probabilities if column is codings.predicted else None
    return np.eye(len(codings.labels) + 1)[codings.places(column)][:, :-1] if likely is None else likely


def _coefficient_quantities(codings: Labelled, formula: str, term: str | None, model: str) -> _Quantities:
    """Coefficients of a regression: the inverse information times x times the residual, by hand and by prediction."""
    parsed = parse(formula)
    if parsed.explained is None or parsed.explained.column != codings.name or parsed.groups:
        what = (
            f"{formula!r} cannot be planned for: its outcome has to be {codings.name!r}, and it has no fixed effects."
        )
        raise AnnotuneError(what, f"Write it as: {codings.name} == {codings.labels[0]!r} ~ party.")
    if codings.name in [reference.column for reference in parsed.within(parsed.terms).values()]:
        raise AnnotuneError(f"{formula!r} has {codings.name!r} on both sides.", "Plan for a predicted outcome alone.")
    covariates = list(dict.fromkeys(reference.column for reference in parsed.within(parsed.terms).values()))
    require_columns(codings.frame, covariates, "The pilot")
    kept_rows = complete_rows(codings.frame, covariates).to_numpy()
    frame = codings.frame.filter(kept_rows)
    coded = codings.coded[kept_rows]
    matrices = design(parsed, frame, np.flatnonzero(coded), {})
    outcome = [
        _has_label(codings, column, parsed.explained.label, parsed.explained.negated)[kept_rows]
        for column in (codings.gold, codings.predicted)
    ]
    x, weights = matrices.design, codings.weights[kept_rows]
    if not np.isfinite(x).all():
        raise AnnotuneError(f"{formula!r} gives no number for some texts.", "Such as log() of 0 or less.")
    require_full_rank(x)
    scale = len(x) * weights / weights.sum()
    corrected = outcome[1] + scale * np.where(coded, outcome[0] - outcome[1], 0.0)
    fitted, inverse = _fitted(x, corrected, model, formula)
    mean = fitted[coded]
    names = list(matrices.names)
    chosen = _chosen_terms(names, term)
    reach = x[coded] @ inverse
    y, g = ((side[coded] - mean)[:, None] * reach for side in outcome)
    scale = x.std(axis=0)
    constant = scale == 0  # its coefficient, of standardised covariates, is the mean
    scale[constant] = 1.0
    means = x.mean(axis=0)
    total = [np.where(constant, (side @ means)[:, None], side * scale) for side in (y, g)]
    return _Quantities([names[i] for i in chosen], y[:, chosen], g[:, chosen], weights[coded], *total)


def _fitted(x: np.ndarray, outcome: np.ndarray, model: str, formula: str) -> tuple[np.ndarray, np.ndarray]:
    """The fitted means of N texts (N,), and the inverse of a text's mean information (k, k)."""
    if model == "linear":
        inverse = np.linalg.inv(x.T @ x / len(x))
        return x @ (inverse @ (x.T @ outcome) / len(x)), inverse
    spread = x.std(axis=0)
    still = spread == 0
    centre = np.where(still | ~still.any(), 0.0, x.mean(axis=0))  # without a constant nothing is moved
    part = moments.Part((x - centre) / np.where(still, 1.0, spread), outcome[:, None], np.ones(len(x)))
    try:
        beta, _ = moments.solve(moments.Equations(LOGIT, (part,), len(x)), np.zeros(x.shape[1]))
    except moments.NoSolutionError:
        what = f"{formula!r}: no finite coefficients fit (separation: the outcome never, or always, goes with a term)."
        raise AnnotuneError(what, "Join categories, leave terms out, or plan with model='linear'.") from None
    fitted = LOGIT.mean((part.design @ beta)[:, None])[:, 0]
    return fitted, np.linalg.inv((x * (fitted * (1 - fitted))[:, None]).T @ x / len(x))


def _has_label(codings: Labelled, column: pl.Series, label: str | None, negated: bool) -> np.ndarray:
    """Whether each text has the label (n,), or its probability; the coded number where the formula names no label."""
    if label is not None:
        if label not in codings.labels:
            raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, codings.labels))
        same = _indicators(codings, column)[:, codings.labels.index(label)]
        return np.asarray(1 - same if negated else same)
    if codings.labels == ("0", "1"):
        return _indicators(codings, column)[:, 1]
    try:
        return np.asarray(column.cast(pl.Float64).fill_null(0.0).to_numpy())
    except pl.exceptions.InvalidOperationError:
        what = f"The column {codings.name!r} holds words."
        raise AnnotuneError(what, f"Name one of its labels: {codings.name} == {codings.labels[0]!r}.") from None


def _chosen_terms(names: list[str], term: str | None) -> list[int]:
    if term is None:
        return [i for i, name in enumerate(names) if name != "Intercept"] or [0]
    if term not in names:
        raise AnnotuneError(f"The regression has no coefficient {term!r}.", nearest(term, names))
    return [names.index(term)]


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
    quantities: _Quantities, method: str, target: float, total: int, n_boot: int, seed: int
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
    names: list[str], chosen: int, total: int, floor: np.ndarray, noise: np.ndarray, by_hand: np.ndarray
) -> pl.DataFrame:
    grid = np.geomspace(FEWEST, total, POINTS).round().astype(int)
    numbers = np.unique([*grid[grid <= total], chosen])
    parts = [
        pl.DataFrame(
            {
                "n": numbers,
                "std_error": standard_error(numbers, total, floor[i], noise[i]),
                "std_error_hand": standard_error(numbers, total, floor[i], by_hand[i]),
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
