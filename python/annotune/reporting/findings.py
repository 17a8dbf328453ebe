"""The results that the report computes from its inputs, and the sections that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from annotune.agreement.reliability import reliability
from annotune.data.codebook import Codebook
from annotune.evidence.calibrated import Calibration, calibration
from annotune.models.shares import shares
from annotune.reporting.inputs import Inputs, Judged
from annotune.reporting.subgroups import by_group, gaps_by_group


@dataclass(frozen=True)
class Findings:
    """Agreement of the coders; the results for each model, by its key; and missing sections.

    `groups` and `gaps` are by group of a covariate, `shares` those of labels in the corpus. `missing` has for each
    section its title and the input that it needs.
    """

    reliability: pl.DataFrame | None
    calibrations: dict[str, Calibration]
    groups: dict[str, pl.DataFrame]
    gaps: dict[str, pl.DataFrame]
    shares: dict[str, pl.DataFrame]
    missing: tuple[tuple[str, str], ...]


def findings(inputs: Inputs) -> Findings:
    """Everything that can be computed from the inputs."""
    agreement = _agreement_of_coders(inputs)
    calibrations = {one.key: _calibration_of_model(one, inputs) for one in inputs.judged if one.gold is not None}
    groups = {one.key: table for one in inputs.judged if (table := _errors_by_group(one, inputs)) is not None}
    missing = tuple(_missing_sections(inputs, agreement, calibrations, groups))
    of_labels = {one.key: table for one in inputs.judged if (table := _shares_of_labels(one, inputs)) is not None}
    gaps = {one.key: _gaps_by_group(one, inputs) for one in inputs.judged if one.key in groups}
    return Findings(agreement, calibrations, groups, gaps, of_labels, missing)


def _agreement_of_coders(inputs: Inputs) -> pl.DataFrame | None:
    if inputs.reliability is not None or inputs.codings is None or inputs.codings["coder"].n_unique() < 2:
        return inputs.reliability
    return reliability(inputs.codings, codebook=inputs.codebook, n_boot=inputs.n_boot, seed=inputs.seed)


def _calibration_of_model(judged: Judged, inputs: Inputs) -> Calibration:
    options = {"n_boot": inputs.n_boot, "seed": inputs.seed}
    return calibration(judged.model, judged.gold, variable=judged.name, codebook=_codebook(judged), **options)


def _errors_by_group(judged: Judged, inputs: Inputs) -> pl.DataFrame | None:
    """Agreement by group; None where no covariate has two groups of sufficient size."""
    if judged.held_out is None or judged.gold is None or inputs.corpus is None:
        return None
    options = {"n_boot": inputs.n_boot, "seed": inputs.seed}
    entry = _codebook(judged)
    table = by_group(judged.held_out, judged.gold, inputs.corpus, inputs.by, judged.name, entry, **options)
    return None if table.is_empty() else table


def _gaps_by_group(judged: Judged, inputs: Inputs) -> pl.DataFrame:
    """How far each label's share is off by group, where there are groups."""
    assert judged.held_out is not None
    return gaps_by_group(judged.held_out, judged.gold, inputs.corpus, inputs.by, judged.name, _codebook(judged))


def _shares_of_labels(judged: Judged, inputs: Inputs) -> pl.DataFrame | None:
    """How often the model gave each label to the corpus; None without its codings, or without held-out texts."""
    if inputs.coded is None or judged.model is None or judged.model.card["shares"] is None:
        return None
    if "label" in inputs.coded.columns and judged.name not in set(inputs.coded["variable"]):
        return None
    return shares(judged.model, inputs.coded)


def _codebook(judged: Judged) -> Codebook | None:
    return None if judged.entry is None else Codebook(variables=(judged.entry,))


def _missing_sections(
    inputs: Inputs,
    agreement: pl.DataFrame | None,
    calibrations: dict[str, Calibration],
    groups: dict[str, pl.DataFrame],
) -> Iterator[tuple[str, str]]:
    """The missing sections, and the inputs that they need."""
    if agreement is None:
        yield "Agreement of the coders", "Pass codings: the codings by two or more people."
    if not inputs.judged:
        yield "The model against its baselines, labels, confusions", "Pass model: a tuned model, or its folder."
    for model in inputs.untested:
        yield f"Evaluation of {model.name}", "No texts were held out when it was tuned: tune with test or folds."
    for judged in inputs.judged:
        yield from _missing_sections_of_model(judged, inputs, calibrations, groups)
    if inputs.curve is None:
        yield "Learning curve", "Pass curve: the result of learning_curve."
    if inputs.compare is None:
        yield "Comparison with other coders", "Pass compare: the result of compare."
    if not inputs.correct:
        yield "Regressions, corrected for the model's error", "Pass correct: the result of correct."


def _missing_sections_of_model(
    judged: Judged, inputs: Inputs, calibrations: dict[str, Calibration], groups: dict[str, pl.DataFrame]
) -> Iterator[tuple[str, str]]:
    of = f" ({judged.title})" if judged.title else ""
    if inputs.coded is None and judged.model is not None:
        yield f"The corpus as coded{of}", "Pass coded: the model's codings of the corpus, as classify gives them."
    if judged.key not in calibrations:
        way = "Pass gold: the hand codings of the held-out texts."
        yield f"Calibration{of}", way if judged.model is not None else "Pass model: the tuned model itself."
    if judged.key in groups:
        return
    if inputs.corpus is None or judged.gold is None or judged.held_out is None:
        what = "Pass corpus: unit_id and covariates of the texts; by names those to show."
    else:
        what = "No covariate divides the held-out texts into groups of 10 or more; name one in by."
    yield f"Error by subgroup{of}", what
