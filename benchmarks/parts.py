"""What does each part cost? Seconds of the processor and memory, for tuning a probe on 500 texts and coding 2,000.

    python benchmarks/parts.py [--table] [--cell NAME]

Sentences of British manifestos (uk_manifestos, in ../shared/data): whose are they? Beside the default stand another
base, neighbours, texts of six sentences read whole in passages of 128 tokens, gold with its coders' shares (is it about
immigration?), and labels with parents (manifestos of parties). Each is computed in a process of its own, on one core:
seconds are those of the processor, which a busy machine lengthens less than those of the clock, and memory is the most
that the process held. Finished rows stay in benchmarks/parts.jsonl; the table is written to docs/bases.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
from accuracy_sets import DATA
from accuracy_tables import put

import annotune as at

ROWS, PAGE = Path(__file__).parent / "parts.jsonl", Path(__file__).parent.parent / "docs" / "bases.md"
SOURCE = DATA / "uk_manifestos_immigration"
CODED, OTHERS = 500, 2_000
JOINED = 6  # sentences of a long text
NEIGHBOURS = ["text_before", "text", "text_after"]
PARTS: dict[str, dict[str, Any]] = {
    "the default": {},
    "coders' shares": {},
    "labels with parents": {},
    'base="multilingual"': {"base": "multilingual"},
    "with neighbours": {"text": NEIGHBOURS},
    "texts of six sentences, cut at 128 tokens": {"long_texts": "cut", "max_tokens": 128},
    "texts of six sentences, read whole": {"long_texts": "whole", "max_tokens": 128},
}


def texts(part: str) -> pl.DataFrame:
    """Texts drawn once, with their neighbours and whose manifesto each is from."""
    frame = pl.read_parquet(SOURCE / "immigration_sentences.parquet").filter(pl.col("text").str.contains(r"\w"))
    if part.startswith("texts of six"):
        six = pl.concat_str([pl.col("text").shift(-i).fill_null("") for i in range(JOINED)], separator=" ")
        frame = frame.with_columns(text=six)
    frame = frame.unique("text", maintain_order=True).sample(CODED + OTHERS, seed=1, shuffle=True)
    return frame.with_columns(unit_id=pl.col("sentence_id").cast(pl.String))


def gold_and_codebook(part: str, coded: pl.DataFrame) -> tuple[pl.DataFrame, at.Codebook]:
    """What people said of the coded texts, and the labels."""
    if part == "coders' shares":
        names = ("not immigration", "immigration")
        labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
        book = at.Codebook(variables=(at.Variable(name="about", labels=labels),))
        codings = pl.read_parquet(SOURCE / "immigration_codings.parquet").filter(~pl.col("gold_test_item"))
        codings = codings.unique(["sentence_id", "coder_id"], maintain_order=True).select(
            unit_id=pl.col("sentence_id").cast(pl.String),
            variable=pl.lit("about"),
            coder=pl.format("coder {}", "coder_id"),
            label="label_immigration",
        )
        mine = codings.filter(pl.col("unit_id").is_in(coded["unit_id"].implode()))
        return at.resolve(at.read_codings(mine, book), rule="shares"), book
    names_of = sorted(coded["manifesto"].unique())
    parties = sorted({name.split()[0] for name in names_of})
    above = {party: code for code, party in enumerate(parties, start=101)} if part == "labels with parents" else {}
    labels = tuple(
        at.Label(code=code, name=name, parent=above.get(name.split()[0])) for code, name in enumerate(names_of, 1)
    )
    labels += tuple(at.Label(code=code, name=party) for party, code in above.items())
    gold = coded.select("unit_id", label="manifesto", variable=pl.lit("whose"))
    return gold, at.Codebook(variables=(at.Variable(name="whose", labels=labels),))


def compute(part: str) -> dict[str, Any]:
    """Seconds of the processor of both steps, and the most memory up to the end of each."""
    frame = texts(part)
    coded, others = frame[:CODED], frame[CODED:]
    gold, book = gold_and_codebook(part, coded)
    began = time.process_time()
    model = at.tune(coded.select("unit_id", *NEIGHBOURS), gold, book, method="probe", folds=5, n_boot=0, **PARTS[part])
    tuned, memory = time.process_time() - began, _most()
    began = time.process_time()
    assert len(model.classify(others.select("unit_id", *NEIGHBOURS))) == OTHERS
    times = {"tuning": round(tuned, 1), "coding": round(time.process_time() - began, 1)}
    return {"part": part, **times, "tuning_mb": memory, "coding_mb": _most()}


def _most() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def table(rows: list[dict[str, Any]]) -> str:
    """As it stands on the page."""
    by_part = {row["part"]: row for row in rows}
    lines = [
        f"| | tuning on {CODED} texts, seconds | most memory, MB | coding {OTHERS:,}, seconds | most memory, MB |",
        "|---|---|---|---|---|",
    ]
    for part in PARTS:
        if part in by_part:
            row = by_part[part]
            name = f"`{part}`" if "=" in part else part
            figures = f"{row['tuning']:.0f} | {row['tuning_mb']:,} | {row['coding']:.0f} | {row['coding_mb']:,}"
            lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def finished() -> list[dict[str, Any]]:
    """What was computed."""
    return [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()] if ROWS.exists() else []


def main() -> None:
    """Every part that is missing, in a process of its own; and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true", help="write the table alone")
    parser.add_argument("--cell", choices=PARTS, help="compute this one here")
    options = parser.parse_args()
    if options.cell:
        row = json.dumps(compute(options.cell))
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(row + "\n")
        return
    there = {row["part"] for row in finished()}
    for part in [] if options.table else [part for part in PARTS if part not in there]:
        one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, __file__, "--cell", part], check=True, env=one_core)
    put("parts", table(finished()), PAGE)


if __name__ == "__main__":
    main()
