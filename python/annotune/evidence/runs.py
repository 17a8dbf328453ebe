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

BACKWARD = 3.5  # the time of learning from a text once, relative to reading it, assumed before a run is done


def run_all(
    task: Task,
    test: np.ndarray,
    orders: list[np.ndarray],
    runs: list[tuple[int, int]],
    clock: Clock,
    checkpoints: Checkpoints | None,
) -> dict[tuple[int, int], dict[str, np.ndarray]]:
    """The answers of every run, including those kept as checkpoints; runs beyond the budget are left out."""
    checkpointed = (
        {} if checkpoints is None else {run: checkpoints.get(_name_of_run(run, task, checkpoints)) for run in runs}
    )
    done = {run: answers for run, answers in checkpointed.items() if answers is not None}
    open_, passes = [run for run in runs if run not in done], {run: _passes(run[0], task) for run in runs}
    total = sum(passes[run] for run in open_)
    if open_:
        about = duration(clock.needed(total) + SETTING_UP * len(open_))
        at_hand = f"; {len(done):,} are done already" if done else ""
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
                checkpoints.put(_name_of_run(run, task, checkpoints), done[run])
            advance(passes[run])
    if len(done) < len(runs):
        left = f"{len(runs) - len(done):,} of {len(runs):,} models"
        warn(f"The budget is spent: {left} were not tuned. The curve rests on the others.")
    return done


def seconds_of_reading(task: Task) -> float:
    """Seconds in which the base reads a text."""
    some = task.examples.tokens.take(task.everything[:64])
    reader = build(getattr(task.backbone, "reader", task.backbone), task.examples.n_labels)
    began = time.perf_counter()
    outputs(reader, some, what="Timing", embeddings=True, fast=True)
    return (time.perf_counter() - began) / len(some)


def _run(task: Task, test: np.ndarray, places: np.ndarray, number: int) -> dict[str, np.ndarray]:
    """The answers of one model tuned on these texts, and of its baselines, for the test texts."""
    began, seed = time.perf_counter(), task.settings.seed + number
    mine = replace(task, settings=task.settings.model_copy(update={"seed": seed}), cases=replace(task.cases, seed=seed))
    with listening(lambda *_: None):  # one bar for all runs
        _, held = hold_out_once(mine, test, places)
    answers = {"tuned": held.model, "probe": held.answers[PROBE], "tf_idf": held.answers[TF_IDF]}
    lowest = no_information(task.examples.targets[places], len(test), task.weights[places])
    return {**answers, "lowest": lowest, "seconds": np.array(time.perf_counter() - began)}


def _name_of_run(run: tuple[int, int], task: Task, checkpoints: Checkpoints) -> str:
    """The name of a run, with a part of its basis, so that runs on other texts or settings have other names."""
    return f"{run[0]:06}-labels-seed-{task.settings.seed + run[1]}-{checkpoints.basis[:8]}"


def _passes(n: int, task: Task) -> int:
    """How often a run learns from a text: in the folds of its choices where texts are few, and in the final fit."""
    epochs = max(planned_epochs(n, task.settings), 1)
    return int(n * epochs * (INNER_FOLDS if n < FEW else 1 - task.validation)) + 1
