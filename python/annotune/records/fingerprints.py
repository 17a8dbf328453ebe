"""Fingerprints of files, tables and settings, and the versions that results depend on."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from annotune.version import __version__

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
    version_of = {"annotune": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            version_of[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return version_of


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
