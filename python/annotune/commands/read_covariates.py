"""Did the model read what its errors, or a regression, are explained by? The record beside its codes tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def note_on_covariates(data: Path, columns: Sequence[str]) -> str | None:
    """A sentence where a record beside a table of codes says that their model read one of these columns; else None."""
    from annotune.data.inputs import covariates_note
    from annotune.records.beside import json_of, records_of

    cards = (card for record in records_of(data) for card in _cards(json_of(record) or {}))
    read = dict.fromkeys(name for card in cards for name in _covariates(card) if name in columns)
    return covariates_note(list(read)) if read else None


def _cards(record: Mapping[str, Any]) -> Iterator[Any]:
    """The cards of all models that a record speaks of."""
    yield record.get("model")
    models = record.get("models")
    yield from models.values() if isinstance(models, Mapping) else ()


def _covariates(card: Any) -> list[str]:
    settings = card.get("settings") if isinstance(card, Mapping) else None
    names = settings.get("inputs") if isinstance(settings, Mapping) else None
    return [str(name) for name in names] if isinstance(names, list) else []
