"""What the page asks for, as plain dictionaries: one function for each address, whoever carries it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pydantic

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.hybrid.page import adjudication, answers, arms, versions
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.answers import Key, Posted, Sent, Words
from annotune.hybrid.page.lists import Lists
from annotune.hybrid.page.texts import Texts
from annotune.hybrid.page.work import Held, Task, next_task, progress, task_of
from annotune.hybrid.store import Store, now
from annotune.records.fingerprints import fingerprint

ADJUDICATOR = "adjudicator"
BEGINNING = 90  # characters of a text in an overview
LONGEST_DEFINITION = 8000


class NotFound(AnnotuneError):
    """What is asked for is not there."""


class NotAllowed(AnnotuneError):
    """It is there, and not for who asks."""


class UndoRequest(Sent):
    """An undo, under a key of its own."""

    key: Key


class PauseRequest(Sent):
    """That a coder pauses, or goes on."""

    paused: bool


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("Say why")
    return text.strip()


class DefinitionRequest(Sent):
    """A sharper definition of a label, and why."""

    variable: Words
    label: Words
    definition: Words = pydantic.Field(max_length=LONGEST_DEFINITION)
    reason: Annotated[Words, pydantic.AfterValidator(_not_blank)] = pydantic.Field(max_length=2000)


@dataclass(frozen=True)
class Desk:
    """A study's store with its texts, at which coders work; `name` is what the page calls the study."""

    store: Store
    texts: Texts
    name: str
    _lists: Lists = field(default_factory=Lists, repr=False)

    def codebook(self) -> tuple[int, Codebook]:
        """The codebook that is coded with, and its version."""
        return versions.latest(self.store)

    def tasks(self, person: Person) -> list[Task]:
        """What somebody has to do; texts that the corpus lacks are left out."""
        _, codebook = self.codebook()
        if person.role == ADJUDICATOR:
            tasks = adjudication.tasks_of_adjudicator(*self.codings(), person.name, codebook)
        else:
            tasks = self._lists.tasks(self.store, person.name, codebook)
        return [task for task in tasks if task.unit_id in self.texts]

    def codings(self) -> tuple[Mapping[adjudication.Key, Mapping[str, Held]], Mapping[str, int | None]]:
        """What everybody last said, and each text's wave; see `adjudication.codings_of`."""
        return self._lists.codings(self.store, self.codebook()[1])

    def task(self, person: Person, unit_id: str) -> Task | None:
        """One of somebody's texts."""
        if person.role == ADJUDICATOR or unit_id not in self.texts:
            return next((task for task in self.tasks(person) if task.unit_id == unit_id), None)
        return task_of(self.store, person.name, self.codebook()[1], unit_id)


def study(desk: Desk, person: Person, _: Mapping[str, str]) -> dict[str, Any]:
    """What is coded, and by whom."""
    version, codebook = desk.codebook()
    began = desk.store.value("SELECT at FROM codebooks ORDER BY version LIMIT 1")
    return {
        "id": fingerprint(began)[:12],  # what a browser keeps is this study's, and of no other one of this name
        "name": desk.name or codebook.name,
        "coder": person.name,
        "role": person.role,
        "version": version,
        "language": codebook.language,
        "variables": codebook.model_dump(mode="json")["variables"],
        "offline": False,
    }


def overview(desk: Desk, person: Person, _: Mapping[str, str]) -> dict[str, Any]:
    """Every text in the coder's order, with its beginning and its state."""
    tasks = desk.tasks(person)
    items = [
        {
            "place": task.place,
            "unit_id": task.unit_id,
            "state": task.state,
            "unsure": any(held.unsure for held in task.held.values()),
            "begins": desk.texts.begins(task.unit_id, BEGINNING),
            "answers": {
                name: {"labels": list(held.labels), "status": held.status} for name, held in _visible(task).items()
            },
        }
        for task in tasks
    ]
    return {"items": items, "done": sum(task.state == "done" for task in tasks), "of": len(tasks)}


def item(desk: Desk, person: Person, query: Mapping[str, str]) -> dict[str, Any]:
    """A text with what is shown beside it: the one at `place`, or the next that is to be coded."""
    version, codebook = desk.codebook()
    tasks = desk.tasks(person)
    far = progress(desk.store, person.name, tasks)
    task = _at(tasks, query["place"]) if "place" in query else next_task(tasks)
    if task is None:
        return {"finished": True, "version": version, "progress": far}
    shown, about = arms.shown_to(desk.store, person.name, task, codebook), desk.texts.shown(task.unit_id)
    return {
        "place": task.place,
        "of": len(tasks),
        "unit_id": task.unit_id,
        "state": task.state,
        **about,
        "answers": {name: held.as_json() for name, held in _visible(task).items()},
        "proposals": {variable: _without_names(proposals, about["text"]) for variable, proposals in shown.items()},
        "again": _why_again(desk, task),
        "version": version,
        "progress": far,
    }


def answer(desk: Desk, person: Person, content: Any) -> dict[str, Any]:
    """Keep an answer; it is on the disk when this returns."""
    posted = Posted.model_validate(content)
    answers.require_sound(posted, versions.of_version(desk.store, posted.version))
    task = desk.task(person, posted.unit_id)
    if task is None:
        what = f"The text {posted.unit_id!r} is not among those of {person.name}."
        raise NotFound(what, "Load the page again.")
    shown = {} if task.is_blind else arms.kept_for(desk.store, person.name, task.unit_id) or {}
    later = versions.labels_changed_after(desk.store, posted.version)
    answers.save(desk.store, person.name, task, posted, shown, later)
    return _saved(desk, person)


def undo(desk: Desk, person: Person, content: Any) -> dict[str, Any]:
    """Take back the last answer that was not taken back."""
    unit = answers.undo(desk.store, person.name, UndoRequest.model_validate(content).key)
    return {"unit_id": unit, "progress": progress(desk.store, person.name, desk.tasks(person))}


def definition(desk: Desk, person: Person, content: Any) -> dict[str, Any]:
    """Define a label more sharply."""
    wanted = DefinitionRequest.model_validate(content)
    words = (wanted.variable, wanted.label, wanted.definition, wanted.reason)
    version, again = versions.sharpen(desk.store, person.name, *words)
    return {"version": version, "again": again}


def pause(desk: Desk, person: Person, content: Any) -> dict[str, Any]:
    """Keep that a coder pauses, or goes on."""
    paused = PauseRequest.model_validate(content).paused
    with desk.store.change() as connection:
        connection.execute("INSERT INTO breaks (coder, at, paused) VALUES (?, ?, ?)", [person.name, now(), paused])
    return {"saved": True}


def differences(desk: Desk, person: Person, _: Mapping[str, str]) -> dict[str, Any]:
    """Where coders differ, with what each of them said, and what the adjudicator did."""
    if person.role != ADJUDICATOR:
        raise NotAllowed("What others coded is not shown to coders.", "Ask for an adjudicator's link.")
    version = desk.codebook()[0]
    codings, _waves = desk.codings()
    open_to = adjudication.differences(codings, person.name)
    items: list[dict[str, Any]] = []
    for (unit, variable), by_coder in open_to.items():
        if unit in desk.texts:
            own = codings[unit, variable].get(person.name)
            about = {"place": len(items) + 1, "unit_id": unit, "variable": variable, **desk.texts.shown(unit)}
            said = {"codings": adjudication.as_json(by_coder), "answer": None if own is None else own.as_json()}
            items.append({**about, **said})
    done = sum(part["answer"] is not None for part in items)
    return {"items": items, "done": done, "of": len(items), "version": version}


def _saved(desk: Desk, person: Person) -> dict[str, Any]:
    version, _ = desk.codebook()
    return {"saved": True, "version": version, "progress": progress(desk.store, person.name, desk.tasks(person))}


def _visible(task: Task) -> Mapping[str, Any]:
    """What the coder decided so far; at a second look nothing, as it would be a proposal again."""
    return {} if task.state == "again" and task.awaits_second_look else task.held


def _without_names(proposals: list[arms.Proposal], text: str) -> list[dict[str, Any]]:
    """Proposals as the page shows them: who made them, and whether anybody did, stays here."""
    return [
        {"id": number, "labels": proposal["labels"], "status": proposal["status"], **_passages(proposal, text)}
        for number, proposal in enumerate(proposals)
    ]


def _passages(proposal: arms.Proposal, text: str) -> dict[str, Any]:
    """The passages of this text that decided for the labels; not where one is the whole text, or of another."""
    passages = [
        {"label": one["label"], "span": [one["first"], one["behind"]], "share": one["share"]}
        for one in proposal.get("passages", ())
        if one["text"] == fingerprint(text)
        and 0 <= one["first"] < one["behind"] <= len(text)
        and one["behind"] - one["first"] < len(text)
    ]
    return {"passages": passages} if passages else {}


def _why_again(desk: Desk, task: Task) -> dict[str, Any] | None:
    """Why a text comes up again: the first label that is defined anew or gone and concerns it, or a second look."""
    if task.state != "again":
        return None
    if not task.changed:
        return {"why": "second"}
    oldest = min(held.version or 1 for held in task.held.values())
    changes = [part for part in versions.changes_after(desk.store, oldest) if part.version == task.changed]
    first = changes[0]
    is_gone = (first.variable, first.label) not in versions.definitions_of(desk.codebook()[1])
    about = {"variable": first.variable, "label": first.label, "was": first.was}
    return {"why": "gone" if is_gone else "definition", **about, "reason": first.reason, "by": first.by}


def _at(tasks: list[Task], place: str) -> Task:
    """The task at a place that was asked for."""
    number = int(place) if place.isascii() and place.isdigit() and len(place) < 10 else 0
    if not 1 <= number <= len(tasks):
        raise NotFound(f"There is no text at place {place[:20]!r}.", f"There are {len(tasks):,}.")
    return tasks[number - 1]
