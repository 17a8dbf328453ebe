"""Intervals about the expected coder: how often they hold the truth, with few coders a text and few in all.

    python benchmarks/expected_coder.py [--draws 1000] [--of regression|prevalence] [--model linear|logit]

4,000 texts in two groups, a tenth drawn for coding, each by some coders of a pool, chosen by chance. Coders differ in
how readily they say yes (standard deviation .5 of the log-odds), and in how much more so in one of the groups (0, .2 or
.5). Regressed is the share of a text's coders on the group, by `correct(codings=, coders=)`. Two truths: the
coefficients for the coders of this pool, and for all coders like them. The variance of "these" coders, by texts, misses
for the latter what coders have in common over texts, which that of "any" adds. With `--of prevalence` it is the share
alone, by what `prevalence(codings=, coders=)` computes.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from scipy.stats import norm, t

import annotune as at
from annotune.correction.crossed import Answers, crossed_shares

N, PI, HABIT, BY_GROUP = 4000, 0.1, 0.5, 0.2
TERMS = ("Intercept", "group")
ROWS = (("this pool", "these"), ("all such coders", "these"), ("all such coders", "any"))
SETTINGS = tuple(product((0.0, 0.2, 0.5), ((5, 1), (5, 3), (10, 1), (10, 3), (30, 1), (30, 3))))
OF_PREVALENCE = ((5, 1), (5, 3), (5, 5), (10, 1), (10, 3), (30, 1), (30, 3))


def chances(text: np.ndarray, group: np.ndarray, coders: np.ndarray) -> np.ndarray:
    """The probability that each coder calls each text a yes, (N, K)."""
    return np.asarray(1 / (1 + np.exp(-(text[:, None] + coders[0] + np.outer(group, coders[1])))))


def coefficients(chance: np.ndarray, group: np.ndarray, model: str) -> np.ndarray:
    """Constant and slope of yes on the group: a difference of means (N,), or of their log-odds."""
    low, high = (chance[group == value].mean() for value in (0, 1))
    if model == "logit":
        low, high = (np.log(share / (1 - share)) for share in (low, high))
    return np.array([low, high - low])


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


def sampled(rng: np.random.Generator, size: int, each: int, by_group: float = BY_GROUP) -> Sample:
    """A corpus and a tenth of it, each text there answered by `each` of `size` coders."""
    group, coders = np.repeat([0.0, 1.0], N // 2), rng.normal(size=(2, size)) * [[HABIT], [by_group]]
    text = rng.normal(-0.5 + 0.5 * group, 1.5)
    likely = chances(text, group, coders)
    predicted = 1 / (1 + np.exp(-(0.8 * text + rng.normal(0, 0.8, N))))
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    spread = np.where(group == 1, np.hypot(HABIT, by_group), HABIT)
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


def one_draw(drawn: Sample, model: str) -> dict[tuple[str, str, str], tuple[bool, float]]:
    """Whether each interval holds its truth, and its width, by truth, interval and term."""
    group, each = drawn.group, drawn.who.shape[1]
    pool, everyone = (coefficients(chance, group, model) for chance in (drawn.likely.mean(1), drawn.everyone))
    answers = pl.DataFrame({"unit_id": np.repeat(drawn.at, each), "coder": drawn.who.ravel()}).cast(pl.String)
    codings = answers.with_columns(
        variable=pl.lit("angry"), label=pl.Series(drawn.answers.ravel().astype(int)).cast(str)
    )
    gold = np.full(N, np.nan)
    gold[drawn.at] = drawn.answers.mean(1) > 0.5
    texts = {"unit_id": np.arange(N), "group": group, "angry_hat": drawn.predicted, "angry_gold": gold, "fold": [1] * N}
    found = {}
    for coders in ("these", "any"):
        fit = at.correct("angry ~ group", pl.DataFrame(texts), pi=PI, model=model, codings=codings, coders=coders)
        rows = fit.tidy().filter(method="corrected").select("conf_low", "conf_high").to_numpy()
        for truth, values in (("this pool", pool), ("all such coders", everyone)):
            for term, (low, high), value in zip(TERMS, rows, values, strict=True):
                found[truth, coders, term] = (bool(low <= value <= high), float(high - low))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--of", choices=("regression", "prevalence"), default="regression")
    parser.add_argument("--model", choices=("linear", "logit"), default="linear")
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
    warnings.simplefilter("ignore")
    print(
        f"| differ by group | coders | on a text | {' | '.join(f'{term}: {row}' for term in TERMS for row in ROWS)} |"
    )
    print("|---" * 9 + "|")
    for by_group, (size, each) in SETTINGS:
        rng = np.random.default_rng(int(10000 * by_group) + size * 100 + each)
        results = [one_draw(sampled(rng, size, each, by_group), options.model) for _ in range(draws)]
        cells = []
        for term, (truth, name) in product(TERMS, ROWS):
            of = np.array([result[truth, name, term] for result in results])
            cells.append(f"{100 * of[:, 0].mean():.1f} ({of[:, 1].mean():.3f})")
        print(f"| {by_group} | {size} | {each} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
