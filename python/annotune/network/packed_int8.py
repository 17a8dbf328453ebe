"""BERT without padding, its two widest products in whole numbers of 8 bits, which processors multiply fastest.

What makes query, key and value of a token, and what its neurons are made of, are products with numbers that a norm
gave. Those are rounded to 255 steps, each of its own width, and the weights to 255 steps for each output. Steps do not
follow from the texts that are coded but from the network alone, by texts made of its vocabulary: so they are the same
in every process, and a text's numbers are the same to the last bit in whatever company. All else is in bfloat16, or
in 32 bits where the processor has no bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from annotune.network.batches import Tokens
from annotune.network.encoder import Encoder
from annotune.network.machine import has_fast_bf16
from annotune.network.packed import TOKENS, Layer, Packed
from annotune.network.shares import no_gradients

MADE_UP, LENGTH = 128, 32  # texts that ranges are seen on, and tokens of each: two full batches
STRIDE = 7919  # a prime: every so many entries of the vocabulary, round and round, are their tokens
ROOM = 1.25  # times the range that was seen
INTO_WEIGHTS = 0.8  # of the differences between ranges
TINY = 1e-6


@dataclass(frozen=True)
class WholeLayer(Layer):
    """The weights of a layer, those of its two widest products in whole numbers as well."""

    mixed: Product
    wide: Product


class Product:
    """A linear layer in whole numbers: `ranges` (2, inputs) are the lowest and the highest number of each input.

    An input that ranges far would cost all others of their steps. Most of that goes into the weights (Xiao et al.
    2023), and the middle of each range into what is added.
    """

    def __init__(self, ranges: torch.Tensor, *parts: nn.Linear) -> None:
        weight, bias = (torch.cat([getattr(part, name) for part in parts]).detach() for name in ("weight", "bias"))
        middle, reach = ranges.mean(0), ((ranges[1] - ranges[0]) / 2 * ROOM).clamp_min(TINY)
        unit = reach**INTO_WEIGHTS / weight.abs().amax(0).clamp_min(TINY) ** (1 - INTO_WEIGHTS)
        self.step = float((reach / unit).max()) / 127
        self.gain = 1 / (unit * self.step)
        self.shift = -middle * self.gain
        self.steps = (weight * unit).abs().amax(1).clamp_min(TINY) / 127
        whole = (weight * unit / self.steps[:, None]).round().to(torch.int8)
        self.bias = bias + weight @ middle - 128 * self.step * self.steps * whole.sum(1)
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.weight = torch.ops.onednn.qlinear_prepack(whole.contiguous(), [TOKENS, weight.shape[1]])

    def __call__(self, states: torch.Tensor, dtype: torch.dtype, after: str = "none") -> torch.Tensor:
        """The product (tokens, outputs) of states (tokens, inputs) in 32 bits, and what comes after it."""
        near = torch.addcmul(self.shift, states, self.gain).round_().clamp_(-127, 127).to(torch.int8)
        whole = near.view(torch.uint8).bitwise_xor_(128)  # the same and 128 more: processors multiply such by weights
        how: Any = (self.steps, self.zeros, self.bias, 1.0, 0, dtype, after, [], "none")
        rows: torch.Tensor = torch.ops.onednn.qlinear_pointwise(whole, self.step, 0, self.weight, *how)
        return rows


class PackedInt8(Packed):
    """A network that is computed without padding, and with most of its weights in 8 bits."""

    def __init__(self, model: Encoder) -> None:
        self._ranges = iter(ranges_of(model))
        super().__init__(model, torch.bfloat16 if has_fast_bf16(model.device) else torch.float32)

    def _layer(self, layer: Any) -> WholeLayer:
        own, (mixed, wide) = layer.attention.self, next(self._ranges)
        products = Product(mixed, own.query, own.key, own.value), Product(wide, layer.intermediate.dense)
        return WholeLayer(**vars(super()._layer(layer)), mixed=products[0], wide=products[1])

    def _mixed(self, layer: Any, states: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = layer.mixed(states, self.dtype)
        return rows

    def _widened(self, layer: Any, states: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = layer.wide(states, self.dtype, "gelu")
        return rows


def ranges_of(model: Encoder) -> torch.Tensor:
    """The lowest and the highest of each number that goes into the products: (layers, products, 2, width).

    They are looked for once for as long as the network is there: that takes a second.
    """
    known, threads = _RANGES.setdefault(model, {}), torch.get_num_threads()
    if threads not in known:
        known[threads] = _watched(model)
    return known[threads]


_RANGES: WeakKeyDictionary[Encoder, dict[int, torch.Tensor]] = WeakKeyDictionary()  # by threads: they move last digits


def _watched(model: Encoder) -> torch.Tensor:
    watching: Any = Watching(model)
    words, most = watching.words.shape[0], watching.places.shape[0]
    ids = np.arange(MADE_UP * LENGTH) * STRIDE % words
    watching.logits(Tokens(ids.reshape(-1, min(LENGTH, most)).tolist(), 0, most, 0))
    with no_gradients():
        seen = torch.stack(watching.seen).view(-1, len(watching.layers), 2, 2, watching.words.shape[1])
        return torch.stack([seen[:, :, :, 0].amin(0), seen[:, :, :, 1].amax(0)], 2)


class Watching(Packed):
    """A network in 32 bits that notes what goes into its two widest products, batch by batch and layer by layer."""

    def __init__(self, model: Encoder) -> None:
        super().__init__(model, torch.float32)
        self.seen: list[torch.Tensor] = []

    def _mixed(self, layer: Layer, states: torch.Tensor) -> torch.Tensor:
        self.seen.append(torch.stack(states.aminmax(dim=0)))
        return super()._mixed(layer, states)

    def _widened(self, layer: Layer, states: torch.Tensor) -> torch.Tensor:
        self.seen.append(torch.stack(states.aminmax(dim=0)))
        return super()._widened(layer, states)
