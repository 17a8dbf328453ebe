"""Marked texts: a text and what is read beside it in one string."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK, BETWEEN = "\x1e", "\x1f"  # control characters that no text needs: they are taken out of the parts
HEAD = rf"^{MARK}(\d{{1,3}}),(\d{{1,3}}){BETWEEN}"  # how many parts stand ahead, and which part is the text


@dataclass(frozen=True)
class Parts:
    """A marked text taken apart: what stands ahead (covariates, target), neighbours before, the text, those after."""

    ahead: tuple[str, ...]
    before: tuple[str, ...]
    text: str
    after: tuple[str, ...]


def is_marked(text: str) -> bool:
    """Whether a text has other parts beside it: a control character that strayed into a text makes none of it."""
    head = re.match(HEAD, text)
    return head is not None and int(head[1]) <= int(head[2]) < text.count(BETWEEN)


def parts_of(text: str) -> Parts:
    """A text's parts; one that is not marked is the only one."""
    if not is_marked(text):
        return Parts((), (), text, ())
    places, *parts = text.removeprefix(MARK).split(BETWEEN)
    ahead, place = map(int, places.split(","))
    return Parts(tuple(parts[:ahead]), tuple(parts[ahead:place]), parts[place], tuple(parts[place + 1 :]))
