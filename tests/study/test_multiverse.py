"""A study's multiverse: which specifications there are, what a run gives, what is kept, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.study import specifications as specifications_module

pytestmark = pytest.mark.filterwarnings("ignore::annotune.errors.AnnotuneWarning")
FEW = {"seed": [1, 2], "gold": ["majority", {"rule": "coder", "coder": "anna"}], "cutoffs": ["share", "f1"]}


def changed(study: Path, old: str, new: str) -> None:
    text = study.read_text(encoding="utf-8")
    assert old in text
    study.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated study, not run."""
    path = at.demo(tmp_path_factory.mktemp("multiverse"), n=400, n_coded=240).study
    assert path is not None
    changed(path, "seed: 1", "seed: 1, method: probe, folds: 2")
    changed(path, "gold: {rule: adjudicated, coder: carla}", "gold: {rule: majority}")
    return path


@pytest.fixture(scope="module")
def few(study: Path):
    return at.multiverse(study, FEW)


def test_every_combination_is_there_once_with_the_choices_that_it_makes_use_of(few):
    counts = dict(few.table.group_by("estimator").len().iter_rows())
    # by hand 2 gold rules; naive 2 seeds x 2 rules x 2 cut-offs; corrected by probabilities 4, by labels 8
    assert counts == {"hand-coded only": 2, "naive": 8, "corrected": 12}
    corrected = few.table.filter(estimator="corrected")
    assert corrected.filter(pl.col("cutoffs").is_null())["prediction"].unique().to_list() == ["prob"]
    assert few.table.filter(estimator="naive")["prediction"].null_count() == 8
    assert few.table.filter(estimator="hand-coded only")["seed"].null_count() == 2
    assert few.table.filter(pl.col("own"))["estimator"].to_list() == ["hand-coded only", "naive", "corrected"]


def test_the_studys_own_specification_is_what_its_run_gives(few, study: Path):
    correction = at.run(study).corrections[0].tidy().filter(pl.col("term") == "party[opposition]")
    ours = few.table.filter(pl.col("own"))
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        assert ours[name].to_list() == pytest.approx(correction[name].to_list(), abs=1e-5), name
    assert ours["n_coded"].to_list() == [correction["n"][0]] * 3
    again = at.multiverse(study, FEW)  # now the run's own predictions are there, and count once
    assert again.flips["n"].to_list() == few.flips["n"].to_list()


def test_another_seed_and_another_gold_rule_give_what_a_study_with_these_gives(few, study: Path, tmp_path: Path):
    text = study.read_text(encoding="utf-8").replace("seed: 1", "seed: 2, cutoffs: f1")
    text = text.replace("gold: {rule: majority}", "gold: {rule: coder, coder: anna}")
    other = study.with_name("other.yaml")
    other.write_text(re.sub(r"write: \[results.*\]", "write: [other.csv]", text).replace("report.html", "other.html"))
    correction = at.run(other).corrections[0].tidy().filter(pl.col("term") == "party[opposition]")
    mine = few.table.filter((pl.col("seed") == "2") & (pl.col("gold") == "coder anna"))
    naive = mine.filter(estimator="naive", cutoffs="f1")
    corrected = mine.filter(estimator="corrected", prediction="prob")
    assert naive["estimate"].to_list() == pytest.approx(
        correction.filter(method="naive")["estimate"].to_list(), abs=1e-5
    )
    assert corrected["conf_low"].to_list() == pytest.approx(
        correction.filter(method="corrected")["conf_low"].to_list(), abs=1e-5
    )


def test_what_is_finished_is_not_computed_again(study: Path, monkeypatch: pytest.MonkeyPatch):
    learnt: list[str] = []
    folded = specifications_module._folded

    def counted(*parts, **options):
        learnt.append(parts[3])
        return folded(*parts, **options)

    monkeypatch.setattr(specifications_module, "_folded", counted)
    first = at.multiverse(study, FEW)
    assert learnt == []
    more = at.multiverse(study, FEW | {"seed": [1, 2, 3]})
    assert learnt == ["topic"] * 2  # the new seed's, by both gold rules
    assert set(first.table["estimate"]) <= set(more.table["estimate"])
    at.multiverse(study, {"seed": 1, "gold": "majority", "cutoffs": "share", "prediction": "prob"}, again=True)
    assert len(learnt) == 3


def test_a_tuned_network_is_one_more_way_and_its_folds_are_kept(study: Path):
    changes = {"seed": 1, "gold": "majority", "cutoffs": ["share", "likeliest"], "prediction": "prob"}
    text = study.read_text(encoding="utf-8")
    quick = study.with_name("quick.yaml")
    quick.write_text(text.replace("method: probe", "epochs: 1"), encoding="utf-8")
    result = at.multiverse(quick, changes | {"method": ["probe", "lora"]})
    assert dict(result.table.group_by("estimator").len().iter_rows()) == {
        "hand-coded only": 1, "naive": 4, "corrected": 2,
    }  # fmt: skip
    kept = {path.name for path in (study.parent / "annotune-work-quick" / "multiverse").rglob("*.npz")}
    assert {"fold-1.npz", "fold-2.npz", "uncoded-1.npz", "uncoded-2.npz"} <= kept


def test_another_wording_of_the_codebook_is_a_choice_and_other_labels_are_none(study: Path):
    wording = (study.parent / "codebook.yaml").read_text(encoding="utf-8")
    (study.parent / "reworded.yaml").write_text(wording.replace("Hospitals, doctors,", "Clinics, physicians,"))
    (study.parent / "fewer.yaml").write_text(wording.replace("name: Health", "name: Medicine"))
    one = {"seed": 1, "gold": "majority", "cutoffs": "share", "prediction": "prob"}
    result = at.multiverse(study, one | {"codebook": ["codebook.yaml", "reworded.yaml"]})
    assert result.table.filter(estimator="naive")["codebook"].to_list() == ["codebook.yaml", "reworded.yaml"]
    with pytest.raises(at.AnnotuneError, match=r"fewer\.yaml: the labels of 'topic' are not those of codebook\.yaml"):
        at.multiverse(study, one | {"codebook": "fewer.yaml"})


def test_another_models_codings_stand_in_place_of_a_tuned_ones(study: Path):
    truth = pl.read_csv(study.parent / "truth.csv").with_columns(coder=pl.lit("gpt"))
    truth.write_csv(study.parent / "gpt.csv")
    text = study.read_text(encoding="utf-8").replace("coder_carla.csv]", "coder_carla.csv, gpt.csv]")
    text = text.replace("gold: {rule: majority}", "gold: {rule: majority, coders: [anna, ben, carla]}")
    by_gpt = study.with_name("by_gpt.yaml")
    by_gpt.write_text(text, encoding="utf-8")
    part = {"seed": 1, "gold": [{"rule": "majority", "coders": ["anna", "ben", "carla"]}], "cutoffs": "share"}
    result = at.multiverse(by_gpt, part | {"prediction": "prob", "coder": "gpt"})
    mine = result.table.filter(coder="gpt")
    assert mine["estimator"].to_list() == ["naive", "corrected"]
    assert mine["base"].null_count() == 2
    corpus = pl.read_csv(study.parent / "questions.csv").join(truth, on="unit_id")
    shares = corpus.group_by("party").agg((pl.col("topic") == "Health").mean()).sort("party")["topic"]
    assert mine.filter(estimator="naive")["estimate"][0] == pytest.approx(shares[1] - shares[0])
    with pytest.raises(at.AnnotuneError, match=r"'anna' coded 240 of 400 texts"):
        at.multiverse(by_gpt, part | {"coder": "anna"})


def test_usual_gold_rules_are_those_that_the_codings_allow(study: Path):
    file = at.Study(codebook="codebook.yaml", corpus="questions.csv")
    book = at.read_codebook(study.parent / "codebook.yaml")
    codings = at.read_codings(
        [study.parent / name for name in ("coder_anna.xlsx", "coder_ben.dta", "coder_carla.csv")], book
    )
    golds = specifications_module._usual_golds(file.gold, codings, book.variables)
    assert [(gold.rule, gold.coder) for gold in golds] == [
        ("majority", None), ("unanimous", None), ("dawid_skene", None), ("coder", "anna"), ("coder", "ben"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"sede": 1}, r"sede cannot be 1\. Did you mean 'seed'\?"),
        ({"cutoffs": "f2"}, r"cutoffs\.0 cannot be 'f2'"),
        ({"gold": "mostly"}, "There is no rule 'mostly'"),
        ({"formula": "topic == 'Law' ~ party"}, r"formula: .* is not in correct:"),
        ({"term": "party[opposed]", "seed": 1, "gold": "majority", "cutoffs": "share"}, r"has no coefficient"),
        ({"coder": "gtp"}, r"nobody is called 'gtp'"),
    ],
)
def test_choices_that_there_are_not_are_refused_in_a_sentence(study: Path, choices, message: str):
    with pytest.raises(at.AnnotuneError, match=message):
        at.multiverse(study, choices)


def test_a_study_without_a_correction_has_nothing_to_vary(study: Path):
    plain = study.with_name("plain.yaml")
    text = study.read_text(encoding="utf-8").split("sample: simple")[0]
    plain.write_text(text, encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="no regression is corrected"):
        at.multiverse(plain)
    plain.write_text(text + "multiverse: {seed: [1, 2]}\n", encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="multiverse: no regression is corrected"):
        at.run(plain)


def test_a_study_writes_its_multiverse_and_has_it_in_its_report(study: Path):
    whole = study.with_name("whole.yaml")
    part = "multiverse: {seed: 1, gold: [majority, unanimous], cutoffs: share, write: [m.csv, m.dta], plot: m.png}\n"
    text = study.read_text(encoding="utf-8").replace("report.html", "whole.html")
    whole.write_text(re.sub(r"write: \[results.*\]", "write: [whole.csv]", text) + part, encoding="utf-8")
    results = at.run(whole)
    assert results.multiverse is not None
    assert {"m.csv", "m.dta", "m.png", "whole.html"} <= {path.name for path in results.files}
    table = pl.read_csv(study.parent / "m.csv")
    assert len(table) == len(results.multiverse.table) == 2 + 2 + 4
    page = (study.parent / "whole.html").read_text(encoding="utf-8")
    assert "Other choices" in page
    assert "specifications" in page
    assert at.verify(whole).is_sound


def test_the_command_line_says_and_writes_the_same(study: Path, few, tmp_path: Path):
    lines = "multiverse: {seed: [1, 2], gold: [majority, {rule: coder, coder: anna}], cutoffs: [share, f1]}\n"
    typed = study.with_name("typed.yaml")
    typed.write_text(study.read_text(encoding="utf-8") + lines, encoding="utf-8")
    words = ["multiverse", str(typed), "--write", str(tmp_path / "m.csv"), "--plot", str(tmp_path / "m.pdf")]
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    assert answer.exit_code == 0
    assert "under 20 specifications, 8 naive and 12 corrected" in " ".join(answer.output.split())
    assert pl.read_csv(tmp_path / "m.csv")["estimate"].to_list() == pytest.approx(few.table["estimate"].to_list())
    assert (tmp_path / "m.pdf").exists()
