"""A study in three rounds on popbert: two of its five coders code what they are given, each as they did.

What the study estimates is known: the share of sentences against elites by these coders' rule, over all sentences.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from active_sets import DATA

import annotune as at

SENTENCES = 1_000  # of 7,036, so that it takes minutes
CODERS, OVERLAP = ("coder_1", "coder_2"), 0.25
STUDY = f"""codebook: codebook.yaml
corpus: sentences.parquet
sample:
  rounds:
    {{n: 100, evaluation: 150, design: active, for: "elite == 'yes' ~ words", coders: [{", ".join(CODERS)}],
     overlap: {OVERLAP}, write: sheet.parquet, stop: {{rounds: 3}}}}
gold: {{ties: "yes"}}
reliability: {{n_boot: 200}}
tune: {{variable: elite, method: probe, folds: 3}}
correct: {{formulas: ["elite == 'yes' ~ 1", "elite == 'yes' ~ words"]}}
write: results.parquet
report: report.html
"""
BOOK = """name: PopBERT
variables:
  - {name: elite, kind: nominal, labels: [{code: 0, name: "no"}, {code: 1, name: "yes"}]}
"""


def popbert(folder: Path) -> str:
    """Three rounds from the draw to the corrected share, as a table and sentences."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answers = _answers()
    words = pl.col("text").str.count_matches(r"\S+").log().round(3).alias("words")
    sentences = pl.read_parquet(DATA / "popbert_bundestag" / "sentences.parquet").sort("unit_id")
    corpus = sentences.sample(SENTENCES, seed=1).select("unit_id", "text", words)
    corpus.write_parquet(folder / "sentences.parquet")
    (folder / "codebook.yaml").write_text(BOOK)
    study = folder / "study.yaml"
    study.write_text(STUDY)
    lines = [at.rounds(study).due]
    for number in (1, 2, 3):
        if number > 1:
            lines.append(at.rounds(study, another=True).due)
        (_code if number < 3 else _click)(folder, answers)
        rounds = at.rounds(study)
    at.plot_rounds(rounds, folder / "rounds.png")
    results = at.run(study)
    return "\n".join(_page(rounds, results, _truth(corpus, answers)))


def _answers() -> dict[tuple[str, str], str]:
    codings = pl.read_parquet(DATA / "popbert_bundestag" / "codings.parquet")
    return {
        (unit, coder): "yes" if elite else "no"
        for unit, coder, elite in codings.select("unit_id", "coder", "elite").iter_rows()
    }


def _code(folder: Path, answers: dict[tuple[str, str], str]) -> None:
    """Fill every sheet that is empty with what its coder said of these sentences, and hand it in."""
    for path in sorted(folder.glob("sheet_*.parquet")):
        sheet = pl.read_parquet(path)
        if sheet["elite"].null_count():
            said = [answers[row["unit_id"], row["coder"]] for row in sheet.iter_rows(named=True)]
            sheet.with_columns(elite=pl.Series(said)).write_parquet(path)
            at.record(folder / "study.annotune", path)


def _click(folder: Path, answers: dict[tuple[str, str], str]) -> None:
    """Give the same answers on the coding page, as a browser sends them, half a minute for each sentence."""
    page = at.code(folder / "study.yaml", browser=False, wait=False, port=0, say=lambda line: None)
    try:
        for coder, link in page.links.items():
            while not (item := _asked(link, "item")).get("finished"):
                answer = {"labels": [answers[item["unit_id"], coder]], "status": "ok", "unsure": False, "note": ""}
                content = {"key": str(uuid.uuid4()), "unit_id": item["unit_id"], "version": item["version"]}
                _asked(link, "answer", content | {"seconds": 30.0, "answers": {"elite": answer}})
    finally:
        page.stop()


def _asked(link: str, what: str, content: Any = None) -> dict[str, Any]:
    """What the page's server says to a question, or to what is posted."""
    address, token = link.split("/code/")
    head = {"X-Annotune-Token": token, "Content-Type": "application/json", "Origin": address}
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/{what}", data, head)) as answer:
        return dict(json.load(answer))


def _truth(corpus: pl.DataFrame, answers: dict[tuple[str, str], str]) -> tuple[float, float]:
    """The share of yes over all sentences, and its slope on words, as these coders and their rule would have them."""
    said = np.array([[answers[unit, coder] == "yes" for coder in CODERS] for unit in corpus["unit_id"]], dtype=float)
    outcome = (1 - OVERLAP) * said.mean(axis=1) + OVERLAP * said.max(axis=1)
    x = np.column_stack([np.ones(len(corpus)), corpus["words"].to_numpy()])
    return float(outcome.mean()), float(np.linalg.lstsq(x, outcome, rcond=None)[0][1])


def _page(rounds: at.Rounds, results: Any, truth: tuple[float, float]) -> list[str]:
    """The rounds' table, what was expected of the next and what came, and the end beside the truth."""
    lines = ["| round | texts | codings | alpha | macro-F1, cross-fitted | on the evaluation set |", "| --- " * 6 + "|"]
    for row in rounds.table.to_dicts():
        cells = [str(row["round"]), f"{row['n_coded']}", f"{row['codings']}"]
        cells += [_estimate(row, name) for name in ("alpha", "macro_f1", "evaluation_f1")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| coefficient | round | corrected | width | expected in the next |", "| --- " * 5 + "|"]
    kept = rounds.coefficients.filter((pl.col("term") == "words") | pl.col("formula").str.ends_with("~ 1"))
    for row in kept.sort("formula", "round").to_dicts():
        name = "share" if row["term"] == "Intercept" else row["term"]
        figures = f"{row['estimate']:.3f} | {row['conf_high'] - row['conf_low']:.3f} | {row['expected_width']:.3f}"
        lines.append(f"| {name} | {row['round']} | {figures} |")
    lines += ["", *rounds.words, rounds.rule, "", "| | by all codings | naive | corrected at the end | 95 % interval |"]
    lines.append("| --- " * 5 + "|")
    for fit, term, true in zip(results.corrections, ("Intercept", "words"), truth, strict=True):
        row = fit.tidy().filter(method="corrected", term=term).row(0, named=True)
        naive = fit.coefficients("naive")[term]
        limits = f"{row['conf_low']:.4f} to {row['conf_high']:.4f}"
        name = "share" if term == "Intercept" else term
        lines.append(f"| {name} | {true:.4f} | {naive:.4f} | {row['estimate']:.4f} | {limits} |")
    return lines


def _estimate(row: dict[str, float], name: str) -> str:
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"
