"""The figure of a learning curve."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError, nearest
from annotune.evidence.curve import LearningCurve
from annotune.measures.scores import in_full
from annotune.pictures import COLOURS, MARKERS, PALE, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_curve(curve: LearningCurve, path: str | Path | None = None, *, measure: str | None = None) -> Figure:
    """The curve of every model over the number of labels, with 95 % intervals and, dashed, the tuned model's forecast.

    Of several bases, the forecast is that of the first.

    Parameters
    ----------
    curve
        The result of `learning_curve`.
    path
        Where to save it, such as `.png`, `.pdf` or `.svg`.
    measure
        Another measure of `curve.table`, without a forecast.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    AnnotuneError
        Where matplotlib is not installed, or the curve has no such measure.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> cells = {"estimate": [0.6, 0.8], "ci_low": [0.5, 0.7], "ci_high": [0.7, 0.9], "n_seeds": [1, 1]}
    >>> about = {"model": ["tuned model"] * 2, "measure": ["macro_f1"] * 2, "n_units": [100, 100]}
    >>> curve = LearningCurve(pl.DataFrame({"n": [50, 200], **about, **cells}), pl.DataFrame(), "macro_f1", {}, 200)
    >>> at.plot_learning_curve(curve).axes[0].get_ylabel()
    'macro-F1 on 100 other texts'
    """
    shown = measure or curve.measure
    about = curve.table.filter(pl.col("measure") == shown)
    if about.is_empty():
        raise AnnotuneError(f"There is no measure {shown!r}.", nearest(shown, curve.table["measure"].unique()))
    figure, axes = new_figure(7.2, 4.6)
    models, leading = about["model"].unique(maintain_order=True), curve.tuned[0]
    forecast = shown == curve.measure and leading in curve.fits
    for place, (model, colour, marker) in enumerate(zip(models, cycle(COLOURS), cycle(MARKERS))):
        rows = about.filter(pl.col("model") == model)
        width = 1.8 if model in curve.tuned else 1.2
        style = {"color": colour, "marker": marker, "markersize": 5, "linewidth": width}
        aside = rows["n"] * 1.025 ** (place - 1)  # intervals side by side
        axes.plot(aside, rows["estimate"], label=model, zorder=3, **style)
        if rows["ci_low"].null_count() == 0:
            axes.vlines(aside, rows["ci_low"], rows["ci_high"], color=colour, linewidth=1.2, alpha=0.7, zorder=2)
    sizes = about["n"].unique().sort().to_list()
    if forecast:
        _draw_forecast(axes, curve, sizes)
    axes.set_xscale("log")
    marked = [*sizes, *([2 * sizes[-1]] if forecast else [])]
    axes.set_xticks(marked, [f"{n:,}" for n in marked])
    axes.minorticks_off()
    axes.set_xlabel("hand-coded texts to learn from")
    axes.set_ylabel(f"{in_full(shown)} on {about['n_units'][0]:,} other texts")
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return saved(figure, path)


def _draw_forecast(axes: Any, curve: LearningCurve, sizes: list[int]) -> None:
    """The fitted curve, extended to twice the largest size."""
    grid = np.geomspace(sizes[0], 2 * sizes[-1], 60).astype(int)
    ahead = curve.forecast(sorted(set(grid.tolist())))
    axes.plot(
        ahead["n"], ahead["estimate"], color=COLOURS[0], linestyle="--", linewidth=1.2, label="fitted and forecast"
    )
    beyond = ahead.filter(pl.col("n") >= sizes[-1])
    if beyond["ci_low"].null_count() == 0:
        axes.fill_between(
            beyond["n"], beyond["ci_low"], beyond["ci_high"], color=COLOURS[0], alpha=0.15, linewidth=0, zorder=1
        )
