"""tune(): from gold to a classifier, with three parts kept apart and figures from the one looked at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import ANSWERED, SCHEMA, check
from annotune.data.corpus import read_corpus, sound_corpus
from annotune.data.inputs import covariates_note
from annotune.errors import AnnotuneError, warn
from annotune.measures.baselines import COUNTED_WORDS
from annotune.measures.evaluation import READS, Evaluation, tabulate, with_note, with_share_scores
from annotune.measures.share_scores import OVERALL
from annotune.measures.shares import label_shares
from annotune.models.card import OWN_TOKENS, Card, CardChoices, CardSettings, CardShares, held_as, model_sha256
from annotune.models.classifier import Classifier
from annotune.network.logits import from_logits
from annotune.network.machine import hardware
from annotune.records.checkpoints import Checkpoints
from annotune.records.fingerprints import frame_sha256, versions
from annotune.records.lock import locked
from annotune.tuning.coder_scores import scores_by_coder
from annotune.tuning.held_out import (
    FEW,
    FOLDS,
    PROBE,
    FoldTeller,
    Held,
    Made,
    announce_tuning,
    cross_validate,
    hold_out_once,
    part_to_test,
    require_share,
)
from annotune.tuning.mix import compare_with_corpus
from annotune.tuning.task import Task, basis, prepare, read_as, read_settings
from annotune.tuning.vocabulary import fault_of

MOSTLY = 0.5  # of the texts: where more are long, that is the likelier reason why counting words does better


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
    pi: str | None = None,
    prevalence: Mapping[str, float] | None = None,
    coders: Any = None,
    n_boot: int = 1000,
    **settings: Any,
) -> Classifier:
    """Tune a model to code as the gold does, and measure it on texts it has not seen.

    A logistic regression on the base model's embeddings (the probe) comes first; the network is fine-tuned from it,
    and handed out unless the probe's probabilities are better. All that is decided is decided on texts which models
    made in the same way had not seen: every text once in folds, or with many texts a validation part. Figures come
    from texts that had no part in that. Texts that are equal stay in one part.

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
        The share of the remaining texts that a network is tried on, where there are 1,000 or more and labels are not
        too rare; with fewer, and for probes, choices are made in folds.
    folds
        Cross-validate in so many folds in place of a test part: each text is predicted by a model
        that has not seen it, the figures are over all of them, and the model handed out is tuned on
        all coded texts.
    group
        A column of the corpus: texts with the same value stay in one part, and are resampled together for intervals.
    keep
        A folder where each finished fold is kept, of cross-validation or of those in which choices are made, so that a
        run that was stopped goes on from there. Folds of other texts, codings or settings are not used.
    each_fold
        For cross-validation: is given the number (from 1) and the model of each fold, once all are fitted, because what
        is decided about it is decided on the other folds; the model's `.held_out` are its predictions for the texts
        that the fold left out.
    pi
        A column of the corpus: the probability with which each text was drawn for coding. Choices, cut-offs and figures
        are then about the corpus, and not about the coded texts.
    prevalence
        The same where texts were picked by their label: how frequent labels are in the corpus, such as
        `{"immigration": 0.07}`.
    coders
        The codings that gold by the rule `shares` was resolved from: the model also learns what each coder says more or
        less readily than the others, and `classify(coder=...)` what that coder would say. Only where that is better
        beyond chance on texts not seen; `.coder_scores` has the figures.
    n_boot
        Bootstrap replicates for the intervals.
    **settings
        See `annotune.tuning.settings.Settings`: base, method, epochs, seed, device ...

    Returns
    -------
    Classifier
        With `.evaluation` (the model, the probe, TF-IDF and the most frequent label on the same
        held-out units), `.held_out`, the predictions behind it (after cross-validation with the column `fold`), and
        `.gold`, what people said about the same texts. With `coders`, `.coder_scores`: a row for all coders, whose name
        is null, and one for each, with n_texts; log_score, of the probabilities of what any coder would say;
        log_score_as_coder, of those of what this one would; gain, the difference, below 0 where the latter are better;
        its 95 % interval by texts, ci_low and ci_high; and offered, whether the model says it for the coder.

    Raises
    ------
    AnnotuneError
        With too few coded texts, a single label, unresolved codings, or columns that are not there.
    """
    if test is not None and folds is not None:
        raise AnnotuneError("Both test= and folds= are given.", "Choose a test part, or cross-validation.")
    require_share("validation", validation, lowest=0.01)
    started, texts = time.perf_counter(), read_corpus(corpus)
    chosen = read_settings(settings)
    texts = sound_corpus(read_as(texts, chosen))
    if chosen.inputs:
        warn(covariates_note(chosen.inputs))
    task = prepare(texts, gold, codebook, variable, group, validation, chosen, pi, prevalence, coders)
    k = folds if folds is not None else FOLDS if test is None and len(task.coded.frame) < FEW else None
    if k is None and each_fold is not None:
        raise AnnotuneError("each_fold= is told of folds, and nothing is cross-validated.", "Ask for it with folds=.")
    announce_tuning(task, k)
    folder = None if keep is None else Path(keep)
    with nullcontext() if folder is None else locked(folder):
        if k is not None:
            checkpoints = None if folder is None else Checkpoints(folder, basis(task, k))
            made, held = cross_validate(task, k, checkpoints, each_fold and _teller(task, codebook, k, each_fold))
        else:
            made, held = hold_out_once(task, part_to_test(task, 0.2 if test is None else test), keep=folder)
    compare_with_corpus(task, made, texts)
    card = _card(task, made, held, k, time.perf_counter() - started)
    entry = task.coded.variable
    model = Classifier(made.model, task.tokenizer, codebook.variable(entry.name), tuple(entry.names), card)
    if not len(held.places):
        return model
    codings = _held_out(model, held, task)
    return replace(
        model,
        evaluation=_with_length(_evaluate(model, held, task, n_boot), task, codebook.language),
        held_out=codings,
        gold=_gold_of(codings, gold, entry.name),
        coder_scores=None if coders is None else scores_by_coder(task, held, made.choices.coders),
    )


def _teller(task: Task, codebook: Codebook, k: int, each_fold: Callable[[int, Classifier], None]) -> FoldTeller:
    """Hands each fold's model on as a classifier, with its predictions for the texts that it has not seen."""
    entry, started = task.coded.variable, time.perf_counter()

    def tell(number: int, made: Made, held: Held, rest: np.ndarray) -> None:
        card = _card(task, made, held, k, time.perf_counter() - started, rest)
        model = Classifier(made.model, task.tokenizer, codebook.variable(entry.name), tuple(entry.names), card)
        each_fold(number, replace(model, held_out=_held_out(model, held, task)))

    return tell


def _evaluate(model: Classifier, held: Held, task: Task, n_boot: int) -> Evaluation:
    everyone, places = np.ones(len(held.places), dtype=bool), held.places
    answers = {model.name: held.model, **held.answers}
    if not model.card["choices"]["epochs"] and np.array_equal(held.model, held.answers[PROBE]):
        del answers[PROBE]  # the model itself is the probe
    by_model = {name: (answer, everyone) for name, answer in answers.items()}
    clusters = task.cases.groups[places] if task.cases.large else None
    weights, entry = task.weights[places] / task.weights[places].mean(), task.coded.variable
    found = tabulate(task.examples.targets[places], by_model, entry, clusters, n_boot, task.settings.seed, weights)
    if task.examples.shares is None:
        return found
    stated = {model.name: from_logits(held.logits, task.examples.sets), **held.stated}
    stated = {name: probabilities for name, probabilities in stated.items() if name in (*answers, OVERALL)}
    return with_share_scores(found, stated, task.examples.shares[places], entry, clusters, weights, n_boot > 0)


def _with_length(evaluation: Evaluation, task: Task, language: str) -> Evaluation:
    """The evaluation; where most texts are long, and the base reads their language, that is beside counted words."""
    tokens, texts = task.examples.tokens, task.coded.texts
    long = tokens.cut if tokens.ends is None else int((np.diff(tokens.ends, prepend=0) > 1).sum())
    if long <= MOSTLY * len(texts) or fault_of(task.tokenizer, texts, task.base.name, language) is not None:
        return evaluation
    share, cut = f"{long / len(texts):.0%} of the texts", tokens.ends is None
    how = f"the start alone of {share}" if cut else f"{share} in passages, and takes their mean"
    return with_note(evaluation, COUNTED_WORDS, f"{READS} {how}, as they are longer than {tokens.limit} tokens")


def _held_out(model: Classifier, held: Held, task: Task) -> pl.DataFrame:
    units = task.coded.frame["unit_id"].gather(held.places)
    codings = model.as_codings(units, held.logits, np.arange(len(units)), held.model)
    if held.folds is None:
        return codings
    folds = pl.DataFrame({"unit_id": units, "fold": held.folds})
    return codings.join(folds, on="unit_id", how="left", maintain_order="left")


def _gold_of(codings: pl.DataFrame, gold: Any, variable: str) -> pl.DataFrame:
    """What people gave the texts of these predictions, in their order."""
    rows = check(gold).filter((pl.col("variable") == variable) & pl.col("status").is_in(ANSWERED)).select(*SCHEMA)
    units = codings.select("unit_id").unique(maintain_order=True)
    return units.join(rows, on="unit_id", how="inner", maintain_order="left_right").select(*SCHEMA)


def _shares(task: Task, held: Held) -> CardShares | None:
    """How often people and the model gave each label to the held-out texts, and to how many texts' worth of them."""
    if not len(held.places):
        return None
    weights, targets = task.weights[held.places], task.examples.targets[held.places]
    given = [label_shares(answers, task.examples.n_labels, weights).tolist() for answers in (targets, held.model)]
    return {"people": given[0], "model": given[1], "n": float(weights.sum() ** 2 / (weights**2).sum())}


def _here(task: Task) -> dict[str, Any]:
    """Settings as they came out: the base's name without its folder, and what texts are cut at."""
    return {"base": task.base.name, "max_tokens": task.examples.tokens.limit}


def _card(task: Task, made: Made, held: Held, k: int | None, seconds: float, learnt: np.ndarray | None = None) -> Card:
    """What the model was made of; times are a part of their own, so that equal runs give equal cards."""
    of_fold = learnt is not None  # whose few texts say little of shares
    learnt = task.everything if learnt is None else learnt
    frame, targets, speed = task.coded.frame[learnt], task.examples.lessons[learnt], made.texts_per_second
    return {
        "base": {"name": task.base.name, "revision": task.base.revision},
        "settings": cast(CardSettings, {**task.settings.model_dump(), **_here(task)}),
        "choices": cast(CardChoices, asdict(made.choices)),
        "shares": None if of_fold else _shares(task, held),
        "drawn": task.drawn,
        "parts": {"coded": len(frame), "held_out": len(held.places), "folds": k, "validation_share": task.validation},
        "cut_texts": task.examples.tokens.cut,
        "vector_of": OWN_TOKENS,
        "coded_sha256": frame_sha256(frame.select("unit_id", "text")),
        "targets_sha256": hashlib.sha256(targets.tobytes()).hexdigest(),
        "model_sha256": model_sha256(made.model),
        "weights": held_as(made.model),
        "versions": versions(),
        "hardware": hardware(task.settings.device),
        "time": {
            "seconds": round(seconds, 1),
            "texts_per_second": None if speed is None else round(speed, 1),
        },
    }
