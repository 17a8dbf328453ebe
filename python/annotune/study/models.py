"""A study's models and the corpus as they code it; done again only when what they rest on has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import Codings, check
from annotune.errors import AnnotuneError
from annotune.export.write import write
from annotune.models.classifier import Classifier, load
from annotune.models.share_check import warn_of_shares
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import write_whole
from annotune.records.fingerprints import fingerprint, versions
from annotune.records.lock import require_held
from annotune.runtimes.choice import Choice
from annotune.study.corrected import coded_variables
from annotune.study.file import Study, StudyFile
from annotune.study.inputs import Inputs
from annotune.study.parts import TunePart
from annotune.study.sources import counted_codings

if TYPE_CHECKING:
    from annotune.tuning.uncoded import FoldCoder

RUNTIME = "runtime.json"  # beside the codings: what computed them, and why
CODINGS = "codings.parquet"
FOLDER = "folds"  # beside the model: finished folds, from which a run that was stopped goes on, and what they coded


@dataclass(frozen=True)
class Steps:
    """The steps that take long, in the locked folder `work`: what is told of them; which were done or up to date."""

    work: Path
    again: bool
    say: Callable[[str], None]
    done: dict[str, str] = field(default_factory=dict)

    def once(self, step: str, pieces: Checkpoints, name: str, make: Callable[[], None]) -> None:
        """Do a step unless the file or folder `name`, which `make` writes, is there on the same basis."""
        if not self.again and pieces.has(name):
            self.done[step] = "up to date"
            return
        self.say(f"{step[0].upper()}{step[1:]}")
        pieces.start(name)  # a run that is stopped half-way leaves nothing that looks finished
        make()
        require_held(self.work)
        pieces.finish(name)
        self.done[step] = "done"


def tuned(file: StudyFile, inputs: Inputs, name: str, steps: Steps) -> Classifier:
    """The tuned model of one variable, from an earlier run where nothing it rests on has changed."""
    from annotune.tuning.tuner import tune

    part, work = file.study.tune, file.work_of(name)
    options = part.model_dump(exclude={"variable", "by_coder"}) | {"base": base_of(file), "pi": file.study.drawn}
    options |= {"keep": work / FOLDER, "coders": counted_codings(file, inputs.codebook) if part.by_coder else None}
    if _is_corrected(file.study, name, inputs.codebook):
        options |= {"folds": n_folds(part)}

    def make() -> None:
        if steps.again:
            shutil.rmtree(work / FOLDER, ignore_errors=True)
        coder = _fold_coder(file, inputs, name)
        tune(inputs.corpus, inputs.gold, inputs.codebook, name, each_fold=coder, **options).save(work / "model")

    steps.once(f"tune {name}", Checkpoints(work, _basis(file, inputs, name)), "model", make)
    return load(work / "model", part.device)


def _basis(file: StudyFile, inputs: Inputs, name: str) -> str:
    """The fingerprint of all that a variable's model, and what its folds' models code, rest on."""
    from annotune.network.base import find_base

    part, study = file.study.tune, file.study
    folds = n_folds(part) if _is_corrected(study, name, inputs.codebook) else part.folds
    by_folds = _how_coded(study) if _coded_by_folds(study, name, inputs.codebook) else None
    revision = find_base(base_of(file)).revision
    gold = study.gold.model_copy(update={"by_hand": None})  # of which corrections ask alone
    how_read = (study.corpus, study.codings, gold, *inputs.read_as)
    return fingerprint([dict(inputs.files), name, part, study.drawn, folds, by_folds, revision, *how_read, versions()])


def _fold_coder(file: StudyFile, inputs: Inputs, name: str) -> FoldCoder | None:
    """What codes the texts that nobody coded while folds are tuned; None where the model codes them."""
    from annotune.tuning.task import read_as
    from annotune.tuning.uncoded import fold_coder

    part = file.study.tune
    if not _coded_by_folds(file.study, name, inputs.codebook):
        return None
    return fold_coder(
        read_as(inputs.corpus, part),
        inputs.gold,
        inputs.codebook,
        name,
        folds=n_folds(part),
        group=part.group,
        seed=part.seed,
        precision=file.study.classify.precision,
        evidence=file.study.classify.evidence,
        checkpoints=Checkpoints(file.work_of(name) / FOLDER, _basis(file, inputs, name)),
    )


def kept_model(file: StudyFile, inputs: Inputs, name: str) -> Classifier | None:
    """The model of an earlier run, where nothing that it rests on has changed."""
    work = file.work_of(name)
    if not Checkpoints(work, _basis(file, inputs, name)).has("model"):
        return None
    return load(work / "model", file.study.tune.device)


def kept_codings(file: StudyFile, inputs: Inputs, name: str, model: Classifier) -> Codings | None:
    """What an earlier run has the model say of the corpus, where that is up to date."""
    content = Checkpoints(file.work_of(name), _basis_of_codings(file, inputs, name, model)).read(CODINGS)
    return None if content is None else check(pl.read_parquet(content))


def _basis_of_codings(file: StudyFile, inputs: Inputs, name: str, model: Classifier) -> str:
    """The fingerprint of all that a model's answers rest on."""
    corpus, folds = file.study.corpus, _is_corrected(file.study, name, inputs.codebook)
    by_folds = _coded_by_folds(file.study, name, inputs.codebook)
    rests_on = [model.card["model_sha256"], folds, by_folds, _how_coded(file.study), versions()]
    texts, _ = inputs.read_as
    return fingerprint([inputs.files[corpus.path], corpus, texts, *rests_on])


def _how_coded(study: Study) -> str | list[str]:
    """The precision, and whether passages that decided are handed out."""
    part = study.classify
    return [part.precision, "evidence"] if part.evidence else part.precision


def classified(file: StudyFile, inputs: Inputs, name: str, model: Classifier, steps: Steps) -> Codings:
    """The answers of a variable's model; where they are to be corrected, by folds (see `crossfit`)."""
    part, folds = file.study.classify, _is_corrected(file.study, name, inputs.codebook)
    target = file.work_of(name) / CODINGS

    def make() -> None:
        from annotune.tuning.crossfit import in_corpus_order

        if not folds:
            choice = model.choose_runtime(inputs.corpus, part.precision)
            write(model.classify(inputs.corpus, precision=choice, evidence=part.evidence), target)
            write_whole(pieces.start(RUNTIME), json.dumps(choice.as_json(), indent=2) + "\n")
            pieces.finish(RUNTIME)
            return
        pieces.start(RUNTIME).unlink(missing_ok=True)
        coder = _fold_coder(file, inputs, name)
        if coder is not None and not coder.whole:
            what = f"{file.work_of(name) / FOLDER} no longer holds what the folds' models coded."
            raise AnnotuneError(what, "Run the study with --again.")
        write(in_corpus_order(model, inputs.corpus, part.precision, coder, part.evidence), target)

    pieces = Checkpoints(target.parent, _basis_of_codings(file, inputs, name, model))
    if not folds and not pieces.has(RUNTIME):  # what computed the codings is not known
        pieces.start(target.name)
    steps.once(f"classify {name}", pieces, target.name, make)
    codings = check(pl.read_parquet(pieces.require(target.name)))
    if folds or steps.done[f"classify {name}"] == "up to date":  # otherwise the model has said it while coding
        warn_of_shares(model.card["shares"], model.labels, codings)
    return codings


def runtime_of(file: StudyFile, name: str) -> Choice | None:
    """What computed a variable's codings, and why; None where folds' models did, or an earlier annotune."""
    path = file.work_of(name) / RUNTIME
    return Choice.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _is_corrected(study: Study, name: str, codebook: Codebook) -> bool:
    """Whether a variable is in a corrected regression, and so is predicted out of fold where it was coded."""
    formulas = study.correct.parsed() if study.correct else []
    return any(coded_variables(formula, codebook, [name]) for formula in formulas)


def _coded_by_folds(study: Study, name: str, codebook: Codebook) -> bool:
    """Whether texts that nobody coded are coded by the folds' models."""
    return study.correct is not None and study.correct.uncoded == "folds" and _is_corrected(study, name, codebook)


def n_folds(part: TunePart) -> int:
    """Of predictions that are to be corrected; as many as `tune` makes where the study does not say."""
    from annotune.tuning.held_out import FOLDS

    return part.folds or FOLDS


def base_of(file: StudyFile) -> str:
    """The base model: a folder is looked for beside the study file, as every other path is."""
    folder = file.beside(file.study.tune.base)
    return str(folder) if folder.is_dir() else file.study.tune.base
