"""Words in place of numbers and answers: which mean that something is missing, and which only look so.

One list for every format, so that a column reads alike from csv and from Excel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from annotune.errors import counted, listing

ALL_COLUMNS = ("*",)  # as `strings`: keep every column as it is written
MISSING_WORDS = ("na", "n/a", "nan", ".", "#n/a")  # how R, people, Python, Stata and Excel write that there is nothing
# Words that no one list can decide: None may be a label ("no topic"), or how Python wrote that there is no answer.
PLACEHOLDERS = (
    "none", "null", "nil", "<na>", "n.a.", "n. a.", "k.a.", "k. a.", "n/d", "n.d.", "missing", "no answer",
    "not coded", "uncoded", "undefined", "unlabeled", "unlabelled", "-", "--", "---", "?", "??",
)  # fmt: skip
# Patterns of whole cells, with the blanks around them: cells without these would be a second copy of every text.
_WHOLE, _DECIMAL = r"^\s*[+-]?\d+\s*$", r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_INFINITE = r"(?i)^\s*[+-]?inf(inity)?\s*$"  # as R, Python and pandas write it
_IDENTIFIER = r"^\s*[+-]?(0\d+|\d{16,})\s*$"  # post codes, and numbers beyond what doubles hold
_APART = r" '\u2019\u00a0\u2009\u202f"  # what stands between thousands, beside points and commas
_COMMA = rf"^\s*[+-]?(\d+|\d{{1,3}}([.{_APART}]\d{{3}})+),\d+\s*$"
_GROUPED = r"^\s*[+-]?\d{1,3}(,\d{3})+(\.\d+)?\s*$"
_NUMERAL = rf"^\s*[+\-\u2212]?((\d+|\d{{1,3}}([.,{_APART}]\d{{3}})+)([.,]\d+)?|\d+\.|[.,]\d+)([eE][+-]?\d+)?\s*$"
_TRUTH = r"(?i)^\s*(true|false)\s*$"
_MISSING = rf"(?i)^\s*({'|'.join(map(re.escape, MISSING_WORDS))})\s*$"
_BLANK = r"^\s*$"
_FIRST = 1_000  # cells, of which one that is a word is enough to know a column of words
_MOSTLY, _ENOUGH = 0.8, 5  # the share and count of numbers from which a column of words looks like one of numbers


def are_missing(words: pl.Series) -> pl.Series:
    """Whether each word means that there is nothing; false for null."""
    return words.str.contains(_MISSING).fill_null(False)


def infer(column: pl.Series) -> pl.Series:
    """Texts as numbers or truth values where all of them can be; missing words are null then.

    Integers with a leading zero (post codes) or of more than 15 digits (identifiers) stay text.

    >>> infer(pl.Series(["1", " n/a", "2.5"])).to_list(), infer(pl.Series(["007", "8"])).to_list()
    ([1.0, None, 2.5], ['007', '8'])
    """
    start = column.head(_FIRST)
    numbers = start.str.contains(_DECIMAL) | start.str.contains(_INFINITE)
    kind = _kind(column) if (numbers | start.str.contains(_TRUTH) | _are_nothing(start)).all() else None
    if kind is None:
        return column
    words = column.set(_are_nothing(column), None).str.strip_chars().str.to_lowercase()
    return words == "true" if kind == pl.Boolean else words.cast(kind)


def _are_nothing(column: pl.Series) -> pl.Series:
    """Whether each cell is null, blank, or a word that means that there is nothing."""
    return (column.str.contains(_BLANK) | column.str.contains(_MISSING)).fill_null(True)


def _kind(column: pl.Series) -> pl.DataType | type[pl.DataType] | None:
    """What all cells can be: numbers or truth values; None where they are words, or nothing."""
    nothing = _are_nothing(column)
    if nothing.all() or column.str.contains(_IDENTIFIER).any():
        return None
    if (column.str.contains(_WHOLE) | nothing).all():
        return pl.Int64
    decimal = column.str.contains(_DECIMAL)
    if decimal.any() and (decimal | nothing | column.str.contains(_INFINITE)).all():
        return pl.Float64
    return pl.Boolean if (column.str.contains(_TRUTH) | nothing).all() else None


def inferred(
    written: list[pl.Series], strings: tuple[str, ...], source: str, first: int
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Columns of texts, all but `strings` as numbers or truth values, and notes on what is doubtful in them.

    The list is used up, so that no column is there twice for longer than it takes.
    """
    columns, notes = list[pl.Series](), list[str]()
    while written:
        column = written.pop(0)
        if strings == ALL_COLUMNS or column.name in strings:
            columns.append(column)
        else:
            columns.append(infer(column))
            notes += _notes_on_column(column, columns[-1], source, first)
    return pl.DataFrame(columns), tuple(notes)


def with_numbers_beside_words(
    frame: pl.DataFrame, strings: tuple[str, ...], source: str, first: int
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A sheet's columns of words as numbers where words that mean missing are all that stands beside them.

    A column in which every cell is a text that looks like a number stays as it is: somebody made it so.
    """
    words = [] if strings == ALL_COLUMNS else [column for column in frame if column.dtype == pl.String]
    mixed = [column.name for column in words if are_missing(column).any()]
    numbers, notes = inferred(frame.select(mixed).get_columns(), strings, source, first)
    others = (column for column in words if column.name not in (*mixed, *strings))
    doubts = (note for column in others for note in _notes_on_words(column, source, first))
    return frame.with_columns(numbers), (*notes, *doubts)


def notes_on_blanks(frame: pl.DataFrame, source: str) -> tuple[str, ...]:
    """A note on a table whose columns look separated by blanks, and were read as one.

    >>> notes_on_blanks(pl.DataFrame({"id age": ["1 20", "2 31"]}), "t.txt")[0]
    "t.txt: the one column 'id age' looks like 2, separated by blanks. Put commas or tabs between them."
    >>> notes_on_blanks(pl.DataFrame({"run speed": ["1 1 20", "2 2 31"]}), "t.txt")[0][:52]
    "t.txt: the one column 'run speed' looks like 3, sepa"
    """
    column = frame.to_series() if frame.width == 1 else pl.Series("", [], dtype=pl.String)
    width = len(column.name.split())
    if width < 2 or column.dtype != pl.String or column.is_empty():
        return ()
    fields = column.drop_nulls().str.extract_all(r"\S+")
    n_fields = 0 if fields.is_empty() else int(fields.list.len()[0])
    if (
        n_fields not in (width, width + 1)  # one more where R wrote the names of rows
        or not (fields.list.len() == n_fields).all()
        or not fields.list.eval(pl.element().str.contains(r"\d")).list.any().all()
    ):
        return ()
    what = f"{source}: the one column {column.name!r} looks like {n_fields}, separated by blanks"
    return (f"{what}. Put commas or tabs between them.",)


def _notes_on_column(written: pl.Series, column: pl.Series, source: str, first: int) -> Iterator[str]:
    if column.dtype == pl.String:
        yield from _notes_on_words(column, source, first)
        return
    words = written.filter(are_missing(written)).str.strip_chars()
    unusual = sorted(set(words) - {"NA", "NaN", "nan"})  # R's and Python's own are expected
    if unusual:
        cells = counted(int(words.is_in(unusual).sum()), "cell", "cells")
        what = f"{source}, column {written.name!r}: {listing(unusual)} among numbers"
        yield f"{what} {'is' if len(unusual) == 1 else 'are'} read as missing ({cells})."


def _notes_on_words(column: pl.Series, source: str, first: int) -> Iterator[str]:
    """Notes on a column of words that looks like numbers: as other languages write them, or with words among them."""
    nothing = _are_nothing(column)
    if nothing.all() or column.str.contains(_IDENTIFIER).any():
        return
    looks, read_as_words = f"{source}, column {column.name!r} looks like numbers", "and is read as words"
    whole, commas, grouped = (column.str.contains(pattern) for pattern in (_WHOLE, _COMMA, _GROUPED))
    if (whole | grouped | nothing).all() and grouped.any():
        example = column.filter(grouped)[0].strip()
        yield f"{looks} with commas, such as {example!r}, {read_as_words}. If they are numbers, remove the commas."
    elif (whole | commas | nothing).all() and commas.any():
        example = column.filter(commas)[0].strip()
        what = f"{looks} with decimal commas, such as {example!r}, {read_as_words}."
        yield f"{what} If they are numbers, write decimal points."
    elif ((numbers := column.str.contains(_NUMERAL)) | nothing).all():
        what = f"{looks} written in several ways, such as {listing(_ways(column.filter(~nothing)))}, {read_as_words}."
        yield f"{what} If they are numbers, write decimal points, and nothing between thousands."
    elif numbers.sum() >= max(_ENOUGH, _MOSTLY * int((~nothing).sum())):
        words = ~(numbers | nothing)
        place = int(words.arg_max() or 0)
        others = counted(int(words.sum()), "cell is", "cells are")
        what = f"{looks}, but {others} not, such as {column[place].strip()!r} in row {first + place}, {read_as_words}."
        yield f"{what} If they are to be numbers, correct or empty such cells."


def _ways(numerals: pl.Series) -> list[str]:
    """The first numeral of each way of writing, whole numbers apart.

    >>> _ways(pl.Series(["1.234,50", "2,5", "17", "3,25", "1 234"]))
    ['1.234,50', '2,5', '1 234']
    """
    numerals = numerals.str.strip_chars()
    shapes = pl.DataFrame({"numeral": numerals, "shape": numerals.str.replace_all(r"\d+", "")})
    firsts = shapes.unique("shape", keep="first", maintain_order=True)
    return firsts.filter(pl.col("shape") != "")["numeral"].to_list()
