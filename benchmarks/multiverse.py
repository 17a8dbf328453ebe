"""Do conclusions flip under other choices? Naive and corrected specifications of studies whose effect is known.

A study has 3,000 texts of two parties, of which 300 are drawn at random and coded by hand. A model is a logistic
regression on what one of two base models makes of a text; it learns from the coded texts in five folds, each text
predicted by a model that has not seen it (the folds' models code the others, as `crossfit` has it). Choices: two bases,
five seeds (which divide texts into folds), three rules of cut-offs; corrected estimates use probabilities or labels. So
30 specifications are naive and 40 corrected. All of it is arrays: folds and seeds are fitted together, and DSL's
estimate for one covariate is a difference of means, which `tests/test_figures.py` compares with `correct`.

Finished blocks are kept in multiverse.jsonl beside this file, so that a run goes on where one was stopped.

python benchmarks/multiverse.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

HERE = Path(__file__)
N, N_CODED, FOLDS, SEEDS = 3000, 300, 5, 5
RULES, PREDICTIONS = ("share", "f1", "likeliest"), ("prob", "label")
BASES = ("base A", "base B")
BLOCK = 100  # studies that are simulated, and kept, together
WIDTH = 12  # numbers that a base makes of a text
Z = 1.959964
Arrays = np.ndarray


@dataclass(frozen=True)
class Design:
    """Texts whose topic depends on the party by `effect`, and is worded differently by the parties.

    Attributes
    ----------
    effect
        The opposition's share of the topic, less the government's.
    misled
        By how much the log odds, as words show them, are lowered for the opposition: it words the topic so that a model
        misses it. Above 0 naive effects are too small, below 0 too large.
    clear
        How clearly words tell the topic.
    """

    name: str
    effect: float
    misled: float
    clear: float = 1.6


DESIGNS = (
    Design("no effect, models oversee the opposition's topic", 0.0, 0.5),
    Design("no effect, models see it too often", 0.0, -0.5),
    Design("an effect of 0.10, models oversee it", 0.10, 0.5),
    Design("an effect of 0.10, errors alike in both parties", 0.10, 0.0),
)


def sample(design: Design, rng: np.random.Generator) -> tuple[list[Arrays], Arrays, Arrays]:
    """What the two bases make of N texts, (N, WIDTH) each, the party (N,) and the topic (N,)."""
    party = rng.integers(0, 2, N)
    topic = rng.random(N) < 0.30 + design.effect * (party - 0.5)
    shown = topic * design.clear - design.misled * party * topic
    bases = []
    for number in range(len(BASES)):
        words = rng.normal(size=(N, WIDTH))
        words[:, : 3 + 2 * number] += shown[:, None] / np.sqrt(2 + number)  # the second base spreads it out more
        words[:, -1] += 0.5 * party  # words that tell the party and nothing else
        bases.append(words)
    return bases, party, topic * 1.0


def logistic(design: Arrays, outcome: Arrays, used: Arrays, penalty: float = 1.0, steps: int = 8) -> Arrays:
    """Ridge logistic regressions of B subsets, (B, width), by Newton's method; `used` is (B, n)."""
    beta = np.zeros((len(used), design.shape[1]))
    ridge = penalty * np.eye(design.shape[1])
    ridge[0, 0] = 1e-6
    for _ in range(steps):
        chance = expit(beta @ design.T)
        slope = (used * (outcome - chance)) @ design - beta @ ridge
        weight = used * chance * (1 - chance)
        beta += np.linalg.solve(np.einsum("bn,nj,nk->bjk", weight, design, design) + ridge, slope[..., None])[..., 0]
    return beta


def folded(words: Arrays, topic: Arrays, coded: Arrays, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    """For every seed each text's probability by a model that has not seen it, and its fold: (SEEDS, N) each."""
    design = np.column_stack([np.ones(N), words])
    folds = np.stack([rng.permutation(N) % FOLDS for _ in range(SEEDS)])
    of_coded = folds[:, coded]
    used = np.concatenate([(of_coded != fold) * 1.0 for fold in range(FOLDS)])  # fold by fold, seeds within
    beta = logistic(design[coded], topic[coded], used).reshape(FOLDS, SEEDS, -1)
    chances = expit(np.einsum("fsj,nj->fsn", beta, design))
    return np.take_along_axis(chances, folds[None], axis=0)[0], folds


def labels(chance: Arrays, folds: Arrays, topic: Arrays, coded: Arrays, rule: str) -> Arrays:
    """The labels (SEEDS, N) by a rule of cut-offs, each fold's decided on the coded texts of the others."""
    given = np.zeros(chance.shape)
    for seed, fold in product(range(SEEDS), range(FOLDS)):
        others = coded[folds[seed, coded] != fold]
        mine = folds[seed] == fold
        given[seed, mine] = chance[seed, mine] > cutoff(chance[seed, others], topic[others], rule)
    return given


def cutoff(chance: Arrays, truth: Arrays, rule: str) -> float:
    """0.5; what gives the label as often as probabilities add up to; or what gives the highest F1."""
    if rule == "likeliest":
        return 0.5
    falling = np.sort(chance)[::-1]
    if rule == "share":
        return float(falling[min(round(chance.sum()), len(falling) - 1)])
    hits = np.cumsum(truth[np.argsort(-chance, kind="stable")])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + truth.sum())
    return float(falling[min(int(f1.argmax()) + 1, len(falling) - 1)])


def difference(values: Arrays, party: Arrays) -> tuple[Arrays, Arrays]:
    """The parties' difference of means of outcomes (S, N), and its robust standard error (HC0), (S,) each."""
    parts = [
        (values[:, party == side].mean(1), values[:, party == side].var(1) / (party == side).sum()) for side in (1, 0)
    ]
    return parts[0][0] - parts[1][0], np.sqrt(parts[0][1] + parts[1][1])


def specifications(design: Design, seed: int) -> tuple[Arrays, Arrays]:
    """Estimates with their limits, of the 30 naive specifications and of the 40 corrected: (30, 3) and (40, 3)."""
    rng = np.random.default_rng([seed, *design.name.encode()])
    bases, party, topic = sample(design, rng)
    coded = np.sort(rng.choice(N, N_CODED, replace=False))
    naive, fixed = [], []
    for words in bases:
        chance, folds = folded(words, topic, coded, rng)
        outcomes = {rule: labels(chance, folds, topic, coded, rule) for rule in RULES}
        naive += [difference(given, party) for given in outcomes.values()]
        fixed += [difference(dsl(given, topic, coded), party) for given in (chance, *outcomes.values())]
    return tuple(np.concatenate([_limits(*each) for each in parts]) for parts in (naive, fixed))  # type: ignore[return-value]


def dsl(predicted: Arrays, topic: Arrays, coded: Arrays) -> Arrays:
    """The outcome (S, N) of design-based supervised learning: the prediction, and where coded its error over pi."""
    outcome = predicted.copy()
    outcome[:, coded] += (topic[coded] - predicted[:, coded]) * N / len(coded)
    return outcome


def _limits(estimate: Arrays, error: Arrays) -> Arrays:
    return np.column_stack([estimate, estimate - Z * error, estimate + Z * error])


def conclusions(rows: Arrays) -> Arrays:
    """-1, 0 or 1 (S,): significantly negative, not significant, significantly positive."""
    return np.sign(rows[:, 1]) * (np.sign(rows[:, 1]) == np.sign(rows[:, 2]))


def figures(design: Design, seed: int) -> dict[str, float]:
    """Of one study: which share of its specifications holds the truth, concludes wrongly, and how they disagree."""
    parts = zip(("naive", "corrected"), specifications(design, seed), strict=True)
    right, row = np.sign(design.effect), {}
    for name, rows in parts:
        said = conclusions(rows)
        row[f"{name}_covers"] = float(((rows[:, 1] <= design.effect) & (design.effect <= rows[:, 2])).mean())
        row[f"{name}_false"] = float(((said != 0) & (said != right)).mean())
        row[f"{name}_sign"] = float(len(np.unique(np.sign(rows[:, 0]))) > 1)
        row[f"{name}_flips"] = float(len(np.unique(said)) > 1)
        row[f"{name}_mean"] = float(rows[:, 0].mean())
        row[f"{name}_width"] = float(np.median(rows[:, 2] - rows[:, 1]))
    return row


def block(design: Design, number: int) -> dict[str, Any]:
    """The mean figures of a block of studies."""
    rows = [figures(design, number * BLOCK + place) for place in range(BLOCK)]
    return {
        "design": asdict(design),
        "block": number,
        **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
    }


def blocks(path: Path, repetitions: int) -> Iterator[dict[str, Any]]:
    """Every block: from the file where it is there, else computed and added to it."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    done = {(json.dumps(row["design"]), row["block"]): row for row in map(json.loads, lines)}
    for number, design in product(range(repetitions // BLOCK), DESIGNS):
        row = done.get((json.dumps(asdict(design)), number))
        if row is None:
            row = block(design, number)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        yield row


HEAD = """\
# Conclusions under other choices

Studies of {n:,} texts, {coded} of them coded by hand, {repetitions:,} of each design; 30 naive and 40 corrected
specifications of each (two bases, five seeds, three rules of cut-offs; corrected by probabilities or labels). "holds
the truth": the share of specifications whose 95 % interval does, in percent (simulation error of corrected ones at most
{error:.1f} either way). "wrong": the share that concludes significantly what is not so. "disagree": the share of
studies whose specifications do not all give the same conclusion (significant or not, and of which sign), and in
brackets whose estimates differ in sign.

| design | estimator | mean estimate | holds the truth | wrong | disagree (in sign) | median width |
|---|---|---|---|---|---|---|
"""


def page(rows: list[dict[str, Any]]) -> str:
    """The table, from all blocks."""
    text = []
    for design in DESIGNS:
        mine = [row for row in rows if row["design"]["name"] == design.name]
        for name in ("naive", "corrected"):
            at = {
                key: np.mean([row[f"{name}_{key}"] for row in mine])
                for key in ("mean", "covers", "false", "flips", "sign", "width")
            }
            cells = [f"{at['mean']:+.3f}", f"{100 * at['covers']:.1f}", f"{100 * at['false']:.1f}"]
            cells += [f"{100 * at['flips']:.0f} ({100 * at['sign']:.0f})", f"{at['width']:.3f}"]
            text.append(f"| {design.name} | {name} | " + " | ".join(cells) + " |")
    repetitions = BLOCK * len(rows) // len(DESIGNS)
    error = 196 * np.sqrt(0.05 * 0.95 / repetitions)  # specifications of one study are all but one
    return HEAD.format(n=N, coded=N_CODED, repetitions=repetitions, error=error) + "\n".join(text) + "\n"


def main() -> None:
    """Compute what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    options = parser.parse_args()
    rows = list(blocks(HERE.with_suffix(".jsonl"), options.repetitions))
    HERE.with_suffix(".md").write_text(page(rows), encoding="utf-8")
    print(page(rows))


if __name__ == "__main__":
    main()
