"""The share of each label, by group and over time, with and without a correction for the coder's error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.correction.coding_columns import blanks_as_null
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.matrices import with_dates
from annotune.correction.shares_by_method import DESIGNED, Estimate, Texts, estimates_by_group
from annotune.data.frames import require_columns, unique_names
from annotune.errors import AnnotuneError, nearest, warn

METHODS = ("count", "hand", "adjusted", "em", "dsl", "ppi")
WHOSE = ("corpus", "population")
COLUMNS = ("label", "method", "estimate", "std_error", "conf_low", "conf_high", "interval", "n", "n_coded", "note")
FIGURES = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), pl.Float64)


def prevalence(
    data: Any,
    variable: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    time: str | None = None,
    every: str | None = None,
    methods: str | Sequence[str] = METHODS,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    wave: str | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    n_boot: int = 200,
    seed: int = 1,
    of: Literal["corpus", "population"] = "corpus",
) -> pl.DataFrame:
    """Estimate the share of every label, in all texts or by group and time.

    ==========  ========================================================================================
    `count`     the share of predicted labels, uncorrected; its interval treats predictions as the truth
    `hand`      the hand-coded texts alone, weighted by 1 / pi
    `adjusted`  the count, corrected by the error rates (Forman 2008)
    `em`        the shares that are most likely given the probabilities (Saerens et al. 2002)
    `dsl`       predictions, corrected by hand codings drawn with known probability (Egami et al. 2023)
    `ppi`       the same with predictions weighted by their accuracy (Angelopoulos, Duchi and Zrnic 2023)
    ==========  ========================================================================================

    `adjusted` and `em` use the error rates of all hand-coded texts: they are valid where errors do not depend on group
    or time (see `error_model`). `dsl`, `ppi` and `hand` need hand codings in every group, and no such assumption.

    Parameters
    ----------
    data
        One row per text, as in `crossfit(...).data`: predictions, `<variable>_gold`, `pi`, and for `em` the columns
        `<variable>_p_<label>` or `p_<label>`, which `dsl` and `ppi` use as well where they exist.
    variable, gold, predicted, pi, wave
        The coded variable, and the columns with hand codings, predictions, sampling probability and wave, as for
        `error_model`. A multi-label variable has one 0/1 column per label: name one.
    by, time
        Columns; shares are estimated for each combination of their values.
    every
        For a column of dates: the length of a period, such as `1mo`, `1q` or `1y`.
    methods
        The methods to use.
    cluster
        A column whose values (documents, authors) depend on each other.
    level
        Of the intervals: of `hand` Wilson's, with the effective number of texts where they weigh differently; else
        normal ones, robust to heteroscedasticity or clusters, within 0 and 1 where the estimate is (that of `dsl` and
        `ppi` may lie outside); for `em` percentiles of a bootstrap. Where `dsl` and `ppi` rest on few errors, fewer
        than 9 texts' worth, standard errors and intervals are those with up to three more, as in the rule of three:
        bounds that hold about as often as they say, or more often.
    n_boot, seed
        Replicates of that bootstrap, which resamples texts or clusters, and its seed.
    of
        Whose shares: "corpus", those of these very texts, of which the hand-coded ones are known (a finite-population
        interval); or "population", those of a larger population of which all texts are a random sample, which have
        wider intervals. Those of `adjusted` and `em` are of the population in either case.

    Returns
    -------
    polars.DataFrame
        One row per group, period, label and method: `by` and `time`, label, method, estimate, std_error, conf_low,
        conf_high, interval (how it was computed), n (texts), n_coded (by hand), note. Where a method has no estimate,
        its figures are null and the note says why. Each method's shares of a group sum to 1.

    Raises
    ------
    AnnotuneError
        For `hand`, `dsl` and `ppi` without pi, and for missing columns.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> truth = ["war"] * 30 + ["trade"] * 70
    >>> predicted = ["trade" if i % 3 == 0 else label for i, label in enumerate(truth)]
    >>> coded = [label if i % 2 == 0 else None for i, label in enumerate(truth)]
    >>> frame = pl.DataFrame({"topic": predicted, "topic_gold": coded})
    >>> shares = at.prevalence(frame, pi=0.5, methods=["count", "dsl"]).filter(label="war")
    >>> dict(shares.select("method", pl.col("estimate").round(3)).iter_rows())
    {'count': 0.2, 'dsl': 0.3}
    """
    chosen = _checked_methods(methods)
    if of not in WHOSE:
        raise AnnotuneError(f"There are no shares of {of!r}.", nearest(of, WHOSE))
    if not 0 < level < 1:
        raise AnnotuneError(f"An interval cannot have the level {level!r}.", "Give a share such as 0.95.")
    if n_boot < 0:
        raise AnnotuneError(f"There cannot be {n_boot!r} replicates.", "Give 0 for no bootstrap, or such as 200.")
    codings, keys = _with_groups(
        labelled(data, variable, gold=gold, predicted=predicted, pi=pi, wave=wave), by, time, every
    )
    if codings.ratio is None and set(chosen) & set(DESIGNED):
        what = "It is not known with which probability texts were drawn for hand coding."
        advice = "Add it as a column pi, or give it with pi=; only count, adjusted and em do without it."
        raise AnnotuneError(what, advice)
    texts = Texts.of(codings, cluster, finite=of == "corpus")
    groups = _rows_by_group(codings.frame, keys)
    tables = {
        method: estimates_by_group(method, texts, [rows for _, rows in groups], n_boot, seed, level)
        for method in chosen
    }
    parts = [
        _estimate_rows(values, keys, codings.labels, method, tables[method][i], texts.n(rows))
        for i, (values, rows) in enumerate(groups)
        for method in chosen
    ]
    return _with_group_types(pl.concat(parts, how="vertical_relaxed"), codings.frame, keys)


def _checked_methods(methods: str | Sequence[str]) -> list[str]:
    names = unique_names(methods)
    for name in names:
        if name not in METHODS:
            raise AnnotuneError(f"The method {name!r} is unknown.", nearest(name, METHODS))
    if not names:
        raise AnnotuneError("No method was named.", nearest("", METHODS))
    return names


def _with_groups(
    codings: Labelled, by: str | Sequence[str] | None, time: str | None, every: str | None
) -> tuple[Labelled, list[str]]:
    """The texts with a value in every grouping column, and those columns; dates as the start of their period."""
    keys = list(dict.fromkeys([*unique_names(by or ()), *([time] if time else [])]))
    require_columns(codings.frame, keys, "The table")
    if estimated := sorted(set(keys) & {codings.predicted.name, codings.gold.name}):
        raise AnnotuneError(f"Shares of {estimated[0]!r} cannot be grouped by it.", "Group by another column.")
    taken = [key for key in keys if key in COLUMNS]
    if taken:
        raise AnnotuneError(f"The result has a column {taken[0]!r} of its own.", "Rename the grouping column.")
    frame = blanks_as_null(codings.frame, keys)
    frame = with_dates(frame, [time] if time and every else [])
    if every is not None:
        if time is None or not frame[time].dtype.is_temporal():
            raise AnnotuneError("every= divides a column of dates, and time= names none.", "Name one.")
        try:
            frame = frame.with_columns(pl.col(time).dt.truncate(every))
        except pl.exceptions.PolarsError:
            raise AnnotuneError(f"{every!r} is not a period.", "Such as 1mo, 1q or 1y.") from None
    if not keys:
        return codings, keys
    whole = frame.select(pl.all_horizontal(pl.col(key).is_not_null() for key in keys)).to_series()
    if not whole.any():
        raise AnnotuneError(f"No text has a value in {' and '.join(keys)}.", "Name other columns.")
    if not whole.all():
        warn(f"{(~whole).sum():,} of {len(frame):,} texts have no {' or '.join(keys)} and are left out.")
    rows = whole.to_numpy()
    ratio, chance = (None if each is None else each[rows] for each in (codings.ratio, codings.chance))
    sides = [series.filter(whole) for series in (codings.predicted, codings.gold)]
    return Labelled(codings.name, frame.filter(whole), sides[0], sides[1], codings.labels, ratio, chance), keys


def _rows_by_group(frame: pl.DataFrame, keys: list[str]) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """The values and rows of every group, in the order of the columns."""
    if not keys:
        return [((), np.arange(len(frame)))]
    numbered = frame.select(*keys, _row=pl.int_range(pl.len()))
    parts = numbered.group_by(keys).agg("_row").sort(keys)
    return [(row[:-1], np.array(row[-1])) for row in parts.iter_rows()]


def _estimate_rows(
    values: tuple[Any, ...],
    keys: list[str],
    labels: Sequence[str],
    method: str,
    estimate: Estimate,
    n: tuple[int, int],
) -> pl.DataFrame:
    """The rows of one group and method, one per label."""
    figures = (estimate.shares, estimate.error, estimate.low, estimate.high)
    unknown = np.full(len(labels), np.nan)
    columns = {name: unknown if column is None else column for name, column in zip(FIGURES, figures, strict=True)}
    notes = list(estimate.note) if isinstance(estimate.note, tuple) else [estimate.note] * len(labels)
    schema = {"label": pl.String, **FIGURES, "note": pl.String}
    table = pl.DataFrame({"label": list(labels), **columns, "note": notes}, schema=schema, nan_to_null=True)
    return table.select(
        *(pl.lit(value).alias(key) for key, value in zip(keys, values, strict=True)),
        "label",
        pl.lit(method).alias("method"),
        *FIGURES,
        pl.lit(estimate.interval, pl.String).alias("interval"),
        pl.lit(n[0], pl.Int64).alias("n"),
        pl.lit(n[1], pl.Int64).alias("n_coded"),
        "note",
    )


def _with_group_types(table: pl.DataFrame, frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The table with grouping columns in their original types."""
    return table.with_columns(pl.col(key).cast(frame[key].dtype) for key in keys)
