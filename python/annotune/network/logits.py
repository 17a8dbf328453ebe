"""From logits to probabilities and answers: softmax and sigmoid, the most likely label, levels, sets."""

from __future__ import annotations

from typing import Any

import numpy as np


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
    """Label numbers (n,) of probabilities (n, labels): how many of the cuts (labels - 1,) lie below."""
    return np.asarray((expected_level(shares)[:, None] > np.asarray(cuts, dtype=float)).sum(1))


def expected_level(shares: np.ndarray) -> np.ndarray:
    """The mean label number (n,) by these probabilities (n, labels)."""
    return np.asarray(shares @ np.arange(shares.shape[1], dtype=np.float64))


def decide(logits: np.ndarray, sets: bool, cutoffs: Any = None) -> np.ndarray:
    """Answers to logits (n, labels): label numbers (n,), or of sets truth values (n, labels).

    Parameters
    ----------
    cutoffs
        None: the most likely label, of sets what is more likely than not. One for each label: of sets the log-odds
        above which the label is given; of single labels what is taken from its logit before the highest is given. One
        fewer than labels, of ordered labels: the expected levels above which the next one is given.
    """
    if sets:
        return np.asarray(logits > (0.0 if cutoffs is None else np.asarray(cutoffs)))
    if cutoffs is None:
        return np.asarray(logits.argmax(1))
    if len(cutoffs) == logits.shape[1]:
        return np.asarray((logits - np.asarray(cutoffs)).argmax(1))
    return levels(softmax(logits), np.asarray(cutoffs))
