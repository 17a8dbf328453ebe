"""The designs by which texts are drawn: from a corpus and a design to each text's probability, and the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.text_scores import proportional
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, counted, listing, nearest
from annotune.hybrid.draws import LEAST, Floats, allocated, by_scores, fixed_size, poisson

DESIGNS = ("simple", "stratified", "cluster", "active")
ALLOCATIONS = ("proportional", "equal", "neyman")
FLOOR = 0.2  # of scores that a user brings: the lowest probability, as a part of that of a simple draw


@dataclass(frozen=True, kw_only=True)
class Design:
    """How texts are drawn; see `sample` for each."""

    n: int
    design: str = "simple"
    strata: tuple[str, ...] = ()
    allocation: str = "proportional"
    spread: str | None = None
    cluster: str | None = None
    pps: bool = True
    floor: float | None = None
    poisson: bool = False

    def require_sound(self) -> None:
        """Refuse what cannot be, or what goes with another design, before anything is read."""
        for name, value, choices in (("design", self.design, DESIGNS), ("allocation", self.allocation, ALLOCATIONS)):
            if value not in choices:
                raise AnnotuneError(f"There is no {name} {value!r}.", nearest(value, choices))
        if self.n < 1:
            raise AnnotuneError(f"n={self.n} is no number of texts to draw.", "Give 1 or more.")
        if self.floor is not None and not 0 < self.floor <= 1:
            advice = "Give a share above 0 and up to 1, such as 0.2: no text may be without a chance."
            raise AnnotuneError(f"floor={self.floor:g} cannot be.", advice)
        for name, named, design in (("strata", self.strata, "stratified"), ("cluster", self.cluster, "cluster")):
            if bool(named) != (self.design == design):
                what = f"{name}= and design='{design}' go together."
                raise AnnotuneError(what, "Give both, or neither.")


def draw(frame: pl.DataFrame, design: Design, rng: np.random.Generator, scores: Floats | None = None) -> pl.DataFrame:
    """Draw texts.

    Parameters
    ----------
    frame
        The N texts that can be drawn: `unit_id`, and the columns that the design names.
    design, rng
        How, and the source of chance.
    scores
        For an active design how much each text matters, (N,), 0 or more.

    Returns
    -------
    polars.DataFrame
        N rows: `unit_id`, `pi` (the probability of being drawn, above 0), `drawn`, `stratum`, `cluster`.

    Raises
    ------
    AnnotuneError
        For more texts than there are, strata of one text, and columns that are not there or empty.
    """
    take = poisson if design.poisson else fixed_size
    empty = pl.lit(None, pl.String)
    stratum, cluster = empty, empty
    if design.design == "stratified":
        names = _groups(frame, design.strata)
        pi, chosen = _stratified(names, frame, design, rng)
        stratum = pl.lit(names)
    elif design.design == "cluster":
        names = _groups(frame, [str(design.cluster)])
        pi, chosen = _clustered(names, design, rng)
        cluster = pl.lit(names)
    else:
        _require_room(design.n, len(frame), "texts")
        pi = _equal(len(frame), design.n) if scores is None else by_scores(scores, design.n, design.floor or 0.0)
        chosen = take(pi, rng)
    return frame.select("unit_id", pi=pl.Series(pi), drawn=pl.Series(chosen), stratum=stratum, cluster=cluster)


def _equal(size: int, n: int) -> Floats:
    return np.full(size, n / size)


def _require_room(n: int, size: int, what: str) -> None:
    if n > size:
        sentence = f"n={n}: so many {what} cannot be drawn from the {size:,} that there are."
        raise AnnotuneError(sentence, "Draw fewer. Texts that are empty or were drawn before cannot be drawn.")


def _groups(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The stratum or cluster of each text: its values in these columns, as words."""
    require_columns(frame, columns, "The corpus")
    for name in columns:
        if frame[name].dtype.is_nested():
            raise AnnotuneError(f"The column {name!r} holds lists.", "Draw by a column with one value per text.")
        if empty := frame[name].null_count():
            what = f"The column {name!r}, by which texts are drawn, is empty for {counted(empty, 'text', 'texts')}."
            raise AnnotuneError(what, "Fill it, or choose another.")
    words = [pl.col(name).cast(pl.String) for name in columns]
    return frame.select(pl.concat_str(words, separator=", ")).to_series()


def _stratified(
    names: pl.Series, frame: pl.DataFrame, design: Design, rng: np.random.Generator
) -> tuple[Floats, np.ndarray]:
    """Simple draws of fixed sizes within strata."""
    strata, number, sizes = np.unique(names.to_numpy(), return_inverse=True, return_counts=True)
    _require_strata(strata, sizes, design.n)
    weights: dict[str, Any] = {"proportional": sizes, "equal": np.ones(len(sizes))}
    if design.allocation == "neyman":
        weights["neyman"] = sizes * _deviations(frame, design, number, len(sizes))
    pi = (allocated(sizes, design.n, weights[design.allocation].astype(float)) / sizes)[number]
    if design.poisson:
        return pi, poisson(pi, rng)
    chosen = np.zeros(len(pi), dtype=bool)
    for stratum in range(len(strata)):
        mine = np.flatnonzero(number == stratum)
        chosen[mine] = fixed_size(pi[mine], rng)
    return pi, chosen


def _require_strata(strata: np.ndarray, sizes: np.ndarray, n: int) -> None:
    _require_room(n, int(sizes.sum()), "texts")
    alone = [str(name) for name in strata[sizes < LEAST]]
    if alone:
        what = f"{counted(len(alone), 'stratum has', 'strata have')} one text only: {listing(alone)}."
        raise AnnotuneError(what, "Join it with another: no variance can be told from one text.")
    if n < LEAST * len(strata):
        what = f"n={n:,} texts are too few for {len(strata):,} strata."
        raise AnnotuneError(
            what, f"Each needs {LEAST}, as no variance can be told from one: draw more, or join strata."
        )


def _deviations(frame: pl.DataFrame, design: Design, number: np.ndarray, n_strata: int) -> Floats:
    """The standard deviation of the prediction's error in each stratum, from its probabilities p: of p (1 - p)."""
    if design.spread is None:
        what = "A Neyman allocation needs to know where predictions are unsure."
        raise AnnotuneError(what, "Give predictions= with probabilities, or allocation='proportional'.")
    likely = frame[design.spread].cast(pl.Float64).fill_null(np.nan).to_numpy()
    likely = np.where(np.isfinite(likely), likely, np.nanmean(likely) if np.isfinite(likely).any() else 0.5)
    if ((likely < 0) | (likely > 1)).any():
        what = f"The column {design.spread!r} holds values that are no probabilities."
        raise AnnotuneError(what, "Give shares from 0 to 1.")
    means = np.bincount(number, likely * (1 - likely), n_strata) / np.bincount(number, minlength=n_strata)
    return np.asarray(np.sqrt(means))


def _clustered(names: pl.Series, design: Design, rng: np.random.Generator) -> tuple[Floats, np.ndarray]:
    """Whole clusters, with probabilities proportional to their sizes or with equal ones."""
    _, number, sizes = np.unique(names.to_numpy(), return_inverse=True, return_counts=True)
    _require_room(design.n, len(sizes), f"clusters ({design.cluster})")
    pi = proportional(sizes.astype(float), design.n) if design.pps else _equal(len(sizes), design.n)
    chosen = poisson(pi, rng) if design.poisson else fixed_size(pi, rng)
    return pi[number], chosen[number]
