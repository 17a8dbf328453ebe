"""Shares of the expected coder: means of texts and coders, both of them drawn, with a variance for each.

Texts are drawn with known probability, and coded by some of the coders: a mean over the cells of two crossed factors
(Searle, Casella and McCulloch 1992; of two-stage samples Särndal, Swensson and Wretman 1992, chapter 4). For these
coders the variance is that of the drawn texts, which has what their coders disagree about. For all coders like them,
what a coder has in common over texts is added: clustered by text, plus by coder, less by coding (Cameron, Gelbach and
Miller 2011), with Student's t and Satterthwaite's (1946) degrees of freedom, because coders are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.correction.families import Floats


@dataclass(frozen=True)
class Answers:
    """m answers: the places of their texts and coders (m,), and one for the label that was given, (m, labels)."""

    text: np.ndarray
    coder: np.ndarray
    truth: Floats


@dataclass(frozen=True)
class Crossed:
    """Shares (k,), their variances for these coders and for any such coders, and the latter's degrees of freedom."""

    shares: Floats
    these: Floats
    any: Floats
    freedom: Floats


def crossed_shares(
    likely: Floats, answers: Answers, ratio: Floats, finite: bool = True, clusters: np.ndarray | None = None
) -> Crossed:
    """The expected coder's shares: predictions, corrected by what coders said more often of the drawn texts.

    Parameters
    ----------
    likely
        Shape (n, labels): predicted, of all texts; 0 for the share by hand codings alone.
    answers
        To the coded ones. Each coded text counts the same however many coders it had.
    ratio
        Shape (n,): 1 / pi of coded texts.
    finite
        Whether the shares are those of these texts, or else of a population that they were drawn from.
    clusters
        Shape (n,): numbers of what texts were drawn in, in place of themselves.

    Examples
    --------
    >>> likely = np.array([[0.5, 0.5]] * 4)
    >>> answers = Answers(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.eye(2)[[0, 1, 0, 0]])
    >>> crossed_shares(likely, answers, np.array([2.0, 2.0, 0.0, 0.0])).shares.tolist()
    [0.75, 0.25]
    """
    n = len(likely)
    weight = ratio[answers.text] / np.bincount(answers.text, minlength=n)[answers.text]
    weight = weight / weight.sum()
    gap = answers.truth - likely[answers.text]
    mean = weight @ gap
    parts = weight[:, None] * (gap - mean)
    units = np.arange(n) if clusters is None else clusters
    by_unit = _added(units[answers.text], parts, int(units.max()) + 1)
    if not finite:
        by_unit += _added(units, (likely - likely.mean(0)) / n, len(by_unit))
    drawn = len(np.unique(units[answers.text]))
    texts = (by_unit**2).sum(0) * drawn / max(drawn - 1, 1)
    pairs = np.unique(units[answers.text] * (int(answers.coder.max()) + 1) + answers.coder, return_inverse=True)[1]
    rest = np.maximum(texts - (_added(pairs, parts, int(pairs.max()) + 1) ** 2).sum(0), 0)
    coders, freedom = _of_coders(answers.coder, weight, parts)
    total = coders + rest
    parted = coders**2 / max(freedom, 1e-9) + rest**2 / max(drawn - 1, 1)
    return Crossed(likely.mean(0) + mean, texts, total, np.maximum(total**2 / np.maximum(parted, 1e-300), 1.0))


def _of_coders(coder: np.ndarray, weight: Floats, parts: Floats) -> tuple[Floats, float]:
    """The variance clustered by coder (k,), as of coders who code unequally much, and its degrees of freedom.

    Of coders with equal parts of the codings, K / (K - 1) and K - 1.
    """
    load = np.bincount(coder, weights=weight)
    squares = (_added(coder, parts, len(load)) ** 2).sum(0)
    total = (load**2).sum()
    factor = total / max(float((load**2 * (1 - 2 * load + total)).sum()), 1e-12)
    return squares * factor, float(total**2 / (load**4).sum()) - 1


def _added(numbers: np.ndarray, rows: Floats, n: int) -> Floats:
    """The sum of the rows (m, k) with each number, (n, k)."""
    return np.stack([np.bincount(numbers, weights=column, minlength=n) for column in rows.T], axis=1)
