"""One text's way: who coded it, what was proposed, what the model said, and what of it entered the regressions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.formulas import Formula
from annotune.errors import AnnotuneError
from annotune.replication.run_tables import results_of
from annotune.replication.sources import Source
from annotune.replication.store_parts import day
from annotune.replication.trees import without_blanks
from annotune.study.file import StudyFile, read_study
from annotune.study.sources import codings_of, corpus_of, studied_codebook
from annotune.tables import read_table
from annotune.tables.store import SUFFIX as STORE
from annotune.tables.store import draws_in_store
from annotune.tables.store_history import text_in_store

STUDY_SUFFIXES = (".yaml", ".yml")
LONGEST = 300  # characters of a text that are shown


@dataclass
class Trace:
    """What is known of a text, branch by branch, and a sentence for each branch that could not be read."""

    unit_id: str
    branches: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, name: str, read: Callable[[], Any]) -> None:
        """Add what `read` gives under this name; where it refuses, why that is not known."""
        try:
            self.branches[name] = read()
        except AnnotuneError as error:
            self.unknown.append(f"{name[0].upper()}{name[1:]} of this text: {error.what}")


def trace(place: Path, source: Source | None, unit_id: str) -> Trace:
    """The way of one text through the study, or the results, that `place` and its record are of.

    Raises
    ------
    AnnotuneError
        Where no file that can be read has the text.
    """
    way = Trace(unit_id)
    results = results_of(source, place)
    row = _row(results, unit_id)
    file = _study(source, way)
    if file is not None:
        _of_study(way, file)
    if row is None and not way.branches.get("text"):
        what = f"No text {unit_id!r} is in {place if results is None else 'the results'}."
        raise AnnotuneError(what, "Check the identifier: it is what stands in the column unit_id.")
    way.branches["results"] = _plain(row or {})
    if file is not None and row is not None:
        way.branches["regressions"] = _regressions(file, row)
    way.branches = without_blanks(way.branches)
    if results is None:
        way.unknown.append("What entered the regressions: no results can be read.")
    return way


def _study(source: Source | None, way: Trace) -> StudyFile | None:
    """The study file beside its record."""
    if source is None or not source.is_study:
        return None
    stem = source.path.name.removesuffix(".record.json")
    path = next((path for end in STUDY_SUFFIXES if (path := source.folder / f"{stem}{end}").is_file()), None)
    if path is None:
        way.unknown.append(f"What coders and models said of this text: there is no {stem}.yaml beside the record.")
        return None
    try:
        return read_study(path)
    except AnnotuneError as error:
        way.unknown.append(f"What coders and models said of this text: {error.what}")
        return None


def _of_study(way: Trace, file: StudyFile) -> None:
    way.add("text", lambda: _text(file, way.unit_id))
    way.add("draw", lambda: _draw(file, way.unit_id))
    way.add("codings", lambda: _codings(file, way.unit_id))
    way.add("store", lambda: _store(file, way.unit_id))
    way.add("models", lambda: _models(file, way.unit_id))


def _text(file: StudyFile, unit_id: str) -> dict[str, Any]:
    """The text and its covariates."""
    row = _row(corpus_of(file), unit_id)
    if row is None:
        return {}
    text = row.pop("text")
    beginning = "(empty)" if text is None else text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return {"begins": beginning, "characters": len(text or ""), **_plain(row)}


def _draw(file: StudyFile, unit_id: str) -> Any:
    sample = file.study.sample
    if sample is None or not sample.drawn or not file.store.is_file() or file.store.suffix != STORE:
        return None if sample is None else sample.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    rows = draws_in_store(file.store).filter(pl.col("unit_id") == unit_id)
    return {
        f"wave {row['wave']}": f"{'drawn' if row['drawn'] else 'not drawn'}, with probability {row['pi']:.4g}"
        for row in rows.to_dicts()
    } or "no wave could draw it"


def _codings(file: StudyFile, unit_id: str) -> dict[str, Any]:
    """What each coder's answer is, by variable; a model that proposed is a coder as well."""
    rows = codings_of(file, studied_codebook(file)).filter(pl.col("unit_id") == unit_id)
    return _by_variable(rows.to_dicts(), lambda row: (str(row["coder"]), row["label"] or f"({row['status']})"))


def _store(file: StudyFile, unit_id: str) -> dict[str, Any]:
    """Everything that the store keeps of a text, in order, with what was taken back and what was in sight."""
    if file.store.suffix != STORE or not file.store.is_file():
        return {}
    rows = {name: table.to_dicts() for name, table in text_in_store(file.store, unit_id).items()}
    return {
        "assigned": [f"wave {row['wave']}: {row['coder']}, {row['arm']}" for row in rows["assigned"]],
        "proposed": [_proposal(row) for row in rows["proposed"]],
        "decided": [_decision(row) for row in rows["decided"]],
    }


def _proposal(row: Mapping[str, Any]) -> str:
    answer = row["label"] or f"({row['status']})"
    prob = f" with probability {row['prob']:.3f}" if row["prob"] is not None else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"{day(row['at'])}, {row['coder']} ({row['model']}): {row['variable']} = {answer}{prob}{reason}"


def _decision(row: Mapping[str, Any]) -> str:
    answer = ", ".join(json.loads(row["labels"])) or f"({row['status']})"
    n_shown = len(json.loads(row["proposals"] or "[]"))
    details = [
        f"arm {row['arm']}" if row["arm"] else "",
        f"{row['seconds']:.0f} s" if row["seconds"] is not None else "",
        f"{n_shown} proposals in sight" if n_shown else "",
        "unsure" if row["unsure"] else "",
        f"note: {row['note']}" if row["note"] else "",
    ]
    words = ", ".join(filter(None, details))
    return f"{day(row['at'])}, {row['coder']}: {row['variable']} = {answer}{f' ({words})' if words else ''}"


def _models(file: StudyFile, unit_id: str) -> dict[str, Any]:
    """What each variable's model said, and what the model said that had not seen the text, where people coded it."""
    branches: dict[str, Any] = {}
    for entry in studied_codebook(file).variables:
        folder = file.work_of(entry.name)
        for name, path in (("of the corpus", "codings.parquet"), ("held out", "model/held_out.parquet")):
            if (folder / path).is_file():
                rows = read_table(folder / path, strings=("unit_id",)).frame.filter(pl.col("unit_id") == unit_id)
                words = [_prediction(row) for row in rows.to_dicts()]
                branches.setdefault(entry.name, {})[name] = words
    return branches


def _prediction(row: Mapping[str, Any]) -> str:
    answer = row["label"] or f"({row['status']})"
    prob = f" with probability {row['prob']:.3f}" if row.get("prob") is not None else ""
    fold = f", by the model of fold {row['fold']}, which left it out" if row.get("fold") is not None else ""
    return f"{row['coder']}: {answer}{prob}{fold}"


def _regressions(file: StudyFile, row: Mapping[str, Any]) -> dict[str, Any]:
    """For each formula the columns of the row that it is about, and whether a cell is missing among them."""
    formulas = file.study.correct.parsed() if file.study.correct else []
    return {formula.text: _entered(formula, row) for formula in formulas}


def _entered(formula: Formula, row: Mapping[str, Any]) -> dict[str, Any]:
    stems = tuple(f"{name}_" for name in formula.columns)
    columns = {name: row[name] for name in row if name in formula.columns or name.startswith(stems)}
    absent = [name for name in formula.columns if row.get(name) is None]
    used = f"no: {', '.join(absent)} is missing" if absent else "yes"
    return {"used": used, **_plain(columns)}


def _row(frame: pl.DataFrame | None, unit_id: str) -> dict[str, Any] | None:
    if frame is None:
        return None
    rows = frame.filter(pl.col("unit_id").cast(pl.String) == unit_id)
    return rows.row(0, named=True) if len(rows) else None


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Cells that JSON can hold; days and times as they are written."""
    return {
        name: value if isinstance(value, (str, int, float, bool)) else str(value)
        for name, value in row.items()
        if value is not None and name != "unit_id"
    }


def _by_variable(
    rows: Iterable[Mapping[str, Any]], say: Callable[[Mapping[str, Any]], tuple[str, str]]
) -> dict[str, Any]:
    branches: dict[str, dict[str, Any]] = {}
    for row in rows:
        name, words = say(row)
        answers = branches.setdefault(str(row["variable"]), {})
        answers[name] = f"{answers[name]}, {words}" if name in answers else words
    return branches
