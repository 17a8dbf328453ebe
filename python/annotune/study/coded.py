"""The corpus as a study's models code it, and its corrected regressions: what a run and a round have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from annotune.data.codings import Codings, bind
from annotune.data.wide import attach
from annotune.errors import AnnotuneError, counted
from annotune.models.classifier import Classifier
from annotune.study.corrected import Corrected, corrected, corrected_variables
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs, answers_by_hand
from annotune.study.models import Steps, classified, kept_codings, kept_model, tuned


@dataclass(frozen=True)
class Coded:
    """A study's models and what they say of every text, by variable; the corpus with that and the gold beside it."""

    models: dict[str, Classifier]
    codings: dict[str, Codings]
    data: pl.DataFrame

    @property
    def together(self) -> Codings:
        """What all models say, in one table."""
        return bind(*self.codings.values())

    def without(self, units: pl.Series) -> Coded:
        """The same of a corpus that lacks these texts."""
        return replace(self, data=self.data.filter(~pl.col("unit_id").is_in(units.implode())))


def coded_corpus(file: StudyFile, inputs: Inputs, steps: Steps) -> Coded:
    """Tune a model for every variable, and code the corpus with it, each where it is not up to date."""
    models = {name: tuned(file, inputs, name, steps) for name in inputs.variables}
    codings = {name: classified(file, inputs, name, model, steps) for name, model in models.items()}
    data = attach(inputs.corpus, bind(*codings.values()), codebook=inputs.codebook, gold=inputs.all_gold)
    return Coded(models, codings, data)


def kept_corpus(file: StudyFile, inputs: Inputs) -> Coded | None:
    """The same from an earlier run, where all of it is up to date."""
    models, codings = {}, {}
    for name in inputs.variables:
        model = kept_model(file, inputs, name)
        answers = None if model is None else kept_codings(file, inputs, name, model)
        if model is None or answers is None:
            return None
        models[name], codings[name] = model, answers
    data = attach(inputs.corpus, bind(*codings.values()), codebook=inputs.codebook, gold=inputs.all_gold)
    return Coded(models, codings, data)


def corrected_regressions(file: StudyFile, inputs: Inputs, coded: Coded, say: Callable[[str], None]) -> Corrected:
    """The results with what a correction adds to them; without where none is asked for."""
    study = file.study
    data = coded.data if inputs.blind is None else inputs.blind.in_place_of_gold(coded.data)
    if study.correct is None or study.sample is None:
        return Corrected(data)
    say("Correcting the regressions")
    by_hand = {
        name: hand_coded(inputs, name, model.held_out["unit_id"], study.correct.uncoded)
        for name, model in coded.models.items()
        if model.held_out is not None
    }
    folds = {
        name: rows.select("unit_id", "fold", coded=pl.col("unit_id").is_in(by_hand[name].implode()))
        for name, rows in coded.codings.items()
        if "fold" in rows.columns
    }
    subjects = corrected_variables(study.correct, inputs.codebook, list(coded.models))
    about = {} if inputs.blind is None else {name: inputs.blind.note(name) for name in subjects}
    reads = {name: model.inputs.covariates for name, model in coded.models.items()}
    answers = answers_by_hand(file, inputs) if study.correct.coders else None
    names = list(coded.models)
    return corrected(study.correct, study.sample, data, inputs.codebook, names, folds, about, reads, answers)


def hand_coded(inputs: Inputs, name: str, held_out: pl.Series, uncoded: str) -> pl.Series:
    """The texts that people coded and models did not learn from: held out of folds, or kept apart from all of them.

    Blind answers also count where other coders differ, so that nobody decided: folds' models code these texts as well.
    """
    not_learned = [held_out]
    if inputs.evaluation is not None:
        not_learned.append(inputs.evaluation.filter(variable=name)["unit_id"])
    if inputs.blind is None:
        return pl.concat(not_learned)
    blind = inputs.blind.gold.filter(variable=name)["unit_id"].unique()
    undecided = blind.filter(~blind.is_in(pl.concat(not_learned).implode()))
    if uncoded == "model" and len(undecided):
        what = f"{counted(len(undecided), 'text that was', 'texts that were')} coded blind cannot count: coders differ."
        raise AnnotuneError(what, "Write uncoded: folds under correct:, or let somebody decide (gold: ties, rule).")
    return blind
