"""Which proposals a coder sees beside a text: drawn at random with the wave's seed, and kept as they were shown."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from annotune.data.codebook import Codebook, Variable
from annotune.hybrid.page.work import Task
from annotune.hybrid.store import Store, now

Proposal = dict[str, Any]  # `coder` (None of a decoy), `labels`, `status`, `decoy`, and `passages` if asked for
PROPOSED = """
    SELECT p.variable, r.coder, p.label, p.status, json_valid(r.settings) AND json_extract(r.settings, '$.evidence'),
        w.first, w.behind, w.share, w.text
    FROM proposals p JOIN requests r ON r.key = p.request
    LEFT JOIN passages w ON w.request = p.request AND w.variable = p.variable AND w.place = p.place
    WHERE r.unit_id = ? AND p.status IN ('ok', 'none') ORDER BY p.variable, r.coder, r.key, p.place
"""
FREQUENT = """
    SELECT label, count(*) FROM proposals WHERE variable = ? AND label IS NOT NULL GROUP BY label
"""


def shown_to(store: Store, coder: str, task: Task, codebook: Codebook) -> dict[str, list[Proposal]]:
    """The proposals about each variable that a coder sees beside a text, in the order shown; {} where none is.

    What was shown once is shown again, also when models have proposed more since.
    """
    if task.is_blind:
        return {}
    kept = kept_for(store, coder, task.unit_id)
    if kept is not None:
        return kept
    drawn = _drawn(store, coder, task, codebook)
    with store.change() as connection:
        query = "INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?)"  # in another tab it may have been shown meanwhile
        connection.execute(query, [coder, task.unit_id, now(), json.dumps(drawn, ensure_ascii=False)])
    return kept_for(store, coder, task.unit_id) or {}


def kept_for(store: Store, coder: str, unit_id: str) -> dict[str, list[Proposal]] | None:
    """What a coder was shown beside a text; None as long as it was not shown."""
    content = store.value("SELECT proposals FROM shown WHERE coder = ? AND unit_id = ?", [coder, unit_id])
    return None if content is None else dict(json.loads(content))


def _drawn(store: Store, coder: str, task: Task, codebook: Codebook) -> dict[str, list[Proposal]]:
    """What a coder is shown for the first time, by the task's arm."""
    seed = store.value("SELECT seed FROM waves WHERE wave = ?", [task.wave])
    proposed = _proposed(store, task.unit_id)
    drawn = {}
    for entry in codebook.variables:
        own = _current(proposed.get(entry.name, ()), entry)
        rng = generator(seed, task.wave, task.unit_id, coder, entry.name)
        frequent = dict(store.rows(FREQUENT, [entry.name])) if task.arm == "decoy" and own else {}
        if chosen := choose(task.arm or "blind", own, entry, frequent, rng):
            drawn[entry.name] = chosen
    return drawn


def _proposed(store: Store, unit_id: str) -> dict[str, list[Proposal]]:
    """What each model proposes about each variable of a text, in the order of the models' names."""
    answers: dict[tuple[str, str], Proposal] = {}
    for variable, coder, label, status, has_passages, *passage in store.rows(PROPOSED, [unit_id]):
        empty: Proposal = {"coder": coder, "labels": [], "status": status, "decoy": False}
        empty |= {"passages": []} if has_passages else {}
        proposal = answers.setdefault((variable, coder), empty)
        if label is None or label in proposal["labels"]:
            continue
        proposal["labels"].append(label)
        if "passages" in proposal and passage[0] is not None:
            names = ("first", "behind", "share", "text")
            proposal["passages"].append({"label": label, **dict(zip(names, passage, strict=True))})
    of_variable: dict[str, list[Proposal]] = {}
    for (variable, _), proposal in answers.items():
        of_variable.setdefault(variable, []).append(proposal)
    return of_variable


def _current(proposals: Sequence[Proposal], entry: Variable) -> list[Proposal]:
    """Those whose labels the variable has."""
    return [proposal for proposal in proposals if set(proposal["labels"]) <= set(entry.names)]


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that are the same for the same parts, in every process."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def choose(
    arm: str, proposals: Sequence[Proposal], entry: Variable, frequent: Mapping[str, int], rng: np.random.Generator
) -> list[Proposal]:
    """Which of the models' proposals are shown, in which order.

    Parameters
    ----------
    arm
        `open`: one of them, at random. `two`: two of them by different models, in random order. `decoy`: in place of
        one another label, which no model proposed. `blind`: none.
    frequent
        How often each label is proposed in all: what is frequent is plausible, and more often a decoy.

    Examples
    --------
    >>> from annotune.data.codebook import Label
    >>> topic = Variable(name="topic", labels=(Label(code=1, name="Health"), Label(code=2, name="Law")))
    >>> one = {"coder": "gpt", "labels": ["Law"], "status": "ok", "decoy": False}
    >>> choose("decoy", [one], topic, {}, np.random.default_rng(1))
    [{'coder': None, 'labels': ['Health'], 'status': 'ok', 'decoy': True}]
    """
    if arm == "blind" or not proposals:
        return []
    order = rng.permutation(len(proposals))
    if arm == "two":
        return [proposals[place] for place in order[:2]]
    first = proposals[order[0]]
    if arm == "open":
        return [first]
    labels = _decoy(first["labels"], proposals, entry, frequent, rng)
    if not labels or ("passages" in first and not first["passages"]):  # a decoy without one would be known by that
        return []
    return [{"coder": None, "labels": labels, "status": "ok", "decoy": True, **_passages_of(first, labels)}]


def _passages_of(proposal: Proposal, labels: Sequence[str]) -> Proposal:
    """The passages of the proposal that a decoy replaces, as if they had decided for the decoy's label."""
    if "passages" not in proposal:
        return {}
    other = next(label for label in labels if label not in proposal["labels"])
    passages = [{**one, "label": one["label"] if one["label"] in labels else other} for one in proposal["passages"]]
    return {"passages": passages}


def _decoy(
    labels: Sequence[str],
    proposals: Sequence[Proposal],
    entry: Variable,
    frequent: Mapping[str, int],
    rng: np.random.Generator,
) -> list[str]:
    """A plausible other answer: one label in exchange for one that no model proposed; [] where there is no other."""
    taken = Counter(label for proposal in proposals for label in proposal["labels"])
    free = [name for name in entry.names if name not in taken]
    if not free:
        return []
    replaced = labels[int(rng.integers(len(labels)))] if labels else None
    weights = np.array([_plausible(name, replaced, entry) * (1 + frequent.get(name, 0)) for name in free], dtype=float)
    other = free[int(rng.choice(len(free), p=weights / weights.sum()))]
    return [other if label == replaced else label for label in labels] or [other]


def _plausible(name: str, replaced: str | None, entry: Variable) -> float:
    """How easily a label is taken for another: steps of a scale by how near they are, and siblings before others."""
    if replaced is None:
        return 1.0
    if entry.kind == "ordinal":
        return float(0.2 ** abs(entry.names.index(name) - entry.names.index(replaced)))
    parents = {label.name: label.parent for label in entry.labels}
    return 5.0 if parents[replaced] is not None and parents[name] == parents[replaced] else 1.0
