"""A decoder tuned to say the label, and tuned with a head: the same texts, macro-F1 on others.

    python benchmarks/label_objective.py --base FOLDER [--n 160] [--tested 220] [--draws 1,2,3] [--objectives label]

Sentences of British manifestos, half of them about immigration, of which there are 191 (Benoit et al. 2016). Both with
`method="lora"`, and whichever model their choices would hand out: what is measured is the tuned network, by its most
likely label. Last comes the mean difference with a 95 % interval: 2,000 bootstrap samples of the texts, in which each
text keeps the draws in which it was tested.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at
from annotune.measures.scores import macro_f1
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


def answers(
    texts: pl.DataFrame, learn: int, objective: str, base: str, epochs: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Truth and answers (tested,) of a network tuned on the first texts, for the others, and the seconds it took."""
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
    return task.examples.targets[trial.out], trial.tuned.argmax(1), seconds


def gain(draws: list[dict[str, np.ndarray]], n_texts: int) -> tuple[float, float, float]:
    """What `label` has over `head`, the mean over draws of macro-F1, and its 95 % interval."""
    counts = np.random.default_rng(1).multinomial(n_texts, np.full(n_texts, 1 / n_texts), size=2000)
    counts = np.vstack([np.ones(n_texts), counts])
    by_draw = [
        [macro_f1(draw["truth"], draw["label"], 2, weights) - macro_f1(draw["truth"], draw["head"], 2, weights)]
        for draw in draws
        for weights in counts[:, draw["place"]]
    ]
    means = np.array(by_draw).reshape(len(draws), -1).mean(0)
    return (float(means[0]), *map(float, np.percentile(means[1:], [2.5, 97.5])))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--n", type=int, default=160)
    parser.add_argument("--tested", type=int, default=220)
    parser.add_argument("--draws", default="1,2,3")
    parser.add_argument("--objectives", default=",".join(OBJECTIVES), help="Both, or one: draws are always the same.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    texts = sentences(options.data)
    place_of = {unit_id: place for place, unit_id in enumerate(texts["unit_id"])}
    draws = []
    print("| draw | objective | macro-F1 | seconds |\n|---|---|---|---|")
    for seed in map(int, options.draws.split(",")):
        drawn = half_and_half(texts, options.n + options.tested, seed)
        draws.append({"place": np.array([place_of[unit_id] for unit_id in drawn["unit_id"][options.n :]])})
        for objective in options.objectives.split(","):
            truth, answer, seconds = answers(drawn, options.n, objective, options.base, options.epochs, seed)
            draws[-1] |= {"truth": truth, objective: answer}
            print(f"| {seed} | {objective} | {macro_f1(truth, answer, 2):.3f} | {seconds:.0f} |", flush=True)
        if {*OBJECTIVES} <= {*draws[-1]}:
            difference, low, high = gain(draws, len(texts))
            print(f"label - head after {len(draws)} draws: {difference:+.3f} ({low:+.3f} to {high:+.3f})", flush=True)


if __name__ == "__main__":
    main()
