"""Damage is seen: by `verify` in every file that was recorded, and by the next run in every piece that it uses."""

import hashlib
import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.records.checkpoints import Checkpoints
from annotune.records.fingerprints import file_sha256
from annotune.study import sources

FLIPS = 30
CODINGS = "annotune-work/topic/codings.parquet"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, demo_base):
    """A small study that was run in folds, which are kept."""
    study = at.demo(tmp_path_factory.mktemp("finished") / "study", n=60, n_coded=40).study
    text = study.read_text().replace("base: minilm", f"base: {demo_base}")
    study.write_text(text.replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    at.run(study)
    return study


@pytest.fixture
def study(finished, tmp_path):
    """A copy of it."""
    shutil.copytree(finished.parent, tmp_path / "study")
    return tmp_path / "study" / "study.yaml"


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(content))


def states(path):
    return {row["file"]: row["state"] for row in at.verify(path).files.to_dicts() if row["state"] != "as recorded"}


def verb(monkeypatch, capsys, *words):
    """The exit code of the command line, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    return end.value.code or 0, " ".join((printed.out + printed.err).split())


def test_a_study_that_was_run_is_as_recorded(finished):
    for place in (finished, finished.parent, finished.parent / "study.record.json", finished.parent / "results.csv"):
        verification = at.verify(place)
        assert verification.is_sound
        assert set(verification.files["state"]) == {"as recorded"}
    named = set(at.verify(finished).files["file"])
    record = json.loads((finished.parent / "study.record.json").read_text())
    assert {output["file"] for output in record["outputs"]} | set(record["inputs"]) <= named
    work = {path.relative_to(finished.parent).as_posix() for path in finished.parent.glob("annotune-work/**/*")}
    assert {name for name in work if (finished.parent / name).is_file()} <= named


def test_no_flipped_bit_of_a_folder_of_work_an_output_or_the_record_goes_unseen(study):
    draw, n = np.random.default_rng(19), 0
    results = [*study.parent.glob("results.*"), study.parent / "study.record.json"]
    for path in sorted([*results, *(path for path in study.parent.glob("annotune-work/**/*") if path.is_file())]):
        whole = path.read_bytes()
        for bit in draw.integers(len(whole) * 8, size=FLIPS):
            flip(path, int(bit))
            assert path.relative_to(study.parent).as_posix() in states(study), (path, bit)
            path.write_bytes(whole)
            n += 1
    assert n > 20 * FLIPS
    assert at.verify(study).is_sound


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (CODINGS, "classify topic"),
        ("annotune-work/topic/runtime.json", "classify topic"),
        ("annotune-work/topic/model/held_out.parquet", "tune topic"),
        ("annotune-work/topic/model/backbone/model.safetensors", "tune topic"),
        ("annotune-work/topic/.codings.parquet.basis", "classify topic"),
    ],
)
def test_a_damaged_piece_is_done_again_and_the_results_are_the_same(study, finished, name, step):
    path = study.parent / name
    flip(path, path.stat().st_size * 4)
    if path.suffix == ".basis":  # a note that is not whole is as good as none
        again = at.run(study)
    else:
        with pytest.warns(at.AnnotuneWarning, match=rf"{path.name} is damaged; that part is done again\.") as told:
            again = at.run(study)
        assert len(told) == 1
    assert again.done[step] == "done"
    for result in finished.parent.glob("results.*"):
        assert file_sha256(study.parent / result.name) == file_sha256(result)
    assert at.verify(study).is_sound


def test_a_fold_that_is_damaged_is_not_gone_on_from(tmp_path):
    pieces = Checkpoints(tmp_path, "basis")
    pieces.put("fold-1", {"sums": np.arange(1000)})
    flip(tmp_path / "fold-1.npz", 8 * 4000)
    with pytest.warns(at.AnnotuneWarning, match=r"fold-1\.npz is damaged; that part is done again"):
        assert pieces.get("fold-1") is None
    assert pieces.get("fold-1") is None  # and it is told of once


def test_each_kind_of_difference_has_its_word(study):
    folder = study.parent
    (folder / "results.dta").unlink()
    (folder / "results.csv").write_text("not the results")
    (folder / "questions.csv").unlink()
    (folder / "codebook.yaml").write_text("")
    (folder / "annotune-work" / "topic" / "half.parquet").write_bytes(b"of a step that was stopped")
    (folder / CODINGS).unlink()
    assert states(study) == {
        "results.dta": "missing",
        "results.csv": "changed",
        "questions.csv": "not here",
        "codebook.yaml": "changed",
        "annotune-work/topic/half.parquet": "no record",
        CODINGS: "missing",
    }
    words = at.verify(study).in_words()
    assert words.endswith("2 changed; 2 missing; 1 input is not here; 1 file has no record.")
    assert "results.dta" in repr(at.verify(study))


def test_a_study_file_is_changed_where_a_key_is_and_not_by_a_comment(study, monkeypatch, capsys):
    text = study.read_text()
    study.write_text(f"{text}\n# a comment\n")
    assert at.verify(study).is_sound
    for changed in (text.replace("folds: 2", "folds: 3"), text.replace("folds: 2", "fold: 2"), "no study"):
        study.write_text(changed)
        assert states(study) == states(study.parent) == {"study.yaml": "changed"}
    code, said = verb(monkeypatch, capsys, "verify", study)
    assert (code, "changed study.yaml (recorded in study.record.json)" in said) == (1, True)
    study.unlink()
    assert at.verify(study.parent).is_sound


def test_a_record_that_is_handed_on_without_the_data_is_sound(study, tmp_path):
    (tmp_path / "sent").mkdir()
    for path in [*study.parent.glob("results.*"), *study.parent.glob("re*.html"), *study.parent.glob("re*.tex")]:
        shutil.copy(path, tmp_path / "sent")
    record = json.loads((study.parent / "study.record.json").read_text())
    for output in record["outputs"]:
        shutil.copy(study.parent / output["file"], tmp_path / "sent" / output["file"])
    shutil.copy(study.parent / "study.record.json", tmp_path / "sent")
    verification = at.verify(tmp_path / "sent")
    assert verification.is_sound
    assert set(verification.files["state"]) == {"as recorded", "not here"}


def test_a_model_is_verified_by_its_card(study, tmp_path):
    model = shutil.copytree(study.parent / "annotune-work" / "topic" / "model", tmp_path / "model")
    assert at.verify(model).is_sound
    flip(model / "backbone" / "model.safetensors", 80_000)
    assert states(model) == {"backbone/model.safetensors": "changed"}
    card = json.loads((model / "annotune.json").read_text())
    del card["sha256"], card["files"]
    (model / "annotune.json").write_text(json.dumps(card))
    assert states(model) == {"annotune.json": "no record"}  # as models of an earlier annotune are


def test_the_command_line_says_it_and_ends_with_0_1_or_2(study, tmp_path, monkeypatch, capsys):
    code, words = verb(monkeypatch, capsys, "verify", study)
    assert code == 0
    assert "files are as recorded; none is changed or missing." in words
    (study.parent / "results.csv").write_text("not the results")
    code, words = verb(monkeypatch, capsys, "verify", study.parent)
    assert code == 1
    assert "changed results.csv (recorded in study.record.json)" in words
    (tmp_path / "empty").mkdir()
    for place, says in ((tmp_path / "empty", "was recorded"), (tmp_path / "nowhere", "is not there")):
        code, words = verb(monkeypatch, capsys, "verify", place)
        assert code == 2
        assert says in words


def test_an_input_that_changes_while_it_is_read_is_refused(study, monkeypatch):
    before, real = (study.parent / "study.record.json").read_bytes(), sources.read_codings

    def changed_meanwhile(*arguments, **options):
        with (study.parent / "questions.csv").open("a") as file:
            file.write("late,Is this question too late?,Green,2020\n")
        return real(*arguments, **options)

    monkeypatch.setattr(sources, "read_codings", changed_meanwhile)
    with pytest.raises(at.AnnotuneError, match=r"questions\.csv was changed while it was read"):
        at.run(study)
    assert (study.parent / "study.record.json").read_bytes() == before


def test_a_record_of_classify_has_the_bytes_that_were_read(study, tmp_path, monkeypatch, capsys):
    from annotune.models.coder import Coder

    corpus = study.parent / "questions.csv"
    read, real = file_sha256(corpus), Coder.classify

    def replaced_meanwhile(*arguments, **options):
        corpus.write_text("unit_id,text\nx,another corpus\n")
        return real(*arguments, **options)

    monkeypatch.setattr(Coder, "classify", replaced_meanwhile)
    model = study.parent / "annotune-work" / "topic" / "model"
    code, words = verb(monkeypatch, capsys, "classify", model, corpus, tmp_path / "coded.csv")
    assert code == 0, words
    record = json.loads((tmp_path / "coded.csv.record.json").read_text())
    assert record["inputs"]["questions.csv"] == read
    assert len(pl.read_csv(tmp_path / "coded.csv")) == 60
    assert hashlib.sha256(corpus.read_bytes()).hexdigest() != read


def test_two_runs_of_a_study_do_not_meet(study):
    from annotune.records.lock import locked

    with locked(study.parent / "annotune-work"):
        assert at.run(study).done["tune topic"] == "up to date"  # the same run may ask again
    lock = study.parent / "annotune-work" / ".lock"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 7, "process": "00000000-7-7", "since": "2026-11-26T12:00"}))
    with pytest.raises(at.AnnotuneError, match=r"is worked in by process 7 on elsewhere, since 2026-11-26 12:00 UTC"):
        at.run(study)
