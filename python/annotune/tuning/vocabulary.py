"""Whether a base model's vocabulary suits the language of the texts: a model hardly reads what it has to spell out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from annotune.errors import warn

# Scripts with few blanks or none, or with a syllable a letter (South-East Asia, Hangul, kana, Han): a letter is a word.
BY_LETTER = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
MARKS = "\u0300-\u036f\u0591-\u0670\u0900-\u0dff"  # within words, and no letters to Python
WORD = re.compile(rf"[{BY_LETTER}]|(?:(?![{BY_LETTER}])[^\W\d_]|[{MARKS}])+")
MOST_TEXTS, MOST_WORDS, FEWEST_WORDS = 200, 20, 100  # looked at; words a text; words to judge by
MOST_PIECES = 10  # that count of a word: a few keys or web addresses are no language
MANY = 1.6  # English texts with an English base: 1.0 to 1.1; texts in other European languages: 1.8 to 6
BLANKS = "▁Ġ "  # how tokenizers write the blank before a word


def pieces_a_word(tokenizer: Any, texts: Sequence[str]) -> float:
    """Pieces that a tokenizer makes of a word on average, its *fertility* (Rust et al. 2021, ACL); nan with few words.

    The first words of up to 200 texts are looked at, spread over all. Digits, punctuation and emoji are no words. A
    word that is not in the vocabulary even in pieces counts as its bytes, to which other tokenizers fall back. Where
    words have no blanks between them, only letters that the vocabulary lacks tell: an English base's has those of Thai
    and Japanese.
    """
    looked_at = texts[:: max(1, math.ceil(len(texts) / MOST_TEXTS))]
    words = [word for text in looked_at for word in WORD.findall(text[:1000])[:MOST_WORDS]]
    if len(words) < FEWEST_WORDS:
        return float("nan")
    spelt = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    return float(np.mean([_count(tokenizer, word, ids) for word, ids in zip(words, spelt, strict=True)]))


def _count(tokenizer: Any, word: str, ids: Sequence[int]) -> int:
    if tokenizer.unk_token_id in ids:
        return min(len(word.encode()), MOST_PIECES)
    return min(sum(bool(token.strip(BLANKS)) for token in tokenizer.convert_ids_to_tokens(ids)), MOST_PIECES)


def check_language(tokenizer: Any, texts: Sequence[str], name: str) -> None:
    """Warn where the base called `name` seems made for another language than that of the texts."""
    pieces = pieces_a_word(tokenizer, texts)
    if pieces > MANY:
        warn(
            f"The base model {name} splits a word of these texts into {pieces:.1f} pieces on average, and makes little "
            "more than one of a word in a language that it knows well; it may hardly read them. Choose a base made for "
            "their language (base=), and see in the evaluation whether counting words (TF-IDF) does better."
        )
