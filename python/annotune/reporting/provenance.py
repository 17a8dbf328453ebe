"""The record of a report: models, data and settings, as names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from annotune.records.record import without_folders
from annotune.records.sealed import SEAL
from annotune.reporting.inputs import Inputs

LEFT_OUT = {
    "what",
    "time",
    "check",
    "variable",
    "labels",
    "models",
    "reliability",
    "evaluation",
    "corrections",
    "coders",
    "gold",
    "as_coded",
    "output",
    SEAL,
}
LONGEST = 400

Entries = tuple[tuple[str, str], ...]


def provenance(inputs: Inputs) -> tuple[tuple[str, Entries], ...]:
    """A heading and its entries for each model and for the record, without times, which differ between runs."""
    parts = [(f"Model {model.name} for {model.variable.name}", entries(model.card)) for model in inputs.models]
    if inputs.record:
        parts.append((str(inputs.record.get("what", "Record")), entries(inputs.record)))
    elif inputs.codebook is not None:
        parts.append(("Codebook", (("name", inputs.codebook.name or "–"), ("sha256", inputs.codebook.sha256))))
    return tuple(parts)


def entries(content: Mapping[str, Any]) -> Entries:
    """All values of a record with their dotted names.

    >>> entries({"base": {"name": "minilm"}, "seeds": [1, 2], "time": {"seconds": 4.2}})
    (('base.name', 'minilm'), ('seeds', '1, 2'))
    """
    return tuple(
        _flat_entries(without_folders({name: value for name, value in content.items() if name not in LEFT_OUT}))
    )


def _flat_entries(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat_entries(value, f"{name}.{key}" if name else str(key))
        return
    if content is None or content == [] or content == ():
        return
    text = ", ".join(map(str, content)) if isinstance(content, (list, tuple)) else str(content)
    yield name, text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
