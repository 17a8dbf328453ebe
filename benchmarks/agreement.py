"""Speed and memory of agreement against krippendorff, irrCAC and statsmodels, in one run, with the ratios.

    python benchmarks/agreement.py

irrCAC is not among annotune's own requirements; without it its line says so.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

import annotune as at
from annotune.agreement import coefficients
from annotune.agreement.intervals import interval
from annotune.agreement.patterns import counts, distinct, restricted

CATEGORIES = 5


def simulated(units: int, coders: int = 3, missing: float = 0.1, seed: int = 1) -> Any:
    """Codings of `units` by `coders` (-1 missing), right seven times in ten."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CATEGORIES, (units, 1))
    said = np.where(rng.random((units, coders)) < 0.7, truth, rng.integers(0, CATEGORIES, (units, coders)))
    return np.where(rng.random((units, coders)) < missing, -1, said)


def ours(said: Any, replicates: int) -> float:
    """Nominal alpha with its bootstrap, from the table of units by coders."""
    patterns = distinct(np.sort(said, axis=1))
    patterns = restricted(patterns, (patterns.rows >= 0).sum(1) > 1)
    table = counts(patterns.rows, CATEGORIES)
    alpha = coefficients.alpha(patterns, table, 1 - np.eye(CATEGORIES))
    return float(interval(alpha, "bootstrap", replicates, 1, len(said) - 1).estimate or np.nan)


def looped(estimate: Callable[[Any], float], said: Any, replicates: int) -> float:
    """A peer has no bootstrap: draw units and ask it again."""
    rng = np.random.default_rng(1)
    for _ in range(replicates):
        estimate(said[rng.integers(0, len(said), len(said))])
    return estimate(said)


def krippendorff_alpha(said: Any) -> float:
    import krippendorff

    values = np.where(said < 0, np.nan, said).T
    return float(krippendorff.alpha(reliability_data=values, level_of_measurement="nominal"))


def irrcac_alpha(said: Any) -> float:
    import pandas as pd
    from irrCAC.raw import CAC

    values = pd.DataFrame(np.where(said < 0, np.nan, said))
    return float(CAC(values, digits=9).krippendorff()["est"]["coefficient_value"])


def statsmodels_fleiss(said: Any) -> float:
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    return float(fleiss_kappa(aggregate_raters(said, n_cat=CATEGORIES)[0]))


def our_fleiss(said: Any, replicates: int) -> float:
    patterns = distinct(np.sort(said, axis=1))
    table = counts(patterns.rows, CATEGORIES)
    kappa = coefficients.corrected(patterns, table, np.eye(CATEGORIES), coefficients.expect_fleiss)
    return float(interval(kappa, "bootstrap", replicates, 1, len(said) - 1).estimate or np.nan)


def timed(task: Callable[[], float], best_of: int = 1) -> tuple[float, float]:
    """The value, and the shortest time in seconds."""
    seconds = []
    for _ in range(best_of):
        start = time.perf_counter()
        value = task()
        seconds.append(time.perf_counter() - start)
    return value, min(seconds)


def against_peers(units: int, replicates: int, peer_replicates: int) -> None:
    print(f"{units:,} units x 3 coders, {CATEGORIES} categories, {replicates:,} bootstrap replicates")
    full, holed = simulated(units, missing=0.0), simulated(units)
    rows = [
        ("alpha, 10 % missing", "krippendorff", holed, ours, krippendorff_alpha),
        ("alpha, 10 % missing", "irrCAC", holed, ours, irrcac_alpha),
        ("Fleiss' kappa, complete", "statsmodels", full, our_fleiss, statsmodels_fleiss),
    ]
    for what, peer, said, mine, theirs in rows:
        value, seconds = timed(lambda mine=mine, said=said: mine(said, replicates), best_of=5)
        try:
            importlib.import_module(peer)
        except ImportError:
            print(f"  {what:24} annotune {seconds * 1000:7.1f} ms   {peer} is not installed")
            continue
        done = peer_replicates if peer == "krippendorff" else max(peer_replicates // 20, 1)
        their_value, spent = timed(lambda theirs=theirs, said=said, done=done: looped(theirs, said, done))
        whole = spent * (replicates + 1) / (done + 1)
        assert abs(value - their_value) < 1e-6, (peer, value, their_value)
        scaled = "" if done == replicates else f" (from {done} replicates)"
        print(
            f"  {what:24} annotune {seconds * 1000:7.1f} ms   {peer} {whole:7.1f} s{scaled}  {whole / seconds:8,.0f} x"
        )


def table_of(units: int, values: int | None = None) -> pl.DataFrame:
    """A table of codings with three coders, in the order of units; of numbers where `values` are asked for."""
    rng = np.random.default_rng(1)
    if values is None:
        said = simulated(units)
    else:
        said = np.rint(rng.integers(0, values, (units, 1)) + rng.normal(0, values / 10, (units, 3))).astype(int)
    rows = {"unit_id": np.repeat(np.arange(units), 3), "label": said.ravel(), "coder": np.tile(["a", "b", "c"], units)}
    kept = pl.DataFrame(rows).filter(pl.col("label") >= 0) if values is None else pl.DataFrame(rows)
    return kept.with_columns(pl.col("unit_id", "label").cast(pl.String), variable=pl.lit("v"))


def peak(task: str) -> None:
    """Run `task` in a process of its own and print its time and the memory it took beyond its input."""
    done = subprocess.run([sys.executable, __file__, "--task", task], check=True, capture_output=True, text=True)
    print(" ", done.stdout.strip())


def alone(task: str) -> None:
    import resource

    def used() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    at.reliability(table_of(100), metrics=["alpha"])  # imports are no part of it
    if task == "table":
        codings, options, what = (
            table_of(1_000_000),
            {"n_boot": 1000},
            "table of 1,000,000 units, alpha, 1,000 replicates",
        )
    elif task == "engine":
        said = simulated(1_000_000)
        before = used()
        _, seconds = timed(lambda: ours(said, 1000))
        print(f"{'matrix of 1,000,000 units, alpha, 1,000 replicates':56} {seconds:6.2f} s  {used() - before:6.0f} MB")
        return
    else:
        codings = table_of(100_000, values=100_000)
        options, what = (
            {"level": "interval", "ci": "analytic"},
            f"interval alpha, {codings['label'].n_unique():,} values",
        )
        if task == "values with bootstrap":
            options, what = options | {"ci": "bootstrap"}, f"{what}, 1,000 replicates"
    before = used()
    _, seconds = timed(lambda: at.reliability(codings, metrics=["alpha"], **options)["estimate"][0])
    print(f"{what:56} {seconds:6.2f} s  {used() - before:6.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--peer-replicates", type=int, default=1000, help="others are scaled up from a twentieth")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    if wanted.task:
        alone(wanted.task)
        return
    against_peers(wanted.units, wanted.replicates, wanted.peer_replicates)
    print("time, and memory beyond the input")
    for task in ("engine", "table", "values", "values with bootstrap"):
        peak(task)


if __name__ == "__main__":
    main()
