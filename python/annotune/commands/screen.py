"""Where the verbs print: results on the screen, what goes on beside them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    import polars as pl

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
errors = Console(stderr=True, soft_wrap=True, highlight=False)
WIDE = 120  # columns that a line of figures with their intervals takes


def say(step: str) -> None:
    """Name the step that begins."""
    errors.print(f"{step} ...", style="dim", markup=False)


def show(table: pl.DataFrame, title: str | None = None, floats: str = ".4g") -> None:
    """A table as it is."""
    from annotune import display

    console.print(display.rows(table, title, floats))


def save(table: pl.DataFrame, paths: list[Path] | None) -> None:
    """A table in files, where any were asked for."""
    from annotune.export.write import write

    if paths:
        write(table, paths)
