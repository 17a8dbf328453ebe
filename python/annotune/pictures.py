"""What all pictures have in common: a figure without a screen, two colours that everyone can tell apart, a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE = "#1f4e79", "#b8c4d0"
COLOURS = ("#1f4e79", "#d55e00", "#009e73", "#777777", "#cc79a7", "#000000")  # after Okabe and Ito (2008)
MARKERS = ("o", "s", "^", "", "D", "v")


def new_figure(
    width: float, height: float, rows: int = 1, heights: Sequence[float] | None = None
) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes (an array of them where there are several rows)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, height_ratios=heights)


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
