"""Finished pieces of long work, kept on disk: what was stopped goes on from there."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotune.errors import AnnotuneError, warn
from annotune.records.files import replacing, write_whole


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
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"The folder {self.folder} cannot be made: {error.strerror}."
            raise AnnotuneError(what, "Choose another.") from None
        if not os.access(self.folder, os.W_OK):
            raise AnnotuneError(f"The folder {self.folder} may not be written to.", "Choose another.")

    def has(self, name: str) -> bool:
        """Whether the file or folder `name` was finished on the same basis."""
        note = self._note(name)
        return (self.folder / name).exists() and note.exists() and note.read_text(encoding="utf-8") == self.basis

    def start(self, name: str) -> Path:
        """Where `name` is to be written; until `finish` it does not count as there."""
        self._note(name).unlink(missing_ok=True)
        return self.folder / name

    def finish(self, name: str) -> None:
        """Say that `name` is whole."""
        write_whole(self._note(name), self.basis)

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays that `put` kept; none where they are not there, rest on something else, or are damaged."""
        path = self.folder / f"{name}.npz"
        if not self.has(path.name):
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile):
            warn(f"{path} is damaged; that part is done again.")
            return None

    def put(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays as `<name>.npz`, whole or not at all."""
        path = self.start(f"{name}.npz")
        with replacing(path) as draft:
            np.savez(draft, **arrays)  # type: ignore[arg-type]
        self.finish(path.name)

    def _note(self, name: str) -> Path:
        return (self.notes or self.folder) / f".{name}.basis"
