"""Marks of populist style by a tuned multilingual base: what is to be had from all codings?

    python benchmarks/popbert_tuned.py [--methods lora,full] [--epochs 6] [--rate 0.001] [--coded 5017]

German sentences, whose marks hold where any of five coders gave them (popbert_any). The test part is that of
benchmarks/bases.py, 2,000 sentences. What is measured is the network by itself, whichever model `tune` would hand out,
with the cut-offs of highest F1 on a tenth of the coded sentences, from which it did not learn; and the probe on the
same sentences likewise. "Best cut-offs" are found on the test sentences themselves: a bound that no choice can pass.
Rows are printed as those of docs/bases.md; intervals are of other test sentences. The data are looked for in
../shared/data.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import polars as pl
from accuracy_methods import gold_of
from accuracy_sets import texts_of
from accuracy_tables import scores_of
from sklearn.metrics import f1_score

import annotune as at
from annotune.network.logits import decide
from annotune.tuning.calibrate import cutoffs_for
from annotune.tuning.settings import Settings
from annotune.tuning.task import Task, prepare
from annotune.tuning.trials import try_out

TESTED, REPLICATES, ASIDE = 2_000, 2_000, 0.1


def whole(method: str, epochs: int | None, rate: float | None) -> Task:
    """All sentences as if they were coded, the test part first."""
    frame = texts_of("popbert_any").sample(fraction=1, shuffle=True, seed=0).with_row_index("unit_id")
    frame = frame.with_columns(pl.col("unit_id").cast(pl.String))
    gold, names = gold_of(frame)
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="label", kind="multilabel", labels=labels),))
    settings = Settings(base="multilingual", method=method, epochs=epochs, learning_rate=rate)
    return prepare(frame.select("unit_id", "text"), gold, book, None, None, 0.15, settings)


def resampled(truth: np.ndarray, logits: np.ndarray, n_aside: int, found_on: slice) -> tuple[np.ndarray, np.ndarray]:
    """Macro-F1 of the texts behind the first n_aside, then that of their resamples; and F1 of each mark.

    Cut-offs are found on some of all texts.
    """
    answers = decide(logits[n_aside:], True, cutoffs_for("f1", logits[found_on], truth[found_on]))
    counts = np.random.default_rng(0).multinomial(TESTED, np.full(TESTED, 1 / TESTED), REPLICATES)
    scores = scores_of(truth[n_aside:], answers[None], np.vstack([np.ones(TESTED), counts]))[0]
    return scores, f1_score(truth[n_aside:], answers, average=None)


def with_limits(scores: np.ndarray) -> str:
    """The first, and the 95 % interval by the others."""
    low, high = np.percentile(scores[1:], [2.5, 97.5])
    return f"{scores[0]:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """A row for the probe, and one for each way of tuning."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default="lora,full")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, help="of learning, likewise")
    parser.add_argument("--coded", type=int, default=10**6)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    heads = ("learnt from", "sentences", "cut-offs `f1`", "more than the probe", "by mark", "best cut-offs", "seconds")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for method in options.methods.split(","):
        task = whole(method, options.epochs, options.rate)
        coded = TESTED + np.random.default_rng(1).permutation(len(task.examples) - TESTED)[: options.coded]
        n_aside = round(ASIDE * len(coded))
        out, began = np.concatenate([coded[:n_aside], np.arange(TESTED)]), time.process_time()
        trial = try_out(task, coded[n_aside:], out)
        assert trial.tuned is not None
        truth, seconds = task.examples.targets[out], time.process_time() - began
        best = max(trial.probes.values(), key=lambda logits: -log_loss(logits[:n_aside], truth[:n_aside]))
        rows, aside, tested = {}, slice(0, n_aside), slice(n_aside, None)
        for name, logits in (("probe", best), (method, trial.tuned)):
            rows[name], marks = resampled(truth, logits, n_aside, aside)
            bound, _ = resampled(truth, logits, n_aside, tested)
            cells = [name, f"{len(coded):,}", with_limits(rows[name]), with_limits(rows[name] - rows["probe"])]
            cells += [", ".join(f"{mark:.3f}" for mark in marks), f"{bound[0]:.3f}", f"{seconds:.0f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


def log_loss(logits: np.ndarray, truth: np.ndarray) -> float:
    """Of sets of marks, the mean over texts and marks."""
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())


if __name__ == "__main__":
    main()
