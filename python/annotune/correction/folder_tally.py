"""The tally of texts in a folder of codes: added up file by file, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coded_folder import Answers, CodedFolder, answers_of, label_answers, set_answers
from annotune.correction.groups import Groups, Key, in_order
from annotune.correction.hand_table import Hand, HandRows, HandTable, require_one_coder
from annotune.correction.tally import Group, HandCoded, Sums, Tally
from annotune.data.codebook import Variable
from annotune.errors import AnnotuneError, warn


@dataclass
class Indicator:
    """A variable's labels by one coder, or of a multi-label variable one label as 0 and 1; what was added up of it.

    Attributes
    ----------
    sums
        By group and cluster: texts, how many were predicted to have each label, predictions, and their squares.
    parts
        Of the hand-coded texts of each file: rows in the table of hand-coded texts, group and cluster, label, and
        predictions.
    """

    entry: Variable
    coder: str
    label: str | None
    labels: list[str]
    column_of: dict[str, str] | None
    hand: Hand | None = None
    drawn: np.ndarray | None = None
    own: np.ndarray | None = None
    own_likely: np.ndarray | None = None
    sums: dict[tuple[Key, Any], np.ndarray] = field(default_factory=dict)
    parts: list[tuple[np.ndarray, list[tuple[Key, Any]], np.ndarray, np.ndarray]] = field(default_factory=list)
    n_missing: int = 0

    @property
    def k(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """The variable, and of a multi-label variable the label."""
        return self.entry.name if self.label is None else f"{self.entry.name}: {self.label}"

    def add(self, answers: Answers, ids: np.ndarray, groups: list[tuple[Key, Any]], hand_rows: np.ndarray) -> None:
        """Add the answers of a file, whose texts are in `groups` by their number (-1: left out)."""
        keep = ids[answers.rows] >= 0
        rows, places = answers.rows[keep], answers.places[keep].copy()
        likely = np.eye(self.k)[places] if self.column_of is None or answers.likely is None else answers.likely[keep]
        at = hand_rows[rows]
        coded = (at >= 0) & (self.drawn[at] if self.drawn is not None else False)
        if self.own is not None and coded.any():
            places[coded] = self.own[at[coded]]
            likely = likely.copy()
            likely[coded] = np.eye(self.k)[places[coded]] if self.own_likely is None else self.own_likely[at[coded]]
        for key, row in zip(groups, _sums(ids[rows], places, likely, len(groups)), strict=True):
            if row[0]:
                self.sums[key] = self.sums[key] + row if key in self.sums else row
        mine = [groups[number] for number in ids[rows[coded]]]
        self.parts.append((at[coded], mine, places[coded], likely[coded]))


def _sums(ids: np.ndarray, places: np.ndarray, likely: np.ndarray, m: int) -> np.ndarray:
    """Texts, labels given, predictions and their squares, by group: shape (m, 1 + 3k)."""
    k = likely.shape[1]
    given = np.bincount(ids * k + places, minlength=m * k).reshape(m, k)
    columns = [np.bincount(ids, values, minlength=m) for j in range(k) for values in (likely[:, j], likely[:, j] ** 2)]
    likely_sums, squares = np.column_stack(columns[::2]), np.column_stack(columns[1::2])
    return np.column_stack([np.bincount(ids, minlength=m), given, likely_sums, squares])


@dataclass
class FolderTally:
    """Adds up a folder, once for all variables."""

    folder: CodedFolder
    groups: Groups
    table: HandTable | None
    indicators: list[Indicator]

    def read(self) -> None:
        """Read every file once.

        Raises
        ------
        AnnotuneError
            Where a file or a column cannot be used, and for a hand-coded text that is there twice.
        """
        by_hand = HandRows(self.table)
        variables = list(dict.fromkeys(one.entry.name for one in self.indicators))
        for name, codes, texts in self.folder.files(variables, self.groups.grouping.columns):
            ids, groups = self.groups.numbered(texts, name)
            self._add(codes, texts["unit_id"], ids, groups, by_hand.of(texts["unit_id"], name))
        self.groups.tell()
        for name, missing in {one.entry.name: one.n_missing for one in self.indicators}.items():
            if missing:
                warn(f"{missing:,} of {self.groups.n:,} texts have no predicted {name} and are left out.")
        by_hand.tell(str(self.folder.out))

    def _add(
        self, codes: pl.DataFrame, units: pl.Series, ids: np.ndarray, groups: list[tuple[Key, Any]], rows: np.ndarray
    ) -> None:
        answered: dict[tuple[str, str], tuple[pl.DataFrame, np.ndarray]] = {}
        for one in self.indicators:
            about = (one.entry.name, one.coder)
            if about not in answered:
                answered[about] = answers_of(codes, units, one.entry, one.coder)
            table, at = answered[about]
            answers = (
                label_answers(table, at, one.labels, one.column_of)
                if one.label is None
                else set_answers(table, at, one.label, probabilities=one.column_of is not None)
            )
            one.n_missing += len(units) - len(answers.rows)
            one.add(answers, ids, groups, rows)


def indicators_of(
    folder: CodedFolder, names: Sequence[str] | None, table: HandTable | None, given: dict[tuple[str, str], set[str]]
) -> list[Indicator]:
    """What is to be added up: of each variable and coder the labels that occur, of a multi-label one each label.

    `given` has the labels that occur among the codes, by variable and coder. Without names, the variables that were
    coded by hand; without hand codings all.
    """
    every = folder.variables(names)
    if names is None and table is not None:
        every = [(entry, coder) for entry, coder in every if table.has(entry)]
        if not every:
            raise AnnotuneError(
                "The table of hand-coded texts has no hand codings of what was coded.",
                f"Give it a column such as {folder.variables(None)[0][0].name}_gold.",
            )
    if table is not None:
        require_one_coder(table, every)
    return [
        one
        for entry, coder in every
        for one in _of_variable(entry, coder, table, given.get((entry.name, coder), set()))
    ]


def _of_variable(entry: Variable, coder: str, table: HandTable | None, given: set[str]) -> list[Indicator]:
    labels: list[str | None] = [None] if entry.kind != "multilabel" else list(entry.names)
    return [_with_hand(entry, coder, label, None if table is None else table.of(entry, label), table, given)
            for label in labels]  # fmt: skip


def _with_hand(
    entry: Variable, coder: str, label: str | None, hand: Hand | None, table: HandTable | None, given: set[str]
) -> Indicator:
    drawn = None if hand is None or table is None else table.drawn(hand)
    if label is not None:
        labels, columns = ["0", "1"], {"1": f"p_{label}"}
    else:
        occurring = set(given)
        if hand is not None and drawn is not None:
            occurring |= set(hand.gold.filter(pl.Series(drawn)))
            occurring |= set() if hand.predicted is None else set(hand.predicted.drop_nulls())
        names = [name for name in entry.names if name in occurring]
        labels = [*names, *sorted(occurring - set(names))]
        columns = {name: f"p_{name}" for name in labels}
    one = Indicator(entry, coder, label, labels, columns, hand, drawn)
    if hand is not None and hand.predicted is not None and table is not None and drawn is not None:
        one.own = _places(hand.predicted, labels)
        if (one.own[drawn] < 0).any():
            unit = table.frame["unit_id"].filter(pl.Series(drawn & (one.own < 0)))[0]
            what = f"The hand-coded text {unit!r} has no prediction of {one.name!r} in the table of hand-coded texts."
            raise AnnotuneError(what, "Give all of them one, or leave the column out.")
        one.own_likely = hand.likely(table.frame, labels)
        if one.own_likely is None:  # then labels alone are comparable
            one.column_of = None
    return one


def _places(labels: pl.Series, names: Sequence[str]) -> np.ndarray:
    numbers = {label: i for i, label in enumerate(names)}
    return np.asarray(labels.replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy())


def tally_of(
    one: Indicator, table: HandTable | None, pi: str | float | None, wave: str | None, clustered: bool, finite: bool
) -> tuple[list[Key], Tally, bool]:
    """The groups of an indicator in order, their tally, and whether it is known how texts were drawn."""
    keys = in_order({key for key, _ in one.sums})
    numbers = {cluster: i for i, cluster in enumerate(in_order({(cluster,) for _, cluster in one.sums}))}
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(part[0] for part in one.parts)])
    mine = [pair for part in one.parts for pair in part[1]]
    n = int(sum(row[0] for row in one.sums.values()))
    gold = np.zeros(0, dtype=np.int64) if one.hand is None else _places(one.hand.gold, one.labels)[rows]
    counts = None if table is None or one.hand is None or not len(rows) else table.counts(one.hand, rows, n, pi, wave)
    by_hand = HandCoded(
        gold,
        np.concatenate([np.zeros(0, dtype=np.int64), *(part[2] for part in one.parts)]),
        np.concatenate([np.zeros((0, one.k)), *(part[3] for part in one.parts)]),
        np.ones(len(rows)) if counts is None else counts.ratio,
        None if counts is None else counts.chance,
        np.array([numbers[(cluster,)] for _, cluster in mine], dtype=np.int64) if clustered else None,
    )
    places: dict[Key, list[int]] = {key: [] for key in keys}
    for place, (key, _) in enumerate(mine):
        places[key].append(place)
    by_key: dict[Key, list[tuple[int, np.ndarray]]] = {key: [] for key in keys}
    for (key, cluster), row in one.sums.items():
        by_key[key].append((numbers[(cluster,)], row))
    groups = [_group(by_key[key], np.array(places[key], dtype=np.int64), one.k, clustered) for key in keys]
    return keys, Tally(tuple(one.labels), by_hand, tuple(groups), finite), counts is not None


def _group(parts: list[tuple[int, np.ndarray]], at: np.ndarray, k: int, clustered: bool) -> Group:
    parts = sorted(parts, key=lambda part: part[0])
    rows = np.array([row for _, row in parts])
    total = _as_sums(rows.sum(axis=0, keepdims=True), k)
    if not clustered:
        return Group(total, at)
    return Group(total, at, np.array([number for number, _ in parts]), _as_sums(rows, k))


def _as_sums(rows: np.ndarray, k: int) -> Sums:
    n, given, likely, squares = np.split(rows, [1, 1 + k, 1 + 2 * k], axis=1)
    return Sums(n[:, 0].astype(np.int64), given, likely, squares)
