"""The training loop: plain, and all of it on this page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from annotune.progress import Advance
from annotune.runtime import half_precision
from annotune.tuning.batches import Tokens, by_length, pad
from annotune.tuning.encoder import Encoder
from annotune.tuning.settings import Settings

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LEARNING_RATES = {"lora": 1e-3, "full": 1e-4}  # peaks; LoRA's matrices start at zero and want a larger one


def loss_function(targets: np.ndarray, n_labels: int, balanced: bool, device: torch.device) -> Loss:
    """Cross-entropy, or binary cross-entropy for label sets; balanced counts rare labels more.

    Targets are (n,) label numbers or (n, labels) of 0 and 1. The weight of a label is n over its
    count times the number of labels (as scikit-learn has it); of a label in sets, its noes over
    its yeses, at most 10.
    """
    if targets.ndim == 2:
        yes = targets.sum(0)
        odds = np.clip((len(targets) - yes) / np.maximum(yes, 1), 1, 10) if balanced else np.ones(n_labels)
        return nn.BCEWithLogitsLoss(pos_weight=torch.tensor(odds, dtype=torch.float32, device=device))
    if not balanced:
        return nn.CrossEntropyLoss()
    counts = np.bincount(targets, minlength=n_labels)
    weights = np.where(counts > 0, len(targets) / (np.maximum(counts, 1) * (counts > 0).sum()), 0.0)
    return nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float32, device=device))


def train(
    model: Encoder,
    tokens: Tokens,
    targets: np.ndarray,
    settings: Settings,
    *,
    epochs: int,
    balanced: bool,
    advance: Advance,
) -> Iterator[float]:
    """Train `model` in place; after every epoch yields the mean loss, so that the caller can look and stop.

    Learning rates rise over the first tenth of the steps and then fall to zero (one cycle).
    """
    rng = np.random.default_rng(settings.seed)
    device = model.head.weight.device
    accelerator = _accelerator(device)
    loss_of = loss_function(targets, model.head.out_features, balanced, device)
    wanted = torch.tensor(targets, device=device)
    optimizer = _optimizer(model, settings)
    peaks = [group["lr"] for group in optimizer.param_groups]
    lengths = tokens.lengths
    n_batches = len(by_length(lengths, settings.batch_tokens, settings.batch_texts, rng))
    steps = epochs * n_batches + 1
    rise = max(0.1, 2 / steps)  # torch's schedule divides by the steps of the rise less one
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=rise)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    for _ in range(epochs):
        prepared.train()
        total = 0.0
        for batch in by_length(lengths, settings.batch_tokens, settings.batch_texts, rng):
            with half_precision(device):
                logits = prepared(*pad(tokens, batch, device))
            target = wanted[torch.from_numpy(batch).to(device)]
            loss = loss_of(logits.float(), target if target.ndim == 1 else target.float())
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
            advance(len(batch))
        yield total / len(tokens)


def _optimizer(model: Encoder, settings: Settings) -> torch.optim.Optimizer:
    rate = settings.learning_rate or LEARNING_RATES[settings.method]
    base = [weights for weights in model.backbone.parameters() if weights.requires_grad]
    groups = [
        {"params": base, "lr": rate, "weight_decay": 0.01},
        {"params": list(model.head.parameters()), "lr": settings.head_learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, fused=True)


def _accelerator(device: torch.device) -> Accelerator:
    """A fresh one for this device: its state is the process's, and an earlier call may have used another."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device.type == "cpu")
