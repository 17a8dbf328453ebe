"""Long texts as passages: none is longer than what the network reads at once, and together they are the whole text.

A passage is read as if it were a text of its own. Passages of a text are about equally long, and end where sentences
or words do.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np

from annotune.network.batches import Tokens, tokenize
from annotune.network.portions import groups
from annotune.network.reading import PREFIX

Span = tuple[int, int]  # the first character, and the one after the last
LOOKED_AT = 100_000  # characters of which tokens are made at a time, so that memory does not grow with a text
TOKENIZED = 1_000_000  # characters of passages that are made tokens of together
SLACK = 2  # tokens by which a passage may be longer when it stands alone
SENTENCE_ENDS = ".!?…:;\n。！？"
WITHOUT_BLANK = "。！？\n"  # of these, after which no blank has to follow


def read_texts(tokenizer: Any, texts: Sequence[str], max_tokens: int, whole: bool) -> Tokens:
    """Texts as tokens, whole in passages, or cut at `max_tokens`."""
    return (read_whole if whole else tokenize)(tokenizer, texts, max_tokens)


def read_whole(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> Tokens:
    """Texts as tokens, each in as many passages of up to `max_tokens` as it takes."""
    spans = [passages_of(tokenizer, text, max_tokens) for text in texts]
    parts = [text[start:end] for text, of_text in zip(texts, spans, strict=True) for start, end in of_text]
    portions = [_compact(tokenize(tokenizer, portion, max_tokens)) for portion in groups(parts, None, TOKENIZED)]
    ids, cut = list(chain.from_iterable(tokens.ids for tokens in portions)), sum(tokens.cut for tokens in portions)
    ends = np.cumsum([len(of_text) for of_text in spans], dtype=np.int64)
    return replace(portions[0], ids=ids, cut=cut, ends=ends)


def _compact(tokens: Tokens) -> Tokens:
    """The same in 4 bytes a token; as a tokenizer hands them out they take some 100."""
    ids: Any = [array("i", row) for row in tokens.ids]
    return replace(tokens, ids=ids)


def passages_of(tokenizer: Any, text: str, max_tokens: int) -> list[Span]:
    """Where the passages of a text begin and end; a text that fits is one."""
    room = _room(tokenizer, max_tokens)
    if len(text.encode("utf-8", "surrogatepass")) <= room:
        return [(0, len(text))]
    return list(chain.from_iterable(_within(tokenizer, text, start, end, room) for start, end in _slices(text)))


def read_spans(tokenizer: Any, texts: Sequence[str], max_tokens: int, whole: bool) -> list[list[Span]]:
    """Where the passages of texts begin and end; of texts that are cut there is one, the start that is read."""
    if whole:
        return [passages_of(tokenizer, text, max_tokens) for text in texts]
    return [[start_of(tokenizer, text, max_tokens)] for text in texts]


def start_of(tokenizer: Any, text: str, max_tokens: int) -> Span:
    """The part of a text that is read where longer ones are cut (see `annotune.network.batches.tokenize`)."""
    limit = min(max_tokens, int(tokenizer.model_max_length))
    if len(text.encode("utf-8", "surrogatepass")) <= _room(tokenizer, max_tokens):
        return 0, len(text)
    prefix = tokenizer.init_kwargs.get(PREFIX, "")
    read = list(islice((place for place, character in enumerate(text) if character != "\x00"), limit * 32))
    clean = prefix + "".join(text[place] for place in read)
    encoded = tokenizer(clean, truncation=True, max_length=limit, return_offsets_mapping=True)
    if len(read) == len(text) and not encoded.encodings[0].overflowing:
        return 0, len(text)
    last = max(end for _, end in encoded["offset_mapping"]) - len(prefix)
    return 0, read[last - 1] + 1 if last > 0 else 0


def _room(tokenizer: Any, max_tokens: int) -> int:
    """The tokens of a passage beside those that the tokenizer and the base put around each text."""
    limit: int = min(max_tokens, int(tokenizer.model_max_length))
    prefix = tokenizer.init_kwargs.get(PREFIX, "")
    around = int(tokenizer.num_special_tokens_to_add()) + len(tokenizer(prefix, add_special_tokens=False)["input_ids"])
    return max(1, limit - around - SLACK)


def _slices(text: str) -> Iterator[Span]:
    """The text in parts of which tokens are made, ending at a blank where there is one."""
    start = 0
    while start < len(text):
        end = min(start + LOOKED_AT, len(text))
        if end < len(text):
            blank = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
            end = blank + 1 if blank > start else end
        yield start, end
        start = end


def _within(tokenizer: Any, text: str, start: int, end: int, room: int) -> Iterator[Span]:
    """Passages of a slice; the first begins and the last ends with it."""
    part = text[start:end]
    found = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
    offsets: list[Span] = found["offset_mapping"]
    first, place = 0, start
    while len(offsets) - first > room:
        left = -(-(len(offsets) - first) // room)
        first = _break(part, offsets, first, first + -(-(len(offsets) - first) // left))
        yield place, start + offsets[first][0]
        place = start + offsets[first][0]
    yield place, end


def _break(text: str, offsets: Sequence[Span], first: int, last: int) -> int:
    """The token before which a passage ends: at most `last`, and up to a quarter of it earlier, after a sentence."""
    earliest = last - (last - first) // 4
    places = [i for i in range(last, max(earliest, first), -1) if offsets[i][0] >= offsets[i - 1][1]]
    sentences = (i for i in places if _ends_sentence(text, offsets[i - 1], offsets[i]))
    words = (i for i in places if _has_blank(text, offsets[i - 1], offsets[i]))
    return next(sentences, next(words, places[0] if places else last))


def _has_blank(text: str, before: Span, after: Span) -> bool:
    return text[before[1] : after[0] + 1][:1].isspace()


def _ends_sentence(text: str, before: Span, after: Span) -> bool:
    ending = text[before[1] - 1 : before[1]]
    return ending in SENTENCE_ENDS and (ending in WITHOUT_BLANK or _has_blank(text, before, after))
