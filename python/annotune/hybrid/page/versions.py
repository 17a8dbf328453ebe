"""The codebook while it is coded with: its versions, what changed in each, and which texts come up again."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError, counted, warn
from annotune.hybrid.store import Store, now

CONCERNED = """
    INSERT OR IGNORE INTO again (version, unit_id, variable)
    SELECT DISTINCT :version, d.unit_id, d.variable FROM decisions d
    WHERE d.variable = :variable AND (d.unsure OR d.status = 'none' OR EXISTS (
        SELECT 1 FROM decisions o, json_each(o.labels) l
        WHERE o.unit_id = d.unit_id AND o.variable = :variable AND l.value = :label
    ) OR EXISTS (
        SELECT 1 FROM proposals p JOIN requests r ON r.key = p.request
        WHERE r.unit_id = d.unit_id AND p.variable = :variable AND p.label = :label
    ))
"""
SINCE_BROUGHT_IN = """
    SELECT 1 FROM codebooks WHERE content = ? AND version >= (SELECT max(version) FROM codebooks WHERE author = '')
"""
LATEST = "SELECT version, content FROM codebooks ORDER BY version DESC LIMIT 1"


def latest(store: Store) -> tuple[int, Codebook]:
    """The codebook that is coded with, and the number of its version.

    Raises
    ------
    AnnotuneError
        For a store without a codebook.
    """
    version = store.value(LATEST)
    if version is None:
        raise AnnotuneError(f"{store.path} has no codebook.", "Draw its texts, or code them, with one (codebook=).")
    return int(version), of_version(store, int(version))


def of_version(store: Store, version: int) -> Codebook:
    """The codebook as it was in a version.

    Raises
    ------
    AnnotuneError
        Where there is no such version.
    """
    content = store.value("SELECT content FROM codebooks WHERE version = ?", [version])
    if content is None:
        raise AnnotuneError(f"The codebook has no version {version}.", "Load the page again.")
    return _parsed(str(content))


def bring_in(store: Store, codebook: Codebook) -> int:
    """Code with this codebook from now on, unless coders have sharpened it since it was last brought in.

    Returns
    -------
    int
        The version that is coded with. A codebook that is another than the one that was last brought in, and than what
        coders have made of it, is a new version, and the texts that its changes concern come up again.
    """
    content = codebook.model_dump_json()
    with store.change() as connection:
        if connection.execute(SINCE_BROUGHT_IN, [content]).fetchone() is not None:
            return int(connection.execute(LATEST).fetchone()[0])
        return _brought_in(connection, codebook, "brought in from a file")


def version_of(connection: sqlite3.Connection, codebook: Codebook) -> int:
    """The number of the newest version that has a codebook's variables as they are; a new one is brought in.

    Some of a codebook's variables, of which a model was asked, are no version of it.
    """
    for version, content in connection.execute("SELECT version, content FROM codebooks ORDER BY version DESC"):
        there = {entry.name: entry for entry in _parsed(content).variables}
        if all(there.get(entry.name) == entry for entry in codebook.variables):
            return int(version)
    return _brought_in(connection, codebook, "")


def _brought_in(connection: sqlite3.Connection, codebook: Codebook, reason: str) -> int:
    """A further version; the texts that its changes concern come up again."""
    last = connection.execute(LATEST).fetchone()
    version = _add(connection, codebook.model_dump_json(), "", reason)
    for variable, label in changes(_parsed(last[1]), codebook) if last else ():
        connection.execute(CONCERNED, {"version": version, "variable": variable, "label": label})
    return version


def sharpen(store: Store, coder: str, variable: str, label: str, definition: str, reason: str) -> tuple[int, int]:
    """Define a label more sharply: a new version of the codebook, with who and why.

    The texts whose label could change come up again to everybody who coded them: those to which any person or model
    gave this label, and those of which a coder was unsure or found that no label applies.

    Returns
    -------
    tuple[int, int]
        The version that is coded with, and how many texts come up again; 0 where the definition is as it was.
    """
    with store.change() as connection:
        version, content = connection.execute(LATEST).fetchone()
        changed = _redefined(_parsed(content), variable, label, definition)
        if changed == _parsed(content):
            return int(version), 0
        version = _add(connection, changed.model_dump_json(), coder, reason)
        connection.execute(CONCERNED, {"version": version, "variable": variable, "label": label})
        count = "SELECT count(DISTINCT unit_id) FROM again WHERE version = ?"
        return version, int(connection.execute(count, [version]).fetchone()[0])


def changes(before: Codebook, after: Codebook) -> list[tuple[str, str]]:
    """The labels, each with its variable, that are defined otherwise in the later codebook, are new, or are gone."""
    old, new = definitions_of(before), definitions_of(after)
    return [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]


def lacking(store: Store, codebook: Codebook) -> dict[tuple[str, str], str]:
    """The definitions that are coded with and that a codebook has otherwise, of the labels that it has."""
    own, current = definitions_of(codebook), definitions_of(latest(store)[1])
    return {key: words for key, words in current.items() if key in own and own[key] != words}


def warn_of_difference(store: Store, codebook: Codebook) -> None:
    """Say so where a codebook's file lacks definitions that are coded with."""
    others = list(lacking(store, codebook))
    if others:
        variable, label = others[0]
        labels = f"{counted(len(others), 'label is', 'labels are')} defined otherwise in {store.path}"
        what = f"{labels} than in the codebook's file, such as {label!r} of {variable!r}."
        warn(f"{what} definitions() shows how, and puts it into the file (annotune definitions --update).")


@dataclass(frozen=True)
class Change:
    """A label that has another definition since a version of the codebook: what it was, why, and by whom."""

    version: int
    variable: str
    label: str
    was: str
    reason: str
    by: str


def changes_after(store: Store, version: int) -> list[Change]:
    """What was defined otherwise after a version, in the order of the versions."""
    query = "SELECT version, reason, author FROM codebooks WHERE version > ? ORDER BY version"
    done, before = [], of_version(store, version)
    for number, reason, author in store.rows(query, [version]):
        after = of_version(store, number)
        for variable, label in changes(before, after):
            words = definitions_of(before).get((variable, label), "")
            done.append(Change(number, variable, label, words, reason, author))
        before = after
    return done


def labels_changed_after(store: Store, version: int) -> list[tuple[int, str, str]]:
    """The version, the variable and the label of each of these changes."""
    return [(part.version, part.variable, part.label) for part in changes_after(store, version)]


def definitions_of(codebook: Codebook) -> dict[tuple[str, str], str]:
    """Each label's definition, by the names of its variable and itself."""
    return {(entry.name, label.name): label.definition for entry in codebook.variables for label in entry.labels}


def _redefined(codebook: Codebook, variable: str, label: str, definition: str) -> Codebook:
    """The codebook with another definition of one label."""
    entry = codebook.variable(variable)
    if label not in entry.names:
        raise AnnotuneError(f"The variable {variable!r} has no label {label!r}.", "Load the page again.")
    labels = tuple(
        part.model_copy(update={"definition": definition.strip()}) if part.name == label else part
        for part in entry.labels
    )
    changed: Variable = entry.model_copy(update={"labels": labels})
    parts = tuple(changed if part.name == variable else part for part in codebook.variables)
    return codebook.model_copy(update={"variables": parts})


def _add(connection: sqlite3.Connection, content: str, author: str, reason: str) -> int:
    query = "INSERT INTO codebooks (at, author, reason, content) VALUES (?, ?, ?, ?) RETURNING version"
    return int(connection.execute(query, [now(), author, reason, content]).fetchone()[0])


@lru_cache(maxsize=32)
def _parsed(content: str) -> Codebook:
    return Codebook.model_validate_json(content)
