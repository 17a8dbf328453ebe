"""Logits of texts that were met before, as many as there is room for: the same text is computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROOM = 64_000_000  # bytes
ENTRY = 200  # bytes that an entry takes beside its row


class Cache:
    """Rows by the fingerprint of their text; where it is full, what was not asked for the longest goes.

    Examples
    --------
    >>> cache, asked = Cache(1), []
    >>> def lengths(texts):
    ...     asked.extend(texts)
    ...     return np.array([[len(text)] for text in texts], dtype=np.float32)
    >>> cache.rows(["aa", "b", "aa"], lengths).ravel().tolist(), cache.rows(["b", "c"], lengths).ravel().tolist()
    ([2.0, 1.0, 2.0], [1.0, 1.0])
    >>> asked
    ['aa', 'b', 'c']
    """

    def __init__(self, width: int, room: int = ROOM, *, dtype: type[np.floating[Any]] = np.float32) -> None:
        self.capacity = max(room // (np.dtype(dtype).itemsize * width + ENTRY), 1)
        self.width, self.dtype = width, dtype
        self._rows: dict[bytes, np.ndarray] = {}

    def rows(self, texts: Sequence[str], compute: Callable[[list[str]], np.ndarray]) -> np.ndarray:
        """The rows (texts, width) of these texts; those that are not known are computed, each distinct one once."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        computed = dict(zip(unknown, compute(list(unknown.values())), strict=True)) if unknown else {}
        result = np.zeros((len(texts), self.width), dtype=self.dtype)
        for place, key in enumerate(keys):
            row = self._known(key)
            result[place] = computed[key] if row is None else row
        self._keep(computed)
        return result

    def _known(self, key: bytes) -> np.ndarray | None:
        """A row that is known, from now on the one that was asked for last."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._rows[key] = row
        return row

    def _keep(self, computed: dict[bytes, np.ndarray]) -> None:
        for key in list(computed)[-self.capacity :]:
            self._rows[key] = computed[key].copy()
        while len(self._rows) > self.capacity:
            del self._rows[next(iter(self._rows))]
