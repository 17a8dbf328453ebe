"""What annotation tools export, as texts and as codings: Label Studio, doccano, Prodigy, Taguette and MAXQDA.

Their rows are tasks, annotations or coded segments, so one file holds two tables: the texts, each once, and the
codings, with the columns that annotune's own files have. The forms are those of the tools' documentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, counted

SEPARATORS = (" > ", "\\")  # between a code and its subcode in MAXQDA and NVivo
OWN = ("unit_id", "coder", "variable", "label")
_SEGMENTS = (  # MAXQDA's columns by their meaning, in English and German
    {"document": "Document name", "group": "Document group", "code": "Code", "text": "Segment"}
    | {"begin": "Beginning", "end": "End", "coder": "Created by", "changed": "Modified by", "author": "Author"},
    {"document": "Dokumentname", "group": "Dokumentgruppe", "code": "Code", "text": "Segment"}
    | {"begin": "Anfang", "end": "Ende", "coder": "Erstellt von", "changed": "Bearbeitet von", "author": "Autor"},
)
PRODIGY_ANSWERS = {"accept", "reject", "ignore"}
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Export:
    """The texts and the codings of a file, and notes on what is in neither."""

    texts: pl.DataFrame
    codings: pl.DataFrame
    notes: tuple[str, ...] = ()


def from_records(records: Sequence[Any], path: Path) -> Export | None:
    """Label Studio's export out of a JSON file's objects, None where they are no such thing."""
    first = records[0] if records and isinstance(records[0], dict) else {}
    if "data" in first and ("annotations" in first or "completions" in first):
        return _label_studio(records, path)
    if {"id", "annotation_id", "annotator"} <= set(first):
        return _label_studio_min(records)
    if isinstance(first.get("annotations"), list) and "text" in first:
        what = f"{path}: the annotations hold numbers of labels, not their names, as in doccano's older JSON."
        raise AnnotuneError(what, "Export as JSONL (text labels).")
    return None


def from_frame(frame: pl.DataFrame, path: Path) -> Export | None:
    """The export of doccano, Prodigy, Taguette or MAXQDA out of a table, None where its columns are not theirs."""
    names = set(frame.columns)
    if {"text", "answer"} <= names and names & {"accept", "label"} and names & {"unit_id", "_input_hash"}:
        return _prodigy(frame) if set(frame["answer"].drop_nulls()) <= PRODIGY_ANSWERS else None
    if {"id", "text", "label"} <= names and "unit_id" not in names and isinstance(frame.schema["label"], pl.List):
        return _doccano(frame, path)
    if {"id", "document", "tag", "content"} <= names and "unit_id" not in names:
        return _export(frame.with_columns(unit_id="id", text="content", label="tag"))
    segments = next((form for form in _SEGMENTS if {form["document"], form["code"], form["text"]} <= names), None)
    return _maxqda(frame, {key: name for key, name in segments.items() if name in names}) if segments else None


def _export(codings: pl.DataFrame, notes: Sequence[str] = ()) -> Export:
    """Codings whose rows also hold the texts."""
    texts = codings.drop("coder", "variable", "label", "accept", "answer", "options", strict=False)
    return Export(texts.unique("unit_id", keep="first", maintain_order=True), codings, tuple(notes))


def _label_studio(tasks: Sequence[Any], path: Path) -> Export:
    """Tasks with their annotations: a coding for each annotation and each question (`from_name`) of the project."""
    texts: list[dict[str, Any]] = []
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict) or "id" not in task:
            raise AnnotuneError(f"{path}, task {number}: it has no 'id' or no 'data'.", "Export the project again.")
        scalars = {key: value for key, value in task["data"].items() if isinstance(value, _SCALARS)}
        texts.append({"unit_id": str(task["id"])} | scalars)
    skipped: Counter[str] = Counter()
    answers = [
        (text, _coder(note.get("completed_by")), _answers(note, skipped))
        for task, text in zip(tasks, texts, strict=True)
        for note in task.get("annotations") or task.get("completions") or []
    ]
    questions = list(dict.fromkeys(name for _, _, given in answers for name in given or {}))
    if not questions:
        what = f"{path}: no annotation has a choice, a rating or a taxonomy ({_skipped(skipped) or 'there is none'})."
        raise AnnotuneError(what, "annotune reads labels of whole texts.")
    rows: list[dict[str, Any]] = [
        {key: value for key, value in text.items() if key == "unit_id" or key not in OWN}
        | {"coder": coder, "variable": name, "label": (given or {}).get(name)}
        for text, coder, given in answers
        for name in questions
    ]
    predictions = sum(len(task.get("predictions") or []) for task in tasks)
    cancelled = sum(given is None for _, _, given in answers)
    notes = [
        f"{path.name}: {what}."
        for what, there in (
            (
                f"{counted(cancelled, 'annotation is', 'annotations are')} empty, as the text was skipped",
                cancelled,
            ),
            (f"left out, as they are not about whole texts: {_skipped(skipped)}", skipped),
            (f"{counted(predictions, 'prediction', 'predictions')} by models were left out", predictions),
        )
        if there
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    return Export(pl.DataFrame(texts, infer_schema_length=None, strict=False), frame, tuple(notes))


def _coder(by: Any) -> str:
    """Who made an annotation: a number, or an object with an address."""
    return str(by.get("email") or by.get("id")) if isinstance(by, Mapping) else str(by)


def _answers(annotation: Mapping[str, Any], skipped: Counter[str]) -> dict[str, list[str]] | None:
    """The labels that an annotation gives to each question, None where the annotator skipped the text."""
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        return None
    answers: dict[str, list[str]] = {}
    for item in annotation.get("result") or []:
        labels = _labels(item)
        if labels is None:
            skipped[str(item.get("type", "an item"))] += 1
        else:
            answers.setdefault(str(item.get("from_name")), []).extend(labels)
    return answers


def _labels(item: Mapping[str, Any]) -> list[str] | None:
    """The labels of one item of a result, None where it is a span, a text or a relation."""
    value = item.get("value") or {}
    if item.get("type") == "choices":
        return [str(choice) for choice in value.get("choices", [])]
    if item.get("type") == "taxonomy":
        return [SEPARATORS[0].join(str(part) for part in branch) for branch in value.get("taxonomy", [])]
    return [str(value["rating"])] if item.get("type") == "rating" and "rating" in value else None


def _skipped(items: Counter[str]) -> str:
    return ", ".join(f"{kind} ({times:,})" for kind, times in items.items())


def _label_studio_min(records: Sequence[Mapping[str, Any]]) -> Export:
    """JSON-MIN: an object per annotation, with a key per question; several choices are in an object of their own."""
    keys = dict.fromkeys(key for record in records for key in record)
    several = {key for key in keys if any(_choices(record.get(key)) is not None for record in records)}
    rows = [
        {key: _plain(record.get(key), key in several) for key in keys}
        | {"unit_id": str(record["id"]), "coder": _coder(record["annotator"])}
        for record in records
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    return Export(frame.drop("coder", *several).unique("unit_id", keep="first", maintain_order=True), frame)


def _choices(value: Any) -> list[str] | None:
    return value["choices"] if isinstance(value, Mapping) and set(value) == {"choices"} else None


def _plain(value: Any, several: bool) -> Any:
    if several and value is not None:
        return _choices(value) or [str(value)]
    return value if isinstance(value, _SCALARS) else None


def _doccano(frame: pl.DataFrame, path: Path) -> Export:
    """A line per text with its list of labels; an empty list may also mean that nobody labelled it."""
    inner = frame.schema["label"]
    if isinstance(inner, pl.List) and not isinstance(inner.inner, (pl.String, pl.Null)):
        what = f"{path}, column 'label': the labels are of spans within texts."
        raise AnnotuneError(what, "annotune reads labels of whole texts (doccano's text classification).")
    empty = int((frame["label"].list.len() == 0).sum())
    texts = counted(empty, "text has", "texts have")
    what = f"{path.name}: {texts} an empty list of labels, which doccano writes for texts that were not labelled, too."
    notes = [f"{what} They are read as: no label applies (multilabel), or no answer."] if empty else []
    return _export(frame.with_columns(unit_id="id"), notes)


def _prodigy(frame: pl.DataFrame) -> Export:
    """A line per question, so that a text may be there often; which of its labels stand, `answer` says."""
    unit = "unit_id" if "unit_id" in frame.columns else "_input_hash"
    who = next((name for name in ("_annotator_id", "_session_id") if name in frame.columns), None)
    coder = [pl.col(who).cast(pl.String).alias("coder")] if who else []
    return _export(frame.with_columns(pl.col(unit).cast(pl.String).alias("unit_id"), *coder))


def _maxqda(frame: pl.DataFrame, column: Mapping[str, str]) -> Export:
    """A row per coded segment: the document and the place in it are the identifier, the code is the label."""
    place = [pl.col(column[key]).cast(pl.String).fill_null("") for key in ("begin", "end") if key in column]
    document = [pl.col(column[key]).cast(pl.String).fill_null("") for key in ("group", "document") if key in column]
    unit = pl.concat_str(document, separator="/")
    unit = pl.concat_str(unit, pl.concat_str(place, separator="-"), separator=":") if place else unit
    codes = frame[column["code"]].cast(pl.String)
    names = short_names(codes.drop_nulls().unique(maintain_order=True).to_list())
    who = next((column[key] for key in ("coder", "changed", "author") if key in column), None)
    codings = frame.with_columns(
        unit.alias("unit_id"),
        pl.col(column["text"]).alias("text"),
        codes.replace_strict(names, default=None, return_dtype=pl.String).alias("label"),
        *([pl.col(who).alias("coder")] if who else []),
    )
    return _export(codings)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """For each path of a code, its last part; the whole path where last parts are the same.

    >>> short_names(["Topic > Health", "Topic > Tax"])
    {'Topic > Health': 'Health', 'Topic > Tax': 'Tax'}
    >>> short_names(["A > Other", "B > Other", " > "])
    {'A > Other': 'A > Other', 'B > Other': 'B > Other', ' > ': '>'}
    """
    last = {path: (parts(path) or [path.strip()])[-1] for path in paths}
    double = Counter(name.casefold() for name in last.values())
    return {path: path.strip() if double[name.casefold()] > 1 else name for path, name in last.items()}


def parts(path: str) -> list[str]:
    r"""The codes from the broadest to the one that a path names.

    >>> parts("Topic > Health"), parts("Codes\\Topic\\Health"), parts("and/or")
    (['Topic', 'Health'], ['Codes', 'Topic', 'Health'], ['and/or'])
    """
    mark = next((mark for mark in SEPARATORS if mark in path), None)
    return [part for part in (part.strip() for part in path.split(mark)) if part] if mark else [path.strip()]
