"""What a result says of itself in a console and in a notebook: a few sentences and its leading table."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from annotune.numbers import with_interval
from annotune.text_table import Column, Say, TextTable, screen_width, wrapped

MOST_ROWS = 20  # of a table that a console or a cell shows
NUMBER, WORDS = "padding:0 .8em;text-align:right", "padding:0 .8em;text-align:left"

Part = str | TextTable


class Readable(ABC):
    """Results that are read: a class says with `_parts` what is most worth reading, and both forms follow from it."""

    __slots__ = ()

    @abstractmethod
    def _parts(self) -> Iterable[Part]:
        """The sentences and tables, in their order."""

    def __repr__(self) -> str:
        """The parts as lines that fit the terminal."""
        width = screen_width()
        return "\n".join(line for part in self._parts() for line in _lines(part, width))

    def _repr_html_(self) -> str:
        """The parts for a cell of a notebook."""
        return "<div>" + "".join(_html(part) for part in self._parts()) + "</div>"


def brief_table(frame: pl.DataFrame, names: Sequence[str] | None = None, form: str = ".3f") -> TextTable:
    """A frame's columns as a table: numbers with three decimals, a dash where there is none."""
    columns = [
        Column(name.replace("_", " "), _cell(name, form), words=not frame.schema[name].is_numeric(), last=place)
        for place, name in enumerate(names or frame.columns)
    ]
    return TextTable(frame.select(names or frame.columns), tuple(columns), "")


def shortened(names: Sequence[str], most: int = 12) -> str:
    """The names in a row, and how many more there are.

    >>> shortened(["Health", "Law", "Trade"], most=2)
    'Health, Law and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _cell(name: str, form: str) -> Say:
    def say(row: object) -> str:
        value = row[name]  # type: ignore[index]
        if isinstance(value, float):
            return with_interval(value, None, None, form)
        return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

    return say


def _lines(part: Part, width: int) -> Iterator[str]:
    if isinstance(part, str):
        yield from wrapped(part, width)
        return
    shown, more = _beginning(part)
    yield from shown.text(width).splitlines()
    yield from [more] if more else []


def _html(part: Part) -> str:
    if isinstance(part, str):
        return f"<p>{html.escape(part)}</p>"
    shown, more = _beginning(part)
    head = "".join(_html_cell("th", column, column.heading) for column in shown.columns)
    rows = "".join(
        "<tr>" + "".join(_html_cell("td", column, column.say(row)) for column in shown.columns) + "</tr>"
        for row in shown.frame.to_dicts()
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return table + (f"<p>{html.escape(more)}</p>" if more else "")


def _html_cell(tag: str, column: Column, text: str) -> str:
    return f'<{tag} style="{WORDS if column.words else NUMBER}">{html.escape(text.replace(chr(9), " "))}</{tag}>'


def _beginning(table: TextTable) -> tuple[TextTable, str]:
    """The first rows of a table, and how many there are besides."""
    more = len(table.frame) - MOST_ROWS
    if more <= 0:
        return table, ""
    return TextTable(
        table.frame.head(MOST_ROWS), table.columns, table.elsewhere, table.title
    ), f"... {more:,} more rows"
