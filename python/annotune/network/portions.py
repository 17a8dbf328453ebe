"""Texts in portions that memory has room for, however long they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

CHARACTERS_AT_ONCE, TEXTS_AT_ONCE = 8_000_000, 20_000  # that are made tokens of together
MOST_READ = 20_000  # characters of a text that is cut: about as many as any base reads


def groups(texts: Sequence[str], most_read: int | None, most: int = CHARACTERS_AT_ONCE) -> Iterator[list[str]]:
    """The texts in groups that hold no more characters than memory has room for as tokens, `most` where a text fits.

    Of each text count `most_read` characters at most, where so many are read; None where all are.

    >>> [len(group) for group in groups(["short", "x" * 9_000_000, "y" * 15_000, "z"], 20_000)]
    [4]
    >>> [len(group) for group in groups(["short", "x" * 9_000_000, "y" * 15_000, "z"], None)]
    [1, 1, 2]
    >>> [len(group) for group in groups(["x" * 20_000] * 1_000, 20_000)]
    [400, 400, 200]
    """
    group: list[str] = []
    size = 0
    for text in texts:
        length = len(text) if most_read is None else min(len(text), most_read)
        if group and (size + length > most or len(group) == TEXTS_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(text)
        size += length
    if group:
        yield group
