"""A base that hardly reads the language: do longer tuning, tuning of all weights, or counting words beside it help?

    python benchmarks/foreign_base.py [--seeds 1,2,3]

MiniLM reads English; the texts are the Dutch economic headlines that benchmarks/accuracy.py learns from, none of its
test part: 1,200 of them to test, the same in every draw, and 3,000 of the others to learn from. Prints, for each way,
the mean accuracy, and by how much that of TF-IDF is above it, with a 95 % interval over texts and draws. The data are
looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import polars as pl
from accuracy_sets import TASKS
from accuracy_tables import difference

import annotune as at
from annotune.measures.baselines import tf_idf

TESTED, LEARNT = 1200, 3000
WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "15 epochs": {"epochs": 15},
    "all weights": {"method": "full"},
    "probe": {"method": "probe"},
}


def draw(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Headlines to learn from, and to test: unit_id, text, label."""
    pool = TASKS["ecosent"]().unique("text", maintain_order=True).filter(~pl.col("test")).with_row_index("unit_id")
    mixed = pool.select(pl.col("unit_id").cast(pl.String), "text", "label").sample(fraction=1, shuffle=True, seed=0)
    return mixed[TESTED:].sample(LEARNT, shuffle=True, seed=seed), mixed[:TESTED]


def tuned(learn: pl.DataFrame, test: pl.DataFrame, **settings: Any) -> np.ndarray:
    """The labels that a tuned model gives the texts to test."""
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(learn["label"].unique().sort()))
    book = at.Codebook(variables=(at.Variable(name="tone", labels=labels),))
    gold = learn.select("unit_id", "label", variable=pl.lit("tone"))
    model = at.tune(learn.select("unit_id", "text"), gold, book, test=0, seed=1, **settings)
    return np.asarray(model.classify(test.select("unit_id", "text"))["label"])


def counted(learn: pl.DataFrame, test: pl.DataFrame) -> np.ndarray:
    """The labels of a logistic regression on word counts."""
    names, numbers = np.unique(learn["label"].to_numpy(), return_inverse=True)
    return np.asarray(names[tf_idf(learn["text"].to_list(), numbers, test["text"].to_list())])


def main() -> None:
    """Print a row a way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="1,2,3")
    draws = [draw(int(seed)) for seed in parser.parse_args().seeds.split(",")]
    truth = np.array([test["label"].to_numpy() for _, test in draws])
    words = np.array([counted(*parts) for parts in draws]) == truth
    print("| way | accuracy | TF-IDF more |\n|---|---|---|", f"| TF-IDF | {words.mean():.3f} |  |", sep="\n")
    for way, settings in WAYS.items():
        right = np.array([tuned(*parts, **settings) for parts in draws]) == truth
        print(f"| {way} | {right.mean():.3f} | {difference(words, right)} |", flush=True)


if __name__ == "__main__":
    main()
