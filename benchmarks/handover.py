"""How fast a table leaves, against the libraries that also write .dta and .rds; and how much memory a long one takes.

    python benchmarks/handover.py [--rows 1000000] [--rounds 5] [--long 20000000]

Everybody writes the same table (7 columns, one of texts of 30 bytes) in turn, round after round in one process; medians
are compared. annotune's time includes its look at the data before and its comparison with the file after. Libraries
that are not installed are left out: pip install pandas polars-readstat pyreadr rdata.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyreadstat

import annotune as at
from annotune.export import rds
from annotune.export.sheet import describe, with_common_types

LABELS = [f"label {i}" for i in range(5)]
PATIENCE = 10  # seconds; who takes longer runs once
LONG = """
import sys
import annotune as at
at.write(sys.argv[1], sys.argv[2])
# Linux's own count: that of getrusage would include the process that started this one
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def table(rows: int, first: int = 0) -> pl.DataFrame:
    """Texts, codes, real and whole numbers of several widths, and days."""
    draw = np.random.default_rng(first)
    return pl.DataFrame(
        {
            "unit_id": pl.Series(np.arange(first, first + rows)).cast(pl.String).str.zfill(29) + "é",
            "topic": pl.Series(draw.choice(LABELS, rows), dtype=pl.Enum(LABELS)),
            "topic_prob": draw.random(rows),
            "year": draw.integers(1990, 2025, rows).astype("i4"),
            "party": draw.integers(0, 20, rows).astype("i1"),
            "score": draw.random(rows).astype("f4"),
            "day": pl.Series(draw.integers(0, 20_000, rows).astype("i4")).cast(pl.Date),
        }
    )


def contestants(frame: pl.DataFrame, folder: Path) -> dict[str, Callable[[], object]]:
    """Who writes what; peers get codes, which is all that most of them can write, and frames of the kind they take."""
    codes = frame.with_columns(pl.col("topic").to_physical())
    sheet, facts, _ = with_common_types(describe(frame.lazy()))
    runs: dict[str, Callable[[], object]] = {
        "annotune .dta": lambda: at.write(frame, folder / "annotune.dta"),
        "pyreadstat .dta": lambda: pyreadstat.write_dta(codes, folder / "pyreadstat.dta"),
        "annotune .rds": lambda: at.write(frame, folder / "annotune.rds"),
        "annotune .rds, not compressed": lambda: rds.write_rds(sheet, facts, folder / "plain.rds", compress=False),
    }
    if _has("pandas"):
        pandas = codes.to_pandas()
        runs["pandas .dta"] = lambda: pandas.to_stata(folder / "pandas.dta", write_index=False, version=118)
    if _has("polars_readstat"):
        from polars_readstat import write_readstat

        runs["polars-readstat .dta"] = lambda: write_readstat(codes, str(folder / "readstat.dta"))
    if _has("pyreadr"):
        import pyreadr

        runs["pyreadr .rds"] = lambda: pyreadr.write_rds(str(folder / "pyreadr.rds"), pandas, compress="gzip")
    if _has("rdata"):
        import rdata

        # it writes no days, no 8-bit numbers, no single precision, and texts only as Python objects
        taken = pandas.drop(columns="day").astype({"unit_id": object, "topic": "i4", "party": "i4", "score": "f8"})
        runs["rdata .rds"] = lambda: rdata.write_rds(folder / "rdata.rds", taken)
    return runs


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def race(rows: int, rounds: int) -> None:
    """Print the median time of everybody and its ratio to annotune's for the same suffix."""
    with tempfile.TemporaryDirectory() as folder:
        runs = contestants(table(rows), Path(folder))
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                if times[name] and times[name][0] > PATIENCE:
                    continue
                start = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    run()
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"{rows:,} rows, {rounds} rounds, median seconds, and how many times annotune's")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        ours = medians["annotune .dta" if name.endswith(".dta") else "annotune .rds"]
        print(f"  {name:32s} {median:7.3f} {median / ours:7.2f}")
    plain = medians["annotune .rds, not compressed"] / medians["pyreadstat .dta"]
    print(f"  .rds, not compressed, over pyreadstat's .dta: {plain:.2f} (wanted: below {1.2 / 1.7:.2f})")


def long(rows: int) -> None:
    """Print the time and the largest memory of a process that turns a long parquet file into .dta and .rds."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "long.parquet"
        step = min(rows, 1_000_000)
        parts = [Path(folder) / f"part{first:012d}.parquet" for first in range(0, rows, step)]
        for place, part in enumerate(parts):
            table(min(step, rows - place * step), place * step).write_parquet(part)
        pl.scan_parquet(parts).sink_parquet(source)
        for suffix in (".dta", ".rds"):
            start = time.perf_counter()
            command = [sys.executable, "-c", LONG, source, Path(folder) / f"long{suffix}"]
            peak = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()[-1])
            took = time.perf_counter() - start
            print(f"{rows:,} rows from parquet to {suffix}: {took:.1f} s, at most {peak / 1024:.0f} MiB of memory")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long", type=int, default=20_000_000)
    options = parser.parse_args()
    race(options.rows, options.rounds)
    if options.long:
        long(options.long)
