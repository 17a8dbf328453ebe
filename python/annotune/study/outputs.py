"""What a study writes: the coded corpus, its regressions, and one record of what all its files were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.agreement.gold import notes_of_dropped
from annotune.data.codings import Codings
from annotune.data.inputs import covariates_note
from annotune.data.wide import headings
from annotune.export.scripts import Regression
from annotune.export.write import write
from annotune.models.classifier import Classifier
from annotune.models.share_check import as_note
from annotune.records.fingerprints import versions
from annotune.records.record import make_record, record_outputs, without_folders
from annotune.study.corrected import Corrected
from annotune.study.file import Study, StudyFile
from annotune.study.inputs import Inputs, words_of_columns
from annotune.study.models import runtime_of
from annotune.tables.store import SUFFIX


def write_outputs(
    file: StudyFile, inputs: Inputs, models: Mapping[str, Classifier], outcome: Corrected, shares: pl.DataFrame
) -> tuple[tuple[Path, ...], pl.DataFrame]:
    """Write every file that the study names; which these are, and what their formats made necessary."""
    for target in map(file.beside, file.study.outputs):
        target.parent.mkdir(parents=True, exist_ok=True)
    changes = [_write_data(file, inputs, outcome, _notes(models, inputs, shares))]
    for number, correction in enumerate(outcome.corrections, start=1):
        assert file.study.correct is not None
        targets = [file.beside(name) for name in file.study.correct.targets(number)]
        guard = file.study.guard_formulas
        changes.append(write(correction, targets, layout=file.study.correct.layout, guard_formulas=guard))
    scripts = [path for path in map(file.beside, file.study.scripts) if path.is_file()]
    return (*map(file.beside, file.study.outputs), *scripts), pl.concat(changes)


def write_study_record(file: StudyFile, record: Mapping[str, Any], files: Sequence[Path]) -> Path:
    """Write the record of a run beside the study file, with the fingerprint of every file that it wrote."""
    return record_outputs(record, files, file.path.with_suffix(".record.json"))


def _write_data(file: StudyFile, inputs: Inputs, outcome: Corrected, notes: list[str]) -> pl.DataFrame:
    data, codebook = outcome.data, inputs.codebook
    labels, of_file = words_of_columns(inputs, data.columns)
    return write(
        data,
        [file.beside(name) for name in file.study.write],
        codebook=codebook,
        labels=labels,
        headings={**headings(codebook, data.columns), **outcome.headings, **of_file},
        notes=[*notes, *outcome.notes],
        title=codebook.name or None,
        regressions=_regressions(file.study, outcome),
        guard_formulas=file.study.guard_formulas,
    )


def study_record(
    file: StudyFile, inputs: Inputs, models: Mapping[str, Classifier], outcome: Corrected, shares: pl.DataFrame
) -> dict[str, Any]:
    """What was run, on what, with what, and what came of it."""
    from annotune.network.machine import hardware

    evaluations = {name: model.evaluation for name, model in models.items() if model.evaluation is not None}
    stores = [name for name in inputs.files if Path(name).suffix == SUFFIX]
    return make_record(
        "annotune run",
        study=file.study.as_recorded,
        inputs=without_folders({name: digest for name, digest in inputs.files.items() if name not in stores}),
        stores=without_folders({name: inputs.files[name] for name in stores}),  # of what is in them, not of the file
        hardware=hardware(),
        codebook_sha256=inputs.codebook.sha256,
        texts=len(inputs.corpus),
        coders=inputs.coders.to_dicts(),
        gold=_answers(inputs.all_gold).to_dicts(),
        as_coded=shares.to_dicts(),
        models={name: model.card for name, model in models.items()},
        runtimes={name: choice.as_json() for name in models if (choice := runtime_of(file, name)) is not None},
        reliability=inputs.reliability.to_dicts(),
        evaluation={name: evaluation.measures.to_dicts() for name, evaluation in evaluations.items()},
        corrections={correction.formula: correction.estimates.to_dicts() for correction in outcome.corrections},
    )


def _answers(gold: Codings) -> pl.DataFrame:
    """How many texts have each gold label, or none and why."""
    return gold.group_by("variable", "label", "status").agg(n_texts=pl.len()).sort("variable", "status", "label")


def _regressions(study: Study, outcome: Corrected) -> list[Regression] | None:
    """What the scripts run: the corrected regressions, and the others that were named."""
    corrected = {regression.formula for regression in outcome.regressions}
    others = [Regression(formula) for formula in study.regressions or () if formula not in corrected]
    return None if study.regressions is None and not corrected else [*outcome.regressions, *others]


def _notes(models: Mapping[str, Classifier], inputs: Inputs, shares: pl.DataFrame) -> list[str]:
    """Where the data come from, in a few sentences that travel inside the file."""
    notes = [f"Coded with annotune {versions()['annotune']}."]
    for name, model in models.items():
        digest, seed = model.card["model_sha256"][:16], model.card["settings"]["seed"]
        coded = model.card["parts"]["coded"]
        notes.append(f"{name}: model {model.name} (SHA-256 {digest}), seed {seed}, {coded} coded texts.")
        if model.inputs.covariates:
            notes.append(f"{name}: {covariates_note(model.inputs.covariates)}")
        if model.evaluation is not None:
            leading = "micro_f1" if model.variable.kind == "multilabel" else "macro_f1"
            row = model.evaluation.measures.filter(pl.col("measure") == leading).row(0, named=True)
            notes.append(
                f"{name}: {leading.replace('_f', '-F')} {row['estimate']:.3f} on {row['n_units']} held-out texts."
            )
        of_labels = shares.filter(variable=name)
        if len(of_labels):
            notes.append(as_note(name, of_labels))
        alpha = inputs.reliability.filter((pl.col("variable") == name) & (pl.col("metric") == "alpha"))
        if len(alpha) and alpha["estimate"][0] is not None:
            notes.append(f"{name}: Krippendorff's alpha of the coders {alpha['estimate'][0]:.3f}.")
    return [*notes, *notes_of_dropped(inputs.codings, inputs.gold)]
