"""From a metric's name and its level of measurement to a statistic of the ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annotune.agreement import coefficients as co
from annotune.agreement import distances, icc
from annotune.agreement.patterns import ABSENT, Floats, Statistic, counts, distinct, restricted
from annotune.agreement.ratings import Ratings
from annotune.data.hierarchy import NO_HIERARCHY
from annotune.errors import AnnotuneError, nearest

Distance = Callable[[Any, Any], float]
Level = str | Distance

KAPPAS = ("cohen_kappa", "scott_pi", "fleiss_kappa", "conger_kappa", "light_kappa", "brennan_prediger", "ac1", "ac2")
SHARES = ("percent", "weighted_percent")
METRICS = (*SHARES, *KAPPAS, "alpha", *icc.NAMES)
FOR_TWO = ("cohen_kappa", "scott_pi")
LEVELS = ("nominal", "ordinal", "interval", "ratio", "linear", "quadratic", "gwet_ordinal", "masi", "jaccard", "tree")
MOST_VALUES = 2_000  # the distance of each pair is held in memory
MOST_RANKS = 200
ONE_CODER = "one coder, so there is no agreement to measure. Have a second person code some of the texts."
ONE_CATEGORY = "all codings are in one category: agreement beyond chance is not defined"


class NotDefined(Exception):
    """The reason why a coefficient is not defined for these codings, noted in its row."""


def plan(ratings: Ratings, metrics: str | Sequence[str] | None, level: Level | None) -> list[tuple[str, str]]:
    """The metrics to compute, each with its level."""
    name = _level(ratings, level)
    names = _defaults(ratings, name) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise AnnotuneError("No metric was named.", f"There are: {', '.join(METRICS)}.")
    every = [one for metric in names for one in (icc.NAMES if metric == "icc" else (metric,))]
    for metric in every:
        if metric not in METRICS:
            raise AnnotuneError(f"There is no metric {metric!r}.", nearest(str(metric), ["icc", *METRICS]))
    return [(metric, scale) for metric in every for scale in _scales(metric, name, ratings, level)]


def _level(ratings: Ratings, level: Level | None) -> str:
    """The level's name, refused where the codebook does not carry it."""
    if level is None:
        return {"nominal": "nominal", "ordinal": "ordinal", "multilabel": "masi"}[ratings.kind]
    if callable(level):
        return "custom"
    if level not in LEVELS:
        raise AnnotuneError(f"There is no level {level!r}.", nearest(str(level), LEVELS))
    who = f"The variable {ratings.variable!r}"
    if (level in ("masi", "jaccard")) != (ratings.kind == "multilabel") and level != "nominal":
        if ratings.kind == "multilabel":
            what, advice = f"{who} is multi-label, and the level is {level!r}.", "Choose nominal, masi or jaccard."
        else:
            what, advice = f"{who} is not multi-label, and the level is {level!r}.", "Choose a level for single labels."
        raise AnnotuneError(what, advice)
    if level == "tree":
        if ratings.paths is None:
            raise AnnotuneError(f"{who} has no labels with a parent, and the level is 'tree'.", NO_HIERARCHY)
        return level
    ordered = ratings.kind == "ordinal" or (not ratings.listed and ratings.codes is not None)
    if level not in ("nominal", "masi", "jaccard") and not ordered:
        advice = "Give it the kind ordinal there" if ratings.listed else "Give a codebook with the kind ordinal"
        raise AnnotuneError(f"{who} has labels without an order, and the level is {level!r}.", f"{advice}.")
    return level


def _defaults(ratings: Ratings, level: str) -> list[str]:
    kappa = "cohen_kappa" if len(ratings.coders) == 2 else "fleiss_kappa"
    if level in ("interval", "ratio"):
        return ["percent", "alpha", "icc"]
    if level in ("masi", "jaccard", "custom"):
        return ["percent", "alpha"]
    return ["percent", "alpha", kappa, "ac1" if level == "nominal" else "ac2"]


def _scales(metric: str, level: str, ratings: Ratings, requested_level: Level | None) -> list[str]:
    if metric in ("percent", "ac1"):
        return ["nominal"]
    if metric in icc.NAMES:
        return ["ordinal" if level in ("linear", "quadratic", "gwet_ordinal") else level]
    if metric in ("alpha", "weighted_percent") and requested_level is None and ratings.kind == "multilabel":
        return ["masi", "jaccard"]
    if metric in ("alpha", "weighted_percent") and requested_level is None and ratings.paths is not None:
        return [level, "tree"] if metric == "alpha" else ["tree"]
    if metric == "alpha":
        return [level]
    if level == "ordinal":  # Krippendorff's ordinal metric moves with the margins, so it gives no fixed weights
        return ["quadratic"] if metric == "ac2" else ["linear", "quadratic"]
    return [level]


def distance(ratings: Ratings, scale: str, custom: Level | None = None) -> Floats:
    """The distance between each pair of categories (q x q)."""
    q = len(ratings.categories)
    if q > MOST_VALUES:
        raise NotDefined(f"more than {MOST_VALUES:,} different values: take level='interval' or fewer categories")
    positions = np.arange(q, dtype=float)
    if scale == "custom" and callable(custom):
        return _custom(custom, ratings.categories)
    if scale in ("masi", "jaccard"):
        return {"masi": distances.masi, "jaccard": distances.jaccard}[scale](ratings.categories)
    if scale == "tree" and ratings.paths is not None:
        return distances.tree(ratings.paths)
    if scale in ("interval", "ratio"):
        return {"interval": distances.interval, "ratio": distances.ratio}[scale](_values(ratings, scale))
    if scale in ("linear", "quadratic"):
        return {"linear": distances.linear, "quadratic": distances.interval}[scale](positions)
    return distances.gwet_ordinal(q) if scale == "gwet_ordinal" else distances.nominal(q)


def _custom(function: Distance, categories: Sequence[Any]) -> Floats:
    advice = "Correct the function passed as level=."
    try:
        table = distances.custom(function, categories)
    except Exception as error:  # whatever the user's function does
        raise AnnotuneError(f"The custom distance fails on the labels: {error}.", advice) from error
    apart = table[~np.eye(len(table), dtype=bool)]
    sound = np.isfinite(table).all() and (np.diag(table) == 0).all() and (table == table.T).all()
    if not sound or (apart < 0).any() or (len(apart) and not apart.any()):
        raise AnnotuneError(
            "The custom distance is not a distance: it must be 0 from a label to itself, never negative, "
            "symmetric, and not 0 throughout.",
            advice,
        )
    return table


def _values(ratings: Ratings, scale: str) -> Floats:
    """The value of each category: its code at interval and ratio level, its rank otherwise."""
    if scale not in ("interval", "ratio") or ratings.codes is None:
        return np.arange(len(ratings.categories), dtype=float)
    if scale == "ratio" and (ratings.codes < 0).any():
        raise AnnotuneError("Level 'ratio' needs values that are not negative.", "Take level='interval'.")
    return ratings.codes


def agreement_weights(ratings: Ratings, scale: str, custom: Level | None = None) -> Floats:
    """1 minus the distance, relative to the largest distance where it is not bounded by 1."""
    table = distance(ratings, scale, custom)
    return 1 - table if scale in ("nominal", "masi", "jaccard", "tree") else distances.weights(table)


def statistic(ratings: Ratings, metric: str, scale: str, custom: Level | None = None) -> Statistic:
    """The metric at its level as a statistic of the ratings.

    Raises
    ------
    NotDefined
        With the reason, where these codings give the metric no value.
    """
    require_pairs(ratings, metric)
    if metric == "alpha":
        return _alpha_at_level(ratings, scale, custom)
    if metric in icc.NAMES:
        return _icc(ratings, metric, scale)
    weights = agreement_weights(ratings, scale, custom)
    if metric in SHARES:
        return co.percent(ratings.slots, ratings.table, weights)
    if metric in FOR_TWO:
        return _of_two(ratings, metric, weights)
    if metric in ("conger_kappa", "light_kappa"):
        return {"conger_kappa": co.conger, "light_kappa": co.light}[metric](distinct(ratings.crossed), weights)
    return co.corrected(ratings.slots, ratings.table, weights, co.POOLED[metric])


def require_pairs(ratings: Ratings, metric: str) -> None:
    """Raise `NotDefined` where no two coders share a unit, or where the coefficient is not defined."""
    coders = len(ratings.coders)
    if not len(ratings.unit):
        raise NotDefined("no unit has a coding")
    if metric in FOR_TWO and coders > 2:
        other = {"cohen_kappa": "light_kappa is its mean", "scott_pi": "fleiss_kappa generalises it"}[metric]
        raise NotDefined(f"for two coders, and there are {coders}: {other}, pairwise_reliability has each pair")
    if coders < 2:
        raise NotDefined(ONE_CODER)
    if ratings.n_codings.max() < 2:
        raise NotDefined("no unit was coded by two coders")
    if metric not in SHARES and len(np.unique(ratings.value[ratings.n_codings[ratings.unit] > 1])) == 1:
        raise NotDefined(ONE_CATEGORY)


def _of_two(ratings: Ratings, metric: str, weights: Floats) -> Statistic:
    """A coefficient of two coders on the units that both have coded."""
    patterns = distinct(ratings.crossed)
    patterns = restricted(patterns, (patterns.rows != ABSENT).all(1))
    one, other = (counts(column[:, None], weights.shape[0]) for column in patterns.rows.T)
    return co.of_sides(patterns, co.between(one, other, weights), weights, metric)


def _alpha_at_level(ratings: Ratings, scale: str, custom: Level | None) -> Statistic:
    pairable = (ratings.slots.rows != ABSENT).sum(1) > 1
    patterns = restricted(ratings.slots, pairable)
    if scale == "interval":
        values = _values(ratings, scale)
        present = patterns.rows != ABSENT
        x = np.where(present, (values - values[ratings.value].mean())[patterns.rows], 0.0)
        return co.alpha_of_moments(patterns, present.sum(1).astype(float), x.sum(1), (x**2).sum(1))
    if scale == "ordinal":
        used = np.flatnonzero(np.bincount(ratings.value))
        if len(used) > MOST_RANKS:
            raise NotDefined(f"more than {MOST_RANKS} different ranks: take level='interval'")
        return co.alpha_ordinal(patterns, co.coincidences(ratings.table[pairable][:, used]), len(used))
    return co.alpha(patterns, ratings.table[pairable], distance(ratings, scale, custom))


def _icc(ratings: Ratings, metric: str, scale: str) -> Statistic:
    if scale not in ("ordinal", "interval", "ratio"):
        raise NotDefined("for labels with an order: take level='ordinal' or 'interval'")
    patterns = distinct(ratings.crossed)
    patterns = restricted(patterns, (patterns.rows != ABSENT).all(1))
    if patterns.freq.sum() < 2:
        raise NotDefined("fewer than two units were coded by every coder")
    return icc.icc(patterns, _values(ratings, scale), metric)
