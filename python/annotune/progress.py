"""Progress that a person can see: a bar in a terminal, a callback elsewhere, silence in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Advance = Callable[[int], None]
Listener = Callable[[str, int, int], None]

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


@contextmanager
def bar(what: str, total: int) -> Iterator[Advance]:
    """Show how much of `total` is done; the block calls the function it is given with each step's size."""
    what = f"{_step.get()}: {what}" if _step.get() and what else what
    listener = _listener.get()
    if listener is not None:
        yield _counting(listener, what, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task(what, total=total)
        yield lambda step: display.advance(task, step)


def _counting(listener: Listener, what: str, total: int) -> Advance:
    done = 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        listener(what, done, total)

    return advance
