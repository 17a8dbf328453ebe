"""How many texts to code by hand, given a few that were, and predictions for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import complete_rows
from annotune.correction.formulas import parse
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.matrices import design
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest, warn

FEWEST = 20  # hand codings, below which nothing is to be corrected
FEWEST_WRONG = 5  # wrong predictions in the pilot, below which their share is hardly known
POINTS = 25  # of the curve
METHODS = ("dsl", "ppi")


@dataclass(frozen=True)
class SamplePlan:
    """What a number of hand codings brings.

    Attributes
    ----------
    n
        Hand codings in all, drawn at random from the `total` texts; those of the pilot count where they were.
    n_low, n_high
        Its 95 % interval by bootstrap of the pilot's hand codings; `n` itself where it was given.
    estimates
        A row per estimate (a label's share, or a coefficient): estimate, std_error with `n`, std_error_hand (with the
        hand codings alone), std_error_least (with all texts coded by hand), n_needed and n_needed_hand for the
        target (null where none was given, or no number reaches it).
    curve
        estimate, n, std_error, std_error_hand, for numbers from few to all.
    total, n_pilot
        Texts in the corpus, and those of them that the pilot coded.
    verdict
        The plan in plain words.
    """

    n: int
    n_low: int
    n_high: int
    estimates: pl.DataFrame
    curve: pl.DataFrame
    total: int
    n_pilot: int
    verdict: str


def plan_sample(
    pilot: Any,
    variable: str | None = None,
    *,
    target: float | None = None,
    n: int | None = None,
    label: str | None = None,
    formula: str | None = None,
    term: str | None = None,
    method: str = "dsl",
    total: int | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    n_boot: int = 1000,
    seed: int = 1,
) -> SamplePlan:
    """Find how many hand codings give a target standard error, or which one a number of them gives.

    With n of N texts coded by hand at random, the squared standard error of a corrected mean or coefficient is
    A / N + (1/n - 1/N) B: A is what remains when all texts are coded by hand, B the variance that predictions leave
    unexplained (Egami et al. 2023; Angelopoulos, Duchi and Zrnic 2023). Both are estimated from the pilot. A model
    tuned on more texts errs less, so the number found is rather too large.

    Parameters
    ----------
    pilot
        A row a text, as `crossfit(...).data` gives it: predictions for all, gold for some, covariates.
    variable, gold, predicted, pi
        What was coded, and the columns (see `labelled`).
    target, n
        The standard error that is wanted, or the number of hand codings there will be.
    label
        Plan for this label's share; for every label's when left out.
    formula, term
        Plan for a linear regression, `topic == 'Health' ~ party`, and one of its coefficients; for all of them but
        the constant when left out.
    method
        `dsl`, or `ppi`: predictions count by as much as they are worth, which is never worse.
    total
        Texts in the corpus, where they are not the pilot's.
    n_boot, seed
        Bootstrap replicates of the pilot for the interval, and their seed.

    Raises
    ------
    AnnotuneError
        For a target that not even coding all texts by hand would reach, and for columns, labels or terms that are
        not there.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> truth = [1, 0, 0, 0] * 500
    >>> wrong = [i % 10 == 3 for i in range(2000)]
    >>> y_hat = [1 - y if bad else y for y, bad in zip(truth, wrong)]
    >>> frame = pl.DataFrame({"y_hat": y_hat, "y_gold": [y if i < 200 else None for i, y in enumerate(truth)]})
    >>> plan = at.plan_sample(frame, target=0.02, label="1")
    >>> plan.n, plan.estimates["n_needed_hand"][0]
    (281, 469)
    """
    if (target is None) == (n is None):
        raise AnnotuneError("Give either target= or n=.", "A standard error to reach, or the number of hand codings.")
    if method not in METHODS:
        raise AnnotuneError(f"The method {method!r} is unknown.", "Use 'dsl' or 'ppi'.")
    if formula is None and term is not None:
        raise AnnotuneError(f"{term!r} is a coefficient of no regression.", "Give its formula= as well.")
    if formula is not None and label is not None:
        raise AnnotuneError("label= plans for a share, formula= for a regression.", "Give one of them.")
    found = labelled(pilot, variable, gold=gold, predicted=predicted, pi=pi)
    size = len(found.frame) if total is None else total
    _require_sound(found, size, target, n, n_boot)
    quantities = _shares(found, label) if formula is None else _coefficients(found, formula, term)
    floor, noise = quantities.moments(1.0 if method == "dsl" else None)
    by_hand = quantities.moments(0.0)[1]
    if target is not None:
        needed = needed_codings(target, size, floor, noise)
        _require_reachable(needed, quantities.names, floor, size, target)
        chosen = int(needed.max())
        low, high = _spread(quantities, method, target, size, n_boot, seed)
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
    curve = _curve(quantities.names, chosen, size, floor, noise, by_hand)
    plan = SamplePlan(chosen, low, high, table, curve, size, int(found.coded.sum()), "")
    return SamplePlan(**{**vars(plan), "verdict": _verdict(plan, target)})


def standard_error(n: Any, total: int, floor: Any, noise: Any) -> Any:
    """The standard error with `n` of `total` texts coded by hand; see `plan_sample`.

    >>> round(float(standard_error(100, 100, 4.0, 1.0)), 6), round(float(standard_error(50, 100, 4.0, 4.0)), 6)
    (0.2, 0.282843)
    """
    return np.sqrt(floor / total + (1 / np.asarray(n) - 1 / total) * noise)


def needed_codings(target: float, total: int, floor: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The hand codings that give the standard error `target`; NaN where not even `total` do.

    >>> needed_codings(0.3, 100, np.array([4.0, 16.0]), np.array([4.0, 1.0]))
    array([45., nan])
    """
    room = target**2 - floor / total
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.ceil(noise / (room + noise / total) - 1e-9)
    return np.asarray(np.where(room >= 0, np.clip(n, FEWEST, total), np.nan))


@dataclass(frozen=True)
class _Quantities:
    """p estimates: what each of the m coded texts adds to them by its hand coding and by its prediction.

    `by_hand` and `by_prediction` have the shape (m, p), `weights` (m,). `all_by_hand` and `all_by_prediction` are what
    PPI's lambda is for: the same of all estimates that share it, coefficients of standardised covariates.
    """

    names: list[str]
    by_hand: np.ndarray
    by_prediction: np.ndarray
    weights: np.ndarray
    all_by_hand: np.ndarray
    all_by_prediction: np.ndarray

    def moments(self, share: float | None, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A and B (p,), the predictions counting with `share`; without one, with PPI's lambda."""
        weights = self.weights if counts is None else self.weights * counts
        weights = weights / weights.sum()
        u, v = self.by_hand, self.by_prediction
        if share is not None:
            return weights @ u**2, weights @ (u - share * v) ** 2
        every_u, every_v = (side - weights @ side for side in (self.all_by_hand, self.all_by_prediction))
        worth, cost = (weights @ (every_v * side) for side in (every_u, every_v))
        best = np.clip(worth.sum() / cost.sum(), 0, 1) if cost.sum() > 0 else 0.0
        rest = u - best * v
        return weights @ u**2, weights @ (rest - weights @ rest) ** 2


def _shares(found: Labelled, label: str | None) -> _Quantities:
    """The shares of labels: an indicator minus its mean."""
    if label is not None and label not in found.labels:
        raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, found.labels))
    names = list(found.labels) if label is None else [label]
    numbers = [found.labels.index(name) for name in names]
    coded, weights = found.coded, found.weights[found.coded]
    y, g = (_indicators(found, column)[coded][:, numbers] for column in (found.gold, found.predicted))
    mean = weights @ y / weights.sum()
    return _Quantities(names, y - mean, g - mean, weights, y, g)


def _indicators(found: Labelled, column: pl.Series) -> np.ndarray:
    """Whether each text has each label (n, labels); of predictions their probability, where there is one."""
    likely = found.probabilities if column is found.predicted else None
    return np.eye(len(found.labels) + 1)[found.places(column)][:, :-1] if likely is None else likely


def _coefficients(found: Labelled, formula: str, term: str | None) -> _Quantities:
    """The coefficients of a linear regression: (X'X/N)^-1 x times the residual, by hand and by prediction."""
    taken = parse(formula)
    if taken.explained is None or taken.explained.column != found.name or taken.groups:
        what = f"{formula!r} cannot be planned for: its outcome has to be {found.name!r}, and it has no fixed effects."
        raise AnnotuneError(what, f"Write it as: {found.name} == {found.labels[0]!r} ~ party.")
    if found.name in [reference.column for reference in taken.within(taken.terms).values()]:
        raise AnnotuneError(f"{formula!r} has {found.name!r} on both sides.", "Plan for a predicted outcome alone.")
    covariates = list(dict.fromkeys(reference.column for reference in taken.within(taken.terms).values()))
    require_columns(found.frame, covariates, "The pilot")
    kept_rows = complete_rows(found.frame, covariates).to_numpy()
    frame = found.frame.filter(kept_rows)
    coded = found.coded[kept_rows]
    matrices = design(taken, frame, np.flatnonzero(coded), {})
    outcome = [
        _is(found, column, taken.explained.label, taken.explained.negated)[kept_rows]
        for column in (found.gold, found.predicted)
    ]
    x, weights = matrices.design, found.weights[kept_rows]
    if not np.isfinite(x).all():
        raise AnnotuneError(f"{formula!r} gives no number for some texts.", "Such as log() of 0 or less.")
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise AnnotuneError("The covariates determine each other.", "Leave one of them out.")
    inverse = np.linalg.inv(x.T @ x / len(x))
    scale = len(x) * weights / weights.sum()
    corrected = outcome[1] + scale * np.where(coded, outcome[0] - outcome[1], 0.0)
    mean = x[coded] @ (inverse @ (x.T @ corrected) / len(x))
    names = list(matrices.names)
    wanted = _wanted(names, term)
    reach = x[coded] @ inverse
    y, g = ((side[coded] - mean)[:, None] * reach for side in outcome)
    scale = x.std(axis=0)
    constant = scale == 0  # its coefficient, of standardised covariates, is the mean
    scale[constant] = 1.0
    means = x.mean(axis=0)
    total = [np.where(constant, (side @ means)[:, None], side * scale) for side in (y, g)]
    return _Quantities([names[i] for i in wanted], y[:, wanted], g[:, wanted], weights[coded], *total)


def _is(found: Labelled, column: pl.Series, label: str | None, negated: bool) -> np.ndarray:
    """Whether each text has the label (n,), or its probability; the label's own number where the formula names none."""
    if label is not None:
        if label not in found.labels:
            raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, found.labels))
        same = _indicators(found, column)[:, found.labels.index(label)]
        return np.asarray(1 - same if negated else same)
    if found.labels == ("0", "1"):
        return _indicators(found, column)[:, 1]
    try:
        return np.asarray(column.cast(pl.Float64).fill_null(0.0).to_numpy())
    except pl.exceptions.InvalidOperationError:
        what = f"The column {found.name!r} holds words."
        raise AnnotuneError(what, f"Name one of its labels: {found.name} == {found.labels[0]!r}.") from None


def _wanted(names: list[str], term: str | None) -> list[int]:
    if term is None:
        return [i for i, name in enumerate(names) if name != "Intercept"] or [0]
    if term not in names:
        raise AnnotuneError(f"The regression has no coefficient {term!r}.", nearest(term, names))
    return [names.index(term)]


def _require_sound(found: Labelled, total: int, target: float | None, n: int | None, n_boot: int) -> None:
    coded = int(found.coded.sum())
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
    wrong = int((found.gold != found.predicted).fill_null(False).sum())
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


def _spread(quantities: _Quantities, method: str, target: float, total: int, n_boot: int, seed: int) -> tuple[int, int]:
    """The 2.5 and 97.5 percentiles of the number needed; all texts where no number would do."""
    rng, m = np.random.default_rng(seed), len(quantities.weights)
    share = 1.0 if method == "dsl" else None
    drawn = []
    for _ in range(n_boot):
        floor, noise = quantities.moments(share, rng.multinomial(m, np.full(m, 1 / m)))
        drawn.append(np.nan_to_num(needed_codings(target, total, floor, noise), nan=total).max())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return int(low), int(np.ceil(high))


def _curve(
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


def _verdict(plan: SamplePlan, target: float | None) -> str:
    worst = plan.estimates.sort("std_error", descending=True, nulls_last=True).row(0, named=True)
    about = f"the standard error of {worst['estimate']!r} is expected to be {worst['std_error']:.3g}"
    alone = f"{worst['std_error_hand']:.3g} by the hand codings alone"
    if worst["std_error"] > worst["std_error_hand"]:
        alone += ", which is better: predictions err so often that method='ppi' has to weigh them"
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
