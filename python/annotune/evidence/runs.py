"""The runs of a learning curve: a model for each size and seed, within a budget of time."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from annotune.errors import warn
from annotune.evidence.clock import SETTING_UP, Clock, duration
from annotune.measures.baselines import TF_IDF, no_information
from annotune.network.encoder import build, outputs
from annotune.progress import bar, listening
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.choices import planned_epochs
from annotune.tuning.held_out import FEW, INNER_FOLDS, PROBE, hold_out_once
from annotune.tuning.task import Task

BACKWARD = 3.5  # how many times as long as reading a text learning from it once takes, before anything is known


def run_all(
    task: Task,
    test: np.ndarray,
    orders: list[np.ndarray],
    runs: list[tuple[int, int]],
    clock: Clock,
    checkpoints: Checkpoints | None,
) -> dict[tuple[int, int], dict[str, np.ndarray]]:
    """What every run answered, those kept as checkpoints included; runs that the budget does not allow are left out."""
    kept = {} if checkpoints is None else {run: checkpoints.get(_called(run, task, checkpoints)) for run in runs}
    done = {run: found for run, found in kept.items() if found is not None}
    open_, passes = [run for run in runs if run not in done], {run: _passes(run[0], task) for run in runs}
    total = sum(passes[run] for run in open_)
    if open_:
        about = duration(clock.needed(total) + SETTING_UP * len(open_))
        at_hand = f"; {len(done):,} are there already" if done else ""
        smallest, largest = min(n for n, _ in open_), max(n for n, _ in open_)
        clock.say(f"{len(open_):,} models to tune on {smallest:,} to {largest:,} texts, about {about}{at_hand}")
    with bar("Learning curve", total) as advance:
        for run in open_:
            if done and not clock.affords(passes[run]):
                continue
            began = time.perf_counter()
            done[run] = _run(task, test, orders[run[1]][: run[0]], run[1])
            clock.learn(passes[run], time.perf_counter() - began)
            if checkpoints is not None:
                checkpoints.put(_called(run, task, checkpoints), done[run])
            advance(passes[run])
    if len(done) < len(runs):
        left = f"{len(runs) - len(done):,} of {len(runs):,} models"
        warn(f"The budget is spent: {left} were not tuned. The curve is of the others.")
    return done


def seconds_of_reading(task: Task) -> float:
    """Seconds that the base takes to read a text."""
    some = task.examples.tokens.take(task.everything[:64])
    reader = build(getattr(task.backbone, "reader", task.backbone), task.examples.n_labels)
    began = time.perf_counter()
    outputs(reader, some, what="Timing", embeddings=True, fast=True)
    return (time.perf_counter() - began) / len(some)


def _run(task: Task, test: np.ndarray, places: np.ndarray, number: int) -> dict[str, np.ndarray]:
    """One model from these texts, and its answers, and those of what it has to beat, for the test texts."""
    began, seed = time.perf_counter(), task.settings.seed + number
    mine = replace(task, settings=task.settings.model_copy(update={"seed": seed}), cases=replace(task.cases, seed=seed))
    with listening(lambda what, done, total: None):  # one bar for all runs
        _, held = hold_out_once(mine, test, places)
    answers = {"tuned": held.model, "probe": held.answers[PROBE], "tf_idf": held.answers[TF_IDF]}
    lowest = no_information(task.examples.targets[places], len(test))
    return {**answers, "lowest": lowest, "seconds": np.array(time.perf_counter() - began)}


def _called(run: tuple[int, int], task: Task, checkpoints: Checkpoints) -> str:
    """With a part of what it rests on, so that runs on other texts or settings do not take its place."""
    return f"{run[0]:06}-labels-seed-{task.settings.seed + run[1]}-{checkpoints.basis[:8]}"


def _passes(n: int, task: Task) -> int:
    """How often a text is learnt from in a run: to choose, and where texts are few once more with all of them."""
    epochs = max(planned_epochs(n, task.settings), 1)
    return int(n * epochs * (INNER_FOLDS if n < FEW else 1 - task.validation)) + 1
