"""A table is checked once, at the door, and each note about it is said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest

import annotune as at
from annotune.data import codings, corpus, frames, layouts
from annotune.data.checked import Door


@pytest.fixture(scope="module")
def study(demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with two empty texts, and one coding that is in its coder's file twice."""
    path = at.demo(tmp_path_factory.mktemp("study"), n=150, n_coded=60).study
    assert path is not None
    quick = f"base: {demo_base}, method: probe, folds: 2, seed: 1"
    text = path.read_text("utf-8")
    assert "base: minilm, seed: 1" in text
    text = text.replace("base: minilm, seed: 1", quick)
    text = text.split("sample:")[0].split("regressions:")[0]
    path.write_text(text.replace("report: report.html\n", "").replace("coder_anna.xlsx", "coder_anna.csv"), "utf-8")
    texts = pl.read_csv(path.parent / "questions.csv")
    coded = pl.read_excel(path.parent / "coder_anna.xlsx")
    uncoded = ~pl.col("unit_id").is_in(coded["unit_id"].implode())
    some = texts.filter(uncoded)["unit_id"][:2]
    emptied = pl.when(pl.col("unit_id").is_in(some.implode())).then(None).otherwise("text").alias("text")
    texts.with_columns(emptied).write_csv(path.parent / "questions.csv")
    pl.concat([coded, coded[:1]]).write_csv(path.parent / "coder_anna.csv")
    return path


def test_the_command_line_says_each_note_once(
    study: Path, demo_base: Path, command: Callable[..., CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    tune = ("tune", "questions.csv", "coder_anna.csv", "--codebook", "codebook.yaml", "--base", demo_base)
    for verb in (
        (*tune, "--method", "probe", "--out", "model"),
        ("classify", "model", "questions.csv", "coded.csv"),
        ("run", "study.yaml"),
    ):
        done = command(*verb)
        assert done.returncode == 0, done.stderr
        notes = Counter(line for line in done.stderr.splitlines() if line.startswith("Note:"))
        assert set(notes.values()) == {1}, (verb, notes)
        assert sum("2 of 150 texts are empty" in note for note in notes) == 1
        if verb[0] != "classify":
            assert sum("1 coding is in the files twice" in note for note in notes) == 1


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")
def test_a_study_checks_each_table_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def count(module: object, name: str) -> None:
        check = getattr(module, name)

        def counting(*args: object, **options: object) -> object:
            calls[f"{module.__name__.rpartition('.')[2]}.{name}"] += 1  # type: ignore[attr-defined]
            return check(*args, **options)

        monkeypatch.setattr(module, name, counting)

    count(corpus, "texts_of")
    count(corpus, "_tell_losses")
    count(codings, "_checked")
    for module in (corpus, codings, frames, layouts):
        count(module, "identifiers")
    at.run(study, again=True)
    assert calls["corpus.texts_of"] == calls["corpus._tell_losses"] == calls["corpus.identifiers"] == 1
    assert calls["layouts.identifiers"] == 3
    assert calls["frames.identifiers"] == 0
    assert calls["codings._checked"] == 3 + 1  # the coders' files, and what the model coded, read from its file


def test_what_was_read_is_not_complained_of_again() -> None:
    with pytest.warns(at.AnnotuneWarning, match="1 of 2 texts are empty"):
        texts = at.read_corpus(pl.DataFrame({"unit_id": ["a", "b"], "text": ["Why?", ""]}))
    assert at.read_corpus(texts) is texts  # warnings of ours are errors here
    with pytest.warns(at.AnnotuneWarning, match="1 of 2 texts are empty"):
        at.read_corpus(texts.clone())  # another frame


def test_a_frame_that_was_changed_in_place_is_checked_again() -> None:
    texts = at.read_corpus(pl.DataFrame({"unit_id": ["a", "b"], "text": ["Why?", "How?"]}))
    texts[1, "unit_id"] = "a"
    with pytest.raises(at.AnnotuneError, match="'a' is there more than once"):
        at.read_corpus(texts)
    said = codings.check(pl.DataFrame({"unit_id": ["a"], "label": ["yes"]}))
    said[0, "status"] = "strange"
    with pytest.raises(at.AnnotuneError, match="'strange' is unknown"):
        codings.check(said)


def test_a_door_forgets_frames_that_are_gone() -> None:
    door = Door()
    for n in range(50):
        door.admit(pl.DataFrame({"n": [n]}))
    assert len(door._content) <= 1


def test_gold_is_as_sound_as_it_says() -> None:
    wide = pl.DataFrame({"unit_id": ["a", "b", "c"], "x": ["1", "2", None], "y": ["1", "1", None]})
    gold = at.resolve(at.read_codings(wide, variable="v", coders=["x", "y"]))
    assert codings._checked(gold.clone()).equals(gold)
    both = at.bind(gold, gold.with_columns(coder=pl.lit("z")))
    assert codings._checked(both.clone()).equals(both)
