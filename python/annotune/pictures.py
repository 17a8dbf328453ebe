"""What pictures have in common: a figure without a screen, colours that all can tell apart, a file; forest plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE = "#1f4e79", "#b8c4d0"
COLOURS = ("#1f4e79", "#d55e00", "#009e73", "#777777", "#cc79a7", "#000000")  # after Okabe and Ito (2008)
MARKERS = ("o", "s", "^", "", "D", "v")
MOST_SIGNS = 44  # characters of a name beside a row
WIDTH = 7.4  # inches, the width of a printed page
SERIES = ((INK, "o"), (COLOURS[1], "s"), (COLOURS[2], "^"), (COLOURS[4], "D"))
ASIDE = (COLOURS[3], "D")


def new_figure(
    width: float, height: float, rows: int = 1, heights: Sequence[float] | None = None, columns: int = 1
) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes (an array of them where there are several rows or columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, height_ratios=heights)


def saved(figure: Figure, path: str | Path | None) -> Figure:
    """The figure, and where a path is given its file, whole or not at all."""
    if path is None:
        return figure
    from annotune.records.files import replacing

    path = Path(path)
    _require_suffix(path, figure)
    with replacing(path) as draft:
        figure.savefig(draft, dpi=200)
    return figure


def require_picture(path: Path) -> None:
    """Stop, before anything is computed, where no picture can be drawn, or not as what the path says."""
    _require_suffix(path, new_figure(1, 1)[0])


def _require_suffix(path: Path, figure: Figure) -> None:
    if path.suffix.lower().lstrip(".") not in figure.canvas.get_supported_filetypes():
        raise AnnotuneError(f"{path}: a plot cannot be saved as {path.suffix!r}.", "Use .png, .pdf or .svg.")


@dataclass(frozen=True)
class Point:
    """An estimate with its interval. Without a `series` it is drawn in grey; `group` is a heading above the rows."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    series: str | None = None
    group: str | None = None


def forest(points: Sequence[Point], label: str, bounds: tuple[float, float] | None = None, at: Any = None) -> Figure:
    """A forest plot: one row per name, from above, series beside each other; `at` draws a line of reference.

    Parameters
    ----------
    label
        The title of the horizontal axis.
    bounds
        The limits of the axis; by default those of the intervals.
    """
    series = list(dict.fromkeys(point.series for point in points if point.series is not None))
    styles = dict(zip(series, SERIES, strict=False))
    places: dict[tuple[str | None, str], float] = {}
    ticks: list[tuple[float, str, bool]] = []
    y = 0.0
    for group, name in dict.fromkeys((point.group, point.name) for point in points):
        if group is not None and group not in {heading for heading, _ in places}:
            ticks.append((y, group, True))
            y += 1
        places[group, name] = y
        ticks.append((y, name, False))
        y += 1 if len(series) < 2 else 0.6 + 0.25 * len(series)
    figure, axes = new_figure(WIDTH, 0.75 + 0.29 * y)
    for point in points:
        colour, marker = ASIDE if point.series is None else styles.get(point.series, ASIDE)
        aside = 0.0 if len(series) < 2 else 0.25 * (series.index(point.series or series[0]) - (len(series) - 1) / 2)
        place = places[point.group, point.name] + aside
        if point.estimate is None:
            continue
        if point.low is not None and point.high is not None:
            axes.plot([point.low, point.high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(point.estimate, place, marker, color=colour, markersize=5.5, clip_on=False, zorder=3)
    _draw_axes(axes, ticks, y, label, bounds, at)
    if len(series) > 1:
        handles = [axes.plot([], [], styles[name][1], color=styles[name][0], label=name)[0] for name in series]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(series), frameon=False, fontsize=9)
    return figure


def _draw_axes(axes: Any, ticks: list[tuple[float, str, bool]], end: float, label: str, bounds: Any, at: Any) -> None:
    """Draw names at the left, a grid, and the line of reference."""
    axes.set_yticks([y for y, _, _ in ticks], [short(name) for _, name, _ in ticks])
    for text, (_, _, heading) in zip(axes.get_yticklabels(), ticks, strict=True):
        text.set_fontweight("bold" if heading else "normal")
    axes.set_ylim(end - 0.4, -0.6)
    if bounds is not None:
        axes.set_xlim(*bounds)
    if at is not None:
        axes.axvline(at, color=COLOURS[3], linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def short(name: str, most: int = MOST_SIGNS) -> str:
    """A name cut to the space beside a figure.

    >>> short("a very long name indeed", 10)
    'a very lo…'
    """
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"
