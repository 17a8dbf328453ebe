"""Quality of each coder: agreement with the rest, and errors estimated by the model of Dawid and Skene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotune.agreement.dawid_skene import DawidSkene, dawid_skene
from annotune.agreement.estimators import Level, NotDefined, require_pairs
from annotune.agreement.intervals import Method
from annotune.agreement.pairs import over_units, sided, sided_plan, two_groups
from annotune.agreement.ratings import Ratings
from annotune.agreement.reliability import Options, described, each, framed, measure, measured_by
from annotune.data.codebook import Codebook

NEVER_MET = 1e-6  # of a unit, in expectation
FLAWLESS = "no error is estimated: the sample cannot show how rare errors are"


def coder_quality(
    codings: Any,
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
    """How far does each coder agree with the rest, and which errors does each make?

    Parameters are those of `compare_reliability`.

    Returns
    -------
    polars.DataFrame
        For each coder: agreement with a draw from the others (`coder_b` is `rest`); the estimated
        accuracy (`accuracy`); and the error matrix of Dawid and Skene (1979): one row per true and given
        label, with the metric `dawid_skene` and the category `true -> given`. Null where no text was coded
        twice, and for true labels that the coder never met; the accuracy is then that on the others.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxy"), "ben": list("xyyy"), "cem": list("xyxy")})
    >>> table = at.coder_quality(at.read_codings(wide, variable="v"), metrics=["percent"])
    >>> table.filter(metric="percent").select("coder_a", "estimate").rows()
    [('ann', 0.875), ('ben', 0.75), ('cem', 0.875)]
    >>> table.filter(coder_a="ben", metric="dawid_skene").select("category", pl.col("estimate").round(2)).rows()
    [('x -> x', 0.5), ('x -> y', 0.5), ('y -> x', 0.0), ('y -> y', 1.0)]
    """
    options, rows = over_units(ci, n_boot, cluster, seed), []
    for group, ratings in each(codings, variable, codebook, by, cluster):
        if not ratings.coders:  # rows whose note says why
            chosen = sided_plan(ratings, metrics, level)
            rows += [group | measure(ratings, metric, scale, level, options) for metric, scale in chosen]
        for coder in range(len(ratings.coders)):
            for metric, scale in sided_plan(ratings, metrics, level):
                rows.append(group | _against_rest(ratings, coder, metric, scale, level, options))
        if len(ratings.coders) > 1:
            rows += [group | row for row in _error_matrices(ratings)]
    return framed(rows, by)


def _against_rest(
    ratings: Ratings, coder: int, metric: str, scale: str, level: Level | None, options: Options
) -> dict[str, Any]:
    one = np.arange(len(ratings.coders)) == coder
    patterns, first, second = two_groups(ratings, one, ~one, fewest=1)
    mine = int((ratings.coder == coder).sum())
    row = described(ratings, metric, scale) | {"coder_a": ratings.coders[coder], "coder_b": "rest", "n_units": mine}
    row["n_pairable"] = int(patterns.freq.sum())
    try:
        if not len(patterns.freq):
            raise NotDefined("shares no unit with another coder")
        coefficient = sided(patterns, ratings, first, second, metric, scale, level)
    except NotDefined as reason:
        return row | {"note": str(reason)}
    return row | measured_by(coefficient, ratings, options, metric)


def _error_matrices(ratings: Ratings) -> Iterator[dict[str, Any]]:
    """Each coder's accuracy and error matrix, for a multi-label variable label by label."""
    if ratings.kind == "multilabel":
        for label in ratings.labels:
            yield from _error_rows(ratings.label_or_not(label), f"{label}: ")
    else:
        yield from _error_rows(ratings, "")


def _error_rows(ratings: Ratings, prefix: str) -> Iterator[dict[str, Any]]:
    row = described(ratings, "dawid_skene", "nominal")
    about = {"metric": "accuracy", "category": prefix.removesuffix(": ") or None}
    mine = np.bincount(ratings.coder, minlength=len(ratings.coders))
    each = [row | {"coder_a": name, "n_units": int(n)} for name, n in zip(ratings.coders, mine, strict=True)]
    try:
        require_pairs(ratings, "dawid_skene")
    except NotDefined as reason:
        yield from (one | about | {"note": str(reason)} for one in each)
        return
    shares = np.bincount(ratings.coder, ratings.n_codings[ratings.unit] > 1, minlength=len(each))
    q = len(ratings.categories)
    fit = dawid_skene(ratings.unit, ratings.coder, ratings.value, (ratings.units, len(each), q))
    met = np.zeros((len(each), q))
    np.add.at(met, ratings.coder, fit.posterior[ratings.unit])
    for coder, one in enumerate(each):
        if not shares[coder]:
            yield one | about | {"note": "shares no unit with another coder"}
        else:
            base = one | {"method": "Dawid and Skene (1979), EM", "note": _doubts(fit, len(each))}
            yield from _of_coder(base, about, ratings.categories, prefix, fit, coder, met[coder] > NEVER_MET)


def _of_coder(
    row: dict[str, Any],
    about: dict[str, Any],
    names: Sequence[str],
    prefix: str,
    fit: DawidSkene,
    coder: int,
    met: NDArray[np.bool_],
) -> Iterator[dict[str, Any]]:
    """One coder's accuracy and error matrix, of the true labels that the coder met."""
    share = fit.prior * met
    right = float(share @ np.diag(fit.confusion[coder]) / share.sum())
    yield row | about | {"estimate": right, "note": row["note"] or (FLAWLESS if right > 1 - 1e-9 else None)}
    for true, label in np.ndindex(len(names), len(names)):
        cell = row | {"category": f"{prefix}{names[true]} -> {names[label]}"}
        if met[true]:
            yield cell | {"estimate": float(fit.confusion[coder, true, label])}
        else:
            yield cell | {"method": None, "note": "the coder met no unit that is estimated to have this label"}


def _doubts(fit: DawidSkene, coders: int) -> str | None:
    if not fit.converged:
        return f"not converged after {fit.rounds} rounds"
    return "two coders can hardly tell whose error it is: rely on three or more" if coders == 2 else None
