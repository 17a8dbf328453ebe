"""Intervals about the expected coder: how often they hold the truth, with few coders a text and few in all.

    python benchmarks/expected_coder.py [--draws 1000] [--of regression|prevalence]

4,000 texts in two groups, a tenth drawn for coding, each by some coders of a pool, chosen by chance. Coders differ in
how readily they say yes (standard deviation .5 of the log-odds), and in how much more so in one of the groups (.2).
Regressed is the share of a text's coders on the group, corrected as by `correct` (DSL with HC0, which least squares on
`dsl_columns` gives). Two truths: the coefficients for the coders of this pool, and for all coders like them. For the
latter, the variance by texts misses what coders have in common over texts; `texts and coders` clusters by both, by text
plus by coder less by coding (Cameron, Gelbach and Miller 2011), with K / (K - 1) for K coders, at least as large as by
text, and t with Satterthwaite's degrees of freedom. With `--of prevalence` it is the share alone, by what
`prevalence(coders=...)` computes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from annotune.correction.crossed import Answers, crossed_shares

N, PI, HABIT, BY_GROUP = 4000, 0.1, 0.5, 0.2
TERMS = ("share", "difference")
ROWS = (("this pool", "texts"), ("all such coders", "texts"), ("all such coders", "texts and coders"))
SETTINGS = ((5, 1), (5, 2), (5, 3), (5, 5), (30, 1), (30, 3))
OF_PREVALENCE = ((5, 1), (5, 3), (5, 5), (10, 1), (10, 3), (30, 1), (30, 3))


def chances(text: np.ndarray, group: np.ndarray, coders: np.ndarray) -> np.ndarray:
    """The probability that each coder calls each text a yes, (N, K)."""
    return np.asarray(1 / (1 + np.exp(-(text[:, None] + coders[0] + np.outer(group, coders[1])))))


def least_squares(outcome: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Constant and slope of outcomes (N,) or (N, K) on the group."""
    design = np.column_stack([np.ones(len(group)), group])
    return np.asarray(np.linalg.solve(design.T @ design, design.T @ outcome))


@dataclass(frozen=True)
class Sample:
    """Texts in groups, what each coder and all such coders would say of them, and the answers to those at `at`."""

    group: np.ndarray
    likely: np.ndarray
    everyone: np.ndarray
    predicted: np.ndarray
    at: np.ndarray
    who: np.ndarray
    answers: np.ndarray


def sampled(rng: np.random.Generator, size: int, each: int) -> Sample:
    """A corpus and a tenth of it, each text there answered by `each` of `size` coders."""
    group, coders = np.repeat([0.0, 1.0], N // 2), rng.normal(size=(2, size)) * [[HABIT], [BY_GROUP]]
    text = rng.normal(-0.5 + 0.5 * group, 1.5)
    likely = chances(text, group, coders)
    predicted = 1 / (1 + np.exp(-(0.8 * text + rng.normal(0, 0.8, N))))
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    spread = np.where(group == 1, np.hypot(HABIT, BY_GROUP), HABIT)
    everyone = 1 / (1 + np.exp(-(text[:, None] + spread[:, None] * nodes))) @ weights / weights.sum()
    at = np.flatnonzero(rng.random(N) < PI)
    who = rng.random((len(at), size)).argsort(1)[:, :each]
    answers = (rng.random(who.shape) < np.take_along_axis(likely[at], who, 1)).astype(float)
    return Sample(group, likely, everyone, predicted, at, who, answers)


def share_of_coders(rng: np.random.Generator, size: int, each: int) -> list[tuple[bool, float]]:
    """Whether intervals hold a share, and their widths: of these coders, of all such by these alone, and by any."""
    drawn, ratio = sampled(rng, size, each), np.zeros(N)
    ratio[drawn.at] = 1 / PI
    answers = Answers(np.repeat(drawn.at, each), drawn.who.ravel(), drawn.answers.ravel()[:, None])
    found = crossed_shares(drawn.predicted[:, None], answers, ratio)
    plain, by_t = norm.ppf(0.975) * found.these[0] ** 0.5, t.ppf(0.975, found.freedom[0]) * found.any[0] ** 0.5
    these, everyone = drawn.likely.mean(), drawn.everyone.mean()
    return [
        (bool(abs(found.shares[0] - truth) <= half), 2 * half)
        for truth, half in ((these, plain), (everyone, plain), (everyone, by_t))
    ]


def one_draw(rng: np.random.Generator, size: int, each: int) -> dict[tuple[str, str, str], tuple[bool, float]]:
    """Whether each interval holds its truth, and its width, by truth, interval and term."""
    drawn = sampled(rng, size, each)
    group, likely, everyone, predicted = drawn.group, drawn.likely, drawn.everyone, drawn.predicted
    at, who, answers = drawn.at, drawn.who, drawn.answers
    truths = {"this pool": least_squares(likely.mean(1), group), "all such coders": least_squares(everyone, group)}
    outcome = predicted.copy()
    outcome[at] += (answers.mean(1) - predicted[at]) / PI
    design = np.column_stack([np.ones(N), group])
    inverse, beta = np.linalg.inv(design.T @ design), least_squares(outcome, group)
    by_text = (((outcome - design @ beta)[:, None] * (design @ inverse)) ** 2).sum(0)
    gap = answers - predicted[at, None]
    gap = gap - design[at] @ least_squares(gap.mean(1), group[at])[:, None]
    codings = (gap / PI / each)[:, :, None] * (design[at] @ inverse)[:, None, :]
    member = np.eye(size)[who]
    by_coder = (np.einsum("ijk,ijp->kp", member, codings) ** 2).sum(0) * size / (size - 1)
    rest = np.maximum(by_text - (codings**2).sum((0, 1)), 0)
    both = np.maximum(by_coder + rest, by_text)
    free = np.minimum(both**2 / np.maximum(by_coder**2 / (size - 1) + rest**2 / len(at), 1e-30), len(at))
    intervals = {"texts": norm.ppf(0.975) * np.sqrt(by_text), "texts and coders": t.ppf(0.975, free) * np.sqrt(both)}
    return {
        (truth, name, term): (bool(abs(beta[j] - value[j]) <= half[j]), 2 * half[j])
        for truth, value in truths.items()
        for name, half in intervals.items()
        for j, term in enumerate(TERMS)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--of", choices=("regression", "prevalence"), default="regression")
    options = parser.parse_args()
    draws = options.draws
    if options.of == "prevalence":
        print("| coders | on a text | this pool: these | all such: these | all such: any |")
        print("|---|---|---|---|---|")
        for size, each in OF_PREVALENCE:
            rng = np.random.default_rng(size * 100 + each)
            held = np.array([share_of_coders(rng, size, each) for _ in range(draws)], dtype=float)
            cells = [f"{100 * held[:, j, 0].mean():.1f} ({held[:, j, 1].mean():.3f})" for j in range(3)]
            print(f"| {size} | {each} | {' | '.join(cells)} |", flush=True)
        return
    print("| coders | a text | truth | interval | share: held (width) | difference: held (width) |")
    print("|---|---|---|---|---|---|")
    for size, each in SETTINGS:
        rng = np.random.default_rng(size * 100 + each)
        results = [one_draw(rng, size, each) for _ in range(draws)]
        for truth, name in ROWS:
            cells = []
            for term in TERMS:
                of = np.array([result[truth, name, term] for result in results])
                cells.append(f"{100 * of[:, 0].mean():.1f} ({of[:, 1].mean():.3f})")
            print(f"| {size} | {each} | {truth} | {name} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
