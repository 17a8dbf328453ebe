"""The coding page under load: 20 coders who give 500 answers each at once, and a server that is killed 20 times.

    python benchmarks/page.py [--coders 20] [--decisions 500] [--kills 20]

    python benchmarks/page.py --steps 500 5000

Prints decisions per second and how long an answer takes until it is acknowledged, which is when it is on the disk; and
compares every acknowledged answer with the store. `--steps` counts instead what SQLite does for a request when coders
have so many texts each: the same on any machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from page_methods import Answers, Server, load, load_under_kills, lost, steps_of_answers, study

PORT = 8431


def row(name: str, store: Path, results: dict[str, Answers], seconds: float) -> str:
    """A line of the table."""
    took = np.array([value for answers in results.values() for value in answers.seconds]) * 1000
    gone, twice = lost(store, results)
    repeated = sum(answers.repeated for answers in results.values())
    p50, p99 = np.percentile(took, [50, 99])
    rate = len(took) / seconds
    return f"| {name} | {len(took):,} | {rate:,.0f} | {p50:.0f} | {p99:.0f} | {repeated:,} | {gone} | {twice} |"


def count_steps(sizes: Sequence[int]) -> None:
    """A column for each number of texts, a line for each kind of request."""
    counts = []
    for texts in sizes:
        with tempfile.TemporaryDirectory() as folder:
            counts.append(steps_of_answers(Path(folder), texts))
    print("| steps of SQLite per request | " + " | ".join(f"{texts:,} texts" for texts in sizes) + " |")
    print("|---" * (1 + len(sizes)) + "|")
    for name in counts[0]:
        print(f"| {name} | " + " | ".join(f"{count[name]:,.0f}" for count in counts) + " |")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("coders", 20), ("decisions", 500), ("kills", 20)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--steps", type=int, nargs="+", metavar="TEXTS")
    options = parser.parse_args()
    if options.steps:
        count_steps(options.steps)
        return
    print("| | acknowledged | per second | p50 ms | p99 ms | sent again | lost | twice |")
    print("|---|---|---|---|---|---|---|---|")
    for kills in (0, options.kills):
        with tempfile.TemporaryDirectory() as folder:
            names = study(Path(folder), options.coders, options.decisions)
            texts = [f"u{i}" for i in range(options.decisions)]
            server = Server(Path(folder), names, PORT)
            server.start()
            begin = time.perf_counter()
            results = load(server, texts) if kills == 0 else load_under_kills(server, texts, kills, 1.0)
            seconds = time.perf_counter() - begin
            server.stop()
            name = "all at once" if kills == 0 else f"killed {kills} times"
            print(row(name, Path(folder) / "study.annotune", results, seconds), flush=True)


if __name__ == "__main__":
    main()
