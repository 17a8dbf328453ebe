"""What holds at the edges of the textbook: few errors, few clusters, rare labels. Coverage and size, before and after.

    python benchmarks/edges.py [--quick] [--rows clusters "macro-F1"]

The rows of each topic are in a file of their own, `edges_<topic>_methods.py`, as a tuple `EDGES`. The table is written
beside this file, and drawn for docs/when-not-to-trust.md, where all rows were simulated.
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
from matplotlib.ticker import MaxNLocator

import annotune as at
from annotune.pictures import COLOURS, INK, PALE, new_figure, saved

HERE = Path(__file__).parent
PICTURE = HERE.parent / "docs" / "when-not-to-trust.svg"
NOMINAL = {"coverage": 95, "size": 5}
QUICK = 300
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


def picture(table: Sequence[Sequence[str]]) -> None:
    """Before and after of each row that has both, coverage above size."""
    drawn = {kind: [row for row in table if row[1] == kind and "-" not in (row[2], row[3])] for kind in NOMINAL}
    counts = [len(rows) for rows in drawn.values()]
    figure, panels = new_figure(9, 1.5 + 0.19 * sum(counts), rows=2, heights=counts)
    for panel, (kind, rows) in zip(panels, drawn.items(), strict=True):
        places = range(len(rows), 0, -1)
        before, after = ([float(row[column]) for row in rows] for column in (2, 3))
        panel.axvline(NOMINAL[kind], color=PALE, zorder=0)
        panel.hlines(places, before, after, color=PALE, linewidth=1)
        panel.plot(before, places, "o", color=COLOURS[1], markersize=4, label="as is usual")
        panel.plot(after, places, "o", color=INK, markersize=4, label="annotune")
        panel.set_yticks(places, [row[0] for row in rows], fontsize=7)
        panel.set_title(f"{kind.capitalize()}, % of samples ({NOMINAL[kind]} is right)", fontsize=9, loc="left")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    saved(figure, PICTURE)


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
    if not wanted.rows:
        text = "\n".join(f"| {' | '.join(row)} |" for row in table)
        samples = f", at most {QUICK} samples a row" if wanted.quick else ""
        (HERE / "edges.md").write_text(f"# At the edges{samples}\n\n{text}\n")
        picture(table[2:])
    sys.exit(any(row[-1] in ("no", "no answer") for row in table))


if __name__ == "__main__":
    main()
