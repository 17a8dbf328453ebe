"""Does the design hold that a correction rests on? Balance, sensitivity, and whether the predictions help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.correction import coding_columns
from annotune.correction.balance import Balance, balance, balance_of_waves
from annotune.correction.estimate import Sample
from annotune.correction.families import Floats
from annotune.correction.influence import Influence
from annotune.correction.matrices import Matrices
from annotune.correction.notes import Note
from annotune.correction.prepare import Job
from annotune.correction.sensitivity import sensitivity
from annotune.errors import counted, listing

MOST_GROUPS = 20  # groups of fixed effects that are compared one by one
WIDER = 1.01  # a corrected standard error this many times that of the hand-coded texts is told of
COLUMN_LIMIT = 60  # covariates that are compared; a joint test of more needs more texts than there are


def balance_of(job: Job, matrices: Matrices, sample: Sample, equations: Sequence[str | None]) -> Balance | None:
    """Coded beside uncoded texts, in the regression's covariates, groups and predictions, and in pi where it varies.

    `sample` as it is before its covariates are standardised. None, with a note, where pi is not known for all texts.
    """
    counts = job.counts
    pi = np.ones(len(job.frame)) if counts.chance is not None else coding_columns.chances(job.frame, job.options.pi)
    if unknown := int(np.isnan(pi).sum()):
        texts = counted(unknown, "text", "texts")
        job.notes.append(f"Whether texts were drawn as pi says was not tested: pi is not known for {texts}.")
        return None
    compared = dict(zip(matrices.names, sample.design.T, strict=True))
    compared |= _predictions(sample, equations, job.formula.spoken(job.formula.outcome))
    compared |= {name: values for group in job.formula.groups for name, values in _groups(job.frame, group).items()}
    if np.ptp(pi) > 0:
        compared["log(pi)"] = np.log(pi)
    compared.pop("Intercept", None)
    chosen = dict(list(compared.items())[:COLUMN_LIMIT])
    if not chosen:
        return None
    columns, names = np.column_stack(list(chosen.values())), list(chosen)
    if counts.chance is not None:
        return balance_of_waves(columns, names, job.coded, counts.ratio, counts.chance, sample.clusters)
    return balance(columns, names, job.coded, pi, sample.clusters)


def _predictions(sample: Sample, equations: Sequence[str | None], outcome: str) -> dict[str, Floats]:
    """The predictions, and of probabilities how sure they are: texts that are easy to code have sure predictions."""
    names = [f"predicted {outcome if equation is None else equation}" for equation in equations]
    columns = dict(zip(names, sample.predicted.T, strict=True))
    shares = sample.predicted
    likely = (shares >= 0).all() and (shares.sum(axis=1) <= 1 + coding_columns.ROUNDED).all()
    if likely and not np.isin(shares, (0, 1)).all():
        columns["sureness of the prediction"] = (shares**2).sum(axis=1) + (1 - shares.sum(axis=1)) ** 2
    return columns


def _groups(frame: pl.DataFrame, name: str) -> dict[str, Floats]:
    values = frame[name].unique().sort()
    if len(values) > MOST_GROUPS:
        return {}
    return {f"{name}[{value}]": (frame[name] == value).cast(pl.Float64).to_numpy() for value in values.to_list()[1:]}


def sensitivity_of(
    names: Sequence[tuple[str | None, str]], influence: Influence, estimate: Floats, level: float
) -> pl.DataFrame:
    """The rows of `Correction.sensitivity`; null where no dependence of the draw would do."""
    sign, interval = sensitivity(influence, estimate, level)
    schema = {"equation": pl.String, "term": pl.String, "sign": pl.Float64, "interval": pl.Float64}
    rows = [(*name, *map(_finite, pair)) for name, pair in zip(names, zip(sign, interval, strict=True), strict=True)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _finite(factor: Any) -> float | None:
    return float(factor) if np.isfinite(factor) else None


def note_of_width(terms: Sequence[str], by_hand: Floats, corrected: Floats, weighable: bool) -> list[str]:
    """A note where corrected intervals are wider than the hand-coded ones, by their covariances, shape (p, p)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt(np.diag(corrected) / np.diag(by_hand))
    wider = [term for term, times in zip(terms, ratio, strict=True) if times > WIDER]
    if not wider:
        return []
    advice = "Report the hand-coded estimates where corrected intervals are wider"
    if weighable:
        advice += ", or use method='auto', which weighs predictions by what they are worth"
    sentence = (
        f"Corrected intervals are up to {np.nanmax(ratio):.2f} times as wide as the hand-coded ones "
        f"({listing(wider)}): the predictions are too weak to help there."
    )
    return [Note(sentence, f"{advice}.")]
