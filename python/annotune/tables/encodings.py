"""The encoding of a text file, detected from the words that are not plain ASCII.

Statistical detectors need pages of text; a coder's file has a few names. So every candidate decodes
these words, and the one that turns most of them into words of its languages is chosen.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice

from annotune.errors import AnnotuneError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ"
_CENTRAL = "ąćęłńóśźżáčďéěíňřšťúůýžäöüßôľĺŕőűăâîșțşţ"
_TURKISH = "çğıöşüâîû"
_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў"
_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
# The more likely ones are first, because the first wins ties.
_CANDIDATES = (
    ("cp1252", _WESTERN),
    ("mac_roman", _WESTERN),
    ("cp850", _WESTERN),
    ("cp1250", _CENTRAL),
    ("iso8859_2", _CENTRAL),
    ("cp1254", _TURKISH),
    ("cp1251", _RUSSIAN),
    ("cp1253", _GREEK),
    ("koi8_r", _RUSSIAN),
    ("cp866", _RUSSIAN),
)
_PIECE = 1 << 24  # bytes
_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_SIGNS = "“”„‘’‚–—…€£°§·«»¿¡\xa0•´ªº"


_NAMED = ContextVar[str | None]("encoding", default=None)


@contextmanager
def named(encoding: str | None) -> Iterator[None]:
    """In this block text files that are not in Unicode are in this encoding, where one is named.

    A verb of the command line reads several files, of which those by annotune are in UTF-8.

    Raises
    ------
    AnnotuneError
        For an encoding that there is not.
    """
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        what = f"There is no encoding {encoding!r}."
        raise AnnotuneError(what, "Such as cp1250, cp1251, gb18030, shift_jis or euc_kr.") from None
    before = _NAMED.set(encoding)
    try:
        yield
    finally:
        _NAMED.reset(before)


def named_encoding() -> str | None:
    """The encoding that is named for text files that are not in Unicode."""
    return _NAMED.get()


def detect_encoding(data: bytes) -> str:
    """UTF-8 or UTF-16 where the bytes show it, else what is named, the likeliest single-byte encoding, or a guess."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    start = data[:4096]
    if start.count(0) > len(start) / 4:  # every other byte of plain text in UTF-16
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    if _mostly_utf8(data):
        return "utf-8"
    if encoding := named_encoding():
        return encoding
    words = [match.group() for match in islice(_WORD.finditer(data), 2_000)]
    scores = {name: sum(_plausible(word, name, letters) for word in words) for name, letters in _CANDIDATES}
    likeliest = max(scores, key=lambda name: scores[name])
    if scores[likeliest] > len(words) / 2:
        return likeliest
    import charset_normalizer  # it is slow to load, and seldom wanted

    best = charset_normalizer.from_bytes(data[:200_000]).best()
    return best.encoding if best else "cp1252"


def is_utf8(data: bytes) -> bool:
    """Whether all bytes are UTF-8; the text is not made."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for at in range(0, len(data), _PIECE):
            decoder.decode(view[at : at + _PIECE], final=at + _PIECE >= len(data))
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(data: bytes) -> bool:
    """Whether most bytes beyond ASCII are valid UTF-8, as where only one text was cut within a character."""
    if is_utf8(data):
        return True
    text = data.decode("utf-8", errors="replace")
    beyond = len(text) - len(text.encode("ascii", errors="ignore"))
    return text.count("\ufffd") <= beyond / 4


def _plausible(word: bytes, encoding: str, letters: str) -> bool:
    """Whether the decoded word has letters of one script only, and capitals only where words have them."""
    read = word.decode(encoding, errors="replace").strip(_SIGNS).replace("’", "")
    if not all(letter.isascii() or letter.lower() in letters for letter in read):
        return False
    plain = sum(letter.isascii() for letter in read)
    other_script = "а" in letters or "α" in letters
    of_one_script = plain == 0 if other_script else plain > 0 or len(read) <= 1
    return of_one_script and (read == "" or read.islower() or read.isupper() or read.istitle())
