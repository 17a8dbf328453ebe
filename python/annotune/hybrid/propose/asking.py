"""One coder is asked about texts: only what the store has not, within a limit of cost, and kept answer by answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from annotune.hybrid.propose.batches import collect
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.plan import Usage
from annotune.hybrid.propose.prices import Price
from annotune.hybrid.propose.provider import Answer, Question
from annotune.hybrid.propose.requests import Book
from annotune.hybrid.propose.tokens import tokens_of
from annotune.progress import bar

AT_ONCE = 500  # answers that are written together where they take no time,
SLOW = {"openai": 1, "decoder": 50}  # and where they do: a run that is killed has to ask for these again


@dataclass
class Purse:
    """What was spent in this run, and whether one more question may be asked.

    Attributes
    ----------
    book
        Where it is written what leaves.
    per_call
        What a call is reckoned to cost.
    limit
        In US dollars; no limit where it is None.
    """

    book: Book
    price: Price | None
    per_call: float = 0.0
    limit: float | None = None
    spent: float = 0.0
    calls: int = 0
    is_empty: bool = field(default=False)

    def leaving(self, questions: Sequence[Question]) -> None:
        """Write down that these questions leave now."""
        if self.book.host:
            self.book.leaving(questions)

    def may_go_on(self, in_flight: int) -> bool:
        """Whether what is spent, what is in flight and one more call are within the limit."""
        each = max(self.per_call, self.spent / self.calls if self.calls else 0.0)
        self.is_empty = self.limit is not None and self.spent + (in_flight + 1) * each > self.limit + 1e-12
        return not self.is_empty

    def cost(self, answer: Answer, reckoned: int, usage: Usage) -> float | None:
        """What an answer cost: by the tokens that the endpoint counted, or that it was reckoned with."""
        if self.price is None or answer.status == "error":
            return None
        read = answer.tokens_in if answer.tokens_in is not None else round(reckoned * usage.ratio)
        written = answer.tokens_out if answer.tokens_out is not None else tokens_of(answer.raw or "")
        cost = self.price.of(read, written)
        self.spent, self.calls = self.spent + cost, self.calls + 1
        return cost


def ask(book: Book, questions: Sequence[Question], purse: Purse, usage: Usage) -> None:
    """Ask what has no answer in the store yet; equal texts are asked about once.

    Raises
    ------
    AnnotuneError
        Where the model answers nothing any more; what was answered is kept.
    """
    left = book.copy_known(questions)
    once = {question.question: question for question in reversed(left)}
    first = [question for question in left if once[question.question] is question]
    prompt = tokens_of(book.provider.prompt)
    try:
        with bar(f"Asking {book.coder}", len(first)) as advance:
            for answers in _parts(book.provider.answers(first, purse), SLOW.get(book.provider.kind, AT_ONCE)):
                book.keep(
                    [
                        (answer, purse.cost(answer, prompt + tokens_of(answer.question.text), usage))
                        for answer in answers
                    ]
                )
                advance(len(answers))
    finally:
        book.copy_known([question for question in left if once[question.question] is not question])


def collected(endpoint: Endpoint, book: Book, questions: Sequence[Question], purse: Purse, usage: Usage) -> None:
    """Keep the answers of batches that are finished."""
    by_key = {question.key: question for question in questions}
    prompt = tokens_of(endpoint.prompt)
    for answers in _parts(collect(endpoint, book, by_key), AT_ONCE):
        book.keep([(answer, purse.cost(answer, prompt + tokens_of(answer.question.text), usage)) for answer in answers])


def _parts(answers: Iterator[Answer], size: int) -> Iterator[list[Answer]]:
    """So many at a time."""
    while part := list(itertools.islice(answers, size)):
        yield part
