"""Labels with 2 to 8 texts each: what a probe learns with and without the codebook's words, and by nearest texts.

    python benchmarks/rare_labels.py [--draws 5]

Bank customers' questions (banking77, expected in ../shared/data): 40 of the 77 intents are rare, with 2, 4 or 8 texts
to learn from; the others have 40. Figures are the mean F1 of the rare labels, and of all, on the published test part,
with the default base. `nearest` is the label of the nearest text; `both` multiplies the probe's probabilities by the
share of the label among the five nearest texts (plus .05).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import torch

from annotune.measures.scores import label_sums, per_label
from annotune.network.base import find_base, load_pair
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import build, outputs
from annotune.network.logits import softmax
from annotune.tuning.choices import Examples
from annotune.tuning.fit import probe_of

QUESTIONS = Path(__file__).parents[2] / "shared" / "data" / "banking77" / "banking77.csv"
RARE, COMMON, NEAREST, PENALTY = 40, 40, 5, 30.0


def embedded(texts: list[str]) -> np.ndarray:
    """The base's embeddings (n, width) of these texts."""
    tokenizer, backbone = load_pair(find_base("minilm"), torch.device("cpu"))
    return outputs(build(backbone, 2), tokenize(tokenizer, texts, 256), embeddings=True)


def answers(seen: np.ndarray, targets: np.ndarray, unseen: np.ndarray, words: np.ndarray) -> dict[str, np.ndarray]:
    """Each method's label numbers of the unseen texts."""
    examples = Examples(Tokens([[]] * len(seen), 0, 1, 0), seen, targets, len(words), words=words)
    near = np.argsort(-(unseen @ seen.T), axis=1)[:, :NEAREST]
    votes = np.eye(len(words))[targets[near]].mean(1)
    stated = softmax(probe_of(examples, PENALTY, False, False).logits(unseen))
    with_words = softmax(probe_of(examples, PENALTY, False, True).logits(unseen))
    likely = {"probe": stated, "probe, words": with_words, "both, words": with_words * (votes + 0.05)}
    return {name: rows.argmax(1) for name, rows in likely.items()} | {"nearest": targets[near[:, 0]]}


def main() -> None:
    """Print a table: mean F1 of the rare labels and of all, by how many texts the rare ones have."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=5)
    draws = parser.parse_args().draws
    frame = pl.read_csv(QUESTIONS).with_columns(number=pl.col("label").rank("dense").cast(pl.Int64) - 1)
    names = frame.unique("label").sort("number")["label"].str.replace_all("_", " ").to_list()
    vectors, words = embedded(frame["text"].to_list()), embedded(names)
    numbers, train = frame["number"].to_numpy(), (frame["split"] == "train").to_numpy()
    print("| texts of a rare label | method | F1 of rare labels | F1 of all | rare labels with F1 below .5 |")
    for few in (2, 4, 8):
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            rare = rng.permutation(len(names))[:RARE]
            places = [
                rng.permutation(np.flatnonzero(train & (numbers == k)))[: few if k in rare else COMMON]
                for k in range(len(names))
            ]
            seen = np.concatenate(places)
            for name, given in answers(vectors[seen], numbers[seen], vectors[~train], words).items():
                f1 = per_label(label_sums(numbers[~train], given, len(names)).total, len(names), sets=False)["f1"]
                figures = (float(f1[rare].mean()), float(f1.mean()), float((f1[rare] < 0.5).mean()))
                found.setdefault(name, []).append(figures)
        for name, rows in found.items():
            mean, error = np.mean(rows, axis=0), np.std([row[0] for row in rows], ddof=1) / draws**0.5
            print(f"| {few} | {name} | {mean[0]:.3f} ({error:.3f}) | {mean[1]:.3f} | {mean[2]:.0%} |")


if __name__ == "__main__":
    main()
