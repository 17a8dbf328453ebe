"""The share of each label, by group and over time, with and without a correction for the coder's error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.correction.coded_folder import is_folder_of_codes
from annotune.correction.expected_coder import (
    METHODS as OF_CODERS,
)
from annotune.correction.expected_coder import (
    estimate,
    of_answers,
    require_coders,
    require_enough_coders,
)
from annotune.correction.folder_prevalence import folder_prevalence
from annotune.correction.frame_tally import cluster_numbers, frame_tally
from annotune.correction.groups import Grouping
from annotune.correction.labelled import Labelled, has_hand_codings, labelled, predicted_alone
from annotune.correction.periods import usable_keys, with_periods
from annotune.correction.share_table import COLUMNS, estimate_rows
from annotune.correction.shares_by_em import em_by_group
from annotune.correction.shares_by_method import estimates_by_group, require_design
from annotune.data.frames import require_columns, unique_names
from annotune.errors import AnnotuneError, nearest, warn

METHODS = ("count", "hand", "adjusted", "em", "dsl", "ppi")
WHOSE = ("corpus", "population")
FOLDER_METHODS = tuple(name for name in METHODS if name != "em")


def prevalence(
    data: Any,
    variable: str | Sequence[str] | None = None,
    *,
    by: str | Sequence[str] | None = None,
    time: str | None = None,
    every: str | None = None,
    methods: str | Sequence[str] | None = None,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    wave: str | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    n_boot: int = 200,
    seed: int = 1,
    of: Literal["corpus", "population"] = "corpus",
    hand_coded: Any = None,
    texts: str | Path | None = None,
    codings: Any = None,
    coders: Literal["these", "any"] = "these",
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
        `<variable>_p_<label>` or `p_<label>`, which `dsl` and `ppi` use as well where they exist. Or a folder that
        `classify` coded texts into, which is read file by file: memory does not grow with the number of texts.
    variable, gold, predicted, pi, wave
        The coded variable, and the columns with hand codings, predictions, sampling probability and wave, as for
        `error_model`. A multi-label variable has one 0/1 column per label: name one. Of a folder it has a row for each
        label, and `pi` and `wave` are columns of `hand_coded`. With several variables the table has a column
        `variable`; a folder gives all that were coded by hand, or without hand codings all.
    by, time
        Columns; shares are estimated for each combination of their values.
    every
        For a column of dates: the length of a period, such as `1mo`, `1q` or `1y`.
    methods
        The methods to use; by default all, of a folder all but `em`, which would read it many times, and without hand
        codings `count`. A table without hand codings has the count where it is named.
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
    hand_coded
        For a folder the hand-coded texts, a table or file: one row per text with `unit_id`, `<variable>_gold` and `pi`,
        as in `crossfit(...).data`, whose predictions by models that had not seen the text then take the place of those
        in the folder; or rows with `unit_id`, `variable`, `label` and `pi`, as from `resolve`.
    texts
        For a folder the texts that were coded, where columns of `by`, `time` and `cluster` that are not among the codes
        are read; by default where they were when they were coded.
    codings
        All coders' codings: the shares are then those of the expected coder, what share of coders would give a label,
        by `hand` and `dsl`. Each text that has a hand coding needs an answer there, found by `unit_id`.
    coders
        With `codings`, whose share: "these", of the coders who coded, one of them chosen by chance; or "any", of all
        coders like them, of whom these are a sample. What a coder does in every text does not cancel out with more
        texts, so intervals for "any" add the variance between coders, with Student's t; at least 5 are needed.

    Returns
    -------
    polars.DataFrame
        One row per group, period, label and method: `by` and `time`, label, method, estimate, std_error, conf_low,
        conf_high, interval (how it was computed), n (texts), n_coded (by hand), note. Where a method has no estimate,
        its figures are null and the note says why. Each method's shares of a group sum to 1.

    Raises
    ------
    AnnotuneError
        For `hand`, `dsl` and `ppi` without pi, and for missing columns. What is not done yet of a folder is left out,
        and counted in a warning.

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
    _require_sense(of, level, n_boot)
    require_coders(coders, codings, None if methods is None else unique_names(methods))
    if is_folder_of_codes(data):
        if codings is not None:
            raise AnnotuneError("codings= belongs to a table, and these codes are in a folder.", "Leave it out.")
        if gold is not None or predicted is not None:
            what = "gold= and predicted= name columns of a table, and these codes are in a folder."
            raise AnnotuneError(what, "Give the hand-coded texts with hand_coded=.")
        usual = FOLDER_METHODS if hand_coded is not None else ("count",)
        chosen = _checked_methods(usual if methods is None else methods)
        grouping = Grouping(_grouping_columns(by, time), time, every, cluster)
        names = None if variable is None else unique_names(variable)
        place = None if texts is None else Path(texts)
        return folder_prevalence(Path(data), names, grouping, chosen, hand_coded, place, pi, wave, level, of)
    if hand_coded is not None or texts is not None:
        what = "hand_coded= and texts= belong to a folder of codes, and this is a table."
        raise AnnotuneError(what, "Leave them out; hand codings are a column of the table (gold=).")
    usual = METHODS if codings is None else OF_CODERS
    chosen = _checked_methods(usual if methods is None else methods)
    whose = None if codings is None else (codings, coders)
    columns = {"gold": gold, "predicted": predicted, "pi": pi, "wave": wave}
    if variable is None or isinstance(variable, str):
        table = _table_of(data, variable, chosen, **columns)
        return _of_frame(table, by, time, every, chosen, cluster, level, n_boot, seed, of, whose)
    parts = []
    for name in unique_names(variable):
        table = _table_of(data, name, chosen, **columns)
        shares = _of_frame(table, by, time, every, chosen, cluster, level, n_boot, seed, of, whose)
        parts.append(shares.select(pl.lit(name).alias("variable"), pl.all()))
    return pl.concat(parts)


def _table_of(data: Any, variable: str | None, chosen: list[str], **columns: Any) -> Labelled:
    """The texts with predictions and hand codings; a count alone needs none of the latter."""
    if has_hand_codings(data, variable, columns["gold"]):
        return labelled(data, variable, **columns)
    if chosen != ["count"]:
        what = f"No column has hand codings{'' if variable is None else f' of {variable!r}'} to correct predictions by."
        raise AnnotuneError(what, "Name one with gold= (such as topic_gold), or ask for methods='count'.")
    return predicted_alone(data, variable, predicted=columns["predicted"])


def _of_frame(
    codings: Labelled,
    by: str | Sequence[str] | None,
    time: str | None,
    every: str | None,
    chosen: list[str],
    cluster: str | None,
    level: float,
    n_boot: int,
    seed: int,
    of: str,
    whose: tuple[Any, str] | None = None,
) -> pl.DataFrame:
    """The shares of one variable, from a table in memory."""
    codings, keys = _with_groups(codings, by, time, every)
    if codings.ratio is None:
        require_design(chosen)
    groups = _rows_by_group(codings.frame, keys)
    rows_by_group, clusters = [rows for _, rows in groups], cluster_numbers(codings, cluster)
    if whose is not None:
        return _of_expected_coder(codings, groups, keys, chosen, clusters, level, of == "corpus", *whose)
    tally = frame_tally(codings, rows_by_group, clusters, finite=of == "corpus")
    tables = {method: estimates_by_group(method, tally, level) for method in chosen if method != "em"}
    if "em" in chosen:
        likely, coded = codings.probabilities, codings.coded
        tables["em"] = em_by_group(tally, rows_by_group, likely, coded, clusters, n_boot, seed, level)
    parts = [
        estimate_rows(values, keys, codings.labels, method, tables[method][i], tally.n(tally.groups[i]))
        for i, (values, _) in enumerate(groups)
        for method in chosen
    ]
    return _with_group_types(pl.concat(parts, how="vertical_relaxed"), codings.frame, keys)


def _of_expected_coder(
    codings: Labelled,
    groups: list[tuple[tuple[Any, ...], np.ndarray]],
    keys: list[str],
    chosen: list[str],
    clusters: np.ndarray | None,
    level: float,
    finite: bool,
    answers: Any,
    coders: str,
) -> pl.DataFrame:
    """The share of coders who would give each label, by group."""
    codings, by_coder, n_coders = of_answers(codings, answers)
    if coders == "any":
        require_enough_coders(n_coders)
    parts = []
    for values, rows in groups:
        n = len(rows), int(codings.coded[rows].sum())
        for method in chosen:
            shares = estimate(method, codings, by_coder, rows, clusters, coders, level, finite)
            parts.append(estimate_rows(values, keys, codings.labels, method, shares, n))
    return _with_group_types(pl.concat(parts, how="vertical_relaxed"), codings.frame, keys)


def _require_sense(of: str, level: float, n_boot: int) -> None:
    if of not in WHOSE:
        raise AnnotuneError(f"There are no shares of {of!r}.", nearest(of, WHOSE))
    if not 0 < level < 1:
        raise AnnotuneError(f"An interval cannot have the level {level!r}.", "Give a share such as 0.95.")
    if n_boot < 0:
        raise AnnotuneError(f"There cannot be {n_boot!r} replicates.", "Give 0 for no bootstrap, or such as 200.")


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
    keys = _grouping_columns(by, time)
    require_columns(codings.frame, keys, "The table")
    if estimated := sorted(set(keys) & {codings.predicted.name, codings.gold.name}):
        raise AnnotuneError(f"Shares of {estimated[0]!r} cannot be grouped by it.", "Group by another column.")
    frame = usable_keys(with_periods(codings.frame, time, every), keys)
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


def _grouping_columns(by: str | Sequence[str] | None, time: str | None) -> list[str]:
    keys = list(dict.fromkeys([*unique_names(by or ()), *([time] if time else [])]))
    if double := [key for key in keys if key in COLUMNS]:
        raise AnnotuneError(f"The result has a column {double[0]!r} of its own.", "Rename the grouping column.")
    return keys


def _rows_by_group(frame: pl.DataFrame, keys: list[str]) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """The values and rows of every group, in the order of the columns."""
    if not keys:
        return [((), np.arange(len(frame)))]
    numbered = frame.select(*keys, _row=pl.int_range(pl.len()))
    parts = numbered.group_by(keys).agg("_row").sort(keys)
    return [(row[:-1], np.array(row[-1])) for row in parts.iter_rows()]


def _with_group_types(table: pl.DataFrame, frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The table with grouping columns in their original types."""
    return table.with_columns(pl.col(key).cast(frame[key].dtype) for key in keys)
