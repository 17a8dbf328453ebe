"""BERT without padding, on a processor: texts stand one behind the other, and no number is computed for a gap.

Linear layers take all tokens of a batch at once, with weights that are laid out for the processor beforehand, and what
follows a product (GELU, a sum) is done while its numbers are at hand. Attention takes the texts of one length together.
Every batch has the same number of tokens, so that a text's numbers are the same to the last bit in whatever company.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from annotune.errors import AnnotuneError
from annotune.network.batches import Indices, Tokens
from annotune.network.encoder import Encoder
from annotune.network.machine import has_amx
from annotune.network.shares import no_gradients
from annotune.progress import Advance

TOKENS = 2048  # in a batch: with half as many, a gap of a tenth is left behind texts of 150 words
SHORT = range(11, 16)  # tokens of texts to which a gap is added for attention alone: 16 are its least piece of work
SCORES = 2_000_000  # that attention by powers computes at once: more would not stay at hand
LEAST, MOST = 2.0**-100, 2.0**100  # of a row's powers together: far from where numbers end, and lose digits
Linear = tuple[torch.Tensor, torch.Tensor]
Attend = Callable[[torch.Tensor, torch.Tensor], None]
Places = tuple[torch.Tensor, torch.Tensor]  # of the tokens that texts' vectors are made of, and where each text's begin


@dataclass(frozen=True)
class Layer:
    """The weights of a layer, as the processor wants them; of the norms, in 32 bits."""

    attended: Linear  # query, key and value in one
    joined: Linear
    joined_norm: nn.LayerNorm
    widened: Linear
    narrowed: Linear
    narrowed_norm: nn.LayerNorm


def why_not_packed(model: Any) -> str | None:
    """Why a network is not computed in this way; None where it can be."""
    if not isinstance(model, Encoder) or model.pooling == "last" or getattr(model.backbone, "peft_config", None):
        return "Only encoders are computed without padding."
    config: Any = model.backbone.config
    if config.model_type != "bert" or config.hidden_act != "gelu" or config.is_decoder:
        return "Only BERT's kind of encoder is computed without padding."
    if model.device.type != "cpu" or model.head.weight.dtype != torch.float32:
        return "Only on a processor are texts computed without padding."
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    there = there and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return None if there else "This torch has no oneDNN, which computes without padding."


class Packed:
    """A network that is computed without padding, in `dtype`; sums over layers and norms stay in 32 bits."""

    overhead, most_texts = 0, TOKENS

    def __init__(self, model: Encoder, dtype: torch.dtype) -> None:
        backbone: Any = model.backbone
        self.dtype, self.head, self.pooling = dtype, model.head, model.pooling
        self.adds = dtype == torch.float32 and _adds_within_products()
        self.device, self.n_outputs = model.device, model.n_outputs
        self.by_powers = dtype == torch.bfloat16 and has_amx()
        self.room = torch.empty(0, dtype=dtype)
        self.heads = int(backbone.config.num_attention_heads)
        words = backbone.embeddings
        self.words = words.word_embeddings.weight.detach()
        self.places = (words.position_embeddings.weight + words.token_type_embeddings.weight[0]).detach()
        self.norm = words.LayerNorm
        with torch.inference_mode():
            try:
                self.layers = [self._layer(layer) for layer in backbone.encoder.layer]
            except (AttributeError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                raise AnnotuneError(f"The network is not computed without padding here: {reason}") from None

    def eval(self) -> None:
        """Nothing is to be done: there is no dropout."""

    def _layer(self, layer: Any) -> Layer:
        own, after, out = layer.attention.self, layer.attention.output, layer.output
        return Layer(
            self._linear(own.query, own.key, own.value),
            self._linear(after.dense),
            after.LayerNorm,
            self._linear(layer.intermediate.dense),
            self._linear(out.dense),
            out.LayerNorm,
        )

    def _linear(self, *parts: nn.Linear) -> Linear:
        weight = torch.cat([part.weight for part in parts]).detach().to(self.dtype).contiguous()
        bias = torch.cat([part.bias for part in parts]).detach().to(self.dtype)
        return torch.ops.mkldnn._reorder_linear_weight(weight, TOKENS), bias

    def batches(self, lengths: np.ndarray) -> list[Indices]:
        """Texts (places, by length) that fill a batch each; the longest are in the last."""
        order, batches, start, size = np.argsort(lengths, kind="stable"), [], 0, 0
        for end, place in enumerate(order):
            if size + lengths[place] > TOKENS and end > start:
                batches.append(order[start:end])
                start, size = end, 0
            size += lengths[place]
        return [*batches, order[start:]] if len(order) else []

    def logits(self, tokens: Tokens, advance: Advance | None = None) -> np.ndarray:
        """Logits (n, outputs), float32, in the order of the texts; each row depends on its text alone."""
        if tokens.ends is not None:
            return tokens.pooled(self.logits(tokens.passages, advance))
        result = np.zeros((len(tokens), self.n_outputs), dtype=np.float32)
        with no_gradients():
            for batch in reversed(self.batches(tokens.lengths)):  # whatever memory is needed is asked for at once
                result[batch] = self.rows(tokens, batch)
                if advance is not None:
                    advance(len(batch))
        return result

    def seconds_a_text(self, tokens: Tokens) -> float:
        """How long a text takes where there are many: of the last batch, the part is counted that these fill."""
        if tokens.ends is not None:
            return self.seconds_a_text(tokens.passages) * len(tokens.ids) / len(tokens)
        seconds, batches = 0.0, self.batches(tokens.lengths)
        with no_gradients():
            for number, batch in enumerate([batches[0], *batches]):
                began = time.perf_counter()
                self.rows(tokens, batch)
                part = min(1.0, float(tokens.lengths[batch].sum()) / TOKENS) if batch is batches[-1] else 1.0
                seconds += (time.perf_counter() - began) * part if number else 0.0  # the first time takes longer
        return seconds / len(tokens)

    def rows(self, tokens: Tokens, batch: Indices) -> np.ndarray:
        """Logits (texts, outputs), float32, of a batch as `batches` makes them; NaN for a text without a token."""
        logits = self._rows(tokens, batch, self._by_powers if self.by_powers else self._by_softmax)
        if self.by_powers:
            beyond = np.flatnonzero(
                [tokens.ids[i] and np.isnan(row).any() for i, row in zip(batch, logits, strict=True)]
            )
            if len(beyond):
                logits[beyond] = self._rows(tokens, batch[beyond], self._by_softmax)
        return logits

    def _rows(self, tokens: Tokens, batch: Indices, attend: Attend) -> np.ndarray:
        logits = np.full((len(batch), self.n_outputs), np.nan, dtype=np.float32)
        lengths = np.array([len(tokens.ids[i]) for i in batch])
        full = np.flatnonzero(lengths)
        sizes, counts = np.unique(lengths[full], return_counts=True)
        groups = list(zip(counts.tolist(), sizes.tolist(), strict=True))
        size = max(TOKENS, int(lengths.sum()))
        ids, places = np.full(size, tokens.padding, dtype=np.int64), np.zeros(size, dtype=np.int64)
        end = int(lengths.sum())
        ids[:end] = np.fromiter((token for i in batch for token in tokens.ids[i]), np.int64, end)
        places[:end] = np.concatenate([np.arange(length) for length in lengths[full]] or [places[:0]])
        if groups:
            own = _own_places(tokens, batch[full])
            logits[full] = self._logits(torch.from_numpy(ids), torch.from_numpy(places), groups, own, attend).numpy()
        return logits

    def _logits(
        self, ids: torch.Tensor, places: torch.Tensor, groups: list[tuple[int, int]], own: Places, attend: Attend
    ) -> torch.Tensor:
        states = self.norm(self.words[ids] + self.places[places])
        for layer in self.layers:
            attended = self._attention(self._mixed(layer, states), groups, attend)
            states = layer.joined_norm(self._added(attended, layer.joined, states))
            states = layer.narrowed_norm(self._added(self._widened(layer, states), layer.narrowed, states))
        return self._read(states, groups, own)

    def _mixed(self, layer: Layer, states: torch.Tensor) -> torch.Tensor:
        """Query, key and value of each token (tokens, 3 * width), in `dtype`."""
        rows: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states.to(self.dtype), *layer.attended, "none", [], None
        )
        return rows

    def _widened(self, layer: Layer, states: torch.Tensor) -> torch.Tensor:
        """What a layer's neurons give (tokens, neurons), in `dtype`."""
        rows: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states.to(self.dtype), *layer.widened, "gelu", [], "none"
        )
        return rows

    def _added(self, rows: torch.Tensor, linear: Linear, states: torch.Tensor) -> torch.Tensor:
        """The product of rows and a layer's weights, and the states that it is added to, in 32 bits."""
        product = torch.ops.mkldnn._linear_pointwise
        if self.adds:
            total: torch.Tensor = product.binary(rows, states, *linear, "add")
            return total
        alone: torch.Tensor = product(rows, *linear, "none", [], None)
        return alone.float().add_(states)

    def _read(self, states: torch.Tensor, groups: list[tuple[int, int]], own: Places) -> torch.Tensor:
        """Logits (texts, outputs) of each text's mean or first token; the head, too, takes as many rows every time."""
        if self.pooling == "first":
            counts, sizes = torch.tensor(groups).T
            lengths = sizes.repeat_interleave(counts)
            pooled = states[lengths.cumsum(0) - lengths]
        else:
            pooled = functional.embedding_bag(own[0], states, own[1], mode="mean")
        rows = pooled.new_zeros(max(TOKENS, len(pooled)), pooled.shape[1])
        rows[: len(pooled)] = functional.normalize(pooled, dim=-1)
        logits: torch.Tensor = self.head(rows)[: len(pooled)]
        return logits

    def _attention(self, mixed: torch.Tensor, groups: list[tuple[int, int]], attend: Attend) -> torch.Tensor:
        """Each text's tokens attend to each other: (tokens, 3 * width) becomes (tokens, width)."""
        attended = mixed.new_zeros(len(mixed), mixed.shape[1] // 3)
        for part, out in zip(_parted(mixed, groups), _parted(attended, groups), strict=True):
            attend(part, out)
        return attended

    def _by_softmax(self, part: torch.Tensor, out: torch.Tensor) -> None:
        """Texts of one length (texts, tokens, 3 * width) attend, into (texts, tokens, width)."""
        n, length, width = out.shape
        mask = None
        if length in SHORT:
            part = functional.pad(part, (0, 0, 0, SHORT.stop - length))
            mask = part.new_zeros(1, 1, 1, SHORT.stop)
            mask[..., length:] = -torch.inf
        query, key, value = part.view(n, -1, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        means = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out.view(n, length, self.heads, -1).copy_(means.transpose(1, 2)[:, :length])

    def _by_powers(self, part: torch.Tensor, out: torch.Tensor) -> None:
        """The same in two products, as fast as AMX multiplies.

        Powers of scores are taken as they are, without their highest: where a row of them is near the end of all
        numbers, the text's logits are NaN, and it is computed again.
        """
        length, width = out.shape[1:]
        scale = math.log2(math.e) / math.sqrt(width // self.heads)
        at_once = max(1, SCORES // (self.heads * length**2))
        for texts, means in zip(torch.split(part, at_once), torch.split(out, at_once), strict=True):
            by_head = texts.view(len(texts), length, 3, self.heads, -1).permute(2, 3, 0, 1, 4).flatten(1, 2)
            query, key, value = by_head.contiguous()
            powers = self._room(len(query), length)
            torch.baddbmm(query.new_empty(1, 1, 1), query, key.mT, beta=0, alpha=scale, out=powers)
            sums = powers.exp2_().sum(-1, keepdim=True)
            sums.masked_fill_((sums < LEAST) | (sums > MOST), torch.nan)
            rows = torch.bmm(powers, value).div_(sums).view(self.heads, len(texts), length, -1)
            means.view(len(texts), length, self.heads, -1).copy_(rows.permute(1, 2, 0, 3))

    def _room(self, n: int, length: int) -> torch.Tensor:
        """Room for scores (n, length, length), the same every time: new memory is made ready page by page."""
        if self.room.numel() < n * length**2:
            self.room = self.room.new_empty(max(SCORES, n * length**2))
        return self.room[: n * length**2].view(n, length, length)


def _adds_within_products() -> bool:
    """Whether this torch adds to a product while its numbers are at hand; in 32 bits that gives the same bits."""
    return hasattr(torch.ops.mkldnn._linear_pointwise, "binary")


def _own_places(tokens: Tokens, rows: Indices) -> Places:
    """Where in a batch the tokens stand that each text's vector is made of: its own, or all where none is marked."""
    marks = [np.frombuffer(tokens.own_of(i), np.uint8) for i in rows]
    marks = [mark if mark.any() else np.ones_like(mark) for mark in marks]
    counts = np.array([np.count_nonzero(mark) for mark in marks])
    return torch.from_numpy(np.flatnonzero(np.concatenate(marks))), torch.from_numpy(np.cumsum(counts) - counts)


def _parted(rows: torch.Tensor, groups: list[tuple[int, int]]) -> list[torch.Tensor]:
    """The rows (tokens, width) as one (texts, length, width) for each length; rows beyond are left out."""
    parts, start = [], 0
    for n, length in groups:
        parts.append(rows[start : start + n * length].view(n, length, -1))
        start += n * length
    return parts
