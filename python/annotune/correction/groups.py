"""Which group each text of a file is in, by columns beside its codes, in the types that the first file has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.periods import usable_keys, with_periods
from annotune.errors import AnnotuneError, warn

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Grouping:
    """The columns that texts are grouped by, the one with dates, the length of a period, and the one with clusters."""

    keys: list[str]
    time: str | None = None
    every: str | None = None
    cluster: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        return list(dict.fromkeys([*self.keys, *([self.cluster] if self.cluster else [])]))


@dataclass
class Groups:
    """Numbers the texts of one file after the other.

    Attributes
    ----------
    types
        Of the grouping columns, as in the first file.
    n, n_left_out
        Texts so far, and those without a value in one of the columns.
    """

    grouping: Grouping
    types: dict[str, pl.DataType] = field(default_factory=dict)
    n: int = 0
    n_left_out: int = 0

    def numbered(self, texts: pl.DataFrame, name: str) -> tuple[np.ndarray, list[tuple[Key, Any]]]:
        """The number of each text's group and cluster in this file (-1: it has none), and what they are."""
        grouping = self.grouping
        frame = usable_keys(with_periods(texts, grouping.time, grouping.every), grouping.columns)
        frame = self._typed(frame, name)
        if grouping.cluster is not None and frame[grouping.cluster].null_count():
            what = f"{name}: the column {grouping.cluster!r} has empty cells."
            raise AnnotuneError(what, "Every text must be in a cluster.")
        if not grouping.columns:
            self.n += len(frame)
            return np.zeros(len(frame), dtype=np.int64), [((), None)]
        whole = frame.select(pl.all_horizontal(pl.col(key).is_not_null() for key in grouping.columns)).to_series()
        distinct = frame.filter(whole).select(grouping.columns).unique(maintain_order=True)
        numbered = distinct.with_row_index("_id")
        joined = frame.join(numbered, on=grouping.columns, how="left", maintain_order="left")["_id"]
        keys = list(distinct.select(grouping.keys).iter_rows()) if grouping.keys else [()] * len(distinct)
        clusters = distinct[grouping.cluster].to_list() if grouping.cluster else [None] * len(distinct)
        ids = joined.cast(pl.Int64).fill_null(-1).to_numpy()
        self.n, self.n_left_out = self.n + len(ids), self.n_left_out + int((ids < 0).sum())
        return ids, list(zip(keys, clusters, strict=True))

    def _typed(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        """The grouping columns in the types of the first file that has values in them."""
        for column in self.grouping.columns:
            before, now = self.types.get(column), frame[column].dtype
            if before is None or before == pl.Null:
                self.types[column] = now
            elif before != now:
                try:
                    frame = frame.with_columns(pl.col(column).cast(before, strict=True))
                except pl.exceptions.PolarsError:
                    what = f"{name}: the column {column!r} holds {now}, and in other files {before}."
                    raise AnnotuneError(what, "Give it the same type in all files.") from None
        return frame

    def tell(self) -> None:
        """Say how many texts are in no group, and stop where none is in any."""
        keys = self.grouping.keys
        if self.n_left_out == self.n:
            raise AnnotuneError(f"No text has a value in {' and '.join(keys)}.", "Name other columns.")
        if self.n_left_out:
            warn(f"{self.n_left_out:,} of {self.n:,} texts have no {' or '.join(keys)} and are left out.")


def in_order(keys: set[Key]) -> list[Key]:
    """The keys in the order of their values; nothing comes first."""
    return sorted(keys, key=lambda key: tuple((value is not None, value) for value in key))
