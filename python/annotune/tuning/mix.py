"""Whether the coded texts are like the corpus that they stand for, by what the probe says of both."""

from __future__ import annotations

import numpy as np
import polars as pl

from annotune.errors import warn
from annotune.measures.shares import CHANCE, RESTLESS, label_shares
from annotune.network.encoder import build, outputs
from annotune.network.logits import from_logits
from annotune.network.passages import read_texts
from annotune.network.speaker import Speaker
from annotune.tuning.held_out import Made
from annotune.tuning.task import Task

LOOKED_AT = 400  # uncoded texts, drawn at random: a second or two
FEWEST = 100  # coded and uncoded texts, below which nothing is said


def compare_with_corpus(task: Task, made: Made, texts: pl.DataFrame) -> None:
    """Warn where the probe finds labels much more or less often in uncoded texts than in the coded ones.

    Coded texts count by their weights. Where they were drawn at random, what the probe's probabilities add up to in
    other texts is as much as people found, but for chance.
    """
    uncoded = texts.filter(~pl.col("unit_id").is_in(task.coded.frame["unit_id"].implode()))["text"].drop_nulls()
    if isinstance(task.backbone, Speaker) or min(len(uncoded), len(task.examples)) < FEWEST:
        return
    some = uncoded.sample(min(len(uncoded), LOOKED_AT), seed=task.settings.seed).to_list()
    reader, whole = build(task.backbone, 1), task.settings.long_texts == "whole"
    tokens = read_texts(task.tokenizer, some, task.settings.max_tokens, whole)
    embeddings = outputs(reader, tokens, what="Looking at the corpus", embeddings=True, fast=True)
    logits = made.choices.probe_scaling.of(made.probe.logits(embeddings))
    _warn_of(task, from_logits(logits, task.examples.sets))


def _warn_of(task: Task, probabilities: np.ndarray) -> None:
    from scipy.stats import norm

    weights, corpus = task.weights, probabilities.mean(0)
    coded = label_shares(task.examples.lessons, len(corpus), weights)
    n = weights.sum() ** 2 / (weights**2).sum()
    error = np.sqrt(RESTLESS * (coded * (1 - coded) / n + probabilities.var(0) / len(probabilities)))
    far = np.abs(corpus - coded) / np.maximum(error, 1e-9)
    label = int(far.argmax())
    if far[label] > norm.isf(CHANCE / 2 / len(far)):
        name = task.coded.variable.names[label]
        warn(
            f"The coded texts differ from the rest of the corpus: people gave {name!r} to {coded[label]:.0%}, "
            f"and by the probe's probabilities {corpus[label]:.0%} of the others have it. Where texts were picked for "
            "coding, say how (pi= or prevalence=); otherwise figures and shares hold for the coded texts alone."
        )
