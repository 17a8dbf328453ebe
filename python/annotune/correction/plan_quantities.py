"""What codings add to shares and coefficients, text by text, as a plan of them needs it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from annotune.correction.coding_columns import blanks_as_null, complete_rows
from annotune.correction.families import MODELS
from annotune.correction.formulas import parse
from annotune.correction.labelled import Labelled
from annotune.correction.matrices import design, require_full_rank
from annotune.correction.moments import Equations, NoSolutionError, Part, solve, sums_by_group
from annotune.correction.plan_designs import Residuals
from annotune.correction.text_scores import doubt
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest


@dataclass(frozen=True)
class Quantities:
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
    reach: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # of each of N texts on the estimates, (N, p)
    unknown: np.ndarray = field(default_factory=lambda: np.zeros(0))  # the outcome's deviation given its prediction
    stratum: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # the predicted label's number
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # the coded texts' numbers
    clustered: np.ndarray | None = None  # A (p,) where texts of a cluster depend on each other

    def residuals(self, total: int) -> Residuals:
        """What codings add, for other designs than a simple draw."""
        added = self.by_hand - self.by_prediction
        return Residuals(added, self.weights, self.at, self.reach, self.unknown, self.stratum, total)

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


def share_quantities(codings: Labelled, label: str | None, finite: bool) -> Quantities:
    """The shares of labels: indicators minus their means."""
    if label is not None and label not in codings.labels:
        raise AnnotuneError(f"No text has the label {label!r}.", nearest(label, codings.labels))
    names = list(codings.labels) if label is None else [label]
    numbers = [codings.labels.index(name) for name in names]
    coded, weights = codings.coded, codings.weights[codings.coded]
    y, g = (_indicators(codings, column)[coded][:, numbers] for column in (codings.gold, codings.predicted))
    mean = weights @ y / weights.sum()
    every = _indicators(codings, codings.predicted)[:, numbers]
    unknown = _unknown(codings, every)
    places = {"stratum": codings.places(codings.predicted), "at": np.flatnonzero(coded)}
    reach = np.ones((len(every), len(names)))
    return Quantities(names, y - mean, g - mean, weights, y, g, finite, reach, unknown, **places)


def _unknown(codings: Labelled, likely: np.ndarray) -> np.ndarray:
    """The standard deviation of indicators given their predictions (N,); of bare labels by how often each is wrong."""
    if codings.probabilities is not None:
        return doubt(likely)
    wrong = (codings.gold != codings.predicted).fill_null(False).to_numpy()
    place, weights = codings.places(codings.predicted), codings.weights
    size, errors = (np.bincount(place, values, len(codings.labels)) for values in (weights, weights * wrong))
    each = weights.sum() / codings.coded.sum()  # one text of the average label beside those of each
    return np.asarray(np.sqrt((errors + each * errors.sum() / size.sum()) / (size + each))[place])


def _indicators(codings: Labelled, column: pl.Series) -> np.ndarray:
    """Whether each text has each label (n, labels); for predictions their probability, where it exists."""
    likely = codings.probabilities if column is codings.predicted else None
    return np.eye(len(codings.labels) + 1)[codings.places(column)][:, :-1] if likely is None else likely


def coefficient_quantities(
    codings: Labelled, formula: str, term: str | None, model: str, cluster: str | None
) -> Quantities:
    """The coefficients of a regression: the inverse information times x and the residual, by hand and by prediction."""
    parsed = parse(formula)
    if parsed.explained is None or parsed.explained.column != codings.name or parsed.groups:
        what = (
            f"{formula!r} cannot be planned for: its outcome has to be {codings.name!r}, and it has no fixed effects."
        )
        raise AnnotuneError(what, f"Write it as: {codings.name} == {codings.labels[0]!r} ~ party.")
    if codings.name in [reference.column for reference in parsed.within(parsed.terms).values()]:
        raise AnnotuneError(f"{formula!r} has {codings.name!r} on both sides.", "Plan for a predicted outcome alone.")
    covariates = list(dict.fromkeys(reference.column for reference in parsed.within(parsed.terms).values()))
    beside = [*covariates, *([cluster] if cluster else [])]
    require_columns(codings.frame, beside, "The pilot")
    kept_rows = complete_rows(blanks_as_null(codings.frame, beside), beside).to_numpy()
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
    ratio = len(x) * weights / weights.sum()
    corrected = outcome[1] + ratio * np.where(coded, outcome[0] - outcome[1], 0.0)
    inverse, expected = _fitted(model, x, corrected, formula)
    mean = expected[coded]
    names = list(matrices.names)
    chosen = chosen_terms(names, term)
    reach = x[coded] @ inverse
    y, g = ((side[coded] - mean)[:, None] * reach for side in outcome)
    scale = x.std(axis=0)
    constant = scale == 0  # its coefficient, of standardised covariates, is the mean
    scale[constant] = 1.0
    means = x.mean(axis=0)
    every_y, every_g = (np.where(constant, (side @ means)[:, None], side * scale) for side in (y, g))
    every = (x @ inverse)[:, chosen]
    unknown = _unknown(codings, _likely(codings, parsed.explained.label))[kept_rows]
    quantities = Quantities(
        [names[i] for i in chosen],
        y[:, chosen],
        g[:, chosen],
        weights[coded],
        every_y,
        every_g,
        reach=every,
        unknown=unknown,
        stratum=codings.places(codings.predicted)[kept_rows],
        at=np.flatnonzero(coded),
    )
    if cluster is None:
        return quantities
    scores = every * (corrected - expected)[:, None]
    noise = every[coded] * (outcome[0] - outcome[1])[coded, None]
    by_draw = (ratio**2 - ratio)[coded] @ noise**2  # what the pilot's draw adds to the clusters' variance
    sums = sums_by_group(scores, frame[cluster].rank("dense").to_numpy())
    return replace(quantities, clustered=np.maximum((sums**2).sum(axis=0) - by_draw, 0) / len(x))


def _fitted(model: str, x: np.ndarray, corrected: np.ndarray, formula: str) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of the mean information (k, k), and the expected outcomes (N,)."""
    if model == "linear":
        inverse = np.linalg.inv(x.T @ x / len(x))
        return inverse, x @ (inverse @ (x.T @ corrected) / len(x))
    spread = x.std(axis=0)
    still = spread == 0
    centre = np.where(still | ~still.any(), 0.0, x.mean(axis=0))  # without a constant nothing is moved
    part = Part((x - centre) / np.where(still, 1.0, spread), corrected[:, None], np.ones(len(x)))
    try:
        beta, _ = solve(Equations(MODELS[model], (part,), len(x)), np.zeros(x.shape[1]))
    except NoSolutionError:
        what = f"{formula!r}: no finite coefficients fit (separation: the outcome never, or always, goes with a term)."
        raise AnnotuneError(what, "Join categories, leave terms out, or plan with model='linear'.") from None
    expected = MODELS[model].mean((part.design @ beta)[:, None])
    slope = np.broadcast_to(MODELS[model].slope(expected, 0, 0), len(x))
    return np.linalg.inv((x * slope[:, None]).T @ x / len(x)), expected[:, 0]


def _likely(codings: Labelled, label: str | None) -> np.ndarray:
    """The probability of a label, or of a yes (N,), where there are probabilities; else all of them."""
    every = _indicators(codings, codings.predicted)
    if label is None:
        return every[:, 1] if codings.labels == ("0", "1") else every
    return every[:, codings.labels.index(label)]


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


def chosen_terms(names: list[str], term: str | None) -> list[int]:
    """The places of the coefficients that are meant: the one that is named, else all but the constant."""
    if term is None:
        return [i for i, name in enumerate(names) if name != "Intercept"] or [0]
    if term not in names:
        raise AnnotuneError(f"The regression has no coefficient {term!r}.", nearest(term, names))
    return [names.index(term)]
