"""Few errors among the hand-coded texts: how many an estimate rests on, and what more there may be.

A corrected estimate moves by what the hand-coded texts' errors add to it, and its variance is estimated from the same
errors. From three errors, or none, that estimate is far too sure. So errors are counted, by what they do to the
estimate, and where they are few the variance is that with more errors than were seen: with three where there is none,
as in the rule of three (Hanley and Lippman-Hand 1983), and with fewer the more there are.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from annotune.correction.families import Floats

FEWEST_ERRORS = 9  # with fewer, intervals of the usual kind hold the truth too rarely
MORE = 3.0  # errors that there may be where none was seen
SAME = 1e-9  # the share by which 1 / pi may differ and still count as equal
LARGEST = 5  # residuals, whose share of the variance is told
TOP_HEAVY = 0.5  # the share of the variance from so few residuals that is worth a sentence
SURE = 0.01  # how likely a prediction is to be wrong beside what its probability says, where pi differ
UNEQUAL = 0.7  # Kish's effective number as a share of the hand-coded texts, below which it is worth a sentence


def number_of_errors(variance: Floats, typical: Floats) -> Floats:
    """How many errors at typical texts give this variance, shape (p,).

    With equal weights, predictions of 0 or 1 and many uncoded texts it is the number of errors. An error at a text that
    was unlikely to be drawn counts more than one, and those at texts that were likely to be drawn less.

    Parameters
    ----------
    variance
        Of p estimates, as it is estimated.
    typical
        What one error would, on average over the texts of the corpus.

    Examples
    --------
    >>> number_of_errors(np.array([3e-4, 0.0]), np.array([1e-4, 0.0]))
    array([ 3., inf])
    """
    least = np.full(np.shape(variance), np.inf)
    return np.asarray(np.divide(variance, typical, out=least, where=np.asarray(typical) > 0))


def typical_error(squares: Floats, ratio: Floats) -> Floats:
    """What one error adds to the variance of each estimate, on average over the corpus, shape (p,).

    Texts count in it by how far an error there moves the estimate: a coefficient does not rest on the others.

    Parameters
    ----------
    squares
        What an error at each of n coded texts would add, shape (n, p).
    ratio
        1 / pi: how many texts of the corpus each coded text stands for, shape (n,); or that times how likely an error
        there is, shape (n, p), see `where_errors_are`.

    Examples
    --------
    The mean of a group rests on the errors in it, however many other texts there are:

    >>> typical_error(np.array([[0.01], [0.01], [0.0], [0.0]]), np.ones(4)).round(9)
    array([0.01])
    """
    reach = np.sqrt(squares)
    one_for_all = ratio.ndim == 1
    total = ratio @ reach if one_for_all else (ratio * reach).sum(axis=0)
    cubes = ratio @ reach**3 if one_for_all else (ratio * reach**3).sum(axis=0)
    return np.asarray(np.divide(cubes, total, out=np.zeros_like(total), where=total > 0))


def where_errors_are(ratio: Floats, wrong: Floats) -> Floats:
    """What to weigh texts by to find a typical error: with one pi for all `ratio` (n,), else by its probability, too.

    Active draws leave out texts of which the model is sure. An error there would move an estimate far, as few of them
    were drawn; but it is as rare as the model is sure, and is not the typical one.

    Parameters
    ----------
    ratio, wrong
        1 / pi (n,), and how large an error a prediction can have, shape (n, p): the larger of its probability and the
        rest.

    Examples
    --------
    >>> where_errors_are(np.array([2.0, 2.0]), np.array([[0.5], [1.0]]))
    array([2., 2.])
    >>> where_errors_are(np.array([2.0, 10.0]), np.array([[0.5], [1.0]]))
    array([[0.52],
           [0.1 ]])
    """
    if np.ptp(ratio) <= SAME * ratio.max():
        return ratio
    return np.asarray(ratio[:, None] * (wrong * (1 - wrong) + SURE))


def more_errors(seen: Floats, level: float) -> Floats:
    """How many errors to allow for beside those that were seen (p,): three beside none, none beside nine.

    At levels above 95 % there are more, as quantiles are larger.

    Examples
    --------
    >>> more_errors(np.array([0.0, 3.0, 20.0]), 0.95)
    array([3., 2., 0.])
    >>> more_errors(np.zeros(1), 0.99).round(1)
    array([5.2])
    """
    times = max(1.0, float(norm.ppf((1 + level) / 2) / norm.ppf(0.975)) ** 2)
    return np.asarray(times * MORE * np.maximum(0, 1 - seen / FEWEST_ERRORS))


def share_of_largest(squares: Floats, variance: Floats | None = None) -> Floats:
    """The share of a variance (p,), or else of the sum of squares (n, p), that is from the five largest, shape (p,).

    Where texts of a cluster cancel each other, the variance is below the sum, which is then what is shared.

    >>> share_of_largest(np.ones((50, 1))), share_of_largest(np.ones((50, 1)), np.array([100.0]))
    (array([0.1]), array([0.05]))
    """
    total = squares.sum(axis=0) if variance is None else np.maximum(variance, squares.sum(axis=0))
    largest = np.sort(squares, axis=0)[-LARGEST:].sum(axis=0)
    return np.asarray(np.divide(largest, total, out=np.zeros_like(total), where=total > 0))


def kish(weights: Floats) -> float:
    """The number of equally weighted texts that weigh as much as these (Kish 1965).

    >>> kish(np.ones(7)), round(kish(np.array([1.0, 1.0, 8.0])), 2)
    (7.0, 1.52)
    """
    return float(weights.sum() ** 2 / (weights**2).sum())
