"""From logits to probabilities and answers: softmax and sigmoid, the most likely label, levels, sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (n, labels) of one label for each text."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probability of each label for itself."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def from_logits(logits: np.ndarray, sets: bool) -> np.ndarray:
    """Logits (texts, labels) as probabilities: of one label a text, or of each label for itself."""
    return sigmoid(logits) if sets else softmax(logits)


def levels(shares: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Label numbers (n,) of probabilities (n, labels): how many of the cuts, (labels - 1,) or a row each, lie below.

    A row of cuts that are no numbers asks for the most likely label.
    """
    cuts = np.broadcast_to(np.asarray(cuts, dtype=float), (len(shares), shares.shape[1] - 1))
    level = (expected_level(shares)[:, None] > cuts).sum(1)
    return np.asarray(np.where(np.isnan(cuts).any(1), shares.argmax(1), level))


def expected_level(shares: np.ndarray) -> np.ndarray:
    """The mean label number (n,) by these probabilities (n, labels)."""
    return np.asarray(shares @ np.arange(shares.shape[1], dtype=np.float64))


def decide(logits: np.ndarray, sets: bool, cutoffs: Any = None) -> np.ndarray:
    """The most likely label (n,); for sets the labels (n, labels) above their cut-offs; of ordered labels the level."""
    if sets:
        return np.asarray(logits > (0.0 if cutoffs is None else np.asarray(cutoffs)))
    return logits.argmax(1) if cutoffs is None else levels(special.softmax(logits, axis=1), cutoffs)
