"""Do enough errors stand behind each coefficient? Where not, its variance is that with some more than were seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotune.correction.estimate import Fit, Sample, absorbed, corrected_equations, hand_coded_equations
from annotune.correction.families import Floats, Model
from annotune.correction.few_errors import (
    FEWEST_ERRORS,
    TOP_HEAVY,
    UNEQUAL,
    kish,
    more_errors,
    number_of_errors,
    share_of_largest,
    typical_error,
    where_errors_are,
)
from annotune.correction.influence import of_hand_coded
from annotune.correction.moments import Equations
from annotune.correction.notes import CODE_MORE, Note
from annotune.correction.result import HAND
from annotune.errors import counted

MOST_TERMS = 4  # that a note names
NONE_SEEN, LEAST_SEEN = 1e-9, 0.05  # errors by their weight: below the one there are none, the other is shown as 0.1


@dataclass(frozen=True)
class Behind:
    """What is behind the variances of p estimates.

    Attributes
    ----------
    covariance
        As it is estimated from what was seen, shape (p, p).
    squares
        What the error of each of the n coded texts adds to the variances, shape (n, p).
    largest
        The part of each variance that is from the five texts that add most to it, shape (p,).
    typical
        The covariance that a wrong prediction (of the hand-coded texts alone: one text of another label) adds, shape
        (p, p); None where the outcome is no label, or a covariate is predicted.
    """

    covariance: Floats
    squares: Floats
    largest: Floats
    typical: Floats | None

    @property
    def errors(self) -> Floats:
        """How many errors are behind each estimate, shape (p,): in typical ones, or else by how equal they are."""
        if self.typical is not None:
            return number_of_errors(np.diag(self.covariance), np.diag(self.typical))
        return number_of_errors(self.squares.sum(axis=0) ** 2, (self.squares**2).sum(axis=0))

    @property
    def seen(self) -> Floats:
        """How many of these are errors that were seen, shape (p,); the others stand for what else is uncertain."""
        if self.typical is None:
            return self.errors
        return np.asarray(np.minimum(number_of_errors(self.squares.sum(axis=0), np.diag(self.typical)), self.errors))

    @property
    def few(self) -> np.ndarray:
        """Whether they are few, shape (p,)."""
        return np.asarray(self.errors < FEWEST_ERRORS)

    def with_more_errors(self, level: float, most: Floats | None = None) -> Floats:
        """The covariance with more errors where few were seen, of variances up to `most`."""
        if self.typical is None or not self.few.any():
            return self.covariance
        more = more_errors(self.errors, level)
        if most is not None:
            more = np.minimum(
                more, number_of_errors(np.maximum(most - np.diag(self.covariance), 0), np.diag(self.typical))
            )
        times = np.sqrt(more)
        return np.asarray(self.covariance + self.typical * np.outer(times, times))


def behind_correction(model: Model, sample: Sample, fit: Fit, back: Floats, centred: bool) -> Behind:
    """Behind corrected estimates `back @ fit.beta`; `centred` where an error that is the same for all costs nothing."""
    assert fit.influence is not None
    influence, covariance = fit.influence.of(back), back @ fit.covariance @ back.T
    drawn = influence.drawn - influence.drawn.mean(axis=0) if centred else influence.drawn
    scores = influence.sums if sample.clusters is None else drawn
    equations = absorbed(corrected_equations(model, sample, 1.0), sample.groups)
    likely = sample.predicted[sample.at]
    wrong = np.maximum(likely, 1 - likely)
    typical = _typical(sample, equations, fit.beta, wrong, back) if _of_labels(sample) else None
    return Behind(covariance, drawn**2, share_of_largest(scores**2, np.diag(covariance)), typical)


def behind_hand_coded(model: Model, sample: Sample, fit: Fit, back: Floats) -> Behind:
    """Behind the estimates of the hand-coded texts alone."""
    equations, groups = hand_coded_equations(model, sample)
    equations = absorbed(equations, groups)
    drawn = of_hand_coded(equations, fit.beta, sample.at, None).drawn @ back.T
    typical = None
    if model.name == "linear" and _of_labels(sample):
        typical = _typical(sample, equations, fit.beta, np.ones_like(sample.gold), back)
    covariance = back @ fit.covariance @ back.T
    return Behind(covariance, drawn**2, share_of_largest(drawn**2, np.diag(covariance)), typical)


def _of_labels(sample: Sample) -> bool:
    """Whether residuals are errors of a label: the outcome is 0 or 1, and covariates are not predicted."""
    known = sample.design_gold is sample.design or np.array_equal(sample.design[sample.at], sample.design_gold)
    likely = (sample.predicted >= 0).all() and (sample.predicted <= 1).all()
    return bool(known and likely and np.isin(sample.gold, (0, 1)).all())


def _typical(sample: Sample, equations: Equations, beta: Floats, wrong: Floats, back: Floats) -> Floats:
    """The covariance that one wrong prediction adds, at the texts that a coefficient rests on, shape (p, p)."""
    by_hand, k = equations.parts[-1], equations.k
    reach = back @ np.linalg.inv(equations.jacobian(beta))
    squares, shared = np.zeros((len(by_hand.design), len(beta))), np.zeros_like(reach)
    for equation in range(equations.q):
        size = wrong[:, equation] * by_hand.weight
        moved = (by_hand.design * size[:, None]) @ reach[:, equation * k : (equation + 1) * k].T
        squares += moved**2
        shared += (moved * sample.ratio[:, None]).T @ moved
    where = where_errors_are(sample.ratio, wrong)
    where = where if where.ndim == 1 else where.mean(axis=1, keepdims=True)
    error, spread = np.sqrt(typical_error(squares, where)), np.sqrt(np.diag(shared))
    times = np.divide(error, spread, out=np.zeros_like(error), where=spread > 0)
    return np.asarray(shared * np.outer(times, times))


def notes_of_few(behind: Behind, terms: Sequence[str], method: str) -> list[str]:
    """A sentence where estimates rest on few errors, and what that means for their intervals."""
    few = behind.few
    if not few.any():
        return []
    what = "errors" if method != HAND else "texts of the rarer label"
    bound = "bounds, as if there were up to three more" if behind.typical is not None else "too narrow"
    verb = "rests" if few.sum() == 1 else "rest"
    names = [term for term, is_few in zip(terms, few, strict=True) if is_few]
    named, seen = _named(names), _number_seen(behind.seen[few], names)
    sentence = (
        f"Few {what}, {method}: {named} {verb} on fewer than {FEWEST_ERRORS} ({seen}); intervals there are {bound}."
    )
    return [Note(sentence, CODE_MORE)]


def _number_seen(seen: Floats, terms: Sequence[str]) -> str:
    """How many errors by their weight were seen behind these estimates, and behind which none was."""
    without = [term for term, number in zip(terms, seen, strict=True) if number < NONE_SEEN]
    if without:
        return "none was seen" if len(without) == len(terms) else f"none was seen for {_named(without)}"
    least = f"{seen.min():.1f}" if seen.min() >= LEAST_SEEN else "below 0.1"
    return f"{'the fewest: ' if len(terms) > 1 else ''}{least} by their weight"


def notes_of_weights(sample: Sample, behind: Behind, terms: Sequence[str]) -> list[str]:
    """Sentences about unequal probabilities, and about few texts with most of the variance of an estimate."""
    n, number = len(sample.ratio), kish(sample.ratio * sample.weight[sample.at])
    sentences: list[str] = []
    if number < UNEQUAL * n:
        sentences.append(f"Unequal pi: {n:,} hand-coded texts count as {number:,.0f} with the same pi (Kish).")
    largest = np.where(behind.few, 0.0, behind.largest)
    if (largest > TOP_HEAVY).any():
        named = _named([term for term, share in zip(terms, largest, strict=True) if share > TOP_HEAVY])
        share = f"{largest.max():.0%}"
        sentence = f"Five hand-coded texts have up to {share} of the variance of {named}."
        sentences.append(Note(sentence, "See which hand-coded texts have a small pi and a wrong prediction."))
    return sentences


def _named(terms: Sequence[str]) -> str:
    more = [counted(len(terms) - MOST_TERMS, "other", "others")] if len(terms) > MOST_TERMS else []
    return ", ".join([*map(repr, terms[:MOST_TERMS]), *more])
