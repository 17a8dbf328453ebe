"""Ready studies: each is written whole, says something on every key, is valid by its schema, and runs through."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.study import simulated_others
from annotune.study.ready import READY

pytestmark = pytest.mark.filterwarnings("ignore::annotune.errors.AnnotuneWarning")
KINDS = list(READY)
LEADING = {"topic": "macro_f1", "sets": "micro_f1", "scale": "macro_f1"}
EFFECTS = {
    "topic": 0.12,
    "sets": simulated_others.HEALTH_EFFECT,
    "scale": simulated_others.TONE_EFFECT,
}


def test_every_ready_study_is_listed_and_has_a_file():
    assert at.studies()["like"].to_list() == KINDS
    assert all(len(about) > 40 for about in at.studies()["about"])


@pytest.mark.parametrize("like", KINDS)
def test_every_key_of_a_ready_study_is_explained(like: str, tmp_path: Path):
    lines = at.new(tmp_path / "own", like).read_text(encoding="utf-8").splitlines()
    keys = [place for place, line in enumerate(lines) if re.match(r"\w+:", line)]
    assert len(keys) >= 9
    assert all(lines[place - 1].startswith("# ") for place in keys)
    assert max(map(len, lines)) <= 130


@pytest.mark.parametrize("like", KINDS)
def test_a_ready_study_is_valid_by_the_schema_that_its_first_line_names(like: str, tmp_path: Path):
    study = at.new(tmp_path / "own", like)
    first = study.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named is not None
    schema = json.loads((study.parent / named[1]).read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(study.read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize("like", KINDS)
def test_a_ready_study_runs_through_and_finds_what_was_simulated(like: str, tmp_path: Path):
    study = at.new(tmp_path / "own", like)
    results = at.run(study)
    evaluation = next(iter(results.evaluations.values()))
    assert evaluation.get(LEADING[like]) > 0.5
    rows = {
        row["method"]: row for row in results.corrections[0].tidy().to_dicts() if row["term"] == "party[opposition]"
    }
    assert abs(rows["corrected"]["estimate"] - EFFECTS[like]) < 4 * rows["corrected"]["std_error"]
    assert (study.parent / "report.html").exists()
    assert at.verify(study).is_sound


@pytest.mark.parametrize("like", KINDS)
def test_the_truth_has_the_effect_that_the_pages_name(like: str):
    """In many texts: the difference of shares, within four standard errors of the simulation."""
    _, corpus, truth, coders = READY[like].simulate(4000, 100, 3)
    of = {
        "topic": pl.col("topic") == "Health",
        "sets": pl.col("areas_Health") == 1,
        "scale": pl.col("tone") == "very critical",
    }
    table = corpus.join(truth, on="unit_id").group_by("party").agg(of[like].mean().alias("share")).sort("party")
    assert table["share"][1] - table["share"][0] == pytest.approx(EFFECTS[like], abs=4 * 0.015)
    assert set(coders) == set(READY[like].suffixes)


def test_some_questions_have_no_label_and_coders_say_so():
    _, corpus, truth, coders = simulated_others.sets(400, 100, 1)
    none = truth.filter(pl.sum_horizontal(pl.selectors.starts_with("areas_")) == 0)
    assert 20 < len(none) < 90
    asked = corpus.filter(pl.col("unit_id").is_in(none["unit_id"].implode()))["text"]
    assert set(asked) <= set(simulated_others.PROCEDURE)
    assert coders["anna"].columns == truth.columns


def test_nothing_is_written_over_and_what_there_is_not_is_refused(tmp_path: Path):
    study = at.new(tmp_path / "own")
    before = study.read_bytes()
    with pytest.raises(at.AnnotuneError, match="is not empty"):
        at.new(tmp_path / "own", "sets")
    assert study.read_bytes() == before
    with pytest.raises(at.AnnotuneError, match=r"'topics'.*Did you mean 'topic'"):
        at.new(tmp_path / "other", "topics")  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()
    with pytest.raises(at.AnnotuneError, match="cannot be made"):
        at.new(study)


def test_the_command_line_lists_and_writes_them(tmp_path: Path):
    listed = CliRunner().invoke(app, ["studies"], catch_exceptions=False)
    assert all(like in listed.output for like in KINDS)
    words = ["new", str(tmp_path / "my-study"), "--like", "scale"]
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    assert answer.exit_code == 0
    assert f"annotune run {tmp_path / 'my-study' / 'study.yaml'}" in answer.output.replace("\n", "")
    assert (tmp_path / "my-study" / "study.yaml").read_bytes() == at.new(tmp_path / "same", "scale").read_bytes()
