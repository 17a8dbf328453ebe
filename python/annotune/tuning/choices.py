"""What is decided on held-out texts: the probe, the epochs, the temperature and the cut-offs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from annotune.measures.scores import macro_f1, quadratic_kappa
from annotune.network.batches import Tokens
from annotune.network.logits import decide, levels
from annotune.tuning.calibrate import cutoffs, level_cuts, temperature
from annotune.tuning.settings import Settings

CLEAR = 0.02  # a held-out part on which macro-F1 has a larger error is no ground for fine distinctions
NO_SCALE = 0.1  # labels are no scale where the level is that much less often right than the most likely label
ProbeChoice = tuple[float, bool, bool]  # penalty, balanced, words
TEXTS_TO_SEE = 40_000  # by default fine-tuning sees about so many texts, each between 3 and 6 times


@dataclass(frozen=True)
class Examples:
    """n coded texts as the network sees them.

    Attributes
    ----------
    tokens
        The texts.
    embeddings
        Shape (n, width): what the base makes of them before any tuning.
    targets
        Label numbers (n,) or label sets (n, labels).
    n_labels
        How many labels there are.
    ordered
        Whether the labels are levels of a scale, of three or more.
    words
        Shape (labels, width): what the base makes of the codebook's words for each label.
    """

    tokens: Tokens
    embeddings: np.ndarray
    targets: np.ndarray
    n_labels: int
    ordered: bool = False
    words: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, places: np.ndarray) -> Examples:
        """The texts at these places."""
        parts = self.tokens.take(places), self.embeddings[places], self.targets[places]
        return Examples(*parts, self.n_labels, self.ordered, self.words)

    def score(self, logits: np.ndarray) -> float:
        """How good these logits (n, labels) are for these texts; see `score_of`."""
        return score_of(logits, self.targets, self.ordered)


@dataclass(frozen=True)
class Choices:
    """What was decided on the validation part.

    Attributes
    ----------
    penalty, balanced, words
        Of the best probe; `words`: whether it learns from the codebook's words, too.
    epochs
        After how many epochs the network was best; 0 where the probe is handed out.
    planned
        The epochs that the learning-rate schedule was laid out for.
    scores
        On the validation part, of the probe and after every epoch: macro-F1, or kappa with quadratic weights.
    temperature
        What the head was divided by, so that probabilities mean what they say.
    cutoffs
        For label sets: the log-odds, after division, above which each label is given. Of ordered labels: the expected
        levels above which the next one is.
    probe_cutoffs
        The probe's own.
    """

    penalty: float
    balanced: bool
    epochs: int
    planned: int
    scores: dict[str, float]
    temperature: float = 1.0
    cutoffs: tuple[float, ...] | None = None
    probe_cutoffs: tuple[float, ...] | None = None
    words: bool = False

    @property
    def probe(self) -> ProbeChoice:
        """Of the best probe: penalty, balanced, words."""
        return self.penalty, self.balanced, self.words


def calibrate(choices: Choices, logits: np.ndarray, targets: np.ndarray, ordered: bool = False) -> Choices:
    """The choices with the temperature and cut-offs that are best for held-out logits (n, labels)."""
    warmth = temperature(logits, targets)
    return replace(choices, temperature=warmth, cutoffs=cutoffs_of(logits / warmth, targets, ordered))


def cutoffs_of(logits: np.ndarray, targets: np.ndarray, ordered: bool) -> tuple[float, ...] | None:
    """Where sets and levels begin by these logits (n, labels); None where the most likely label is given."""
    if targets.ndim == 2:
        return tuple(cutoffs(logits, targets).tolist())
    if not ordered:
        return None
    shares = softmax(logits, axis=1)
    cuts = level_cuts(shares, targets)
    lost = np.mean(logits.argmax(1) == targets) - np.mean(levels(shares, cuts) == targets)
    return None if lost > NO_SCALE else tuple(cuts.tolist())


def settle(folds: list[Choices], targets: np.ndarray, settings: Settings) -> Choices:
    """The choices for all texts, of these `targets`, from those made on the validation parts of several folds.

    The probe that most folds chose; and fine-tuning, for its whole schedule, where over the folds it ended no worse
    than the probe, or by less than `doubt` of all texts, which the folds' validation parts together come near.
    """
    penalty, balanced, words = Counter(fold.probe for fold in folds).most_common(1)[0][0]
    probe = float(np.mean([fold.scores["probe"] for fold in folds]))
    planned = planned_epochs(len(targets), settings)
    if not planned:
        return Choices(penalty, balanced, 0, 0, {"probe": probe}, words=words)
    tuned = float(np.mean([list(fold.scores.values())[-1] for fold in folds]))
    epochs, scores = planned if tuned >= probe - doubt(targets) else 0, {"probe": probe, "tuned": tuned}
    return Choices(penalty, balanced, epochs, planned, scores, words=words)


def planned_epochs(n_texts: int, settings: Settings) -> int:
    """Passes over the texts: as asked, else fewer where there are more texts; none for a probe."""
    if settings.method == "probe":
        return 0
    return settings.epochs or int(np.clip(round(TEXTS_TO_SEE / n_texts), 3, 6))


def score_of(logits: np.ndarray, targets: np.ndarray, ordered: bool = False) -> float:
    """What every choice goes by: macro-F1, which a frequent label cannot flatter; of levels, quadratic kappa."""
    sets, n_labels = targets.ndim == 2, logits.shape[1]
    if ordered:
        return quadratic_kappa(targets, decide(logits, sets, cutoffs_of(logits, targets, ordered)), n_labels)
    return macro_f1(targets, decide(logits, sets), n_labels)


def score_error(targets: np.ndarray, share: float = 1.0) -> float:
    """At most about the standard error of macro-F1 on that share of the texts.

    Of a label with m texts, F1 varies about like the share of them that is found, whose standard error is at most
    1 / (2 sqrt(m)); macro-F1 is the mean over labels.
    """
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets)
    texts = counts[counts > 0] * share
    return float(np.sqrt((0.25 / texts).sum()) / len(texts))


def doubt(targets: np.ndarray) -> float:
    """By how much the probe has to be better on these texts before fine-tuning is given up.

    Nothing where they say clearly which is better. Where they do not (rare labels, few texts), fine-tuning from the
    probe is the better bet, and less than an error's difference speaks for neither.
    """
    error = score_error(targets)
    return error if error > CLEAR else 0.0
