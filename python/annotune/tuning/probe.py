"""The starting point: a logistic regression on the base model's embeddings, found in seconds.

Fine-tuning that starts from its weights distorts the base less than from a random head (Kumar et
al. 2022), and a fine-tuned model that does not beat it is not handed out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = (1.0, 10.0, 100.0)  # inverse strength of the ridge penalty; embeddings have length one
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


def fit_probe(embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalty: float, balanced: bool) -> Probe:
    """Fit one probe.

    Parameters
    ----------
    embeddings
        Shape (n, width).
    targets
        Shape (n,): label numbers; or (n, labels): truth values, a multi-label variable.
    penalty
        Inverse strength of the ridge penalty.
    balanced
        Whether labels count by the inverse of their frequency.
    """
    if targets.ndim == 1:
        weight, bias = _multinomial(embeddings, targets, n_labels, penalty, balanced)
    else:
        answers = [_multinomial(embeddings, column.astype(int), 2, penalty, balanced) for column in targets.T]
        weight = np.stack([rows[1] - rows[0] for rows, _ in answers])  # log-odds of yes against no
        bias = np.stack([offsets[1] - offsets[0] for _, offsets in answers])
    return Probe(weight, bias, penalty, balanced)


def _multinomial(
    embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalty: float, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (labels, width) and biases (labels,); labels that do not occur are all but ruled out."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight = np.zeros((n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.full(n_labels, RULED_OUT, dtype=np.float32)
    seen = np.unique(targets)
    bias[seen] = 0.0
    if len(seen) > 1:
        model = LogisticRegression(C=penalty, max_iter=1000, class_weight="balanced" if balanced else None)
        with threadpool_limits(1, user_api="blas"):  # steps this short are over before a second thread is awake
            model.fit(embeddings, targets)
        weight[seen], bias[seen] = _row_each(model.coef_, len(seen)), _row_each(model.intercept_, len(seen))
    return weight, bias


def _row_each(fitted: np.ndarray, n_labels: int) -> np.ndarray:
    """A row a label; scikit-learn gives one row for two labels, and half on each side is the same model."""
    return np.concatenate([-fitted, fitted]) / 2 if n_labels == 2 else fitted
