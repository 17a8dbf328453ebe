"""Which base? Probes on the embeddings of several bases, beside counting words, on texts in several languages.

    python benchmarks/bases.py [sets ...] [--bases minilm,multilingual] [--coded 100,600,3000,all] [--draws 3]
                               [--keep FOLDER] [--seconds 240] [--table]

The way is that of `tune(method="probe")`: a base reads a set's texts once (what it makes of them stays in the folder of
--keep, so that a run which was stopped goes on), and each draw of coded texts is decided on and made as ever. The test
part is the same in every draw. Rows are in benchmarks/bases.jsonl, and the table is written to docs/bases.md: means
over draws, and by how much a base is above TF-IDF, with a 95 % interval that covers other test texts and other draws.
The data are looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from accuracy_methods import gold_of
from accuracy_sets import texts_of
from accuracy_tables import REPLICATES, answers_of, put, scores_of, with_interval

import annotune as at
from annotune.measures.baselines import tf_idf
from annotune.network.logits import decide
from annotune.tuning import task as tasks
from annotune.tuning.held_out import hold_out_once
from annotune.tuning.settings import Settings
from annotune.tuning.task import Task, cases_of, prepare

ROWS, PAGE = Path(__file__).parent / "bases.jsonl", Path(__file__).parent.parent / "docs" / "bases.md"
LANGUAGES = {"ecosent": "Dutch", "popbert": "German", "ecosent_en": "English", "napire": "English"}
LANGUAGES |= {"uk_manifestos": "English", "banking77": "English"}
TESTED = {"ecosent_en": 120, "napire": 600}
MOST_TESTED, MOST, AT_ONCE = 2_000, 8_000, 500
FEWER = {"banking77": 5_000}  # texts of a set
WORDS = "TF-IDF"


class Kept:
    """What bases make of texts, kept in a folder, so that each text is read once; it stops when its time is over."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.until, self.outputs = folder, time.monotonic() + seconds, tasks.outputs
        folder.mkdir(parents=True, exist_ok=True)

    def named(self, base: str) -> Callable[..., np.ndarray]:
        """In place of `annotune.network.encoder.outputs`."""

        def outputs(model: Any, tokens: Any, **options: Any) -> np.ndarray:
            parts = [np.zeros((0, model.head.in_features), np.float32)]
            for start in range(0, len(tokens), AT_ONCE):
                part = tokens.take(np.arange(start, min(start + AT_ONCE, len(tokens))))
                key = hashlib.sha256(repr((base, part.ids)).encode()).hexdigest()[:16]
                path = self.folder / f"{base}-{key}.npy"
                if not path.exists():
                    if time.monotonic() > self.until:
                        raise SystemExit(3)
                    np.save(path, self.outputs(model, part, **options))
                parts.append(np.load(path))
            return np.concatenate(parts)

        return outputs


def whole(name: str, base: str, kept: Kept) -> tuple[Task, int]:
    """All texts of a set as if they were coded, the test part first, and its size."""
    frame = texts_of(name).sample(fraction=1, shuffle=True, seed=0)[: FEWER.get(name, MOST)].with_row_index("unit_id")
    frame = frame.with_columns(pl.col("unit_id").cast(pl.String))
    gold, names = gold_of(frame)
    kind = "multilabel" if frame["label"].dtype == pl.List else "nominal"
    labels = tuple(at.Label(code=i, name=label) for i, label in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="label", kind=kind, labels=labels),))
    tasks.outputs = kept.named(base)  # type: ignore[assignment]
    settings = Settings(base=base, method="probe")
    return prepare(frame.select("unit_id", "text"), gold, book, None, None, 0.15, settings), TESTED.get(
        name, MOST_TESTED
    )


def drawn(task: Task, n_tested: int, size: int, draw: int) -> Task:
    """So many coded texts of those that are not tested."""
    places = n_tested + np.random.default_rng(draw).permutation(len(task.examples) - n_tested)[:size]
    here = task.at(places)
    return Task(**{**vars(here), "cases": cases_of(here.coded, None, draw)})


def answers(task: Task, n_tested: int, size: int, draw: int) -> tuple[np.ndarray, str]:
    """What the probe says of the test texts, and the penalty that was chosen."""
    here = drawn(task, n_tested, size, draw)
    made, _ = hold_out_once(here, here.everything[:0])
    logits = made.choices.scaling.of(made.probe.logits(task.examples.embeddings[:n_tested]))
    return decide(logits, task.examples.targets.ndim == 2, made.choices.cutoffs), f"{made.choices.penalty:g}"


def counted(task: Task, n_tested: int, size: int, draw: int) -> tuple[np.ndarray, str]:
    """The same by counting words."""
    here = drawn(task, n_tested, size, draw)
    return tf_idf(here.coded.texts, here.examples.targets, task.coded.texts[:n_tested]), ""


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is not there yet, cell by cell."""
    there = set()
    if ROWS.exists() and ROWS.stat().st_size:
        there = set(pl.read_ndjson(ROWS).select("set", "size", "draw", "method").iter_rows())
    kept = Kept(options.keep, options.seconds)
    for name, base in product(options.sets or LANGUAGES, options.bases.split(",")):
        cells = product(options.coded.split(","), range(1, options.draws + 1), (base, WORDS))
        missing = [cell for cell in cells if (name, *cell) not in there]
        if not missing:
            continue
        task, n_tested = whole(name, base, kept)
        for size, draw, method in missing:
            n = len(task.examples) - n_tested if size == "all" else int(size)
            if n > len(task.examples) - n_tested or (size == "all" and draw > 1):
                continue
            said, penalty = (counted if method == WORDS else answers)(task, n_tested, n, draw)
            packed = base64.b64encode(zlib.compress(np.ascontiguousarray(said, np.int8).tobytes())).decode()
            truth = task.examples.targets[:n_tested]
            f1 = float(scores_of(truth, said[None], np.ones((1, n_tested)))[0, 0])
            there.add((name, size, draw, method))
            yield {"set": name, "size": size, "n": n, "draw": draw, "method": method, "penalty": penalty} | {
                "macro_f1": round(f1, 4),
                "accuracy": round(float((truth == said).mean()), 4),
                "answers": packed,
            }
            if time.monotonic() > kept.until:
                raise SystemExit(3)


def truth_of(name: str) -> np.ndarray:
    """The test part's labels, as `whole` has them."""
    frame = texts_of(name).sample(fraction=1, shuffle=True, seed=0)[: FEWER.get(name, MOST)]
    _, names = gold_of(frame.with_row_index("unit_id").with_columns(pl.col("unit_id").cast(pl.String)))
    labels = frame["label"][: TESTED.get(name, MOST_TESTED)]
    if labels.dtype == pl.List:
        return np.array([[one in label for one in names] for label in labels.to_list()])
    return np.array([names.index(label) for label in labels])


def table(cells: pl.DataFrame) -> str:
    """One line for each set and size, of means over draws."""
    bases = [name for name in ("minilm", "multilingual") if name in cells["method"]]
    heads = ["set", "language", "coded, test", "draws", WORDS, *bases, *(f"{base} more than {WORDS}" for base in bases)]
    lines = ["| " + " | ".join([*heads, "multilingual more than minilm"]) + " |"]
    lines.append("|---" * (len(heads) + 1) + "|")
    for name in (name for name in LANGUAGES if name in cells["set"]):
        truth = truth_of(name)
        of_set = cells.filter(set=name).sort("n")
        for size in of_set["size"].unique(maintain_order=True):
            cell = of_set.filter(size=size)
            by = {method: cell.filter(method=method).sort("draw") for method in (WORDS, *bases)}
            means = [f"{part['macro_f1'].mean():.3f}" if len(part) else "" for part in by.values()]
            pairs = [*((base, WORDS) for base in bases), ("multilingual", "minilm")]
            more = [ahead(by.get(one), by.get(other), truth) for one, other in pairs]
            about = [name, LANGUAGES[name], f"{cell['n'][0]:,}, {len(truth):,}", str(cell["draw"].n_unique())]
            lines.append("| " + " | ".join([*about, *means, *more]) + " |")
    return "\n".join(lines)


def ahead(ours: pl.DataFrame | None, theirs: pl.DataFrame | None, truth: np.ndarray) -> str:
    """By how much macro-F1 is above the other's, and an interval over test texts and, with several draws, draws."""
    if ours is None or theirs is None or not len(ours) or not len(theirs):
        return ""
    ours, theirs = ours.join(theirs, on="draw", how="semi"), theirs.join(ours, on="draw", how="semi")
    counts = np.random.default_rng(0).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), REPLICATES)
    counts = np.concatenate([np.ones((1, len(truth))), counts])
    scores = [scores_of(truth, answers_of(part, truth.shape), counts) for part in (ours, theirs)]
    more = scores[0] - scores[1]
    return with_interval(more[:, 0], float(more[:, 1:].mean(0).var(ddof=1)))


def main() -> None:
    """Compute what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--bases", default="minilm,multilingual")
    parser.add_argument("--coded", default="100,600,3000,all")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=Path("kept-embeddings"))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--table", action="store_true", help="write the table of what is there, and compute nothing")
    options = parser.parse_args()
    if not options.table:
        with ROWS.open("a", encoding="utf-8") as file:
            for row in rows(options):
                file.write(json.dumps(row) + "\n")
                file.flush()
                print({key: value for key, value in row.items() if key != "answers"}, flush=True)
    put("bases", table(pl.read_ndjson(ROWS)), PAGE)


if __name__ == "__main__":
    sys.exit(main())
