"""What a format's module has, and the options that only some formats take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from annotune.models.coder import Coder


@dataclass(frozen=True)
class Options:
    """What only some formats want: the quantization of gguf, and the folder of an adapter's base."""

    quantization: str | None = None
    base: str | None = None


class Format(Protocol):
    """What a format's module has."""

    OPTIONS: tuple[str, ...]
    FOLDER: bool

    def require(self, coder: Coder, options: Options) -> None:
        """Stop where this model has no such export, before anything is written."""

    def tolerance(self, options: Options) -> float:
        """The difference of probabilities that is accepted by default."""

    def require_runtime(self) -> None:
        """Stop where the program that runs the format is not installed."""

    def write(self, coder: Coder, place: Path, options: Options) -> None:
        """Write the export."""

    def run(self, place: Path, texts: Sequence[str], options: Options) -> tuple[np.ndarray, str]:
        """Logits (texts, labels) by the format's own program, from what was written alone; and its name."""
