"""propose(): a model's codes for texts, each asked for and paid for once, kept in the study's store."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import SCHEMA, sound_codings
from annotune.data.corpus import Corpus, read_corpus, sound_corpus
from annotune.errors import AnnotuneError, counted, warn
from annotune.hybrid.propose.asking import Purse, ask, collected
from annotune.hybrid.propose.batches import submit
from annotune.hybrid.propose.one_at_a_time import alone
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.plan import Plan, make_plan, usage_of
from annotune.hybrid.propose.prices import dollars, find_price
from annotune.hybrid.propose.privacy import OPENAI
from annotune.hybrid.propose.proposer import Choice, choose_provider
from annotune.hybrid.propose.provider import Provider, Question
from annotune.hybrid.propose.redaction import Redaction, read_redaction
from annotune.hybrid.propose.requests import Book, ledger_of
from annotune.hybrid.propose.self_agreement import AGAIN, self_agreement, texts_again
from annotune.hybrid.propose.tokens import tokens_of
from annotune.hybrid.store import Store, now, open_store
from annotune.readable import Part, Readable, brief_table
from annotune.records.fingerprints import fingerprint

EXAMPLES = 10  # texts that are shown before and after redaction
AROUND = 60  # characters that are shown around a placeholder
STORED = "SELECT unit_id FROM requests UNION SELECT unit_id FROM draws UNION SELECT unit_id FROM decisions"


@dataclass(frozen=True, repr=False)
class Proposals(Readable):
    """What a model proposed.

    Attributes
    ----------
    coder
        The model's name in tables of codings.
    codings
        A table of codings: one row per text and variable (per label of a set), with the status of each.
    requests
        One row per text that was asked about: `status`, `reason`, `answer` (as it came), `reported` (the model as the
        endpoint calls it), `fingerprint` (of its system), `tokens_in`, `tokens_out`, `cost`, `seconds`, `attempts`.
    reasons
        The model's reasons, where they were asked for: `unit_id`, `variable`, `reason`.
    plan
        What was to be expected.
    cost
        What this run cost in US dollars; None where no price is known.
    agreement
        How far the model agrees with itself, where it was asked again (see `again`).
    ledger
        What this run sent: when, where to, which text, how many characters, how many placeholders.
    store
        The file that it is all in.
    """

    coder: str
    codings: pl.DataFrame
    requests: pl.DataFrame
    reasons: pl.DataFrame
    plan: Plan
    cost: float | None
    agreement: pl.DataFrame
    ledger: pl.DataFrame
    store: Path

    def _parts(self) -> Iterator[Part]:
        """How many texts have which status, what it cost, and how far the model agrees with itself."""
        yield f"Proposals by {self.coder}, in {self.store.name}"
        units = pl.col("unit_id").n_unique().alias("texts")
        yield brief_table(self.codings.group_by("variable", "status", maintain_order=True).agg(units))
        if len(self.ledger):
            sent, to = self.ledger["characters"].sum(), ", ".join(self.ledger["host"].unique().sort())
            yield f"Sent to {to}: {counted(len(self.ledger), 'question', 'questions')}, {sent:,} characters"
        if self.cost:
            yield f"It did cost {dollars(self.cost)}."
        if len(self.agreement):
            yield "Asked again:"
            yield brief_table(self.agreement)


def propose(
    corpus: Any,
    codebook: Codebook,
    model: Any,
    variable: str | Sequence[str] | None = None,
    *,
    store: str | Path,
    provider: Literal["openai", "decoder", "tuned", "dictionary"] | None = None,
    endpoint: str = OPENAI,
    key: str | None = None,
    allow_upload: str | Sequence[str] = (),
    redact: str | Sequence[str] = (),
    names_model: str | None = None,
    region: str | None = None,
    coder: str | None = None,
    drawn: bool = False,
    examples: int = 0,
    reasons: bool = False,
    schema: bool = True,
    probabilities: bool = True,
    temperature: float = 0.0,
    seed: int = 1,
    max_tokens: int = 1024,
    concurrency: int = 8,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    retries: int = 5,
    timeout: float = 60.0,
    price: Sequence[float] | None = None,
    max_cost: float | None = None,
    batch: bool = False,
    again: int = 0,
    dry_run: bool = False,
    confirm: Callable[[Plan], bool] | None = None,
    device: str = "auto",
    **columns: Any,
) -> Proposals:
    """Let a model propose codes, as one more coder; what the store has already is not asked again.

    A run that was stopped, however it was, goes on where it was when it is run again. Nothing leaves the machine for a
    host that is not named in `allow_upload`; every question that leaves is written down in the store before it does.

    Parameters
    ----------
    corpus
        A frame with unit_id and text, or what `read_corpus` takes (with `unit_id=` and `text=`).
    codebook, variable
        What is coded, and which of its variables; all of them are asked for in one question when left out.
    model
        The name of a model behind an endpoint; a `Classifier` or the folder of one; for a `decoder` a folder or a hub
        name; for a `dictionary` a table or a file with a row per label and a column `words` or `regex`.
    store
        The study's store, such as `study.annotune`; it is made where it is not there.
    provider
        Which kind of model it is; when left out, what `model` looks like, and else a model behind an endpoint.
    endpoint
        The address of an OpenAI-compatible endpoint, such as `http://localhost:8000/v1`; OpenAI's own when left out.
    key
        Where the key is: the name of an environment variable, or `keyring:service/user`; never the key itself.
    allow_upload
        The host, or hosts, to which texts may be sent. This machine needs no leave.
    redact, names_model, region
        What is replaced before a text is sent: `names` (found by the spaCy model `names_model`), `mails`, `phones` (of
        the country `region` also without its code), `handles`, `urls`, `ids`.
    coder
        The model's name in tables of codings; by default its own with four digits that tell settings apart.
    drawn
        Only texts that were drawn (see `sample`).
    examples
        How many of the codebook's examples of each label the model is shown.
    reasons
        Whether a short reason is asked for; it is given after the labels and kept apart from them.
    schema, probabilities
        Whether answers are held to the codebook by a JSON schema, and whether log-probabilities are asked for, where
        the endpoint knows them. A label's probability is that of its own words after all that stands before them.
    temperature, seed, max_tokens
        As the endpoint takes them.
    concurrency, requests_per_minute, tokens_per_minute, retries, timeout
        How many questions are in flight at once, how many may leave in a minute, how often each is tried again after a
        failure that may pass, and for how many seconds an answer is awaited.
    price, max_cost
        US dollars per million tokens read and written, where the package's table has none or another; and how many
        dollars this run may cost.
    batch
        Whether the endpoint's batches are used, at half the price where there are some: the first call hands the
        questions in, and the same call, later, collects the answers.
    again
        How many texts are asked about a second time, to see how far the model agrees with itself.
    dry_run
        Only the plan: nothing is sent.
    confirm
        Is shown the plan before anything is asked, and says whether to go on. Without it, `max_cost` must be given
        where something is to be paid.
    device
        Of a decoder or a classifier: `auto`, `cpu`, `cuda` or `mps`.

    Returns
    -------
    Proposals
        With the codings of all texts, in the corpus's order. A text that is not answered has its rows: `unparsed` where
        the answer is none of the codebook's, `error` where there is none (it is asked for again by the next run),
        `missing` where the text is empty or was not asked about yet.

    Raises
    ------
    AnnotuneError
        For a host that was not allowed, a key that is not there or refused, an endpoint that is not there or does not
        answer, a cost beyond `max_cost`, a store that another run uses or that has other texts. What was answered
        before is kept.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> topic = at.Variable(name="topic", labels=(at.Label(code=1, name="Health"), at.Label(code=2, name="Law")))
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": ["More nurses!", "The court has ruled."]})
    >>> words = pl.DataFrame({"label": ["Health", "Law"], "words": ["nurse*, hospital*", "court*"]})
    >>> store = Path(tempfile.mkdtemp()) / "study.annotune"
    >>> proposals = at.propose(corpus, at.Codebook(variables=(topic,)), words, store=store)
    >>> proposals.codings.select("unit_id", "label", "status").rows()
    [('a', 'Health', 'ok'), ('b', 'Law', 'ok')]
    >>> at.read_codings(store)["coder"].unique().to_list() == [proposals.coder]
    True
    """
    _require_sound(again=again, concurrency=concurrency, retries=retries, timeout=timeout, max_tokens=max_tokens)
    texts = read_corpus(corpus, **columns)
    choice = Choice(
        provider=provider,
        endpoint=endpoint,
        key=key,
        allow_upload=allow_upload,
        redaction=read_redaction(redact, names_model, region),
        temperature=temperature,
        seed=seed,
        max_tokens=max_tokens,
        schema=schema,
        probabilities=probabilities,
        reasons=reasons,
        examples=examples,
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        retries=retries,
        timeout=timeout,
        device=device,
        sends=not dry_run,
    )
    proposer, host = choose_provider(model, codebook, variable, choice)
    if batch and not isinstance(proposer, Endpoint):
        raise AnnotuneError("batch= is for models behind an endpoint.", "Leave it out.")
    with open_store(store) as opened:
        _require_this_study(opened, texts)
        chosen = _drawn(opened, texts) if drawn else texts
        book = Book(opened, proposer, coder or _name(proposer, host), Codebook(variables=proposer.variables), host)
        book.require_one_setting()
        task = Task(book, _questions(book, chosen, choice.redaction), chosen, choice, batch, again, seed)
        purse = Purse(book, find_price(host, proposer.model, price, batch), limit=max_cost)
        plan = task.plan(purse)
        since = now()
        if not dry_run:
            _require_consent(plan, max_cost, confirm)
            with alone(opened.path):
                task.carry_out(plan, purse)
        return task.result(plan, purse, since)


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
        return book, _questions(book, chosen, self.choice.redaction)

    def plan(self, purse: Purse) -> Plan:
        """What is to be expected; the second asking of some texts is reckoned with."""
        empty, prompt = self._empty, tokens_of(self.book.provider.prompt)
        left = [one for one in self._left(self.book, self.questions) if one.unit_id not in empty]
        sent = list({one.question: one.text for one in left}.values())
        n_again = min(self.again, len(self.questions) - len(empty))
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
            both = sound_codings(pl.concat([codings, second.select(*SCHEMA)]))
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


def _questions(book: Book, texts: Corpus, redaction: Redaction | None) -> list[Question]:
    """One question per text, in the corpus's order, redacted where that is asked for."""
    questions = []
    for unit, text in zip(texts["unit_id"], texts["text"].fill_null(""), strict=True):
        sent, originals = redaction.redact(text) if redaction else (text, {})
        questions.append(book.question(unit, text, sent, originals))
    return questions


def _name(provider: Provider, host: str) -> str:
    """The model's own name, with four digits that tell its codebook, prompt and settings from others."""
    short = re.sub(r"[^\w.@+-]+", "-", provider.model.split("/")[-1]).strip("-").lower()
    if provider.kind == "tuned":
        return short  # it ends with such digits by itself
    entries = [entry.model_dump() for entry in provider.variables]
    return f"{short}-{fingerprint([provider.kind, provider.prompt, entries, provider.settings, host])[:4]}"


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
    return sound_codings(frame.sort("_unit", "_variable", maintain_order=True).select(*SCHEMA))


def _drawn(store: Store, texts: Corpus) -> Corpus:
    """The texts that were drawn in any wave."""
    units = store.table("SELECT DISTINCT unit_id FROM draws", schema={"unit_id": pl.String})["unit_id"]
    if units.is_empty():
        raise AnnotuneError(f"No text was drawn in {store.path}.", "Draw some with sample, or leave drawn= out.")
    return sound_corpus(texts.filter(pl.col("unit_id").is_in(units.to_list())))


def _require_this_study(store: Store, texts: Corpus) -> None:
    """Stop where a store has texts, and none of them is in the corpus."""
    units = store.table(STORED, schema={"unit_id": pl.String})["unit_id"]
    if len(units) and not texts["unit_id"].is_in(units.to_list()).any():
        what = f"{store.path} is of another study: none of its {len(units):,} texts is in the corpus."
        raise AnnotuneError(what, "Give the store of this study, or another name.")


def _require_sound(**numbers: float) -> None:
    """Stop where a number is too small."""
    least = {"again": 0, "retries": 0, "concurrency": 1, "max_tokens": 1}
    for name, number in numbers.items():
        if number < least.get(name, 0) or (name == "timeout" and number == 0):
            raise AnnotuneError(f"{name}={number} is too small.", f"Give {max(least.get(name, 1), 1)} or more.")


def _require_consent(plan: Plan, max_cost: float | None, confirm: Callable[[Plan], bool] | None) -> None:
    """Stop where something is to be paid, and it was not said how much it may be."""
    if not plan.calls:
        return
    if max_cost is not None and plan.cost is None:
        what = f"No price is known for {plan.model} at {plan.host}, so max_cost={max_cost:g} cannot be kept."
        raise AnnotuneError(what, "Give price=, in dollars per million tokens read and written.")
    if max_cost is not None and plan.cost is not None and plan.cost > max_cost:
        what = f"Asking about {counted(plan.calls, 'text', 'texts')} would cost about {dollars(plan.cost)}"
        raise AnnotuneError(f"{what}, more than max_cost={max_cost:g}.", "Give more, or fewer texts.")
    if confirm is not None:
        if not confirm(plan):
            raise AnnotuneError("Nothing was asked.", "Run the same again to go on.")
        return
    if plan.host:
        for line in repr(plan).splitlines():
            print(line, file=sys.stderr)
    if not plan.is_free and max_cost is None:
        cost = "at a price that is not known" if plan.cost is None else f"for about {dollars(plan.cost)}"
        what = f"{counted(plan.calls, 'text', 'texts')} would be asked about {cost}."
        raise AnnotuneError(
            what, "Say with max_cost= how much it may be" + (" (and price=)." if plan.cost is None else ".")
        )


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
