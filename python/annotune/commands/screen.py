"""Where the verbs print: results on the screen, what goes on beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    import polars as pl

UNSEEN = 150  # columns of a line in a file or a pipe, where COLUMNS does not say how many
console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNSEEN)
errors = Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False)


def say(step: str) -> None:
    """Name the step that begins."""
    errors.print(f"{step} ...", style="dim", markup=False)


def files(paths: Sequence[Path]) -> None:
    """What was written, on one line where that has room for it; a path is never broken."""
    line = "Written: " + ", ".join(map(str, paths))
    lines = [line] if len(line) <= console.width else ["Written:", *(f"  {path}" for path in paths)]
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def save(table: pl.DataFrame, paths: list[Path] | None) -> None:
    """A table in files, where any were asked for."""
    from annotune.export.write import write

    if paths:
        write(table, paths, say=print)
