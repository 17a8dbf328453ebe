"""Codings of a hierarchy's labels as codings of each of its levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import PREFIX as SHARE
from annotune.data.codings import Codings, check, require_labels, sound_codings
from annotune.data.hierarchy import ancestors_at, has_levels, level_variables, levels

PROBABILITY = "p_"


def roll_up(codings: Any, codebook: Codebook) -> Codings:
    """Codings of each level in place of those of a variable whose labels have parents.

    At the level of the majors a text coded `Prices` is coded with what `Prices` is a part of. The probability of a
    label is the sum of those of the labels below it, at every level, and so are the shares of coders. Of sets of
    labels, of which several may hold, it is the largest of them. A text that was coded by its major alone has the
    status `missing` at the level of the minors.

    Parameters
    ----------
    codings
        A table of codings, by people or by models.
    codebook
        With labels that have a `parent`.

    Returns
    -------
    polars.DataFrame
        A table of codings of the variables of `levels(codebook)`. Codings of other variables stay as they are.

    Raises
    ------
    AnnotuneError
        Where no label of the codebook has a parent, or the codings have labels that the codebook has not.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> names = {1: ("Economy", None), 101: ("Prices", 1), 103: ("Jobs", 1), 3: ("Health", None)}
    >>> labels = tuple(at.Label(code=code, name=name, parent=parent) for code, (name, parent) in names.items())
    >>> book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "anna": ["Prices", "Economy"], "ben": ["Jobs", "Prices"]})
    >>> codings = at.read_codings(wide, book, variable="topic", coders=["anna", "ben"])
    >>> at.roll_up(codings, book).select("unit_id", "variable", "coder", "label").rows()[:4]
    [('a', 'topic_major', 'anna', 'Economy'), ('b', 'topic_major', 'anna', 'Economy'), ('a', 'topic_major', 'ben',
    'Economy'), ('b', 'topic_major', 'ben', 'Economy')]
    """
    levels(codebook)  # which stops where there are none, or where names collide
    table = check(codings)
    hierarchies = [entry for entry in codebook.variables if has_levels(entry)]
    others = table.filter(~pl.col("variable").is_in([entry.name for entry in hierarchies]))
    parts = [others] if len(others) else []
    for entry in hierarchies:
        rows = table.filter(pl.col("variable") == entry.name)
        require_labels(rows, entry, "codings")
        parts += [_at_depth(rows, entry, depth, level) for depth, level in level_variables(entry).items()]
    return sound_codings(pl.concat(parts, how="diagonal_relaxed"))


def _at_depth(rows: pl.DataFrame, entry: Variable, depth: int, level: Variable) -> pl.DataFrame:
    """The rows of a variable as rows of its level's variable."""
    sets, above = entry.kind == "multilabel", ancestors_at(entry, depth)
    label = pl.col("label").replace_strict(above, default=None, return_dtype=pl.String)
    too_high = pl.col("label").is_not_null() & label.is_null()
    summed = {**_summed(rows, level, above, PROBABILITY, sets), **_summed(rows, level, above, SHARE, sets)}
    own = [f"{prefix}{name}" for prefix in (PROBABILITY, SHARE) for name in entry.names]
    frame = rows.with_columns(
        pl.lit(level.name).alias("variable"),
        label.alias("label"),
        pl.when(too_high).then(pl.lit("missing")).otherwise("status").alias("status"),
        pl.when(too_high).then(None).otherwise("prob").alias("prob"),
        **summed,
    ).drop([name for name in own if name in rows.columns and name not in summed])
    frame = frame.with_columns(_prob_of_label(frame, level).alias("prob"))
    return _without_repeats(frame) if sets else frame


def _summed(
    rows: pl.DataFrame, level: Variable, above: Mapping[str, str | None], prefix: str, sets: bool
) -> dict[str, pl.Expr]:
    """The columns of a level's labels by name, each of those of the labels below it; none where they would not add up.

    A coder who named a label above this level said nothing of it: shares are of the others. A model that gives such a
    label has no probabilities at this level.
    """
    there = [name for name in above if f"{prefix}{name}" in rows.columns]
    too_high = any(above[name] is None and (rows[f"{prefix}{name}"] > 0).any() for name in there)
    if too_high and prefix == PROBABILITY and not sets:
        return {}
    parts = {own: [f"{prefix}{name}" for name in there if above[name] == own] for own in level.names}
    columns = {f"{prefix}{own}": _together(names, sets) for own, names in parts.items() if names}
    if too_high and not sets:
        whole = pl.sum_horizontal(*columns.values())
        return {name: pl.when(whole > 0).then(column / whole) for name, column in columns.items()}
    return columns


def _together(columns: list[str], sets: bool) -> pl.Expr:
    """The sum, of sets the largest, of a text's numbers; null where it has none."""
    none = pl.all_horizontal(pl.col(columns).is_null())
    return pl.when(~none).then(pl.max_horizontal(columns) if sets else pl.sum_horizontal(columns))


def _prob_of_label(frame: pl.DataFrame, level: Variable) -> pl.Expr:
    """The probability of each row's own label where those of all labels are there; else what was there."""
    stated = [name for name in level.names if f"{PROBABILITY}{name}" in frame.columns]
    own = [pl.when(pl.col("label") == name).then(pl.col(f"{PROBABILITY}{name}")) for name in stated]
    return pl.coalesce(*own, "prob")


def _without_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    """Of sets: each label of a coder once, and nothing missing where a text has labels of this level."""
    key = ["unit_id", "coder"]
    some = pl.col("label").is_not_null().any().over(key)
    rows = frame.filter(pl.col("label").is_not_null() | ~some)
    return rows.unique([*key, "label"], keep="first", maintain_order=True)
