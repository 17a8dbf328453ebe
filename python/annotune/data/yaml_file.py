"""YAML files as people write them: words as they are written, each with its line, and nothing that unfolds.

They are read event by event: there are no objects of classes, no copies of other places, and no more than is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from annotune.errors import AnnotuneError, nearest_file

Location = tuple[str | int, ...]
DEEPEST, MOST = 50, 2_000_000  # blocks inside of each other, and values in all: no codebook comes near
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is of C, and not on every machine
_NULL = "tag:yaml.org,2002:null"


def read_yaml(path: Path) -> tuple[Any, dict[Location, int]]:
    """A YAML file's content, every scalar as the string that was written, and each place's line.

    Strings as written, because YAML reads the labels No and 1.10 as false and 1.1; pydantic's
    types turn them into numbers where a number is wanted.
    """
    lines: dict[Location, int] = {}
    try:
        return _content(path.read_text(encoding="utf-8-sig"), lines, path), lines
    except FileNotFoundError:
        raise AnnotuneError(f"{path} is not there.", nearest_file(path)) from None
    except OSError as error:
        raise AnnotuneError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except UnicodeDecodeError:
        raise AnnotuneError(f"{path} is not UTF-8.", "Save it with the encoding UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = error.problem or "it cannot be read"
        raise AnnotuneError(
            f"{path}, line {line}: this is not YAML: {problem}.", "Check the indentation, colons and quotes there."
        ) from None
    except yaml.YAMLError:
        raise AnnotuneError(f"{path} holds characters that YAML does not allow.", "Remove them.") from None


def _content(text: str, lines: dict[Location, int], path: Path) -> Any:
    """What the one document in a text holds."""
    events = _counted(yaml.parse(text, Loader=_LOADER), path)
    next(events)  # the stream begins
    if isinstance(next(events), yaml.StreamEndEvent):
        raise AnnotuneError(f"{path} is empty.", "Write its keys and values.")
    content = _value(next(events), events, (), lines, path)
    next(events)  # the document ends
    after = next(events)
    if not isinstance(after, yaml.StreamEndEvent):
        line = after.start_mark.line + 1
        raise AnnotuneError(f"{path}, line {line}: this is not YAML of one document.", "Remove the second (---).")
    return content


def _counted(events: Iterator[Any], path: Path) -> Iterator[Any]:
    """The events of a file; aliases are refused, as a few lines of them stand for more than any memory holds."""
    depth = values = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise AnnotuneError(f"{where}: the alias *{event.anchor} stands for what is elsewhere.", "Write it out.")
        if depth > DEEPEST:
            raise AnnotuneError(f"{where}: more than {DEEPEST} blocks are inside of each other.", "Mend it there.")
        if values > MOST:
            raise AnnotuneError(f"{where}: the file holds more than {MOST:,} values.", "Write a smaller file.")
        yield event


def _value(event: Any, events: Iterator[Any], place: Location, lines: dict[Location, int], path: Path) -> Any:
    """The value that begins with an event: a list, a block of keys, or a word."""
    lines[place] = event.start_mark.line + 1
    if isinstance(event, yaml.SequenceStartEvent):
        return _list(events, place, lines, path)
    if isinstance(event, yaml.MappingStartEvent):
        return _block(events, place, lines, path)
    is_null = event.tag == _NULL or (event.tag is None and event.implicit[0])
    return None if is_null and event.value in ("", "~") else event.value


def _list(events: Iterator[Any], place: Location, lines: dict[Location, int], path: Path) -> list[Any]:
    content: list[Any] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        content.append(_value(event, events, (*place, len(content)), lines, path))
    return content


def _block(events: Iterator[Any], place: Location, lines: dict[Location, int], path: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarEvent):
            raise AnnotuneError(f"{path}, line {line}: a key must be a word.", "Mend it there.")
        if (*place, key.value) in lines:
            raise AnnotuneError(f"{path}, line {line}: the key {key.value!r} is there twice.", "Keep one.")
        event = next(events)
        _require_colon(key, event, f"{path}, line {line}")
        value = _value(event, events, (*place, key.value), lines, path)
        lines[(*place, key.value)] = line
        if value is not None:  # a key without a value says nothing: its default holds
            content[key.value] = value
    return content


def _require_colon(key: Any, event: Any, where: str) -> None:
    """Stop at a key right behind which its empty value begins: a part of words with commas, {name: tax, war}."""
    if event.start_mark.index == key.end_mark.index:
        what = f"{where}: {key.value!r} stands behind a comma inside of {{...}}, and is no key."
        raise AnnotuneError(what, 'Put quotes around words with commas: {definition: "prices, wages"}.')
