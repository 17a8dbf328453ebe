"""The verbs correct and dsl-columns: from a file to the table and to files for other programs."""

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.records.record import make_record, record_outputs
from annotune.tables import read_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(1)
    n = 600
    truth, coded = rng.integers(0, 2, n), rng.random(n) < 0.4
    names = np.array(["Health", "Law"])
    gold = pl.Series([names[v] if c else None for v, c in zip(truth, coded, strict=True)])
    said = names[abs(truth - (rng.random(n) < 0.15))]
    columns = {
        "topic": said,
        "topic_gold": gold,
        "fold": coded * 1,
        "pi": 0.4,
        "x": rng.normal(size=n),
        "g": np.arange(n) % 50,
    }
    path = tmp_path_factory.mktemp("correct") / "results.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_a_covariate_that_the_model_read_is_told_of_by_the_record_of_its_codes(table, tmp_path):
    results = tmp_path / "results.parquet"
    pl.read_parquet(table).with_columns(party=pl.col("g") % 2).write_parquet(results)
    asked = ["correct", str(results), "topic == 'Health' ~ party + x", "--write", str(tmp_path / "table.csv")]
    assert "The model reads" not in CliRunner().invoke(app, asked).output
    card = {"settings": {"inputs": ["party", "year"]}}
    record_outputs(make_record("annotune crossfit", model=card), [results])
    done = " ".join(CliRunner().invoke(app, asked).output.split())
    assert "The model reads 'party' beside the text, so that its errors are related to 'party' by construction" in done
    errors = CliRunner().invoke(app, ["error-model", str(results), "--on", "party,x"])
    assert "The model reads 'party' beside the text" in " ".join(errors.output.split())
    others = CliRunner().invoke(app, ["error-model", str(results), "--on", "x"])
    assert others.exit_code == 0
    assert "The model reads" not in others.output


def test_correct_prints_and_writes_what_python_gives(table):
    out = table.with_name("table.csv")
    options = ["--model", "logit", "--cluster", "g", "--pi", "0.4", "--level", "0.9", "--write", str(out)]
    options += ["--layout", "stacked"]
    done = CliRunner().invoke(app, ["correct", str(table), "topic == 'Health' ~ x", *options])
    assert done.exit_code == 0, done.output
    fit = at.correct("topic == 'Health' ~ x", pl.read_parquet(table), model="logit", cluster="g", pi=0.4, level=0.9)
    assert "90 % interval" in done.output
    assert "50 clusters" in done.output
    journal = CliRunner().invoke(app, ["correct", str(table), "topic == 'Health' ~ x", "--cluster", "g"])
    assert "Clusters (g)" in journal.output
    assert "Hand-coded only" in journal.output
    written = pl.read_csv(out)
    np.testing.assert_allclose(written["estimate"], fit.tidy()["estimate"], rtol=1e-12)
    np.testing.assert_allclose(written["std_error"], fit.tidy()["std_error"], rtol=1e-12)


def test_the_command_weighs_and_recalibrates_as_python_does(table):
    out = table.with_name("auto.csv")
    options = ["--method", "auto", "--prediction", "recalibrated", "--write", str(out)]
    done = CliRunner().invoke(app, ["correct", str(table), "topic == 'Health' ~ x", *options])
    assert done.exit_code == 0, done.output
    fit = at.correct("topic == 'Health' ~ x", pl.read_parquet(table), method="auto", prediction="recalibrated")
    np.testing.assert_allclose(pl.read_csv(out)["std_error"], fit.tidy()["std_error"], rtol=1e-12)
    said = " ".join(done.output.split())
    assert "Weights of DSL's estimates" in said
    assert "Predictions were recalibrated" in said
    assert "had been drawn G times as often as pi says" in said


@pytest.mark.parametrize("suffix", [".dta", ".parquet", ".csv"])
def test_columns_survive_their_way_through_a_file(table, suffix):
    out = table.with_name(f"ready{suffix}")
    done = CliRunner().invoke(app, ["dsl-columns", str(table), str(out), "--label", "Law"])
    assert done.exit_code == 0, done.output
    back, ready = read_table(out).frame, at.dsl_columns(pl.read_parquet(table), "topic", label="Law")
    np.testing.assert_allclose(back["dsl_y"], ready["dsl_y"], rtol=1e-12)
    again = at.correct("topic == 'Law' ~ x", back).coefficients()
    assert again == pytest.approx(at.correct("y ~ x", ready).coefficients(), rel=1e-9)


@pytest.mark.parametrize(
    "words",
    [
        ["correct", "data.csv", "topic == 'Law' ~ x", "--write", "data.csv"],
        ["dsl-columns", "data.csv", "data.csv"],
        ["prevalence", "data.csv", "--methods", "count,dsl", "--write", "data.csv"],
        ["error-model", "data.csv", "--on", "x", "--write", "data.csv"],
        ["plan-sample", "data.csv", "--n", "100", "--label", "Law", "--write", "data.csv"],
    ],
)
def test_the_data_are_not_replaced_by_what_is_computed_from_them(table, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    pl.read_parquet(table).write_csv("data.csv")
    before = (tmp_path / "data.csv").read_bytes()
    with pytest.raises(at.AnnotuneError, match="is read, and would be replaced"):
        raise CliRunner().invoke(app, words).exception
    assert (tmp_path / "data.csv").read_bytes() == before


def test_what_will_not_do_ends_with_a_sentence(table):
    done = CliRunner().invoke(app, ["correct", str(table), "topic == 'Helth' ~ x"])
    assert isinstance(done.exception, at.AnnotuneError)
    assert "Did you mean 'Health'?" in str(done.exception)
