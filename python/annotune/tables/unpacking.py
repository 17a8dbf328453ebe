"""Packed files unpacked in pieces, up to what the memory holds: a megabyte may hold a thousand of them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from annotune.errors import AnnotuneError
from annotune.tables.memory import free_memory, in_words

PIECE = 1 << 20  # bytes
_OPENERS: dict[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


def unpacked(path: Path, copies: int) -> bytes:
    """The bytes of a file, without its packing (gzip, bzip2, xz) if its first bytes are those of one.

    `copies`: of how many times as many bytes the table takes while it is made of them; if there is no memory for these,
    the file is refused before they are there.
    """
    buffer = io.BytesIO()  # which grows in its place, and is handed out as it is
    for piece in pieces(path, copies, PIECE):
        buffer.write(piece)
    return buffer.getvalue()


def pieces(path: Path, copies: int, size: int) -> Iterator[bytes]:
    """The same bytes, so many at a time."""
    most, length = free_memory() // copies, 0
    if path.stat().st_size > most:
        raise _too_large(path, most)
    with path.open("rb") as file:
        opener = next((opener for mark, opener in _OPENERS.items() if _begins(file, mark)), None)
        with io.BufferedReader(file if opener is None else opener(file), PIECE) as source:
            while piece := source.read(size):
                length += len(piece)
                if length > most:
                    raise _too_large(path, most)
                yield piece


def _begins(file: IO[bytes], mark: bytes) -> bool:
    start = file.read(len(mark))
    file.seek(0)
    return start == mark


def _too_large(path: Path, most: int) -> AnnotuneError:
    what = f"{path} holds more than {in_words(most)}, and the memory that is free is too little to make a table of it."
    return AnnotuneError(what, "Check that the file is what it should be, or give it as .parquet or in parts.")
