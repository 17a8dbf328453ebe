"""The report's section on what proposals did: the figures of `anchoring`, by hand, from a store, and in a study."""

import re
import sys

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune import cli


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    n = 400
    proposed, own, seen = rng.choice(["Health", "Law"], n), rng.choice(["Health", "Law"], n), rng.random(n) < 0.6
    follows = seen & (rng.random(n) < 0.5)
    shown = [label if each else None for label, each in zip(proposed, seen, strict=True)]
    columns = {"unit_id": [f"t{i}" for i in range(n)], "coder": ["anna", "ben"] * (n // 2), "variable": "topic"}
    answers = {"label": np.where(follows, proposed, own), "proposals": shown}
    models = {"unit_id": columns["unit_id"], "variable": "topic", "coder": "<gpt>", "label": proposed}
    return pl.DataFrame(columns | answers), pl.DataFrame(models)


def test_its_figures_are_those_of_the_verb(table, tmp_path):
    answers, models = table
    result = at.anchoring(answers, proposals=models)
    path = at.report(tmp_path / "page.html", anchoring=result)
    page = path.read_text("utf-8")
    assert "What proposals did to answers" in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    row = result.acceptance.row(0, named=True)
    for figure in (row["share_shown"], row["share_blind"], row["difference"]):
        assert f"{figure:.3f}" in text
    assert "&lt;gpt&gt;" in page
    assert "<gpt>" not in page
    assert page.count("<svg") == 2
    assert "Recall of the proposals" in page
    again = at.report(tmp_path / "again.html", anchoring=at.anchoring(answers, proposals=models))
    assert again.read_bytes() == path.read_bytes()


def test_without_blind_answers_there_is_no_difference_to_draw(table, tmp_path):
    seen = table[0].drop_nulls("proposals")
    page = at.report(tmp_path / "page.html", anchoring=at.anchoring(seen)).read_text("utf-8")
    assert page.count("<svg") == 1
    assert "no text was coded blind" in page
    assert "Shares of labels" not in page


def test_the_command_takes_a_table_of_answers(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table[0].write_csv("answers.csv")
    monkeypatch.setattr(sys, "argv", ["annotune", "report", "page.html", "--answers", "answers.csv"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "What proposals did to answers" in (tmp_path / "page.html").read_text("utf-8")
