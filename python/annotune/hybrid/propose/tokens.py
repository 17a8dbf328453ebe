"""How many tokens a text has, about: models differ, and their vocabularies cannot be had without a download."""

from __future__ import annotations

import math

BYTES = 4.0  # of a token of English; other languages have more tokens, which the first answers show
TURN = 4  # tokens around a message


def tokens_of(text: str) -> int:
    """About how many tokens a text has as a message.

    >>> tokens_of("Which policy area is this about?")
    12
    """
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES) + TURN
