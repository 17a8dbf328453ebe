"""How far each hand-coded text moves the estimates: their variance, weights and sensitivity rest on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from annotune.correction.families import Floats
from annotune.correction.moments import Equations, Part, sum_scores


@dataclass(frozen=True)
class Influence:
    """The estimates' errors as sums over units, summed up at m places: the coded units, or the clusters.

    Attributes
    ----------
    drawn, place
        What each coded unit adds because it was drawn, and counts 1 / pi times, shape (n, p), and at which place (n,).
    fixed
        What is at the places whoever was drawn, shape (m, p).
    rest
        The covariance of what is at no place, shape (p, p).
    """

    drawn: Floats
    place: np.ndarray
    fixed: Floats
    rest: Floats

    @property
    def sums(self) -> Floats:
        """The sums at the places, shape (m, p)."""
        return np.asarray(self.fixed + _sums(self.drawn, self.place, len(self.fixed)))

    def covariance(self) -> Floats:
        """The robust covariance of the estimates, shape (p, p)."""
        return np.asarray(self.sums.T @ self.sums + self.rest)

    def plus(self, other: Influence, weight: float | Floats) -> Influence:
        """The influence on these estimates plus `weight` (one for all, or shape (p,)) times others.

        At no place may both have something: one `rest` is 0.
        """
        times = np.broadcast_to(np.asarray(weight, dtype=float), len(self.rest))
        rest = self.rest + other.rest * np.outer(times, times)
        return replace(self, drawn=self.drawn + other.drawn * times, fixed=self.fixed + other.fixed * times, rest=rest)

    def of(self, back: Floats) -> Influence:
        """The influence on the estimates `back @ beta`."""
        return replace(
            self, drawn=self.drawn @ back.T, fixed=self.fixed @ back.T, rest=np.asarray(back @ self.rest @ back.T)
        )


def of_hand_coded(equations: Equations, beta: Floats, at: np.ndarray, clusters: np.ndarray | None) -> Influence:
    """The influence on the estimates `beta` by the coded units alone, `at` in the sample, with its `clusters`."""
    place, m = _places(at, clusters)
    drawn = _influences(equations, equations.parts[0], beta, _inverse(equations, beta))
    return Influence(drawn, place, np.zeros((m, len(beta))), np.zeros((len(beta),) * 2))


def of_correction(
    equations: Equations, beta: Floats, ratio: Floats, weight: Floats, clusters: np.ndarray | None
) -> Influence:
    """The influence on corrected estimates.

    Parameters
    ----------
    equations, beta
        By prediction and by hand coding, their groups' effects absorbed, and their solution.
    ratio
        1 / pi of the coded units, shape (n,).
    weight
        The weight of each unit's prediction if it is not coded, shape (N,).
    clusters
        Of all units, 0 to G - 1, shape (N,).
    """
    predicted, by_hand = equations.parts
    assert by_hand.at is not None
    inverse, at = _inverse(equations, beta), by_hand.at
    place, m = _places(at, clusters)
    coded = Part(predicted.design[at], predicted.outcome[at], weight[at])
    by_prediction = _influences(equations, coded, beta, inverse)
    drawn = _influences(equations, by_hand, beta, inverse) - by_prediction * ratio[:, None]
    if clusters is not None:
        every = replace(equations, parts=(replace(predicted, weight=weight),))
        return Influence(drawn, place, _cluster_sums(every, beta, clusters, m) @ inverse.T, 0 * inverse)
    others = weight.copy()
    others[at] = 0.0
    uncoded = replace(equations, parts=(replace(predicted, weight=others),))
    meat = sum(scores.T @ scores for _, _, scores in uncoded.scores(beta))
    return Influence(drawn, place, by_prediction, np.asarray(inverse @ meat @ inverse.T))


def _places(at: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, int]:
    """At which place each coded unit is, and how many places there are."""
    if clusters is None:
        return np.arange(len(at)), len(at)
    return clusters[at], int(clusters.max()) + 1


def _inverse(equations: Equations, beta: Floats) -> Floats:
    return np.asarray(np.linalg.inv(equations.jacobian(beta)))


def _influences(equations: Equations, part: Part, beta: Floats, inverse: Floats) -> Floats:
    n = len(part.design)
    alone = Equations(equations.model, (replace(part, at=None),), n)
    return np.asarray(sum_scores(alone, beta, 0, n) @ inverse.T)


def _cluster_sums(equations: Equations, beta: Floats, clusters: np.ndarray, m: int) -> Floats:
    sums = np.zeros((m, len(beta)))
    for first, last, scores in equations.scores(beta):
        sums += _sums(scores, clusters[first:last], m)
    return sums


def _sums(values: Floats, place: np.ndarray, m: int) -> Floats:
    member = sparse.csr_matrix((np.ones(len(place)), (place, np.arange(len(place)))), shape=(m, len(place)))
    return np.asarray(member @ values)
