"""Standard errors and 95 % intervals for any statistic of patterns: by the bootstrap, or by the delta method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from annotune.agreement.patterns import Floats, Ints, Statistic

Method = Literal["bootstrap", "analytic", "gwet"]

LEVEL = 0.95
CHUNK = 2**22  # numbers held at once: 32 MB
STEP = 1e-20  # of the complex-step derivative, which is free of cancellation error


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error and interval; None where not defined. `lost`: replicates without a value."""

    estimate: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    lost: int = 0


def interval(
    statistic: Statistic, method: Method, n_boot: int, seed: int, df: int, bounds: tuple[float, float] = (-np.inf, 1.0)
) -> Interval:
    """The estimate with its standard error and 95 % interval.

    The analytic interval is estimate +- t(df) * se, cut at `bounds`. The bootstrap's is bias-corrected
    and accelerated (Efron 1987), the acceleration taken from the influences of the units.
    """
    estimate = statistic.estimate()
    if not np.isfinite(estimate):
        return Interval(None)
    freq = statistic.patterns.freq
    held = replace(statistic, value=statistic.held) if method == "gwet" and statistic.held else statistic
    influence = influences(held)
    if freq.sum() < 2 or not np.abs(influence).max() >= 1e-9:
        return Interval(estimate)
    if method != "bootstrap":
        from scipy.stats import t

        se = float(np.sqrt(freq.sum() / (freq.sum() - 1) * (freq @ influence**2)))
        reach = float(t.ppf((1 + LEVEL) / 2, df)) * se
        return Interval(estimate, se, max(estimate - reach, bounds[0]), min(estimate + reach, bounds[1]))
    with np.errstate(invalid="ignore", divide="ignore"):
        every = np.concatenate([statistic.value(sums) for sums in resampled(statistic, n_boot, seed)])
    replicates = every[np.isfinite(every)]
    if len(replicates) < n_boot / 2:
        return Interval(estimate, lost=n_boot - len(replicates))
    low, high = _accelerated(estimate, replicates, freq, influence)
    return Interval(estimate, float(replicates.std(ddof=1)), low, high, n_boot - len(replicates))


def influences(statistic: Statistic) -> Floats:
    """The influence of one more unit of each pattern on the estimate (P,), by the complex-step derivative."""
    freq, terms = statistic.patterns.freq, statistic.terms
    sums = freq @ terms
    if terms.shape[0] < len(sums):
        influence = _slopes(statistic, sums, terms)
    else:
        influence = terms @ _slopes(statistic, sums, np.eye(len(sums)))
    return np.asarray(influence - freq @ influence / freq.sum())


def _slopes(statistic: Statistic, sums: Floats, directions: Any) -> Floats:
    parts = []
    for part in _chunks(len(sums), directions.shape[0]):
        ways = directions[part]
        step = sums + 1j * STEP * (ways if isinstance(ways, np.ndarray) else ways.toarray())
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(statistic.value(step).imag / STEP)
    return np.concatenate(parts)


def resampled(statistic: Statistic, n_boot: int, seed: int) -> Iterator[Floats]:
    """Sums over n_boot samples of the original size, drawn with replacement, in chunks (b x K).

    A sample is one multinomial draw over patterns; where nearly every unit is its own pattern, drawing
    units is faster.
    """
    rng = np.random.default_rng(seed)
    freq = statistic.patterns.freq
    units = int(freq.sum())
    for part in _chunks(max(statistic.terms.shape), n_boot):
        size = part.stop - part.start
        if len(freq) < units / 4:
            drawn = rng.multinomial(units, freq / units, size=size)
        else:
            pattern = np.repeat(np.arange(len(freq)), freq)
            drawn = np.stack(
                [np.bincount(pattern[rng.integers(0, units, units)], minlength=len(freq)) for _ in range(size)]
            )
        yield drawn.astype(float) @ statistic.terms


def _chunks(width: int, rows: int) -> list[slice]:
    step = max(1, CHUNK // max(width, 1))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _accelerated(estimate: float, replicates: Floats, freq: Ints, influence: Floats) -> tuple[float, float]:
    from scipy.stats import norm

    below = (np.mean(replicates < estimate) + np.mean(replicates <= estimate)) / 2
    bias = norm.ppf(np.clip(below, 1 / len(replicates), 1 - 1 / len(replicates)))
    skew = (freq @ influence**3) / (6 * (freq @ influence**2) ** 1.5)
    tail = norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + bias
    low, high = np.quantile(replicates, norm.cdf(bias + tail / (1 - skew * tail)))
    return float(low), float(high)
