"""What a run codes, by which models, in which shards: written once, and followed by every process that takes part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.claims import key_of
from annotune.bulk.coders import Spec, label_names
from annotune.bulk.conversion import column_names, convert
from annotune.bulk.manifest import RunFolder
from annotune.bulk.shards import PARQUET, ROWS_PER_SHARD, Shard, Source, count_rows, find_files, shards_of, suffix_of
from annotune.data.codings import SCHEMA
from annotune.data.deciding import EVIDENCE
from annotune.errors import AnnotuneError, listing, nearest
from annotune.records.files import require_folder, write_whole
from annotune.records.lock import locked
from annotune.records.sealed import read_sealed, sealed

ANOTHER = "Name another folder with out=."
PATIENCE = 3600.0  # seconds that another process may take to make the plan


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes
    ----------
    columns
        `unit_id`, `text` (names) and `covariates` (a list of names), as they are called in the input.
    settings
        precision, device, threads (of each process), rows_per_shard, probabilities, evidence.
    models
        What codes the texts; see `annotune.bulk.coders`.
    sources
        The files of the input.
    notes
        What was assumed when files were converted.
    """

    columns: dict[str, Any]
    settings: dict[str, Any]
    models: tuple[Spec, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def shards(self) -> list[Shard]:
        """What is coded a piece at a time, in order."""
        return shards_of(self.sources, self.settings["rows_per_shard"])

    @property
    def rows(self) -> int:
        """How many texts there are in files that can be read."""
        return sum(source.rows or 0 for source in self.sources)

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        return names_of(self.columns)

    def part(self, part: tuple[int, int] | None) -> list[Shard]:
        """The shards of part `i` of `n`, counted from 1; all of them without."""
        return self.shards if part is None else self.shards[part[0] - 1 :: part[1]]


def names_of(columns: Mapping[str, Any]) -> list[str]:
    """The columns to be read, each once."""
    return list(dict.fromkeys([columns["unit_id"], columns["text"], *columns["covariates"]]))


def read_plan(folder: RunFolder) -> Plan | None:
    """The plan in a folder; None where there is none."""
    content = read_sealed(folder.plan)
    if content is None:
        if folder.plan.exists():
            raise AnnotuneError(f"{folder.plan} is damaged.", "Remove it, and run the same again: nothing is lost.")
        return None
    sources = tuple(Source(**source) for source in content["sources"])
    settings = {"evidence": False, **content["settings"]}  # which runs of an earlier annotune do not say
    return Plan(content["columns"], settings, tuple(content["models"]), sources, tuple(content["notes"]))


def require_plan(out: Path) -> Plan:
    """The plan of a run that was begun.

    Raises
    ------
    AnnotuneError
        Where nothing was coded into the folder.
    """
    plan = read_plan(RunFolder(out))
    if plan is None:
        what = f"{out} holds no run of annotune classify." if out.exists() else f"{out} is not there."
        raise AnnotuneError(what, "Give the folder that texts are coded into.")
    return plan


def begin(
    folder: RunFolder,
    path: str | Path | Sequence[str | Path],
    columns: dict[str, Any],
    settings: dict[str, Any],
    models: Sequence[Spec],
    threads: Callable[[int], int],
) -> Plan:
    """The plan of this run: the one that is there where the same is asked for, with the input as it is now.

    `threads` says how many each worker has where there are so many shards, and nothing is set.

    Raises
    ------
    AnnotuneError
        Where the folder holds something else, such as codes by another model.
    """
    root, files = find_files(path)
    _require_apart(folder.out, path, root, files)
    _require_columns(columns, models, settings["evidence"])
    _require_somewhere(names_of(columns), files)
    require_folder(folder.out)
    plan = read_plan(folder)
    if plan is None:
        _require_free(folder)
    else:
        settings = _require_same(folder, plan, columns, settings, models)
        if _is_current(plan, root, files, models):
            return plan
    folder.make()
    with in_turn(folder.books / "planning"):
        plan = read_plan(folder)
        if plan is not None and _is_current(plan, root, files, models):
            return plan
        settings = {**settings, "rows_per_shard": settings["rows_per_shard"] or ROWS_PER_SHARD}
        plan = _made(folder, plan, root, files, columns, settings, models)
        settings["threads"] = settings["threads"] or threads(len(plan.shards))
        return _write(folder, plan)


def _made(
    folder: RunFolder,
    before: Plan | None,
    root: Path,
    files: Sequence[Path],
    columns: dict[str, Any],
    settings: dict[str, Any],
    models: Sequence[Spec],
) -> Plan:
    known = {} if before is None else {source.name: source for source in before.sources}
    notes: list[str] = [] if before is None else list(before.notes)
    sources = [_source(folder, root, file, columns, known, notes) for file in files]
    plan = Plan(columns, settings, tuple(models), tuple(sources), tuple(dict.fromkeys(notes)))
    if columns["covariates"] and not folder.schema.exists():
        _keep_schema(folder, sources, columns["covariates"])
    return plan


def _write(folder: RunFolder, plan: Plan) -> Plan:
    sources = [source.as_json() for source in plan.sources]
    content = {"columns": plan.columns, "settings": plan.settings, "models": plan.models, "sources": sources}
    write_whole(folder.plan, json.dumps(sealed({**content, "notes": plan.notes}), ensure_ascii=False) + "\n")
    return plan


def _source(
    folder: RunFolder, root: Path, file: Path, columns: dict[str, Any], known: dict[str, Source], notes: list[str]
) -> Source:
    """A file of the input with the number of its rows; csv and json lines are converted."""
    name, status = file.relative_to(root).as_posix(), file.stat()
    before = known.get(name)
    is_parquet = suffix_of(file) == PARQUET
    path = file if is_parquet else (folder.converted / key_of(name)).absolute()
    is_same = before is not None and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
    if before is not None and is_same and before.rows is not None and path.exists():
        return replace(before, path=str(path))
    try:
        if not is_parquet:
            notes += convert(file, path, names_of(columns), (columns["unit_id"], columns["text"]))
        rows, why = count_rows(path, names_of(columns)), ""
    except AnnotuneError as error:
        rows, why = None, str(error)
    return Source(name, str(path), status.st_size, status.st_mtime_ns, rows, why)


def _keep_schema(folder: RunFolder, sources: Sequence[Source], covariates: Sequence[str]) -> None:
    """The types of the covariates in the first file, which all others have to have."""
    first = next((source for source in sources if source.rows is not None), None)
    if first is not None:
        pl.scan_parquet(first.path, glob=False).select(covariates).limit(0).collect().write_parquet(folder.schema)


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    end = time.monotonic() + PATIENCE
    while True:
        lock = locked(folder)
        try:
            lock.__enter__()
            break
        except AnnotuneError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _is_current(plan: Plan, root: Path, files: Sequence[Path], models: Sequence[Spec]) -> bool:
    """Whether the input and the models' places are as they were when the plan was made."""
    if [spec.get("path") for spec in plan.models] != [spec.get("path") for spec in models]:
        return False
    now = [(file.relative_to(root).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    known = [(source.name, source.size, source.mtime_ns) for source in plan.sources]
    in_place = all(source.rows is not None and Path(source.path).exists() for source in plan.sources)
    return now == known and in_place


def _require_same(
    folder: RunFolder, plan: Plan, columns: dict[str, Any], settings: dict[str, Any], models: Sequence[Spec]
) -> dict[str, Any]:
    """Stop where other models, columns or settings are asked for; the settings, with those that were left open."""
    before, now = ([(spec["name"], spec["sha256"]) for spec in specs] for specs in (plan.models, models))
    if before != now:
        what = f"{folder.out} holds codes by {listing([name for name, _ in before])}"
        raise AnnotuneError(f"{what}, and {listing([name for name, _ in now])} would code into it.", ANOTHER)
    there = {**plan.columns, **plan.settings}
    for name, value in {**columns, **settings}.items():
        if value is not None and name != "threads" and there[name] != value:
            what = f"{folder.out} was begun with {name}={there[name]!r}, and {value!r} is asked for."
            raise AnnotuneError(what, "Go on with the same, or name another folder with out=.")
    return dict(plan.settings)


def _require_free(folder: RunFolder) -> None:
    if folder.out.is_dir() and any(path.name != ".annotune" for path in folder.out.iterdir()):
        raise AnnotuneError(f"{folder.out} holds something else.", "Choose a new folder for the codes.")


def _require_apart(out: Path, path: str | Path | Sequence[str | Path], root: Path, files: Sequence[Path]) -> None:
    """Stop where codes would stand among the texts, and be read as texts the next time."""
    several = [path] if isinstance(path, (str, Path)) else path
    searched = {Path(one).resolve() for one in several if Path(one).is_dir()}
    searched |= {root.resolve() for one in several if "**" in str(one)}
    place = out.resolve()
    if not searched.isdisjoint((place, *place.parents)) or any(place in file.resolve().parents for file in files):
        raise AnnotuneError(f"{out} is among the texts, or holds them.", "Choose a folder elsewhere.")


def _require_somewhere(columns: Sequence[str], files: Sequence[Path]) -> None:
    """Stop where no file has a column, before a folder is bound to it; of a column that some files lack, these tell."""
    absent = list(columns)
    for file in files:
        names = column_names(file)
        absent = [column for column in absent if names is not None and column not in names]
        if not absent:
            return
    others = ", nor has any other file" if len(files) > 1 else ""
    what = f"{files[0].name} has no column {absent[0]!r}{others}."
    raise AnnotuneError(what, nearest(absent[0], column_names(files[0]) or ()))


def _require_columns(columns: Mapping[str, Any], models: Sequence[Spec], evidence: bool) -> None:
    """Stop where a column that a model reads is not named, or where a covariate has the name of one of the output."""
    own = {*SCHEMA, *(f"p_{name}" for name in label_names(models)), *(EVIDENCE if evidence else ())}
    for spec in models:
        unnamed = [name for name in spec.get("reads", ()) if name not in columns["covariates"]]
        if unnamed:
            what = f"{spec['name']} reads {listing(unnamed)} beside the text."
            raise AnnotuneError(what, "Name all that it reads in covariates=.")
    double = [name for name in columns["covariates"] if name in own]
    if double:
        raise AnnotuneError(f"The covariate {double[0]!r} has the name of a column of the codes.", "Rename it first.")
