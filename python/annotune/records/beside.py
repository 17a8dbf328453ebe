"""Which records speak of a file: the one beside it, or one in its folder that has it among its outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotune.records.record import SUFFIX

LARGEST = 200_000_000  # bytes of JSON that are read: a record of a study has some ten thousand


def records_of(file: Path) -> list[Path]:
    """The records of a study file, of an output, or of a record itself, in the folder of that file."""
    if file.name.endswith(SUFFIX):
        return [file]
    beside = (file.with_suffix(SUFFIX), Path(f"{file}{SUFFIX}"))
    in_folder = sorted(file.parent.glob(f"*{SUFFIX}"))
    return [path for path in beside if path.is_file()] or [path for path in in_folder if _names(path, file)]


def outputs_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of every output of a record, by its name as seen from there."""
    outputs = record.get("outputs")
    rows = [row for row in outputs if isinstance(row, Mapping)] if isinstance(outputs, list) else []
    return {str(row["file"]): str(row["sha256"]) for row in rows if {"file", "sha256"} <= set(row)}


def inputs_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of every input of a record, by its name as seen from there."""
    inputs = record.get("inputs")
    return {str(name): str(sha256) for name, sha256 in inputs.items()} if isinstance(inputs, Mapping) else {}


def json_of(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file that holds names and values; None for any other."""
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size <= LARGEST else None
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _names(record: Path, file: Path) -> bool:
    """Whether a record has this file among its outputs."""
    return any((record.parent / name).resolve() == file.resolve() for name in outputs_of(json_of(record) or {}))
