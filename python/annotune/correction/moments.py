"""Estimating equations that a unit may enter twice: once by its prediction, once by its hand coding.

Every unit i contributes a_i m(beta; predicted) + b_i m(beta; hand-coded), where m = x (y - mean(x beta)) is a
generalised linear model's score. The weights a and b define the method:

================  ==================  ==============
method            a                   b
================  ==================  ==============
hand-coded only   0                   w coded / pi
naive             w                   0
DSL               w (1 - coded / pi)  w coded / pi
PPI               l w (1 - coded/pi)  w coded / pi
================  ==================  ==============

DSL is Egami, Hinck, Stewart and Wei (2023), equations 6 and 7; PPI is Angelopoulos, Duchi and Zrnic (2023), whose
lambda is l times the share of texts that were not coded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from annotune.correction.families import Floats, Model

BLOCK = 1 << 13  # rows at a time: their scores fit into the processor's cache
MOST_STEPS, MOST_HALVINGS = 50, 30
CLOSE = 1e-9  # a step this small, relative to the estimates, is the last: Newton's error is its square
DETERMINED = 1e-11  # the share of a column's variance that the columns before it must leave unexplained


class NoSolutionError(Exception):
    """The equations have no unique solution; `term` is the number of the coefficient concerned, `kind` the reason."""

    def __init__(self, kind: str, term: int) -> None:
        self.kind, self.term = kind, term
        super().__init__(kind)


@dataclass(frozen=True)
class Part:
    """Rows of one kind: m of the N units (`at`, ascending; None for all), with design, outcome and weight."""

    design: Floats  # (m, k)
    outcome: Floats  # (m, q)
    weight: Floats  # (m,)
    at: np.ndarray | None = None

    def between(self, first: int, last: int) -> tuple[slice, np.ndarray | slice]:
        """The rows of units `first` up to `last`, and their positions in that block."""
        if self.at is None:
            return slice(first, last), slice(None)
        low, high = np.searchsorted(self.at, (first, last))
        return slice(low, high), self.at[low:high] - first


@dataclass(frozen=True)
class Equations:
    """The estimating equations of N units in k covariates and q equations; p = k q coefficients, by equation."""

    model: Model
    parts: tuple[Part, ...]
    n: int

    @property
    def k(self) -> int:
        """The number of covariates."""
        return int(self.parts[0].design.shape[1])

    @property
    def q(self) -> int:
        """The number of equations."""
        return int(self.parts[0].outcome.shape[1])

    def scores(self, beta: Floats) -> Iterator[tuple[int, int, Floats]]:
        """Blocks of units, `first` up to `last`, with their scores, shape (last - first, p)."""
        for first in range(0, self.n, BLOCK):
            last = min(first + BLOCK, self.n)
            yield first, last, sum_scores(self, beta, first, last)

    def total(self, beta: Floats) -> Floats:
        """The sum of all scores, shape (p,)."""
        table = beta.reshape(self.q, self.k).T
        total = np.zeros((self.q, self.k))
        for x, outcome, weight in self._blocks():
            total += ((outcome - self.model.mean(x @ table)) * weight[:, None]).T @ x
        return total.ravel()

    def jacobian(self, beta: Floats) -> Floats:
        """Minus the derivative of the sum of all scores, shape (p, p)."""
        jacobian = np.zeros((self.k * self.q,) * 2)
        table = beta.reshape(self.q, self.k).T
        for x, _, weight in self._blocks():
            mean = self.model.mean(x @ table)
            for i in range(self.q):
                for j in range(i + 1):
                    jacobian[self._at(i), self._at(j)] += x.T @ (x * (weight * self.model.slope(mean, i, j))[:, None])
        for i in range(self.q):
            for j in range(i):
                jacobian[self._at(j), self._at(i)] = jacobian[self._at(i), self._at(j)].T
        return jacobian

    def _blocks(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        for part in self.parts:
            for first in range(0, len(part.design), BLOCK):
                rows = slice(first, first + BLOCK)
                yield part.design[rows], part.outcome[rows], part.weight[rows]

    def _at(self, equation: int) -> slice:
        return slice(equation * self.k, (equation + 1) * self.k)


def sum_scores(equations: Equations, beta: Floats, first: int, last: int) -> Floats:
    """Each unit's score: the sum of its contributions by prediction and by hand coding."""
    k, q = equations.k, equations.q
    table = beta.reshape(q, k).T
    scores = np.zeros((last - first, q, k))
    for part in equations.parts:
        rows, places = part.between(first, last)
        x = part.design[rows]
        rest = (part.outcome[rows] - equations.model.mean(x @ table)) * part.weight[rows, None]
        scores[places] += rest[:, :, None] * x[:, None, :]
    return scores.reshape(last - first, q * k)


def solve(equations: Equations, start: Floats) -> tuple[Floats, Floats]:
    """Newton's method with halved steps: the estimates, shape (p,), and minus the derivative there, shape (p, p).

    Raises
    ------
    NoSolutionError
        Where the steps do not converge, as when a covariate separates the outcomes, or the derivative is singular.
    """
    beta, total, jacobian = start, equations.total(start), equations.jacobian(start)
    step = np.zeros_like(beta)
    for _ in range(MOST_STEPS):
        step = _newton_step(jacobian, total)
        size, floor = 1.0, _rounding_error(jacobian, beta)
        for _ in range(MOST_HALVINGS):
            trial = beta + size * step
            with np.errstate(over="ignore", invalid="ignore"):  # a step too far is halved
                new = equations.total(trial)
            if _norm(new) <= _norm(total) + floor:  # not so where it is not finite
                break
            size /= 2
        beta, total = trial, new
        if equations.model.name != "linear":
            jacobian = equations.jacobian(beta)
        if size == 1 and abs(step).max() <= CLOSE * (1 + abs(beta).max()):
            return beta, jacobian
    raise NoSolutionError("infinite", int(abs(step).argmax()))


def sums_by_group(scores: Floats, groups: np.ndarray) -> Floats:
    """Sums of the rows of each group, shape (groups, columns)."""
    _, place = np.unique(groups, return_inverse=True)
    sums = np.zeros((place.max() + 1, scores.shape[1]))
    np.add.at(sums, place, scores)
    return sums


def by_cluster(equations: Equations, beta: Floats, clusters: np.ndarray) -> tuple[Floats, Floats]:
    """The clusters' scores (G, p) and informations (G, p, p), whose sums are the total and the jacobian."""
    parts = [part for cluster in np.unique(clusters) for part in [_of_cluster(equations, clusters == cluster)]]
    return np.stack([part.total(beta) for part in parts]), np.stack([part.jacobian(beta) for part in parts])


def _of_cluster(equations: Equations, member: np.ndarray) -> Equations:
    """The equations of some units, (N,); their parts no longer say which units they are of."""
    rows = [member if part.at is None else member[part.at] for part in equations.parts]
    parts = zip(equations.parts, rows, strict=True)
    mine = (Part(part.design[own], part.outcome[own], part.weight[own]) for part, own in parts)
    return Equations(equations.model, tuple(mine), int(member.sum()))


def _norm(total: Floats) -> float:
    return float(np.sqrt(total @ total))


def _rounding_error(jacobian: Floats, beta: Floats) -> float:
    """The rounding error of a sum of scores that is zero."""
    return float(1e-10 * abs(jacobian).max() * (1 + abs(beta).max()))


def _newton_step(jacobian: Floats, total: Floats) -> Floats:
    try:
        step = np.linalg.solve(jacobian, total)
    except np.linalg.LinAlgError:
        step = np.full_like(total, np.inf)
    if not np.isfinite(step).all():
        raise NoSolutionError("infinite", int(abs(np.diag(jacobian)).argmin()))
    return step


def determined(gram: Floats, before: Floats | None = None) -> int | None:
    """The first column that is collinear with those before it, by the cross-products of all columns, shape (k, k).

    `before` holds the columns' sums of squares before group means were taken out.
    """
    scale = np.sqrt(np.diag(gram) if before is None else before)
    if not (scale > 0).all():
        return int(np.argmin(scale))
    left = gram / np.outer(scale, scale)
    for j in range(len(left)):
        if left[j, j] < DETERMINED:
            return j
        left = left - np.outer(left[:, j], left[j, :]) / left[j, j]
    return None


def sandwich(
    equations: Equations, beta: Floats, jacobian: Floats, clusters: np.ndarray | None = None,
    centred: np.ndarray | None = None,
) -> Floats:  # fmt: skip
    """The covariance of the estimates that is robust to heteroskedasticity (HC0), or to clusters, shape (p, p).

    Parameters
    ----------
    clusters
        Each unit's cluster, 0 to G - 1, shape (N,); units that contribute nothing may have any.
    centred
        Two groups of units (N,), 0 and 1, sampled independently: the variance within each is used.
    """
    inverse = np.linalg.inv(jacobian)
    if clusters is not None:
        meat = _meat_by_cluster(equations, beta, clusters)
    elif centred is not None:
        meat = _meat_within_groups(equations, beta, centred)
    else:
        meat = sum(scores.T @ scores for _, _, scores in equations.scores(beta))
    return np.asarray(inverse @ meat @ inverse.T)


def _meat_by_cluster(equations: Equations, beta: Floats, clusters: np.ndarray) -> Floats:
    sums = np.zeros((int(clusters.max()) + 1, len(beta)))
    for first, last, scores in equations.scores(beta):
        mine, place = np.unique(clusters[first:last], return_inverse=True)
        member = sparse.csr_matrix((np.ones(last - first), (place, np.arange(last - first))))
        sums[mine] += member @ scores
    return sums.T @ sums


def _meat_within_groups(equations: Equations, beta: Floats, groups: np.ndarray) -> Floats:
    meat, sums, sizes = 0.0, np.zeros((2, len(beta))), np.bincount(groups, minlength=2)
    for first, last, scores in equations.scores(beta):
        meat = meat + scores.T @ scores
        for group in (0, 1):
            sums[group] += scores[groups[first:last] == group].sum(axis=0)
    nonempty = sizes > 0
    return np.asarray(meat - (sums[nonempty].T / sizes[nonempty]) @ sums[nonempty])
