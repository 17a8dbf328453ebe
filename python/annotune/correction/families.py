"""The mean functions of the models: the expected outcome, and its derivative by the linear predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

Floats = np.ndarray


@dataclass(frozen=True)
class Model:
    """A generalised linear model with its canonical link, of q equations.

    Attributes
    ----------
    mean
        From the linear predictors, shape (m, q), to the expected outcomes, shape (m, q).
    slope
        `slope(mean, i, j)`: the derivative of the i-th mean by the j-th linear predictor, shape (m,), or 1.0.
    link
        From an overall mean to a linear predictor, for starting values.
    lowest, highest
        The limits of an outcome.
    """

    name: str
    mean: Callable[[Floats], Floats]
    slope: Callable[[Floats, int, int], Floats | float]
    link: Callable[[Floats], Floats]
    lowest: float = -np.inf
    highest: float = np.inf


def _softmax_with_base(predictor: Floats) -> Floats:
    """The probabilities of the categories after the first, whose predictor is 0."""
    if predictor.shape[1] == 1:
        return np.asarray(expit(predictor))
    top = np.maximum(predictor.max(axis=1, keepdims=True), 0)
    parts = np.exp(predictor - top)
    return np.asarray(parts / (np.exp(-top) + parts.sum(axis=1, keepdims=True)))


def _logit_link(mean: Floats) -> Floats:
    rest = 1 - mean.sum()
    inside = len(mean) > 0 and bool((mean > 0.001).all()) and rest > 0.001
    if not inside:
        return np.zeros_like(mean)
    return np.log(mean / rest) if len(mean) > 1 else np.asarray(logit(mean))


LINEAR = Model("linear", lambda predictor: predictor, lambda _, i, j: float(i == j), lambda mean: mean)
LOGIT = Model(
    "logit",
    _softmax_with_base,
    lambda mean, i, j: mean[:, i] * ((i == j) - mean[:, j]),
    _logit_link,
    lowest=0.0,
    highest=1.0,
)
POISSON = Model(
    "poisson",
    lambda predictor: np.asarray(np.exp(predictor)),
    lambda mean, i, _: mean[:, i],
    lambda mean: np.log(np.maximum(mean, 1e-3)),
    lowest=0.0,
)
MODELS = {"linear": LINEAR, "fixed_effects": LINEAR, "logit": LOGIT, "multinomial": LOGIT, "poisson": POISSON}
