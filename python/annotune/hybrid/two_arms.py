"""Shares in two groups of answers and their difference, with intervals that allow for coders and for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm, t

from annotune.correction.estimate import ROUNDING, Fit, Sample, naive, two_ways
from annotune.correction.families import LINEAR, Floats
from annotune.measures.limits import wilson

CLUSTERS = ("coder", "unit_id")
SIDE = 0.975  # of 95 % limits, the part below the upper one
OF_ONE = ("n", "share", "low", "high")
OF_BOTH = ("difference", "std_error", "ci_low", "ci_high", "p_value", "df")


def columns(first: str, second: str) -> dict[str, Any]:
    """The columns of a comparison of two groups by their names, each with its type."""
    each: dict[str, Any] = {f"{name}_{group}": pl.Float64 for group in (first, second) for name in OF_ONE}
    each |= {f"n_{group}": pl.Int64 for group in (first, second)}
    return each | dict.fromkeys(OF_BOTH, pl.Float64) | {"n_coders": pl.Int64, "n_texts": pl.Int64}


def compared(
    rows: pl.DataFrame,
    clusters: Sequence[str] = CLUSTERS,
    names: tuple[str, str] = ("blind", "shown"),
    is_share: bool = True,
) -> dict[str, Any]:
    """The mean of an outcome in two groups of rows, and their difference, second less first.

    A weighted regression on the two groups, with errors that allow for dependence within coders and within texts; few
    coders or texts have CR2 variances, and intervals by t with Satterthwaite's degrees of freedom. Shares have Wilson's
    limits with the number of independent answers that would give their variance (Korn and Graubard 1998).

    Parameters
    ----------
    rows
        `y`, `shown` (whether of the second group), `weight`, `coder` and `unit_id`.
    clusters
        `coder`, `unit_id`, or both.
    names
        Of the groups, in the names of the columns.
    is_share
        Whether the outcome is 0 or 1; of others there are means, and differences with their intervals.

    Examples
    --------
    >>> texts = [str(i) for i in range(100)]
    >>> rows = pl.DataFrame({"y": [1.0, 0.0] * 50, "shown": [True] * 50 + [False] * 50, "unit_id": texts})
    >>> cells = compared(rows.with_columns(weight=pl.lit(1.0), coder=pl.lit("anna")))
    >>> [round(cells[name], 3) for name in ("share_blind", "share_shown", "difference", "ci_low", "ci_high")]
    [0.5, 0.5, 0.0, -0.196, 0.196]
    """
    second = rows["shown"].to_numpy()
    groups = [~second, second]
    there = [i for i, mask in enumerate(groups) if mask.any()]
    cells: dict[str, Any] = dict.fromkeys(columns(*names))
    cells |= {f"n_{name}": int(mask.sum()) for name, mask in zip(names, groups, strict=True)}
    cells |= {"n_coders": rows["coder"].n_unique(), "n_texts": rows["unit_id"].n_unique()}
    if not there:
        return cells
    fit = _fit(rows, np.column_stack([groups[i] for i in there]).astype(float), clusters)
    limits: list[tuple[float, float]] = []
    for place, i in enumerate(there):
        texts = rows.filter(pl.Series(groups[i]))["unit_id"].n_unique()
        low_high = _share_limits(fit, place, len(there), texts) if is_share else (np.nan, np.nan)
        limits.append(low_high)
        figures = (fit.beta[place], *low_high)
        cells |= {f"{part}_{names[i]}": _known(x) for part, x in zip(OF_ONE[1:], figures, strict=True)}
    gap = _difference(fit, limits) if len(there) == 2 else {}
    if is_share and gap.get("ci_low") is not None:
        gap |= {"ci_low": max(gap["ci_low"], -1.0), "ci_high": min(gap["ci_high"], 1.0)}
    return cells | gap


def _fit(rows: pl.DataFrame, design: Floats, clusters: Sequence[str]) -> Fit:
    """The means, with variances by the clusters of which there are several."""
    y, weight = rows["y"].cast(pl.Float64).to_numpy(), rows["weight"].to_numpy()
    none = np.zeros((0, design.shape[1]))
    numbers = [rows[name].rank("dense").cast(pl.Int64).to_numpy() - 1 for name in clusters]
    several = [number for number in numbers if number.max() > 0]
    fits = []
    for kind in [*several, *([_both(*several)] if len(several) == 2 else [])]:
        sample = Sample(design, none, y[:, None], y[:, None], none[:, :1], np.zeros(0, int), np.zeros(0), weight, kind)
        fits.append(_naive(sample))
    if not fits:
        means = (design * (weight * y)[:, None]).sum(axis=0) / (design * weight[:, None]).sum(axis=0)
        return Fit(means, np.full((len(means), len(means)), np.nan), len(y))
    return two_ways(*fits) if len(fits) == 3 else fits[0]


def _naive(sample: Sample) -> Fit:
    """The regression; as many rows as groups, one in each, have means and no variance."""
    if sample.n > sample.design.shape[1]:
        return naive(LINEAR, sample, None)
    k = sample.design.shape[1]
    return Fit(sample.design.T @ sample.labels[:, 0], np.full((k, k), np.nan), sample.n)


def _both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The combinations of two kinds of clusters, numbered from 0."""
    return np.asarray(np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)[1].ravel())


def _reach(fit: Fit, contrast: Floats) -> tuple[float, float]:
    """How many standard errors an interval reaches, and the degrees of freedom that say so; normal without any."""
    df = float(fit.degrees(contrast[None, :])[0])
    return (float(t.ppf(SIDE, df)), df) if np.isfinite(df) and df > 0 else (float(norm.ppf(SIDE)), np.inf)


def _share_limits(fit: Fit, place: int, k: int, texts: int) -> tuple[float, float]:
    """Wilson's limits; where all answers are alike, those of as many answers as there are texts."""
    share, variance = float(np.clip(fit.beta[place], 0, 1)), float(fit.covariance[place, place])
    if np.isnan(variance):
        return np.nan, np.nan
    spread = share * (1 - share)
    alike = spread < ROUNDING or variance <= ROUNDING * spread
    n = float(texts) if alike else min(spread / variance, float(fit.n))
    reach = norm.ppf(SIDE) if alike else _reach(fit, np.eye(k)[place])[0]
    low, high = wilson(np.array([share]), np.array([n]), np.array([reach]))
    return float(low[0]), float(high[0])


def _difference(fit: Fit, limits: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The second mean less the first; where no answer differs within a group, by the limits of both (Newcombe 1998)."""
    contrast = np.array([-1.0, 1.0])
    gap, variance = float(contrast @ fit.beta), float(contrast @ fit.covariance @ contrast)
    if np.isnan(variance):
        return {"difference": gap}
    reach, df = _reach(fit, contrast)
    error = float(np.sqrt(max(variance, 0.0)))
    if error < ROUNDING:
        (low_1, high_1), (low_2, high_2) = limits
        below, above = (
            np.hypot(fit.beta[1] - low_2, high_1 - fit.beta[0]),
            np.hypot(high_2 - fit.beta[1], fit.beta[0] - low_1),
        )
        return {"difference": gap, "std_error": 0.0, "ci_low": _known(gap - below), "ci_high": _known(gap + above)}
    p = 2 * float(norm.sf(abs(gap) / error) if np.isinf(df) else t.sf(abs(gap) / error, df))
    figures = (gap, error, gap - reach * error, gap + reach * error, p, df)
    return {name: _known(value) for name, value in zip(OF_BOTH, figures, strict=True)}


def _known(value: float) -> float | None:
    """None for what has no number."""
    return float(value) if np.isfinite(value) else None
