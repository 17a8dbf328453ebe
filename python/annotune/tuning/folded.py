"""What the models of folds say of every text, before a rule makes answers of it: learnt once, decided by any rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import Codings, sound_codings
from annotune.models.coder import codings_of
from annotune.network.batches import tokenize
from annotune.network.encoder import outputs
from annotune.network.logits import decide
from annotune.network.passages import read_texts
from annotune.progress import within
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.embedded import Embedded
from annotune.tuning.held_out import Decision, chosen, cutoffs_by, from_trial, read_trial, without_copies
from annotune.tuning.settings import Settings
from annotune.tuning.task import Material, Task
from annotune.tuning.trials import Trial, kept_trial, probe_for, try_probes
from annotune.tuning.uncoded import dealt

RULES: tuple[str, ...] = get_args(Settings.model_fields["cutoffs"].annotation)
Cutoffs = tuple[float, ...] | None
TryOut = Callable[[np.ndarray, np.ndarray, int], Trial]  # places learnt from, places left out, the fold's number
Say = Callable[[Trial, Decision, list[str], int], np.ndarray]  # scaled logits (texts, labels) of a fold's model


@dataclass(frozen=True)
class Folded:
    """What the models of K folds say of N texts, each by one that has not seen it (see `crossfit`).

    Attributes
    ----------
    units
        unit_id of the N texts, in the corpus's order.
    place
        Shape (N,): the row of each text in `logits` and `fold`, -1 for an empty text.
    logits
        Scaled, (m, labels), of the m texts that differ or were coded.
    fold
        Shape (m,): whose model it was, from 1.
    coded
        unit_id of the texts that were coded by hand.
    cutoffs
        For each rule the cut-offs of every fold, as decided on the other folds.
    """

    units: pl.Series
    place: np.ndarray
    logits: np.ndarray
    fold: np.ndarray
    coded: pl.Series
    cutoffs: Mapping[str, tuple[Cutoffs, ...]]
    variable: Variable
    labels: tuple[str, ...]

    def codings(self, rule: str, coder: str = "model") -> Codings:
        """The answers by a rule of cut-offs, as `crossfit` returns them: with `p_<label>` and `fold`."""
        sets = self.variable.kind == "multilabel"
        answers = np.zeros(self.logits.shape if sets else len(self.logits), dtype=bool if sets else np.int64)
        for number, cutoffs in enumerate(self.cutoffs[rule], start=1):
            mine = self.fold == number
            answers[mine] = decide(self.logits[mine], sets, cutoffs)
        codings = codings_of(self.units, self.logits, self.place, answers, self.variable, self.labels, coder)
        numbers = pl.Series("fold", np.append(self.fold, -1)[self.place]).replace(-1, None)
        folds = pl.DataFrame({"unit_id": self.units, "fold": numbers})
        return sound_codings(codings.join(folds, on="unit_id", how="left", maintain_order="left"))


def folded_probes(material: Material, read: Embedded, texts: pl.DataFrame, k: int, group: str | None = None) -> Folded:
    """Probes of k folds on embeddings of all texts: no network is run.

    Parameters
    ----------
    texts
        The N texts: unit_id, text, and the column `group` where texts of one group stay in one fold.
    """

    def try_out(rest: np.ndarray, out: np.ndarray, _: int) -> Trial:
        return try_probes(material, rest, out)

    def say(trial: Trial, decision: Decision, share: list[str], _: int) -> np.ndarray:
        seen, way = material.examples.take(trial.rest), decision.choices.probe
        probe = probe_for(material, seen, way)
        level = probe.logits(seen.embeddings).mean(0)
        return decision.at(level, level).scaling.of(probe.logits(read.of(share)))

    return _folded(material, texts, k, group, try_out, say)


def folded_networks(task: Task, texts: pl.DataFrame, k: int, kept: Checkpoints, group: str | None = None) -> Folded:
    """Tuned networks of k folds; each finished fold, and what its model says of uncoded texts, is kept."""

    def try_out(rest: np.ndarray, out: np.ndarray, number: int) -> Trial:
        return kept_trial(task, rest, out, kept, number, keep="weights")

    def say(trial: Trial, decision: Decision, share: list[str], number: int) -> np.ndarray:
        arrays = kept.get(f"uncoded-{number}")
        if arrays is None:
            made = from_trial(task, trial, decision)
            limit, whole = task.examples.tokens.limit, task.settings.long_texts == "whole"
            if task.settings.objective == "head":
                tokens = read_texts(task.tokenizer, share, limit, whole)
            else:
                tokens = tokenize(task.tokenizer, share, limit, special=False)
            arrays = {"logits": outputs(made.model, tokens, what=f"Coding {task.coded.variable.name}")}
            kept.put(f"uncoded-{number}", arrays)
        return arrays["logits"]

    return _folded(task, texts, k, group, try_out, say)


def _folded(task: Material, texts: pl.DataFrame, k: int, group: str | None, try_out: TryOut, say: Say) -> Folded:
    trials = []
    for number, (rest, out) in enumerate(task.cases.folds(k), start=1):
        with within(f"Fold {number} of {k}"):
            trials.append(try_out(without_copies(task, rest, out), out, number))
    shares = dealt(texts, _folds_of(task, trials), group, task.settings.seed).drop_nulls("text")
    parts, logits, cutoffs = [], [], []
    for number, trial in enumerate(trials, start=1):
        others = [other for other in trials if other is not trial]
        decision, mine = chosen(task, others), shares.filter(fold=number)
        logits += [read_trial(task, trial, decision, number).logits]
        logits += [say(trial, decision, mine["text"].to_list(), number)] if len(mine) else []
        units = task.coded.frame["unit_id"].gather(trial.out)
        parts.append(pl.DataFrame({"unit_id": pl.concat([units, mine["unit_id"]])}).with_columns(fold=number))
        cutoffs.append({rule: cutoffs_by(task, others, decision.choices, rule) for rule in RULES})
    rows = pl.concat(parts)
    return Folded(
        texts["unit_id"],
        _places(texts, rows, task.coded.frame),
        np.concatenate(logits),
        rows["fold"].to_numpy(),
        task.coded.frame["unit_id"],
        {rule: tuple(by_rule[rule] for by_rule in cutoffs) for rule in RULES},
        task.coded.variable,
        tuple(task.coded.variable.names),
    )


def _folds_of(task: Material, trials: Sequence[Trial]) -> pl.DataFrame:
    """The fold of every coded text."""
    fold = np.zeros(len(task.examples), dtype=np.int64)
    for number, trial in enumerate(trials, start=1):
        fold[trial.out] = number
    return task.coded.frame.select("unit_id").with_columns(fold=pl.Series(fold))


def _places(texts: pl.DataFrame, rows: pl.DataFrame, coded: pl.DataFrame) -> np.ndarray:
    """Each text's row (N,): its own, or that of the coded text that it equals; -1 without any."""
    numbered = rows.select("unit_id").with_row_index("_own")
    likeness = coded.join(numbered, on="unit_id").unique("text", keep="first", maintain_order=True)
    placed = texts.select("unit_id", "text").join(numbered, on="unit_id", how="left", maintain_order="left")
    placed = placed.join(likeness.select("text", _like="_own"), on="text", how="left", maintain_order="left")
    return placed.select(pl.coalesce("_own", "_like").cast(pl.Int64).fill_null(-1)).to_series().to_numpy()
