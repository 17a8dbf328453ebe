"""What the Python tutorial shows is what its blocks print, but for digits, which differ between processors."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial-python.md"
STEP = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d.,]*")


def words(text):
    """The words of what was printed: without numbers, rules of tables and the fingerprint in a model's name."""
    return re.sub(r"minilm-\w+", "minilm", NUMBER.sub("0", re.sub(r"[─═┌┐└┘├┤┬┴┼╞╪╡]+", "", text))).split()


def test_numbers_may_differ_and_words_may_not():
    assert words("macro-F1 0.81 on 1,200 texts") == words("macro-F1 0.79 on 900 texts")
    assert words("reaches 0.8") != words("misses 0.8")


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
def test_the_tutorial_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    steps, namespace = STEP.findall(PAGE.read_text("utf-8")), {"__name__": "__main__"}
    assert sum(bool(shown) for _, shown in steps) >= 4
    for code, shown in steps:
        capsys.readouterr()
        exec(code, namespace)
        assert words(capsys.readouterr().out) == words(shown)
    assert {"results.dta", "results.rds", "table.csv", "report.html"} <= {path.name for path in Path("study").iterdir()}
