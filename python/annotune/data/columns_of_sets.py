"""Sets of labels in 0/1 columns, one column a label: their names, and the sets they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError, counted, listing
from annotune.tables.column_types import MISSING_WORDS

YES, NO = ("1", "1.0", "true"), ("0", "0.0", "false")
MARKS = (*YES, *NO)


def label_columns(entry: Variable, stem: str) -> dict[str, str]:
    """A column name for each label, in letters, digits and underscores; its code where names would collide."""
    names = {label: f"{stem}_" + re.sub(r"\W+", "_", label).strip("_") for label in entry.names}
    if len({name.casefold() for name in names.values()}) < len(names):
        return {label: f"{stem}_{code}" for label, code in entry.codes.items()}
    return names


def with_sets_joined(
    frame: pl.DataFrame, codebook: Codebook, name: str, first: int, kept: Sequence[str]
) -> pl.DataFrame:
    """The frame with one column of labels, joined by ';', in place of each variable's 0/1 columns.

    The columns are named after the variable and its labels (as `attach` writes them) or after the labels, and every
    label has one. A text whose cells are all empty has no answer; where some are filled, an empty one beside a 1 says
    no as a 0 does.

    Parameters
    ----------
    frame, name, first
        A file's cells, what messages call it, and the number of its first row.
    kept
        Columns that stay.

    Raises
    ------
    AnnotuneError
        For a cell that is neither 0 nor 1, and one that is empty beside nothing but 0.
    """
    for entry in codebook.variables:
        if entry.kind != "multilabel" or entry.name in frame.columns:
            continue
        columns = columns_of_labels(entry, frame.columns)
        if columns is None:
            _require_all_labels(entry, frame, name)
            continue
        joined = _joined(frame, entry, columns, name, first)
        frame = frame.drop(set(columns.values()) - set(kept)).with_columns(joined.alias(entry.name))
    return frame


def columns_of_labels(entry: Variable, names: Sequence[str]) -> dict[str, str] | None:
    """The column of each label, where every label has one, whatever the case of letters; else None.

    Examples
    --------
    >>> from annotune.data.codebook import Label
    >>> labels = (Label(code=1, name="elite"), Label(code=2, name="left"))
    >>> marks = Variable(name="marks", kind="multilabel", labels=labels)
    >>> columns_of_labels(marks, ["unit_id", "Elite", "Left"])
    {'elite': 'Elite', 'left': 'Left'}
    """
    column_of = {column.strip().casefold(): column for column in names}
    for wanted in _namings(entry):
        if all(column.casefold() in column_of for column in wanted.values()):
            return {label: column_of[column.casefold()] for label, column in wanted.items()}
    return None


def _require_all_labels(entry: Variable, frame: pl.DataFrame, name: str) -> None:
    """Stop where most labels have a 0/1 column, and the others none."""
    column_of = {column.strip().casefold(): column for column in frame.columns}
    for wanted in _namings(entry):
        absent = [label for label, column in wanted.items() if column.casefold() not in column_of]
        there = [column_of[column.casefold()] for column in wanted.values() if column.casefold() in column_of]
        if len(there) > len(absent) and all(_words(frame[column]).drop_nulls().is_in(MARKS).all() for column in there):
            what = f"{name}: {listing(there)} are 0/1 columns of the labels of {entry.name!r}"
            raise AnnotuneError(f"{what}, and {listing(absent)} has none.", "Every label needs one, of 0 throughout.")


def _namings(entry: Variable) -> Iterator[Mapping[str, str]]:
    """The ways in which the columns may be named: after variable and label, or after the label."""
    yield label_columns(entry, entry.name)
    for stem in (f"{entry.name}_", f"{entry.name}.", ""):
        yield {label: f"{stem}{label}" for label in entry.names}
    yield {label: column.removeprefix("_") for label, column in label_columns(entry, "").items()}


def _joined(frame: pl.DataFrame, entry: Variable, columns: Mapping[str, str], name: str, first: int) -> pl.Series:
    marks = {label: _marks(frame[column], name, first) for label, column in columns.items()}
    table = pl.DataFrame(marks)
    some, all_filled = (
        table.select(f(pl.all().is_not_null())).to_series() for f in (pl.any_horizontal, pl.all_horizontal)
    )
    any_one = table.select(pl.any_horizontal(pl.all().fill_null(False))).to_series()
    _require_whole_rows(some & ~all_filled & ~any_one, table, columns, name, first)
    words = pl.concat_list(pl.when(pl.col(label)).then(pl.lit(label)) for label in entry.names)
    joined = table.select(words.list.drop_nulls().list.join(";").replace("", "[]")).to_series()
    return joined.set(~some, None)


def _marks(cells: pl.Series, name: str, first: int) -> pl.Series:
    """Whether each cell says yes, null where it is empty."""
    words = _words(cells)
    strange = words.is_not_null() & ~words.is_in(MARKS)
    if strange.any():
        row = int(strange.arg_max() or 0)
        where = f"{name}, row {row + first}, column {cells.name!r}"
        what = f"{where}: {cells[row]!r} is neither 0 nor 1 ({counted(int(strange.sum()), 'such cell', 'such cells')})."
        raise AnnotuneError(what, "A column named like a label says 1 where a text has it, and 0 where not.")
    return words.is_in(YES)


def _words(cells: pl.Series) -> pl.Series:
    """Cells in lower case, null where they are empty."""
    words = cells.cast(pl.String).str.strip_chars().str.to_lowercase()
    return words.set(words.is_in(["", *MISSING_WORDS]), None)


def _require_whole_rows(
    partial: pl.Series, table: pl.DataFrame, columns: Mapping[str, str], name: str, first: int
) -> None:
    if partial.any():
        row = int(partial.arg_max() or 0)
        column = next(columns[label] for label in table.columns if table[label][row] is None)
        rows = counted(int(partial.sum()), "such row", "such rows")
        what = f"{name}, row {row + first}, column {column!r}: the cell is empty beside others that are 0 ({rows})."
        raise AnnotuneError(what, "Write 0 where a label does not apply, or leave the whole row empty.")
