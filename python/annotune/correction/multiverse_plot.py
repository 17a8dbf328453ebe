"""The specification curve: a coefficient under every combination of choices, and below it the choices.

After Simonsohn, Simmons and Nelson (2020).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

from annotune.correction.choices import CHOICES
from annotune.correction.result import CORRECTED, NAIVE
from annotune.errors import AnnotuneError
from annotune.pictures import COLOURS, INK, PALE, WIDTH, new_figure, saved, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.17  # inches for each value of a choice
CURVE = 2.6  # inches for the curve
BELOW = COLOURS[1]


@runtime_checkable
class Specifications(Protocol):
    """What is drawn of a multiverse: its table, the coefficient, and the level of its intervals."""

    @property
    def table(self) -> pl.DataFrame:
        """One row per specification."""

    @property
    def term(self) -> str:
        """The coefficient."""

    @property
    def level(self) -> float:
        """Of the intervals."""


def plot_multiverse(multiverse: Specifications, path: str | Path | None = None) -> Figure:
    """Draw the specification curves, naive and corrected side by side, and below each its choices.

    Specifications are ordered by their estimate, as Simonsohn, Simmons and Nelson (2020) draw them. Intervals that do
    not hold 0 are dark (orange below 0), others pale; the study's own specification is a diamond. Below each curve a
    tick marks every value that a specification has of the choices that vary; what does not vary is left out.

    Parameters
    ----------
    multiverse
        The result of `multiverse`: a table with one row per specification, the coefficient's name, and the level of
        the intervals.
    path
        Where to save it: `.png`, `.pdf`, `.svg`. None leaves it in memory.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows of panels, curves above choices; one column for each of naive and corrected that there is. Estimates
        are in the coefficient's own unit, and both curves share their axis.

    Raises
    ------
    AnnotuneError
        Where there are neither naive nor corrected estimates, the file cannot be a picture, or matplotlib is not
        installed.

    Examples
    --------
    >>> import annotune as at
    >>> from annotune.correction.multiverse import made_of
    >>> row = {"estimator": "naive", "conf_low": 0.1, "conf_high": 0.5, "n": 100, "n_coded": 20}
    >>> rows = [{**row, "seed": "1", "estimate": 0.3}, {**row, "seed": "2", "estimate": 0.4}]
    >>> figure = at.plot_multiverse(made_of(rows, "topic == 'Health' ~ party", "party[opposition]"))
    >>> [axes.get_title("left") for axes in figure.axes]
    ['naive', '']
    """
    there = multiverse.table["estimator"].unique().to_list()
    curves = [name for name in (NAIVE, CORRECTED) if name in there]
    if not curves:
        raise AnnotuneError("There is no naive and no corrected estimate to draw.", "Vary a choice that gives some.")
    values = _values(multiverse.table.filter(pl.col("estimator").is_in(curves)))
    heights = (CURVE, max(ROW * len(values) + 0.25, 0.5))
    figure, panels = new_figure(WIDTH, sum(heights) + 0.5, 2, heights, len(curves))
    panels = panels.reshape(2, len(curves))
    for place, name in enumerate(curves):
        rows = multiverse.table.filter(pl.col("estimator") == name).sort("estimate")
        curve, matrix = panels[0, place], panels[1, place]
        _draw_curve(curve, rows, name)
        _draw_choices(matrix, rows, values, named=not place)
        matrix.set_xlabel(f"{len(rows):,} specifications, by their estimate", fontsize=9)
        for axes in (curve, matrix):
            axes.set_xlim(-1, len(rows))
        if place:
            curve.sharey(panels[0, 0])
            curve.tick_params(labelleft=False)
    panels[0, 0].autoscale_view(scalex=False)
    panels[0, 0].set_ylabel(f"{short(multiverse.term, 36)}, with {multiverse.level * 100:g} % interval", fontsize=9)
    return saved(figure, path)


def _values(table: pl.DataFrame) -> list[tuple[str, str]]:
    """Every value of every choice that varies, in the order in which they are drawn."""
    varied = [choice for choice in CHOICES if table[choice].drop_nulls().n_unique() > 1]
    return [(choice, value) for choice in varied for value in table[choice].drop_nulls().unique(maintain_order=True)]


def _draw_curve(axes: Any, rows: pl.DataFrame, name: str) -> None:
    """Estimates with their intervals from the lowest to the highest, and a line at 0."""
    axes.axhline(0, color=COLOURS[3], linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for x, row in enumerate(rows.to_dicts()):
        low, high = row["conf_low"], row["conf_high"]
        colour = PALE if low is None or low <= 0 <= high else INK if low > 0 else BELOW
        if low is not None:
            axes.vlines(x, low, high, color=colour, linewidth=1.0 if len(rows) < 150 else 0.7, alpha=0.85)
        own = {"marker": "D", "markersize": 6, "color": COLOURS[5], "zorder": 4}
        plain = {"marker": "o", "markersize": 2.4, "color": colour if colour != PALE else COLOURS[3], "zorder": 3}
        axes.plot(x, row["estimate"], linestyle="", **(own if row["own"] else plain))
    axes.set_title(name, fontsize=10, loc="left")
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _draw_choices(axes: Any, rows: pl.DataFrame, values: list[tuple[str, str]], named: bool) -> None:
    """A tick for every specification in the row of each value that it has; a space between choices."""
    places, y = [], 0.0
    for place, (choice, _) in enumerate(values):
        y += 0.5 if place and choice != values[place - 1][0] else 0.0
        places.append(y)
        y += 1
    for at, (choice, value) in zip(places, values, strict=True):
        mine = rows.with_row_index("_x").filter(pl.col(choice) == value)["_x"].to_list()
        axes.plot(mine, [at] * len(mine), "|", color=INK, markersize=5, markeredgewidth=0.9)
    names = [short(f"{choice}: {value}", 30) for choice, value in values]
    axes.set_yticks(places, names if named else [""] * len(names), fontsize=7.5)
    axes.set_ylim(y - 0.3, -0.7)
    axes.set_xticks([])
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
