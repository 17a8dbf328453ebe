"""A model proposes codes, into the study's store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.options import Id, Text, listed
from annotune.commands.screen import console, files, save
from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from annotune.hybrid.propose.plan import Plan

ADDRESS = "An OpenAI-compatible endpoint; OpenAI's own by default."
KEY = "The environment variable that holds the key, or keyring:service/user; never the key itself."
ALLOW = "A host that texts may be sent to; repeatable. This machine needs no leave."
REDACT = "What is replaced before sending: names, mails, phones, handles, urls, ids, with commas between."
PRICE = "Dollars per million tokens read and written, with a comma between, such as 0.25,2."
BATCH = "Hand the questions in as a batch, or collect the answers of one."


def propose(
    corpus: Annotated[Path, typer.Argument(help="The texts to code.")],
    model: Annotated[str, typer.Argument(help="A model's name, a folder, or a dictionary's file.")],
    codebook: Annotated[Path, typer.Option(help="What is coded.")],
    store: Annotated[Path, typer.Option(help="The study's store, such as study.annotune.")],
    variable: Annotated[str | None, typer.Option(help="Which variables, with commas between; all by default.")] = None,
    provider: Annotated[str | None, typer.Option(help="openai, decoder, tuned or dictionary.")] = None,
    endpoint: Annotated[str | None, typer.Option(help=ADDRESS)] = None,
    key: Annotated[str | None, typer.Option(help=KEY)] = None,
    allow_upload: Annotated[list[str] | None, typer.Option(help=ALLOW)] = None,
    redact: Annotated[str | None, typer.Option(help=REDACT)] = None,
    names_model: Annotated[str | None, typer.Option(help="A model for spaCy that knows names.")] = None,
    region: Annotated[str | None, typer.Option(help="The country of telephone numbers without a code: GB.")] = None,
    coder: Annotated[str | None, typer.Option(help="The model's name in tables of codings.")] = None,
    drawn: Annotated[bool, typer.Option(help="Only texts that were drawn.")] = False,
    unit_id: Id = "unit_id",
    text: Text = "text",
    examples: Annotated[int, typer.Option(help="How many of the codebook's examples of each label to show.")] = 0,
    evidence: Annotated[bool, typer.Option(help="Of a tuned model: keep the passage that decided.")] = False,
    reasons: Annotated[bool, typer.Option(help="Ask for a short reason as well.")] = False,
    schema: Annotated[bool, typer.Option(help="Hold the answers to the codebook by a JSON schema.")] = True,
    probabilities: Annotated[bool, typer.Option(help="Ask for log-probabilities.")] = True,
    temperature: Annotated[float, typer.Option(help="Of the model.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the model, and of the texts that are asked about again.")] = 1,
    max_tokens: Annotated[int, typer.Option(help="The most that an answer may have.")] = 1024,
    concurrency: Annotated[int, typer.Option(help="Questions at once.")] = 8,
    requests_per_minute: Annotated[int | None, typer.Option(help="At most so many questions a minute.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(help="At most so many tokens a minute.")] = None,
    retries: Annotated[int, typer.Option(help="How often a question is tried again.")] = 5,
    timeout: Annotated[float, typer.Option(help="Seconds that an answer is awaited.")] = 60.0,
    price: Annotated[str | None, typer.Option(help=PRICE)] = None,
    max_cost: Annotated[float | None, typer.Option(help="The most that this run may cost, in dollars.")] = None,
    batch: Annotated[bool, typer.Option(help=BATCH)] = False,
    again: Annotated[int, typer.Option(help="Ask about so many texts a second time.")] = 0,
    dry_run: Annotated[bool, typer.Option(help="Only the plan: nothing is sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go on without asking.")] = False,
    write: Annotated[list[Path] | None, typer.Option(help="The codings as a file as well; repeatable.")] = None,
    device: Annotated[str, typer.Option(help="Of a decoder or a classifier: auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Let a model propose codes; what the study's store has already is not asked again."""
    from annotune.commands import display
    from annotune.commands.options import require_outputs
    from annotune.data.codebook import read_codebook
    from annotune.data.corpus import read_corpus
    from annotune.hybrid.propose.privacy import OPENAI
    from annotune.hybrid.propose.propose import propose as ask

    require_outputs(write, corpus, codebook, store)
    options: dict[str, Any] = {
        "provider": provider,
        "endpoint": endpoint or OPENAI,
        "key": key,
        "allow_upload": allow_upload or (),
        "redact": listed(redact) or (),
        "names_model": names_model,
        "region": region,
        "coder": coder,
        "drawn": drawn,
        "examples": examples,
        "evidence": evidence,
        "reasons": reasons,
        "schema": schema,
        "probabilities": probabilities,
        "temperature": temperature,
        "seed": seed,
        "max_tokens": max_tokens,
        "concurrency": concurrency,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "retries": retries,
        "timeout": timeout,
        "price": _price(price),
        "max_cost": max_cost,
        "batch": batch,
        "again": again,
        "dry_run": dry_run,
        "device": device,
    }
    texts = read_corpus(corpus, unit_id, text)
    book = read_codebook(codebook)
    proposals = ask(texts, book, model, listed(variable), store=store, confirm=_confirmation(yes), **options)
    if dry_run:
        console.print(repr(proposals.plan), markup=False)
        return
    console.print(display.counts(proposals.codings))
    console.print("\n".join(_after(proposals)), markup=False)
    save(proposals.codings, write)
    files([store, *(write or [])])


def _confirmation(yes: bool) -> Any:
    """Shows the plan, and asks where a person can answer and something is to be paid."""

    def confirm(plan: Plan) -> bool:
        console.print(repr(plan), markup=False)
        if yes or plan.is_free:
            return True
        if not sys.stdin.isatty():
            raise AnnotuneError("Nobody can be asked here whether to go on.", "Add --yes, best with --max-cost.")
        return typer.confirm("Ask?", default=False)

    return confirm


def _after(proposals: Any) -> list[str]:
    """What was sent, what it cost, and how far the model agrees with itself, in lines."""
    _, _, *lines = repr(proposals).splitlines()
    first = next(
        (place for place, line in enumerate(lines) if line.startswith(("Sent", "It did", "Asked"))), len(lines)
    )
    return lines[first:]


def _price(price: str | None) -> list[float] | None:
    """The two amounts of `read,written`."""
    if price is None:
        return None
    try:
        return [float(amount) for amount in price.split(",")]
    except ValueError:
        raise AnnotuneError(f"--price {price!r} is not two numbers.", "Such as 0.25,2.") from None
