"""The training loop: plain, and all of it on this page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator

from annotune.errors import warn
from annotune.network.batches import Tokens, by_length, pad
from annotune.network.encoder import Encoder, Network
from annotune.network.machine import half_precision
from annotune.network.memory import attempt, no_room, out_of_step, recompute
from annotune.network.shares import average_gradients, in_shares, processes
from annotune.network.speaker import Speaker, recompute_texts
from annotune.network.transfers import send
from annotune.progress import Advance
from annotune.tuning.losses import loss_function, text_masses

if TYPE_CHECKING:
    from annotune.tuning.settings import Settings

MOST_PASSAGES = 8  # of a long text, drawn anew for each step: memory does not grow with it, nor a step's time
LEARNING_RATES = {"lora": 1e-3, "full": 1e-4}  # peaks; LoRA's matrices start at zero and want a larger one
TEXTS_A_STEP = 8  # at most, of a decoder that says the label: no probe to start from, so few texts want many steps


def train(
    model: Network,
    tokens: Tokens,
    targets: np.ndarray,
    settings: Settings,
    *,
    epochs: int,
    balanced: bool,
    ordered: bool = False,
    sets: bool | None = None,
    advance: Advance,
) -> Iterator[float]:
    """Train `model` in place; after every epoch yields the mean loss, so that the caller can look and stop.

    Learning rates rise over the first tenth of the steps and then fall to zero (one cycle).
    """
    rng = np.random.default_rng(settings.seed)
    accelerator = processes(model.device)
    optimizer = _optimizer(model, settings)
    peaks = [group["lr"] for group in optimizer.param_groups]
    costs = np.minimum(tokens.lengths, MOST_PASSAGES * tokens.limit) + model.overhead
    batches = partial(by_length, costs, settings.batch_tokens, _texts_a_step(model, settings), rng)
    steps = epochs * len(batches()) + 1
    rise = max(0.1, 2 / steps)  # torch's schedule divides by the steps of the rise less one
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=rise)
    prepared: Any = model if in_shares() else accelerator.prepare(model)
    loss_of = loss_function(targets, model.n_outputs, balanced, model.device, ordered, sets)
    gradients = _Gradients(accelerator, prepared, model, tokens, targets, loss_of, settings.seed)
    for _ in range(epochs):
        prepared.train()
        losses = []
        for batch in batches():
            optimizer.zero_grad()
            losses.append((gradients.of(batch), len(batch)))
            optimizer.step()
            schedule.step()
            advance(len(batch))
        yield sum(loss.item() * n for loss, n in losses) / len(tokens)  # read here, because a GPU would be waited for


class _Gradients:
    """Gradients of a batch: in one piece, or in as many as memory asks for; of several processes each does a part."""

    def __init__(
        self,
        accelerator: Accelerator,
        prepared: Any,
        model: Network,
        tokens: Tokens,
        targets: np.ndarray,
        loss_of: Any,
        seed: int,
    ) -> None:
        self.accelerator, self.prepared, self.model, self.tokens = accelerator, prepared, model, tokens
        self.wanted = send(targets if targets.ndim == 1 else targets.astype(np.float32), model.device)
        self.loss_of: Any = loss_of
        plain = loss_of.weight is None
        self.counts = np.ones(len(tokens)) if plain else text_masses(targets, model.n_outputs)
        self.pieces, self.lean = 1, False
        self.rng = np.random.default_rng(seed)

    def of(self, batch: np.ndarray) -> torch.Tensor:
        """Add the gradients of the batch's mean loss, and give that loss."""
        mine = batch[self.accelerator.process_index :: self.accelerator.num_processes]
        while True:
            loss = attempt(partial(self._add, batch, mine))
            if loss is not None:
                return loss
            self.model.zero_grad()
            self._make_room(len(mine))

    def _add(self, batch: np.ndarray, mine: np.ndarray) -> torch.Tensor:
        parts = [part for part in np.array_split(mine, self.pieces) if len(part)]
        parts = parts or [batch[:1]]  # a process without a text of its own still has to keep step
        losses = []
        for part in parts:
            waits = self.accelerator.no_sync(self.prepared) if part is not parts[-1] else nullcontext()
            with waits:
                share = self._mass(part) / self._mass(batch) if len(mine) else 0.0
                loss = self._loss(part) * share
                self.accelerator.backward(loss * self.accelerator.num_processes)
            losses.append(loss.detach())
        if in_shares():
            average_gradients(self.model.parameters())
        return torch.stack(losses).sum()

    def _loss(self, part: np.ndarray) -> torch.Tensor:
        target = self._target(part)
        rows, texts = self._rows(part)
        with half_precision(self.model.device):
            logits = self.prepared(*pad(self.tokens.passages, rows, self.model.device))
        if texts is not None:
            means = logits.new_zeros((len(part), logits.shape[1]), dtype=torch.float32)
            counts = torch.bincount(texts, minlength=len(part)).unsqueeze(1)
            logits = means.index_add(0, texts, logits.float()) / counts
        loss: torch.Tensor = self.loss_of(logits.float(), target)
        return loss

    def _rows(self, part: np.ndarray) -> tuple[np.ndarray, torch.Tensor | None]:
        """The rows of these texts that are read in this step; and whose each is, where texts have several."""
        if self.tokens.ends is None:
            return part, None
        starts, ends = self.tokens.starts[part], self.tokens.ends[part]
        drawn = [
            start + self.rng.permutation(end - start)[:MOST_PASSAGES] for start, end in zip(starts, ends, strict=True)
        ]
        texts = np.repeat(np.arange(len(part)), [len(of_text) for of_text in drawn])
        return np.concatenate(drawn), send(texts, self.model.device)

    def _target(self, part: np.ndarray) -> torch.Tensor:
        return self.wanted[send(part, self.model.device)]

    def _mass(self, part: np.ndarray) -> float:
        """What these texts count together."""
        return float(self.counts[part].sum())

    def _make_room(self, n: int) -> None:
        """Smaller pieces; where a text at a time is too much, vectors are computed again in place of being kept."""
        if self.accelerator.num_processes > 1:
            raise out_of_step()
        most = -(-n // self.pieces)
        if most > 1:
            self.pieces *= 2
            warn(f"Memory ran out with {most:,} texts at a time; tuning goes on with {-(-most // 2):,} at most.")
        elif self.lean:
            raise no_room()
        else:
            less = recompute_texts if isinstance(self.model, Speaker) else recompute
            less(self.model.backbone)
            self.pieces, self.lean = 1, True
            warn("Memory ran out for a single text; tuning goes on with less kept in memory, and more slowly.")


def _texts_a_step(model: Network, settings: Settings) -> int:
    most = min(settings.batch_texts, model.most_texts)
    return min(most, TEXTS_A_STEP) if isinstance(model, Speaker) else most


def _usual_rate(model: Network, settings: Settings) -> float:
    """With a quarter of the texts a step, half the rate: by the square root (Malladi et al. 2022)."""
    rate = LEARNING_RATES[settings.method]
    return rate / 2 if isinstance(model, Speaker) else rate


def _optimizer(model: Network, settings: Settings) -> torch.optim.Optimizer:
    rate = settings.learning_rate or _usual_rate(model, settings)
    base = [weights for weights in model.backbone.parameters() if weights.requires_grad]
    groups = [{"params": base, "lr": rate, "weight_decay": 0.01}]
    if isinstance(model, Encoder):
        head = list(model.head.parameters())
        groups.append({"params": head, "lr": settings.head_learning_rate, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, fused=True)
