"""Coding many texts, against the processor's own limit and against others on the same weights, in turns in one run.

    python benchmarks/bulk.py --quick            # some five minutes on two cores
    python benchmarks/bulk.py                    # more rounds, more texts
    python benchmarks/bulk.py --million          # 10^4, 10^5 and 10^6 texts from files to a folder, in ten shards
    python benchmarks/bulk.py --rehearse         # tiny sizes, to try the script itself; writes no table

MiniLM tuned on banking77 (77 labels) and on uk_manifestos (2), expected in ../shared/data: by LoRA, and where it has
to be quick a head on the base as it is, which takes as long to compute. Short texts are as they are, long ones have
150 words. Every way tokenizes and computes the same texts, one after the other, round by round; what is printed are
medians. Beside each row stands the rate of the network's linear layers alone, measured in the same rounds, and which
share of it the way reaches. Models and results are kept in build/bulk; the tables go into docs/many-texts.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import torch
from billions import put_section
from bulk_methods import SETS, Coded, matrix_rate, model_of, operations, texts_of, ways

import annotune as at
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan

PAGE = Path(__file__).parents[1] / "docs" / "many-texts.md"
SIZES = {  # how and on how many texts it is tuned, short texts, long ones, rounds
    "rehearse": ("probe", 231, 48, 8, 1),
    "quick": ("probe", 1540, 500, 48, 3),
    "whole": ("lora", 1540, 2000, 240, 7),
}
MILLION = (10**4, 10**5, 10**6)
MILLION_REHEARSED = (200, 400)
PIPELINE, OURS = "transformers.pipeline", "annotune float32"


def workload(
    model: at.Classifier, texts: list[str], coders: dict[str, tuple[str, Coded]], rounds: int
) -> list[dict[str, Any]]:
    """A row for each way: texts a second, times pipeline's, the share of the matrix rate, labels as by float32."""
    rates = {kind: matrix_rate(kind) for kind in ("float32", "bfloat16")}
    seconds: dict[str, list[float]] = {name: [] for name in coders}
    measured: dict[str, list[float]] = {kind: [] for kind in rates}
    labels = {}
    for name, (_, code) in coders.items():  # the first time takes longer
        logits = code(texts[: max(len(texts) // 8, 8)])
        labels[name] = logits if logits is None else code(texts).argmax(1)
    began_all, used = time.perf_counter(), time.process_time()
    for number in range(rounds):
        for kind, measure in rates.items():
            measured[kind].append(max(measure() for _ in range(3)))
        for name in list(coders)[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            coders[name][1](texts)
            seconds[name].append(time.perf_counter() - began)
    busy = (time.process_time() - used) / (time.perf_counter() - began_all) / torch.get_num_threads()
    print(f"   the processor was ours for {busy:.0%} of the time")
    work, base = operations(model, texts), median(seconds[PIPELINE])
    return [
        {
            "way": name,
            "texts_per_second": len(texts) / median(taken),
            "times_pipeline": base / median(taken),
            "matrix_rate": median(measured[coders[name][0]]),
            "share": work * len(texts) / median(taken) / median(measured[coders[name][0]]),
            "same": None if labels[name] is None else float((labels[name] == labels[OURS]).mean()),
        }
        for name, taken in seconds.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a table for the page."""
    lines = [
        "| | texts a second | times pipeline | matrix rate, GFLOP/s | of it | labels as float32 |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        same = "" if row["same"] is None else f"{row['same']:.4f}"
        numbers = f"{row['texts_per_second']:,.0f} | {row['times_pipeline']:.1f} | {row['matrix_rate']:,.0f}"
        lines.append(f"| {row['way']} | {numbers} | {row['share']:.2f} | {same} |")
    return "\n".join(lines)


def million(root: Path, model: Path, sizes: tuple[int, ...], precision: str) -> list[dict[str, Any]]:
    """Files of texts coded into a folder, for each size: seconds a text, and the most memory that a process took."""
    rows = []
    for n in sizes:
        texts, out = root / f"texts-{n}", root / f"coded-{n}-{precision}"
        write_texts(texts, n)
        line = [sys.executable, "-m", "annotune", "classify", texts, "--model", model, "--out", out]
        line += ["--precision", precision, "--workers", os.cpu_count(), "--threads", 1, "--rows-per-shard", n // 10]
        began, process = time.perf_counter(), subprocess.Popen([str(part) for part in line])
        _, code, usage = os.wait4(process.pid, 0)  # of it and of all processes that it started: the largest of them
        assert not code, f"annotune classify ended with {code}."
        folder = RunFolder(out)
        manifests = [folder.manifest(shard) or {} for shard in require_plan(out).shards]
        about = {"texts": n, "runtime": json.loads(folder.runtimes.read_text("utf-8"))["choices"][0]["runtime"]}
        about |= {"wall": time.perf_counter() - began, "memory_mb": usage.ru_maxrss / 1024}
        rows.append(about | {"process_seconds": sum(manifest["seconds"] for manifest in manifests)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def write_texts(folder: Path, n: int) -> None:
    """n distinct short texts in files of up to 100,000: customers' questions, each with another number in it."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    known = SETS["banking77"]()["text"].unique(maintain_order=True).to_numpy()
    chance = np.random.default_rng(n)
    for number, start in enumerate(range(0, n, 100_000)):
        units = np.arange(start, min(start + 100_000, n))
        texts = [f"{text} {unit}" for text, unit in zip(chance.choice(known, len(units)), units, strict=True)]
        pl.DataFrame({"unit_id": units.astype(str), "text": texts}).write_parquet(folder / f"{number}.parquet")
    (folder / "done").touch()


def million_table(rows: list[dict[str, Any]]) -> str:
    """The same for the page."""
    lines = [
        "| texts | computed in | ms a text and process | minutes in all | most memory of a process, MB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        each = 1000 * row["process_seconds"] / row["texts"]
        minutes = f"{row['wall'] / 60:.1f}"
        lines.append(f"| {row['texts']:,} | {row['runtime']} | {each:.2f} | {minutes} | {row['memory_mb']:,.0f} |")
    return "\n".join(lines)


def put(name: str, text: str) -> None:
    """Put a table into the page, between the two comments with its name."""
    page = PAGE.read_text("utf-8")
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    assert rest, f"{PAGE} has no place for {name}."
    PAGE.write_text(before + begin + text + end + rest.partition(end)[2], encoding="utf-8")


def processor() -> str:
    """What it is called, what of it computes in bfloat16, and how many cores there are."""
    about = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if ":" in line)
    facts = {name.strip(): value.split() for name, value in about.items()}
    units = {"amx_bf16": "AMX", "avx512_bf16": "AVX512 with bfloat16"}
    unit = next((words for flag, words in units.items() if flag in facts.get("flags", [])), "no bfloat16")
    name = " ".join(facts.get("model name", [platform.processor()]))
    return f"{name} ({unit}), {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--precision", default="auto", help="of --million")
    parser.add_argument("--build", type=Path, default=Path("build/bulk"))
    options = parser.parse_args()
    size = "rehearse" if options.rehearse else "quick" if options.quick else "whole"
    method, n_tuned, n_short, n_long, rounds = SIZES[size]
    root = options.build
    root.mkdir(parents=True, exist_ok=True)
    print(processor(), flush=True)
    if options.million:
        model_of("banking77", root, n_tuned, method)
        sizes = MILLION_REHEARSED if options.rehearse else MILLION
        rows = million(root, root / f"banking77-{method}", sizes, options.precision)
        (root / "million.json").write_text(json.dumps(rows, indent=1))
        if not options.rehearse:
            put("million", million_table(rows))
        return
    parts, results = [f"{processor()}; medians of {rounds} rounds.\n"], []
    for name in SETS:
        model = model_of(name, root, n_tuned, method)
        coders = ways(model, root / f"{name}-{method}-others")
        for long, n in ((False, n_short), (True, n_long)):
            texts = texts_of(name, n, long)
            what = f"{name}, {'texts of 150 words' if long else 'short texts'}"
            tokens = model.tokens(texts).lengths.mean()
            heading = f"{what}: {tokens:.0f} tokens and {operations(model, texts):.2f} GFLOP a text"
            print(heading, flush=True)
            rows = workload(model, texts, coders, rounds)
            print(table(rows), flush=True)
            results.append({"workload": what, "rows": rows})
            parts.append(f"{heading}.\n\n{table(rows)}\n")
    (root / f"{size}.json").write_text(json.dumps({"processor": processor(), "results": results}, indent=1))
    if size != "rehearse":
        put("bulk", "\n".join(parts))
        put_section()


if __name__ == "__main__":
    main()
