"""What came of asking a model: its codes, what they cost, and what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from annotune.errors import counted
from annotune.hybrid.propose.plan import Plan
from annotune.hybrid.propose.prices import dollars
from annotune.readable import Part, Readable, brief_table


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

    @property
    def is_complete(self) -> bool:
        """Whether a further run would ask nothing, and waits for nothing."""
        waiting = (self.requests["status"] == "waiting").any()
        return self.plan.calls == 0 and self.plan.n_left == 0 and not waiting

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
