"""Probabilities against the shares of coders who gave each label: how far apart they are, text by text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.errors import counted

OVERALL = "overall shares"  # of a corpus: what to say of a text about which nothing is known
LOG_SCORE, BRIER, DISTANCE = SHARE_MEASURES = ("log_score", "brier_score", "share_distance")
NEVER = 1e-12  # replaces a probability of 0 where its logarithm is needed
USUAL = 1.959964


def scores_of_texts(stated: np.ndarray, shares: np.ndarray, sets: bool) -> dict[str, np.ndarray]:
    """How far probabilities are from coders' shares, (n,) each: log score, Brier score and distance.

    The log score is the mean over a text's coders of minus the logarithm of the probability of what they said, the
    Brier score that of the squared differences from it, summed over labels (Good 1952, Brier 1950): both are lowest in
    expectation for probabilities that equal the share of all coders who would give a label, and neither is 0 where
    coders differ. The distance is the total variation between probabilities and shares, from 0 to 1. Of sets each label
    is a question of yes or no, and a text's score is the mean over them.

    Parameters
    ----------
    stated, shares
        Shape (n, labels).
    sets
        Whether several labels may hold.

    Examples
    --------
    >>> scores = scores_of_texts(np.array([[0.8, 0.2]]), np.array([[0.6, 0.4]]), sets=False)
    >>> {name: round(float(values[0]), 3) for name, values in scores.items()}
    {'log_score': 0.778, 'brier_score': 0.56, 'share_distance': 0.2}
    """
    if sets:
        pairs = np.stack([stated, 1 - stated], 2), np.stack([shares, 1 - shares], 2)
        means = scores_of_texts(pairs[0].reshape(-1, 2), pairs[1].reshape(-1, 2), sets=False)
        return {name: values.reshape(shares.shape).mean(1) for name, values in means.items()}
    return {
        LOG_SCORE: -(shares * np.log(np.maximum(stated, NEVER))).sum(1),
        BRIER: ((stated - shares) ** 2).sum(1) + (shares * (1 - shares)).sum(1),
        DISTANCE: np.abs(stated - shares).sum(1) / 2,
    }


def share_rows(
    stated: Mapping[str, np.ndarray],
    shares: np.ndarray,
    entry: Variable,
    clusters: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    intervals: bool = True,
) -> pl.DataFrame:
    """A row per model and measure, as in `Evaluation.measures`; texts without probabilities are left out of both.

    Parameters
    ----------
    stated
        Of each model the probabilities (n, labels), NaN for texts of which it says nothing.
    shares
        Shape (n, labels): of each text's coders, the share that gave each label.
    clusters, weights
        Shape (n,): what is sampled in place of texts, and how much each text counts.
    """
    rows = []
    for model, probabilities in stated.items():
        there = np.isfinite(probabilities).all(1)
        scores = scores_of_texts(probabilities[there], shares[there], entry.kind == "multilabel")
        of = [None if values is None else values[there] for values in (clusters, weights)]
        left_out = int((~there).sum())
        note = f"{counted(left_out, 'text', 'texts')} without probabilities left out" if left_out else None
        for name, values in scores.items():
            low, high = limits_of_mean(values, *of) if intervals and len(values) > 1 else (None, None)
            mean = float(np.average(values, weights=of[1])) if len(values) else None
            rows.append((model, name, mean, low, high, len(values), len(entry.labels), note))
    columns = ("model", "measure", "estimate", "ci_low", "ci_high", "n_units", "n_labels", "note")
    types = (pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int64, pl.Int64, pl.String)
    return pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")


def limits_of_mean(
    values: np.ndarray, clusters: np.ndarray | None = None, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """The 95 % interval of a weighted mean of texts' scores (n,), which is not below 0, by its linearised variance."""
    mean = float(np.average(values, weights=weights))
    error = float(np.linalg.norm(parts_of_mean(values, clusters, weights)))
    return max(0.0, mean - USUAL * error), mean + USUAL * error


def parts_of_mean(
    values: np.ndarray, clusters: np.ndarray | None = None, weights: np.ndarray | None = None
) -> np.ndarray:
    """Each text's part, or each cluster's, in the error of a weighted mean (n,): their squares add up to its variance.

    >>> round(float((parts_of_mean(np.array([1.0, 2.0, 4.0])) ** 2).sum()), 4)  # the variance, 7 / 3, by three
    0.7778
    """
    weights = np.ones(len(values)) if weights is None else weights
    parts: np.ndarray = weights * (values - np.average(values, weights=weights)) / weights.sum()
    if clusters is not None:
        parts = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=parts)
    n = len(parts)
    return np.asarray(parts * np.sqrt(n / max(n - 1, 1)))
