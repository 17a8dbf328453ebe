"""A rare label: macro-F1 of a probe by the number of codings, drawn simply and actively, on sentences set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from active_sets import manifestos

from annotune.correction.text_scores import for_tuning, proportional, with_floor
from annotune.data.waves import counts

SIZES = (100, 200, 400)
FIRST, STEP = 50, 50  # the first wave is simple; the further ones have so many each
TESTED = 0.3
DESIGNS = ("simple", "active", "active, weighted")


def embeddings(cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """The sentences by MiniLM, (N, 384), kept in the folder `cache`; and whether they are on immigration, (N,)."""
    texts, path = manifestos(), cache / "embeddings.npy"
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        from annotune.network.base import find_base

        model = SentenceTransformer(str(find_base("minilm").folder), device="cpu")
        np.save(path, model.encode(texts["text"].to_list(), batch_size=128, normalize_embeddings=True))
    return np.asarray(np.load(path)), texts["immigration"].to_numpy().astype(int)


def probe(x: np.ndarray, y: np.ndarray, weight: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The probability of a yes for the wanted texts; the share where all codings are alike."""
    from sklearn.linear_model import LogisticRegression

    if y.min() == y.max():
        return np.full(len(wanted), (weight @ y + 0.5) / (weight.sum() + 1))
    model = LogisticRegression(C=10, max_iter=500).fit(x, y, weight / weight.mean())
    return np.asarray(model.predict_proba(wanted)[:, 1])


def macro_f1(truth: np.ndarray, likely: np.ndarray, share: float) -> float:
    """Macro-F1 where a yes is given to the likeliest texts, as many as the codings say there are."""
    predicted = likely >= np.quantile(likely, 1 - share)
    values = []
    for side in (True, False):
        both = ((predicted == side) & (truth == side)).sum()
        values.append(2 * both / max((predicted == side).sum() + (truth == side).sum(), 1))
    return float(np.mean(values))


def one(x: np.ndarray, y: np.ndarray, design: str, seed: int) -> tuple[list[float], list[float]]:
    """Macro-F1 at each size, and how many codings are a yes."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    test, pool = order[: int(TESTED * len(y))], order[int(TESTED * len(y)) :]
    pi, wave = np.zeros(len(pool)), np.zeros(len(pool), dtype=int)
    at: list[int] = []
    figures, positive = [], []
    for number, size in enumerate(range(FIRST, max(SIZES) + 1, STEP), start=1):
        free = np.flatnonzero(wave == 0)
        chance = np.full(len(free), STEP / len(free))
        if design != "simple" and at:
            likely = probe(x[pool[at]], y[pool[at]], _weights(pi, wave, at, design), x[pool[free]])
            chance = proportional(with_floor(for_tuning(np.column_stack([1 - likely, likely]))), STEP)
        drawn = free[_systematic(chance, rng)]
        pi[free], wave[drawn] = chance, number
        at += drawn.tolist()
        if size in SIZES:
            weight = counts(pi[at], wave[at]).ratio
            share = np.clip(weight @ y[pool[at]] / weight.sum(), 0.005, 0.5)
            likely = probe(x[pool[at]], y[pool[at]], _weights(pi, wave, at, design), x[test])
            figures.append(macro_f1(y[test], likely, float(share)))
            positive.append(float(y[pool[at]].sum()))
    return figures, positive


def _weights(pi: np.ndarray, wave: np.ndarray, at: list[int], design: str) -> np.ndarray:
    return counts(pi[at], wave[at]).ratio if design == "active, weighted" else np.ones(len(at))


def _systematic(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fixed number of texts with these probabilities, in a random order (Madow 1949)."""
    order = rng.permutation(len(chance))
    ends = np.cumsum(chance[order])
    places = np.arange(rng.random(), ends[-1], 1.0)
    return order[np.minimum(np.searchsorted(ends, places), len(order) - 1)]


def tuning_table(cache: Path, repeats: int) -> str:
    """Means over repeats, with the simulation error of the difference to simple draws."""
    x, y = embeddings(cache)
    lines = [
        "| codings | design | macro-F1 | less simple draws' | on immigration |",
        "| --- | --- | --- | --- | --- |",
    ]
    results = {design: [one(x, y, design, seed) for seed in range(repeats)] for design in DESIGNS}
    for place, size in enumerate(SIZES):
        base = np.array([figures[place] for figures, _ in results["simple"]])
        for design in DESIGNS:
            mine = np.array([figures[place] for figures, _ in results[design]])
            positive = np.mean([numbers[place] for _, numbers in results[design]])
            gap, error = (mine - base).mean(), (mine - base).std() / np.sqrt(repeats)
            versus = "" if design == "simple" else f"{gap:+.3f} (±{1.96 * error:.3f})"
            lines.append(f"| {size} | {design} | {mine.mean():.3f} | {versus} | {positive:.1f} |")
    return "\n".join(lines)
