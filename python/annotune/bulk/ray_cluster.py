"""A run on Ray: on a cluster that is there, or on one that is started on this machine for as long as the run takes.

A Ray task holds a processor's place and starts the same worker as a run on one machine has, in a process of its own
that ends with the task. Only the path of the run's folder goes through Ray: no text, no code, no model.
"""

from __future__ import annotations

import os
import secrets
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from annotune.bulk.manifest import RunFolder
from annotune.bulk.places import cores, default_workers
from annotune.bulk.shards import Shard
from annotune.bulk.team import Ending, Process, Team
from annotune.errors import AnnotuneError, AnnotuneWarning
from annotune.extras import require

STORE = 80_000_000  # bytes for objects, the least that Ray allows: none of ours is in there
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class OnRay:
    """Workers on a Ray cluster that sees the run's folder, the texts and the models under the same paths.

    Attributes
    ----------
    workers
        How many; by default as many as the cluster has processors (or GPUs) for.
    device
        As in `classify`.
    address
        Of the cluster, such as `auto` or `ray://head:10001`; by default RAY_ADDRESS, and without it a cluster of this
        machine alone is started.
    gpus
        Of each worker, also a part of one (0.5).
    """

    workers: int | None = None
    device: str = "auto"
    address: str | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        if self.gpus is not None and self.gpus < 0:
            raise AnnotuneError(f"A worker cannot have {self.gpus} GPUs.", "Give 0 or more.")

    def threads(self, n_shards: int) -> int:
        """One for each worker on a cluster; here, the processor's cores shared out."""
        if self._address() != "local":
            return 1
        return max(1, cores() // max(1, min(self.workers or default_workers(self.device), n_shards)))

    def work(self, folder: RunFolder, shards: Sequence[Shard], threads: int) -> tuple[str, ...]:
        """Have these shards done."""
        needs = {"CPU": float(threads), "GPU": self._gpus()}
        with self._connected(threads) as ray:
            workers = self.workers or _room(ray, needs)
            if not _room(ray, needs):
                what = f"No machine of the Ray cluster has {threads} processors and {needs['GPU']:g} GPUs now."
                warnings.warn(f"{what} The workers wait for one.", AnnotuneWarning, stacklevel=2)
            task = ray.remote(num_cpus=threads, num_gpus=needs["GPU"], max_retries=0)(_worked)
            place = str(folder.out.absolute())
            Team(lambda _: _Task(ray, task.remote(place, threads)), max(1, min(workers, len(shards)))).attend(
                folder, shards
            )
        return ()

    def _gpus(self) -> float:
        return float(self.device == "cuda") if self.gpus is None else self.gpus

    def _address(self) -> str:
        return self.address or os.environ.get("RAY_ADDRESS") or "local"

    @contextmanager
    def _connected(self, threads: int) -> Iterator[ModuleType]:
        """Ray, connected; what was connected before stays so."""
        address = self._address()
        os.environ.update(QUIET)
        if address == "local" and "ray" not in sys.modules:  # which reads them when it is imported
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # its ports are open to others on the network
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray = require("ray", "Coding on Ray needs")
        if ray.is_initialized():
            yield ray
            return
        options: dict[str, Any] = {}
        if address == "local":
            options = {"include_dashboard": False, "object_store_memory": STORE}
            options["num_cpus"] = max(cores(), threads * (self.workers or 1))
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            what = f"The Ray cluster at {address} cannot be reached: {reason}."
            raise AnnotuneError(what, "Check address=; `ray status` on its head says whether it is there.") from None
        try:
            yield ray
        finally:
            ray.shutdown()


def _room(ray: ModuleType, needs: dict[str, float]) -> int:
    """How many workers with such needs the machines of a cluster have room for."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {name: need for name, need in needs.items() if need}
    return sum(int(min(machine.get(name, 0) / need for name, need in wanted.items())) for machine in machines)


def _worked(out: str, threads: int) -> tuple[int, str]:
    """What a task does, wherever it is: a worker's exit code and words."""
    process = Process(Path(out), threads)
    try:
        ending = process.wait()
    finally:
        process.end()
    return ending.code, ending.words[-10_000:]


@dataclass
class _Task:
    """A worker that Ray looks after."""

    ray: ModuleType
    reference: Any

    def ending(self) -> Ending | None:
        """How it ended; None while it works or waits for a place."""
        done, _ = self.ray.wait([self.reference], timeout=0)
        if not done:
            return None
        try:
            return Ending(*self.ray.get(self.reference))
        except self.ray.exceptions.RayError as error:  # the machine or Ray's process on it is gone
            return Ending(1, (str(error).strip().splitlines() or [type(error).__name__])[-1])

    def leave(self) -> None:
        """Have it give its shard back: its worker ends when nobody holds its input open."""
        with suppress(self.ray.exceptions.RayError, ValueError):
            self.ray.cancel(self.reference, force=True)

    def end(self) -> None:
        """See that it is gone."""
        with suppress(self.ray.exceptions.RayError):
            self.ray.get(self.reference, timeout=20)
