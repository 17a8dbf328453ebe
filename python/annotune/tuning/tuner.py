"""tune(): from gold to a classifier, with three parts kept apart and figures from the one looked at once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import SCHEMA, check
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError
from annotune.measures.baselines import no_information, tf_idf
from annotune.measures.evaluation import NO_INFORMATION, TF_IDF, Evaluation, tabulate
from annotune.models.classifier import Classifier
from annotune.models.folder import held_as, model_sha256
from annotune.network.encoder import decide, outputs
from annotune.network.machine import hardware
from annotune.progress import within
from annotune.records.checkpoints import Checkpoints
from annotune.records.record import frame_sha256, versions
from annotune.tuning.fit import Choices, Fitted, calibrate, fit, refit, score_error, settle
from annotune.tuning.task import Task, basis, prepare, read_settings

UNSURE, MOST_VALIDATION = 0.05, 1 / 3  # a standard error of macro-F1 that asks for more validation texts, up to a third
FEW = 1000  # below, figures come from cross-validation, and the final model learns from all coded texts
FOLDS = 5
PROBE = "probe (frozen base)"


def tune(
    corpus: Any,
    gold: Any,
    codebook: Codebook,
    variable: str | None = None,
    *,
    test: float | Mapping[str, Any] | None = None,
    validation: float = 0.15,
    folds: int | None = None,
    group: str | None = None,
    keep: str | Path | None = None,
    each_fold: Callable[[int, Classifier], None] | None = None,
    n_boot: int = 1000,
    **settings: Any,
) -> Classifier:
    """Tune a model to code as the gold does, and measure it on texts it has not seen.

    A logistic regression on the base model's embeddings (the probe) comes first; the network is then
    fine-tuned from it, and handed out unless the probe is clearly better on the validation part. Three parts are
    never mixed: train; validation, for stopping and every choice; test, looked at once, for the
    figures. Texts that are equal stay in one part.

    Parameters
    ----------
    corpus
        A frame with unit_id, text and covariates (as `read_corpus` returns it).
    gold
        A table of codings with one answer a unit (as `resolve` returns it).
    codebook, variable
        What was coded.
    test
        A share to hold out; or columns and their values, such as `{"manifesto": ["BNP 2010"]}`, for
        the texts to hold out; 0 for none. By default a fifth where there are at least 1,000 coded
        texts, else cross-validation.
    validation
        The share of the remaining texts that is used for stopping and every choice.
    folds
        Cross-validate in so many folds in place of a test part: each text is predicted by a model
        that has not seen it, the figures are over all of them, and the model handed out is tuned on
        all coded texts.
    group
        A column of the corpus: texts with the same value stay in one part, and are resampled together for intervals.
    keep
        For cross-validation: a folder where each finished fold is kept, so that a run that was stopped goes on
        from there. Folds of other texts, codings or settings are not used.
    each_fold
        For cross-validation: is given the number (from 1) and the model of each fold as it is fitted, before the fold
        is kept; the model's `.held_out` are its predictions for the texts that the fold left out. Not called for a
        fold that an earlier run kept.
    n_boot
        Bootstrap replicates for the intervals.
    **settings
        See `annotune.tuning.settings.Settings`: base, method, epochs, seed, device ...

    Returns
    -------
    Classifier
        With `.evaluation` (the model, the probe, TF-IDF and the most frequent label on the same
        held-out units), `.held_out`, the predictions behind it (after cross-validation with the column `fold`), and
        `.gold`, what people said about the same texts.

    Raises
    ------
    AnnotuneError
        With too few coded texts, a single label, unresolved codings, or columns that are not there.
    """
    if test is not None and folds is not None:
        raise AnnotuneError("Both test= and folds= are given.", "Choose a test part, or cross-validation.")
    require_share("validation", validation, lowest=0.01)
    started = time.perf_counter()
    task = prepare(read_corpus(corpus), gold, codebook, variable, group, validation, read_settings(settings))
    k = folds if folds is not None else FOLDS if test is None and len(task.coded.frame) < FEW else None
    for name, given in (("keep= keeps", keep), ("each_fold= is told of", each_fold)):
        if k is None and given is not None:
            raise AnnotuneError(f"{name} folds, and nothing is cross-validated.", "Ask for it with folds=.")
    if k is not None:
        checkpoints = None if keep is None else Checkpoints(Path(keep), basis(task, k))
        fitted, held = _cross_validate(task, k, checkpoints, each_fold and _teller(task, codebook, k, each_fold))
    else:
        fitted, held = hold_out_once(task, part_to_test(task, 0.2 if test is None else test))
    card = _card(task, fitted, held, k, time.perf_counter() - started)
    entry = task.coded.variable
    model = Classifier(fitted.model, task.tokenizer, codebook.variable(entry.name), tuple(entry.names), card)
    if not len(held.places):
        return model
    said = _held_out(model, held, task)
    return replace(
        model, evaluation=_evaluate(model, held, task, n_boot), held_out=said, gold=_gold_of(said, gold, entry.name)
    )


@dataclass(frozen=True)
class Held:
    """Held-out texts: their places, logits, the answers of what is to be beaten, each text's fold and cut-offs."""

    places: np.ndarray
    logits: np.ndarray
    answers: dict[str, np.ndarray]
    folds: np.ndarray | None = None
    cutoffs: np.ndarray | None = None


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
    return fitted, _cut(_look(task, fitted, rest, test), fitted.choices)


FoldTeller = Callable[[int, Fitted, Held, np.ndarray], None]


def _teller(task: Task, codebook: Codebook, k: int, each_fold: Callable[[int, Classifier], None]) -> FoldTeller:
    """Hands each fold's model on as a classifier, with its predictions for the texts that it has not seen."""
    entry, started = task.coded.variable, time.perf_counter()

    def tell(number: int, fitted: Fitted, held: Held, rest: np.ndarray) -> None:
        held = replace(_cut(held, fitted.choices), folds=np.full(len(held.places), number))
        card = _card(task, fitted, held, k, time.perf_counter() - started, rest)
        model = Classifier(fitted.model, task.tokenizer, codebook.variable(entry.name), tuple(entry.names), card)
        each_fold(number, replace(model, held_out=_held_out(model, held, task)))

    return tell


def _cross_validate(
    task: Task, k: int, checkpoints: Checkpoints | None, tell: FoldTeller | None = None
) -> tuple[Fitted, Held]:
    """Every text predicted by a model that has not seen it; then one model from all texts."""
    looked, choices = [], []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Fold {number} of {k}"):
            held, chosen = _fold(task, _without_copies(task, rest, out), out, checkpoints, number, tell)
        looked.append(replace(_cut(held, chosen), folds=np.full(len(out), number)))
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


def _cut(held: Held, choices: Choices) -> Held:
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


def _evaluate(model: Classifier, held: Held, task: Task, n_boot: int) -> Evaluation:
    everyone = np.ones(len(held.places), dtype=bool)
    answers = {model.name: decided(task, held), **held.answers}
    given = {name: (answer, everyone) for name, answer in answers.items()}
    targets, clusters = task.examples.targets[held.places], task.cases.groups[held.places] if task.cases.large else None
    return tabulate(targets, given, task.coded.variable, clusters, n_boot, task.settings.seed)


def _held_out(model: Classifier, held: Held, task: Task) -> pl.DataFrame:
    units = task.coded.frame["unit_id"].gather(held.places)
    codings = model.as_codings(units, held.logits, np.arange(len(units)), held.cutoffs)
    if held.folds is None:
        return codings
    folds = pl.DataFrame({"unit_id": units, "fold": held.folds})
    return codings.join(folds, on="unit_id", how="left", maintain_order="left")


def _gold_of(said: pl.DataFrame, gold: Any, variable: str) -> pl.DataFrame:
    """What people said about the texts of these predictions, in their order."""
    rows = check(gold).filter((pl.col("variable") == variable) & pl.col("status").is_in(["ok", "none"])).select(*SCHEMA)
    units = said.select("unit_id").unique(maintain_order=True)
    return units.join(rows, on="unit_id", how="inner", maintain_order="left_right").select(*SCHEMA)


def _here(task: Task) -> dict[str, Any]:
    """Settings as they came out: the base's name without its folder, and what texts are cut at."""
    return {"base": task.base.name, "max_tokens": task.examples.tokens.limit}


def _card(
    task: Task, fitted: Fitted, held: Held, k: int | None, seconds: float, learnt: np.ndarray | None = None
) -> dict[str, Any]:
    """What the model was made of; times are a part of their own, so that equal runs give equal cards."""
    learnt = task.everything if learnt is None else learnt
    frame, targets, speed = task.coded.frame[learnt], task.coded.targets[learnt], fitted.texts_per_second
    return {
        "base": {"name": task.base.name, "revision": task.base.revision},
        "settings": {**task.settings.model_dump(), **_here(task)},
        "choices": asdict(fitted.choices),
        "parts": {"coded": len(frame), "held_out": len(held.places), "folds": k, "validation_share": task.validation},
        "cut_texts": task.examples.tokens.cut,
        "coded_sha256": frame_sha256(frame.select("unit_id", "text")),
        "targets_sha256": hashlib.sha256(targets.tobytes()).hexdigest(),
        "model_sha256": model_sha256(fitted.model),
        "weights": held_as(fitted.model),
        "versions": versions(),
        "hardware": hardware(),
        "time": {
            "seconds": round(seconds, 1),
            "texts_per_second": None if speed is None else round(speed, 1),
        },
    }
