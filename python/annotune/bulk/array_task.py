"""What a task of a SLURM array runs: its part of a run, then whatever other tasks have left.

A task that is told to end gives its shard back at once. One whose time is nearly over is queued again, and goes on with
the next shard in its next turn; where its time is too short for a single shard, it says so and ends for good.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotune.bulk.manifest import RunFolder
from annotune.bulk.places import one_part
from annotune.bulk.plan import require_plan
from annotune.bulk.run import work
from annotune.errors import AnnotuneError

REFUSED, STOPPED = 2, 143


class TimeOver(BaseException):
    """The scheduler will end this process soon."""


def main(args: Sequence[str]) -> int:
    """Work as long as there is time; the exit code."""
    parser = argparse.ArgumentParser(prog="annotune.bulk.array_task", description="One task of an array.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--shard", required=True, help="such as 3/100")
    options = parser.parse_args(args)
    number, _, of = options.shard.partition("/")
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, _time_over)
    try:
        return _worked(RunFolder(options.out), (int(number), int(of)))
    except AnnotuneError as error:
        print(error, file=sys.stderr, flush=True)
        return REFUSED


def _worked(folder: RunFolder, part: tuple[int, int]) -> int:
    before = _done_here(folder)
    try:
        shards = [shard for shard in require_plan(folder.out).part(part) if not folder.is_settled(shard)]
        one_part(folder, shards, part)
        work(folder.out, wait=False)
    except TimeOver:
        return _queued_again(len(_done_here(folder) - before))
    return 0


def _queued_again(n_done: int) -> int:
    """Ask for another turn, where this one brought something."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return STOPPED
    if not n_done:
        what = "The time of a task is too short for a single shard."
        raise AnnotuneError(what, "Give it more, or code into a new folder with smaller rows_per_shard.")
    print(f"The time is over; {n_done:,} shards were done here meanwhile. The rest is for the next turn.", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # by which SLURM ends what it queues again
    return subprocess.run(["scontrol", "requeue", job], check=False, stdin=subprocess.DEVNULL).returncode


def _done_here(folder: RunFolder) -> set[str]:
    """The shards that were settled on this machine."""
    host = socket.gethostname()
    manifests = ((shard, folder.manifest(shard)) for shard in require_plan(folder.out).shards)
    return {shard.name for shard, manifest in manifests if manifest is not None and manifest["host"] == host}


def _stop(*_: Any) -> None:
    sys.exit(STOPPED)


def _time_over(*_: Any) -> None:
    raise TimeOver


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
