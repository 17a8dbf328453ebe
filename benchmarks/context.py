"""Does context pay? Sentences on immigration in British manifestos, read alone and with their neighbours.

    python benchmarks/context.py [--coded 500,2000,5000] [--draws 3] [--keep FOLDER] [--seconds 240] [--table]
                                 [--network]

The way is that of `tune(text=["text_before", "text", "text_after"], method="probe")` on minilm, beside the same of the
text alone, beside both vectors of a sentence side by side, and beside counting words. The base reads every sentence
once in each way; what it makes of them stays in the folder of --keep, so that a run which was stopped goes on. 2,000
sentences are the test part of every draw of coded ones. Between the ways it is chosen by the log loss out of fold, as
`tune` chooses between penalties, and then the test sentences are looked at. --network tunes a network on the 2,000
coded sentences of the first draw, in both ways, and takes the likeliest label. Rows are in benchmarks/context.jsonl,
and the table is written to docs/context.md: means over draws, and 95 % intervals that cover other test sentences and
other draws.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from accuracy_methods import gold_of
from accuracy_sets import DATA, texts_of
from accuracy_tables import put, scores_of
from bases import WORDS, Kept, ahead, drawn

import annotune as at
from annotune.measures.baselines import tf_idf
from annotune.network.logits import decide
from annotune.tuning import task as tasks
from annotune.tuning.held_out import FOLDS, chosen, without_copies
from annotune.tuning.settings import Settings
from annotune.tuning.task import Task, prepare
from annotune.tuning.trials import probe_for, try_out, try_probes

ROWS, PAGE = Path(__file__).parent / "context.jsonl", Path(__file__).parent.parent / "docs" / "context.md"
NEIGHBOURS = ("text_before", "text", "text_after")
ALONE, AMONG, BOTH = "sentence alone", "with neighbours", "both side by side"
WAYS = (ALONE, AMONG, BOTH)
TESTED = 2_000
NETWORK = 2_000  # coded sentences
EPOCHS = 3  # of the network, the least that `tune` takes by itself


def sentences() -> pl.DataFrame:
    """Different sentences with their neighbours and the crowd's majority, in an order that is drawn once."""
    around = pl.read_parquet(DATA / "uk_manifestos_immigration" / "immigration_sentences.parquet")
    frame = texts_of("uk_manifestos").join(around.unique("text", keep="first"), on="text", maintain_order="left")
    mixed = frame.sample(fraction=1, shuffle=True, seed=0).with_row_index("unit_id")
    return mixed.with_columns(pl.col("unit_id").cast(pl.String)).select("unit_id", "label", *NEIGHBOURS)


def read(text: tuple[str, ...], **settings: Any) -> Task:
    """All sentences as if they were coded, the test part first."""
    frame = sentences()
    gold, names = gold_of(frame)
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="label", labels=labels),))
    return prepare(frame.drop("label"), gold, book, None, None, 0.15, Settings(text=text, **settings))


def side_by_side(alone: Task, among: Task) -> Task:
    """Both vectors of each sentence, and of each label's words, as one vector of the same length."""
    ours, theirs = alone.examples, among.examples
    assert ours.words is not None and theirs.words is not None  # noqa: PT018
    vectors, words = (ours.embeddings, theirs.embeddings), (ours.words, theirs.words)
    parts = {"embeddings": np.hstack(vectors) / np.sqrt(2), "words": np.hstack(words) / np.sqrt(2)}
    return replace(alone, examples=replace(ours, **parts))


def probe(task: Task, size: int, draw: int) -> tuple[np.ndarray, dict[str, Any]]:
    """What the probe says of the test sentences, and the log loss out of fold by which it was chosen."""
    here = drawn(task, TESTED, size, draw)
    trials = [try_probes(here, without_copies(here, rest, out), out) for rest, out in here.cases.folds(FOLDS)]
    decision = chosen(here, trials)
    best = probe_for(here, here.examples, decision.choices.probe)
    level = best.logits(here.examples.embeddings).mean(0)
    choices = decision.at(level, level)
    logits = choices.scaling.of(best.logits(task.examples.embeddings[:TESTED]))
    return decide(logits, False, choices.cutoffs), {"loss": choices.losses["probe"]}


def network(way: str) -> dict[str, Any]:
    """A network tuned on the coded sentences of the first draw, and what it says of the test sentences."""
    task = read(NEIGHBOURS if way == AMONG else ("text",), method="lora", epochs=EPOCHS)
    coded = TESTED + np.random.default_rng(1).permutation(len(task.examples) - TESTED)[:NETWORK]  # as `drawn`
    began = time.process_time()
    trial = try_out(task, coded, np.arange(TESTED))
    assert trial.tuned is not None
    seconds = {"seconds": round(time.process_time() - began)}
    return row(f"network, {way}", NETWORK, 1, task.examples.targets[:TESTED], decide(trial.tuned, False), seconds)


def row(
    method: str, size: int, draw: int, truth: np.ndarray, answers: np.ndarray, about: dict[str, Any]
) -> dict[str, Any]:
    """A line of the rows."""
    packed = base64.b64encode(zlib.compress(np.ascontiguousarray(answers, np.int8).tobytes())).decode()
    f1 = float(scores_of(truth, answers[None], np.ones((1, len(truth))))[0, 0])
    return {"method": method, "size": size, "draw": draw, "macro_f1": round(f1, 4), **about, "answers": packed}


def probes(options: argparse.Namespace, there: set[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """What is not there yet of the probes and of counting words, cell by cell."""
    kept = Kept(options.keep, options.seconds)
    tasks.outputs = kept.named("minilm")  # type: ignore[assignment]
    alone, among = read(("text",), method="probe"), read(NEIGHBOURS, method="probe")
    by_way = {ALONE: alone, AMONG: among, BOTH: side_by_side(alone, among)}
    truth = alone.examples.targets[:TESTED]
    for size, draw, method in product(map(int, options.coded.split(",")), range(1, options.draws + 1), (*WAYS, WORDS)):
        if (method, size, draw) in there:
            continue
        if method == WORDS:
            here = drawn(alone, TESTED, size, draw)
            answers, about = tf_idf(here.coded.texts, here.examples.targets, alone.coded.texts[:TESTED]), {}
        else:
            answers, about = probe(by_way[method], size, draw)
        yield row(method, size, draw, truth, answers, about)


def truth_of() -> np.ndarray:
    """The labels of the test part."""
    frame = sentences()
    return np.array([sorted(frame["label"].unique()).index(label) for label in frame["label"][:TESTED]])


def table(cells: pl.DataFrame) -> str:
    """A line for each number of coded sentences, and what validation would have chosen in each draw."""
    truth = truth_of()
    frequent = np.full((1, len(truth)), np.bincount(truth).argmax())
    least = scores_of(truth, frequent, np.ones((1, len(truth))))[0, 0]
    heads = ("coded", "draws", "most frequent label", WORDS, *WAYS, *(f"{way} more" for way in WAYS[1:]))
    heads += ("chosen of the first two", "chosen of three")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for size in sorted(cells.filter(pl.col("method").is_in(WAYS))["size"].unique()):
        by = {method: cells.filter(method=method, size=size).sort("draw") for method in (WORDS, *WAYS)}
        means = [f"{part['macro_f1'].mean():.3f}" for part in by.values()]
        more = [ahead(by[way], by[ALONE], truth) for way in (AMONG, BOTH)]
        about = [f"{size:,}", str(len(by[ALONE])), f"{least:.3f}"]
        lines.append("| " + " | ".join([*about, *means, *more, _chosen(by, WAYS[:2]), _chosen(by, WAYS)]) + " |")
    return "\n".join(lines)


def _chosen(by: dict[str, pl.DataFrame], ways: tuple[str, ...]) -> str:
    """In how many draws each way has the lowest log loss out of fold, and the macro-F1 of what is chosen so."""
    losses = np.column_stack([by[way]["loss"].to_numpy() for way in ways])
    scores = np.column_stack([by[way]["macro_f1"].to_numpy() for way in ways])
    best = losses.argmin(1)
    counts = ", ".join(f"{way} {n}" for way, n in zip(ways, np.bincount(best, minlength=len(ways)), strict=True) if n)
    return f"{counts}: {scores[np.arange(len(best)), best].mean():.3f}"


def main() -> None:
    """Compute what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--coded", default="500,2000,5000")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=Path("kept-embeddings"))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--network", action="store_true", help="tune the network, and no probes")
    parser.add_argument("--table", action="store_true", help="write the table of what is there, and compute nothing")
    options = parser.parse_args()
    there: set[tuple[Any, ...]] = set()
    if ROWS.exists():
        there = set(pl.read_ndjson(ROWS).select("method", "size", "draw").iter_rows())
    ways = [way for way in (ALONE, AMONG) if (f"network, {way}", NETWORK, 1) not in there]
    missing = (network(way) for way in ways) if options.network else probes(options, there)
    if not options.table:
        for cell in missing:
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(cell) + "\n")
            print({key: value for key, value in cell.items() if key != "answers"}, flush=True)
    put("context", table(pl.read_ndjson(ROWS)), PAGE)


if __name__ == "__main__":
    main()
