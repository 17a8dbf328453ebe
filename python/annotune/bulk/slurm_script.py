"""The file for `sbatch`: an array of tasks that work on a run, each as long as it may."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from annotune.bulk.clusters import Profile
from annotune.bulk.manifest import RunFolder
from annotune.bulk.team import LIBRARIES
from annotune.errors import AnnotuneError
from annotune.tables.isolation import interpreter

LEAD = 120  # seconds between the signal and the end of a task's time


def script_of(folder: RunFolder, profile: Profile, tasks: int, threads: int) -> str:
    """The text of the file.

    Every path stands in it as a quoted word, so that none is read as something else.

    Raises
    ------
    AnnotuneError
        Where a path has a line's end in it, which no such file can hold.
    """
    for path in (str(folder.out.absolute()), profile.python or ""):
        if any(letter in path for letter in "\n\r\0"):
            raise AnnotuneError(f"{path!r} has a line's end in its name.", "Give it another name.")
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in _options(folder, profile, tasks, threads)), ""]
    return "\n".join([*lines, *_commands(folder, profile, tasks, threads)]) + "\n"


def _options(folder: RunFolder, profile: Profile, tasks: int, threads: int) -> Iterator[str]:
    """What `sbatch` is asked for; `--open-mode` has a task that begins again write on in its log."""
    yield "--job-name=annotune"
    yield f"--array=1-{tasks}" + (f"%{profile.parallel}" if profile.parallel else "")
    for name in ("partition", "account", "qos", "constraint", "time"):
        if getattr(profile, name) is not None:
            yield f"--{name}={getattr(profile, name)}"
    yield f"--cpus-per-task={profile.cpus or threads}"
    if profile.memory is not None:
        yield f"--mem={profile.memory}"
    if profile.gpus is not None:
        yield f"--gres=gpu:{profile.gpus}"
    yield "--requeue"
    yield f"--signal=B:USR1@{LEAD}"
    yield "--open-mode=append"
    yield f"--output={quoted(str(logs_of(folder)).replace('%', '%%') + '/%A_%a.log')}"
    yield from (_option(option) for option in profile.options)


def _commands(folder: RunFolder, profile: Profile, tasks: int, threads: int) -> Iterator[str]:
    """What a task does; it becomes the worker, so that signals reach that."""
    if profile.modules:
        yield f"module load {shlex.join(profile.modules)} || exit 1"
    yield from profile.setup
    for name in LIBRARIES:
        yield f"export {name}={threads}"
    yield f"cd -- {shlex.quote(str(folder.books.absolute()))} || exit 1"  # where no file could pass for a library
    command = shlex.join([profile.python or interpreter(), "-m", "annotune.bulk.array_task"])
    yield f'exec {command} {shlex.quote(str(folder.out.absolute()))} --shard "$SLURM_ARRAY_TASK_ID/{tasks}"'


def _option(option: str) -> str:
    name, equals, value = option.partition("=")
    return f"{name}={quoted(value)}" if equals else name


def quoted(value: str) -> str:
    """A value as `sbatch` reads it in such a file, where a blank would end it.

    >>> print(quoted("plain"), quoted("my own folder"))
    plain "my own folder"
    """
    if value and all(letter.isalnum() or letter in "_-+=.,:/%@" for letter in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def logs_of(folder: RunFolder) -> Path:
    """Where the tasks write what they have to say."""
    return folder.books.absolute() / "logs"
