"""JSON files that hold one list of objects, or one object per line under the name of such a file."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.tables.unpacking import unpacked

COPIES = 10  # of the text, while it becomes Python's objects


def text_of(path: Path, copies: int) -> bytes:
    """The bytes of a text file, unpacked where it is, without the mark of its encoding."""
    return unpacked(path, copies).removeprefix(codecs.BOM_UTF8)


def records_of(path: Path) -> list[dict[str, Any]] | None:
    """The objects of a JSON list, None where the file has an object per line."""
    try:
        content = json.loads(text_of(path, COPIES))
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
