"""A run on SLURM: an array of tasks is submitted, each of which works on the run as long as its time lasts."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotune.bulk.clusters import Profile, profile_of
from annotune.bulk.manifest import RunFolder
from annotune.bulk.places import texts_of
from annotune.bulk.shards import Shard
from annotune.bulk.slurm_script import logs_of, script_of
from annotune.bulk.status import Watch
from annotune.errors import AnnotuneError, counted
from annotune.progress import bar
from annotune.records.files import write_whole

THREADS, TASKS = 4, 100  # of each worker, and at most in an array, where nothing was said
BETWEEN = 30.0  # seconds between two questions to SLURM, which answers everybody on the cluster
LIVE = "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING,REQUEUED,RESIZING,SIGNALING,STOPPED,REQUEUE_HOLD"


@dataclass(frozen=True)
class OnSlurm:
    """Tasks of an array on a SLURM cluster, which sees the run's folder, texts and models under the same paths.

    Attributes
    ----------
    workers
        The tasks of the array; by default one for each shard, and 100 at most.
    device
        As in `classify`.
    cluster, clusters
        A cluster of a file with what jobs ask for there, and that file.
    wait
        Stay until the tasks have ended, and show how far they are.
    write_sbatch
        Write the file for `sbatch` here, and submit nothing.
    changes
        What this job asks for that the file does not say, or says otherwise: see `annotune.bulk.clusters.Profile`.
    """

    workers: int | None = None
    device: str = "auto"
    cluster: str | None = None
    clusters: str | Path | None = None
    wait: bool = False
    write_sbatch: str | Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.profile()

    def profile(self) -> Profile:
        """What the job asks for."""
        return profile_of(self.cluster, self.clusters, self.changes)

    def threads(self, _: int) -> int:
        """As many as a task has processors."""
        return self.profile().cpus or THREADS

    def work(self, folder: RunFolder, shards: Sequence[Shard], threads: int) -> tuple[str, ...]:
        """Submit the job, or write its file; with `wait`, see it through."""
        job = _job_of(folder)
        is_queued = job is not None and bool(_queued(job))
        if is_queued and self.write_sbatch is None:
            told = f"Job {job} works on this, and no other was submitted."
        else:
            tasks = min(self.workers or TASKS, len(shards))
            script = self._script(folder, tasks, threads)
            if self.write_sbatch is not None:
                return (f"Submit {counted(tasks, 'task', 'tasks')} with: sbatch {self.write_sbatch}",)
            job = _submitted(script)
            write_whole(folder.books / "slurm.json", json.dumps({"job": job}) + "\n")
            told = f"Job {job} was submitted: {counted(tasks, 'task', 'tasks')}, whose logs are in {logs_of(folder)}."
        if self.wait:
            assert job is not None
            _attend(folder, shards, job)
            return ()
        return (told, f"See how far it is with: annotune status {folder.out}")

    def _script(self, folder: RunFolder, tasks: int, threads: int) -> Path:
        path = Path(self.write_sbatch) if self.write_sbatch is not None else folder.books / "job.sh"
        logs_of(folder).mkdir(parents=True, exist_ok=True)
        write_whole(path, script_of(folder, self.profile(), tasks, threads))
        return path


def _attend(folder: RunFolder, shards: Sequence[Shard], job: str) -> None:
    """Show how far the run is until the job has ended.

    Raises
    ------
    AnnotuneError
        Where shards are left of which nobody knows anything.
    """
    watch = Watch(folder, shards)
    before = watch.texts()
    with bar("Coding", texts_of(shards), unit="texts") as advance:
        while True:
            is_queued = bool(_queued(job))
            now = watch.texts()
            advance(now - before)
            before = now
            if not is_queued or all(folder.is_settled(shard) for shard in shards):
                break
            time.sleep(BETWEEN)
    left = sum(not folder.is_settled(shard) for shard in shards)
    if left:
        what = f"Job {job} has ended, and {counted(left, 'shard is', 'shards are')} not done."
        raise AnnotuneError(what, f"See {logs_of(folder)} for the reason, and run the same again.")


def _submitted(script: Path) -> str:
    """The number of the job that became of a file."""
    answer = _answer(["sbatch", "--parsable", os.path.abspath(script)])
    if answer is None:
        advice = "Run this where jobs are submitted, or write the file for it with write_sbatch=."
        raise AnnotuneError("SLURM is not here: there is no sbatch.", advice)
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no reason"])[-1].removeprefix("sbatch: error: ")
        what = f"SLURM refused the job: {reason.rstrip('.')}."
        raise AnnotuneError(what, "Mend what the cluster's file says, or give it with this call.")
    return answer.stdout.strip().splitlines()[-1].partition(";")[0]


def _queued(job: str) -> list[str]:
    """The states of a job's tasks that have not ended; none where SLURM does not know the job any more."""
    answer = _answer(["squeue", "--noheader", "--array", f"--jobs={job}", f"--states={LIVE}", "--format=%T"])
    return answer.stdout.split() if answer is not None and answer.returncode == 0 else []


def _job_of(folder: RunFolder) -> str | None:
    """The job that was submitted last for this run."""
    try:
        return str(json.loads((folder.books / "slurm.json").read_text("utf-8"))["job"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _answer(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
