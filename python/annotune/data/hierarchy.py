"""Labels below labels: which label stands where, and a variable for each level of a hierarchy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError, nearest

TWO_LEVELS = ("major", "minor")  # as the Comparative Agendas Project calls them
ALL = "all"  # levels of a study
NO_HIERARCHY = "Give labels a parent: the code of the label that they are a part of."


def has_levels(entry: Variable) -> bool:
    """Whether some of the variable's labels stand below others."""
    return any(label.parent is not None for label in entry.labels)


def paths(entry: Variable) -> dict[str, tuple[str, ...]]:
    """The names from the top of the hierarchy down to each label, by the label's name.

    A parent that is no label of the variable, such as one that no text was coded with, goes by its code.

    >>> from annotune.data.codebook import Label
    >>> labels = (Label(code=1, name="Economy"), Label(code=101, name="Prices", parent=1), Label(code=3, name="Health"))
    >>> paths(Variable(name="topic", labels=labels))
    {'Economy': ('Economy',), 'Prices': ('Economy', 'Prices'), 'Health': ('Health',)}
    """
    label_of = {label.code: label for label in entry.labels}

    def upwards(code: int | None) -> Iterator[str]:
        while code is not None:
            label = label_of.get(code)
            yield str(code) if label is None else label.name
            code = None if label is None else label.parent

    return {label.name: tuple(upwards(label.code))[::-1] for label in entry.labels}


def lowest(entry: Variable) -> tuple[str, ...]:
    """The labels that have none below them, in codebook order."""
    above = {label.parent for label in entry.labels}
    return tuple(label.name for label in entry.labels if label.code not in above)


def ancestors_at(entry: Variable, depth: int) -> dict[str, str | None]:
    """What each label is at a depth from 0: itself, the label above it, or None where it stands too high to tell."""
    whole, ends = paths(entry), set(lowest(entry))
    return {name: path[depth] if len(path) > depth else name if name in ends else None for name, path in whole.items()}


def level_variables(entry: Variable) -> dict[int, Variable]:
    """A variable for each level, by its depth: `topic_major` and `topic_minor`, or of three `topic_level1` and so on.

    A label that has none below it is a label of every level from its own on, so that each level codes every text. A
    level with a single label says nothing and is left out.
    """
    deepest = max(len(path) for path in paths(entry).values())
    names = TWO_LEVELS if deepest == len(TWO_LEVELS) else tuple(f"level{k}" for k in range(1, deepest + 1))
    variables = {}
    for depth, name in enumerate(names):
        there = set(ancestors_at(entry, depth).values())
        labels = tuple(label.model_copy(update={"parent": None}) for label in entry.labels if label.name in there)
        if len(labels) > 1:
            variables[depth] = entry.model_copy(update={"name": f"{entry.name}_{name}", "labels": labels})
    return variables


def levels(codebook: Codebook) -> Codebook:
    """The codebook with a variable for each level in place of each variable whose labels have parents.

    What is said of these variables is what `roll_up` makes of codings: agreement, evaluation, shares, regressions and
    files of each level are those of its variable.

    Parameters
    ----------
    codebook
        With labels that have a `parent`: the code of the label that they are a part of.

    Returns
    -------
    Codebook
        Of two levels `topic_major` and `topic_minor`; of more `topic_level1`, `topic_level2` and so on. A label without
        others below it is a label of every level from its own on.

    Raises
    ------
    AnnotuneError
        Where no label has a parent, or a level has the name of another variable.

    Examples
    --------
    >>> import annotune as at
    >>> names = {1: ("Economy", None), 101: ("Prices", 1), 103: ("Jobs", 1), 3: ("Health", None)}
    >>> labels = tuple(at.Label(code=code, name=name, parent=parent) for code, (name, parent) in names.items())
    >>> book = at.levels(at.Codebook(variables=(at.Variable(name="topic", labels=labels),)))
    >>> {entry.name: entry.names for entry in book.variables}
    {'topic_major': ['Economy', 'Health'], 'topic_minor': ['Prices', 'Jobs', 'Health']}
    """
    if not any(has_levels(entry) for entry in codebook.variables):
        raise AnnotuneError("No label of the codebook has a parent, so that there are no levels.", NO_HIERARCHY)
    parts = [tuple(level_variables(entry).values()) if has_levels(entry) else (entry,) for entry in codebook.variables]
    variables = tuple(variable for part in parts for variable in part)
    names = [variable.name for variable in variables]
    for name in names:
        if names.count(name) > 1:
            what = f"The codebook has a variable {name!r}, which is also the name of a level."
            raise AnnotuneError(what, "Rename the variable.")
    return codebook.model_copy(update={"variables": variables})


def at_levels(codebook: Codebook, names: Sequence[str]) -> Codebook:
    """The codebook with these levels, such as `major`, or `all`, in place of each variable that has levels."""
    whole = levels(codebook)
    level_of = {
        variable.name: variable.name.removeprefix(f"{entry.name}_")
        for entry in codebook.variables
        if has_levels(entry)
        for variable in level_variables(entry).values()
    }
    there = list(dict.fromkeys(level_of.values()))
    for name in names:
        if name not in (*there, ALL):
            raise AnnotuneError(f"The codebook has no level {name!r}.", nearest(name, [*there, ALL]))
    wanted = there if ALL in names else names
    kept = tuple(entry for entry in whole.variables if level_of.get(entry.name) in (None, *wanted))
    return whole.model_copy(update={"variables": kept})


def common_steps(whole: list[tuple[str, ...]]) -> np.ndarray:
    """How many steps from the top each two paths have in common, (n, n); on the diagonal the length of each path.

    >>> common_steps([("Economy", "Prices"), ("Economy", "Jobs"), ("Health",)]).tolist()
    [[2, 1, 0], [1, 2, 0], [0, 0, 1]]
    """
    nodes = sorted({path[: k + 1] for path in whole for k in range(len(path))})
    on_path = np.array([[path[: len(node)] == node for node in nodes] for path in whole], dtype=np.int64)
    return on_path @ on_path.T
