"""From tokens and targets to a network: the probe, and fine-tuning from it for a whole schedule."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from annotune.network.encoder import Encoder, Network, build, quieten
from annotune.network.logits import softmax
from annotune.network.machine import give_back_memory
from annotune.network.shares import bring_back, computing
from annotune.network.speaker import Speaker
from annotune.progress import bar
from annotune.tuning.calibrate import Scaling
from annotune.tuning.choices import Examples, ProbeChoice
from annotune.tuning.loop import train
from annotune.tuning.lora import add_lora, in_full, is_quantized, merge_lora, plain_attention
from annotune.tuning.probe import PENALTIES, Probe, fit_probe, words_tell

if TYPE_CHECKING:
    from annotune.tuning.settings import Settings

START_PENALTY = 10.0  # a probe that fits its texts perfectly leaves fine-tuning nothing to learn from
ROUNDS = 2  # of expectation maximisation; further ones changed no figure
MANY = 32  # texts a label, on the average, after which the codebook's words add nothing


@dataclass(frozen=True)
class Tuned:
    """A network after its whole schedule, how fast it was trained, and what training changed, where that is kept."""

    model: Network
    texts_per_second: float
    weights: Mapping[str, torch.Tensor] | None = None


def candidates(seen: Examples, class_weights: str) -> list[ProbeChoice]:
    """Ways to make a probe to choose from: penalties, and whether it learns from the codebook's words.

    These are no choice where texts are many, or where they say nothing about the texts that there are. Labels are
    weighed only where that is asked for: how often rare ones are given is up to the cut-offs.
    """
    with_words = [True, False] if words_help(seen) else [False]
    return [(penalty, class_weights == "balanced", words) for words in with_words for penalty in PENALTIES]


def words_help(seen: Examples) -> bool:
    """Whether texts are few, and the codebook's words nearest to those of their own label."""
    few = len(seen) < MANY * seen.n_labels
    return few and seen.words is not None and words_tell(seen.words, seen.embeddings, seen.targets)


def probe_of(examples: Examples, penalty: float, balanced: bool, words: bool) -> Probe:
    """A probe made in this way from these texts, and from those of which a label above theirs is known."""
    probe = _fitted(examples, penalty, balanced, words)
    for _ in range(ROUNDS if examples.higher is not None and len(examples.higher.among) else 0):
        probe = _fitted(completed(examples, probe), penalty, balanced, words)
    return probe


def completed(examples: Examples, probe: Probe) -> Examples:
    """The texts with those of which a label above theirs is known, each with its labels' probabilities by the probe.

    Of the labels that may hold, a text counts for each as likely as that is: the E-step of expectation maximisation,
    which makes likely what is known, that one of them holds (Dempster, Laird and Rubin 1977; of labels known in part,
    Jin and Ghahramani 2002).
    """
    higher = examples.higher
    if higher is None or not len(higher.among):
        return examples
    likely = softmax(np.where(higher.among, probe.logits(higher.embeddings), -np.inf))
    return Examples(
        examples.tokens.joined(higher.tokens),
        np.concatenate([examples.embeddings, higher.embeddings]),
        np.concatenate([examples.targets, likely.argmax(1)]),
        examples.n_labels,
        words=examples.words,
        shares=np.concatenate([np.eye(examples.n_labels)[examples.targets], likely]),
    )


def _fitted(examples: Examples, penalty: float, balanced: bool, words: bool) -> Probe:
    codebook_words = examples.words if words else None
    return fit_probe(
        examples.embeddings, examples.lessons, examples.n_labels, penalty, balanced, codebook_words, sets=examples.sets
    )


def start_of(seen: Examples, class_weights: str) -> ProbeChoice:
    """The probe that fine-tuning starts from, which is no choice: so folds differ in nothing but their texts."""
    return START_PENALTY, class_weights == "balanced", words_help(seen)


def with_head(backbone: nn.Module, probe: Probe, frozen: bool = False) -> Encoder:
    """A network of its own, whose head has the probe's weights; where nothing else will change, the base's weights."""
    if isinstance(backbone, Speaker):
        model = build(_copy(backbone.backbone, frozen).base_model, len(probe.bias))
    else:
        model = build(_copy(backbone, frozen), len(probe.bias))
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(probe.weight))
        model.head.bias.copy_(torch.from_numpy(probe.bias))
    return model


def scaled(model: Network, scaling: Scaling) -> Network:
    """The network with its logits scaled: in the head, so that every copy of it has it too."""
    if isinstance(model, Speaker):
        model.scale_by(scaling.scale, scaling.offsets)
        return model
    with torch.no_grad():
        model.head.weight.mul_(scaling.scale)
        model.head.bias.mul_(scaling.scale).add_(torch.tensor(scaling.offsets, device=model.device))
    return model


def tuned(
    backbone: nn.Module, start: Probe, seen: Examples, settings: Settings, epochs: int, keep_weights: bool = False
) -> Tuned:
    """Fine-tune from `start` for a whole schedule. `backbone` itself is left as it is."""
    model, seen = _trainable(backbone, start, settings), completed(seen, start)
    began = time.perf_counter()
    with _seeded(settings.seed, model.device):
        network = computing(model)
        with plain_attention(network.backbone), bar("Tuning", epochs * len(seen)) as advance:
            plan: dict[str, Any] = {"epochs": epochs, "balanced": start.balanced, "ordered": seen.ordered}
            plan["sets"] = seen.sets
            deque(train(network, seen.tokens, seen.lessons, settings, **plan, advance=advance), maxlen=0)
    seconds = time.perf_counter() - began
    bring_back(model, network)
    weights = _trained_weights(model) if keep_weights else None
    return Tuned(_merged(model, settings), epochs * len(seen) / seconds, weights)


def rebuilt(backbone: nn.Module, start: Probe, weights: Mapping[str, torch.Tensor], settings: Settings) -> Network:
    """The network that `tuned` gave, from what training had changed."""
    model = _trainable(backbone, start, settings)
    model.load_state_dict({name: part.to(model.device) for name, part in weights.items()}, strict=False)
    return _merged(model, settings)


def _trainable(backbone: nn.Module, start: Probe, settings: Settings) -> Network:
    """What tuning starts from: the probe as a head, or a decoder that can speak already."""
    frozen = settings.method != "full"
    model: Network
    if isinstance(backbone, Speaker):
        model = Speaker(_copy(backbone.backbone, frozen), backbone.slots, backbone.sets)
        quieten(model)
    else:
        model = with_head(backbone, start, frozen)
    if frozen:
        with _seeded(settings.seed, model.device):
            add_lora(model, settings.rank)
    return model


def _merged(model: Network, settings: Settings) -> Network:
    if settings.method != "full":
        merge_lora(model)
    give_back_memory()
    return model


def _copy(backbone: Any, frozen: bool) -> Any:
    """The network again; frozen weights are shared, because two copies of a large model may not fit into memory."""
    if is_quantized(backbone):
        again = copy.deepcopy(backbone, {id(weights): weights for weights in backbone.parameters()})
        return again if frozen else in_full(again)
    shared = {id(weights): nn.Parameter(weights.data, weights.requires_grad) for weights in backbone.parameters()}
    return copy.deepcopy(backbone, shared if frozen else None)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The same draws each time, whatever was drawn before; the caller's own go on as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _trained_weights(model: Network) -> dict[str, torch.Tensor]:
    """A copy of what training changed."""
    return {name: weights.detach().cpu().clone() for name, weights in model.named_parameters() if weights.requires_grad}
