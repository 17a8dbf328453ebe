"""How far do coders agree? Coefficients with intervals, in one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement import coefficients, icc
from annotune.agreement.estimators import ONE_CODER, Level, NotDefined, plan, statistic
from annotune.agreement.intervals import LEVEL, Interval, Method, interval
from annotune.agreement.patterns import ABSENT, Statistic, clustered
from annotune.agreement.ratings import Ratings, read_ratings, require_codings
from annotune.data.codebook import Codebook
from annotune.data.codings import SCHEMA as CODINGS
from annotune.data.codings import Codings, of_variable, sound_codings
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, counted, listing, warn
from annotune.numbers import p_equals

SCHEMA: dict[str, Any] = {
    "variable": pl.String,
    "metric": pl.String,
    "level": pl.String,
    "category": pl.String,
    "coder_a": pl.String,
    "coder_b": pl.String,
    "estimate": pl.Float64,
    "se": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n_units": pl.Int64,
    "n_pairable": pl.Int64,
    "n_coders": pl.Int64,
    "method": pl.String,
    "note": pl.String,
}
BOUNDS = {  # kappas may fall below -1 where units lack codings
    "percent": (0.0, 1.0),
    "weighted_percent": (0.0, 1.0),
    "": (-np.inf, np.inf),
}
METHODS = {"bootstrap": "bootstrap ({:,} replicates, BCa)", "analytic": "analytic (t)", "gwet": "Gwet (t)"}


@dataclass(frozen=True)
class Options:
    """How intervals are computed; checked when made."""

    ci: Method = "bootstrap"
    n_boot: int = 1000
    cluster: str | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse an unknown interval and too few replicates."""
        if self.ci not in METHODS:
            raise AnnotuneError(f"There is no interval ci={self.ci!r}.", f"Use one of {tuple(METHODS)}.")
        if self.ci == "bootstrap" and self.n_boot < 100:
            raise AnnotuneError(f"n_boot={self.n_boot} replicates are too few.", "Use 100 or more; 1,000 is usual.")


def reliability(
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
    """Agreement of all coders, for one variable or for all.

    Of a study's store those of people count who decided by themselves: proposals by models and what an adjudicator
    said are left out, with a warning. Missing and failed codings are left out, and no unit is dropped for them.
    Where a coder coded a unit more than once, the first coding counts, because a repeated coding is not a second
    coder; the note says how many codings were left out.

    Parameters
    ----------
    codings
        A table of codings; further columns may be named in `by` and `cluster`.
    variable
        The variable; all variables of the table when left out.
    codebook
        Has the full category set and the order of ordinal labels, and tells which variables are multi-label. Without
        one, the categories are the labels that were used, and labels that are all numbers have their order.
    level
        `nominal`, `ordinal`, `interval`, `ratio`; `linear`, `quadratic` or `gwet_ordinal` weights; `masi` or
        `jaccard` for multi-label variables; `tree` where labels have parents, by which a miss within a parent is half a
        miss (of two levels; see `annotune.agreement.distances.tree`); or a function of two labels (two sets of labels)
        that gives their distance. By default what the codebook says. Interval and ratio levels take the labels'
        codes as values; ordinal, linear and quadratic take their order.
    metrics
        Of `percent`, `weighted_percent` (answers that are near agree in part, as the level says), `cohen_kappa`,
        `scott_pi`, `fleiss_kappa`, `conger_kappa`, `light_kappa`, `brennan_prediger`, `ac1`, `ac2`, `alpha`,
        `icc1` ... `icc3k` (`icc` for all six). By default percent, alpha, a kappa and AC1 or AC2.
    by
        Columns; agreement is computed within each of their groups.
    ci
        `bootstrap`: units are drawn with replacement, the interval is bias-corrected and accelerated
        (Efron 1987). `analytic`: the delta method with a t interval; F intervals for ICCs. `gwet`: the
        same with the number of units that have two codings held fixed (Gwet 2014, irrCAC), which is too
        wide where many units have only one.
    n_boot, seed
        The number of replicates, and the seed they are drawn with.
    cluster
        A column whose groups are resampled instead of units (documents, authors), or `coder`: the
        jackknife over coders, for conclusions about other coders than these.

    Returns
    -------
    polars.DataFrame
        One row per metric and level, after the columns of `by`: variable, metric, level, category, coder_a,
        coder_b, estimate, se, ci_low, ci_high (95 %), n_units (with a coding), n_pairable (with two or more),
        n_coders, method, note. What is not defined is null, and the note says why. What one coder alone coded has a
        single row, whose note says so.

    Raises
    ------
    AnnotuneError
        For labels outside the codebook, a level the labels do not have, or an unknown name.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> anna, ben = ["yes", "no", "no", "yes"], ["yes", "no", "yes", None]
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "anna": anna, "ben": ben})
    >>> table = at.reliability(at.read_codings(wide, variable="agree"), metrics=["percent", "alpha"])
    >>> table.select("metric", pl.col("estimate").round(3), "n_pairable").rows()
    [('percent', 0.667, 3), ('alpha', 0.444, 3)]

    References
    ----------
    Krippendorff, K. (2019). Content Analysis (4th ed.), chapter 12. Gwet, K. L. (2014). Handbook of
    Inter-Rater Reliability (4th ed.).
    """
    options = Options(ci, n_boot, cluster, seed)
    rows = []
    for group, ratings in each(codings, variable, codebook, by, cluster):
        chosen = plan(ratings, metrics, level)
        rows += [group | measure(ratings, metric, scale, level, options) for metric, scale in chosen]
        if metrics is None and ratings.kind == "multilabel":
            rows += [group | row for row in by_label(ratings, ["alpha"], options)]
    return framed(rows, by)


def each(
    codings: Any,
    variable: str | None,
    codebook: Codebook | None,
    by: str | Sequence[str] | None,
    cluster: str | None = None,
    models: Sequence[str] | None = (),
) -> Iterator[tuple[dict[str, Any], Ratings]]:
    """The ratings of each variable and each group of `by`, with the names of the group.

    Those of people, and of these models; of everybody with None.
    """
    rows, columns = require_codings(codings), _group_columns(by)
    rows = rows if models is None else _independent(rows, models)
    if rows["coder"].null_count():
        raise AnnotuneError(f"{rows['coder'].null_count():,} codings have no coder.", "Fill in the column coder.")
    for name in columns:
        if name in (*CODINGS, *SCHEMA):
            raise AnnotuneError(f"Agreement cannot be grouped by {name!r}.", "Name a further column of the codings.")
    require_columns(rows, columns, "The table of codings")
    column = None if cluster == "coder" else cluster
    for about in [variable] if variable is not None else rows["variable"].unique(maintain_order=True):
        part, entry = of_variable(rows, about), codebook.variable(about) if codebook else None
        groups = part.group_by(columns, maintain_order=True) if columns else [((), part)]
        for key, group in groups:
            yield dict(zip(columns, key, strict=True)), read_ratings(group, about, entry, column)


def _independent(codings: Codings, models: Sequence[str]) -> Codings:
    """What people said by themselves, and these models; of others in a study's store it is said that they are left out.

    A model that proposes is no coder of the study, and who settles differences has seen what the others said.
    """
    if "kind" not in codings.columns:
        return codings
    is_other = pl.col("kind").is_in(["model", "adjudicator"]).fill_null(False) & ~pl.col("coder").is_in(list(models))
    others = codings.filter(is_other)
    if others.is_empty() or len(others) == len(codings):
        return codings
    who = listing(others["coder"].unique(maintain_order=True).to_list())
    what = f"{counted(len(others), 'answer', 'answers')} by {who}, proposals or settled differences, left out"
    warn(f"{what}: agreement is that of people who decided by themselves. Pairs of coders have them.")
    return sound_codings(codings.filter(~is_other))


def _group_columns(by: str | Sequence[str] | None) -> list[str]:
    return [by] if isinstance(by, str) else list(dict.fromkeys(by or ()))


def framed(rows: list[dict[str, Any]], by: str | Sequence[str] | None = None) -> pl.DataFrame:
    """Rows as the tidy table, the columns of `by` first."""
    columns = _group_columns(by)
    frame = pl.DataFrame(_with_one_row_for_one_coder(rows, columns), infer_schema_length=None, schema_overrides=SCHEMA)
    return frame.select(*columns, *SCHEMA)


def _with_one_row_for_one_coder(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> list[dict[str, Any]]:
    """The rows; of what a single coder coded, one in place of one per metric, whose note says so."""
    several: list[dict[str, Any]] = []
    alone = set()
    for row in rows:
        if row["note"] != ONE_CODER:
            several.append(row)
            continue
        key = tuple(row[name] for name in (*by, "variable"))
        if key not in alone:
            several.append(row | dict.fromkeys(("category", "coder_a", "coder_b")))
        alone.add(key)
    return several


def measure(ratings: Ratings, metric: str, scale: str, custom: Level | None, options: Options) -> dict[str, Any]:
    """One row: the metric of all coders with its interval, or null and the reason."""
    row = described(ratings, metric, scale)
    try:
        coefficient = statistic(ratings, metric, scale, custom)
    except NotDefined as reason:
        return row | {"note": str(reason)}
    if options.cluster == "coder":
        measured = over_coders(ratings, lambda left: statistic(left, metric, scale, custom))
    else:
        measured = measured_by(coefficient, ratings, options, metric)
    return (
        row
        | measured
        | {"note": _joined_notes([*_notes_of_coefficient(ratings, metric, scale, coefficient), measured["note"]])}
    )


def described(ratings: Ratings, metric: str, scale: str) -> dict[str, Any]:
    """The row of a metric, before there is an estimate."""
    return dict.fromkeys(SCHEMA) | {
        "variable": ratings.variable,
        "metric": metric,
        "level": scale,
        "n_units": ratings.units,
        "n_pairable": int((ratings.n_codings > 1).sum()),
        "n_coders": len(ratings.coders),
    }


def measured_by(coefficient: Statistic, ratings: Ratings, options: Options, metric: str = "") -> dict[str, Any]:
    """The estimate with its interval, by the bootstrap or the delta method; `metric` is empty for a difference."""
    df = ratings.units - 1
    if ratings.cluster is not None:
        coefficient = clustered(coefficient, ratings.cluster)
        df = len(coefficient.patterns.freq) - 1
    measured = interval(coefficient, options.ci, options.n_boot, options.seed, df, BOUNDS.get(metric, (-np.inf, 1.0)))
    if (ratings.n_codings > 1).sum() < 2:
        measured = Interval(measured.estimate)
    method = METHODS[options.ci].format(options.n_boot)
    if options.ci != "bootstrap" and metric in icc.NAMES and measured.se is not None and ratings.cluster is None:
        low, high = icc.f_interval(metric, coefficient.patterns.freq @ coefficient.terms, LEVEL)
        measured, method = Interval(measured.estimate, measured.se, low, high), "analytic (F)"
    of = "" if options.cluster is None else f", clusters of {options.cluster}"
    return shown(measured, method + of)


def shown(measured: Interval, method: str) -> dict[str, Any]:
    """An interval as columns of a row."""
    note = None
    if measured.estimate is None:
        note = "not defined: there is no variation"
    elif measured.se is None and measured.lost:
        note = f"no interval: {measured.lost} replicates had no value"
    elif measured.se is None:
        note = "no standard error: too few units, or no variation among them"
    elif measured.lost:
        note = f"{measured.lost} replicates had no value and were left out"
    return {
        "estimate": measured.estimate,
        "se": measured.se,
        "ci_low": measured.low,
        "ci_high": measured.high,
        "method": method if measured.se is not None else None,
        "note": note,
    }


def over_coders(ratings: Ratings, make: Callable[[Ratings], Statistic]) -> dict[str, Any]:
    """The jackknife over coders: the estimates without each coder in turn (Gwet 2014, chapter 5).

    Coders are not drawn with replacement, because a coder drawn twice would agree with themselves.
    """
    from scipy.stats import t

    estimate, coders = make(ratings).estimate(), len(ratings.coders)
    try:
        left = np.array([make(ratings.only(ratings.coder != coder)).estimate() for coder in range(coders)])
    except NotDefined:
        left = np.array([np.nan])
    if not np.isfinite(left).all():
        return shown(Interval(estimate if np.isfinite(estimate) else None), "") | {
            "note": "no jackknife: without one of the coders the coefficient is not defined"
        }
    se = float(np.sqrt((coders - 1) / coders * ((left - left.mean()) ** 2).sum()))
    if se < 1e-9:
        return shown(Interval(estimate), "") | {"note": "no jackknife: the value is the same without any of the coders"}
    reach = float(t.ppf((1 + LEVEL) / 2, coders - 1)) * se
    measured = Interval(estimate, se, estimate - reach, min(estimate + reach, 1.0))
    return shown(measured, "jackknife over coders")


def _notes_of_coefficient(ratings: Ratings, metric: str, scale: str, coefficient: Statistic) -> Iterator[str]:
    """Caveats for the reader of the row."""
    if ratings.repeated:
        repeats = counted(ratings.repeated, "further coding", "further codings")
        yield f"left out: {repeats} of a unit by the same coder"
    if metric in icc.NAMES and coefficient.patterns.freq.sum() < ratings.units:
        yield f"on the {coefficient.patterns.freq.sum():,} units that every coder coded"
    if metric in ("ac1", "ac2", "brennan_prediger") and not ratings.listed:
        yield "depends on the number of categories, here those that were used: give a codebook"
    if metric == "fleiss_kappa" and scale == "nominal" and ratings.slots.rows.min() != ABSENT:
        yield from _against_chance(ratings)


def _against_chance(ratings: Ratings) -> Iterator[str]:
    from scipy.stats import norm

    z = coefficients.fleiss_against_chance(ratings.table, ratings.slots.freq)
    if z is not None:
        p = p_equals(2 * float(norm.sf(abs(z))))
        yield f"against chance: z = {z:.2f}, two-sided {p} (Fleiss, Nee and Landis 1979)"


def _joined_notes(notes: list[str | None]) -> str | None:
    return "; ".join(note for note in notes if note) or None


def by_label(ratings: Ratings, metrics: str | Sequence[str], options: Options) -> Iterator[dict[str, Any]]:
    """Each label against all the others, as a yes/no variable."""
    if not ratings.labels:  # rows whose note says why
        yield from (measure(ratings, metric, scale, None, options) for metric, scale in plan(ratings, metrics, None))
    for label in ratings.labels:
        binary = ratings.label_or_not(label)
        for metric, scale in plan(binary, metrics, "nominal"):
            yield measure(binary, metric, scale, None, options) | {"category": label}
