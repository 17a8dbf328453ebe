"""Every table that the command line prints, at 80 and at 120 columns: no line is longer, nothing is cut.

`python tests/test_printed_tables.py` writes the stored texts anew.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from annotune.agreement import present
from annotune.agreement.reliability import SCHEMA
from annotune.commands import display
from annotune.correction.prevalence import COLUMNS
from annotune.correction.result import Correction, rows_of, three_rows
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.measures.evaluation import Evaluation
from annotune.numbers import with_interval
from annotune.text_table import Column, fitted

STORED = Path(__file__).parent / "snapshots"
FOREIGN, CIVIL = "International Affairs and Foreign Aid", "Civil Rights, Minority Issues and Civil Liberties"
VARIABLE = "policy_area_of_the_main_question"
PARTY = "t.party[Conservative & Unionist]"


def agreement(*keys: dict[str, Any], metrics: tuple[str, ...] = ("percent", "cohen_kappa", "alpha")) -> pl.DataFrame:
    common = {"variable": VARIABLE, "level": "nominal", "n_units": 1500, "n_pairable": 1234, "n_coders": 2}
    rows = [
        key | common | {"metric": metric, "estimate": 0.7 + i / 30, "ci_low": 0.65 + i / 30, "ci_high": 0.75 + i / 30}
        for i, key in enumerate(keys)
        for metric in metrics
    ]
    empty = [pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in rows[0]]
    return pl.DataFrame(rows).with_columns(empty)


def pairs(*coders: tuple[str, str], **more: Any) -> pl.DataFrame:
    return agreement(*({"coder_a": a, "coder_b": b} for a, b in coders), **more)


def levels() -> pl.DataFrame:
    """Rows that have little in common: groups, levels, units and coders differ."""
    found = agreement({"district": "North"}, {"district": "South-West and the Islands"})
    numbers = pl.int_range(pl.len())
    level = pl.when(numbers % 2 == 0).then(pl.lit("nominal")).otherwise(pl.lit("ordinal"))
    return found.with_columns(level=level, n_pairable=1000 + numbers, n_coders=2 + numbers)


def people_and_model() -> pl.DataFrame:
    both = [("people", "people"), ("people", "minilm-3f2a")]
    parts = [
        pairs(*both, metrics=(metric,)).vstack(pairs(both[1], metrics=(f"{metric}_difference",)))
        for metric in ("percent", "alpha")
    ]
    return pl.concat(parts).with_columns(n_coders=pl.int_range(pl.len()) % 2 + 2)


def regression_of_agreement() -> pl.DataFrame:
    terms = [("Intercept", "Intercept", None), ("coder", "minilm-3f2a", "anna"), (VARIABLE, FOREIGN, "Health")]
    figures = {"estimate": -0.123, "se": 0.1, "ci_low": -0.319, "ci_high": 0.073, "p_value": 0.0004, "effect": -0.0312}
    rows = [{"covariate": a, "term": b, "reference": c, "n_codings": 900, **figures} for a, b, c in terms]
    return pl.DataFrame(rows).with_columns(effect=pl.when(pl.col("reference").is_null()).then(None).otherwise("effect"))


def evaluation(*measures: str) -> Evaluation:
    models = ["minilm-3f2a", "probe (frozen base)", "TF-IDF + logistic regression", "most frequent label"]
    rows = [
        {"model": model, "measure": name, "estimate": 0.9 - i / 10, "ci_low": 0.85 - i / 10, "ci_high": 0.95 - i / 10}
        for i, model in enumerate(models)
        for name in measures
    ]
    figures = {"precision": 0.812, "recall": 1.0, "f1": 0.896, "f1_low": 0.81, "f1_high": 0.95, "n_predicted": 1301}
    labels = [{"model": models[0], "label": name, **figures, "n_true": 1277} for name in (FOREIGN, CIVIL, "Health")]
    nothing = pl.DataFrame(schema={"truth": pl.String, "predicted": pl.String, "n": pl.Int64})
    return Evaluation(pl.DataFrame(rows).with_columns(n_units=pl.lit(1234)), pl.DataFrame(labels), nothing)


def codings(*variables: str) -> pl.DataFrame:
    labels = [FOREIGN] * 6 + ["Health"] * 3 + [CIVIL] * 2 + [None]
    status = ["ok" if label else "unparsed" for label in labels]
    units = [str(i) for i in range(len(labels))]
    parts = [
        pl.DataFrame({"unit_id": units, "label": labels, "status": status, "variable": name}) for name in variables
    ]
    return pl.concat(parts)


def of_labels(variable: str, apart: bool = False) -> pl.DataFrame:
    """Shares of labels in a corpus of those codings and one label more, beside those of held-out texts."""
    labels = (FOREIGN, "Health", CIVIL, "Defence")
    corpus = [6 / 11, 3 / 11, 2 / 11, 0.0]
    shares = {"people": [0.5, 0.3, 0.15, 0.05], "held_out": [0.514, 0.29, 0.156, 0.04], "corpus": corpus}
    counts = {"n_held_out": [600] * 4, "n_corpus": [11] * 4, "apart": [apart, False, False, False]}
    return pl.DataFrame({"variable": [variable] * 4, "label": labels, **shares, **counts})


def correction(*terms: str, equation: str | None = None) -> Correction:
    k, names = len(terms), [(equation, term) for term in terms]
    estimate = np.array([0.1388, -0.00001234, 27.4][:k])
    covariance = np.diag(np.array([0.0179, 0.00000123, 12.3][:k]) ** 2)
    n = {"hand-coded only": 1600, "naive": 1_600_000, "corrected": 1_600_000}
    parts = [rows_of(method, names, estimate, covariance, size) for method, size in n.items()]
    formula = f"{VARIABLE} == '{FOREIGN}' ~ party + t.party"
    note = "The hand-coded texts were drawn with equal probability, which is taken from the column pi of the table."
    return Correction(three_rows(parts), {}, formula, "linear", "dsl", 1_600_000, 1600, 40, notes=(note,))


def shares() -> pl.DataFrame:
    figures = {"estimate": 0.2333, "std_error": 0.01234, "conf_low": 0.2088, "conf_high": 0.2579, "interval": "normal"}
    none = dict.fromkeys(figures) | {"note": "there are no columns with the labels' probabilities"}
    rows = [
        {"party": party, "year": 2000, "label": label, "method": method, "n": 1234, "n_coded": coded, "note": None}
        | (none if method == "em" else figures)
        for party, coded in (("Conservative & Unionist", 210), ("Greens", 199))
        for method in ("count", "em", "dsl")
        for label in (FOREIGN, "Health")
    ]
    return pl.DataFrame(rows).select("party", "year", *COLUMNS)


def effects() -> pl.DataFrame:
    figures = {
        "difference": 0.09392,
        "std_error": 0.05744,
        "conf_low": -0.01866,
        "conf_high": 0.2065,
        "detectable": 0.16,
    }
    levels = [("party", "Greens"), ("party", "Labour"), ("year_of_the_question_in_the_house", "2.95")]
    rows = [{"covariate": a, "level": b, "reference": "Conservative & Unionist", **figures} for a, b in levels]
    return pl.DataFrame(rows)


def plan() -> pl.DataFrame:
    figures = {"std_error": 0.02996, "std_error_hand": 0.03489, "std_error_least": 0.0204}
    needed = {"n_needed": 1205, "n_needed_hand": None}
    return pl.DataFrame([{"estimate": name, **figures, **needed} for name in (FOREIGN, PARTY)])


def curve() -> LearningCurve:
    rows = [
        {"n": n, "model": model, "measure": "macro_f1", "estimate": 0.71, "ci_low": 0.6, "ci_high": 0.8, "n_seeds": 3}
        for n in (50, 1600)
        for model in ("tuned model", "TF-IDF + logistic regression")
    ]
    table = pl.DataFrame(rows).with_columns(n_units=pl.lit(400))
    return LearningCurve(table, table, "macro_f1", {}, 1600)


def comparison() -> Comparison:
    coders = ["minilm-3f2a", "gpt-x@2026-11", "students of the first year, one at a time", "most frequent label"]
    rows = [
        {"model": coder, "units": units, "measure": name, "estimate": 0.8 - i / 10, "n_units": n}
        for i, coder in enumerate(coders)
        for units, n in (("all", 1234), ("answered", 1100))
        for name in ("macro_f1", "kappa", "mcc", "accuracy", "coverage")
    ]
    costs = pl.DataFrame({"model": coders[:2], "cost": [0.01, 12.5], "seconds": [1.5, 300.0]})
    return Comparison(pl.DataFrame(rows), pl.DataFrame(), pl.DataFrame(), costs)


def scores() -> pl.DataFrame:
    rows = [
        {"version": version, "measure": name, "estimate": 0.123, "ci_low": 0.1, "ci_high": 0.2, "n_units": 1234}
        for version in ("as given", "one temperature, cross-fitted")
        for name in ("ece", "brier", "log_loss")
    ]
    return pl.DataFrame(rows)


def second_look() -> pl.DataFrame:
    text = "Does the Minister agree that the pension funds of the islands were not told about the change of the rules?"
    row = {
        "unit_id": "q-2024-000123",
        "text": text,
        "hand": FOREIGN,
        "model": "Health",
        "p_hand": 0.01,
        "p_model": 0.98,
    }
    rows = [row | {"rank": rank, "likely_error": rank == 1, "why": "said"} for rank in (1, 2)]
    return pl.DataFrame(rows).select("rank", pl.exclude("rank"))


CODERS = (("anna", "ben"), ("anna", "minilm-3f2a"))
TABLES: dict[str, Callable[[], Any]] = {
    "agreement": lambda: present.screen(agreement({})),
    "agreement_by_district": lambda: present.screen(levels()),
    "agreement_pairs": lambda: present.screen(pairs(*CODERS)),
    "agreement_categories": lambda: present.screen(agreement({"category": FOREIGN}, {"category": CIVIL})),
    "agreement_people_and_model": lambda: present.screen(people_and_model()),
    "agreement_regression": lambda: present.screen(regression_of_agreement()),
    "evaluation": lambda: display.comparison(evaluation("macro_f1", "kappa", "mcc", "accuracy")),
    "evaluation_ordinal": lambda: display.comparison(
        evaluation("macro_f1", "kappa_quadratic", "kappa", "mcc", "accuracy"), display.WRITTEN
    ),
    "evaluation_sets": lambda: display.comparison(
        evaluation("micro_f1", "macro_f1", "exact_set", "any_right", "jaccard"), display.WRITTEN
    ),
    "labels": lambda: display.labels(evaluation("macro_f1")),
    "counts": lambda: display.counts(codings(VARIABLE)),
    "counts_of_two": lambda: display.counts(codings(VARIABLE, "tone")),
    "as_coded": lambda: display.as_coded(codings(VARIABLE), of_labels(VARIABLE)),
    "as_coded_of_two": lambda: display.as_coded(codings(VARIABLE, "tone"), of_labels(VARIABLE, apart=True)),
    "shares_of_corpus": lambda: display.shares_of_corpus(of_labels(VARIABLE, apart=True), VARIABLE),
    "correction": lambda: correction("Intercept", "party[opposition]"),
    "correction_of_long_names": lambda: correction("Intercept", PARTY, VARIABLE, equation=FOREIGN),
    "correction_for_a_journal": lambda: correction("Intercept", "party[opposition]"),
    "correction_for_a_journal_of_long_names": lambda: correction("Intercept", PARTY, VARIABLE, equation=FOREIGN),
    "prevalence": lambda: display.shares(shares(), ["party", "year"]),
    "error_model": lambda: display.effects(effects()),
    "plan_sample": lambda: display.plan(plan()),
    "learning_curve": lambda: display.curve(curve()),
    "comparison": lambda: display.compared(comparison()),
    "calibration": lambda: display.scores(scores()),
    "label_errors": lambda: display.second_look(second_look()),
}


def printed(name: str, width: int) -> str:
    shown = TABLES[name]()
    if isinstance(shown, Correction):
        return shown.summary(width, "journal" if "journal" in name else "stacked") + "\n"
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_the_width_and_is_as_it_was(name: str, width: int) -> None:
    text = printed(name, width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert text == (STORED / f"{name}_{width}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_a_wider_window_shows_no_less(name: str) -> None:
    narrow, wide = (printed(name, width) for width in (80, 120))
    assert set(narrow.split("Left out for lack of width")[0].split()) <= set(wide.split())


WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=70)
NUMBERS = st.floats(-1e9, 1e9) | st.none()


@given(
    rows=st.lists(st.tuples(WORDS, WORDS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 10**9)), min_size=1, max_size=6),
    heading=WORDS,
    group=st.booleans(),
    width=st.integers(60, 130),
)
def test_no_number_is_ever_cut_and_no_line_too_long(
    rows: list[tuple[Any, ...]], heading: str, group: bool, width: int
) -> None:
    names = ("group", "name", "estimate", "low", "high", "n")
    frame = pl.DataFrame(
        rows,
        dict.fromkeys(names[:2], pl.String) | dict.fromkeys(names[2:5], pl.Float64) | {"n": pl.Int64},
        orient="row",
    )
    estimate = lambda row: with_interval(row["estimate"], row["low"], row["high"], ".4g")  # noqa: E731
    columns = [
        Column(heading, lambda row: row["group"], words=True, group=group, above=True),
        Column("name", lambda row: row["name"], words=True),
        Column("estimate", estimate),
        Column("twice", estimate, last=1, brief=lambda row: with_interval(row["estimate"], None, None, ".4g")),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("again", lambda row: f"{row['n']:,}", last=2),
    ]
    found = fitted(frame, columns, width)
    lines = [*found.above, *found.header, *found.body, *found.below]
    assert max(map(cell_len, lines)) <= width
    words = "\n".join(found.body)
    for row in frame.to_dicts():
        first, _, rest = estimate(row).partition("\t")
        assert f"{first} {rest}".rstrip() in words
        assert f"{row['n']:,}" in words
    for column in ("twice", "again"):
        assert any(column in line for line in (*found.header, *found.below))


if __name__ == "__main__":
    STORED.mkdir(exist_ok=True)
    for table in TABLES:
        for columns_wide in (80, 120):
            (STORED / f"{table}_{columns_wide}.txt").write_text(printed(table, columns_wide), "utf-8")
