"""What R adds to coding: predict() of 100,000 texts in R against classify() of the same texts in Python.

    python benchmarks/rpredict.py [TEXTS] [ROUNDS]

Both sides hold texts and model in memory before the clock starts, code a few texts to warm up, and take turns on the
same machine. The time on the clock and the processor's time are compared: the latter says more where others work as
well. Needs R with what the R package imports.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import annotune as at

ROOT = Path(__file__).parents[1]
GOAL = 1.05


def make_model(folder: Path, n_texts: int) -> None:
    """A model tuned in passing, and texts of which no two are equal: equal ones are computed once."""
    data = at.demo(n=n_texts, n_coded=200, seed=11)
    numbered = data.corpus.with_columns(text=data.corpus["text"] + " (" + data.corpus["unit_id"] + ")")
    gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook, coder=None), codebook=data.codebook)
    at.tune(data.corpus, gold, data.codebook, method="probe", test=0).save(folder / "model")
    at.write(numbered.select("unit_id", "text"), folder / "texts.csv")


def start_r(folder: Path) -> subprocess.Popen[str]:
    library = folder / "library"
    library.mkdir()
    install = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", f"--library={library}", str(ROOT / "r-package")]
    subprocess.run(install, check=True, capture_output=True)
    environment = os.environ | {"RETICULATE_PYTHON": sys.executable, "R_LIBS": str(library)}
    script = Path(__file__).with_suffix(".R")
    command = ["Rscript", str(script), str(folder)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(r: subprocess.Popen[str]) -> np.ndarray:
    """Let R predict once; what it took on the clock and of the processor, in seconds."""
    assert r.stdin is not None
    assert r.stdout is not None
    r.stdin.write("again\n")
    r.stdin.flush()
    for line in r.stdout:
        if line.startswith("seconds "):
            return np.array(line.split()[1:], float)
    raise SystemExit("R ended early.")


def clock() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def main(n_texts: int = 100_000, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, n_texts)
        model, texts = at.load(folder / "model"), at.read_corpus(folder / "texts.csv")
        model.classify(texts.head(100))
        r = start_r(folder)
        python_took, r_took = [], []
        for turn in range(rounds):
            started = clock()
            coded = model.classify(texts)
            python_took.append(clock() - started)
            assert len(coded) == n_texts
            r_took.append(ask(r))
            print(f"round {turn + 1}: Python {python_took[-1][0]:.1f} s, R {r_took[-1][0]:.1f} s")
        assert r.stdin is not None
        r.stdin.close()
        r.wait()
    elapsed, processor = np.median(r_took, axis=0) / np.median(python_took, axis=0)
    print(f"{n_texts:,} texts, median of {rounds}: R / Python = {elapsed:.3f}; of the processor's time {processor:.3f}")
    print(f"Goal: at most {GOAL}.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
