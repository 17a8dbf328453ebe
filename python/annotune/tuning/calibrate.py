"""What held-out logits say: a scale and offsets for probabilities, and rules that make answers of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.measures.scores import macro_f1
from annotune.measures.shares import label_shares
from annotune.network.logits import decide, expected_level, from_logits

COLDEST, HOTTEST = 0.05, 20.0
SPREAD = 0.5  # of the logarithm of a temperature, before anything is seen
SCALES = 1.0  # the same of the scale: a probe on few texts can be several times too sure
OFFSETS = 0.3  # of each label's log-odds beside its share, before anything is seen
FEWEST = 10  # yeses and noes that a label needs before its highest F1 says where to cut
NO_SCALE = 0.1  # labels are no scale where the level is that much less often right than the most likely label
SOFTNESS = 0.1  # of the count of answers, in standard deviations of the logits; it evens out single texts
HANDICAPS = np.linspace(0, 1, 5)  # shares of a label's log share by which frequent labels are held back, for F1
LOG_ODDS = np.log(np.linspace(0.05, 0.95, 37) / (1 - np.linspace(0.05, 0.95, 37)))


@dataclass(frozen=True)
class Scaling:
    """What is done to a network's logits so that probabilities mean what they say: scale times logits, plus offsets.

    Attributes
    ----------
    scale
        Above 0; below 1 for a model that is too sure of itself.
    offsets
        One for each label.
    """

    scale: float
    offsets: tuple[float, ...]

    def of(self, logits: np.ndarray) -> np.ndarray:
        """Logits (n, labels), scaled."""
        return np.asarray(logits * self.scale + np.array(self.offsets))

    def undone(self, logits: np.ndarray) -> np.ndarray:
        """The network's own logits, from scaled ones (n, labels)."""
        return np.asarray((logits - np.array(self.offsets)) / self.scale)


def scaling(
    logits: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    learnt: np.ndarray | None = None,
    sets: bool | None = None,
) -> Scaling:
    """The scaling with the highest posterior density on texts that the models had not seen.

    With labels' log shares s, those of the texts learnt from as well as those that the weights speak for, it is

        scaled = scale * (logits - s_learnt) + s_corpus + offset,

    bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020) of what the texts say beyond the
    shares: with a scale of 0 every text gets the labels' shares, so that a model which knows nothing says so, and where
    texts were picked by their labels the corpus's shares take the place of the sample's (Saerens, Latinne and
    Decaestecker 2002). The logarithm of the scale and the offsets have normal priors about 0, which a few dozen texts
    outweigh: a handful that are all right would otherwise make any model certain.

    Parameters
    ----------
    logits
        Shape (n, labels).
    targets
        Shape (n,): label numbers; or (n, labels): truth values of label sets, each label a question of yes or no; or
        of either the shares of coders who gave each label.
    weights
        Shape (n,): how many texts of the corpus each speaks for; equal ones without.
    learnt
        Shape (labels,): log shares (of sets, log-odds) that the models learnt; without, those of the targets.
    sets
        Whether targets (n, labels) are about each label for itself; if not, they are shares that add up to one.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> logits = rng.normal(0, 2, (20_000, 3))
    >>> chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    >>> targets = (rng.random((20_000, 1)) > chances.cumsum(1)).sum(1)
    >>> round(scaling(3 * logits, targets).scale, 2)
    0.33
    """
    from scipy.optimize import minimize

    weights = np.ones(len(targets)) if weights is None else weights / weights.mean()
    sets = targets.ndim == 2 if sets is None else sets
    shares = log_shares(targets, logits.shape[1], weights, sets)
    learnt = log_shares(targets, logits.shape[1], sets=sets) if learnt is None else learnt
    if not len(logits):
        return Scaling(1.0, (0.0,) * logits.shape[1])
    beyond = np.clip(logits.astype(np.float64) - learnt, -60, 60)  # labels that a fold never saw are all but ruled out
    width = logits.shape[1] if sets else 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, offsets = np.exp(parameters[0]), parameters[1:]
        scaled = scale * beyond + shares + offsets
        wrong = weights[:, None] * _residuals(scaled, targets, sets)
        slope = np.concatenate([[(wrong * beyond).sum() * scale], wrong.sum(0)])
        prior = parameters / np.concatenate([[SCALES**2], np.full(len(offsets), OFFSETS**2)])
        total = float(weights @ surprises(scaled, targets, sets)) * width
        return total + float(parameters @ prior) / 2, slope + prior

    ends = [(np.log(COLDEST), np.log(HOTTEST)), *[(-5.0, 5.0)] * logits.shape[1]]
    best = minimize(loss, np.zeros(1 + logits.shape[1]), jac=True, method="L-BFGS-B", bounds=ends).x
    scale = float(np.exp(best[0]))
    return Scaling(scale, tuple((shares - scale * learnt + best[1:]).tolist()))


def log_shares(
    targets: np.ndarray, n_labels: int, weights: np.ndarray | None = None, sets: bool | None = None
) -> np.ndarray:
    """Each label's log share (labels,) of the targets, of sets its log-odds; half a text more keeps them finite."""
    weights = np.ones(len(targets)) if weights is None else weights
    several = targets.ndim == 2
    counts = weights @ targets if several else np.bincount(targets, weights=weights, minlength=n_labels)
    counts = counts + 0.5
    if several if sets is None else sets:
        return np.asarray(np.log(counts) - np.log(weights.sum() + 1 - counts))
    return np.asarray(np.log(counts / counts.sum()))


def _residuals(logits: np.ndarray, targets: np.ndarray, sets: bool) -> np.ndarray:
    """Probabilities (n, labels) less what is true: the slope of the log loss."""
    shares = from_logits(logits, sets)
    if targets.ndim == 2:
        return np.asarray(shares - targets)
    shares[np.arange(len(targets)), targets] -= 1
    return shares


def temperature(logits: np.ndarray, targets: np.ndarray, sets: bool | None = None) -> float:
    """What to divide logits by so that probabilities mean what they say on these texts (Guo et al. 2017).

    The one number with the lowest negative log-likelihood, held near 1 by a prior that a few dozen texts outweigh.
    Labels do not change.

    Parameters
    ----------
    logits
        Shape (n, labels), of texts that the model was not fitted on.
    targets
        Shape (n,): label numbers; or (n, labels): truth values of label sets, each label a question of yes or no; or
        of either the shares of coders who gave each label.
    sets
        Whether targets (n, labels) are about each label for itself; if not, they are shares that add up to one.

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
    n_answers = logits.size if (targets.ndim == 2 if sets is None else sets) else len(logits)

    def loss(log_t: float) -> float:
        surprise = float(surprises(logits / np.exp(log_t), targets, sets).mean())
        return surprise + log_t**2 / (2 * SPREAD**2 * n_answers)

    best = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(best.x))


def surprises(logits: np.ndarray, targets: np.ndarray, sets: bool | None = None) -> np.ndarray:
    """Each text's negative log-likelihood (n,) of targets (n,) or (n, labels), of sets the mean over labels.

    Of coders' shares (n, labels) it is what their answers have on the average: the log score of the probabilities.
    """
    wide = logits.astype(np.float64)
    if targets.ndim == 2 if sets is None else sets:
        return np.asarray((np.logaddexp(0, wide) - targets * wide).mean(1))
    highest = wide.max(1, keepdims=True)
    whole = highest[:, 0] + np.log(np.exp(wide - highest).sum(1))
    own = (targets * wide).sum(1) if targets.ndim == 2 else wide[np.arange(len(wide)), targets]
    return np.asarray(whole - own)


def cutoffs_for(
    rule: str,
    logits: np.ndarray,
    targets: np.ndarray,
    ordered: bool = False,
    weights: np.ndarray | None = None,
    counted: bool = False,
) -> tuple[float, ...] | None:
    """The numbers by which answers follow from scaled logits (see `annotune.network.logits.decide`).

    Parameters
    ----------
    rule
        `share`: every label as often as its probabilities add up to, which is as often as people gave it. `f1`: the
        highest macro-F1. `likeliest`: the most likely label, of sets what is more likely than not; then None.
    logits
        Shape (n, labels): scaled, of texts that the models had not seen.
    targets
        Shape (n,): label numbers; or (n, labels): truth values.
    ordered
        Whether the labels are levels of a scale.
    weights
        Shape (n,): how many texts of the corpus each speaks for.
    counted
        Whether `share` gives each label as often as the targets have it. Where probabilities are those that any one
        coder gives a label they do not add up to the number of texts to which most coders give it.
    """
    weights = np.ones(len(targets)) if weights is None else weights / weights.mean()
    supply = label_shares(targets, logits.shape[1], weights) * weights.sum() if counted else None
    if rule == "likeliest":
        return None
    if targets.ndim == 2:
        wanted = [None] * logits.shape[1] if supply is None else supply.tolist()
        shared = [share_cutoff(column, weights, n) for column, n in zip(logits.T, wanted, strict=True)]
        if rule == "share":
            return tuple(shared)
        half = np.random.default_rng(0).permutation(len(logits)) % 2 == 0
        columns = zip(logits.T, targets.T, shared, strict=True)
        return tuple(_f1_cutoff(column, truth.astype(bool), half, cut) for column, truth, cut in columns)
    if rule == "f1":
        return _f1_handicaps(logits, targets, weights)
    if ordered:
        shares = from_logits(logits, sets=False)
        cuts = level_cuts(shares, targets, weights)
        right = weights * (decide(logits, False, cuts) == targets), weights * (logits.argmax(1) == targets)
        if right[1].mean() - right[0].mean() <= NO_SCALE:
            return tuple(cuts.tolist())
    return tuple(share_handicaps(logits, weights, supply).tolist())


def share_cutoff(log_odds: np.ndarray, weights: np.ndarray, wanted: float | None = None) -> float:
    """The log-odds above which a label is given as often as its probabilities add up to, or to `wanted` texts.

    >>> log_odds = np.log(np.array([0.4, 0.3, 0.2, 0.1]) / (1 - np.array([0.4, 0.3, 0.2, 0.1])))
    >>> np.flatnonzero(log_odds > share_cutoff(log_odds, np.ones(4))).tolist()
    [0]
    """
    order = np.argsort(-log_odds, kind="stable")
    falling, mass = log_odds[order].astype(np.float64), weights[order].cumsum()
    wanted = float(weights @ from_logits(log_odds, sets=True)) if wanted is None else wanted
    given = int(np.abs(np.concatenate([[0.0], mass]) - wanted).argmin())  # so many of the surest texts
    if given == 0:
        return float(falling[0]) + 1e-6
    if given == len(falling):
        return float(falling[-1]) - 1e-6
    return float(falling[given - 1] + falling[given]) / 2


def share_handicaps(logits: np.ndarray, weights: np.ndarray, supply: np.ndarray | None = None) -> np.ndarray:
    """What is taken from each label's logit (labels,) so that it is given as often as its probabilities add up to.

    Or to as many texts as `supply` (labels,) says.

    The most likely label is too seldom a rare one: a text that is a rare label's with probability .3 counts for none.
    The numbers are the prices of labels for which supply (probabilities) meets demand (answers), the dual of an
    assignment of texts to labels; the count of answers is a little softened, so that no single text decides. A price is
    a multiple of the label's log share, the same for all labels, and what the label differs from that, which has a
    normal prior as offsets have: of dozens of labels with a few texts each, single prices would be chance, and cost
    accuracy.

    >>> rare = np.linspace(0.01, 0.39, 200)  # never the likeliest, and yet a fifth of the texts
    >>> logits = np.log(np.column_stack([1 - rare, rare]))
    >>> round(float((logits - share_handicaps(logits, np.ones(200))).argmax(1).mean()), 2)
    0.2
    """
    from scipy.optimize import minimize

    spread = float((logits - logits.mean(0)).std()) or 1.0
    supply = weights @ from_logits(logits, sets=False) if supply is None else np.maximum(supply, 0.5)
    rarity, soft = np.log(supply) - np.log(supply).mean(), SOFTNESS * spread
    precision = np.concatenate([[1e-3], np.full(len(supply), OFFSETS**-2)])

    def loss(parts: np.ndarray) -> tuple[float, np.ndarray]:
        prices = parts[0] * rarity + parts[1:]
        softened = (logits - prices) / soft
        highest = softened.max(1, keepdims=True)
        powers = np.exp(softened - highest)
        value = float(weights @ (highest[:, 0] + np.log(powers.sum(1)))) * soft + float(supply @ prices)
        lacking = supply - weights @ (powers / powers.sum(1, keepdims=True))
        slope = np.concatenate([[lacking @ rarity], lacking])
        return value + float(precision @ parts**2) / 2, slope + precision * parts

    parts = minimize(loss, np.zeros(1 + len(supply)), jac=True, method="L-BFGS-B").x
    prices = parts[0] * rarity + parts[1:]
    return np.asarray(prices - prices.mean())


def _f1_handicaps(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> tuple[float, ...]:
    """A share of each label's log share, the one with the highest macro-F1; of equal ones the smallest."""
    shares = log_shares(targets, logits.shape[1], weights)
    scores = [macro_f1(targets, (logits - part * shares).argmax(1), logits.shape[1], weights) for part in HANDICAPS]
    return tuple((HANDICAPS[int(np.argmax(scores))] * shares).tolist())


def level_cuts(shares: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
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
    weights
        Shape (n,): how many texts each speaks for.

    Examples
    --------
    >>> from annotune.network.logits import levels
    >>> shares = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]] * 4)
    >>> targets = np.array([0, 0, 1, 1, 2] * 4)
    >>> levels(shares, level_cuts(shares, targets)).tolist()[:5]
    [0, 0, 1, 1, 2]
    """
    weights = np.ones(len(targets)) if weights is None else weights
    most = shares.shape[1] - 1
    order = np.argsort(expected_level(shares), kind="stable")
    expected, mass = expected_level(shares)[order], np.concatenate([[0.0], weights[order].cumsum()])
    up_to = np.bincount(targets, weights=weights, minlength=most + 1).cumsum()[:-1]
    between = np.concatenate([[0.0], (expected[1:] + expected[:-1]) / 2, [float(most)]])
    return np.asarray(between[np.abs(mass[:, None] - up_to).argmin(0)])


def _f1_cutoff(logits: np.ndarray, wanted: np.ndarray, half: np.ndarray, otherwise: float) -> float:
    """Where a label's F1 is highest; `otherwise` with few texts, or where half of them gain nothing from the others."""
    if min(wanted.sum(), (~wanted).sum()) < FEWEST:
        return otherwise
    gain = sum(
        _f1(logits[~part], wanted[~part], _highest(logits[part], wanted[part], otherwise))
        - _f1(logits[~part], wanted[~part], otherwise)
        for part in (half, ~half)
    )
    return _highest(logits, wanted, otherwise) if gain > 0 else otherwise


def _highest(logits: np.ndarray, wanted: np.ndarray, otherwise: float) -> float:
    """The cut-off with the highest F1; of equal ones that nearest to the one that stands otherwise."""
    near = LOG_ODDS[np.argsort(np.abs(LOG_ODDS - otherwise), kind="stable")]
    return float(near[np.argmax([_f1(logits, wanted, cut) for cut in near])])


def _f1(logits: np.ndarray, wanted: np.ndarray, cut: float) -> float:
    given = logits > cut
    hits = int((given & wanted).sum() * 2)
    return hits / (given.sum() + wanted.sum()) if hits else 0.0
