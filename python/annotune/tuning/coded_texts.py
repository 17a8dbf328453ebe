"""Coded texts: texts joined with their gold, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import share_columns, shares_of
from annotune.data.codings import Codings, answered, check, of_variable
from annotune.data.encoded import encode
from annotune.data.hierarchy import has_levels, paths
from annotune.errors import AnnotuneError, counted, listing, nearest, warn

FEWEST = 10


@dataclass(frozen=True)
class HigherTexts:
    """Texts coded with a label above those that are learnt: `frame`, and which of these may hold, (m, labels)."""

    frame: pl.DataFrame
    among: np.ndarray


@dataclass(frozen=True)
class Coded:
    """The n texts that have both a text and a gold label, and what is known about them.

    Attributes
    ----------
    frame
        unit_id, text and covariates, in the gold's order.
    targets
        Label numbers (n,), or truth values (n, labels) for a multi-label variable.
    variable
        With the labels that occur, in codebook order.
    shares
        Of the text's coders who gave each label (n, labels), where the gold has them: what models learn then.
    higher
        Texts coded by a label that stands above others, from which models learn as well that one of those holds.
    """

    frame: pl.DataFrame
    targets: np.ndarray
    variable: Variable
    shares: np.ndarray | None = None
    higher: HigherTexts | None = None

    @property
    def texts(self) -> list[str]:
        """The n texts."""
        return self.frame["text"].to_list()

    @property
    def strata(self) -> np.ndarray:
        """A label number a text (n,): of a set, its rarest label."""
        if self.targets.ndim == 1:
            return self.targets
        frequency = self.targets.sum(0)
        return np.asarray(np.where(self.targets, frequency, frequency.max() + 1).argmin(1))

    def groups(self, column: str | None) -> np.ndarray:
        """A number a text (n,): of its value in `column`, or else of the text itself."""
        if column is None:
            return self.frame["text"].rank("dense").to_numpy()
        self._require(column, "group by")
        empty = self.frame[column].null_count()
        if empty:
            raise AnnotuneError(
                f"The column to group by, {column!r}, is empty for {empty:,} coded texts.",
                "Fill it, or choose another.",
            )
        return self.frame[column].cast(pl.String).rank("dense").to_numpy()

    def part(self, wanted: Mapping[str, Any]) -> np.ndarray:
        """The places of the texts with these values (one, or a list) in these columns; case does not count."""
        found = np.ones(len(self.frame), dtype=bool)
        for column, values in wanted.items():
            self._require(column, "take the test part by")
            found &= self._with(column, [values] if isinstance(values, (str, int, float)) else list(values))
        if found.all() or not found.any():
            raise AnnotuneError(
                f"The test part holds {'all' if found.all() else 'no'} coded texts.", "Name other values in test=."
            )
        return np.flatnonzero(found)

    def _with(self, column: str, values: Sequence[Any]) -> np.ndarray:
        words = self.frame[column].cast(pl.String)
        small = words.str.to_lowercase()
        for value in values:
            if str(value).lower() not in small:
                there = words.drop_nulls().unique(maintain_order=True)
                raise AnnotuneError(f"No coded text has the {column} {str(value)!r}.", nearest(str(value), there))
        return small.is_in([str(value).lower() for value in values]).fill_null(False).to_numpy()

    def _require(self, column: str, purpose: str) -> None:
        if column not in self.frame.columns:
            raise AnnotuneError(
                f"The corpus has no column {column!r} to {purpose}.", nearest(column, self.frame.columns[2:])
            )


def join(corpus: pl.DataFrame, gold: Any, codebook: Codebook, variable: str | None = None) -> Coded:
    """Texts with their gold, by unit_id; what has no text or no label is counted and left out.

    Raises
    ------
    AnnotuneError
        When nobody coded the variable, fewer than 10 texts are left, a text has several answers, or
        all have the same one.
    """
    entry = codebook.variable(variable)
    everything = answered(of_variable(check(gold), entry.name), entry)
    above = _labels_above(everything, entry)
    rows = Codings(everything.filter(~pl.col("label").is_in(above))) if above else everything
    units = rows.select("unit_id").unique(maintain_order=True)
    frame = units.join(corpus, on="unit_id", how="inner", maintain_order="left").filter(pl.col("text").is_not_null())
    if len(frame) < len(units):
        warn(f"{len(units) - len(frame):,} of {len(units):,} coded units have no text in the corpus and are left out.")
    if len(frame) < FEWEST:
        raise AnnotuneError(
            f"Only {len(frame)} texts have both a text and a label for {entry.name!r}.",
            f"Tuning needs at least {FEWEST}; some hundreds are good.",
        )
    targets, _ = encode(rows, frame["unit_id"], entry)
    coded = Coded(frame, *_of_seen_labels(targets, entry, shares_of(rows, frame["unit_id"], entry), above))
    return replace(coded, higher=_higher(corpus, everything, entry, above, coded.variable)) if above else coded


def _labels_above(rows: pl.DataFrame, entry: Variable) -> list[str]:
    """Labels that texts were coded with although labels below them are used as well: no classes of their own.

    Where the gold has shares of coders, or texts have sets of labels, each label is one of its own.
    """
    if entry.kind != "nominal" or not has_levels(entry) or any(name in rows.columns for name in share_columns(entry)):
        return []
    whole, used = paths(entry), set(rows["label"])
    return [name for name in entry.names if name in used and any(name in whole[label][:-1] for label in used)]


def _higher(
    corpus: pl.DataFrame, rows: pl.DataFrame, entry: Variable, above: list[str], learnt: Variable
) -> HigherTexts | None:
    """The texts coded by labels above others, and the learnt labels below them; counted for the user."""
    own = rows.filter(pl.col("label").is_in(above)).select("unit_id", _label="label")
    joined = own.join(corpus, on="unit_id", how="inner", maintain_order="left").filter(pl.col("text").is_not_null())
    whole = paths(entry)
    below = {name: np.array([name in whole[label] for label in learnt.names]) for name in above}
    joined = joined.filter(pl.col("_label").is_in([name for name in above if below[name].any()]))
    if joined.is_empty():
        return None
    texts = counted(len(joined), "text is", "texts are")
    what = f"{texts} coded with a label that has others below it, such as {joined['_label'][0]!r}"
    warn(f"{what}: the model learns that one of those holds, and figures are about the other texts.")
    return HigherTexts(joined.drop("_label"), np.array([below[name] for name in joined["_label"]]))


def _of_seen_labels(
    targets: np.ndarray, entry: Variable, shares: np.ndarray | None, above: Sequence[str] = ()
) -> tuple[np.ndarray, Variable, np.ndarray | None]:
    """The targets, the variable and the shares without the labels that never occur, or that no coder ever gave."""
    sets = targets.ndim == 2
    counts = targets.sum(0) if sets else np.bincount(targets, minlength=len(entry.labels))
    counts = counts if shares is None else shares.sum(0)
    _require_variety(counts, len(targets), entry)
    never = [name for name, count in zip(entry.names, counts, strict=True) if not count]
    unknown = [name for name in never if name not in {*above, *_with_used_below(entry, never)}]
    if unknown:
        labels = f"{len(unknown)} labels" if len(unknown) > 1 else "One label"
        warn(f"{labels} of {entry.name!r} never occur in the gold; the model cannot give them: {listing(unknown)}.")
    kept = entry.model_copy(update={"labels": tuple(label for label in entry.labels if label.name not in never)})
    some = counts > 0
    targets = targets[:, some] if sets else (np.cumsum(some) - 1)[targets]
    return targets, kept, None if shares is None else shares[:, some]


def _with_used_below(entry: Variable, never: Sequence[str]) -> set[str]:
    """Labels above others that are used: that texts have those alone is as it should be."""
    return {name for label, path in paths(entry).items() if label not in never for name in path[:-1]}


def _require_variety(counts: np.ndarray, n: int, entry: Variable) -> None:
    varied = (counts > 0) & (counts < n)
    if not varied.any():
        said = repr(entry.names[int(counts.argmax())]) if counts.any() else "no label"
        raise AnnotuneError(
            f"All {n:,} coded texts have the same answer for {entry.name!r}: {said}.",
            "There is nothing to learn; code texts that differ.",
        )
