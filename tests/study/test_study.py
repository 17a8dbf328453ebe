"""A study from files to files: what it gives, what it does again, and what it says when it cannot."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyreadstat
import pytest
from rich.console import Console

import annotune as at
from annotune.commands import display
from annotune.data.codings import sound_codings
from annotune.records.fingerprints import file_sha256
from annotune.records.record import without_folders
from annotune.study import inputs, models
from annotune.study.file import read_study
from annotune.study.sources import words_of_file
from annotune.tuning import trials as trials_module

FAST = "method: probe, folds: 2"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def parliament(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated study, run once."""
    study = at.demo(tmp_path_factory.mktemp("study"), n=300, n_coded=100).study
    assert study is not None
    change(study, "seed: 1", f"seed: 1, {FAST}")
    at.run(study)
    return study


@pytest.fixture
def quick(demo_base: Path) -> tuple[str, str]:
    """What a study says of tuning, and the same with a small network, where how well it codes does not matter."""
    return "base: minilm, seed: 1", f"base: {demo_base}, seed: 1, {FAST}"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_questions_of_a_survey_tool_reach_the_results_as_variable_labels(tmp_path: Path) -> None:
    rows = (
        "ResponseId,Q2,Q7_TEXT\nID de la réponse,Quel âge avez-vous ?,Pourquoi ?\nR_1aB,34,Le salaire\nR_2cD,51,Rien\n"
    )
    (tmp_path / "enquête.csv").write_text(rows, encoding="utf-8")
    study = tmp_path / "study.yaml"
    corpus = "corpus: {path: enquête.csv, unit_id: ResponseId, text: Q7_TEXT}"
    study.write_text(f"codebook: book.yaml\n{corpus}\ncodings: a.csv\nwrite: [results.dta]\n", encoding="utf-8")
    assert words_of_file(read_study(study))[1]["Q2"] == "Quel âge avez-vous ?"
    (tmp_path / "enquête.csv").write_bytes(
        rows.replace("Quel âge avez-vous", "Łódź").replace("é", "e").encode("cp1250")
    )
    change(study, "text: Q7_TEXT}", "text: Q7_TEXT, encoding: cp1250}")
    assert words_of_file(read_study(study))[1]["Q2"] == "Łódź ?"  # of so few words it is not found out


@pytest.mark.parametrize(
    ("there", "says"),
    [("Codage Benoît.csv", "Did you mean 'Codage Benoît.csv'?"), ("Codage Benoi\u0302t.csv", "only looks the same")],
)
def test_the_file_that_may_be_meant_is_named(tmp_path: Path, there: str, says: str) -> None:
    for name in ("book.yaml", "texts.csv", there):
        (tmp_path / name).write_text("x", encoding="utf-8")
    study = tmp_path / "study.yaml"
    named = "Codage Benoît.csv" if "\u0302" in there else "Codage Benoit.csv"
    study.write_text(f"codebook: book.yaml\ncorpus: texts.csv\ncodings: [{named}]\nwrite: [a.dta]\n", encoding="utf-8")
    with pytest.raises(at.AnnotuneError) as error:
        at.run(study)
    assert f"{named} is not there" in str(error.value)
    assert says in str(error.value)


def test_every_text_comes_out_once_in_the_corpus_order(parliament: Path) -> None:
    data = pl.read_parquet(parliament.parent / "results.parquet")
    corpus = pl.read_csv(parliament.parent / "questions.csv")
    assert data["unit_id"].to_list() == corpus["unit_id"].to_list()
    assert data["topic"].null_count() == 0
    sums = data.select(pl.sum_horizontal(pl.selectors.starts_with("topic_p_"))).to_series()
    assert sums.is_between(0.999, 1.001).all()
    assert data["topic_gold"].count() >= 95


def test_the_model_beats_what_needs_no_model(parliament: Path) -> None:
    evaluation = at.load(parliament.parent / "annotune-work/topic/model").evaluation
    assert evaluation is not None
    assert evaluation.get("macro_f1") > 0.5 > evaluation.get("macro_f1", "most frequent label")
    assert evaluation.measures["n_units"].unique().len() == 1


def test_stata_file_has_the_codebooks_codes_and_labels(parliament: Path) -> None:
    path = parliament.parent / "results.dta"
    labelled = pd.read_stata(path)
    codes = pd.read_stata(path, convert_categoricals=False)
    assert set(zip(codes["topic"], labelled["topic"], strict=True)) <= {
        (1, "Economy"), (3, "Health"), (6, "Education"), (7, "Environment"), (9, "Migration"), (12, "Security"),
    }  # fmt: skip


def test_r_reads_factors_and_value_labels(parliament: Path) -> None:
    script = (
        "x <- readRDS('results.rds'); y <- haven::read_dta('results.dta');"
        "stopifnot(identical(levels(x$topic)[1:2], c('Economy', 'Health')), nrow(x) == 300,"
        "identical(as.character(haven::as_factor(y$topic)), as.character(x$topic)), is.character(x$unit_id))"
    )
    done = subprocess.run(["Rscript", "-e", script], cwd=parliament.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def record_of(folder: Path) -> dict[str, Any]:
    """The one record of a study's run."""
    (path,) = folder.glob("*.record.json")
    assert path == folder / "study.record.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def test_one_record_has_the_fingerprint_of_every_file(parliament: Path) -> None:
    folder = parliament.parent
    record = record_of(folder)
    outputs = {output["file"]: output["sha256"] for output in record["outputs"]}
    results = {f"results.{suffix}" for suffix in ("dta", "rds", "parquet", "csv", "do", "R")}
    assert outputs.keys() >= results | {"report.html"}
    assert len(outputs) == len(record["outputs"])
    for name, sha256 in outputs.items():
        assert sha256 == file_sha256(folder / name), name
    assert record["inputs"]["questions.csv"] == file_sha256(folder / "questions.csv")
    assert record["models"]["topic"]["settings"]["seed"] == 1
    assert record["runtimes"]["topic"]["runtime"] == "float32"
    assert {"torch", "polars", "annotune"} <= record["versions"].keys()


def test_a_folder_with_a_record_beside_every_file_goes_on(parliament: Path, tmp_path: Path) -> None:
    folder = tmp_path / "before"
    shutil.copytree(parliament.parent, folder)
    (folder / "study.record.json").unlink()
    for name in ("results.dta", "report.html"):
        (folder / f"{name}.record.json").write_text('{"what": "annotune run", "output": {}}')
    (folder / "results.other.record.json").write_text("{}")
    (folder / "annotune-work" / ".report.html.basis").rename(folder / "annotune-work" / "report.basis")
    again = at.run(folder / "study.yaml")
    assert again.record == folder / "study.record.json"
    assert (again.done["tune topic"], again.done["classify topic"]) == ("up to date", "up to date")
    records = sorted(path.name for path in folder.glob("*.record.json"))
    assert records == ["results.other.record.json", "study.record.json"]  # the first is no output of this study


def test_a_second_run_does_nothing_again_and_changes_no_byte(parliament: Path) -> None:
    before = {path.name: file_sha256(path) for path in parliament.parent.glob("results.*") if path.suffix != ".json"}
    again = at.run(parliament)
    assert again.done["tune topic"] == again.done["classify topic"] == "up to date"
    assert before == {name: file_sha256(parliament.parent / name) for name in before}


def test_a_variable_named_like_a_path_works_inside_the_study(parliament: Path) -> None:
    file = read_study(parliament)
    assert file.work_of("topic") == parliament.parent / "annotune-work" / "topic"
    assert file.work_of("../../victim").parent == parliament.parent / "annotune-work"
    source = Path(models.__file__).read_text(encoding="utf-8")
    assert "file.work /" not in source, "A name from a codebook is no path: use work_of."


def test_the_same_study_elsewhere_gives_the_same_bytes(parliament: Path, tmp_path: Path) -> None:
    study = at.demo(tmp_path, n=300, n_coded=100).study
    assert study is not None
    change(study, "seed: 1", f"seed: 1, {FAST}")
    at.run(study)
    for name in ("results.dta", "results.rds", "results.parquet", "results.csv", "results.do", "results.R"):
        assert file_sha256(study.parent / name) == file_sha256(parliament.parent / name), name
    one, other = record_of(parliament.parent), record_of(study.parent)
    for record in (one, other):
        record.pop("time")
        record["models"]["topic"].pop("time")
        record.pop("sha256")  # of all this, with the times
    assert one == other


def test_what_rests_on_a_change_is_done_again(tmp_path: Path, quick: tuple[str, str]) -> None:
    study = at.demo(tmp_path, n=120, n_coded=60).study
    assert study is not None
    change(study, *quick)
    assert at.run(study).done["tune topic"] == "done"
    change(study, "seed: 1", "seed: 2")
    assert at.run(study).done["tune topic"] == "done"
    change(study, "classify: {}", "classify: {precision: bfloat16}")
    later = at.run(study)
    assert (later.done["tune topic"], later.done["classify topic"]) == ("up to date", "done")


def test_gold_that_other_code_resolves_from_the_same_files_is_another_basis(
    tmp_path: Path, quick: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = at.demo(tmp_path, n=120, n_coded=60).study
    assert study is not None
    change(study, *quick)
    at.run(study)

    def other(codings: at.Codings, *rest: Any, **options: Any) -> at.Codings:
        gold = at.resolve(codings, *rest, **options)
        return sound_codings(gold.filter(pl.col("unit_id") != gold["unit_id"][0]))

    monkeypatch.setattr(inputs, "resolve", other)
    assert at.run(study).done["tune topic"] == "done"


def corrected(formula: str, option: str = "method: dsl") -> tuple[str, str]:
    """The line of a small study's regressions, and what asks for a corrected one in its place."""
    return "regressions:", f'sample: simple\ncorrect: {{formulas: "{formula}", {option}}}\nregressions:'


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("study.yaml", "codebook: codebook.yaml", "codebok: codebook.yaml", "line"),
        ("study.yaml", "rule: adjudicated", "rule: loudest", "loudest"),
        ("study.yaml", "variable: topic", "variable: tone", "tone"),
        ("study.yaml", "unit_id: unit_id", "unit_id: uid", "uid"),
        ("study.yaml", "questions.csv", "answers.csv", "answers.csv"),
        ("study.yaml", "results.dta", "results.docx", "results.docx"),
        ("study.yaml", "topic == 'Health' ~ party", "topic is Health", "is no formula"),
        ("study.yaml", "topic == 'Health' ~ party", "topic == 'Health' ~ parti", "Did you mean 'party'"),
        ("study.yaml", "topic == 'Health' ~ party", "topic == 'Healht' ~ party", "Did you mean 'Health'"),
        ("study.yaml", "regressions:", "correct:", "how the hand-coded texts were drawn"),
        ("study.yaml", "regressions:", "sample: simple\nregressions:", "nothing is corrected"),
        ("study.yaml", "regressions:", "sample: {pi: chance}\ncorrect:", "no column 'chance'"),
        ("study.yaml", "regressions:", "sample: 0\ncorrect:", "0 or above 1 for 60 texts"),
        ("study.yaml", "regressions:", "sample: district\ncorrect:", "above 1 for 60 texts"),
        ("study.yaml", "regressions:", "sample: {pi: chance}\nregressions:", "no column 'chance'"),
        (
            "study.yaml",
            "seed: 1",
            "seed: 1, pi: yeer",
            "tune: pi: the corpus has no column 'yeer'. Did you mean 'year'",
        ),
        ("study.yaml", "seed: 1", "seed: 1, pi: year", "'year' of unit"),
        ("study.yaml", "seed: 1", "seed: 1, prevalence: {Helth: 0.2}", "Did you mean 'Health'"),
        ("study.yaml", "seed: 1", "seed: 1, prevalence: {Health: 20}", "Give a share between 0 and 1"),
        ("study.yaml", "seed: 1", "seed: 1, by_coder: true", "for gold with its coders' shares"),
        ("study.yaml", "seed: 1", "seed: 1, cutoffs: shares", "'share', 'f1' or 'likeliest'"),
        ("study.yaml", "seed: 1}", "seed: 1, pi: a}\nsample: {pi: b}", "are in 'a' by tune:, and in 'b' by sample:"),
        ("study.yaml", "seed: 1}", "seed: 1, prevalence: {Health: 0.2}}\nsample: {pi: b}", "both say what"),
        ("study.yaml", *corrected("topic == 'Health' ~ parti"), "Did you mean 'party'"),
        ("study.yaml", *corrected("topic == 'Healht' ~ party"), "Did you mean 'Health'"),
        ("study.yaml", *corrected("year ~ party"), "nothing that was coded"),
        ("study.yaml", *corrected("topic == 'Health' ~ party", "cluster: distric"), "Did you mean 'district'"),
        ("study.yaml", *corrected("topic == 'Health' ~ party", "cluster: [party, distric]"), "Did you mean 'district'"),
        ("study.yaml", *corrected("topic == 'Health' ~ party", "write: r.odt"), "no writer for '.odt'"),
        ("study.yaml", *corrected("topic == 'Health' ~ party", "write: questions.csv"), "questions.csv is read"),
        ("study.yaml", *corrected("topic == 'Health' ~ party", "write: results.do"), "written twice"),
        (
            "study.yaml",
            "seed: 1}",
            "seed: 1, test: 0.2}\nsample: simple\ncorrect: topic == 'Law' ~ party",
            "Give folds",
        ),
        ("study.yaml", "coders: [anna, ben]", "coders: [anna, bem]", "bem"),
        ("study.yaml", "base: minilm", "base: ./nowhere", "nowhere"),
        ("study.yaml", "[results.dta,", "[questions.csv,", "questions.csv is read"),
        ("study.yaml", "[results.dta,", "[coder_ben.dta,", "coder_ben.dta is read"),
        ("study.yaml", "[results.dta,", "[results.rds,", "written twice"),
        ("study.yaml", "[results.dta,", "[truth.csv/results.dta,", "cannot be written"),
        ("study.yaml", "[results.dta, results.rds, results.parquet, results.csv]", "[]", "no file is named"),
        ("study.yaml", "gold: {", "gold: {tie_rule: drop, ", "Did you mean 'ties'"),
        ("study.yaml", "classify: {}", "classify: {texts: questions.csv, covariates: [partei]}", "no column 'partei'"),
        ("questions.csv", "district", "topic_gold", "topic_gold"),
        ("codebook.yaml", "code: 3", "code: 1", "twice"),
        ("codebook.yaml", "name: Health", "name: Healthy", "Health"),
        ("coder_carla.csv", "unit_id", "unit", "unit_id"),
        ("questions.csv", "q00002", "q00001", "q00001"),
    ],
)
def test_one_clear_sentence_exit_2_and_no_file(
    tmp_path: Path, file: str, old: str, new: str, told: str, command: Command
) -> None:
    at.demo(tmp_path, n=60, n_coded=40)
    change(tmp_path / file, old, new)
    done = command("run", tmp_path / "study.yaml")
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "annotune-work" / "topic" / "model").exists()  # nothing was tuned for nothing
    assert not list(tmp_path.glob("results*"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_studies_in_one_folder_have_a_folder_of_work_each(parliament: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(parliament.parent, tmp_path / "study")
    study, trust = folder / "study.yaml", folder / "trust.yaml"
    change(study, "write: [results.dta, results.rds, results.parquet, results.csv]", "write: [results.csv]")
    trust.write_text(study.read_text().replace("results.csv", "trust.csv").replace("report.html", "trust.html"))
    assert read_study(study).work.name == "annotune-work"
    assert read_study(trust).work.name == "annotune-work-trust"
    shutil.copytree(folder / "annotune-work", folder / "annotune-work-trust")  # in place of tuning once more
    (folder / "annotune-work-trust" / ".report.html.basis").unlink()
    for _ in range(2):
        for path in (trust, study):
            assert at.run(path).done["tune topic"] == "up to date"
    assert {at.verify(path).is_sound for path in (trust, study)} == {True}


def test_a_study_with_a_name_of_its_own_keeps_the_folder_that_it_had(parliament: Path, tmp_path: Path) -> None:
    """Of an annotune whose studies all worked in `annotune-work`."""
    folder = shutil.copytree(parliament.parent, tmp_path / "study")
    first = (folder / "study.yaml").rename(folder / "first.yaml")
    (folder / "study.record.json").rename(folder / "first.record.json")
    assert read_study(first).work.name == "annotune-work"
    second = folder / "second.yml"
    second.write_text(first.read_text())
    assert read_study(second).work.name == "annotune-work-second"
    (folder / "annotune-work-second").mkdir()
    (folder / "second.record.json").write_text("{}")
    assert read_study(first).work.name == "annotune-work"
    (folder / "annotune-work-second").rmdir()  # both have worked in one folder: which of them it is of is not known
    assert {read_study(path).work.name for path in (first, second)} == {"annotune-work-first", "annotune-work-second"}


def test_too_few_codings_for_a_correction_are_one_sentence_before_anything_is_tuned(
    tmp_path: Path, command: Command
) -> None:
    at.demo(tmp_path, n=60, n_coded=15)
    change(tmp_path / "study.yaml", "regressions:", "sample: simple\ncorrect:")
    done = command("run", tmp_path / "study.yaml")
    assert done.returncode == 2, done.stderr
    assert "15 texts are coded by hand for topic; that is too few for a correction" in done.stderr
    assert not (tmp_path / "annotune-work" / "topic" / "model").exists()


def test_a_corpus_file_with_labels_may_be_read_in_part(tmp_path: Path, quick: tuple[str, str]) -> None:
    study = at.demo(tmp_path, n=60, n_coded=40).study
    assert study is not None
    corpus = pl.read_csv(tmp_path / "questions.csv").with_columns((pl.col("party") == "opposition").cast(int))
    corpus = corpus.with_columns(chair=pl.lit(1))
    names = {"party": {0: "government", 1: "opposition"}, "chair": {1: "yes"}}
    told = {"party": "Side of the house", "chair": "Chair"}
    at.write(corpus, tmp_path / "questions.dta", labels=names, headings=told)
    change(study, "path: questions.csv", "path: questions.dta, covariates: [party]")
    change(study, *quick)
    at.run(study)
    with pd.io.stata.StataReader(tmp_path / "results.dta") as reader:
        assert reader.value_labels()["party"] == names["party"]
        assert reader.variable_labels()["party"] == "Side of the house"


def test_a_study_guards_what_a_spreadsheet_takes_for_a_formula(tmp_path: Path, quick: tuple[str, str]) -> None:
    study = at.demo(tmp_path, n=60, n_coded=40).study
    assert study is not None
    corpus = pl.read_csv(tmp_path / "questions.csv")
    at.write(corpus.with_columns(party=pl.lit("=party")), tmp_path / "questions.csv")
    text = study.read_text(encoding="utf-8").replace(*quick)
    text = re.sub(r"(?m)^write:.*$", "write: [results.csv]\nguard_formulas: true", text)
    study.write_text(re.split(r"(?m)^sample:", text)[0], encoding="utf-8")
    at.run(study)
    assert set(pl.read_csv(tmp_path / "results.csv")["party"]) == {"'=party"}


def test_the_corpus_as_coded_stands_beside_held_out_texts(parliament: Path) -> None:
    results = at.run(parliament)
    model = at.load(parliament.parent / "annotune-work/topic/model")
    assert results.shares.drop("variable").equals(at.shares(model, results.codings))
    console = Console(width=80, file=io.StringIO())
    with console.capture() as shown:
        console.print(display.as_coded(results.codings, results.shares))
    health = results.shares.filter(label="Health").row(0, named=True)
    printed = " ".join(shown.get().replace("*", "").split())
    figures = " ".join(f"{health[name]:.1%}" for name in ("corpus", "held_out", "people"))
    assert f"Health {(results.data['topic'] == 'Health').sum()} {figures}" in printed
    told = f"Health {health['corpus']:.1%} ({health['held_out']:.1%}, {health['people']:.1%})"
    assert told.encode() in (parliament.parent / "results.dta").read_bytes()
    page = (parliament.parent / "report.html").read_text("utf-8")
    assert "The corpus as coded: topic" in page


def test_texts_drawn_with_unequal_chances_speak_for_the_corpus(tmp_path: Path) -> None:
    """Questions on health were four times as likely to be coded: by pi, and by their prevalence, a fourth counts."""
    data = at.demo(tmp_path, n=400, n_coded=200)
    assert data.study is not None
    topic = dict(data.truth.iter_rows())
    anna = data.coders["anna"]
    rare = [unit for unit in anna["unit_id"] if topic[unit] == "Health"]
    others = [unit for i, unit in enumerate(unit for unit in anna["unit_id"] if topic[unit] != "Health") if i % 4 == 0]
    chance = {"Health": 0.5, None: 0.125}
    for name, suffix in (("anna", "xlsx"), ("ben", "dta"), ("carla", "csv")):
        picked = data.coders[name].filter(pl.col("unit_id").is_in(rare + others))
        at.write(picked, tmp_path / f"coder_{name}.{suffix}", codebook=data.codebook)
    pi = [chance["Health" if topic[unit] == "Health" else None] for unit in data.corpus["unit_id"]]
    at.write(data.corpus.with_columns(chance=pl.Series(pi)), tmp_path / "questions.csv")
    change(data.study, "seed: 1", f"seed: 1, {FAST}")
    plain = data.study.read_text(encoding="utf-8").split("sample: simple")[0]
    data.study.write_text(plain + "sample: {pi: chance}\n", encoding="utf-8")
    by_pi = at.run(data.study)
    card = at.load(tmp_path / "annotune-work/topic/model").card
    assert card["drawn"] == {"pi": "chance", "prevalence": None}
    (people,) = by_pi.shares.filter(label="Health")["people"]
    assert people == pytest.approx(len(rare) / (len(rare) + 4 * len(others)), abs=0.05)
    assert len(rare) / len(rare + others) > 2 * people
    change(data.study, "sample: {pi: chance}\n", "")
    change(data.study, "seed: 1", "seed: 1, cutoffs: likeliest, prevalence: {Health: 0.14}")
    by_label = at.run(data.study)
    assert by_label.done["tune topic"] == "done"
    assert by_label.shares.filter(label="Health")["people"][0] == pytest.approx(0.14, abs=1e-6)


def test_what_cannot_be_written_is_said_before_tuning(tmp_path: Path, command: Command) -> None:
    at.demo(tmp_path, n=60, n_coded=40)
    (tmp_path / "results.dta").mkdir()
    before = (tmp_path / "questions.csv").read_bytes()
    done = command("run", tmp_path / "study.yaml")
    assert (done.returncode, "is a folder" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "annotune-work").exists()
    change(tmp_path / "study.yaml", "results.dta", "./questions.csv")
    assert command("run", tmp_path / "study.yaml").returncode == 2
    assert (tmp_path / "questions.csv").read_bytes() == before


def test_the_corpus_is_not_replaced_by_its_codes(parliament: Path, command: Command) -> None:
    corpus = parliament.parent / "questions.csv"
    before = file_sha256(corpus)
    done = command("classify", parliament.parent / "annotune-work/topic/model", corpus, corpus)
    assert (done.returncode, "is read" in done.stderr) == (2, True), done.stderr
    assert file_sha256(corpus) == before


def test_a_record_names_no_folder_of_this_machine(tmp_path: Path, quick: tuple[str, str]) -> None:
    assert without_folders({"path": str(tmp_path / "q.csv"), "paths": ["a/b.csv"], "n": 1}) == {
        "path": "q.csv",
        "paths": ["a/b.csv"],
        "n": 1,
    }
    study = at.demo(tmp_path, n=60, n_coded=40).study
    assert study is not None
    change(study, "path: questions.csv", f"path: {tmp_path / 'questions.csv'}")
    change(study, *quick)
    at.run(study)
    text = (tmp_path / "study.record.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert json.loads(text)["inputs"]["questions.csv"] == file_sha256(tmp_path / "questions.csv")


def test_figures_fit_a_terminal_of_80_columns(parliament: Path) -> None:
    evaluation = at.load(parliament.parent / "annotune-work/topic/model").evaluation
    assert evaluation is not None
    console = Console(width=80, file=io.StringIO())
    with console.capture() as shown:
        console.print(display.comparison(evaluation))
        console.print(display.labels(evaluation))
    assert "…" not in shown.get()
    assert "Environment" in shown.get()


def test_nine_coded_texts_are_too_few(tmp_path: Path, command: Command) -> None:
    at.demo(tmp_path, n=60, n_coded=9)
    done = command("run", tmp_path / "study.yaml")
    assert done.returncode == 2
    assert "at least 10" in done.stderr


def test_an_interrupted_tuning_is_not_taken_for_finished(
    tmp_path: Path, quick: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = at.demo(tmp_path, n=120, n_coded=60).study
    assert study is not None
    change(study, *quick)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(at.Classifier, "classify", stopped)
        with pytest.raises(KeyboardInterrupt):
            at.run(study)
    assert not list(tmp_path.glob("results.*"))
    later = at.run(study)
    assert (later.done["tune topic"], later.done["classify topic"]) == ("up to date", "done")


def test_a_plain_study_that_was_stopped_goes_on_with_the_folds_that_it_finished(
    tmp_path: Path, quick: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = [at.demo(tmp_path / name, n=120, n_coded=60).study for name in ("stopped", "whole")]
    real, tried = trials_module.try_out, []

    def stopped_in_the_third(*arguments: object, **options: object) -> object:
        tried.append(arguments)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    for study in studies:
        assert study is not None
        assert "correct:" not in study.read_text()
        change(study, quick[0], quick[1].replace("folds: 2", "folds: 4"))
    with monkeypatch.context() as patched:
        patched.setattr(trials_module, "try_out", stopped_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            at.run(studies[0])  # type: ignore[arg-type]
        at.run(studies[0])  # type: ignore[arg-type]
    assert len(tried) == 3 + 2  # the third again, and the fourth
    at.run(studies[1])  # type: ignore[arg-type]
    one, other = (pl.read_parquet(tmp_path / name / "results.parquet") for name in ("stopped", "whole"))
    assert one.equals(other)


def test_the_steps_by_hand_agree_with_the_study(parliament: Path, tmp_path: Path, command: Command) -> None:
    folder = parliament.parent
    gold = tmp_path / "gold.csv"
    said = [folder / f"coder_{name}.{suffix}" for name, suffix in (("anna", "xlsx"), ("ben", "dta"), ("carla", "csv"))]
    codebook = ("--codebook", folder / "codebook.yaml")
    done = command("resolve", *said, "--out", gold, *codebook, "--rule", "adjudicated", "--coder", "carla")
    assert done.returncode == 0, done.stderr
    options = ("--method", "probe", "--folds", 2, "--out", tmp_path / "model")
    assert command("tune", folder / "questions.csv", gold, *codebook, *options).returncode == 0
    assert command("classify", tmp_path / "model", folder / "questions.csv", tmp_path / "coded.parquet").returncode == 0
    record = json.loads((tmp_path / "coded.parquet.record.json").read_text(encoding="utf-8"))
    assert record["runtime"]["why"] == "Computed in float32, as was asked for."
    by_hand, by_study = pl.read_parquet(tmp_path / "coded.parquet"), pl.read_parquet(folder / "results.parquet")
    assert by_hand["topic"].to_list() == by_study["topic"].to_list()
    measured = command("evaluate", gold, tmp_path / "coded.parquet", *codebook, "--corpus", folder / "questions.csv")
    assert measured.returncode == 0, measured.stderr
    assert "TF-IDF" in measured.stdout


def test_importing_is_quick_and_light() -> None:
    code = (
        "import sys, time; start = time.process_time(); import annotune; seconds = time.process_time() - start;"
        "assert not {'torch', 'sklearn', 'pandas', 'scipy', 'transformers'} & set(sys.modules), 'heavy';"
        "assert seconds < 0.3, seconds"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore:.* have no true label")
def test_gold_of_easy_texts_alone_is_told_wherever_results_go(tmp_path: Path, quick: tuple[str, str]) -> None:
    study = at.demo(tmp_path, n=300, n_coded=150).study
    assert study is not None
    change(study, *quick)
    change(
        study, "codings: [coder_anna.xlsx, coder_ben.dta, coder_carla.csv]", "codings: [coder_anna.xlsx, coder_ben.dta]"
    )
    change(study, "gold: {rule: adjudicated, coder: carla}", "gold: {rule: any}")
    with pytest.warns(at.AnnotuneWarning, match="have no answer for 'topic', because their coders disagree"):
        at.run(study)
    page = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert re.search(r"To be careful about: \d+ of 150 coded texts have no answer for 'topic'", page)
    notes = pyreadstat.read_dta(str(tmp_path / "results.dta"), metadataonly=True)[1].notes
    assert any("their coders disagree" in note for note in notes)


def test_covariates_that_a_model_reads_are_told_in_the_file(tmp_path: Path) -> None:
    study = at.demo(tmp_path, n=60, n_coded=40).study
    assert study is not None
    text = study.read_text(encoding="utf-8").replace("seed: 1", f"seed: 1, {FAST}, inputs: [party]")
    text = re.sub(r"(?m)^write:.*$", "write: [results.dta]", text)
    study.write_text(re.split(r"(?m)^sample:", text)[0], encoding="utf-8")
    with pytest.warns(at.AnnotuneWarning, match="related to 'party' by construction"):
        at.run(study)
    notes = pyreadstat.read_dta(str(tmp_path / "results.dta"), metadataonly=True)[1].notes
    assert any("topic: The model reads 'party' beside the text" in note for note in notes)


def test_a_study_learns_what_every_coder_said(tmp_path: Path) -> None:
    study = at.demo(tmp_path, n=300, n_coded=100).study
    assert study is not None
    change(study, "seed: 1", f"seed: 1, {FAST}")
    change(study, "{rule: adjudicated, coder: carla}", "{rule: shares, coders: [anna, ben]}")
    text = re.sub(r"(?m)^regressions:.*$", "sample: simple\ncorrect: topic_share_Health ~ party", study.read_text())
    study.write_text(text, encoding="utf-8")
    results = at.run(study)
    _is_of_the_expected_coder(results, study)
    evaluation = at.load(tmp_path / "annotune-work/topic/model").evaluation
    assert evaluation is not None
    assert evaluation.get("log_score") < evaluation.get("log_score", "overall shares")
    data = pl.read_parquet(tmp_path / "results.parquet")
    shares = data.select("^topic_share_.*$").drop_nulls()
    assert len(shares) == data["topic_gold"].count() == 100  # no text is lost to a tie
    assert shares.sum_horizontal().is_between(0.999, 1.001).all()
    assert 0.5 in shares.to_numpy()
    told = pyreadstat.read_dta(str(tmp_path / "results.dta"))[1].column_names_to_labels
    assert told["topic_share_Health"] == "topic: the share of the text's coders who gave Health"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "models learnt from the shares of coders who gave each label" in page
    assert "log score" in page


def _is_of_the_expected_coder(results: at.Results, study: Path) -> None:
    """A formula about a share regresses the coders' shares, and what the model says of them."""
    data, (correction,) = results.data, results.corrections
    assert results.errors == (None,)  # no prediction of a share is right or wrong
    of_term = correction.estimates.filter(pl.col("term") != "Intercept")
    by_method = dict(of_term.select("method", "estimate").iter_rows())
    slopes = {"hand-coded only": "topic_share_Health", "naive": "topic_p_Health", "corrected": "topic_dsl_share_Health"}
    for method, column in slopes.items():
        of_party = data.drop_nulls(column).group_by("party").agg(pl.col(column).mean()).sort("party")[column]
        assert by_method[method] == pytest.approx(of_party[1] - of_party[0], abs=1e-5)
    script = (study.parent / "results.do").read_text(encoding="utf-8")
    assert "regress topic_share_Health i.party_factor [pweight = hand_1_w], vce(robust)" in script
    assert "regress topic_dsl_share_Health i.party_factor, vce(robust)" in script


def test_shares_of_coders_are_regressed_only_where_the_gold_has_them(tmp_path: Path) -> None:
    study = at.demo(tmp_path, n=60, n_coded=40).study
    assert study is not None
    text = re.sub(r"(?m)^regressions:.*$", "sample: simple\ncorrect: topic_share_Health ~ party", study.read_text())
    study.write_text(text, encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="the gold has no shares of coders for 'topic_share_Health'"):
        at.run(study)
    change(study, "{rule: adjudicated, coder: carla}", "{rule: shares, coders: [anna, ben]}")
    study.write_text(study.read_text(encoding="utf-8") + "\nmultiverse: {}\n", encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="which other rules of gold do not have"):
        at.run(study)
