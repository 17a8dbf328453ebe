"""Long texts read whole against cut ones: whose manifesto is a stretch of 45 sentences from?

    python benchmarks/long_texts.py [--table] [--cells 1]

Stretches of nine British manifestos (uk_manifestos, in ../shared/data): those of the first 60 % of each are learnt
from, and those of the rest are held out, so no sentence is in both. Three draws of stretches; the probe on minilm.
Intervals of differences are over pieces of 45 sentences, whose stretches are resampled together, 2,000 times. Finished
draws stay in benchmarks/long_texts.jsonl; the table is written to docs/long-texts.md.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import annotune as at

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data" / "uk_manifestos_immigration" / "immigration_sentences.parquet"
FINISHED, PAGE = HERE / "long_texts.jsonl", HERE.parent / "docs" / "long-texts.md"
LENGTH, LEARNT, HELD = 45, 25, 15  # sentences of a stretch; stretches of each manifesto
WAYS: dict[str, dict[str, Any]] = {
    "start, 256 tokens": {"max_tokens": 256, "long_texts": "cut"},
    "start, 512 tokens": {"max_tokens": 512, "long_texts": "cut"},
    "whole, passages of 256": {"max_tokens": 256, "long_texts": "whole"},
}


def stretches(seed: int) -> pl.DataFrame:
    """One row per stretch: unit_id, text, whose it is, whether it is held out, and its piece of the manifesto."""
    rng, rows = np.random.default_rng(seed), []
    for (name,), sentences in pl.read_parquet(DATA).group_by("manifesto", maintain_order=True):
        first_held = int(0.6 * len(sentences))
        for held, part, n in ((False, sentences[:first_held], LEARNT), (True, sentences[first_held:], HELD)):
            for start in rng.integers(0, max(1, len(part) - LENGTH), n).tolist():
                text = " ".join(part["text"][start : start + LENGTH].to_list())
                rows.append((f"{len(rows)}", text, name, held, f"{name} {start // LENGTH}"))
    return pl.DataFrame(rows, schema=["unit_id", "text", "label", "held", "piece"], orient="row")


def compute(seed: int, way: str) -> dict[str, Any]:
    """Answers for the held-out stretches of a draw, with the baselines' macro-F1, and seconds."""
    frame = stretches(seed)
    names = sorted(frame["label"].unique())
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names, 1))
    book = at.Codebook(variables=(at.Variable(name="manifesto", labels=labels),))
    gold = frame.select("unit_id", "label", variable=pl.lit("manifesto"))
    corpus = frame.select("unit_id", "text", "held")
    model = at.tune(corpus, gold, book, method="probe", test={"held": "true"}, n_boot=0, **WAYS[way])
    assert model.held_out is not None
    assert model.evaluation is not None
    known = frame.filter("held").join(
        model.held_out.select("unit_id", answer="label"), on="unit_id", maintain_order="left"
    )
    measures = model.evaluation.measures.filter(pl.col("measure") == "macro_f1", pl.col("model") != model.name)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seed": seed,
        "way": way,
        "truth": known["label"].to_list(),
        "answers": known["answer"].to_list(),
        "pieces": known["piece"].to_list(),
        "megabytes": round(peak),
        "baselines": dict(measures.select("model", "estimate").iter_rows()),
    }


def difference(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> tuple[float, float, float]:
    """The mean difference in macro-F1 over draws, and its 95 % interval by pieces."""
    rng = np.random.default_rng(1)
    pieces = sorted({piece for draw in one for piece in draw["pieces"]})
    found = []
    for replicate in range(2001):
        counts = np.bincount(rng.integers(0, len(pieces), len(pieces)), minlength=len(pieces))
        weight = dict(zip(pieces, counts if replicate else np.ones(len(pieces)), strict=True))
        gains = [_f1(a, weight) - _f1(b, weight) for a, b in zip(one, other, strict=True)]
        found.append(float(np.mean(gains)))
    return (found[0], *np.quantile(found[1:], [0.025, 0.975]).tolist())


def _f1(draw: dict[str, Any], weight: dict[str, float]) -> float:
    weights = np.array([weight[piece] for piece in draw["pieces"]])
    names = sorted(set(draw["truth"]))
    truth, answers = (np.array([names.index(name) for name in draw[key]]) for key in ("truth", "answers"))
    hits = np.bincount(truth, weights * (truth == answers), len(names))
    both = np.bincount(truth, weights, len(names)) + np.bincount(answers, weights, len(names))
    occur = np.bincount(truth, weights, len(names)) > 0
    return float((2 * hits[occur] / np.maximum(both[occur], 1e-9)).mean())


def table(rows: list[dict[str, Any]]) -> str:
    """As it stands on the page."""
    by_way = {way: [row for row in rows if row["way"] == way] for way in WAYS}
    first = by_way["start, 256 tokens"]
    lines = ["| | macro-F1 | against the start, 256 tokens | memory, MB |", "|---|---|---|---|"]
    for way, draws in by_way.items():
        mean = np.mean([_f1(draw, dict.fromkeys(draw["pieces"], 1.0)) for draw in draws])
        gain, low, high = difference(draws, first)
        against = "" if draws is first else f"{gain:+.3f} ({low:+.3f} to {high:+.3f})"
        lines.append(f"| {way} | {mean:.3f} | {against} | {draws[0]['megabytes']:,} |")  # the most up to there
    for name in first[0]["baselines"]:
        lines.append(f"| {name} | {np.mean([draw['baselines'][name] for draw in first]):.3f} | | |")
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing; when all is there, write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true", help="write the table alone")
    parser.add_argument("--cells", type=int, help="so many cells; of 1, peak memory is its own")
    options = parser.parse_args()
    rows = [json.loads(line) for line in FINISHED.read_text("utf-8").splitlines()] if FINISHED.exists() else []
    there = {(row["seed"], row["way"]) for row in rows}
    missing = [(seed, way) for seed in (1, 2, 3) for way in WAYS if (seed, way) not in there]
    for seed, way in [] if options.table else missing[: options.cells]:
        rows.append(compute(seed, way))
        with FINISHED.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
    if len(rows) == 3 * len(WAYS):
        write_table(rows)


def write_table(rows: list[dict[str, Any]]) -> None:
    """Put the table where it stands on the page."""
    text = PAGE.read_text("utf-8")
    start, end = "<!-- long texts -->\n", "<!-- end of long texts -->"
    before, after = text.split(start)[0], text.split(end)[1]
    PAGE.write_text(f"{before}{start}{table(rows)}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
