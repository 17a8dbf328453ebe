"""Where an adapter's base came from, as far as its folder tells: repository, commit, the fingerprint of every file.

A folder's path is not written: it can name people and projects, and it means nothing on another machine. There a base
is found by its repository and commit, and known for the same by the fingerprints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from annotune.network.base import Base
from annotune.records.fingerprints import file_sha256

ORIGIN = "base.json"
HUB = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
NOTES = Path(".cache", "huggingface", "download")  # where `hf download --local-dir` writes what it fetched
READ = (".safetensors", ".json", ".txt", ".model", ".jinja")


def origin_of(base: Base) -> dict[str, Any]:
    """`name`, `repository` and `commit` on a hub (None where not known), and `files`: names and SHA-256."""
    files = {path.name: file_sha256(path) for path in sorted(base.folder.iterdir()) if path.suffix in READ}
    on_hub = "/" in base.name
    repository = base.name if on_hub else HUB.get(base.name)
    commit = base.revision if on_hub else _fetched(base.folder, files)
    return {"name": base.name, "repository": repository, "commit": commit, "files": files}


def write_origin(base: Base, place: Path) -> dict[str, Any]:
    """The same, written into an exported folder."""
    origin = origin_of(base)
    (place / ORIGIN).write_text(json.dumps(origin, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return origin


def _fetched(folder: Path, files: dict[str, str]) -> str | None:
    """The commit that all weights were fetched from, where notes say so and the weights are still those."""
    commits = {_noted(folder / NOTES / f"{name}.metadata", files[name]) for name in files if _is_weights(name)}
    return commits.pop() if len(commits) == 1 else None


def _noted(note: Path, sha256: str) -> str | None:
    """The first line of a note is the commit, the second the fingerprint that the hub has of a large file."""
    if not note.is_file():
        return None
    commit, fingerprint, *_ = [*note.read_text(encoding="utf-8").splitlines(), "", ""]
    return commit if fingerprint == sha256 else None


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")
