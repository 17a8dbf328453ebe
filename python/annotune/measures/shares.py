"""How often labels are given, and whether two sources differ in it by more than chance."""

from __future__ import annotations

import numpy as np

CHANCE = 0.001  # of a false alarm, over all labels
RESTLESS = 2.0  # a model made anew varies about as much as its texts do; found by simulation (benchmarks/shares.py)


def label_shares(answers: np.ndarray, n_labels: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The share of texts (labels,) with each label.

    Parameters
    ----------
    answers
        Shape (n,): label numbers, those below 0 left out; or (n, labels): truth values.
    weights
        Shape (n,): how much each text counts.

    Examples
    --------
    >>> label_shares(np.array([0, 0, 1, 2]), 3).tolist()
    [0.5, 0.25, 0.25]
    """
    weights = np.ones(len(answers)) if weights is None else weights
    if answers.ndim == 2:
        return np.asarray(weights @ answers / weights.sum())
    some = answers >= 0
    return np.asarray(np.bincount(answers[some], weights=weights[some], minlength=n_labels) / weights[some].sum())


def apart(shares: np.ndarray, n: float, others: np.ndarray, n_others: float) -> np.ndarray:
    """Labels (labels,) whose shares differ by more than chance between two sources.

    A two-sided z-test of two shares for each label, with Bonferroni's correction for their number, and with twice the
    variance of independent texts, because a model that is made anew gives labels a little more or less often, too.

    Parameters
    ----------
    shares, others
        Shape (labels,).
    n, n_others
        How many texts each rests on.

    Examples
    --------
    >>> apart(np.array([0.17, 0.03]), 600, np.array([0.82, 0.03]), 6000).tolist()
    [True, False]
    """
    from scipy.stats import norm

    pooled = (shares * n + others * n_others + 0.5) / (n + n_others + 1)
    error = np.sqrt(RESTLESS * pooled * (1 - pooled) * (1 / n + 1 / n_others))
    return np.asarray(np.abs(shares - others) > norm.isf(CHANCE / 2 / len(shares)) * error)
