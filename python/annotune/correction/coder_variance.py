"""The variance of a regression on the expected coder, for any such coders: of texts and of coders, both of them drawn.

What a coder has in common over texts, such as a readiness to say yes, or to say it of one party, does not cancel out
with more texts. Clustered by text, plus by coder, less by coding (Cameron, Gelbach and Miller 2011). Coders are few, so
that their part is CR2 (Bell and McCaffrey 2002), of the regression of what each said beyond the prediction on the
covariates; intervals are by t, with the degrees of freedom of both parts together (Satterthwaite 1946).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.correction.crossed import Answers
from annotune.correction.estimate import Fit, Sample, absorbed, corrected_equations, hand_coded_equations
from annotune.correction.families import Floats, Model
from annotune.correction.few_clusters import Reduced, reduced
from annotune.correction.influence import of_hand_coded
from annotune.correction.moments import Equations, sums_by_group


@dataclass(frozen=True)
class CoderVariance:
    """What coders add to the variance of p estimates.

    Attributes
    ----------
    coders, codings
        The covariance by coder, and by single coding, which is in that by text as well, shape (p, p).
    few, reach
        The covariance by coder of the covariates' effects on what coders say, and from these effects to the estimates,
        shape (p, p).
    n
        The hand-coded texts.
    """

    coders: Floats
    codings: Floats
    few: Reduced
    reach: Floats
    n: int

    def added(self, by_text: Floats, back: Floats) -> Floats:
        """What the covariance of `back @ estimates` by text (p, p) lacks, shape (p, p).

        Where noise would give texts less than no variance beside their codings, they have none.
        """
        return np.asarray(back @ self.coders @ back.T + self._rest(by_text, back) - by_text)

    def degrees(self, by_text: Floats, back: Floats, free: Floats) -> Floats:
        """The degrees of freedom of `back @ estimates`, (p,), where those by text are `free`."""
        coders, rest = np.diag(back @ self.coders @ back.T), np.diag(self._rest(by_text, back))
        parted = coders**2 / self.few.df(back @ self.reach) + rest**2 / np.minimum(free, self.n - 1)
        return np.asarray(np.maximum((coders + rest) ** 2 / np.maximum(parted, np.finfo(float).tiny), 1.0))

    def _rest(self, by_text: Floats, back: Floats) -> Floats:
        values, vectors = np.linalg.eigh(by_text - back @ self.codings @ back.T)
        return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def of_hand_codings(model: Model, sample: Sample, fit: Fit, answers: Answers) -> CoderVariance:
    """Behind the estimates of the hand-coded texts alone, whose outcomes are means over the `answers` to them."""
    equations, groups = hand_coded_equations(model, sample)
    equations = absorbed(equations, groups)
    drawn = of_hand_coded(equations, fit.beta, sample.at, None).drawn
    return coder_variance(equations, fit.beta, drawn, answers, sample.gold, _units(sample))


def of_corrected(model: Model, sample: Sample, fit: Fit, answers: Answers) -> CoderVariance:
    """Behind corrected estimates."""
    assert fit.influence is not None
    equations = absorbed(corrected_equations(model, sample, 1.0), sample.groups)
    return coder_variance(equations, fit.beta, fit.influence.drawn, answers, sample.gold, _units(sample))


def _units(sample: Sample) -> np.ndarray:
    """What each coded text was drawn in, (n,): its cluster, or itself."""
    return sample.at if sample.clusters is None else sample.clusters[sample.at]


def coder_variance(
    equations: Equations, beta: Floats, drawn: Floats, answers: Answers, shares: Floats, units: np.ndarray
) -> CoderVariance:
    """The variance by coder from the answers to n coded texts.

    Parameters
    ----------
    equations, beta
        The equations, of which the last part is that of the hand codings, and their solution.
    drawn
        What each coded text adds to the estimates because it was drawn, shape (n, p).
    answers
        Their texts are places among the coded ones.
    shares
        The mean of the answers to each text, shape (n, q).
    units
        What each text was drawn in, shape (n,).
    """
    by_hand, q = equations.parts[-1], equations.q
    jacobian = equations.jacobian(beta)
    inverse = np.linalg.inv(jacobian)
    weighted = by_hand.design * by_hand.weight[:, None]
    information = weighted.T @ by_hand.design
    scores = (drawn @ jacobian.T).reshape(len(drawn), q, -1)
    effects = np.linalg.solve(information, scores.sum(axis=0).T)  # of covariates on what the prediction misses, (k, q)
    scores = scores - (by_hand.design @ effects)[:, :, None] * weighted[:, None, :]
    text, each = answers.text, np.bincount(answers.text, minlength=len(drawn))[answers.text]
    beyond = answers.truth - shares[text]  # what this coder said more often than the others of the text
    parts = (scores[text] + beyond[:, :, None] * weighted[text][:, None, :]).reshape(len(text), -1) / each[:, None]
    few = reduced(sums_by_group(parts, answers.coder), _informations(by_hand.design, weighted, answers, each, q))
    reach = inverse @ np.kron(np.eye(q), information)
    pairs = np.unique(np.column_stack([units[text], answers.coder]), axis=0, return_inverse=True)[1].ravel()
    codings = sums_by_group(parts, pairs) @ inverse.T
    return CoderVariance(reach @ few.covariance @ reach.T, codings.T @ codings, few, reach, len(drawn))


def _informations(design: Floats, weighted: Floats, answers: Answers, each: np.ndarray, q: int) -> Floats:
    """The coders' parts of the information about q equations, shape (coders, p, p)."""
    order = np.argsort(answers.coder, kind="stable")
    of_each = np.split(order, np.flatnonzero(np.diff(answers.coder[order])) + 1)
    parts = ((answers.text[mine], each[mine, None]) for mine in of_each)
    return np.stack([np.kron(np.eye(q), (weighted[text] / n).T @ design[text]) for text, n in parts])
