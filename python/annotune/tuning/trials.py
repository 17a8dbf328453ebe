"""Trials: models of every kind made from a part of the coded texts, and what they say of the rest; kept on request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from annotune.measures.baselines import NO_INFORMATION, NO_LABEL, TF_IDF, no_information, tf_idf, tf_idf_shares
from annotune.measures.share_scores import OVERALL
from annotune.measures.shares import label_shares
from annotune.network.encoder import Network, outputs
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.calibrate import log_shares
from annotune.tuning.choices import Examples, ProbeChoice, planned_epochs
from annotune.tuning.fit import candidates, probe_of, start_of, tuned
from annotune.tuning.probe import Probe
from annotune.tuning.task import Material, Task

KEPT = "weights/"  # before the names of what training changed, in a fold's checkpoint
STATED = "stated/"  # and before those of the baselines whose probabilities it has


@dataclass(frozen=True)
class Trial:
    """Models of every kind made from the texts at `rest`, and what they say of those at `out`.

    Attributes
    ----------
    probes, tuned
        Logits (out, labels); no network is tuned where the probe is asked for.
    levels, tuned_level
        Of each, the mean logit of every label (labels,) over the texts that it learnt from.
    answers
        Of the baselines.
    stated
        Probabilities by those that state any (out, labels), where the gold has its coders' shares.
    network, weights
        The tuned network, or what training changed of it, where these are kept.
    """

    rest: np.ndarray
    out: np.ndarray
    probes: Mapping[ProbeChoice, np.ndarray]
    levels: Mapping[ProbeChoice, np.ndarray]
    tuned: np.ndarray | None
    tuned_level: np.ndarray | None
    answers: dict[str, np.ndarray]
    stated: dict[str, np.ndarray]
    texts_per_second: float | None = None
    network: Network | None = None
    weights: Mapping[str, torch.Tensor] | None = None


def try_out(task: Task, rest: np.ndarray, out: np.ndarray, keep: str = "") -> Trial:
    """Make models of every kind from `rest`; `keep` says whether the tuned `network` stays, or its `weights`."""
    answers, stated = baselines(task, rest, out), stated_by_baselines(task, rest, out)
    probed = replace(try_probes(task, rest, out), answers=answers, stated=stated)
    epochs = planned_epochs(len(rest), task.settings)
    if not epochs:
        return probed
    seen, unseen = task.examples.take(rest), task.examples.take(out)
    fill, start = _Filler(task, seen), probe_for(task, seen, start_for(task))
    network = tuned(task.backbone, start, seen, task.settings, epochs, keep_weights=keep == "weights")
    logits = fill(outputs(network.model, unseen.tokens, what="Trying it on held-out texts"))
    level = fill(level_of(network.model, seen)[None])[0]
    body = network.model if keep == "network" else None
    speed = network.texts_per_second
    more: dict[str, Any] = {"network": body, "weights": network.weights, "texts_per_second": speed}
    return replace(probed, tuned=logits, tuned_level=level, **more)


def try_probes(task: Material, rest: np.ndarray, out: np.ndarray) -> Trial:
    """Make probes of every kind from `rest`, which takes no network."""
    seen, unseen = task.examples.take(rest), task.examples.take(out)
    fill = _Filler(task, seen)
    made = {way: probe_for(task, seen, way) for way in candidates(task.examples, task.settings.class_weights)}
    probes = {way: fill(probe.logits(unseen.embeddings)) for way, probe in made.items()}
    levels = {way: fill(probe.logits(seen.embeddings)).mean(0) for way, probe in made.items()}
    return Trial(rest, out, probes, levels, None, None, {}, {})


def start_for(task: Task) -> ProbeChoice:
    """The probe that fine-tuning begins with."""
    return start_of(task.examples, task.settings.class_weights)


def probe_for(task: Material, seen: Examples, way: ProbeChoice) -> Probe:
    """A probe with the same penalty for each text, whether it learns from all of them or from the rest of a fold.

    Otherwise more texts would be a weaker penalty, and the model of all texts surer of itself than those of the folds,
    by which its probabilities are scaled.
    """
    penalty, balanced, words = way
    return probe_of(seen, penalty * len(task.examples) / len(seen), balanced, words)


class _Filler:
    """Gives labels that a fold's texts do not have what is known of them: their share, not that they never occur."""

    def __init__(self, task: Material, seen: Examples) -> None:
        self.sets = seen.sets
        self.shares = log_shares(task.examples.lessons, seen.n_labels, sets=self.sets)
        self.missing = label_shares(seen.lessons, seen.n_labels) == 0

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        if not self.missing.any():
            return logits
        beyond = logits - self.shares
        usual = 0.0 if self.sets else beyond[:, ~self.missing].mean(1, keepdims=True)
        return np.asarray(np.where(self.missing, usual, beyond) + self.shares)


def baselines(task: Task, rest: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    """What a model has to beat, for the held-out texts."""
    targets, texts = task.examples.targets[rest], np.array(task.coded.texts, dtype=object)
    answers = {
        TF_IDF: tf_idf(texts[rest], targets, texts[out]),
        NO_INFORMATION: no_information(targets, len(out), task.weights[rest]),
    }
    if targets.ndim == 2:
        answers[NO_LABEL] = np.zeros((len(out), targets.shape[1]), dtype=bool)
    return answers


def stated_by_baselines(task: Task, rest: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    """The probabilities that a model has to beat where the gold has its coders' shares: by words, and all alike."""
    if task.examples.shares is None:
        return {}
    shares, texts = task.examples.shares[rest], np.array(task.coded.texts, dtype=object)
    return {
        TF_IDF: tf_idf_shares(texts[rest], shares, texts[out], task.examples.sets),
        OVERALL: np.tile(np.average(shares, axis=0, weights=task.weights[rest]), (len(out), 1)),
    }


def level_of(network: Network, seen: Examples) -> np.ndarray:
    """The mean logit of every label (labels,) over the texts that a network learnt from."""
    return np.asarray(outputs(network, seen.tokens, what="Reading what it learnt from").mean(0))


def kept_trial(
    task: Task, rest: np.ndarray, out: np.ndarray, checkpoints: Checkpoints | None, number: int, keep: str
) -> Trial:
    """A trial, or what an earlier run kept of it."""
    kept = None if checkpoints is None else checkpoints.get(f"fold-{number}")
    if kept is not None:
        return _unpacked(kept, rest)
    trial = try_out(task, rest, out, keep)
    if checkpoints is not None:
        checkpoints.put(f"fold-{number}", _packed(trial))
    return trial


def _packed(trial: Trial) -> dict[str, np.ndarray]:
    arrays = {"ways": np.array(json.dumps(list(trial.probes))), "places": trial.out, **trial.answers}
    arrays |= {f"{STATED}{name}": stated for name, stated in trial.stated.items()}
    arrays |= {"probes": np.stack(list(trial.probes.values())), "levels": np.stack(list(trial.levels.values()))}
    if trial.tuned is not None and trial.tuned_level is not None:
        speed = np.array(trial.texts_per_second)
        arrays |= {"tuned": trial.tuned, "tuned_level": trial.tuned_level, "speed": speed}
    weights = trial.weights or {}
    return arrays | {f"{KEPT}{name}": part.float().numpy() for name, part in weights.items()}


def _unpacked(arrays: dict[str, np.ndarray], rest: np.ndarray) -> Trial:
    ways = [(penalty, balanced, words) for penalty, balanced, words in json.loads(str(arrays.pop("ways")))]
    probes, levels = (dict(zip(ways, arrays.pop(name), strict=True)) for name in ("probes", "levels"))
    weights = {name[len(KEPT) :]: torch.from_numpy(part) for name, part in arrays.items() if name.startswith(KEPT)}
    out, speed = arrays.pop("places"), arrays.pop("speed", None)
    network, level = arrays.pop("tuned", None), arrays.pop("tuned_level", None)
    stated = {name[len(STATED) :]: part for name, part in arrays.items() if name.startswith(STATED)}
    answers = {name: answer for name, answer in arrays.items() if not name.startswith((KEPT, STATED))}
    rate = None if speed is None else float(speed)
    return Trial(rest, out, probes, levels, network, level, answers, stated, rate, None, weights or None)
