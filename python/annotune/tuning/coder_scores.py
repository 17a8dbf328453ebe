"""How surprising each coder's own answers are to what any coder would say, and to what that coder would."""

from __future__ import annotations

import numpy as np
import polars as pl

from annotune.tuning.coder_offsets import CoderAnswers, CoderOffsets, mean_and_interval
from annotune.tuning.held_out import Held
from annotune.tuning.task import Task

SCHEMA = {"coder": pl.String, "n_texts": pl.Int64, "log_score": pl.Float64, "log_score_as_coder": pl.Float64}
SCHEMA |= {**dict.fromkeys(("gain", "ci_low", "ci_high"), pl.Float64), "offered": pl.Boolean}


def scores_by_coder(task: Task, held: Held, made: CoderOffsets | None) -> pl.DataFrame:
    """A row for all coders (null) and for each: log scores of held-out predictions, out of fold as these are.

    What is added for a coder was found on other texts than those that it is scored on. `made` is what was decided for
    the model that is handed out: whether it says anything for a coder, `offered`.
    """
    assert task.examples.by_coder is not None
    answers = task.examples.by_coder.take(held.places)
    logits = held.logits[answers.text].astype(np.float64)
    scores = np.stack([answers.scores(logits), answers.scores(logits + _offsets(answers, held))])
    weights = task.weights[held.places] / task.weights[held.places].mean()
    clusters = task.cases.groups[held.places] if task.cases.large else None
    offered = made.by_coder if made else {}
    everyone = np.ones(len(answers.text), dtype=bool)
    of_each = [(name, answers.coder == number) for number, name in enumerate(answers.names)]
    rows = [
        (name, *_row(answers, scores, mine, weights, clusters), name in offered if name else bool(offered))
        for name, mine in [(None, everyone), *of_each]
        if mine.any()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _offsets(answers: CoderAnswers, held: Held) -> np.ndarray:
    """What is added to the logits of each answer, (m, labels), as decided for the fold of its text."""
    n_labels = held.logits.shape[1]
    folds = np.zeros(len(held.places), dtype=int) if held.folds is None else held.folds
    added = np.zeros((len(answers.text), n_labels))
    for number, offsets in held.coders.items():
        if offsets is not None:
            mine = folds[answers.text] == number
            added[mine] = offsets.rows(answers.names, n_labels)[answers.coder[mine]]
    return added


def _row(
    answers: CoderAnswers, scores: np.ndarray, mine: np.ndarray, weights: np.ndarray, clusters: np.ndarray | None
) -> tuple[int | float, ...]:
    """Texts, both log scores, and their difference with its interval, over the answers that are `mine`."""
    part = CoderAnswers(answers.names, answers.text[mine], answers.coder[mine], answers.truth[mine], answers.sets)
    by_text = [part.by_text(row[mine], len(weights)) for row in scores]
    shared, own = (mean_and_interval(values, weights)[0] for values in by_text)
    gain = mean_and_interval(by_text[1] - by_text[0], weights, clusters)
    return len(np.unique(part.text)), shared, own, *gain
