"""The content of a report in any format: sections of sentences, tables and figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from annotune import numbers

TALL = 480  # points
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")  # control characters, refused by XML


@dataclass(frozen=True)
class Table:
    """A table as printed: every cell is text.

    Attributes
    ----------
    caption
        Its content, in a sentence.
    header
        The names of the columns.
    rows
        The rows, with one cell per column.
    words
        The number of columns, from the left, with words; the others hold numbers.
    notes
        Notes below the table.
    shades
        For each row a share from 0 to 1 for each of the number columns: the shade of its cell. Empty for none.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    notes: tuple[str, ...] = ()
    shades: tuple[tuple[float, ...], ...] = ()

    def shade(self, row: int, column: int) -> float:
        """The shade of a cell, from 0 to 1."""
        return self.shades[row][column - self.words] if self.shades and column >= self.words else 0.0


@dataclass(frozen=True)
class Figure:
    """A figure as SVG for a page of HTML, its description for readers who cannot see it, and its caption."""

    svg: str
    alt: str
    caption: str

    @property
    def tall(self) -> bool:
        """Whether it takes most of a printed page."""
        box = re.search(r'viewBox="[-\d.]+ [-\d.]+ [-\d.]+ ([\d.]+)"', self.svg)
        return box is not None and float(box[1]) > TALL


@dataclass(frozen=True)
class Section:
    """A section: its title, and its sentences, tables and figures."""

    title: str
    parts: tuple[str | Table | Figure, ...]


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes
    ----------
    title
        The title of the page.
    sections
        The sections in their order.
    methods, references
        Sentences to paste into a paper, and the works they cite.
    record
        The record of models and data: pairs of name and value under headings.
    missing
        The missing sections, and the inputs they need.
    """

    title: str
    sections: tuple[Section, ...]
    methods: str = ""
    references: tuple[str, ...] = ()
    record: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def tables(self) -> list[Table]:
        """All tables, in their order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Table)]


def plain(text: Any) -> Any:
    """The text without control characters, which no page can hold; other values unchanged.

    >>> plain("tab" + chr(0) + "le")
    'table'
    """
    return UNPRINTABLE.sub("", text) if type(text) is str else text


def number(value: float | None, digits: int = 3) -> str:
    """A number in a table; a dash for None.

    >>> number(0.12345), number(None)
    ('0.123', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    r"""An interval in words, without a line break; an empty text for None.

    >>> interval(0.1, 0.25, 2)
    '0.10\xa0to\xa00.25'
    """
    return "" if low is None or high is None else f"{number(low, digits)}\u00a0to\u00a0{number(high, digits)}"


def with_interval(row: dict[str, Any], digits: int = 3) -> str:
    """An estimate with its interval (`estimate`, `ci_low`, `ci_high`), the interval with two digits."""
    span = interval(row["ci_low"], row["ci_high"], 2)
    return number(row["estimate"], digits) + (f" ({span})" if span else "")


def p_value(p: float | None) -> str:
    """A p-value as papers print it."""
    return "–" if p is None else numbers.p_value(p)


def count(n: int) -> str:
    """A number of things."""
    return f"{n:,}"


def listed(names: Iterable[Any]) -> str:
    """`a, b and c`.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    words: Sequence[str] = [str(name) for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}" if words else ""
