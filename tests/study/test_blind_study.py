"""A study whose coders saw proposals: corrected by what was coded blind, and what is said where that cannot be."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.errors import PeopleNeeded
from annotune.hybrid.store import now, open_store

STUDY = """\
codebook: codebook.yaml
corpus: {path: questions.csv}
sample: SAMPLE
gold: GOLD
reliability: {n_boot: 100}
tune: {variable: topic, seed: 1, method: probe, folds: 2}
write: [results.parquet]
correct: {formulas: ["topic == 'Health' ~ party"], write: [regression.csv]}
"""
CODEBOOK = "variables: [{name: topic, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]"
WORDS = {"Health": ["nurses", "hospitals", "vaccines"], "Law": ["courts", "judges", "prisons"]}
WAVE = "{n: 300, coders: [anna, ben], overlap: 0.2, blind: 0.4}"
DECISION = """
    INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, arm, proposals)
    VALUES (?, ?, 'topic', ?, ?, 'ok', ?, ?, ?)
"""
N, PULL, EFFECT = 900, 0.5, 0.2
pytestmark = pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")


def study_of(folder: Path, sample: str = WAVE, gold: str = "{rule: majority}") -> Path:
    path = folder / "study.yaml"
    path.write_text(STUDY.replace("SAMPLE", sample).replace("GOLD", gold), encoding="utf-8")
    return path


def parliament(folder: Path) -> Path:
    """Short texts, of which every fifth has the words of the other topic; A is about Health in .4, B in .2 more."""
    rng = np.random.default_rng(1)
    party = rng.choice(["A", "B"], N)
    topic = np.where(rng.random(N) < 0.4 + EFFECT * (party == "B"), "Health", "Law")
    told = np.where(rng.random(N) < 0.2, np.where(topic == "Law", "Health", "Law"), topic)
    texts = [f"{rng.choice(WORDS[word])} {i}" for i, word in enumerate(told)]
    table = pl.DataFrame({"unit_id": [f"q{i:03}" for i in range(N)], "text": texts, "party": party})
    table.write_csv(folder / "questions.csv")
    table.select("unit_id", topic=pl.Series(topic)).write_csv(folder / "truth.csv")
    (folder / "codebook.yaml").write_text(CODEBOOK, encoding="utf-8")
    return folder


def true_share(folder: Path) -> float:
    return float((pl.read_csv(folder / "truth.csv")["topic"] == "Health").mean())  # type: ignore[arg-type]


def code(folder: Path, seed: int = 1, most_blind: int = N, blind_label: str | None = None) -> None:
    """Everybody is right, but where a proposal is in sight, which is always Health, half of the texts become that."""
    rng, store = np.random.default_rng(seed), folder / "study.annotune"
    truth = dict(pl.read_csv(folder / "truth.csv").select("unit_id", "topic").iter_rows())
    shown = json.dumps([{"coder": "gpt", "labels": ["Health"], "status": "ok", "decoy": False}])
    people = at.read_draws(store, of="people").filter(~pl.col("answered"))
    people = pl.concat([people.filter(arm="open"), people.filter(arm="blind")[:most_blind]])
    with open_store(store) as opened, opened.change() as connection:
        for unit, wave, coder, arm in people.select("unit_id", "wave", "coder", "arm").iter_rows():
            label = "Health" if arm == "open" and rng.random() < PULL else truth[unit]
            label = blind_label if arm == "blind" and blind_label else label
            seen = shown if arm == "open" else "[]"
            connection.execute(DECISION, [now(), unit, coder, json.dumps([label]), wave, arm, seen])


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = parliament(tmp_path_factory.mktemp("blind"))
    with pytest.raises(PeopleNeeded):
        at.run(study_of(folder))
    code(folder)
    return folder


def share_of(results: at.Results) -> dict[str, float]:
    table = at.prevalence(results.data, "topic", methods=["dsl"])
    return table.filter(label="Health").row(0, named=True)


def test_blind_codings_are_the_hand_codings_where_people_saw_proposals(coded: Path) -> None:
    """All codings together count Health far too often; those that were made blind hold the truth."""
    truth = true_share(coded)
    results = at.run(study_of(coded))
    share = share_of(results)
    assert share["conf_low"] <= truth <= share["conf_high"]
    people = at.read_draws(coded / "study.annotune", of="people")
    blind = set(people.filter(arm="blind")["unit_id"])
    data, (fit,) = results.data, results.corrections
    assert set(data.filter("topic_coded")["unit_id"]) == blind
    assert data["topic_pi"].to_list() == pytest.approx([len(blind) / N] * N)
    shown = set(data.filter(pl.col("topic_shown").is_not_null())["unit_id"])
    assert shown <= set(people.filter(arm="open")["unit_id"])
    assert len(shown) > 150
    assert fit.n_coded == len(blind)
    assert (
        fit.notes[0] == f"topic: coded by hand are the {len(blind)} texts that were coded without a proposal in sight."
    )
    assert results.gold["unit_id"].n_unique() == 300  # models learn from all that people said
    effect = fit.tidy().filter(method="corrected", term="party[B]").row(0, named=True)
    assert effect["conf_low"] <= EFFECT <= effect["conf_high"]
    written = pl.read_parquet(coded / "results.parquet")
    assert "wave" not in written.columns
    naive = at.run(study_of(coded, gold="{by_hand: all}"))
    assert share_of(naive)["conf_low"] > truth + 0.05
    assert "topic_shown" not in naive.data.columns
    assert naive.done["tune topic"] == "up to date"


def test_a_study_is_told_what_its_blind_part_lacks(tmp_path: Path) -> None:
    folder, sample = parliament(tmp_path), WAVE.replace("}", ", enough: 0.5}")
    with pytest.raises(PeopleNeeded):
        at.run(study_of(folder, sample))
    code(folder, most_blind=12)
    with pytest.raises(at.AnnotuneError, match=r"by_hand: 12 texts were coded without a proposal in sight for 'topic'"):
        at.run(study_of(folder, sample, "{by_hand: blind}"))
    with pytest.warns(at.AnnotuneWarning, match=r"too few for a correction\. What was coded with one counts as coded"):
        results = at.run(study_of(folder, sample))
    assert results.corrections[0].n_coded > 150
    at.read_draws(folder / "study.annotune").write_csv(folder / "draws.csv")
    path = study_of(folder, "{draws: draws.csv}", "{by_hand: blind}")
    path.write_text("codings: study.annotune\n" + path.read_text(), encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="no store says what was coded blind"):
        at.run(path)


def test_a_label_that_nobody_gave_blind_is_told_so(tmp_path: Path) -> None:
    folder = parliament(tmp_path)
    with pytest.raises(PeopleNeeded):
        at.run(study_of(folder))
    code(folder, blind_label="Law")
    with pytest.raises(
        at.AnnotuneError, match=r"as topic == 'Health'.*without a proposal in sight \(gold: \{by_hand: all"
    ):
        at.run(study_of(folder))


def test_without_proposals_all_codings_are_blind(tmp_path: Path) -> None:
    folder = parliament(tmp_path)
    with pytest.raises(PeopleNeeded):
        at.run(study_of(folder, "{n: 120, coders: [anna, ben], blind: 0.3}"))
    with open_store(folder / "study.annotune") as opened, opened.change() as connection:
        connection.execute("UPDATE assignments SET arm = 'blind' WHERE arm = 'open'")
    code(folder)
    results = at.run(study_of(folder, "{n: 120, coders: [anna, ben], blind: 0.3}"))
    assert results.data["topic_coded"].sum() == 120
    assert "wave" in results.data.columns


def test_an_evaluation_set_that_was_coded_blind_is_enough(tmp_path: Path) -> None:
    """A round with proposals in sight comes after it, and what that drew is as if nobody had."""
    folder = parliament(tmp_path)
    rounds = "{rounds: {n: 60, first: 120, evaluation: 100, coders: [anna, ben]}}"
    study = study_of(folder, rounds)
    at.rounds(study)
    code(folder)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        first = at.rounds(study)
    assert any("0 texts were coded without a proposal in sight" in str(one.message) for one in told)
    assert first.coefficients["conf_low"].null_count() == 0
    results = at.run(study)
    share = share_of(results)
    assert share["conf_low"] <= true_share(folder) <= share["conf_high"]
    assert results.data["topic_pi"].unique().to_list() == pytest.approx([100 / N])
    assert results.data["topic_coded"].sum() == 100


def test_rounds_with_a_blind_part_expect_of_the_next_what_is_coded_blind(tmp_path: Path) -> None:
    folder = parliament(tmp_path)
    study = study_of(folder, "{rounds: {n: 100, first: 300, coders: [anna, ben], blind: 0.4}}")
    at.rounds(study)
    code(folder)
    row = at.rounds(study).coefficients.filter(term="party[B]").row(0, named=True)
    width = row["conf_high"] - row["conf_low"]
    assert row["expected_width"] / width == pytest.approx((120 / 160) ** 0.5, rel=0.05)
