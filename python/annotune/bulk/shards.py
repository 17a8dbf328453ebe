"""What is coded a piece at a time: the files of an input, and the shards that they fall into.

A shard is a file or, of a larger file, some of its rows: what one process codes at a time, and all that is lost when it
is killed. Shards are read a few thousand rows at a time, so that no file is too large.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, listing, nearest

ROWS_PER_SHARD = 100_000  # some minutes of work for a processor
ROWS_AT_ONCE, FEWEST_AT_ONCE = 20_000, 100
BYTES_AT_ONCE = 20_000_000  # of a file, which are several times as many in memory
PLACES = 10  # of the input, in which a sample of it stands
PARQUET = ".parquet"
CONVERTED = (".csv", ".tsv", ".jsonl", ".ndjson")
BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True)
class Source:
    """A file of the input.

    Attributes
    ----------
    name
        Its path as seen from the input's folder, with slashes.
    path
        Where its rows are read: the file itself, or the parquet file that it was converted to.
    size, mtime_ns
        Of the file itself, by which a change is seen.
    rows
        How many it has; None where it cannot be read, and `why` not.
    """

    name: str
    path: str
    size: int
    mtime_ns: int
    rows: int | None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as a dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Shard:
    """Some rows of a file, and the name under which they are coded; `rows` is None where they cannot be read."""

    name: str
    source: Source
    start: int
    rows: int | None

    @property
    def output(self) -> str:
        """The file that it becomes, as seen from the output's folder."""
        return f"{self.name}{PARQUET}"


def find_files(path: str | Path | Sequence[str | Path]) -> tuple[Path, list[Path]]:
    """The files that a path, a folder, a pattern or a list of them stands for, in order; and the folder of them all.

    Raises
    ------
    AnnotuneError
        Where there is none.
    """
    several = [path] if isinstance(path, (str, Path)) else list(path)
    files = sorted({file.absolute() for one in several for file in _files_of(one)})
    if not files:
        what = f"There are no texts in {listing([str(one) for one in several])}."
        raise AnnotuneError(what, f"Give files in {', '.join((PARQUET, *CONVERTED))}, a folder of such, or a pattern.")
    if len(several) == 1 and Path(several[0]).is_dir():
        return Path(several[0]).absolute(), files
    return Path(os.path.commonpath([file.parent for file in files])), files


def _files_of(path: str | Path) -> Iterator[Path]:
    place = Path(path)
    if place.is_dir():
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name[0] not in "._"]  # what other programs keep for themselves
            yield from (Path(folder) / name for name in names if name[0] not in "._" and suffix_of(Path(name)))
    elif place.is_file():
        if not suffix_of(place):
            formats = ", ".join((PARQUET, *CONVERTED))
            advice = (
                f"Convert it to one of {formats}; or code one file as a table: annotune classify MODEL TEXTS OUTPUT."
            )
            raise AnnotuneError(f"{place} is in no format that is read in shards.", advice)
        yield place
    elif glob.has_magic(str(path)):
        yield from (Path(name) for name in glob.glob(str(path), recursive=True) if suffix_of(Path(name)))
    else:
        raise AnnotuneError(f"{place} is not there.", "Check the path.")


def suffix_of(path: Path) -> str:
    """The format of a file that can be coded in shards; nothing for another file."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes[-1:] == [".gz"]:
        return suffixes[0] if suffixes[0] in CONVERTED else ""
    return suffixes[-1] if suffixes and suffixes[-1] in (PARQUET, *CONVERTED) else ""


def count_rows(path: Path, columns: Sequence[str]) -> int:
    """How many rows a parquet file has, of which only the end is read; the columns must be there."""
    try:
        scan = pl.scan_parquet(path, glob=False)
        names = scan.collect_schema().names()
        rows = int(scan.select(pl.len()).collect().item())
    except BROKEN as error:
        raise unreadable(path, error) from None
    for column in columns:
        if column not in names:
            raise AnnotuneError(f"{path.name} has no column {column!r}.", nearest(column, names))
    return rows


def unreadable(path: Path, error: BaseException) -> AnnotuneError:
    """The sentence on a file that cannot be read."""
    if not path.exists():
        return AnnotuneError(f"{path.name} is not there.", "Bring it back, and run the same again.")
    if path.stat().st_size == 0:
        return AnnotuneError(f"{path.name} is empty: it has not one byte.", "Write it again.")
    reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    if "utf-8" in reason.lower() or "utf8" in reason.lower():
        advice = "Write its texts in UTF-8, or the column as bytes, of which what is no UTF-8 is replaced."
        return AnnotuneError(f"{path.name} has texts that are not UTF-8.", advice)
    return AnnotuneError(f"{path.name} cannot be read: {reason}.", "Fetch or write it again.")


def shards_of(sources: Sequence[Source], rows_per_shard: int) -> list[Shard]:
    """The shards of these files, in their order: one of each file, or several of a large one.

    Raises
    ------
    AnnotuneError
        Where two would have the same name.
    """
    shards: list[Shard] = []
    for source in sources:
        stem = source.name.removesuffix(PARQUET)
        if source.rows is None or source.rows <= rows_per_shard:
            shards.append(Shard(stem, source, 0, source.rows))
            continue
        for number, start in enumerate(range(0, source.rows, rows_per_shard)):
            rows = min(rows_per_shard, source.rows - start)
            shards.append(Shard(f"{stem}.{number:05}", source, start, rows))
    names = set[str]()
    for shard in shards:
        if shard.name in names:
            raise AnnotuneError(f"Two shards would be named {shard.name!r}.", "Give the files other names.")
        names.add(shard.name)
    return shards


def read_rows(shard: Shard, columns: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows of a shard, some thousands at a time, and the number of the first in its file, counted from 1.

    A shard without rows comes once, empty.

    Raises
    ------
    AnnotuneError
        Where the file cannot be read, lacks a column, or has changed since its rows were counted.
    """
    path = Path(shard.source.path)
    if shard.rows is None:
        raise AnnotuneError(shard.source.why)
    at_once = _rows_at_once(shard.source)
    for start in range(shard.start, shard.start + shard.rows, at_once) or (shard.start,):
        n = min(at_once, shard.start + shard.rows - start)
        try:
            frame = pl.scan_parquet(path, glob=False).select(columns).slice(start, n).collect()
        except BROKEN as error:
            raise unreadable(path, error) from None
        if len(frame) != n:
            raise AnnotuneError(f"{shard.source.name} has fewer rows than before.", "Run the same again.")
        yield start + 1, frame


def _rows_at_once(source: Source) -> int:
    """How many rows are read together: fewer where texts are long."""
    return max(FEWEST_AT_ONCE, min(ROWS_AT_ONCE, (source.rows or 0) * BYTES_AT_ONCE // max(source.size, 1)))


def sample(shards: Sequence[Shard], n: int) -> list[Shard]:
    """About so many rows in the middle of some shards, from the beginning to the end of the input."""
    readable = [shard for shard in shards if shard.rows]
    places = sorted({round(i * (len(readable) - 1) / (PLACES - 1)) for i in range(PLACES)}) if readable else []
    chosen = [readable[place] for place in places]
    sizes = [min(-(-n // len(places)), shard.rows or 0) for shard in chosen]
    starts = [shard.start + ((shard.rows or 0) - size) // 2 for shard, size in zip(chosen, sizes, strict=True)]
    return [replace(shard, start=start, rows=size) for shard, start, size in zip(chosen, starts, sizes, strict=True)]
