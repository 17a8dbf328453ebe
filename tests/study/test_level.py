"""A study at one level of a codebook whose labels have parents."""

import polars as pl
import pyreadstat
import pytest
import yaml

import annotune as at
from annotune.study.file import read_study
from annotune.study.inputs import read_inputs


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


def test_a_study_of_all_levels_has_tables_and_value_labels_of_each(study):
    made, first = study
    content = yaml.safe_load(made.read_text())
    welfare, one = "topic_major == 'Welfare' ~ party", f"topic_minor == '{first[0]}' ~ party"
    content |= {"level": "all", "correct": {"formulas": [welfare, one], "write": ["table.csv"]}, "report": "page.html"}
    content["tune"] |= {"variable": "topic"}
    made.write_text(yaml.safe_dump(content, sort_keys=False))
    results = at.run(made)
    names = ["topic_major", "topic_minor"]
    assert list(results.evaluations) == names
    assert results.reliability["variable"].unique(maintain_order=True).to_list() == names
    assert [correction.formula for correction in results.corrections] == [welfare, one]
    assert results.shares["variable"].unique(maintain_order=True).to_list() == names
    frame, about = pyreadstat.read_dta(str(made.parent / "results.dta"))
    labels = about.variable_value_labels
    assert labels["topic_major"][900] == "Welfare"
    assert set(first) <= set(labels["topic_minor"].values())
    assert "Welfare" not in labels["topic_minor"].values()
    assert {f"{name}{role}" for name in names for role in ("", "_gold", "_pi", "_fold")} <= set(frame.columns)
    page = (made.parent / "page.html").read_text(encoding="utf-8")
    assert all(f"The model against its baselines: {name}" in page for name in names)


@pytest.mark.parametrize("level", [["major"], ["minor", "major"]])
def test_levels_may_be_listed(study, level):
    made, _ = study
    content = yaml.safe_load(made.read_text())
    made.write_text(yaml.safe_dump(content | {"level": level}, sort_keys=False))
    inputs = read_inputs(read_study(made), lambda _: None)
    assert sorted(inputs.variables) == sorted(f"topic_{name}" for name in level)


def test_a_level_that_there_is_not_is_said(study):
    made, _ = study
    made.write_text(made.read_text().replace("level: major", "level: majr"))
    with pytest.raises(at.AnnotuneError, match=r"no level 'majr'.*\n?.*major"):
        at.run(made)
