"""The picture of a study's rounds: agreement, the model, coefficients, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from annotune.errors import AnnotuneError
from annotune.hybrid.round_words import of_interest
from annotune.pictures import COLOURS, PALE, SERIES, new_figure, saved, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from annotune.hybrid.rounds import Rounds

MOST_TERMS = len(SERIES)
APART = 0.09  # of a round's width between series


def plot_rounds(rounds: Rounds, path: str | Path | None = None) -> Figure:
    """Draw agreement, macro-F1, coefficients and codings by round, with 95 % intervals.

    The grey interval after the last round is what the next is expected to leave of it. Of several variables and
    regressions the first is drawn, of many coefficients the first four.

    Parameters
    ----------
    rounds
        The result of `rounds`, with at least one round done.
    path
        Where to save it: `.png`, `.pdf`, `.svg`. None leaves it in memory.

    Returns
    -------
    matplotlib.figure.Figure
        Two by two panels over rounds: Krippendorff's alpha; macro-F1, cross-fitted and on the evaluation set where
        there is one; the coefficients in their own units; codings so far, with hours and dollars where they are known.

    Raises
    ------
    AnnotuneError
        Before the first round is done, where the file cannot be a picture, or matplotlib is not installed.

    Examples
    --------
    >>> import annotune as at
    >>> from annotune.hybrid.rounds import Stop, made_of
    >>> f1 = {"macro_f1": 0.7, "macro_f1_low": 0.6, "macro_f1_high": 0.8}
    >>> row = {"round": 1, "variable": "topic", "n_coded": 200, "codings": 240, **f1}
    >>> figure = at.plot_rounds(made_of([{"table": [row], "coefficients": [], "labels": []}], Stop(), 100))
    >>> [axes.get_title('left') for axes in figure.axes]
    ['agreement (alpha)', 'macro-F1', 'coefficients', 'codings']
    """
    if not rounds.n:
        raise AnnotuneError("No round is done yet: there is nothing to draw.", rounds.due)
    rows = rounds.table.filter(variable=rounds.table["variable"][0])
    figure, panels = new_figure(7.4, 5.4, 2, columns=2)
    (agreement, model), (coefficients, work) = panels
    _draw_series(agreement, [("", _points(rows, "alpha"))])
    evaluated = rows["evaluation_f1"].null_count() < len(rows)
    lines = [("cross-fitted", _points(rows, "macro_f1"))]
    lines += [("on the evaluation set", _points(rows, "evaluation_f1"))] if evaluated else []
    _draw_series(model, lines)
    _draw_coefficients(coefficients, rounds.coefficients)
    _draw_work(work, rows)
    ticks = {number: f"{number}\n{n:,} texts" for number, n in rows.select("round", "n_coded").iter_rows()}
    for axes, title in zip(panels.flat, ("agreement (alpha)", "macro-F1", "coefficients", "codings"), strict=True):
        axes.set_title(title, fontsize=10, loc="left")
        shown = ticks | ({rounds.n + 1: "expected"} if axes is coefficients else {})
        axes.set_xticks(list(shown), list(shown.values()), fontsize=8)
        axes.set_xlim(0.5, max(shown) + 0.5)
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return saved(figure, path)


def _points(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.select("round", estimate=name, low=f"{name}_low", high=f"{name}_high").drop_nulls("estimate")


def _draw_series(axes: Any, lines: Sequence[tuple[str, pl.DataFrame]]) -> None:
    """Estimates with their intervals over rounds, one series beside the other."""
    for place, (name, points) in enumerate(lines):
        colour, marker = SERIES[place]
        x = points["round"] + APART * (place - (len(lines) - 1) / 2)
        axes.plot(x, points["estimate"], marker=marker, color=colour, markersize=5, linewidth=1.2, label=name or None)
        axes.vlines(x, points["low"], points["high"], color=colour, linewidth=1.4, alpha=0.7)
    if len(lines) > 1:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.3 * (high - low))
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    if not any(len(points) for _, points in lines):
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", color=COLOURS[3])


def _draw_coefficients(axes: Any, coefficients: pl.DataFrame) -> None:
    """The first regression's coefficients, and what a next round is expected to leave of their intervals."""
    rows = of_interest(coefficients.filter(formula=coefficients["formula"][0])) if len(coefficients) else coefficients
    terms = rows["term"].unique(maintain_order=True).to_list()[:MOST_TERMS]
    lines = [
        (
            short(term if term != "Intercept" else rows["formula"][0], 22),
            rows.filter(term=term).select("round", "estimate", low="conf_low", high="conf_high"),
        )
        for term in terms
    ]
    _draw_series(axes, lines)
    for place, term in enumerate(terms):
        last = rows.filter(term=term).tail(1).drop_nulls("expected_width")
        for number, estimate, width in last.select("round", "estimate", "expected_width").iter_rows():
            x = number + 1 + APART * (place - (len(terms) - 1) / 2)
            axes.vlines(x, estimate - width / 2, estimate + width / 2, color=COLOURS[3], linewidth=1.4, linestyle=":")
    if len(lines) == 1:
        axes.set_ylabel(lines[0][0], fontsize=9)


def _draw_work(axes: Any, rows: pl.DataFrame) -> None:
    """Codings so far as bars; above them hours and dollars, where they are known."""
    axes.bar(rows["round"], rows["codings"], width=0.55, color=PALE)
    for number, codings, hours, cost in rows.select("round", "codings", "hours", "cost").iter_rows():
        parts = [f"{hours:.1f} h"] if hours is not None else []
        parts += [f"${cost:.2f}"] if cost is not None else []
        words = "\n".join([f"{codings:,}", *parts])
        above = {"xytext": (0, 2), "textcoords": "offset points"}
        axes.annotate(words, (number, codings), ha="center", fontsize=8, **above)
    axes.margins(y=0.25)
