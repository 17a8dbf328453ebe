"""Where the verbs print: results on the screen, what goes on beside them."""

from __future__ import annotations

import sys

from rich.console import Console

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
errors = Console(stderr=True, soft_wrap=True, highlight=False)
WIDE = 120  # columns that a line of figures with their intervals takes


def say(step: str) -> None:
    """Name the step that begins."""
    errors.print(f"{step} ...", style="dim", markup=False)
