"""Words in place of numbers and answers: which mean that something is missing, and which only look so.

One list for every format, so that a column reads alike from csv and from Excel.
"""

from __future__ import annotations

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
_WHOLE, _DECIMAL = r"^[+-]?\d+$", r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITE = r"^(?i)[+-]?inf(inity)?$"  # as R, Python and pandas write it
_IDENTIFIER = r"^[+-]?(0\d+|\d{16,})$"  # post codes, and numbers beyond what doubles hold
_APART = r" '\u2019\u00a0\u2009\u202f"  # what stands between thousands, beside points and commas
_COMMA = rf"^[+-]?(\d+|\d{{1,3}}([.{_APART}]\d{{3}})+),\d+$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_NUMERAL = rf"^[+\-\u2212]?((\d+|\d{{1,3}}([.,{_APART}]\d{{3}})+)([.,]\d+)?|\d+\.|[.,]\d+)([eE][+-]?\d+)?$"
_MOSTLY, _ENOUGH = 0.8, 5  # the share and count of numbers from which a column of words looks like one of numbers


def are_missing(words: pl.Series) -> pl.Series:
    """Whether each word means that there is nothing; false for null."""
    return words.str.strip_chars().str.to_lowercase().is_in(MISSING_WORDS).fill_null(False)


def infer(column: pl.Series) -> pl.Series:
    """Texts as numbers or truth values where all of them can be; missing words are null then.

    Integers with a leading zero (post codes) or of more than 15 digits (identifiers) stay text.

    >>> infer(pl.Series(["1", " n/a", "2.5"])).to_list(), infer(pl.Series(["007", "8"])).to_list()
    ([1.0, None, 2.5], ['007', '8'])
    """
    words = column.str.strip_chars()
    words = words.set(are_missing(words) | (words == ""), None)
    present = words.drop_nulls()
    if present.is_empty() or present.str.contains(_IDENTIFIER).any():
        return column
    for pattern, dtype in ((_WHOLE, pl.Int64), (_DECIMAL, pl.Float64)):
        if present.str.contains(pattern).all():
            return words.cast(dtype)
    decimal = present.str.contains(_DECIMAL)
    if decimal.any() and (decimal | present.str.contains(_INFINITE)).all():
        return words.str.to_lowercase().cast(pl.Float64)
    if present.str.to_lowercase().is_in(["true", "false"]).all():
        return words.str.to_lowercase() == "true"
    return column


def inferred(
    written: pl.DataFrame, strings: tuple[str, ...], source: str, first: int
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A table of texts, all but `strings` as numbers or truth values, and notes on what is doubtful in it."""
    names = [] if strings == ALL_COLUMNS else [name for name in written.columns if name not in strings]
    frame = written.with_columns(infer(written[name]) for name in names)
    return frame, tuple(note for name in names for note in _notes_on_column(written[name], frame[name], source, first))


def with_numbers_beside_words(
    frame: pl.DataFrame, strings: tuple[str, ...], source: str, first: int
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A sheet's columns of words as numbers where words that mean missing are all that stands beside them.

    A column in which every cell is a text that looks like a number stays as it is: somebody made it so.
    """
    words = [] if strings == ALL_COLUMNS else [column for column in frame if column.dtype == pl.String]
    mixed = [column.name for column in words if are_missing(column).any()]
    numbers, notes = inferred(frame.select(mixed), strings, source, first)
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
    words = column.str.strip_chars()
    present = words.set(are_missing(words) | (words == ""), None).drop_nulls()
    if present.is_empty() or present.str.contains(_IDENTIFIER).any():
        return
    looks, read_as_words = f"{source}, column {column.name!r} looks like numbers", "and is read as words"
    whole, commas, grouped = (present.str.contains(pattern) for pattern in (_WHOLE, _COMMA, _GROUPED))
    if (whole | grouped).all() and grouped.any():
        example = present.filter(grouped)[0]
        yield f"{looks} with commas, such as {example!r}, {read_as_words}. If they are numbers, remove the commas."
    elif (whole | commas).all() and commas.any():
        example = present.filter(commas)[0]
        what = f"{looks} with decimal commas, such as {example!r}, {read_as_words}."
        yield f"{what} If they are numbers, write decimal points."
    elif (numbers := present.str.contains(_NUMERAL)).all():
        what = f"{looks} written in several ways, such as {listing(_ways(present))}, {read_as_words}."
        yield f"{what} If they are numbers, write decimal points, and nothing between thousands."
    elif numbers.sum() >= max(_ENOUGH, _MOSTLY * len(present)):
        example = present.filter(~numbers)[0]
        row = first + int((words == example).arg_max() or 0)
        others = counted(int((~numbers).sum()), "cell is", "cells are")
        what = f"{looks}, but {others} not, such as {example!r} in row {row}, {read_as_words}."
        yield f"{what} If they are to be numbers, correct or empty such cells."


def _ways(numerals: pl.Series) -> list[str]:
    """The first numeral of each way of writing, whole numbers apart.

    >>> _ways(pl.Series(["1.234,50", "2,5", "17", "3,25", "1 234"]))
    ['1.234,50', '2,5', '1 234']
    """
    shapes = pl.DataFrame({"numeral": numerals, "shape": numerals.str.replace_all(r"\d+", "")})
    firsts = shapes.unique("shape", keep="first", maintain_order=True)
    return firsts.filter(pl.col("shape") != "")["numeral"].to_list()
