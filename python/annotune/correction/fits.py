"""The estimates of a regression by each method, or the reason why a method has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from annotune.correction import estimate
from annotune.correction.estimate import Fit, Sample
from annotune.correction.families import Model
from annotune.correction.moments import NoSolutionError
from annotune.correction.prepare import Job
from annotune.correction.result import CORRECTED, HAND, NAIVE
from annotune.errors import AnnotuneError


def fits_by_clusters(job: Job, model: Model, sample: Sample, terms: list[str]) -> dict[str, Fit]:
    """The estimates of all methods; with clusters of two kinds by each, and by their combinations."""
    one = _fits(job, model, sample, terms)
    if sample.clusters is None or sample.across is None:
        return one
    both = np.unique(np.column_stack([sample.clusters, sample.across]), axis=0, return_inverse=True)[1].ravel()
    silent = replace(job, notes=[])
    other, together = (_fits(silent, model, replace(sample, clusters=c), terms) for c in (sample.across, both))
    return {name: estimate.two_ways(fit, other[name], together[name]) for name, fit in one.items()}


def _fits(job: Job, model: Model, sample: Sample, terms: list[str]) -> dict[str, Fit]:
    """The estimates of all methods; an error where the last one has none, a note for the others."""
    small = job.options.small_sample
    methods = {
        HAND: partial(_hand_coded, model, sample, small),
        NAIVE: partial(estimate.naive, model, sample, small),
    }
    if job.options.method == "dsl":
        methods[CORRECTED] = partial(estimate.dsl, model, sample, small)
    elif job.options.method == "auto":
        methods[CORRECTED] = partial(estimate.auto, model, sample, small)
    elif job.options.method == "ppi":
        methods[CORRECTED] = partial(estimate.ppi, model, sample, small, job.options.power)
    return {name: _fit_or_note(job, name, work, terms, name == list(methods)[-1]) for name, work in methods.items()}


def _hand_coded(model: Model, sample: Sample, small: bool | None) -> Fit:
    if sample.clusters is not None and len(np.unique(sample.clusters[sample.at])) < 2:
        raise NoSolutionError("clusters", 0)
    return estimate.hand_coded(model, sample, small)


def _fit_or_note(job: Job, method: str, work: Callable[[], Fit], terms: list[str], must: bool) -> Fit:
    try:
        return work()
    except NoSolutionError as reason:
        what, advice = _reason_and_advice(reason, terms[reason.term], job.options.model)
        if must:
            raise AnnotuneError(f"{job.formula.text!r}: {what}.", advice) from None
        job.notes.append(f"No estimates, {method}: {what}.")
        p, n = len(terms), int(job.coded.sum()) if method == HAND else len(job.frame)
        return Fit(np.full(p, np.nan), np.full((p, p), np.nan), n)


def _reason_and_advice(reason: NoSolutionError, term: str, model: str) -> tuple[str, str]:
    if reason.kind == "determined":
        return f"{term!r} does not vary beside the other covariates", "Leave it out, or join categories."
    if reason.kind == "few":
        return "there are as many coefficients as texts, or more", "Take fewer covariates, or join categories."
    if reason.kind == "clusters":
        return "all hand-coded texts are in one cluster", "Code texts of other clusters, too."
    if model in ("linear", "fixed_effects"):
        return f"the covariates do not determine the coefficient of {term!r}", "Leave it out, or code more texts."
    what = f"no finite coefficient of {term!r} fits (separation: the outcome never, or always, goes with it)"
    return what, "Join categories, leave the term out, code more texts by hand, or use model='linear'."
