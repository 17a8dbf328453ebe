"""verify(): whether files are still what the records beside them say, and finished pieces what their notes say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.verification import folders_in, verified
from annotune.errors import AnnotuneError, counted
from annotune.readable import Part, Readable, brief_table
from annotune.records.beside import inputs_of, json_of, outputs_of, records_of
from annotune.records.checkpoints import SUFFIX as NOTE
from annotune.records.record import SUFFIX as RECORD
from annotune.records.sealed import (
    ABSENT,
    CHANGED,
    MISSING,
    NOT_DONE,
    SAME,
    SEAL,
    UNKNOWN,
    differing,
    is_sealed,
    read_sealed,
)
from annotune.study.file import WORK, says_the_same, work_folder

CARD = "annotune.json"
FAULTS = (CHANGED, MISSING)
SCHEMA = {"file": pl.String, "state": pl.String, "recorded_in": pl.String}
Row = tuple[Path, str, Path]  # a file, its state, and where it was recorded


@dataclass(frozen=True, repr=False)
class Verification(Readable):
    """Whether files are what they were when they were recorded.

    Attributes
    ----------
    files
        A row per recorded file: `file` and `recorded_in`, as seen from the folder that was looked into, and `state`,
        which is `as recorded`, `changed` or `missing`; `not here` for an input that is elsewhere; `no record` for a
        file of a folder of work that no note tells of, such as of a step that was stopped, for a file of codes that no
        run wrote, and for a model of an earlier annotune; `not done` for a shard of texts that is still to be coded.
    is_sound
        Whether no recorded file was changed or is missing.
    """

    files: pl.DataFrame
    is_sound: bool

    def in_words(self) -> str:
        """How many files are as recorded, and how many are not."""
        n = {state: self.files.filter(state=state).height for state in (SAME, *FAULTS, ABSENT, UNKNOWN, NOT_DONE)}
        sentence = counted(n[SAME], "file is as recorded", "files are as recorded")
        bad = [f"{n[CHANGED]:,} changed" if n[CHANGED] else "", f"{n[MISSING]:,} missing" if n[MISSING] else ""]
        rest = [counted(n[ABSENT], "input is not here", "inputs are not here") if n[ABSENT] else ""]
        rest += [counted(n[UNKNOWN], "file has no record", "files have no record") if n[UNKNOWN] else ""]
        rest += [counted(n[NOT_DONE], "shard is not done", "shards are not done") if n[NOT_DONE] else ""]
        return (
            "; ".join([sentence, *filter(None, [*(bad if any(bad) else ["none is changed or missing"]), *rest])]) + "."
        )

    def _parts(self) -> Iterator[Part]:
        """How many are as recorded, and those that are not."""
        yield self.in_words()
        others = self.files.filter(pl.col("state") != SAME)
        if len(others):
            yield brief_table(others)


def verify(path: str | Path = ".") -> Verification:
    """Compare files with what was recorded of them: outputs and inputs of a run, pieces of work, and models.

    Parameters
    ----------
    path
        A folder, in which every record, note and model is looked at, in the folders inside it too; or a study file, an
        output or a record, for that record alone and, of a study, its folder of work. Of a folder that `classify` coded
        texts into, each file of codes, the texts behind it row by row, and the models.

    Returns
    -------
    Verification
        `.is_sound` says whether nothing recorded was changed or is missing; `.files` has a row per file.

    Raises
    ------
    AnnotuneError
        Where nothing was recorded.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile, pathlib
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> at.verify(study).is_sound
    True
    >>> size = (study.parent / "results.csv").write_text("not the results")
    >>> at.verify(study).files.filter(pl.col("state") == "changed").rows()
    [('results.csv', 'changed', 'study.record.json')]
    """
    place = Path(path)
    if not place.exists():
        raise AnnotuneError(f"{place} is not there.", "Give a folder, a study file, or a record.")
    folder = place if place.is_dir() else place.parent
    rows = {(file, note): state for file, state, note in _rows(place)}
    if not rows:
        what = f"Nothing of {place} was recorded."
        raise AnnotuneError(what, "Give a folder with a .record.json, a study that was run, or a model.")
    seen = [(_seen_from(folder, file), state, _seen_from(folder, note)) for (file, note), state in rows.items()]
    files = pl.DataFrame(seen, schema=SCHEMA, orient="row").sort("recorded_in", "file")
    return Verification(files, files.filter(pl.col("state").is_in(FAULTS)).is_empty())


def _rows(place: Path) -> Iterator[Row]:
    """Every recorded file; a model that is a piece of work is looked at as such, and not again by its card."""
    if place.is_dir():
        records, work = sorted(place.rglob(f"*{RECORD}")), place
    else:
        records, work = records_of(place), _work_beside(place)
    for record in records:
        yield from _of_record(record)
    of_pieces = [row for note in sorted(work.rglob(f".*{NOTE}")) for row in _of_note(note)]
    yield from of_pieces
    known = {os.path.abspath(file) for file, *_ in of_pieces}
    for card in sorted(work.rglob(CARD)):
        if os.path.abspath(card) not in known:
            yield from _of_card(card)
    yield from _without_note(work, known)
    for out in folders_in(place) if place.is_dir() else ():
        yield from verified(out)


def _work_beside(place: Path) -> Path:
    """The folder of work of a study, of which the file or the record is named."""
    if place.name.endswith(RECORD):
        return work_folder(place.with_name(f"{place.name.removesuffix(RECORD)}.yaml"))
    return work_folder(place) if place.suffix in (".yaml", ".yml") else place.parent / WORK


def _of_record(record: Path) -> Iterator[Row]:
    """Outputs, and those inputs that are beside the record: it may be read where they are not."""
    content = read_sealed(record)
    if content is None:
        yield record, CHANGED, record
        return
    for files, gone in ((outputs_of(content), MISSING), (inputs_of(content), ABSENT)):
        states = differing(files, record.parent)
        for name in files:
            state = states.get(name, SAME)
            yield record.parent / name, gone if state == MISSING else state, record
    yield from _of_study_file(record, content)


def _of_study_file(record: Path, content: Mapping[str, Any]) -> Iterator[Row]:
    """The study file beside its record, by its keys: comments in it may be others."""
    recorded = content.get("study")
    for path in (record.with_name(record.name.removesuffix(RECORD) + end) for end in (".yaml", ".yml")):
        if isinstance(recorded, Mapping) and path.is_file():
            yield path, SAME if says_the_same(path, recorded) else CHANGED, record


def _of_note(note: Path) -> Iterator[Row]:
    """The files of a finished piece, and the note itself where it is damaged."""
    content = read_sealed(note)
    if content is None:
        yield note, CHANGED, note
        return
    yield note, SAME, note
    folder = note.parent / content["folder"]
    states = differing(content["files"], folder)
    for name in content["files"]:
        yield folder / name, states.get(name, SAME), note


def _of_card(card: Path) -> Iterator[Row]:
    """The files of a saved model; what is called as its card and is none is left alone."""
    content = json_of(card)
    if content is None or (SEAL in content and not is_sealed(content)):
        yield card, CHANGED, card
    elif "model_sha256" in content:
        files = content.get("files", {})
        yield card, SAME if SEAL in content else UNKNOWN, card
        states = differing(files, card.parent)
        for name in files:
            yield card.parent / name, states.get(name, SAME), card


def _without_note(work: Path, known: set[str]) -> Iterator[Row]:
    """Files of a folder of work that no note tells of: of a step that was stopped, or of an earlier version."""
    folders = {note.parent for note in work.rglob(f".*{NOTE}")}
    files = {file: folder for folder in sorted(folders) for file in sorted(folder.rglob("*")) if file.is_file()}
    for file, folder in files.items():
        if file.name[0] != "." and os.path.abspath(file) not in known:
            yield file, UNKNOWN, folder


def _seen_from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
