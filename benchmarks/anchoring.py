"""Does a correction by blind answers undo anchoring? A simulation with an effect of proposals that is known.

python benchmarks/anchoring.py [--samples 1000] [--first 0] [--rows anchoring.jsonl]

Every sample is a study of its own: 1,000 of 4,000 texts are drawn (`sample`), coded by six people with a proposal in
sight or blind, and kept in a store; `blind_gold`, `prevalence` and `correct` start from there. Rows are added to the
file; without samples, the table of those that are there is written to anchoring.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at
from annotune.hybrid.store import now, open_store

HERE = Path(__file__).parent
N, DRAWN, BLIND, OVERLAP = 4000, 1000, 0.3, 0.5
CODERS = [f"coder {i + 1}" for i in range(6)]
LABELS = ("Health", "Law")
PULL = 0.5  # how often a coder who sees a proposal gives it, whatever they think
BOOK = at.Codebook(
    variables=(
        at.Variable(name="topic", labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(LABELS, 1))),
    )
)
SHARE, SLOPE = 0.35, 0.10  # of Health where x = 0, and how much more where x = 1
TRUTH = {"share": SHARE + SLOPE / 2, "slope": SLOPE}
DECISION = (
    "INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, arm, proposals) "
    "VALUES (?, ?, 'topic', ?, ?, 'ok', 1, ?, ?)"
)


def texts(rng: np.random.Generator) -> pl.DataFrame:
    """Texts with a covariate, what a coder would say of each unaided, and what a model proposes: Health too often."""
    x = rng.random(N) < 0.5
    own = rng.random(N) < SHARE + SLOPE * x
    proposed = np.where(own, rng.random(N) < 0.9, rng.random(N) < np.where(x, 0.4, 0.15))
    words = [np.where(side, *LABELS) for side in (own, proposed)]
    frame = {"unit_id": [f"t{i}" for i in range(N)], "text": ["..."] * N, "x": x.astype(float)}
    return pl.DataFrame(frame | {"own": words[0], "topic": words[1]})


def study(path: Path, seed: int) -> pl.DataFrame:
    """A store as the coding page leaves it; the texts."""
    rng = np.random.default_rng(seed)
    corpus = texts(rng)
    draw = at.sample(corpus, DRAWN, store=path, coders=CODERS, overlap=OVERLAP, blind=BLIND, codebook=BOOK, seed=seed)
    about = {unit: (own, proposed) for unit, own, proposed in corpus.select("unit_id", "own", "topic").iter_rows()}
    with open_store(path) as store, store.change() as connection:
        for unit, coder, arm in draw.assignments.select("unit_id", "coder", "arm").iter_rows():
            own, proposed = about[unit]
            seen = [{"coder": "gpt", "labels": [proposed], "status": "ok", "decoy": False}] if arm == "open" else []
            said = proposed if seen and rng.random() < PULL else own
            connection.execute(DECISION, [now(), unit, coder, json.dumps([said]), arm, json.dumps(seen)])
    return corpus.drop("own", "text")


def estimates(path: Path, corpus: pl.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Each estimate with its limits."""
    verified = at.blind_gold(corpus, path, among="verified")
    drawn = at.read_draws(path).select("unit_id", "pi", "wave", "drawn")
    codings = at.read_codings(path, BOOK)
    everything = corpus.join(drawn, on="unit_id").with_columns(wave=pl.when("drawn").then("wave")).drop("drawn")
    gold = at.resolve(codings.filter(pl.col("arm") == "open"), codebook=BOOK).select("unit_id", topic_gold="label")
    naive = everything.join(gold, on="unit_id", how="left").with_columns(pi=pl.lit(gold["topic_gold"].count() / N))
    blind = at.blind_gold(corpus, path)
    formula, proxies = "topic == 'Health' ~ x", {"topic": ("topic_gold", ["topic_shown", "topic"])}
    uncorrected, corrected = (at.correct(formula, each, prediction="recalibrated") for each in (naive, blind))
    return {
        "verified answers|share": _share(naive, "hand"),
        "verified answers as the hand coding|share": _share(naive, "dsl"),
        "blind answers alone|share": _share(blind, "hand"),
        "blind_gold|share": _share(blind, "dsl"),
        "verified answers|slope": _slope(uncorrected, "hand-coded only"),
        "verified answers as the hand coding|slope": _slope(uncorrected, "corrected"),
        "blind answers alone|slope": _slope(corrected, "hand-coded only"),
        "blind_gold|slope": _slope(corrected, "corrected"),
        "blind_gold, among verified|slope": _slope(
            at.correct(formula, verified, predicted=proxies, weights="stands_for"), "corrected"
        ),
    }


def _share(table: pl.DataFrame, method: str) -> tuple[float, float, float]:
    shares = at.prevalence(table, "topic", methods=[method], of="population")
    return shares.filter(label="Health").select("estimate", "conf_low", "conf_high").row(0)


def _slope(fit: at.Correction, method: str) -> tuple[float, float, float]:
    return fit.tidy().filter(term="x", method=method).select("estimate", "conf_low", "conf_high").row(0)


def run(first: int, samples: int, rows: Path) -> None:
    """Add a row for each sample and estimate."""
    warnings.simplefilter("ignore", at.AnnotuneWarning)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no disk is waited for
    with rows.open("a") as file, tempfile.TemporaryDirectory(dir=memory) as folder:
        for seed in range(first, first + samples):
            path = Path(folder) / f"{seed}.annotune"
            for name, figures in estimates(path, study(path, seed)).items():
                file.write(json.dumps({"seed": seed, "name": name, "figures": figures}) + "\n")
            for part in Path(folder).glob(f"{seed}.*"):
                part.unlink()


def table(rows: Path) -> list[str]:
    """A line for each estimate."""
    frame = pl.read_ndjson(rows)
    lines = ["| estimate | of | mean | truth | bias | half width | coverage |", "|---|---|---|---|---|---|---|"]
    for (name,), part in frame.group_by("name", maintain_order=True):
        label, of = str(name).split("|")
        value, low, high = np.array(part["figures"].to_list()).T
        held = np.mean((low <= TRUTH[of]) & (TRUTH[of] <= high))
        lines.append(
            f"| {label} | {of} | {value.mean():.4f} | {TRUTH[of]:.2f} | {value.mean() - TRUTH[of]:+.4f} | "
            f"{np.median(high - low) / 2:.4f} | {100 * held:.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=Path, default=HERE / "anchoring.jsonl")
    options = parser.parse_args()
    if options.samples:
        run(options.first, options.samples, options.rows)
        return
    n = pl.read_ndjson(options.rows)["seed"].n_unique()
    head = (
        (HERE / "anchoring.md").read_text("utf-8").split("| estimate |")[0] if (HERE / "anchoring.md").exists() else ""
    )
    (HERE / "anchoring.md").write_text(head + "\n".join(table(options.rows)) + "\n", "utf-8")
    print(f"{n} samples", *table(options.rows), sep="\n")


if __name__ == "__main__":
    main()
