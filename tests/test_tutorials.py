"""What the tutorials show is what their steps print, but for digits, which differ between processors."""

import os
import re
import shlex
import sys
from pathlib import Path

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.commands.screen import console

DOCS = Path(__file__).parents[1] / "docs"
STEP = re.compile(r"^```(?:python|sh)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d.,]*")


def words(text):
    """The words of what was printed: without numbers, rules of tables and the fingerprint in a model's name."""
    return NUMBER.sub("0", re.sub(r"minilm-\w+", "minilm", re.sub(r"[─═┌┐└┘├┤┬┴┼╞╪╡]+", "", text))).split()


def test_numbers_may_differ_and_words_may_not():
    assert words("macro-F1 0.81 on 1,200 texts") == words("macro-F1 0.79 on 900 texts")
    assert words("reaches 0.8") != words("misses 0.8")
    assert words("minilm-175f reaches 0.8") == words("minilm-a2e0 reaches 0.9")


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
def test_the_python_tutorial_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    steps, namespace = STEP.findall((DOCS / "tutorial-python.md").read_text("utf-8")), {"__name__": "__main__"}
    assert sum(bool(shown) for _, shown in steps) >= 4
    for code, shown in steps:
        capsys.readouterr()
        exec(code, namespace)
        assert words(capsys.readouterr().out) == words(shown)
    assert {"results.dta", "results.rds", "table.csv", "report.html"} <= {path.name for path in Path("study").iterdir()}


def typed(line, monkeypatch):
    """Do what a line in a terminal does."""
    verb, *arguments = shlex.split(line)
    if verb == "cd":
        return os.chdir(*arguments)
    assert verb == "annotune"
    monkeypatch.setattr(sys, "argv", [verb, *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    return None


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
def test_the_tutorial_of_the_command_line_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 80)
    steps = STEP.findall((DOCS / "tutorial-command-line.md").read_text("utf-8"))
    assert sum(bool(shown) for _, shown in steps) >= 4
    for lines, shown in steps:
        capsys.readouterr()
        for line in lines.replace("\\\n", " ").splitlines():
            typed(line, monkeypatch)
        assert words(capsys.readouterr().out) == words(shown)
    written = {path.name for path in Path().iterdir()}
    assert {"results.dta", "results.rds", "table.csv", "effect.png", "report.html", "table.csv.record.json"} <= written


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")  # that coders disagree
def test_the_study_of_the_readme_runs_as_it_stands_there(tmp_path, monkeypatch):
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^annotune run .*$", readme, re.MULTILINE)
    (study,) = re.findall(r"^```yaml\n(codebook:.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    at.demo(tmp_path, n=120, n_coded=80)
    questions = pl.read_csv("questions.csv").rename({"unit_id": "id", "text": "question"})
    questions.write_csv("questions.csv")
    Path("study.yaml").write_text(study, encoding="utf-8")
    typed(line, monkeypatch)
    named = {"table.csv", "table.do", "results.dta", "results.rds", "results.parquet", "report.html"}
    assert named <= {path.name for path in tmp_path.iterdir()}
