"""What a run will take, from some texts of it: hours, money, and how large the codes are."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from annotune.bulk.coders import Reader
from annotune.bulk.coding import coded
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import Plan
from annotune.bulk.run import threads
from annotune.bulk.runtimes import readers_of, texts_of
from annotune.bulk.shards import Shard, sample
from annotune.errors import AnnotuneError, counted
from annotune.progress import duration
from annotune.readable import Readable

TEXTS = 500  # that are timed


@dataclass(frozen=True, repr=False)
class Forecast(Readable):
    """What a run will take.

    Attributes
    ----------
    texts, shards
        How many there are to be coded.
    unreadable
        Shards that cannot be read, and why.
    texts_per_second
        Of one worker, measured on 500 texts, each of them as if no text came twice.
    workers
        How many work at a time.
    seconds
        Until all is done. Workers are taken to not hold each other up.
    price
        In the currency of the price per hour; None without one.
    bytes
        Of all codes together.
    """

    texts: int
    shards: int
    unreadable: tuple[str, ...]
    texts_per_second: float
    workers: int
    seconds: float
    price: float | None
    bytes: int

    def in_words(self) -> str:
        """How much there is, how fast it goes, and what it takes."""
        return " ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        """The same, a sentence at a time."""
        yield f"{counted(self.texts, 'text', 'texts')} in {counted(self.shards, 'shard', 'shards')}."
        who = "1 worker" if self.workers == 1 else f"each of {self.workers:,} workers"
        took = f"about {duration(self.seconds)} in all, and less where texts are repeated"
        yield f"{TEXTS} texts were timed: {who} codes {self.texts_per_second:,.0f} a second, {took}."
        if self.price is not None:
            yield f"At that price: about {self.price:,.2f}."
        yield f"The codes take about {self.bytes / 1e6:,.0f} MB."
        yield from self.unreadable


def forecast(
    folder: RunFolder, plan: Plan, shards: Sequence[Shard], workers: int, price_per_hour: float | None = None
) -> Forecast:
    """Time some texts of these shards, and reckon what all of them take.

    Raises
    ------
    AnnotuneError
        Where none of the shards can be read.
    """
    readable = [shard for shard in shards if shard.rows]
    if not readable:
        raise AnnotuneError("There is no text that could be timed.", "See annotune.status for what is wrong.")
    texts = sum(shard.rows or 0 for shard in readable)
    seconds, size = _measured(folder, plan, readable)
    total = texts * seconds / workers
    price = None if price_per_hour is None else price_per_hour * total / 3600
    why = tuple(shard.source.why for shard in shards if shard.rows is None)
    return Forecast(texts, len(shards), why, 1 / seconds, workers, total, price, round(size * texts))


def _measured(folder: RunFolder, plan: Plan, shards: Sequence[Shard]) -> tuple[float, float]:
    """Seconds that a text takes one worker, and bytes of its codes."""
    timed = sample(shards, TEXTS)
    n = sum(shard.rows or 0 for shard in timed)
    texts = texts_of(plan, timed) or ["nothing"]
    with threads(plan.settings["threads"]):
        readers = readers_of(folder, plan, keep=False)
        computing = sum(reader.seconds_a_text(texts) for reader in readers)
        _code(folder, plan, timed, readers)  # the second time, nothing is left to be computed
        began = time.perf_counter()
        codings = _code(folder, plan, timed, readers)
        beside = time.perf_counter() - began
    file = io.BytesIO()
    codings.write_parquet(file, compression="zstd")
    return computing * len(texts) / n + beside / n, len(file.getvalue()) / n


def _code(folder: RunFolder, plan: Plan, shards: Sequence[Shard], readers: Sequence[Reader]) -> pl.DataFrame:
    types = folder.types()
    return pl.concat([coded(shard, plan, readers, types, lambda _: None)[0] for shard in shards])
