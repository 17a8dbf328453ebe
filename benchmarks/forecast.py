"""Does the forecast of a learning curve come true? Fitted on sizes up to n/4, looked at where n labels were used.

    python benchmarks/forecast.py [resamplings] [folder with the data sets]

Dutch headlines (Van Atteveldt et al. 2021), the probe on minilm's embeddings, three sets of labels at each size; each
resampling draws another test part and other sets. Prints, for each, the forecast and what was measured.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at
from annotune.evidence.curve_points import points_of
from annotune.evidence.power_law import bounds
from annotune.evidence.runs import TUNED, _run, by_model
from annotune.evidence.sets import nested
from annotune.tuning.held_out import part_to_test
from annotune.tuning.task import Task, prepare, read_settings

SIZES, TARGET, SEEDS = (50, 100, 200, 400), 1600, 3
TONE = {-1: "negative", 0: "neutral", 1: "positive"}


def headlines(folder: Path) -> Task:
    """3,000 headlines with one label each, embedded."""
    rows = pl.read_csv(folder / "headlines.csv").sample(3000, seed=1)
    corpus = rows.select(unit_id=pl.col("id").cast(pl.String), text="text")
    label = pl.col("label").replace_strict(TONE, return_dtype=pl.String)
    gold = rows.select(unit_id=pl.col("id").cast(pl.String), variable=pl.lit("tone"), label=label)
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(TONE.values()))
    book = at.Codebook(variables=(at.Variable(name="tone", labels=labels),))
    return prepare(corpus, gold, book, None, None, 0.15, read_settings({"method": "probe"}))


def one(task: Task, seed: int) -> tuple[dict[str, float | None], float]:
    """The forecast for TARGET from the smaller sizes, and what was measured there."""
    settings = task.settings.model_copy(update={"seed": seed})
    mine = replace(task, cases=replace(task.cases, seed=seed), settings=settings)
    test = part_to_test(mine, 0.3)
    rest = np.setdiff1d(mine.everything, test)
    runs = {}
    for number in range(SEEDS):
        order = nested(mine, rest, 100 * seed + number)
        runs |= {(n, number): _run(mine, test, order[:n], number) for n in (*SIZES, TARGET)}
    small = {run: found for run, found in runs.items() if run[0] < TARGET}
    law = points_of(mine, test, by_model({"": small}), "macro_f1", 1000, seed, len(rest)).fits[TUNED]
    ahead = bounds(law.at(np.array([TARGET]))[:, 0])
    large = {run: found for run, found in runs.items() if run[0] == TARGET}
    measured = points_of(mine, test, by_model({"": large}), "macro_f1", 0, seed, len(rest)).table
    return ahead, measured.filter(model=TUNED, measure="macro_f1")["estimate"][0]


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    root = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[2] / "shared" / "data"
    task, covered = headlines(root / "ecosent_dutch_headlines"), 0
    for seed in range(1, times + 1):
        ahead, measured = one(task, seed)
        inside = ahead["ci_low"] <= measured <= ahead["ci_high"]
        covered += inside
        interval = f"{ahead['estimate']:.3f} ({ahead['ci_low']:.3f} to {ahead['ci_high']:.3f})"
        print(f"{seed:3} forecast {interval}, measured {measured:.3f} {'' if inside else 'outside'}", flush=True)
    print(f"{covered} of {times} forecasts cover what was measured with {TARGET:,} labels.")


if __name__ == "__main__":
    main()
