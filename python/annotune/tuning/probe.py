"""The starting point: a logistic regression on the base model's embeddings, found in seconds.

Fine-tuning that starts from its weights distorts the base less than from a random head (Kumar et
al. 2022), and a fine-tuned model that does not beat it is not handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = (1.0, 10.0, 100.0)  # inverse strength of the ridge penalty; embeddings have length one
RULED_OUT = -10.0  # the bias of a label that does not occur, and the log-odds of one that never does

Weights = tuple[np.ndarray, np.ndarray]  # (labels, width) and (labels,)


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
    """Fit one probe; see `fit_probes`."""
    return fit_probes(embeddings, targets, n_labels, [penalty], balanced)[0]


def fit_probes(
    embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalties: Sequence[float], balanced: bool
) -> list[Probe]:
    """Fit a probe for each penalty, each from the one before, which takes fewer steps.

    Parameters
    ----------
    embeddings
        Shape (n, width).
    targets
        Shape (n,): label numbers; or (n, labels): truth values, a multi-label variable.
    penalties
        Inverse strengths of the ridge penalty, from strong to weak.
    balanced
        Whether labels count by the inverse of their frequency.
    """
    if targets.ndim == 1:
        fitted = _path(embeddings, targets, n_labels, penalties, balanced)
    else:
        binary = [_path(embeddings, column.astype(int), 2, penalties, balanced) for column in targets.T]
        fitted = [_log_odds([path[i] for path in binary]) for i in range(len(penalties))]
    return [Probe(*weights, penalty, balanced) for weights, penalty in zip(fitted, penalties, strict=True)]


def _log_odds(answers: list[Weights]) -> Weights:
    """One row a label from its own regression of no and yes."""
    return np.stack([w[1] - w[0] for w, _ in answers]), np.stack([b[1] - b[0] for _, b in answers])


def _path(
    embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalties: Sequence[float], balanced: bool
) -> list[Weights]:
    """A multinomial regression for each penalty; labels that do not occur are all but ruled out."""
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(targets)
    weighting = "balanced" if balanced else None
    model = LogisticRegression(max_iter=1000, class_weight=weighting, warm_start=True)
    found = []
    for penalty in penalties:
        weight = np.zeros((n_labels, embeddings.shape[1]), dtype=np.float32)
        bias = np.full(n_labels, RULED_OUT, dtype=np.float32)
        bias[seen] = 0.0
        if len(seen) > 1:
            model.set_params(C=penalty).fit(embeddings, targets)
            weight[seen], bias[seen] = _row_each(model.coef_, len(seen)), _row_each(model.intercept_, len(seen))
        found.append((weight, bias))
    return found


def _row_each(fitted: np.ndarray, n_labels: int) -> np.ndarray:
    """A row a label; scikit-learn gives one row for two labels, and half on each side is the same model."""
    return np.concatenate([-fitted, fitted]) / 2 if n_labels == 2 else fitted
