"""Lines of description between the names of the columns and the first row, as survey tools export them.

Qualtrics writes the question and, in JSON, an identifier below each name: {"ImportId":"QID1_TEXT"}. Its Excel files
have the questions alone. There the column ResponseId tells: below its question every cell is of the form R_1aB2c.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from annotune.errors import counted

IMPORT_ID = r'^\s*\{"ImportId"'
MOST_LINES = 3  # below the names
RESPONSES, RESPONSE = "ResponseId", r"^\s*R_\w+\s*$"
HEADER = 1  # rows above the first one


@dataclass(frozen=True)
class Rows:
    """The rows of a table, what its lines of description say about columns, and the number of the first row."""

    frame: pl.DataFrame
    headings: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    first: int = HEADER + 1


def without_descriptions(frame: pl.DataFrame, file: str) -> Rows:
    """The rows below the lines of description, if there are some; the questions become variable labels."""
    last = _last_identifier(frame)
    lines = last + 1 or _questions(frame)
    if not lines:
        return Rows(frame)
    questions = frame.row(0, named=True) if last else {}  # identifiers alone are none
    headings = {name: " ".join(str(text).split()) for name, text in questions.items() if text not in (None, name)}
    what = f"{file}: {counted(lines, 'line', 'lines')} of description below the names of the columns"
    what += " is no row" if lines == 1 else " are no rows"
    note = f"{what}; the questions are variable labels." if questions else f"{what}."
    return Rows(frame[lines:], headings, (note,), HEADER + 1 + lines)


def _last_identifier(frame: pl.DataFrame) -> int:
    """The row with the identifiers in JSON; -1 where there is none."""
    texts = [column for column in frame.head(MOST_LINES) if column.dtype == pl.String]
    return max((row for column in texts for row in column.str.contains(IMPORT_ID).arg_true()), default=-1)


def _questions(frame: pl.DataFrame) -> int:
    """1 where the first row is questions: its response's name is none, and those of all rows below are."""
    names = frame[RESPONSES] if RESPONSES in frame.columns else pl.Series(dtype=pl.Null)
    if names.dtype != pl.String or len(names) < 2:
        return 0
    are_names = names.str.contains(RESPONSE).fill_null(True)
    return int(not are_names[0] and bool(are_names[1:].all()) and names[1:].count() > 0)
