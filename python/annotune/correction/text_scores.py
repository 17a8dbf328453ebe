"""How much it matters to code a text: what is not known about it, times how far it would move an estimate.

With texts drawn independently, text i with the probability pi_i, the corrected estimate of a total has the variance
sum (1 - pi_i) / pi_i e_i^2, where e_i is what coding the text would add. For a number of codings it is smallest where
pi_i is proportional to the root of the expected e_i^2 (Neyman 1934; Zrnic and Candes 2024, Active statistical
inference). The functions here give these roots from calibrated probabilities, with a floor under them: no text is
without a chance, and where the model is surer than it should be, no coded text weighs more than 1 / floor times the
average.
"""

from __future__ import annotations

import numpy as np

from annotune.correction.families import Floats
from annotune.correction.few_errors import FEWEST_ERRORS, number_of_errors

FLOOR = 0.2  # the part of the codings that is drawn as if all texts mattered alike, where nothing better is known
FLOORS = tuple(i / 10 for i in range(1, 11))  # among which coded texts choose; 1 is a simple draw
CERTAIN = 1 - 1e-12  # a text with this probability or more is always drawn


def doubt(probabilities: Floats) -> Floats:
    """The standard deviation of what a person would code, given calibrated probabilities, shape (n,).

    Parameters
    ----------
    probabilities
        Of one label, shape (n,), or of each of k labels, shape (n, k), of which the deviations' squares are summed.

    Examples
    --------
    >>> doubt(np.array([0.5, 0.9, 1.0])).round(3)
    array([0.5, 0.3, 0. ])
    >>> doubt(np.array([[0.5, 0.5], [1.0, 0.0]])).round(3)
    array([0.707, 0.   ])
    """
    spread = np.clip(probabilities * (1 - probabilities), 0, None)
    return np.asarray(np.sqrt(spread if spread.ndim == 1 else spread.sum(axis=1)))


def for_tuning(probabilities: Floats) -> Floats:
    """How much a text would teach a model, shape (n,): its labels' variances, each in relation to the label's share.

    A doubt about a label of 4 % of the texts counts 25 times what the same doubt about one of all texts would.

    Parameters
    ----------
    probabilities
        Of each of k labels, shape (n, k).

    Examples
    --------
    >>> for_tuning(np.tile([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.8, 0.2, 0.0]], (9, 1)))[:3].round(2)
    array([1.49, 1.92, 0.95])
    """
    share = np.maximum(probabilities.mean(axis=0), 1 / len(probabilities))
    return np.asarray((probabilities * (1 - probabilities) / share).sum(axis=1))


def for_coefficients(reach: Floats, unknown: Floats) -> Floats:
    """How much a text's coding is expected to move coefficients, shape (n,).

    Parameters
    ----------
    reach
        How far each of p coefficients moves with a text's outcome, shape (n, p). They count alike: each in relation to
        what all texts do to it.
    unknown
        The standard deviation of the outcome given its prediction, shape (n,).

    Examples
    --------
    >>> for_coefficients(np.array([[1.0], [-1.0], [3.0]]), np.array([0.5, 0.1, 0.5])).round(3)
    array([0.547, 0.109, 1.64 ])
    """
    moved = reach * unknown[:, None]
    scale = np.sqrt((moved**2).mean(axis=0))
    relative = np.divide(moved, scale, out=np.zeros_like(moved), where=scale > 0)
    return np.asarray(np.sqrt((relative**2).mean(axis=1)))


def with_floor(score: Floats, floor: float = FLOOR) -> Floats:
    """Scores of mean 1, none of them below `floor`, shape (n,); ones where no text matters.

    >>> with_floor(np.array([0.0, 1.0, 3.0]), 0.4)
    array([0.4 , 0.85, 1.75])
    """
    mean = score.mean()
    return np.asarray(floor + (1 - floor) * score / mean) if mean > 0 else np.ones(len(score))


def best_floor(score: Floats, added: Floats, coded: np.ndarray, weight: Floats) -> float:
    """The floor under which the coded texts would have given the smallest variance (Zrnic and Candes 2024, section 5).

    Parameters
    ----------
    score
        Of all texts, without a floor, shape (N,).
    added
        What coding it did add, for each of the n coded texts and p estimates, shape (n, p).
    coded
        The numbers of the coded texts, shape (n,).
    weight
        How many texts each of them stands for, shape (n,).

    Returns
    -------
    float
        One of `FLOORS`; `FLOOR` where too few texts added anything.

    Examples
    --------
    Where the model is as wrong when it is sure as when it is not, its doubts are worth nothing:

    >>> score, added = np.tile([0.1, 1.9], 50), np.ones((100, 1))
    >>> best_floor(score, added, np.arange(100), np.ones(100))
    1.0
    >>> best_floor(score, score[:, None], np.arange(100), np.ones(100))
    0.1
    """
    squares = weight[:, None] * added**2
    sizes = number_of_errors(squares.sum(axis=0) ** 2, (squares**2).sum(axis=0))
    if not (sizes >= 2 * FEWEST_ERRORS).any():
        return FLOOR
    parts = squares / np.maximum(squares.sum(axis=0), np.finfo(float).tiny)
    variances = [float((parts / with_floor(score, floor)[coded, None]).sum()) for floor in FLOORS]
    return FLOORS[int(np.argmin(variances))]


def proportional(sizes: Floats, n: float) -> Floats:
    """Probabilities proportional to sizes of 0 or more, (N,), whose sum is n; those that would exceed 1 are 1.

    What they have too much is shared among the others, again in proportion to their sizes (Särndal, Swensson and
    Wretman 1992, Model Assisted Survey Sampling, p. 89).

    Examples
    --------
    >>> proportional(np.array([1.0, 1.0, 2.0, 96.0]), 2).tolist()
    [0.25, 0.25, 0.5, 1.0]
    """
    certain = np.zeros(len(sizes), dtype=bool)
    while True:
        rest = sizes[~certain].sum()
        left = n - certain.sum()
        pi = np.where(certain, 1.0, sizes * (left / rest) if rest > 0 and left > 0 else 0.0)
        beyond = (pi >= CERTAIN) & ~certain
        if not beyond.any():
            return np.asarray(pi)
        certain |= beyond
