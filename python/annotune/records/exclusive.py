"""A file that one of several processes makes: all of them try, one succeeds, on one machine and over NFS alike."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from annotune.records.drafts import discard, draft_of


def make_exclusively(path: Path, text: str) -> bool:
    """Make a file with this text, whole, where there is none of that name; whether it was made."""
    draft = draft_of(path)
    try:
        draft.write_text(text, encoding="utf-8")
        return _link(draft, path) if hasattr(os, "link") else _make_in_two_steps(path, text)
    finally:
        discard(draft)


def _link(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)  # fails where the name is taken, on NFS too
    except FileExistsError:
        return text_of(path) == draft.read_text(encoding="utf-8")  # NFS may ask again for what it was granted
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        return _make_in_two_steps(path, draft.read_text(encoding="utf-8"))  # a file system without links
    return True


def _make_in_two_steps(path: Path, text: str) -> bool:
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except OSError:
        discard(path)
        raise
    return True


def text_of(path: Path) -> str | None:
    """The text of a file; None where it cannot be read, as when it is gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def content_of(text: str | None) -> dict[str, Any]:
    """What a file that holds a JSON object says; nothing where it is gone or damaged.

    >>> content_of('{"pid": 3}'), content_of("[1]"), content_of('{"pid'), content_of(None)
    ({'pid': 3}, {}, {}, {})
    """
    try:
        content = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
