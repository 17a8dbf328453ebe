"""A study's store as branches of a tree: draws and waves, people, models that proposed, what was sent elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotune.tables.store_history import history_in_store

UNSAID = ("n", "design", "seed", "coders", "corpus")  # of a wave's settings: said elsewhere


def store_branches(path: Path) -> dict[str, Any]:
    """What a store tells of itself: `draws`, `people`, `proposals`, `texts sent`, `codebook versions`.

    Raises
    ------
    AnnotuneError
        For a file that is no store.
    """
    history = history_in_store(path)
    return {
        "draws": {f"wave {row['wave']}": _wave(row) for row in history["waves"].to_dicts()},
        "people": {name: _person(rows) for name, rows in _by(history["coders"], "coder")},
        "proposals": {name: _model(rows) for name, rows in _by(history["models"], "coder")},
        "texts sent": {row["host"]: _upload(row) for row in history["uploads"].to_dicts()},
        "codebook versions": {str(row["version"]): _version(row) for row in history["codebooks"].to_dicts()},
    }


def _wave(row: Mapping[str, Any]) -> dict[str, Any]:
    settings = json.loads(row["settings"] or "{}")
    others = {name: value for name, value in settings.items() if name not in UNSAID and value not in (None, [], 0, "")}
    return {
        "drawn": f"{row['drawn']:,} of {row['size']:,} texts, {row['design']}, seed {row['seed']}, {day(row['at'])}",
        "coders": settings.get("coders"),
        "settings": others,
        "identifiers of the corpus": f"SHA-256 {row['corpus']}",
    }


def _person(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{row['variable']}: {row['answers']:,} answers on {row['texts']:,} texts, {between(row['first'], row['last'])}"
        for row in rows
    ]


def _model(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A model may have been asked with several settings."""
    return [
        {
            "model": row["model"],
            "provider": row["provider"],
            "called itself": row["reported"],
            "system fingerprint": row["fingerprint"],
            "prompt": f"SHA-256 {row['prompt']}" if row["prompt"] else None,
            "settings": json.loads(row["settings"] or "{}"),
            "answers": f"{row['answered']:,} to {row['asked']:,} questions, {between(row['first'], row['last'])}",
            "cost": row["cost"],
        }
        for row in rows
    ]


def _upload(row: Mapping[str, Any]) -> str:
    return f"{row['texts']:,} texts, {row['characters']:,} characters, {between(row['first'], row['last'])}"


def _version(row: Mapping[str, Any]) -> str:
    words = [day(row["at"]), f"by {row['author']}" if row["author"] else "", row["reason"]]
    return ", ".join(filter(None, words))


def _by(rows: pl.DataFrame, name: str) -> list[tuple[str, list[dict[str, Any]]]]:
    names = rows[name].unique(maintain_order=True).to_list()
    return [(value, rows.filter(pl.col(name) == value).to_dicts()) for value in names]


def day(at: str | None) -> str:
    """A time of the store or of a record to the minute.

    >>> day("2026-11-26T23:05:07.123+00:00")
    '2026-11-26 23:05 UTC'
    """
    return f"{at[:16].replace('T', ' ')} UTC" if at else "at an unknown time"


def between(first: str | None, last: str | None) -> str:
    """From when to when, by day.

    >>> between("2026-11-26T23:05:07.123+00:00", "2026-11-27T01:00:00.000+00:00")
    '2026-11-26 to 2026-11-27'
    """
    days = dict.fromkeys(at[:10] for at in (first, last) if at)
    return " to ".join(days) or "at unknown times"
