"""A bundle's study, for those who read runs: nothing in it is run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotune.replication.archive import LIST, unpack
from annotune.replication.bundle import STUDY


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of the study in a bundle, compared with the bundle's list, as long as the block lasts; else the path.

    Raises
    ------
    AnnotuneError
        For a bundle that was changed, or cannot be read.
    """
    if not (path / LIST).is_file() and not (path.is_file() and path.suffix.lower() == ".zip"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="annotune-") as folder:
        unpack(path, Path(folder))
        yield Path(folder) / STUDY
