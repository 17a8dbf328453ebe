"""Who writes: a process by a name from which others can tell whether it is running or gone."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
from pathlib import Path

import psutil

PATTERN = r"[0-9a-f]{8}-\d+-\d+"  # machine, number, when it was started


def this_process() -> str:
    """The name of this process, such as `3f2a9c01-4711-88123`; after a fork, the child has its own."""
    return _named(os.getpid())


def is_gone(name: str) -> bool | None:
    """Whether the process so named has ended; None where nothing is known of it: on another machine, or no such name.

    >>> is_gone(this_process()), is_gone("00000000-1-1") is None
    (False, True)
    """
    match = re.fullmatch(PATTERN, name)
    if match is None:
        return None
    where, pid, started = name.split("-")
    if where != machine():
        return None
    return _started(int(pid)) != int(started)


@functools.cache
def machine() -> str:
    """A few letters for this machine; a container has other ones, as it numbers its processes by itself."""
    try:
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbering = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:8]


@functools.cache
def _named(pid: int) -> str:
    return f"{machine()}-{pid}-{_started(pid)}"


def _started(pid: int) -> int | None:
    """When a process was started, in a unit of the system's own: a number is given again. None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])  # of the clock that no correction of the time moves
    except (OSError, IndexError, ValueError):
        pass
    try:
        return int(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
