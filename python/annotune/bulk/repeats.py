"""Identifiers that are in more than one shard: found among any number of texts in little memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from annotune.bulk.manifest import RunFolder
from annotune.bulk.shards import Shard
from annotune.errors import counted
from annotune.records.files import write_whole
from annotune.records.fingerprints import fingerprint
from annotune.records.sealed import read_sealed, sealed

AT_ONCE = 20_000_000  # identifiers of which the fingerprints are in memory: 8 bytes each, and as many to sort them
MOST_NAMED = 3


@dataclass(frozen=True)
class Repeats:
    """How many identifiers are in several shards, and for the first few the shards that have them."""

    n: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]

    def in_words(self) -> str:
        """A sentence; nothing where no identifier is repeated."""
        if not self.n:
            return ""
        unit, shards = self.examples[0]
        what = f"{counted(self.n, 'identifier is', 'identifiers are')} in several shards, such as {unit!r} in "
        return f"{what}{', '.join(shards)}: rows of one text cannot be told from those of the other."


def find_repeats(folder: RunFolder, shards: Sequence[Shard]) -> Repeats:
    """Look through the codes of these shards, which are done, as often as memory asks for."""
    files = {shard.name: folder.out / shard.output for shard in shards}
    passes = max(1, -(-sum(shard.rows or 0 for shard in shards) // AT_ONCE))
    n, hashes = 0, np.zeros(0, dtype=np.uint64)
    for number in range(passes):
        parts = [_hashes(path).filter(pl.col("hash") % passes == number).collect() for path in files.values()]
        found = np.sort(pl.concat(parts)["hash"].to_numpy()) if parts else hashes
        repeated = np.unique(found[1:][found[1:] == found[:-1]])
        n += len(repeated)
        hashes = np.concatenate([hashes, repeated[:MOST_NAMED]])[:MOST_NAMED]
    return Repeats(n, _named(files, hashes))


def known_repeats(folder: RunFolder, shards: Sequence[Shard], look: bool = False) -> Repeats | None:
    """What was found for the codes as they are; with `look` it is found out where it is not known."""
    basis = fingerprint([(folder.manifest(shard) or {}).get("output") for shard in shards])
    path = folder.books / "repeats.json"
    content = read_sealed(path)
    if content is not None and content["basis"] == basis:
        return Repeats(content["n"], tuple((unit, tuple(names)) for unit, names in content["examples"]))
    if not look:
        return None
    repeats = find_repeats(folder, shards)
    content = sealed({"basis": basis, "n": repeats.n, "examples": repeats.examples})
    write_whole(path, json.dumps(content, ensure_ascii=False) + "\n")
    return repeats


def _hashes(path: Path) -> pl.LazyFrame:
    """The fingerprint of each identifier in a file of codes, once."""
    return pl.scan_parquet(path, glob=False).select("unit_id").unique().select(hash=pl.col("unit_id").hash(1))


def _named(files: dict[str, Path], hashes: np.ndarray) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not len(hashes):
        return ()
    wanted = pl.lit(pl.Series(hashes, dtype=pl.UInt64)).implode()
    places: dict[str, list[str]] = {}
    for name, path in files.items():
        units = pl.scan_parquet(path, glob=False).select("unit_id").unique()
        for unit in units.filter(pl.col("unit_id").hash(1).is_in(wanted)).collect()["unit_id"].sort():
            places.setdefault(unit, []).append(name)
    several = [(unit, tuple(names[:MOST_NAMED])) for unit, names in places.items() if len(names) > 1]
    return tuple(sorted(several)[:MOST_NAMED])
