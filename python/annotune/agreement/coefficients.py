"""Every coefficient as a function of sums over patterns.

Two families: coefficients of the *counts* of a unit (how many codings in each category, whoever gave
them), and coefficients of *two sides* (one coder and another, or two groups of coders).
Complex sums give the derivatives, and a `.real` holds a part of a formula fixed in them. Gwet's (2014)
standard errors hold the number of pairable units fixed, and alpha's its small-sample correction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annotune.agreement.patterns import Floats, Ints, Patterns, Statistic, Value, counts

Expected = Callable[[Any, Floats], Any]  # agreement by chance, from shares (..., q) and weights (q x q)


def expect_fleiss(shares: Any, weights: Floats) -> Any:
    """Two draws from the pooled distribution of categories (Fleiss 1971; for two coders Scott 1955)."""
    return ((shares @ weights) * shares).sum(-1)


def expect_uniform(shares: Any, weights: Floats) -> Any:
    """Two draws from the uniform distribution of categories (Brennan and Prediger 1981)."""
    return weights.mean() + 0 * shares.sum(-1)


def expect_gwet(shares: Any, weights: Floats) -> Any:
    """Chance agreement among hard units (Gwet 2008: AC1; 2014: AC2)."""
    q = weights.shape[0]
    return weights.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum(-1)


def percent(patterns: Patterns, table: Floats, weights: Floats) -> Statistic:
    """The share of pairs of codings of a unit that agree, averaged over units."""
    pairable, agree = _share_agreeing(table, weights)
    terms = np.column_stack([pairable, agree])
    return Statistic(patterns, terms, lambda s: s[..., 1] / s[..., 0], lambda s: s[..., 1] / s[..., 0].real)


def corrected(patterns: Patterns, table: Floats, weights: Floats, expected: Expected) -> Statistic:
    """A chance-corrected coefficient of counts (P x q): Fleiss, Brennan-Prediger, AC1 and AC2."""
    pairable, agree = _share_agreeing(table, weights)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    terms = np.column_stack([pairable, agree, shares])

    def by_chance(s: Any) -> Any:
        return expected(s[..., 2:] / s[..., 2:].sum(-1, keepdims=True), weights)

    return _above_chance(patterns, terms, by_chance)


def conger(patterns: Patterns, weights: Floats) -> Statistic:
    """Conger's (1980) kappa of patterns by coder: chance is two different coders' own distributions."""
    q, coders = weights.shape[0], patterns.rows.shape[1]
    pairable, agree = _share_agreeing(counts(patterns.rows, q), weights)
    own = (patterns.rows[:, :, None] == np.arange(q)).reshape(len(patterns.rows), -1)
    terms = np.column_stack([pairable, agree, own])

    def by_chance(s: Any) -> Any:
        by_coder = s[..., 2:].reshape(*s.shape[:-1], coders, q)
        n_codings = by_coder.sum(-1, keepdims=True)
        shares = by_coder / np.where(n_codings == 0, 1, n_codings)
        total, same = shares.sum(-2), expect_fleiss(shares, weights).sum(-1)
        present = (n_codings != 0).sum((-1, -2))  # a replicate may lack a coder of few units
        return (expect_fleiss(total, weights) - same) / (present * (present - 1))

    return _above_chance(patterns, terms, by_chance)


def _share_agreeing(table: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Whether each pattern has two codings, and the share of its pairs that agree."""
    n = table.sum(1)
    same = ((table @ weights) * table).sum(1) - table @ np.diag(weights)
    return (n >= 2).astype(float), same / np.maximum(n * (n - 1), 1)


def _above_chance(patterns: Patterns, terms: Floats, by_chance: Value) -> Statistic:
    """Agreement beyond chance, from terms that begin with whether a unit has a pair and how far it agrees."""

    def value(s: Any, pairable: Any) -> Any:
        chance = by_chance(s)
        return _divide(s[..., 1] - chance * s[..., 0], pairable * (1 - chance))

    return Statistic(patterns, terms, lambda s: value(s, s[..., 0]), lambda s: value(s, s[..., 0].real))


def _divide(a: Any, b: Any) -> Any:
    """a / b, and NaN where b is zero up to rounding: the coefficient is not defined there."""
    return a / np.where(np.abs(b) < 1e-12, np.nan, b)


def alpha(patterns: Patterns, table: Floats, distance: Floats) -> Statistic:
    """Krippendorff's (2019) alpha for a fixed distance (q x q), of counts (P x q) with two codings or more each."""
    apart = ((table @ distance) * table).sum(1) / (table.sum(1) - 1)
    terms = np.column_stack([apart, table])
    return Statistic(
        patterns, terms, lambda s: _alpha_of_sums(s[..., 0], s[..., 1:].sum(-1), _expected_spread(s[..., 1:], distance))
    )


def _expected_spread(totals: Any, distance: Floats) -> Any:
    return ((totals @ distance) * totals).sum(-1)


def _alpha_of_sums(apart: Any, n: Any, spread: Any) -> Any:
    """1 - observed / expected disagreement, from n values with the summed distances `apart` and `spread`."""
    quotient = _divide(apart / n, spread / n**2)
    return 1 - quotient + quotient.real / n.real


def alpha_of_moments(patterns: Patterns, n: Floats, total: Floats, squares: Floats) -> Statistic:
    """Interval alpha from each unit's number of values, their sum, and their sum of squares: no table of values."""
    apart = 2 * (n * squares - total**2) / np.maximum(n - 1, 1)
    terms = np.column_stack([apart, n, total, squares]) * (n >= 2)[:, None]

    def value(s: Any) -> Any:
        return _alpha_of_sums(s[..., 0], s[..., 1], 2 * (s[..., 1] * s[..., 3] - s[..., 2] ** 2))

    return Statistic(patterns, terms, value)


def alpha_ordinal(patterns: Patterns, coincidences: Any, categories: int) -> Statistic:
    """Krippendorff's ordinal alpha from coincidences (P x q*q, sparse).

    The ordinal metric is the squared difference of the categories' mid-ranks, and these move with
    every replicate.
    """

    def value(s: Any) -> Any:
        table = s.reshape(*s.shape[:-1], categories, categories)
        n_c = table.sum(-1)
        rank = np.cumsum(n_c, -1) - n_c / 2
        n, row = n_c.sum(-1), (n_c * rank**2).sum(-1)
        apart = 2 * (row - ((table @ rank[..., None])[..., 0] * rank).sum(-1))
        return _alpha_of_sums(apart, n, 2 * (n * row - (n_c * rank).sum(-1) ** 2))

    return Statistic(patterns, coincidences, value)


def coincidences(table: Floats, even: bool = False) -> Any:
    """Krippendorff's coincidences of each pattern's values, from its counts (P x q*q, sparse).

    A unit has the weight of its number of codings, or with `even` a weight of two.
    """
    from scipy import sparse

    q, n = table.shape[1], table.sum(1, keepdims=True)
    per_pair = table / np.maximum(n - 1, 1) * (n >= 2) * (2 / np.maximum(n, 1) if even else 1)
    return sparse.hstack(
        [sparse.csr_array(per_pair * (table[:, [c]] - (np.arange(q) == c))) for c in range(q)], format="csr"
    )


def within(table: Floats, weights: Floats) -> Floats:
    """Two draws from the codings of a unit (P x 2+2q): is there a pair, does it agree, and the shares of both."""
    pairable, agree = _share_agreeing(table, weights)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1) * pairable[:, None]
    return np.column_stack([pairable, agree, shares, shares])


def between(first: Floats, second: Floats, weights: Floats) -> Floats:
    """A draw from one group's codings of a unit and one from another's, as for `within`."""
    n, m = first.sum(1, keepdims=True), second.sum(1, keepdims=True)
    both = (n * m > 0).astype(float)
    row, column = first / np.maximum(n, 1) * both, second / np.maximum(m, 1) * both
    return np.column_stack([both, ((row @ weights) * column).sum(1), row, column])


def of_sides(patterns: Patterns, sides: Floats, weights: Floats, metric: str) -> Statistic:
    """A coefficient of two sides: percent or weighted_percent, cohen_kappa, one of `POOLED`, or alpha."""
    q = weights.shape[0]

    def value(s: Any) -> Any:
        units, agree = s[..., 0], s[..., 1] / s[..., 0]
        row, column = s[..., 2 : 2 + q] / units[..., None], s[..., 2 + q :] / units[..., None]
        if metric in ("percent", "weighted_percent"):
            return agree
        if metric == "cohen_kappa":
            return 1 - _divide(1 - agree, 1 - ((row @ weights) * column).sum(-1))
        by_chance = POOLED[metric]((row + column) / 2, weights)
        quotient = _divide(1 - agree, 1 - by_chance)
        return 1 - quotient + (quotient.real / (2 * units.real) if metric == "alpha" else 0)

    return Statistic(patterns, sides, value)


POOLED: dict[str, Expected] = {
    "scott_pi": expect_fleiss,
    "alpha": expect_fleiss,
    "fleiss_kappa": expect_fleiss,
    "brennan_prediger": expect_uniform,
    "ac1": expect_gwet,
    "ac2": expect_gwet,
}


def side_coincidences(first: Floats, second: Floats) -> Any:
    """Coincidences of a draw from each of two groups of codings (P x q*q), for ordinal alpha."""
    from scipy import sparse

    n, m = first.sum(1, keepdims=True), second.sum(1, keepdims=True)
    row, column = first / np.maximum(n, 1) * (m > 0), second / np.maximum(m, 1) * (n > 0)
    cells = row[:, :, None] * column[:, None, :]
    return sparse.csr_array((cells + cells.transpose(0, 2, 1)).reshape(len(first), -1))


def light(patterns: Patterns, weights: Floats) -> Statistic:
    """Light's (1971) kappa of patterns by coder: the mean of Cohen's kappa over all pairs that share units."""
    q = weights.shape[0]
    single = [counts(column[:, None], q) for column in patterns.rows.T]
    pairs = [(a, b) for b in range(len(single)) for a in range(b)]
    parts = [of_sides(patterns, between(single[a], single[b], weights), weights, "cohen_kappa") for a, b in pairs]
    return combined(parts, lambda values: np.where(np.isfinite(values), values, 0).sum(0) / np.isfinite(values).sum(0))


def combined(parts: Sequence[Statistic], value: Value) -> Statistic:
    """`value` of several statistics of the same patterns; all of them share each replicate."""
    from scipy import sparse

    terms = sparse.hstack([sparse.csr_array(part.terms) for part in parts], format="csr")
    ends = np.cumsum([part.terms.shape[1] for part in parts])[:-1]

    def of_all(s: Any) -> Any:
        return value(np.stack([part.value(sums) for part, sums in zip(parts, np.split(s, ends, axis=-1), strict=True)]))

    return Statistic(parts[0].patterns, terms, of_all)


def fleiss_against_chance(table: Floats, freq: Ints) -> float | None:
    """z of Fleiss' kappa under chance (Fleiss, Nee and Landis 1979), where each unit has as many codings."""
    n = table.sum(1)
    coders, units = n[0], freq.sum()
    if (n != coders).any() or coders < 2:
        return None
    share = freq @ table / (units * coders)
    spread = (share * (1 - share)).sum()
    if spread == 0:
        return None
    skew = (share * (1 - share) * (1 - 2 * share)).sum()
    variance = 2 * (spread**2 - skew) / (units * coders * (coders - 1) * spread**2)
    kappa = corrected(
        Patterns(table.astype(np.int64), freq, freq), table, np.eye(table.shape[1]), expect_fleiss
    ).estimate()
    return float(kappa / np.sqrt(variance))
