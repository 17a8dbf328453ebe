"""What runs in the process that reads files of foreign formats: one request a line comes in, one answer a line goes out.

It ends when there is nobody any more who could ask.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.tables import messages
from annotune.tables.memory import free_memory, want_of_memory
from annotune.tables.read import read_here

READY = b"ready\n"
SHARE = 0.8  # of the free memory, the most that a file may take while it is read


def serve() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _without_core_files()
    answers.write(READY)
    answers.flush()
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """The table that is asked for, or what is wrong with it."""
    _limit_memory()
    encoding, folder = request["encoding"], Path(request["folder"])
    try:
        os.chdir(request["place"] or sys.prefix)  # so that the path, which messages name, is the one that the user knows
        return messages.sent(read_here(Path(request["path"]), tuple(request["strings"]), encoding), folder)
    except AnnotuneError as error:
        return messages.complaint(error)
    except MemoryError:
        return messages.complaint(want_of_memory(Path(request["path"])))
    except OSError as error:  # of the folder for the answer
        return messages.complaint(AnnotuneError(f"{folder}: {error.strerror}.", "Make room on the disk."))
    finally:
        os.chdir(sys.prefix)  # some systems keep a folder that a process is in


def _limit_memory() -> None:
    """Let the system refuse more memory than there is, where it can (Linux), before others are stopped for want of it."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        import psutil

        own = psutil.Process().memory_info().data
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (own + int(SHARE * free_memory()), most))


def _without_core_files() -> None:
    """A process that breaks off leaves no image of its memory, in which there are data."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
