"""drift(): does a model meet other texts, and err more, as time goes on?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.coded_folder import CodedFolder, is_folder_of_codes
from annotune.correction.drift_measures import (
    Comparison,
    Period,
    comparisons,
    cut_off,
    n_comparisons,
    own_limits,
)
from annotune.correction.drift_periods import CodedTable, Watched, gaps, read_periods, warn_of_seen, watched
from annotune.correction.groups import Grouping, Groups, Key
from annotune.correction.hand_table import HandTable
from annotune.data.frames import as_frame, require_columns, unique_names
from annotune.errors import AnnotuneError, counted, listing, nearest
from annotune.readable import Part, Readable, brief_table, shortened

FIGURES = ("value", "reference", "change", "conf_low", "conf_high")
COLUMNS = ("variable", "coder", "measure", "about", *FIGURES, "n", "moved")
SAID = {
    "uncertain": "the model is unsure of {value:.1%} of texts, {reference:.1%} in the reference",
    "certainty": "its certainty is distributed otherwise (distance {change:.3f})",
    "labels": "{about!r} is given to {value:.1%} of texts, {reference:.1%} in the reference",
    "accuracy": "it codes {value:.1%} of texts as people do, {reference:.1%} in the reference",
}


@dataclass(frozen=True, repr=False)
class Drift(Readable):
    """What a model said over time, beside a reference.

    Attributes
    ----------
    table
        One row per variable, coder, period and measure: `variable`, `coder`, the column of periods, `measure`, `about`,
        `value` in the period, `reference`, `change` with `conf_low` and `conf_high`, `n` (texts, or hand-coded ones),
        `moved` (whether the change is beyond the tolerance and chance).
    time
        The column of periods.
    reference
        The periods that the others are compared with.
    verdict
        The same in words.
    notes
        What limits it, a sentence each.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> codes = pl.DataFrame({"unit_id": list("abcd") * 50, "year": [2020, 2021] * 100}).with_row_index("n")
    >>> codes = codes.select(pl.format("{}{}", "unit_id", "n").alias("unit_id"), "year", variable=pl.lit("topic"))
    >>> found = at.drift(codes.with_columns(label=pl.lit("war")), time="year")
    >>> found.verdict
    'In 1 period beside 2020, nothing moved by more than chance.'
    """

    table: pl.DataFrame
    time: str
    reference: tuple[str, ...]
    verdict: str
    notes: tuple[str, ...] = ()

    @property
    def moved(self) -> pl.DataFrame:
        """The rows that moved."""
        return self.table.filter(pl.col("moved"))

    def _parts(self) -> Iterator[Part]:
        """The verdict, what moved, and the notes."""
        yield self.verdict
        if len(self.moved):
            yield brief_table(self.moved.drop("moved", "coder"))
        yield from self.notes


def drift(
    data: Any,
    variable: str | Sequence[str] | None = None,
    *,
    time: str,
    every: str | None = None,
    reference: str | int | Sequence[str | int] | None = None,
    hand_coded: Any = None,
    pi: str | None = None,
    texts: str | Path | None = None,
    below: float | None = None,
    tolerance: float = 0.0,
    level: float = 0.95,
) -> Drift:
    """Compare what a model says of texts over time with a reference period.

    ===========  ======================================================================================================
    `uncertain`  the share of texts that the model is unsure of: those as a tenth of the reference's
    `certainty`  the largest difference of the distributions of the certainty (Kolmogorov-Smirnov); `value` is the mean
    `labels`     the label whose share of texts moved furthest; its limits hold for all labels
    `accuracy`   the share of hand-coded texts that the model coded as people did, where there are any
    ===========  ======================================================================================================

    The first three need no hand codings, and tell that texts, or the world, have changed. Whether the model errs more,
    accuracy alone tells. Intervals of changes hold for all comparisons of a call together: without a drift, there is no
    alarm in 95 of 100 calls, or more.

    Parameters
    ----------
    data
        A folder that `classify` coded texts into, which is read file by file; or a table of codings as a model's
        `classify` gives it, with the column `time` beside.
    variable
        The variables; by default all.
    time, every
        The column of periods; of dates, how long one is: `1mo`, `1q`, `1y`.
    reference
        The periods that the others are compared with; by default the first.
    hand_coded
        Some texts of each period coded by hand, a table or file, as for `prevalence`: `unit_id`, `<variable>_gold`,
        and, where they were not drawn with one probability, `pi`. Predictions by models that had not seen the text
        take the place of those in `data`.
    pi
        The column with that probability.
    texts
        For a folder the texts, where `time` is read if it is not among the codes.
    below
        The certainty below which a model is unsure, in place of the one that a tenth of the reference's texts have.
    tolerance
        A change up to this size is no alarm, however many texts there are.
    level
        Of the intervals, together.

    Returns
    -------
    Drift
        `.table`, `.moved` and `.verdict`; see `plot_drift`.

    Raises
    ------
    AnnotuneError
        Where there are no two periods, or columns are missing.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> codes = pl.DataFrame({"unit_id": [str(i) for i in range(600)], "year": [2020, 2021] * 300})
    >>> sure = pl.when(pl.col("year") == 2020).then(0.9).otherwise(0.6) - pl.int_range(600) % 7 / 100
    >>> codes = codes.with_columns(variable=pl.lit("topic"), coder=pl.lit("model"), label=pl.lit("war"), prob=sure)
    >>> at.drift(codes, time="year").moved.select("year", "measure").rows()
    [(2021, 'uncertain'), (2021, 'certainty')]
    """
    _require_sense(below, tolerance, level, time)
    codes = _codes(data, texts)
    table = None if hand_coded is None else HandTable.read(hand_coded)
    variables_by_coder = watched(codes, None if variable is None else unique_names(variable), table, pi)
    groups = Groups(Grouping([time], time, every))
    periods = read_periods(codes, groups, table, variables_by_coder)
    warn_of_seen(variables_by_coder, codes.tuned if isinstance(codes, CodedFolder) else ())
    reference_periods = _reference([key[0] for key in periods], reference)
    other_periods = [key for key in periods if key[0] not in reference_periods]
    if not other_periods:
        what = (
            f"There is only the period {reference_periods[0]}"
            if len(periods) == 1
            else "All periods are in the reference"
        )
        raise AnnotuneError(f"{what}: there is nothing to compare.", "Give texts of later periods, or every=.")
    rows, n = _compared(variables_by_coder, other_periods, [(one,) for one in reference_periods], below, level)
    schema: dict[str, Any] = {"variable": pl.String, "coder": pl.String, time: groups.types[time], "measure": pl.String}
    schema |= {"about": pl.String} | dict.fromkeys(FIGURES, pl.Float64) | {"n": pl.Int64, "moved": pl.Boolean}
    lines = [
        (one.entry.name, one.coder, key[0], *_cells(comparison), comparison.is_beyond(tolerance))
        for one, key, comparison in rows
    ]
    frame = pl.DataFrame(lines, schema=schema, orient="row")
    names = tuple(str(one) for one in reference_periods)
    verdict = _verdict(frame, time, names, len(other_periods), len(variables_by_coder), tolerance)
    return Drift(
        frame,
        time,
        names,
        verdict,
        tuple(_notes(variables_by_coder, n, level, gaps([key[0] for key in periods], every))),
    )


def _require_sense(below: float | None, tolerance: float, level: float, time: str) -> None:
    if not 0 < level < 1:
        raise AnnotuneError(f"An interval cannot have the level {level!r}.", "Give a share such as 0.95.")
    if not 0 <= tolerance < 1:
        raise AnnotuneError(f"A change of {tolerance!r} cannot be tolerated.", "Give a share such as 0.02.")
    if below is not None and not 0 < below <= 1:
        raise AnnotuneError(f"No certainty is below {below!r}.", "Give a probability such as 0.6.")
    if time in COLUMNS or time == "unit_id":
        raise AnnotuneError(f"The result has a column {time!r} of its own.", "Rename the column of periods.")


def _codes(data: Any, texts: str | Path | None) -> Any:
    if is_folder_of_codes(data):
        return CodedFolder(Path(data), None if texts is None else Path(texts))
    frame = as_frame(data)
    require_columns(frame, ["unit_id", "variable", "label"], "The table of codings")
    status = pl.when(pl.col("label").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok"))
    missing: dict[str, pl.Expr] = {"coder": pl.lit("model"), "status": status}
    return CodedTable(frame.with_columns(value.alias(name) for name, value in missing.items() if name not in frame))


def _reference(periods: list[Any], reference: str | int | Sequence[str | int] | None) -> list[Any]:
    if reference is None:
        return periods[:1]
    names = [reference] if isinstance(reference, (str, int)) else list(reference)
    period_of_name = {str(one): one for one in periods}
    for name in names:
        if str(name) not in period_of_name:
            raise AnnotuneError(f"There is no period {name!r}.", nearest(str(name), list(period_of_name)))
    return [period_of_name[str(name)] for name in dict.fromkeys(names)]


def _compared(
    variables_by_coder: Sequence[Watched],
    periods: Sequence[Key],
    reference: Sequence[Key],
    below: float | None,
    level: float,
) -> tuple[list[tuple[Watched, Key, Comparison]], int]:
    """Each comparison, and how many intervals there are, over which the error is shared out."""
    pairs = []
    for one in variables_by_coder:
        bases = [one.sums[key] for key in reference if key in one.sums]
        if bases:
            base = bases[0]
            for more in bases[1:]:
                base = base.with_texts_of(more)
            pairs.append((one, base, [(key, one.sums[key]) for key in periods if key in one.sums]))
    if not pairs:
        raise AnnotuneError("The reference has no codes.", "Name another with reference=.")
    n = sum(n_comparisons([part for _, part in parts], base) for _, base, parts in pairs)
    rows = [
        (one, key, comparison)
        for one, base, parts in pairs
        for key, part in parts
        for comparison in comparisons(part, base, one.labels, _below(base, below), (1 - level) / max(n, 1))
    ]
    return rows, n


def _below(base: Period, below: float | None) -> float | None:
    return below if below is not None or base.sure is None else cut_off(base.sure)


def _cells(one: Comparison) -> tuple[Any, ...]:
    return one.measure, one.about, one.value, one.reference, one.change, one.low, one.high, one.n


def _verdict(
    table: pl.DataFrame, time: str, reference: Sequence[str], n_periods: int, n_variables: int, tolerance: float
) -> str:
    """What moved, in words; which period first."""
    alarms, base = table.filter(pl.col("moved")), shortened(reference, 3)
    than = f" and {tolerance:g}" if tolerance else ""
    if alarms.is_empty():
        return f"In {counted(n_periods, 'period', 'periods')} beside {base}, nothing moved by more than chance{than}."
    sentences = []
    for row in alarms.head(6).to_dicts():
        about = f"{row['variable']}, " if n_variables > 1 else ""
        sentences.append(f"{about}{row[time]}: {SAID[row['measure']].format(**row)}.")
    rest = len(alarms) - len(sentences)
    of = f"{alarms[time].n_unique():,} of {counted(n_periods, 'period', 'periods')}"
    head = f"Beside {base}, {of} moved by more than chance{than}."
    return " ".join([head, *sentences, *([f"{rest:,} more are in the table."] if rest else [])])


def _notes(variables_by_coder: Sequence[Watched], n: int, level: float, empty: Sequence[Any]) -> Iterator[str]:
    yield f"Intervals hold for all {n:,} comparisons together ({level:.0%})."
    hand_coded_periods = [part for one in variables_by_coder for part in one.sums.values() if part.n_coded]
    if not hand_coded_periods:
        what = "Labels and certainty may move because the world did."
        yield f"{what} Whether the model errs more, only fresh hand codings of each period tell: hand_coded takes them."
    else:
        limits = [(part.right / part.coded, own_limits(part, level), part.n_coded) for part in hand_coded_periods]
        few = [one for one in limits if one[2] < 30]
        if few:
            yield f"In {len(few):,} of {len(limits):,} periods fewer than 30 texts were coded: accuracy is rough there."
    if empty:
        yield f"Without texts: {listing([str(one) for one in empty[:5]])}{' ...' if len(empty) > 5 else ''}."
