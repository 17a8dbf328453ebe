"""How good with how many labels: annotune against TF-IDF, the frozen probe, SetFit and plain Trainer fine-tuning.

    python benchmarks/accuracy.py [tasks ...] [--sizes 8,32,100,all] [--seeds 1,2,3] [--methods ...] [--setfit PYTHON]

The same base model (MiniLM), the same texts and the same fixed test part for all. Each method runs in a process of its
own; seconds are from reading the texts to the last answer. SetFit is as it comes, in float32 (under bfloat16's autocast
it unlearnt), with at most 400 steps at 8 labels a class and 1,000 above. Trainer has bfloat16, like annotune, from 32
labels a class on. What is finished stays in benchmarks/accuracy_cells.jsonl, so a run that was stopped goes on; the
table is written to docs/accuracy.md.

SetFit needs an earlier transformers than ours: make an environment with `pip install setfit 'transformers<5'` and name
its Python; without it its columns stay empty. The data are looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from scipy import stats
from sklearn.metrics import f1_score

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"
CELLS = HERE / "accuracy_cells.jsonl"
PAGE = HERE.parent / "docs" / "accuracy.md"
MARK = "<!-- the table, as benchmarks/accuracy.py wrote it -->"
Cell = tuple[str, str, int, str]  # task, size, seed, method
METHODS = ("annotune", "probe", "TF-IDF", "SetFit", "Trainer")


def banking77() -> pl.DataFrame:
    """77 kinds of bank customers' questions; the published test part."""
    frame = pl.read_csv(DATA / "banking77" / "banking77.csv")
    return frame.select("text", "label", test=pl.col("split") == "test")


def manifestos() -> pl.DataFrame:
    """Sentences on immigration in British manifestos, by the crowd's majority; three whole manifestos are the test."""
    folder = DATA / "uk_manifestos_immigration"
    codings = pl.read_parquet(folder / "immigration_codings.parquet").filter(~pl.col("gold_test_item"))
    share = pl.col("label_immigration") == "immigration"
    gold = codings.group_by("sentence_id", "manifesto", "text", maintain_order=True).agg(share.mean())
    label = pl.when(pl.col("label_immigration") >= 0.5).then(pl.lit("immigration")).otherwise(pl.lit("other"))
    held = pl.col("manifesto").is_in(["BNP 2010", "LD 2010", "UKIP 2010"])
    return gold.sort("sentence_id").select("text", label=label, test=held)


def headlines(column: str, n_test: int) -> pl.DataFrame:
    """Sentiment of Dutch economic headlines as students coded it; the 284 of the gold part also in English."""
    frame = pl.read_csv(DATA / "ecosent_dutch_headlines" / "headlines.csv").drop_nulls(column).sort("id")
    return _draw(frame.select(text=pl.col(column), label=pl.col("label").cast(pl.String)), n_test)


def survey() -> pl.DataFrame:
    """Open answers on causes and effects of problems, those with one code that 20 answers or more have."""
    frame = pl.read_csv(DATA / "napire2018_open_answers" / "final_codes.csv", infer_schema_length=0)
    frame = frame.filter(pl.col("question").is_in([f"v_{i}" for i in range(277, 287)]) & pl.col("text").is_not_null())
    code = pl.col("code").str.strip_chars().str.to_lowercase()  # some codes are there in two spellings
    answers = frame.group_by("respondent", "question", "text", maintain_order=True).agg(code.unique())
    one = answers.filter(pl.col("code").list.len() == 1).with_columns(label=pl.col("code").list.first())
    return _draw(one.filter(pl.len().over("label") >= 20).select("text", "label"), 600)


def _draw(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    chosen = np.random.default_rng(0).permutation(len(frame)) < n
    return frame.with_columns(test=pl.Series(chosen))


TASKS: dict[str, Callable[[], pl.DataFrame]] = {
    "banking77": banking77,
    "uk_manifestos": manifestos,
    "ecosent": lambda: headlines("text", 1500),
    "ecosent_en": lambda: headlines("text_english", 120),
    "napire": survey,
}


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Small sizes first, so that a stopped run has whole rows."""
    runs = [run for run in options.methods.split(",") if run != "SetFit" or options.setfit]
    for size, task, seed, run in product(options.sizes.split(","), options.tasks, options.seeds.split(","), runs):
        yield task, size, int(seed), run


def compute(cell: Cell, setfit: str | None) -> dict[str, Any]:
    """One method on one draw, in a process of its own: which answers are right, macro-F1, and seconds."""
    task, size, seed, run = cell
    frame = TASKS[task]().unique("text", maintain_order=True)
    test = frame.filter(pl.col("test"))
    train = frame.filter(~pl.col("test")).sample(fraction=1, shuffle=True, seed=seed)
    if size != "all":
        train = train.group_by("label", maintain_order=True).head(int(size))
    content = {"train": train.select("text", "label").to_dict(as_series=False), "seed": seed, "per_class": size}
    python = setfit if run == "SetFit" and setfit else sys.executable
    with TemporaryDirectory() as folder:
        given, found = Path(folder, "given.json"), Path(folder, "found.json")
        given.write_text(json.dumps(content | {"test": test.select("text", "label").to_dict(as_series=False)}))
        subprocess.run([python, HERE / "accuracy_methods.py", run, given, found], check=True)
        return scored(cell, json.loads(found.read_text()))


def scored(cell: Cell, found: dict[str, Any]) -> dict[str, Any]:
    """A row: the cell, its measures on the fixed test part, and a bit for every test text that is right."""
    truth, answer = found["truth"], [label or "" for label in found["answers"]]  # no answer is a wrong one
    right = [one == other for one, other in zip(truth, answer, strict=True)]
    score = f1_score(truth, answer, average="macro", zero_division=0, labels=sorted(set(truth)))
    row = dict(zip(("task", "size", "seed", "method"), cell, strict=True))
    sizes = {"n_train": found["n_train"], "n_test": len(truth), "accuracy": round(float(np.mean(right)), 4)}
    bits = np.packbits(right).tobytes().hex()
    return row | sizes | {"macro_f1": round(score, 4), "seconds": round(found["seconds"], 1), "right": bits}


def scores() -> pl.DataFrame:
    """A row per task, size, seed and method that was computed."""
    return pl.read_ndjson(CELLS, infer_schema_length=None) if CELLS.exists() else pl.DataFrame()


def rights(found: pl.DataFrame) -> np.ndarray:
    """Which test texts (columns) were answered right, a row a draw."""
    bits = [np.unpackbits(np.frombuffer(bytes.fromhex(row), np.uint8)) for row in found["right"]]
    return np.array(bits)[:, : found["n_test"][0]].astype(float)


def ahead(found: pl.DataFrame, task: str, size: str, method: str) -> str:
    """By how much annotune's accuracy is above the method's, over the draws that both had, with a 95 % interval.

    Its variance is that of the mean difference over the test texts, and that over the draws of coded texts.
    """
    cell = found.filter(task=task, size=size)
    both = [cell.filter(method=name).sort("seed") for name in ("annotune", method)]
    ours, theirs = (one.join(other, on="seed", how="semi") for one, other in (both, both[::-1]))
    if method == "annotune" or not len(ours):
        return ""
    return difference(rights(ours), rights(theirs))


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """By how much answers that are right (draws, test texts) are more, and a 95 % interval over texts and draws."""
    more = ours.astype(float) - theirs
    texts, draws = more.mean(0).var(ddof=1) / more.shape[1], 0.0
    if len(more) > 1:
        draws = more.mean(1).var(ddof=1) / len(more)
    freedom = (len(more) - 1) * ((texts + draws) / draws) ** 2 if draws else np.inf  # Satterthwaite 1946
    half = stats.t.ppf(0.975, freedom) * np.sqrt(texts + draws)
    return f"{more.mean():+.3f} ({more.mean() - half:+.3f} to {more.mean() + half:+.3f})"


def lowest(task: str) -> str:
    """A line of the table: always the label that is most frequent in the test part."""
    truth = TASKS[task]().unique("text", maintain_order=True).filter(pl.col("test"))["label"]
    share = float(truth.value_counts()["count"].max()) / len(truth)  # type: ignore[arg-type]
    macro_f1 = 2 * share / (1 + share) / truth.n_unique()
    return f"| {task} |  | 0, {len(truth):,} |  | most frequent label | {share:.3f} | {macro_f1:.3f} | 0 |  |"


def page(found: pl.DataFrame) -> str:
    """The table as Markdown: means over the draws; first, for each task, what is had without looking at the texts."""
    keys = ["task", "size", "method"]
    order = pl.col("size").replace_strict({"8": 0, "32": 1, "100": 2, "all": 3}, default=4)
    mean = found.group_by(keys, maintain_order=True).agg(
        pl.len().alias("draws"), pl.col("n_train", "n_test", "accuracy", "macro_f1", "seconds").mean()
    )
    lines = [
        "| task | labels a class | coded, test | draws | method | accuracy | macro-F1 | seconds | annotune more |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rank = pl.col("method").replace_strict({name: i for i, name in enumerate(METHODS)})
    told: set[str] = set()
    for row in mean.sort("task", order, rank).to_dicts():
        if row["task"] not in told:
            told.add(row["task"])
            lines.append(lowest(row["task"]))
        texts = f"{row['n_train']:,.0f}, {row['n_test']:,.0f}"
        figures = f"{row['accuracy']:.3f} | {row['macro_f1']:.3f} | {row['seconds']:.0f}"
        more = ahead(found, row["task"], row["size"], row["method"])
        lines.append(
            f"| {row['task']} | {row['size']} | {texts} | {row['draws']} | {row['method']} | {figures} | {more} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, then print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--sizes", default="8,32,100,all")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--setfit", help="the Python of an environment with SetFit")
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args()
    there = set() if not CELLS.exists() else set(scores().select("task", "size", "seed", "method").iter_rows())
    for cell in cells(options):
        if cell not in there:
            print(*cell, flush=True)
            row = compute(cell, options.setfit)
            with CELLS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    before, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{mark}\n\n{page(scores())}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
