"""The text of a csv file in parts that end with a row, so that the whole of it need not be there while it is parsed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

NEWLINE, RETURN, QUOTE = b'\n\r"'


class UnusualQuotes(ValueError):
    """A quotation mark inside of a field that none begins: where rows end cannot be told from the marks."""


def row_parts(pieces: Iterable[bytes], delimiter: str) -> Iterator[bytes]:
    r"""The pieces of a text, cut anew where rows end; a row that is longer than a piece stays whole.

    Raises
    ------
    UnusualQuotes
        Where marks do not stand as RFC 4180 has them: around a whole field, and doubled inside.

    Examples
    --------
    >>> list(row_parts([b'a,b\n1,"x', b'\n""y"" z"\n2', b",w"], ","))
    [b'a,b\n', b'1,"x\n""y"" z"\n', b'2,w']
    """
    rest = b""
    for piece in pieces:
        text = rest + piece
        size = _size_of_rows(text, delimiter)
        if size:
            yield text[:size]
        rest = text[size:]
    if rest:
        if _size_of_rows(rest + b"\n", delimiter) != len(rest) + 1:
            raise UnusualQuotes
        yield rest


def first_row(text: bytes) -> bytes:
    r"""The first row of a text, with its line end.

    >>> first_row(b'"a\nb",c\n1,2\n')
    b'"a\nb",c\n'
    """
    end = text.find(b"\n")
    while end >= 0 and text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end + 1)
    return text[: end + 1] if end >= 0 else text


def _size_of_rows(text: bytes, delimiter: str) -> int:
    """How many bytes at the beginning of a text are whole rows; the text begins with one."""
    cells = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero(cells == QUOTE)
    end = text.rfind(b"\n")
    while end >= 0 and (before := int(np.searchsorted(marks, end))) % 2:  # it is inside of a quoted field
        end = text.rfind(b"\n", 0, int(marks[before - 1]))
    marks = marks[: np.searchsorted(marks, end)]
    if end >= 0 and not _are_usual(cells, marks, ord(delimiter)):
        raise UnusualQuotes
    return end + 1


def _are_usual(cells: NDArray[np.uint8], marks: NDArray[np.intp], delimiter: int) -> bool:
    """Whether every other mark begins a field, or doubles the one before it, and the others end it or are doubled."""
    opening, closing = marks[0::2], marks[1::2]
    around = np.array([delimiter, NEWLINE, RETURN], np.uint8)
    is_doubled = np.append(closing[:-1] + 1 == opening[1:], False)
    begins = np.isin(cells[opening - 1], around) | (opening == 0) | np.roll(is_doubled, 1)
    ends = np.isin(cells[closing + 1], around) | is_doubled
    return bool(begins.all() and ends.all())
