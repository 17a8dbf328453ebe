"""What holds at the edges of the textbook: few errors, few clusters, rare labels. Coverage and size, before and after.

    python benchmarks/edges.py [--quick] [--rows clusters "macro-F1"]

The rows of each topic are in a file of their own, `edges_<topic>_methods.py`, as a tuple `EDGES`. The table is written
beside this file where all rows were simulated in full.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
from edge_methods import Edge

import annotune as at

HERE = Path(__file__).parent
QUICK = 100
HEAD = ("row", "kind", "before", "after", "simulation error", "no answer", "bound", "holds")


def edges(wanted: Sequence[str]) -> list[Edge]:
    """The rows of all topics whose names hold one of these words; without words all."""
    modules = sorted(path.stem for path in HERE.glob("edges_*_methods.py"))
    rows = [edge for name in modules for edge in import_module(name).EDGES]
    names = [edge.name for edge in rows]
    if len(set(names)) < len(names):
        raise SystemExit(f"Two rows have one name: {sorted(name for name in set(names) if names.count(name) > 1)}.")
    return [edge for edge in rows if not wanted or any(word in edge.name for word in wanted)]


def answer(edge: Edge, seed: int) -> float:
    """1 where the interval holds the truth, or the test finds something; 0 where not; NaN without an answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)
        try:
            result = edge.repetition(seed)
        except at.AnnotuneError:
            return np.nan
    return np.nan if result is None else float(result)


def line(edge: Edge, answers: np.ndarray) -> tuple[str, ...]:
    """The row of the table."""
    given = answers[~np.isnan(answers)]
    silent = f"{100 * (1 - len(given) / len(answers)):.0f} %"
    before = "-" if edge.before is None else f"{edge.before:.1f}"
    bound = f"{edge.low:g} to {edge.high:g}"
    if not len(given):
        return edge.name, edge.kind, before, "-", "-", silent, bound, "no answer"
    after, error = 100 * given.mean(), 100 * np.sqrt(given.mean() * (1 - given.mean()) / len(given))
    return edge.name, edge.kind, before, f"{after:.1f}", f"{error:.1f}", silent, bound, verdict(edge, after, error)


def verdict(edge: Edge, after: float, error: float) -> str:
    """Whether the percentage is within the bound; "unclear" where chance could have moved it out."""
    outside = max(edge.low - after, after - edge.high)
    return "yes" if outside <= 0 else "unclear" if outside <= 2 * error else "no"


def lines(rows: Sequence[Edge], processes: int, quick: bool) -> Iterator[tuple[str, ...]]:
    with ProcessPoolExecutor(processes) as pool:
        for edge in rows:
            repetitions = min(QUICK, edge.repetitions) if quick else edge.repetitions
            answers = list(pool.map(partial(answer, edge), range(repetitions), chunksize=10))
            yield line(edge, np.array(answers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK} samples a row")
    parser.add_argument("--rows", nargs="+", default=[], help="only rows whose names hold one of these words")
    parser.add_argument("--processes", type=int, default=2)
    wanted = parser.parse_args()
    table = [HEAD, ("---",) * len(HEAD)]
    print(f"| {' | '.join(HEAD)} |", flush=True)
    for row in lines(edges(wanted.rows), wanted.processes, wanted.quick):
        table.append(row)
        print(f"| {' | '.join(row)} |", flush=True)
    if not (wanted.quick or wanted.rows):
        text = "\n".join(f"| {' | '.join(row)} |" for row in table)
        (HERE / "edges.md").write_text(f"# At the edges\n\n{text}\n")
    sys.exit(any(row[-1] in ("no", "no answer") for row in table))


if __name__ == "__main__":
    main()
