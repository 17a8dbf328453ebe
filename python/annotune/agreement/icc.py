"""The six intraclass correlations of Shrout and Fleiss (1979), as functions of sums over units."""

from __future__ import annotations

from typing import Any

import numpy as np

from annotune.agreement.patterns import Floats, Patterns, Statistic

NAMES = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")


def icc(patterns: Patterns, values: Floats, name: str) -> Statistic:
    """An intraclass correlation of complete patterns by coder, with each category's value (q,).

    icc1: every unit has its own coders; icc2: the coders are a sample of coders; icc3: they are the only
    ones of interest. With a k at the end: the reliability of the k coders' mean.
    """
    x = values[patterns.rows]
    terms = np.column_stack([np.ones(len(x)), (x**2).sum(1), x.sum(1) ** 2, x])
    return Statistic(patterns, terms, lambda s: _coefficient(name, x.shape[1], s[..., 0], *mean_squares(s)))


def mean_squares(s: Any) -> tuple[Any, Any, Any, Any]:
    """Mean squares between units, between coders, of the rest, and within units."""
    units, squares, rows, by_coder = s[..., 0], s[..., 1], s[..., 2], s[..., 3:]
    k = by_coder.shape[-1]
    centre = by_coder.sum(-1) ** 2 / (units * k)
    between, coders = rows / k - centre, (by_coder**2).sum(-1) / units - centre
    within = squares - rows / k
    rest = within - coders
    return between / (units - 1), coders / (k - 1), rest / ((units - 1) * (k - 1)), within / (units * (k - 1))


def _coefficient(name: str, k: int, units: Any, msr: Any, msc: Any, mse: Any, msw: Any) -> Any:
    error = {"icc1": msw, "icc2": mse, "icc3": mse}[name[:4]]
    drift = (msc - mse) / units if name.startswith("icc2") else 0
    if name.endswith("k"):
        return (msr - error) / _defined(msr + drift)
    return (msr - error) / _defined(msr + (k - 1) * error + k * drift)


def _defined(number: Any) -> Any:
    return np.where(np.abs(number) < 1e-12, np.nan, number)


def f_interval(name: str, sums: Floats, level: float) -> tuple[float, float]:
    """The exact or Satterthwaite interval from F distributions (Shrout and Fleiss 1979; McGraw and Wong 1996)."""
    from scipy.stats import f

    n, k = float(sums[0]), len(sums) - 3
    msr, msc, mse, msw = (float(square) for square in mean_squares(sums))
    tail = (1 + level) / 2
    if name.startswith("icc2"):
        low, high = _agreement_limits(f, tail, n, k, msr, msc, mse)
    else:
        error, df = (msw, n * (k - 1)) if name.startswith("icc1") else (mse, (n - 1) * (k - 1))
        ratio = msr / error
        lowest, highest = ratio / f.ppf(tail, n - 1, df), ratio * f.ppf(tail, df, n - 1)
        low, high = (lowest - 1) / (lowest + k - 1), (highest - 1) / (highest + k - 1)
    if name.endswith("k"):
        low, high = (limit * k / (1 + limit * (k - 1)) for limit in (low, high))
    return float(low), float(high)


def _agreement_limits(f: Any, tail: float, n: float, k: int, msr: float, msc: float, mse: float) -> tuple[float, float]:
    rho = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    a, b = k * rho / (n * (1 - rho)), 1 + k * rho * (n - 1) / (n * (1 - rho))
    df = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    lower, upper = f.ppf(tail, n - 1, df), f.ppf(tail, df, n - 1)
    spread = k * msc + (k * n - k - n) * mse
    return n * (msr - lower * mse) / (lower * spread + n * msr), n * (upper * msr - mse) / (spread + n * upper * msr)
