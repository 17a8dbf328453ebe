"""The verb, and pages in place of tables."""

import sys

import polars as pl
import pytest
import yaml

import annotune as at
from annotune import cli


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
    """Texts with a covariate, gold, two coders, a codebook and a model, as files."""
    folder = tmp_path_factory.mktemp("report")
    topics.with_columns(side=pl.Series(["left", "right"] * 45)).write_csv(folder / "texts.csv")
    gold.write_csv(folder / "gold.csv")
    for name, rows in (("anna", gold), ("ben", gold[5:])):
        rows.select("unit_id", topic="label").write_csv(folder / f"{name}.csv")
    labels = [{"code": label.code, "name": label.name} for label in book().variables[0].labels]
    (folder / "book.yaml").write_text(yaml.safe_dump({"variables": [{"name": "topic", "labels": labels}]}))
    at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=3, n_boot=100).save(folder / "model")
    return folder


def test_the_verb_writes_what_the_function_writes(annotune, files, topics, tmp_path):
    code, told = annotune(
        "report", tmp_path / "page.html", "--model", files / "model", "--codings", files / "anna.csv", "--codings",
        files / "ben.csv", "--codebook", files / "book.yaml", "--gold", files / "gold.csv", "--corpus",
        files / "texts.csv", "--by", "side", "--n-boot", 100, "--coded", files / "model/held_out.parquet",
    )  # fmt: skip
    assert code == 0, told
    book = at.read_codebook(files / "book.yaml")
    ours = at.report(
        tmp_path / "ours.html",
        model=files / "model",
        codings=at.read_codings([files / "anna.csv", files / "ben.csv"], book),
        codebook=book,
        gold=at.read_codings(files / "gold.csv", book),
        corpus=at.read_corpus(files / "texts.csv"),
        by="side",
        coded=pl.read_parquet(files / "model/held_out.parquet"),
        n_boot=100,
    )
    assert "The corpus as coded" in ours.read_text("utf-8")
    assert ours.read_bytes() == (tmp_path / "page.html").read_bytes()


def test_a_comparison_as_a_page(annotune, files, tmp_path):
    code, told = annotune(
        "compare", files / "anna.csv", files / "ben.csv", "--gold", files / "gold.csv", "--codebook",
        files / "book.yaml", "--n-boot", 100, "--write", tmp_path / "page.html", "--write", tmp_path / "table.csv",
    )  # fmt: skip
    assert code == 0, told
    assert "ben left out 5 of 90 units" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (tmp_path / "table.csv").exists()


def test_a_curve_as_a_page(annotune, files, tiny_base, tmp_path):
    code, told = annotune(
        "curve", files / "texts.csv", files / "gold.csv", "--codebook", files / "book.yaml", "--out", tmp_path / "runs",
        "--sizes", "25,40,60", "--seeds", 1, "--base", tiny_base, "--method", "probe",
        "--write", tmp_path / "page.html",
    )  # fmt: skip
    assert code == 0, told
    assert "Learning curve" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_bad_input_is_a_sentence(annotune, files, tmp_path):
    code, told = annotune("report", tmp_path / "page.html")
    assert (code, "nothing to report" in told, "Traceback" in told) == (2, True, False)
    code, told = annotune("report", files / "model" / "page.html", "--model", files / "model")
    assert (code, "would be replaced" in told) == (2, True)
