"""Processes that work on a run together; those that break off are replaced, as long as that is worth it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from annotune.bulk.manifest import RunFolder
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
VISIBLE = "CUDA_VISIBLE_DEVICES"
LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Ending:
    """How a worker ended: its exit code, below zero the number of a signal; and what it wrote."""

    code: int
    words: str = ""

    def complaint(self) -> AnnotuneError | None:
        """What it said was wrong with more than a shard."""
        with suppress(ValueError, KeyError, IndexError, TypeError):
            content = json.loads(self._lines()[-1])
            return AnnotuneError(content["what"], content["advice"])
        return None

    def in_words(self) -> str:
        """How it ended, and the last line that it or a library in it wrote."""
        how = f"code {self.code}"
        if self.code < 0:
            with suppress(ValueError):
                how = signal.Signals(-self.code).name
        return f"{how}; the last words: {(self._lines() or ['none'])[-1]}"

    def _lines(self) -> list[str]:
        return [line for line in self.words.splitlines() if line.strip()]


class Member(Protocol):
    """A worker, wherever it is."""

    def ending(self) -> Ending | None:
        """How it ended; None while it works."""

    def leave(self) -> None:
        """Have it give its shard back."""

    def end(self) -> None:
        """See that it is gone."""


class Process:
    """A worker in a process of its own on this machine; it ends when this one does.

    The process is begun anew and not forked, because CUDA does not survive that; with `gpu`, it sees that one alone.
    """

    def __init__(self, out: Path, threads: int, gpu: str | None = None) -> None:
        self.words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        args = [str(out.absolute())]
        self.process = subprocess.Popen(
            [interpreter(), "-c", BEGINNING, str(len(args)), *args, *module_path()],
            stdin=subprocess.PIPE,
            stdout=self.words,
            stderr=self.words,
            env=_environment(threads, gpu),
            start_new_session=sys.platform != "win32",  # what interrupts this process ends the worker by its input
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def ending(self) -> Ending | None:
        """How it ended; None while it works."""
        return None if self.process.poll() is None else self._ending()

    def wait(self) -> Ending:
        """How it ended, once it has."""
        self.process.wait()
        return self._ending()

    def leave(self) -> None:
        """Have it give its shard back."""
        with suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]

    def end(self) -> None:
        """See that it is gone."""
        self.leave()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ending(self) -> Ending:
        self.words.seek(0)
        return Ending(self.process.returncode, self.words.read().decode(errors="replace"))


def _environment(threads: int, gpu: str | None) -> dict[str, str]:
    own = {"TOKENIZERS_PARALLELISM": "true", **({} if gpu is None else {VISIBLE: gpu})}
    return {**os.environ, **dict.fromkeys(LIBRARIES, str(threads)), **own}


@dataclass
class Team:
    """So many workers at a time, each in its seat; `started` begins one in the seat of this number."""

    started: Callable[[int], Member]
    workers: int
    n_ended: int = 0
    members: dict[int, Member] = field(default_factory=dict)

    def goes_on(self) -> bool:
        """Whether any of them works; one that broke off is replaced in its seat.

        Raises
        ------
        AnnotuneError
            Where one met what all others will meet, or where they break off again and again.
        """
        for seat, member in list(self.members.items()):
            ending = member.ending()
            if ending is None:
                continue
            del self.members[seat]
            if ending.code == 0:
                continue
            complaint = ending.complaint()
            if complaint is not None:
                raise complaint
            self.n_ended += 1
            if self.n_ended > MOST_ENDED * self.workers:
                what = f"The workers break off again and again ({ending.in_words()})."
                raise AnnotuneError(what, "Use fewer workers, and run the same again: what is done is kept.")
            self.members[seat] = self.started(seat)
        return bool(self.members)

    def attend(self, folder: RunFolder, shards: Sequence[Shard]) -> None:
        """Have them work until nothing is left, and show how far all are; whatever happens, none is left behind."""
        watch = Watch(folder, shards)
        before = watch.texts()
        with bar("Coding", sum(shard.rows or 0 for shard in shards), unit="texts") as advance:
            try:
                for seat in range(self.workers):
                    self.members[seat] = self.started(seat)
                while self.goes_on():
                    time.sleep(BETWEEN)
                    now = watch.texts()
                    advance(now - before)
                    before = now
            finally:
                for member in self.members.values():
                    member.leave()
                for member in self.members.values():
                    member.end()
