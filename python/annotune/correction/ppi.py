"""Prediction-powered inference: the weight of the predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.moments import Equations, Part, sum_scores


def power(dsl: Equations, beta: Floats, jacobian: Floats, weight: Floats) -> float:
    """The lambda from 0 to 1 under which the estimates' total variance is smallest.

    Angelopoulos, Duchi and Zrnic (2023), proposition 2; the total is over standardised covariates, so that it does not
    depend on their units.

    Parameters
    ----------
    dsl, beta, jacobian
        The DSL equations (the predictions first, the hand codings second), their solution and minus their derivative.
    weight
        The N units' weights.

    Examples
    --------
    Predictions without errors count as much as hand codings: lambda is the share that was not coded.

    >>> from annotune.correction.families import LINEAR
    >>> from annotune.correction.moments import Part
    >>> y, at, one = np.tile([[-1.0], [1.0]], (500, 1)), np.arange(100), np.ones((1000, 1))
    >>> equations = Equations(LINEAR, (Part(one, y, np.ones(1000)), Part(one[at], y[at], np.full(100, 10.0), at)), 1000)
    >>> round(power(equations, np.zeros(1), 1000 * np.eye(1), np.ones(1000)), 3)
    0.9
    """
    predicted, by_hand = dsl.parts
    assert by_hand.at is not None
    at, n_coded = by_hand.at, len(by_hand.at)
    if n_coded == dsl.n:
        return 0.0
    everyone = replace(predicted, weight=weight)
    coded = replace(everyone, design=everyone.design[at], outcome=everyone.outcome[at], weight=weight[at])
    by_prediction = _scores_of_part(dsl, coded, beta)
    shared = _covariance(_scores_of_part(dsl, replace(by_hand, weight=weight[at], at=None), beta), by_prediction)
    inverse = np.linalg.inv(jacobian / dsl.n)
    gain = np.trace(inverse @ (shared + shared.T) @ inverse.T)
    cost = np.trace(inverse @ _covariance_of_scores(replace(dsl, parts=(everyone,)), beta) @ inverse.T)
    return float(np.clip(gain / cost / (2 * (1 + n_coded / (dsl.n - n_coded))), 0, 1)) if cost > 0 else 0.0


def _scores_of_part(dsl: Equations, part: Part, beta: Floats) -> Floats:
    n = len(part.design)
    return sum_scores(Equations(dsl.model, (part,), n), beta, 0, n)


def _covariance(left: Floats, right: Floats) -> Floats:
    return np.asarray((left - left.mean(axis=0)).T @ (right - right.mean(axis=0)) / len(left))


def _covariance_of_scores(equations: Equations, beta: Floats) -> Floats:
    """The covariance of all units' scores, computed in blocks."""
    total, squares = np.zeros(len(beta)), np.zeros((len(beta),) * 2)
    for _, _, scores in equations.scores(beta):
        total += scores.sum(axis=0)
        squares += scores.T @ scores
    return squares / equations.n - np.outer(total, total) / equations.n**2
