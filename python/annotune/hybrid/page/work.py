"""What a coder has to do: the texts in the coder's order, what was decided of each, and which come up again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.hybrid.store import Store

LAG = 20  # texts that lie at least between a decoy and the second look at its text
ORDER = "order"  # the design of a wave that offers all texts in a random order
ALL_TEXTS = {"of_text": "", "about_text": ""}
ONE_TEXT = {"of_text": "AND unit_id = :unit", "about_text": "AND a.unit_id = :unit"}  # indexes lead to its rows alone
TASKS = """
    WITH last AS (SELECT max(id) AS id FROM decisions WHERE coder = :coder {of_text} GROUP BY unit_id, variable)
    SELECT a.unit_id, a.wave, a.arm, d.id, d.variable, d.labels, d.status, d.unsure, d.note, d.codebook, d.arm,
        (SELECT max(version) FROM again g WHERE g.unit_id = a.unit_id AND g.variable = d.variable),
        EXISTS (SELECT 1 FROM shown s WHERE s.coder = :coder AND s.unit_id = a.unit_id
            AND s.proposals LIKE '%"decoy": true%'),
        EXISTS (SELECT 1 FROM decisions b WHERE b.coder = :coder AND b.unit_id = a.unit_id AND b.arm = 'blind')
    FROM waves w CROSS JOIN assignments a ON a.wave = w.wave
    LEFT JOIN decisions d ON d.coder = :coder AND d.unit_id = a.unit_id AND d.status <> 'withdrawn'
        AND d.id IN (SELECT id FROM last)
    WHERE a.coder = :coder {about_text}
        AND (w.design <> 'order' OR w.wave = (SELECT max(wave) FROM waves) OR d.wave = w.wave)
    ORDER BY a.wave, a.place, d.id
"""
SECONDS = """
    SELECT seconds FROM entries e INDEXED BY entries_by_coder WHERE coder = ? AND undoes IS NULL AND seconds > 0
    AND NOT EXISTS (SELECT 1 FROM entries u WHERE u.undoes = e.id) ORDER BY id DESC LIMIT 50
"""


@dataclass(frozen=True)
class Held:
    """What a coder's last decision about a variable says; `version` is that of the codebook, None where not known."""

    id: int
    labels: tuple[str, ...]
    status: str
    unsure: bool
    note: str
    version: int | None
    arm: str | None

    def as_json(self) -> dict[str, Any]:
        """The same for the page."""
        return {"labels": list(self.labels), "status": self.status, "unsure": self.unsure, "note": self.note}


@dataclass
class Task:
    """A text that a coder is to code.

    Attributes
    ----------
    place
        In the coder's order, from 1.
    arm
        What was drawn to be shown: `open`, `blind`, `two` or `decoy`; None for an adjudicator.
    held
        The last decision about each variable that was decided.
    changed
        The version of the codebook since which a definition is another that concerns an answer; 0 where none is.
    has_decoy
        Whether a label that nobody proposed was shown.
    was_due
        Whether the second look after a decoy came already; where it was undone it is due again at once.
    state
        `open`, `skipped` (open, and a later one is done), `done`, or `again`: to be looked at another time.
    """

    place: int
    unit_id: str
    wave: int | None
    arm: str | None
    held: dict[str, Held] = field(default_factory=dict)
    changed: int = 0
    has_decoy: bool = False
    was_due: bool = False
    state: str = "open"

    @property
    def last(self) -> int:
        """The number of the last decision about the text, 0 before the first."""
        return max((held.id for held in self.held.values()), default=0)

    @property
    def awaits_second_look(self) -> bool:
        """Whether the last answer was given beside a decoy."""
        return self.has_decoy and any(held.arm == "decoy" for held in self.held.values())

    @property
    def is_blind(self) -> bool:
        """Whether no proposal is shown: it was drawn so, or the text is looked at after a decoy."""
        second = self.state == "again" and self.awaits_second_look
        return self.arm in (None, "blind") or second or (self.has_decoy and self.was_seen_again)

    @property
    def was_seen_again(self) -> bool:
        """Whether the answer after a decoy was given without it."""
        return any(held.arm == "blind" for held in self.held.values())


def tasks_of(store: Store, coder: str, codebook: Codebook) -> list[Task]:
    """Everything that was given to a coder, in order, each with its state."""
    return with_states(read_tasks(store, coder), codebook)


def task_of(store: Store, coder: str, codebook: Codebook, unit_id: str) -> Task | None:
    """One of a coder's texts; its place and state are told only where it may be due for a second look."""
    task = next(iter(read_tasks(store, coder, unit_id)), None)
    if task is None or not task.awaits_second_look:
        return task
    return next(task for task in tasks_of(store, coder, codebook) if task.unit_id == unit_id)


def read_tasks(store: Store, coder: str, unit_id: str | None = None) -> list[Task]:
    """The coder's tasks, or the one of a text, as if all were open."""
    texts: dict[str, tuple[tuple[Any, ...], dict[str, Held], list[int]]] = {}
    query = TASKS.format(**(ALL_TEXTS if unit_id is None else ONE_TEXT))
    for unit, wave, arm, *decision, has_decoy, was_due in store.rows(query, {"coder": coder, "unit": unit_id}):
        about = (unit, wave, arm, bool(has_decoy), bool(was_due))
        _, held, changed = texts.setdefault(unit, (about, {}, [0]))
        if decision[0] is not None:
            number, variable, labels, status, unsure, note, version, arm_of_answer, since = decision
            answer = Held(number, tuple(json.loads(labels)), status, bool(unsure), note, version, arm_of_answer)
            held[variable] = answer
            if since is not None and since > (version or 0):
                changed.append(since)
    return [
        Task(place, unit, wave, arm, held, max(changed), has_decoy, was_due)
        for place, ((unit, wave, arm, has_decoy, was_due), held, changed) in enumerate(texts.values(), start=1)
    ]


def with_states(tasks: Sequence[Task], codebook: Codebook) -> list[Task]:
    """The tasks, each as open, skipped, done, or to be looked at again."""
    names = {entry.name for entry in codebook.variables}
    coded = [names <= task.held.keys() for task in tasks]
    furthest = max((task.place for task, done in zip(tasks, coded, strict=True) if done), default=0)
    newest = sorted((task.last for task in tasks if task.held), reverse=True)
    is_end = all(coded)

    def state(task: Task, done: bool) -> str:
        if not done:
            return "skipped" if task.place < furthest else "open"
        if task.changed or not task.awaits_second_look:
            return "again" if task.changed else "done"
        is_late = is_end or task.was_due or sum(number > task.last for number in newest[:LAG]) == LAG
        return "again" if is_late else "done"

    for task, done in zip(tasks, coded, strict=True):
        task.state = state(task, done)
    return list(tasks)


def next_task(tasks: Sequence[Task]) -> Task | None:
    """What is to be coded next: first what comes up again, then what is open, then what was skipped."""
    order = ("again", "open", "skipped")
    due = [task for task in tasks if task.state in order]
    return min(due, key=lambda task: (order.index(task.state), task.place), default=None)


def progress(store: Store, coder: str, tasks: Sequence[Task]) -> dict[str, Any]:
    """How far a coder is, and the time that is left: open texts times the median of the last 50."""
    done = sum(task.state == "done" for task in tasks)
    seconds = pl.Series([row[0] for row in store.rows(SECONDS, [coder])], dtype=pl.Float64).median()
    each = None if seconds is None else round(float(seconds), 1)  # type: ignore[arg-type]
    left = None if each is None else round(each * (len(tasks) - done))
    return {"done": done, "of": len(tasks), "seconds_each": each, "seconds_left": left}
