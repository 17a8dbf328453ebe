"""What runs in the process that reads files of foreign formats.

A line comes in for each request, and a line goes out for each answer. It ends when nobody is there who could ask.
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
SHARE, LEAST = 0.8, 200_000_000  # of the free memory, the most that a file may take; bytes for the libraries themselves


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
        os.chdir(request["place"] or sys.prefix)  # messages name the path as the user does
        return messages.sent(read_here(Path(request["path"]), tuple(request["strings"]), encoding), folder)
    except AnnotuneError as error:
        return messages.complaint(error)
    except MemoryError:
        return messages.complaint(want_of_memory(Path(request["path"])))
    except OSError as error:  # of the folder for the answer
        what = f"{request['path']} was read, and could not be handed over in {folder}: {error.strerror or error}."
        return messages.complaint(AnnotuneError(what, "Make room there, or set TMPDIR to a folder with more."))
    finally:
        os.chdir(sys.prefix)  # some systems keep a folder that a process is in


def _limit_memory() -> None:
    """Let the system refuse more memory than there is, where it can (Linux), before it ends other programs."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        import psutil

        own = psutil.Process().memory_info().data
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (own + max(LEAST, int(SHARE * free_memory())), most))


def _without_core_files() -> None:
    """A process that breaks off leaves no image of its memory, in which there are data."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
