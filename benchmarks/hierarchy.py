"""A codebook of majors and minors, simulated: one head on minors, texts coded by majors alone, and a flat head.

`python benchmarks/hierarchy.py` prints the table of docs/hierarchies.md. There are as many majors as in the
Comparative Agendas Project, of three minors each; texts are points around their minor's centre, as a base model's
embeddings are, majors far apart and minors near. 600 texts are coded by minor and 1,400 by major alone; figures are of
4,000 others, in 20 draws.
"""

from __future__ import annotations

import numpy as np

from annotune.measures.scores import macro_f1
from annotune.network.batches import Tokens
from annotune.network.logits import softmax
from annotune.tuning.choices import Examples, Higher
from annotune.tuning.fit import probe_of

MAJORS, MINORS, WIDTH = 21, 3, 64
BY_MINOR, BY_MAJOR, OTHERS, DRAWS = 600, 1_400, 4_000, 20
PENALTY = 30.0


def drawn(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Embeddings and minors of the texts coded by minor, of those coded by major alone, and of others."""
    major = rng.normal(size=(MAJORS, 1, WIDTH))
    centres = (major + 0.6 * rng.normal(size=(MAJORS, MINORS, WIDTH))).reshape(-1, WIDTH)
    frequency = rng.dirichlet(np.full(len(centres), 2.0))

    def texts(n: int) -> tuple[np.ndarray, np.ndarray]:
        minors = rng.choice(len(centres), size=n, p=frequency)
        points = centres[minors] + 1.6 * rng.normal(size=(n, WIDTH))
        return points / np.linalg.norm(points, axis=1, keepdims=True), minors

    return {"minor": texts(BY_MINOR), "major": texts(BY_MAJOR), "others": texts(OTHERS)}


def figures(data: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """Macro-F1 of majors by the sums of probabilities, of majors by the likeliest minor, and of minors, by method."""
    n_labels = MAJORS * MINORS
    (coded, minors), (by_major, hidden), (others, truth) = data["minor"], data["major"], data["others"]
    above = np.arange(n_labels) // MINORS
    groups = np.arange(len(coded) + len(by_major))
    below = above[hidden][:, None] == above
    higher = Higher(_no_tokens(len(by_major)), by_major, below, groups[len(coded) :], groups[: len(coded)])
    ways = {
        "minors alone": Examples(_no_tokens(len(coded)), coded, minors, n_labels),
        "minors and majors": Examples(_no_tokens(len(coded)), coded, minors, n_labels, higher=higher),
    }
    found = {}
    for name, examples in ways.items():
        likely = softmax(probe_of(examples, PENALTY, False, False).logits(others))
        summed = likely.reshape(len(others), MAJORS, MINORS).sum(2)
        by_sum = macro_f1(above[truth], summed.argmax(1), MAJORS)
        by_minor = macro_f1(above[truth], above[likely.argmax(1)], MAJORS)
        found[name] = (by_sum, by_minor, macro_f1(truth, likely.argmax(1), n_labels))
    both = np.concatenate([coded, by_major]), np.concatenate([above[minors], above[hidden]])
    majors = probe_of(Examples(_no_tokens(len(both[0])), *both, MAJORS), PENALTY, False, False)
    of_majors = macro_f1(above[truth], majors.logits(others).argmax(1), MAJORS)
    return found | {"a model of majors alone": (of_majors, of_majors, float("nan"))}


def _no_tokens(n: int) -> Tokens:
    return Tokens([[]] * n, 0, 1, 0)


def main() -> None:
    """Print means over draws, and the differences with their 95 % intervals."""
    rng = np.random.default_rng(1)
    draws = [figures(drawn(rng)) for _ in range(DRAWS)]
    print("| learnt from | majors, summed | majors, of the likeliest minor | minors |")
    for name in draws[0]:
        print("|", name, "|", " | ".join(f"{np.mean([draw[name][k] for draw in draws]):.3f}" for k in range(3)), "|")
    for k, measure in enumerate(("majors, summed", "majors, of the likeliest minor", "minors")):
        gain = np.array([draw["minors and majors"][k] - draw["minors alone"][k] for draw in draws])
        print(f"gain by texts coded by major, {measure}: {_interval(gain)}")
    gain = np.array([draw["minors alone"][0] - draw["minors alone"][1] for draw in draws])
    print(f"gain by summing: {_interval(gain)}")


def _interval(gain: np.ndarray) -> str:
    return f"{gain.mean():+.3f} +/- {1.96 * gain.std(ddof=1) / DRAWS**0.5:.3f}"


if __name__ == "__main__":
    main()
