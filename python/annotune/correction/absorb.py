"""Fixed effects of many groups, absorbed by demeaning every column instead of estimating them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.moments import Part
from annotune.errors import AnnotuneError

MOST_ROUNDS = 10_000
CLOSE = 1e-13


def absorb(parts: Sequence[Part], groups: Sequence[np.ndarray], n: int) -> tuple[Part, ...]:
    """The parts less their units' group means, so that their linear equations are those with a dummy per group.

    A unit that is in both parts, by its prediction with weight a and by its hand coding with weight b, has the
    covariates (a x + b x*) / (a + b) in the means, which are taken from both of its rows: the equations of the
    groups' own coefficients hold then for any slope, and need no place among the equations.
    """
    weight, mixed = np.zeros(n), np.zeros((n, parts[0].design.shape[1] + parts[0].outcome.shape[1]))
    for part in parts:
        at = slice(None) if part.at is None else part.at
        weight[at] += part.weight
        mixed[at] += part.weight[:, None] * np.hstack([part.design, part.outcome])
    mixed = np.divide(mixed, weight[:, None], out=np.zeros_like(mixed), where=weight[:, None] > 0)
    means = mixed - _without_means(mixed.copy(), weight, groups)
    return tuple(_less(part, means) for part in parts)


def _less(part: Part, means: Floats) -> Part:
    mine, k = means if part.at is None else means[part.at], part.design.shape[1]
    return replace(part, design=part.design - mine[:, :k], outcome=part.outcome - mine[:, k:])


def _without_means(columns: Floats, weight: Floats, groups: Sequence[np.ndarray]) -> Floats:
    """Columns less their weighted group means: directly for one grouping, by alternating projections for several."""
    sizes = [np.bincount(group, weight) for group in groups]
    scale = np.sqrt((columns**2).mean(axis=0)) + np.finfo(float).tiny
    for _ in range(MOST_ROUNDS):
        largest = 0.0
        for group, size in zip(groups, sizes, strict=True):
            sums = np.stack([np.bincount(group, weight * column) for column in columns.T], axis=1)
            means = np.divide(sums, size[:, None], out=np.zeros_like(sums), where=size[:, None] > 0)
            columns -= means[group]
            largest = max(largest, float((abs(means) / scale).max()))
        if len(groups) == 1 or largest <= CLOSE:
            return columns
    raise AnnotuneError("The groups hardly overlap: their effects are not identified.", "Absorb one of them.")
