"""Fingerprints of files, tables and settings, and the versions that results depend on."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotune.errors import AnnotuneError
from annotune.version import __version__

if TYPE_CHECKING:
    import polars as pl

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


@contextmanager
def reading(*paths: Path) -> Iterator[dict[Path, str]]:
    """The fingerprint of each file that the block reads, which is that of the bytes that it read.

    Raises
    ------
    AnnotuneError
        At the end of the block, for a file that was changed meanwhile: what was read would be none of its versions.
    """
    before = {path: _state(path) for path in paths}
    yield {path: sha256 for path, (sha256, *_) in before.items()}
    for path, state in before.items():
        if _state(path) != state:
            raise AnnotuneError(f"{path} was changed while it was read.", "Do the same again once it is whole.")


def _state(path: Path) -> tuple[str, int, int, int]:
    """A file's fingerprint, and what tells of a change that was undone again."""
    try:
        status = path.stat()
        return file_sha256(path), status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    except FileNotFoundError:  # for whoever reads it to say; so of a folder
        return "", 0, 0, 0


def frame_sha256(frame: pl.DataFrame) -> str:
    """The fingerprint of a table's content: names, types and values, whatever the file it came from."""
    digest = hashlib.sha256(repr(list(frame.schema.items())).encode())
    for start in range(0, len(frame), 100_000):
        digest.update(frame.slice(start, 100_000).write_csv(include_header=False).encode())
    return digest.hexdigest()


def fingerprint(content: Any) -> str:
    """The fingerprint of anything that JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
