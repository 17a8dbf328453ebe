"""What each coder adds to the logits of the expected coder: shrunk by a normal prior, and proved on texts not seen.

A coder who says yes more readily than others does so in every text: an offset of the log-odds for each coder and label,
as in latent trait models of raters (Dawid and Skene 1979 with errors by coder; random intercepts in a logit). With few
codings the prior outweighs them, and the coder is the expected one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from annotune.network.logits import from_logits
from annotune.tuning.calibrate import surprises

USUAL = 1.959964  # of a 95 % interval by the normal distribution
SPREADS = (0.1, 0.3, 1.0)  # standard deviations of coders' offsets in log-odds, to choose from
PARTS = 5


@dataclass(frozen=True)
class CoderAnswers:
    """m answers of single coders to n texts.

    Attributes
    ----------
    names
        The K coders.
    text, coder
        Shape (m,): places among the n texts and among the names.
    truth
        Shape (m, labels): one for each label that was given.
    sets
        Whether several labels may hold.
    """

    names: tuple[str, ...]
    text: np.ndarray
    coder: np.ndarray
    truth: np.ndarray
    sets: bool

    def take(self, places: np.ndarray) -> CoderAnswers:
        """The answers to the texts at these places, numbered as these are."""
        new = np.full(max(int(places.max(initial=-1)), int(self.text.max(initial=-1))) + 1, -1)
        new[places] = np.arange(len(places))
        mine = new[self.text] >= 0
        return CoderAnswers(self.names, new[self.text[mine]], self.coder[mine], self.truth[mine], self.sets)

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """The log score (m,) of logits (m, labels) against these answers."""
        return surprises(logits, self.truth, self.sets)

    def by_text(self, values: np.ndarray, n: int) -> np.ndarray:
        """Each text's mean (n,) of values (m,); NaN without answers."""
        counts = np.bincount(self.text, minlength=n)
        sums = np.bincount(self.text, weights=values, minlength=n)
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


@dataclass(frozen=True)
class CoderOffsets:
    """What is added to scaled logits for each coder; none where that proved no better on texts not seen.

    Attributes
    ----------
    spread
        Standard deviation of the prior that they were found with; 0 where there are none.
    by_coder
        By the coder's name one number for each label.
    """

    spread: float = 0.0
    by_coder: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def rows(self, names: tuple[str, ...], n_labels: int) -> np.ndarray:
        """Offsets (K, labels) of coders by name; 0 for those that are not known."""
        nothing = (0.0,) * n_labels
        return np.array([self.by_coder.get(name, nothing) for name in names]).reshape(len(names), n_labels)


def choose_offsets(logits: np.ndarray, answers: CoderAnswers, parts: np.ndarray, weights: np.ndarray) -> CoderOffsets:
    """Each coder's offsets, by the prior with the best log score on texts that they were not found on; or none.

    They are none where a single coder answered, and where the log score is not better beyond chance (a 95 % interval of
    the mean over texts, each with the mean over its coders).

    Parameters
    ----------
    logits
        Shape (n, labels): scaled, of texts that the models had not seen.
    parts
        Shape (n,): numbers of parts, each in turn left out.
    weights
        Shape (n,): how many texts of the corpus each speaks for.
    """
    if len(np.unique(answers.coder)) < 2:
        return CoderOffsets()
    weights = weights / weights.mean()
    gains = {spread: _unseen_gain(logits, answers, parts, weights, spread) for spread in SPREADS}
    best = min(gains, key=lambda spread: gains[spread][0])
    if gains[best][1] >= 0:
        return CoderOffsets()
    rows = offsets(logits, answers, weights, best)
    codings = np.bincount(answers.coder, minlength=len(answers.names))
    known = {name: tuple(row.tolist()) for name, row, n in zip(answers.names, rows, codings, strict=True) if n}
    return CoderOffsets(best, known)


def offsets(logits: np.ndarray, answers: CoderAnswers, weights: np.ndarray, spread: float) -> np.ndarray:
    """The offsets (K, labels) with the highest posterior density, by a normal prior about 0 with this spread.

    Examples
    --------
    >>> text, coder, yes = np.arange(200), np.repeat([0, 1], 100), np.repeat([1.0, 0.0, 1.0, 0.0], [73, 27, 27, 73])
    >>> answers = CoderAnswers(("anna", "ben"), text, coder, yes[:, None], sets=True)
    >>> offsets(np.zeros((200, 1)), answers, np.ones(200), spread=10.0).round(1).ravel().tolist()
    [1.0, -1.0]
    """
    from scipy.optimize import minimize

    shape, mine, weight = (len(answers.names), logits.shape[1]), logits[answers.text], weights[answers.text]
    width = shape[1] if answers.sets else 1

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rows = flat.reshape(shape)
        said = mine + rows[answers.coder]
        wrong = weight[:, None] * (from_logits(said, answers.sets) - answers.truth)
        slope = np.stack([np.bincount(answers.coder, weights=column, minlength=shape[0]) for column in wrong.T], 1)
        total = float(weight @ answers.scores(said)) * width + float((rows**2).sum()) / (2 * spread**2)
        return total, (slope + rows / spread**2).ravel()

    return np.asarray(minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape))


def _unseen_gain(
    logits: np.ndarray, answers: CoderAnswers, parts: np.ndarray, weights: np.ndarray, spread: float
) -> tuple[float, float]:
    """How much less the log score is with offsets from the other parts (below 0), and the interval's upper end."""
    moved = logits[answers.text].astype(np.float64)
    for part in np.unique(parts):
        rest = np.flatnonzero(parts != part)
        rows = offsets(logits[rest], answers.take(rest), weights[rest], spread)
        here = parts[answers.text] == part
        moved[here] += rows[answers.coder[here]]
    gain = answers.scores(moved) - answers.scores(logits[answers.text])
    mean, _, high = mean_and_interval(answers.by_text(gain, len(logits)), weights)
    return mean, high


def mean_and_interval(
    values: np.ndarray, weights: np.ndarray, clusters: np.ndarray | None = None
) -> tuple[float, float, float]:
    """The weighted mean of texts (n,), of those that have a value, with its 95 % interval by texts or clusters."""
    there = ~np.isnan(values)
    values, weights = values[there], weights[there]
    mean = float(np.average(values, weights=weights))
    parts = weights * (values - mean) / weights.sum()
    if clusters is not None:
        parts = np.bincount(np.unique(clusters[there], return_inverse=True)[1], weights=parts)
    half = USUAL * float(np.sqrt((parts**2).sum() * len(parts) / max(len(parts) - 1, 1)))
    return mean, mean - half, mean + half
