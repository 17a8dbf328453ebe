"""What became of each shard: a small file of its own, so that hundreds of processes never write the same one."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.claims import Claims, key_of
from annotune.bulk.shards import Shard
from annotune.records.drafts import discard
from annotune.records.files import write_whole
from annotune.records.sealed import read_sealed, sealed

BOOKS = ".annotune"  # in the folder of the output: what is known of the run
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class RunFolder:
    """The folder that is coded into, and where in it what is kept."""

    out: Path

    @property
    def books(self) -> Path:
        """The folder with all that is known of the run."""
        return self.out / BOOKS

    @property
    def plan(self) -> Path:
        """What is coded, by which models, in which shards."""
        return self.books / "plan.json"

    @property
    def runtimes(self) -> Path:
        """What computes each model, and why."""
        return self.books / "runtimes.json"

    @property
    def schema(self) -> Path:
        """An empty table: the types of the covariates."""
        return self.books / "covariates"

    @property
    def converted(self) -> Path:
        """csv and json lines as parquet."""
        return self.books / "converted"

    @property
    def drafts(self) -> Path:
        """What is written before it has its name."""
        return self.books / "drafts"

    def types(self) -> pl.Schema:
        """The types of the covariates."""
        return pl.Schema(pl.read_parquet_schema(self.schema) if self.schema.exists() else {})

    def make(self) -> None:
        """Make all of them."""
        for folder in (self.drafts, self.converted, self.books / "claims", self.books / "shards"):
            folder.mkdir(parents=True, exist_ok=True)

    def forget_plan(self) -> None:
        """Undo what was planned and not begun; what was converted is kept for when it is."""
        discard(self.plan)
        discard(self.schema)
        if not any(self.converted.iterdir()):
            discard(self.books)
            with suppress(OSError):  # it was there before, with a folder of a file manager's
                self.out.rmdir()

    def claims(self) -> Claims:
        """Who works on what."""
        return Claims(self.books / "claims")

    def settled(self) -> set[str]:
        """The keys of the shards that were done, or of which it is known why not, by a look that costs little."""
        return {entry.name.removesuffix(".json") for entry in os.scandir(self.books / "shards")}

    def manifest_path(self, shard: Shard) -> Path:
        """The file that says what became of a shard."""
        return self.books / "shards" / f"{key_of(shard.name)}.json"

    def manifest(self, shard: Shard) -> dict[str, Any] | None:
        """What became of a shard; None where nothing did, or where its file is damaged."""
        return read_sealed(self.manifest_path(shard))

    def put_manifest(self, shard: Shard, content: dict[str, Any]) -> None:
        """Say what became of a shard."""
        text = json.dumps(sealed(content), indent=2, ensure_ascii=False) + "\n"
        write_whole(self.manifest_path(shard), text)

    def is_done(self, shard: Shard, manifest: dict[str, Any] | None) -> bool:
        """Whether these rows, as they are, were coded and the output is there."""
        if manifest is None or manifest["state"] != DONE or manifest["input"] != input_of(shard):
            return False
        try:
            return bool((self.out / shard.output).stat().st_size == manifest["output"]["bytes"])
        except OSError:
            return False

    def is_settled(self, shard: Shard) -> bool:
        """Whether the shard was done or failed since failures were last forgotten."""
        manifest = self.manifest(shard)
        if manifest is not None and manifest["state"] == FAILED:
            return bool(manifest["input"] == input_of(shard))
        return self.is_done(shard, manifest)


def input_of(shard: Shard) -> dict[str, Any]:
    """Which rows of which file a shard is, and what tells of a change of the file."""
    source = shard.source
    file = {"file": source.name, "size": source.size, "mtime_ns": source.mtime_ns}
    return {**file, "start": shard.start, "rows": shard.rows}
