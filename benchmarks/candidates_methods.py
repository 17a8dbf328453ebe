"""Ways of regularizing that benchmarks/candidates.py tries, put in place of annotune's own loss or weights for one run.

R-drop (Liang et al. 2021): a text is read twice with other dropout, and what the two say is drawn together. Mixout
(Lee et al. 2020): in each step a share of the tuned weights is put back to where they began, and the others move
further for it; here those of the low-rank matrices. Smoothing: a part of each answer is spread over all labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from annotune.network.batches import pad
from annotune.network.machine import half_precision
from annotune.tuning import loop

DROPOUT, MIXED, SPREAD = 0.1, 0.5, 0.1
Loss = Callable[[Any, np.ndarray], torch.Tensor]


@contextmanager
def rdrop(model: nn.Module) -> Iterator[None]:
    """Dropout in the base, and a loss of two readings."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = DROPOUT
    with _with_loss(_of_two_readings):
        yield


@contextmanager
def mixout(model: nn.Module) -> Iterator[None]:
    """Low-rank matrices of which a share is where it began, in each step another one."""
    layers = [layer for name, layer in model.named_modules() if name.endswith(("lora_A.default", "lora_B.default"))]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", Mixed(layer.weight))
    yield
    for layer in layers:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


@contextmanager
def smoothed(model: nn.Module) -> Iterator[None]:
    """A loss of answers of which a part is spread over all labels."""
    with _with_loss(_of_spread_answers):
        yield


def _with_loss(loss: Loss) -> AbstractContextManager[Any]:
    return patch.object(loop._Gradients, "_loss", loss)


class Mixed(nn.Module):
    """A weight, in training with a share of its numbers as they were at first; its mean stays what it was."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.first = weight.detach().clone()

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Lee et al. 2020, equation 4."""
        kept = functional.dropout(torch.ones_like(weight), MIXED, self.training)
        return self.first + kept * (weight - self.first)


def _of_two_readings(gradients: Any, part: np.ndarray) -> torch.Tensor:
    texts, target = pad(gradients.tokens, part, gradients.model.device), gradients._target(part)
    with half_precision(gradients.model.device):
        readings = [gradients.prepared(*texts).float() for _ in range(2)]
    return sum(gradients.loss_of(logits, target) for logits in readings) / 2 + _apart(*readings, sets=target.ndim == 2)


def _apart(one: torch.Tensor, other: torch.Tensor, sets: bool) -> torch.Tensor:
    """The mean of both Kullback-Leibler divergences, a text; for sets that of each label's yes and no."""
    if sets:  # a yes has the logit, a no 0
        one, other = (torch.stack([logits, torch.zeros_like(logits)], -1).flatten(0, 1) for logits in (one, other))
    logs = [logits.log_softmax(-1) for logits in (one, other)]
    difference = (logs[0].exp() - logs[1].exp()) * (logs[0] - logs[1])
    return difference.sum(-1).mean() / 2


def _of_spread_answers(gradients: Any, part: np.ndarray) -> torch.Tensor:
    texts, target = pad(gradients.tokens, part, gradients.model.device), gradients._target(part)
    with half_precision(gradients.model.device):
        logits = gradients.prepared(*texts).float()
    if target.ndim == 2:
        return gradients.loss_of(logits, target * (1 - SPREAD) + SPREAD / 2)
    return functional.cross_entropy(logits, target, gradients.loss_of.weight, label_smoothing=SPREAD)


REGULARIZED = {"rdrop": rdrop, "mixout": mixout, "smoothed": smoothed}
