"""A fault of annotune's own: the sentence that tells of it, and a report that holds no text and no label.

An exception's message, and the values around it, can hold what people wrote or how it was coded. A report that is meant
to be handed on therefore names the kind of exception, the lines of code that led to it, and the machine, and no more.
"""

from __future__ import annotations

import datetime
import linecache
import os
import platform
import sysconfig
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType

SEE = "ANNOTUNE_TRACEBACK"  # in the environment: whatever it says, the command line shows the whole traceback
OURS = Path(__file__).parent
ELSEWHERE = "a file that is none of annotune's or a library's"
LEFT_OUT = (
    "The exception's message and all values are left out, because they can hold texts and labels. "
    f"To see them, set {SEE}=1 and do the same again; in R, cat(rlang::last_error()$python)."
)


def sentence(report: Path | None) -> str:
    """What the user is told: whose fault it is, where the report is, and what to do with it."""
    if report is None:
        return (
            "This is a fault of annotune and not of your data, and no report of it could be written: "
            f"please set {SEE}=1, do the same again, and tell those who maintain annotune what it says."
        )
    return (
        "This is a fault of annotune and not of your data: please send those who maintain annotune the report "
        f"{report}, in which there are no texts and no labels."
    )


def write_report(error: BaseException, verb: str, options: Iterable[str]) -> Path | None:
    """Write the report in the working folder, or else in the temporary one; None where neither can be written to."""
    text = report(error, verb, options)
    name = f"annotune-fault-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in (Path(), Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return None


def report(error: BaseException, verb: str, options: Iterable[str]) -> str:
    """The report's text.

    Parameters
    ----------
    error
        With its traceback, its cause and its context.
    verb
        What was called.
    options
        The names of what it was called with, without their values.
    """
    from annotune.records.fingerprints import versions  # it brings polars, which telling of a warning does not need

    about = {"verb": verb, "options": ", ".join(options) or "none", "platform": platform.platform(), **versions()}
    lines = ["A fault of annotune", "", LEFT_OUT, "", *(f"{name}: {value}" for name, value in about.items())]
    for number, one in enumerate(_chain(error)):
        lines += ["", "What went wrong:" if number == 0 else "It came of, or while handling:"]
        lines += [line for frame, at in traceback.walk_tb(one.__traceback__) for line in _step(frame.f_code, at)]
        lines.append(f"{type(one).__module__}.{type(one).__qualname__}".removeprefix("builtins."))
    return "\n".join(lines) + "\n"


def library(path: str) -> str | None:
    """The library that a file belongs to, such as `sklearn`; None where it is in none.

    >>> library(linecache.__file__)
    'linecache'
    """
    place = _place(path)
    return None if place is None else place.partition("/")[0].removesuffix(".py")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it came of."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        yield one
        seen.add(id(one))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _step(code: CodeType, line: int) -> list[str]:
    """Where a step was taken, and its line of code where that is a library's."""
    place = _place(code.co_filename)
    if place is None:
        return [f"  {ELSEWHERE}, line {line}"]
    source = linecache.getline(code.co_filename, line).strip()
    return [f"  {place}, line {line}, in {code.co_name}", *([f"    {source}"] if source else [])]


def _place(path: str) -> str | None:
    """A file of annotune's, a library's or Python's, as it is called on every machine; None for all else."""
    file = Path(path)
    if not file.is_file():
        return None
    for i, part in enumerate(file.parts):
        if part in ("site-packages", "dist-packages"):
            return "/".join(file.parts[i + 1 :])
    for folder in (OURS.parent if file.is_relative_to(OURS) else None, Path(sysconfig.get_path("stdlib"))):
        if folder is not None and file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return None
