"""Figures of reliability: a forest plot of coefficients, and a heat map of pairs of coders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.agreement.present import about, titled
from annotune.errors import AnnotuneError
from annotune.pictures import INK, PALE, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CODERS = 60  # more do not fit on a page
MOST_ROWS = 120
MOST_NUMBERS = 15  # from more coders on the cells are too small for a number


def plot_reliability(found: pl.DataFrame, path: str | Path | None = None) -> Figure:
    """A forest plot: each coefficient of a reliability table with its 95 % interval.

    Parameters
    ----------
    found
        The table that `reliability`, `pairwise_reliability` or a similar function returned.
    path
        Where to save it, such as `.png`, `.pdf` or `.svg`.

    Returns
    -------
    matplotlib.figure.Figure
        Rows without a value and the error matrices of `coder_quality` are left out.

    Raises
    ------
    AnnotuneError
        Where no row has a value, or matplotlib is not installed.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxy"), "ben": list("xyyy")})
    >>> figure = at.plot_reliability(at.reliability(at.read_codings(wide, variable="v")))
    >>> figure.axes[0].get_xlabel()
    'agreement, with 95 % interval'
    """
    modelled = pl.col("metric").is_in(["accuracy", "dawid_skene"])  # without an interval
    rows = found.filter(pl.col("estimate").is_not_null() & ~modelled).to_dicts()
    if not rows:
        raise AnnotuneError("The table has no coefficient with a value.", "Its notes say why.")
    if len(rows) > MOST_ROWS:
        raise AnnotuneError(f"A forest plot of {len(rows):,} rows cannot be read.", f"Choose {MOST_ROWS} at most.")
    figure, axes = new_figure(8.0, 1.1 + 0.32 * len(rows))
    place = np.arange(len(rows))[::-1]
    for y, row in zip(place, rows, strict=True):
        if row["ci_low"] is not None:
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
    axes.plot([row["estimate"] for row in rows], place, "o", color=INK, markersize=5)
    axes.set_yticks(place, [f"{about(row)}: {titled(row)}" for row in rows])
    lowest = min(0.0, *(row["estimate"] if row["ci_low"] is None else row["ci_low"] for row in rows))
    axes.set_xlim(lowest - 0.02, 1.02)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("agreement, with 95 % interval")
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.axvline(0, color=PALE, linewidth=1.2)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return saved(figure, path)


def plot_coders(
    pairs: pl.DataFrame, path: str | Path | None = None, metric: str | None = None, variable: str | None = None
) -> Figure:
    """A heat map of the agreement of each pair of coders, ordered by their mean agreement.

    Of more than 60 coders, those who share the most units with others are shown, and the title says so.

    Parameters
    ----------
    pairs
        The table that `pairwise_reliability` returned.
    path
        Where to save it.
    metric, variable
        Which to show; the last metric and the first variable of the table when left out.

    Raises
    ------
    AnnotuneError
        Where the table has no pairs with a value.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": list("abcd"), "ann": list("xyxy"), "ben": list("xyyy"), "cem": list("xyxy")})
    >>> figure = at.plot_coders(at.pairwise_reliability(at.read_codings(wide, variable="v")), metric="percent")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['ann', 'cem', 'ben']
    """
    rows, title = _busiest(*_one_metric(pairs, metric, variable))
    coders, cells = _square(rows)
    size = max(3.2, 0.42 * len(coders) if len(coders) > MOST_NUMBERS else 0.6 * len(coders))
    figure, axes = new_figure(size + 1.6, size + 0.8)
    image = axes.imshow(cells, vmin=min(0.0, float(np.nanmin(cells))), vmax=1.0, cmap="Blues")
    axes.set_xticks(range(len(coders)), coders, rotation=90)
    axes.set_yticks(range(len(coders)), coders)
    axes.set_title(title, fontsize=10)
    axes.set_facecolor("#eeeeee")
    if len(coders) <= MOST_NUMBERS:
        for (y, x), value in np.ndenumerate(cells):
            if np.isfinite(value):
                axes.text(
                    x,
                    y,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    color="white" if value > 0.6 else "black",
                    fontsize=8,
                )
    figure.colorbar(image, ax=axes, shrink=0.8)
    return saved(figure, path)


def _one_metric(pairs: pl.DataFrame, metric: str | None, variable: str | None) -> tuple[pl.DataFrame, str]:
    pairs = pairs.filter(pl.col("coder_a").is_not_null() & pl.col("coder_b").is_not_null())
    if metric is not None:
        pairs = pairs.filter(pl.col("metric") == metric)
    if variable is not None:
        pairs = pairs.filter(pl.col("variable") == variable)
    if pairs["estimate"].drop_nulls().is_empty():
        raise AnnotuneError("The table has no pair of coders with a value.", "Give what pairwise_reliability returned.")
    pairs = pairs.filter(pl.col("variable") == pairs["variable"][0])
    last = pairs.filter(pl.col("estimate").is_not_null()).row(-1, named=True)
    same = (pl.col("metric") == last["metric"]) & (pl.col("level") == last["level"])
    return pairs.filter(same), f"{last['variable']}: {titled(last)}\ngrey: no value"


def _busiest(rows: pl.DataFrame, title: str) -> tuple[pl.DataFrame, str]:
    """The pairs of the coders who share the most units with others, as many as fit on a page."""
    sides = [rows.select(pl.col(side).alias("coder"), "n_pairable") for side in ("coder_a", "coder_b")]
    shared = pl.concat(sides).group_by("coder").agg(pl.col("n_pairable").sum())
    if len(shared) <= MOST_CODERS:
        return rows, title
    coders = shared.sort("n_pairable", "coder", descending=[True, False])["coder"].head(MOST_CODERS).implode()
    rows = rows.filter(pl.col("coder_a").is_in(coders) & pl.col("coder_b").is_in(coders))
    return rows, f"{title}; the {MOST_CODERS} busiest of {len(shared):,} coders"


def _square(rows: pl.DataFrame) -> tuple[list[str], Any]:
    """Coders by their mean agreement with the others, and the matrix; NaN where a pair has no value."""
    coders = sorted({*rows["coder_a"], *rows["coder_b"]})
    cells = np.full((len(coders), len(coders)), np.nan)
    for row in rows.filter(pl.col("estimate").is_not_null()).to_dicts():
        a, b = coders.index(row["coder_a"]), coders.index(row["coder_b"])
        cells[a, b] = cells[b, a] = row["estimate"]
    defined = np.isfinite(cells)
    mean = np.where(defined, cells, 0).sum(1) / np.maximum(defined.sum(1), 1)
    order = np.argsort(-np.where(defined.any(1), mean, -np.inf), kind="stable")
    return [coders[i] for i in order], cells[np.ix_(order, order)]
