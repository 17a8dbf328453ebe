"""From coded texts to a model: its making is tried on texts held out, decided on these, and done on all of them.

Whatever is decided (probe or network, penalty, scale, cut-offs) is decided on predictions by models that were made just
as the one handed out is made, on texts that these had not seen; only the number of texts learnt from differs, by one
fold. With many texts a network that was tried is itself the one that is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from annotune.errors import AnnotuneError
from annotune.network.encoder import Network, outputs
from annotune.network.logits import decide, from_logits
from annotune.network.machine import agreed
from annotune.progress import announce, within
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.calibrate import Scaling, cutoffs_for
from annotune.tuning.choices import Choices, ProbeChoice, Unseen, choose, planned_epochs, score_error
from annotune.tuning.coder_offsets import CoderOffsets
from annotune.tuning.fit import rebuilt, scaled, tuned, with_head
from annotune.tuning.probe import Probe
from annotune.tuning.task import Material, Task, basis
from annotune.tuning.trials import (
    Trial,
    baselines,
    kept_trial,
    level_of,
    probe_for,
    start_for,
    stated_by_baselines,
    try_probes,
)

UNSURE = 0.05  # a standard error of macro-F1 on the validation texts with which they are no ground for choices
FEW = 1000  # texts, below which choices are made in folds, and the final model learns from all coded texts
FOLDS = 5
INNER_FOLDS = 3  # where a test part is held out besides: a network for each takes its time
PROBE = "probe (frozen base)"
TUNING_TO_READING = 4.0  # times as long as it is read a text is tuned on, in one pass: measured with minilm on a CPU


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
    """Held-out texts: their places, scaled logits, the model's answers, those of what is to be beaten, and folds.

    Where the gold has its coders' shares, also the probabilities `stated` by what is to be beaten; and `coders`: by the
    fold, 0 without folds, what was added for each coder.
    """

    places: np.ndarray
    logits: np.ndarray
    model: np.ndarray
    answers: dict[str, np.ndarray]
    folds: np.ndarray | None = None
    stated: Mapping[str, np.ndarray] = field(default_factory=dict)
    coders: Mapping[int, CoderOffsets | None] = field(default_factory=dict)


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
    rest = without_copies(task, np.setdiff1d(task.everything, test) if rest is None else rest, test)
    known = task.at(rest)
    if _are_enough(known):
        made = _tried_once(known)
    else:
        made = _from_all(known, known.everything, chosen(known, _inner_trials(known, keep)))
    return made, _look(task, made, rest, test)


def _tried_once(task: Task) -> Made:
    """The network of one trial; or, where that is not clearly better, a probe of all texts, decided on in folds.

    A network takes too long to be made again. Probes take seconds, and so all texts are learnt from.
    """
    trial = kept_trial(task, *_validation_part(task), None, 1, keep="network")
    decision = chosen(task, [trial])
    if decision.choices.epochs:
        return from_trial(task, trial, decision)
    folds = task.cases.folds(min(FOLDS, task.cases.n_groups))
    made = _from_all(
        task,
        task.everything,
        chosen(task, [try_probes(task, without_copies(task, rest, out), out) for rest, out in folds]),
    )
    return replace(made, choices=replace(made.choices, losses=decision.choices.losses))


def cross_validate(
    task: Task, k: int, checkpoints: Checkpoints | None, tell: FoldTeller | None = None
) -> tuple[Made, Held]:
    """Every text predicted by a model that has not seen it; then one model from all texts.

    What is decided about a fold's model is decided on the other folds, and about that of all texts on all folds.
    """
    trials = []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Fold {number} of {k}"):
            rest = without_copies(task, rest, out)
            trials.append(kept_trial(task, rest, out, checkpoints, number, keep="weights" if tell else ""))
    looks = []
    for number, trial in enumerate(trials, start=1):
        decision = chosen(task, [other for other in trials if other is not trial])
        looks.append(read_trial(task, trial, decision, number))
        if tell is not None:
            with within(f"Fold {number} of {k}"):
                tell(number, from_trial(task, trial, decision), looks[-1], trial.rest)
    with within("All coded texts"):
        return _from_all(task, task.everything, chosen(task, trials)), _joined(looks)


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
    """Whether a network is tried but once, because a validation part is ground enough for every choice."""
    many = len(task.examples) >= FEW and task.settings.method != "probe"
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
            trials.append(kept_trial(task, without_copies(task, rest, out), out, checkpoints, number, keep=""))
    return trials


def chosen(task: Material, trials: Sequence[Trial]) -> Decision:
    """The best way by these trials; of several processes all take what the first one has found."""
    unseen, levels, level = _unseen(task, trials)
    choices = choose(unseen, task.settings.cutoffs, planned_epochs(len(task.everything), task.settings))
    probe_level = levels[choices.probe]
    decision = Decision(choices, probe_level if level is None or not choices.epochs else level, probe_level)
    decided: Decision = agreed(decision)
    return decided


def cutoffs_by(task: Material, trials: Sequence[Trial], choices: Choices, rule: str) -> tuple[float, ...] | None:
    """The cut-offs by another rule, where all else is as it was chosen on these trials."""
    unseen = _unseen(task, trials)[0]
    logits = unseen.tuned if choices.epochs and unseen.tuned is not None else unseen.probes[choices.probe]
    about = (unseen.targets, unseen.ordered, unseen.weights, unseen.shares is not None)
    return cutoffs_for(rule, choices.scaling.of(logits), *about)


def _unseen(task: Material, trials: Sequence[Trial]) -> tuple[Unseen, dict[ProbeChoice, np.ndarray], np.ndarray | None]:
    """What trials say of texts that they have not seen, with the mean levels of the probes and of the networks.

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
        None if task.examples.shares is None else task.examples.shares[places],
        None if task.examples.by_coder is None else task.examples.by_coder.take(places),
        np.repeat(np.arange(len(trials)), [len(trial.out) for trial in trials]),
    )
    return unseen, levels, mean


def _from_all(task: Task, places: np.ndarray, decision: Decision) -> Made:
    """The model that is handed out, made from the texts at these places as its trials were."""
    seen, way = task.examples.take(places), decision.choices.probe
    probe = probe_for(task, seen, way)
    level = probe.logits(seen.embeddings).mean(0)
    if not decision.choices.epochs:
        choices = decision.at(level, level)
        return Made(scaled(with_head(task.backbone, probe), choices.scaling), probe, choices, None)
    epochs = planned_epochs(len(places), task.settings)
    network = tuned(task.backbone, probe_for(task, seen, start_for(task)), seen, task.settings, epochs)
    choices = decision.at(level_of(network.model, seen), level)
    return Made(scaled(network.model, choices.scaling), probe, choices, network.texts_per_second)


def from_trial(task: Task, trial: Trial, decision: Decision) -> Made:
    """The model of a trial as it is handed out."""
    if not decision.choices.epochs or (trial.network is None and trial.weights is None):
        return _from_all(task, trial.rest, decision)
    seen, way = task.examples.take(trial.rest), decision.choices.probe
    network = trial.network
    if network is None:
        assert trial.weights is not None
        network = rebuilt(task.backbone, probe_for(task, seen, start_for(task)), trial.weights, task.settings)
    assert trial.tuned_level is not None
    choices = decision.at(trial.tuned_level, trial.levels[way])
    return Made(scaled(network, choices.scaling), probe_for(task, seen, way), choices, trial.texts_per_second)


def without_copies(task: Material, rest: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`rest` without texts that are also in `out`: where groups decide, equal texts can be on both sides."""
    texts = task.coded.groups(None)
    return rest[~np.isin(texts[rest], texts[out])]


def read_trial(task: Material, trial: Trial, decision: Decision, number: int) -> Held:
    """What the model of a trial says of the texts that it has not seen."""
    sets, way = task.examples.targets.ndim == 2, decision.choices.probe
    network = trial.tuned_level is not None and decision.choices.epochs > 0
    choices = decision.at(trial.tuned_level if network else trial.levels[way], trial.levels[way])  # type: ignore[arg-type]
    probe = choices.probe_scaling.of(trial.probes[way])
    logits = choices.scaling.of(trial.tuned) if network and trial.tuned is not None else probe
    answers = {PROBE: decide(probe, sets, choices.probe_cutoffs), **trial.answers}
    folds = np.full(len(trial.out), number)
    stated = _stated(task, probe, trial.stated)
    answer = decide(logits, sets, choices.cutoffs)
    return Held(trial.out, logits, answer, answers, folds, stated, {number: choices.coders})


def _stated(task: Material, probe: np.ndarray, by_baselines: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The probabilities by what is to be beaten, where the gold has its coders' shares."""
    if task.examples.shares is None:
        return {}
    return {PROBE: from_logits(probe, task.examples.sets), **by_baselines}


def _look(task: Task, made: Made, rest: np.ndarray, test: np.ndarray) -> Held:
    """The answers of the model and of what it has to beat, for the test texts."""
    sets, n_labels = task.examples.targets.ndim == 2, task.examples.n_labels
    if not len(test):
        nothing = np.zeros((0, n_labels), dtype=np.float32)
        return Held(test, nothing, decide(nothing, sets, made.choices.cutoffs), {})
    unseen = task.examples.take(test)
    logits = outputs(made.model, unseen.tokens, what="Testing")
    probe = made.choices.probe_scaling.of(made.probe.logits(unseen.embeddings))
    answers = {PROBE: decide(probe, sets, made.choices.probe_cutoffs), **baselines(task, rest, test)}
    stated = _stated(task, probe, stated_by_baselines(task, rest, test))
    answer, coders = decide(logits, sets, made.choices.cutoffs), {0: made.choices.coders}
    return Held(test, logits, answer, answers, stated=stated, coders=coders)


def _joined(looks: Sequence[Held]) -> Held:
    """What all folds say, in the order of the texts."""
    order = np.argsort(np.concatenate([held.places for held in looks]))
    answers = {name: np.concatenate([held.answers[name] for held in looks])[order] for name in looks[0].answers}
    places, logits, model = (
        np.concatenate([getattr(held, name) for held in looks])[order] for name in ("places", "logits", "model")
    )
    folds = np.concatenate([held.folds for held in looks if held.folds is not None])[order]
    stated = {name: np.concatenate([held.stated[name] for held in looks])[order] for name in looks[0].stated}
    coders = {number: offsets for held in looks for number, offsets in held.coders.items()}
    return Held(places, logits, model, answers, folds, stated, coders)
