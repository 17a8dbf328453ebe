"""Held-out figures are of models that learnt from four fifths of the texts: how far is the one handed out from them?

    python benchmarks/shares.py [--draws 20] [--sizes 100,300,900]

Texts are a dozen words drawn at random, and a few of the words make labels more likely, so that fresh texts of the
very same source are to be had without end. Of each draw the model handed out (the probe on minilm) codes 1,000 fresh
texts. Printed by kind and number of coded texts: the variance of a label's share, held out less fresh, in units of that
of independent texts (`annotune.measures.shares.RESTLESS` assumes 2); the share of draws in which `at.shares` calls a
label's share apart (one in a thousand is promised); and macro-F1 and log loss, fresh less held out, with 95 % intervals
over draws: what four fifths cost.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import polars as pl
from scipy import stats

import annotune as at
from annotune.measures.scores import macro_f1
from annotune.tuning.calibrate import surprises

WORDS = np.array(
    ["tax", "health", "school", "farm", "court", "road", "river", "ship", "steel", "coal", "trade", "milk"]
)
FRESH = 1_000
KINDS = {"nominal": 3, "multilabel": 4}


def source(kind: str, n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """n texts, and their label numbers (n,) or truth values (n, labels)."""
    drawn, n_labels = rng.integers(0, len(WORDS), (n, 12)), KINDS[kind]
    texts = [" ".join(WORDS[row]) for row in drawn]
    counts = np.stack([(drawn == word).sum(1) for word in range(n_labels)], 1)
    frame = pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "text": texts})
    if kind == "multilabel":
        return frame, rng.random((n, n_labels)) < 1 / (1 + np.exp(2.0 - counts))
    scores = counts + np.linspace(1.0, -1.0, n_labels) + rng.gumbel(size=(n, n_labels))
    return frame, scores.argmax(1)


def gold_of(frame: pl.DataFrame, truth: np.ndarray, names: list[str]) -> pl.DataFrame:
    """The truth as a table of codings."""
    sets = [np.flatnonzero(row).tolist() for row in truth] if truth.ndim == 2 else [[label] for label in truth]
    labels = pl.Series([[names[i] for i in one] or [None] for one in sets], dtype=pl.List(pl.String))
    status = pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok"))
    rows = frame.select("unit_id", label=labels).explode("label")
    return rows.with_columns(status=status, variable=pl.lit("topic"))


def compared(codings: pl.DataFrame, frame: pl.DataFrame, truth: np.ndarray, names: list[str]) -> dict[str, float]:
    """Macro-F1 and log loss of codings of these texts."""
    places = {unit: i for i, unit in enumerate(frame["unit_id"])}
    units = codings.unique("unit_id", keep="first", maintain_order=True)
    order = [places[unit] for unit in units["unit_id"]]
    p = np.clip(units.select(f"p_{name}" for name in names).to_numpy(), 1e-9, 1 - 1e-9)
    answers = np.zeros((len(frame), len(names)), dtype=bool)
    for unit, label in codings.drop_nulls("label").select("unit_id", "label").iter_rows():
        answers[places[unit], names.index(label)] = True
    known, given = truth[order], answers[order]
    logits = np.log(p / (1 - p)) if truth.ndim == 2 else np.log(p)
    score = macro_f1(known, given if truth.ndim == 2 else given.argmax(1), len(names))
    return {"macro_f1": score, "log_loss": float(surprises(logits, known).mean())}


def compute(kind: str, n: int, draw: int) -> dict[str, float]:
    """One draw: how shares, macro-F1 and log loss differ between held-out and fresh texts."""
    frame, truth = source(kind, n + FRESH, np.random.default_rng([n, draw, len(kind)]))
    names = [f"label {i}" for i in range(KINDS[kind])]
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="topic", kind=kind, labels=labels),))
    gold = gold_of(frame[:n], truth[:n], names)
    model = at.tune(frame[:n], gold, book, method="probe", folds=5, n_boot=0)
    codings = model.classify(frame[n:])
    table = at.shares(model, codings)
    share, other = (table[name].to_numpy() for name in ("held_out", "corpus"))
    pooled = (share * n + other * FRESH + 0.5) / (n + FRESH + 1)
    z = (share - other) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / FRESH))
    held, fresh = (
        compared(coded, frame[rows], truth[rows], names)
        for coded, rows in ((model.held_out, slice(0, n)), (codings, slice(n, None)))
    )
    differences = {measure: fresh[measure] - held[measure] for measure in held}
    return {"variance": float((z**2).mean()), "apart": float(table["apart"].any()), **differences}


def with_interval(values: list[float]) -> str:
    """Mean over draws and its 95 % interval."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return f"{mean:+.3f} ({mean - reach:+.3f} to {mean + reach:+.3f})"


def main() -> None:
    """Draw, tune, code and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--sizes", default="100,300,900")
    options = parser.parse_args()
    print("| kind | coded | variance of a share | draws with an alarm | macro-F1, fresh less held out | log loss |")
    print("|---|---|---|---|---|---|", flush=True)
    for kind, n in product(KINDS, map(int, options.sizes.split(","))):
        rows = pl.DataFrame([compute(kind, n, draw) for draw in range(options.draws)])
        cells = [kind, str(n), f"{rows['variance'].mean():.2f}", f"{rows['apart'].sum():.0f} of {len(rows)}"]
        cells += [with_interval(rows[measure].to_list()) for measure in ("macro_f1", "log_loss")]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
