"""Other choices, other conclusions? The multiverse of two studies: the demo's, and immigration in British manifestos.

The demo's effect is known because it is simulated. The manifestos' sentences (Benoit, Conway, Lauderdale, Laver and
Mikhaylov 2016) were all coded by a crowd; 1,500 of them, drawn at random, are the hand codings here, and the
coefficient in all by the crowd's majority is what the corrected estimates should hold.

Writes docs/multiverse-demo.svg, docs/multiverse-manifestos.svg and multiverse_studies.md beside this file. The
manifestos are looked for in ../shared/data.

python benchmarks/multiverse_studies.py [demo|manifestos]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at

HERE = Path(__file__)
DATA = HERE.parents[2] / "shared" / "data" / "uk_manifestos_immigration"
DOCS = HERE.parents[1] / "docs"
N_DRAWN = 1500
FAR_RIGHT = ["BNP 2010", "UKIP 2010"]
CODEBOOK = (HERE.parent / "uk_manifestos" / "codebook.yaml").read_text(encoding="utf-8")
MANIFESTOS = """\
codebook: codebook.yaml
corpus: {path: sentences.csv}
codings: {paths: codings.csv, coder: coder}
reliability: {n_boot: 200}
gold: {rule: majority, ties: immigration}
tune: {variable: area, method: probe, seed: 1}
sample: simple
correct: "area == 'immigration' ~ far_right"
multiverse:
  gold:
    - {rule: majority, ties: immigration}
    - {rule: majority, ties: not immigration}
    - {rule: unanimous, ties: immigration}
    - {rule: {at_least: 2}, ties: immigration}
    - {rule: dawid_skene, ties: immigration}
"""


def demo(folder: Path) -> tuple[Path, float]:
    """The study of `annotune demo`, with probes; and its known effect."""
    data = at.demo(folder)
    assert data.study is not None
    data.study.write_text(data.study.read_text(encoding="utf-8").replace("seed: 1", "seed: 1, method: probe"))
    return data.study, data.effect


def manifestos(folder: Path) -> tuple[Path, float]:
    """A study of 1,500 coded sentences among 7,322; and the coefficient if all that the crowd coded is known."""
    sentences = pl.read_parquet(DATA / "immigration_sentences.parquet")
    codings = pl.read_parquet(DATA / "immigration_codings.parquet")
    codings = codings.filter(pl.col("gold_test_item").cast(pl.String).str.to_lowercase() == "false")
    corpus = sentences.filter(pl.col("sentence_id").is_in(codings["sentence_id"].implode())).select(
        unit_id=pl.col("sentence_id").cast(pl.String),
        text="text",
        far_right=pl.col("manifesto").is_in(FAR_RIGHT).cast(int),
    )
    drawn = corpus["unit_id"].gather(np.sort(np.random.default_rng(1).choice(len(corpus), N_DRAWN, replace=False)))
    long = codings.select(unit_id=pl.col("sentence_id").cast(pl.String), coder="coder_id", area="label_immigration")
    folder.mkdir(parents=True, exist_ok=True)
    corpus.write_csv(folder / "sentences.csv")
    long.filter(pl.col("unit_id").is_in(drawn.implode())).write_csv(folder / "codings.csv")
    (folder / "codebook.yaml").write_text(CODEBOOK, encoding="utf-8")
    (folder / "study.yaml").write_text(MANIFESTOS, encoding="utf-8")
    votes = long.group_by("unit_id").agg(((pl.col("area") == "immigration").mean() >= 0.5).alias("yes"))
    shares = corpus.join(votes, on="unit_id").group_by("far_right").agg(pl.col("yes").mean()).sort("far_right")["yes"]
    return folder / "study.yaml", float(shares[1] - shares[0])


STUDIES = {"demo": demo, "manifestos": manifestos}


def described(name: str, folder: Path) -> str:
    """Estimate the multiverse of a study, draw it, and say what it says."""
    study, known = STUDIES[name](folder)
    began, work = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)
        result = at.multiverse(study, say=print)
    print(f"{time.perf_counter() - began:.0f} seconds, {time.process_time() - work:.0f} of them computing")
    result.plot(DOCS / f"multiverse-{name}.svg")
    holds = result.table.group_by("estimator", maintain_order=True).agg(
        ((pl.col("conf_low") <= known) & (known <= pl.col("conf_high"))).mean()
    )
    shares = " and ".join(f"{share:.0%} of the {estimator} ones" for estimator, share in holds.iter_rows())
    sentences = [*result.in_words(), f"The known coefficient is {known:.3f}; the intervals of {shares} hold it."]
    return "\n".join([f"## {name}", "", *(f"- {sentence}" for sentence in sentences), ""])


def main() -> None:
    """Do the studies that are named, and write what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(STUDIES))
    parser.add_argument("--folder", type=Path, default=HERE.parents[1] / "build" / "multiverse")
    options = parser.parse_args()
    page = HERE.with_suffix(".md")
    text = page.read_text(encoding="utf-8") if page.exists() else "# The multiverse of two studies\n"
    for name in options.names:
        kept = [part for part in text.split("## ")[1:] if not part.startswith(f"{name}\n")]
        text = "# The multiverse of two studies\n\n" + "".join(
            sorted([*(f"## {part.strip()}\n\n" for part in kept), described(name, options.folder / name) + "\n"])
        )
        page.write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
