"""Speed of corrected regressions on 1,000,000 texts and 10 coefficients, against ppi-python.

pip install ppi-python   (it is needed here alone)
python benchmarks/correct.py

`correct` is timed with everything a user gets: from the data frame and the formula to the three rows a coefficient.
ppi-python is timed on arrays, from the design matrix to the intervals, after a first run that compiles it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

import annotune as at

COVARIATES = [f"x{j}" for j in range(1, 10)]
CODED = 0.01


def texts(n: int, seed: int = 1) -> pl.DataFrame:
    """A binary outcome, its predicted probability and label, nine covariates; one in a hundred coded by hand."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(COVARIATES)))
    share = 1 / (1 + np.exp(-(x @ np.linspace(-0.5, 0.5, len(COVARIATES)) - 0.5)))
    y = (rng.random(n) < share) * 1.0
    guess = np.clip(0.7 * y + 0.15 + rng.normal(0, 0.1, n), 0, 1)
    gold = np.where(rng.random(n) < CODED, y, np.nan)
    columns = {name: x[:, j] for j, name in enumerate(COVARIATES)}
    return pl.DataFrame({**columns, "y_hat": guess, "y_gold": gold}).with_columns(pl.col("y_gold").fill_nan(None))


def arrays(frame: pl.DataFrame) -> tuple[np.ndarray, ...]:
    """What ppi-python takes: design, gold and predictions of the coded, design and predictions of the others."""
    coded = frame["y_gold"].is_not_null().to_numpy()
    design = np.column_stack([np.ones(len(frame)), frame.select(COVARIATES).to_numpy()])
    gold, guess = frame["y_gold"].to_numpy(), frame["y_hat"].to_numpy()
    return design[coded], gold[coded], guess[coded], design[~coded], guess[~coded]


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def measure(what: str, n: int) -> dict[str, float]:
    """Seconds (the best of three) and the most memory that one job takes, in a process of its own."""
    frame = texts(n)
    if what.startswith("ppi-python"):
        import ppi_py

        job = ppi_py.ppi_ols_ci if what.endswith("linear") else ppi_py.ppi_logistic_ci
        given = arrays(frame)
        job(*arrays(texts(2000)))  # compiles
        took = seconds(lambda: job(*given))
    else:
        _, method, model = what.split()
        formula = "y ~ " + " + ".join(COVARIATES)
        took = seconds(lambda: at.correct(formula, frame, model=model, method=method, pi=CODED))  # type: ignore[arg-type]
    return {"seconds": took, "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--only", help="One job, as JSON.")
    wanted = parser.parse_args()
    if wanted.only:
        print(json.dumps(measure(wanted.only, wanted.n)))
        return
    jobs = [f"annotune {method} {model}" for model in ("linear", "logit") for method in ("dsl", "ppi")]
    jobs += ["ppi-python linear", "ppi-python logit"]
    found = {}
    for job in jobs:
        done = subprocess.run(
            [sys.executable, __file__, "--n", str(wanted.n), "--only", job], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{job:24} {done.stderr.strip().splitlines()[-1]}")
            continue
        found[job] = json.loads(done.stdout.splitlines()[-1])
        print(f"{job:24} {found[job]['seconds']:7.2f} s  {found[job]['GB']:5.2f} GB", flush=True)
    for model in ("linear", "logit"):
        peer = found.get(f"ppi-python {model}")
        for method in ("dsl", "ppi"):
            if peer:
                ratio = peer["seconds"] / found[f"annotune {method} {model}"]["seconds"]
                print(f"{method}, {model}: {ratio:.1f} times as fast as ppi-python, on {wanted.n:,} texts")


if __name__ == "__main__":
    main()
