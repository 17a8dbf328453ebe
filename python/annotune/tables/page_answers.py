"""What the stand-alone coding page exports: a list of answers and of what was taken back, in their order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError

FORMAT = "annotune-answers"
VERSION = 1
STATUSES = ("ok", "none", "missing")
COLUMNS = dict.fromkeys(("unit_id", "variable", "coder", "label", "status"), pl.String)


@dataclass(frozen=True)
class Log:
    """A coder's entries, each an answer to questions about a text, or an undo of the last answer that holds."""

    coder: str
    entries: tuple[Mapping[str, Any], ...]

    @property
    def standing(self) -> list[Mapping[str, Any]]:
        """The answers that were not taken back, in their order."""
        stack: list[Mapping[str, Any]] = []
        for entry in self.entries:
            if entry["kind"] == "answer":
                stack.append(entry)
            elif stack:
                stack.pop()
        return stack


def is_log(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object is such a list."""
    return record.get("format") == FORMAT


def read_log(path: Path) -> Log | None:
    """The entries in a file; None for any other file."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return log_of(content, path) if isinstance(content, dict) and is_log(content) else None


def log_of(record: Mapping[str, Any], path: Path) -> Log:
    """The entries of a JSON object.

    Raises
    ------
    AnnotuneError
        For a newer version's, and for an entry that the page did not write, by its number.
    """
    if record.get("version") != VERSION:
        raise AnnotuneError(f"{path} was exported by a newer version of annotune.", "Update annotune.")
    coder, entries = record.get("coder"), record.get("entries")
    if not isinstance(coder, str) or not coder or not isinstance(entries, list):
        raise AnnotuneError(f"{path} has no coder or no entries.", "Export the answers again.")
    for number, entry in enumerate(entries, start=1):
        if not _is_entry(entry):
            raise AnnotuneError(f"{path}, entry {number}: the page wrote no such entry.", "Export the answers again.")
    return Log(coder, tuple(entries))


def tables(log: Log) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts, by their identifiers, and what holds of each: one row per label given.

    >>> answer = {"kind": "answer", "unit_id": "a", "answers": {"topic": {"labels": ["Law"], "status": "ok"}}}
    >>> tables(Log("anna", (answer, answer, {"kind": "undo"})))[1].rows()
    [('a', 'topic', 'anna', 'Law', 'ok')]
    """
    held: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in log.standing:
        held |= {(entry["unit_id"], variable): answer for variable, answer in entry["answers"].items()}
    rows = [
        (unit, variable, log.coder, label, answer["status"])
        for (unit, variable), answer in held.items()
        for label in (answer["labels"] if answer["status"] == "ok" else [None])
    ]
    codings = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    return codings.select(pl.col("unit_id").unique(maintain_order=True)), codings


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        return False
    if entry.get("kind") == "undo":
        return True
    answers = entry.get("answers")
    is_answer = entry.get("kind") == "answer" and isinstance(entry.get("unit_id"), str)
    return is_answer and isinstance(answers, dict) and all(map(_is_answer, answers.values()))


def _is_answer(answer: Any) -> bool:
    if not isinstance(answer, dict) or answer.get("status") not in STATUSES:
        return False
    labels: Sequence[Any] = answer["labels"] if isinstance(answer.get("labels"), list) else [None]
    return all(isinstance(label, str) for label in labels) and (answer["status"] != "ok" or bool(labels))
