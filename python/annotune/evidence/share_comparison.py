"""Coders' probabilities against the shares of coders who gave each label, one beside the other on the same texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t

from annotune.data.codebook import Variable
from annotune.data.codings import sound_codings
from annotune.data.encoded import encode
from annotune.evidence.probabilities import how_sure
from annotune.measures.share_scores import LOG_SCORE, parts_of_mean, scores_of_texts


def stated_by_coder(codings: pl.DataFrame, units: pl.Series, entry: Variable) -> dict[str, np.ndarray]:
    """The probabilities (n, labels) of each coder who states those of all labels; NaN for units that it lacks."""
    columns = [f"p_{name}" for name in entry.names if f"p_{name}" in codings.columns]
    stated = {}
    for (name,), rows in codings.group_by("coder", maintain_order=True):
        there = rows.drop([column for column in columns if rows[column].null_count() == len(rows)])
        if not any(column in there.columns for column in columns):
            continue
        mine = sound_codings(there)
        probabilities = how_sure(mine, units, encode(mine, units, entry)[0], entry)[1]
        if probabilities is not None:
            stated[str(name)] = probabilities
    return stated


def pairs_by_log_score(
    stated: Mapping[str, np.ndarray],
    shares: np.ndarray,
    entry: Variable,
    reference: str | None = None,
    clusters: np.ndarray | None = None,
) -> Iterator[dict[str, Any]]:
    """Every pair of coders: the difference of their log scores on the texts of which both have probabilities, paired.

    Limits and p are those of a paired t test of texts' scores, or of the sums over clusters.
    """
    log_score = {
        name: scores_of_texts(each, shares, entry.kind == "multilabel")[LOG_SCORE] for name, each in stated.items()
    }
    for a, b in combinations(stated, 2):
        if reference not in (None, a, b):
            continue
        first, second = (b, a) if b == reference else (a, b)
        apart = log_score[first] - log_score[second]
        there = np.isfinite(apart)
        if there.sum() < 2:
            continue
        low, high, p = _paired(apart[there], None if clusters is None else clusters[there])
        about = {"a": first, "b": second, "measure": LOG_SCORE, "difference": float(apart[there].mean())}
        yield {**about, "ci_low": low, "ci_high": high, "test": "paired t", "p": p, "n_units": int(there.sum())}


def _paired(apart: np.ndarray, clusters: np.ndarray | None) -> tuple[float, float, float | None]:
    """The 95 % limits of a mean difference (n,), and p that it is 0; None where all texts differ alike."""
    mean, parts = float(apart.mean()), parts_of_mean(apart, clusters)
    n, error = len(parts), float(np.linalg.norm(parts))
    half = float(t.ppf(0.975, max(n - 1, 1))) * error
    return mean - half, mean + half, float(2 * t.sf(abs(mean) / error, n - 1)) if error > 0 and n > 1 else None
