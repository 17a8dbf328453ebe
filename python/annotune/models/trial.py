"""Which runtime a model's texts are coded with, tried on some of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from annotune.network.shares import in_shares
from annotune.progress import say
from annotune.runtimes.choice import TEXTS, TIMED, Choice, choose, without_trial
from annotune.runtimes.engines import FLOAT32, engine, runtimes_here

if TYPE_CHECKING:
    from annotune.network.batches import Tokens


class Codes(Protocol):
    """What a trial asks of a `Coder`."""

    @property
    def model(self) -> Any:
        """The network."""

    def tokens(self, texts: list[str]) -> Tokens:
        """The texts as the network reads them."""

    def as_codings(self, units: pl.Series, logits: np.ndarray, place: np.ndarray) -> pl.DataFrame:
        """One row per unit; `place` is its text's row in `logits`."""


def chosen(coder: Codes, distinct: pl.Series, precision: str) -> Choice:
    """The runtime for these texts, no two of which are equal; where one was tried for, a line says which it is."""
    there = [FLOAT32] if in_shares() else runtimes_here(coder.model)
    choice = without_trial(precision, there, len(distinct))
    if choice is not None:
        return choice
    compared, timed = evenly(distinct, TEXTS), evenly(distinct, TIMED)

    def coded(runtime: str) -> pl.DataFrame:
        places = np.arange(len(compared))
        return coder.as_codings(pl.Series("unit_id", places), _logits(coder, compared, runtime), places)

    def seconds(runtime: str) -> float:
        began = time.perf_counter()
        _logits(coder, timed, runtime)
        return (time.perf_counter() - began) / len(timed)

    choice = choose(precision, there, seconds, coded)
    say(choice.why)
    return choice


def evenly(texts: pl.Series, n: int) -> pl.Series:
    """About so many of the texts, from the first to the last of them.

    >>> evenly(pl.Series([0, 1, 2, 3, 4, 5, 6]), 3).to_list()
    [0, 2, 4]
    """
    return texts.gather_every(max(len(texts) // n, 1)).head(n)


def _logits(coder: Codes, texts: pl.Series, runtime: str) -> np.ndarray:
    """Without a bar, and without a word about texts that are cut: that is said when all are coded."""
    computing = engine(runtime, coder.model)
    return computing.logits(coder.tokens(texts.to_list()))
