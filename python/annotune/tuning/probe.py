"""The starting point: a logistic regression on the base model's embeddings, found in seconds.

Fine-tuning that starts from its weights distorts the base less than from a random head (Kumar et
al. 2022), and a fine-tuned model that is clearly worse is not handed out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotune.data.answers import answers_one_by_one, no_and_yes

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # inverse strength of the ridge penalty; embeddings have length one
WORDS_COUNT = 2.0  # of how many coded texts; found on training texts of two data sets with 2 to 32 texts a label
CLEARLY = 2.33  # standard errors
RULED_OUT = -10.0  # the bias of a label that does not occur, and the log-odds of one that never does


@dataclass(frozen=True)
class Probe:
    """A linear classifier: `weight` (labels, width), `bias` (labels,), and how it was chosen."""

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    balanced: bool

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits (n, labels) of embeddings (n, width)."""
        return np.asarray(embeddings @ self.weight.T + self.bias)


def fit_probe(
    embeddings: np.ndarray,
    targets: np.ndarray,
    n_labels: int,
    penalty: float,
    balanced: bool,
    words: np.ndarray | None = None,
    sets: bool | None = None,
) -> Probe:
    """Fit one probe.

    Parameters
    ----------
    embeddings
        Shape (n, width).
    targets
        Shape (n,): label numbers; or (n, labels): truth values, a multi-label variable; or of either the shares of
        coders who gave each label.
    penalty
        Inverse strength of the ridge penalty.
    balanced
        Whether labels count by the inverse of their frequency.
    words
        Shape (labels, width): of each label, what the codebook calls it, which is learnt from like a coded text.
    sets
        Whether targets (n, labels) are about each label for itself; if not, they are shares that add up to one.
    """
    sets = targets.ndim == 2 if sets is None else sets
    counts = np.ones(len(embeddings))
    if words is not None:
        own = np.arange(n_labels) if targets.ndim == 1 else np.eye(n_labels, dtype=targets.dtype)
        embeddings, targets = np.concatenate([embeddings, words]), np.concatenate([targets, own])
        counts = np.concatenate([counts, np.full(n_labels, WORDS_COUNT)])
    if not sets:
        weight, bias = _multinomial(embeddings, targets, n_labels, penalty, balanced, counts)
    else:
        answers = [_multinomial(embeddings, no_and_yes(column), 2, penalty, balanced, counts) for column in targets.T]
        weight = np.stack([rows[1] - rows[0] for rows, _ in answers])  # log-odds of yes against no
        bias = np.stack([offsets[1] - offsets[0] for _, offsets in answers])
    return Probe(weight, bias, penalty, balanced)


def words_tell(words: np.ndarray, embeddings: np.ndarray, targets: np.ndarray) -> bool:
    """Whether the codebook's words are nearest to their own label's texts more often than chance would have it.

    Nothing is fitted, so all coded texts are a fair test, however few: a z-test of the hits (p < .01, one-sided)
    against what the same answers would hit if they had nothing to do with the texts. Words and texts are centred first,
    because all that a base model embeds leans one way.

    Parameters
    ----------
    words
        Shape (labels, width).
    embeddings, targets
        Of n coded texts: (n, width); (n,) label numbers or (n, labels) truth values.
    """
    nearest = ((embeddings - embeddings.mean(0)) @ (words - words.mean(0)).T).argmax(1)
    truth = np.eye(len(words))[targets] if targets.ndim == 1 else targets.astype(float)
    hits = truth[np.arange(len(truth)), nearest].mean()
    chance = np.bincount(nearest, minlength=len(words)) / len(truth) @ truth.mean(0)
    return bool(hits - chance > CLEARLY * np.sqrt(chance * (1 - chance) / len(truth)))


def _multinomial(
    embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalty: float, balanced: bool, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (labels, width) and biases (labels,); labels that do not occur are all but ruled out."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight = np.zeros((n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.full(n_labels, RULED_OUT, dtype=np.float32)
    texts, labels, shares = answers_one_by_one(targets)
    seen = np.unique(labels)
    bias[seen] = 0.0
    if len(seen) > 1:
        model = LogisticRegression(C=penalty, max_iter=1000, class_weight="balanced" if balanced else None)
        with threadpool_limits(1, user_api="blas"):  # steps this short are over before a second thread is awake
            model.fit(embeddings[texts], labels, sample_weight=counts[texts] * shares)
        weight[seen], bias[seen] = _row_each(model.coef_, len(seen)), _row_each(model.intercept_, len(seen))
    return weight, bias


def _row_each(fitted: np.ndarray, n_labels: int) -> np.ndarray:
    """A row a label; scikit-learn gives one row for two labels, and half on each side is the same model."""
    return np.concatenate([-fitted, fitted]) / 2 if n_labels == 2 else fitted
