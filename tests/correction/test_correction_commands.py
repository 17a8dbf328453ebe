"""The verbs after coding: what they print and write, and how they refuse."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app, in_options


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A verb in an empty folder; its output, or the error that the program would print."""
    monkeypatch.chdir(tmp_path)

    def verb(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    return verb


@pytest.fixture
def table(tmp_path):
    """400 texts, 200 of them coded; errors are more frequent on the right."""
    rng = np.random.default_rng(1)
    party = rng.choice(["left", "right"], 400)
    true = rng.choice(["War", "Trade"], 400)
    said = np.where(rng.random(400) < np.where(party == "right", 0.4, 0.1), "Trade", true)
    frame = pl.DataFrame({"topic": said, "topic_gold": true, "party": party, "pi": [0.5] * 400})
    gold = pl.when(pl.int_range(400) < 200).then("topic_gold").alias("topic_gold")
    frame = frame.with_columns(gold, year=2000 + pl.int_range(400) % 3, coded=pl.int_range(400) < 200)
    at.write(frame, [tmp_path / "data.csv", tmp_path / "data.dta"])
    return frame


@pytest.mark.parametrize("name", ["data.csv", "data.dta"])
def test_prevalence_prints_writes_and_draws(run, table, tmp_path, name):
    words = [
        "--methods",
        "count,dsl",
        "--by",
        "party",
        "--time",
        "year",
        "--write",
        "shares.csv",
        "--plot",
        "shares.png",
    ]
    known = at.prevalence(table, by="party", time="year", methods=["count", "dsl"])
    shown = run("prevalence", name, *words)
    right = known.filter((pl.col("party") == "right") & (pl.col("label") == "War"), method="dsl")["estimate"]
    assert re.search(rf"right 2000 Trade .*? War count [^A-Z]* dsl {right[0]:.4g} \(", shown)
    written = pl.read_csv(tmp_path / "shares.csv")
    np.testing.assert_allclose(written["estimate"], known["estimate"])
    assert (tmp_path / "shares.png").stat().st_size > 10_000


def test_a_plot_of_shares_has_the_labels_that_are_named(run, table, monkeypatch):
    many = table.with_columns(party=pl.format("p{}", pl.int_range(400) % 7))
    many.write_csv("many.csv")
    words = ["many.csv", "--methods", "count", "--by", "party", "--time", "year", "--plot", "shares.png"]
    with pytest.raises(at.AnnotuneError, match="14 panels") as refused:
        run("prevalence", *words)
    monkeypatch.setattr("sys.argv", ["annotune", "prevalence", *words])
    assert "Choose up to 12 panels with --labels, or fewer groups." in in_options(str(refused.value))
    with pytest.raises(at.AnnotuneError, match="chooses what a picture shows"):
        run("prevalence", "many.csv", "--methods", "count", "--write", "shares.csv", "--labels", "War")
    assert not Path("shares.csv").exists()
    run("prevalence", *words, "--labels", "War")
    assert Path("shares.png").stat().st_size > 10_000


def test_error_model_takes_columns_or_a_formula(run, table):
    verdict = at.error_model(table, ["party", "year"]).verdict
    assert verdict in run("error-model", "data.csv", "--on", "party,year")
    assert at.error_model(table, "party * year").verdict in run("error-model", "data.dta", "--on", "party * year")


def test_plan_sample_plans_both_ways(run, table, tmp_path):
    plan = at.plan_sample(table, n=100, label="War")
    said = run("plan-sample", "data.dta", "--n", 100, "--label", "War", "--write", "curve.csv")
    assert " ".join(plan.verdict.split()) in said
    np.testing.assert_allclose(pl.read_csv(tmp_path / "curve.csv")["std_error"], plan.curve["std_error"])
    said = run("plan-sample", "data.csv", "--target", 0.06, "--formula", "topic == 'War' ~ party", "--plot", "plan.png")
    assert "party[right]" in said
    assert "stratified" in said
    assert (tmp_path / "plan.png").stat().st_size > 0
    finding = ("--effect", 0.06 * (1.959964 + 0.841621), "--power", 0.8)
    again = run("plan-sample", "data.csv", *finding, "--formula", "topic == 'War' ~ party", "--model", "linear")
    assert again.split("texts coded by hand")[0].split()[-3:] == said.split("texts coded by hand")[0].split()[-3:]


def test_crossfit_writes_what_the_others_read(run, topics, gold, book, tiny_base, tmp_path):
    at.write(topics.drop("label").with_columns(pi=pl.lit(2 / 3)), tmp_path / "texts.csv")
    at.write(gold[:60], tmp_path / "gold.csv")
    labels = [{"code": label.code, "name": label.name} for label in book().variables[0].labels]
    (tmp_path / "book.yaml").write_text(json.dumps({"variables": [{"name": "topic", "labels": labels}]}))
    words = ["--codebook", "book.yaml", "--out", "folds", "--folds", 3, "--base", tiny_base, "--method", "probe"]
    said = run(
        "crossfit", "texts.csv", "gold.csv", *words, "--write", "data.dta", "--group", "doc", "--write", "data.parquet"
    )
    assert "Written: data.dta, data.parquet" in said
    record = json.loads((tmp_path / "data.dta.record.json").read_text())
    assert record["what"] == "annotune crossfit"
    assert [output["file"] for output in record["outputs"]] == ["data.dta", "data.parquet"]
    assert not (tmp_path / "data.parquet.record.json").exists()
    assert set(record["inputs"]) == {"texts.csv", "gold.csv"}
    assert re.search(r"Farming count .* dsl 0\.", run("prevalence", "data.dta", "--methods", "count,dsl"))
    data = pl.read_parquet(tmp_path / "data.parquet")
    assert sorted(data["fold"].unique()) == [1, 2, 3]
    assert record["settings"]["uncoded"] == "folds"
    run("crossfit", "texts.csv", "gold.csv", *words, "--write", "other.parquet", "--group", "doc", "--uncoded", "model")
    other = pl.read_parquet(tmp_path / "other.parquet")
    assert other.filter(pl.col("fold").is_not_null()).equals(data.filter("coded"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prevalence", "none.csv"], "none.csv is not there"),
        (["prevalence", "data.csv", "--methods", "dsll"], "method 'dsll' is unknown"),
        (["prevalence", "data.csv", "--pi", "0"], "pi is 0"),
        (["error-model", "data.csv", "--on", "partei,year"], "no column 'partei'"),
        (["plan-sample", "data.csv"], "Give one of target=, effect= and n="),
        (["error-model", "data.csv", "--on", "poly(year, 1) + parti"], "no column 'parti'"),
        (["correct", "data.csv", "topic == 'War' ~ year", "--write", "table.docs"], "no writer for '.docs'"),
        (
            ["crossfit", "data.csv", "data.csv", "--codebook", "b.yaml", "--out", "o", "--write", "data.csv"],
            "is read, and would",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(run, table, words, says):
    with pytest.raises(at.AnnotuneError, match=says):
        run(*words)
