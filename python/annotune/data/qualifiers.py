"""Columns that qualify the coding of their row: rejected, skipped, or by a coder whose work does not count.

Prodigy's `answer`, Label Studio's `was_cancelled`, the `AssignmentStatus` and `Reject` of Mechanical Turk, and
`_tainted` of Appen (CrowdFlower). The label beside them is what was shown, not what was said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from annotune.errors import counted, warn

NO_LABEL, NO_ANSWER = "none", "missing"  # the statuses of a rejected label, and of a coding that does not count
_FLAG = dict.fromkeys(("true", "1", "1.0", "yes", "t"), NO_ANSWER) | dict.fromkeys(("false", "0", "0.0", "no", "f"), "")
_MEANINGS: Mapping[str, Mapping[str, str]] = {  # by the column's name in lower case; "": the coding counts
    "answer": {"accept": "", "reject": NO_LABEL, "ignore": NO_ANSWER},
    "assignmentstatus": {"submitted": "", "approved": "", "rejected": NO_ANSWER},
    **dict.fromkeys(("was_cancelled", "cancelled", "skipped", "_tainted", "_rejected"), _FLAG),
}
_VERDICT = {"approve", "reject"}  # columns of a batch file in which a requester marks rows


@dataclass(frozen=True)
class Qualifier:
    """A column that qualifies codings, and the status of each of its words that takes the label away."""

    column: str
    statuses: Mapping[str, str]


def qualifiers(frame: pl.DataFrame, taken: Collection[str]) -> list[Qualifier]:
    """The columns of a file that qualify its codings; `taken` are those that mean something else.

    >>> qualifiers(pl.DataFrame({"label": ["yes"], "answer": ["reject"]}), [])[0].statuses
    {'reject': 'none'}
    >>> qualifiers(pl.DataFrame({"label": ["yes"], "answer": ["because of rents"]}), [])
    []
    """
    qualifying = []
    names = {name.lower(): name for name in frame.columns if name not in taken}
    for key, name in names.items():
        words = set(_words(frame[name]).drop_nulls().to_list()) if key in _MEANINGS or key == "reject" else set()
        if words and words <= set(_MEANINGS.get(key, {})):
            statuses = {word: _MEANINGS[key][word] for word in sorted(words) if _MEANINGS[key][word]}
            qualifying.append(Qualifier(name, statuses))
        elif key == "reject" and set(names) >= _VERDICT and words:  # any word there is a reason
            qualifying.append(Qualifier(name, dict.fromkeys(sorted(words), NO_ANSWER)))
    return qualifying


def statuses(frame: pl.DataFrame, of: Collection[Qualifier]) -> pl.Expr:
    """The status of every row whose coding does not stand, null for the others."""
    columns = [
        pl.lit(_words(frame[one.column]).replace_strict(one.statuses, default=None, return_dtype=pl.String))
        for one in of
    ]
    return pl.coalesce(*columns) if columns else pl.lit(None, pl.String)


def without_labels(rows: pl.DataFrame, of: Collection[Qualifier], name: str) -> pl.DataFrame:
    """The codings with the status `_standing` in place of the label, where there is one, and no longer that column.

    That a label was rejected says nothing where the same coder accepted another one.
    """
    if not of or not rows["_standing"].count():
        return rows.drop("_standing")
    _tell(rows, of, name)
    stands = pl.col("_standing").is_null()
    own = pl.col("status").cast(pl.String) if "status" in rows.columns else pl.lit(None, pl.String)
    cleared = [
        pl.when(stands).then(pl.col(column)).alias(column) for column in ("label", "prob") if column in rows.columns
    ]
    rows = rows.with_columns(*cleared, pl.coalesce("_standing", own).alias("status"))
    coding = ["unit_id", "variable", "coder"]
    rejected = pl.col("_standing") == NO_LABEL
    again = pl.col("label").is_not_null().any().over(coding) | ~rejected.fill_null(False).cum_sum().over(coding).eq(1)
    return rows.filter(~(rejected.fill_null(False) & again)).drop("_standing")


def _tell(rows: pl.DataFrame, of: Collection[Qualifier], name: str) -> None:
    where = f"{name}, {', '.join(repr(one.column) for one in of if one.statuses)}"
    rejected = int((rows["_standing"] == NO_LABEL).sum())
    others = int((rows["_standing"] == NO_ANSWER).sum())
    if rejected:
        what = counted(rejected, "label was rejected", "labels were rejected")
        warn(f"{where}: {what}, so that nothing is said but what the text is not; the status is 'none'.")
    if others:
        warn(f"{where}: {counted(others, 'coding does', 'codings do')} not count, and the status is 'missing'.")


def _words(column: pl.Series) -> pl.Series:
    if column.dtype.is_nested():
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    words = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    return words.set(words == "", None)
