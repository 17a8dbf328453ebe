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
from annotune.bulk.team import Process, Team
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
    """Processes of this machine; a single worker is this process itself."""

    workers: int | None = None
    device: str = "auto"

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
            Team(lambda: Process(folder.out, threads), workers).attend(folder, shards)
        return ()

    def _workers(self, n_shards: int) -> int:
        return max(1, min(self.workers or default_workers(self.device), n_shards))


def one_part(folder: RunFolder, shards: Sequence[Shard], part: Part) -> None:
    """Work in this process on one part of several, as a scheduler asks each of its jobs to."""
    with bar(f"Coding part {part[0]} of {part[1]}", texts_of(shards), unit="texts") as advance:
        work(folder.out, part=part, wait=False, report=advance)


def texts_of(shards: Sequence[Shard]) -> int:
    """How many texts there are in shards that can be read."""
    return sum(shard.rows or 0 for shard in shards)


def default_workers(device: str = "auto") -> int:
    """As many processes as there are cores and memory for; on a GPU one."""
    import psutil

    from annotune.network.machine import choose_device

    if choose_device(device).type != "cpu":
        return 1
    return max(1, min(cores(), int(psutil.virtual_memory().available // MEMORY)))


def cores() -> int:
    """The cores that this process may use, as a scheduler allots them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
