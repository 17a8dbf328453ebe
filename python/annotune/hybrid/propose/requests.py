"""Questions and answers in the store: what was asked and answered, and what left this machine, when and where to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.deciding import EVIDENCE as EVIDENCE_TYPES
from annotune.errors import AnnotuneError
from annotune.hybrid.page.versions import version_of
from annotune.hybrid.propose.provider import EVIDENCE, Answer, Provider, Question, without_label
from annotune.hybrid.store import Store, now
from annotune.records.fingerprints import fingerprint

REQUEST = (
    "key", "question", "at", "unit_id", "coder", "provider", "model", "reported", "fingerprint", "prompt", "settings",
    "codebook", "answer", "status", "reason", "batch", "tokens_in", "tokens_out", "cost", "seconds", "attempts",
)  # fmt: skip
KEEP = f"INSERT OR REPLACE INTO requests ({', '.join(REQUEST)}) VALUES ({', '.join('?' * len(REQUEST))})"
# What was said about this text before, also as it was worded before.
CLEAR = """DELETE FROM {table}
           WHERE request IN (SELECT key FROM requests WHERE unit_id = :unit_id AND coder = :coder)"""
CLEARED = tuple(CLEAR.format(table=table) for table in ("proposals", "passages"))
KNOWN = """SELECT r.key FROM requests r WHERE question = ? AND status IN ('ok', 'unparsed')
           AND EXISTS (SELECT 1 FROM proposals p WHERE p.request = r.key) LIMIT 1"""
COPIED = (
    """INSERT INTO proposals SELECT :key, variable, place, label, prob, status, reason
       FROM proposals WHERE request = :known""",
    """INSERT INTO passages SELECT :key, variable, place, first, behind, share, text
       FROM passages WHERE request = :known""",
)
PLAIN = {"tokens_in": "0", "tokens_out": "0", "cost": "0.0", "seconds": "0.0", "attempts": "0", "batch": "NULL"}
LEAVE = "INSERT INTO ledger (at, host, request, unit_id, characters, redacted) VALUES (?, ?, ?, ?, ?, ?)"
ROWS = ("unit_id", "variable", "label", "status", "reason")
NUMBERS = {name: EVIDENCE_TYPES[name] for name in ("evidence_share", "evidence_start", "evidence_end")}
TYPES: dict[str, Any] = {
    "unit_id": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "answer": pl.String,
    "reported": pl.String,
    "fingerprint": pl.String,
    "tokens_in": pl.Int64,
    "tokens_out": pl.Int64,
    "cost": pl.Float64,
    "seconds": pl.Float64,
    "attempts": pl.Int64,
    "batch": pl.String,
    "key": pl.String,
    "at": pl.String,
}
LEDGER: dict[str, Any] = {
    "at": pl.String, "host": pl.String, "unit_id": pl.String, "characters": pl.Int64, "redacted": pl.Int64
}  # fmt: skip


@dataclass(frozen=True)
class Book:
    """What one coder was asked and answered, in the store.

    Attributes
    ----------
    provider, coder
        Who answers, and under which name.
    codebook
        What was coded; which version of it is kept beside each answer.
    host
        Where texts go; nothing for a model in this process.
    repeat
        0, or how often it was asked before: a second asking is another question.
    """

    store: Store
    provider: Provider
    coder: str
    codebook: Codebook
    host: str = ""
    repeat: int = 0

    def question(self, unit_id: str, text: str, sent: str, originals: Mapping[str, str]) -> Question:
        """The question about one text, of which `sent` leaves the machine."""
        entries = [entry.model_dump() for entry in self.provider.variables]
        parts = [self._prompt, entries, self.provider.kind, self.provider.model, self._settings, text, sent]
        question = fingerprint(parts)
        return Question(fingerprint([self.coder, unit_id, question]), question, unit_id, sent, originals)

    @property
    def _prompt(self) -> str:
        return fingerprint(self.provider.prompt)

    def answered(self) -> dict[str, str]:
        """The status of every key that is not to be asked again, and of those that wait in a batch."""
        query = """SELECT key, status FROM requests r WHERE coder = ? AND status <> 'error'
                   AND EXISTS (SELECT 1 FROM proposals p WHERE p.request = r.key)"""
        return dict(self.store.table(query, [self.coder]).rows())

    def require_one_setting(self) -> None:
        """Stop where this coder's name stands in the store for another prompt, model or setting."""
        query = "SELECT DISTINCT provider, model, prompt, settings FROM requests WHERE coder = ?"
        own = (self.provider.kind, self.provider.model, self._prompt, self._settings)
        if any(_compared(row) != _compared(own) for row in self.store.table(query, [self.coder]).rows()):
            what = f"The store has proposals by {self.coder!r} with another codebook, model or settings."
            raise AnnotuneError(what, "Give another name with coder=, or leave it out: then every setting has its own.")

    @property
    def _settings(self) -> str:
        more = {"host": self.host} | ({"repeat": self.repeat} if self.repeat else {})
        return json.dumps({**self.provider.settings, **more}, sort_keys=True)

    def keep(self, answers: Sequence[tuple[Answer, float | None]]) -> None:
        """Write answers with what each cost: all of these or, where the machine stops meanwhile, none."""
        with self.store.change() as connection:
            version = version_of(connection, self.codebook)
            for answer, cost in answers:
                key = answer.question.key
                for clear in CLEARED:
                    connection.execute(clear, {"unit_id": answer.question.unit_id, "coder": self.coder})
                connection.execute(KEEP, self._row(answer, cost, version))
                rows = [
                    (key, p.variable, place, p.label, p.prob, p.status, restored(p.reason, answer.question))
                    for place, p in enumerate(answer.proposals)
                ]
                connection.executemany("INSERT INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", _passages(answer))

    def _row(self, answer: Answer, cost: float | None, version: int) -> list[Any]:
        asked = answer.question
        return [
            asked.key, asked.question, now(), asked.unit_id, self.coder, self.provider.kind,
            self.provider.model, answer.reported, answer.fingerprint, self._prompt, self._settings, version,
            answer.raw, answer.status, answer.reason, answer.batch, answer.tokens_in, answer.tokens_out, cost,
            answer.seconds, answer.attempts,
        ]  # fmt: skip

    def keep_missing(self, questions: Sequence[Question]) -> None:
        """Texts that are not there: nothing is asked, and each has its row."""
        rows = without_label(self.provider.variables, "missing")
        self.keep([(Answer(question, "missing", rows, attempts=0), None) for question in questions])

    def copy_known(self, questions: Sequence[Question]) -> list[Question]:
        """Give texts the answers that the store has for equal ones, free of cost; those that are left are returned."""
        left = []
        with self.store.change() as connection:
            for question in questions:
                row = connection.execute(KNOWN, [question.question]).fetchone()
                if row is None:
                    left.append(question)
                    continue
                values = {"key": question.key, "at": now(), "unit_id": question.unit_id, "coder": self.coder}
                own = ", ".join(f":{name}" if name in values else PLAIN.get(name, name) for name in REQUEST)
                values |= {"known": row[0]}
                copied = f"INSERT OR REPLACE INTO requests ({', '.join(REQUEST)}) SELECT {own} FROM requests"
                for clear in CLEARED:
                    connection.execute(clear, values)
                connection.execute(f"{copied} WHERE key = :known", values)
                for copy in COPIED:
                    connection.execute(copy, values)
        return left

    def leaving(self, questions: Sequence[Question]) -> None:
        """Write in the ledger that these questions leave the machine now."""
        prompt = len(self.provider.prompt)
        with self.store.change() as connection:
            connection.executemany(
                LEAVE,
                [(now(), self.host, q.key, q.unit_id, prompt + len(q.text), len(q.originals)) for q in questions],
            )

    def requests(self) -> pl.DataFrame:
        """One row per text that was asked about: what came back, and what it took."""
        query = f"SELECT {', '.join(TYPES)} FROM requests WHERE coder = ? ORDER BY unit_id, at"
        return self.store.table(query, [self.coder], TYPES).unique("unit_id", keep="last", maintain_order=True)

    def proposals(self) -> pl.DataFrame:
        """One row per text and variable, or per label: `unit_id`, `variable`, `label`, `prob`, `status`, `reason`.

        With the share, the start and the end of the passage that decided, where it was asked for; else they are null.
        """
        query = """SELECT r.unit_id, p.variable, p.label, p.prob, p.status, p.reason, w.share AS evidence_share,
                   w.first AS evidence_start, w.behind AS evidence_end
                   FROM proposals p JOIN requests r ON r.key = p.request LEFT JOIN passages w
                   ON w.request = p.request AND w.variable = p.variable AND w.place = p.place
                   WHERE r.coder = ? ORDER BY r.unit_id, p.place"""
        types = dict.fromkeys(ROWS, pl.String) | {"prob": pl.Float64} | NUMBERS
        return self.store.table(query, [self.coder], types)


def _compared(row: tuple[str, ...]) -> tuple[Any, ...]:
    """A provider, model, prompt and settings as they are compared: passages change nothing of the answers."""
    *others, settings = row
    return *others, {name: value for name, value in json.loads(settings).items() if name != EVIDENCE}


def _passages(answer: Answer) -> Iterator[tuple[Any, ...]]:
    """Rows for the passages that decided, with the fingerprint of the text that they are passages of."""
    asked, text = answer.question, fingerprint(answer.question.text)
    for place, proposal in enumerate(answer.proposals):
        if (passage := proposal.passage) is not None:
            yield asked.key, proposal.variable, place, passage.first, passage.behind, passage.share, text


def restored(reason: str, question: Question) -> str:
    """A reason with what stood in the text in place of the placeholders.

    >>> restored("[NAME_1] is thanked.", Question("k", "q", "a", "Thanks, [NAME_1]!", {"[NAME_1]": "Ms Ito"}))
    'Ms Ito is thanked.'
    """
    for placeholder, original in question.originals.items():
        reason = reason.replace(placeholder, original)
    return reason


def ledger_of(store: Store, since: str = "") -> pl.DataFrame:
    """What left this machine: when, where to, which text, how many characters, how many places were redacted."""
    query = f"SELECT {', '.join(LEDGER)} FROM ledger WHERE at >= ? ORDER BY id"
    return store.table(query, [since], LEDGER)
