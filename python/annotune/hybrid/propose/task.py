"""One coder and its questions: what they will cost, the asking, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from annotune.data.codings import SCHEMA, sound_codings
from annotune.data.corpus import Corpus, sound_corpus
from annotune.data.deciding import with_passages
from annotune.errors import warn
from annotune.hybrid.propose.asking import Purse, ask, collected
from annotune.hybrid.propose.batches import submit
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.plan import Plan, make_plan, usage_of
from annotune.hybrid.propose.prices import dollars
from annotune.hybrid.propose.proposals import Proposals
from annotune.hybrid.propose.proposer import Choice
from annotune.hybrid.propose.provider import Provider, Question
from annotune.hybrid.propose.redaction import Redaction
from annotune.hybrid.propose.requests import NUMBERS, Book, ledger_of
from annotune.hybrid.propose.self_agreement import AGAIN, self_agreement, texts_again
from annotune.hybrid.propose.tokens import tokens_of

EXAMPLES = 10  # texts that are shown before and after redaction
AROUND = 60  # characters that are shown around a placeholder


@dataclass(frozen=True)
class Task:
    """One coder and the questions that it is to answer."""

    book: Book
    questions: list[Question]
    texts: Corpus
    choice: Choice
    batch: bool
    again: int
    seed: int

    @property
    def _empty(self) -> set[str]:
        return set(self.texts.filter(pl.col("text").is_null())["unit_id"])

    def _left(self, book: Book, questions: Sequence[Question]) -> list[Question]:
        """The questions that have no answer in the store, and none on the way."""
        known = book.answered()
        return [question for question in questions if question.key not in known]

    def _repeated(self) -> tuple[Book, list[Question]]:
        """The same coder asked a second time about some of the texts that it answered."""
        book = replace(self.book, coder=self.book.coder + AGAIN, repeat=1)
        status = self.book.answered()
        answered = [one.unit_id for one in self.questions if status.get(one.key) in ("ok", "unparsed")]
        units = set(texts_again(answered, self.again, self.seed))
        chosen = sound_corpus(self.texts.filter(pl.col("unit_id").is_in(units)))
        return book, questions_about(book, chosen, self.choice.redaction)

    def plan(self, purse: Purse) -> Plan:
        """What is to be expected; the second asking of some texts is reckoned with."""
        empty, prompt = self._empty, tokens_of(self.book.provider.prompt)
        left = [one for one in self._left(self.book, self.questions) if one.unit_id not in empty]
        sent = list({one.question: one.text for one in left}.values())
        repeated, asked = self._repeated()  # of a second asking, what is answered is not asked for either
        n_again = min(self.again, len(self.questions) - len(empty)) - len(asked) + len(self._left(repeated, asked))
        again = [one.text for one in self.questions if one.unit_id not in empty][:n_again]
        reckoned = {one.key: prompt + tokens_of(one.text) for one in self.questions}
        expected = tokens_of(_expected(self.book.provider, self.choice.reasons))
        n_known = len(self.questions) - len(empty) - len(left)
        choice = self.choice
        plan = make_plan(
            coder=self.book.coder,
            model=self.book.provider.model,
            host=self.book.host,
            texts={"n_units": len(self.questions), "n_answered": n_known, "n_missing": len(empty)},
            sent=[*sent, *again],
            prompt=self.book.provider.prompt,
            usage=usage_of(self.book.store, self.book.coder, expected, reckoned),
            price=purse.price,
            concurrency=choice.concurrency,
            requests_per_minute=choice.requests_per_minute,
            tokens_per_minute=choice.tokens_per_minute,
            examples=_examples(left),
        )
        purse.per_call = plan.cost / plan.calls if plan.cost and plan.calls else 0.0
        return plan

    def carry_out(self, plan: Plan, purse: Purse) -> None:
        """Ask, within the limit of cost; what is in batches is collected first."""
        book, empty = self.book, self._empty
        left = self._left(book, self.questions)
        book.keep_missing([one for one in left if one.unit_id in empty])
        left = [one for one in left if one.unit_id not in empty]
        provider = book.provider
        if isinstance(provider, Endpoint):
            collected(provider, book, self.questions, purse, plan.usage)
        if self.batch and isinstance(provider, Endpoint):
            ask(book, left[:1], purse, plan.usage)  # what it takes of the settings is known before thousands are sent
            remaining = self._left(book, left)
            if remaining:
                submit(provider, book, list({one.question: one for one in book.copy_known(remaining)}.values()))
        else:
            ask(book, left, purse, plan.usage)
        if self.again and not purse.is_empty:
            repeated, questions = self._repeated()
            ask(repeated, self._left(repeated, questions), replace(purse, book=repeated), plan.usage)
        _tell(purse, provider)

    def result(self, plan: Plan, purse: Purse, since: str) -> Proposals:
        """What the store has about these texts by now."""
        book = self.book
        rows = book.proposals()
        codings = _in_order(rows, self.texts, [entry.name for entry in book.provider.variables], book.coder)
        agreement = pl.DataFrame()
        if self.again:
            repeated = replace(book, coder=book.coder + AGAIN)
            second = repeated.proposals().with_columns(coder=pl.lit(repeated.coder))
            both = sound_codings(pl.concat([codings.select(*SCHEMA), second.select(*SCHEMA)]))
            agreement = self_agreement(both, book.codebook)
        return Proposals(
            coder=book.coder,
            codings=codings,
            requests=book.requests(),
            reasons=rows.filter(pl.col("status").is_in(["ok", "none"]) & (pl.col("reason") != "")).select(
                "unit_id", "variable", "reason"
            ),
            plan=plan,
            cost=purse.spent if purse.price else None,
            agreement=agreement,
            ledger=ledger_of(book.store, since),
            store=book.store.path,
        )


def questions_about(book: Book, texts: Corpus, redaction: Redaction | None) -> list[Question]:
    """One question per text, in the corpus's order, redacted where that is asked for."""
    questions = []
    for unit, text in zip(texts["unit_id"], texts["text"].fill_null(""), strict=True):
        sent, originals = redaction.redact(text) if redaction else (text, {})
        questions.append(book.question(unit, text, sent, originals))
    return questions


def _expected(provider: Provider, reasons: bool) -> str:
    """An answer of usual length."""
    return provider.prompt.rpartition("such as ")[2] + " and a reason of one short sentence" * reasons


def _examples(questions: Sequence[Question]) -> pl.DataFrame:
    """The surroundings of the first placeholder in some texts, before and after."""
    rows: list[tuple[str, str]] = []
    for question in questions:
        if question.originals and len(rows) < EXAMPLES:
            placeholder = next(iter(question.originals))
            place = max(question.text.find(placeholder) - AROUND // 2, 0)
            after = " ".join(question.text[place : place + AROUND + len(placeholder)].split())
            before = after
            for name, original in question.originals.items():
                before = before.replace(name, original)
            rows.append((before, after))
    return pl.DataFrame(rows, schema={"before": pl.String, "after": pl.String}, orient="row")


def _in_order(rows: pl.DataFrame, texts: Corpus, variables: Sequence[str], coder: str) -> pl.DataFrame:
    """A row per text and variable, or per label, in the corpus's order; `missing` where nobody was asked yet."""
    units = texts.select("unit_id").with_row_index("_unit")
    frame = units.join(pl.DataFrame({"variable": variables}).with_row_index("_variable"), how="cross")
    frame = frame.join(rows, on=["unit_id", "variable"], how="left", maintain_order="left_right")
    frame = frame.with_columns(pl.col("status").fill_null("missing"), pl.lit(coder).alias("coder"))
    ordered = frame.sort("_unit", "_variable", maintain_order=True)
    if ordered["evidence_start"].null_count() == len(ordered):
        return sound_codings(ordered.select(*SCHEMA))
    return with_passages(sound_codings(ordered.select(*SCHEMA, *NUMBERS)), texts)


def _tell(purse: Purse, provider: Provider) -> None:
    """What the user should know of how it went."""
    if purse.is_empty:
        warn(f"Stopped at {dollars(purse.spent)}: one more call could pass max_cost={purse.limit:g}.")
    if isinstance(provider, Endpoint) and provider.refused:
        warn(f"{provider.host} knows nothing of {', '.join(sorted(provider.refused))}: asked without.")
    if isinstance(provider, Endpoint):
        reported = purse.book.requests()["reported"].unique().to_list()
        others = [name for name in reported if name and not _is_same(name, provider.model)]
        if others:
            warn(f"{provider.host} says that {others[0]!r} answered, and {provider.model!r} was asked.")


def _is_same(reported: str, model: str) -> bool:
    """Whether a reported name is the model's, which may have a date or a folder more."""
    return model.split("/")[-1].lower() in reported.lower() or reported.lower() in model.lower()
