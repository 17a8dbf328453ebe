"""Rows of `edges.py`: samples that were not drawn as pi says, weak predictions with different pi, and bare labels.

"found" is the percentage of samples in which `correct` notes that texts were not drawn as pi says; "narrower" that of
samples in which an interval is no wider than another one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl
from edge_methods import Edge
from scipy.special import expit

import annotune as at

N = 4000
MANY = 2_000_000
TOPICS = np.array(["Economy", "Environment", "Health", "Law"])
FORMULA = "topic == 'Health' ~ party + x"


def population(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Party, a number, and whether a question is on health."""
    party, x = rng.integers(0, 2, n), rng.normal(size=n)
    return party, x, rng.random(n) < expit(-1.2 + 0.6 * party + 0.5 * x)


@cache
def slope() -> float:
    """Of party, in very many texts."""
    party, x, health = population(MANY, np.random.default_rng(0))
    design = np.column_stack([np.ones(MANY), party, x])
    return float(np.linalg.solve(design.T @ design, design.T @ health)[1])


def texts(seed: int, errs: tuple[float, float], drawn: Callable[..., tuple[np.ndarray, Any]]) -> pl.DataFrame:
    """Bare labels of four topics, wrong with these shares in the two parties, and who was drawn for hand coding."""
    rng = np.random.default_rng(seed)
    party, x, health = population(N, rng)
    truth = np.where(health, 2, rng.choice([0, 1, 3], N))
    hard = rng.random(N) < 2 * np.array(errs)[party]
    wrong = hard & (rng.random(N) < 0.5)
    label = np.where(wrong, np.where(health, 3, np.where(truth == 3, 2, truth)), truth)
    sure = np.where(hard, 0.55, 0.95)
    chance = np.where(label == 2, sure, (1 - sure) / 3 + 0.1 * (label == 3))
    coded, pi = drawn(rng, party, x, hard)
    gold = [TOPICS[t] if c else None for t, c in zip(truth, coded, strict=True)]
    columns = {"party": party, "x": x, "topic": TOPICS[label], "topic_gold": gold, "sure": chance}
    return pl.DataFrame(columns).with_columns(pi=pi, fold=1, document=pl.int_range(N) // 20)


def at_random(share: float, rng: np.random.Generator, party: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, Any]:
    coded = np.zeros(len(party), dtype=bool)
    coded[rng.choice(len(party), int(share * len(party)), replace=False)] = True
    return coded, share


def by_party(
    low: float, high: float, rng: np.random.Generator, party: np.ndarray, *_: np.ndarray
) -> tuple[np.ndarray, Any]:
    pi = np.where(party == 1, high, low)
    return rng.random(len(party)) < pi, pi


def whole_documents(rng: np.random.Generator, party: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, Any]:
    return np.repeat(rng.random(len(party) // 20) < 0.1, 20), 0.1


def by_covariate(rng: np.random.Generator, party: np.ndarray, x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, Any]:
    return rng.random(len(party)) < np.where(x > 0, 0.15, 0.05), 0.1


def easy(rng: np.random.Generator, party: np.ndarray, x: np.ndarray, hard: np.ndarray) -> tuple[np.ndarray, Any]:
    return ~hard & (rng.random(len(party)) < 0.13), 0.1


def found(drawn: Callable[..., tuple[np.ndarray, Any]], cluster: str | None, seed: int) -> bool:
    """Whether a note says that texts were not drawn as pi says."""
    data = texts(seed, (0.1, 0.25), drawn).rename({"sure": "topic_p_Health"})
    fit = at.correct(FORMULA, data, cluster=cluster)
    return any("not drawn as pi says" in note for note in fit.notes)


STRONG, WEAK = (0.05, 0.2), (0.3, 0.45)
EQUAL, DIFFERENT = partial(at_random, 0.05), partial(by_party, 0.03, 0.12)


def interval(
    errs: tuple[float, float], drawn: Callable[..., tuple[np.ndarray, Any]], options: dict[str, Any], seed: int
) -> bool:
    """Whether the interval of party's slope holds the truth."""
    row = _row(texts(seed, errs, drawn), options)
    return bool(row["conf_low"] <= slope() <= row["conf_high"])


def narrower(
    errs: tuple[float, float],
    drawn: Callable[..., tuple[np.ndarray, Any]],
    options: dict[str, Any],
    others: dict[str, Any],
    seed: int,
) -> bool:
    """Whether the standard error of party's slope is at most as large as with the other options, or by hand."""
    data = texts(seed, errs, drawn)
    other = _row(data, others)["std_error"] if others else _row(data, options, "hand-coded only")["std_error"]
    return bool(_row(data, options)["std_error"] <= other * (1 + 1e-9))


def _row(data: pl.DataFrame, options: dict[str, Any], method: str = "corrected") -> dict[str, Any]:
    fit = at.correct(FORMULA, data, **options)
    return fit.tidy().filter(method=method, term="party").row(0, named=True)


AUTO, PPI = {"method": "auto"}, {"method": "ppi"}
RECALIBRATED, LABEL = {"prediction": "recalibrated"}, {"prediction": "label"}

EDGES = (
    Edge("drawn at random: found not to be", partial(found, EQUAL, None), None, 0, 2, "found"),
    Edge("drawn with different pi: found not to be", partial(found, DIFFERENT, None), None, 0, 2, "found"),
    Edge("whole documents drawn: found not to be", partial(found, whole_documents, "document"), None, 0, 2, "found"),
    Edge("drawn by a covariate, pi says at random", partial(found, by_covariate, None), 0.0, 98, 100, "found"),
    Edge("easy texts coded, pi says at random", partial(found, easy, None), 0.0, 98, 100, "found"),
    Edge("weak model, different pi, auto", partial(interval, WEAK, DIFFERENT, AUTO), None, 93, 97),
    Edge("weak model, different pi, ppi", partial(interval, WEAK, DIFFERENT, PPI), None, 93, 97),
    Edge("weak model, one pi, auto", partial(interval, WEAK, EQUAL, AUTO), None, 93, 97),
    Edge("good model, one pi, auto", partial(interval, STRONG, EQUAL, AUTO), None, 93, 97),
    Edge(
        "weak model, different pi: no wider than by hand",
        partial(narrower, WEAK, DIFFERENT, AUTO, {}),
        59.0,
        99,
        100,
        "narrower",
        300,
    ),
    Edge("bare labels recalibrated, one pi", partial(interval, STRONG, EQUAL, RECALIBRATED), None, 93, 97),
    Edge(  # in 98 of 100 samples party rests on few errors by their weight, so that its interval is a bound
        "bare labels recalibrated, different pi", partial(interval, STRONG, DIFFERENT, RECALIBRATED), None, 93, 100
    ),
    Edge(
        "bare labels recalibrated: no wider than as they are",
        partial(narrower, STRONG, EQUAL, RECALIBRATED, LABEL),
        None,
        80,
        100,
        "narrower",
        300,
    ),
)
