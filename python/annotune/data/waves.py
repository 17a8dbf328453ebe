"""Texts drawn in waves, later ones by what earlier ones taught: how much each counts, and what is left to chance.

Before wave t everything that earlier waves taught is known, and each text that they did not draw is drawn with a
probability pi_t that may rest on it. What is known so far plus the wave's codings times 1 / pi_t estimates a total
without bias, whatever happened before. The waves' estimates, with weights a_t that sum to 1, are one: a text of wave s
counts a_s / pi_s + a_{s+1} + ... + a_T times. Each wave's error has mean 0 given those before, so that errors of
different waves are uncorrelated, and their variances add up (a martingale; Zrnic and Candes 2024, Active statistical
inference, section 4). a_t is wave t's part of the codings; see docs/waves.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotune.errors import AnnotuneError, nearest

Floats = NDArray[np.float64]
COLUMN = "wave"
CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class Counts:
    """How much each of n coded texts counts.

    Attributes
    ----------
    ratio
        How many texts it stands for, shape (n,): 1 / pi with a single wave.
    chance
        The part of its squared weight that would be otherwise if texts were drawn anew, shape (n,): 1 - pi with a
        single wave, for which it is None.
    sizes
        The coded texts of each wave.
    """

    ratio: Floats
    chance: Floats | None = None
    sizes: tuple[int, ...] = ()

    def of(self, rows: np.ndarray) -> Counts:
        """Those of some of the coded texts, (n,)."""
        return replace(self, ratio=self.ratio[rows], chance=None if self.chance is None else self.chance[rows])

    @property
    def note(self) -> list[str]:
        """What to tell of several waves."""
        if self.chance is None:
            return []
        sizes = ", ".join(f"{size:,}" for size in self.sizes)
        waves = f"{len(self.sizes)} waves ({sizes})"
        return [f"Texts were drawn for hand coding in {waves}, and are weighted by their probability and wave."]


def counts(pi: Floats, wave: np.ndarray | None) -> Counts:
    """How much each coded text counts, by its probability in its wave, and the number of that wave, both (n,).

    Examples
    --------
    Two of four texts are drawn first, one of the other two later. The first two count 2/3 x 2 + 1/3 each, the last
    1/3 x 2:

    >>> of_two = counts(np.array([0.5, 0.5, 0.5]), np.array([1, 1, 2]))
    >>> of_two.ratio.round(3), of_two.sizes
    (array([1.667, 1.667, 0.667]), (2, 1))
    >>> counts(np.array([0.5, 0.5]), None).ratio
    array([2., 2.])
    """
    places = np.zeros(len(pi), dtype=np.int64) if wave is None else np.unique(wave, return_inverse=True)[1]
    sizes = np.bincount(places)
    if len(sizes) < 2:
        return Counts(np.asarray(1 / pi))
    part = sizes / sizes.sum()
    later = 1 - np.cumsum(part)
    ratio = part[places] / pi + np.maximum(later[places], 0)
    chance = part[places] ** 2 * (1 - pi) / pi**2 / ratio**2
    return Counts(ratio, chance, tuple(sizes.tolist()))


def waves(frame: pl.DataFrame, coded: np.ndarray, pi: str | float | None, wave: str | None) -> np.ndarray | None:
    """The wave in which each coded text was drawn, (n,); None where there was one.

    A column that is not named counts where `column_of_waves` finds it.

    Raises
    ------
    AnnotuneError
        Where a named column is not there, lacks coded texts, holds no whole numbers, or pi is one number.
    """
    if wave is None:
        if pi is not None and not isinstance(pi, str):  # all had the same chance
            return None
        name = column_of_waves(frame, coded, pi)
        return None if name is None else frame[name].cast(pl.Int64).to_numpy()[coded]
    if wave not in frame.columns:
        raise AnnotuneError(f"There is no column {wave!r} with waves.", nearest(wave, frame.columns))
    if pi is not None and not isinstance(pi, str):
        what = f"Texts were drawn in waves ({wave!r}), and pi is one number."
        raise AnnotuneError(what, "Give a column: each text's probability to be drawn in its wave.")
    if not _whole(frame[wave]):
        raise AnnotuneError(f"The column {wave!r} holds no waves.", "Number them: 1, 2, 3, in the order of the draws.")
    mine = frame[wave].cast(pl.Float64).fill_nan(None).filter(pl.Series(coded))
    if lost := mine.null_count():
        what = f"The wave of {lost:,} of {int(coded.sum()):,} hand-coded texts is not known."
        raise AnnotuneError(what, f"Fill {wave!r}, or leave them out: they were in no draw.")
    return mine.cast(pl.Int64).to_numpy()


def column_of_waves(frame: pl.DataFrame, coded: np.ndarray, pi: str | None = None) -> str | None:
    """The column with waves, as a draw leaves it: whole numbers for the texts that were drawn, and nothing for others.

    Panels have a column `wave` that is filled for all texts, and is no draw's. Where waves together drew all texts, it
    is known as theirs by pi, which is 1 in the last one, that took what was left, and below in those before.

    >>> frame = pl.DataFrame({"pi": [0.5, 0.5, 1.0, 1.0], "wave": [1, 1, 2, 2]})
    >>> column_of_waves(frame, np.ones(4, dtype=bool)), column_of_waves(frame, np.arange(4) < 2)
    ('wave', None)
    """
    own = pi.removesuffix("pi") + COLUMN if pi is not None and pi.endswith("_pi") else COLUMN
    chance = pi if pi is not None else "pi"
    everything = bool(coded.all())
    for name in (own, COLUMN):
        if name not in frame.columns or not _whole(frame[name]):
            continue
        filled = frame[name].cast(pl.Float64).fill_nan(None).is_not_null().to_numpy()
        of_all = everything and chance in frame.columns and _took_all(frame[name], frame[chance])
        if filled[coded].all() and (of_all if everything else not filled[~coded].all()):
            return name
    return None


def _took_all(wave: pl.Series, pi: pl.Series) -> bool:
    """Whether the last of several waves drew with certainty, and each of those before did not."""
    if wave.n_unique() < 2 or not pi.dtype.is_numeric():
        return False
    least = pl.DataFrame({"wave": wave, "pi": pi}).group_by("wave").agg(pl.col("pi").min()).sort("wave")["pi"]
    return bool(least[-1] >= CERTAIN and (least[:-1] < CERTAIN).all())


def _whole(cells: pl.Series) -> bool:
    if not cells.dtype.is_numeric():
        return False
    values = cells.cast(pl.Float64).fill_nan(None).drop_nulls()
    return bool((values == values.round()).all())
