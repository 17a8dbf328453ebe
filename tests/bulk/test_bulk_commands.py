"""The command line: the same as in Python, and what it says."""

import json
import re
import sys

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.bulk import repeats
from annotune.bulk.shards import PLACES, sample

from .conftest import bytes_of, make_texts


@pytest.fixture
def annotune(monkeypatch, capsys):
    """Run a verb: its exit code, and what it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return run


def test_the_verb_codes_a_folder_and_says_how_far_it_is(annotune, texts_folder, model_folder, undisturbed, tmp_path):
    out = tmp_path / "coded"
    words = ["classify", texts_folder, "--model", model_folder, "--out", out, "--rows-per-shard", 100, "--threads", 1]
    code, said = annotune(*words, "--shard", "2/2")
    assert code == 0
    assert re.search(r"of 740 texts \(\d+%\) in 5 of 11 shards; 6 waiting", said)
    code, said = annotune(*words, "--workers", 1)
    assert code == 0
    assert "740 of 740 texts (100%) in 11 of 11 shards" in said
    assert bytes_of(out) == undisturbed
    assert annotune("status", out) == (0, said)


def test_a_shard_that_failed_is_an_exit_code(annotune, model_folder, tmp_path):
    make_texts(5, 1, "a").with_columns(text=pl.lit(7)).write_parquet(tmp_path / "texts.parquet")
    code, said = annotune("classify", tmp_path / "texts.parquet", "--model", model_folder, "--out", tmp_path / "o")
    assert code == 1
    assert "texts: texts.parquet: the column 'text' holds Int32, not texts" in said
    code, said = annotune("status", tmp_path / "o", "--json")
    about = json.loads(said)
    assert (code, about["is_complete"], about["states"], about["coded"]) == (1, False, {"failed": 1}, 0)
    assert about["shards"][0]["why"].startswith("texts.parquet: the column 'text' holds Int32")
    assert about == at.status(tmp_path / "o").as_dict()


def test_a_column_that_no_file_has_is_refused_before_the_folder_is_bound_to_it(annotune, model_folder, tmp_path):
    for name in "ab":
        make_texts(5, 1, name).with_columns(year=2020).write_parquet(tmp_path / f"{name}.parquet")
    words = ["classify", tmp_path / "*.parquet", "--model", model_folder, "--out", tmp_path / "o", "--workers", 1]
    code, said = annotune(*words, "--covariates", "yaer")
    assert code == 2
    assert "a.parquet has no column 'yaer', nor has any other file. Did you mean 'year'?" in said
    assert not (tmp_path / "o").exists()
    assert annotune(*words, "--covariates", "year")[0] == 0
    code, said = annotune(*words)
    assert code == 2
    assert "was begun with --covariates year, and" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["m", "--out", "o", "--shard", "3 of 4"], "--shard '3 of 4' is not a part of several. Such as 3/100."),
        (["m", "--model", "m"], "There is no folder to code into. Name one with --out."),
        (["m"], "There is 1 of a model, texts and an output. Write: annotune classify MODEL TEXTS OUTPUT"),
        (["m", "texts.csv"], "There are 2 of a model, texts and an output."),
    ],
)
def test_what_is_typed_wrongly(annotune, words, sentence):
    code, said = annotune("classify", *words)
    assert code == 2
    assert sentence in said


def test_a_dry_run_says_what_it_takes_and_leaves_nothing(annotune, texts_folder, model_folder, tmp_path):
    texts, out = tmp_path / "texts.parquet", tmp_path / "o"
    make_texts(2_000, 1, "a").write_parquet(texts)
    words = ["classify", texts, "--model", model_folder, "--out", out, "--workers", 2, "--rows-per-shard", 500]
    code, said = annotune(*words, "--dry-run", "--price-per-hour", 3600)
    assert code == 0
    assert "2,000 texts in 4 shards." in said
    assert re.search(r"500 texts were timed: each of 2 workers codes [\d,]+ a second", said)
    assert not out.exists()
    found = at.classify(texts, model_folder, out, workers=2, rows_per_shard=500, dry_run=True, price_per_hour=3600)
    assert found.price == pytest.approx(found.seconds)
    assert found.seconds == pytest.approx(2_000 / found.texts_per_second / 2)
    at.classify(texts, model_folder, out, rows_per_shard=500, shard=(1, 4))
    left = at.classify(texts, model_folder, out, dry_run=True, workers=1)
    assert (left.texts, left.shards) == (1_500, 3), "What is done is not counted."
    size = sum(path.stat().st_size for path in out.glob("*.parquet"))
    assert left.bytes == pytest.approx(3 * size, rel=0.3)


def test_a_forecast_holds_for_many_texts(model_folder, tmp_path):
    texts = make_texts(6_000, 1, "a").with_columns(text=pl.col("text") + " " + pl.col("unit_id"))
    texts.write_parquet(tmp_path / "t.parquet")
    found = at.classify(tmp_path / "t.parquet", model_folder, tmp_path / "o", workers=1, threads=1, dry_run=True)
    done = at.classify(tmp_path / "t.parquet", model_folder, tmp_path / "o", workers=1, threads=1)
    measured = done.shards["seconds"].sum()
    assert measured / 10 < found.seconds < measured * 10  # on a machine that others use, too: no timing, but its unit


def test_a_sample_reaches_from_the_beginning_to_the_end(texts_folder, model_folder, tmp_path):
    from annotune.bulk.plan import require_plan

    at.classify(texts_folder, model_folder, tmp_path / "o", rows_per_shard=20, shard=(99, 99), threads=1)
    shards = [shard for shard in require_plan(tmp_path / "o").shards if shard.rows]
    parts = sample(shards, 500)
    assert [parts[0].name, parts[-1].name] == [shards[0].name, shards[-1].name]
    assert len(parts) == PLACES


def test_identifiers_in_several_shards_are_told_of(model_folder, tmp_path, monkeypatch):
    folder = tmp_path / "texts"
    folder.mkdir()
    make_texts(300, 1, "a").write_parquet(folder / "one.parquet")
    make_texts(200, 2, "b").write_parquet(folder / "two.parquet")
    sound = at.classify(folder, model_folder, tmp_path / "o", workers=1)
    assert not any("several shards" in note for note in sound.notes)
    pl.concat([make_texts(100, 3, "c"), make_texts(7, 3, "a")]).write_parquet(folder / "three.parquet")
    found = at.classify(folder, model_folder, tmp_path / "o", workers=1)
    sentence = "7 identifiers are in several shards, such as 'a"
    assert any(note.startswith(sentence) for note in found.notes)
    assert any(note.startswith(sentence) for note in at.status(tmp_path / "o").notes)
    monkeypatch.setattr(repeats, "AT_ONCE", 100)  # in seven looks
    from annotune.bulk.manifest import RunFolder
    from annotune.bulk.plan import require_plan

    again = repeats.find_repeats(RunFolder(tmp_path / "o"), require_plan(tmp_path / "o").shards)
    assert again.n == 7
    assert len(again.examples) == 3
    assert all(set(shards) == {"one", "three"} for _, shards in again.examples)


def test_a_label_that_is_given_too_often_is_told_of(model_folder, tmp_path):
    units = [f"u{i}" for i in range(400)]
    texts = ["cattle wheat farmer harvest"] * 400
    pl.DataFrame({"unit_id": units, "text": texts}).write_parquet(tmp_path / "t.parquet")
    found = at.classify(tmp_path / "t.parquet", model_folder, tmp_path / "o", workers=1)
    with pytest.warns(at.AnnotuneWarning, match="of these 400 texts") as told:
        at.load(model_folder).classify(pl.read_parquet(tmp_path / "t.parquet"))
    assert str(told[0].message) in found.notes
