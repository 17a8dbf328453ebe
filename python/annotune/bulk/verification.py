"""Whether a folder of codes, the texts that were coded, and the models are what they were when it was made."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.coders import TUNED, sha256_of
from annotune.bulk.coding import clean, read_bytes
from annotune.bulk.manifest import BOOKS, DONE, RunFolder
from annotune.bulk.plan import Plan, read_plan
from annotune.bulk.shards import PARQUET, Shard, read_rows
from annotune.errors import AnnotuneError, AnnotuneWarning
from annotune.progress import bar
from annotune.records.sealed import ABSENT, CHANGED, NOT_DONE, SAME, UNKNOWN, differing

Row = tuple[Path, str, Path]  # a file, its state, and where it was recorded


def folders_in(place: Path) -> list[Path]:
    """The folders of codes at this place and inside it."""
    return sorted(plan.parent.parent for plan in place.rglob(f"{BOOKS}/plan.json"))


def verified(out: Path) -> Iterator[Row]:
    """Each file of a folder of codes, the texts behind it and the models: its state, and where it was recorded."""
    folder = RunFolder(out)
    try:
        plan = read_plan(folder)
    except AnnotuneError:
        plan = None
    if plan is None:
        yield folder.plan, CHANGED, folder.plan
        return
    yield folder.plan, SAME, folder.plan
    yield from _models(plan, folder.plan)
    with bar("Comparing with what was recorded", len(plan.shards), unit="shards") as advance:
        for shard in plan.shards:
            yield from _shard(folder, plan, shard)
            advance(1)
    known = {os.path.abspath(out / shard.output) for shard in plan.shards}
    for file in sorted(out.rglob(f"*{PARQUET}")):
        if os.path.abspath(file) not in known and BOOKS not in file.relative_to(out).parts:
            yield file, UNKNOWN, folder.plan


def _models(plan: Plan, recorded: Path) -> Iterator[Row]:
    for spec in plan.models:
        if spec["kind"] == TUNED:
            path = Path(spec["path"])
            try:
                yield path, SAME if sha256_of(path) == spec["sha256"] else CHANGED, recorded
            except AnnotuneError:
                yield path, ABSENT, recorded


def _shard(folder: RunFolder, plan: Plan, shard: Shard) -> Iterator[Row]:
    """The output of a shard, and the rows of the input that it has the codes of."""
    output, note = folder.out / shard.output, folder.manifest_path(shard)
    about = folder.manifest(shard)
    if about is None:
        if note.exists():
            yield note, CHANGED, note
        yield output, UNKNOWN if output.exists() else NOT_DONE, folder.plan
        return
    if about["state"] != DONE:
        yield output, NOT_DONE, note
        return
    if about["models"] != {spec["name"]: spec["sha256"] for spec in plan.models}:
        yield note, CHANGED, folder.plan
    states = differing({about["output"]["file"]: about["output"]["sha256"]}, folder.out)
    yield output, states.get(about["output"]["file"], SAME), note
    yield Path(shard.source.path), _input(folder, plan, shard, about), note


def _input(folder: RunFolder, plan: Plan, shard: Shard, about: dict[str, Any]) -> str:
    """Whether the identifiers and texts of a shard, and what was read beside, are those that were coded."""
    if not Path(shard.source.path).exists():
        return ABSENT
    part = Shard(shard.name, shard.source, about["input"]["start"], about["input"]["rows"])
    digest, types = hashlib.sha256(), folder.types()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", AnnotuneWarning
            )  # what was to be said of the texts was when they were coded
            for first, frame in read_rows(part, plan.names):
                texts = clean(part, plan, frame, first, types)
                digest.update(read_bytes(texts, plan))
    except (AnnotuneError, pl.exceptions.PolarsError):
        return CHANGED
    return SAME if digest.hexdigest() == about["input_sha256"] else CHANGED
