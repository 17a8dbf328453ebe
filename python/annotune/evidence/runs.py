"""The runs of a learning curve: a model for each size and seed, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from annotune.errors import warn
from annotune.evidence.clock import SETTING_UP, Clock, duration
from annotune.measures.baselines import NO_INFORMATION, TF_IDF, no_information
from annotune.measures.share_scores import OVERALL
from annotune.network.encoder import build, outputs
from annotune.network.logits import from_logits
from annotune.progress import bar, listening
from annotune.records.checkpoints import Checkpoints
from annotune.tuning.choices import planned_epochs
from annotune.tuning.held_out import FEW, INNER_FOLDS, PROBE, Held, hold_out_once
from annotune.tuning.task import Task

TUNED = "tuned model"
OF_A_BASE = {"tuned": TUNED, "probe": PROBE}  # of the answers of a run, and those that are the same for all bases
OF_NO_BASE = {"tf_idf": TF_IDF, "lowest": NO_INFORMATION, "overall": OVERALL}
STATED = "stated/"  # begins what probabilities are kept by, where the gold has the shares of its coders
Runs = dict[tuple[int, int], dict[str, np.ndarray]]  # by the number of labels and that of the seed
Run = tuple[int, int, str]  # the same, with what the model is called
BACKWARD = 3.5  # the time of learning from a text once, relative to reading it, assumed before a run is done


def run_all(
    task: Task,
    test: np.ndarray,
    orders: list[np.ndarray],
    runs: list[tuple[int, int]],
    clock: Clock,
    checkpoints: Checkpoints | None,
) -> Runs:
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


def by_model(done: Mapping[str, Runs]) -> dict[str, Runs]:
    """The answers of every run as `answers`, its probabilities as `stated`, and its `seconds` where it was tuned.

    They are by what the model is called; `done` has the runs by what their base is called. Probabilities are there for
    gold with the shares of its coders, and the overall shares are no answers.
    """
    models: dict[str, Runs] = {}
    for base, runs in done.items():
        of = f", {base}" if base else ""
        for key, model in OF_A_BASE.items():
            models[f"{model}{of}"] = {run: _of_model(answers, key) for run, answers in sorted(runs.items())}
    runs = {run: answers for of_base in done.values() for run, answers in of_base.items()}
    for key, model in OF_NO_BASE.items():
        of_runs = {run: _of_model(answers, key) for run, answers in sorted(runs.items())}
        models |= {model: of_runs} if all(of_runs.values()) else {}
    return models


def _of_model(answers: Mapping[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    kept = {"answers": key, "stated": f"{STATED}{key}", **({"seconds": "seconds"} if key == "tuned" else {})}
    return {name: answers[place] for name, place in kept.items() if place in answers}


def row_of(run: Run, made: Mapping[str, np.ndarray], measure: str, estimate: float | None) -> dict[str, Any]:
    """A row of the runs' table."""
    (n, number, model), seconds = run, float(made["seconds"]) if "seconds" in made else None
    return {"n": n, "seed": number + 1, "model": model, "measure": measure, "estimate": estimate, "seconds": seconds}


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
    return {**answers, **_stated(held, task), "lowest": lowest, "seconds": np.array(time.perf_counter() - began)}


def _stated(held: Held, task: Task) -> dict[str, np.ndarray]:
    """The probabilities (texts, labels) of the model and of what it is to beat, where the gold has coders' shares."""
    if not held.stated:
        return {}
    by_key = {"tuned": from_logits(held.logits, task.examples.sets), "probe": held.stated[PROBE]}
    by_key |= {"tf_idf": held.stated[TF_IDF], "overall": held.stated[OVERALL]}
    return {f"{STATED}{key}": probabilities for key, probabilities in by_key.items()}


def _name_of_run(run: tuple[int, int], task: Task, checkpoints: Checkpoints) -> str:
    """The name of a run, with a part of its basis, so that runs on other texts or settings have other names."""
    return f"{run[0]:06}-labels-seed-{task.settings.seed + run[1]}-{checkpoints.basis[:8]}"


def _passes(n: int, task: Task) -> int:
    """How often a run learns from a text: in the folds of its choices where texts are few, and in the final fit."""
    epochs = max(planned_epochs(n, task.settings), 1)
    return int(n * epochs * (INNER_FOLDS if n < FEW else 1 - task.validation)) + 1
