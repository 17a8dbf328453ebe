"""A study's report: written again only when what it stands on has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from annotune.models.classifier import Classifier
from annotune.records.fingerprints import file_sha256, fingerprint, versions
from annotune.records.record import write_record
from annotune.study.corrected import Corrected
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs
from annotune.study.models import Steps
from annotune.study.outputs import study_record


def reported(
    file: StudyFile, read: Inputs, models: Mapping[str, Classifier], outcome: Corrected, steps: Steps
) -> tuple[Path, ...]:
    """Write the report that the study asks for, with its record; which file it is."""
    part = file.study.report
    if part is None:
        return ()
    target = file.beside(part.path)

    def make() -> None:
        from annotune.reporting.report import report  # it brings torch, which R has to load in its own way

        record = study_record(file, read, models, outcome)
        report(
            target,
            model=list(models.values()),
            codings=read.codings,
            reliability=read.reliability,
            codebook=read.codebook,
            gold=read.gold,
            corpus=read.corpus,
            by=part.by,
            correct=outcome.corrections,
            errors=outcome.errors,
            record=record,
            title=part.title,
        )
        write_record({**record, "output": {"file": target.name, "sha256": file_sha256(target)}}, target)

    steps.once("report", _basis(file, read, models, outcome), target, make, file.work / "report.basis")
    return (target,)


def _basis(file: StudyFile, read: Inputs, models: Mapping[str, Classifier], outcome: Corrected) -> str:
    """The fingerprint of all that the report stands on."""
    return fingerprint(
        [
            json.loads(file.study.model_dump_json()),
            dict(read.files),
            [model.card["model_sha256"] for model in models.values()],
            [model.evaluation.measures.to_dicts() for model in models.values() if model.evaluation is not None],
            [found.estimates.to_dicts() for found in outcome.corrections],
            versions(),
        ]
    )
