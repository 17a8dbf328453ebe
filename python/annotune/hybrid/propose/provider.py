"""What every proposer is: it is asked about texts, and answers text by text.

A new kind is one file with a class that has these attributes and `answers`; `openai.py`, `decoder.py`, `tuned.py` and
`dictionary.py` are such files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import polars as pl

from annotune.data.codebook import Variable

EVIDENCE = "evidence"  # the setting under which passages are asked for; labels and probabilities are the same


@dataclass(frozen=True)
class Question:
    """One text that a model is asked about.

    Attributes
    ----------
    key
        Under it the answer is kept: the fingerprint of `question` and of the text's identifier.
    question
        The fingerprint of all that the answer depends on; equal texts have the same.
    unit_id, text
        The text, as it is sent.
    originals
        What stood in the text where it now has a placeholder.
    """

    key: str
    question: str
    unit_id: str
    text: str
    originals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Passage:
    """The passage of a text that decided: from its first character up to the one after its last, and its share."""

    first: int
    behind: int
    share: float


@dataclass(frozen=True)
class Proposal:
    """One label for one variable, or why there is none; `passage` is known of models that were asked for it."""

    variable: str
    label: str | None
    prob: float | None
    status: str
    reason: str = ""
    passage: Passage | None = None


@dataclass(frozen=True)
class Answer:
    """What came back for one question.

    Attributes
    ----------
    status
        `ok`, `unparsed` (an answer that is none of the codebook's, at least for one variable), `error` (no answer; the
        next run asks again) or `waiting` (in a batch).
    raw
        The answer as it came.
    reason
        Why there is no answer, or what is wrong with it.
    reported, fingerprint
        The model and the system as the endpoint calls them.
    settings
        What the endpoint took of the settings, where it did not take all.
    """

    question: Question
    status: str
    proposals: tuple[Proposal, ...]
    raw: str | None = None
    reason: str = ""
    reported: str = ""
    fingerprint: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None
    attempts: int = 1
    batch: str | None = None
    settings: Mapping[str, Any] | None = None


class Watch(Protocol):
    """What a proposer tells before it sends something, and asks before it goes on."""

    def leaving(self, questions: Sequence[Question]) -> None:
        """Write down that these questions leave now."""

    def may_go_on(self, in_flight: int) -> bool:
        """Whether one more question may be asked while so many are not yet answered."""


class Provider(Protocol):
    """A proposer of one kind."""

    @property
    def kind(self) -> str:
        """The name of the kind: `openai`, `decoder`, `tuned` or `dictionary`."""

    @property
    def model(self) -> str:
        """The model's name, without the folder that it is in."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What it is asked for."""

    @property
    def prompt(self) -> str:
        """What it is told before each text; nothing where it is not told anything."""

    @property
    def settings(self) -> dict[str, Any]:
        """All else that the answers depend on."""

    def answers(self, questions: Sequence[Question], watch: Watch) -> Iterator[Answer]:
        """An answer to every question, in any order, as they come."""


def without_label(variables: Sequence[Variable], status: str, reason: str = "") -> tuple[Proposal, ...]:
    """One row per variable that says why there is no label.

    >>> vote = Variable(name="vote", labels=({"code": 1, "name": "yes"}, {"code": 0, "name": "no"}))
    >>> without_label([vote], "error", "timed out")
    (Proposal(variable='vote', label=None, prob=None, status='error', reason='timed out', passage=None),)
    """
    return tuple(Proposal(entry.name, None, None, status, reason) for entry in variables)


def from_codings(codings: pl.DataFrame, questions: Sequence[Question]) -> Iterator[Answer]:
    """A table of codings by a model in this process, as answers to the questions, in their order."""
    columns = codings.select("variable", "label", "prob", "status")
    rows: dict[str, list[Proposal]] = {}
    for unit_id, row, passage in zip(codings["unit_id"], columns.iter_rows(), _passages(codings), strict=True):
        rows.setdefault(unit_id, []).append(replace(Proposal(*row), passage=passage))
    for question in questions:
        proposals = tuple(rows[question.unit_id])
        statuses = {proposal.status for proposal in proposals}
        yield Answer(question, "error" if "error" in statuses else "ok", proposals)


def _passages(codings: pl.DataFrame) -> list[Passage | None]:
    """The passage of each row, where `classify` was asked for them."""
    if "evidence_start" not in codings.columns:
        return [None] * len(codings)
    numbers = codings.select("evidence_start", "evidence_end", "evidence_share").rows()
    return [None if first is None else Passage(first, behind, share) for first, behind, share in numbers]
