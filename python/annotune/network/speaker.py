"""A decoder that answers questions about a text: the probability of every answer, from one pass over the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.modeling_layers import GradientCheckpointingLayer

from annotune.errors import AnnotuneError
from annotune.network.prompts import Template, make_prompt
from annotune.network.shares import computing, in_shares, no_gradients
from annotune.network.slots import Slots, deciding, grow, make_slots
from annotune.network.transfers import send

if TYPE_CHECKING:
    from annotune.data.codebook import Variable

LOGITS_AT_ONCE = 2**27  # half a gigabyte
LEAST = 16  # tokens of a text that is read both ways
# Of log-probabilities, in float32 and in fewer bits: what an architecture makes of a tree is right or far off.
TOLERANCE, ROUGH_TOLERANCE = 1e-3, 0.5


class Speaker(nn.Module):
    """Texts in, the mean log-probability of each answer's tokens out.

    What stands before the texts is read once and shared by all of them. What can follow a text is a tree of tokens, all
    read in the same pass: each token sees the text and its own branch, so that no answer depends on another. With
    `sets`, where each label is a question, what comes out is how much more likely its yes is than its no: log-odds.
    """

    tree_ids: torch.Tensor
    tree_depth: torch.Tensor
    tree_sees: torch.Tensor
    heard: torch.Tensor
    place: torch.Tensor
    said: torch.Tensor
    shares: torch.Tensor

    def __init__(self, backbone: Any, slots: Slots, sets: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.slots = slots
        self.sets = sets
        self.scale: float = 1.0
        self.offsets: tuple[float, ...] = ()
        self._shared: Cache | None = None
        for name, array in _scoring(slots).items():
            self.register_buffer(name, torch.from_numpy(array).to(backbone.device), persistent=False)

    @property
    def reader(self) -> Any:
        """The network without what makes words of vectors."""
        return self.backbone.base_model

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.tree_ids.device

    @property
    def n_outputs(self) -> int:
        """How many answers there are, over all questions; of sets, how many labels."""
        return self.shares.shape[1] // (2 if self.sets else 1)

    @property
    def overhead(self) -> int:
        """What a text costs beside its own tokens, in tokens: the tree, and the copy of what stands before it."""
        return len(self.tree_ids) + len(self.slots.before) // 8

    @property
    def most_texts(self) -> int:
        """As many at a time as the probabilities of all words of the language have room for."""
        logits = len(self.heard) * self.backbone.config.get_text_config().vocab_size
        return max(1, min(256, LOGITS_AT_ONCE // int(logits)))

    def train(self, mode: bool = True) -> Speaker:
        """As every module does; what was read with earlier weights is forgotten."""
        self._shared = None
        return super().train(mode)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The answers' scores (texts, answers), of sets log-odds (texts, labels): logits, in tuning as in use."""
        scores = self.scores(ids, mask)
        logits = (scores[:, ::2] - scores[:, 1::2] if self.sets else scores) * self.scale
        return logits + send(np.array(self.offsets, np.float32), logits.device) if self.offsets else logits

    def scale_by(self, scale: float, offsets: Sequence[float]) -> None:
        """Multiply and shift logits from now on, so that probabilities mean what they say."""
        self.scale, self.offsets = float(scale), tuple(offsets)

    def scores(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean log-probabilities (texts, answers), before any scaling."""
        tree = self.tree_ids.expand(len(ids), -1)
        logits = self._read(ids, mask, tree, self.tree_depth, self.tree_sees, self.heard)
        found = logits[:, self.place, self.said] - logits.logsumexp(-1)[:, self.place]
        return found @ self.shares

    def _read(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        follows: torch.Tensor,
        depth: torch.Tensor,
        sees: torch.Tensor,
        heard: torch.Tensor,
    ) -> torch.Tensor:
        """Logits (texts, heard, words) at those tokens among the ones that follow the texts."""
        shared, n = self._before(), ids.shape[1]
        start = len(self.slots.before)
        places = torch.arange(start, start + n, device=self.device).expand(len(ids), -1)
        places = torch.cat([places, start + mask.sum(1, keepdim=True) + depth], 1)
        seen = _visible(mask, sees, start)
        output = self.backbone(
            input_ids=torch.cat([ids, follows], 1),
            attention_mask=_as_wanted(seen, places, self.backbone.config, start),
            position_ids=places,
            past_key_values=shared,
            use_cache=True,
            logits_to_keep=heard + n,
        )
        logits: torch.Tensor = output.logits.float()
        return logits

    def _before(self) -> Cache:
        """Keys and values of what stands before every text: read once, in training once a batch."""
        if self._shared is not None and not self.training:
            return self._shared
        before = send(np.array([self.slots.before], np.int64), self.device)
        filled = DynamicCache()
        read = self.backbone(input_ids=before, past_key_values=filled, use_cache=True, logits_to_keep=1)
        layers: Any = filled.layers
        if in_shares():  # which are fetched for the backward pass when it comes to what a layer put out
            layers[-1].keys = layers[-1].keys + 0 * read.logits.sum()
        shared = Cache(layers=[_Shared(layer.keys, layer.values) for layer in layers])
        self._shared = None if self.training else shared
        return shared


def speaker_for(variable: Variable, tokenizer: Any, backbone: Any, template: Template) -> Speaker:
    """A decoder that is asked for this variable."""
    slots = make_slots(make_prompt([variable], tokenizer, template=template), tokenizer)
    return Speaker(backbone, slots, sets=variable.kind == "multilabel")


def recompute_texts(backbone: Any) -> None:
    """Gradient checkpointing where texts are read; what stands before them is read once, and its vectors are kept.

    That of transformers would take the shared keys and values away.
    """
    for module in backbone.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.forward = partial(_computed_again, module.forward)


def _computed_again(forward: Callable[..., Any], *vectors: torch.Tensor, **options: Any) -> Any:
    layers = getattr(options.get("past_key_values"), "layers", [])
    if torch.is_grad_enabled() and any(isinstance(layer, _Shared) for layer in layers):
        return checkpoint(forward, *vectors, use_reentrant=False, **options)
    return forward(*vectors, **options)  # before the texts: a second time, keys and values would be there twice


class _Shared(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one text, seen by all texts of a batch, to which nothing is ever added."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(key_states)
        keys = torch.cat([self.keys.to(key_states.dtype).expand(n, -1, -1, -1), key_states], -2)
        return keys, torch.cat([self.values.to(value_states.dtype).expand(n, -1, -1, -1), value_states], -2)


def _visible(mask: torch.Tensor, sees: torch.Tensor, start: int) -> torch.Tensor:
    """Which token sees which (texts, 1, tokens, start + tokens): the beginning, the text so far, its own branch."""
    batch, n = mask.shape
    order = torch.arange(n, device=mask.device)
    text = (order[:, None] >= order).expand(batch, n, n)
    of_text = torch.cat([text, text.new_zeros(batch, n, len(sees))], 2)
    of_tree = torch.cat([mask.bool()[:, None].expand(batch, len(sees), n), sees.expand(batch, -1, -1)], 2)
    rows = torch.cat([of_text, of_tree], 1)
    return torch.cat([rows.new_ones(batch, rows.shape[1], start), rows], 2)[:, None]


def _as_wanted(seen: torch.Tensor, places: torch.Tensor, config: Any, start: int) -> Any:
    """The mask as this model's layers take it: some see a window only, some implementations add a number."""
    config = config.get_text_config()
    window, kinds = getattr(config, "sliding_window", None), set(getattr(config, "layer_types", None) or ())
    full = _numbers(seen, config)
    if window is None or kinds == {"full_attention"}:
        return full
    keys = torch.cat([torch.arange(start, device=places.device).expand(len(places), -1), places], 1)
    near = _numbers(seen & (places[:, None, :, None] - keys[:, None, None] < window), config)
    return {"full_attention": full, "sliding_attention": near} if "full_attention" in kinds else near


def _numbers(seen: torch.Tensor, config: Any) -> torch.Tensor:
    """Attention that is written out adds the mask; torch's own takes truth values."""
    if config._attn_implementation != "eager":
        return seen
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, torch.finfo(torch.float32).min)


def _scoring(slots: Slots) -> dict[str, np.ndarray]:
    """The tree of all answers, and which tokens after which of its nodes each answer's score is the mean of."""
    spans = [span for paths, stem in zip(slots.paths, slots.stems, strict=True) for span in deciding(paths, stem)]
    paths = [path for answers in slots.paths for path in answers]
    tree, walked = grow([path[: span.stop - 1] for path, span in zip(paths, spans, strict=True)])
    heard = [nodes[place - 1] for nodes, span in zip(walked, spans, strict=True) for place in span]
    said = [path[place] for path, span in zip(paths, spans, strict=True) for place in span]
    shares = np.zeros((len(said), len(paths)), dtype=np.float32)
    shares[np.arange(len(said)), np.repeat(np.arange(len(paths)), [len(span) for span in spans])] = 1
    shares /= shares.sum(0)
    nodes, place = np.unique(heard, return_inverse=True)  # where several answers part, logits are made once
    found = {"tree_ids": tree.ids, "tree_depth": tree.depth, "tree_sees": tree.sees}
    return found | {"heard": nodes, "place": place, "said": np.array(said), "shares": shares}


def require_exact(speaker: Speaker) -> None:
    """Refuse an architecture that does not take a tree of tokens for what it is, by comparing with plain reading.

    Raises
    ------
    AnnotuneError
        When the last answer has another probability read by itself.
    """
    speaker = computing(speaker)
    speaker.eval()
    slots, device = speaker.slots, speaker.device
    ids = torch.tensor([slots.before[-LEAST:]], device=device)
    try:
        with no_gradients():
            found = speaker.scores(ids, torch.ones_like(ids))[0, -1].item()
            plain = _plainly(speaker, ids)
    except (TypeError, ValueError, AttributeError, KeyError):  # such as memories of other kinds than keys and values
        found, plain = float("nan"), 0.0
    exact = next(speaker.backbone.parameters()).dtype == torch.float32
    if not abs(found - plain) < (TOLERANCE * max(1.0, abs(plain)) if exact else ROUGH_TOLERANCE):
        kind = speaker.backbone.config.model_type
        raise AnnotuneError(
            f"Models of the type {kind} cannot share the codebook between texts.",
            "Choose a Llama, Qwen, Gemma or Mistral, or tune it with objective='head'.",
        )


def _plainly(speaker: Speaker, ids: torch.Tensor) -> float:
    """The last answer's score, read by itself from beginning to end."""
    slots = speaker.slots
    path, span = slots.paths[-1][-1], deciding(slots.paths[-1], slots.stems[-1])[-1]
    before, answer = ids.new_tensor([slots.before]), ids.new_tensor([path[: span.stop - 1]])
    whole = torch.cat([before, ids, answer], 1)
    logits = speaker.backbone(input_ids=whole, use_cache=False, logits_to_keep=len(span)).logits[0].float()
    words = ids.new_tensor(path[span.start : span.stop])
    return float(logits.log_softmax(-1).gather(1, words[:, None]).mean())
