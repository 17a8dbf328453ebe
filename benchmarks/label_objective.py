"""A decoder tuned to say the label, and tuned with a head: the same texts, macro-F1 on others.

    python benchmarks/label_objective.py --base FOLDER [--n 300] [--tested 400] [--draws 1,2,3] [--epochs 3]

Sentences of British manifestos, half of them about immigration (Benoit et al. 2016). Both with `method="lora"`, and
whichever model their choices would hand out: what is measured is the tuned network, by its most likely label.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import f1_score

import annotune as at
from annotune.tuning import trials
from annotune.tuning.task import prepare, read_settings

DATA = Path(__file__).parents[2] / "shared" / "data"
OBJECTIVES = ("head", "label")
NAMES = ("not immigration", "immigration")


def sentences(folder: Path) -> pl.DataFrame:
    """unit_id, text, and the label that most coders gave."""
    rows = pl.read_parquet(folder / "uk_manifestos_immigration" / "immigration_codings.parquet")
    share = (pl.col("label_immigration") == NAMES[1]).mean()
    texts = rows.filter(~pl.col("gold_test_item")).group_by("sentence_id", "text", maintain_order=True).agg(share=share)
    named = pl.when(pl.col("share") > 0.5).then(pl.lit(NAMES[1])).otherwise(pl.lit(NAMES[0]))
    return texts.select(pl.col("sentence_id").cast(pl.String).alias("unit_id"), "text", named.alias("label"))


def half_and_half(texts: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """n texts, half of them with either label, in a random order."""
    parts = [texts.filter(label=name).sample(n // 2, seed=seed) for name in NAMES]
    return pl.concat(parts).sample(fraction=1, shuffle=True, seed=seed)


def score(texts: pl.DataFrame, learn: int, objective: str, base: str, epochs: int, seed: int) -> tuple[float, float]:
    """macro-F1 of a network tuned on the first texts, on the others, and the seconds that it took."""
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(NAMES))
    question = "Is the sentence about immigration to the country?"
    book = at.Codebook(variables=(at.Variable(name="area", instruction=question, labels=labels),))
    gold = texts.select("unit_id", "label", variable=pl.lit("area"))
    settings = read_settings(
        {"base": base, "objective": objective, "method": "lora", "epochs": epochs, "seed": seed, "max_tokens": 128}
    )
    task = prepare(at.read_corpus(texts), gold, book, None, None, 0.15, settings)
    began = time.perf_counter()
    trial = trials.try_out(task, np.arange(learn), np.arange(learn, len(texts)), keep="")
    seconds = time.perf_counter() - began
    assert trial.tuned is not None
    return float(f1_score(task.examples.targets[trial.out], trial.tuned.argmax(1), average="macro")), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--tested", type=int, default=400)
    parser.add_argument("--draws", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    texts = sentences(options.data)
    print("| draw | objective | macro-F1 | seconds |\n|---|---|---|---|")
    for seed in map(int, options.draws.split(",")):
        drawn = half_and_half(texts, options.n + options.tested, seed)
        for objective in options.objectives.split(","):
            found, seconds = score(drawn, options.n, objective, options.base, options.epochs, seed)
            print(f"| {seed} | {objective} | {found:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
