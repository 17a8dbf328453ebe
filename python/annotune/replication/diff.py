"""diff(): what changed between two runs, or two codebooks, and what that changed in what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, read_codebook
from annotune.errors import AnnotuneError, counted
from annotune.readable import Part, Readable, brief_table
from annotune.records.beside import inputs_of
from annotune.records.record import SUFFIX as RECORD
from annotune.replication.compared import joined
from annotune.replication.opened import opened
from annotune.replication.run_tables import KEYS, RunTables, tables_of
from annotune.replication.sources import Source, flat, settings_of, sources_of

CODEBOOKS = (".yaml", ".yml", ".qdc", ".qdpx", ".xlsx", ".csv")
NUMBERS = {"agreement": "estimate", "measures": "estimate", "coefficients": "estimate"}  # what is compared of a table


@dataclass(frozen=True, repr=False)
class Difference(Readable):
    """What differs between two runs, or two codebooks, called `a` and `b`.

    Attributes
    ----------
    tables
        By name, each with a row per difference and no others. Of causes: `inputs` (file, a, b: fingerprints),
        `settings` (key, a, b), `versions` (name, a, b), `codebook` (variable, label, field, a, b). Of consequences:
        `coders` and `gold` (how many texts), `labels` (variable, a, b, n_texts: how many texts changed from one label
        to another), `cells` (column, n_texts, largest), `agreement`, `measures` and `coefficients` (a, b, difference).
    names
        What a and b are.
    notes
        What could not be compared, and why.
    """

    tables: dict[str, pl.DataFrame]
    names: tuple[str, str]
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.tables

    def in_words(self) -> str:
        """How many rows of each table differ."""
        if self.is_same:
            return f"Nothing differs between {self.names[0]} and {self.names[1]}."
        parts = [f"{name}: {counted(len(table), 'difference', 'differences')}" for name, table in self.tables.items()]
        return f"a is {self.names[0]}, b is {self.names[1]}. {'; '.join(parts)}."

    def _parts(self) -> Iterator[Part]:
        yield self.in_words()
        yield from self.notes
        for name, table in self.tables.items():
            yield from ("", f"{name[0].upper()}{name[1:]}", brief_table(table))


def diff(a: str | Path, b: str | Path) -> Difference:
    """What changed between two runs in inputs and settings, and what that changed in labels, measures, coefficients.

    Parameters
    ----------
    a, b
        Two runs, each as a study file that was run, an output, a record, a folder with one record, or a bundle; or two
        codebooks.

    Returns
    -------
    Difference
        `.tables` has a frame for each kind of thing that differs, `.is_same` whether there is none.

    Raises
    ------
    AnnotuneError
        Where one of them is neither, or where they are not of a kind.

    Examples
    --------
    >>> import annotune as at, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> labels = "labels: [{code: 1, name: Health}, {code: 2, name: LAW}]"
    >>> for name, law in (("old", "Law"), ("new", "Justice")):
    ...     text = f"variables: [{{name: topic, kind: nominal, {labels.replace('LAW', law)}}}]"
    ...     size = (folder / f"{name}.yaml").write_text(text)
    >>> at.diff(folder / "old.yaml", folder / "new.yaml").tables["codebook"].rows()
    [('topic', '2', 'name', 'Law', 'Justice')]
    """
    names = (str(a), str(b))
    with opened(Path(a)) as first, opened(Path(b)) as second:
        one, other = _side(first), _side(second)
        if isinstance(one, Codebook) and isinstance(other, Codebook):
            return _made({"codebook": _codebooks(one, other)}, names)
        if isinstance(one, Codebook) or isinstance(other, Codebook):
            raise AnnotuneError(f"{a} and {b} are not of a kind.", "Give two runs, or two codebooks.")
        return _of_runs(one, other, names)


def _side(path: Path) -> Source | Codebook:
    """A run where there is a record of one, else a codebook."""
    sources = sources_of(path)
    if len(sources) > 1:
        records = ", ".join(source.path.name for source in sources)
        raise AnnotuneError(f"{path} holds several records: {records}.", "Name one of them.")
    if sources:
        return sources[0]
    if path.is_dir() or path.suffix.lower() not in CODEBOOKS:
        raise AnnotuneError(f"Nothing tells what {path} came from.", f"Give a run with its {RECORD}, or a codebook.")
    try:
        return read_codebook(path)
    except AnnotuneError as error:
        what = f"{path} is neither a run with its record nor a codebook: {error.what}"
        raise AnnotuneError(what, "Give two runs, or two codebooks.") from None


def _of_runs(one: Source, other: Source, names: tuple[str, str]) -> Difference:
    came = [tables_of(side) for side in (one, other)]
    notes = [
        f"Texts were not compared one by one: no results of {name} can be read here."
        for name, run in zip(names, came, strict=True)
        if "results" not in run.tables
    ]
    tables = {
        "inputs": changes(_inputs(one), _inputs(other), "file"),
        "settings": changes(flat(settings_of(one, True)), flat(settings_of(other, True)), "key"),
        "versions": changes(_versions(one), _versions(other), "name"),
        "codebook": _codebooks(*books) if (books := _books(one, other)) else pl.DataFrame(),
        "coders": _counts(came, "coders", "n_texts"),
        "gold": _counts(came, "gold", "n_texts"),
        "labels": _moves(came),
        "cells": _columns(came),
        **{name: _numbers(came, name, column) for name, column in NUMBERS.items()},
    }
    return _made(tables, names, notes)


def _made(tables: Mapping[str, pl.DataFrame], names: tuple[str, str], notes: Sequence[str] = ()) -> Difference:
    return Difference({name: table for name, table in tables.items() if len(table)}, names, tuple(notes))


def changes(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> pl.DataFrame:
    """The names under which two collections have different words; null where one has none.

    >>> changes({"seed": 1, "base": "minilm"}, {"seed": 2, "base": "minilm"}, "key").rows()
    [('seed', '1', '2')]
    """
    keys = [key for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)]
    rows = [(key, *(None if side.get(key) is None else str(side[key]) for side in (a, b))) for key in keys]
    return pl.DataFrame(rows, schema=dict.fromkeys((name, "a", "b"), pl.String), orient="row")


def _inputs(source: Source) -> dict[str, Any]:
    stores = {str(name): sha256 for name, sha256 in source.part("stores").items()}
    return {name: str(sha256)[:16] for name, sha256 in {**inputs_of(source.content), **stores}.items()}


def _versions(source: Source) -> dict[str, Any]:
    return {**source.part("versions"), **flat(dict(source.part("hardware")), "hardware")}


def _books(one: Source, other: Source) -> list[Codebook]:
    """The two codebooks, where both runs are studies and their files are still as recorded."""
    books = []
    for source in (one, other):
        name = source.part("study").get("codebook")
        if not isinstance(name, str) or source.states(inputs_of(source.content)).get(name) != "as recorded":
            return []
        books.append(read_codebook(source.folder / name))
    return books


def _codebooks(one: Codebook, other: Codebook) -> pl.DataFrame:
    """Every field of a variable, and of a label as its code names it, that differs."""
    rows = changes(_fields(one), _fields(other), "key")
    parts = [key.split("\0") for key in rows["key"].to_list()]
    places = {name: [part[place] for part in parts] for place, name in enumerate(("variable", "label", "field"))}
    return rows.select(*(pl.Series(name, values, pl.String) for name, values in places.items()), "a", "b")


def _fields(book: Codebook) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for entry in book.variables:
        content = entry.model_dump(mode="json", exclude={"labels"}, exclude_defaults=True)
        fields |= {f"{entry.name}\0\0{field}": value for field, value in content.items() if field != "name"}
        fields[f"{entry.name}\0\0order of labels"] = [label.code for label in entry.labels]
        for label in entry.labels:
            content = label.model_dump(mode="json", exclude_defaults=True)
            fields |= {
                f"{entry.name}\0{label.code}\0{field}": value for field, value in content.items() if field != "code"
            }
    return fields


def _counts(came: Sequence[RunTables], name: str, column: str) -> pl.DataFrame:
    """Rows whose count is another, or that one run alone has."""
    both = _sides(came, name, [column])
    if both.is_empty():
        return both
    a, b = (pl.col(f"{column}_{side}").fill_null(0) for side in "ab")
    return both.filter(a != b).select(*KEYS[name], a=a, b=b)


def _numbers(came: Sequence[RunTables], name: str, column: str) -> pl.DataFrame:
    """Rows whose number is another, and by how much."""
    both = _sides(came, name, [column])
    if both.is_empty():
        return both
    a, b = (pl.col(f"{column}_{side}").cast(pl.Float64) for side in "ab")
    keys = [key for key in KEYS[name] if both[key].is_not_null().any()]
    return both.filter(a.ne_missing(b)).select(*keys, a=a, b=b, difference=b - a)


def _sides(came: Sequence[RunTables], name: str, columns: Sequence[str]) -> pl.DataFrame:
    """A table of both runs, side by side; one that neither has is empty."""
    if any(name not in run.tables for run in came):
        return pl.DataFrame()
    one, other = (run.tables[name] for run in came)
    have = [column for column in columns if column in one.columns and column in other.columns]
    keys = KEYS[name]
    return joined(one.select(*keys, *have), other.select(*keys, *have), keys) if have else pl.DataFrame()


def _moves(came: Sequence[RunTables]) -> pl.DataFrame:
    """How many texts changed from one label to another, by the model and by people."""
    variables = [name for run in came for name in run.variables]
    columns = [f"{name}{end}" for name in dict.fromkeys(variables) for end in ("", "_gold")]
    parts = []
    for column, both in _results(came, columns):
        words = [pl.col(f"{column}_{side}").cast(pl.String).alias(side) for side in "ab"]
        moved = both.select(words).filter(pl.col("a").ne_missing(pl.col("b"))).group_by("a", "b").agg(n_texts=pl.len())
        parts.append(
            moved.sort("n_texts", "a", "b", descending=[True, False, False]).select(
                pl.lit(column).alias("column"), "a", "b", "n_texts"
            )
        )
    return pl.concat(parts) if parts else pl.DataFrame()


def _columns(came: Sequence[RunTables]) -> pl.DataFrame:
    """For each column of the results in how many texts it differs, and by how much the most."""
    names = [name for run in came for name in run.table("results").columns]
    rows = []
    for column, both in _results(came, list(dict.fromkeys(names))):
        a, b = both[f"{column}_a"], both[f"{column}_b"]
        numbers = a.dtype.is_numeric() and b.dtype.is_numeric()
        a, b = (side if numbers else side.cast(pl.String) for side in (a, b))
        n = int(a.ne_missing(b).sum())
        largest = (a - b).abs().max() if numbers else None
        rows += [(column, n, largest)] if n else []
    rows += [("(texts in one run alone)", n, None)] if (n := _alone(came)) else []
    return pl.DataFrame(rows, schema={"column": pl.String, "n_texts": pl.Int64, "largest": pl.Float64}, orient="row")


def _alone(came: Sequence[RunTables]) -> int:
    """How many texts one of the runs alone has."""
    units = [set(run.table("results")["unit_id"].cast(pl.String)) for run in came if "results" in run.tables]
    return len(units[0] ^ units[1]) if len(units) == len(came) else 0


def _results(came: Sequence[RunTables], columns: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each of the columns that the results of both runs have, for the texts that both have."""
    if any("results" not in run.tables for run in came):
        return
    one, other = (run.tables["results"] for run in came)
    have = [name for name in columns if name != "unit_id" and name in one.columns and name in other.columns]
    sides = joined(one.select("unit_id", *have), other.select("unit_id", *have), ["unit_id"])
    both = sides.filter("in_a", "in_b")
    for name in have:
        yield name, both.select(f"{name}_a", f"{name}_b")
