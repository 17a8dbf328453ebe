"""How good with how many labels: annotune against TF-IDF, the frozen probe, SetFit and plain Trainer fine-tuning.

    python benchmarks/accuracy.py [sets ...] [--coded 100,500] [--sizes 8,32,100,all] [--seeds 1,2,3,4,5]
                                  [--methods ...] [--setfit PYTHON] [--table]

The same base model (MiniLM), the same texts and the same fixed test part for all. `--coded`: so many texts drawn at
random, as a study would draw them; `--sizes`: so many of each label. Each method runs in a process of its own; seconds
are of the processor, from reading the texts to the last answer. `--methods` knows two more: `multilingual`, the probe
on that base, and `shares`, the same learnt from shares of coders, where a set has them. SetFit is as it comes, in
float32 (under bfloat16's autocast it unlearnt), with at most 400 steps at 8 labels a class and with texts drawn at
random, and 1,000 above.
Trainer has bfloat16, like annotune, but for 8 labels a class. What is finished stays in benchmarks/accuracy_drawn.jsonl
and accuracy_cells.jsonl, so a run that was stopped goes on; `--table` computes nothing. The tables are written to
docs/accuracy.md and docs/which-model.md.

SetFit needs an earlier transformers than ours: make an environment with `pip install setfit 'transformers<5'` and name
its Python; without it its columns stay empty. The data are looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from accuracy_sets import SETS, TASKS, at_random, encoded, texts_of
from sklearn.metrics import f1_score

HERE = Path(__file__).parent
CELLS, DRAWN = HERE / "accuracy_cells.jsonl", HERE / "accuracy_drawn.jsonl"
Cell = tuple[str, str, int, str]  # task, size, seed, method
METHODS = ("annotune", "probe", "TF-IDF", "SetFit", "Trainer")


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Small sizes first, so that a stopped run has whole rows."""
    runs = [run for run in options.methods.split(",") if run != "SetFit" or options.setfit]
    sizes = [f"{n} drawn" for n in _listed(options.coded)] + _listed(options.sizes)
    for size, seed, task, run in product(sizes, options.seeds.split(","), options.sets, runs):
        if possible(task, size) and (run != "shares" or "shares" in texts_of(task).columns):
            yield task, size, int(seed), run


def _listed(names: str) -> list[str]:
    return [name for name in names.split(",") if name]


def possible(task: str, size: str) -> bool:
    """Whether there are so many texts; one of each label is no size for sets of labels."""
    if size.endswith("drawn"):
        return len(at_random(task)[0]) >= int(size.split()[0])
    return task in TASKS


def parts(task: str, size: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Texts to learn from, and the test part."""
    if size.endswith("drawn"):
        pool, test = at_random(task)
        return pool.sample(int(size.split()[0]), shuffle=True, seed=seed), test
    frame = TASKS[task]().unique("text", maintain_order=True)
    train = frame.filter(~pl.col("test")).sample(fraction=1, shuffle=True, seed=seed)
    if size != "all":
        train = train.group_by("label", maintain_order=True).head(int(size))
    return train.select("text", "label"), frame.filter(pl.col("test")).select("text", "label")


def compute(cell: Cell, setfit: str | None) -> dict[str, Any]:
    """One method on one draw, in a process of its own: answers, macro-F1, and seconds."""
    task, size, seed, run = cell
    train, test = (frame.to_dict(as_series=False) for frame in parts(task, size, seed))
    content = {"train": train, "test": test, "seed": seed, "size": size}
    python = setfit if run == "SetFit" and setfit else sys.executable
    with TemporaryDirectory() as folder:
        given, found = Path(folder, "given.json"), Path(folder, "found.json")
        given.write_text(json.dumps(content))
        subprocess.run([python, HERE / "accuracy_methods.py", run, given, found], check=True)
        return scored(cell, json.loads(found.read_text()))


def scored(cell: Cell, found: dict[str, Any]) -> dict[str, Any]:
    """A row: the cell, its measures on the fixed test part, and what every test text was answered."""
    names, truth = names_of(cell[0]), pl.Series(found.pop("truth"))
    wanted, given = encoded(truth, names), encoded(pl.Series(found.pop("answers")), names)
    row = dict(zip(("task", "size", "seed", "method"), cell, strict=True))
    right = round(float((wanted == given).mean()), 4)
    sizes = {"n_train": found.pop("n_train"), "n_test": len(truth), "accuracy": right}
    packed = base64.b64encode(zlib.compress(given.astype(np.int8).tobytes(), 9)).decode()
    figures = {"macro_f1": round(f1(wanted, given), 4), "seconds": round(found.pop("seconds"), 1)}
    return row | sizes | figures | found | {"answers": packed}


def names_of(task: str) -> list[str]:
    """All labels of a set, in the order of the numbers that rows are kept with."""
    labels = texts_of(task)["label"]
    return sorted((labels.explode() if labels.dtype == pl.List else labels).drop_nulls().unique())


def f1(truth: np.ndarray, answers: np.ndarray) -> float:
    """Macro-F1 over the labels of the test part, or over the labels of sets."""
    if truth.ndim == 2:
        return float(f1_score(truth, answers, average="macro", zero_division=0))
    return float(f1_score(truth, answers, average="macro", zero_division=0, labels=sorted(set(truth))))


def finished(path: Path) -> pl.DataFrame:
    """A row per task, size, seed and method that was computed."""
    return pl.read_ndjson(path, infer_schema_length=None) if path.exists() else pl.DataFrame()


def main() -> None:
    """Compute what is missing, then write the tables."""
    from accuracy_tables import write_tables

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--coded", default="", help="how many texts, drawn at random")
    parser.add_argument("--sizes", default="", help="how many texts of each label")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--setfit", help="the Python of an environment with SetFit")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--table", action="store_true", help="write the tables of what is there, and compute nothing")
    options = parser.parse_args()
    keys = ("task", "size", "seed", "method")
    there = {row for path in (CELLS, DRAWN) if path.exists() for row in finished(path).select(keys).iter_rows()}
    for cell in [] if options.table else cells(options):
        if cell not in there:
            print(*cell, flush=True)
            row = compute(cell, options.setfit)
            with (DRAWN if cell[1].endswith("drawn") else CELLS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    write_tables()


if __name__ == "__main__":
    main()
