"""Before anything is asked: how many calls, tokens, seconds, and dollars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from annotune.errors import counted
from annotune.hybrid.propose.prices import Price, dollars
from annotune.hybrid.propose.tokens import tokens_of
from annotune.hybrid.store import Store
from annotune.progress import duration
from annotune.readable import Part, Readable

SECONDS = 2.0  # of a call, as long as none was made
EARLIER = """SELECT key, tokens_in, coalesce(tokens_out, 0), coalesce(seconds, 0) FROM requests
             WHERE coder = ? AND tokens_in > 0 AND status IN ('ok', 'unparsed')"""


@dataclass(frozen=True)
class Usage:
    """What one call takes: tokens read beside the text and written, and seconds.

    Attributes
    ----------
    ratio
        Tokens that were read for each that was reckoned with.
    calls
        How many calls this is known from; 0 where it is assumed.
    """

    written: float
    seconds: float = SECONDS
    ratio: float = 1.0
    calls: int = 0


@dataclass(frozen=True, repr=False)
class Plan(Readable):
    """What a run will ask, and what that takes.

    Attributes
    ----------
    coder, model, host
        Who is asked, and where; no host for a model in this process.
    n_units, n_answered, n_missing
        Texts, those with an answer in the store, and those without a text.
    calls
        Questions that will be asked: equal texts are one.
    tokens_in, tokens_out, seconds
        Estimates; seconds is None where nothing is sent.
    cost
        In US dollars; None where no price is known.
    price
        The price it was reckoned with.
    examples
        Up to ten texts before and after redaction.
    """

    coder: str
    model: str
    host: str
    n_units: int
    n_answered: int
    n_missing: int
    calls: int
    tokens_in: int
    tokens_out: int
    seconds: float | None
    cost: float | None
    price: Price | None
    usage: Usage
    examples: pl.DataFrame

    @property
    def n_left(self) -> int:
        """Texts that are neither answered nor empty."""
        return self.n_units - self.n_answered - self.n_missing

    @property
    def is_free(self) -> bool:
        """Whether it is known that nothing is to be paid."""
        return self.cost == 0

    def _parts(self) -> Iterator[Part]:
        """What will be asked, what that takes, and what will be sent in place of what stands in the texts."""
        where = f" at {self.host}" if self.host else ", in this process"
        yield f"{self.coder}: {self.model}{where}"
        known = [counted(self.n_answered, "has", "have") + " an answer in the store"] if self.n_answered else []
        known += [counted(self.n_missing, "is empty", "are empty")] if self.n_missing else []
        yield f"{counted(self.n_units, 'text', 'texts')}{': ' if known else ''}{', '.join(known)}"
        if self.seconds is None:
            yield f"{counted(self.calls, 'text', 'texts')} to code; nothing is sent and nothing is paid."
            return
        basis = f"from {counted(self.usage.calls, 'earlier call', 'earlier calls')}" if self.usage.calls else "assumed"
        yield (
            f"{counted(self.calls, 'call', 'calls')}, about {self.tokens_in:,} tokens read and {self.tokens_out:,} "
            f"written, {duration(self.seconds)} ({basis})"
        )
        yield f"Cost: {_in_dollars(self)}"
        for before, after in self.examples.iter_rows():
            yield f"  {before}"
            yield f"  -> {after}"


def _in_dollars(plan: Plan) -> str:
    if plan.cost is None or plan.price is None:
        return "not known: give price=, in dollars per million tokens read and written"
    return f"about {dollars(plan.cost)} ({plan.price.source})"


def make_plan(
    *,
    coder: str,
    model: str,
    host: str,
    texts: Mapping[str, int],
    sent: Sequence[str],
    prompt: str,
    usage: Usage,
    price: Price | None,
    concurrency: int,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    examples: pl.DataFrame,
) -> Plan:
    """The plan for asking about texts.

    Parameters
    ----------
    texts
        `n_units`, `n_answered` and `n_missing`.
    sent
        The texts that will be asked about, each once.
    """
    read = round(usage.ratio * sum(tokens_of(prompt) + tokens_of(text) for text in sent))
    written = round(usage.written * len(sent))
    minutes = [len(sent) / requests_per_minute] if requests_per_minute else []
    minutes += [(read + written) / tokens_per_minute] if tokens_per_minute else []
    seconds = max([len(sent) * usage.seconds / concurrency, *(60 * each for each in minutes)])
    return Plan(
        coder,
        model,
        host,
        **texts,
        calls=len(sent),
        tokens_in=read,
        tokens_out=written,
        seconds=seconds if host else None,
        cost=price.of(read, written) if price else None,
        price=price,
        usage=usage,
        examples=examples,
    )


def usage_of(store: Store, coder: str, expected: int, reckoned: Mapping[str, int]) -> Usage:
    """What a call takes by this coder's earlier ones in the store, or by assumption.

    Parameters
    ----------
    expected
        The tokens that an answer is assumed to have.
    reckoned
        For the keys of questions how many tokens they were reckoned with.
    """
    rows = [row for row in store.table(EARLIER, [coder]).rows() if row[0] in reckoned]
    if not rows:
        return Usage(float(expected))
    keys, read, written, seconds = zip(*rows, strict=True)
    ratio = sum(read) / sum(reckoned[key] for key in keys)
    return Usage(sum(map(float, written)) / len(rows), sum(map(float, seconds)) / len(rows), ratio, len(rows))
