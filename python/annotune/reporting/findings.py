"""What the report computes itself from what was given, and what it could not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from annotune.agreement.reliability import reliability
from annotune.data.codebook import Codebook
from annotune.evidence.calibrated import Calibration, calibration
from annotune.reporting.given import Given, Judged
from annotune.reporting.subgroups import by_group


@dataclass(frozen=True)
class Findings:
    """Agreement of the coders; calibrations and errors by subgroup, by the key of their model; and what is missing.

    `missing` has for each the name of the section and how to get it.
    """

    reliability: pl.DataFrame | None
    calibrations: dict[str, Calibration]
    groups: dict[str, pl.DataFrame]
    missing: tuple[tuple[str, str], ...]


def findings(given: Given) -> Findings:
    """Everything that can be computed from what was given."""
    agreement = _agreement(given)
    calibrations = {one.key: _calibration(one, given) for one in given.judged if one.gold is not None}
    groups = {one.key: found for one in given.judged if (found := _groups(one, given)) is not None}
    missing = tuple(_missing(given, agreement, calibrations, groups))
    return Findings(agreement, calibrations, groups, missing)


def _agreement(given: Given) -> pl.DataFrame | None:
    if given.reliability is not None or given.codings is None or given.codings["coder"].n_unique() < 2:
        return given.reliability
    return reliability(given.codings, codebook=given.codebook, n_boot=given.n_boot, seed=given.seed)


def _calibration(judged: Judged, given: Given) -> Calibration:
    options = {"n_boot": given.n_boot, "seed": given.seed}
    return calibration(judged.model, judged.gold, variable=judged.name, codebook=_codebook(judged), **options)


def _groups(judged: Judged, given: Given) -> pl.DataFrame | None:
    """Agreement by group; nothing where no covariate has two groups of some size."""
    if judged.held_out is None or judged.gold is None or given.corpus is None:
        return None
    options = {"n_boot": given.n_boot, "seed": given.seed}
    entry = _codebook(judged)
    found = by_group(judged.held_out, judged.gold, given.corpus, given.by, judged.name, entry, **options)
    return None if found.is_empty() else found


def _codebook(judged: Judged) -> Codebook | None:
    return None if judged.entry is None else Codebook(variables=(judged.entry,))


def _missing(
    given: Given, agreement: pl.DataFrame | None, calibrations: dict[str, Calibration], groups: dict[str, pl.DataFrame]
) -> Iterator[tuple[str, str]]:
    """The sections that are not there, and what would bring them."""
    if agreement is None:
        yield "Agreement of the coders", "Give codings: what two or more people said, text by text."
    if not given.judged:
        yield "The model against its baselines, labels, confusions", "Give model: a tuned model, or the folder of one."
    for model in given.untested:
        yield f"How good {model.name} is", "Nothing was held out when it was tuned: tune with test or folds."
    for judged in given.judged:
        yield from _missing_of(judged, given, calibrations, groups)
    if given.curve is None:
        yield "Learning curve", "Give curve: what learning_curve returned."
    if given.compare is None:
        yield "Comparison with other coders", "Give compare: what compare returned."
    if not given.correct:
        yield "Regressions, corrected for the model's error", "Give correct: what correct returned."


def _missing_of(
    judged: Judged, given: Given, calibrations: dict[str, Calibration], groups: dict[str, pl.DataFrame]
) -> Iterator[tuple[str, str]]:
    of = f" ({judged.title})" if judged.title else ""
    if judged.key not in calibrations:
        way = "Give gold: the hand codings of the held-out texts."
        yield f"Calibration{of}", way if judged.model is not None else "Give model: the tuned model itself."
    if judged.key in groups:
        return
    if given.corpus is None or judged.gold is None or judged.held_out is None:
        what = "Give corpus: unit_id and the texts' covariates; by names those to show."
    else:
        what = "No covariate divides the held-out texts into groups of 10 or more; name one in by."
    yield f"Error by subgroup{of}", what
