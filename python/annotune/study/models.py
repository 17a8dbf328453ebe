"""A study's models and the corpus as they code it; done again only when what they rest on has changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from annotune.classifier import Classifier, load
from annotune.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.export.write import write
from annotune.record import fingerprint, versions, write_whole
from annotune.study.corrected import coded_variables
from annotune.study.file import Study, StudyFile
from annotune.study.inputs import Inputs

FOLDS = 5  # of predictions that are to be corrected, where the study does not say


@dataclass(frozen=True)
class Steps:
    """The steps that take long: what is told of them, and which were `done` or `up to date`."""

    again: bool
    say: Callable[[str], None]
    done: dict[str, str] = field(default_factory=dict)

    def once(self, step: str, basis: str, target: Path, make: Callable[[], None]) -> None:
        """Do a step unless its outcome is there and rests on the same basis."""
        marker = target.parent / f".{target.name}.basis"
        if not self.again and target.exists() and marker.exists() and marker.read_text(encoding="utf-8") == basis:
            self.done[step] = "up to date"
            return
        self.say(f"{step[0].upper()}{step[1:]}")
        marker.unlink(missing_ok=True)  # a run that is stopped half-way leaves nothing that looks finished
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"The folder {target.parent} cannot be made: {error.strerror}."
            raise AnnotuneError(what, "Check its permissions.") from None
        make()
        write_whole(marker, basis)
        self.done[step] = "done"


def tuned(file: StudyFile, read: Inputs, name: str, steps: Steps) -> Classifier:
    """The tuned model of one variable, from an earlier run where nothing it rests on has changed."""
    from annotune.tuner import tune
    from annotune.tuning.base import find_base

    part, work = file.study.tune, file.work / name
    options = part.model_dump(exclude={"variable"}) | {"base": _base(file)}
    if _is_corrected(file.study, name, read.codebook):
        options |= {"folds": part.folds or FOLDS, "keep": work / "folds"}
    revision = find_base(options["base"]).revision
    how_read = (file.study.corpus, file.study.codings, file.study.gold)
    basis = fingerprint([dict(read.files), name, part, options["folds"], revision, *how_read, versions()])

    def make() -> None:
        if steps.again:
            shutil.rmtree(work / "folds", ignore_errors=True)
        tune(read.corpus, read.gold, read.codebook, name, **options).save(work / "model")

    steps.once(f"tune {name}", basis, work / "model", make)
    return load(work / "model", part.device)


def classified(file: StudyFile, read: Inputs, name: str, model: Classifier, steps: Steps) -> pl.DataFrame:
    """The answers of a variable's model; where they are to be corrected, out of fold for the coded texts."""
    part, folds = file.study.classify, _is_corrected(file.study, name, read.codebook)
    target, corpus = file.work / name / "codings.parquet", file.study.corpus
    basis = fingerprint([read.files[corpus.path], corpus, model.card["model_sha256"], folds, part, versions()])

    def make() -> None:
        from annotune.downstream.crossfit import in_corpus_order

        code = in_corpus_order if folds else Classifier.classify
        write(code(model, read.corpus, precision=part.precision), target)

    steps.once(f"classify {name}", basis, target, make)
    return pl.read_parquet(target)


def _is_corrected(study: Study, name: str, codebook: Codebook) -> bool:
    """Whether a variable is in a corrected regression, and so is predicted out of fold where it was coded."""
    formulas = study.correct.parsed() if study.correct else []
    return any(coded_variables(formula, codebook, [name]) for formula in formulas)


def _base(file: StudyFile) -> str:
    """The base model: a folder is looked for beside the study file, as every other path is."""
    folder = file.beside(file.study.tune.base)
    return str(folder) if folder.is_dir() else file.study.tune.base
