"""Figures of the shares of labels: over time or by group, with and without a correction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.correction.share_table import COLUMNS
from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, nearest
from annotune.pictures import COLOURS, MARKERS, PALE, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS, MOST_ROWS = 12, 60
NAMES = {
    "count": "predictions as they are",
    "hand": "hand-coded only",
    "adjusted": "adjusted count",
    "em": "EM",
    "dsl": "corrected (DSL)",
    "ppi": "corrected (PPI)",
}
STYLE = {  # the same for each method, whichever are shown; uncorrected predictions are dashed
    "count": (COLOURS[1], MARKERS[1], (0, (4, 2))),
    "dsl": (COLOURS[0], MARKERS[0], "-"),
    "ppi": (COLOURS[2], MARKERS[2], "-"),
    "hand": (COLOURS[3], "D", (0, (1, 1.5))),
    "adjusted": (COLOURS[4], "v", "-."),
    "em": (COLOURS[5], "x", (0, (5, 1, 1, 1, 1, 1))),
}


def plot_prevalence(
    found: pl.DataFrame,
    path: str | Path | None = None,
    *,
    methods: str | Sequence[str] = ("count", "dsl"),
    labels: str | Sequence[str] | None = None,
    time: str | None = None,
) -> Figure:
    """Draw shares with their intervals, by default with and without a correction.

    Parameters
    ----------
    found
        The table that `prevalence` returned.
    path
        Where to save it: `.png`, `.pdf`, `.svg`.
    methods
        Which of the table's methods to show.
    labels
        Which labels, one panel each (at most 12); by default all of the table.
    time
        The column along the horizontal axis: lines with bands. Without one, one row per group, with bars.

    Raises
    ------
    AnnotuneError
        For methods, labels or columns that the table does not have, and where matplotlib is not installed.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> frame = pl.DataFrame({"y_hat": [1, 0, 0, 1] * 20, "y_gold": [1, 0, 1, None] * 20, "year": [1990, 2000] * 40})
    >>> shares = at.prevalence(frame, pi=0.75, time="year")
    >>> figure = at.plot_prevalence(shares, labels="1", time="year")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['predictions as they are', 'corrected (DSL)']
    """
    rows, shown, panels = _chosen_rows(found, unique_names(methods), labels)
    groups = [name for name in rows.columns if name not in COLUMNS and name != time]
    if time is not None and time not in rows.columns:
        raise AnnotuneError(f"The table has no column {time!r}.", nearest(time, groups))
    rows = _with_group(rows, groups)
    apart = rows["_group"].unique(maintain_order=True).to_list()
    cells = [(label, group) for label in panels for group in (apart if time is not None and groups else [None])]
    there = set(rows.select("label", "_group").unique().iter_rows())
    cells = [(label, group) for label, group in cells if group is None or (label, group) in there]
    if len(cells) > MOST_PANELS or (time is None and len(apart) > MOST_ROWS):
        what = f"{len(cells)} panels of {len(apart)} groups do not fit on a page."
        raise AnnotuneError(what, f"Choose up to {MOST_PANELS} panels with labels=, or fewer groups.")
    height = 2.2 if time is not None else 0.6 + len(apart) * (0.2 + 0.1 * len(shown))
    figure, axes = new_figure(7.0, 0.9 + height * len(cells), rows=len(cells))
    for axis, (label, group) in zip(np.atleast_1d(axes), cells, strict=True):
        part = rows.filter(pl.col("label") == label, pl.lit(True) if group is None else pl.col("_group") == group)
        own = part["_group"].unique(maintain_order=True).to_list() if "variable" in groups else apart
        _draw_lines(axis, part, shown, time) if time is not None else _draw_bars(axis, part, shown, own)
        axis.set_title(label if group is None else f"{label}: {group}", fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    _same_scale(np.atleast_1d(axes), rows, upright=time is not None)
    handles, names = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return saved(figure, path)


def _same_scale(axes: Any, rows: pl.DataFrame, upright: bool) -> None:
    """Axes from 0 to the largest share of all panels, titled below the last panel (or beside each)."""
    most = max(value for name in ("estimate", "conf_high") for value in rows[name].drop_nulls()) * 1.05 or 1.0
    if upright:
        for axis in axes:
            axis.set_ylim(0, most)
            axis.set_ylabel("share of texts")
        return
    for axis in axes:
        axis.set_xlim(0, most)
    axes[-1].set_xlabel("share of texts")


def _chosen_rows(
    table: pl.DataFrame, methods: list[str], labels: str | Sequence[str] | None
) -> tuple[pl.DataFrame, list[str], list[str]]:
    """The rows to show, their methods and their labels."""
    if not set(COLUMNS) <= set(table.columns):
        raise AnnotuneError("This is not a table of shares.", "Pass the table that prevalence returned.")
    panels = table["label"].unique(maintain_order=True).to_list() if labels is None else unique_names(labels)
    for name, column in [*((name, "method") for name in methods), *((name, "label") for name in panels)]:
        if name not in table[column].to_list():
            names = table[column].unique(maintain_order=True).to_list()
            raise AnnotuneError(f"The table has no {column} {name!r}.", nearest(name, names))
    matching = pl.col("method").is_in(methods) & pl.col("label").is_in(panels) & pl.col("estimate").is_not_null()
    rows = table.filter(matching)
    if rows.is_empty():
        raise AnnotuneError("The table has no estimate to show.", "Its notes say why.")
    return rows, methods, panels


def _with_group(rows: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    words = [pl.col(name).cast(pl.String) for name in groups]
    return rows.with_columns(_group=pl.concat_str(words, separator=", ") if words else pl.lit("all texts"))


def _draw_lines(axis: Any, rows: pl.DataFrame, methods: list[str], time: str) -> None:
    """One line with a band per method."""
    for method in methods:
        part = rows.filter(pl.col("method") == method).sort(time)
        colour, marker, dashes = STYLE[method]
        words = part[time].dtype in (pl.String, pl.Categorical) or isinstance(part[time].dtype, pl.Enum)
        x = part[time].cast(pl.String).to_list() if words else part[time].to_list()
        axis.fill_between(x, part["conf_low"], part["conf_high"], color=colour, alpha=0.15, linewidth=0)
        axis.plot(x, part["estimate"], color=colour, linestyle=dashes, marker=marker, markersize=4, label=NAMES[method])
    axis.grid(axis="y", color=PALE, linewidth=0.6)
    if rows[time].dtype.is_integer():
        axis.locator_params(axis="x", integer=True)


def _draw_bars(axis: Any, rows: pl.DataFrame, methods: list[str], groups: list[str]) -> None:
    """One row per group, from above, the methods beside each other."""
    step = 0.6 / max(len(methods), 2)
    for i, method in enumerate(methods):
        part = rows.filter(pl.col("method") == method)
        colour, marker, _ = STYLE[method]
        y = [groups.index(group) + (i - (len(methods) - 1) / 2) * step for group in part["_group"]]
        axis.hlines(y, part["conf_low"], part["conf_high"], color=colour, linewidth=1.6)
        axis.plot(part["estimate"], y, color=colour, linestyle="", marker=marker, markersize=5, label=NAMES[method])
    axis.set_yticks(range(len(groups)), groups)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.grid(axis="x", color=PALE, linewidth=0.6)
    axis.set_axisbelow(True)
