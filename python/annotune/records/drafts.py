"""Drafts: what is written beside its place, put on the disk, and takes that place in one step.

A draft bears the name of the process that writes it. What a process leaves that was killed is swept when the next one
looks there, and a folder that it had only moved aside comes back.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from annotune.records.processes import PATTERN, is_gone, this_process

PREFIX = ".annotune-"
NAME = re.compile(rf"\.annotune-(?P<process>{PATTERN})-\d+(?:\.was\.(?P<target>.+)|\..*)?")
LONGEST_SUFFIX = 16
DAY = 86_400.0  # seconds, after which another machine's draft is taken for left behind: no file is written for so long
UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}  # how a file system says that it swaps nothing
_numbers = itertools.count()
_swept: set[tuple[int, Path]] = set()


def draft_of(target: Path) -> Path:
    """A name beside `target`, of the same suffix, that no other process or call uses."""
    suffix = target.suffix if len(target.suffix) <= LONGEST_SUFFIX else ""
    return target.with_name(f"{PREFIX}{this_process()}-{next(_numbers)}{suffix}")


def settle(draft: Path) -> None:
    """Have the operating system put on the disk what it may still hold in memory: files, and folders' lists of them."""
    for path in (*draft.rglob("*"), draft) if draft.is_dir() else (draft,):
        _settle_one(path)


def put(draft: Path, target: Path) -> None:
    """Give a settled draft its name. A file or folder of that name is there until then, and gone from then on."""
    if target.is_dir():
        _replace_folder(draft, target)
    else:
        os.replace(draft, target)
    _settle_one(target.parent)
    discard(draft)


def discard(path: Path) -> None:
    """Remove a draft, whatever it is; what cannot be removed now is swept later."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep(folder: Path, once: bool = False) -> None:
    """Remove drafts in `folder` whose process is gone, and bring back what such a one had moved aside.

    With `once`, a process looks into the same folder a single time.
    """
    key = (os.getpid(), folder.absolute())
    if once and key in _swept:
        return
    _swept.add(key)
    with suppress(OSError):
        for path in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(PREFIX)]:
            match = NAME.fullmatch(path.name)
            if match is None or not _is_left_behind(path, match["process"]):
                continue
            if match["target"] and not path.with_name(match["target"]).exists():
                os.replace(path, path.with_name(match["target"]))
            else:
                discard(path)


def recover(target: Path) -> None:
    """Bring back what is not there only because a process was killed while it replaced it."""
    if not target.exists():
        sweep(target.parent)


def _is_left_behind(path: Path, process: str) -> bool:
    gone = is_gone(process)
    return path.stat().st_mtime < time.time() - DAY if gone is None else gone


def _replace_folder(draft: Path, target: Path) -> None:
    """Swap the two, where the system can; else in two steps, between which `recover` knows what is to be done."""
    if _swap(draft, target):
        return
    aside = draft_of(target)
    aside = aside.with_name(f"{aside.stem}.was.{target.name}")
    os.replace(target, aside)
    try:
        os.replace(draft, target)
    except OSError:
        os.replace(aside, target)
        raise
    discard(aside)


def _swap(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux); False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if swap is None:
        return False
    sys.audit("annotune.swap", str(one), str(other))
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if swap(here, os.fsencode(one), here, os.fsencode(other), both) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _settle_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # has no such call
        return
    number = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in UNABLE:  # a file system that does not know it of folders
            raise
    finally:
        os.close(number)
