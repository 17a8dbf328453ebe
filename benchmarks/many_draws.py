"""Many draws of few coded texts: are probabilities of fresh texts what they say, and does `abstain` keep its promise?

    python benchmarks/many_draws.py [sets ...] [--coded 100,500] [--draws 25] [--table]

The probe alone, by the same path as `tune`: the base reads a set's texts once, and each draw is cross-validated,
decided on and made again from all of its coded texts as ever. Fresh texts are all others of the set whose label
somebody gave in the draw. Measures are those of benchmarks/fresh_texts.py, and, for several risks, the share of
held-out and of fresh texts that `abstain` keeps and the error of the fresh ones. Rows are in
benchmarks/many_draws.jsonl; the tables are written to docs/accuracy.md. Draws of the same set overlap where it is
small. The data are looked for in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from accuracy_methods import gold_of
from accuracy_sets import SETS, texts_of
from accuracy_tables import put
from fresh_texts import FEWEST, figures
from scipy import stats

import annotune as at
from annotune.evidence.abstention import guaranteed
from annotune.measures.scores import quadratic_kappa
from annotune.network.logits import decide, from_logits
from annotune.tuning.held_out import FOLDS, Held, cross_validate
from annotune.tuning.settings import Settings
from annotune.tuning.task import Task, cases_of, prepare

ROWS = Path(__file__).parent / "many_draws.jsonl"
RISKS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
CONFIDENCE = 0.95
MOST = 4_000  # texts of a set
SCALES = {"ecosent_scale": "ecosent"}  # the same labels as levels of a scale


def whole(name: str) -> Task:
    """All texts of a set as if they were coded, and read by the base."""
    frame = texts_of(SCALES.get(name, name)).sample(fraction=1, shuffle=True, seed=0)[:MOST].with_row_index("unit_id")
    frame = frame.with_columns(pl.col("unit_id").cast(pl.String))
    gold, names = gold_of(frame)
    labels = tuple(at.Label(code=i, name=label) for i, label in enumerate(names))
    kind = "multilabel" if frame["label"].dtype == pl.List else "ordinal" if name in SCALES else "nominal"
    book = at.Codebook(variables=(at.Variable(name="label", kind=kind, labels=labels),))
    return prepare(frame.select("unit_id", "text"), gold, book, None, None, 0.15, Settings(method="probe"))


def drawn(task: Task, size: int, draw: int) -> tuple[Task, np.ndarray, np.ndarray]:
    """So many coded texts with the labels that occur among them; the places of fresh ones, and the truth of these."""
    order = np.random.default_rng(draw).permutation(len(task.examples))
    coded, fresh, targets = order[:size], order[size:], task.examples.targets
    some = targets[coded].any(0) if targets.ndim == 2 else np.isin(np.arange(task.examples.n_labels), targets[coded])
    numbers = np.where(some, some.cumsum() - 1, -1)
    now = targets[:, some] if targets.ndim == 2 else numbers[targets]
    if now.ndim == 1:
        fresh = fresh[now[fresh] >= 0]
    settings, words = task.settings.model_copy(update={"seed": draw}), task.examples.words
    here = task.at(coded)
    examples = replace(here.examples, targets=now[coded], n_labels=int(some.sum()), words=words[some])
    here = replace(here, examples=examples, settings=settings, coded=replace(here.coded, targets=now[coded]))
    return replace(here, cases=cases_of(here.coded, None, draw)), fresh, now[fresh]


def rows_of(task: Task, name: str, size: int, draw: int) -> dict[str, Any]:
    """One draw: what was held out, and what is true of fresh texts."""
    here, fresh, truth = drawn(task, size, draw)
    made, held = cross_validate(here, FOLDS, None)
    people, sets = here.examples.targets, truth.ndim == 2
    logits = made.choices.scaling.of(made.probe.logits(task.examples.embeddings[fresh]))
    answers = decide(logits, sets, made.choices.cutoffs)
    p, p_held = from_logits(logits, sets), from_logits(held.logits, sets)
    row: dict[str, Any] = {"set": name, "size": size, "draw": draw, "n_fresh": len(fresh)}
    row |= {"penalty": made.choices.penalty, "scale": round(made.choices.scale, 3)}
    row |= {f"held_{key}": value for key, value in figures(p_held, held.model, people, people).items()}
    row |= figures(p, answers, truth, people)
    if not sets:
        row["kappa"] = round(quadratic_kappa(truth, answers, here.examples.n_labels), 4)
    return row if sets else row | {"kept": list(kept(held, p_held, people, p, answers, truth))}


def kept(
    held: Held, p_held: np.ndarray, people: np.ndarray, p: np.ndarray, answers: np.ndarray, truth: np.ndarray
) -> Iterator[dict[str, float]]:
    """At each risk: the shares of held-out and of fresh texts that `abstain` keeps, and the error of the latter."""
    stated_held, stated = (one[np.arange(len(one)), given] for one, given in ((p_held, held.model), (p, answers)))
    for risk in RISKS:
        threshold, _ = guaranteed(stated_held, held.model != people, risk, 1 - CONFIDENCE)
        if threshold is not None:
            sure = stated >= threshold
            error = float((answers != truth)[sure].mean()) if sure.any() else 0.0
            promised = float((stated_held >= threshold).mean())
            row = {"risk": risk, "held": promised, "fresh": float(sure.mean()), "error": error}
            yield {name: round(value, 4) for name, value in row.items()}


def write_tables() -> None:
    """Put the tables in their places on the page docs/accuracy.md."""
    rows = pl.read_ndjson(ROWS, infer_schema_length=None)
    put("reliability", reliability_table(rows))
    put("scale", scale_table(rows))
    put("abstention", abstention_table(rows))


def reliability_table(rows: pl.DataFrame) -> str:
    """One line for each set and size, of means over draws."""
    f1, loss = ["held_macro_f1", "macro_f1"], ["held_log_loss", "log_loss", "base_log_loss"]
    means = rows.group_by("set", "size").agg(
        pl.len().alias("draws"),
        pl.col([*f1, *loss, "ece", "ece_chance", "too_sure", "share_gap"]).mean(),
        off=pl.col("off_squared").mean().clip(0).sqrt(),
        unlucky=pl.col("too_sure").abs().quantile(0.9),
    )
    heads = ["set", "coded", "draws", "macro-F1 held out / fresh", "log loss held out / fresh / of the shares alone"]
    heads += ["ECE", "by chance alone", "off without chance", "stated less true accuracy (in nine of ten draws within)"]
    lines = ["| " + " | ".join([*heads, "largest gap of a label's share"]) + " |", "|---" * 10 + "|"]
    for row in means.sort("set", "size").to_dicts():
        numbers = {name: f"{value:.3f}" for name, value in row.items() if isinstance(value, float)}
        cells = [
            row["set"],
            str(row["size"]),
            str(row["draws"]),
            *(" / ".join(numbers[n] for n in part) for part in (f1, loss)),
        ]
        cells += [numbers["ece"], numbers["ece_chance"], numbers["off"]]
        cells += [f"{row['too_sure']:+.3f} ({numbers['unlucky']})", numbers["share_gap"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scale_table(rows: pl.DataFrame) -> str:
    """Quadratic kappa of labels as levels of a scale and as names, on the same draws, and an interval over these."""
    lines = ["| coded | draws | quadratic kappa, ordinal | nominal | difference |", "|---|---|---|---|---|"]
    for (name, plain), size in product(SCALES.items(), sorted(rows["size"].unique())):
        scale, names = (rows.filter(set=one, size=size).select("draw", "kappa") for one in (name, plain))
        both = scale.join(names, on="draw", suffix="_names")
        if len(both) > 1:
            more = both["kappa"] - both["kappa_names"]
            reach = stats.t.ppf(0.975, len(both) - 1) * stats.sem(more)
            means = f"{both['kappa'].mean():.3f} | {both['kappa_names'].mean():.3f}"
            apart = f"{more.mean():+.3f} ({more.mean() - reach:+.3f} to {more.mean() + reach:+.3f})"
            lines.append(f"| {size} | {len(both)} | {means} | {apart} |")
    return "\n".join(lines)


def abstention_table(rows: pl.DataFrame) -> str:
    """One line for each set and size at each risk that does not leave all texts of all draws to the same side."""
    some = rows.filter(pl.col("kept").list.len() > 0)
    each = some.select("set", "size", "draw", "kept").explode("kept").unnest("kept")
    by_risk = each.group_by("set", "size", "risk").agg(
        pl.len().alias("some"),
        pl.col("held", "fresh", "error").mean(),
        off=(pl.col("fresh") - pl.col("held")).abs().mean(),
        above=(pl.col("error") > pl.col("risk")).sum(),
    )
    by_risk = by_risk.filter(pl.col("held") < 0.99)
    heads = ["set", "coded", "risk", "draws with any kept", "kept, held out", "kept, fresh", "a draw is off by"]
    lines = ["| " + " | ".join([*heads, "wrong of the kept", "draws above the risk"]) + " |", "|---" * 9 + "|"]
    draws = rows.group_by("set", "size").agg(pl.len().alias("draws"))
    for row in by_risk.join(draws, on=["set", "size"]).sort("set", "size", "risk").to_dicts():
        numbers = [f"{row[name]:.3f}" for name in ("held", "fresh", "off", "error")]
        about = [row["set"], str(row["size"]), f"{row['risk']:g}", f"{row['some']} of {row['draws']}"]
        lines.append("| " + " | ".join([*about, *numbers, str(row["above"])]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", default=[*SETS, *SCALES])
    parser.add_argument("--coded", default="100,500")
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--table", action="store_true", help="write the tables of what is there, and compute nothing")
    options = parser.parse_args()
    there = set()
    if ROWS.exists():
        there = set(pl.read_ndjson(ROWS, infer_schema_length=None).select("set", "size", "draw").iter_rows())
    for name in [] if options.table else options.sets:
        task = whole(name)
        for size, draw in product(map(int, options.coded.split(",")), range(1, options.draws + 1)):
            if (name, size, draw) in there or len(task.examples) < size + 100 or size < FEWEST.get(name, 0):
                continue
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows_of(task, name, size, draw)) + "\n")
    write_tables()


if __name__ == "__main__":
    main()
