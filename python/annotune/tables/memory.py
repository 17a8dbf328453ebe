"""How much memory there is for a table, which a small file may ask for without end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from annotune.errors import AnnotuneError

CONTAINERS = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """The bytes that this process may still take: the machine's, or those of its container where that has fewer."""
    import psutil

    return min([int(psutil.virtual_memory().available), *_free_in_containers()])


def in_words(size: int) -> str:
    """A number of bytes.

    >>> in_words(1_234_567), in_words(16_000_000_000)
    ('1.2 MB', '16.0 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def want_of_memory(path: Path) -> AnnotuneError:
    """The sentence on a file that takes too much."""
    what = f"{path} takes more memory than there is ({in_words(free_memory())} are free)."
    return AnnotuneError(what, "Check that the file is what it should be, or read it where there is more memory.")


def _free_in_containers() -> Iterator[int]:
    """What is left in each control group (version 2) that this process is in; nothing on other systems."""
    with suppress(OSError):
        own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::"), "/")
        folder = CONTAINERS / own.strip("/")
        for group in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # the root has no limit, and "max" is none
                limit = int((group / "memory.max").read_text())
                yield max(0, limit - _in_use(group))


def _in_use(group: Path) -> int:
    """The memory in use, without copies of files, which give way."""
    files = next(line for line in (group / "memory.stat").read_text().splitlines() if line.startswith("inactive_file"))
    return int((group / "memory.current").read_text()) - int(files.split()[1])
