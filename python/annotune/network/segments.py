"""Marked texts as tokens: parts between separators, and the neighbours cut around the text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from annotune.data.marked import is_marked, parts_of

Ids = list[int]


def any_marked(texts: Sequence[str]) -> bool:
    """Whether there are texts with other parts beside them."""
    return any(map(is_marked, texts))


def segment_ids(tokenizer: Any, texts: Sequence[str], limit: int, prefix: str) -> tuple[list[Ids], list[bytes], int]:
    """Token ids of marked texts, each at most `limit`; which are no neighbour's; and how many texts were cut.

    Of each token a byte says whether it is of the text itself or of what it is judged with (covariates, a target): 1.
    Of neighbours, and of what the tokenizer puts around a text, it is 0. The third counts texts cut in themselves.

    What stands ahead and the text come first; the room that they leave is for the neighbours, which are cut on both
    sides alike, far from the text. Before a part and behind it is the base's separator, so that an empty part shows.
    """
    parts = [parts_of(text) for text in texts]
    flat = list(chain.from_iterable((*one.ahead, *one.before, one.text, *one.after) for one in parts))
    clean = [text.replace("\x00", "")[: limit * 32] for text in [prefix, *flat]]
    ids = iter(tokenizer(clean, add_special_tokens=False, truncation=False)["input_ids"])
    around, opening = tokenizer("", truncation=False)["input_ids"], next(ids)
    start, end, mark = [*around[:1], *opening], around[1:], _mark(tokenizer)
    rows, own_tokens, cut = [], [], 0
    for one in parts:
        ahead, before = ([next(ids) + mark for _ in some] for some in (one.ahead, one.before))
        text, after = next(ids), [mark + next(ids) for _ in one.after]
        room = limit - len(start) - len(end)
        first = list(chain.from_iterable(ahead))[: room // 2]
        own = text[: room - len(first)]
        cut += len(own) < len(text)
        left, right = _around(list(chain(*before)), list(chain(*after)), room - len(first) - len(own))
        rows.append([*start, *first, *left, *own, *right, *end])
        sizes = (len(start), len(first), len(left), len(own), len(right) + len(end))
        own_tokens.append(b"".join(bytes([place % 2]) * size for place, size in enumerate(sizes)))
    return rows, own_tokens, cut


def _around(before: Ids, after: Ids, room: int) -> tuple[Ids, Ids]:
    """The nearest tokens on both sides: half of the room each, and what one side does not need is the other's."""
    n = min(len(before), max(room // 2, room - len(after)))
    return before[len(before) - n :], after[: room - n]


def _mark(tokenizer: Any) -> Ids:
    """What stands between parts: the base's separator, or an empty line where it has none."""
    if tokenizer.sep_token_id is not None:
        return [int(tokenizer.sep_token_id)]
    return list(tokenizer("\n\n", add_special_tokens=False, truncation=False)["input_ids"])
