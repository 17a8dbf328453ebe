"""What computes each model of a run: chosen once, by the first process that takes part, and kept for all others.

A run that goes on elsewhere, or is parted in another way, so ends with the same bytes. It is not chosen with the plan,
which may be made on another processor than the one that codes, such as the first node of a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import polars as pl

from annotune.bulk.coders import Loaded, Reader, load_model
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import Plan, in_turn
from annotune.bulk.shards import Shard, read_rows, sample
from annotune.errors import AnnotuneError
from annotune.records.files import write_whole
from annotune.records.sealed import read_sealed, sealed
from annotune.runtimes.choice import TEXTS, TIMED, Choice, choose, too_few, without_trial
from annotune.runtimes.engines import FLOAT32, RUNTIMES


def readers_of(folder: RunFolder, plan: Plan, keep: bool = True) -> list[Reader]:
    """The models of a run, ready to code in the runtimes that were chosen for it; without `keep`, a choice is not kept.

    Raises
    ------
    AnnotuneError
        Where a model is not the one of the plan, or this machine does not have what was chosen on another.
    """
    models = [load_model(spec, plan.settings["device"], plan.settings["evidence"]) for spec in plan.models]
    choices = kept_choices(folder) or _chosen(folder, plan, models, keep)
    return [model.reader(choice.runtime) for model, choice in zip(models, choices, strict=True)]


def kept_choices(folder: RunFolder) -> list[Choice]:
    """What was chosen for each model, in the plan's order; nothing where no process has begun."""
    content = read_sealed(folder.runtimes)
    if content is None:
        if folder.runtimes.exists():
            what = f"{folder.runtimes} is damaged."
            raise AnnotuneError(what, "Bring it back from a copy, or code into a new folder.")
        return []
    return [Choice.from_json(choice) for choice in content["choices"]]


def _chosen(folder: RunFolder, plan: Plan, models: Sequence[Loaded], keep: bool) -> list[Choice]:
    """Where every machine comes to the same choice, none waits for another; else all follow the first."""
    precision = plan.settings["precision"]
    least, most = (without_trial(precision, there, plan.rows) for there in ([FLOAT32], list(RUNTIMES)))
    if least is not None and least == most:
        return _kept(folder, [least] * len(models)) if keep else [least] * len(models)
    if not keep:
        return [_choice(plan, model) for model in models]
    with in_turn(folder.books / "choosing"):
        return kept_choices(folder) or _kept(folder, [_choice(plan, model) for model in models])


def _kept(folder: RunFolder, choices: list[Choice]) -> list[Choice]:
    content = sealed({"choices": [choice.as_json() for choice in choices]})
    write_whole(folder.runtimes, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return choices


def _choice(plan: Plan, model: Loaded) -> Choice:
    """The runtime for one model, tried where that is worth it on texts from the beginning to the end of the input."""
    precision = plan.settings["precision"]
    choice = without_trial(precision, model.runtimes, plan.rows)
    if choice is not None:
        return choice
    texts = _some_texts(plan)
    if len(texts) < TIMED:
        return too_few(precision, len(texts))
    readers: dict[str, Reader] = {}

    def reader(runtime: str) -> Reader:
        if runtime not in readers:
            readers[runtime] = model.reader(runtime)
        return readers[runtime]

    def coded(runtime: str) -> pl.DataFrame:
        return reader(runtime).code(pl.Series("unit_id", np.arange(len(texts))), texts, lambda _: None)[0]

    def seconds(runtime: str) -> float:
        return reader(runtime).seconds_a_text(texts.head(TIMED).to_list())

    return choose(precision, model.runtimes, seconds, coded)


def _some_texts(plan: Plan) -> pl.Series:
    """Up to a thousand distinct texts; a file that cannot be read is told of when its shard is coded."""
    texts: list[str] = []
    for shard in sample(plan.shards, TEXTS):
        with suppress(AnnotuneError):
            texts += texts_of(plan, [shard])
    return pl.Series("text", texts, dtype=pl.String).unique(maintain_order=True)


def texts_of(plan: Plan, shards: Sequence[Shard]) -> list[str]:
    """The texts that are not missing; bytes and blanks are no matter here."""
    frames = [frame for shard in shards for _, frame in read_rows(shard, plan.names)]
    return [str(text) for frame in frames for text in frame[plan.columns["text"]].drop_nulls()]
