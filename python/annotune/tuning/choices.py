"""Where it is decided how a model is made: on what models made in the same way say of texts that they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from annotune.network.batches import Tokens
from annotune.tuning.calibrate import Scaling, cutoffs_for, scaling, surprises
from annotune.tuning.coder_offsets import PARTS, CoderAnswers, CoderOffsets, choose_offsets

if TYPE_CHECKING:
    from annotune.tuning.settings import Settings

ProbeChoice = tuple[float, bool, bool]  # penalty, balanced, words
PASSES = 3  # over the texts, from a probe: six take twice the time and are no better on unseen texts
TEXTS_TO_SEE = 40_000  # about so many, each between 3 and 6 times, where all weights are tuned or nothing is begun with
HARDLY_WORSE = 0.5  # standard errors of a difference in log loss up to which the simpler way is taken


@dataclass(frozen=True)
class Higher:
    """m texts coded with a label above those that are learnt, from which models learn and which are never held out.

    Attributes
    ----------
    tokens, embeddings
        As those of `Examples`, (m,) and (m, width).
    among
        Shape (m, labels): the labels below the one that was given, one of which holds.
    groups, of_others
        Shape (m,) and (n,): numbers of what stays together, of these texts and of the n others.
    """

    tokens: Tokens
    embeddings: np.ndarray
    among: np.ndarray
    groups: np.ndarray
    of_others: np.ndarray

    def beside(self, places: np.ndarray) -> Higher:
        """What may be learnt from beside the texts at these places: nothing that goes with one that is left out."""
        left_out = np.setdiff1d(self.of_others, self.of_others[places])
        usable = np.flatnonzero(~np.isin(self.groups, left_out))
        parts = self.tokens.take(usable), self.embeddings[usable], self.among[usable], self.groups[usable]
        return Higher(*parts, self.of_others[places])


@dataclass(frozen=True)
class Examples:
    """n coded texts as the network sees them.

    Attributes
    ----------
    tokens
        The texts.
    embeddings
        Shape (n, width): what the base makes of them before any tuning.
    targets
        Label numbers (n,) or label sets (n, labels).
    n_labels
        How many labels there are.
    ordered
        Whether the labels are levels of a scale, of three or more.
    words
        Shape (labels, width): what the base makes of the codebook's words for each label.
    shares
        Shape (n, labels): of a text's coders, the share that gave each label, where the gold has them.
    higher
        Further texts, of which a label above these is known.
    by_coder
        What single coders said of the texts, where that is learnt as well.
    """

    tokens: Tokens
    embeddings: np.ndarray
    targets: np.ndarray
    n_labels: int
    ordered: bool = False
    words: np.ndarray | None = None
    shares: np.ndarray | None = None
    higher: Higher | None = None
    by_coder: CoderAnswers | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def sets(self) -> bool:
        """Whether several labels may hold."""
        return self.targets.ndim == 2

    @property
    def lessons(self) -> np.ndarray:
        """What models learn: the coders' shares where there are any, else the targets."""
        return self.targets if self.shares is None else self.shares

    def take(self, places: np.ndarray) -> Examples:
        """The texts at these places."""
        parts = self.tokens.take(places), self.embeddings[places], self.targets[places]
        shares = None if self.shares is None else self.shares[places]
        higher = None if self.higher is None else self.higher.beside(places)
        by_coder = None if self.by_coder is None else self.by_coder.take(places)
        return Examples(*parts, self.n_labels, self.ordered, self.words, shares, higher, by_coder)


@dataclass(frozen=True)
class Unseen:
    """What models made in one way say of n texts that they have not seen.

    Attributes
    ----------
    targets
        Label numbers (n,) or label sets (n, labels).
    probes
        Logits (n, labels) of probes, by how they were made.
    tuned
        Logits (n, labels) of tuned networks; None where none was tuned.
    weights
        Shape (n,): how many texts of the corpus each speaks for.
    ordered
        Whether the labels are levels of a scale.
    balanced
        Whether tuning weighed labels by the inverse of their frequency.
    shares
        Shape (n, labels): of a text's coders, the share that gave each label, where the gold has them: what
        probabilities are about.
    by_coder, parts
        What single coders said of the texts, and shape (n,): which trial each text is of.
    """

    targets: np.ndarray
    probes: Mapping[ProbeChoice, np.ndarray]
    tuned: np.ndarray | None
    weights: np.ndarray
    ordered: bool = False
    balanced: bool = False
    shares: np.ndarray | None = None
    by_coder: CoderAnswers | None = None
    parts: np.ndarray | None = None

    def at(self, places: np.ndarray) -> Unseen:
        """The same of the texts at these places."""
        probes = {choice: logits[places] for choice, logits in self.probes.items()}
        tuned = None if self.tuned is None else self.tuned[places]
        shares = None if self.shares is None else self.shares[places]
        by_coder = None if self.by_coder is None else self.by_coder.take(places)
        parts = None if self.parts is None else self.parts[places]
        about = (self.targets[places], probes, tuned, self.weights[places], self.ordered, self.balanced)
        return Unseen(*about, shares, by_coder, parts)


@dataclass(frozen=True)
class Choices:
    """What was decided on texts that the models had not seen.

    Attributes
    ----------
    penalty, balanced, words
        Of the best probe; `words`: whether it learns from the codebook's words, too.
    epochs
        Passes over the texts of the whole schedule that the network was tuned with; 0 where the probe is handed out.
    losses
        Log loss on those texts, scaled, of the probe and of the tuned network.
    scale, offsets
        What the head's logits are multiplied by, and what is added to each, so that probabilities mean what they say
        (`annotune.tuning.calibrate.scaling`).
    cutoffs
        The numbers by which answers follow from logits (`annotune.network.logits.decide`); None: the likeliest label.
    rule
        How the cut-offs were set: `share`, `f1` or `likeliest`.
    probe_scaling, probe_cutoffs
        The probe's own.
    coders
        What is added to scaled logits for each coder, where that was asked for.
    """

    penalty: float
    balanced: bool
    words: bool
    epochs: int
    losses: dict[str, float]
    scale: float
    offsets: tuple[float, ...]
    cutoffs: tuple[float, ...] | None
    rule: str
    probe_scaling: Scaling = field(default_factory=lambda: Scaling(1.0, ()))
    probe_cutoffs: tuple[float, ...] | None = None
    coders: CoderOffsets | None = None

    @property
    def probe(self) -> ProbeChoice:
        """Of the best probe: penalty, balanced, words."""
        return self.penalty, self.balanced, self.words

    @property
    def scaling(self) -> Scaling:
        """Of the network that is handed out."""
        return Scaling(self.scale, self.offsets)


@dataclass(frozen=True)
class _Scaled:
    """Logits as they are handed out, and how surprising (n,) the truth is to them."""

    scaling: Scaling
    logits: np.ndarray
    surprises: np.ndarray


def choose(unseen: Unseen, rule: str, epochs: int) -> Choices:
    """The best way to make a model, by log loss, with the scaling and the cut-offs that go with it.

    Of ways that differ by less than chance the simpler one is taken: the stronger penalty, and the probe before the
    tuned network, which is slower to make and no better on some texts.

    Parameters
    ----------
    unseen
        Logits of texts that the models had not seen.
    rule
        How cut-offs are set; see `annotune.tuning.calibrate.cutoffs_for`.
    epochs
        Of the schedule by which networks were tuned.
    """
    probes = {choice: _scaled(unseen, logits, choice[1]) for choice, logits in unseen.probes.items()}
    choice = _best_probe(probes, unseen.weights)
    probe = probes[choice]
    losses, best = {"probe": _mean(probe, unseen.weights)}, probe
    if unseen.tuned is not None:
        tuned = _scaled(unseen, unseen.tuned, unseen.balanced)
        losses["tuned"] = _mean(tuned, unseen.weights)
        best = probe if _hardly_more(probe, tuned, unseen.weights) else tuned
    about: tuple[Any, ...] = (unseen.targets, unseen.ordered, unseen.weights, unseen.shares is not None)
    return Choices(
        *choice,
        epochs=0 if best is probe else epochs,
        losses=losses,
        scale=best.scaling.scale,
        offsets=best.scaling.offsets,
        cutoffs=cutoffs_for(rule, best.logits, *about),
        rule=rule,
        probe_scaling=probe.scaling,
        probe_cutoffs=cutoffs_for(rule, probe.logits, *about),
        coders=_by_coder(unseen, best.logits),
    )


def _by_coder(unseen: Unseen, logits: np.ndarray) -> CoderOffsets | None:
    if unseen.by_coder is None or unseen.parts is None:
        return None
    several = len(np.unique(unseen.parts)) > 1
    parts = unseen.parts if several else np.arange(len(logits)) % PARTS
    return choose_offsets(logits, unseen.by_coder, parts, unseen.weights)


def _scaled(unseen: Unseen, logits: np.ndarray, balanced: bool) -> _Scaled:
    learnt = np.zeros(logits.shape[1]) if balanced else None  # labels that counted alike have equal shares
    truth, sets = unseen.targets if unseen.shares is None else unseen.shares, unseen.targets.ndim == 2
    line = scaling(logits, truth, unseen.weights, learnt, sets)
    return _Scaled(line, line.of(logits), surprises(line.of(logits), truth, sets))


def _mean(scaled: _Scaled, weights: np.ndarray) -> float:
    return float(np.average(scaled.surprises, weights=weights))


def _best_probe(probes: Mapping[ProbeChoice, _Scaled], weights: np.ndarray) -> ProbeChoice:
    """The probe with the lowest log loss, or one with a stronger penalty that is hardly worse.

    Where texts are few, penalties differ by less than chance, and the stronger one keeps probabilities modest.
    """
    best = min(probes, key=lambda choice: _mean(probes[choice], weights))
    alike = sorted(choice for choice in probes if choice[1:] == best[1:])
    return next(choice for choice in alike if _hardly_more(probes[choice], probes[best], weights))


def _hardly_more(simple: _Scaled, best: _Scaled, weights: np.ndarray) -> bool:
    """Whether the simpler of two ways loses so little more on these texts that chance explains it."""
    more = (simple.surprises - best.surprises) * weights / weights.mean()
    return bool(more.mean() <= HARDLY_WORSE * more.std() / np.sqrt(len(more)))


def planned_epochs(n_texts: int, settings: Settings) -> int:
    """Passes over the texts: as asked, else three, or more where few texts tune all weights; none for a probe."""
    if settings.method == "probe":
        return 0
    from_a_probe = settings.method != "full" and settings.objective == "head"
    return settings.epochs or (PASSES if from_a_probe else int(np.clip(round(TEXTS_TO_SEE / n_texts), 3, 6)))


def score_error(targets: np.ndarray, share: float = 1.0) -> float:
    """At most about the standard error of macro-F1 on that share of the texts.

    Of a label with m texts, F1 varies about like the share of them that is found, whose standard error is at most
    1 / (2 sqrt(m)); macro-F1 is the mean over labels.
    """
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets)
    texts = counts[counts > 0] * share
    return float(np.sqrt((0.25 / texts).sum()) / len(texts))
