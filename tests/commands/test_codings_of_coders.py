"""`annotune prevalence` and `correct --codings` read whatever sheets coders have, by the variables that it is about."""

from pathlib import Path

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


@pytest.fixture
def sets(results):
    """The same texts coded with sets of labels, whose names stand in one cell."""
    cells = {"dora": ["war;peace", "peace", "none"], "emil": ["war", "peace;war", "peace"]}
    wide = pl.DataFrame({"unit_id": results["unit_id"], **{name: some * (N // 3) for name, some in cells.items()}})
    wide[::2].write_csv("wide.csv")
    for name in cells:
        wide[::2].select("unit_id", marks=name).write_csv(f"coder_{name}.csv")
    labels = "{code: 0, name: war}, {code: 1, name: peace}"
    Path("book.yaml").write_text(f"variables: [{{name: marks, kind: multilabel, labels: [{labels}]}}]\n")
    book = at.read_codebook("book.yaml")
    codings = at.read_codings("wide.csv", book)
    model = at.read_codings(wide.select("unit_id", model="dora"), book)
    both = at.resolve(codings, "any", codebook=book)
    data = at.attach(results.select("unit_id"), model, codebook=book, gold=both)
    data.with_columns(x=(pl.int_range(N) % 4 < 2).cast(pl.Int8)).write_csv("marks.csv")
    return codings


@pytest.mark.parametrize("files", [["coder_dora.csv", "coder_emil.csv"], ["wide.csv"]])
def test_sets_in_cells_are_read_by_a_codebook(sets, files):
    sheets = [*(word for file in files for word in ("--codings", file)), "--codebook", "book.yaml"]
    shares = prevalence("marks.csv", "--variable", "marks_war", *sheets, "--methods", "dsl")
    data = pl.read_csv("marks.csv")
    own = at.prevalence(data, "marks_war", pi=0.5, codings=sets, methods="dsl")
    assert shares["estimate"].to_list() == pytest.approx(own["estimate"].to_list())
    table = verb("correct", "marks.csv", "marks_war ~ x", *sheets)
    fit = at.correct("marks_war ~ x", data, pi=0.5, codings=sets)
    own = dict(table.filter(method="corrected").select("term", "estimate").rows())
    assert own == pytest.approx(fit.coefficients("corrected"))


@pytest.mark.parametrize(
    "words", [["prevalence", "both.csv", "--variable", "topic"], ["correct", "both.csv", "topic == 'war' ~ 1"]]
)
def test_advice_names_options_that_are_there(results, words):
    pl.DataFrame({"unit_id": results["unit_id"], "remark": [f"Long remark {i}" for i in range(N)]}).write_csv("odd.csv")
    done = CliRunner().invoke(app, [*words, "--pi", "0.5", "--codings", "odd.csv"])
    said = str(done.exception)
    assert "holds too many different values" in said
    assert "Say what was coded with codebook=, or give a sheet with the columns unit_id, coder and label." in said


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")  # that none is a label, and of a coder who differs
def test_sets_in_cells_that_no_codebook_explains_are_refused(sets):
    """They would be labels of their own, and the column a coder, so that two people were one."""
    sheets = ["coder_dora.csv", "coder_emil.csv"]
    words = ["prevalence", "marks.csv", "--variable", "marks_war", "--pi", "0.5"]
    done = CliRunner().invoke(app, [*words, *(word for sheet in sheets for word in ("--codings", sheet))])
    assert "hold 'none', 'peace', 'peace;war', 'war', 'war;peace' for 'marks_war'" in str(done.exception)
    assert "Read them with the codebook" in str(done.exception)
    data, codings = pl.read_csv("marks.csv"), at.read_codings(sheets, variable="marks_war")
    with pytest.raises(at.AnnotuneError, match="and the table has numbers"):
        at.correct("marks_war ~ x", data, pi=0.5, codings=codings)


def test_a_codebook_without_codings_is_refused(results):
    done = CliRunner().invoke(app, ["prevalence", "topic.csv", "--pi", "0.5", "--codebook", "book.yaml"])
    assert "book.yaml says what codings= hold, and there are none" in str(done.exception)


def test_a_regression_takes_the_variable_that_it_explains(results):
    data = results.with_columns(x=(pl.int_range(N) % 4 < 2).cast(pl.Int8))
    data.write_csv("x.csv")
    table = verb("correct", "x.csv", "topic == 'war' ~ x", *SHEETS[:4])
    two = at.read_codings(["coder_anna.csv", "coder_ben.csv"], variable="topic")
    own = at.correct("topic == 'war' ~ x", data, pi=0.5, codings=two)
    corrected = table.filter(method="corrected")
    assert dict(corrected.select("term", "estimate").rows()) == pytest.approx(own.coefficients("corrected"))
