"""What held-out logits say: one temperature, a cut-off for each label of a set, and where ordered labels part."""

from __future__ import annotations

import numpy as np

from annotune.network.logits import expected_level

COLDEST, HOTTEST = 0.05, 20.0
SPREAD = 0.5  # of the logarithm of the temperature, before anything is seen
FEWEST = 10  # yeses and noes that a label needs before held-out texts say where to cut
CUTOFFS = np.log(np.linspace(0.15, 0.85, 29) / (1 - np.linspace(0.15, 0.85, 29)))  # log-odds, .5 among them


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """What to divide logits by so that probabilities mean what they say on these texts (Guo et al. 2017).

    The one number with the lowest negative log-likelihood, held near 1 by a prior that a few dozen texts outweigh:
    a handful that are all right would otherwise make any model certain. Labels do not change.

    Parameters
    ----------
    logits
        Shape (n, labels), of texts that the model was not fitted on.
    targets
        Shape (n,): label numbers; or (n, labels): truth values of label sets, each label a question of yes or no.

    Returns
    -------
    float
        Above 1 for a model that is too sure of itself; 1 where there are no texts.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> logits = rng.normal(0, 2, (20_000, 3))
    >>> chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    >>> targets = (rng.random((20_000, 1)) > chances.cumsum(1)).sum(1)
    >>> round(temperature(3 * logits, targets), 1)
    3.0
    """
    from scipy.optimize import minimize_scalar

    if not len(logits):
        return 1.0

    def loss(log_t: float) -> float:
        return float(surprises(logits / np.exp(log_t), targets).mean()) + log_t**2 / (2 * SPREAD**2 * targets.size)

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def surprises(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Each text's negative log-likelihood (n,) of targets (n,) or (n, labels), of sets the mean over labels."""
    wide = logits.astype(np.float64)
    if targets.ndim == 2:
        return np.asarray(np.logaddexp(0, np.where(targets, -wide, wide)).mean(1))
    highest = wide.max(1, keepdims=True)
    whole = highest[:, 0] + np.log(np.exp(wide - highest).sum(1))
    return np.asarray(whole - wide[np.arange(len(wide)), targets])


def cutoffs(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The log-odds (labels,) above which each label of a set is given: where its F1 is highest on these texts.

    A label keeps 0, more likely than not, where there are fewer than ten texts with it or without it, and where a
    cut-off chosen on one half of the texts gains nothing on the other.

    Parameters
    ----------
    logits
        Shape (n, labels), of texts that the model was not fitted on.
    targets
        Shape (n, labels): truth values.
    """
    half = np.random.default_rng(0).permutation(len(logits)) % 2 == 0
    return np.array(
        [_cutoff(column, wanted.astype(bool), half) for column, wanted in zip(logits.T, targets.T, strict=True)]
    )


def level_cuts(shares: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The expected levels (labels - 1,) at which the next of the ordered labels begins.

    They give every label to as many of these texts as people did. Of all answers that follow the expected level, those
    that vary as much as the truth does have the highest kappa with quadratic weights: it is 2 cov(t, a) over
    var(t) + var(a) + (mean(t) - mean(a))^2. The most likely labels vary too little, because a model that is not sure
    says the middle.

    Parameters
    ----------
    shares
        Shape (n, labels): probabilities of the labels, in their order, of texts that the model was not fitted on.
    targets
        Shape (n,): label numbers.

    Examples
    --------
    >>> from annotune.network.logits import levels
    >>> shares = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]] * 4)
    >>> targets = np.array([0, 0, 1, 1, 2] * 4)
    >>> levels(shares, level_cuts(shares, targets)).tolist()[:5]
    [0, 0, 1, 1, 2]
    """
    expected = np.sort(expected_level(shares))
    most = shares.shape[1] - 1
    up_to = np.bincount(targets, minlength=most + 1).cumsum()[:-1]
    between = np.concatenate([[0.0], (expected[1:] + expected[:-1]) / 2, [float(most)]])
    return np.asarray(between[up_to])


def _cutoff(logits: np.ndarray, wanted: np.ndarray, half: np.ndarray) -> float:
    if min(wanted.sum(), (~wanted).sum()) < FEWEST:
        return 0.0
    gain = sum(
        _f1(logits[~part], wanted[~part], _highest(logits[part], wanted[part])) - _f1(logits[~part], wanted[~part], 0.0)
        for part in (half, ~half)
    )
    return _highest(logits, wanted) if gain > 0 else 0.0


def _highest(logits: np.ndarray, wanted: np.ndarray) -> float:
    """The cut-off with the highest F1; of equal ones that nearest to 0."""
    near = CUTOFFS[np.argsort(np.abs(CUTOFFS), kind="stable")]
    return float(near[np.argmax([_f1(logits, wanted, cut) for cut in near])])


def _f1(logits: np.ndarray, wanted: np.ndarray, cut: float) -> float:
    given = logits > cut
    found = int((given & wanted).sum() * 2)
    return found / (given.sum() + wanted.sum()) if found else 0.0
