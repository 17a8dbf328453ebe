"""What tuning makes small: how surprising the coders' answers are to the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_function(
    targets: np.ndarray,
    n_labels: int,
    balanced: bool,
    device: torch.device,
    ordered: bool = False,
    sets: bool | None = None,
) -> Loss:
    """Cross-entropy, that of the cuts between ordered labels, or a binary one for sets; balanced counts rare ones more.

    Targets are (n,) label numbers, (n, labels) of 0 and 1 where `sets` may hold several, or of either the shares of
    coders who gave each label. A label in sets counts as often as it has noes to a yes, at most 10 times; the others as
    `label_weights` has it.
    """
    if targets.ndim == 2 if sets is None else sets:
        yes = targets.sum(0)
        odds = np.clip((len(targets) - yes) / np.maximum(yes, 1), 1, 10) if balanced else np.ones(n_labels)
        return nn.BCEWithLogitsLoss(pos_weight=torch.tensor(odds, dtype=torch.float32, device=device))
    of_labels: Callable[..., Loss] = nn.CrossEntropyLoss
    if ordered or targets.ndim == 2:
        of_labels = OrderedLoss if ordered else SharesLoss
    if not balanced:
        return of_labels(weight=None)
    return of_labels(weight=torch.tensor(label_weights(targets, n_labels), dtype=torch.float32, device=device))


def label_weights(targets: np.ndarray, n_labels: int) -> np.ndarray:
    """A weight a label (labels,): n over its count times the number of labels that occur (as scikit-learn has it).

    >>> label_weights(np.array([0, 0, 0, 2]), 3).round(2).tolist()
    [0.67, 0.0, 2.0]
    """
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=n_labels)
    return np.where(counts > 0, len(targets) / (np.maximum(counts, 1e-9) * (counts > 0).sum()), 0.0)


def text_masses(targets: np.ndarray, n_labels: int) -> np.ndarray:
    """What each text counts (n,) whose labels have these weights: that of its label, or the mean over its coders.

    >>> text_masses(np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]), 2).round(2).tolist()
    [0.6, 1.8, 0.6]
    """
    weights = label_weights(targets, n_labels)
    return np.asarray(targets @ weights if targets.ndim == 2 else weights[targets])


class SharesLoss(nn.Module):
    """Cross-entropy of the shares of coders who gave each label: the mean surprise of the coders, one by one."""

    def __init__(self, weight: torch.Tensor | None) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` (texts, labels); `target` (texts, labels) shares that add up to one, or (texts,) label numbers."""
        answers = self._counted(target, logits.shape[1])
        return -self._told(logits.log_softmax(1), answers).sum() / answers.sum()

    def _counted(self, target: torch.Tensor, n_labels: int) -> torch.Tensor:
        """How much each answer counts, (texts, labels)."""
        shares = target if target.ndim == 2 else nn.functional.one_hot(target, n_labels)
        return shares.float() if self.weight is None else shares * self.weight

    def _told(self, sure: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """The answers' log-probabilities, by what they count."""
        return answers * sure


class OrderedLoss(SharesLoss):
    """Cross-entropy of every question "above this level?", which makes a near miss cheaper than a far one.

    The probability of being above level k is the sum of those of the levels above it, so that what the network says
    stays one probability a label. Each cut of the scale is a question of yes or no, as in cumulative link models
    (McCullagh 1980), and the loss is the sum over the cuts; with two labels it is the usual cross-entropy. Of coders'
    shares, what counts at a cut is the share of those above it.
    """

    def _told(self, sure: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        below = sure.logcumsumexp(1)[:, :-1]
        above = sure.flip(1).logcumsumexp(1).flip(1)[:, 1:]
        not_higher = answers.cumsum(1)[:, :-1]
        return not_higher * below + (answers.sum(1, keepdim=True) - not_higher) * above
