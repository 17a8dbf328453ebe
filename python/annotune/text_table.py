"""A table as lines of text that fit a screen: no number is cut or broken, and what is left out is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import polars as pl
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

GAP = "  "
NAMES = 0.4  # the share of a line that names may take before columns are left out for them
WRAPPING = Console(width=80)  # which rich asks for; the widths are given with each text

Say = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a printed table.

    Attributes
    ----------
    heading
        Its name for a reader.
    say
        What it says of a row of the frame. A tab is where the column's rows are aligned.
    last
        How dispensable it is: where a line is too long, columns with the highest number go first; 0 always stays.
    brief
        A shorter way to say it, which is tried before any column is left out; of numbers, without the interval.
    words
        Names: to the left, and on two lines where one is longer than its share of the line.
    above
        Said once above the table where it is the same in all rows.
    group
        Said once for all rows that follow; where lines are too long, on a line of its own.
    """

    heading: str
    say: Say
    last: int = 0
    brief: Say | None = None
    words: bool = False
    above: bool = False
    group: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A column with its cells, and on which side they stand."""

    column: Column
    cells: tuple[str, ...]
    left: bool

    @property
    def least(self) -> int:
        """The width without which the heading is cut, or a number; for names that of the widest letters."""
        if self.column.words:
            return max(2, cell_len(self.column.heading))
        return max(map(cell_len, (self.column.heading, *self.cells)))

    @property
    def natural(self) -> int:
        """The width at which every cell takes one line."""
        return max(self.least, *map(cell_len, (self.column.heading, *self.cells)))


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is printed: a sentence above, the lines of the header, those of the body, a sentence below."""

    above: tuple[str, ...]
    header: tuple[str, ...]
    body: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextTable:
    """A frame as it is printed, in the width that there is.

    Attributes
    ----------
    frame
        A row of it is a row of the table.
    columns
        How it is said.
    elsewhere
        A sentence on where to find the columns that are left out.
    title
        Printed above.
    """

    frame: pl.DataFrame
    columns: tuple[Column, ...]
    elsewhere: str = "A wider window shows more."
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        if self.title:
            yield Text(self.title, style="italic")
        parts = fitted(self.frame, self.columns, options.max_width, self.elsewhere)
        for lines, style in ((parts.above, ""), (parts.header, "bold"), (parts.body, ""), (parts.below, "dim")):
            yield from (Text(line, style, no_wrap=True, overflow="ignore") for line in lines)

    def text(self, width: int | None = None) -> str:
        """The lines as one string; the width is the terminal's where none is given, 80 where there is no terminal."""
        parts = fitted(self.frame, self.columns, width or screen_width(), self.elsewhere)
        return "\n".join([*parts.above, *parts.header, *parts.body, *parts.below])


def screen_width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken between words; a longer word is broken itself.

    >>> wrapped("International Affairs and Foreign Aid", 24)
    ['International Affairs', 'and Foreign Aid']
    """
    return [line.plain.rstrip() for line in Text(text).wrap(WRAPPING, width, overflow="fold")]


def fitted(frame: pl.DataFrame, columns: Sequence[Column], width: int, elsewhere: str = "") -> Fitted:
    """The frame's rows in lines of at most `width` columns.

    What is the same in all rows is said above. Where lines are too long, names of groups get lines of their own; then
    columns are said in brief or left out, the most dispensable first, until names have their share of the line; and
    names that are longer than that take two lines.

    Examples
    --------
    >>> frame = pl.DataFrame({"label": ["International Affairs and Foreign Aid"], "n": [1200], "seconds": [0.25]})
    >>> name = Column("label", lambda row: row["label"], words=True)
    >>> n = Column("texts", lambda row: f"{row['n']:,}")
    >>> seconds = Column("seconds", lambda row: f"{row['seconds']}", last=1)
    >>> found = fitted(frame, [name, n, seconds], 24, "See the file.")
    >>> print(*found.header, *found.body, *found.below, sep=chr(10))
    label              texts
    International      1,200
    Affairs and
    Foreign Aid
    Left out for lack of
    width: seconds. See the
    file.
    """
    rows = frame.to_dicts()
    shown = [one for one in (_shown(column, rows) for column in columns) if any(one.cells) or not rows]
    same = [one for one in shown if one.column.above and len(set(one.cells)) == 1]
    rest = [one for one in shown if one not in same]
    grouped, kept = _chosen(rest, rows, width)
    names, table = [[one for one in kept if (one.column.group and grouped) is side] for side in (True, False)]
    header, body = _lines(table if grouped else _once(table), width - len(GAP) * grouped)
    told = _left_out(rest, kept)
    return Fitted(
        tuple(
            wrapped("; ".join(f"{one.column.heading}: {one.cells[0].strip()}" for one in same), width) if same else ()
        ),
        tuple(GAP * grouped + line for line in header),
        tuple(_under_names(names, body, width)) if grouped else tuple(line for row in body for line in row),
        tuple(wrapped(f"Left out for lack of width: {told}. {elsewhere}", width)) if told else (),
    )


def _shown(column: Column, rows: Sequence[Mapping[str, Any]], brief: bool = False) -> Shown:
    say = column.brief if brief and column.brief is not None else column.say
    cells = [say(row) for row in rows]
    if column.words:
        return Shown(column, tuple(re.sub(r"\s", " ", cell) for cell in cells), left=True)
    aligned = any("\t" in cell for cell in cells)
    return Shown(column, _aligned(cells) if aligned else tuple(cells), left=aligned)


def _aligned(cells: Sequence[str]) -> tuple[str, ...]:
    """What stands before a tab ends at one place; what stands behind it begins at the next."""
    parts = [cell.partition("\t") for cell in cells]
    before = max(cell_len(first) for first, _, _ in parts)
    return tuple(f"{first:>{before}} {rest}".rstrip() for first, _, rest in parts)


def _chosen(shown: list[Shown], rows: Sequence[Mapping[str, Any]], width: int) -> tuple[bool, list[Shown]]:
    """Whether groups have lines of their own, and what is shown: the first of the ways that fits."""
    groups = any(one.column.group for one in shown)
    for grouped in (False, True) if groups else (False,):
        if _length(shown, grouped, [one.natural for one in shown]) <= width:
            return grouped, shown
    for kept in _ways(shown, rows):
        line = [one for one in kept if not one.column.group]
        if _length(line, groups, _fair(line, width)) <= width:
            break
    return groups, kept


def _ways(shown: list[Shown], rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Shown]]:
    """All columns; one after the other in brief; one after the other left out."""
    yield shown
    order = sorted((one.column for one in shown if one.column.last), key=lambda column: -column.last)
    for column in (column for column in order if column.brief is not None):
        shown = [_shown(column, rows, brief=True) if one.column is column else one for one in shown]
        yield shown
    for column in order:
        shown = [one for one in shown if one.column is not column]
        yield shown


def _length(shown: Sequence[Shown], grouped: bool, widths: Sequence[int]) -> int:
    own = [width for one, width in zip(shown, widths, strict=True) if not (grouped and one.column.group)]
    return sum(own) + len(GAP) * (len(own) - 1 + grouped)


def _fair(shown: Sequence[Shown], width: int) -> list[int]:
    """Widths with which names have their share of the line, or less where they need less."""
    names = [one for one in shown if one.column.words]
    shares = iter(_shared([one.natural for one in names], [one.least for one in names], int(NAMES * width)))
    return [next(shares) if one.column.words else one.least for one in shown]


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """What each of several gets of a room: what it wants, as far as the others have no less.

    >>> _shared([5, 40, 30], [3, 3, 3], 45)
    [5, 20, 20]
    """
    widths = list(least)
    while sum(widths) < room and (short := [i for i, width in enumerate(widths) if width < wanted[i]]):
        widths[min(short, key=widths.__getitem__)] += 1
    return widths


def _widths(shown: Sequence[Shown], width: int) -> list[int]:
    """The widths of columns in a line; where even headings do not fit, those of names are broken as well."""
    room = width - len(GAP) * (len(shown) - 1)
    least = [one.least for one in shown]
    if sum(least) > room:
        least = [1 if one.column.words else max(map(cell_len, one.cells), default=1) for one in shown]
    return _shared([one.natural for one in shown], least, room)


def _lines(shown: Sequence[Shown], width: int) -> tuple[list[str], list[list[str]]]:
    """The lines of the header, and those of each row."""
    widths = _widths(shown, width)
    rows = zip(*(one.cells for one in shown), strict=True)
    header, *body = (_line(shown, cells, widths) for cells in ([one.column.heading for one in shown], *rows))
    return header, body


def _line(shown: Sequence[Shown], cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    parts = [
        wrapped(cell, width) if cell_len(cell) > width else [cell] for cell, width in zip(cells, widths, strict=True)
    ]
    left = [one.left for one in shown]
    lines = zip_longest(*parts, fillvalue="")
    return [GAP.join(map(_padded, line, widths, left)).rstrip() for line in lines]


def _padded(cell: str, width: int, left: bool) -> str:
    space = " " * (width - cell_len(cell))
    return cell + space if left else space + cell


def _once(shown: Sequence[Shown]) -> list[Shown]:
    """Names of groups in the first of their rows alone."""
    before: list[tuple[str, ...]] = [()] * len(shown[0].cells) if shown else []
    made = []
    for one in shown:
        if one.column.group:
            before = [(*so_far, cell) for so_far, cell in zip(before, one.cells, strict=True)]
            repeated = [i > 0 and before[i] == before[i - 1] for i in range(len(before))]
            one = replace(
                one, cells=tuple("" if again else cell for again, cell in zip(repeated, one.cells, strict=True))
            )
        made.append(one)
    return made


def _under_names(names: Sequence[Shown], body: Sequence[list[str]], width: int) -> Iterator[str]:
    """Rows below the name of their group."""
    before = None
    for lines, cells in zip(body, zip(*(one.cells for one in names), strict=True), strict=True):
        if cells != before:
            yield from wrapped(", ".join(cell for cell in cells if cell), width)
        before = cells
        yield from (GAP + line for line in lines)


def _left_out(shown: Sequence[Shown], kept: Sequence[Shown]) -> str:
    """The columns that are not there, and the intervals that are not said."""
    there = {id(one.column): one for one in kept}
    brief = [
        one.column.heading
        for one in shown
        if id(one.column) in there and there[id(one.column)].cells != one.cells and not one.column.words
    ]
    lost = [one.column.heading for one in shown if id(one.column) not in there]
    return "; ".join([", ".join(lost)] * bool(lost) + [f"the intervals of {', '.join(brief)}"] * bool(brief))
