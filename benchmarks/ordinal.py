"""Labels in an order: what it gains to tell annotune so, on the sentiment of Dutch economic headlines.

    python benchmarks/ordinal.py [--sizes 600,2000,4800] [--seeds 1,2,3] [--data FOLDER]

The same texts and the same seeds, once with `kind: ordinal` and once with `kind: nominal` (Van Atteveldt, Van der
Velden and Boukes 2021; 6,207 distinct headlines, negative, neutral or positive). All headlines that are not learnt from
are the test. Prints quadratic kappa, mean distance, accuracy and macro-F1, and the gain in quadratic kappa with its
interval (2,000 bootstrap samples of test texts, drawn together for both and averaged over the seeds).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, f1_score

import annotune as at
from annotune.measures.scores import quadratic_kappa

DATA = Path(__file__).parents[2] / "shared" / "data"
TONE = {-1: "negative", 0: "neutral", 1: "positive"}
KINDS = ("nominal", "ordinal")
REPLICATES = 2000


def headlines(folder: Path) -> tuple[pl.DataFrame, np.ndarray]:
    """Texts with identifiers, and their levels 0, 1, 2."""
    rows = pl.read_csv(folder / "ecosent_dutch_headlines" / "headlines.csv").unique("text", maintain_order=True)
    return rows.select(unit_id=pl.col("id").cast(pl.String), text="text"), rows["label"].to_numpy() + 1


def answers(
    corpus: pl.DataFrame, truth: np.ndarray, learn: np.ndarray, test: np.ndarray, kind: str, seed: int
) -> np.ndarray:
    """The levels that a model tuned on `learn` gives to the texts of `test`."""
    names = list(TONE.values())
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="tone", kind=kind, labels=labels),))
    gold = corpus[learn].select("unit_id", variable=pl.lit("tone"), label=pl.Series([names[i] for i in truth[learn]]))
    model = at.tune(corpus[learn], gold, book, test=0, seed=seed)
    return np.array([names.index(label) for label in model.classify(corpus[test], precision="bfloat16")["label"]])


def gain(truth: np.ndarray, said: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Bootstrap replicates of ordinal's quadratic kappa less nominal's."""
    draws = rng.integers(0, len(truth), (REPLICATES, len(truth)))
    return np.array(
        [kappa(truth[draw], said["ordinal"][draw]) - kappa(truth[draw], said["nominal"][draw]) for draw in draws]
    )


def kappa(truth: np.ndarray, said: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights."""
    return quadratic_kappa(truth, said, len(TONE))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="600,2000,4800")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    corpus, truth = headlines(options.data)
    print("| coded | test | kind | quadratic kappa | mean distance | accuracy | macro-F1 | gain in quadratic kappa |")
    print("|---|---|---|---|---|---|---|---|")
    for size in map(int, options.sizes.split(",")):
        found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
        gains = []
        for seed in map(int, options.seeds.split(",")):
            order = np.random.default_rng(seed).permutation(len(corpus))
            learn, test = order[:size], order[size:]
            said = {kind: answers(corpus, truth, learn, test, kind, seed) for kind in KINDS}
            for kind, levels in said.items():
                distance = float(np.abs(levels - truth[test]).mean())
                plain = accuracy_score(truth[test], levels), f1_score(truth[test], levels, average="macro")
                found[kind].append([kappa(truth[test], levels), distance, *plain])
            gains.append(gain(truth[test], said, np.random.default_rng(seed)))
        low, high = np.percentile(np.mean(gains, 0), [2.5, 97.5])
        for kind in KINDS:
            mean = np.mean(found[kind], 0)
            more = mean[0] - np.mean(found["nominal"], 0)[0]
            told = f"{more:+.3f} ({low:+.3f} to {high:+.3f})" if kind == "ordinal" else ""
            figures = " | ".join(f"{value:.3f}" for value in mean)
            print(f"| {size:,} | {len(corpus) - size:,} | {kind} | {figures} | {told} |", flush=True)


if __name__ == "__main__":
    main()
