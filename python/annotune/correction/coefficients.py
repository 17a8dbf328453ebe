"""Coefficients of a corrected regression as a picture: hand-coded only, naive, and corrected beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, nearest
from annotune.export.estimates import Estimates, methods
from annotune.pictures import Point, forest, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TERMS = 40


def plot_correction(
    correction: Estimates,
    path: str | Path | None = None,
    *,
    only: str | Sequence[str] | None = None,
    intercept: bool = False,
) -> Figure:
    """Draw the coefficients of a correction with their intervals, a row for each, the methods beside each other.

    Parameters
    ----------
    correction
        The result of `correct`.
    path
        Where to save it: `.png`, `.pdf`, `.svg`.
    only
        Which methods: of "hand-coded only", "naive" and "corrected"; by default all that there are.
    intercept
        Whether the constant is drawn as well.

    Raises
    ------
    AnnotuneError
        For a method without estimates, more than 40 coefficients, or where there is nothing to draw.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> frame = pl.DataFrame({"x": [0, 1] * 80, "y_hat": [1, 0, 1, 1] * 40, "y_gold": [1, 0, None, 0] * 40})
    >>> figure = at.plot_correction(at.correct("y ~ x", frame, pi=0.75))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['hand-coded only', 'naive', 'corrected']
    """
    points = points_of(correction, methods(correction) if only is None else unique_names(only), intercept)
    if not points:
        raise AnnotuneError(f"{correction.formula!r} has no coefficient to draw.", "Give intercept=True for a mean.")
    rows = len({(point.group, point.name) for point in points})
    if rows > MOST_TERMS:
        what = f"{rows} coefficients do not fit on a page, which has room for {MOST_TERMS}."
        raise AnnotuneError(what, "Absorb categories as fixed effects, or draw a table.")
    return saved(forest(points, f"coefficient, with {correction.level * 100:g} % interval", at=0), path)


def points_of(correction: Estimates, only: Sequence[str], intercept: bool = False) -> list[Point]:
    """The points of the picture: of each method in turn, every coefficient that has an estimate."""
    for name in only:
        if name not in methods(correction):
            raise AnnotuneError(f"There are no estimates by {name!r}.", nearest(name, methods(correction)))
    drawn = pl.col("estimate").is_not_null() & (pl.lit(intercept) | (pl.col("term") != "Intercept"))
    return [
        Point(row["term"], row["estimate"], row["conf_low"], row["conf_high"], method, row["equation"])
        for method in only
        for row in correction.estimates.filter(drawn, method=method).to_dicts()
    ]
