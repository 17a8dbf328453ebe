"""Would another way of fine-tuning be worth more than the probe? Averages, ways of regularizing, shorter schedules.

    python benchmarks/candidates.py [sets ...] [--coded 500] [--draws 2] [--ways ...] [--table]

Texts to learn from and the 1,000 (at most) to look at are both from the pools of benchmarks/accuracy.py; its test parts
are not touched. Every way gets the scale and the cut-offs that are best on the texts looked at, which is more than it
would get in use, but no more than the others. The probe has the penalty that cross-validation chooses; networks start
from the usual probe. Rows are in benchmarks/candidates.jsonl; the table is written to docs/accuracy.md. The data are
looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import many_draws
import numpy as np
import polars as pl
from accuracy_methods import gold_of
from accuracy_sets import at_random
from accuracy_tables import put
from candidates_methods import REGULARIZED
from many_draws import drawn
from scipy import stats
from sklearn.metrics import f1_score

import annotune as at
from annotune.network.encoder import outputs
from annotune.network.logits import decide
from annotune.tuning import fit, held_out
from annotune.tuning.calibrate import cutoffs_for, scaling, surprises
from annotune.tuning.loop import train
from annotune.tuning.settings import Settings
from annotune.tuning.task import Task, prepare
from annotune.tuning.trials import probe_for, start_for

ROWS = Path(__file__).parent / "candidates.jsonl"
SETS = ("banking77", "napire", "uk_manifestos", "popbert", "ecosent")
LOOKED_AT, SEEDS = 1_000, 3
PASSES = 6  # of a schedule, when the ways of averaging and of regularizing were tried; today's is one of three passes
FEWER = {"two": 2, "three": 3}
WAYS = {
    "network": "LoRA, six passes",
    "three": "three passes (as it is)",
    "two": "two passes",
    "along": "weights averaged over the schedule's second half",
    "seeds": "logits of three seeds averaged",
    "short": "logits of three seeds averaged, each a third of the schedule",
    "both": "logits of three seeds and of the probe averaged",
    "rdrop": "two readings with dropout drawn together (R-drop)",
    "mixout": "half of the tuned weights as at first in each step (mixout)",
    "smoothed": "a tenth of each answer spread over all labels",
}


def pool_of(name: str) -> Task:
    """The pool of a set as if it were coded, and read by the base."""
    frame = at_random(name)[0][:4_000].with_row_index("unit_id").with_columns(pl.col("unit_id").cast(pl.String))
    gold, names = gold_of(frame)
    labels = tuple(at.Label(code=i, name=label) for i, label in enumerate(names))
    kind = "multilabel" if frame["label"].dtype == pl.List else "nominal"
    book = at.Codebook(variables=(at.Variable(name="label", kind=kind, labels=labels),))
    return prepare(frame.select("unit_id", "text"), gold, book, None, None, 0.15, Settings(method="probe"))


def logits_by_way(task: Task, here: Task, fresh: np.ndarray, ways: set[str]) -> Iterator[tuple[str, np.ndarray, float]]:
    """The logits of the fresh texts by each of these ways, the probe first, and seconds of making models."""
    began = time.process_time()
    made = held_out.cross_validate(here, held_out.FOLDS, None)[0]
    probe = made.probe.logits(task.examples.embeddings[fresh])
    yield "probe", probe, time.process_time() - began
    unseen, tuning = task.examples.take(fresh), here.settings.model_copy(update={"method": "lora", "seed": 0})
    if ways & {"network", "seeds", "short", "both"}:
        yield from averaged_logits(here, tuning, unseen, probe)
    models = {way: partial(tuned, here, tuning, passes) for way, passes in FEWER.items()}
    models["along"] = partial(along_the_schedule, here, tuning, PASSES)
    models |= {way: partial(under, held, here, tuning, PASSES) for way, held in REGULARIZED.items()}
    for way in ways & set(models):
        began = time.process_time()
        yield way, outputs(models[way](), unseen.tokens), time.process_time() - began


def averaged_logits(here: Task, tuning: Settings, unseen: Any, probe: np.ndarray) -> Iterator[tuple[str, Any, float]]:
    """Of one network, of several seeds' mean, long and short schedules, and of these and the probe."""
    logits: dict[int, list[np.ndarray]] = {PASSES: [], PASSES // SEEDS: []}
    seconds = dict.fromkeys(logits, 0.0)
    for seed, passes in product(range(SEEDS), logits):
        began = time.process_time()
        network = tuned(here, tuning.model_copy(update={"seed": seed}), passes)
        seconds[passes] += time.process_time() - began
        logits[passes].append(outputs(network, unseen.tokens))
    (whole, short), (of_whole, of_short) = logits.values(), seconds.values()
    yield "network", whole[0], of_whole / SEEDS
    yield "seeds", np.mean(whole, 0), of_whole
    yield "short", np.mean(short, 0), of_short
    yield "both", (np.mean(whole, 0) + probe) / 2, of_whole


def tuned(here: Task, settings: Settings, passes: int) -> Any:
    """A network tuned from the usual probe."""
    start = probe_for(here, here.examples, start_for(here))
    return fit.tuned(here.backbone, start, here.examples, settings, passes).model


def epochs_of(here: Task, settings: Settings, epochs: int, held: Any = nullcontext) -> Iterator[Any]:
    """The network after each epoch of the schedule, tuned while something is held of it."""
    start = probe_for(here, here.examples, start_for(here))
    model = fit._trainable(here.backbone, start, settings)
    plan = {"epochs": epochs, "balanced": start.balanced, "ordered": False, "sets": here.examples.sets}
    with fit._seeded(settings.seed, model.device), fit.plain_attention(model.backbone), held(model):
        for _ in train(model, here.examples.tokens, here.examples.lessons, settings, **plan, advance=lambda _: None):
            yield model


def under(regularized: Any, here: Task, settings: Settings, epochs: int) -> Any:
    """A network tuned for the whole schedule while that holds."""
    return fit._merged(deque(epochs_of(here, settings, epochs, regularized), maxlen=1)[0], settings)


def along_the_schedule(here: Task, settings: Settings, epochs: int) -> Any:
    """A network whose weights are the mean of those after each epoch of the second half (Izmailov et al. 2018)."""
    snapshots = []
    for epoch, model in enumerate(epochs_of(here, settings, epochs), 1):
        if epoch > epochs // 2:
            snapshots.append(fit._trained_weights(model))
    means = {name: sum(one[name] for one in snapshots) / len(snapshots) for name in snapshots[0]}
    model.load_state_dict(means, strict=False)
    return fit._merged(model, settings)


def rows_of(name: str, size: int, draw: int, task: Task, ways: set[str]) -> Iterator[dict[str, Any]]:
    """One draw: macro-F1 and log loss by each of these ways, and a bootstrap standard error beside the probe."""
    many_draws.MOST = 1_000_000
    here, fresh, truth = drawn(task, size, draw)
    fresh, truth = fresh[:LOOKED_AT], truth[:LOOKED_AT]
    before: list[float] = []
    for way, logits, seconds in logits_by_way(task, here, fresh, ways):
        scaled = scaling(logits, truth).of(logits)
        answers = decide(scaled, truth.ndim == 2, cutoffs_for("share", scaled, truth, counted=True))
        f1s = resampled(truth, answers)
        before = before or f1s
        row = {"set": name, "coded": size, "draw": draw, "way": way, "n": len(truth), "seconds": round(seconds, 1)}
        row |= {"macro_f1": round(f1(truth, answers), 4), "log_loss": round(float(surprises(scaled, truth).mean()), 4)}
        if way in ways:
            yield row | {"se": round(float(np.std(np.subtract(f1s, before))), 4)}


def f1(truth: np.ndarray, answers: np.ndarray) -> float:
    """Macro-F1 over the labels that are true of some text."""
    labels = None if truth.ndim == 2 else sorted(set(truth))
    return float(f1_score(truth, answers, average="macro", labels=labels, zero_division=0))


def resampled(truth: np.ndarray, answers: np.ndarray, replicates: int = 200) -> list[float]:
    """Macro-F1 of the same bootstrap samples of texts for every way."""
    samples = np.random.default_rng(0).integers(0, len(truth), (replicates, len(truth)))
    return [f1(truth[sample], answers[sample]) for sample in samples]


def table() -> str:
    """One line for each way: what it has more than the probe and the network, means over sets, intervals over sets."""
    rows = pl.read_ndjson(ROWS, infer_schema_length=None)
    for way in BESIDE:
        same = rows.filter(way=way).select("set", "coded", "draw", *[pl.col(key).alias(f"{key}_{way}") for key in MORE])
        rows = rows.join(same, on=["set", "coded", "draw"])
    gains = [(pl.col(key) - pl.col(f"{key}_{way}")).mean().alias(f"{key}_{way}") for key, way in product(MORE, BESIDE)]
    means = rows.group_by("coded", "way", "set").agg(*gains, pl.col("seconds").mean(), draws=pl.len())
    lines = ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    for size in sorted(means["coded"].unique()):
        for way, what in WAYS.items():
            part = means.filter(coded=size, way=way)
            if len(part):
                lines.append("| " + " | ".join(_cells(size, way, what, part)) + " |")
    return "\n".join(lines)


MORE, BESIDE = ("macro_f1", "log_loss"), ("probe", "network")
HEADS = (
    "coded",
    "way",
    "sets, draws",
    "macro-F1 more than the probe",
    "lowest",
    "highest",
    "log loss more",
    "macro-F1 more than LoRA with six passes",
    "seconds",
)


def _cells(size: int, way: str, what: str, part: pl.DataFrame) -> list[str]:
    f1s, losses = part["macro_f1_probe"], part["log_loss_probe"]
    ends = [f"{f1s.min():+.3f}", f"{f1s.max():+.3f}"]
    counts = f"{len(part)}, {part['draws'].sum()}"
    over = "" if way == "network" else _mean(part["macro_f1_network"])
    return [f"{size}", what, counts, _mean(f1s), *ends, _mean(losses), over, f"{part['seconds'].mean():.0f}"]


def _mean(gains: pl.Series) -> str:
    if len(gains) < 2:
        return f"{gains.mean():+.3f}"
    reach = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std() / np.sqrt(len(gains)))
    return f"{gains.mean():+.3f} ({gains.mean() - reach:+.3f} to {gains.mean() + reach:+.3f})"


def main() -> None:
    """Compute what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--coded", type=int, default=500)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--ways", default=",".join(("probe", *WAYS)))
    parser.add_argument("--table", action="store_true", help="write the table of what is there, and compute nothing")
    options = parser.parse_args()
    asked, rows = set(options.ways.split(",")), pl.read_ndjson(ROWS, infer_schema_length=None)
    for name in [] if options.table else options.sets:
        task = None
        for draw in range(1, options.draws + 1):
            ways = asked - set(rows.filter(set=name, coded=options.coded, draw=draw)["way"])
            if not ways:
                continue
            task = task or pool_of(name)
            found = list(rows_of(name, options.coded, draw, task, ways))
            print(*found, sep="\n", flush=True)
            with ROWS.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in found)
    put("candidates", table())


if __name__ == "__main__":
    main()
