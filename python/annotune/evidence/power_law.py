"""The inverse power law: a measure that rises towards an asymptote as a power of the number of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

RATES = np.linspace(0.05, 2.0, 79)  # how fast the distance to the asymptote shrinks
HIGHEST = 1.0  # no measure of agreement is above 1


@dataclass(frozen=True)
class PowerLaw:
    """`asymptote - drop * n ** -rate`, as fitted and as fitted to each bootstrap replicate.

    Attributes
    ----------
    asymptote, drop, rate
        Shape (1 + replicates,): the fit to the estimates comes first. Of a curve that falls, drop is below 0.
    """

    asymptote: np.ndarray
    drop: np.ndarray
    rate: np.ndarray

    def at(self, sizes: np.ndarray) -> np.ndarray:
        """The curve at n sizes, shape (1 + replicates, n).

        >>> law = PowerLaw(np.array([0.9]), np.array([2.0]), np.array([0.5]))
        >>> law.at(np.array([100.0, 400.0])).round(2).tolist()
        [[0.7, 0.8]]
        """
        sizes = np.asarray(sizes, dtype=np.float64)
        return np.asarray(self.asymptote[:, None] - self.drop[:, None] * sizes ** -self.rate[:, None])

    @property
    def table(self) -> pl.DataFrame:
        """Columns parameter, estimate, ci_low, ci_high (95 %)."""
        parts = {"asymptote": self.asymptote, "drop": self.drop, "rate": self.rate}
        return pl.DataFrame([{"parameter": name, **bounds(values)} for name, values in parts.items()])


def bounds(values: np.ndarray) -> dict[str, float | None]:
    """The estimate, which comes first, and the 2.5 and 97.5 percentiles of the replicates after it."""
    low, high = np.quantile(values[1:], [0.025, 0.975]) if len(values) > 1 else (None, None)
    return {"estimate": float(values[0]), "ci_low": _float_or_none(low), "ci_high": _float_or_none(high)}


def _float_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)


def fit_power_law(
    sizes: np.ndarray, measured: np.ndarray, weights: np.ndarray | None = None, falling: bool = False
) -> PowerLaw:
    """Fit by weighted least squares, bounded: the asymptote is at most 1, the rate .05 to 2, and the curve never falls.

    For each rate the other two have a closed form, so every rate of a fine grid is tried for every replicate at once.

    Parameters
    ----------
    sizes
        Shape (k,), k of 3 or more: numbers of labels.
    measured
        Shape (1 + replicates, k): the estimates, and below them those of each bootstrap replicate.
    weights
        Shape (k,): such as the inverse of the estimates' variances; equal when left out.
    falling
        Whether lower is better: the curve never rises then, and the asymptote is 0 or more.

    Examples
    --------
    >>> sizes = np.array([50.0, 100.0, 200.0, 400.0])
    >>> law = fit_power_law(sizes, (0.85 - 1.5 * sizes**-0.5)[None])
    >>> [round(float(part[0]), 2) for part in (law.asymptote, law.drop, law.rate)]
    [0.85, 1.5, 0.5]
    >>> law = fit_power_law(sizes, (0.4 + 3 * sizes**-0.5)[None], falling=True)
    >>> [round(float(part[0]), 2) for part in (law.asymptote, law.drop, law.rate)]
    [0.4, -3.0, 0.5]
    """
    if falling:
        law = _fitted(sizes, -measured, weights, highest=0.0)
        return PowerLaw(0.0 - law.asymptote, 0.0 - law.drop, law.rate)
    return _fitted(sizes, measured, weights, HIGHEST)


def _fitted(sizes: np.ndarray, measured: np.ndarray, weights: np.ndarray | None, highest: float) -> PowerLaw:
    """A law that rises, at most to `highest`."""
    weight = np.ones(len(sizes)) if weights is None else weights
    weight = weight / weight.sum()
    best = np.full(len(measured), np.inf)
    parameters = np.zeros((3, len(measured)))
    for rate in RATES:
        asymptote, drop = _line(np.asarray(sizes, dtype=np.float64) ** -rate, measured, weight, highest)
        fitted = asymptote[:, None] - drop[:, None] * sizes**-rate
        loss = ((measured - fitted) ** 2) @ weight
        better = loss < best - 1e-15
        best = np.where(better, loss, best)
        parameters = np.where(better, [asymptote, drop, np.full(len(measured), rate)], parameters)
    return PowerLaw(*parameters)


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """The asymptote and the drop of `y = asymptote - drop * x`, (replicates,) each, within their bounds."""
    mean_x, mean_y = x @ weight, y @ weight
    slope = ((y - mean_y[:, None]) * (x - mean_x)) @ weight / ((x - mean_x) ** 2 @ weight)
    drop = np.maximum(-slope, 0.0)
    asymptote = mean_y + drop * mean_x
    above = asymptote > highest
    capped = np.maximum(((highest - y) * x) @ weight / (x**2 @ weight), 0.0)
    return np.where(above, highest, asymptote), np.where(above, capped, drop)
