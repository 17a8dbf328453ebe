"""What active draws are worth: for a coefficient on sets of texts whose labels are all known, and for a rare label.

python benchmarks/active.py [--resamplings 1000] [--repeats 200] [--only NAME ...]

NAME is that of a set, or tuning. Writes benchmarks/active.md from all parts that were computed, now or before. The data
are looked for in ../shared/data; predictions, embeddings and parts are kept in build/active.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from active_sets import Set, sets
from active_tuning import tuning_table

from annotune.correction.error_guard import behind_correction
from annotune.correction.estimate import Sample, dsl
from annotune.correction.families import LINEAR
from annotune.correction.text_scores import best_floor, doubt, for_coefficients, proportional, with_floor
from annotune.data.waves import counts
from annotune.hybrid.draws import fixed_size

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "active"
FIRST = 0.25  # the first wave's part of the codings
Draw = tuple[np.ndarray, np.ndarray]  # each coded text's number, and how much it counts


def score_of(texts: Set) -> tuple[np.ndarray, np.ndarray]:
    """Scores without a floor (N,), and how far the coefficient moves with each text, shape (N, 1)."""
    design = texts.design
    reach = (design @ np.linalg.inv(design.T @ design))[:, 1:]
    return for_coefficients(reach, doubt(texts.likely)), reach


def simple(texts: Set, rng: np.random.Generator) -> Draw:
    """n texts, all with the same chance."""
    at = np.sort(rng.choice(len(texts.truth), texts.n, replace=False))
    return at, np.full(texts.n, len(texts.truth) / texts.n)


def active(texts: Set, rng: np.random.Generator) -> Draw:
    """A fixed number of texts, as `sample` draws them, by their scores with the floor of .2."""
    pi = proportional(with_floor(score_of(texts)[0]), texts.n)
    at = np.flatnonzero(fixed_size(pi, rng))
    return at, 1 / pi[at]


def two_waves(texts: Set, rng: np.random.Generator) -> Draw:
    """A quarter simply; it chooses the floor for the rest, which are drawn by their scores among those left."""
    first = replace(texts, n=round(FIRST * texts.n))
    begun, weight = simple(first, rng)
    score, reach = score_of(texts)
    added = reach[begun] * (texts.truth - texts.likely)[begun, None]
    score = with_floor(score, best_floor(score, added, begun, weight))
    score[begun] = 0.0
    pi = proportional(score, texts.n - first.n)
    more = np.flatnonzero(fixed_size(pi, rng))
    at, wave = np.concatenate([begun, more]), np.repeat([1, 2], [len(begun), len(more)])
    count = counts(np.concatenate([1 / weight, pi[more]]), wave)
    order = np.argsort(at)
    return at[order], count.ratio[order]


DESIGNS: dict[str, Callable[[Set, np.random.Generator], Draw]] = {
    "simple": simple,
    "active": active,
    "two waves": two_waves,
}


def corrected(texts: Set, at: np.ndarray, ratio: np.ndarray) -> tuple[float, float]:
    """The coefficient by DSL and its standard error, as `correct` gives them."""
    design, likely, truth = texts.design, texts.likely[:, None], texts.truth[:, None]
    sample = Sample(design, design[at], likely, likely, truth[at], at, ratio, np.ones(len(design)))
    fit = dsl(LINEAR, sample)
    covariance = behind_correction(LINEAR, sample, fit, np.eye(2), False).with_more_errors(0.95)
    return float(fit.beta[1]), float(np.sqrt(covariance[1, 1]))


def slope(texts: Set) -> float:
    """The coefficient by all labels."""
    return float(np.linalg.lstsq(texts.design, texts.truth, rcond=None)[0][1])


def effective(texts: Set, design: str, resamplings: int) -> tuple[float, float]:
    """How many simple draws have the error of this design's, as a multiple of its codings; and how many these are.

    The texts are the corpus; n' simple draws have the mean squared error (1/n' - 1/N) B, and B is known.
    """
    rng = np.random.default_rng(1)
    errors, sizes = np.zeros(resamplings), np.zeros(resamplings)
    x = texts.design
    solve = np.linalg.inv(x.T @ x) @ x.T
    truth = slope(texts)
    for i in range(resamplings):
        at, ratio = DESIGNS[design](texts, rng)
        outcome = texts.likely.copy()
        outcome[at] += ratio * (texts.truth - texts.likely)[at]
        errors[i], sizes[i] = (solve @ outcome)[1] - truth, len(at)
    n = len(x)
    noise = n * np.var(n * solve[1] * (texts.truth - texts.likely)) / (n - 1)
    same = 1 / (1 / n + (errors**2).mean() / noise)
    return same / sizes.mean(), sizes.mean()


def coverage(texts: Set, design: str, resamplings: int) -> tuple[float, float]:
    """The share of 95 % intervals that hold the coefficient, where the corpus is itself drawn; and their mean error."""
    rng, truth = np.random.default_rng(2), slope(texts)
    held, error = np.zeros(resamplings), np.zeros(resamplings)
    for i in range(resamplings):
        rows = rng.integers(0, len(texts.truth), len(texts.truth))
        parts = {name: getattr(texts, name)[rows] for name in ("truth", "likely", "covariate")}
        corpus = replace(texts, **parts)
        estimate, error[i] = corrected(corpus, *DESIGNS[design](corpus, rng))
        held[i] = abs(estimate - truth) < 1.959964 * error[i]
    return held.mean(), error.mean()


def rows(texts: Set, resamplings: int) -> str:
    """The rows of a set, one per design."""
    lines = []
    for design in DESIGNS:
        times, n = effective(texts, design, resamplings)
        held, error = coverage(texts, design, resamplings)
        first = design == "simple"
        about = (
            f"{texts.name} | {texts.formula} | {len(texts.truth):,} | {texts.truth.mean():.1%}" if first else " | | | "
        )
        lines.append(f"| {about} | {design} | {n:.0f} | {times:.2f} | {100 * held:.1f} | {error:.4f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


HEAD = """# What active draws are worth

## For a coefficient

Texts whose labels are all known; a model that learned from 1,000 of them predicts the others (`active_sets.py`). Of
each set as many texts are coded by each design, a fixed number as `sample` draws them: simply at random; actively, by
`annotune.hybrid.active.scores` for the coefficient, with a floor of .2; and in two waves, a quarter simply and the rest
actively, with the floor that the first quarter chooses. **Effective sample**: how many simple draws would have the mean
squared error of this design, divided by its codings. **Coverage**: how many of 100 95 % intervals hold the coefficient,
where the corpus is drawn anew each time, too, with the mean standard error. {resamplings:,} resamplings each; the
simulation error of a coverage of 95 is ±{error:.1f}, that of an effective sample about {relative:.0%}.

| set | formula | N | share | design | coded | effective sample | coverage | standard error |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
TUNING = """
## For tuning a rare label

Whether a sentence of uk_manifestos is on immigration (3.5 %): a logit on MiniLM's embeddings, learned from the codings,
tested on 30 % of the sentences that were set aside. The first 50 codings are drawn simply; then 50 at a time, by
`for_="tuning"` or simply. "weighted": the logit learns with 1 / pi. Means of {repeats} repeats, with 95 % simulation
limits of the differences.

"""


def main() -> None:
    """Compute what was asked for, and write all that is there."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resamplings", type=int, default=1_000)
    options.add_argument("--repeats", type=int, default=200)
    options.add_argument("--only", nargs="*")
    arguments = options.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    every = sets(CACHE)
    for texts in every:
        if arguments.only is None or texts.name in arguments.only:
            (CACHE / f"{texts.name}.md").write_text(rows(texts, arguments.resamplings))
    if arguments.only is None or "tuning" in arguments.only:
        (CACHE / "tuning.md").write_text(tuning_table(CACHE, arguments.repeats))
    parts = [CACHE / f"{texts.name}.md" for texts in every]
    error = 1.96 * 100 * (0.95 * 0.05 / arguments.resamplings) ** 0.5
    head = HEAD.format(
        resamplings=arguments.resamplings, error=error, relative=1.96 * (2 / arguments.resamplings) ** 0.5
    )
    page = head + "\n".join(part.read_text() for part in parts if part.exists()) + "\n"
    tuning = CACHE / "tuning.md"
    page += TUNING.format(repeats=arguments.repeats) + tuning.read_text() + "\n" if tuning.exists() else ""
    (HERE / "active.md").write_text(page)


if __name__ == "__main__":
    main()
