"""The record of a report: what was run, on what, with what, as names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from annotune.records.record import without_folders
from annotune.reporting.given import Given

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
    "output",
}
LONGEST = 400

Entries = tuple[tuple[str, str], ...]


def provenance(given: Given) -> tuple[tuple[str, Entries], ...]:
    """A heading and its entries for each model and for the record, without times, which differ from run to run."""
    parts = [(f"Model {model.name} for {model.variable.name}", entries(model.card)) for model in given.models]
    if given.record:
        parts.append((str(given.record.get("what", "Record")), entries(given.record)))
    elif given.codebook is not None:
        parts.append(("Codebook", (("name", given.codebook.name or "–"), ("sha256", given.codebook.sha256))))
    return tuple(parts)


def entries(content: Mapping[str, Any]) -> Entries:
    """Everything in a record as names with dots and values.

    >>> entries({"base": {"name": "minilm"}, "seeds": [1, 2], "time": {"seconds": 4.2}})
    (('base.name', 'minilm'), ('seeds', '1, 2'))
    """
    return tuple(_flat(without_folders({name: value for name, value in content.items() if name not in LEFT_OUT})))


def _flat(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
        return
    if content is None or content == [] or content == ():
        return
    told = ", ".join(map(str, content)) if isinstance(content, (list, tuple)) else str(content)
    yield name, told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
