"""A study that draws its texts: each wave once, its sheets taken in as they are filled, a halt for people to code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from annotune.hybrid.scored import EVALUATION
from annotune.hybrid.sheets import sheet_paths
from annotune.hybrid.store import open_store
from annotune.hybrid.waves import last_wave, settings_of
from annotune.study.file import StudyFile
from annotune.study.sampling import SHEET, SamplePart, goes_by_predictions
from annotune.study.sources import corpus_of


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
    sample = file.study.sample
    if sample is None or not sample.draws_texts:
        return None
    done = waves_drawn(file)
    planned = sample.planned(done)
    codebook = read_codebook(file.beside(file.study.codebook))
    for number in range(1, min(done, planned) + 1):
        _require_same_wave(file, sample, number)
        _take_in(file, number, codebook, say)
    if done >= sample.at_once:
        _require_coded(file, sample, range(1, min(done, planned) + 1))
    return next_wave(file, done, codebook) if done < planned else None


def next_wave(file: StudyFile, done: int, codebook: Codebook) -> Due:
    """The wave that comes after so many."""
    assert file.study.sample is not None
    names = [entry.name for entry in codebook.variables]
    return Due(done + 1, goes_by_predictions(file.study.sample.wave(done + 1, names), names))


def draw_wave(file: StudyFile, due: Due, predictions: pl.DataFrame | None, say: Callable[[str], None]) -> NoReturn:
    """Draw a wave, and those that people code with it, write their sheets, and say what people are to do.

    Raises
    ------
    PeopleNeeded
        Always, when all went well.
    """
    assert file.study.sample is not None
    numbers = range(due.number, max(due.number, file.study.sample.at_once) + 1)
    drawn = [_draw(file, number, predictions, say) for number in numbers]
    raise PeopleNeeded(" ".join(drawn), _advice(file, numbers))


def _draw(file: StudyFile, number: int, predictions: pl.DataFrame | None, say: Callable[[str], None]) -> str:
    """Draw one wave, and say of how many texts."""
    assert file.study.sample is not None
    codebook, name = read_codebook(file.beside(file.study.codebook)), file.study.sample.called(number)
    part = file.study.sample.wave(number, [entry.name for entry in codebook.variables])
    say(f"Drawing texts ({_lower(name)})")
    options = part.model_dump(exclude={"aim", "write", "enough"}) | {"for_": part.aim}
    options |= {"coders": _coders(file, number), "write": _sheet(file, number), "store": file.store}
    draw = sample(corpus_of(file), codebook=codebook, predictions=predictions, **options)
    return f"{name}: {counted(len(draw.texts), 'text was', 'texts were')} drawn from {len(draw.draws):,}."


def waves_drawn(file: StudyFile) -> int:
    """How many waves the store has."""
    if not file.store.exists():
        return 0
    with open_store(file.store) as store:
        return last_wave(store)


def _require_same_wave(file: StudyFile, sample: SamplePart, number: int) -> None:
    """Stop where the study now says something else of a wave than what it was drawn by.

    What it says of rounds is about those to come; their evaluation set stays the one that it is.
    """
    with open_store(file.store) as store:
        settings = settings_of(store, number)
    part = sample.wave(number)
    now: dict[str, object] = {"n": part.n, "design": part.design}
    if sample.rounds is not None:
        of_evaluation = number < sample.at_once
        now = {"for": part.aim} | ({"n": part.n} if of_evaluation else {})
        if not of_evaluation and settings.get("for") != EVALUATION:
            return
    for name, value in now.items():
        if settings.get(name) != value:
            what = f"{file.path}: sample: {_lower(sample.called(number))} was drawn with {name}: {settings.get(name)}, "
            more = ", and add a wave, {n: ...}, for more" if sample.rounds is None else ""
            advice = f"Texts that were drawn stay drawn: put it back{more}."
            raise AnnotuneError(f"{what}not {value}.", advice)


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


def _require_coded(file: StudyFile, sample: SamplePart, numbers: Sequence[int]) -> None:
    """Stop where people have left more of a wave's texts than the study can do without."""
    open_waves = [number for number in numbers if _share_coded(file, number) < sample.wave(number).enough]
    if not open_waves:
        return
    parts = []
    for number in open_waves:
        behind = _left(file, number).filter(pl.col("done") < pl.col("texts")).iter_rows()
        who = [f"{coder or 'Somebody'} has {texts - n:,} of {texts:,} texts left" for coder, texts, n in behind]
        parts.append(f"{sample.called(number)} is not coded yet: {', '.join(who)}.")
    done = min(_share_coded(file, number) for number in open_waves)
    share = f"To go on without them, write enough: {int(done * 100) / 100:g} beside n. " if done > 0 else ""
    raise PeopleNeeded(" ".join(parts), share + _advice(file, open_waves))


def waves_coded(file: StudyFile) -> int:
    """How many waves are coded, from the first on without a gap."""
    assert file.study.sample is not None
    sample, done = file.study.sample, waves_drawn(file)
    coded = [_share_coded(file, number) >= sample.wave(number).enough for number in range(1, done + 1)]
    return coded.index(False) if False in coded else done


def _share_coded(file: StudyFile, number: int) -> float:
    left = _left(file, number)
    return float(sum(left["done"].to_list()) / max(sum(left["texts"].to_list()), 1))


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


def _advice(file: StudyFile, numbers: Sequence[int]) -> str:
    """What people do next, and how to go on."""
    work = []
    for number in numbers:
        left = {coder: texts - done for coder, texts, done in _left(file, number).iter_rows()}
        sheets = sheet_paths(_sheet(file, number), _coders(file, number))
        work += [
            f"{coder or 'somebody'} codes {n:,} in {sheets[coder]}"
            for coder, n in left.items()
            if n and coder in sheets
        ]
    verb = "round" if file.study.sample is not None and file.study.sample.rounds is not None else "run"
    how = f"Save the sheets where they are, or code on the page (annotune code {file.path})"
    return f"Next: {'; '.join(work)}. {how}, then go on with: annotune {verb} {file.path}"


def _coders(file: StudyFile, number: int) -> list[str]:
    """Who codes a wave: who was given it; else those that it names, or those of the wave before."""
    assert file.study.sample is not None
    if number <= waves_drawn(file):
        with open_store(file.store) as store:
            return list(settings_of(store, number).get("coders", []))
    coders_of_waves = [list(part.coders) for part in map(file.study.sample.wave, range(1, number + 1)) if part.coders]
    return coders_of_waves[-1] if coders_of_waves else []


def _sheet(file: StudyFile, number: int) -> Path:
    """Where a wave's sheets go; those of later waves have its number in their names, if they are not named."""
    assert file.study.sample is not None
    path = Path(SHEET)
    named = file.study.sample.wave(number).write
    return file.beside(named or (SHEET if number == 1 else f"{path.stem}_{number}{path.suffix}"))


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


@dataclass(frozen=True)
class Coming:
    """How a round is drawn: as it was, or else as the study says; what `WavePart` says of these."""

    n: int
    design: str
    aim: str | None
    scores: str | None
    floor: float | None
    variable: str | None


def coming_wave(file: StudyFile, number: int) -> Coming:
    """A wave that was drawn, or is to be."""
    assert file.study.sample is not None
    part = file.study.sample.wave(number)
    if number > waves_drawn(file):
        return Coming(part.n, part.design, part.aim, part.scores, part.floor, part.variable)
    with open_store(file.store) as store:
        drawn = settings_of(store, number)
    return Coming(drawn["n"], drawn["design"], drawn["for"], drawn["scores"], part.floor, part.variable)
