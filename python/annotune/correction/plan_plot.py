"""The figure of a plan: which standard error a number of codings gives, by design."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotune.correction.plan_designs import ACTIVE, SIMPLE, STRATIFIED
from annotune.correction.plan_sample import SamplePlan
from annotune.errors import AnnotuneError, nearest
from annotune.pictures import COLOURS, PALE, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {  # the column of the curve, its name and its style
    "std_error_hand": ("hand codings alone, simple draw", COLOURS[3], ":"),
    "std_error": ("corrected, simple draw", COLOURS[0], "-"),
    "std_error_stratified": ("corrected, strata by predicted label", COLOURS[2], "--"),
    "std_error_active": ("corrected, active draw", COLOURS[1], "-."),
}
OF_DESIGN = {SIMPLE: "std_error", STRATIFIED: "std_error_stratified", ACTIVE: "std_error_active"}


def plot_plan(plan: SamplePlan, path: str | Path | None = None, *, estimate: str | None = None) -> Figure:
    """Draw the standard error over the number of hand codings, a line for each design; dots are at the target.

    Parameters
    ----------
    plan
        What `plan_sample` returned.
    path
        Where to save it: `.png`, `.pdf`, `.svg`.
    estimate
        The share or coefficient; by default the one with the largest standard error.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    AnnotuneError
        For an estimate that the plan does not have, and where matplotlib is not installed.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> frame = pl.DataFrame({"y_hat": [1, 0, 0, 1] * 50, "y_gold": [1, 0, 1, None] * 50})
    >>> figure = at.plot_plan(at.plan_sample(frame, n=100, label="1"))
    >>> figure.axes[0].get_ylabel()
    "standard error of '1'"
    """
    names = plan.estimates.sort("std_error", descending=True, nulls_last=True)["estimate"].to_list()
    name = names[0] if estimate is None else estimate
    if name not in names:
        raise AnnotuneError(f"The plan has no estimate {name!r}.", nearest(name, names))
    rows = plan.curve.filter(estimate=name)
    figure, axes = new_figure(7.2, 4.2)
    for column, (label, colour, dashes) in CURVES.items():
        if column in rows.columns:
            axes.plot(rows["n"], rows[column], label=label, color=colour, linestyle=dashes, linewidth=1.6)
    for design, n in plan.designs.filter(estimate=name).drop_nulls("n_needed").select("design", "n_needed").iter_rows():
        height = np.interp(np.log(n), np.log(rows["n"]), rows[OF_DESIGN[design]])
        axes.plot([n], [height], marker="o", markersize=6, color=CURVES[OF_DESIGN[design]][1], linestyle="")
    axes.set_xscale("log")
    shown = [n for n in (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000) if n <= plan.total]
    axes.set_xticks(shown, [f"{n:,}" for n in shown])
    axes.minorticks_off()
    axes.set_xlabel(f"hand-coded texts, of {plan.total:,}")
    axes.set_ylabel(f"standard error of {name!r}")
    axes.grid(color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return saved(figure, path)
