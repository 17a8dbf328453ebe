"""Which records a path stands for, and how the files that a record names are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from annotune.errors import AnnotuneError
from annotune.records.beside import json_of, outputs_of, records_of
from annotune.records.record import SUFFIX
from annotune.records.sealed import SEAL, differing, is_sealed
from annotune.study.file import Study

CARD = "annotune.json"  # of a saved model
DEPTH = 3  # folders below a record's own in which saved models are looked for
AS_RECORDED = "as recorded"


@dataclass(frozen=True)
class Source:
    """A record, or a saved model's card: where it is, and what it says.

    `is_sound` says whether it is what was written; None for one of an annotune that did not take its fingerprint.
    """

    path: Path
    content: Mapping[str, Any]
    is_sound: bool | None

    @property
    def folder(self) -> Path:
        """Where the files that it names are looked for."""
        return self.path.parent

    @property
    def is_study(self) -> bool:
        """Whether it is of `annotune run`."""
        return isinstance(self.content.get("study"), Mapping)

    def part(self, name: str) -> Mapping[str, Any]:
        """What stands under a name, where these are names again; nothing otherwise."""
        part = self.content.get(name)
        return part if isinstance(part, Mapping) else {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table in it; none where there is none."""
        part = self.content.get(name)
        return [row for row in part if isinstance(row, dict)] if isinstance(part, list) else []

    def states(self, files: Mapping[str, str]) -> dict[str, str]:
        """Of each of these files whether it is `as recorded`, `changed since`, or `not here`."""
        words = {"changed": "changed since", "missing": "not here"}
        others = differing(files, self.folder)
        return {name: words.get(others.get(name, ""), AS_RECORDED) for name in files}


def sources_of(path: Path) -> list[Source]:
    """The records that a path stands for: a study file's, an output's, those in a folder, or a model's card.

    Raises
    ------
    AnnotuneError
        Where the path is not there, or a record is damaged.
    """
    if not path.exists():
        raise AnnotuneError(f"{path} is not there.", "Give a study file, an output, a record, or a folder of one.")
    if path.is_dir():
        card = path / CARD
        records = [card] if card.is_file() else sorted(path.glob(f"*{SUFFIX}"))
    else:
        records = [path] if path.name == CARD else records_of(path)
    return [source_at(record) for record in records]


def source_at(path: Path) -> Source:
    """The record in this file."""
    content = json_of(path)
    if content is None or not ({"what", "model_sha256"} & set(content)):
        raise AnnotuneError(f"{path} is no record.", "It is damaged, or another program wrote it.")
    return Source(path, content, is_sealed(content) if SEAL in content else None)


def makers_of(source: Source, files: Mapping[str, str]) -> dict[str, Source]:
    """For those of the files that another record in their folders has among its outputs, that record."""
    folders = {source.folder, *((source.folder / name).parent for name in files)}
    records = [path for folder in sorted(folders) for path in sorted(folder.glob(f"*{SUFFIX}")) if path != source.path]
    others = [Source(path, content, None) for path in records if (content := json_of(path)) is not None]
    by_sha256 = {sha256: other for other in others for sha256 in outputs_of(other.content).values()}
    return {name: source_at(by_sha256[sha256].path) for name, sha256 in files.items() if sha256 in by_sha256}


def model_folders(folder: Path) -> Iterator[Source]:
    """The saved models in a folder and those below it."""
    for depth in range(DEPTH + 1):
        for card in sorted(folder.glob("/".join(["*"] * depth + [CARD]))):
            content = json_of(card)
            if content is not None and "model_sha256" in content:
                yield Source(card, content, is_sealed(content) if SEAL in content else None)


def settings_of(source: Source, all_keys: bool = False) -> dict[str, Any]:
    """What was set: of a study the keys that are not as by default, or all of them; of other verbs what there is."""
    study = source.content.get("study")
    if not isinstance(study, Mapping):
        return dict(source.part("settings"))
    try:
        return Study.model_validate(study).model_dump(mode="json", by_alias=True, exclude_defaults=not all_keys)
    except (pydantic.ValidationError, AnnotuneError):  # of another version of annotune
        return dict(study)


def flat(content: Any, name: str = "") -> dict[str, Any]:
    """Names in names as dotted ones.

    >>> flat({"gold": {"rule": "majority"}, "write": ["a.csv"]})
    {'gold.rule': 'majority', 'write': ['a.csv']}
    """
    if not isinstance(content, Mapping):
        return {name: content}
    parts = [flat(value, f"{name}.{key}" if name else str(key)) for key, value in content.items()]
    return {key: value for part in parts for key, value in part.items()}
