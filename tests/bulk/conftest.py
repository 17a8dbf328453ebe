"""A tuned model on disk, and folders of texts to be coded by it."""

import numpy as np
import polars as pl
import pytest

import annotune as at

WORDS = "hospital doctor patient nurse court judge crime police cattle wheat farmer milk the minister asked about cost"


def make_texts(n, seed, prefix):
    """Texts of few words, so that the same one comes again, with a year; one in twenty is missing."""
    rng = np.random.default_rng(seed)
    words = WORDS.split()
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(n)]
    texts = [None if i % 20 == 19 else text for i, text in enumerate(texts)]
    years = pl.Series(rng.integers(2000, 2010, n), dtype=pl.Int32)
    return pl.DataFrame(
        {"unit_id": [f"{prefix}{i}" for i in range(n)], "text": pl.Series(texts, dtype=pl.String)}
    ).with_columns(year=years)


@pytest.fixture(scope="session")
def model_folder(topics, gold, book, tiny_base, tmp_path_factory):
    """A tuned model of three topics."""
    model = at.tune(topics, gold, book(), base=str(tiny_base), epochs=2, n_boot=20, test=0.2)
    return model.save(tmp_path_factory.mktemp("bulk") / "model")


@pytest.fixture(scope="session")
def texts_folder(tmp_path_factory):
    """Files in all formats, one in a folder of its own."""
    folder = tmp_path_factory.mktemp("texts") / "tweets"
    (folder / "2019").mkdir(parents=True)
    make_texts(120, 1, "a").write_parquet(folder / "a.parquet")
    make_texts(520, 2, "b").write_parquet(folder / "2019" / "b.parquet", row_group_size=100)
    make_texts(60, 3, "c").write_csv(folder / "c.csv")
    make_texts(40, 4, "d").write_ndjson(folder / "d.jsonl")
    make_texts(0, 5, "e").write_parquet(folder / "empty.parquet")
    (folder / "_README.csv").write_text("what other programs keep")
    return folder


def bytes_of(out):
    """The bytes of every file of codes, by its place."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


@pytest.fixture(scope="session")
def undisturbed(texts_folder, model_folder, tmp_path_factory):
    """The bytes of a run that nothing disturbed, in shards of 100 rows."""
    out = tmp_path_factory.mktemp("undisturbed") / "coded"
    assert at.classify(texts_folder, model_folder, out, rows_per_shard=100, workers=1, threads=1).is_complete
    return bytes_of(out)
