"""A figure of what a model said over time, beside a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.correction.drift import Drift
from annotune.errors import AnnotuneError, nearest
from annotune.pictures import COLOURS, INK, PALE, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {
    "uncertain": "unsure of (share of texts)",
    "certainty": "distance of the certainty",
    "labels": "largest change of a label's share",
    "accuracy": "coded as by people (share of hand-coded texts)",
}


def plot_drift(found: Drift, path: str | Path | None = None, *, variable: str | None = None) -> Figure:
    """Draw each measure over time with its interval; periods that moved are filled, the reference is a dashed line.

    Parameters
    ----------
    found
        What `drift` returned.
    path
        Where to save it: `.png`, `.pdf`, `.svg`.
    variable
        Which one, where there are several.

    Raises
    ------
    AnnotuneError
        For a variable that is not there, and where matplotlib is not installed.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> codes = pl.DataFrame({"unit_id": [str(i) for i in range(600)], "year": [2020, 2021, 2022] * 200})
    >>> codes = codes.with_columns(variable=pl.lit("topic"), label=pl.lit("war"), prob=pl.int_range(600) % 9 / 10)
    >>> figure = at.plot_drift(at.drift(codes, time="year"))
    >>> [axis.get_title(loc="left") for axis in figure.axes][:1]
    ['unsure of (share of texts)']
    """
    names = found.table["variable"].unique(maintain_order=True).to_list()
    if variable is None and len(names) > 1:
        raise AnnotuneError(
            f"The table has {len(names):,} variables.", f"Name one with variable=, such as {names[0]!r}."
        )
    if variable is not None and variable not in names:
        raise AnnotuneError(f"The table has no variable {variable!r}.", nearest(variable, names))
    table = found.table.filter(pl.col("variable") == (variable or names[0]))
    table = table.filter(pl.col("coder") == table["coder"][0])
    measures = [name for name in TITLES if name in table["measure"].to_list()]
    figure, axes = new_figure(7.0, 0.6 + 1.9 * len(measures), rows=len(measures))
    for axis, measure in zip(np.atleast_1d(axes), measures, strict=True):
        _draw(axis, table.filter(measure=measure), found.time, measure)
    return saved(figure, path)


def _draw(axis: Any, rows: pl.DataFrame, time: str, measure: str) -> None:
    """One measure: points with intervals, those that moved in another colour."""
    words = not (rows[time].dtype.is_numeric() or rows[time].dtype.is_temporal())
    x = [str(one) for one in rows[time]] if words else rows[time].to_list()
    base = None if measure in ("certainty", "labels") else rows["reference"][0]
    start = 0.0 if base is None else base
    points = [row["value"] if row["change"] is None else start + row["change"] for row in rows.to_dicts()]
    axis.axhline(start, color=COLOURS[3], linestyle=(0, (4, 2)), linewidth=0.9)
    axis.plot(x, points, color=PALE, linewidth=0.8, zorder=1)
    for where, y, row in zip(x, points, rows.to_dicts(), strict=True):
        colour = COLOURS[1] if row["moved"] else INK
        if row["conf_low"] is not None:
            axis.vlines(where, start + row["conf_low"], start + row["conf_high"], color=colour, linewidth=1.4)
        axis.plot(
            [where], [y], marker="o", markersize=5, color=colour, markerfacecolor=colour if row["moved"] else "white"
        )
    axis.set_title(TITLES[measure], fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color=PALE, linewidth=0.6)
    if rows[time].dtype.is_integer():
        axis.locator_params(axis="x", integer=True)
