"""The starting point: a logistic regression on the base model's embeddings, found in seconds.

Fine-tuning that starts from its weights distorts the base less than from a random head (Kumar et
al. 2022), and a fine-tuned model that does not beat it is not handed out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = (1.0, 10.0, 100.0)  # inverse strength of the ridge penalty; embeddings have length one


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
        Shape (n,): label numbers; or (n, labels): 0 and 1, a multi-label variable.
    penalty
        Inverse strength of the ridge penalty.
    balanced
        Whether labels count by the inverse of their frequency.
    """
    if targets.ndim == 1:
        return _multinomial(embeddings, targets, n_labels, penalty, balanced)
    rows = [_binary(embeddings, targets[:, label], penalty, balanced) for label in range(n_labels)]
    return Probe(np.stack([w for w, _ in rows]), np.array([b for _, b in rows], dtype=np.float32), penalty, balanced)


def _regression(penalty: float, balanced: bool) -> object:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, max_iter=1000, class_weight="balanced" if balanced else None)


def _multinomial(embeddings: np.ndarray, targets: np.ndarray, n_labels: int, penalty: float, balanced: bool) -> Probe:
    weight = np.zeros((n_labels, embeddings.shape[1]), dtype=np.float32)
    bias = np.full(n_labels, -10.0, dtype=np.float32)  # labels that do not occur here are all but ruled out
    seen = np.unique(targets)
    if len(seen) == 1:
        bias[seen] = 0.0
        return Probe(weight, bias, penalty, balanced)
    fitted = _regression(penalty, balanced).fit(embeddings, targets)  # type: ignore[attr-defined]
    coefficients, intercept = fitted.coef_, fitted.intercept_
    if len(seen) == 2:  # scikit-learn gives one row for two classes; half on each side is the same model
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    weight[seen], bias[seen] = coefficients, intercept
    return Probe(weight, bias, penalty, balanced)


def _binary(embeddings: np.ndarray, target: np.ndarray, penalty: float, balanced: bool) -> tuple[np.ndarray, float]:
    if target.min() == target.max():
        return np.zeros(embeddings.shape[1], dtype=np.float32), 10.0 if target[0] else -10.0
    fitted = _regression(penalty, balanced).fit(embeddings, target)  # type: ignore[attr-defined]
    return fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0])
