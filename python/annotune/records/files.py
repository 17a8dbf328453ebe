"""Outputs appear whole or not at all: written beside their place, put on the disk, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from annotune.errors import AnnotuneError
from annotune.records.drafts import discard, draft_of, put, recover, settle, sweep

LONGEST = 255  # bytes of a file's name: more is refused by most file systems
LONGEST_PATH = 4_000  # with the folders above, and some left for what is written beside it
LONGEST_OUTPUT = LONGEST - len(".record.json")  # its record stands beside it
PLAIN = re.compile(r"\w[\w .,()+-]{0,59}")
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(10))}
FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO))


def require_writable(targets: Sequence[Path], inputs: Sequence[Path] = ()) -> None:
    """Stop, before anything is computed, where a file could not be written or would replace what it rests on.

    Of a folder among `inputs`, such as a model's, every file is read.
    """
    input_paths, places = {path.resolve() for path in inputs}, set[Path]()
    for target in targets:
        _require_short(target, LONGEST_OUTPUT)
        place = target.resolve()
        if not input_paths.isdisjoint((place, *place.parents)):
            raise AnnotuneError(f"{target} is read, and would be replaced.", "Write to a file of another name.")
        if place in places:
            raise AnnotuneError(f"{target} would be written twice.", "Name it once.")
        if place.is_dir():
            raise AnnotuneError(f"{target} is a folder.", "Write to a file of another name.")
        _require_above(target, place.parent)
        places.add(place)


def require_folder(target: Path, replaced: Sequence[Path] = ()) -> None:
    """The same of a folder; where the whole of it will be replaced, no input (`replaced`) may be it or lie in it."""
    _require_short(target)
    place = target.resolve()
    for path in replaced:
        if place in (path.resolve(), *path.resolve().parents):
            raise AnnotuneError(f"{target} would be replaced, and {path} is read.", "Choose another folder.")
    _require_above(target, place)


def _require_above(target: Path, folder: Path) -> None:
    """What there is of this folder is one, and may be written to."""
    above = next(part for part in (folder, *folder.parents) if part.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise AnnotuneError(f"{target} cannot be written: see {above}.", "Choose another folder.")


def _require_short(target: Path, most: int = LONGEST) -> None:
    """Stop where a name, or all of a path, is longer than file systems take."""
    names = [(name, most) for name in target.parts] + [(os.path.abspath(target), LONGEST_PATH)]
    for name, limit in names:
        size = len(os.fsencode(name))
        if size > limit:
            what = f"The name {name[:40]}... has {size:,} bytes, and may not have more than {limit:,}."
            raise AnnotuneError(what, "Choose a shorter one.")


def make_folder(folder: Path) -> None:
    """Make a folder to keep work in where it is not there, and clear it of what killed processes left half-written.

    Raises
    ------
    AnnotuneError
        When it cannot be made or written to: at once, and not after hours.
    """
    _require_short(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"The folder {folder} cannot be made: {error.strerror}."
        raise AnnotuneError(what, "Choose another.") from None
    if not os.access(folder, os.W_OK):
        raise AnnotuneError(f"The folder {folder} may not be written to.", "Choose another.")
    sweep(folder, once=True)


def folder_for(parent: Path, name: str) -> Path:
    """The folder in `parent` for what bears this name, whatever a file made of it: a path, a device, 300 letters.

    Plain names are kept, so that a person finds them; others get their letters and a fingerprint.

    Examples
    --------
    >>> folder_for(Path("work"), "topic").name
    'topic'
    >>> folder_for(Path("work"), "../../victim").name
    'victim-e2c35920a2e0'

    Raises
    ------
    AnnotuneError
        Where the folder is a link to a place outside of `parent`.
    """
    folder = parent / (name if is_plain(name) else _escaped(name))
    if not folder.resolve().is_relative_to(parent.resolve()):
        raise AnnotuneError(f"{folder} leads to {folder.resolve()}.", "Remove the link: a study's work stays with it.")
    return folder


def is_plain(name: str) -> bool:
    """Whether every system can have a folder of this name."""
    return bool(PLAIN.fullmatch(name)) and name[-1] not in " ." and name.split(".")[0].upper() not in DEVICES


def _escaped(name: str) -> str:
    letters = re.sub(r"\W+", "-", name).strip("-")[:40]
    return f"{letters or 'name'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


@contextmanager
def replacing(path: Path, make_folder: bool = False) -> Iterator[Path]:
    """A path beside `path`, for a file or a folder; it takes the place of `path` when all went well, and goes when not.

    What is there already goes only when the new one is on the disk, so that a failure of the machine leaves the one or
    the other. With `make_folder` the folder around it is made where it is not there.

    Raises
    ------
    AnnotuneError
        When the folder is not there, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(path) as draft:
    ...     size = draft.write_text("whole")
    >>> path.read_text(), [one.name for one in path.parent.iterdir()]
    ('whole', ['a.txt'])
    """
    _require_short(path)
    if not make_folder and not path.parent.is_dir():
        raise AnnotuneError(f"{path} cannot be written: {path.parent} is no folder.", "Make it, or choose another.")
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, once=True)
        recover(path)
        yield draft
        settle(draft)
        put(draft, path)
    except Exception as error:
        reason = None if isinstance(error, AnnotuneError) else _refusal(error)
        if reason is None:
            raise
        advice = "Check that there is room and that the folder may be written to."
        raise AnnotuneError(f"{path} cannot be written: {reason}.", advice) from error
    finally:
        discard(draft)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for what is needed for a while; it goes with its process, however that ends."""
    sweep(parent, once=True)
    folder = draft_of(parent / "scratch")
    try:
        folder.mkdir()
    except OSError as error:
        raise AnnotuneError(f"{parent} cannot be written to: {error.strerror}.", "Choose another folder.") from error
    try:
        yield folder
    finally:
        discard(folder)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all; its folder is made where it is not there."""
    with replacing(path, make_folder=True) as draft:
        draft.write_text(text, encoding="utf-8")


def _refusal(error: Exception) -> str | None:
    """Why a file could not be written, by whichever library; None for an error of another kind."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = next(iter(str(error).splitlines()), "")
    full = next((reason for reason in FULL if reason in str(error)), None)  # as libraries in Rust and C++ pass it on
    return full or (first if isinstance(error, _refusals()) else None)


def _refusals() -> tuple[type[Exception], ...]:
    """How each library says that a file could not be written; those that only writing needs are loaded late."""
    import polars as pl
    import pyreadstat
    import xlsxwriter.exceptions

    readstat = (pyreadstat.PyreadstatError, pyreadstat.ReadstatError)
    return OSError, pl.exceptions.PolarsError, *readstat, xlsxwriter.exceptions.XlsxWriterException
