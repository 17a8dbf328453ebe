"""Agreement of pairs of coders, on single categories, and of people with models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement import coefficients as co
from annotune.agreement.estimators import ONE_CATEGORY, Level, NotDefined, agreement_weights, plan
from annotune.agreement.intervals import Method
from annotune.agreement.patterns import Floats, Patterns, Statistic, counts, distinct, restricted
from annotune.agreement.ratings import Ratings
from annotune.agreement.reliability import Options, by_label, described, each, framed, measure, measured_by
from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError, nearest
from annotune.numbers import p_equals

SIDED = ("percent", "weighted_percent", "scott_pi", "brennan_prediger", "ac1", "ac2", "alpha")


def pairwise_reliability(
    codings: Any,
    variable: str | None = None,
    codebook: Codebook | None = None,
    level: Level | None = None,
    metrics: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    ci: Method = "bootstrap",
    n_boot: int = 1000,
    cluster: str | None = None,
    seed: int = 1,
) -> pl.DataFrame:
    """Agreement of each pair of coders, on the units that both have coded.

    Parameters are those of `reliability`; by default percent, Cohen's kappa and alpha are computed.
    `coder_a` and `coder_b` name the pair, n_units counts the units that either has coded, n_pairable those that
    both have coded. Pairs without a common unit have a row with a null estimate and a note.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxy"), "ben": list("xyyy"), "cem": list("xyxy")})
    >>> table = at.pairwise_reliability(at.read_codings(wide, variable="v"), metrics=["percent"])
    >>> table.select("coder_a", "coder_b", "estimate").rows()
    [('ann', 'ben', 0.75), ('ann', 'cem', 1.0), ('ben', 'cem', 0.75)]
    """
    options, rows = Options(ci, n_boot, cluster, seed), []
    for group, ratings in each(codings, variable, codebook, by, cluster, None):
        chosen = plan(ratings, metrics or ["percent", "cohen_kappa", "alpha"], level)
        if len(ratings.coders) < 2:  # rows whose note says why there is no pair
            rows += [group | measure(ratings, metric, scale, level, options) for metric, scale in chosen]
        for a, b in combinations(range(len(ratings.coders)), 2):
            two = ratings.only((ratings.coder == a) | (ratings.coder == b))
            names = {"coder_a": ratings.coders[a], "coder_b": ratings.coders[b]}
            rows += [group | measure(two, metric, scale, level, options) | names for metric, scale in chosen]
    return framed(rows, by)


def category_reliability(
    codings: Any,
    variable: str | None = None,
    codebook: Codebook | None = None,
    metrics: str | Sequence[str] = ("percent", "fleiss_kappa", "alpha"),
    by: str | Sequence[str] | None = None,
    ci: Method = "bootstrap",
    n_boot: int = 1000,
    cluster: str | None = None,
    seed: int = 1,
) -> pl.DataFrame:
    """Agreement on each category against all others: which labels do coders find difficult?

    Parameters are those of `reliability`. `category` names the label; for a multi-label variable the question is
    whether the label was given.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxz"), "ben": list("xyyz")})
    >>> table = at.category_reliability(at.read_codings(wide, variable="v"), metrics=["alpha"])
    >>> table.select("category", pl.col("estimate").round(2)).rows()
    [('x', 0.53), ('y', 0.53), ('z', 1.0)]
    """
    options, rows = Options(ci, n_boot, cluster, seed), []
    for group, ratings in each(codings, variable, codebook, by, cluster):
        rows += [group | row for row in by_label(ratings, metrics, options)]
    return framed(rows, by)


def compare_reliability(
    codings: Any,
    models: str | Sequence[str],
    variable: str | None = None,
    codebook: Codebook | None = None,
    level: Level | None = None,
    metrics: str | Sequence[str] = ("percent", "alpha"),
    by: str | Sequence[str] | None = None,
    ci: Method = "bootstrap",
    n_boot: int = 1000,
    cluster: str | None = None,
    seed: int = 1,
) -> pl.DataFrame:
    """Do people agree with a model as much as with each other?

    Two draws are compared: two people who coded the unit, and one of them and the model. Both are taken from the
    same units (those that the model and two people coded) and the same bootstrap replicates, so that
    the difference has its own interval.

    Parameters that are not named here are those of `reliability`.

    Parameters
    ----------
    models
        The coder, or coders, to be compared with all the others.
    metrics
        Of `percent`, `scott_pi`, `brennan_prediger`, `ac1`, `ac2`, `alpha`.

    Returns
    -------
    polars.DataFrame
        Three rows per model and metric: people with people, people with the model, and `<metric>_difference`, the
        second minus the first, with its two-sided p-value in the note.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxy"), "ben": list("xyyy"), "model": list("xyxx")})
    >>> table = at.compare_reliability(at.read_codings(wide, variable="v"), "model", metrics=["percent"])
    >>> table.select("metric", "coder_b", "estimate").rows()
    [('percent', 'people', 0.75), ('percent', 'model', 0.625), ('percent_difference', 'model', -0.125)]
    """
    options, rows = over_units(ci, n_boot, cluster, seed), []
    names = [models] if isinstance(models, str) else list(models)
    if not names:
        raise AnnotuneError("No model was named.", "Name the coders to compare with all others.")
    for group, ratings in each(codings, variable, codebook, by, cluster, names):
        require_coders(names, ratings.coders)
        for metric, scale in sided_plan(ratings, metrics, level):
            for name in names:
                rows += [group | row for row in _compared(ratings, names, name, metric, scale, level, options)]
    return framed(rows, by)


def over_units(ci: Method, n_boot: int, cluster: str | None, seed: int) -> Options:
    """Options for comparisons of named coders, for which the jackknife over coders is not defined."""
    if cluster == "coder":
        raise AnnotuneError("These coefficients are about particular coders.", "Leave out cluster='coder'.")
    return Options(ci, n_boot, cluster, seed)


def require_coders(names: Sequence[str], coders: Sequence[str]) -> None:
    """Stop at a name that is no coder's."""
    for name in names:
        if name not in coders:
            raise AnnotuneError(f"There is no coder {name!r}.", nearest(name, coders))


def sided_plan(ratings: Ratings, metrics: str | Sequence[str], level: Level | None) -> list[tuple[str, str]]:
    """The metrics to compute with their levels, all of them defined for two groups of coders."""
    chosen = plan(ratings, metrics, level)
    for metric, _ in chosen:
        if metric not in SIDED:
            raise AnnotuneError(f"The metric {metric!r} does not compare groups of coders.", nearest(metric, SIDED))
    return chosen


def _compared(
    ratings: Ratings, models: Sequence[str], model: str, metric: str, scale: str, level: Level | None, options: Options
) -> Iterator[dict[str, Any]]:
    """People with people, people with the model, and the difference."""
    people = np.array([coder not in models for coder in ratings.coders])
    mine = np.array([coder == model for coder in ratings.coders])
    patterns, first, second = two_groups(ratings, people, mine, fewest=2)
    row = described(ratings, metric, scale) | {"coder_a": "people", "n_pairable": int(patterns.freq.sum())}
    row["n_coders"] = int(people.sum()) + 1
    try:
        if not len(patterns.freq):
            raise NotDefined("no unit was coded by the model and by two people")
        own = sided(patterns, ratings, first, None, metric, scale, level)
        cross = sided(patterns, ratings, first, second, metric, scale, level)
    except NotDefined as reason:
        yield row | {"coder_b": model, "note": str(reason)}
        return
    gap = co.combined([own, cross], lambda both: both[1] - both[0])
    yield row | {"coder_b": "people", "n_coders": int(people.sum())} | measured_by(own, ratings, options, metric)
    yield row | {"coder_b": model} | measured_by(cross, ratings, options, metric)
    measured = measured_by(gap, ratings, options)
    yield row | {"coder_b": model, "metric": f"{metric}_difference"} | measured | {"note": _two_sided_test(measured)}


def _two_sided_test(measured: dict[str, Any]) -> str | None:
    from scipy.stats import norm

    if measured["se"] is None:
        return None if measured["note"] is None else str(measured["note"])
    p = 2 * float(norm.sf(abs(measured["estimate"]) / measured["se"]))
    return f"people with the model minus people with people: two-sided {p_equals(p)} (Wald)"


def two_groups(ratings: Ratings, one: Any, other: Any, fewest: int) -> tuple[Patterns, Floats, Floats]:
    """Patterns of units by two groups of coders (masks) with `fewest` codings and one; counts of each."""
    q, crossed = len(ratings.categories), ratings.crossed
    first, second = np.sort(crossed[:, one], axis=1), np.sort(crossed[:, other], axis=1)
    patterns = distinct(np.column_stack([first, second]))
    both = [counts(part, q) for part in np.split(patterns.rows, [first.shape[1]], axis=1)]
    keep = (both[0].sum(1) >= fewest) & (both[1].sum(1) >= 1)
    return restricted(patterns, keep), both[0][keep], both[1][keep]


def sided(
    patterns: Patterns,
    ratings: Ratings,
    first: Floats,
    second: Floats | None,
    metric: str,
    scale: str,
    level: Level | None,
) -> Statistic:
    """A coefficient of draws from `first`, or from `first` and `second`; `NotDefined` where it has no value."""
    used = (first if second is None else first + second).any(0)
    if metric != "percent" and used.sum() == 1:
        raise NotDefined(ONE_CATEGORY)
    if metric == "alpha" and scale == "ordinal":
        terms = co.side_coincidences(first, second) if second is not None else co.coincidences(first, even=True)
        return co.alpha_ordinal(patterns, terms, first.shape[1])
    weights = agreement_weights(ratings, scale, level)
    sides = co.within(first, weights) if second is None else co.between(first, second, weights)
    return co.of_sides(patterns, sides, weights, metric)
