"""Coding where no server may run: one HTML file per coder, and its export back into the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic

from annotune.data.codebook import Codebook
from annotune.data.corpus import Corpus
from annotune.data.exported_answers import read_export, undone_by
from annotune.errors import AnnotuneError
from annotune.hybrid.page import arms, desk, shell, versions
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.answers import Posted, require_sound, save, undo
from annotune.hybrid.page.desk import Desk
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.texts import Columns, Texts
from annotune.hybrid.page.work import Task, task_of
from annotune.hybrid.store import Store, open_store
from annotune.records.files import make_folder, replacing

SENT = ("key", "unit_id", "version", "seconds", "answers")


def write_pages(
    store: Path,
    corpus: Corpus,
    codebook: Codebook | None,
    coders: Sequence[str],
    folder: Path,
    columns: Columns | None = None,
    name: str = "",
    seed: int = 1,
) -> dict[str, Path]:
    """Write a stand-alone page for each coder, `code_anna.html`, with all of the coder's texts in it.

    What it shows beside each text is drawn and kept in the store now, as if it were seen. A page that is there is
    replaced; what was coded in it stays in the browser.
    """
    make_folder(folder)
    with open_store(store) as kept:
        people = prepared(kept, corpus, codebook, coders, None, seed)
        place = Desk(kept, Texts(corpus, columns or Columns()), name)
        paths = {person.name: folder / f"code_{person.name}.html" for person in people}
        for person in people:
            with replacing(paths[person.name]) as draft:
                draft.write_text(shell.stand_alone(data_for(place, person)), encoding="utf-8")
        return paths


def data_for(place: Desk, person: Person) -> dict[str, Any]:
    """What a stand-alone page knows: the study, and every text as the server would show it now."""
    study = {**desk.study(place, person, {}), "offline": True}
    tasks = place.tasks(person)
    items = [desk.item(place, person, {"place": str(task.place)}) for task in tasks]
    for task, item in zip(tasks, items, strict=True):
        del item["progress"]
        item["second"] = _comes_again(place.store, person.name, task)
    return {"study": study, "items": items}


def _comes_again(store: Store, coder: str, task: Task) -> bool:
    """Whether a text is to be looked at a second time: a proposal that nobody made is shown beside it."""
    shown = arms.kept_for(store, coder, task.unit_id) or {}
    has_decoy = any(proposal["decoy"] for proposals in shown.values() for proposal in proposals)
    return has_decoy and not task.was_seen_again


def take_in(store: Store, path: Path) -> None:
    """Put what a stand-alone page exported into the store, as if it had been posted; what is there is not added twice.

    Raises
    ------
    AnnotuneError
        For a file that is not whole, and answers that this study cannot take; none is taken then.
    """
    coder, entries = read_export(path)
    codebook = versions.latest(store)[1]
    posted = {entry["key"]: _sound(store, coder, entry, path) for entry in entries if entry["kind"] == "answer"}
    undone = undone_by(entries)
    for entry in entries:
        if entry["kind"] == "undo":
            if undone[entry["key"]] is not None:
                undo(store, coder, entry["key"], undone[entry["key"]])
            continue
        answer = posted[entry["key"]]
        task = task_of(store, coder, codebook, answer.unit_id)
        assert task is not None
        if task.awaits_second_look:  # the page knows what was in sight
            task = replace(task, state="again" if entry.get("second") else "done")
        shown = {} if task.is_blind else arms.kept_for(store, coder, answer.unit_id) or {}
        save(store, coder, task, answer, shown, versions.labels_changed_after(store, answer.version))


def _sound(store: Store, coder: str, entry: dict[str, Any], path: Path) -> Posted:
    """An exported answer, when it is one that this study can take."""
    try:
        posted = Posted.model_validate({name: entry[name] for name in SENT if name in entry})
    except pydantic.ValidationError:
        what = f"{path}: the answer to {str(entry['unit_id'])[:40]!r} was changed."
        raise AnnotuneError(what, "Export the answers again.") from None
    codebook = versions.of_version(store, posted.version)
    require_sound(posted, codebook)
    if task_of(store, coder, codebook, posted.unit_id) is None:
        what = f"{path}: the text {posted.unit_id!r} is not among those of {coder}."
        raise AnnotuneError(what, "It is of another study: name its store.")
    return posted
