"""One process's work: claim a shard, code it, write it beside its place, check it, give it its name, and say so.

Whatever is wrong with a shard is written down, and the next one is done. What is wrong with the place that is written
to, or with the models, stops the process: each further shard would meet the same.
"""

from __future__ import annotations

import datetime
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.claims import Claim, key_of
from annotune.bulk.coders import Reader, require_same
from annotune.bulk.coding import coded
from annotune.bulk.manifest import DONE, FAILED, RunFolder, input_of
from annotune.bulk.plan import Plan, require_plan
from annotune.bulk.runtimes import kept_choices, readers_of
from annotune.bulk.shards import PARQUET, Shard, suffix_of
from annotune.errors import AnnotuneError
from annotune.faults import sentence, write_report
from annotune.progress import listening
from annotune.records.drafts import discard, draft_of, put, settle, sweep
from annotune.records.fingerprints import file_sha256

MOST_DEATHS = 3  # processes that may end while they work on a shard, before it is taken for the reason
SECONDS_BETWEEN = 1.0  # two looks at shards that others work on
Report = Callable[[int], None]
Part = tuple[int, int]


@dataclass
class Worker:
    """A process that takes part in a run; `report` is told of texts as they are coded."""

    folder: RunFolder
    plan: Plan
    shards: list[Shard]
    report: Report
    readers: list[Reader] = field(default_factory=list)

    def work(self, wait: bool) -> None:
        """Do what nobody else does; with `wait`, until all is done, so that what others leave is done as well."""
        claims = self.folder.claims()
        while left := self.left():
            readers, n_done = self._loaded(), 0  # a process that cannot load them, or is long about it, claims nothing
            for shard in left:
                claim = claims.take(shard.name)
                if claim is None:
                    continue
                with claim:
                    if not self.folder.manifest_path(shard).exists():
                        self._do(shard, claim, readers)
                        n_done += 1
            if not n_done and not wait:
                return
            if not n_done:
                time.sleep(SECONDS_BETWEEN)

    def left(self) -> list[Shard]:
        """The shards of which nothing is known yet; each process begins at another one."""
        settled = self.folder.settled()
        left = [shard for shard in self.shards if key_of(shard.name) not in settled]
        start = os.getpid() % max(len(left), 1)
        return left[start:] + left[:start]

    def _do(self, shard: Shard, claim: Claim, readers: list[Reader]) -> None:
        for spec in self.plan.models:
            require_same(spec)
        began = time.monotonic()
        content: dict[str, Any]
        try:
            _require_alive(claim.number)
            codings, about = coded(shard, self.plan, readers, self.folder.types(), self._advance(claim))
            _require_unchanged(shard)
        except AnnotuneError as error:
            content = {"state": FAILED, "why": str(error)}
        except Exception as error:
            if _is_card_lost(error):
                raise  # each further shard would fail in this process; another one that is begun can go on
            content = {"state": FAILED, "why": sentence(write_report(error, "classify", []))}
        else:
            with self._draft(codings) as draft:
                content = {"state": DONE, **about, "output": _fingerprint(shard, draft)}
                if not claim.is_held():
                    return
                target = self.folder.out / shard.output
                target.parent.mkdir(parents=True, exist_ok=True)
                put(draft, target)
        self._say(shard, claim, content, time.monotonic() - began)

    def _say(self, shard: Shard, claim: Claim, content: dict[str, Any], seconds: float) -> None:
        if not claim.is_held():  # another process took it over while this one stood still
            return
        from annotune.network.machine import gpu_name

        about = {
            "shard": shard.name,
            "input": input_of(shard),
            "models": {spec["name"]: spec["sha256"] for spec in self.plan.models},
            "settings": {**self.plan.columns, **self.plan.settings},
            "runtimes": [choice.runtime for choice in kept_choices(self.folder)],
            "attempt": claim.number,
            "seconds": round(seconds, 3),
            "host": socket.gethostname(),
            "gpu": gpu_name(self.plan.settings["device"]),
            "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        self.folder.put_manifest(shard, {**about, **content})

    def _loaded(self) -> list[Reader]:
        """The models, loaded once there is a shard left for them; what is wrong with them stops the process."""
        self.readers = self.readers or readers_of(self.folder, self.plan)
        return self.readers

    def _advance(self, claim: Claim) -> Report:
        def advance(step: int) -> None:
            claim.rows += step
            self.report(step)

        return advance

    @contextmanager
    def _draft(self, codings: pl.DataFrame) -> Iterator[Path]:
        """The codes in a file that has no name yet; what is wrong with the disk stops the process."""
        draft = draft_of(self.folder.drafts / "shard")
        try:
            codings.write_parquet(draft, compression="zstd")
            settle(draft)
            yield draft
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
            what = f"{self.folder.out} cannot be written to: {reason}."
            raise AnnotuneError(what, "Make room, and run the same again: what is done is kept.") from error
        finally:
            discard(draft)


def work(
    out: str | Path,
    *,
    part: Part | None = None,
    wait: bool = True,
    report: Report = lambda _: None,
) -> None:
    """Take part in the run that was begun in a folder, until nothing is left to do.

    Parameters
    ----------
    out
        The folder that is coded into, in which `annotune.bulk.plan.begin` put a plan.
    part
        `(3, 100)` to do only the third of a hundred parts.
    wait
        Whether to stay until others have done what they work on, so as to do it where they end before.
    report
        Is told of texts as they are coded.

    Raises
    ------
    AnnotuneError
        Where the folder cannot be written to, or a model is not the one that the run was begun with.
    """
    folder = RunFolder(Path(out))
    plan = require_plan(folder.out)
    tidy(folder)
    with listening(lambda *_: None), threads(plan.settings["threads"]):
        Worker(folder, plan, plan.part(part), report).work(wait)


def tidy(folder: RunFolder) -> None:
    """Remove what processes that were killed have left: drafts, and claims on shards that are settled."""
    for place in (folder.drafts, folder.books / "claims"):
        sweep(place)
    folder.claims().clear(folder.settled())


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute with so many threads, on which the last bits of a number depend."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_card_lost(error: Exception) -> bool:
    from annotune.network.memory import is_card_lost

    return is_card_lost(error)


def _require_alive(attempt: int) -> None:
    if attempt > MOST_DEATHS:
        what = f"{attempt - 1} processes ended while they worked on this shard, as when memory is short."
        raise AnnotuneError(what, "Use fewer workers or smaller shards, and run the same again.")


def _require_unchanged(shard: Shard) -> None:
    """Stop where a parquet file is not the one whose rows were counted."""
    if suffix_of(Path(shard.source.name)) != PARQUET:  # it was converted, and the copy is ours
        return
    status = Path(shard.source.path).stat()
    if (status.st_size, status.st_mtime_ns) != (shard.source.size, shard.source.mtime_ns):
        what = f"{shard.source.name} was changed since the run was begun."
        raise AnnotuneError(what, "Run the same again once it is whole.")


def _fingerprint(shard: Shard, draft: Path) -> dict[str, Any]:
    return {"file": shard.output, "bytes": draft.stat().st_size, "sha256": file_sha256(draft)}
