"""Files of foreign formats are read in a process of their own: what breaks off there breaks nothing here.

The libraries for them are written in C and Rust, and one changed byte of a file can end the process that they run in,
which may be a whole session of R. One such process is kept for the next file. It is started as a program, and neither
forked, which threads do not survive, nor by `multiprocessing`, which runs a user's script a second time.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from annotune.errors import AnnotuneError
from annotune.tables.memory import want_of_memory
from annotune.tables.messages import received
from annotune.tables.table import Table

# The child finds what is found here, wherever that was put on the path; nothing is imported before.
BEGINNING = "import sys; sys.path[:] = sys.argv[1:]; from annotune.tables.child import serve; serve()"
OUT_OF_MEMORY = -9  # the system ended it, as it does with the largest process when memory is short
LARGE = 200_000_000  # bytes of a frame, after which the process ends, so that it does not keep their memory
PATIENCE, SLOWEST = 300.0, 20_000  # seconds for any file, and bytes a second beyond: no file takes longer


class _Child:
    """A process that reads files, one after the other."""

    def __init__(self, interpreter: str) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the process
        self.process = subprocess.Popen(
            [interpreter, "-c", BEGINNING, *module_path()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,  # what interrupts this process is not for the child: `end` is
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self.is_ready = self._line() != b""
        self.is_late = False

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The answer to a request; None where the process breaks off, or is ended because it takes longer."""
        timer = threading.Timer(seconds, self._end_late)
        timer.daemon = True
        timer.start()
        try:
            self._send(request)
            line = self._line()
        except OSError:
            return None
        finally:
            timer.cancel()
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.poll() is None

    def end(self) -> int:
        """End it, whatever it does, and say how it ended."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # of what was not sent any more
                pipe.close()  # type: ignore[union-attr]
        return self.process.wait()

    def last_words(self) -> str:
        """What it said, or the libraries in it, before it ended."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()

    def _end_late(self) -> None:
        self.is_late = True
        self.process.kill()

    def _send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


class NoProcess(Exception):
    """None can be started here: the reason."""


class _Kept:
    """The process that is kept for the next file, and the turn of the threads that want it."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.child: _Child | None = None
        self.refusal = ""

    def started(self) -> _Child:
        """The process, a new one where there is none."""
        if self.refusal:  # it would be the same again
            raise NoProcess(self.refusal)
        if self.child is None or not self.child.is_alive():
            self.end()
            self.child = self._new()
        return self.child

    def end(self) -> int:
        """End the process, if there is one, and say how it ended."""
        child, self.child = self.child, None
        return child.end() if child else 0

    def _new(self) -> _Child:
        try:
            child = _Child(interpreter())
        except (OSError, NoProcess) as error:
            self.refusal = str(error)
            raise NoProcess(self.refusal) from None
        if not child.is_ready:
            child.end()
            self.refusal = (child.last_words().splitlines() or ["it ends at once"])[-1]
            raise NoProcess(self.refusal)
        return child


_kept = _Kept()
atexit.register(lambda: _kept.end())


def _forget() -> None:
    """In a process that was forked: the other one's child is not asked, nor its lock waited for."""
    global _kept
    _kept = _Kept()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def read_isolated(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    """The table in a file, read by another process.

    Raises
    ------
    AnnotuneError
        Where the file cannot be read, also because the library for it breaks off, or takes memory or time without end.
    NoProcess
        Where no process can be started.
    """
    with _kept.turn, tempfile.TemporaryDirectory(prefix="annotune-", ignore_cleanup_errors=True) as folder:
        child = _kept.started()
        place = "" if path.is_absolute() else os.getcwd()
        request = {"path": str(path), "strings": strings, "encoding": encoding, "place": place, "folder": folder}
        try:
            answer = child.ask(request, PATIENCE + path.stat().st_size / SLOWEST)
        except BaseException:  # an interruption: the answer would be taken for the next one's
            _kept.end()
            raise
        if answer is None:
            raise _death(path, child, _kept.end())
        if "what" in answer:
            raise AnnotuneError(answer["what"], answer["advice"])
        table = received(answer, Path(folder))
        if sum(file.stat().st_size for file in Path(folder).iterdir()) > LARGE:
            _kept.end()
        return table


def interpreter() -> str:
    """The program that runs Python; inside of R and other programs, `sys.executable` may be theirs."""
    return next(_interpreters(), "") or _no_interpreter()


def _interpreters() -> Iterator[str]:
    """Every program that runs this Python, the likeliest first."""
    names = ("python.exe", "Scripts/python.exe") if os.name == "nt" else ("bin/python3", "bin/python")
    places = [sys.executable or "", *(os.path.join(sys.exec_prefix, name) for name in names)]
    places.append(getattr(sys, "_base_executable", None) or "")
    for place in places:
        if Path(place).stem.lower().startswith(("python", "pypy")) and os.access(place, os.X_OK):
            yield place


def _no_interpreter() -> str:
    raise NoProcess(f"there is no Python in {sys.exec_prefix}")


def module_path() -> list[str]:
    """Where this process finds modules. The folder that the user is in comes last: a file there is no library."""
    places = [os.path.abspath(place) for place in sys.path if isinstance(place, str)]
    here = os.path.abspath("")
    return [place for place in places if place != here] + [here]


def _death(path: Path, child: _Child, code: int) -> AnnotuneError:
    """The sentence on a process that did not answer, from how it ended."""
    kind = path.suffix.lower()[1:]
    if child.is_late:
        return AnnotuneError(f"{path} cannot be read as {kind}: it takes too long.", "Check that the file is complete.")
    if code == OUT_OF_MEMORY or "memory allocation" in child.last_words():
        return want_of_memory(path)
    how = signal.Signals(-code).name if code < 0 else f"code {code:#x}"
    what = f"{path} cannot be read as {kind}: the library for such files broke off ({how})."
    return AnnotuneError(what, "The file is damaged: fetch or save it again. Nothing else was harmed.")
