"""The three estimates of a regression, on arrays: by hand codings, by predictions, and corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from annotune.correction.absorb import absorb
from annotune.correction.coding_columns import FEW_CLUSTERS
from annotune.correction.families import Floats, Model
from annotune.correction.few_clusters import Reduced, reduced
from annotune.correction.influence import Influence, of_correction, of_hand_coded
from annotune.correction.moments import Equations, NoSolutionError, Part, by_cluster, determined, sandwich, solve
from annotune.correction.ppi import power

ROUNDING = 1e-9  # what is smaller, in relation to the whole, is 0
SAME = 1e-9  # the share by which probabilities of being drawn may differ and still count as equal


@dataclass(frozen=True)
class Sample:
    """N units in k covariates and q equations, n of the units coded by hand.

    Attributes
    ----------
    design, design_gold
        Covariates, (N, k) by prediction and (n, k) by hand coding.
    labels, predicted, gold
        Outcomes, (N, q) as the naive regression uses them (labels), (N, q) as the correction uses them
        (probabilities, where they exist), and (n, q) by hand.
    at, ratio
        The coded units' numbers, ascending, and 1 / pi, shape (n,).
    weight
        Survey weights, (N,).
    clusters, groups
        Each unit's cluster, and its groups whose effects are absorbed, numbered from 0, (N,).
    across
        Each unit's cluster of a second kind, (N,), such as the newspaper beside the author.
    chance
        Of several waves the part of each squared ratio that is by chance, shape (n,).
    """

    design: Floats
    design_gold: Floats
    labels: Floats
    predicted: Floats
    gold: Floats
    at: np.ndarray
    ratio: Floats
    weight: Floats
    clusters: np.ndarray | None = None
    groups: tuple[np.ndarray, ...] = ()
    across: np.ndarray | None = None
    chance: Floats | None = None

    @property
    def n(self) -> int:
        """The number of units."""
        return len(self.design)


@dataclass(frozen=True)
class Fit:
    """Estimates (p,), their covariance (p, p), units, and degrees of freedom of t (None: normal).

    Attributes
    ----------
    power
        The weight of the predictions: PPI's lambda, or one for each coefficient.
    influence
        Of the hand-coded texts on corrected estimates.
    few
        Where there are few clusters, of one kind or two: the degrees of freedom of every contrast.
    """

    beta: Floats
    covariance: Floats
    n: int
    df: float | None = None
    power: float | Floats | None = None
    influence: Influence | None = None
    few: tuple[Reduced, ...] = ()

    def degrees(self, contrasts: Floats) -> Floats:
        """The degrees of freedom of contrasts (m, p), shape (m,); infinite where errors count as normal."""
        if not self.few:
            return np.full(len(contrasts), np.inf if self.df is None else self.df)
        return np.asarray(np.min([few.df(contrasts) for few in self.few], axis=0))


def standardised(sample: Sample) -> tuple[Sample, Floats]:
    """The sample with covariates of mean 0 and deviation 1, and the matrix (k, k) from its coefficients back.

    Raw years or incomes cost half of the digits of cross-products. Changes the sample's designs in place.
    """
    design, gold = sample.design, sample.design_gold
    k = design.shape[1]
    constant = _constant(design)
    centre = design.mean(axis=0) if constant is not None or sample.groups else np.zeros(k)
    if constant is not None:
        centre[constant] = 0.0
    for matrix in (design, gold):
        matrix -= centre
    scale = np.sqrt(np.einsum("ij,ij->j", design, design) / len(design))
    still = scale <= 1e-13 * abs(centre)
    scale[still | (scale == 0)] = 1.0
    for matrix in (design, gold):
        matrix /= scale
    if still.any():
        design[:, still] = 0.0
    back = np.diag(1 / scale)
    if constant is not None:
        back[constant] -= np.where(np.arange(k) == constant, 0, centre / scale / scale[constant])
    return sample, back


def _constant(design: Floats) -> int | None:
    """The first column that is the same for all, and not 0."""
    still = (design[:100] == design[0]).all(axis=0) & (design[0] != 0)
    return next((int(j) for j in np.flatnonzero(still) if (design[:, j] == design[0, j]).all()), None)


def hand_coded(model: Model, sample: Sample, small: bool | None = False) -> Fit:
    """The coded units alone, weighted by 1 / pi."""
    clusters = None if sample.clusters is None else _numbered(sample.clusters[sample.at])
    equations, groups = hand_coded_equations(model, sample)
    return _fit_equations(equations, clusters, groups, small)


def hand_coded_equations(model: Model, sample: Sample) -> tuple[Equations, tuple[np.ndarray, ...]]:
    """The equations of the coded units alone, and their groups, numbered from 0."""
    part = Part(sample.design_gold, sample.gold, sample.weight[sample.at] * sample.ratio)
    groups = tuple(_numbered(group[sample.at]) for group in sample.groups)
    return Equations(model, (part,), len(sample.at)), groups


def naive(model: Model, sample: Sample, small: bool | None = False) -> Fit:
    """The predicted labels, treated as if they were the truth."""
    part = Part(sample.design, sample.labels, sample.weight)
    return _fit_equations(Equations(model, (part,), sample.n), sample.clusters, sample.groups, small)


def dsl(model: Model, sample: Sample, small: bool | None = False) -> Fit:
    """Design-based supervised learning."""
    fit = _fit_equations(corrected_equations(model, sample, 1.0), sample.clusters, sample.groups, small)
    return replace(fit, influence=_influence(model, sample, fit.beta, 1.0))


def auto(model: Model, sample: Sample, small: bool | None = False) -> Fit:
    """Hand-coded estimates and DSL's, with the weights that make each coefficient's variance smallest.

    Both are consistent, and so is every combination (1 - l) b_hand + l b_dsl. The best l of a coefficient, minus the
    covariance of b_hand and b_dsl - b_hand over the variance of the latter, is estimated by their influence functions.
    With many coded texts no coefficient's variance is above that of either (Chen and Chen 2000; Miao et al. 2023).
    """
    by_hand, corrected = hand_coded(model, sample), dsl(model, sample)
    equations, groups = hand_coded_equations(model, sample)
    alone, difference = _alone_and_difference(model, sample, by_hand.beta, corrected.beta)
    few = small is None and sample.clusters is not None and len(np.unique(sample.clusters)) < FEW_CLUSTERS
    single = replace(sample, clusters=None)  # few clusters would choose the weight that flatters their own variance
    pair = _alone_and_difference(model, single, by_hand.beta, corrected.beta) if few else (alone, difference)
    shared, spread = (pair[0].sums * pair[1].sums).sum(axis=0), np.diag(pair[1].covariance())
    weight = np.divide(-shared, spread, out=np.zeros_like(spread), where=spread > 0)
    influence = alone.plus(difference, weight)
    beta = by_hand.beta + weight * (corrected.beta - by_hand.beta)
    fit = Fit(beta, influence.covariance(), sample.n, None, weight, influence)
    if small is None:
        return _widened(fit, [(by_hand, hand_coded(model, sample, None)), (corrected, dsl(model, sample, None))])
    return _corrected_for_size(fit, equations, _taken(equations.k, groups), sample.clusters) if small else fit


def _alone_and_difference(
    model: Model, sample: Sample, by_hand: Floats, corrected: Floats
) -> tuple[Influence, Influence]:
    """The influences on the hand-coded estimates, and on what DSL's differ from them."""
    equations, groups = hand_coded_equations(model, sample)
    alone = of_hand_coded(absorbed(equations, groups), by_hand, sample.at, sample.clusters)
    return alone, _influence(model, sample, corrected, 1.0).plus(alone, -1.0)


def _widened(fit: Fit, pairs: Sequence[tuple[Fit, Fit]]) -> Fit:
    """The fit with errors that are larger by as much as CR2 makes those of the fits it weighs, pairs (plain, CR2)."""
    factors = [np.sqrt(np.diag(few.covariance) / np.diag(plain.covariance)) for plain, few in pairs]
    factor = np.max([np.ones(len(fit.beta)), *factors], axis=0)
    few = tuple(one for _, corrected in pairs for one in corrected.few)
    return replace(fit, covariance=fit.covariance * np.outer(factor, factor), few=few)


def _influence(model: Model, sample: Sample, beta: Floats, share: float) -> Influence:
    equations = absorbed(corrected_equations(model, sample, share), sample.groups)
    return of_correction(equations, beta, sample.ratio, share * sample.weight, sample.clusters)


def ppi(model: Model, sample: Sample, small: bool | None = False, weight: float | None = None) -> Fit:
    """Prediction-powered inference with the lambda `weight`, or the best one.

    With equal probabilities of coding the lambda of 1 compares coded with uncoded texts. With different ones, the
    predictions of coded texts weighted by 1 / pi are compared with those of all texts, and a lambda of 1 is DSL.
    """
    rest = sample.n - len(sample.at)
    equal = bool(np.ptp(sample.ratio) <= SAME * sample.ratio.max())
    if weight is None and rest and (sample.groups or not equal):
        weight = _least_variance(model, sample)
    if weight is None:
        equations = corrected_equations(model, sample, 1.0)
        equations = absorbed(equations, sample.groups)
        beta, jacobian = solve(equations, _starting_values(equations))
        weight = power(equations, beta, jacobian, sample.weight)
    share = (weight * sample.n / rest if rest else 0.0) if equal else weight
    coded = np.zeros(sample.n, dtype=np.int64)
    coded[sample.at] = 1
    equations = corrected_equations(model, sample, share)
    fit = _fit_equations(equations, sample.clusters, sample.groups, small, coded if equal else None)
    return replace(fit, power=weight, influence=_influence(model, sample, fit.beta, share))


def _least_variance(model: Model, sample: Sample) -> float:
    """The lambda with the smallest estimated variance, by search: the formula does not allow for absorbed effects."""
    from scipy.optimize import minimize_scalar

    def variance(weight: float) -> float:
        return float(np.trace(ppi(model, sample, weight=weight).covariance))

    return float(minimize_scalar(variance, bounds=(0, 1), method="bounded", options={"xatol": 0.01}).x)


def corrected_equations(model: Model, sample: Sample, share: float) -> Equations:
    """DSL's equations, with `share` of the weight that they give to predictions."""
    weight = sample.weight.copy()
    weight[sample.at] *= 1 - sample.ratio
    predicted = Part(sample.design, sample.predicted, share * weight)
    by_hand = Part(sample.design_gold, sample.gold, sample.weight[sample.at] * sample.ratio, sample.at)
    return Equations(model, (predicted, by_hand), sample.n)


def absorbed(equations: Equations, groups: tuple[np.ndarray, ...]) -> Equations:
    """The equations without the groups' effects."""
    return replace(equations, parts=absorb(equations.parts, groups, equations.n)) if groups else equations


def _fit_equations(
    equations: Equations,
    clusters: np.ndarray | None,
    groups: tuple[np.ndarray, ...],
    small: bool | None,
    centred: np.ndarray | None = None,
) -> Fit:
    if equations.n <= equations.k:
        raise NoSolutionError("few", equations.k - 1)
    before = np.einsum("ij,ij->j", equations.parts[0].design, equations.parts[0].design)
    equations = absorbed(equations, groups)
    first = equations.parts[0].design
    dependent = determined(first.T @ first, before)
    if dependent is not None:
        raise NoSolutionError("determined", dependent)
    beta, jacobian = solve(equations, _starting_values(equations))
    covariance = sandwich(equations, beta, jacobian, clusters, centred)
    if small is None and clusters is not None and len(np.unique(clusters)) < FEW_CLUSTERS:
        few = reduced(*by_cluster(equations, beta, clusters))
        return Fit(beta, few.covariance, equations.n, few=(few,))
    if not small:
        return Fit(beta, covariance, equations.n)
    return _corrected_for_size(Fit(beta, covariance, equations.n), equations, _taken(equations.k, groups), clusters)


def _taken(k: int, groups: tuple[np.ndarray, ...]) -> int:
    """The degrees of freedom that covariates and groups take."""
    return k + sum(len(np.unique(group)) for group in groups) - max(len(groups) - 1, 0)


def two_ways(one: Fit, other: Fit, both: Fit) -> Fit:
    """The fit that allows for clusters of two kinds: by the one, by the other, and by their combinations.

    The first two variances less the third (Cameron, Gelbach and Miller 2011). Where that would leave some contrast a
    negative variance, nothing is taken off, which is conservative (MacKinnon, Nielsen and Webb 2021). A contrast has
    the fewer degrees of freedom of the two.
    """
    covariance = one.covariance + other.covariance
    less = covariance - both.covariance
    if np.isfinite(less).all() and np.linalg.eigvalsh(less).min() >= -ROUNDING * np.trace(covariance):
        covariance = less
    free = [fit.df for fit in (one, other) if fit.df is not None]
    return replace(one, covariance=covariance, df=min(free, default=None), few=(*one.few, *other.few))


def _corrected_for_size(fit: Fit, equations: Equations, taken: int, clusters: np.ndarray | None) -> Fit:
    """Stata's factors of linear regressions: N / (N - k) with vce(robust), G / (G - 1) (N - 1) / (N - k) with clusters.

    For other models k is 1 and the normal distribution is used, as in Stata.
    """
    n, linear = equations.n, equations.model.name == "linear"
    free = n - (taken if linear else 1)
    if clusters is None:
        return replace(fit, covariance=fit.covariance * n / free, df=free if linear else None)
    g = len(np.unique(clusters))
    return replace(fit, covariance=fit.covariance * g / (g - 1) * (n - 1) / free, df=g - 1 if linear else None)


def _numbered(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.unique(values, return_inverse=True)[1])


def _starting_values(equations: Equations) -> Floats:
    """The constant that fits the overall mean, and no slopes."""
    k, q = equations.k, equations.q
    beta = np.zeros((q, k))
    constant = _constant(equations.parts[0].design)
    weight = sum(part.weight.sum() for part in equations.parts)
    if constant is not None and equations.model.name != "linear" and weight > 0:
        mean = sum(part.weight @ part.outcome for part in equations.parts) / weight
        beta[:, constant] = equations.model.link(np.asarray(mean))
    return beta.ravel()
