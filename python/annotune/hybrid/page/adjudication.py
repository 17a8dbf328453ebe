"""Texts on which coders differ, for a third person to decide: the adjudicator is a coder like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from annotune.data.codebook import Codebook
from annotune.hybrid.page.work import Held, Task, with_states
from annotune.hybrid.store import Store

GIVEN = """
    SELECT d.unit_id, d.variable, d.coder, d.id, d.labels, d.status, d.unsure, d.note, d.codebook, d.arm, d.wave
    FROM decisions d WHERE d.id IN (SELECT max(id) FROM decisions {of_text} GROUP BY unit_id, variable, coder)
    AND d.status <> 'withdrawn' ORDER BY d.id
"""
Key = tuple[str, str]  # the text and the variable


def codings_of(
    store: Store, codebook: Codebook, unit_id: str | None = None
) -> tuple[dict[Key, dict[str, Held]], dict[str, int | None]]:
    """What everybody last said of all texts or one, by text and variable and then by coder; and the wave of each."""
    names = {entry.name for entry in codebook.variables}
    codings: dict[Key, dict[str, Held]] = {}
    waves: dict[str, int | None] = {}
    query = GIVEN.format(of_text="" if unit_id is None else "WHERE unit_id = ?")
    values = [] if unit_id is None else [unit_id]
    for unit, variable, coder, number, labels, status, unsure, note, version, arm, wave in store.rows(query, values):
        if variable in names:
            held = Held(number, tuple(json.loads(labels)), status, bool(unsure), note, version, arm)
            codings.setdefault((unit, variable), {})[coder] = held
            waves[unit] = wave if waves.get(unit) is None else waves[unit]
    return codings, waves


def differences(codings: Mapping[Key, Mapping[str, Held]], adjudicator: str) -> dict[Key, dict[str, Held]]:
    """The codings of the texts and variables on which coders differ, in the order in which the differences arose.

    That a text cannot be coded is no answer: it differs from none.
    """
    open_to: dict[Key, dict[str, Held]] = {}
    for key, by_coder in codings.items():
        others = {coder: held for coder, held in by_coder.items() if coder != adjudicator and held.status != "missing"}
        if len({held.labels for held in others.values()}) > 1:
            open_to[key] = others
    arose = {key: sorted(held.id for held in others.values())[1] for key, others in open_to.items()}
    return dict(sorted(open_to.items(), key=lambda pair: arose[pair[0]]))


def tasks_of_adjudicator(
    codings: Mapping[Key, Mapping[str, Held]], waves: Mapping[str, int | None], adjudicator: str, codebook: Codebook
) -> list[Task]:
    """The texts on which coders differ, each once, as tasks without arms; done where all their differences are.

    The codings and waves are those of `codings_of`.
    """
    variables: dict[str, list[str]] = {}
    for unit, variable in differences(codings, adjudicator):
        variables.setdefault(unit, []).append(variable)
    tasks = []
    for place, (unit, names) in enumerate(variables.items(), start=1):
        own = {name: codings[unit, name].get(adjudicator) for name in names}
        task = Task(place, unit, waves[unit], None)
        task = replace(task, held={name: held for name, held in own.items() if held is not None})
        part = codebook.only(names)
        tasks.append(replace(task, state=with_states([task], part)[0].state))
    return tasks


def as_json(by_coder: dict[str, Held]) -> list[dict[str, Any]]:
    """The codings that differ, for the page, by the coders' names."""
    return [{"coder": coder, **held.as_json()} for coder, held in sorted(by_coder.items())]
