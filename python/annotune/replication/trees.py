"""A tree as plain data, and as lines that a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annotune.text_table import wrapped

Tree = Mapping[str, Any]  # names, and under each a word, a number, a list of these, or a tree again
SHORT = 16  # characters of a fingerprint that a person reads; JSON has all 64
SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
LEAST_WIDTH = 24  # of what stands behind the lines of a deep branch


def without_blanks(tree: Tree) -> dict[str, Any]:
    """The tree without names under which nothing stands.

    >>> without_blanks({"a": None, "b": {"c": []}, "d": {"e": 0}})
    {'d': {'e': 0}}
    """
    parts = {name: without_blanks(part) if isinstance(part, Mapping) else part for name, part in tree.items()}
    return {name: part for name, part in parts.items() if part is not None and part not in ({}, [], "")}


def lines(tree: Tree, width: int) -> Iterator[str]:
    """The tree as lines of at most about `width` columns.

    Examples
    --------
    >>> print(*lines({"data": {"a.csv": "as recorded", "rows": 3}, "notes": ["It is.", "It was."]}, 60), sep=chr(10))
    ├─ data
    │  ├─ a.csv: as recorded
    │  └─ rows: 3
    └─ notes
       ├─ It is.
       └─ It was.
    """
    yield from _branches(_entries(tree), width, "")


def in_brief(text: str) -> str:
    """The text with the beginnings of fingerprints in their place.

    >>> in_brief("SHA-256 " + 64 * "a")
    'SHA-256 aaaaaaaaaaaaaaaa'
    """
    return SHA256.sub(lambda match: match[0][:SHORT], text)


def _entries(part: Any) -> list[tuple[str, Any]]:
    """What stands on the lines below a part: a text, and what is below that."""
    if isinstance(part, Mapping):
        return [_entry(str(name), value) for name, value in part.items()]
    if _is_list(part):
        return [("", value) if isinstance(value, Mapping) else (_word(value), None) for value in part]
    return []


def _entry(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, Mapping) or (_is_list(value) and not _is_short(value)):
        return name, value
    words = ", ".join(map(_word, value)) if _is_list(value) else _word(value)
    return f"{name}: {words}", None


def _branches(entries: Sequence[tuple[str, Any]], width: int, before: str) -> Iterator[str]:
    for place, (text, below) in enumerate(entries):
        is_last = place == len(entries) - 1
        first, rest = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        hang = "│ " if _entries(below) else "  "
        parts = wrapped(in_brief(text), max(LEAST_WIDTH, width - len(before + first + hang))) or [""]
        yield f"{before}{first}{parts[0]}"
        yield from (f"{before}{rest}{hang}{part}" for part in parts[1:])
        yield from _branches(_entries(below), width, before + rest)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_short(value: Sequence[Any]) -> bool:
    """Whether a list is one of words, such as names of columns, and not of sentences."""
    return all(not isinstance(one, Mapping) and len(str(one)) <= 30 and "." not in str(one)[-1:] for one in value)
