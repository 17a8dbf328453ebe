"""What the reader of a corrected regression should know, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from annotune.correction.balance import MEND_PI, Balance
from annotune.correction.coding_columns import FEW_CLUSTERS
from annotune.correction.design_checks import note_of_width
from annotune.correction.error_guard import Behind, notes_of_few, notes_of_weights
from annotune.correction.estimate import Fit, Sample
from annotune.correction.families import Floats
from annotune.correction.matrices import is_date
from annotune.correction.notes import Note
from annotune.correction.prepare import Job
from annotune.correction.result import CORRECTED, HAND

FEWEST_DEGREES = 4  # of freedom, with fewer of which the t distribution is a rough one (Tipton 2015)
NEAR_GROUPS = 20  # coded texts per group, with fewer of which predicted covariates and fixed effects conflict
MOST_WEIGHTS = 8  # coefficients whose weights are listed


def notes_of_errors(sample: Sample, behind: Mapping[str, Behind], names: Sequence[tuple[str | None, str]]) -> list[str]:
    """On few errors, and on texts that weigh much."""
    terms = [": ".join(part for part in name if part is not None) for name in names]
    few = [sentence for method, each in behind.items() for sentence in notes_of_few(each, terms, method)]
    last = list(behind.values())[-1:]
    return [*few, *(sentence for each in last for sentence in notes_of_weights(sample, each, terms))]


def notes_of_correction(
    job: Job,
    names: Sequence[tuple[str | None, str]],
    fits: Mapping[str, Fit],
    covariances: Mapping[str, Floats],
    balance: Balance | None,
) -> list[str]:
    """What the predictions are worth, and whether texts were drawn as pi says."""
    if CORRECTED not in fits:
        return []
    terms = [": ".join(part for part in name if part is not None) for name in names]
    weighable = job.options.method != "auto" and job.options.coders != "any"
    return [
        *([Note(balance.verdict, MEND_PI)] if balance is not None and balance.drawn_otherwise else []),
        *note_of_width(terms, covariances[HAND], covariances[CORRECTED], weighable),
        *_note_of_weights(fits[CORRECTED].power, terms),
    ]


def note_on_clusters(sizes: Mapping[str, int], small: bool | None, degrees: Floats) -> list[str]:
    """What few clusters mean for the intervals of the last method, whose degrees of freedom are given, (k,)."""
    fewest = min(sizes.values(), default=FEW_CLUSTERS)
    if fewest >= FEW_CLUSTERS:
        return []
    if small is not None:
        return [Note(f"With {fewest} clusters, intervals are too narrow.", "Leave out small_sample to widen them.")]
    low, high = degrees.min(), degrees.max()
    span = f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"
    caution = f" Those with fewer than {FEWEST_DEGREES} are rough." if low < FEWEST_DEGREES else ""
    return [
        f"With {fewest} clusters, standard errors are CR2, and intervals are widened to {span} degrees of freedom "
        f"(Satterthwaite).{caution}"
    ]


def caution_notes(job: Job, sample: Sample) -> list[str]:
    """Cautions about dates and small groups."""
    sentences = []
    covariates = job.formula.within(job.formula.terms).values()
    dates = [entry.column for entry in covariates if not entry.category and is_date(job.frame.schema[entry.column])]
    sentences += [f"{name} is counted in days." for name in dict.fromkeys(dates)]
    predicted = any(entry.column in job.gold for entry in covariates)
    if predicted and sample.groups:
        each = min(float(np.median(np.bincount(group[sample.at]))) for group in sample.groups)
        if each < NEAR_GROUPS:
            what = f"Half of the groups hold {each:g} hand-coded texts or fewer: with a predicted covariate, estimates "
            what += "within so small groups are biased."
            sentences.append(Note(what, "Take larger groups, or none."))
    return sentences


def _note_of_weights(power: float | Floats | None, terms: Sequence[str]) -> list[str]:
    if power is None:
        return []
    if isinstance(power, (int, float)):
        return [f"PPI's lambda is {power:.3f} (0: predictions have no weight)."]
    weights = ", ".join(f"{term} {weight:.2f}" for term, weight in zip(terms[:MOST_WEIGHTS], power, strict=False))
    more = ", ..." if len(terms) > MOST_WEIGHTS else ""
    return [f"Weights of DSL's estimates (0: the hand-coded one alone): {weights}{more}."]
