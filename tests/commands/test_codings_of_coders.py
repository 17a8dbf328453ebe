"""`annotune prevalence` and `correct --codings` read whatever sheets coders have, by the variables that it is about."""

import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

N = 60


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Texts coded by three coders in two variables: a table of results, and a sheet for each coder."""
    monkeypatch.chdir(tmp_path)
    units = [f"t{i}" for i in range(N)]
    topic, tone = ["war", "trade", "war"] * (N // 3), ["calm", "angry"] * (N // 2)
    for shift, coder in enumerate(["anna", "ben", "cleo"]):
        sheet = {"unit_id": units, "topic": topic[shift:] + topic[:shift], "tone": tone[shift:] + tone[:shift]}
        pl.DataFrame(sheet)[::2].write_csv(f"coder_{coder}.csv")
    own = pl.DataFrame({"unit_id": units, "topic": topic, "tone": tone})
    coded = pl.int_range(N) % 2 == 0
    gold = [pl.when(coded).then(name).alias(f"{name}_gold") for name in ("topic", "tone")]
    own.with_columns(*gold).write_csv("both.csv")
    own.with_columns(gold[0]).write_csv("topic.csv")
    return own.with_columns(*gold)


SHEETS = [word for coder in ("anna", "ben", "cleo") for word in ("--codings", f"coder_{coder}.csv")]


def verb(*words):
    done = CliRunner().invoke(app, [*words, "--pi", "0.5", "--write", "out.csv"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 0, done.output
    return pl.read_csv("out.csv")


def prevalence(*words):
    return verb("prevalence", *words)


def answers(*variables):
    sheets = [f"coder_{coder}.csv" for coder in ("anna", "ben", "cleo")]
    return at.bind(*(at.read_codings(sheets, variable=name) for name in variables))


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["both.csv", "--variable", "tone"], "tone"),
        (["both.csv", "--variable", "topic,tone"], ["topic", "tone"]),
        (["topic.csv"], "topic"),
    ],
)
def test_sheets_with_a_column_for_each_variable(results, words, variables):
    shares = prevalence(*words, *SHEETS)
    names = [variables] if isinstance(variables, str) else variables
    own = at.prevalence(results, variables, pi=0.5, codings=answers(*names))
    assert shares["label"].to_list() == own["label"].to_list()
    assert shares["estimate"].to_list() == pytest.approx(own["estimate"].to_list())
    assert set(shares["note"]) == {"of these 3 coders"}


def test_files_that_say_what_was_coded_count_once_for_each_variable(results):
    answers("topic", "tone").write_csv("all.csv")
    both = ["both.csv", "--variable", "topic,tone"]
    assert prevalence(*both, "--codings", "all.csv").equals(prevalence(*both, *SHEETS))


def test_a_regression_takes_the_variable_that_it_explains(results):
    data = results.with_columns(x=(pl.int_range(N) % 4 < 2).cast(pl.Int8))
    data.write_csv("x.csv")
    table = verb("correct", "x.csv", "topic == 'war' ~ x", *SHEETS[:4])
    two = at.read_codings(["coder_anna.csv", "coder_ben.csv"], variable="topic")
    own = at.correct("topic == 'war' ~ x", data, pi=0.5, codings=two)
    corrected = table.filter(method="corrected")
    assert dict(corrected.select("term", "estimate").rows()) == pytest.approx(own.coefficients("corrected"))
