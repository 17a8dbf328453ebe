"""propose(): a model's codes for texts, each asked for and paid for once, kept in the study's store."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import Corpus, read_corpus, sound_corpus
from annotune.errors import AnnotuneError, counted
from annotune.hybrid.propose.asking import Purse
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.plan import Plan
from annotune.hybrid.propose.prices import dollars, find_price
from annotune.hybrid.propose.privacy import OPENAI
from annotune.hybrid.propose.proposals import Proposals
from annotune.hybrid.propose.proposer import Choice, choose_provider
from annotune.hybrid.propose.provider import Provider
from annotune.hybrid.propose.redaction import read_redaction
from annotune.hybrid.propose.requests import Book
from annotune.hybrid.propose.task import Task, questions_about
from annotune.hybrid.store import Store, now, open_store
from annotune.records.fingerprints import fingerprint
from annotune.records.lock import locked

STORED = "SELECT unit_id FROM requests UNION SELECT unit_id FROM draws UNION SELECT unit_id FROM decisions"


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
    evidence: bool = False,
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
    evidence
        Of a tuned model: whether the passage that decided is kept with each label (see `Classifier.classify`); the
        coding page shows it where it shows the proposal. It changes no answer.
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
        With the codings of all texts, in the corpus's order, with `evidence` the passages beside them. A text that is
        not answered has its rows: `unparsed` where the answer is none of the codebook's, `error` where there is none
        (it is asked for again by the next run), `missing` where the text is empty or was not asked about yet.

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
        evidence=evidence,
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
        book = Book(opened, proposer, coder or _name(proposer, host), codebook, host)
        book.require_one_setting()
        task = Task(book, questions_about(book, chosen, choice.redaction), chosen, choice, batch, again, seed)
        purse = Purse(book, find_price(host, proposer.model, price, batch), limit=max_cost)
        plan = task.plan(purse)
        since = now()
        if not dry_run:
            _require_consent(plan, max_cost, confirm)
            with locked(lock_of(opened.path), str(opened.path)):
                task.carry_out(plan, purse)
        return task.result(plan, purse, since)


def lock_of(store: Path) -> Path:
    """The folder that says who asks for a store: two runs at a time would pay for the same texts twice."""
    return store.with_name(f".{store.name}-lock")


def _name(provider: Provider, host: str) -> str:
    """The model's own name, with four digits that tell its codebook, prompt and settings from others."""
    short = re.sub(r"[^\w.@+-]+", "-", provider.model.split("/")[-1]).strip("-").lower()
    if provider.kind == "tuned":
        return short  # it ends with such digits by itself
    entries = [entry.model_dump() for entry in provider.variables]
    return f"{short}-{fingerprint([provider.kind, provider.prompt, entries, provider.settings, host])[:4]}"


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
