"""What tuning makes small: how surprising the coders' answers are to the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_function(
    targets: np.ndarray, n_labels: int, balanced: bool, device: torch.device, ordered: bool = False
) -> Loss:
    """Cross-entropy, that of the cuts between ordered labels, or a binary one for sets; balanced counts rare ones more.

    Targets are (n,) label numbers or (n, labels) of 0 and 1. A label in sets counts as often as it has noes to a yes,
    at most 10 times; the others as `label_weights` has it.
    """
    if targets.ndim == 2:
        yes = targets.sum(0)
        odds = np.clip((len(targets) - yes) / np.maximum(yes, 1), 1, 10) if balanced else np.ones(n_labels)
        return nn.BCEWithLogitsLoss(pos_weight=torch.tensor(odds, dtype=torch.float32, device=device))
    of_labels = OrderedLoss if ordered else nn.CrossEntropyLoss
    if not balanced:
        return of_labels(weight=None)
    return of_labels(weight=torch.tensor(label_weights(targets, n_labels), dtype=torch.float32, device=device))


def label_weights(targets: np.ndarray, n_labels: int) -> np.ndarray:
    """A weight a label (labels,): n over its count times the number of labels that occur (as scikit-learn has it).

    >>> label_weights(np.array([0, 0, 0, 2]), 3).round(2).tolist()
    [0.67, 0.0, 2.0]
    """
    counts = np.bincount(targets, minlength=n_labels)
    return np.where(counts > 0, len(targets) / (np.maximum(counts, 1) * (counts > 0).sum()), 0.0)


class AnswerLoss(nn.Module):
    """Minus the mean log-probability of the texts' own answers, each counted by the weight of its label."""

    def __init__(self, weight: torch.Tensor | None) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`found` (texts,) are log-probabilities, `target` (texts,) label numbers."""
        counts = torch.ones_like(found) if self.weight is None else self.weight[target]
        return -(counts * found).sum() / counts.sum()


class OrderedLoss(nn.Module):
    """Cross-entropy of every question "above this level?", which makes a near miss cheaper than a far one.

    The probability of being above level k is the sum of those of the levels above it, so that what the network says
    stays one probability a label. Each cut of the scale is a question of yes or no, as in cumulative link models
    (McCullagh 1980), and the loss is the sum over the cuts; with two labels it is the usual cross-entropy.
    """

    def __init__(self, weight: torch.Tensor | None) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` (texts, labels), labels in their order; `target` (texts,) label numbers."""
        sure = logits.log_softmax(1)
        below = sure.logcumsumexp(1)[:, :-1]
        above = sure.flip(1).logcumsumexp(1).flip(1)[:, 1:]
        higher = target[:, None] > torch.arange(below.shape[1], device=target.device)
        found = torch.where(higher, above, below).sum(1)
        counts = torch.ones_like(found) if self.weight is None else self.weight[target]
        return -(counts * found).sum() / counts.sum()
