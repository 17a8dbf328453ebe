"""From tokens and targets to a fitted network: probe, fine-tuning from it, and which of the two is handed out."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from annotune.network.encoder import Encoder, Network, build, outputs, quieten
from annotune.network.machine import agreed, give_back_memory
from annotune.network.shares import bring_back, computing
from annotune.network.speaker import Speaker
from annotune.progress import bar
from annotune.tuning.choices import (
    CLEAR,
    Choices,
    Examples,
    ProbeChoice,
    calibrate,
    cutoffs_of,
    doubt,
    planned_epochs,
    score_error,
    score_of,
)
from annotune.tuning.loop import train
from annotune.tuning.lora import add_lora, in_full, is_quantized, merge_lora, plain_attention
from annotune.tuning.probe import PENALTIES, Probe, fit_probe, words_tell
from annotune.tuning.settings import Settings

START_PENALTY = 10.0  # a probe that fits its texts perfectly leaves fine-tuning nothing to learn from
INNER_FOLDS = 5
HELD_OUT = "Trying it on held-out texts"  # the name of the bar
MANY = 32  # texts a label, on the average, after which the codebook's words add nothing


@dataclass(frozen=True)
class Fitted:
    """A network ready for use, the probe on the same base that it is compared with, and how fast it was trained."""

    model: Network
    probe: Probe
    choices: Choices
    texts_per_second: float | None


def fit(backbone: nn.Module, seen: Examples, held: Examples, settings: Settings) -> Fitted:
    """Fit on `seen`, choose on `held`, which have no text in common.

    The network returned has the state of the epoch with the best score on `held`, or is the probe where that is better
    than all of them by more than `doubt`. `backbone` itself is left as it is.
    """
    penalty, balanced, words = best = _best_probe(seen, held, settings.class_weights)
    probe = _probe(seen, *best)
    planned = planned_epochs(len(seen), settings)
    logits = probe.logits(held.embeddings)
    cut = cutoffs_of(logits, held.targets, held.ordered)
    choices = Choices(penalty, balanced, 0, planned, {"probe": held.score(logits)}, probe_cutoffs=cut, words=words)
    if planned:
        start = probe if penalty <= START_PENALTY else _probe(seen, START_PENALTY, balanced, words)
        model, choices, speed = _tune(backbone, start, seen, held, choices, settings)
        if choices.epochs:
            return _calibrated(Fitted(model, probe, choices, speed), outputs(model, held.tokens, what=HELD_OUT), held)
    return _calibrated(Fitted(_with_head(backbone, probe), probe, choices, None), logits, held)


def _calibrated(fitted: Fitted, logits: np.ndarray, held: Examples) -> Fitted:
    choices = calibrate(fitted.choices, logits, held.targets, held.ordered)
    return replace(fitted, model=_at_temperature(fitted.model, choices), choices=choices)


def _at_temperature(model: Network, choices: Choices) -> Network:
    """The network with its logits divided by the temperature: in the head, so that every copy of it has it too."""
    if isinstance(model, Speaker):
        model.temperature = choices.temperature
        return model
    with torch.no_grad():
        model.head.weight.div_(choices.temperature)
        model.head.bias.div_(choices.temperature)
    return model


def refit(backbone: nn.Module, examples: Examples, choices: Choices, settings: Settings) -> Fitted:
    """Fit on all texts given, with the choices that were made on a validation part before."""
    probe = _probe(examples, *choices.probe)
    if not choices.epochs:
        return Fitted(_at_temperature(_with_head(backbone, probe), choices), probe, choices, None)
    least = min(choices.penalty, START_PENALTY)
    start = probe if choices.penalty == least else _probe(examples, least, choices.balanced, choices.words)
    model, choices, speed = _tune(backbone, start, examples, None, choices, settings)
    return Fitted(_at_temperature(model, choices), probe, choices, speed)


def _probe(examples: Examples, penalty: float, balanced: bool, words: bool) -> Probe:
    known = examples.words if words else None
    return fit_probe(examples.embeddings, examples.targets, examples.n_labels, penalty, balanced, known)


def _best_probe(seen: Examples, held: Examples, class_weights: str) -> ProbeChoice:
    """What the best probe is like: on `held`, or by cross-validation in `seen` where `held` says little."""
    if score_error(held.targets) > CLEAR:
        fold = np.random.default_rng(0).permutation(len(seen)) % INNER_FOLDS
        parts = [
            (seen.take(np.flatnonzero(fold != i)), seen.take(np.flatnonzero(fold == i))) for i in range(INNER_FOLDS)
        ]
    else:
        parts = [(seen, held)]
    targets = np.concatenate([out.targets for _, out in parts])
    scores = {}
    for choice in _candidates(seen, class_weights):
        logits = [_probe(rest, *choice).logits(out.embeddings) for rest, out in parts]
        scores[choice] = score_of(np.concatenate(logits), targets, seen.ordered)
    return max(scores, key=lambda choice: scores[choice])


def _candidates(seen: Examples, class_weights: str) -> list[ProbeChoice]:
    """Penalties, weightings and words to choose from.

    Weighing is no choice where all labels are about as frequent, nor are the codebook's words where texts are many, or
    where they say nothing about those that there are.
    """
    uneven = seen.targets.ndim == 2 or _unevenness(seen.targets) > 1.5
    weightings = {"balanced": [True], "none": [False], "auto": [False, True] if uneven else [False]}[class_weights]
    called, few = seen.words, len(seen) < MANY * seen.n_labels
    tell = few and called is not None and words_tell(called, seen.embeddings, seen.targets)
    told = [True, False] if tell else [False]
    return [(penalty, balanced, words) for words in told for balanced in weightings for penalty in PENALTIES]


def _unevenness(targets: np.ndarray) -> float:
    """How many times as frequent as the rarest label that occurs the most frequent one is."""
    counts = np.unique(targets, return_counts=True)[1]
    return float(counts.max() / counts.min())


def _with_head(backbone: nn.Module, probe: Probe, frozen: bool = False) -> Encoder:
    """A network of its own, whose head has the probe's weights; where nothing else will change, the base's weights."""
    if isinstance(backbone, Speaker):
        model = build(_copy(backbone.backbone, frozen).base_model, len(probe.bias))
    else:
        model = build(_copy(backbone, frozen), len(probe.bias))
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(probe.weight))
        model.head.bias.copy_(torch.from_numpy(probe.bias))
    return model


def _start(backbone: nn.Module, probe: Probe, frozen: bool) -> Network:
    """What tuning starts from: the probe as a head, or a decoder that can speak already."""
    if not isinstance(backbone, Speaker):
        return _with_head(backbone, probe, frozen)
    model = Speaker(_copy(backbone.backbone, frozen), backbone.slots, backbone.sets)
    quieten(model)
    return model


def _copy(backbone: Any, frozen: bool) -> Any:
    """The network again; frozen weights are shared, because two copies of a large model may not fit into memory."""
    if is_quantized(backbone):
        again = copy.deepcopy(backbone, {id(weights): weights for weights in backbone.parameters()})
        return again if frozen else in_full(again)
    shared = {id(weights): nn.Parameter(weights.data, weights.requires_grad) for weights in backbone.parameters()}
    return copy.deepcopy(backbone, shared if frozen else None)


def _tune(
    backbone: nn.Module, start: Probe, seen: Examples, held: Examples | None, choices: Choices, settings: Settings
) -> tuple[Network, Choices, float]:
    """Fine-tune from `start`; with a held-out part keep the best epoch, without one run the whole schedule."""
    model = _start(backbone, start, frozen=settings.method == "lora")
    clock, done = _Clock(), choices.planned
    plan: dict[str, Any] = {"epochs": choices.planned, "balanced": choices.balanced, "ordered": seen.ordered}
    with _seeded(settings.seed, model.device):
        if settings.method == "lora":
            add_lora(model, settings.rank)
        tuned = computing(model)
        with plain_attention(tuned.backbone), bar("Tuning", choices.planned * len(seen)) as advance:
            epochs = clock.timed(train(tuned, seen.tokens, seen.targets, settings, **plan, advance=advance))
            if held is None:
                deque(epochs, maxlen=0)
            else:
                choices = _keep_best(tuned, epochs, held, choices, settings)
                done = len(choices.scores) - 1
    bring_back(model, tuned)
    if settings.method == "lora":
        merge_lora(model)
    give_back_memory()
    return model, choices, done * len(seen) / clock.seconds


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The same draws each time, whatever was drawn before; the caller's own go on as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _keep_best(
    model: Network, epochs: Iterator[float], held: Examples, choices: Choices, settings: Settings
) -> Choices:
    """Train until nothing is gained any more, and leave the model as it was after its best epoch."""
    scores, best, kept = dict(choices.scores), 0, _trained_weights(model)
    to_beat = scores["probe"] - doubt(held.targets)
    patience = settings.patience or choices.planned  # most is gained at the end, when the learning rates fall to zero
    for epoch, _ in enumerate(epochs, start=1):
        score = agreed(held.score(outputs(model, held.tokens, what=HELD_OUT, fast=True)))
        if score >= to_beat:
            best, kept, to_beat = epoch, _trained_weights(model), score
        scores[f"epoch {epoch}"] = score
        if epoch - best >= patience:
            break
    model.load_state_dict(kept, strict=False)
    return replace(choices, epochs=best, scores=scores)


def _trained_weights(model: Network) -> dict[str, torch.Tensor]:
    """A copy of what training changes."""
    return {name: weights.detach().clone() for name, weights in model.named_parameters() if weights.requires_grad}


class _Clock:
    """The seconds that an iterator itself takes, without what is done between its steps."""

    seconds = 0.0

    def timed(self, steps: Iterator[float]) -> Iterator[float]:
        while True:
            started = time.perf_counter()
            step = next(steps, None)
            self.seconds += time.perf_counter() - started
            if step is None:
                return
            yield step
