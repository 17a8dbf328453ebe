"""Coders' lists as a server keeps them: read once, and afterwards only the texts about which something was decided.

What a coder has to do follows from the store alone (`work`). Decisions are only added to it, so that those after the
last one that was seen say which texts are otherwise now; a new version of the codebook or a new wave concerns any text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from annotune.data.codebook import Codebook
from annotune.hybrid.page.adjudication import Key, codings_of
from annotune.hybrid.page.work import Held, Task, read_tasks, with_states
from annotune.hybrid.store import Store

SEEN = """
    SELECT coalesce((SELECT max(id) FROM decisions), 0),
        (SELECT max(version) FROM codebooks), (SELECT max(wave) FROM waves)
"""
CHANGED = "SELECT unit_id FROM decisions NOT INDEXED WHERE id > ?"  # from the last one on, whatever came before
Seen = tuple[int, int | None, int | None]  # the last decision, version of the codebook, and wave


@dataclass
class _CoderList:
    """One coder's tasks by text, in the coder's order, as of what was seen."""

    seen: Seen
    tasks: dict[str, Task]


@dataclass
class _AllCodings:
    """What everybody said, and each text's wave, as of what was seen."""

    seen: Seen
    codings: dict[Key, dict[str, Held]]
    waves: dict[str, int | None]


class Lists:
    """The lists of a store's coders; whoever uses them does so one at a time."""

    def __init__(self) -> None:
        self._lists: dict[str, _CoderList] = {}
        self._codings: _AllCodings | None = None

    def tasks(self, store: Store, coder: str, codebook: Codebook) -> list[Task]:
        """Everything that was given to a coder, in order, each with its state; as `tasks_of` gives it."""
        seen: Seen = store.rows(SEEN)[0]
        mine = self._lists.get(coder)
        if mine is None or mine.seen[1:] != seen[1:]:
            mine = _CoderList(seen, {task.unit_id: task for task in read_tasks(store, coder)})
            self._lists[coder] = mine
        for unit in _changed(store, mine.seen):
            if unit in mine.tasks:
                (task,) = read_tasks(store, coder, unit)
                mine.tasks[unit] = replace(task, place=mine.tasks[unit].place)
        mine.seen = seen
        return with_states(list(mine.tasks.values()), codebook)

    def codings(self, store: Store, codebook: Codebook) -> tuple[dict[Key, dict[str, Held]], dict[str, int | None]]:
        """What everybody last said, by text and variable and then by coder, and each text's wave; as `codings_of`."""
        seen: Seen = store.rows(SEEN)[0]
        if self._codings is None or self._codings.seen[1:] != seen[1:]:
            self._codings = _AllCodings(seen, *codings_of(store, codebook))
        whole = self._codings
        for unit in _changed(store, whole.seen):
            for entry in codebook.variables:
                whole.codings.pop((unit, entry.name), None)
            whole.waves.pop(unit, None)
            codings, waves = codings_of(store, codebook, unit)
            whole.codings |= codings
            whole.waves |= waves
        whole.seen = seen
        return whole.codings, whole.waves


def _changed(store: Store, seen: Seen) -> list[str]:
    """The texts about which something was decided since."""
    return list(dict.fromkeys(unit for (unit,) in store.rows(CHANGED, [seen[0]])))
