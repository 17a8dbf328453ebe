"""A study's tables after its models: from what these said of every text, without the texts and without the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import Codings, bind, check
from annotune.data.wide import attach
from annotune.errors import AnnotuneError
from annotune.evidence.evaluate import evaluate
from annotune.models.card import up_to_date
from annotune.models.classifier import Classifier
from annotune.models.folder import read_card, read_held_out
from annotune.models.shares import shares_of_all
from annotune.records.sealed import SEAL
from annotune.study.coded import Coded, corrected_regressions
from annotune.study.corrected import Corrected
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs, read_inputs
from annotune.study.outputs import study_record

CODINGS = "codings.parquet"  # in a variable's folder of work: what its model said of every text


@dataclass(frozen=True)
class AfterModels:
    """What the tables were made of, and what came of them: a run's record, as it would be, and corrected regressions.

    The models are silent ones: they have cards and held-out answers, and code nothing.
    """

    inputs: Inputs
    models: dict[str, Classifier]
    outcome: Corrected
    record: dict[str, Any]


def after_models(file: StudyFile, say: Callable[[str], None]) -> AfterModels:
    """Agreement, gold, the models' measures on held-out texts, the corpus as coded, and corrected regressions.

    Predictions and cards of the models are those in the study's folder of work; nothing is written.

    Raises
    ------
    AnnotuneError
        Where they are not there, or damaged.
    """
    inputs = read_inputs(file, say)
    models = {name: silent_model(file.work_of(name) / "model") for name in inputs.variables}
    codings = {name: _predictions(file.work_of(name) / CODINGS) for name in models}
    data = attach(inputs.corpus, bind(*codings.values()), codebook=inputs.codebook, gold=inputs.all_gold)
    coded = Coded(models, codings, data)
    outcome = corrected_regressions(file, inputs, coded, say)
    shares = shares_of_all(models.values(), coded.together)
    say("Measuring the models on held-out texts")
    record = study_record(file, inputs, models, outcome, shares)
    return AfterModels(inputs, models, outcome, record | {"evaluation": _evaluations(inputs, models)})


def silent_model(folder: Path) -> Classifier:
    """A saved model without its network: its card, and what it said of held-out texts. It codes nothing."""
    card = read_card(folder)
    variable, labels = Variable.model_validate(card.pop("variable")), tuple(card.pop("labels"))
    for name in ("check", "files", SEAL):
        card.pop(name, None)
    nothing: Any = None
    return Classifier(nothing, nothing, variable, labels, up_to_date(card, len(labels)), **read_held_out(folder))


def _predictions(path: Path) -> Codings:
    try:
        return check(pl.read_parquet(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        what = f"{path} with the model's answers is missing or damaged."
        raise AnnotuneError(what, "Take the bundle, or the folder, again.") from None


def _evaluations(inputs: Inputs, models: Mapping[str, Classifier]) -> dict[str, Any]:
    """The estimates of each model's measures, from its held-out answers; not where texts had weights of their own."""
    rows: dict[str, Any] = {}
    for name, model in models.items():
        if model.held_out is None or model.gold is None or any(model.card["drawn"].values()):
            continue
        measured = evaluate(model.gold, model.held_out, variable=name, codebook=inputs.codebook, n_boot=0)
        own = measured.measures.filter(pl.col("model") == measured.models[0])
        rows[name] = own.select("model", "measure", "estimate").to_dicts()
    return rows
