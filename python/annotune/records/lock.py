"""A folder that one run works in at a time: a file says who, and is touched while that run lives.

It needs no more of a file system than that one of several processes can make a file (as NFS does too), and no common
clock: ages are differences of times that the file system itself gave. On one machine a holder that ended is known at
once; one of another machine counts as gone when its file was not touched for a while.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from annotune.errors import AnnotuneError
from annotune.records.drafts import discard, draft_of
from annotune.records.exclusive import content_of, make_exclusively, text_of
from annotune.records.files import make_folder
from annotune.records.processes import is_gone, this_process

NAME = ".lock"
TAKING = ".lock-taking"  # made by the one of several that takes a dead holder's lock over
HEARTBEAT = 20.0  # seconds
SILENT = 300.0  # seconds without a heartbeat after which another machine's holder counts as gone
_held: dict[Path, Lock] = {}


@dataclass(frozen=True)
class Lock:
    """A folder that this process works in; other processes are refused until it is done."""

    folder: Path
    called: str  # what messages call the work
    thread: int
    text: str
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def require(self) -> None:
        """Stop where the lock was lost: this machine slept for so long that another took the work over."""
        if text_of(self.folder / NAME) != self.text:
            raise _refusal(self.called, "was taken over while this run stood still")

    def beat(self) -> None:
        """Touch the file until the lock is given back."""
        while not self._stopped.wait(HEARTBEAT):
            if text_of(self.folder / NAME) != self.text:
                return
            with suppress(OSError):
                os.utime(self.folder / NAME)

    def give_back(self) -> None:
        """Let others work in the folder."""
        self._stopped.set()
        if text_of(self.folder / NAME) == self.text:
            with suppress(OSError):
                (self.folder / NAME).unlink()


@contextmanager
def locked(folder: Path, called: str = "") -> Iterator[None]:
    """Keep other runs out of `folder`, which is made, while the block runs; inside it, the same thread may ask again.

    Of processes that share one model, the first alone holds it. `called` is what messages call it, by default the
    folder.

    Raises
    ------
    AnnotuneError
        When another run works there: which process, on which machine, and since when.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with locked(folder), locked(folder):
    ...     (folder / NAME).exists()
    True
    >>> (folder / NAME).exists()
    False
    """
    place = folder.resolve()
    own = _held.get(place)
    if os.environ.get("RANK", "0") != "0" or (own is not None and own.thread == threading.get_ident()):
        yield
        return
    lock = _taken(folder, called or str(folder))
    _held[place] = lock
    threading.Thread(target=lock.beat, daemon=True, name="annotune-lock").start()
    try:
        yield
    finally:
        del _held[place]
        lock.give_back()


def require_held(folder: Path) -> None:
    """Stop where `folder` was locked here, and another run has taken it over since."""
    lock = _held.get(folder.resolve())
    if lock is not None:
        lock.require()


def require_unlocked(folder: Path) -> None:
    """Stop, before long work, where another run works in the folder."""
    text = text_of(folder / NAME)
    if text is not None and folder.resolve() not in _held and not _is_dead(folder / NAME, text):
        raise _refusal(str(folder), _who(text))


def _taken(folder: Path, called: str) -> Lock:
    text = json.dumps(
        {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": this_process(),
            "thread": threading.get_ident(),
            "since": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds"),
        }
    )
    make_folder(folder)
    try:
        if not make_exclusively(folder / NAME, text):
            _take_over(folder, called, text)
    except OSError as error:
        what = f"The folder {folder} cannot be worked in: {error.strerror}."
        raise AnnotuneError(what, "Check that there is room and that it may be written to.") from error
    return Lock(folder, called, threading.get_ident(), text)


def _take_over(folder: Path, called: str, text: str) -> None:
    """Take the lock of a holder that is gone; of several that try, one succeeds, and the others are told of it."""
    lock, taking = folder / NAME, folder / TAKING
    holder = text_of(lock)
    if holder is not None and not _is_dead(lock, holder):
        raise _refusal(called, _who(holder))
    if not make_exclusively(taking, text):
        rival = text_of(taking)
        if rival is not None and not _is_dead(taking, rival):
            raise _refusal(called, _who(rival))
        discard(taking)
        if not make_exclusively(taking, text):
            raise _refusal(called, _who(text_of(taking)))
    try:
        now = text_of(lock)  # whoever was as fast has put its own there by now
        if now != holder:
            raise _refusal(called, _who(now))
        draft = draft_of(lock)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, lock)
    finally:
        discard(taking)


def _is_dead(path: Path, text: str) -> bool:
    """Whether the holder is known to have ended, or was not heard of for so long that it must have."""
    gone = is_gone(str(content_of(text).get("process")))
    return _age(path) > SILENT if gone is None else gone


def _age(path: Path) -> float:
    """Seconds since a file was touched, by the clock of the file system that it is on."""
    now = draft_of(path)
    try:
        now.write_bytes(b"")
        return now.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return SILENT + 1
    except OSError:  # where nothing may be written, nothing is taken over
        return 0.0
    finally:
        discard(now)


def _who(text: str | None) -> str:
    content = content_of(text)
    since = str(content.get("since", "a moment ago"))[:16].replace("T", " ")
    return f"is worked in by process {content.get('pid', '?')} on {content.get('host', '?')}, since {since} UTC"


def _refusal(called: str, who: str) -> AnnotuneError:
    return AnnotuneError(f"{called} {who}.", "Wait until that run has ended, or stop it; or work elsewhere.")
