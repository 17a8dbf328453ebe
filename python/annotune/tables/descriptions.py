"""Lines of description between the names of the columns and the first row, as survey tools export them.

Qualtrics writes the question and, in JSON, an identifier below each name: {"ImportId":"QID1_TEXT"}.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from annotune.errors import counted

IMPORT_ID = r'^\s*\{"ImportId"'
MOST_LINES = 3  # below the names
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
    texts = [column for column in frame.head(MOST_LINES) if column.dtype == pl.String]
    last = max((row for column in texts for row in column.str.contains(IMPORT_ID).arg_true()), default=-1)
    if last < 0:
        return Rows(frame)
    lines = last + 1
    questions = frame.row(0, named=True) if last else {}
    headings = {name: " ".join(str(text).split()) for name, text in questions.items() if text not in (None, name)}
    what = f"{file}: {counted(lines, 'line', 'lines')} of description below the names of the columns"
    note = (
        f"{what} {'is' if lines == 1 else 'are'} no rows; the questions are variable labels."
        if last
        else (f"{what} is no row.")
    )
    return Rows(frame[lines:], headings, (note,), HEADER + 1 + lines)
