"""The codings of one variable as arrays, read from the one table and checked against the codebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotune.agreement.patterns import ABSENT, Floats, Ints, Patterns, by_coder, counts, distinct, slots
from annotune.data.codebook import Kind, Variable
from annotune.data.codings import Codings, check
from annotune.data.frames import require_columns
from annotune.data.hierarchy import has_levels, paths
from annotune.errors import AnnotuneError, nearest


@dataclass(frozen=True)
class Ratings:
    """L codings of one variable: the unit (0 to N-1), coder and value (0 to q-1) of each.

    A coder has one coding of a unit, the first; `repeated` counts the others. Values are the labels of a
    single-label variable and the sets of labels of a multi-label one. `listed`: the codebook says which
    categories there are; otherwise they are those that were used.
    """

    variable: str
    kind: Kind
    unit: Ints
    coder: Ints
    value: Ints
    units: int
    coders: tuple[str, ...]
    categories: tuple[Any, ...]
    labels: tuple[str, ...]
    codes: Floats | None
    listed: bool
    repeated: int = 0
    cluster: Ints | None = None
    paths: tuple[tuple[str, ...], ...] | None = None  # down the hierarchy to each category, where labels have parents

    @cached_property
    def slots(self) -> Patterns:
        """Patterns of values, regardless of coder; every unit has at least one."""
        if len(self.coders) <= 2 * self.n_codings.max(initial=0):
            return distinct(np.sort(self.crossed, axis=1))
        return distinct(slots(self.unit, self.value, self.units))

    @cached_property
    def table(self) -> Floats:
        """How many codings each pattern of values has in each category (P x q)."""
        return counts(self.slots.rows, len(self.categories))

    @cached_property
    def crossed(self) -> Ints:
        """Units by coders, -1 where absent (N x coders)."""
        return by_coder(self.unit, self.coder, self.value, self.units, len(self.coders))

    @cached_property
    def n_codings(self) -> Ints:
        """The number of codings of each unit (N,)."""
        return np.bincount(self.unit, minlength=self.units)

    def only(self, keep: NDArray[np.bool_]) -> Ratings:
        """A subset of the codings (a mask of L), and the units that still have one."""
        left, coders = np.unique(self.unit[keep]), np.unique(self.coder[keep])
        return replace(
            self,
            unit=_dense(self.unit[keep]),
            coder=_dense(self.coder[keep]),
            value=self.value[keep],
            units=len(left),
            coders=tuple(self.coders[i] for i in coders),
            cluster=None if self.cluster is None else _dense(self.cluster[left]),
        )

    def label_or_not(self, label: str) -> Ratings:
        """The ratings as a yes/no variable: was `label` given?"""
        has_label = np.array(
            [label in values if self.kind == "multilabel" else label == values for values in self.categories]
        )
        return replace(
            self,
            kind="nominal",
            value=has_label.astype(np.int64)[self.value],
            categories=("no", "yes"),
            listed=True,
            codes=None,
            paths=None,
        )


def require_codings(codings: Any) -> Codings:
    """A table of codings as read and checked, which must have rows."""
    rows = check(codings)
    if rows.is_empty():
        raise AnnotuneError("The table of codings has no rows.", "Pass a table with at least one coding.")
    return rows


def read_ratings(part: pl.DataFrame, variable: str, entry: Variable | None, cluster: str | None = None) -> Ratings:
    """The answered codings of one variable; missing, unparsed and failed ones are left out."""
    sets = entry is not None and entry.kind == "multilabel"
    answered = pl.col("status") == "ok"
    part = part.filter(
        (answered | (pl.col("status") == "none")) if sets else (answered & pl.col("label").is_not_null())
    )
    labels = _category_labels(part["label"], variable, entry)
    place = part["label"].cast(pl.Enum(labels), strict=False).to_physical().cast(pl.Int64)
    if sets:
        part, value, categories = _as_sets(part, place, labels)
    else:
        value, categories = place.to_numpy(), tuple(labels)
    unit, coders = _indices(part["unit_id"]), part["coder"].unique().sort().to_list()
    coder = part["coder"].cast(pl.Enum(coders)).to_physical().cast(pl.Int64).to_numpy()
    first = _firsts(unit * len(coders) + coder)
    return Ratings(
        variable=variable,
        kind=entry.kind if entry else "nominal",
        unit=unit[first],
        coder=coder[first],
        value=np.asarray(value, np.int64)[first],
        units=int(unit.max(initial=-1)) + 1,
        coders=tuple(coders),
        categories=categories,
        labels=tuple(labels),
        codes=np.array(list(entry.codes.values()), float) if entry else _labels_as_numbers(labels),
        listed=entry is not None,
        repeated=int((~first).sum()),
        cluster=None if cluster is None else _clusters(part, unit, cluster),
        paths=tuple(paths(entry).values()) if entry and has_levels(entry) and not sets else None,
    )


def _firsts(key: Ints) -> NDArray[np.bool_]:
    """Where each number appears for the first time; quick for the usual case that none is repeated."""
    if int(key.max(initial=0)) < 8 * len(key) + 1024 and np.bincount(key).max(initial=0) <= 1:
        return np.ones(len(key), bool)
    return pl.Series(key).is_first_distinct().to_numpy()


def _category_labels(column: pl.Series, variable: str, entry: Variable | None) -> list[str]:
    """The category set: the codebook's, or the labels that were used, numbers in their order."""
    used = column.drop_nulls().unique().sort().to_list()
    if entry is None:
        numbers = _labels_as_numbers(used)
        return used if numbers is None else [used[i] for i in np.argsort(numbers, kind="stable")]
    strange = sorted(set(used) - set(entry.names))
    if strange:
        many = int(column.is_in(strange).sum())
        raise AnnotuneError(
            f"The label {strange[0]!r} is not in the codebook's variable {variable!r} ({many:,} such codings).",
            nearest(strange[0], entry.names),
        )
    return entry.names


def _labels_as_numbers(labels: Sequence[str]) -> Floats | None:
    try:
        numbers = np.array([float(label) for label in labels])
    except ValueError:
        return None
    return numbers if len(numbers) and np.isfinite(numbers).all() else None


def _as_sets(part: pl.DataFrame, place: pl.Series, labels: Sequence[str]) -> tuple[pl.DataFrame, Ints, tuple[Any, ...]]:
    """One row per unit and coder with the set of its labels, which may be empty."""
    members = pl.col("_place").drop_nulls().unique().sort().cast(pl.String).str.join(",")
    rest = [pl.col(name).first() for name in part.columns if name not in ("unit_id", "coder", "label")]
    grouped = part.with_columns(place.alias("_place")).group_by("unit_id", "coder", maintain_order=True)
    rows = grouped.agg(members.alias("_set"), *rest)
    keys = rows["_set"].unique().sort().to_list()
    value = rows["_set"].cast(pl.Enum(keys)).to_physical().cast(pl.Int64).to_numpy()
    return rows, value, tuple(frozenset(labels[int(i)] for i in key.split(",") if i) for key in keys)


def _indices(names: pl.Series) -> Ints:
    """Names as integers from 0; runs of the same name are looked up once."""
    run = names.rle_id()
    first = run.cast(pl.Int64).diff().fill_null(1) == 1
    codes = names.filter(first).cast(pl.Categorical).to_physical().cast(pl.Int64).to_numpy()
    return np.asarray(_dense(codes)[run.to_numpy()])


def _clusters(part: pl.DataFrame, unit: Ints, cluster: str) -> Ints:
    require_columns(part, [cluster], "The table of codings")
    name = part[cluster].cast(pl.String)
    if name.null_count():
        raise AnnotuneError(
            f"The column {cluster!r} is empty for {name.null_count():,} codings.", "Every unit must be in a cluster."
        )
    index = _indices(name)
    of_unit = np.full(int(unit.max(initial=-1)) + 1, ABSENT)
    of_unit[unit] = index
    if (of_unit[unit] != index).any():
        first = part["unit_id"][int(np.argmax(of_unit[unit] != index))]
        raise AnnotuneError(
            f"The unit {first!r} is in several clusters of {cluster!r}.",
            "Units must lie within clusters; cluster='coder' takes coders in and out instead.",
        )
    return of_unit


def _dense(index: Ints) -> Ints:
    """The same numbers without the gaps between them."""
    used = np.zeros(int(index.max(initial=-1)) + 1, np.int64)
    used[index] = 1
    return np.asarray((np.cumsum(used) - 1)[index])
