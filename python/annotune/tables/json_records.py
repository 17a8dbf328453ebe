"""JSON files that hold one list of objects, or one object per line under the name of such a file."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.tables.unpacking import unpacked

_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(  # two halves that make a character, one of them alone, or another escape
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
COPIES = 10  # of the text, while it becomes Python's objects


def text_of(path: Path, copies: int) -> bytes:
    """The bytes of a text file, unpacked where it is, without the mark of its encoding."""
    return unpacked(path, copies).removeprefix(codecs.BOM_UTF8)


def whole_characters(path: Path, data: bytes) -> tuple[bytes, tuple[str, ...]]:
    r"""The JSON with \ufffd in place of each half of a character, and a note; no text in UTF-8 can hold one.

    >>> whole_characters(Path("t.jsonl"), rb'{"a": "\ud83d\ude00 \ud83d"}')
    (b'{"a": "\\ud83d\\ude00 \\ufffd"}',
     ("t.jsonl, line 1: \\ud83d is half a character, and is read as '�' (1 in all).",))
    """
    halves = [match for match in _ESCAPE.finditer(data) if match[1]] if _MAYBE_HALF.search(data) else []
    if not halves:
        return data, ()
    line = data.count(b"\n", 0, halves[0].start()) + 1
    what = f"{path.name}, line {line}: {halves[0][0].decode()} is half a character, and is read as '\ufffd'"
    whole = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], data)
    return whole, (f"{what} ({len(halves):,} in all).",)


def records_of(path: Path, data: bytes) -> list[dict[str, Any]] | None:
    """The objects of a JSON list, None where the file has an object per line."""
    try:
        content = json.loads(data)
    except UnicodeDecodeError:
        raise AnnotuneError(f"{path} is not UTF-8.", "Save it with the encoding UTF-8.") from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # a second object
            return None
        raise AnnotuneError(f"{path}, line {error.lineno}: this is not JSON: {error.msg}.", "Mend it there.") from None
    records = [content] if isinstance(content, dict) else content
    strange = records if not isinstance(records, list) else [each for each in records if not isinstance(each, dict)]
    if strange or not records:
        what = f"{path} holds no list of objects." if strange else f"{path} holds an empty list."
        raise AnnotuneError(what, "A table in JSON is a list of objects, [{...}, {...}], one for each row.")
    return list(records)
