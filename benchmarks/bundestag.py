"""A study of five coders who seldom agree: populist style in the German Bundestag (docs/shares.md).

    python benchmarks/bundestag.py FOLDER
    annotune run FOLDER/study.yaml

All 7,036 sentences were coded by all five. The study gets the codings of 1,000, drawn at random, and the others
without; what regressions on all codings give is printed, against which the study's are to be held. The published data
have no speakers and no dates, so covariates are what a sentence says itself. The data are looked for in ../shared/data.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from accuracy_sets import DATA

N_CODED, SEED = 1_000, 1
MARKS = {"elite": "anti-elite", "centr": "people-centric", "left": "left", "right": "right"}
COVARIATES = {
    "names_party": "AfD|CDU|CSU|Union|SPD|Grüne|FDP|Linke",
    "names_government": "[Rr]egierung|[Mm]inister|[Kk]anzler",
}
CODEBOOK = """name: Populist style in the Bundestag
language: de
variables:
- name: style
  kind: multilabel
  instruction: Which marks of populist style does the sentence have? Any number, also none.
  labels:
  - {code: 1, name: anti-elite, definition: "It speaks against an elite that betrays, ignores or harms the people."}
  - {code: 2, name: people-centric, definition: "It speaks for the people as one body with one will."}
  - {code: 3, name: left, definition: "It has ideas of the left as a host, such as against capital and inequality."}
  - {code: 4, name: right, definition: "It has ideas of the right as a host, such as the nation against strangers."}
"""
STUDY = """codebook: codebook.yaml
corpus: sentences.csv
codings: [coder_1.csv, coder_2.csv, coder_3.csv, coder_4.csv, coder_5.csv]
reliability: {metrics: [alpha]}
gold: {rule: shares}
tune: {variable: style, base: multilingual, method: probe, folds: 5, seed: 1}
sample: simple
correct:
  formulas:
  - style_share_anti_elite ~ names_party + names_government
  - style_anti_elite ~ names_party + names_government
  write: [regression.csv, regression.do]
write: [results.dta, results.rds, results.csv]
report: {path: report.html, by: [names_party, names_government]}
"""


def main() -> None:
    """Write the study, and print what all codings would give."""
    folder, data = Path(sys.argv[1]), DATA / "popbert_bundestag"
    folder.mkdir(parents=True, exist_ok=True)
    has = [pl.col("text").str.contains(words).cast(pl.Int8).alias(name) for name, words in COVARIATES.items()]
    sentences = pl.read_parquet(data / "sentences.parquet").sort("unit_id").select("unit_id", "text", *has)
    sentences.write_csv(folder / "sentences.csv")
    codings = pl.read_parquet(data / "codings.parquet")
    drawn = sentences["unit_id"].sample(N_CODED, seed=SEED)
    marks = [pl.col(mark).cast(pl.Int8).alias(f"style_{name}") for mark, name in MARKS.items()]
    for (coder,), rows in codings.filter(pl.col("unit_id").is_in(drawn.implode())).group_by("coder"):
        rows.sort("unit_id").select("unit_id", *marks).write_csv(folder / f"{coder}.csv")
    (folder / "codebook.yaml").write_text(CODEBOOK, encoding="utf-8")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    shares = codings.group_by("unit_id").agg(pl.col("elite").cast(pl.Float64).mean())
    table = sentences.join(shares, on="unit_id")
    design = np.column_stack([np.ones(len(table)), *(table[name] for name in COVARIATES)])
    for what, outcome in {"share": table["elite"], "majority": table["elite"] > 0.5}.items():
        slopes = np.linalg.lstsq(design, outcome.cast(pl.Float64).to_numpy(), rcond=None)[0]
        print(f"anti-elite, {what}, by all codings: {outcome.mean():.4f}; {slopes.round(4).tolist()}")


if __name__ == "__main__":
    main()
