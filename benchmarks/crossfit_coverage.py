"""Does it matter who codes the texts that nobody coded? Coverage of 95 % intervals, as a table beside this file.

Texts are simulated as features, and the model is a logistic regression that learns from the few that were coded by
hand, so that thousands of studies can be done. Every coded text is predicted out of fold. The others are coded by the
model of one fold each (`crossfit(uncoded="folds")`), or by the model of all coded texts (`uncoded="model"`).

python benchmarks/crossfit_coverage.py
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import annotune as at
from annotune.tuning.parts import Cases
from annotune.tuning.uncoded import dealt

N = 4000
TRUTH = 4_000_000
TERM = "opposition"
WAYS = ("hand-coded only", "naive", "folds", "model")


@dataclass(frozen=True)
class Design:
    """Texts of two parties that differ in their words, and a model that learns the topic from those coded.

    Attributes
    ----------
    n_coded
        How many of the N texts are drawn at random for coding by hand.
    folds
        In how many folds coded texts are predicted.
    n_features
        How many words there are; a third of them tell the topic.
    told
        How far one of these words moves the log odds of the topic.
    apart
        How far the opposition's texts are from the government's in the words that tell nothing else.
    penalty
        Of the logistic regression, C: a small one makes its probabilities timid where little was coded.
    prediction
        What stands for the outcome in the correction: its probability, or the label.
    """

    n_coded: int
    folds: int = 5
    n_features: int = 30
    told: float = 1.5
    apart: float = 0.5
    penalty: float = 1.0
    prediction: str = "prob"

    @property
    def name(self) -> str:
        parts = [f"{self.n_coded} coded", f"{self.folds} folds", f"{self.n_features} features", f"C = {self.penalty:g}"]
        return ", ".join([*parts, *(["labels"] if self.prediction == "label" else [])])

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The features (n, n_features), the party (n,) and the topic (n,) of n texts."""
        party = rng.integers(0, 2, n) * 1.0
        words = rng.normal(size=(n, self.n_features))
        tells, drifts = np.arange(self.n_features) % 3 == 0, np.arange(self.n_features) % 3 == 1
        words[:, drifts] += self.apart * party[:, None]
        odds = -0.8 + 0.5 * party + self.told * words[:, tells].sum(1) / np.sqrt(tells.sum() / 5)
        return words, party, (rng.random(n) < expit(odds)) * 1.0


DESIGNS = (
    Design(100, folds=2),
    Design(100),
    Design(100, folds=10),
    Design(100, penalty=0.01),
    Design(100, n_features=150),
    Design(200, folds=2),
    Design(200),
    Design(200, folds=2, prediction="label"),
    Design(200, prediction="label"),
    Design(200, folds=2, penalty=0.01),
    Design(400, folds=2),
    Design(400),
)


def truth(design: Design) -> float:
    """The difference of the parties' shares in very many texts."""
    rng = np.random.default_rng(0)
    parts = [design.sample(TRUTH // 40, rng)[1:] for _ in range(40)]
    party, topic = (np.concatenate(part) for part in zip(*parts, strict=True))
    return float(topic[party == 1].mean() - topic[party == 0].mean())


def repetition(design: Design, seed: int) -> np.ndarray:
    """Estimate, lower and upper bound of each way: shape (4, 3)."""
    rng = np.random.default_rng(seed)
    words, party, topic = design.sample(N, rng)
    coded = np.sort(rng.choice(N, design.n_coded, replace=False))
    fold, chances = _out_of_fold(design, words, topic, coded, seed)
    found = [_corrected(design, party, topic, coded, fold, chance) for chance in chances]
    return np.stack([found[0]["hand-coded only"], found[1]["naive"], found[0]["corrected"], found[1]["corrected"]])


def _out_of_fold(
    design: Design, words: np.ndarray, topic: np.ndarray, coded: np.ndarray, seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each text's fold, and the topic's probabilities, shape (N,): the uncoded texts' by folds, and by the model."""
    units = pl.Series("unit_id", [f"{i:05}" for i in range(N)])
    texts = pl.DataFrame({"unit_id": units, "text": units})
    cases = Cases(topic[coded].astype(int), np.arange(len(coded)), seed=seed)
    fold, chance = np.zeros(N, dtype=np.int64), np.full(N, np.nan)
    splits = list(cases.folds(design.folds))
    for number, (_, out) in enumerate(splits, start=1):
        fold[coded[out]] = number
    folds = texts.select("unit_id").with_columns(fold=fold).filter(pl.col("fold") > 0)
    shares = texts.select("unit_id").join(
        dealt(texts, folds, seed=seed), on="unit_id", how="left", maintain_order="left"
    )
    fold = np.where(fold > 0, fold, shares["fold"].fill_null(0).to_numpy())
    for number, (rest, _) in enumerate(splits, start=1):
        mine = fold == number
        chance[mine] = _model(design, words[coded[rest]], topic[coded[rest]]).predict_proba(words[mine])[:, 1]
    by_model = _model(design, words[coded], topic[coded]).predict_proba(words)[:, 1]
    return fold, [chance, np.where(np.isin(np.arange(N), coded), chance, by_model)]


def _model(design: Design, words: np.ndarray, topic: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=design.penalty, max_iter=500).fit(words, topic)


def _corrected(
    design: Design, party: np.ndarray, topic: np.ndarray, coded: np.ndarray, fold: np.ndarray, chance: np.ndarray
) -> dict[str, list[float]]:
    drawn = np.isin(np.arange(N), coded)
    data = pl.DataFrame(
        {TERM: party, "y_hat": chance if design.prediction == "prob" else (chance > 0.5) * 1.0, "fold": fold}
    ).with_columns(y_gold=pl.when(pl.Series(drawn)).then(pl.Series(topic)), pi=pl.lit(len(coded) / N))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)
        found = at.correct(f"y ~ {TERM}", data).tidy().filter(pl.col("term") == TERM)
    return {row["method"]: [row["estimate"], row["conf_low"], row["conf_high"]] for row in found.to_dicts()}


def line(design: Design, repetitions: int) -> list[str]:
    """The design, and for each way its coverage in percent, its bias in standard errors, and its median width."""
    true = truth(design)
    drawn = np.array([repetition(design, seed) for seed in range(repetitions)])
    holds = ((drawn[:, :, 1] <= true) & (true <= drawn[:, :, 2])).mean(0)
    widths = drawn[:, :, 2] - drawn[:, :, 1]
    off = (drawn[:, :, 0] - true).mean(0) / (widths.mean(0) / 2 / 1.96)
    wide = np.median(widths, axis=0)
    return [design.name, *(f"{100 * h:.1f}, {o:+.2f} ({w:.3f})" for h, o, w in zip(holds, off, wide, strict=True))]


def lines(repetitions: int, processes: int) -> Iterator[list[str]]:
    yield ["design", *WAYS]
    yield ["---"] * 5
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(line, repetitions=repetitions), DESIGNS)


def page(rows: list[str], repetitions: int) -> str:
    """The table, with what its figures are."""
    note = (
        f"Share of 95 % intervals that hold the true difference of two parties, in percent; the bias in standard "
        f"errors; in brackets the median width: {repetitions:,} samples of {N:,} texts each. The simulation error is "
        f"{196 * np.sqrt(0.95 * 0.05 / repetitions):.1f} points of a coverage of 95 %, and "
        f"{1.96 / np.sqrt(repetitions):.2f} of a bias, either way."
    )
    return "\n".join(["# Coverage by who codes the texts that nobody coded", "", note, "", *rows, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    rows = []
    for row in lines(options.repetitions, options.processes):
        rows.append(f"| {' | '.join(row)} |")
        print(rows[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text(page(rows, options.repetitions), encoding="utf-8")


if __name__ == "__main__":
    main()
