"""JSON that knows its own fingerprint and those of the files it tells of, so that damage is seen before use.

The note on a finished piece and the card of a model are such files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotune.records.fingerprints import file_sha256, fingerprint

SEAL = "sha256"
SAME, CHANGED, MISSING = "as recorded", "changed", "missing"  # what became of a file that was recorded
ABSENT, UNKNOWN, NOT_DONE = "not here", "no record", "not done"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content, as JSON will hold it, with its fingerprint behind.

    >>> is_sealed(sealed({"n": 1})), is_sealed({**sealed({"n": 1}), "n": 2})
    (True, False)
    """
    plain = json.loads(json.dumps(dict(content), default=str))
    return {**plain, SEAL: fingerprint(plain)}


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether the content is what it was when it was sealed."""
    return content.get(SEAL) == fingerprint({name: part for name, part in content.items() if name != SEAL})


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The content of a sealed file, without its seal; None where it is missing, damaged, or was never sealed."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not is_sealed(content):
        return None
    return {name: part for name, part in content.items() if name != SEAL}


def fingerprints_of(piece: Path, folder: Path) -> dict[str, str]:
    """The fingerprint of a file, or of every file in a folder, by its path as seen from `folder`.

    Hidden files are left out: a file manager's are none of ours.
    """
    files = [piece] if piece.is_file() else sorted(path for path in piece.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files if path == piece or path.name[0] != "."}
    return {name: file_sha256(path) for path, name in names.items()}


def differing(files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Which of these files are `missing` in `folder`, or `changed` since their fingerprints were taken."""
    states: dict[str, str] = {}
    for name, sha256 in files.items():
        try:
            if file_sha256(folder / name) != sha256:
                states[name] = CHANGED
        except (OSError, ValueError):
            states[name] = MISSING
    return states
