"""Predictions for texts that a model has not seen: of a test part, or of every text in folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from annotune.errors import AnnotuneError
from annotune.measures.baselines import NO_INFORMATION, TF_IDF, no_information, tf_idf
from annotune.network.encoder import outputs
from annotune.network.logits import decide
from annotune.progress import within
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.choices import Choices, calibrate, score_error, settle
from annotune.tuning.fit import Fitted, fit, refit
from annotune.tuning.task import Task

UNSURE, MOST_VALIDATION = 0.05, 1 / 3  # a standard error of macro-F1 that asks for more validation texts, up to a third
FEW = 1000  # below, figures come from cross-validation, and the final model learns from all coded texts
FOLDS = 5
PROBE = "probe (frozen base)"


@dataclass(frozen=True)
class Held:
    """Held-out texts: their places, logits, the answers of what is to be beaten, each text's fold and cut-offs."""

    places: np.ndarray
    logits: np.ndarray
    answers: dict[str, np.ndarray]
    folds: np.ndarray | None = None
    cutoffs: np.ndarray | None = None


FoldTeller = Callable[[int, Fitted, Held, np.ndarray], None]


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


def hold_out_once(task: Task, test: np.ndarray, rest: np.ndarray | None = None) -> tuple[Fitted, Held]:
    """Tune on what is no test text, or on `rest` of it; where that is little, once more with the validation texts."""
    rest = _without_copies(task, np.setdiff1d(task.everything, test) if rest is None else rest, test)
    share = _validation_share(task, rest)
    fitted = _fit(task, rest, share)
    if len(rest) < FEW or share > task.validation:
        fitted = refit(task.backbone, task.examples.take(rest), fitted.choices, task.settings)
    return fitted, with_cutoffs(_look(task, fitted, rest, test), fitted.choices)


def cross_validate(
    task: Task, k: int, checkpoints: Checkpoints | None, tell: FoldTeller | None = None
) -> tuple[Fitted, Held]:
    """Every text predicted by a model that has not seen it; then one model from all texts."""
    looked, choices = [], []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Fold {number} of {k}"):
            held, chosen = _fold(task, _without_copies(task, rest, out), out, checkpoints, number, tell)
        looked.append(replace(with_cutoffs(held, chosen), folds=np.full(len(out), number)))
        choices.append(chosen)
    order = np.argsort(np.concatenate([held.places for held in looked]))
    held = Held(
        task.everything,
        np.concatenate([held.logits for held in looked])[order],
        {name: np.concatenate([held.answers[name] for held in looked])[order] for name in looked[0].answers},
        np.concatenate([held.folds for held in looked if held.folds is not None])[order],
        _cuts_of([held.cutoffs for held in looked], [len(held.places) for held in looked], order),
    )
    raw = np.concatenate([part.logits * chosen.temperature for part, chosen in zip(looked, choices, strict=True)])[
        order
    ]
    settled = settle(choices, task.examples.targets, task.settings)
    settled = calibrate(settled, raw, task.examples.targets, task.examples.ordered)
    with within("All coded texts"):
        return refit(task.backbone, task.examples, settled, task.settings), held


def _fold(
    task: Task, rest: np.ndarray, out: np.ndarray, checkpoints: Checkpoints | None, number: int, tell: FoldTeller | None
) -> tuple[Held, Choices]:
    """A model from `rest` and its answers for `out`, or what an earlier run kept of them."""
    name = f"fold-{number}"
    kept = None if checkpoints is None else checkpoints.get(name)
    if kept is not None:
        choices = Choices(**json.loads(str(kept.pop("choices"))))
        return Held(kept.pop("places"), kept.pop("logits"), kept), choices
    fitted = _fit(task, rest)
    held = _look(task, fitted, rest, out)
    if tell is not None:
        tell(number, fitted, held, rest)  # before it is kept: what is kept is not done again
    if checkpoints is not None:
        told = np.array(json.dumps(asdict(fitted.choices)))
        checkpoints.put(name, {"choices": told, "places": held.places, "logits": held.logits, **held.answers})
    return held, fitted.choices


def _without_copies(task: Task, rest: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`rest` without texts that are also in `out`: where groups decide, equal texts can be on both sides."""
    texts = task.coded.groups(None)
    return rest[~np.isin(texts[rest], texts[out])]


def _validation_share(task: Task, places: np.ndarray) -> float:
    """The share asked for; more, up to a third, where a rare label would leave too much to chance."""
    error = score_error(task.examples.targets[places], task.validation)
    return max(task.validation, min(MOST_VALIDATION, task.validation * (error / UNSURE) ** 2))


def _fit(task: Task, places: np.ndarray, share: float | None = None) -> Fitted:
    train, validate = task.cases.hold_out(places, share or task.validation)
    if not len(validate):
        raise AnnotuneError(
            f"{len(places):,} texts are too few to hold out {task.validation:g} of them for validation.",
            "Code more texts, or hold out a larger share.",
        )
    return fit(task.backbone, task.examples.take(train), task.examples.take(validate), task.settings)


def _look(task: Task, fitted: Fitted, rest: np.ndarray, test: np.ndarray) -> Held:
    """The answers of the model and of what it has to beat, for the held-out texts."""
    if not len(test):
        return Held(test, np.zeros((0, task.examples.n_labels), dtype=np.float32), {})
    seen, unseen, texts = task.examples.take(rest), task.examples.take(test), np.array(task.coded.texts, dtype=object)
    answers = {
        PROBE: decide(fitted.probe.logits(unseen.embeddings), seen.targets.ndim == 2, fitted.choices.probe_cutoffs),
        TF_IDF: tf_idf(texts[rest], seen.targets, texts[test]),
        NO_INFORMATION: no_information(seen.targets, len(test)),
    }
    logits = outputs(fitted.model, unseen.tokens, what="Testing")
    return Held(test, logits, answers)


def with_cutoffs(held: Held, choices: Choices) -> Held:
    """With the cut-offs that these texts' model was given, a row a text."""
    if choices.cutoffs is None:
        return held
    return replace(held, cutoffs=np.tile(choices.cutoffs, (len(held.places), 1)))


def _cuts_of(folds: list[np.ndarray | None], sizes: list[int], order: np.ndarray) -> np.ndarray | None:
    """The folds' cut-offs, a row a text; no numbers where a fold gives the most likely label and others do not."""
    width = next((cuts.shape[1] for cuts in folds if cuts is not None), None)
    if width is None:
        return None
    rows = [np.full((n, width), np.nan) if cuts is None else cuts for cuts, n in zip(folds, sizes, strict=True)]
    return np.asarray(np.concatenate(rows)[order])


def decided(task: Task, held: Held) -> np.ndarray:
    """The model's answers for the held-out texts."""
    return decide(held.logits, task.examples.targets.ndim == 2, held.cutoffs)
