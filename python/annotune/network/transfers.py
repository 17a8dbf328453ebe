"""What goes on side by side: a GPU and the transfers to and from it, making tokens and computing with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import torch

AHEAD = 2  # batches that a GPU has before it while the rows of an earlier one come back
Arriving = Callable[[], np.ndarray]
Batch = TypeVar("Batch")
Made = TypeVar("Made")


def send(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array on that device; a GPU fetches it by itself, from pages that stay where they are."""
    there = torch.from_numpy(np.require(array, requirements="W"))
    if device.type != "cuda":
        return there.to(device)
    return there.pin_memory().to(device, non_blocking=True)


def fetch(rows: torch.Tensor) -> Arriving:
    """Ask for rows in float32; what is returned waits for them, and for nothing that the GPU was given since."""
    rows = rows.float()
    if rows.device.type != "cuda":
        return rows.cpu().numpy
    here = rows.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record(torch.cuda.current_stream(rows.device))
    return partial(_awaited, here, arrived)


def in_turn(started: Iterable[tuple[Batch, Arriving]]) -> Iterator[tuple[Batch, np.ndarray]]:
    """Each batch with its rows, in order, while up to `AHEAD` more are under way."""
    under_way: deque[tuple[Batch, Arriving]] = deque()
    for one in started:
        under_way.append(one)
        if len(under_way) > AHEAD:
            batch, rows = under_way.popleft()
            yield batch, rows()
    for batch, rows in under_way:
        yield batch, rows()


def made_ahead(make: Callable[[Batch], Made], batches: Iterable[Batch]) -> Iterator[Made]:
    """What `make` gives for each batch, in order; the next one is made in a thread while one is worked with.

    >>> list(made_ahead(len, ["a", "bc", "def"]))
    [1, 2, 3]
    """
    source = iter(batches)
    with ThreadPoolExecutor(1) as thread:

        def begun() -> list[Future[Made]]:
            return [thread.submit(make, batch) for batch in islice(source, 1)]

        waiting = begun()
        while waiting:
            made, waiting = waiting[0].result(), begun()
            yield made


def _awaited(here: torch.Tensor, arrived: torch.cuda.Event) -> np.ndarray:
    arrived.synchronize()
    rows: np.ndarray = here.numpy()
    return rows
