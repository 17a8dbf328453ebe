"""The verbs about evidence, from files to the screen and to files."""

import sys

import polars as pl
import pytest
import yaml

import annotune as at
from annotune import cli
from annotune.commands.evidence import _groups


@pytest.fixture
def annotune(monkeypatch, capsys):
    """The command line: `annotune("verb", ...)` gives its exit code and what it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, " ".join((printed.out + printed.err).split())

    return run


@pytest.fixture(scope="module")
def files(topics, gold, book, tiny_base, tmp_path_factory):
    """Texts, gold, codebook, a model and another coder, as files."""
    folder = tmp_path_factory.mktemp("evidence")
    topics.select("unit_id", "text", "doc").write_csv(folder / "texts.csv")
    gold.write_csv(folder / "gold.csv")
    variable = book().variables[0]
    labels = [{"code": label.code, "name": label.name} for label in variable.labels]
    (folder / "book.yaml").write_text(yaml.safe_dump({"variables": [{"name": "topic", "labels": labels}]}))
    at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=3, n_boot=0).save(folder / "model")
    gold[:80].with_columns(coder=pl.lit("hosted")).write_csv(folder / "hosted.csv")
    return folder


def test_compare(annotune, files):
    code, told = annotune(
        "compare", files / "model/held_out.parquet", files / "hosted.csv", "--gold", files / "gold.csv",
        "--coder", "coder", "--codebook", files / "book.yaml", "--n-boot", 100, "--write", files / "compared.csv",
    )  # fmt: skip
    assert code == 0, told
    assert "hosted left out 10 of 90 units" in told
    assert {"hosted", "most frequent label"} <= set(pl.read_csv(files / "compared.csv")["model"])


def test_curve(annotune, files, tiny_base):
    code, told = annotune(
        "curve", files / "texts.csv", files / "gold.csv", "--codebook", files / "book.yaml", "--out", files / "runs",
        "--sizes", "25,40,60", "--seeds", 1, "--base", tiny_base, "--method", "probe", "--more", 40,
        "--plot", files / "curve.png",
    )  # fmt: skip
    assert code == 0, told
    assert "3 models to tune on 25 to 60 texts" in told
    assert "40 more labels" in told
    assert (files / "curve.png").exists()


def test_calibration(annotune, files):
    code, told = annotune("calibration", files / "model", files / "gold.csv", "--plot", files / "diagram.svg")
    assert code == 0, told
    assert "before calibration" in told
    assert (files / "diagram.svg").exists()


def test_abstain(annotune, files):
    code, told = annotune(
        "abstain", files / "model/held_out.parquet", files / "model", files / "gold.csv", "--out", files / "divided.csv"
    )
    assert code == 0, told
    assert "by hand" in told
    assert pl.read_csv(files / "divided.csv")["by_hand"].len() == 90


def test_label_errors(annotune, files):
    hand = pl.read_csv(files / "gold.csv").with_row_index("row")
    swapped = pl.when(pl.col("row") == 7).then(pl.lit("Farming")).otherwise(pl.col("label")).alias("label")
    hand.with_columns(swapped).drop("row").write_csv(files / "hand.csv")
    code, told = annotune(
        "label-errors", files / "model", files / "hand.csv", "--corpus", files / "texts.csv", "-n", 3,
        "--write", files / "again.csv",
    )  # fmt: skip
    assert code == 0, told
    assert pl.read_csv(files / "again.csv")["unit_id"][0] == "q007"


def test_what_classify_writes_can_be_divided(annotune, files):
    """Coded texts with their covariates, as the documentation has it; what was beside the codes stays."""
    code, told = annotune("classify", files / "model", files / "texts.csv", files / "coded.parquet")
    assert code == 0, told
    code, told = annotune(
        "abstain", files / "coded.parquet", files / "model", files / "gold.csv", "--out", files / "both.csv"
    )
    assert code == 0, told
    columns = pl.read_csv(files / "both.csv").columns
    assert {"doc", "topic", "confidence", "by_hand"} <= set(columns)


def test_a_curve_of_two_sizes_says_why_there_is_no_forecast(annotune, files, tiny_base):
    words = ("--codebook", files / "book.yaml", "--out", files / "c2", "--sizes", "22,40", "--seeds", 1)
    given = ("curve", files / "texts.csv", files / "gold.csv", *words, "--base", tiny_base, "--method", "probe")
    code, told = annotune(*given)
    assert code == 0, told
    assert "No forecast: a curve needs three sizes, and 2 were measured." in told
    code, told = annotune(*given, "--test", 0)
    assert (code, "Nothing is held out" in told) == (2, True), told


def test_a_group_of_people_may_be_named_twice():
    assert _groups(["p=anna", "p=ben,cem"]) == {"p": ["anna", "ben", "cem"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("compare", "hosted.csv", "--gold", "gold.csv", "--people", "=anna"), "is not group=coder,coder"),
        (("compare", "hosted.csv", "--gold", "gold.csv", "--people", "crowd"), "is not group=coder,coder"),
        (("calibration", "nothing.csv", "gold.csv"), "nothing.csv"),
        (("abstain", "hosted.csv", "hosted.csv", "gold.csv", "--out", "x.csv"), "No unit of the gold has an answer"),
        (("label-errors", "hosted.csv", "gold.csv"), "No unit of the gold has an answer and a probability"),
        (
            ("curve", "texts.csv", "gold.csv", "--codebook", "book.yaml", "--out", "c", "--sizes", "many"),
            "whole numbers",
        ),
    ],
)
def test_mistakes_are_one_sentence(annotune, files, words, says):
    given = [files / word if (files / word).exists() or "." in word else word for word in words]
    code, told = annotune(*given)
    assert code == 2, told
    assert says in told


@pytest.mark.parametrize(
    ("verb", "told", "spelt"),
    [
        ("evaluate", "Add cv=5.", "Add --cv 5."),
        ("evaluate", "n_boot=-1 replicates; give unit_id=.", "--n-boot -1 replicates; give --unit-id."),
        ("evaluate", "Give predicted=, or folds=3.", "Give predicted=, or folds=3."),
        ("curve", "test=0.3 is too much (method='lora').", "--test 0.3 is too much (--method lora)."),
        ("curve", "Such as party=Greens; column=value.", "Such as party=Greens; column=value."),
    ],
)
def test_messages_have_the_words_of_the_command_line(monkeypatch, verb, told, spelt):
    """Where the verb has no such option, the words stay."""
    monkeypatch.setattr(sys, "argv", ["annotune", verb])
    assert cli.in_options(told) == spelt
