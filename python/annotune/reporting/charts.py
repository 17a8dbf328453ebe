"""Figures of the report alone: confusion maps of many labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annotune.pictures import PALE, WIDTH, new_figure
from annotune.reporting.page import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_map(shares: np.ndarray, counts: np.ndarray) -> Figure:
    """A confusion map of many labels by their numbers: the darker a cell, the larger its share of the true label.

    Parameters
    ----------
    shares, counts
        Shape (labels, labels): one row per true label.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    k = len(counts)
    figure, axes = new_figure(WIDTH, WIDTH * 0.93)
    cells = np.argwhere(counts > 0)
    squares = [Rectangle((x + 0.5, y + 0.5), 1, 1) for y, x in cells]
    drawing = PatchCollection(squares, cmap="Blues", linewidth=0)
    drawing.set_array(0.18 + 0.82 * np.sqrt([shares[y, x] for y, x in cells]))  # a single text is still visible
    drawing.set_clim(0, 1)
    axes.add_collection(drawing)
    marks = [1, *range(5, k + 1, 5)]
    axes.set(xlim=(0.5, k + 0.5), ylim=(k + 0.5, 0.5), aspect="equal")
    axes.set_xticks(marks, [count(mark) for mark in marks], fontsize=8)
    axes.set_yticks(marks, [count(mark) for mark in marks], fontsize=8)
    axes.tick_params(length=2, top=True, labeltop=True)
    axes.grid(color=PALE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel("label given by the model, by its number in the table")
    axes.set_ylabel("label given by people")
    return figure
