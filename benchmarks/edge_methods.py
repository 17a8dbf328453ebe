"""One row of `edges.py`: a situation at the edge of the textbook, and what has to hold there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """What is simulated, and between which percentages it has to lie.

    Attributes
    ----------
    name
        What is simulated, in words, its own among all rows.
    repetition
        From a seed to one simulated answer: whether the 95 % interval holds the truth ("coverage"), or whether the test
        at 5 % finds what is not there ("size"). None, or an AnnotuneError, where there is no interval or no verdict. It
        has to be a function of a module, or a `partial` of one.
    before
        The percentage that annotune 0.1 gave before it was mended, as measured by the same simulation; None where it
        gave no answer.
    low, high
        The bound of the percentage after.
    kind
        "coverage" or "size".
    repetitions
        How many samples, for a simulation error that the bound can bear.
    """

    name: str
    repetition: Callable[[int], bool | None]
    before: float | None
    low: float
    high: float
    kind: str = "coverage"
    repetitions: int = 1000
