"""The duration of the runs of a learning curve, and whether a budget allows them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from annotune.errors import AnnotuneError

SETTING_UP = 1.0  # seconds for setting up a run, assumed before one is done
UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}


@dataclass
class Clock:
    """How long runs take: a guess before the first, then an estimate from those that are done."""

    started: float
    budget: float | None
    rate: float  # seconds for learning from a text once
    say: Callable[[str], None]
    spent: float = 0.0
    passed: int = 0

    def needed(self, passes: int) -> float:
        """Seconds for learning from so many texts once."""
        return passes * self.rate

    def learn(self, passes: int, seconds: float) -> None:
        """Update the rate by the duration of a finished run."""
        self.spent, self.passed = self.spent + seconds, self.passed + passes
        self.rate = self.spent / self.passed

    def affords(self, passes: int) -> bool:
        """Whether so many more passes fit into the budget."""
        if self.budget is None:
            return True
        return time.perf_counter() - self.started + self.needed(passes) <= self.budget


def as_seconds(budget: str | None) -> float | None:
    """`30min`, `2h` or `90s` in seconds."""
    if budget is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|h)\s*", str(budget))
    if not match:
        raise AnnotuneError(f"budget={budget!r} is not a duration.", "Such as 30min, 2h or 90s.")
    return float(match[1]) * UNITS[match[2]]


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
