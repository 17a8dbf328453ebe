"""From coded texts to a model: its making is tried on texts held out, decided on these, and done on all of them.

Whatever is decided (probe or network, penalty, scale, cut-offs) is decided on predictions by models that were made just
as the one handed out is made, on texts that these had not seen; only the number of texts learnt from differs, by one
fold. With many texts the model that was tried is itself the one that is handed out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotune.errors import AnnotuneError
from annotune.measures.baselines import NO_INFORMATION, NO_LABEL, TF_IDF, no_information, tf_idf
from annotune.network.encoder import Network, outputs
from annotune.network.logits import decide
from annotune.network.machine import agreed
from annotune.progress import announce, within
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.calibrate import Scaling, log_shares
from annotune.tuning.choices import Choices, Examples, ProbeChoice, Unseen, choose, planned_epochs, score_error
from annotune.tuning.fit import candidates, probe_of, rebuilt, scaled, start_of, tuned, with_head
from annotune.tuning.probe import Probe
from annotune.tuning.task import Task, basis

UNSURE = 0.05  # a standard error of macro-F1 on the validation texts with which they are no ground for choices
FEW = 1000  # texts, below which choices are made in folds, and the final model learns from all coded texts
FOLDS = 5
INNER_FOLDS = 3  # where a test part is held out besides: a network for each takes its time
PROBE = "probe (frozen base)"
TUNING_TO_READING = 4.0  # times as long as it is read a text is tuned on, in one pass: measured with minilm on a CPU
KEPT = "weights/"  # before the names of what training changed, in a fold's checkpoint


@dataclass(frozen=True)
class Made:
    """A network ready for use, the probe on the same base that it is compared with, and how it was made."""

    model: Network
    probe: Probe
    choices: Choices
    texts_per_second: float | None


@dataclass(frozen=True)
class Decision:
    """What was chosen, for logits at these levels: each label's mean over the texts learnt from, (labels,) each."""

    choices: Choices
    level: np.ndarray
    probe_level: np.ndarray

    def at(self, level: np.ndarray, probe_level: np.ndarray) -> Choices:
        """The choices for a network, and for its probe, whose logits are at other levels."""
        mine = _levelled(self.choices.scaling, self.level, level)
        probe = _levelled(self.choices.probe_scaling, self.probe_level, probe_level)
        return replace(self.choices, offsets=mine.offsets, probe_scaling=probe)


def _levelled(scaling: Scaling, found_at: np.ndarray, level: np.ndarray) -> Scaling:
    """The scaling for logits at another level than those that it was found on."""
    moved = np.array(scaling.offsets) + scaling.scale * (found_at - level)
    return Scaling(scaling.scale, tuple(moved.tolist()))


@dataclass(frozen=True)
class Held:
    """Held-out texts: their places, scaled logits, the model's answers, those of what is to be beaten, and folds."""

    places: np.ndarray
    logits: np.ndarray
    model: np.ndarray
    answers: dict[str, np.ndarray]
    folds: np.ndarray | None = None


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
    texts_per_second: float | None = None
    network: Network | None = None
    weights: Mapping[str, torch.Tensor] | None = None


FoldTeller = Callable[[int, Made, Held, np.ndarray], None]


def part_to_test(task: Task, test: float | Mapping[str, Any]) -> np.ndarray:
    """The places of the texts to hold out: a share of them, or those with these values in these columns."""
    if isinstance(test, Mapping):
        return task.coded.part(test)
    require_share("test", test, lowest=0.0)
    return task.cases.hold_out(task.everything, test)[1] if test else task.everything[:0]


def require_share(name: str, share: float, lowest: float) -> None:
    """Stop where so many texts cannot be held out."""
    if not lowest <= share <= 0.9:
        raise AnnotuneError(f"{name}={share} cannot be held out.", f"Give a share from {lowest:g} to 0.9.")


def hold_out_once(
    task: Task, test: np.ndarray, rest: np.ndarray | None = None, keep: Path | None = None
) -> tuple[Made, Held]:
    """A model from what is no test text, or from `rest` of it, and what it says of the test texts.

    Where choices are made in folds, `keep` is the folder in which each finished fold is kept.
    """
    rest = _without_copies(task, np.setdiff1d(task.everything, test) if rest is None else rest, test)
    known = task.at(rest)
    if _are_enough(known):
        trial = _try(known, *_validation_part(known), keep="network")
        made = _from_trial(known, trial, _chosen(known, [trial]))
    else:
        made = _from_all(known, known.everything, _chosen(known, _inner_trials(known, keep)))
    return made, _look(task, made, rest, test)


def cross_validate(
    task: Task, k: int, checkpoints: Checkpoints | None, tell: FoldTeller | None = None
) -> tuple[Made, Held]:
    """Every text predicted by a model that has not seen it; then one model from all texts.

    What is decided about a fold's model is decided on the other folds, and about that of all texts on all folds.
    """
    trials = []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Fold {number} of {k}"):
            rest = _without_copies(task, rest, out)
            trials.append(_kept_trial(task, rest, out, checkpoints, number, keep="weights" if tell else ""))
    looks = []
    for number, trial in enumerate(trials, start=1):
        decision = _chosen(task, [other for other in trials if other is not trial])
        looks.append(_read(task, trial, decision, number))
        if tell is not None:
            with within(f"Fold {number} of {k}"):
                tell(number, _from_trial(task, trial, decision), looks[-1], trial.rest)
    with within("All coded texts"):
        return _from_all(task, task.everything, _chosen(task, trials)), _joined(looks)


def announce_tuning(task: Task, k: int | None) -> None:
    """Say, before it begins, how many networks are tuned and about how long that takes on this machine."""
    n = len(task.examples)
    if k is not None:
        sizes = [round(n * (k - 1) / k)] * k + [n]
        how = f"{k} networks for {k} folds, and one for all {n:,} coded texts"
    elif _are_enough(task):
        sizes, how = [n], f"a network on {n:,} coded texts"
    else:
        sizes = [round(n * (INNER_FOLDS - 1) / INNER_FOLDS)] * INNER_FOLDS + [n]
        how = f"{INNER_FOLDS} networks to decide on, and one for {n:,} coded texts"
    passes = sum(size * planned_epochs(size, task.settings) for size in sizes)
    if passes:
        announce(f"Tuning {how}: about", passes * task.seconds_per_text * TUNING_TO_READING)


def _are_enough(task: Task) -> bool:
    """Whether a validation part is ground enough for every choice."""
    many = len(task.examples) >= FEW
    return many and score_error(task.examples.targets, task.validation) <= UNSURE


def _validation_part(task: Task) -> tuple[np.ndarray, np.ndarray]:
    train, validate = task.cases.hold_out(task.everything, task.validation)
    if not len(validate):
        what = f"{len(task.examples):,} texts are too few to hold out {task.validation:g} of them for validation."
        raise AnnotuneError(what, "Code more texts, or hold out a larger share.")
    return train, validate


def _inner_trials(task: Task, keep: Path | None) -> list[Trial]:
    k = min(FOLDS if task.settings.method == "probe" else INNER_FOLDS, task.cases.n_groups)
    checkpoints, trials = None if keep is None else Checkpoints(keep, basis(task, k)), []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Part {number} of {k}"):
            trials.append(_kept_trial(task, _without_copies(task, rest, out), out, checkpoints, number, keep=""))
    return trials


def _try(task: Task, rest: np.ndarray, out: np.ndarray, keep: str = "") -> Trial:
    """Make models of every kind from `rest`; `keep` says whether the tuned `network` stays, or its `weights`."""
    seen, unseen = task.examples.take(rest), task.examples.take(out)
    ways, start = candidates(task.examples, task.settings.class_weights), _start(task)
    fill = _Filler(task, seen.targets)
    made = {way: _probe(task, seen, way) for way in ways}
    probes = {way: fill(probe.logits(unseen.embeddings)) for way, probe in made.items()}
    levels = {way: fill(probe.logits(seen.embeddings)).mean(0) for way, probe in made.items()}
    answers = _baselines(task, rest, out)
    epochs = planned_epochs(len(rest), task.settings)
    if not epochs:
        return Trial(rest, out, probes, levels, None, None, answers)
    network = tuned(
        task.backbone, _probe(task, seen, start), seen, task.settings, epochs, keep_weights=keep == "weights"
    )
    logits = fill(outputs(network.model, unseen.tokens, what="Trying it on held-out texts"))
    level = fill(_level_of(network.model, seen)[None])[0]
    kept = network.model if keep == "network" else None
    speed = network.texts_per_second
    return Trial(rest, out, probes, levels, logits, level, answers, speed, kept, network.weights)


def _start(task: Task) -> ProbeChoice:
    return start_of(task.examples, task.settings.class_weights)


def _probe(task: Task, seen: Examples, way: ProbeChoice) -> Probe:
    """A probe with the same penalty for each text, whether it learns from all of them or from the rest of a fold.

    Otherwise more texts would be a weaker penalty, and the model of all texts surer of itself than those of the folds,
    by which its probabilities are scaled.
    """
    penalty, balanced, words = way
    return probe_of(seen, penalty * len(task.examples) / len(seen), balanced, words)


class _Filler:
    """Gives labels that a fold's texts do not have what is known of them: their share, not that they never occur."""

    def __init__(self, task: Task, seen: np.ndarray) -> None:
        targets, n_labels = task.examples.targets, task.examples.n_labels
        self.shares = log_shares(targets, n_labels)
        self.sets = targets.ndim == 2
        self.missing = seen.sum(0) == 0 if self.sets else np.bincount(seen, minlength=n_labels) == 0

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        if not self.missing.any():
            return logits
        beyond = logits - self.shares
        usual = 0.0 if self.sets else beyond[:, ~self.missing].mean(1, keepdims=True)
        return np.asarray(np.where(self.missing, usual, beyond) + self.shares)


def _baselines(task: Task, rest: np.ndarray, out: np.ndarray) -> dict[str, np.ndarray]:
    """What a model has to beat, for the held-out texts."""
    targets, texts = task.examples.targets[rest], np.array(task.coded.texts, dtype=object)
    answers = {
        TF_IDF: tf_idf(texts[rest], targets, texts[out]),
        NO_INFORMATION: no_information(targets, len(out), task.weights[rest]),
    }
    if targets.ndim == 2:
        answers[NO_LABEL] = np.zeros((len(out), targets.shape[1]), dtype=bool)
    return answers


def _chosen(task: Task, trials: Sequence[Trial]) -> Decision:
    """The best way by these trials; of several processes all take what the first one has found.

    Models made from other texts of the same corpus differ by chance in how high all their logits are. Where texts
    say little, that would move a cut-off past many of them. So logits are brought to the trials' mean level, and those
    of the model that is handed out are as well.
    """
    places = np.concatenate([trial.out for trial in trials])
    levels = {way: np.mean([trial.levels[way] for trial in trials], axis=0) for way in trials[0].levels}
    probes = {
        way: np.concatenate([trial.probes[way] - trial.levels[way] + level for trial in trials])
        for way, level in levels.items()
    }
    networks = [(trial.tuned, trial.tuned_level) for trial in trials]
    of_networks = [(logits, level) for logits, level in networks if logits is not None and level is not None]
    mean = np.mean([level for _, level in of_networks], axis=0) if of_networks else None
    unseen = Unseen(
        task.examples.targets[places],
        probes,
        None if mean is None else np.concatenate([logits - level + mean for logits, level in of_networks]),
        task.weights[places],
        task.examples.ordered,
        task.settings.class_weights == "balanced",
    )
    choices = choose(unseen, task.settings.cutoffs, planned_epochs(len(task.everything), task.settings))
    probe_level = levels[choices.probe]
    decision = Decision(choices, probe_level if mean is None or not choices.epochs else mean, probe_level)
    decided: Decision = agreed(decision)
    return decided


def _from_all(task: Task, places: np.ndarray, decision: Decision) -> Made:
    """The model that is handed out, made from the texts at these places as its trials were."""
    seen, way = task.examples.take(places), decision.choices.probe
    probe = _probe(task, seen, way)
    level = probe.logits(seen.embeddings).mean(0)
    if not decision.choices.epochs:
        choices = decision.at(level, level)
        return Made(scaled(with_head(task.backbone, probe), choices.scaling), probe, choices, None)
    epochs = planned_epochs(len(places), task.settings)
    network = tuned(task.backbone, _probe(task, seen, _start(task)), seen, task.settings, epochs)
    choices = decision.at(_level_of(network.model, seen), level)
    return Made(scaled(network.model, choices.scaling), probe, choices, network.texts_per_second)


def _from_trial(task: Task, trial: Trial, decision: Decision) -> Made:
    """The model of a trial as it is handed out."""
    if not decision.choices.epochs or (trial.network is None and trial.weights is None):
        return _from_all(task, trial.rest, decision)
    seen, way = task.examples.take(trial.rest), decision.choices.probe
    network = trial.network
    if network is None:
        assert trial.weights is not None
        network = rebuilt(task.backbone, _probe(task, seen, _start(task)), trial.weights, task.settings)
    assert trial.tuned_level is not None
    choices = decision.at(trial.tuned_level, trial.levels[way])
    return Made(scaled(network, choices.scaling), _probe(task, seen, way), choices, trial.texts_per_second)


def _level_of(network: Network, seen: Examples) -> np.ndarray:
    """The mean logit of every label (labels,) over the texts that a network learnt from."""
    return np.asarray(outputs(network, seen.tokens, what="Reading what it learnt from").mean(0))


def _kept_trial(
    task: Task, rest: np.ndarray, out: np.ndarray, checkpoints: Checkpoints | None, number: int, keep: str
) -> Trial:
    """A trial, or what an earlier run kept of it."""
    kept = None if checkpoints is None else checkpoints.get(f"fold-{number}")
    if kept is not None:
        return _unpacked(kept, rest)
    trial = _try(task, rest, out, keep)
    if checkpoints is not None:
        checkpoints.put(f"fold-{number}", _packed(trial))
    return trial


def _packed(trial: Trial) -> dict[str, np.ndarray]:
    arrays = {"ways": np.array(json.dumps(list(trial.probes))), "places": trial.out, **trial.answers}
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
    answers = {name: answer for name, answer in arrays.items() if not name.startswith(KEPT)}
    rate = None if speed is None else float(speed)
    return Trial(rest, out, probes, levels, network, level, answers, rate, None, weights or None)


def _without_copies(task: Task, rest: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`rest` without texts that are also in `out`: where groups decide, equal texts can be on both sides."""
    texts = task.coded.groups(None)
    return rest[~np.isin(texts[rest], texts[out])]


def _read(task: Task, trial: Trial, decision: Decision, number: int) -> Held:
    """What the model of a trial says of the texts that it has not seen."""
    sets, way = task.examples.targets.ndim == 2, decision.choices.probe
    network = trial.tuned_level is not None and decision.choices.epochs > 0
    choices = decision.at(trial.tuned_level if network else trial.levels[way], trial.levels[way])  # type: ignore[arg-type]
    probe = choices.probe_scaling.of(trial.probes[way])
    logits = choices.scaling.of(trial.tuned) if network and trial.tuned is not None else probe
    answers = {PROBE: decide(probe, sets, choices.probe_cutoffs), **trial.answers}
    folds = np.full(len(trial.out), number)
    return Held(trial.out, logits, decide(logits, sets, choices.cutoffs), answers, folds)


def _look(task: Task, made: Made, rest: np.ndarray, test: np.ndarray) -> Held:
    """The answers of the model and of what it has to beat, for the test texts."""
    sets, n_labels = task.examples.targets.ndim == 2, task.examples.n_labels
    if not len(test):
        nothing = np.zeros((0, n_labels), dtype=np.float32)
        return Held(test, nothing, decide(nothing, sets, made.choices.cutoffs), {})
    unseen = task.examples.take(test)
    logits = outputs(made.model, unseen.tokens, what="Testing")
    probe = made.choices.probe_scaling.of(made.probe.logits(unseen.embeddings))
    answers = {PROBE: decide(probe, sets, made.choices.probe_cutoffs), **_baselines(task, rest, test)}
    return Held(test, logits, decide(logits, sets, made.choices.cutoffs), answers)


def _joined(looks: Sequence[Held]) -> Held:
    """What all folds say, in the order of the texts."""
    order = np.argsort(np.concatenate([held.places for held in looks]))
    answers = {name: np.concatenate([held.answers[name] for held in looks])[order] for name in looks[0].answers}
    places, logits, model = (
        np.concatenate([getattr(held, name) for held in looks])[order] for name in ("places", "logits", "model")
    )
    folds = np.concatenate([held.folds for held in looks if held.folds is not None])[order]
    return Held(places, logits, model, answers, folds)
