"""What is wrong with a shard is said, and the others are done; what is wrong with the run stops it with a sentence."""

import errno
import shutil

import polars as pl
import pytest

import annotune as at
from annotune.bulk import run, team
from annotune.bulk.claims import Claims

from .conftest import bytes_of, make_texts

pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    make_texts(30, 1, "a").write_parquet(folder / "a.parquet")
    return folder


def failing(found):
    """Why shards failed, by their name; the one that is sound was done."""
    states = dict(found.shards.select("shard", "state").rows())
    assert states["a"] == "done"
    return {row["shard"]: row["why"] for row in found.shards.filter(state="failed").to_dicts()}


def write_strings(path, texts):
    """A parquet file of texts that need not be UTF-8."""
    cells = pyarrow.array(texts, type=pyarrow.binary())
    strings = pyarrow.Array.from_buffers(pyarrow.string(), len(texts), cells.buffers())
    from pyarrow import parquet

    units = [f"u{i}" for i in range(len(texts))]
    parquet.write_table(pyarrow.table({"unit_id": units, "text": strings}), path)


def test_shards_that_cannot_be_coded_say_why(texts, model_folder, tmp_path):
    (texts / "cut.parquet").write_bytes((texts / "a.parquet").read_bytes()[:-40])
    (texts / "nothing.parquet").write_bytes(b"")
    (texts / "quotes.csv").write_text('unit_id,text\n1,"never closed\n')
    make_texts(5, 2, "o").rename({"text": "tweet"}).write_parquet(texts / "other.parquet")
    make_texts(5, 2, "n").with_columns(text=pl.lit(7)).write_parquet(texts / "numbers.parquet")
    pl.concat([make_texts(5, 2, "t"), make_texts(3, 3, "t")]).write_parquet(texts / "twice.parquet")
    make_texts(5, 2, "m").with_columns(unit_id=pl.lit(None, pl.String)).write_parquet(texts / "missing.parquet")
    write_strings(texts / "latin.parquet", [b"caf\xe9", b"tea"])
    why = failing(at.classify(texts, model_folder, tmp_path / "o", workers=1))
    expected = {
        "cut": "cut.parquet cannot be read: .* Fetch or write it again",
        "nothing": "nothing.parquet is empty: it has not one byte",
        "quotes.csv": "quotes.csv.*a quotation mark is not closed",
        "other": "other.parquet has no column 'text'. Did you mean 'tweet'",
        "numbers": "numbers.parquet: the column 'text' holds Int32, not texts",
        "twice": "twice.parquet: the identifier 't0' is there more than once; so are 2 others",
        "missing": "missing.parquet, row 1, column 'unit_id': the identifier is missing",
        "latin": "latin.parquet has texts that are not UTF-8",
    }
    import re

    assert set(why) == set(expected)
    for name, sentence in expected.items():
        assert re.search(sentence, why[name]), why[name]


def test_a_shard_that_was_mended_is_done_and_no_other(texts, model_folder, tmp_path):
    sound = (texts / "a.parquet").read_bytes()
    (texts / "b.parquet").write_bytes(sound[:-40])
    out = tmp_path / "o"
    assert set(failing(at.classify(texts, model_folder, out, workers=1))) == {"b"}
    before = (out / "a.parquet").stat().st_mtime_ns
    make_texts(12, 5, "b").write_parquet(texts / "b.parquet")
    assert at.classify(texts, model_folder, out, workers=1).is_complete
    assert (out / "a.parquet").stat().st_mtime_ns == before


def test_texts_as_bytes_and_very_long_ones_are_coded(texts, model_folder, tmp_path):
    rows = {"unit_id": ["x", "y", "z"], "text": [b"hospital \xff nurse", b"court", None]}
    pl.DataFrame(rows).write_parquet(texts / "bytes.parquet")
    long = ["hospital nurse " * 700_000, "court judge"]
    pl.DataFrame({"unit_id": ["l", "m"], "text": long}).write_parquet(texts / "long.parquet")
    found = at.classify(texts, model_folder, tmp_path / "o", workers=1)
    assert found.is_complete
    assert any("bytes.parquet: 1 text has bytes that are not UTF-8" in note for note in found.notes)
    assert any("longer than what the model reads" in note for note in found.notes)
    assert pl.read_parquet(tmp_path / "o/long.parquet")["status"].to_list() == ["ok", "ok"]
    assert pl.read_parquet(tmp_path / "o/bytes.parquet")["status"].to_list() == ["ok", "ok", "missing"]


def test_a_covariate_of_another_type_fails_its_shard(texts, model_folder, tmp_path):
    make_texts(4, 2, "b").with_columns(year=pl.lit("unknown")).write_parquet(texts / "b.parquet")
    why = failing(at.classify(texts, model_folder, tmp_path / "o", covariates=["year"], workers=1))
    assert "the column 'year' holds String, and in other files Int32" in why["b"]


def test_a_folder_of_another_model_is_refused(texts, model_folder, other_model, tmp_path):
    out = tmp_path / "o"
    at.classify(texts, model_folder, out, workers=1)
    codes = bytes_of(out)
    with pytest.raises(at.AnnotuneError, match="o holds codes by"):
        at.classify(texts, other_model.save(tmp_path / "other"), out, workers=1)
    with pytest.raises(at.AnnotuneError, match="was begun with precision='float32', and 'bfloat16' is asked for"):
        at.classify(texts, model_folder, out, precision="bfloat16", workers=1)
    assert bytes_of(out) == codes


@pytest.fixture(scope="module")
def other_model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), epochs=1, seed=9, n_boot=20, test=0.2)


def test_a_model_that_changes_in_mid_run_stops_it(texts, model_folder, other_model, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    for name in "bcd":
        make_texts(10, 3, name).write_parquet(texts / f"{name}.parquet")
    say = run.Worker._say

    def changing(self, *args):
        say(self, *args)
        other_model.save(folder)

    monkeypatch.setattr(run.Worker, "_say", changing)
    with pytest.raises(at.AnnotuneError, match="holds another model than the one that this run was begun with"):
        at.classify(texts, folder, tmp_path / "o", workers=1)
    found = at.status(tmp_path / "o")
    assert sorted(found.shards["state"]) == ["done", "waiting", "waiting", "waiting"]


def test_a_process_that_cannot_load_its_model_claims_nothing(texts, model_folder, tmp_path, monkeypatch):
    claimed, take = [], Claims.take

    def taking(self, name):
        claimed.append(name)
        return take(self, name)

    def unloaded(*_):
        raise at.AnnotuneError("Memory is short.", "Use fewer workers.")

    monkeypatch.setattr(Claims, "take", taking)
    with monkeypatch.context() as here:
        here.setattr(run, "readers_of", unloaded)
        with pytest.raises(at.AnnotuneError, match="Memory is short"):
            at.classify(texts, model_folder, tmp_path / "o", workers=1)
    assert not claimed
    assert at.classify(texts, model_folder, tmp_path / "o", workers=1).is_complete
    assert claimed


def test_a_full_disk_stops_the_run_and_nothing_is_lost(texts, model_folder, tmp_path, monkeypatch):
    out = tmp_path / "o"
    make_texts(10, 3, "b").write_parquet(texts / "b.parquet")
    settle = run.settle

    def full(draft):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "settle", full)
    with pytest.raises(at.AnnotuneError, match="cannot be written to: No space left on device"):
        at.classify(texts, model_folder, out, workers=1)
    assert set(at.status(out).shards["state"]) == {"waiting"}
    assert list((out / ".annotune/drafts").iterdir()) == []
    monkeypatch.setattr(run, "settle", settle)
    assert at.classify(texts, model_folder, out, workers=1).is_complete


def test_a_file_that_changes_while_it_is_coded_fails(texts, model_folder, tmp_path, monkeypatch):
    coded = run.coded

    def changing(shard, *args):
        result = coded(shard, *args)
        make_texts(30, 8, "a").write_parquet(texts / "a.parquet")
        return result

    monkeypatch.setattr(run, "coded", changing)
    found = at.classify(texts, model_folder, tmp_path / "o", workers=1)
    assert found.shards["why"].to_list() == [
        "a.parquet was changed since the run was begun. Run the same again once it is whole."
    ]


@pytest.fixture
def ended_thrice(texts, model_folder, tmp_path, monkeypatch):
    """A run in which three processes ended while they worked on the shard b."""
    from annotune.bulk import claims

    make_texts(10, 3, "b").write_parquet(texts / "b.parquet")
    at.classify(texts, model_folder, tmp_path / "o", shard=(1, 2))
    books = claims.Claims(tmp_path / "o/.annotune/claims")
    for number in (1, 2, 3):
        claims.make_exclusively(books.path(claims.key_of("b"), number), '{"process": "gone"}')
    monkeypatch.setattr(claims, "is_gone", lambda process: process == "gone")
    return tmp_path / "o"


def test_a_shard_at_which_processes_end_is_left_out_after_three(texts, model_folder, ended_thrice):
    run.work(ended_thrice)
    why = failing(at.status(ended_thrice))
    assert why["b"].startswith("3 processes ended while they worked on this shard")
    assert at.classify(texts, model_folder, ended_thrice, workers=1).is_complete


def test_a_run_that_was_killed_often_goes_on_when_it_is_called_again(texts, model_folder, ended_thrice):
    assert at.classify(texts, model_folder, ended_thrice, workers=1).is_complete


def test_workers_that_break_off_again_and_again_are_told_of(texts, model_folder, tmp_path, monkeypatch):
    make_texts(10, 3, "b").write_parquet(texts / "b.parquet")
    monkeypatch.setattr(team, "BEGINNING", "import os, sys; print('out of luck', flush=True); os.abort()")
    monkeypatch.setattr(team, "MOST_ENDED", 1)
    with pytest.raises(at.AnnotuneError, match=r"break off again and again \(SIGABRT; the last words: out of luck"):
        at.classify(texts, model_folder, tmp_path / "o", workers=2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on": "mars"}, "Texts cannot be coded on 'mars'"),
        ({"shard": (4, 3)}, "There is no part 4 of 3"),
        ({"workers": 0}, "cannot be that small"),
        ({"precision": "float8"}, "The precision 'float8' is unknown"),
        ({"out": None}, "There is no folder to code into"),
        ({"model": None}, "There is no model"),
        ({"model": "nowhere"}, "nowhere is no model saved by annotune"),
        ({"path": "nowhere"}, "nowhere is not there"),
        ({"path": "no*where"}, "There are no texts in 'no.where'"),
        ({"covariates": ["label"]}, "The covariate 'label' has the name of a column of the codes"),
        ({"base": "b"}, "There is no base model|codes by a codebook"),
    ],
)
def test_what_is_asked_for_wrongly(texts, model_folder, tmp_path, options, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.classify(**{"path": texts, "model": model_folder, "out": tmp_path / "o", **options})


def test_codes_do_not_stand_among_texts_nor_among_anything_else(texts, model_folder, tmp_path):
    for place in (texts, texts / "coded", tmp_path):
        with pytest.raises(at.AnnotuneError, match="is among the texts, or holds them"):
            at.classify(texts, model_folder, place)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.docx").write_text("all of it")
    with pytest.raises(at.AnnotuneError, match="full holds something else"):
        at.classify(texts, model_folder, tmp_path / "full")
    with pytest.raises(at.AnnotuneError, match="full holds no run of annotune classify"):
        at.status(tmp_path / "full")
