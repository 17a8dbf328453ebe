"""What models said in each period, added up file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from annotune.correction.coded_folder import answers_of, is_filled
from annotune.correction.drift_measures import BINS, Period
from annotune.correction.groups import Groups, Key, in_order
from annotune.correction.hand_table import HandRows, HandTable, require_one_coder
from annotune.data.codebook import Variable
from annotune.data.encoded import variable_of
from annotune.errors import AnnotuneError, warn

NO_LABEL = -2


class Codes(Protocol):
    """Codes of texts: a folder of them, or a table in memory."""

    @property
    def place(self) -> str:
        """What messages call it."""

    def variables(self, names: Sequence[str] | None) -> list[tuple[Variable, str]]:
        """The variables of these names with who coded them."""

    def files(
        self, variables: Sequence[str], columns: Sequence[str]
    ) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
        """Each file: its name, its codes, and one row per text with these columns."""


@dataclass(frozen=True)
class CodedTable:
    """A table of codings in memory, with the columns of the texts beside them."""

    frame: pl.DataFrame

    @property
    def place(self) -> str:
        """What messages call it."""
        return "the table"

    def variables(self, names: Sequence[str] | None) -> list[tuple[Variable, str]]:
        """The variables of these names with who coded them; one of which a text has several rows is multi-label."""
        every = []
        for variable, coder in self.frame.select("variable", "coder").unique(maintain_order=True).iter_rows():
            rows = self.frame.filter(pl.col("variable") == variable, pl.col("coder") == coder)
            entry = variable_of(variable, rows["label"].drop_nulls().unique().sort().to_list())
            sets = rows["unit_id"].is_duplicated().any() or (rows["status"] == "none").any()
            every.append((entry.model_copy(update={"kind": "multilabel"}) if sets else entry, coder))
        lost = [name for name in names or () if name not in [entry.name for entry, _ in every]]
        if lost:
            raise AnnotuneError(f"The table has no codes of {lost[0]!r}.", "Name another variable.")
        return [(entry, coder) for entry, coder in every if names is None or entry.name in names]

    def files(
        self, variables: Sequence[str], columns: Sequence[str]
    ) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
        """The table itself."""
        texts = self.frame.unique("unit_id", keep="first", maintain_order=True).select("unit_id", *columns)
        yield self.place, self.frame.filter(pl.col("variable").is_in(variables)), texts


@dataclass
class Watched:
    """A variable by one coder, its hand codings, and what was added up of it by period."""

    entry: Variable
    coder: str
    gold: np.ndarray | None = None
    own: np.ndarray | None = None
    weights: np.ndarray | None = None
    sums: dict[Key, Period] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """The labels that it can have."""
        return self.entry.names

    def add(self, codes: pl.DataFrame, units: pl.Series, ids: np.ndarray, keys: list[Key], hand: np.ndarray) -> None:
        """Add a file, whose texts are in the periods `keys` by their number (-1: none)."""
        rows, at = answers_of(codes, units, self.entry, self.coder)
        texts, first = np.unique(at, return_index=True)
        said = _sets(rows, at, texts, self.labels)
        sure = _certainty(rows, first, self.labels, self.entry.kind == "multilabel")
        inside = ids[texts] >= 0
        texts, said, sure = texts[inside], said[inside], None if sure is None else sure[inside]
        for number, key in enumerate(keys):
            mine = ids[texts] == number
            if mine.any():
                part = self._period(said[mine], None if sure is None else sure[mine], hand[texts[mine]])
                self.sums[key] = self.sums[key].with_texts_of(part) if key in self.sums else part

    def _period(self, said: np.ndarray, sure: np.ndarray | None, hand: np.ndarray) -> Period:
        bins = None if sure is None else np.minimum((sure * BINS).astype(np.int64), BINS - 1)
        counts = None if bins is None else np.bincount(bins, minlength=BINS)
        if self.gold is None or self.weights is None:
            return Period(len(said), said.sum(axis=0), counts)
        coded = np.flatnonzero(hand >= 0)
        coded = coded[self.weights[hand[coded]] > 0]
        at = hand[coded]
        answers = said[coded] if self.own is None else self.own[at]
        right, weight = (answers == self.gold[at]).all(axis=1), self.weights[at]
        return Period(
            len(said), said.sum(axis=0), counts, float(weight.sum()), float(weight @ right), float((weight**2).sum()),
            len(at),
        )  # fmt: skip


def _sets(rows: pl.DataFrame, at: np.ndarray, texts: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Whether each text (n,) was given each label, shape (n, k)."""
    numbers = {label: i for i, label in enumerate(labels)}
    places = rows["label"].replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
    said = np.zeros((len(texts), len(labels)), dtype=bool)
    said[np.searchsorted(texts, at)[places >= 0], places[places >= 0]] = True
    return said


def _certainty(rows: pl.DataFrame, first: np.ndarray, labels: Sequence[str], sets: bool) -> np.ndarray | None:
    """How sure the model was of each text, shape (n,): of a set, of the label that it was least sure of."""
    columns = [f"p_{label}" for label in labels if is_filled(rows, f"p_{label}")]
    if columns:
        p = np.column_stack([rows[name].cast(pl.Float64).fill_null(0.0).to_numpy()[first] for name in columns])
        return np.asarray(np.maximum(p, 1 - p).min(axis=1) if sets else p.max(axis=1)).clip(0, 1)
    if sets or not is_filled(rows, "prob"):
        return None
    return np.asarray(rows["prob"].cast(pl.Float64).fill_null(0.0).to_numpy()[first]).clip(0, 1)


def watched(codes: Codes, names: Sequence[str] | None, table: HandTable | None, pi: str | None) -> list[Watched]:
    """What is looked at: each variable by each coder, with its hand codings."""
    found = [Watched(entry, coder) for entry, coder in codes.variables(names)]
    if table is None:
        return found
    if not any(table.has(one.entry) for one in found):
        what = "The table of hand-coded texts has no hand codings of what was coded."
        raise AnnotuneError(what, f"Give it a column such as {found[0].entry.name}_gold.")
    require_one_coder(table, [(one.entry, one.coder) for one in found])
    for one in found:
        if table.has(one.entry):
            _with_hand(one, table, pi)
    return found


def _with_hand(one: Watched, table: HandTable, pi: str | None) -> None:
    sets = one.entry.kind == "multilabel"
    hands = [table.of(one.entry, label) for label in (one.labels if sets else [None])]
    drawn = np.logical_and.reduce([table.drawn(hand) for hand in hands])
    one.gold = _truth([hand.gold for hand in hands], one.labels, sets)
    if all(hand.predicted is not None for hand in hands):
        one.own = _truth([hand.predicted for hand in hands if hand.predicted is not None], one.labels, sets)
    one.weights = np.where(drawn, table.weights(hands[0], pi), 0.0)
    if np.isnan(one.weights).any():
        unit = table.frame["unit_id"].filter(pl.Series(np.isnan(one.weights)))[0]
        what = f"The hand-coded text {unit!r} has no pi above 0 and up to 1."
        raise AnnotuneError(what, "Give the probability with which each was drawn, or leave the column out.")


def _truth(columns: Sequence[pl.Series], labels: Sequence[str], sets: bool) -> np.ndarray:
    """Whether each hand-coded text has each label, and in a last column whether it has another, shape (m, k)."""
    if sets:
        return np.column_stack([(column == "1").fill_null(False).to_numpy() for column in columns])
    numbers = {label: i for i, label in enumerate(labels)}
    places = columns[0].replace_strict(numbers, default=NO_LABEL, return_dtype=pl.Int64).to_numpy()
    return np.asarray(places[:, None] == np.arange(len(labels)))


def read_periods(codes: Codes, groups: Groups, table: HandTable | None, every: Sequence[Watched]) -> list[Key]:
    """Add up all files; the periods that there are, in order.

    Raises
    ------
    AnnotuneError
        Where a file or a column cannot be used.
    """
    by_hand = HandRows(table)
    for name, rows, texts in codes.files([one.entry.name for one in every], groups.grouping.columns):
        ids, pairs = groups.numbered(texts, name)
        hand = by_hand.of(texts["unit_id"], name)
        for one in every:
            one.add(rows, texts["unit_id"], ids, [key for key, _ in pairs], hand)
    groups.tell()
    by_hand.tell(codes.place)
    periods = in_order({key for one in every for key in one.sums})
    if not periods:
        raise AnnotuneError(f"No text in {codes.place} has a code.", "See annotune status for why.")
    return periods


def warn_of_seen(every: Sequence[Watched], tuned: Sequence[str]) -> None:
    """Say where the model may have been tuned on the hand-coded texts."""
    seen = [one for one in every if one.gold is not None and one.own is None and one.coder in tuned]
    if seen:
        what = (
            f"The predictions of the hand-coded texts are those of {seen[0].coder}. If it was tuned on some of these, "
        )
        warn(f"{what}it errs too rarely on them: give the table that crossfit wrote as hand_coded=.")


def gaps(periods: Sequence[Any], every: str | None) -> list[Any]:
    """The periods between the first and the last that have no texts: of dates with a length, and of whole numbers.

    >>> gaps([2015, 2016, 2019], None)
    [2017, 2018]
    """
    if all(isinstance(one, int) for one in periods):
        return [one for one in range(min(periods), max(periods)) if one not in periods]
    if every is None:
        return []
    times = pl.Series(periods)
    first, last = times.min(), times.max()
    between = pl.date_range if times.dtype == pl.Date else pl.datetime_range
    whole = pl.select(between(first, last, every).alias("period"))["period"]  # type: ignore[arg-type]
    return [one for one in whole.to_list() if one not in periods]
