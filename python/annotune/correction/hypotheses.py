"""Coefficients of a correction together: are several of them 0, and how large are sums and differences of them?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chi2, f, norm, t

from annotune.correction.families import Floats
from annotune.errors import AnnotuneError, listing, nearest

NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*\*\s*")
SIGN = re.compile(r"\s*([+-])\s*")
JOINT = {"method": pl.String, "terms": pl.String, "statistic": pl.Float64, "df": pl.Float64, "df_error": pl.Float64}
RANK = 1e-10  # of a covariance in units of its largest variance, below which a coefficient adds nothing


def wald(estimate: Floats, covariance: Floats, free: float) -> tuple[float, float, float | None, float]:
    """Whether q estimates are all 0: the statistic, its degrees of freedom, those of the error, and p.

    Wald's chi-squared; where errors have `free` degrees of freedom Hotelling's T-squared, as an F (Tipton and
    Pustejovsky 2015).

    Examples
    --------
    >>> [round(x, 3) for x in wald(np.array([2.0, 1.0]), np.eye(2), np.inf) if x is not None]
    [5.0, 2, 0.082]
    >>> [round(x, 3) for x in wald(np.array([2.0]), np.eye(1), 8.0)]  # the square of t
    [4.0, 1, 8.0, 0.081]
    """
    scale = np.sqrt(np.diag(covariance))
    unit = covariance / np.outer(scale, scale)
    q = int(np.linalg.matrix_rank(unit, tol=RANK, hermitian=True))
    standard = estimate / scale
    square = float(standard @ np.linalg.pinv(unit, rcond=RANK, hermitian=True) @ standard)
    if not np.isfinite(free):
        return square, q, None, float(chi2.sf(square, q))
    rest = free - q + 1
    if rest <= 0:
        what = f"{q} coefficients cannot be tested together with {free:.1f} degrees of freedom."
        raise AnnotuneError(what, "Join categories, or code texts of more clusters.")
    statistic = square * rest / (free * q)
    return statistic, q, rest, float(f.sf(statistic, q, rest))


def joint_test(
    estimates: pl.DataFrame,
    covariance: Mapping[str, Floats],
    df: Mapping[str, Floats],
    terms: str | Sequence[str],
) -> pl.DataFrame:
    """For each method whether all coefficients of these covariates or terms are 0; null where it has no estimates."""
    rows = []
    for method, part in _by_method(estimates):
        at = _places(part["term"].to_list(), [terms] if isinstance(terms, str) else list(terms))
        named = ", ".join(part["term"].gather(at).unique(maintain_order=True))
        values, spread = part["estimate"].cast(pl.Float64).to_numpy()[at], covariance[method][np.ix_(at, at)]
        known = np.isfinite(values).all() and np.isfinite(spread).all()
        figures = wald(values, spread, _degrees(df, method, at)) if known else (None,) * 4
        rows.append((method, named, *figures))
    return pl.DataFrame(rows, schema=JOINT | {"p_value": pl.Float64}, orient="row")


def contrast(
    estimates: pl.DataFrame,
    covariance: Mapping[str, Floats],
    df: Mapping[str, Floats],
    weights: str | Mapping[str, float],
    level: float,
) -> pl.DataFrame:
    """For each method, and each equation, a weighted sum of coefficients with its interval."""
    rows: list[dict[str, Any]] = []
    for method, part in _by_method(estimates):
        names = part["term"].unique(maintain_order=True).to_list()
        by_term = weights_of(weights, names) if isinstance(weights, str) else dict(weights)
        for name in by_term:
            if name not in names:
                raise AnnotuneError(f"There is no coefficient {name!r}.", nearest(name, names))
        for equation in part["equation"].unique(maintain_order=True):
            here = part["equation"].eq_missing(equation).to_numpy()
            weight = np.where(here, [by_term.get(term, 0.0) for term in part["term"]], 0.0)
            at = np.flatnonzero(weight)
            value = float(weight[at] @ part["estimate"].cast(pl.Float64).to_numpy()[at])
            error = float(np.sqrt(weight[at] @ covariance[method][np.ix_(at, at)] @ weight[at]))
            free = _degrees(df, method, at)
            law = t(free) if np.isfinite(free) else norm
            margin, statistic = float(law.ppf((1 + level) / 2)) * error, value / error if error > 0 else np.nan
            figures = {"estimate": value, "std_error": error, "statistic": statistic}
            figures |= {"p_value": float(2 * law.sf(abs(statistic)))}
            figures |= {"conf_low": value - margin, "conf_high": value + margin}
            rows.append({"method": method, "equation": equation, "contrast": in_words(by_term)} | figures)
    return pl.DataFrame(rows, schema_overrides={"equation": pl.String}, nan_to_null=True)


def weights_of(expression: str, names: Sequence[str]) -> dict[str, float]:
    """The weights of coefficients in a sum such as `party[Con] - 0.5 * party[Lib]`.

    >>> weights_of("party[Con] - 0.5 * party[A - B]", ["party[Con]", "party[A - B]"])
    {'party[Con]': 1.0, 'party[A - B]': -0.5}
    """
    weights: dict[str, float] = {}
    rest = expression.strip()
    while rest:
        sign = SIGN.match(rest)
        if weights and sign is None:
            break
        rest = rest[sign.end() :] if sign else rest
        number = NUMBER.match(rest)
        rest = rest[number.end() :] if number else rest
        fitting = [name for name in names if rest.startswith(name)]
        if not fitting:
            break
        term = max(fitting, key=len)
        step = (float(number[1]) if number else 1.0) * (-1 if sign and sign[1] == "-" else 1)
        weights[term] = weights.get(term, 0.0) + step
        rest = rest[len(term) :].strip()
    if rest or not weights:
        what = f"{expression!r} is no sum of coefficients: {rest!r} is none." if rest else "There is no coefficient."
        raise AnnotuneError(what, f"Such as {' - '.join(list(names)[-2:])!r}. There are: {listing(names)}.")
    return weights


def in_words(weights: Mapping[str, float]) -> str:
    """The sum as it is written.

    >>> in_words({"a": 1.0, "b": -0.5})
    'a - 0.5 * b'
    """
    parts = [
        f"{'-' if weight < 0 else '+'} {'' if abs(weight) == 1 else f'{abs(weight):g} * '}{term}"
        for term, weight in weights.items()
    ]
    return " ".join(parts).removeprefix("+ ")


def _by_method(estimates: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(str(method), part) for (method,), part in estimates.group_by("method", maintain_order=True)]


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The rows of these terms, or of all categories and interactions of a covariate."""
    places: list[int] = []
    for want in wanted:
        own = [i for i, name in enumerate(names) if name == want or name.startswith(f"{want}[")]
        if not own:
            known = [*(name.partition("[")[0] for name in names), *names]
            raise AnnotuneError(f"There is no coefficient of {want!r}.", nearest(want, dict.fromkeys(known)))
        places += [i for i in own if i not in places]
    if not places:
        raise AnnotuneError("No term is named to be tested.", f"There are: {listing(list(dict.fromkeys(names)))}.")
    return places


def _degrees(df: Mapping[str, Floats], method: str, at: Sequence[int] | np.ndarray) -> float:
    """The fewest degrees of freedom of these coefficients."""
    return float(np.min(np.asarray(df[method])[list(at)])) if method in df else np.inf
