"""What rounds were expected to bring, and what they brought, on texts whose labels are all known.

In one simulation predictions stay as they are; in the other a model of the texts' words learns from each round's
codings, in folds, as a study's does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from active import corrected
from active_sets import DATA, Set, manifestos

import annotune as at
from annotune.correction.next_wave import next_standard_errors
from annotune.correction.text_scores import best_floor, doubt, for_coefficients, proportional, with_floor
from annotune.data.waves import counts
from annotune.hybrid.draws import fixed_size
from annotune.hybrid.round_words import expected_gain

N, ROUNDS, FOLDS = 200, 4, 5
FIXED = ("uk_manifestos", "popbert", "simulated")
DESIGNS = ("simple", "active")
SENTENCES = DATA / "popbert_bundestag" / "sentences.parquet"


@dataclass
class Draws:
    """Which texts each round drew: their numbers, rounds and probabilities, in the order of the draw."""

    at: np.ndarray
    wave: np.ndarray
    pi: np.ndarray

    def ratio(self) -> np.ndarray:
        """How many texts each speaks for."""
        return counts(self.pi, self.wave).ratio


def drawn(texts: Set, likely: np.ndarray, so_far: Draws, design: str, rng: np.random.Generator) -> Draws:
    """One round more: simply, or by how far a text's coding is expected to move the coefficient."""
    free = np.setdiff1d(np.arange(len(texts.truth)), so_far.at)
    pi = np.full(len(free), N / len(free))
    if design == "active" and len(so_far.at):
        pi = proportional(score_of(texts, likely, so_far)[free], N)
    new = fixed_size(pi, rng)
    number = int(so_far.wave.max(initial=0)) + 1
    parts = (so_far.at, free[new]), (so_far.wave, np.full(new.sum(), number)), (so_far.pi, pi[new])
    return Draws(*(np.concatenate(part) for part in parts))


def width(texts: Set, likely: np.ndarray, draws: Draws) -> float:
    """Of the coefficient's 95 % interval, as `correct` gives it."""
    order = np.argsort(draws.at)
    learned = Set(texts.name, texts.formula, texts.truth, likely, texts.covariate, texts.n)
    return 2 * 1.959964 * corrected(learned, draws.at[order], draws.ratio()[order])[1]


def score_of(texts: Set, likely: np.ndarray, draws: Draws) -> np.ndarray:
    """How far each text's coding is expected to move the coefficient, above the floor that the codings choose (N,)."""
    x = texts.design
    reach = (x @ np.linalg.inv(x.T @ x))[:, 1:]
    score = for_coefficients(reach, doubt(likely))
    added = reach[draws.at] * (texts.truth - likely)[draws.at, None]
    return with_floor(score, best_floor(score, added, draws.at, draws.ratio()))


def expected_part(texts: Set, likely: np.ndarray, draws: Draws, design: str) -> float:
    """What the next round is expected to leave of the interval's width."""
    wave, gold, pi = (np.full(len(likely), np.nan) for _ in range(3))
    wave[draws.at], gold[draws.at], pi[draws.at] = draws.wave, texts.truth[draws.at], draws.pi
    cells = {"y": likely > 0.5, "y_p_1": likely, "y_gold": gold, "pi": pi, "wave": wave, "x": texts.covariate}
    data = pl.DataFrame(cells, nan_to_null=True).with_columns(
        pl.col("y", "y_gold", "wave").cast(pl.Int64), pl.col("pi").fill_null(0.5)
    )
    score = score_of(texts, likely, draws) if design == "active" else None
    how: dict[str, Any] = {"n": N, "score": score, "variable": "y", "pi": "pi", "wave": "wave"}
    row = next_standard_errors(data, "y ~ x", **how).row(0, named=True)
    return float(row["expected"] / row["now"])


def fixed_rounds(texts: Set, design: str, seed: int) -> Iterator[tuple[float, float, float]]:
    """Of each round but the last: the interval's width, what was expected of the next, and what came."""
    rng, nothing = np.random.default_rng(seed), np.array([], dtype=int)
    draws = drawn(texts, texts.likely, Draws(nothing, nothing, np.array([])), design, rng)
    now = width(texts, texts.likely, draws)
    for _ in range(ROUNDS - 1):
        expected = now * expected_part(texts, texts.likely, draws, design)
        draws = drawn(texts, texts.likely, draws, design, rng)
        then = width(texts, texts.likely, draws)
        yield now, expected, then
        now = then


def in_words(name: str) -> Any:
    """A set's texts as weighted words and pairs of words, a sparse matrix of N rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = manifestos() if name == "uk_manifestos" else pl.read_parquet(SENTENCES).sort("unit_id")
    return TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit_transform(texts["text"].to_list())


def learned(x: Any, texts: Set, draws: Draws, seed: int) -> np.ndarray:
    """Probabilities (N,), each by a model of four fifths of the codings that has not seen the text."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    fold = rng.integers(0, FOLDS, x.shape[0])
    fold[draws.at] = rng.permutation(len(draws.at)) % FOLDS
    likely, ratio, y = np.zeros(x.shape[0]), draws.ratio(), texts.truth[draws.at]
    for number in range(FOLDS):
        others = fold[draws.at] != number
        model = LogisticRegression(C=10, max_iter=500)
        model.fit(x[draws.at[others]], y[others], ratio[others] / ratio[others].mean())
        likely[fold == number] = model.predict_proba(x[fold == number])[:, 1]
    return likely


def macro_f1(texts: Set, likely: np.ndarray, draws: Draws) -> dict[str, float]:
    """Cross-fitted macro-F1 on the codings with its limits; a yes for as many of the likeliest as the codings say."""
    ratio, y = draws.ratio(), texts.truth[draws.at]
    share = float(np.clip(ratio @ y / ratio.sum(), 0.005, 0.5))
    said = (likely >= np.quantile(likely, 1 - share))[draws.at].astype(int)
    measures = at.evaluate(y.astype(int).tolist(), said.tolist(), n_boot=100).measures
    row = measures.filter(measure="macro_f1").row(0, named=True)
    return {"macro_f1": row["estimate"], "macro_f1_low": row["ci_low"], "macro_f1_high": row["ci_high"]}


def learning_rounds(
    x: Any, texts: Set, design: str, seed: int
) -> tuple[list[tuple[float, float, float]], tuple[dict[str, float], float]]:
    """The same where the model learns; and the gain of macro-F1 that was expected of the last round, and what came."""
    rng, nothing = np.random.default_rng(seed), np.array([], dtype=int)
    draws = drawn(texts, texts.likely, Draws(nothing, nothing, np.array([])), "simple", rng)
    likely = learned(x, texts, draws, seed)
    now, steps, scores = width(texts, likely, draws), [], []
    for number in range(1, ROUNDS):
        scores.append({"n_coded": len(draws.at), **macro_f1(texts, likely, draws)})
        expected = now * expected_part(texts, likely, draws, design)
        draws = drawn(texts, likely, draws, design, rng)
        likely = learned(x, texts, draws, seed + number)
        then = width(texts, likely, draws)
        steps.append((now, expected, then))
        now = then
    gain = expected_gain(pl.DataFrame(scores), N)
    assert gain is not None
    return steps, (gain, macro_f1(texts, likely, draws)["macro_f1"] - scores[-1]["macro_f1"])
