"""A study that draws its texts: each wave once, its sheets taken in as they are filled, a halt for people to code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl

from annotune.data.codebook import Codebook, read_codebook
from annotune.data.codings import ANSWERED, read_codings
from annotune.data.drawn import read_draws
from annotune.errors import AnnotuneError, PeopleNeeded, counted
from annotune.hybrid.decisions import record
from annotune.hybrid.sample import sample
from annotune.hybrid.sheets import sheet_paths
from annotune.hybrid.store import open_store
from annotune.hybrid.waves import last_wave, settings_of
from annotune.study.file import StudyFile, WavePart
from annotune.study.inputs import corpus_of

SHEET = "coding_sheet"


@dataclass(frozen=True)
class Due:
    """The wave that is to be drawn next: its number from 1, and whether it goes by what a model predicts."""

    number: int
    by_predictions: bool


def due_wave(file: StudyFile, say: Callable[[str], None]) -> Due | None:
    """Take in what people coded of the waves so far, and find the wave that is to be drawn; None where all are.

    Raises
    ------
    PeopleNeeded
        Where texts of a wave are still to be coded.
    """
    waves = file.study.sample.waves if file.study.sample is not None else ()
    if not waves:
        return None
    codebook = read_codebook(file.beside(file.study.codebook))
    done = _waves_so_far(file)
    for number, part in enumerate(waves[:done], start=1):
        _require_same_wave(file, number, part)
        _take_in(file, number, codebook, say)
    for number in range(1, min(done, len(waves)) + 1):
        _require_coded(file, number)
    if done >= len(waves):
        return None
    part = waves[done]
    predicted = {entry.name for entry in codebook.variables} & set(part.strata)
    return Due(done + 1, part.aim is not None or part.allocation == "neyman" or bool(predicted))


def draw_wave(file: StudyFile, due: Due, predictions: pl.DataFrame | None, say: Callable[[str], None]) -> NoReturn:
    """Draw a wave, write its sheets, and say what people are to do.

    Raises
    ------
    PeopleNeeded
        Always, when all went well.
    """
    assert file.study.sample is not None
    part, codebook = file.study.sample.waves[due.number - 1], read_codebook(file.beside(file.study.codebook))
    say(f"Drawing texts (wave {due.number})")
    options = part.model_dump(exclude={"aim", "write", "enough"}) | {"for_": part.aim}
    options |= {"coders": _coders(file, due.number), "write": _sheet(file, due.number), "store": file.store}
    draw = sample(corpus_of(file), codebook=codebook, predictions=predictions, **options)
    drawn = f"Wave {draw.wave}: {counted(len(draw.texts), 'text was', 'texts were')} drawn from {len(draw.draws):,}."
    raise PeopleNeeded(drawn, _advice(file, due.number))


def _waves_so_far(file: StudyFile) -> int:
    if not file.store.exists():
        return 0
    with open_store(file.store) as store:
        return last_wave(store)


def _require_same_wave(file: StudyFile, number: int, part: WavePart) -> None:
    """Stop where the study now says something else of a wave than what it was drawn by."""
    with open_store(file.store) as store:
        settings = settings_of(store, number)
    now = {"n": part.n, "design": part.design}
    for name, value in now.items():
        if settings.get(name) != value:
            what = f"{file.path}: sample: wave {number} was drawn with {name}: {settings.get(name)}, not {value}."
            advice = "Texts that were drawn stay drawn: put it back, and add a wave, {n: ...}, for more."
            raise AnnotuneError(what, advice)


def _take_in(file: StudyFile, number: int, codebook: Codebook, say: Callable[[str], None]) -> None:
    """What people wrote into the wave's sheets goes into the store."""
    for path in sheet_paths(_sheet(file, number), _coders(file, number)).values():
        if not path.is_file():
            continue
        codings = read_codings(path, codebook)
        if not codings["status"].is_in(ANSWERED).any():
            continue
        say(f"Taking in {path.name}")
        record(file.store, codings, codebook)


def _require_coded(file: StudyFile, number: int) -> None:
    """Stop where people have left more of a wave's texts than the study can do without."""
    assert file.study.sample is not None
    part, left = file.study.sample.waves[number - 1], _left(file, number)
    done = sum(left["done"].to_list()) / max(sum(left["texts"].to_list()), 1)
    if done >= part.enough:
        return
    behind = left.filter(pl.col("done") < pl.col("texts")).iter_rows()
    who = ", ".join(f"{coder or 'Somebody'} has {texts - n:,} of {texts:,} texts left" for coder, texts, n in behind)
    share = f"To go on without them, set enough: {int(done * 100) / 100:g} in sample:." if done > 0 else ""
    what = f"Wave {number} is not coded yet: {who}."
    raise PeopleNeeded(what, f"{_advice(file, number)} {share}".strip())


def _left(file: StudyFile, number: int) -> pl.DataFrame:
    """One row per coder of a wave: how many texts, and how many of them are coded (without coders, by anybody)."""
    people = read_draws(file.store, of="people").filter(wave=number)
    if len(people):
        counts = [pl.len().alias("texts"), pl.col("answered").sum().alias("done")]
        return people.group_by("coder", maintain_order=True).agg(counts)
    units = read_draws(file.store).filter(pl.col("drawn") & (pl.col("wave") == number))["unit_id"]
    with open_store(file.store) as store:
        coded = store.table("SELECT DISTINCT unit_id FROM people", schema={"unit_id": pl.String})["unit_id"]
    done = int(units.is_in(coded.implode()).sum())
    return pl.DataFrame({"coder": [""], "texts": [len(units)], "done": [done]})


def _advice(file: StudyFile, number: int) -> str:
    """What people do next, and how to go on."""
    left = {coder: texts - done for coder, texts, done in _left(file, number).iter_rows()}
    sheets = sheet_paths(_sheet(file, number), _coders(file, number))
    work = [
        f"{coder or 'somebody'} codes {n:,} in {sheets[coder]}" for coder, n in left.items() if n and coder in sheets
    ]
    return f"Next: {'; '.join(work)}. Save the sheets where they are, then go on with: annotune run {file.path}"


def _coders(file: StudyFile, number: int) -> list[str]:
    """Who codes a wave: those that it names, or those of the wave before."""
    assert file.study.sample is not None
    coders_of_waves = [list(part.coders) for part in file.study.sample.waves[:number] if part.coders]
    return coders_of_waves[-1] if coders_of_waves else []


def _sheet(file: StudyFile, number: int) -> Path:
    """Where a wave's sheets go; those of later waves have its number in their names, if they are not named."""
    assert file.study.sample is not None
    part = file.study.sample.waves[number - 1]
    return file.beside(part.write or (f"{SHEET}.xlsx" if number == 1 else f"{SHEET}_{number}.xlsx"))
