"""What was run, on what, with what: a JSON beside every output, so that somebody else can run it again."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "scikit-learn",
    "numpy",
    "scipy",
    "polars",
    "pyreadstat",
)


def versions() -> dict[str, str]:
    """annotune, Python and the packages that results depend on."""
    from annotune import __version__

    found = {"annotune": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def file_sha256(path: str | Path) -> str:
    """The fingerprint of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def frame_sha256(frame: pl.DataFrame) -> str:
    """The fingerprint of a table's content: names, types and values, whatever the file it came from."""
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    for start in range(0, len(frame), 100_000):
        digest.update(frame.slice(start, 100_000).write_csv(include_header=False).encode())
    return digest.hexdigest()


def fingerprint(content: Any) -> str:
    """The fingerprint of anything that JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def make_record(what: str, **content: Any) -> dict[str, Any]:
    """A record: what was done, with which packages and settings; the time is a part of its own."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return {"what": what, "time": {"written": now.isoformat()}, "versions": versions(), **content}


def without_folders(content: Any) -> Any:
    """The same content, absolute paths in it cut to the file's name: a record says nothing of the machine's folders."""
    if isinstance(content, dict):
        return {without_folders(key): without_folders(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_folders(value) for value in content]
    return Path(content).name if isinstance(content, str) and Path(content).is_absolute() else content


def write_record(record: Mapping[str, Any], output: str | Path) -> Path:
    """Write a record beside `output`, as `<its name>.record.json`."""
    path = Path(f"{output}.record.json")
    write_whole(path, json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n")
    return path


def write_records(record: Mapping[str, Any], outputs: Iterable[Path]) -> None:
    """The same record beside each of these files, with the file's name and fingerprint."""
    for path in outputs:
        write_record({**record, "output": {"file": path.name, "sha256": file_sha256(path)}}, path)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise AnnotuneError(f"{path} cannot be written: {error.strerror}.", "Choose another folder.") from None
    finally:
        temporary.unlink(missing_ok=True)


def put(new: Path, target: Path) -> None:
    """Rename a file or folder to `target`; what is there already goes only when the new one is in its place."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.is_dir():
        os.replace(target, old)
    try:
        os.replace(new, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def command_line() -> str:
    """How the program was called, without the folders of this machine."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""
