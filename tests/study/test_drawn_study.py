"""A study that draws its texts: from the draw over coding sheets to a corrected regression, in one wave and in two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Literal

import openpyxl
import polars as pl
import pytest

import annotune as at
from annotune.errors import PeopleNeeded
from annotune.hybrid.store import now, open_store

STUDY = """\
codebook: codebook.yaml
corpus: {path: questions.csv}
sample: SAMPLE
reliability: {n_boot: 100}
tune: {variable: topic, seed: 1, method: probe, folds: 2}
write: [results.parquet]
correct: {formulas: ["topic == 'Health' ~ party"], write: [regression.csv]}
"""
ONE = "{n: 240, design: stratified, strata: party, coders: [anna, ben], overlap: 0.25, blind: 0.1}"
N = 700


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A simulated corpus, its codebook and the true topics; nobody has coded anything."""
    at.demo(tmp_path, n=N, n_coded=20)
    for path in (*tmp_path.glob("coder_*"), tmp_path / "study.yaml"):
        path.unlink()
    return tmp_path


def study_of(folder: Path, sample: str, correct: bool = True) -> Path:
    path = folder / "study.yaml"
    text = STUDY if correct else STUDY[: STUDY.index("correct:")]
    path.write_text(text.replace("SAMPLE", sample), encoding="utf-8")
    return path


def code(folder: Path, sheet: str, leave: int = 0) -> None:
    """Fill a coding sheet with the truth, and leave the last texts empty."""
    truth = dict(pl.read_csv(folder / "truth.csv").select("unit_id", "topic").iter_rows())
    book = openpyxl.load_workbook(folder / sheet)
    page = book.worksheets[0]
    head = [cell.value for cell in page[1]]
    rows = list(page.iter_rows(min_row=2))
    for row in rows[: len(rows) - leave]:
        unit = row[head.index("unit_id")].value
        row[head.index("topic")].value = truth[unit]
    book.save(folder / sheet)


def test_from_the_draw_to_a_correction_that_holds_the_truth(folder: Path) -> None:
    study = study_of(folder, ONE)
    with pytest.raises(
        PeopleNeeded, match=r"Wave 1: 240 texts were drawn from 700\..*anna codes 150 in .*annotune run"
    ):
        at.run(study)
    draws = at.read_draws(folder / "study.annotune")
    with pytest.raises(PeopleNeeded, match=r"anna has 150 of 150 texts left, ben has 150 of 150 texts left"):
        at.run(study)
    code(folder, "coding_sheet_anna.xlsx")
    code(folder, "coding_sheet_ben.xlsx", leave=3)
    with pytest.raises(PeopleNeeded, match=r"not coded yet: ben has 3 of 150 texts left.*enough: 0\.99"):
        at.run(study)
    code(folder, "coding_sheet_ben.xlsx")
    results = at.run(study)
    assert at.read_draws(folder / "study.annotune").equals(draws)  # nothing was drawn anew
    assert at.read_draws(folder / "study.annotune", of="people")["unit_id"].is_duplicated().sum() == 2 * 60
    data, truth = results.data, pl.read_csv(folder / "truth.csv")
    drawn = set(draws.filter("drawn")["unit_id"])
    assert set(data.filter(pl.col("topic_gold").is_not_null())["unit_id"]) <= drawn
    assert set(data.filter("topic_coded")["unit_id"]) <= drawn
    pi = data.select("unit_id", "topic_pi").join(draws.select("unit_id", "pi"), on="unit_id")
    assert (pi["topic_pi"] == pi["pi"]).all()
    share = float((truth["topic"] == "Health").mean())  # type: ignore[arg-type]
    row = at.prevalence(data, "topic", methods=["dsl"]).filter(label="Health").row(0, named=True)
    assert row["conf_low"] < share < row["conf_high"]
    (fit,) = results.corrections
    effect = fit.tidy().filter(method="corrected", term="party[opposition]").row(0, named=True)
    assert effect["conf_low"] < 0.12 < effect["conf_high"]
    assert at.run(study).done["tune topic"] == "up to date"


@pytest.mark.parametrize("texts", ["all", "none"])
def test_a_drawn_study_is_replicated_with_its_draw(
    folder: Path, demo_base: Path, texts: Literal["all", "none"]
) -> None:
    shutil.copytree(demo_base, folder / "base")
    study = study_of(folder, ONE)
    study.write_text(study.read_text("utf-8").replace("seed: 1,", "seed: 1, base: base,"), "utf-8")
    with pytest.raises(PeopleNeeded):
        at.run(study)
    for coder in ("anna", "ben"):
        code(folder, f"coding_sheet_{coder}.xlsx")
    at.run(study)
    draws = at.read_draws(folder / "study.annotune")
    bundle = at.bundle(study, folder / "drawn.zip", texts=texts)
    again = at.replicate(bundle, folder / "again")
    assert (again.state, again.tables.filter(table="coefficients")["n_cells"].item() > 0) == ("identical", True)
    assert at.read_draws(folder / "again" / "study" / "study.annotune").equals(draws)


@pytest.mark.filterwarnings("ignore:'dsl_y' rests on fewer than")
def test_a_second_wave_goes_by_what_the_first_taught(folder: Path) -> None:
    one = "{n: 120, coders: [anna]}"
    study = study_of(folder, f"[{one}]")
    with pytest.raises(PeopleNeeded, match="anna codes 120"):
        at.run(study)
    code(folder, "coding_sheet_anna.xlsx")
    first = at.run(study).corrections[0]
    study = study_of(folder, f"""[{one}, {{design: active, n: 80, for: "topic == 'Health' ~ party"}}]""")
    with pytest.raises(PeopleNeeded, match=r"Wave 2: 80 texts were drawn from 580\..*coding_sheet_2_anna\.xlsx"):
        at.run(study)
    draws = at.read_draws(folder / "study.annotune").filter(wave=2)
    assert draws["pi"].n_unique() > 50
    assert draws["pi"].sum() == pytest.approx(80)
    code(folder, "coding_sheet_2_anna.xlsx")
    results = at.run(study)
    (second,) = results.corrections
    assert (first.n_coded, second.n_coded) == (120, 200)
    assert any("2 waves (120, 80)" in note for note in second.notes)
    assert results.data["topic_wave"].value_counts().sort("topic_wave", nulls_last=True)["count"].to_list() == [
        120, 80, 500,
    ]  # fmt: skip
    assert (results.data["topic_weight"] > 0).sum() == 200  # which the scripts weigh by, in place of 1 / pi
    effect = second.tidy().filter(method="corrected", term="party[opposition]").row(0, named=True)
    assert effect["conf_low"] < 0.12 < effect["conf_high"]


def test_the_command_line_says_what_people_do_next_and_is_not_in_error(
    folder: Path, command: Callable[..., CompletedProcess[str]]
) -> None:
    study = study_of(folder, "{n: 60}")
    done = command("run", study)
    assert done.returncode == 0, done.stderr
    assert "Wave 1: 60 texts were drawn from 700." in done.stdout
    assert f"somebody codes 60 in {folder / 'coding_sheet.xlsx'}" in done.stdout
    assert f"annotune run {study}" in done.stdout
    code(folder, "coding_sheet.xlsx", leave=20)
    with pytest.raises(PeopleNeeded, match="Somebody has 20 of 60 texts left"):
        at.run(study)


def test_enough_is_enough_and_proposals_are_no_gold(folder: Path) -> None:
    study = study_of(folder, "{n: 100, coders: [anna], enough: 0.9}", correct=False)
    with pytest.raises(PeopleNeeded):
        at.run(study)
    code(folder, "coding_sheet_anna.xlsx", leave=8)
    request = (
        "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
        "VALUES (?, 'q', '', ?, 'gpt', 'openai', 'gpt', 'p', '{}', 'ok')"
    )
    units = pl.read_csv(folder / "truth.csv")["unit_id"].to_list()
    with open_store(folder / "study.annotune") as store, store.change() as connection:
        for unit in units:
            connection.execute(request, [unit, unit])
            connection.execute("INSERT INTO proposals VALUES (?, 'topic', 0, 'Migration', .9, 'ok', '')", [unit])
    with pytest.warns(at.AnnotuneWarning, match="700 proposals by 'gpt' are no gold"):
        results = at.run(study)
    assert results.gold["unit_id"].n_unique() == 92
    assert set(results.reliability["n_coders"]) == {1}
    assert results.data["topic_gold"].count() == 92
    study.write_text(study.read_text().replace("{n_boot: 100}", "{n_boot: 100, coders: [anna, gpt]}"))
    with pytest.warns(at.AnnotuneWarning, match="are no gold"):
        named = at.run(study)
    assert set(named.reliability["n_coders"]) == {2}  # who is named counts, a model as well


@pytest.mark.parametrize(
    ("sample", "complaint"),
    [
        ("{n: 800}", "n=800: so many texts cannot be drawn from the 700"),
        ("{n: 60, design: activ}", r"study\.yaml, line 3: sample"),
        ("{n: 60, coders: [anna, Anna]}", "two coders are called 'Anna'"),
        ("{n: 60, pi: 0.1}", r"study\.yaml, line 3: sample"),
        ("{n: 60, design: active, for: share}", "no codings to sample from.*design: simple"),
        ("simple", "codings: it is missing.*sample: {n: 300"),
    ],
)
def test_a_draw_that_cannot_be_is_refused_and_leaves_nothing(folder: Path, sample: str, complaint: str) -> None:
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.run(study_of(folder, sample))
    store = folder / "study.annotune"
    assert not store.exists() or at.read_draws(store).is_empty()
    assert not list(folder.glob("*.xlsx"))


def test_a_wave_that_was_drawn_stays_as_it_was(folder: Path) -> None:
    with pytest.raises(PeopleNeeded):
        at.run(study_of(folder, "{n: 60}"))
    with pytest.raises(at.AnnotuneError, match=r"wave 1 was drawn with n: 60, not 90\..*add a wave"):
        at.run(study_of(folder, "{n: 90}"))


def test_draws_may_be_made_elsewhere(folder: Path) -> None:
    corpus, codebook = at.read_corpus(folder / "questions.csv"), at.read_codebook(folder / "codebook.yaml")
    at.sample(corpus, 100, store=folder / "own.annotune", write=folder / "mine.xlsx", codebook=codebook, coders=["eve"])
    code(folder, "mine_eve.xlsx")
    at.record(folder / "own.annotune", folder / "mine_eve.xlsx")
    study = study_of(folder, "{draws: own.annotune}\ncodings: own.annotune", correct=False)
    data = at.run(study).data
    assert data["pi"].unique().to_list() == pytest.approx([1 / 7])
    assert data.filter(pl.col("wave") == 1)["topic_gold"].count() == data["topic_gold"].count() == 100
    assert at.verify(study).is_sound


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
def test_what_proposals_did_is_in_the_report_of_a_study_whose_coders_saw_some(folder: Path) -> None:
    """Half of the open answers are the proposal, Security; the others and blind ones are the truth."""
    study = study_of(folder, ONE.replace("blind: 0.1", "blind: 0.5"), correct=False)
    study.write_text(study.read_text("utf-8") + "report: report.html\n", "utf-8")
    with pytest.raises(PeopleNeeded):
        at.run(study)
    store = folder / "study.annotune"
    truth = dict(pl.read_csv(folder / "truth.csv").select("unit_id", "topic").iter_rows())
    seen = [{"coder": "gpt", "labels": ["Security"], "status": "ok", "decoy": False}]
    with open_store(store) as kept, kept.change() as connection:
        people = at.read_draws(store, of="people").select("unit_id", "coder", "arm", "place")
        for unit, coder, arm, place in people.iter_rows():
            shown = seen if arm == "open" else []
            label = "Security" if shown and place % 2 else truth[unit]
            connection.execute(
                "INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, arm, proposals) "
                "VALUES (?, ?, 'topic', ?, ?, 'ok', 1, ?, ?)",
                [now(), unit, coder, json.dumps([label]), arm, json.dumps(shown)],
            )
    at.run(study)
    page = (folder / "report.html").read_text("utf-8")
    assert "What proposals did to answers" in page
    found = at.anchoring(store).shares.filter(label="Security").row(0, named=True)
    assert found["share_shown"] > 0.5 > found["share_blind"]
    assert f"{found['share_blind']:.3f}" in page
    before = (folder / "report.html").stat().st_mtime_ns
    at.run(study)
    assert (folder / "report.html").stat().st_mtime_ns == before
