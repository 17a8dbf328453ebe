"""annotune on one GPU in under ten minutes: is it right, how fast is it, beside transformers and peft in the same run.

    python benchmarks/gpu.py                  # on a GPU; ends between two rows when the time is up
    python benchmarks/gpu.py                  # the same again goes on with what is not measured yet
    python benchmarks/gpu.py --rehearse       # all of it with tiny networks on the processor, in a minute or two
    python benchmarks/gpu.py --table          # write docs/gpu.md's tables from the rows kept, measure nothing

It needs this repository, torch, transformers and accelerate; where peft, bitsandbytes or triton is not there, the rows
that need it are left out by name. Weights are random, made on the card in the shapes of known models: what is measured
is time and memory, and no answer means anything. Tokenizing is timed on both sides, loading on neither. "Of the rate"
is the arithmetic that the texts need, padding not counted, over what a large matrix product reached in the same run.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "benchmarks")]
FIRST = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
ROWS, PAGE = ROOT / "benchmarks" / "gpu.jsonl", ROOT / "docs" / "gpu.md"
NEEDED = ("torch", "transformers", "accelerate", "numpy")
RIGHT = "Is it right?"
Kept = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or say what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="tiny networks on the processor")
    parser.add_argument("--minutes", type=float, default=9.0, help="no row is begun that would end later")
    parser.add_argument("--rows", type=Path, help="where rows are kept (benchmarks/gpu.jsonl; of a rehearsal nowhere)")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose tables are written")
    parser.add_argument("--only", default="", help="rows whose table's name holds this, such as 8B")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"This needs {', '.join(missing)}.", file=sys.stderr)
        return 2
    if options.table:
        write_tables(options.page, read_rows(options.rows or ROWS))
        return 0
    os.environ["CUDA_VISIBLE_DEVICES"] = FIRST  # transformers' Trainer would take all there are
    import torch

    if not options.rehearse and not torch.cuda.is_available():
        print("There is no GPU that torch can use; --rehearse tries all of it without one.", file=sys.stderr)
        return 2
    from annotune.progress import listening

    warnings.simplefilter("ignore")
    path = None if options.rehearse and options.rows is None else options.rows or ROWS
    run = Run(path, options.rehearse, began + 60 * options.minutes, options.only)
    with listening(lambda *_: None):
        whole = run.all()
    print(tables(run.kept) if options.rehearse else f"{len(run.kept)} rows are in {path}.")
    if not options.rehearse:
        write_tables(options.page, run.kept)
    if not whole:
        print("The time is up; the same again goes on from here.")
    return int(any(row.get("right") is False or "failed" in row for row in run.kept))


class Run:
    """What is measured on this machine, each row kept as soon as it is there."""

    def __init__(self, path: Path | None, rehearsed: bool, until: float, only: str) -> None:
        import torch

        self.path, self.rehearsed, self.until, self.only = path, rehearsed, until, only
        self.device = torch.device("cpu" if rehearsed else "cuda:0")
        self.about = about(rehearsed)
        self.number = round(time.time(), 3)
        earlier = [] if path is None else read_rows(path)
        self.kept = [row for row in earlier if all(row[name] == value for name, value in self.about.items())]
        self.rates: dict[str, float] = {}

    def all(self) -> bool:
        """Whether nothing is left."""
        from gpu_checks import CHECKS
        from gpu_methods import rows

        for name, check in CHECKS.items():
            if not self.do(RIGHT, name, 15, partial(checked, check, self.device)):
                return False
        self.give_back()
        for stage, of_stage in rows(self.device, self.rehearsed):
            for row in of_stage:
                if not self.do(row.part, row.name, row.seconds, partial(self.measured, row)):
                    return False
            stage.leave()
            self.give_back()
        return True

    def do(self, part: str, name: str, seconds: float, work: Callable[[], Kept]) -> bool:
        """Do it unless it is done; False where there is no time for it."""
        done = any((row["part"], row["name"]) == (part, name) and "failed" not in row for row in self.kept)
        if done or self.only not in part:
            return True
        if time.monotonic() + (0 if self.rehearsed else seconds) > self.until:
            return False
        began = time.monotonic()
        try:
            content = work()
        except Exception as error:  # one row less, and the reason in its place
            content = {"failed": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"}
        took = round(time.monotonic() - began, 1)
        self.keep({"part": part, "name": name, **content, "run": self.number, "took": took, **self.about})
        return True

    def measured(self, row: Any) -> Kept:
        """Texts a second, peak memory and the share of the matrix rate; or what is not installed."""
        import torch
        from gpu_material import timed

        without = [name for name in row.needs if find_spec(name) is None]
        if without or (self.rehearsed and "triton" in row.needs):
            return {"without": ", ".join(without) or "a GPU"}
        on_card = self.device.type == "cuda"
        self.give_back()
        work = row.make()
        if on_card:
            torch.cuda.reset_peak_memory_stats(self.device)
        least = 0.0 if self.rehearsed else 1.5
        rate = timed(work, self.device, least)
        memory = torch.cuda.max_memory_allocated(self.device) / 2**30 if on_card else None
        share = rate * row.operations() / self.matrix_rate(row.dtype)
        return {"texts_per_second": rate, "gib": memory, "share": share}

    def matrix_rate(self, dtype: Any) -> float:
        """Of this card in this run."""
        from gpu_material import matrix_rate

        name = str(dtype).removeprefix("torch.")
        if name not in self.rates:
            self.rates[name] = matrix_rate(self.device, dtype, 256 if self.rehearsed else 8192)
            self.keep({"part": "Matrix rate", "name": name, "rate": self.rates[name], "run": self.number, **self.about})
        return self.rates[name]

    def keep(self, row: Kept) -> None:
        """Append it, on the disk before the next one is begun."""
        same = (row["part"], row["name"])
        self.kept = [one for one in self.kept if (one["part"], one["name"]) != same] + [row]
        print(in_words(row), flush=True)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def give_back(self) -> None:
        """Free what the row before has left."""
        import torch

        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def checked(check: Callable[[Any], tuple[bool | None, str]], device: Any) -> Kept:
    """Whether it passed, None where it cannot be seen here, and what was seen."""
    right, words = check(device)
    return {"right": right, "words": words}


def about(rehearsed: bool) -> Kept:
    """What rows have to have in common to stand in one table."""
    import torch

    card = "rehearsed on a processor" if rehearsed else torch.cuda.get_device_name()
    packages = {name: _version(name) for name in ("torch", "transformers", "peft", "bitsandbytes")}
    digest = hashlib.sha256()
    for folder in ("network", "tuning"):
        for path in sorted((ROOT / "python" / "annotune" / folder).glob("*.py")):
            digest.update(path.read_bytes())
    for path in sorted((ROOT / "benchmarks").glob("gpu*.py")):
        digest.update(path.read_bytes())
    return {"card": card, "packages": packages, "source": digest.hexdigest()[:8]}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def read_rows(path: Path) -> list[Kept]:
    """The rows of the file, the last of each name; a line that was cut off is none."""
    if not path.exists():
        return []
    rows: dict[tuple[str, str, str], Kept] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows[row["card"], row["part"], row["name"]] = row
    return list(rows.values())


def in_words(row: Mapping[str, Any]) -> str:
    """A row as a line."""
    return f"{row['part']}: {row['name']}: " + "  ".join(cells(row, None))


def cells(row: Mapping[str, Any] | None, baseline: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """Texts a second, their ratio to the first row of the table, the share of the matrix rate, and GiB."""
    if row is None:
        return "not measured", "", "", ""
    if "without" in row:
        return f"left out: without {row['without']}", "", "", ""
    if "failed" in row:
        return f"failed: {row['failed']}", "", "", ""
    if "rate" in row:
        return f"{row['rate'] / 1e12:,.1f} trillion operations a second", "", "", ""
    if "right" in row:
        answer = {True: "yes", False: "**no**", None: "not seen"}[row["right"]]
        return f"{answer}: {row['words']}", "", "", ""
    ratio = ""
    if baseline is not None and "texts_per_second" in baseline:
        other = "" if baseline["run"] == row["run"] else " (another run)"
        ratio = f"{row['texts_per_second'] / baseline['texts_per_second']:.1f}{other}"
    memory = "" if row["gib"] is None else f"{row['gib']:.1f}"
    return f"{row['texts_per_second']:,.1f}", ratio, f"{row['share']:.1%}", memory


def tables(kept: Sequence[Kept]) -> str:
    """Tables in Markdown: of what is kept, and with every row that is still to be measured."""
    by_name = {(row["part"], row["name"]): row for row in kept}
    cards = sorted({f"{row['card']}, torch {row['packages']['torch']}" for row in kept})
    lines = [f"Measured on: {'; '.join(cards) or 'no GPU so far'}.", ""]
    for part, names in expected(kept).items():
        first = by_name.get((part, names[0]))
        plain = part in (RIGHT, "Matrix rate")
        lines += [f"| {part} | |", "|---|---|"] if plain else [f"| {part} | texts/s | ratio | of the rate | GiB |"]
        lines += [] if plain else ["|---|---|---|---|---|"]
        for name in names:
            found = cells(by_name.get((part, name)), first)
            lines.append(f"| {name} | {' | '.join(found[: 1 if plain else 4])} |")
        lines.append("")
    return "\n".join(lines).strip()


def expected(kept: Sequence[Kept]) -> dict[str, list[str]]:
    """The tables and their lines: those of a rehearsal where that is what was kept."""
    import torch
    from gpu_checks import CHECKS
    from gpu_methods import rows

    rehearsed = any(row["card"].startswith("rehearsed") for row in kept)
    names: dict[str, list[str]] = {"Matrix rate": ["bfloat16", "float32"], RIGHT: list(CHECKS)}
    for _, of_stage in rows(torch.device("cpu"), rehearsed):
        for row in of_stage:
            names.setdefault(row.part, []).append(row.name)
    return names


def write_tables(page: Path, kept: Sequence[Kept]) -> None:
    """Put the tables between the page's two comments."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- gpu -->")
    _, _, tail = rest.partition("<!-- end of gpu -->")
    page.write_text(f"{head}<!-- gpu -->\n\n{tables(kept)}\n\n<!-- end of gpu -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
