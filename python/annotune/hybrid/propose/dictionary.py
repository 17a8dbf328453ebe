"""A dictionary as a proposer: words or regular expressions for each label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotune.data.codebook import Codebook, Variable
from annotune.data.corpus import load
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid.propose.provider import Answer, Proposal, Question, Watch

WORDS, REGEX = "words", "regex"
SEPARATORS = re.compile(r"[;,\n]")


@dataclass(frozen=True)
class Dictionary:
    """Patterns for each label of some variables; a text gets the label of which most is found in it.

    Attributes
    ----------
    patterns
        For each variable and label the expressions that are sought.
    """

    model: str
    variables: tuple[Variable, ...]
    patterns: dict[str, dict[str, tuple[str, ...]]]
    kind: str = "dictionary"

    @property
    def prompt(self) -> str:
        """It is told nothing."""
        return ""

    @property
    def settings(self) -> dict[str, Any]:
        """Every expression that it seeks."""
        return {"patterns": self.patterns}

    def answers(self, questions: Sequence[Question], _: Watch) -> Iterator[Answer]:
        """The labels whose expressions are found."""
        compiled = {
            name: {label: [re.compile(pattern, re.I) for pattern in patterns] for label, patterns in labels.items()}
            for name, labels in self.patterns.items()
        }
        for question in questions:
            rows = [row for entry in self.variables for row in _rows(entry, compiled[entry.name], question.text)]
            yield Answer(question, "ok", tuple(rows))


def _rows(entry: Variable, patterns: dict[str, list[re.Pattern[str]]], text: str) -> list[Proposal]:
    """The label with most finds, of equal ones the codebook's first; of a set all with one; else that none applies."""
    finds = {label: sum(1 for one in several for _ in one.finditer(text)) for label, several in patterns.items()}
    labels = [label for label in entry.names if finds.get(label)]
    if not labels:
        return [Proposal(entry.name, None, None, "none")]
    if entry.kind != "multilabel":
        labels = [max(labels, key=lambda label: finds[label])]
    return [Proposal(entry.name, label, None, "ok") for label in labels]


def read_dictionary(source: Any, codebook: Codebook) -> Dictionary:
    r"""A dictionary from a table with a row per label: `label` (or `name`), and `words` or `regex`.

    Words stand with commas or semicolons between them, are sought whole and whatever their case; `nurs*` is every word
    that begins so. Several rows for a label add up. Where the codebook has several variables, a column `variable` says
    which one a row is about; those without a row are left out.

    Raises
    ------
    AnnotuneError
        Naming the row of a label that the codebook has not, of an empty cell, and of what is no regular expression.

    Examples
    --------
    >>> import polars as pl
    >>> from annotune import Codebook, Variable
    >>> labels = ({"code": 1, "name": "Health"}, {"code": 2, "name": "Law"})
    >>> book = Codebook(variables=(Variable(name="topic", labels=labels),))
    >>> table = pl.DataFrame({"label": ["Health", "Law"], "words": ["nurs*, hospital", "court"]})
    >>> read_dictionary(table, book).patterns
    {'topic': {'Health': ('\\bnurs\\w*', '\\bhospital\\b'), 'Law': ('\\bcourt\\b',)}}
    """
    frame, name, first = load(source, "The dictionary", (), None)
    label_column = "label" if "label" in frame.columns else "name"
    require_columns(frame, [label_column], name)
    column = next((one for one in (WORDS, REGEX) if one in frame.columns), None)
    if column is None:
        raise AnnotuneError(f"{name} has no column {WORDS!r} or {REGEX!r}.", "Put what is sought for each label there.")
    patterns: dict[str, dict[str, tuple[str, ...]]] = {}
    for number, row in enumerate(frame.iter_rows(named=True), start=first):
        where = f"{name}, row {number}"
        entry = codebook.variable(row.get("variable"))
        label = str(row[label_column]).strip()
        if label not in entry.names:
            raise AnnotuneError(f"{where}: {label!r} is no label of {entry.name!r}.", nearest(label, entry.names))
        sought = _patterns(row[column], column, f"{where}, column {column!r}")
        labels = patterns.setdefault(entry.name, {})
        labels[label] = (*labels.get(label, ()), *sought)
    variables = tuple(entry for entry in codebook.variables if entry.name in patterns)
    title = Path(source).stem if isinstance(source, (str, Path)) else "dictionary"
    return Dictionary(title, variables, patterns)


def _patterns(cell: Any, column: str, where: str) -> tuple[str, ...]:
    """A cell's regular expression, or one for each of its words."""
    text = "" if cell is None else str(cell).strip()
    if column == REGEX:
        sought = [text] if text else []
    else:
        sought = [_word(word.strip()) for word in SEPARATORS.split(text) if word.strip(" *")]
    if not sought:
        raise AnnotuneError(f"{where}: the cell is empty.", "Say what is sought for this label, or remove the row.")
    for pattern in sought:
        try:
            empty = re.compile(pattern).match("")
        except re.error as error:
            raise AnnotuneError(f"{where}: {pattern!r} is no regular expression: {error}.", "Mend it.") from None
        if empty:
            what = f"{where}: {pattern!r} is found in every text, because it may be empty."
            raise AnnotuneError(what, "Have it ask for at least one letter.")
    return tuple(sought)


def _word(word: str) -> str:
    r"""A word as a regular expression: whole, or with any ending where it has a star.

    >>> _word("nurs*"), _word("health care"), _word("c++")
    ('\\bnurs\\w*', '\\bhealth\\s+care\\b', '\\bc\\+\\+')
    """
    stem = word.rstrip("*")
    begins = r"\b" if re.match(r"\w", stem) else ""
    ends = r"\w*" if word != stem else r"\b" if re.search(r"\w$", stem) else ""
    return begins + r"\s+".join(re.escape(part) for part in stem.split()) + ends
