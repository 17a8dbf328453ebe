"""Progress that a person can see: a bar in a terminal and a notebook, lines in a log, a callback elsewhere."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Advance = Callable[[int], None]
Listener = Callable[[str, int, int], None]
SHORT = 10.0  # seconds, below which nothing is announced
EARLY = 0.02  # the part of the steps after which it is said how long the others will take
FIRST_LINE, NEXT_LINES = 5.0, 60.0  # seconds after which a log says how far a step is, and then again

_listener: ContextVar[Listener | None] = ContextVar("annotune_progress", default=None)
_step: ContextVar[str] = ContextVar("annotune_step", default="")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send progress to `listener(what, done, total)` in place of the terminal's bar."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def within(step: str) -> Iterator[None]:
    """Name the larger step that the bars inside are a part of, such as `Fold 2 of 5`."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def announce(what: str, seconds: float) -> None:
    """Say before a long step what it does and about how long it takes: in a terminal, a log and a notebook."""
    if seconds >= SHORT and _listener.get() is None:
        print(f"{what} {duration(seconds)}.", file=sys.stderr, flush=True)


def say(sentence: str) -> None:
    """Say something in passing: in a terminal, a log and a notebook."""
    if _listener.get() is None:
        print(sentence, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time in words, as exactly as an estimate deserves.

    >>> duration(42), duration(600), duration(9000)
    ('40 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{max(round(seconds / 10) * 10, 10)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


@contextmanager
def bar(what: str, total: int, unit: str = "") -> Iterator[Advance]:
    """Show how much of `total` is done; the block calls the function it is given with each step's size.

    With a `unit`, such as `texts`, it is also shown how many are done in a second, and which share of all. Work without
    a name is a part of some other that is shown, and is not.
    """
    if not what:
        yield lambda _: None
        return
    what = f"{_step.get()}: {what}" if _step.get() else what
    listener = _listener.get()
    if listener is not None:
        yield _counting(listener, what, total)
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not (console.is_terminal or _draws_in_notebook(console)):
        yield _counting(_Log(sys.stderr.write, unit=unit), what, total)
        return
    with _display(console, unit) as display:
        task = display.add_task(what, total=total)
        yield lambda step: display.advance(task, step)


def _draws_in_notebook(console: Any) -> bool:
    """Whether this is a notebook that can redraw a bar; without ipywidgets it has lines, as a log has."""
    return bool(console.is_jupyter) and importlib.util.find_spec("ipywidgets") is not None


def _display(console: Any, unit: str) -> Any:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """The share that is done, and how many are done in a second."""

        def render(self, task: Any) -> Text:
            speed = f", {task.speed:,.0f} {unit}/s" if task.speed else ""
            return Text(f"{task.percentage:.0f} %{speed}")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([RateColumn()] if unit else []),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


class _Log:
    """Lines for a log: how far a step is and how long it will take, once that can be said, and then each minute."""

    def __init__(
        self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic, unit: str = ""
    ) -> None:
        self.write, self.clock, self.unit = write, clock, unit
        self.began = clock()
        self.due = self.began + FIRST_LINE

    def __call__(self, what: str, done: int, total: int) -> None:
        now = self.clock()
        if now < self.due or not 0 < done < total:
            return
        seconds = now - self.began
        rate = f" {self.unit} ({done / total:.0%}), {done / seconds:,.0f} a second" if self.unit else ""
        early = done / total < EARLY and seconds < NEXT_LINES  # the first steps of all are slower than the others
        left = "" if early else f", about {duration(seconds / done * (total - done))} left"
        self.write(f"{what}: {done:,} of {total:,}{rate}{left}\n")
        self.due = now + NEXT_LINES


def _counting(listener: Listener, what: str, total: int) -> Advance:
    done = 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        listener(what, done, total)

    return advance
