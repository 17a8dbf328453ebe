"""replicate(): a bundle's tables again, table by table beside those that were recorded; or with a choice changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError
from annotune.progress import say as say_here
from annotune.readable import Part, Readable, brief_table
from annotune.records.fingerprints import versions
from annotune.replication.archive import unpack
from annotune.replication.bundle import STUDY as FOLDER
from annotune.replication.changes import prepare
from annotune.replication.compared import ABSENT, DIFFERENT, IDENTICAL, WITHIN, compared, joined
from annotune.replication.environment import make_environment, replicate_in
from annotune.replication.parts import RECORD, STUDY
from annotune.replication.run_tables import KEYS, OWN, RunTables, tables_of
from annotune.replication.sources import Source, source_at
from annotune.study.after_models import after_models
from annotune.study.file import WORK, read_study
from annotune.study.run import run

STATES = (DIFFERENT, WITHIN, IDENTICAL, ABSENT)  # the worst first
TOLERANCE = 1e-4  # by which other processors' numbers may differ
SCHEMA = {"table": pl.String, "state": pl.String, "n_cells": pl.Int64, "n_different": pl.Int64}
SCHEMA |= {"largest": pl.Float64, "first": pl.String}
SHOWN = ("coefficients", "gold", "agreement")  # of a changed choice, side by side
COLUMNS = {"coefficients": ["estimate", "std_error"], "gold": ["n_texts"], "agreement": ["estimate"]}
NOT_AGAIN = "Not repeated, as the bundle has no texts: tuning, coding the corpus, the baselines of the models."


@dataclass(frozen=True, repr=False)
class Replication(Readable):
    """A bundle's tables, computed again.

    Attributes
    ----------
    tables
        A row per table: `table`, `state` (identical, equal within the tolerance, different, not repeated), `n_cells`
        compared, `n_different`, the `largest` difference of two numbers, and where the `first` difference is.
    state
        The worst of them.
    beside
        With changes: by table the recorded numbers (`_a`) and those with the changes (`_b`).
    notes
        What was not repeated, and which versions are other ones.
    """

    tables: pl.DataFrame
    state: str
    beside: dict[str, pl.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether every table that was computed again is identical or equal within the tolerance."""
        return self.state in (IDENTICAL, WITHIN)

    def in_words(self) -> str:
        """The worst state, and the first difference."""
        firsts = self.tables.filter(state=DIFFERENT)
        where = f" First difference: {firsts['table'][0]}, {firsts['first'][0]}." if len(firsts) else ""
        n = self.tables.filter(pl.col("state") != ABSENT).height
        return f"{n} tables were computed again: {self.state}.{where}"

    def _parts(self) -> Iterator[Part]:
        yield self.in_words()
        yield brief_table(self.tables, form=".2g")
        for name, table in self.beside.items():
            yield from (
                "",
                f"{name[0].upper()}{name[1:]}, as recorded (a) and with the changes (b)",
                brief_table(table),
            )
        yield from self.notes


def replicate(
    bundle: str | Path,
    out: str | Path | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
    environment: str | Path | None = None,
    python: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Replication:
    """Compute a bundle's tables again, and compare them with those that were recorded.

    Parameters
    ----------
    bundle
        A .zip or a folder that `bundle` made. Its files are compared with their fingerprints first. Nothing that it
        names outside of it is read or written, and without `environment` nothing in it is run.
    out
        A new folder, in which the study is left as it was run again; by default nothing is left.
    changes
        Keys of the study file and other values for them, `{"gold.rule": "unanimous"}`: what if this choice had been
        another one? None takes a key away.
    tolerance
        Numbers that differ by no more than this, or this share of them, are equal within the tolerance: on another
        processor the last digits differ.
    environment
        A new folder, in which an environment is made of the packages that the bundle names, with the annotune that is
        in it, and in which the study is run: **code of the bundle's authors runs then, with your rights.** Without it
        annotune and packages are those of this Python. One that was made of the same bundle is used again.
    python
        The Python that makes the environment, such as `python3.11`; by default this one.
    say
        Is told of every step as it begins, in a few words.

    Returns
    -------
    Replication
        `.tables` has a row per table; with changes, `.beside` has both tables side by side.

    Raises
    ------
    AnnotuneError
        For what is no bundle, and for one that is damaged or leads out of its folder; for an environment that cannot be
        made.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> at.replicate(at.bundle(study, texts="none")).state
    'identical'
    """
    if not 0 <= tolerance < 1:
        raise AnnotuneError(f"tolerance={tolerance} is no small number.", "Such as 0.0001.")
    place = None if out is None else Path(out)
    if place is not None and place.exists():
        raise AnnotuneError(f"{place} is there already.", "Choose a new folder.")
    if environment is not None:
        return _elsewhere(Path(bundle), place, changes or {}, tolerance, Path(environment), python, say or say_here)
    if python is not None:
        raise AnnotuneError(f"python={python!r} makes an environment.", "Name a new folder for it: environment=.")
    keep: Any = tempfile.TemporaryDirectory(prefix="annotune-") if place is None else nullcontext(str(place))
    with keep as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        content = unpack(Path(bundle), folder)
        return _again(folder / FOLDER, content.about, changes or {}, tolerance, say or (lambda _: None))


def _elsewhere(
    bundle: Path,
    out: Path | None,
    changes: Mapping[str, Any],
    tolerance: float,
    environment: Path,
    python: str | None,
    say: Callable[[str], None],
) -> Replication:
    """The same by the packages that the bundle names."""
    with tempfile.TemporaryDirectory(prefix="annotune-") as name:
        unpack(bundle, Path(name))
        there = make_environment(environment, Path(name), python, say)
    answer = replicate_in(there, bundle, out, changes, tolerance, say)
    try:
        tables = pl.DataFrame(answer["tables"], schema=SCHEMA)
        beside = {str(name): pl.DataFrame(rows, infer_schema_length=None) for name, rows in answer["beside"].items()}
        notes, state = [str(note) for note in answer["notes"]], STATES[STATES.index(answer["state"])]
    except (AttributeError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        raise AnnotuneError("What the bundle's environment printed is no result.", "Ask its authors.") from None
    return Replication(tables, state, beside, (*notes, f"Run in the environment {environment}, by the bundle's code."))


def _again(
    folder: Path, about: Mapping[str, Any], changes: Mapping[str, Any], tolerance: float, say: Callable[[str], None]
) -> Replication:
    with_texts = about.get("texts") == "all"
    if not (folder / STUDY).is_file() or not (folder / RECORD).is_file():
        raise AnnotuneError("The bundle has no study with its record.", "Ask its authors for another one.")
    recorded = source_at(folder / RECORD)
    before = tables_of(recorded)
    prepare(folder / STUDY, changes, with_texts)
    if with_texts:
        shutil.rmtree(folder / WORK)
        results = run(folder / STUDY, say=say)
        after = tables_of(source_at(results.record))
    else:
        after = _without_texts(folder, say)
    notes = [*([] if with_texts else [NOT_AGAIN]), *_other_versions(recorded)]
    return _made(before, after, tolerance, notes, bool(changes))


def _without_texts(folder: Path, say: Callable[[str], None]) -> RunTables:
    """Everything after the models."""
    results = after_models(read_study(folder / STUDY), say)
    tables = tables_of(Source(folder / RECORD, {**results.record, "outputs": []}, None))
    return replace(tables, tables={**tables.tables, "results": results.outcome.data})


def _made(before: RunTables, after: RunTables, tolerance: float, notes: list[str], is_changed: bool) -> Replication:
    rows = [_row(name, before, after, tolerance) for name in KEYS if name in before.tables]
    tables = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    states = tables["state"].to_list()
    state = next((state for state in STATES if state in states), ABSENT)
    beside = {name: _beside(name, before, after) for name in SHOWN} if is_changed else {}
    return Replication(tables, state, {name: table for name, table in beside.items() if len(table)}, tuple(notes))


def _row(name: str, before: RunTables, after: RunTables, tolerance: float) -> tuple[Any, ...]:
    """One table beside the recorded one; of the measures without texts, the models' own estimates."""
    if name not in after.tables:
        return name, ABSENT, 0, 0, None, ""
    one, other = before.tables[name], after.tables[name]
    if name == "measures" and "n_units" not in other.columns:
        one = one.filter(model=OWN).select(*KEYS[name], "estimate")
    if name == "results":  # as its file has it: other formats round, and have other types
        one, other = _as_exact(one, other)
    result = compared(one, other, KEYS[name], tolerance)
    return name, result.state, result.n_cells, result.n_different, result.largest, result.first


def _as_exact(one: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Results in the columns that the recorded file has; truth values as it has them."""
    flags = [name for name in other.columns if other[name].dtype == pl.Boolean and name in one.columns]
    other = other.with_columns(pl.col(name).cast(one[name].dtype, strict=False) for name in flags)
    return one, other


def _beside(name: str, before: RunTables, after: RunTables) -> pl.DataFrame:
    one, other = before.table(name), after.table(name)
    columns = [column for column in COLUMNS[name] if column in one.columns and column in other.columns]
    keys = [key for key in KEYS[name] if key in one.columns]
    both = joined(one.select(*keys, *columns), other.select(*keys, *columns), keys)
    keys_in_use = [key for key in keys if both[key].is_not_null().any()]
    return both.select(*keys_in_use, *(f"{column}_{side}" for column in columns for side in "ab"))


def _other_versions(recorded: Source) -> list[str]:
    """The packages that are of another version here than they were."""
    here, there = versions(), recorded.part("versions")
    changed = [
        f"{name} {there[name]}, here {here[name]}" for name in here if name in there and there[name] != here[name]
    ]
    return [f"Other versions: {'; '.join(changed)}."] if changed else []
