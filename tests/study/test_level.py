"""A study at one level of a codebook whose labels have parents."""

import polars as pl
import pyreadstat
import pytest
import yaml

import annotune as at


@pytest.fixture
def study(tmp_path, demo_base):
    """The demo's study with two of its topics under one major."""
    made = at.demo(tmp_path, n=150, n_coded=90).study
    book = yaml.safe_load((tmp_path / "codebook.yaml").read_text())
    labels = book["variables"][0]["labels"]
    first = [label["name"] for label in labels[:2]]
    for label in labels[:2]:
        label["parent"] = 900
    labels.append({"code": 900, "name": "Welfare"})
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(book, sort_keys=False))
    content = yaml.safe_load(made.read_text())
    content |= {"level": "major", "sample": "simple", "correct": "topic_major == 'Welfare' ~ party"}
    content |= {
        "tune": {"base": str(demo_base), "method": "probe", "folds": 2},
        "write": ["results.dta"],
    }
    for key in ("report", "regressions"):
        content.pop(key, None)
    made.write_text(yaml.safe_dump(content, sort_keys=False))
    return made, first


def test_a_study_at_the_level_of_majors(study):
    made, first = study
    results = at.run(made)
    assert list(results.evaluations) == ["topic_major"]
    assert set(results.reliability["variable"]) == {"topic_major"}
    gold = results.gold.filter(pl.col("label").is_not_null())
    assert "Welfare" in gold["label"].to_list()
    assert set(gold["label"]).isdisjoint(first)
    (correction,) = results.corrections
    assert "topic_major" in correction.formula
    frame, about = pyreadstat.read_dta(str(made.parent / "results.dta"))
    assert about.variable_value_labels["topic_major"][900] == "Welfare"
    assert set(frame["topic_major"].dropna()) <= set(about.variable_value_labels["topic_major"])
    assert at.run(made).done["tune topic_major"] == "up to date"


def test_a_level_that_there_is_not_is_said(study):
    made, _ = study
    made.write_text(made.read_text().replace("level: major", "level: majr"))
    with pytest.raises(at.AnnotuneError, match=r"no level 'majr'.*\n?.*major"):
        at.run(made)
