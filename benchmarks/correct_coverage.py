"""How often do 95 % intervals of regressions with machine labels hold the truth? Written beside this file as a table.

python benchmarks/correct_coverage.py
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

import annotune as at
from annotune.correction.result import METHODS

N = 4000
TRUTH = 4_000_000
TERM = "opposition"


@dataclass(frozen=True)
class Design:
    """Texts of two parties, a coder that errs, and how texts are drawn for coding by hand.

    Attributes
    ----------
    base, effect
        The outcome's log odds in the government's texts, and by how much they are above that in the opposition's.
    errs, spurious
        The share of texts on the topic that are not labelled so, in the government's and in the opposition's texts; and
        what part of that share is labelled so among the others.
    pi
        The probability of being drawn, likewise.
    clusters
        How many clusters there are (0: none); each has a size, an effect of its own, and one party.
    covariate
        Whether what is coded explains another outcome, in place of being explained.
    in_sample
        Whether coded texts were predicted by a model that was tuned on them, and so errs three times less often there.
    """

    name: str
    model: str = "linear"
    method: str = "dsl"
    base: float = -0.6
    effect: float = 0.6
    errs: tuple[float, float] = (0.2, 0.2)
    spurious: float = 0.5
    pi: tuple[float, float] = (0.1, 0.1)
    clusters: int = 0
    covariate: bool = False
    in_sample: bool = False

    @property
    def formula(self) -> str:
        return f"vote ~ topic + {TERM}" if self.covariate else f"topic ~ {TERM} + year"

    @property
    def term(self) -> str:
        return "topic" if self.covariate else TERM

    def sample(self, n: int, rng: np.random.Generator) -> pl.DataFrame:
        """n texts; y is true, topic the label, topic_p its probability, topic_gold what people said of those drawn."""
        group = rng.integers(0, self.clusters, n) if self.clusters else np.arange(n)
        party = (group % 2 if self.clusters else rng.integers(0, 2, n)) * 1.0
        own = rng.normal(0, 0.5, max(self.clusters, 1))[group] if self.clusters else 0.0
        year = rng.normal(size=n)
        y = (rng.random(n) < expit(self.base + self.effect * party + 0.3 * year + own)) * 1.0
        pi = np.where(party == 1, self.pi[1], self.pi[0])
        drawn = rng.random(n) < pi
        errs = np.where(party == 1, self.errs[1], self.errs[0])
        wrong = rng.random(n) < np.where(drawn, errs / 3, errs) if self.in_sample else rng.random(n) < errs
        wrong &= (y == 1) | (rng.random(n) < self.spurious)
        label = abs(y - wrong)
        vote = 0.5 * y + 0.3 * party + rng.normal(size=n)
        return pl.DataFrame(
            {TERM: party, "year": year, "y": y, "topic": label, "vote": vote, "pi": pi, "group": group}
        ).with_columns(topic_gold=pl.when(pl.Series(drawn)).then("y"))


DESIGNS = (
    Design("linear"),
    Design("linear, errors differ by party", errs=(0.05, 0.25)),
    Design("linear, rare label (5 %)", base=-3.2, errs=(0.2, 0.4), spurious=0.05, pi=(0.25, 0.25)),
    Design("linear, drawn with different pi", errs=(0.05, 0.25), pi=(0.06, 0.2)),
    Design("linear, 100 clusters", errs=(0.05, 0.25), clusters=100),
    Design("linear, PPI", method="ppi", errs=(0.05, 0.25)),
    Design("logit", model="logit"),
    Design("logit, errors differ by party", model="logit", errs=(0.05, 0.25)),
    Design("logit, rare label (5 %)", model="logit", base=-3.2, errs=(0.2, 0.4), spurious=0.05, pi=(0.25, 0.25)),
    Design("logit, drawn with different pi", model="logit", errs=(0.05, 0.25), pi=(0.06, 0.2)),
    Design("logit, 100 clusters", model="logit", errs=(0.05, 0.25), clusters=100),
    Design("logit, PPI", model="logit", method="ppi", errs=(0.05, 0.25)),
    Design("linear, predicted covariate", covariate=True, errs=(0.05, 0.25)),
    Design("WARNING, linear: predictions of coded texts by a model tuned on them", errs=(0.05, 0.25), in_sample=True),
    Design("WARNING, logit: the same", model="logit", errs=(0.05, 0.25), in_sample=True),
)


def truth(design: Design) -> float:
    """The coefficient in very many texts, all of them coded."""
    return float(np.mean([_whole(design, seed) for seed in range(4)]))


def _whole(design: Design, seed: int) -> float:
    many = design.clusters * TRUTH // (4 * N)
    large = Design(**{**design.__dict__, "clusters": many}).sample(TRUTH // 4, np.random.default_rng(1000 + seed))
    whole = large.with_columns(topic="y", topic_gold="y")
    fit = at.correct(design.formula, whole, model=design.model, method="none", pi=1.0)  # type: ignore[arg-type]
    return float(fit.coefficients("naive")[design.term] or np.nan)


def repetition(design: Design, seed: int) -> list[tuple[float, float]]:
    """The interval of each method."""
    data = design.sample(N, np.random.default_rng(seed))
    cluster = "group" if design.clusters else None
    options: dict[str, Any] = {"model": design.model, "method": design.method, "cluster": cluster}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)
        found = at.correct(design.formula, data, **options).tidy().filter(pl.col("term") == design.term)
    rows = {row["method"]: (row["conf_low"], row["conf_high"]) for row in found.to_dicts()}
    return [rows[method] for method in METHODS]


def line(design: Design, repetitions: int) -> list[str]:
    """The design's true coefficient, and for each method its coverage in percent and its median width."""
    true = truth(design)
    drawn = np.array([repetition(design, seed) for seed in range(repetitions)], dtype=float)
    holds = (drawn[:, :, 0] <= true) & (true <= drawn[:, :, 1])
    widths = np.median(drawn[:, :, 1] - drawn[:, :, 0], axis=0)
    cells = [f"{100 * share:.1f} ({width:.3f})" for share, width in zip(holds.mean(axis=0), widths, strict=True)]
    return [design.name, f"{true:.3f}", *cells]


def lines(repetitions: int) -> Iterator[list[str]]:
    yield ["design", "truth", *METHODS]
    yield ["---"] * 5
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(line, DESIGNS, [repetitions] * len(DESIGNS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    wanted = parser.parse_args()
    rows = []
    for row in lines(wanted.repetitions):
        rows.append(f"| {' | '.join(row)} |")
        print(rows[-1], flush=True)
    note = (
        f"Share of 95 % intervals that hold the true coefficient, in percent, and their median width in brackets: "
        f"{wanted.repetitions:,} samples of {N:,} texts each, about a tenth of them coded by hand (a quarter where the "
        "label is rare). The simulation error of 95 % "
        f"is {196 * np.sqrt(0.95 * 0.05 / wanted.repetitions):.1f} points either way."
    )
    table = "\n".join(rows)
    Path(__file__).with_suffix(".md").write_text(f"# Coverage of corrected regressions\n\n{note}\n\n{table}\n")


if __name__ == "__main__":
    main()
