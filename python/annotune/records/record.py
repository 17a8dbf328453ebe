"""What was run, on what, with what: a JSON file beside the outputs of a run, so that somebody else can run it again."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annotune.records.files import write_whole
from annotune.records.fingerprints import file_sha256, versions
from annotune.records.sealed import sealed

SUFFIX = ".record.json"


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
    return _write(record, Path(f"{output}{SUFFIX}"))


def record_outputs(record: Mapping[str, Any], outputs: Sequence[Path], path: Path | None = None) -> Path:
    """Write one record for all that a run wrote, with the fingerprint of every file under `outputs`.

    It is written to `path`, or beside the first output as `<its name>.record.json`. Files are named as seen from there,
    and by their name alone where they are elsewhere. A record that one of the files had for itself would be wrong from
    now on, and goes.
    """
    path = path or Path(f"{outputs[0]}{SUFFIX}")
    fingerprints = [{"file": _seen_from(path.parent, output), "sha256": file_sha256(output)} for output in outputs]
    _write({**record, "outputs": fingerprints}, path)
    for of_one in {Path(f"{output}{SUFFIX}") for output in outputs} - {path}:
        of_one.unlink(missing_ok=True)
    return path


def _seen_from(folder: Path, path: Path) -> str:
    inside = path.resolve().is_relative_to(folder.resolve())
    return path.resolve().relative_to(folder.resolve()).as_posix() if inside else path.name


def _write(record: Mapping[str, Any], path: Path) -> Path:
    """Written with its own fingerprint, so that damage of a figure in it is seen as well."""
    write_whole(path, json.dumps(sealed(record), indent=2, ensure_ascii=False) + "\n")
    return path
