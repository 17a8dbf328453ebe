"""What shares of its coders gave a text each label: columns `share_<label>` beside the label that most of them gave."""

from __future__ import annotations

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.errors import AnnotuneError, listing

PREFIX = "share_"
ROUNDED = 0.05  # shares of single labels, written with two digits, may differ from one in sum by so much


def share_columns(entry: Variable) -> list[str]:
    """The columns with the shares of this variable's labels, in codebook order."""
    return [f"{PREFIX}{name}" for name in entry.names]


def shares_of(gold: pl.DataFrame, units: pl.Series, entry: Variable) -> np.ndarray | None:
    """The share of each unit's coders who gave it each label, (n, labels); None where the gold does not say.

    Shares of a single label add up to one; each of a set's labels has its own. A unit without shares, such as one that
    was adjudicated, counts as if all its coders had given its label.

    Parameters
    ----------
    gold
        Answered rows of one variable, with columns `share_<label>` as `resolve(rule="shares")` gives them. A label
        without a column was given by nobody.
    units
        n identifiers, each with an answer.

    Raises
    ------
    AnnotuneError
        For words, for numbers outside 0 to 1, and for shares of a single label that do not add up to one.
    """
    columns = [name for name in share_columns(entry) if name in gold.columns and gold[name].null_count() < len(gold)]
    if not columns:
        return None
    place = {name: i for i, name in enumerate(share_columns(entry))}
    rows = pl.DataFrame({"unit_id": units}).join(
        gold.unique("unit_id", keep="first"), on="unit_id", how="left", maintain_order="left"
    )
    shares = np.zeros((len(units), len(entry.names)))
    for name in columns:
        shares[:, place[name]] = _numbers(rows[name], rows["unit_id"])
    without = np.isnan(shares[:, [place[name] for name in columns]]).all(1)
    shares = np.nan_to_num(shares)
    shares[without] = _of_labels(gold, units, entry)[without]
    return shares if entry.kind == "multilabel" else _adding_up(shares, units, columns)


def _numbers(column: pl.Series, units: pl.Series) -> np.ndarray:
    """The column's numbers (n,), NaN where there is none."""
    values = column.cast(pl.Float64, strict=False)
    strange = column.is_not_null() & ~values.is_between(0, 1).fill_null(False)
    if strange.any():
        row = int(strange.arg_max() or 0)
        what = (
            f"The gold of the text {units[row]!r} has {column[row]!r} in the column {column.name!r}, which is no share."
        )
        raise AnnotuneError(what, "Give numbers from 0 to 1.")
    return values.fill_null(float("nan")).to_numpy().astype(np.float64)


def _of_labels(gold: pl.DataFrame, units: pl.Series, entry: Variable) -> np.ndarray:
    """One for every label that a unit has, (n, labels)."""
    number = {unit: i for i, unit in enumerate(units)}
    place = {name: i for i, name in enumerate(entry.names)}
    whole = np.zeros((len(units), len(place)))
    for unit, label in gold.select("unit_id", "label").iter_rows():
        if unit in number and label in place:
            whole[number[unit], place[label]] = 1.0
    return whole


def _adding_up(shares: np.ndarray, units: pl.Series, columns: list[str]) -> np.ndarray:
    """Shares of single labels, refused where they do not add up to one, and else made to do so exactly."""
    sums = shares.sum(1)
    worst = int(np.abs(sums - 1).argmax()) if len(sums) else 0
    if len(sums) and abs(sums[worst] - 1) > ROUNDED:
        what = f"The shares of the text {units[worst]!r} add up to {sums[worst]:.2f} ({listing(columns)})."
        raise AnnotuneError(what, "Those of single labels should add up to 1.")
    return np.asarray(shares / sums[:, None])
