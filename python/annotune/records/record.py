"""What was run, on what, with what: a JSON beside every output, so that somebody else can run it again."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from annotune.records.files import write_whole
from annotune.records.fingerprints import file_sha256, versions


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


def command_line() -> str:
    """How the program was called, without the folders of this machine."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else ""
