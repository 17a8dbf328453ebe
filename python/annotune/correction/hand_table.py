"""The table of hand-coded texts that goes with a folder of codes: gold, pi, and predictions by models of folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.labelled import labels_as_words
from annotune.data.codebook import Variable
from annotune.data.codings import ANSWERED
from annotune.data.columns_of_sets import label_columns
from annotune.data.frames import as_frame, identifiers, require_columns
from annotune.data.waves import Counts
from annotune.errors import AnnotuneError, listing, warn
from annotune.tables import read_table

WANTED = "Give one row per text with unit_id and <variable>_gold, or rows with unit_id, variable and label."


@dataclass(frozen=True)
class Hand:
    """The hand codings of one indicator, one per row of the table (m rows).

    Attributes
    ----------
    gold
        Labels as words; null where nobody coded the text.
    column
        The column that they are from, as far as there is one of their own; by it those with pi and fold are found.
    predicted
        Labels by models that were not tuned on the text; None where the table has none.
    probabilities
        The columns with the probability of each label, or the one with that of a yes; none where there are none.
    """

    gold: pl.Series
    column: str
    predicted: pl.Series | None
    probabilities: dict[str, str] | None

    def likely(self, frame: pl.DataFrame, labels: Sequence[str]) -> np.ndarray | None:
        """Every label's probability, (m, k), rows summing to 1; NaN where a text has none."""
        columns = self.probabilities or {}
        if set(columns) == {"1"} and list(labels) == ["0", "1"]:
            yes = frame[columns["1"]].cast(pl.Float64).fill_null(np.nan).to_numpy()
            return np.column_stack([1 - yes, yes])
        if not all(label in columns for label in labels):
            return None
        coding_columns.require_probabilities(frame, [columns[label] for label in labels])
        parts = [frame[columns[label]].cast(pl.Float64).fill_null(np.nan).to_numpy() for label in labels]
        table = np.column_stack(parts)
        return np.asarray(table / table.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class HandTable:
    """One row per hand-coded text (m rows), and where it came as rows of codings those as well."""

    frame: pl.DataFrame
    codings: pl.DataFrame | None = None

    @classmethod
    def read(cls, table: Any) -> HandTable:
        """From a frame or a file, with a column for each variable or a row for each coding."""
        frame = read_table(Path(table), strings=("unit_id",)).frame if isinstance(table, (str, Path)) else table
        frame, name = as_frame(frame), "The table of hand-coded texts"
        require_columns(frame, ["unit_id"], name)
        frame = frame.with_columns(identifiers(frame["unit_id"], name).alias("unit_id"))
        if {"variable", "label"} <= set(frame.columns):
            frame = frame.filter(pl.col("status").is_in(ANSWERED)) if "status" in frame.columns else frame
            return cls(frame.unique("unit_id", keep="first", maintain_order=True), frame)
        twice = frame.filter(frame["unit_id"].is_duplicated())["unit_id"]
        if len(twice):
            raise AnnotuneError(f"{name} has the unit {twice[0]!r} more than once.", "Keep one row of each.")
        return cls(frame)

    def has(self, entry: Variable) -> bool:
        """Whether there are hand codings of a variable."""
        if self.codings is not None:
            return entry.name in self.codings["variable"]
        return any(column in self.frame.columns for column in _gold_columns(entry).values())

    def of(self, entry: Variable, label: str | None) -> Hand:
        """The hand codings of a variable, or of a label of a multi-label one.

        Raises
        ------
        AnnotuneError
            Where there are none, or two of a text.
        """
        if not self.has(entry):
            raise AnnotuneError(f"There are no hand codings of {entry.name!r}.", WANTED)
        if self.codings is not None:
            return Hand(self._from_rows(self.codings, entry, label), f"{entry.name}_gold", None, None)
        gold, columns = _gold_columns(entry)[label], self.frame.columns
        require_columns(self.frame, [gold], "The table of hand-coded texts")
        name = entry.name if label is None else label_columns(entry, entry.name)[label]
        predicted = coding_columns.prediction_column(name, columns)
        own = self._words(predicted) if predicted in columns else None
        return Hand(self._words(gold), gold, own, None if own is None else self._probabilities(entry, label))

    def _words(self, column: str) -> pl.Series:
        return labels_as_words(coding_columns.blanks_as_null(self.frame, [column])[column])

    def _probabilities(self, entry: Variable, label: str | None) -> dict[str, str]:
        names = label_columns(entry, f"{entry.name}_p")
        names = names if label is None else {"1": names[label]}
        return {key: column for key, column in names.items() if column in self.frame.columns}

    def _from_rows(self, codings: pl.DataFrame, entry: Variable, label: str | None) -> pl.Series:
        rows = codings.filter(pl.col("variable") == entry.name)
        if label is not None:
            given = (pl.col("label") == label).fill_null(False).any().cast(pl.Int8).cast(pl.String)
            answers = rows.group_by("unit_id").agg(given.alias("_gold"))
        else:
            twice = rows.filter(rows["unit_id"].is_duplicated())["unit_id"]
            if len(twice):
                what = f"The text {twice[0]!r} has several hand codings of {entry.name!r}."
                raise AnnotuneError(what, "Make them one with resolve().")
            answers = rows.select("unit_id", pl.col("label").cast(pl.String).alias("_gold"))
        return self.frame.select("unit_id").join(answers, on="unit_id", how="left", maintain_order="left")["_gold"]

    def drawn(self, hand: Hand) -> np.ndarray:
        """Which texts were drawn and coded (m,), none of them predicted by a model that was tuned on it."""
        frame = self.frame.with_columns(hand.gold.alias("_gold"))
        own = {role: coding_columns.own_column(role, hand.column, frame.columns) for role in ("coded", "fold")}
        drawn = coding_columns.coded_rows(frame, ["_gold"], own["coded"])
        if not drawn.any():
            what = f"No text has a hand-coded label in {hand.column!r}."
            raise AnnotuneError(what, "Errors cannot be estimated without any.")
        if hand.predicted is not None:
            coding_columns.require_out_of_fold(frame, drawn, own["fold"])
        return drawn

    def weights(self, hand: Hand, pi: str | None) -> np.ndarray:
        """1 / pi of each text (m,), NaN where it is no probability; 1 where there is no column."""
        name = pi or coding_columns.own_column("pi", hand.column, self.frame.columns)
        if name is None and "pi" not in self.frame.columns:
            return np.ones(len(self.frame))
        chance = coding_columns.chances(self.frame, name)
        return np.where((chance > 0) & (chance <= 1), 1 / np.where(chance > 0, chance, 1.0), np.nan)

    def counts(self, hand: Hand, rows: np.ndarray, n: int, pi: str | float | None, wave: str | None) -> Counts | None:
        """How much each of these rows counts among n texts; None where it is not known how they were drawn."""
        frame = self.frame[rows]
        pi = coding_columns.own_column("pi", hand.column, frame.columns) if pi is None else pi
        if pi is None and wave is None and "pi" not in frame.columns:
            return None
        if coding_columns.is_number(pi):
            if wave is not None:
                what = f"Texts were drawn in waves ({wave!r}), and pi is one number."
                raise AnnotuneError(what, "Give a column: each text's probability to be drawn in its wave.")
            frame, name = frame.select(pl.repeat(float(pi), len(frame), eager=True).alias("pi")), "pi"
            coding_columns.warn_of_implausible_number(len(rows), float(pi) * n, float(pi) * (1 - float(pi)) * n)
        else:
            name = pi if isinstance(pi, str) else "pi"
        coded = np.ones(len(frame), dtype=bool)
        if n > len(rows):  # the others have no row here; one stands for them
            frame = pl.concat([frame, frame.clear(1)])
            coded = np.append(coded, False)
        return coding_columns.counts_of(frame, coded, name, wave)


class HandRows:
    """Finds the hand-coded texts among those of one file after the other."""

    def __init__(self, table: HandTable | None) -> None:
        self.table = table
        self.times = np.zeros(0 if table is None else len(table.frame), dtype=np.int64)  # that each text was met

    def of(self, units: pl.Series, name: str) -> np.ndarray:
        """Each text's row in the table of hand-coded texts, -1 for none, shape (n,).

        Raises
        ------
        AnnotuneError
            Where one is met a second time.
        """
        if self.table is None:
            return np.full(len(units), -1)
        known = self.table.frame.select("unit_id").with_row_index("_row")
        row = units.to_frame("unit_id").join(known, on="unit_id", how="left", maintain_order="left")["_row"]
        rows = row.cast(pl.Int64).fill_null(-1).to_numpy()
        self.times += np.bincount(rows[rows >= 0], minlength=len(self.times))
        if (self.times > 1).any():
            unit = self.table.frame["unit_id"][int(self.times.argmax())]
            what = f"The hand-coded text {unit!r} is among the codes twice, the second time in {name}."
            raise AnnotuneError(what, "Give every text an identifier of its own.")
        return rows

    def tell(self, where: str) -> None:
        """Stop where none of the hand-coded texts was met; say how many were not."""
        if self.table is None:
            return
        lost = self.table.frame["unit_id"].filter(pl.Series(self.times == 0))
        if len(lost) == len(self.table.frame):
            what = f"None of the {len(lost):,} hand-coded texts is in {where}, such as {listing([lost[0]])}."
            raise AnnotuneError(what, "Check that unit_id is the same in both.")
        if len(lost):
            of = f"{len(lost):,} of {len(self.table.frame):,} hand-coded texts"
            warn(f"{of} are not among the codes in {where} and are left out, such as {lost[0]!r}.")


def require_one_coder(table: HandTable, coded: Sequence[tuple[Variable, str]]) -> None:
    """Stop where the table has predictions of a variable that several models coded: whose they are is not known.

    Raises
    ------
    AnnotuneError
        With the variable and its coders.
    """
    for entry, _ in coded:
        coders = [coder for other, coder in coded if other.name == entry.name]
        label = entry.names[0] if entry.kind == "multilabel" else None
        if len(coders) > 1 and table.has(entry) and table.of(entry, label).predicted is not None:
            what = (
                f"The hand-coded texts have predictions of {entry.name!r} by one model, and {listing(coders)} coded it."
            )
            raise AnnotuneError(what, "Leave these columns out, or code into a folder for each model.")


def _gold_columns(entry: Variable) -> dict[str | None, str]:
    if entry.kind == "multilabel":
        columns: dict[str | None, str] = {}
        columns.update(label_columns(entry, f"{entry.name}_gold"))
        return columns
    return {None: f"{entry.name}_gold"}
