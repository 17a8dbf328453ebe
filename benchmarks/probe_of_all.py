"""What a probe gains that learns from all coded texts, where choices were made on 85 % of them before.

    python benchmarks/probe_of_all.py [SET:CODED ...] [--draws 3]

Each draw deals a set's texts into coded ones and 1,500 fresh ones (fewer where a set is small). One probe is chosen
on a validation part of 15 % of the coded texts, and learns from the others; the other probe is chosen in five folds,
and learns from all. Both are measured on the fresh texts. Intervals cover draws and fresh texts. The data are looked
for in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import many_draws
import numpy as np
import polars as pl
from fresh_texts import figures
from many_draws import drawn, whole
from scipy import stats

from annotune.network.logits import decide, from_logits
from annotune.tuning import held_out
from annotune.tuning.held_out import Made
from annotune.tuning.task import Task

ROWS = Path(__file__).parent / "probe_of_all.jsonl"
FRESH = 1_500
CELLS = ("ecosent:1500", "ecosent:all", "uk_manifestos:1500", "uk_manifestos:all", "banking77:1500", "napire:all")


def of_most(task: Task) -> Made:
    """A probe of 85 % of the texts, chosen on the others."""
    trial = held_out.kept_trial(task, *held_out._validation_part(task), None, 1, keep="")
    return held_out.from_trial(task, trial, held_out.chosen(task, [trial]))


def of_all(task: Task) -> Made:
    """A probe as it is handed out."""
    return held_out.hold_out_once(task, task.everything[:0])[0]


WAYS: dict[str, Callable[[Task], Made]] = {"most": of_most, "all": of_all}


def row_of(task: Task, name: str, coded: str, draw: int) -> dict[str, Any]:
    """One draw: the measures of both ways on the same fresh texts, and the standard error of what they differ by."""
    n, n_fresh = len(task.examples), min(FRESH, len(task.examples) // 3)
    here, fresh, truth = drawn(task, n - n_fresh if coded == "all" else int(coded), draw)
    fresh, truth = fresh[-n_fresh:], truth[-n_fresh:]
    row: dict[str, Any] = {"set": name, "coded": coded, "draw": draw, "n": len(here.examples), "n_fresh": len(fresh)}
    right, surprise = {}, {}
    for way, make in WAYS.items():
        began = time.process_time()
        made = make(here)
        seconds = time.process_time() - began
        logits = made.choices.scaling.of(made.probe.logits(task.examples.embeddings[fresh]))
        answers, p = decide(logits, False, made.choices.cutoffs), from_logits(logits, False)
        right[way], surprise[way] = answers == truth, -np.log(p[np.arange(len(p)), truth])
        found = figures(p, answers, truth, here.examples.targets)
        row |= {f"{way}_{key}": value for key, value in found.items()} | {f"{way}_seconds": round(seconds, 1)}
        row |= {f"{way}_penalty": made.choices.penalty, f"{way}_accuracy": float(right[way].mean())}
        row[f"{way}_f1s"] = resampled(truth, answers)
    for key, by_way in (("accuracy", right), ("log_loss", surprise)):
        row[f"{key}_se"] = float(stats.sem(by_way["all"].astype(float) - by_way["most"]))
    row["macro_f1_se"] = float(np.std(np.subtract(row.pop("all_f1s"), row.pop("most_f1s"))))
    return row


def resampled(truth: np.ndarray, answers: np.ndarray, replicates: int = 200) -> list[float]:
    """Macro-F1 of the same bootstrap samples of texts for every way."""
    from sklearn.metrics import f1_score

    samples, seen = np.random.default_rng(0).integers(0, len(truth), (replicates, len(truth))), sorted(set(truth))
    options: dict[str, Any] = {"average": "macro", "labels": seen, "zero_division": 0}
    return [float(f1_score(truth[sample], answers[sample], **options)) for sample in samples]


def table() -> str:
    """Means over draws; of differences, with an interval over draws and texts."""
    rows = pl.read_ndjson(ROWS, infer_schema_length=None)
    heads = ["set", "coded", "draws", "macro-F1, of 85 % / of all", "gain", "log loss", "gain"]
    heads += ["ECE", "stated less true accuracy", "largest gap of a share", "seconds"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for part in rows.partition_by("set", "coded", maintain_order=True):
        cells = [part["set"][0], f"{part['n'][0]:,}", str(len(part))]
        for key in ("macro_f1", "log_loss"):
            cells += [_pair(part, key), _gain(part, key)]
        cells += [_pair(part, key, form) for key, form in (("ece", ".3f"), ("too_sure", "+.3f"), ("share_gap", ".3f"))]
        lines.append("| " + " | ".join([*cells, _pair(part, "seconds", ".0f")]) + " |")
    return "\n".join(lines)


def _pair(part: pl.DataFrame, key: str, form: str = ".3f") -> str:
    return " / ".join(f"{part[f'{way}_{key}'].mean():{form}}" for way in WAYS)


def _gain(part: pl.DataFrame, key: str) -> str:
    """The mean difference, and 1.96 standard errors of it: of draws that share their fresh texts in part."""
    more = part[f"all_{key}"] - part[f"most_{key}"]
    reach = 1.96 * float(np.sqrt((part[f"{key}_se"] ** 2).mean() / len(part) + more.var() / len(part)))
    return f"{more.mean():+.3f} ({more.mean() - reach:+.3f} to {more.mean() + reach:+.3f})"


def main() -> None:
    """Compute what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cells", nargs="*", default=list(CELLS))
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    many_draws.MOST = 1_000_000
    there = set()
    if ROWS.exists():
        there = set(pl.read_ndjson(ROWS, infer_schema_length=None).select("set", "coded", "draw").iter_rows())
    for name, coded in (cell.split(":") for cell in options.cells):
        draws = [draw for draw in range(1, options.draws + 1) if (name, coded, draw) not in there]
        task = whole(name) if draws else None
        for draw in draws:
            row = row_of(task, name, coded, draw)
            print(row, flush=True)
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    print(table())


if __name__ == "__main__":
    main()
