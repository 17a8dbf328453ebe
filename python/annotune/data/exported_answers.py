"""What a stand-alone coding page exports: everything that a coder answered and undid there, in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError

FORMAT = "annotune-answers"
COLUMNS = dict.fromkeys(("unit_id", "variable", "coder", "label", "status"), pl.String)
BEGINNING = 400  # bytes in which the file says what it is


def is_export(data: Any) -> bool:
    """Whether this is the path of such a file."""
    if not isinstance(data, (str, Path)) or Path(data).suffix.lower() != ".json" or not Path(data).is_file():
        return False
    with Path(data).open("rb") as file:
        return f'"{FORMAT}"'.encode() in file.read(BEGINNING)


def read_export(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """Who coded, and each entry as it would be posted, with its `kind` ("answer" or "undo").

    Raises
    ------
    AnnotuneError
        For a file that is cut, was changed by hand, or is of a newer version of annotune.
    """
    try:
        content = json.loads(path.read_bytes())
        coder, entries = content["coder"], content["entries"]
        is_whole = content["format"] == FORMAT and content["version"] == 1 and isinstance(coder, str)
        for entry in entries:
            is_whole = is_whole and (entry["kind"] == "undo" or (entry["kind"] == "answer" and _is_answer(entry)))
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise AnnotuneError(f"{path} is no whole export of the coding page.", "Export the answers again.")
    return coder, entries


def _is_answer(entry: dict[str, Any]) -> bool:
    answers = entry["answers"].values()
    is_answer = isinstance(entry["unit_id"], str) and isinstance(entry.get("second", False), bool)
    return is_answer and all(
        isinstance(answer["status"], str) and all(isinstance(label, str) for label in answer["labels"])
        for answer in answers
    )


def undone_by(entries: list[dict[str, Any]]) -> dict[str, str | None]:
    """The answer's key that each undo, by its key, takes back: the last one that was not taken back."""
    standing: list[str] = []
    undone: dict[str, str | None] = {}
    for entry in entries:
        if entry["kind"] == "answer":
            standing.append(entry["key"])
        else:
            undone[entry["key"]] = standing.pop() if standing else None
    return undone


def codings_of_export(path: Path) -> pl.DataFrame:
    """What holds after all answers and undos: one row per text, variable and label, as `read_codings` takes it."""
    coder, entries = read_export(path)
    gone = set(undone_by(entries).values())
    held: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        if entry["kind"] == "answer" and entry["key"] not in gone:
            held.update({(entry["unit_id"], name): answer for name, answer in entry["answers"].items()})
    rows = [
        (unit, variable, coder, label, answer["status"])
        for (unit, variable), answer in held.items()
        for label in answer["labels"] or [None]
    ]
    if not rows:
        raise AnnotuneError(f"{path} holds no answer.", "Export it again when texts are coded.")
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
