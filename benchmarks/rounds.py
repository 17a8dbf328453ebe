"""Rounds: are their forecasts right, and a whole study in three rounds on sentences that five people coded.

python benchmarks/rounds.py [--repeats 100] [--only fixed learning popbert]

Writes benchmarks/rounds.md from all parts that were computed, now or before. The data are looked for in ../shared/data;
parts are kept in build/rounds.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from active_sets import sets
from rounds_forecasts import DESIGNS, FIXED, ROUNDS, N, fixed_rounds, in_words, learning_rounds
from rounds_popbert import popbert

from annotune.errors import AnnotuneWarning

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "rounds"
LEARNING = ("uk_manifestos", "popbert")


def row(steps: np.ndarray, about: str) -> str:
    """Of repeats (R, rounds, 3): mean widths, mean narrowing, expected and real, and how far off a forecast is."""
    now, expected, then = (steps[:, :, i] for i in range(3))
    off = (expected - then) / then
    cells = [f"{now.mean():.4f}", f"{(now - expected).mean():.4f}", f"{(now - then).mean():.4f}"]
    cells += [f"{off.mean():+.1%}", f"{np.sqrt((off**2).mean()):.1%}"]
    return f"| {about} | " + " | ".join(cells) + " |"


def fixed(repeats: int) -> str:
    """Rows of the sets whose predictions stay as they are."""
    of = {texts.name: texts for texts in sets(HERE.parent / "build" / "active")}
    lines = []
    for name, design in product(FIXED, DESIGNS):
        steps = np.array([list(fixed_rounds(of[name], design, seed)) for seed in range(repeats)])
        lines.append(row(steps, f"{name} | {of[name].formula} | {design}"))
        print(lines[-1], flush=True)
    return "\n".join(lines)


def learning(repeats: int) -> str:
    """Rows of the sets whose model learns from each round, and below them its macro-F1."""
    of = {texts.name: texts for texts in sets(HERE.parent / "build" / "active")}
    widths, gains = [], []
    for name, design in product(LEARNING, DESIGNS):
        x, texts = in_words(name), of[name]
        results = [learning_rounds(x, texts, design, 100 * seed) for seed in range(repeats)]
        widths.append(row(np.array([steps for steps, _ in results]), f"{name} | {texts.formula} | {design}"))
        expected, low, high = (np.array([gain[side] for _, (gain, _) in results]) for side in SIDES)
        came = np.array([real for _, (_, real) in results])
        held = ((low <= came) & (came <= high)).mean()
        cells = [f"{expected.mean():+.3f}", f"{came.mean():+.3f}", f"{came.std():.3f}", f"{held:.0%}"]
        gains.append(f"| {name} | {design} | " + " | ".join(cells) + " |")
        print(widths[-1], gains[-1], sep="\n", flush=True)
    return "\n".join(widths) + GAINS + "\n".join(gains)


SIDES = ("estimate", "ci_low", "ci_high")
COLUMNS = """| set | formula | rounds | width | narrower by, expected | in fact | forecast off by | root mean square |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
HEAD = f"""# Rounds

{ROUNDS} rounds of {N} texts in corpora whose labels are all known. After each round but the last, the width that the
interval of the coefficient is expected to have after the next (`annotune.correction.next_wave`) is compared with the
one that it then has, in per cent of the latter; means over rounds and repeats. "active": rounds from the
second on are drawn for the coefficient.

"""
GAINS = """

Macro-F1, cross-fitted, from the third to the fourth round: the gain that the power law through the first three expects
and the one that came, with its standard deviation over repeats; and how often the forecast's 95 % interval held it.

| set | rounds | gain, expected | gain, in fact | deviation | held |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Compute what was asked for, and write all that is there."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=100)
    options.add_argument("--only", nargs="*", choices=("fixed", "learning", "popbert"))
    arguments = options.parse_args()
    warnings.simplefilter("ignore", AnnotuneWarning)
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("fixed", "learning", "popbert"):
        if arguments.only is None or name in arguments.only:
            part = {"fixed": fixed, "learning": learning}.get(name)
            told = f"\n\n{arguments.repeats} repeats."
            (CACHE / f"{name}.md").write_text(part(arguments.repeats) + told if part else popbert(CACHE / "popbert"))
    titles = {
        "fixed": f"## Predictions that stay as they are\n\n{COLUMNS}",
        "learning": f"\n\n## A model that learns from each round\n\n{COLUMNS}",
        "popbert": "\n\n## A study in three rounds\n\n",
    }
    paths = {CACHE / f"{name}.md": title for name, title in titles.items()}
    parts = [title + path.read_text() for path, title in paths.items() if path.exists()]
    (HERE / "rounds.md").write_text(HEAD + "".join(parts) + "\n")


if __name__ == "__main__":
    main()
