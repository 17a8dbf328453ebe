"""verify() of a folder of codes: each file, the rows behind it and the models, by what was recorded of them."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan
from annotune.cli import app

from .conftest import make_texts


@pytest.fixture(scope="module")
def made(model_folder, tmp_path_factory):
    """Texts, the model, and the codes, in a folder."""
    place = tmp_path_factory.mktemp("verified")
    (place / "texts").mkdir()
    make_texts(120, 1, "a").write_parquet(place / "texts" / "a.parquet")
    make_texts(60, 2, "b").write_csv(place / "texts" / "b.csv")
    shutil.copytree(model_folder, place / "model")
    at.classify(place / "texts", place / "model", place / "coded", rows_per_shard=50, workers=1, threads=1)
    return place


@pytest.fixture
def place(made):
    """A copy of it that the plan's paths lead to."""
    kept = made.with_name("kept")
    shutil.copytree(made, kept)
    yield made
    shutil.rmtree(made)
    kept.rename(made)


def states(place):
    """What is not as it was recorded."""
    found = at.verify(place / "coded")
    rows = found.files.filter(pl.col("state") != "as recorded")
    return found.is_sound, sorted((Path(file).name, state) for file, state in rows.select("file", "state").iter_rows())


def test_a_whole_folder_is_sound(place):
    found = at.verify(place / "coded")
    assert found.is_sound
    names = {Path(file).name for file in found.files["file"]}
    assert {"a.00000.parquet", "a.00002.parquet", "b.csv.00001.parquet", "a.parquet", "plan.json", "model"} <= names
    assert at.verify(place).is_sound


def test_a_copied_input_is_the_same_and_a_changed_row_is_not(place):
    source = place / "texts" / "a.parquet"
    os.utime(source, (1, 1))
    assert states(place) == (True, [])
    frame = pl.read_parquet(source)
    frame.with_columns(
        pl.when(pl.col("unit_id") == "a60").then(pl.lit("other")).otherwise("text").alias("text")
    ).write_parquet(source)
    assert states(place) == (False, [("a.parquet", "changed")])
    source.unlink()
    assert states(place) == (True, [("a.parquet", "not here")] * 3)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda out: (out / "a.00001.parquet").unlink(), ("a.00001.parquet", "missing")),
        (lambda out: flip(out / "a.00001.parquet"), ("a.00001.parquet", "changed")),
        (lambda out: flip(out / ".annotune" / "plan.json"), ("plan.json", "changed")),
        (lambda out: flip(out.parent / "model" / "annotune.json"), ("model", "changed")),
    ],
)
def test_what_was_changed_or_is_missing_is_named(place, damage, says):
    damage(place / "coded")
    sound, rows = states(place)
    assert (sound, says in rows) == (False, True)
    done = CliRunner().invoke(app, ["verify", str(place / "coded")])
    assert done.exit_code == 1
    assert says[0] in done.output


def test_a_damaged_manifest_a_strange_file_and_what_is_not_done(place):
    folder = RunFolder(place / "coded")
    shards = require_plan(folder.out).shards
    flip(folder.manifest_path(shards[0]))
    folder.manifest_path(shards[1]).unlink()
    (folder.out / shards[1].output).unlink()
    shutil.copy(folder.out / shards[2].output, folder.out / "strange.parquet")
    manifest = folder.manifest(shards[3])
    folder.put_manifest(shards[3], {**manifest, "models": {"another": "0"}})
    sound, rows = states(place)
    assert not sound
    notes = [folder.manifest_path(shards[place]).name for place in (0, 3)]
    expected = [(shards[0].output, "no record"), (shards[1].output, "not done"), ("strange.parquet", "no record")]
    assert rows == sorted([*expected, *((note, "changed") for note in notes)])
    assert "1 shard is not done" in at.verify(folder.out).in_words()


def flip(path):
    """One byte in the middle of a file becomes another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
