"""Corrected regressions and shares: the same through Python, the command line and R, and by R's own sandwich."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

FORMULA = "topic == 'Health' ~ party + year"
WEIGHED = ["--method", "auto", "--prediction", "recalibrated"]
CODERS = ["--codings", "crowd.csv", "--coders", "any"]
TABLES = [
    "dsl",
    "clustered",
    "two_ways",
    "logit",
    "ppi",
    "waves",
    "shares",
    "coders",
    "auto",
    "balance",
    "sensitivity",
    "prevalence",
    "errors",
]


def simulated():
    """600 texts, 150 of them coded, by a model that errs more on the opposition's."""
    rng = np.random.default_rng(5)
    n, names = 600, np.array(["Economy", "Health", "Security"])
    opposition = rng.random(n) < 0.5
    truth = np.where(rng.random(n) < 0.2 + 0.15 * opposition, "Health", rng.choice(names, n))
    wrong = rng.random(n) < 0.1 + 0.15 * opposition
    said = np.where(wrong, rng.choice(names, n), truth)
    share = np.where(said[:, None] == names, 0.8, 0.1)
    coded = rng.permutation(n) < 150
    kinds = pl.Enum(names.tolist())
    return pl.DataFrame(
        {
            "unit_id": [f"q{i}" for i in range(n)],
            "party": pl.Series(
                np.where(opposition, "opposition", "government"), dtype=pl.Enum(["government", "opposition"])
            ),
            "year": rng.integers(2015, 2025, n),
            "district": [f"d{i}" for i in rng.integers(0, 60, n)],
            "region": [f"r{i % 12}" for i in range(n)],
            "topic": pl.Series(said, dtype=kinds),
            **{f"topic_p_{name}": share[:, place] for place, name in enumerate(names)},
            "topic_gold": pl.Series(
                [label if known else None for label, known in zip(truth, coded, strict=True)], dtype=kinds
            ),
            "pi": np.full(n, 0.25),
            "drawn_in": [1 + i % 2 if known else None for i, known in enumerate(coded)],
        }
    )


def crowd():
    """Two codings of each coded text, by two of six coders, of whom the later ones say Health more often."""
    rng, coded = np.random.default_rng(6), simulated().drop_nulls("topic_gold")
    rows = [
        (unit, "topic", f"coder{coder}", "Health" if rng.random() < 0.07 * coder else label)
        for unit, label in coded.select("unit_id", "topic_gold").iter_rows()
        for coder in rng.choice(6, 2, replace=False)
    ]
    return pl.DataFrame(rows, schema=["unit_id", "variable", "coder", "label"], orient="row")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrections")
    at.write(simulated(), [folder / "coded.rds", folder / "coded.parquet"])
    crowd().write_csv(folder / "crowd.csv")
    at.write(at.dsl_columns(simulated(), "topic", label="Health"), folder / "corrected.rds")
    return folder


@pytest.fixture(scope="module")
def in_python():
    data = simulated()
    short = "topic == 'Health' ~ party"
    return {
        "dsl": at.correct(FORMULA, data).estimates,
        "clustered": at.correct(FORMULA, data, cluster="district").estimates,
        "two_ways": at.correct(FORMULA, data, cluster=["district", "region"]).estimates,
        "logit": at.correct(short, data, model="logit").estimates,
        "ppi": at.correct(short, data, method="ppi").estimates,
        "waves": at.correct(short, data, wave="drawn_in").estimates,
        "shares": at.prevalence(data, methods="dsl", wave="drawn_in"),
        "coders": at.correct(short, data, codings=crowd(), coders="any").estimates,
        "auto": (weighed := at.correct(short, data, method="auto", prediction="recalibrated")).estimates,
        "balance": weighed.balance.rows,
        "sensitivity": weighed.sensitivity,
        "prevalence": at.prevalence(data, by="party", n_boot=50, of="population"),
        "errors": at.error_model(data, ["party", "year"], label="Health").effects,
        "columns": at.dsl_columns(data, "topic", label="Health").select(
            "unit_id", "coded", "pi", "y_gold", "y_hat", "dsl_y"
        ),
    }


@pytest.fixture(scope="module")
def in_r(run_r, folder):
    run_r("corrections.R", folder)
    tables = {path.stem: pl.read_csv(path, infer_schema=False) for path in (folder / "tables").iterdir()}
    return {name: words.with_columns(pl.all().replace("<missing>", None)) for name, words in tables.items()}


@pytest.mark.parametrize("table", [*TABLES, "columns"])
def test_r_gives_what_python_gives(in_python, in_r, assert_same, table):
    """Terms of regressions are named as lm() names them: `partyopposition` for `party[opposition]`."""
    expected = in_python[table]
    if "term" in expected.columns and table != "balance":  # what is compared there are columns, not coefficients
        named = pl.col("term").str.replace("^Intercept$", "(Intercept)").str.replace_all(r"[\[\]]", "")
        expected = expected.with_columns(named)
    assert_same(expected, in_r[table])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("dsl", ["correct", "coded.parquet", FORMULA]),
        ("clustered", ["correct", "coded.parquet", FORMULA, "--cluster", "district"]),
        ("two_ways", ["correct", "coded.parquet", FORMULA, "--cluster", "district,region"]),
        ("logit", ["correct", "coded.parquet", "topic == 'Health' ~ party", "--model", "logit"]),
        ("ppi", ["correct", "coded.parquet", "topic == 'Health' ~ party", "--method", "ppi"]),
        ("waves", ["correct", "coded.parquet", "topic == 'Health' ~ party", "--wave", "drawn_in"]),
        ("shares", ["prevalence", "coded.parquet", "--methods", "dsl", "--wave", "drawn_in"]),
        ("coders", ["correct", "coded.parquet", "topic == 'Health' ~ party", *CODERS]),
        ("auto", ["correct", "coded.parquet", "topic == 'Health' ~ party", *WEIGHED]),
        ("prevalence", ["prevalence", "coded.parquet", "--by", "party", "--n-boot", "50", "--of", "population"]),
        ("errors", ["error-model", "coded.parquet", "--on", "party,year", "--label", "Health"]),
    ],
)
def test_the_command_line_gives_what_python_gives(in_python, folder, assert_same, table, words):
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(app, [*words, "--write", f"{table}.csv"], catch_exceptions=False)
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.output
    assert_same(in_python[table], pl.read_csv(folder / f"{table}.csv", infer_schema=False))


def test_rs_sandwich_on_the_written_column_gives_the_corrected_numbers(in_python, in_r):
    own = in_r["sandwich"].cast(pl.Float64)

    def corrected(table):
        return in_python[table].filter(pl.col("method") == "corrected")

    np.testing.assert_allclose(own["estimate"], corrected("dsl")["estimate"], rtol=1e-8)
    np.testing.assert_allclose(own["robust"], corrected("dsl")["std_error"], rtol=1e-8)
    np.testing.assert_allclose(own["clustered"], corrected("clustered")["std_error"], rtol=1e-8)
