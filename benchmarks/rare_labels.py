"""Rare labels: is the tuned network the better bet, where too few validation texts have the label to tell?

    python benchmarks/rare_labels.py [tasks ...] [--seeds 1,2,3,4]

Only texts that the other benchmarks learn from are used, and none of their test parts: sentences of British manifestos
(38 on immigration among 838 learnt from), and bank customers' questions of one kind (30 among 830). Probe and network
are fitted as `tune` does it, and measured on up to 60 other texts with the label and 1,000 without. Prints macro-F1 of
both on the validation part and on these texts. The data are looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np
import polars as pl
from accuracy import TASKS

import annotune as at
from annotune.measures.scores import macro_f1
from annotune.network.encoder import outputs
from annotune.tuning import fit as fitting
from annotune.tuning.held_out import _validation_share
from annotune.tuning.task import prepare, read_settings

RARE = {"uk_manifestos": 38, "banking77": 30}  # texts with the label to learn from
OTHERS, MOST_TESTED = 800, 60


def draw(task: str, seed: int) -> tuple[pl.DataFrame, int]:
    """Texts with unit_id and label, those to learn from first, and how many these are."""
    pool = (
        TASKS[task]()
        .unique("text", maintain_order=True)
        .filter(~pl.col("test"))
        .sample(fraction=1, shuffle=True, seed=seed)
    )
    names = pool["label"].unique().sort()
    rare = pl.col("label") == ("immigration" if task == "uk_manifestos" else names[seed * 17 % len(names)])
    n, (yes, no) = RARE[task], (pool.filter(rare), pool.filter(~rare))
    parts = [yes.head(n), no.head(OTHERS), yes.slice(n, MOST_TESTED), no.slice(OTHERS, 1000)]
    frame = pl.concat(parts).select("text", label=pl.when(rare).then(pl.lit("yes")).otherwise(pl.lit("no")))
    return frame.with_row_index("unit_id").with_columns(pl.col("unit_id").cast(pl.String)), n + OTHERS


def both(task: str, seed: int) -> tuple[float, float, float, float]:
    """Macro-F1 of probe and network: on the validation part, and on texts of neither part."""
    frame, n = draw(task, seed)
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(("no", "yes")))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    gold = frame.select("unit_id", "label", variable=pl.lit("topic"))
    prepared = prepare(frame.select("unit_id", "text"), gold, book, None, None, 0.15, read_settings({"seed": seed}))
    learn, test = np.arange(n), np.arange(n, len(frame))
    seen, held = prepared.cases.hold_out(learn, _validation_share(prepared, learn))
    with patch.object(fitting, "doubt", lambda targets: np.inf):  # the network, whatever the probe's lead
        chosen = fitting.fit(prepared.backbone, *map(prepared.examples.take, (seen, held)), prepared.settings).choices
    fitted = fitting.refit(prepared.backbone, prepared.examples.take(learn), chosen, prepared.settings)
    truth, unseen = prepared.examples.targets[test], prepared.examples.take(test)
    found = fitted.probe.logits(unseen.embeddings), outputs(fitted.model, unseen.tokens)
    on_test = [macro_f1(truth, logits.argmax(1), 2) for logits in found]
    probe, *epochs = chosen.scores.values()
    return probe, max(epochs), *on_test


def main() -> None:
    """Print a row a draw, and the mean gain."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=list(RARE))
    parser.add_argument("--seeds", default="1,2,3,4")
    options = parser.parse_args()
    print("| task | draw | validation: probe | network | other texts: probe | network |\n|---|---|---|---|---|---|")
    gains = []
    for task in options.tasks:
        for seed in map(int, options.seeds.split(",")):
            row = both(task, seed)
            gains.append(row[3] - row[2])
            print(f"| {task} | {seed} | " + " | ".join(f"{score:.3f}" for score in row) + " |", flush=True)
    better = f"{sum(gain > 0 for gain in gains)} of {len(gains)} draws"
    print(f"\nThe network is better on {better}, by {np.mean(gains):+.3f} on the average.")


if __name__ == "__main__":
    main()
