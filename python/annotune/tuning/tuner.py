"""tune(): from gold to a classifier, with three parts kept apart and figures from the one looked at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import SCHEMA, check
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError
from annotune.measures.evaluation import Evaluation, tabulate
from annotune.models.card import held_as, model_sha256
from annotune.models.classifier import Classifier
from annotune.network.machine import hardware
from annotune.records.checkpoints import Checkpoints
from annotune.records.fingerprints import frame_sha256, versions
from annotune.tuning.fit import Fitted
from annotune.tuning.held_out import (
    FEW,
    FOLDS,
    FoldTeller,
    Held,
    cross_validate,
    decided,
    hold_out_once,
    part_to_test,
    require_share,
    with_cutoffs,
)
from annotune.tuning.task import Task, basis, prepare, read_settings


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
        fitted, held = cross_validate(task, k, checkpoints, each_fold and _teller(task, codebook, k, each_fold))
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


def _teller(task: Task, codebook: Codebook, k: int, each_fold: Callable[[int, Classifier], None]) -> FoldTeller:
    """Hands each fold's model on as a classifier, with its predictions for the texts that it has not seen."""
    entry, started = task.coded.variable, time.perf_counter()

    def tell(number: int, fitted: Fitted, held: Held, rest: np.ndarray) -> None:
        held = replace(with_cutoffs(held, fitted.choices), folds=np.full(len(held.places), number))
        card = _card(task, fitted, held, k, time.perf_counter() - started, rest)
        model = Classifier(fitted.model, task.tokenizer, codebook.variable(entry.name), tuple(entry.names), card)
        each_fold(number, replace(model, held_out=_held_out(model, held, task)))

    return tell


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
