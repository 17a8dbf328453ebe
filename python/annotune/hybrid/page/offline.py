"""The page as one HTML file for each coder, for places where no server may run, and what such a file exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from annotune.errors import AnnotuneError
from annotune.hybrid.page import answers, arms, desk, versions
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.answers import Posted
from annotune.hybrid.page.desk import Desk
from annotune.hybrid.page.shell import stand_alone
from annotune.hybrid.page.work import tasks_of
from annotune.hybrid.store import Store
from annotune.records.files import replacing
from annotune.tables.page_answers import Log

NOT_SENT = ("kind", "at")  # what an entry of the file has beyond what a page sends


def data_of(place: Desk, person: Person) -> dict[str, Any]:
    """All that somebody's page would fetch: the codebook, and every text with the proposals beside it."""
    tasks = place.tasks(person)
    items = [desk.shown(place, person, task, len(tasks)) for task in tasks]
    return {"study": {**desk.study(place, person, {}), "offline": True}, "items": items}


def write_files(place: Desk, people: Sequence[Person], folder: Path) -> dict[str, Path]:
    """Write a file for each coder, named after the coder; what it shows is kept in the store as shown."""
    if not folder.is_dir():
        raise AnnotuneError(f"{folder} is no folder.", "Make it, or choose another.")
    files = {}
    for person in people:
        files[person.name] = folder / f"{person.name}.html"
        with replacing(files[person.name]) as draft:
            draft.write_text(stand_alone(data_of(place, person)), "utf-8")
    return files


def take_in(store: Store, log: Log, path: Path) -> None:
    """Put what a file exported into the store, as if it had been sent: each answer once, and what was taken back.

    Raises
    ------
    AnnotuneError
        For a text that is not the coder's, and for an answer that the codebook does not allow, by the entry's number.
    """
    for number, entry in enumerate(log.entries, start=1):
        try:
            if entry["kind"] == "undo":
                answers.undo(store, log.coder, entry["key"])
            else:
                _post(store, log.coder, entry)
        except pydantic.ValidationError:
            what = f"{path}, entry {number}: the page wrote no such entry."
            raise AnnotuneError(what, "Export the answers again.") from None
        except AnnotuneError as error:
            raise AnnotuneError(f"{path}, entry {number}: {error.what}", error.advice) from None


def _post(store: Store, coder: str, entry: Any) -> None:
    posted = Posted.model_validate({name: value for name, value in entry.items() if name not in NOT_SENT})
    answers.require_sound(posted, versions.of_version(store, posted.version))
    tasks = tasks_of(store, coder, versions.latest(store)[1])
    task = next((task for task in tasks if task.unit_id == posted.unit_id), None)
    if task is None:
        what = f"the text {posted.unit_id!r} is not among those of {coder}."
        raise AnnotuneError(what, "Record it in the store that the file was made from.")
    shown = {} if task.is_blind else arms.kept_for(store, coder, task.unit_id) or {}
    later = [(part.version, part.variable, part.label) for part in versions.changes_after(store, posted.version)]
    answers.save(store, coder, task, posted, shown, later)
