"""What the page shows of a text: itself, what stands before and after it, a marked passage, and further columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from annotune.data.corpus import Corpus
from annotune.data.frames import require_columns

NEIGHBOURS = 3  # texts of the same document on either side
RIGHT_TO_LEFT = ("R", "AL")


@dataclass(frozen=True)
class Columns:
    """Which columns of the corpus are shown beside the text.

    Attributes
    ----------
    show
        Columns that are shown with their names.
    before, after
        Columns with the text before and after.
    document
        The column with each text's document: the texts before and after it there, in the corpus's order, are shown.
    mark
        The column with a passage of the text that is marked.
    """

    show: Sequence[str] = ()
    before: str | None = None
    after: str | None = None
    document: str | None = None
    mark: str | None = None

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        named = (*self.show, self.before, self.after, self.document, self.mark)
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True)
class Texts:
    """The corpus as coders see it.

    Examples
    --------
    >>> from annotune.data.corpus import read_corpus
    >>> corpus = read_corpus(pl.DataFrame({"unit_id": ["a"], "text": ["The court has ruled."], "said": ["court"]}))
    >>> shown = Texts(corpus, Columns(mark="said")).shown("a")
    >>> shown["text"], shown["mark"], shown["dir"]
    ('The court has ruled.', [4, 9], 'ltr')
    """

    corpus: Corpus
    columns: Columns = Columns()
    _rows: Mapping[str, int] = field(init=False, repr=False)
    _places: Mapping[str, tuple[Sequence[int], int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_columns(self.corpus, self.columns.names, "The corpus")
        rows = {unit: row for row, unit in enumerate(self.corpus["unit_id"])}
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_places", self._in_documents())

    def __contains__(self, unit_id: str) -> bool:
        return unit_id in self._rows

    def shown(self, unit_id: str) -> dict[str, Any]:
        """The text and what is shown with it, as JSON has it: `text`, `before`, `after`, `mark`, `dir` and `shown`.

        `mark` has the start and the end of the marked passage in characters (code points); None without one.
        """
        row = self.corpus.row(self._rows[unit_id], named=True)
        text, columns = row["text"] or "", self.columns
        before, after = self._neighbours(unit_id)
        return {
            "text": text,
            "before": [*before, *_passages(row[columns.before] if columns.before else None)],
            "after": [*_passages(row[columns.after] if columns.after else None), *after],
            "mark": _marked(text, row, columns.mark) if columns.mark else None,
            "dir": direction(text),
            "shown": {name: "" if row[name] is None else str(row[name]) for name in columns.show},
        }

    def begins(self, unit_id: str, length: int) -> str:
        """The first characters of a text."""
        return str(self.corpus["text"][self._rows[unit_id]] or "")[:length]

    def _in_documents(self) -> dict[str, tuple[Sequence[int], int]]:
        """Of each text the rows of its document, and its place among them."""
        if self.columns.document is None:
            return {}
        documents: dict[Any, list[int]] = {}
        for row, document in enumerate(self.corpus[self.columns.document]):
            if document is not None:
                documents.setdefault(document, []).append(row)
        units = self.corpus["unit_id"]
        return {units[row]: (rows, place) for rows in documents.values() for place, row in enumerate(rows)}

    def _neighbours(self, unit_id: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        rows, place = self._places.get(unit_id, ((), 0))
        texts = self.corpus["text"]
        before, after = rows[max(place - NEIGHBOURS, 0) : place], rows[place + 1 : place + 1 + NEIGHBOURS]
        return (
            [{"text": texts[row]} for row in before if texts[row]],
            [{"text": texts[row]} for row in after if texts[row]],
        )


def direction(text: str) -> str:
    """Which way a text is read, by its first letter: `rtl`, `ltr`, or `auto` where it has none.

    >>> direction("(שלום)"), direction("1. Why?"), direction("?")
    ('rtl', 'ltr', 'auto')
    """
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next(("rtl" if kind in RIGHT_TO_LEFT else "ltr" for kind in kinds if kind in ("L", *RIGHT_TO_LEFT)), "auto")


def _passages(cell: Any) -> list[dict[str, str]]:
    """A cell with a text, or with a list of them."""
    texts = cell if isinstance(cell, (list, tuple, pl.Series)) else [cell]
    return [{"text": str(text)} for text in texts if text is not None and str(text).strip()]


def _marked(text: str, row: Mapping[str, Any], name: str) -> list[int] | None:
    """Where a passage is in the text, by its words, or by a list of its start and end in characters.

    Words that are in the text several times are where columns `<name>_start` and `<name>_end` say, if there are any.
    """
    cell, stated = row[name], [row.get(f"{name}_start"), row.get(f"{name}_end")]
    if all(isinstance(place, (int, float)) and 0 <= place <= len(text) for place in stated):
        start, end = (int(place) for place in stated if place is not None)
        cell = [start, end] if text[start:end] == cell else cell
    if isinstance(cell, (list, tuple, pl.Series)) and len(cell) == 2:
        start, end = (min(max(int(place), 0), len(text)) for place in cell)
    else:
        passage = "" if cell is None else str(cell)
        start = text.find(passage) if passage else -1
        end = start + len(passage)
    return [start, end] if 0 <= start < end else None
