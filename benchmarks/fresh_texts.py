"""Does a model do on fresh texts what was reported of it? And is fine-tuning worth more than its probe?

    python benchmarks/fresh_texts.py [--sets ...] [--sizes 100,500] [--draws 5] [--methods lora,probe] [--table]

Coded texts are drawn at random, so many as the size says; `tune` cross-validates them as it does by default, and the
model that it hands out codes up to 2,000 other texts of the same set. Of both, the held-out and the fresh texts:
macro-F1, log loss beside that of the labels' shares, the expected calibration error of the label given (ten bins),
stated confidence less accuracy, and the largest difference between a label's share and people's; and what `abstain`
promised. What is finished stays in benchmarks/fresh_texts.jsonl, so a run that was stopped goes on. The data are looked
for in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from accuracy_sets import SETS, encoded, texts_of

import annotune as at
from annotune.measures.scores import macro_f1
from annotune.measures.shares import label_shares
from annotune.tuning.calibrate import log_shares, surprises

ROWS = Path(__file__).parent / "fresh_texts.jsonl"
FRESH = 2_000
FEWEST = {"napire": 500, "banking77": 500}  # with dozens of labels, fewer texts leave most of them out of a fold
RISK = 0.15


def compute(name: str, size: int, draw: int, method: str) -> dict[str, Any] | None:
    """One draw: tune, code fresh texts, and measure both; None where texts are too few."""
    frame = texts_of(name).sample(fraction=1, shuffle=True, seed=draw)
    frame = frame.with_row_index("unit_id").with_columns(pl.col("unit_id").cast(pl.String))
    if len(frame) < size + 100 or size < FEWEST.get(name, 0):
        return None
    coded, fresh = frame[:size], frame[size : size + FRESH]
    many = frame["label"].dtype == pl.List
    rows = coded.with_columns(one_each()).explode("label") if many else coded
    status = pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok"))
    gold = rows.select("unit_id", "label", status=status, variable=pl.lit("label"))
    names = sorted(rows["label"].drop_nulls().unique())
    if not many:
        fresh = fresh.filter(pl.col("label").is_in(names))
    labels = tuple(at.Label(code=i, name=label) for i, label in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="label", kind="multilabel" if many else "nominal", labels=labels),))
    began = time.perf_counter()
    model = at.tune(coded.select("unit_id", "text"), gold, book, seed=draw, method=method, folds=5, n_boot=0)
    seconds = time.perf_counter() - began
    codings = model.classify(fresh.select("unit_id", "text"))
    people, reference = (encoded(part["label"], names) for part in (coded, fresh))
    held = measured(model.held_out, coded, people, people, names)
    after = measured(codings, fresh, reference, people, names)
    row = {"set": name, "size": size, "draw": draw, "method": method, "seconds": round(seconds, 1)}
    row |= {"network": model.card["choices"]["epochs"] > 0, "n_fresh": len(fresh)}
    row |= {f"held_{measure}": value for measure, value in held.items()}
    return row | after | abstained(model, gold, codings, fresh, book, many)


def one_each() -> pl.Expr:
    """A set's labels; one empty row where it has none."""
    nothing = pl.lit([None], dtype=pl.List(pl.String))
    return pl.when(pl.col("label").list.len() == 0).then(nothing).otherwise("label").alias("label")


def measured(
    codings: pl.DataFrame, frame: pl.DataFrame, truth: np.ndarray, people: np.ndarray, names: list[str]
) -> dict[str, float]:
    """Of one set of predictions, in the order of `frame`; shares beside those of the coded texts, `people`."""
    units = codings.unique("unit_id", keep="first", maintain_order=True)
    units = frame.select("unit_id").join(units, on="unit_id", maintain_order="left")
    p = units.select(f"p_{label}" for label in names).to_numpy()
    if truth.ndim == 2:
        given = codings.drop_nulls("label").group_by("unit_id").agg("label")
        by_unit = dict(given.iter_rows())
        answers = np.array([[label in by_unit.get(unit, ()) for label in names] for unit in frame["unit_id"]])
    else:
        answers = np.array([names.index(label) for label in units["label"]])
    return figures(p, answers, truth, people)


def figures(p: np.ndarray, answers: np.ndarray, truth: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Measures of probabilities (n, labels) and of the answers made of them.

    `ece_chance` is what the ECE would be, on so many texts, if every stated probability were exactly right;
    `off_squared` the mean square of the bins' errors, less what chance adds (Kumar, Liang and Ma 2019).
    """
    p, n_labels = np.clip(p, 1e-9, 1 - 1e-9), p.shape[1]
    base = np.tile(log_shares(people, n_labels), (len(truth), 1))
    if truth.ndim == 2:
        logits, stated, right = np.log(p / (1 - p)), p.ravel(), truth.ravel()
    else:
        logits, stated, right = np.log(p), p[np.arange(len(p)), answers], answers == truth
    luck = np.random.default_rng(0).random((20, len(stated))) < stated
    shares = [label_shares(one, n_labels) for one in (answers, people)]
    numbers = {
        "macro_f1": macro_f1(truth, answers, n_labels),
        "accuracy": (answers == truth).mean(),
        "log_loss": surprises(logits, truth).mean(),
        "base_log_loss": surprises(base, truth).mean(),
        "ece": ece(stated, right),
        "ece_chance": np.mean([ece(stated, one) for one in luck]),
        "off_squared": off_squared(stated, right),
        "too_sure": stated.mean() - right.mean(),
        "share_gap": np.abs(shares[0] - shares[1]).max(),
    }
    return {name: round(float(value), 5) for name, value in numbers.items()}


def ece(stated: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error: ten bins of equal width of the stated probability."""
    gaps = np.bincount(np.minimum((stated * 10).astype(int), 9), weights=stated - right)
    return float(np.abs(gaps).sum()) / len(stated)


def off_squared(stated: np.ndarray, right: np.ndarray) -> float:
    """The mean square of the errors of ten bins, without bias; below 0 where chance explains more than all of it."""
    bins = np.minimum((stated * 10).astype(int), 9)
    n = np.bincount(bins, minlength=10)
    some = n > 1
    gap = np.bincount(bins, weights=stated - right, minlength=10)[some] / n[some]
    share = np.bincount(bins, weights=right, minlength=10)[some] / n[some]
    return float((n[some] * (gap**2 - share * (1 - share) / (n[some] - 1))).sum() / n[some].sum())


def abstained(
    model: Any, gold: pl.DataFrame, codings: pl.DataFrame, fresh: pl.DataFrame, book: at.Codebook, many: bool
) -> dict[str, Any]:
    """What `abstain` keeps of held-out and of fresh texts at the risk, and the share of the latter that is wrong."""
    if many:
        return {}
    found = at.abstain(codings, held_out=model, gold=gold, risk=RISK, codebook=book)
    if found.threshold is None:
        return {"kept_held": 0.0, "kept": 0.0, "kept_wrong": 0.0}
    kept = found.codings.filter(~pl.col("by_hand")).join(fresh.select("unit_id", truth="label"), on="unit_id")
    promised = float((model.held_out["prob"] >= found.threshold).mean())
    wrong = float((kept["label"] != kept["truth"]).mean()) if len(kept) else 0.0
    return {"kept_held": round(promised, 4), "kept": round(len(kept) / len(fresh), 4), "kept_wrong": round(wrong, 4)}


def table() -> str:
    """Means over draws, as Markdown."""
    rows = pl.read_ndjson(ROWS, infer_schema_length=None)
    names = ["macro_f1", "log_loss", "base_log_loss", "ece", "too_sure", "share_gap", "held_macro_f1", "held_log_loss"]
    means = rows.group_by("set", "size", "method").agg(
        pl.len().alias("draws"), pl.col("seconds").mean(), pl.col("network").mean(), pl.col(names).mean()
    )
    heads = ["set", "coded", "method", "draws", "network", "seconds", *names]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in means.sort("set", "size", "method").to_dicts():
        about = [row["set"], row["size"], row["method"], row["draws"], f"{row['network']:.1f}", f"{row['seconds']:.0f}"]
        lines.append("| " + " | ".join(map(str, [*about, *(f"{row[name]:.3f}" for name in names)])) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--sizes", default="100,500")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--methods", default="probe,lora")
    parser.add_argument("--table", action="store_true", help="print what is there, and compute nothing")
    options = parser.parse_args()
    there = set()
    if ROWS.exists():
        there = set(pl.read_ndjson(ROWS).select("set", "size", "draw", "method").iter_rows())
    sizes, sets, methods = map(int, options.sizes.split(",")), options.sets.split(","), options.methods.split(",")
    cells = product(range(1, options.draws + 1), list(sizes), sets, methods)
    for draw, size, name, method in [] if options.table else cells:
        if (name, size, draw, method) not in there and (row := compute(name, size, draw, method)):
            print(row, flush=True)
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    print(table())


if __name__ == "__main__":
    main()
