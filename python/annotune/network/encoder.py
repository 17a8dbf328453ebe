"""The network: a base model, one vector a text, and a linear head."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from annotune.network.base import is_decoder
from annotune.network.batches import Tokens, by_length, pad
from annotune.network.machine import half_precision
from annotune.network.memory import attempt, halved, out_of_step
from annotune.network.reading import POOLING, Pooling
from annotune.network.shares import computing, in_shares, no_gradients
from annotune.network.speaker import Speaker
from annotune.network.transfers import Arriving, fetch, in_turn
from annotune.progress import bar

TOKENS_ON_CPU, TOKENS_ON_GPU = 4096, 65_536  # in a batch


class Encoder(nn.Module):
    """Texts in, one logit a label out.

    The embedding of a text is the mean of its token vectors (Reimers and Gurevych 2019), or the vector of its first
    token, where the base says so; in a decoder that of its last token, the only one that has seen all others. Of a text
    that is read with neighbours, the mean is over its own tokens, which have seen the neighbours'. It is scaled to
    length one, so that a head fitted to embeddings beforehand means the same inside the network.
    """

    def __init__(self, backbone: nn.Module, n_labels: int, width: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, n_labels)
        self.pooling = pooling

    overhead = 0  # tokens that a text costs beside its own

    @property
    def most_texts(self) -> int:
        """The most texts at a time: a GPU is kept busy by more than a processor."""
        return 256 if self.device.type == "cpu" else 8192

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.head.weight.device

    @property
    def n_outputs(self) -> int:
        """How many labels there are."""
        return self.head.out_features

    def embed(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings (texts, width) of length one; the mask is as `annotune.network.batches.pad` makes it."""
        own, mask = _own(mask), (mask > 0).to(mask.dtype)
        if self.pooling == "last":  # by the mask and not by a token's number, whatever pads
            mask = torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], 1)  # of nothing, padding is the one token
            vectors = self.backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            ends = mask.sum(1) - 1
            pooled = vectors[torch.arange(len(ids), device=ids.device), ends].float()
        else:
            vectors = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            weight = own.unsqueeze(-1).float()
            pooled = vectors[:, 0] if self.pooling == "first" else (vectors * weight).sum(1) / weight.sum(1)
        return nn.functional.normalize(pooled, dim=-1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (texts, labels)."""
        logits: torch.Tensor = self.head(self.embed(ids, mask))
        return logits


def _own(mask: torch.Tensor) -> torch.Tensor:
    """Of each text the tokens that its vector is made of: those that are marked, or all where none is."""
    return (mask > 0) & (mask == mask.amax(1, keepdim=True))


Network = Encoder | Speaker


def build(backbone: Any, n_labels: int) -> Encoder:
    """A network over `backbone` with an empty head on the same device, without dropout.

    Few labels are few steps, and noise in the base costs more than it protects: the learning rate,
    early stopping and the comparison with the probe guard against overfitting. It is also a third
    of the time of a step.
    """
    quieten(backbone)
    width = backbone.config.get_text_config().hidden_size
    usual: Pooling = "last" if is_decoder(backbone.config) else "mean"
    return Encoder(backbone, n_labels, width, getattr(backbone.config, POOLING, usual)).to(backbone.device)


def quieten(backbone: nn.Module) -> None:
    """No dropout."""
    for module in backbone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def outputs(
    model: Network,
    tokens: Tokens,
    *,
    what: str = "",
    embeddings: bool = False,
    fast: bool = False,
    batch_tokens: int | None = None,
    together: bool = True,
) -> np.ndarray:
    """Logits (n, labels), or an encoder's embeddings (n, width), float32, in the order of the texts.

    Each text's row depends on that text alone, up to rounding: batches are made by length, of 4,096 tokens or on a GPU
    65,536 where no number is given. Where memory runs out, they are halved, and the work goes on. Of several processes
    with shares of a model all have to call this `together`; else this one computes alone, where the model rests. Of a
    text in several passages, it is the mean of theirs.
    """
    if tokens.ends is not None:
        how: dict[str, Any] = {"what": what, "embeddings": embeddings, "fast": fast, "batch_tokens": batch_tokens}
        return tokens.pooled(outputs(model, tokens.passages, **how, together=together))
    if together:
        model = computing(model)
    model.eval()
    run: Any = model.embed if embeddings and isinstance(model, Encoder) else model
    width = model.head.in_features if embeddings and isinstance(model, Encoder) else model.n_outputs
    result = np.zeros((len(tokens), width), dtype=np.float32)
    with no_gradients(), half_precision(model.device, fast), bar(what, len(tokens)) as advance:
        for batch, rows in in_turn(_started(model, run, tokens, batch_tokens, together)):
            result[batch] = rows
            advance(len(batch))
    return result


def _started(
    model: Network, run: Any, tokens: Tokens, batch_tokens: int | None, together: bool
) -> Iterator[tuple[np.ndarray, Arriving]]:
    """Batches that are being computed; those that memory has no room for in halves."""
    size = batch_tokens or (TOKENS_ON_CPU if model.device.type == "cpu" else TOKENS_ON_GPU)
    pending = by_length(tokens.lengths + model.overhead, size, model.most_texts)
    while pending:
        batch = pending.pop()  # from the end: whatever memory is needed is asked for at once
        rows = attempt(partial(_rows, run, tokens, batch, model.device))
        if rows is not None:
            yield batch, rows
        elif together and in_shares():
            raise out_of_step()
        else:
            pending = halved(batch, pending)


def _rows(run: Any, tokens: Tokens, batch: np.ndarray, device: torch.device) -> Arriving:
    return fetch(run(*pad(tokens, batch, device)))
