"""The main job on real input: British manifestos coded by a crowd, and 77 kinds of bank customers' questions.

Run from the repository: python benchmarks/main_job.py [manifestos] [banking77] [--seeds 1,2,3]. The data are looked for
in ../shared/data. Every figure is from texts that had no part in fitting or choosing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import polars as pl

import annotune as at

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"


def manifestos(_: list[int]) -> None:
    """Agreement of the crowd, and a model tested on three whole manifestos."""
    study = HERE / "uk_manifestos" / "study.yaml"
    started = time.perf_counter()
    results = at.run(study, again=True)
    alpha = results.reliability.filter(pl.col("metric") == "alpha").row(0, named=True)
    print(f"alpha {alpha['estimate']:.4f} ({alpha['ci_low']:.3f} to {alpha['ci_high']:.3f}), {alpha['n_units']} units")
    show("manifestos, seed 1", results.evaluations["area"])
    print(f"{len(results.data):,} sentences coded; {time.perf_counter() - started:.0f} s in all")


def banking77(seeds: list[int]) -> None:
    """Accuracy on the fixed test part, with all labels and with eight a class."""
    texts = pl.read_csv(DATA / "banking77" / "banking77.csv").with_row_index("unit_id")
    texts = texts.with_columns(pl.col("unit_id").cast(pl.String))
    names = sorted(texts["label"].unique())
    entry = at.Variable(name="intent", labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(names)))
    for per_class in (8, None):
        for seed in seeds if per_class else seeds[:1]:
            train = texts.filter(pl.col("split") == "train").sample(fraction=1, shuffle=True, seed=seed)
            chosen = train.group_by("label", maintain_order=True).head(per_class) if per_class else train
            part = pl.concat([chosen.select(texts.columns), texts.filter(pl.col("split") == "test")])
            gold = part.select("unit_id", pl.lit("intent").alias("variable"), "label")
            started = time.perf_counter()
            codebook = at.Codebook(variables=(entry,))
            model = at.tune(part.drop("label"), gold, codebook, test={"split": ["test"]}, seed=seed)
            called = f"banking77, {f'{per_class} labels a class' if per_class else 'all labels'}, seed {seed}"
            assert model.evaluation is not None
            show(called, model.evaluation)
            print(f"{time.perf_counter() - started:.0f} s in all; {model.card['time']}; {model.card['choices']}")


def show(called: str, evaluation: at.Evaluation) -> None:
    print(f"\n{called}")
    rows = evaluation.measures.filter(pl.col("measure").is_in(["macro_f1", "accuracy"]))
    for row in rows.sort("measure", maintain_order=True).to_dicts():
        interval = f"({row['ci_low']:.3f} to {row['ci_high']:.3f})"
        print(f"  {row['measure']:<10}{row['model']:<32}{row['estimate']:.4f} {interval}  n {row['n_units']:,}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["manifestos", "banking77"])
    parser.add_argument("--seeds", default="1,2,3")
    chosen = parser.parse_args()
    for part in chosen.parts:
        {"manifestos": manifestos, "banking77": banking77}[part]([int(seed) for seed in chosen.seeds.split(",")])
