"""Finished pieces of long work, kept on disk: what was stopped goes on from there, and damage is done again.

A piece is a file or a folder; the note beside it says what it rests on, and has the fingerprint of every file in it.
Whenever a piece is used, its files are compared with these.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotune.errors import AnnotuneError, warn
from annotune.records.drafts import recover
from annotune.records.files import make_folder, replacing, write_whole
from annotune.records.sealed import differing, fingerprints_of, read_sealed, sealed

SUFFIX = ".basis"


@dataclass(frozen=True)
class Checkpoints:
    """A folder of pieces, each beside the fingerprint of all that it rests on.

    Attributes
    ----------
    folder
        Made when it is not there.
    basis
        A fingerprint of inputs and settings; a piece with another one is as good as none.
    notes
        Where it is noted on which basis a piece was made; in the folder itself when left out.

    Raises
    ------
    AnnotuneError
        When the folder cannot be made or written to: at once, and not after hours.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Checkpoints(folder, "as of today").put("part", {"sums": np.arange(3)})
    >>> Checkpoints(folder, "as of today").get("part")
    {'sums': array([0, 1, 2])}
    >>> Checkpoints(folder, "changed since").get("part") is None
    True
    """

    folder: Path
    basis: str
    notes: Path | None = None

    def __post_init__(self) -> None:
        make_folder(self.folder)

    def has(self, name: str) -> bool:
        """Whether the file or folder `name` was finished on the same basis and is whole; a damaged one is told of."""
        files = self._files(name)
        if files is None or not (self.folder / name).exists():
            return False
        return not self._is_damaged(name, differing(files, self.folder))

    def start(self, name: str) -> Path:
        """Where `name` is to be written; until `finish` it does not count as there."""
        self._note(name).unlink(missing_ok=True)
        return self.folder / name

    def finish(self, name: str) -> None:
        """Say that `name` is whole, and keep the fingerprints of its files."""
        note = self._note(name)
        where = Path(os.path.relpath(self.folder, note.parent)).as_posix()
        files = fingerprints_of(self.folder / name, self.folder)
        content = sealed({"basis": self.basis, "folder": where, "files": files})
        write_whole(note, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def read(self, name: str) -> bytes | None:
        """The bytes of the file `name`, these very ones compared; None where it is not there, or damaged."""
        files, path = self._files(name), self.folder / name
        if files is None or not path.is_file():
            return None
        content = path.read_bytes()
        same = hashlib.sha256(content).hexdigest() == files.get(name)
        return None if self._is_damaged(name, {} if same else {name: "changed"}) else content

    def require(self, name: str) -> bytes:
        """The bytes of a file that was there a moment ago."""
        content = self.read(name)
        if content is None:
            raise AnnotuneError(f"{self.folder / name} was changed by another program.", "Do the same again.")
        return content

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays that `put` kept; None where they are not there, rest on something else, or are damaged."""
        content = self.read(f"{name}.npz")
        if content is None:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile):
            self._is_damaged(f"{name}.npz", {f"{name}.npz": "changed"})
            return None

    def put(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays as `<name>.npz`, whole or not at all."""
        path = self.start(f"{name}.npz")
        with replacing(path) as draft:
            np.savez(draft, **arrays)  # type: ignore[arg-type]
        self.finish(path.name)

    def _files(self, name: str) -> dict[str, str] | None:
        """The fingerprints of a piece that was finished on the same basis."""
        recover(self.folder / name)
        content: dict[str, Any] = read_sealed(self._note(name)) or {}
        return content["files"] if content.get("basis") == self.basis else None

    def _is_damaged(self, name: str, states: dict[str, str]) -> bool:
        """Tell of the first damaged file, once: without its note, the piece counts as not there."""
        for file, state in list(states.items())[:1]:
            self._note(name).unlink(missing_ok=True)
            warn(f"{self.folder / file} is {'damaged' if state == 'changed' else state}; that part is done again.")
        return bool(states)

    def _note(self, name: str) -> Path:
        return (self.notes or self.folder) / f".{name}{SUFFIX}"
