"""How often do 95 % intervals of agreement hold the truth? A simulation, written beside this file as a table.

python benchmarks/agreement_coverage.py
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotune.agreement.ratings import Ratings
from annotune.agreement.reliability import Options, measure

METRICS = (
    ("alpha", "nominal"),
    ("alpha", "ordinal"),
    ("fleiss_kappa", "nominal"),
    ("ac1", "nominal"),
    ("percent", "nominal"),
)
TRUTH_UNITS = 1_000_000


@dataclass(frozen=True)
class Design:
    """Coders find the true label with probability `right` and otherwise draw one from `shares`."""

    name: str
    units: int
    coders: int
    shares: tuple[float, ...]
    right: float = 0.8
    missing: float = 0.0  # of codings, at random
    single: float = 0.0  # of units, coded by the first coder only

    def sample(self, units: int, rng: np.random.Generator) -> Ratings:
        q, shape = len(self.shares), (units, self.coders)
        truth = rng.choice(q, size=(units, 1), p=self.shares)
        said = np.where(rng.random(shape) < self.right, truth, rng.choice(q, size=shape, p=self.shares))
        said[rng.random(shape) < self.missing] = -1
        said[rng.random(units) < self.single, 1:] = -1
        return ratings(said, q)


DESIGNS = (
    Design("two coders", 30, 2, (0.5, 0.5)),
    Design("two coders", 100, 2, (0.5, 0.5)),
    Design("three coders, five categories, 10 % missing", 50, 3, (0.2,) * 5, missing=0.1),
    Design("three coders, three categories, 10 % missing", 100, 3, (0.2, 0.3, 0.5), right=0.7, missing=0.1),
    Design("three coders, three categories, 10 % missing", 1000, 3, (0.2, 0.3, 0.5), right=0.7, missing=0.1),
    Design("rare category (10 %), two coders", 50, 2, (0.9, 0.1)),
    Design("rare category (10 %), two coders", 200, 2, (0.9, 0.1)),
    Design("rare category (4 %), two coders", 1000, 2, (0.96, 0.04)),
    Design("a fifth of the units coded twice", 500, 2, (0.3, 0.7), single=0.8),
    Design("very good coders", 200, 3, (0.3, 0.3, 0.4), right=0.97),
)


def ratings(said: Any, q: int) -> Ratings:
    """A table of units by coders (-1 missing) as ratings of an ordinal variable."""
    said = said[(said >= 0).any(1)]
    unit, coder = np.nonzero(said >= 0)
    names = tuple("abcde"[:q])
    return Ratings(
        variable="v", kind="ordinal", unit=unit, coder=coder, value=said[unit, coder], units=len(said),
        coders=tuple(f"c{i}" for i in range(said.shape[1])), categories=names, labels=names, codes=None, listed=True,
    )  # fmt: skip


def coverage(design: Design, repetitions: int, n_boot: int) -> list[str]:
    rng = np.random.default_rng(1)
    large = design.sample(TRUTH_UNITS, rng)
    truth = [measure(large, metric, scale, None, Options(ci="analytic"))["estimate"] for metric, scale in METRICS]
    hits: dict[tuple[int, str], list[bool]] = {
        (i, ci): [] for i in range(len(METRICS)) for ci in ("bootstrap", "analytic")
    }
    undefined = 0
    for seed in range(repetitions):
        drawn = design.sample(design.units, rng)
        for i, (metric, scale) in enumerate(METRICS):
            for ci in ("bootstrap", "analytic"):
                row = measure(drawn, metric, scale, None, Options(ci=ci, n_boot=n_boot, seed=seed))
                if row["ci_low"] is None:
                    undefined += 1
                else:
                    hits[i, ci].append(row["ci_low"] <= truth[i] <= row["ci_high"])
    cells = [
        f"{100 * np.mean(hits[i, 'bootstrap']):.1f} / {100 * np.mean(hits[i, 'analytic']):.1f}"
        for i in range(len(METRICS))
    ]
    without = 100 * undefined / (2 * len(METRICS) * repetitions)
    return [design.name, f"{design.units:,}", f"{truth[0]:.2f}", *cells, f"{without:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--n-boot", type=int, default=1000)
    wanted = parser.parse_args()
    names = [metric if scale == "nominal" else f"{metric}, {scale}" for metric, scale in METRICS]
    header = ["design", "units", "true alpha", *names, "no interval, %"]
    lines = [header, ["---"] * len(header)]
    for design in DESIGNS:
        lines.append(coverage(design, wanted.repetitions, wanted.n_boot))
        print(" | ".join(lines[-1]), flush=True)
    note = (
        f"Share of 95 % intervals that hold the true value, in percent: bootstrap / analytic; {wanted.repetitions:,} "
        f"samples each, {wanted.n_boot:,} bootstrap replicates. The truth is the coefficient in {TRUTH_UNITS:,} units. "
        "The simulation error of 95 % is 0.7 points (1.4 points either way)."
    )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    Path(__file__).with_suffix(".md").write_text(f"# Coverage of intervals of agreement\n\n{note}\n\n{table}\n")


if __name__ == "__main__":
    main()
