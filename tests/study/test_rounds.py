"""Rounds of a study: drawn one by one, their figures kept, the evaluation set kept apart, forecasts that come true."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import annotune as at
from annotune.hybrid.rounds import Rounds
from annotune.study import round_figures

STUDY = """\
codebook: codebook.yaml
corpus: {path: questions.csv}
sample:
  rounds: {ROUNDS}
reliability: {n_boot: 100}
tune: {variable: topic, seed: 1, method: probe, folds: 2}
write: [results.parquet]
correct: {formulas: ["topic == 'Health' ~ party"], write: [regression.csv]}
report: report.html
"""
ROUNDS = """n: 50, first: 100, evaluation: 60, design: active, for: "topic == 'Health' ~ party", """
ROUNDS += "coders: [anna, ben], overlap: 0.3, stop: {rounds: 2}"
N = 500
pytestmark = pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")  # so few codings are told of
UNCLEAR = ["Migration", "Security"]


@dataclass(frozen=True)
class Story:
    """A study of two rounds, with what was said after each step, and copies of its folder in which a test may work."""

    folder: Path
    drawn: Rounds
    half_coded: Rounds
    first: Rounds
    drawn_again: Rounds
    both: Rounds

    @property
    def study(self) -> Path:
        return self.folder / "study.yaml"

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return to / "study.yaml"


def study_of(folder: Path, rounds: str = ROUNDS) -> Path:
    path = folder / "study.yaml"
    path.write_text(STUDY.replace("ROUNDS", rounds), encoding="utf-8")
    return path


def parliament(folder: Path) -> Path:
    """A simulated corpus, its codebook and the true topics; nobody has coded anything."""
    at.demo(folder, n=N, n_coded=20)
    for path in (*folder.glob("coder_*"), folder / "study.yaml"):
        path.unlink()
    return folder


def code(folder: Path, sheets: str) -> None:
    """Fill coding sheets as people would who know Migration from Security by chance alone."""
    truth = dict(pl.read_csv(folder / "truth.csv").select("unit_id", "topic").iter_rows())
    for path in sorted(folder.glob(sheets)):
        rng = np.random.default_rng(sum(path.name.encode()))
        book = openpyxl.load_workbook(path)
        page = book.worksheets[0]
        head = [cell.value for cell in page[1]]
        for row in page.iter_rows(min_row=2):
            topic = truth[row[head.index("unit_id")].value]
            unclear = topic in UNCLEAR
            row[head.index("topic")].value = str(rng.choice(UNCLEAR)) if unclear else topic
        book.save(path)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = parliament(tmp_path_factory.mktemp("rounds"))
    study = study_of(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)  # so few codings are told of, each in its own way
        drawn = at.rounds(study)
        code(folder, "coding_sheet_round_1_*")
        half_coded = at.rounds(study)
        code(folder, "coding_sheet_evaluation_*")
        first = at.rounds(study)
        drawn_again = at.rounds(study, another=True)
        code(folder, "coding_sheet_round_2_*")
        both = at.rounds(study)
    return Story(folder, drawn, half_coded, first, drawn_again, both)


def test_each_call_says_what_is_due(story: Story) -> None:
    assert (story.drawn.n, story.half_coded.n) == (0, 0)
    for sentence in (
        "The evaluation set: 60 texts were drawn from 500.",
        "Round 1: 100 texts were drawn from 440.",
        f"anna codes 65 in {story.folder / 'coding_sheet_round_1_anna.xlsx'}",
        f"go on with: annotune round {story.study}",
    ):
        assert sentence in story.drawn.due
    assert "The evaluation set is not coded yet: anna has 39 of 39 texts left" in story.half_coded.due
    assert f"For 50 more texts: annotune round {story.study} --next" in story.first.due
    assert "Round 2: 50 texts were drawn from 340." in story.drawn_again.due
    assert story.drawn_again.table.equals(story.first.table)
    assert story.both.rule == "The rule is reached: 2 rounds were to be made."
    assert story.both.due == f"Finish with: annotune run {story.study}"
    with pytest.raises(at.AnnotuneError, match=r"one too many.*change stop"):
        at.rounds(story.study, another=True)


def test_the_evaluation_set_is_simple_and_blind_and_later_rounds_go_by_the_model(story: Story) -> None:
    draws = at.read_draws(story.folder / "study.annotune")
    assert draws.filter("drawn").group_by("wave").len().sort("wave")["len"].to_list() == [60, 100, 50]
    assert draws.group_by("wave").agg(pl.col("pi").n_unique()).sort("wave")["pi"].to_list()[:2] == [1, 1]
    assert draws.filter(wave=3)["pi"].n_unique() > 50
    people = at.read_draws(story.folder / "study.annotune", of="people")
    assert people.group_by("wave").agg(pl.col("arm").unique()).sort("wave")["arm"].to_list() == [
        ["blind"], ["open"], ["open"],
    ]  # fmt: skip


def test_one_row_per_round(story: Story) -> None:
    table, rows = story.both.table, story.both.coefficients.filter(term="party[opposition]")
    assert table.drop("hours", "cost").null_count().sum_horizontal()[0] == 0
    gold = at.resolve(
        at.read_codings(story.folder / "study.annotune", at.read_codebook(story.folder / "codebook.yaml"))
    )
    wave = at.read_draws(story.folder / "study.annotune").filter("drawn").select("unit_id", "wave")
    by_wave = gold.filter(status="ok").join(wave, on="unit_id").group_by("wave").len().sort("wave")["len"].to_list()
    assert table["n_coded"].to_list() == [by_wave[1], by_wave[1] + by_wave[2]]
    assert table["codings"].to_list() == [2 * 39 + 2 * 65, 2 * 39 + 2 * 65 + 65]
    assert table["n_evaluation"][0] <= by_wave[0]
    assert table["hours"].null_count() == 2  # a sheet does not say
    width = rows["conf_high"] - rows["conf_low"]
    assert width[1] < width[0]
    assert width[1] == pytest.approx(rows["expected_width"][0], rel=0.25)
    assert rows["n_next"].to_list() == [50, 50]
    unclear = story.both.labels.filter(round=2).sort("alpha")["label"].to_list()[:2]
    assert set(unclear) == set(UNCLEAR)
    words = " ".join(story.both.words)
    assert "50 more codings are expected to narrow the interval of party[opposition] by" in words
    assert f"Agreement on '{unclear[0]}' of topic is" in words
    assert "Round 2" in repr(story.drawn_again)
    assert "party[opposition]" in repr(story.both)


def test_nothing_rests_on_the_evaluation_set_but_its_own_figure(story: Story, tmp_path: Path) -> None:
    study = story.copy(tmp_path)
    truth = pl.read_csv(tmp_path / "truth.csv")
    apart = at.read_draws(tmp_path / "study.annotune").filter(pl.col("drawn") & (pl.col("wave") == 1))["unit_id"]
    wrong = pl.DataFrame({"unit_id": apart, "variable": "topic", "label": "Economy"})
    for name in ("anna", "ben"):
        people = at.read_draws(tmp_path / "study.annotune", of="people").filter(wave=1, coder=name)["unit_id"]
        own = wrong.filter(pl.col("unit_id").is_in(people.implode())).with_columns(coder=pl.lit(name))
        at.record(tmp_path / "study.annotune", at.read_codings(own))
    for path in tmp_path.glob("coding_sheet_evaluation_*"):
        path.unlink()
    again = at.rounds(study)
    assert len(truth) == N
    own_figures = [name for name in story.both.table.columns if name.startswith(("evaluation_f1", "n_evaluation"))]
    assert_frame_equal(again.table.drop(own_figures), story.both.table.drop(own_figures))
    assert (again.table["evaluation_f1"] < story.both.table["evaluation_f1"] - 0.2).all()
    assert_frame_equal(again.coefficients, story.both.coefficients)
    assert_frame_equal(again.labels, story.both.labels)


def test_figures_are_kept_and_made_again_when_what_they_rest_on_changes(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = story.copy(tmp_path)
    computed: list[int] = []

    def figures(one: round_figures.Round, steps: object) -> dict[str, object]:
        computed.append(one.number)
        rows = story.both.table.filter(round=one.number).drop("codings", "hours", "cost")
        return {"table": rows.to_dicts(), "labels": [], "coefficients": []}

    monkeypatch.setattr(round_figures, "_computed", figures)
    assert_frame_equal(at.rounds(study).table, story.both.table)
    assert computed == []
    kept = tmp_path / "annotune-work" / "rounds" / "round_2.json"
    kept.write_text(kept.read_text().replace("0.", "1.", 1))
    with pytest.warns(at.AnnotuneWarning, match="round_2.json is damaged"):
        at.rounds(study)
    assert computed == [2]
    codings = at.read_codings(tmp_path / "study.annotune").filter(pl.col("wave") == 2, pl.col("label") == "Health")
    changed = codings.head(1).select("unit_id", "variable", "coder", label=pl.lit("Economy"))
    for path in tmp_path.glob("coding_sheet*"):
        path.unlink()
    at.record(tmp_path / "study.annotune", at.read_codings(changed))
    at.rounds(study)
    assert computed == [2, 1, 2]


def test_the_end_counts_the_evaluation_set_once(story: Story, tmp_path: Path) -> None:
    study = story.copy(tmp_path)
    results = at.run(study)
    assert results.done["tune topic"] == results.done["classify topic"] == "up to date"
    assert results.rounds is not None
    assert_frame_equal(results.rounds.table, story.both.table)
    table = story.both.table
    (fit,) = results.corrections
    assert any("3 waves" in note for note in fit.notes)
    assert fit.n_coded > table["n_coded"][-1] + 0.8 * table["n_evaluation"][-1]
    model = at.load(tmp_path / "annotune-work" / "topic" / "model")
    apart = at.read_draws(tmp_path / "study.annotune").filter(pl.col("drawn") & (pl.col("wave") == 1))["unit_id"]
    assert model.held_out is not None
    assert not set(apart) & set(model.held_out["unit_id"])
    effect = fit.tidy().filter(method="corrected", term="party[opposition]").row(0, named=True)
    assert effect["conf_low"] < 0.12 < effect["conf_high"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "nothing was decided on it" in page
    assert 'aria-label="Rounds: round 1' in page


def test_a_round_that_was_killed_goes_on(story: Story, tmp_path: Path) -> None:
    study = story.copy(tmp_path)
    shutil.rmtree(tmp_path / "annotune-work")
    call = [sys.executable, "-c", "from annotune.cli import main; main()", "round", str(study)]
    for step in ("Tune topic", "Correcting the regressions"):
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step):
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not list((tmp_path / "annotune-work").glob("rounds/*.json"))
    picture, table = tmp_path / "rounds.png", tmp_path / "rounds.csv"
    done = subprocess.run(
        [*call, "--plot", picture, "--write", table], capture_output=True, text=True, timeout=600, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "The rule is reached" in done.stdout
    assert picture.stat().st_size > 10_000
    assert_frame_equal(
        pl.read_csv(table).select("macro_f1", "evaluation_f1", "alpha"),
        story.both.table.select("macro_f1", "evaluation_f1", "alpha"),
    )


@pytest.mark.parametrize(
    ("rounds", "complaint"),
    [
        (ROUNDS.replace("evaluation: 60, ", ""), "round 1 was drawn with for: evaluation, not None"),
        (ROUNDS.replace("evaluation: 60", "evaluation: 80"), "the evaluation set was drawn with n: 60, not 80"),
        (ROUNDS.replace("rounds: 2", "round: 2"), r"study\.yaml, line 4: sample"),
        (ROUNDS.replace("n: 50, ", ""), r"study\.yaml, line 4: sample"),
    ],
)
def test_what_was_drawn_stays(story: Story, tmp_path: Path, rounds: str, complaint: str) -> None:
    story.copy(tmp_path)
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.rounds(study_of(tmp_path, rounds))


def test_rounds_to_come_may_be_others(story: Story, tmp_path: Path) -> None:
    story.copy(tmp_path)
    longer = at.rounds(study_of(tmp_path, ROUNDS.replace("n: 50", "n: 30").replace("rounds: 2", "rounds: 3")))
    assert longer.coefficients["n_next"].to_list() == [50, 50, 30, 30]
    assert "For 30 more texts" in longer.due


@pytest.mark.parametrize(
    ("rounds", "complaint"),
    [
        ("n: 0", r"study\.yaml, line 4: sample, rounds, n: it must be 1 or more\. Mend"),
        ("n: 5, stop: {macro_f1: 70}", "stop, macro_f1: it must be less than 1"),
        ("n: 5, stop: {std_error: 0}", "stop, std_error: it must be more than 0"),
        ("n: 5, enough: 2", "enough: it must be 1 or less"),
    ],
)
def test_a_number_that_cannot_be_is_told_with_its_bound(tmp_path: Path, rounds: str, complaint: str) -> None:
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.rounds(study_of(tmp_path, rounds))


def test_a_study_without_rounds_is_refused(tmp_path: Path) -> None:
    study = at.demo(tmp_path, n=60, n_coded=40).study
    with pytest.raises(at.AnnotuneError, match=r"draws no texts in rounds\..*sample: {rounds:"):
        at.rounds(study)
    with pytest.raises(at.AnnotuneError, match="nothing to draw"):
        at.plot_rounds(Rounds())
    with pytest.raises(at.AnnotuneError, match="of design='active'"):
        at.sample(
            pl.DataFrame({"unit_id": ["a"], "text": ["x"]}), 1, design="stratified", strata="t", for_="evaluation"
        )


def asked(link: str, what: str, content: dict[str, object] | None = None) -> dict[str, Any]:
    """What the coding page's server says to a question, or to what is posted."""
    address, token = link.split("/code/")
    head = {"X-Annotune-Token": token, "Content-Type": "application/json", "Origin": address}
    data = None if content is None else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/api/{what}", data, head)) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code != 429:  # too much at once for a person
            raise
        time.sleep(1)
        return asked(link, what, content)


def test_a_round_that_is_coded_on_the_page_knows_its_hours(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    parliament(tmp_path)
    study = study_of(tmp_path, "n: 40, first: 80, evaluation: 30, coders: [anna]")
    truth = dict(pl.read_csv(tmp_path / "truth.csv").select("unit_id", "topic").iter_rows())
    page = at.code(study, browser=False, wait=False, port=0, say=lambda line: None)  # draws what is due
    link = page.links["anna"]
    while not (item := asked(link, "item")).get("finished"):
        answer = {"labels": [truth[item["unit_id"]]], "status": "ok", "unsure": False, "note": ""}
        content = {"key": str(uuid.uuid4()), "unit_id": item["unit_id"], "version": item["version"], "seconds": 36.0}
        asked(link, "answer", content | {"answers": {"topic": answer}})
    page.stop()
    row = at.rounds(study).table.row(0, named=True)
    assert (row["n_coded"], row["codings"], row["n_evaluation"]) == (80, 110, 30)
    assert row["hours"] == pytest.approx(110 * 36 / 3600)
