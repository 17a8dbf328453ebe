"""Models that a study names propose codes, into the study's store, before people code and before anything is tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from annotune.data.codebook import read_codebook
from annotune.errors import AnnotuneError
from annotune.hybrid.propose.privacy import OPENAI
from annotune.hybrid.propose.propose import propose
from annotune.hybrid.propose.proposer import other_machine
from annotune.hybrid.store import open_store, store_of
from annotune.hybrid.waves import last_wave
from annotune.study.file import StudyFile
from annotune.study.parts import ProposePart
from annotune.study.sources import corpus_of
from annotune.tables.store import SUFFIX


def require_leave(file: StudyFile, part: ProposePart, allow_upload: Sequence[str]) -> None:
    """Stop where a model is on another machine to which who runs the study does not let texts go.

    A study file may come from somebody else, and so cannot give that leave.
    """
    host = _host(file, part)
    if not host or host in (name.lower() for name in allow_upload):
        return
    key = f", with the key in {part.key}," if part.key else ""
    what = f"{file.path} would send texts to {host}{key} to ask {part.model}."
    raise AnnotuneError(what, f"If they may leave this machine for there, run it with allow_upload={host!r}.")


def ask_models(file: StudyFile, allow_upload: Sequence[str], say: Callable[[str], None]) -> None:
    """Ask every model of the study about what it has not answered yet.

    Where the study draws its texts, a model is asked about those that were drawn, unless the study says otherwise. A
    model on another machine that has answered all needs neither leave nor a key.

    Raises
    ------
    AnnotuneError
        For what `annotune.propose` refuses, and a host to which texts may not go; what was answered is kept.
    """
    if not file.study.propose:
        return
    store = file.store if file.store.suffix == SUFFIX else store_of(file.path)
    codebook, corpus = read_codebook(file.beside(file.study.codebook)), corpus_of(file)
    for part in file.study.propose:
        drawn = part.drawn if part.drawn is not None else _draws_texts(file)
        if drawn and not _any_drawn(store):
            continue  # there is nothing to ask about yet
        options = part.model_dump(exclude={"model", "variable", "json_schema", "endpoint", "drawn"})
        options |= {"schema": part.json_schema, "endpoint": part.endpoint or OPENAI, "drawn": drawn}
        asked: tuple[Any, ...] = (corpus, codebook, _model(file, part), part.variable)
        host = _host(file, part)
        if host and propose(*asked, store=store, dry_run=True, **options).is_complete:
            continue
        require_leave(file, part, allow_upload)
        say(f"Asking {part.model}{f' at {host}' if host else ''}")
        propose(*asked, store=store, allow_upload=host, **options)


def _host(file: StudyFile, part: ProposePart) -> str:
    return other_machine(_model(file, part), part.provider, part.endpoint or OPENAI)


def _draws_texts(file: StudyFile) -> bool:
    return file.study.sample is not None and file.study.sample.drawn


def _any_drawn(store: Path) -> bool:
    if not store.exists():
        return False
    with open_store(store) as opened:
        return last_wave(opened) > 0


def _model(file: StudyFile, part: ProposePart) -> Any:
    """A model's name, or the path of what lies beside the study file."""
    beside = file.beside(part.model)
    return str(beside) if beside.exists() else part.model
