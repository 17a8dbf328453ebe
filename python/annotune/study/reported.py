"""A study's report: written again only when what it stands on has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotune.correction.multiverse import Multiverse
from annotune.data.codings import Codings, is_store
from annotune.hybrid.anchoring import Anchoring, anchoring
from annotune.hybrid.rounds import Rounds
from annotune.models.classifier import Classifier
from annotune.records.checkpoints import Checkpoints
from annotune.records.fingerprints import fingerprint, versions
from annotune.study.corrected import Corrected
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs
from annotune.study.models import Steps
from annotune.tables.store import read_store


def reported(
    file: StudyFile,
    inputs: Inputs,
    models: Mapping[str, Classifier],
    outcome: Corrected,
    coded: Codings,
    record: Mapping[str, Any],
    steps: Steps,
    rounds: Rounds | None = None,
    multiverse: Multiverse | None = None,
) -> tuple[Path, ...]:
    """Write the report that the study asks for, the record of the run in it; which file it is."""
    part = file.study.report
    if part is None:
        return ()
    target = file.beside(part.path)
    effects = _effects_of_proposals(file)

    def make() -> None:
        from annotune.reporting.report import report  # it brings torch, which R has to load in its own way

        report(
            target,
            model=list(models.values()),
            codings=inputs.codings,
            reliability=inputs.reliability,
            codebook=inputs.codebook,
            gold=inputs.gold,
            coded=coded,
            corpus=inputs.corpus,
            by=part.by,
            rounds=rounds,
            anchoring=effects,
            multiverse=multiverse,
            correct=outcome.corrections,
            errors=outcome.errors,
            record=record,
            layout=file.study.correct.layout if file.study.correct else "journal",
            title=part.title,
        )

    basis = _basis(file, inputs, models, outcome, coded, rounds, effects)
    if multiverse is not None:
        basis = fingerprint([basis, multiverse.table.to_dicts()])
    pieces = Checkpoints(target.parent, basis, notes=file.work)
    steps.once("report", pieces, target.name, make)
    return (target,)


def _basis(
    file: StudyFile,
    inputs: Inputs,
    models: Mapping[str, Classifier],
    outcome: Corrected,
    coded: Codings,
    rounds: Rounds | None,
    effects: Anchoring | None,
) -> str:
    """The fingerprint of all that the report stands on."""
    return fingerprint(
        [
            json.loads(file.study.model_dump_json()),
            [dict(inputs.files), *inputs.read_as],
            [model.card["model_sha256"] for model in models.values()],
            [model.evaluation.measures.to_dicts() for model in models.values() if model.evaluation is not None],
            [correction.estimates.to_dicts() for correction in outcome.corrections],
            coded.group_by("variable", "label", "status", maintain_order=True).len().rows(),
            [] if rounds is None else [rounds.table.to_dicts(), rounds.coefficients.to_dicts(), rounds.rule],
            [] if effects is None else [*effects.in_words(), effects.acceptance.to_dicts(), effects.shares.to_dicts()],
            versions(),
        ]
    )


def _effects_of_proposals(file: StudyFile) -> Anchoring | None:
    """What proposals did to answers, where people saw any."""
    sample = file.study.sample
    if sample is None or not sample.drawn or not is_store(file.store) or not file.store.exists():
        return None
    in_sight = read_store(file.store)["shown"].fill_null(0) > 0
    return anchoring(file.store) if in_sight.any() else None
