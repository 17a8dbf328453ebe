"""What the verbs of the analysis wrote can be followed back to what they read."""

import sys

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.records.fingerprints import file_sha256


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Type a command in a folder with a coded corpus."""
    monkeypatch.chdir(tmp_path)
    rows = {"unit_id": [f"u{i}" for i in range(80)], "topic": ["a", "b", "a", "b"] * 20}
    rows |= {"topic_gold": ["a", "b", "a", "a"] * 10 + [None] * 40, "party": ["x", "x", "y", "y"] * 20}
    pl.DataFrame(rows).write_csv("coded.csv")

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0

    return typed


@pytest.mark.parametrize(
    "words",
    [
        ["correct", "coded.csv", "topic == 'a' ~ party", "--pi", "0.5", "--write", "out.csv"],
        ["prevalence", "coded.csv", "--pi", "0.5", "--methods", "hand,dsl", "--write", "out.csv"],
        ["dsl-columns", "coded.csv", "out.csv", "--pi", "0.5"],
        ["write", "coded.csv", "out.csv"],
    ],
    ids=lambda words: words[0],
)
def test_a_table_knows_what_it_was_made_from(run, tmp_path, words):
    run(*words)
    tree = at.why(tmp_path / "out.csv").tree["out.csv"]
    assert tree["made by"].startswith(f"annotune {words[0]}, ")
    assert file_sha256(tmp_path / "coded.csv")[:16] in str(tree["data"]["coded.csv"])
    assert ("0.5" in str(tree.get("settings"))) == ("--pi" in words)


def test_gold_knows_whose_codings_it_was_made_from(run, tmp_path):
    for coder in ("anna", "ben"):
        pl.DataFrame({"unit_id": ["1", "2"], "topic": ["a", "b"]}).write_csv(f"{coder}.csv")
    run("resolve", "anna.csv", "ben.csv", "--variable", "topic", "--out", "gold.csv", "--rule", "unanimous")
    tree = at.why(tmp_path / "gold.csv").tree["gold.csv"]
    assert set(tree["data"]) == {"anna.csv", "ben.csv"}
    assert tree["settings"]["rule"] == "unanimous"


def test_without_files_nothing_is_recorded(run, tmp_path):
    run("prevalence", "coded.csv", "--pi", "0.5", "--methods", "hand")
    assert [path.name for path in tmp_path.iterdir()] == ["coded.csv"]
