"""What of a study goes into a bundle: its files, by the names that they have there, and a study file with these."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from annotune.data.codebook import read_codebook
from annotune.errors import AnnotuneError
from annotune.export.write import write
from annotune.records.beside import outputs_of
from annotune.records.files import is_plain
from annotune.replication.sources import Source
from annotune.study.after_models import CODINGS
from annotune.study.file import WORK, Study, StudyFile
from annotune.study.sources import codings_of, corpus_of
from annotune.tables import store_schema
from annotune.tables.store import SUFFIX as STORE

STUDY = "study.yaml"
RECORD = "study.record.json"
WITHOUT_TEXTS = ("annotune.json", "held_out.parquet", "held_out_gold.parquet")  # of a model; and its evaluation_*
SAYINGS = {"requests": ("answer", "reason"), "proposals": ("reason",), "decisions": ("note",)}  # may quote a text


def is_inside(name: str) -> bool:
    """Whether a path of a study stays in its folder, on every system.

    >>> is_inside("data/questions.csv"), is_inside("../questions.csv"), is_inside("/etc/passwd"), is_inside("C:x")
    (True, False, False, False)
    """
    parts = name.split("/")
    return all(part not in ("", ".", "..") and is_plain(part) for part in parts)


def collect(file: StudyFile, source: Source, folder: Path, with_texts: bool) -> None:
    """Put the study into a folder: its file, what it reads, what it wrote, its models, and what these said.

    Without texts the corpus has their fingerprints, codings are in one table, and models have no weights.
    """
    content = file.study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    (folder / WORK).mkdir(parents=True)
    _copy_inputs(file, content, folder, with_texts)
    _name_outputs(content)
    text = file.path.read_text("utf-8") if content == _as_written(file) else yaml.safe_dump(content, sort_keys=False)
    (folder / STUDY).write_text(text, "utf-8")
    Study.model_validate(content)
    for name in outputs_of(source.content):
        if (source.folder / name).is_file():
            _copy(source.folder / name, folder / (name if is_inside(name) else Path(name).name))
    _copy(source.path, folder / RECORD)
    for name in source.part("models"):
        _copy_model(file.work_of(str(name)), folder / WORK / file.work_of(str(name)).name, with_texts)


def _as_written(file: StudyFile) -> dict[str, Any]:
    return file.study.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _copy_inputs(file: StudyFile, content: dict[str, Any], folder: Path, with_texts: bool) -> None:
    """What the study reads, under names that stay in the folder; `content` then has these."""
    study = file.study
    content["codebook"] = _taken(file, study.codebook, folder)
    if with_texts:
        content["corpus"]["path"] = _taken(file, study.corpus.path, folder)
        if "codings" in content:
            names = [name for name in study.codings.paths if Path(name).suffix != STORE]
            stores = [_store_name(name) for name in study.codings.paths if Path(name).suffix == STORE]
            content["codings"]["paths"] = [*(_taken(file, name, folder) for name in names), *stores]
        if file.beside(study.tune.base).is_dir():
            content["tune"]["base"] = _taken(file, study.tune.base, folder)
    else:
        _write_without_texts(file, content, folder)
    if study.sample is not None and study.sample.draws:
        is_store = Path(study.sample.draws).suffix == STORE
        name = _store_name(study.sample.draws) if is_store else _taken(file, study.sample.draws, folder)
        content["sample"]["draws"] = name
    for path in _stores(file):
        name = (
            _store_name(path.name)
            if path != file.store or study.sample is None or study.sample.draws
            else "study.annotune"
        )
        copy_store(path, folder / name, with_texts)


def _store_name(name: str) -> str:
    return (
        Path(name).name
        if is_inside(Path(name).name)
        else f"store-{hashlib.sha256(name.encode()).hexdigest()[:8]}{STORE}"
    )


def _stores(file: StudyFile) -> list[Path]:
    """The stores that are there: the study's own, and those that it names."""
    stores_of_codings = [file.beside(name) for name in file.study.codings.paths if Path(name).suffix == STORE]
    own = [file.store] if file.store.suffix == STORE else []
    return [path for path in dict.fromkeys([*stores_of_codings, *own]) if path.is_file()]


def _taken(file: StudyFile, name: str, folder: Path) -> str:
    """Copy a file, or a folder, that the study reads, and give it a name that stays in the folder."""
    path = file.beside(name)
    inside = name if is_inside(name) else f"inputs/{_plain(path.name)}"
    if (folder / inside).exists() and not is_inside(name):
        inside = f"inputs/{hashlib.sha256(name.encode()).hexdigest()[:8]}-{_plain(path.name)}"
    _copy(path, folder / inside)
    return inside


def _plain(name: str) -> str:
    return name if is_plain(name) else f"{hashlib.sha256(name.encode()).hexdigest()[:12]}{Path(name).suffix}"


def _copy(path: Path, target: Path) -> None:
    """Copy a file, or what is not hidden in a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns(".*"))
    elif not target.exists():
        shutil.copyfile(path, target)


def _name_outputs(content: dict[str, Any]) -> None:
    """Outputs outside of the folder come into it; sheets, which stay behind, are not written anew."""

    def inside(name: str) -> str:
        return name if is_inside(name) else Path(name).name

    for part in (content, content.get("correct") or {}):
        if "write" in part:
            part["write"] = [inside(name) for name in part["write"]]
    if content.get("report"):
        content["report"]["path"] = inside(content["report"]["path"])


def _write_without_texts(file: StudyFile, content: dict[str, Any], folder: Path) -> None:
    """The corpus with fingerprints in the place of texts; what coders said in files, without what else is in them."""
    corpus = corpus_of(file)
    digests = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in corpus["text"]]
    write(corpus.with_columns(text=pl.Series(digests, dtype=pl.String)), folder / "corpus.parquet")
    content["corpus"] = {"path": "corpus.parquet"}
    part = file.study.codings
    names = tuple(name for name in part.paths if Path(name).suffix != STORE)
    stores = [_store_name(name) for name in part.paths if Path(name).suffix == STORE]
    if names:
        as_read = {"codings": part.model_copy(update={"paths": names}), "sample": None, "level": None}
        alone = file.study.model_copy(update=as_read)
        codings = codings_of(StudyFile(file.path, alone), read_codebook(file.beside(file.study.codebook)))
        columns = [
            name for name in ("unit_id", "variable", "coder", "label", "status", *part.keep) if name in codings.columns
        ]
        write(codings.select(list(dict.fromkeys(columns))), folder / CODINGS)
    if names or stores:
        content["codings"] = {"paths": [*([CODINGS] if names else []), *stores], "keep": list(part.keep)}


def _copy_model(work: Path, target: Path, with_texts: bool) -> None:
    """A model and what it said of every text; weights may hold pieces of texts, and are left out with them."""
    for path in sorted((work / "model").rglob("*")):
        name = path.relative_to(work / "model").as_posix()
        if (
            path.is_file()
            and path.name[0] != "."
            and (with_texts or name in WITHOUT_TEXTS or name.startswith("evaluation_"))
        ):
            _copy(path, target / "model" / name)
    if not (work / CODINGS).is_file():
        raise AnnotuneError(f"{work / CODINGS} is not there.", "Run the study again, and then make the bundle.")
    _copy(work / CODINGS, target / CODINGS)


def copy_store(path: Path, target: Path, with_texts: bool) -> None:
    """A copy of a store without the keys of the coding page, and without texts also without what may quote one."""
    from annotune.hybrid.store import open_store

    with open_store(path, create=False) as store:
        store.rows("VACUUM INTO ?", [str(target)])
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        schema_before = dict(copy.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("PRAGMA secure_delete = ON")
        copy.execute("DELETE FROM links")
        if not with_texts:
            _forget_sayings(copy, schema_before)
        copy.execute("VACUUM")  # nothing of what was deleted stays in free pages
        store_schema.require_store(target, copy)


def _forget_sayings(copy: sqlite3.Connection, triggers: Mapping[str, str]) -> None:
    """Empty the columns that may quote a text; decisions can be changed only while their triggers are away."""
    for name in triggers:
        copy.execute(f'DROP TRIGGER "{name}"')
    for table, columns in SAYINGS.items():
        for column in columns:
            empty = "NULL" if (table, column) == ("requests", "answer") else "''"
            copy.execute(f"UPDATE {table} SET {column} = {empty}")
    for sql in triggers.values():
        copy.execute(sql)
