"""Where a run is worked on. A place takes a run folder, and sees that `annotune.bulk.run.work` runs as often as asked.

All that a worker needs is in the run folder: `work(out)` does what is left, next to any others that do the same, on
this machine or another. So a place has no more to do than to start it, to say how far all are, and to tell what went
wrong.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from annotune.bulk.manifest import RunFolder
from annotune.bulk.run import Part, work
from annotune.bulk.shards import Shard
from annotune.bulk.team import VISIBLE, Process, Team
from annotune.errors import AnnotuneError
from annotune.progress import bar

MEMORY = 1_500_000_000  # bytes that a worker may need


class Place(Protocol):
    """Somewhere that a run is worked on."""

    def threads(self, n_shards: int, /) -> int:
        """How many each worker has where nothing was set, and there are so many shards."""

    def work(self, folder: RunFolder, shards: Sequence[Shard], threads: int) -> tuple[str, ...]:
        """Have these shards done, or have others begin with it; sentences that the user should read."""


@dataclass(frozen=True)
class Local:
    """Processes of this machine; a single worker is this process itself.

    Attributes
    ----------
    workers
        How many; by default as many as there is room for.
    device
        What they compute on. Where that is any GPU, workers take turns in choosing one, and see no other.
    gpus
        How many GPUs are used; by default all that torch can use.

    Raises
    ------
    AnnotuneError
        Where there are fewer GPUs than that.
    """

    workers: int | None = None
    device: str = "auto"
    gpus: int | None = None

    def __post_init__(self) -> None:
        if self.gpus is None:
            return
        there = len(gpus_for(self.device))
        if not 1 <= self.gpus <= there:
            have = "there is none that torch can use here" if there == 0 else f"torch can use {there} here"
            raise AnnotuneError(f"{self.gpus} GPUs are asked for, and {have}.", "Leave out gpus=.")

    def threads(self, n_shards: int) -> int:
        """The processor's cores, shared out."""
        return max(1, cores() // self._workers(n_shards))

    def work(self, folder: RunFolder, shards: Sequence[Shard], threads: int) -> tuple[str, ...]:
        """Have these shards done."""
        workers = self._workers(len(shards))
        if workers == 1:
            with bar("Coding", texts_of(shards), unit="texts") as advance:
                work(folder.out, report=advance)
        else:
            Team(lambda seat: Process(folder.out, threads, self._gpu(seat)), workers).attend(folder, shards)
        return ()

    def _workers(self, n_shards: int) -> int:
        return max(1, min(self.workers or self.gpus or default_workers(self.device), n_shards))

    def _gpu(self, seat: int) -> str | None:
        """The GPU of the worker in this seat."""
        names = gpus_for(self.device)[: self.gpus]
        return names[seat % len(names)] if names else None


def one_part(folder: RunFolder, shards: Sequence[Shard], part: Part) -> None:
    """Work in this process on one part of several, as a scheduler asks each of its jobs to."""
    with bar(f"Coding part {part[0]} of {part[1]}", texts_of(shards), unit="texts") as advance:
        work(folder.out, part=part, wait=False, report=advance)


def texts_of(shards: Sequence[Shard]) -> int:
    """How many texts there are in shards that can be read."""
    return sum(shard.rows or 0 for shard in shards)


def default_workers(device: str = "auto") -> int:
    """As many processes as there are cores and memory for; where a GPU computes, one for each."""
    import psutil

    from annotune.network.machine import choose_device

    if choose_device(device).type != "cpu":
        return max(1, len(gpus_for(device)))
    return max(1, min(cores(), int(psutil.virtual_memory().available // MEMORY)))


def gpus_for(device: str = "auto") -> list[str]:
    """The GPUs that workers choose from, as CUDA_VISIBLE_DEVICES has them; none where one is named, as by `cuda:1`."""
    import torch

    from annotune.network.machine import choose_device

    chosen = choose_device(device)
    if chosen.type != "cuda" or chosen.index is not None:
        return []
    n, listed = torch.cuda.device_count(), os.environ.get(VISIBLE)
    return listed.split(",")[:n] if listed else [str(number) for number in range(n)]


def cores() -> int:
    """The cores that this process may use, as a scheduler allots them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
