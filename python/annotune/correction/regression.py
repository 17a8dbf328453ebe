"""Regressions that account for the coder's error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.correction import estimate
from annotune.correction.arrays import finite, require_outcome, sample_of
from annotune.correction.coder_variance import of_corrected, of_hand_codings
from annotune.correction.crowd import ANY, Crowd, crowd_of
from annotune.correction.design_checks import balance_of, sensitivity_of
from annotune.correction.error_guard import (
    Behind,
    behind_correction,
    behind_hand_coded,
)
from annotune.correction.estimate import Fit, Sample
from annotune.correction.families import MODELS, Floats, Model
from annotune.correction.fits import fits_by_clusters
from annotune.correction.formulas import parse
from annotune.correction.margins import margins, margins_table, stand_alone
from annotune.correction.matrices import Matrices
from annotune.correction.notes import advice_of
from annotune.correction.prepare import Job, Options, prepared, require_coded, require_sound
from annotune.correction.recalibration import FOLDS, features_of, given_labels, proxy_features, recalibrated
from annotune.correction.regression_notes import caution_notes, note_on_clusters, notes_of_correction, notes_of_errors
from annotune.correction.result import CORRECTED, HAND, Correction, rows_of, three_rows
from annotune.data.frames import as_frame
from annotune.errors import AnnotuneError, counted, listing, warn


def correct(
    formula: str,
    data: Any,
    *,
    model: Literal["linear", "logit", "poisson", "multinomial", "fixed_effects"] = "linear",
    method: Literal["dsl", "ppi", "auto", "none"] = "dsl",
    cluster: str | Sequence[str] | None = None,
    weights: str | None = None,
    prediction: Literal["prob", "label", "recalibrated"] = "prob",
    pi: str | float | None = None,
    gold: str | Mapping[str, str] | None = None,
    predicted: Mapping[str, tuple[str, str | Sequence[str]]] | None = None,
    coded: str | None = None,
    fold: str | None = None,
    wave: str | None = None,
    reference: Mapping[str, str | float] | None = None,
    level: float = 0.95,
    small_sample: bool | None = None,
    power: float | None = None,
    codings: Any = None,
    coders: Literal["these", "any"] = "these",
) -> Correction:
    """Regress with machine labels, their error corrected by the hand-coded texts.

    Every coefficient is estimated three times: by the hand-coded texts only (weighted by 1 / pi), naively by the labels
    as if they were the truth, and corrected. With a weak classifier the corrected interval can be wider than the
    hand-coded one.

    Parameters
    ----------
    formula
        As in R: `"topic == 'Health' ~ party + year"`, with `:`, `*`, `factor()`, `relevel(party, ref = 'Labour')`,
        `factor(party, levels = c('Labour', 'Conservative'))`, `I()`, `log()`, `poly()`; names with blanks in backticks;
        groups whose fixed effects are absorbed after a bar: `"... ~ year | district"`. The outcome, covariates, or both
        may be predicted. Dates are numbers of days.
    data
        N rows, one per text, as in `crossfit(...).data` or from `attach` or `dsl_columns`. `topic` was predicted where
        there is a column `topic_gold` (null where nobody coded the text), `y` where there are `y_gold` and `y_hat`, and
        the share of coders `topic_share_Health` where there is `topic_p_Health`.
    model
        "linear", "logit" (of an outcome 0 or 1), "poisson" (of a count), "multinomial" (of a coded variable,
        `"topic ~ party"`; the first label is the base), "fixed_effects" (linear, with groups).
    method
        "dsl" is design-based supervised learning (Egami, Hinck, Stewart and Wei 2023), for any pi. "ppi" is
        prediction-powered inference (PPI++; Angelopoulos, Duchi and Zrnic 2023), which uses predictions as far as
        they help overall. "auto" weighs DSL's estimate and the hand-coded one for each coefficient by what the
        predictions are worth for it. "none" leaves out the corrected rows.
    cluster
        A column, or two; standard errors allow for dependence within its values, or within those of either (Cameron,
        Gelbach and Miller 2011).
    weights
        A column with survey weights.
    prediction
        The prediction of an outcome that is a label: "prob", its probability, where there are such columns (smaller
        standard errors); "label", whether it is the predicted label; or "recalibrated", what the label (or probability)
        and the covariates say about it by the coded texts of other folds: for bare labels, as hosted models give them,
        and probabilities that are off. Predicted covariates are always labels.
    pi
        The probability with which a text was drawn for hand coding: a column (by default `<variable>_pi` as a study
        writes it, or `pi`), or a number.
    gold, predicted
        Where columns have other names: the one with the outcome's hand codings, or `{variable: column}`; and
        `{variable: (hand codings, predictions)}`. Where several coders predicted the outcome (a tuned model, hosted
        ones, a dictionary), `{"topic": ("topic_gold", ["tuned", "gpt", "dictionary"])}`: what they say together is
        learned from the hand codings as by "recalibrated", so that a bad one gets little weight; the naive rows are by
        the first.
    coded
        The column that says which texts were drawn and coded (by default `<variable>_coded` or `coded`, or where there
        are hand codings).
    fold
        The column that is filled where a prediction is by a model that has not seen the text (by default
        `<variable>_fold` or `fold`).
    wave
        The column with the number of the wave in which a text was drawn, where later waves' pi rest on earlier codings
        and are among the texts not drawn before (by default `<variable>_wave` or `wave`, where only the drawn texts
        have one). pi is that of the text's own wave.
    reference
        The category that the others are compared with, by column: `{"party": "Labour"}`; for "multinomial" the
        outcome's, too. By default the first one, in the order of the column's type, by size or alphabet.
    level
        Of the confidence intervals.
    small_sample
        By default variances are HC0, and cluster-robust ones are without a factor; with fewer than 50 clusters they are
        CR2 with intervals by t, with Satterthwaite's degrees of freedom for each coefficient (Bell and McCaffrey 2002;
        Pustejovsky and Tipton 2018). True gives Stata's corrections of robust and cluster-robust variances, and t in
        place of normal intervals of linear models; False no correction, however few clusters there are.
    power
        The lambda of "ppi", from 0 to 1; by default the best one.
    codings
        All coders' codings: the outcome of a hand-coded text is then the share of its coders who would say so (of a
        number their mean). Each such text needs an answer there, found by `unit_id`; what is explained is coded, and no
        covariate is.
    coders
        With `codings`, whose share: "these", of the coders who coded; or "any", of all coders like them, of whom these
        are a sample. Standard errors are then by text and coder, which has what a coder does in every text, and does
        more in some than in others; intervals are by t, wide where coders are few. At least 5 are needed.

    Returns
    -------
    Correction

    Raises
    ------
    AnnotuneError
        Where pi is not known, 0 or above 1; predictions are by a model that was tuned on the coded texts; fewer than 20
        texts are coded by hand, or none in a category of the outcome or a predicted covariate; a column is not there;
        covariates determine each other; the outcome does not fit the model; or a covariate separates the outcomes.

    Examples
    --------
    >>> import annotune as at, numpy as np, polars as pl
    >>> rng = np.random.default_rng(1)
    >>> x, drawn = rng.normal(size=2000), rng.random(2000) < 0.2
    >>> y = (rng.random(2000) < 0.3 + 0.1 * (x > 0)).astype(float)
    >>> wrong = rng.random(2000) < np.where(x > 0, 0.3, 0.1)
    >>> frame = pl.DataFrame({"x": x > 0, "y_hat": abs(y - wrong), "y_gold": np.where(drawn, y, np.nan)})
    >>> fit = at.correct("y ~ x", frame, pi=0.2)
    >>> fit.tidy().filter(pl.col("term") == "x").select("method", pl.col("estimate", "std_error").round(3)).rows()
    [('hand-coded only', 0.109, 0.045), ('naive', 0.145, 0.022), ('corrected', 0.058, 0.048)]
    """
    options = Options(
        model=model,
        method=method,
        cluster=cluster,
        weights=weights,
        prediction=prediction,
        pi=pi,
        gold=gold,
        predicted=predicted or {},
        coded=coded,
        fold=fold,
        wave=wave,
        reference=reference or {},
        level=level,
        small_sample=small_sample,
        power=power,
        codings=codings,
        coders=coders,
    )
    require_sound(options)
    job = prepared(parse(formula).with_bases(options.reference), as_frame(data), options)
    return _estimated(job)


def _estimated(job: Job) -> Correction:
    options = job.options
    matrices, sample, equations = sample_of(job)
    if not (whole := finite(sample)).any():
        raise AnnotuneError(f"{job.formula.text!r} cannot be computed: no row gives numbers.", "Check its functions.")
    if not whole.all():
        texts = counted(int((~whole).sum()), "text was", "texts were")
        warn(f"{texts} left out because a covariate is not a number there (such as a log of 0).")
        complete = replace(
            job, frame=job.frame.filter(whole), coded=job.coded[whole], counts=job.counts.of(whole[job.coded])
        )
        require_coded(complete)
        return _estimated(complete)
    model = MODELS[options.model]
    crowd = None if options.codings is None else crowd_of(job, equations)
    sample = sample if crowd is None else replace(sample, gold=crowd.shares)
    require_outcome(job, model, sample)
    names = [(equation, term) for equation in equations for term in matrices.names]
    balance = None if options.method == "none" else balance_of(job, matrices, sample, equations)
    if options.prediction == "recalibrated":
        sample = _recalibrated(job, model, sample)
    fixed = _fixed_design(job, matrices, sample)
    sample, back = estimate.standardised(sample)
    back = np.kron(np.eye(len(equations)), back)
    fits = fits_by_clusters(job, model, sample, [term for _, term in names])
    behind = _behind(job, model, sample, fits, back)
    covariances = {method: back @ fit.covariance @ back.T for method, fit in fits.items()}
    for method, each in behind.items():  # what "auto" weighs together is no less certain than the hand codings alone
        most = (
            np.diag(covariances[HAND]) if (method, options.method) == (CORRECTED, "auto") and HAND in behind else None
        )
        covariances[method] = each.with_more_errors(options.level, most)
    degrees = {method: fit.degrees(back) for method, fit in fits.items()}
    added = {} if crowd is None or options.coders != ANY else _of_any_coders(crowd, model, sample, fits, back)
    for method, (more, own_degrees) in added.items():
        covariances[method], degrees[method] = covariances[method] + more, own_degrees
    tables = [
        rows_of(method, names, back @ fit.beta, covariances[method], fit.n, options.level, degrees[method])
        for method, fit in fits.items()
    ]
    everyone = np.arange(sample.n)
    sizes, sizes_coded = (_numbers_of_clusters(options.clusters, sample, at) for at in (everyone, sample.at))
    notes = (
        *([] if crowd is None else crowd.notes(job, degrees[list(fits)[-1]])),
        *job.notes,
        *note_on_clusters(sizes, options.small_sample, degrees[list(fits)[-1]]),
        *notes_of_errors(sample, behind, names),
        *caution_notes(job, sample),
        *notes_of_correction(job, names, fits, covariances, balance),
    )
    return Correction(
        estimates=three_rows(tables),
        covariance=covariances,
        formula=job.formula.text,
        model="fixed_effects" if job.formula.groups else options.model,
        method=options.method,
        n=sample.n,
        n_coded=len(sample.at),
        n_clusters=min(sizes.values(), default=None),
        level=options.level,
        references=matrices.bases,
        cluster=" and ".join(options.clusters) or None,
        clusters=sizes,
        df=degrees,
        n_clusters_coded=min(sizes_coded.values(), default=None),
        clusters_coded=sizes_coded,
        notes=tuple(map(str, notes)),
        advice=advice_of(notes),
        balance=balance,
        sensitivity=_sensitivity(names, fits, back, options.level, added.get(CORRECTED)),
        coders=None if crowd is None else options.coders,
        n_coders=None if crowd is None else crowd.n_coders,
        margins=None if fixed is None else _margins(fixed, sample, fits, back, covariances, degrees, options.level),
    )


def _fixed_design(job: Job, matrices: Matrices, sample: Sample) -> tuple[Floats, tuple[str, ...]] | None:
    """The covariates of a logit as they are, with their names; None where marginal effects are not defined by terms."""
    known = np.array_equal(sample.design[sample.at], sample.design_gold)
    if job.options.model != "logit" or not known or not stand_alone(sample.design, matrices.names, job.frame.columns):
        return None
    return sample.design.copy(), matrices.names


def _margins(
    fixed: tuple[Floats, tuple[str, ...]],
    sample: Sample,
    fits: Mapping[str, Fit],
    back: Floats,
    covariances: Mapping[str, Floats],
    degrees: Mapping[str, Floats],
    level: float,
) -> pl.DataFrame:
    """Average marginal effects of all methods, in all texts."""
    tables = []
    for method, fit in fits.items():
        effects = margins(fixed[0], sample.weight, fixed[1], back @ fit.beta, covariances[method])
        tables.append(margins_table(method, effects, fit.n, level, float(np.min(degrees[method]))))
    return three_rows(tables)


def _recalibrated(job: Job, model: Model, sample: Sample) -> Sample:
    """The sample with predictions of the outcome that were learned from the coded texts of other folds."""
    explained = job.formula.explained
    if explained is None or explained.column not in job.gold:
        what = f"{job.formula.text!r}: what it explains is not a predicted column or one of its labels."
        raise AnnotuneError(what, "Leave out prediction='recalibrated'.")
    predicted, labels = sample.predicted, given_labels(job.frame[explained.column])
    if job.proxies:
        outcomes, labels = proxy_features(job.frame, job.proxies, explained)
        predicted = np.hstack([predicted, outcomes])
    features = features_of(predicted, sample.design, labels)
    weight = sample.ratio * sample.weight[sample.at]
    guesses = recalibrated(features, sample.gold, sample.at, weight, model, sample.clusters)
    if guesses is None:
        job.notes.append("Predictions were not recalibrated: too few texts are coded by hand with either value.")
        return sample
    job.notes.append(_note_of_recalibration(job.proxies))
    return replace(sample, predicted=guesses)


def _note_of_recalibration(proxies: Sequence[str]) -> str:
    by = f"on the coded texts of other folds ({FOLDS}), with the"
    if not proxies:
        return f"Predictions were recalibrated {by} labels and covariates."
    return f"What {listing(proxies)} predicted was combined {by} covariates; naive estimates are by {proxies[0]!r}."


def _sensitivity(
    names: Sequence[tuple[str | None, str]],
    fits: Mapping[str, Fit],
    back: Floats,
    level: float,
    added: tuple[Floats, Floats] | None,
) -> pl.DataFrame | None:
    influence = fits[CORRECTED].influence if CORRECTED in fits else None
    if influence is None:
        return None
    influence = influence.of(back)
    influence = influence if added is None else replace(influence, rest=influence.rest + added[0])
    return sensitivity_of(names, influence, back @ fits[CORRECTED].beta, level)


def _of_any_coders(
    crowd: Crowd, model: Model, sample: Sample, fits: Mapping[str, Fit], back: Floats
) -> dict[str, tuple[Floats, Floats]]:
    """What the covariance of hand-coded and corrected estimates lacks where coders are drawn too, and their degrees."""
    lacks = {}
    for method, part_of in ((HAND, of_hand_codings), (CORRECTED, of_corrected)):
        if method in fits and np.isfinite(fits[method].beta).all():
            fit, by_text = fits[method], back @ fits[method].covariance @ back.T
            part = part_of(model, sample, fit, crowd.answers)
            lacks[method] = part.added(by_text, back), part.degrees(by_text, back, fit.degrees(back))
    return lacks


def _behind(job: Job, model: Model, sample: Sample, fits: Mapping[str, Fit], back: Floats) -> dict[str, Behind]:
    """What is behind the estimates by hand codings, and the corrected ones, where there are any."""
    solved = {method: fit for method, fit in fits.items() if np.isfinite(fit.beta).all()}
    behind = {}
    if HAND in solved:
        behind[HAND] = behind_hand_coded(model, sample, solved[HAND], back)
    if CORRECTED in solved:
        behind[CORRECTED] = behind_correction(model, sample, solved[CORRECTED], back, job.options.method == "ppi")
    return behind


def _numbers_of_clusters(columns: Sequence[str], sample: Sample, at: np.ndarray) -> dict[str, int]:
    """How many clusters of each kind the units at these places have."""
    kinds = [clusters for clusters in (sample.clusters, sample.across) if clusters is not None]
    return {name: len(np.unique(clusters[at])) for name, clusters in zip(columns, kinds, strict=True)}
