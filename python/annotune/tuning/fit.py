"""From tokens and targets to a fitted network: probe, fine-tuning from it, and the better of the two."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from annotune.measures import macro_f1
from annotune.progress import bar
from annotune.runtime import choose_device
from annotune.tuning.base import Base, load_backbone
from annotune.tuning.batches import Tokens
from annotune.tuning.encoder import Encoder, add_lora, build, decide, merge_lora, outputs
from annotune.tuning.loop import train
from annotune.tuning.probe import PENALTIES, Probe, fit_probe
from annotune.tuning.settings import Settings

START_PENALTY = 10.0  # a probe that fits its texts perfectly leaves fine-tuning nothing to learn from
TEXTS_TO_SEE = 40_000  # by default fine-tuning sees about so many texts, each between 3 and 8 times


@dataclass(frozen=True)
class Examples:
    """n coded texts: their tokens, and label numbers (n,) or label sets (n, labels)."""

    tokens: Tokens
    targets: np.ndarray
    n_labels: int

    def take(self, places: np.ndarray) -> Examples:
        """The texts at these places."""
        return Examples(self.tokens.take(places), self.targets[places], self.n_labels)


@dataclass(frozen=True)
class Choices:
    """What was decided on the validation part.

    Attributes
    ----------
    penalty, balanced
        Of the best probe.
    epochs
        After how many epochs the network was best; 0 when nothing beat the probe.
    planned
        The epochs that the learning-rate schedule was laid out for.
    scores
        Macro-F1 on the validation part: of the probe and after every epoch.
    """

    penalty: float
    balanced: bool
    epochs: int
    planned: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Fitted:
    """A network ready for use, and the probe on the same base that it is compared with."""

    model: Encoder
    probe: Probe
    choices: Choices
    seconds: float
    texts_per_second: float


def fit(examples: Examples, train_on: np.ndarray, validate_on: np.ndarray, base: Base, settings: Settings) -> Fitted:
    """Fit on one part, choose on the other; `train_on` and `validate_on` are places that do not overlap.

    The network returned has the state, among the probe and all epochs, with the best macro-F1 on
    the validation part: it is never worse there than the probe.
    """
    device = choose_device(settings.device)
    model = build(load_backbone(base), examples.n_labels).to(device)
    embeddings = outputs(model, examples.tokens, device, what="Reading the texts", embeddings=True, fast=True)
    seen, held = examples.take(train_on), examples.take(validate_on)
    probe, score = _best_probe(embeddings[train_on], seen, embeddings[validate_on], held, settings)
    if settings.method == "probe":
        return _probe_only(probe, Choices(probe.penalty, probe.balanced, 0, 0, {"probe": score}), base, device)
    start = min(probe.penalty, START_PENALTY)
    set_head(model, fit_probe(embeddings[train_on], seen.targets, seen.n_labels, start, probe.balanced))
    planned = planned_epochs(len(train_on), settings)
    model, choices, seconds = _tune(
        model, seen, held, Choices(probe.penalty, probe.balanced, 0, planned, {"probe": score}), settings, device
    )
    if choices.epochs == 0:
        return _probe_only(probe, choices, base, device)
    return Fitted(model, probe, choices, seconds, (len(choices.scores) - 1) * len(train_on) / seconds)


def refit(examples: Examples, choices: Choices, base: Base, settings: Settings) -> Fitted:
    """Fit on all texts given, with the choices that were made on a validation part before."""
    device = choose_device(settings.device)
    model = build(load_backbone(base), examples.n_labels).to(device)
    embeddings = outputs(model, examples.tokens, device, what="Reading the texts", embeddings=True, fast=True)
    probe = fit_probe(embeddings, examples.targets, examples.n_labels, choices.penalty, choices.balanced)
    if choices.epochs == 0:
        return _probe_only(probe, choices, base, device)
    start = min(choices.penalty, START_PENALTY)
    set_head(model, fit_probe(embeddings, examples.targets, examples.n_labels, start, choices.balanced))
    model, choices, seconds = _tune(model, examples, None, choices, settings, device)
    return Fitted(model, probe, choices, seconds, choices.planned * len(examples.tokens) / seconds)


def planned_epochs(n_texts: int, settings: Settings) -> int:
    """Passes over the texts: as asked, else fewer where there are more texts."""
    return settings.epochs or int(np.clip(round(TEXTS_TO_SEE / max(n_texts, 1)), 3, 8))


def score_of(logits: np.ndarray, targets: np.ndarray) -> float:
    """What every choice goes by: macro-F1, which a frequent label cannot flatter."""
    return macro_f1(targets, decide(logits, sets=targets.ndim == 2), logits.shape[1])


def _best_probe(
    embeddings: np.ndarray, seen: Examples, held_embeddings: np.ndarray, held: Examples, settings: Settings
) -> tuple[Probe, float]:
    weightings = {"auto": (False, True), "balanced": (True,), "none": (False,)}[settings.class_weights]
    probes = [
        fit_probe(embeddings, seen.targets, seen.n_labels, penalty, balanced)
        for balanced in weightings
        for penalty in PENALTIES
    ]
    scores = [score_of(probe.logits(held_embeddings), held.targets) for probe in probes]
    best = int(np.argmax(scores))
    return probes[best], scores[best]


def _tune(
    model: Encoder, seen: Examples, held: Examples | None, choices: Choices, settings: Settings, device: torch.device
) -> tuple[Encoder, Choices, float]:
    """Train; with a held-out part keep the best epoch, without one run the whole schedule."""
    if settings.method == "lora":
        add_lora(model, settings.rank)
    scores, best, kept, seconds = dict(choices.scores), 0, None, 0.0
    with bar("Tuning", choices.planned * len(seen.tokens)) as advance:
        started = time.perf_counter()
        for epoch, _ in enumerate(
            train(
                model,
                seen.tokens,
                seen.targets,
                settings,
                epochs=choices.planned,
                balanced=choices.balanced,
                device=device,
                advance=advance,
            ),
            start=1,
        ):
            seconds += time.perf_counter() - started
            if held is not None:
                scores[f"epoch {epoch}"] = score_of(outputs(model, held.tokens, device, fast=True), held.targets)
                if scores[f"epoch {epoch}"] >= max(scores.values()):
                    best, kept = epoch, _trained_weights(model)
                if epoch - best >= (settings.patience or max(2, choices.planned // 2)):
                    break
            started = time.perf_counter()
    if kept is not None:
        model.load_state_dict(kept, strict=False)
    if settings.method == "lora":
        merge_lora(model)
    return model, choices if held is None else replace(choices, epochs=best, scores=scores), seconds


def _trained_weights(model: Encoder) -> dict[str, torch.Tensor]:
    """A copy of what training changes."""
    trained = {name for name, weights in model.named_parameters() if weights.requires_grad}
    return {name: weights.detach().clone() for name, weights in model.state_dict().items() if name in trained}


def _probe_only(probe: Probe, choices: Choices, base: Base, device: torch.device) -> Fitted:
    """The untouched base under the probe's head."""
    model = build(load_backbone(base), len(probe.bias)).to(device)
    set_head(model, probe)
    return Fitted(model, probe, choices, 0.0, 0.0)


def set_head(model: Encoder, probe: Probe) -> None:
    """Give the network's head the probe's weights."""
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(probe.weight))
        model.head.bias.copy_(torch.from_numpy(probe.bias))


def probe_logits(probe: Probe, tokens: Tokens, base: Base, device: torch.device) -> np.ndarray:
    """The probe's logits (n, labels) for texts that were not among those it was fitted to."""
    model = build(load_backbone(base), len(probe.bias)).to(device)
    return probe.logits(outputs(model, tokens, device, embeddings=True, fast=True))
