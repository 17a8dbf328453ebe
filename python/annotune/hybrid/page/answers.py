"""From what the page sends to decisions in the store: each answer once, and none changed; an undo is added as well."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import pydantic

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError
from annotune.hybrid.page.arms import Proposal
from annotune.hybrid.page.work import Task
from annotune.hybrid.store import Store, now

MOST_SECONDS = 3600.0  # that are counted of one text
LONGEST_NOTE = 4000
DECISION = """
    INSERT INTO decisions
    (at, unit_id, variable, coder, labels, status, wave, arm, codebook, proposals, seconds, unsure, note)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
ENTRY = """
    INSERT INTO entries (coder, key, at, content, unit_id, seconds, first, last, undoes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
KEPT = "at, unit_id, variable, coder, labels, status, wave, arm, codebook, proposals, seconds, unsure, note"
LAST_ENTRY = """
    SELECT id, unit_id, first, last FROM entries e INDEXED BY entries_by_coder
    WHERE coder = ? AND undoes IS NULL AND first IS NOT NULL AND (? IS NULL OR key = ?)
    AND NOT EXISTS (SELECT 1 FROM entries u WHERE u.undoes = e.id) ORDER BY id DESC LIMIT 1
"""


def _encodable(text: str) -> str:
    """Half a character of two cannot be kept; nor does SQLite's text go on after a NUL."""
    text.encode()
    return text.replace("\0", "")


Words = Annotated[str, pydantic.AfterValidator(_encodable)]
Key = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Sent(pydantic.BaseModel):
    """What a page sends: these fields in these types, and no others."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


class Answer(Sent):
    """What was said about one variable of a text."""

    labels: tuple[Words, ...] = pydantic.Field(default=(), strict=False, max_length=1000)
    status: Literal["ok", "none", "missing"] = "ok"
    unsure: bool = False
    note: Words = pydantic.Field(default="", max_length=LONGEST_NOTE)


class Posted(Sent):
    """An answer as the page sends it."""

    key: Key
    unit_id: Words
    version: int = pydantic.Field(ge=1, lt=2**31)
    seconds: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False, strict=False)
    answers: dict[str, Answer] = pydantic.Field(min_length=1)

    @property
    def fingerprint(self) -> str:
        """Of what was said, whatever the time it took."""
        return hashlib.sha256(self.model_dump_json(exclude={"seconds"}).encode()).hexdigest()


def require_sound(posted: Posted, codebook: Codebook) -> None:
    """Stop where an answer is none that the codebook allows."""
    for name, answer in posted.answers.items():
        entry = codebook.variable(name)
        strange = [label for label in answer.labels if label not in entry.names]
        if strange:
            what = f"The variable {name!r} has no label {strange[0]!r}."
            raise AnnotuneError(what, "The codebook has changed: load the page again.")
        _require_number(entry, answer)


def _require_number(entry: Variable, answer: Answer) -> None:
    """One label, or of a set one or more; none where the status says so."""
    number = len(answer.labels)
    if len(set(answer.labels)) < number:
        raise AnnotuneError(f"A label of {entry.name!r} is there twice.", "Choose each once.")
    if answer.status != "ok" and number:
        raise AnnotuneError(f"The answer to {entry.name!r} has a label and says that there is none.", "Choose one.")
    if answer.status == "ok" and (number == 0 or (number > 1 and entry.kind != "multilabel")):
        wanted = "one or more labels" if entry.kind == "multilabel" else "one label"
        raise AnnotuneError(f"The answer to {entry.name!r} has {number} labels.", f"Choose {wanted}.")


def save(
    store: Store,
    coder: str,
    task: Task,
    posted: Posted,
    proposals: Mapping[str, Sequence[Proposal]],
    later: Sequence[tuple[int, str, str]] = (),
) -> bool:
    """Put an answer into the store; when this returns it is on the disk.

    Parameters
    ----------
    task
        The text, as the coder had it before.
    proposals
        What was shown beside it.
    later
        Labels that were defined otherwise since the version that the coder saw: version, variable and label. An answer
        that they concern comes up again.

    Returns
    -------
    bool
        False where it was there already: the page sends an answer again until it knows that it arrived.

    Raises
    ------
    AnnotuneError
        Where another answer came under the same key.
    """
    with store.change() as connection:
        if _is_there(connection, coder, posted.key, posted.fingerprint):
            return False
        arm = "blind" if task.arm is not None and task.is_blind else task.arm
        seconds = min(posted.seconds, MOST_SECONDS)
        ids = []
        for variable, answer in posted.answers.items():
            labels = json.dumps(sorted(answer.labels), ensure_ascii=False)
            shown = json.dumps(list(proposals.get(variable, ())), ensure_ascii=False)
            values = (now(), task.unit_id, variable, coder, labels, answer.status, task.wave, arm, posted.version)
            more = (shown, seconds, int(answer.unsure), answer.note)
            ids.append(connection.execute(DECISION, values + more).fetchone()[0])
        entry = [coder, posted.key, now(), posted.fingerprint, task.unit_id, seconds, min(ids), max(ids), None]
        connection.execute(ENTRY, entry)
        for version, variable, label in later:
            if variable in posted.answers and _is_concerned(posted.answers[variable], label):
                connection.execute("INSERT OR IGNORE INTO again VALUES (?, ?, ?)", [version, task.unit_id, variable])
        return True


def _is_concerned(answer: Answer, label: str) -> bool:
    return answer.unsure or answer.status == "none" or label in answer.labels


def undo(store: Store, coder: str, key: str, answer: str | None = None) -> str | None:
    """Take back a coder's last answer that was not taken back yet; what was decided before it holds again.

    Parameters
    ----------
    answer
        The key of the answer, where another one may have come since.

    Returns
    -------
    str or None
        The text that it was about; None where there is nothing to take back.
    """
    with store.change() as connection:
        query = "SELECT unit_id FROM entries WHERE coder = ? AND key = ?"
        if _is_there(connection, coder, key, "undo"):
            unit = connection.execute(query, [coder, key]).fetchone()[0]
            return None if unit is None else str(unit)
        entry = connection.execute(LAST_ENTRY, [coder, answer, answer]).fetchone()
        if entry is None:
            connection.execute(ENTRY, [coder, key, now(), "undo", None, None, None, None, None])
            return None
        number, unit, first, last = entry
        before = connection.execute("SELECT coalesce(max(id), 0) FROM decisions").fetchone()[0]
        for decision in range(first, last + 1):
            _take_back(connection, coder, decision, first)
        after = connection.execute("SELECT coalesce(max(id), 0) FROM decisions").fetchone()[0]
        added = [before + 1, after] if after > before else [None, None]
        connection.execute(ENTRY, [coder, key, now(), "undo", unit, None, *added, number])
        return str(unit)


def _is_there(connection: sqlite3.Connection, coder: str, key: str, content: str) -> bool:
    """Whether this came already."""
    query = "SELECT content FROM entries WHERE coder = ? AND key = ?"
    row = connection.execute(query, [coder, key]).fetchone()
    if row is not None and row[0] != content:
        raise AnnotuneError("Something else was sent under the same key.", "Load the page again.")
    return row is not None


def _take_back(connection: sqlite3.Connection, coder: str, decision: int, first: int) -> None:
    """Withdraw a decision of an entry that began with `first`, and bring back what it replaced.

    Nothing is done where the coder decided again elsewhere since, such as in a sheet. Rows of each arm end with what
    holds in it: the withdrawal has the arm of what it withdraws.
    """
    query = "SELECT unit_id, variable, coder FROM decisions WHERE id = ?"
    key = connection.execute(query, [decision]).fetchone()
    of_key = "SELECT max(id) FROM decisions WHERE unit_id = ? AND variable = ? AND coder = ?"
    newest = connection.execute(of_key, key).fetchone()[0]
    of_page = "SELECT 1 FROM entries WHERE coder = ? AND ? BETWEEN first AND last"
    if connection.execute(of_page, [coder, newest]).fetchone() is None:
        return
    before = connection.execute(f"{of_key} AND id < ?", [*key, first]).fetchone()[0]
    names = KEPT.replace("labels, status", "'[]', 'withdrawn'").replace("at,", "?,", 1)
    connection.execute(f"INSERT INTO decisions ({KEPT}) SELECT {names} FROM decisions WHERE id = ?", [now(), decision])
    again = KEPT.replace("at,", "?,", 1)
    connection.execute(
        f"INSERT INTO decisions ({KEPT}) SELECT {again} FROM decisions WHERE id = ? AND status <> 'withdrawn'",
        [now(), before],
    )
