"""Where a run is worked on. A place takes a run folder, and sees that `annotune.bulk.run.work` runs as often as asked.

All that a worker needs is in the run folder: `work(out)` does what is left, next to any others that do the same, on
this machine or another. So a place has no more to do than to start it, to say how far all are, and to tell what went
wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol

from annotune.bulk.manifest import RunFolder
from annotune.bulk.run import Part, work
from annotune.bulk.shards import Shard
from annotune.bulk.status import Watch
from annotune.errors import AnnotuneError
from annotune.progress import bar
from annotune.tables.isolation import interpreter, module_path

BEGINNING = "import sys; n = int(sys.argv[1]); args = sys.argv[2:2 + n]; sys.path[:] = sys.argv[2 + n:]; " + (
    "from annotune.bulk.worker import main; main(args)"
)
BETWEEN = 0.5  # seconds between two looks at the workers
MOST_ENDED = 10  # workers that may break off, for each that was asked for
LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS")


class Place(Protocol):
    """Somewhere that a run is worked on until all its shards are done or have failed."""

    def __call__(self, folder: RunFolder, shards: Sequence[Shard], workers: int, threads: int) -> None:
        """Work on these shards with so many workers, each with so many threads."""


def here(folder: RunFolder, shards: Sequence[Shard], workers: int, threads: int) -> None:
    """Work in processes of this machine; a single worker is this process itself."""
    total = sum(shard.rows or 0 for shard in shards)
    with bar("Coding", total, unit="texts") as advance:
        if workers == 1:
            work(folder.out, report=advance)
            return
        watch = Watch(folder, shards)
        before = watch.texts()
        team = _Team(folder, workers, threads)
        try:
            while team.goes_on():
                time.sleep(BETWEEN)
                now = watch.texts()
                advance(now - before)
                before = now
        finally:
            team.end()


def one_part(folder: RunFolder, shards: Sequence[Shard], part: Part) -> None:
    """Work in this process on one part of several, as a scheduler asks each of its jobs to."""
    total = sum(shard.rows or 0 for shard in shards)
    with bar(f"Coding part {part[0]} of {part[1]}", total, unit="texts") as advance:
        work(folder.out, part=part, wait=False, report=advance)


@dataclass
class _Child:
    """A worker in a process of its own; it ends when this one does."""

    process: subprocess.Popen[bytes]
    words: IO[bytes]

    def complaint(self) -> AnnotuneError | None:
        """What it said was wrong with more than a shard."""
        lines = self._said()
        with suppress(ValueError, KeyError, IndexError):
            content = json.loads(lines[-1])
            return AnnotuneError(content["what"], content["advice"])
        return None

    def last_words(self) -> str:
        """The last line that it or a library in it wrote."""
        return (self._said() or ["nothing"])[-1]

    def _said(self) -> list[str]:
        self.words.seek(0)
        return [line for line in self.words.read().decode(errors="replace").splitlines() if line.strip()]


@dataclass
class _Team:
    """Worker processes; those that break off are replaced, as long as that is worth it."""

    folder: RunFolder
    workers: int
    threads: int
    n_ended: int = 0
    children: list[_Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.children = [self._started() for _ in range(self.workers)]

    def goes_on(self) -> bool:
        """Whether any of them works; one that broke off is replaced.

        Raises
        ------
        AnnotuneError
            Where one met what all others will meet, or where they break off again and again.
        """
        for child in [child for child in self.children if child.process.poll() is not None]:
            self.children.remove(child)
            code = child.process.returncode
            if code == 0:
                continue
            complaint = child.complaint()
            if complaint is not None:
                raise complaint
            self.n_ended += 1
            if self.n_ended > MOST_ENDED * self.workers:
                how = signal.Signals(-code).name if code < 0 else f"code {code}"
                what = f"The workers break off again and again ({how}; the last words: {child.last_words()})."
                raise AnnotuneError(what, "Use fewer workers, and run the same again: what is done is kept.")
            self.children.append(self._started())
        return bool(self.children)

    def end(self) -> None:
        """Have those that still work give their shards back, and end."""
        for child in self.children:
            with suppress(OSError):
                child.process.stdin.close()  # type: ignore[union-attr]
        for child in self.children:
            try:
                child.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _started(self) -> _Child:
        words = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        args = [str(self.folder.out.absolute())]
        environment = {**os.environ, **dict.fromkeys(LIBRARIES, str(self.threads)), "TOKENIZERS_PARALLELISM": "true"}
        process = subprocess.Popen(
            [interpreter(), "-c", BEGINNING, str(len(args)), *args, *module_path()],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            env=environment,
            start_new_session=sys.platform != "win32",  # what interrupts this process ends the worker by its input
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        return _Child(process, words)
