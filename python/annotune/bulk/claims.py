"""Who works on which shard: files that one of many processes can make, on one machine and over NFS.

A claim is a file `<shard>.1` that says who made it. Where its maker is gone, whoever sees that makes `<shard>.2`, and
so on: the highest number holds the shard, no file is ever changed or replaced, and of several that want the same number
one gets it. Beside it the holder writes a heartbeat.

A process that ended on this machine is known at once to be gone. One of another machine counts as gone when its
heartbeat was the same for a while by the watch of whoever looks, which no correction of a clock moves; clocks of
different machines are never compared. Whoever finds, after a sleep, that a higher number is there has lost the shard
and drops what it did.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotune.records.drafts import discard, draft_of
from annotune.records.exclusive import content_of, make_exclusively, text_of
from annotune.records.processes import is_gone, this_process

HEARTBEAT = 5.0  # seconds
SILENT = 180.0  # seconds without a heartbeat after which another machine's holder counts as gone
BEAT = ".beat"


def key_of(name: str) -> str:
    """A file name for a shard's name, whatever that is: its last letters, and a fingerprint.

    >>> key_of("2019/07")
    '2019_07-e3615acc8acc'
    """
    letters = re.sub(r"[^\w-]+", "_", name)[-60:]
    return f"{letters}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


@dataclass
class Claim:
    """A shard that this process works on; `rows` is how far it is."""

    claims: Claims
    key: str
    number: int
    text: str
    rows: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)
    _heart: threading.Thread | None = field(default=None, repr=False)

    def is_held(self) -> bool:
        """Whether no other process took the shard over meanwhile."""
        return text_of(self.path) == self.text and max(self.claims.numbers(self.key), default=0) == self.number

    @property
    def path(self) -> Path:
        """The file of this claim."""
        return self.claims.path(self.key, self.number)

    def release(self) -> None:
        """Let others have the shard, and remove the claims of those that were gone."""
        self._stopped.set()
        if self._heart is not None:
            self._heart.join()
        if text_of(self.path) != self.text:
            return
        for number in sorted(self.claims.numbers(self.key)):
            if number <= self.number:
                discard(self.claims.path(self.key, number))
                discard(self.claims.beat_path(self.key, number))

    def begin(self) -> None:
        """Let the heart beat."""
        self._heart = threading.Thread(target=self.beat, daemon=True, name="annotune-claim")
        self._heart.start()

    def beat(self) -> None:
        """Write the heartbeat until the claim is released."""
        count = 0
        while not self._stopped.wait(HEARTBEAT if count else 0):
            count += 1
            with suppress(OSError):
                self._write_beat(count)

    def _write_beat(self, count: int) -> None:
        path = self.claims.beat_path(self.key, self.number)
        draft = draft_of(path)
        try:
            draft.write_text(json.dumps({"beat": count, "rows": self.rows}), encoding="utf-8")
            os.replace(draft, path)
        finally:
            discard(draft)

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Claims:
    """The claims in a folder, as this process sees them.

    Parameters
    ----------
    folder
        Where the files are; it has to be there.
    watch
        Seconds that only go forward.

    Examples
    --------
    >>> import tempfile
    >>> claims, others = (Claims(Path(tempfile.gettempdir())) for _ in range(2))
    >>> with claims.take("shard of an example") as claim:
    ...     claim.number, others.take("shard of an example") is None
    (1, True)
    """

    def __init__(self, folder: Path, watch: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.watch = folder, watch
        self.process = this_process()
        self._heard: dict[tuple[str, int], tuple[str | None, float]] = {}

    def take(self, name: str) -> Claim | None:
        """Claim a shard; None where another process holds it, or was as fast."""
        key = key_of(name)
        highest = max(self.numbers(key), default=0)
        if highest and not self.is_dead(key, highest):
            return None
        number, text = highest + 1, self._text(name)
        if not make_exclusively(self.path(key, number), text):
            return None
        claim = Claim(self, key, number, text)
        if not claim.is_held():  # others were here between the look and the claim
            claim.release()
            return None
        claim.begin()
        return claim

    def numbers(self, key: str) -> list[int]:
        """The numbers of the claims on a shard."""
        names = [entry.name for entry in os.scandir(self.folder) if entry.name.startswith(f"{key}.")]
        return [int(end) for name in names if (end := name[len(key) + 1 :]).isdecimal()]

    def held(self) -> dict[str, dict[str, Any]]:
        """For each shard's key that is claimed: who holds it, how far it is, and whether that process is gone.

        `gone` is None where it runs on another machine.
        """
        numbers: dict[str, int] = {}
        for entry in os.scandir(self.folder):
            key, _, end = entry.name.rpartition(".")
            if end.isdecimal():
                numbers[key] = max(int(end), numbers.get(key, 0))
        return {key: self._holder(key, number) for key, number in numbers.items()}

    def clear(self, keys: Collection[str]) -> None:
        """Remove the claims on these shards that processes left which are known to have ended."""
        for key, holder in self.held().items():
            if key in keys and holder["gone"]:
                for number in range(1, holder["attempt"] + 1):
                    discard(self.path(key, number))
                    discard(self.beat_path(key, number))

    def is_dead(self, key: str, number: int) -> bool:
        """Whether the maker of a claim is known to have ended, or was not heard of for so long that it must have."""
        text = text_of(self.path(key, number))
        if text is None:  # given back a moment ago; the next look will tell
            return False
        gone = is_gone(str(content_of(text).get("process")))
        return self._is_silent(key, number) if gone is None else gone

    def _is_silent(self, key: str, number: int) -> bool:
        beat, now = text_of(self.beat_path(key, number)), self.watch()
        before, since = self._heard.get((key, number), (beat, now))
        if before != beat:
            since = now
        self._heard[key, number] = beat, since
        return now - since > SILENT

    def _holder(self, key: str, number: int) -> dict[str, Any]:
        content = content_of(text_of(self.path(key, number)))
        rows = content_of(text_of(self.beat_path(key, number))).get("rows", 0)
        return {**content, "rows": rows, "attempt": number, "gone": is_gone(str(content.get("process")))}

    def path(self, key: str, number: int) -> Path:
        """The file of a claim."""
        return self.folder / f"{key}.{number}"

    def beat_path(self, key: str, number: int) -> Path:
        """The file of its heartbeat."""
        return self.folder / f"{key}.{number}{BEAT}"

    def _text(self, name: str) -> str:
        since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        who = {"shard": name, "host": socket.gethostname(), "pid": os.getpid(), "process": self.process, "since": since}
        return json.dumps({**who, "thread": threading.get_ident()})
