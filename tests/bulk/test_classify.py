"""Very many texts: rows in are rows out, in the same bytes, however the work is parted."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import annotune as at
from annotune.bulk import cache, coding, shards
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan

from .conftest import bytes_of, make_texts

OPTIONS = {"rows_per_shard": 100, "workers": 1, "threads": 1}


def test_codes_are_those_of_classify(texts_folder, model_folder, tmp_path):
    out = tmp_path / "coded"
    assert at.classify(texts_folder, model_folder, out, covariates=["year"], **OPTIONS).is_complete
    coded = pl.read_parquet(out / "**/*.parquet").sort("unit_id")
    read = [pl.read_parquet(texts_folder / name) for name in ("a.parquet", "2019/b.parquet")]
    read += [pl.read_csv(texts_folder / "c.csv"), pl.read_ndjson(texts_folder / "d.jsonl")]
    texts = pl.concat([part.cast({"year": pl.Int32}) for part in read]).sort("unit_id")
    with pytest.warns(at.AnnotuneWarning):
        wanted = at.load(model_folder).classify(texts)
    assert coded["unit_id"].to_list() == texts["unit_id"].to_list()
    assert_frame_equal(coded.select("label", "status", "coder"), wanted.select("label", "status", "coder"))
    assert_frame_equal(coded.select("^p_.*$"), wanted.select(pl.col("^p_.*$").cast(pl.Float32)), abs_tol=1e-5)
    assert coded["year"].to_list() == texts["year"].to_list()


def test_the_bytes_do_not_depend_on_who_did_what(texts_folder, model_folder, undisturbed, tmp_path, monkeypatch):
    """How several processes share a run is looked at in test_gpus.py, test_killed.py, test_slurm.py and test_ray.py."""
    for number in (3, 1, 2):
        at.classify(texts_folder, model_folder, tmp_path / "parts", shard=(number, 3), rows_per_shard=100, threads=1)
    assert bytes_of(tmp_path / "parts") == undisturbed
    monkeypatch.setattr(cache.Cache.__init__, "__defaults__", (1,))  # room for one text
    monkeypatch.setattr(shards, "ROWS_AT_ONCE", 37)
    at.classify(texts_folder, model_folder, tmp_path / "small", **OPTIONS)
    assert bytes_of(tmp_path / "small") == undisturbed


def test_a_part_leaves_the_others_alone(texts_folder, model_folder, tmp_path):
    found = at.classify(texts_folder, model_folder, tmp_path / "o", shard=(2, 3), rows_per_shard=100, threads=1)
    assert found.shards["state"].to_list() == ["done" if i % 3 == 1 else "waiting" for i in range(len(found.shards))]


def test_a_text_is_computed_once_across_shards(texts_folder, model_folder, tmp_path, monkeypatch):
    from annotune.models.coder import Coder

    computed, steady = [], Coder.steady_logits

    def counting(self, texts, *rest):
        computed.extend(texts)
        return steady(self, texts, *rest)

    monkeypatch.setattr(Coder, "steady_logits", counting)
    at.classify(texts_folder, model_folder, tmp_path / "coded", **OPTIONS)
    assert len(computed) == len(set(computed)) > 0
    all_texts = pl.read_parquet(texts_folder / "2019/b.parquet")["text"].drop_nulls()
    assert set(all_texts) <= set(computed)
    assert all_texts.n_unique() < len(all_texts)


def test_what_is_done_is_not_done_again(texts_folder, model_folder, tmp_path):
    out = tmp_path / "coded"
    at.classify(texts_folder, model_folder, out, **OPTIONS)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    at.classify(texts_folder, model_folder, out, workers=1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before
    (out / "a.00000.parquet").unlink()
    at.classify(texts_folder, model_folder, out, workers=1)
    changed = {path.name for path in out.rglob("*.parquet") if path.stat().st_mtime_ns != before.get(path)}
    assert changed == {"a.00000.parquet"}


def test_a_new_file_and_a_changed_one_are_coded_and_no_other(model_folder, tmp_path):
    texts, out = tmp_path / "texts", tmp_path / "coded"
    texts.mkdir()
    make_texts(30, 1, "a").write_parquet(texts / "a.parquet")
    make_texts(30, 2, "b").write_parquet(texts / "b.parquet")
    at.classify(texts, model_folder, out, workers=1)
    before = (out / "a.parquet").stat().st_mtime_ns
    make_texts(31, 2, "b").write_parquet(texts / "b.parquet")
    make_texts(5, 3, "c").write_parquet(texts / "c.parquet")
    found = at.classify(texts, model_folder, out, workers=1)
    assert found.is_complete
    assert (out / "a.parquet").stat().st_mtime_ns == before
    assert len(pl.read_parquet(out / "b.parquet")) == 31
    assert len(pl.read_parquet(out / "c.parquet")) == 5


def test_several_models_read_each_text_once(topics, gold, book, tiny_base, model_folder, tmp_path):
    answers = gold.with_columns(
        label=pl.when(pl.col("label") != "Farming").then("label"),
        status=pl.when(pl.col("label") == "Farming").then(pl.lit("none")).otherwise(pl.lit("ok")),
        variable=pl.lit("areas"),
    )
    sets = book("multilabel", ["Health", "Law"])
    sets = at.Codebook(variables=(sets.variables[0].model_copy(update={"name": "areas"}),))
    other = at.tune(topics, answers, sets, base=str(tiny_base), epochs=2, n_boot=20, test=0.2)
    texts = tmp_path / "texts.parquet"
    make_texts(70, 1, "a").write_parquet(texts)
    found = at.classify(texts, [model_folder, other], tmp_path / "coded", covariates=["year"], workers=1)
    assert found.is_complete
    coded = pl.read_parquet(tmp_path / "coded/texts.parquet")
    with pytest.warns(at.AnnotuneWarning):
        wanted = other.classify(pl.read_parquet(texts))
    assert_frame_equal(
        coded.filter(variable="areas").select("unit_id", "label", "status"),
        wanted.select("unit_id", "label", "status"),
    )
    assert coded.filter(variable="topic")["unit_id"].to_list() == pl.read_parquet(texts)["unit_id"].to_list()
    assert set(found.labels["variable"]) == {"topic", "areas"}
    assert coded.columns[-4:] == ["p_Health", "p_Law", "p_Farming", "year"]


def test_a_decoder_codes_by_the_codebook_alone(book, decoder, tmp_path):
    texts = make_texts(30, 1, "a")
    texts.write_parquet(tmp_path / "texts.parquet")
    options = {"base": str(decoder()), "codebook": book()}
    found = at.classify(tmp_path / "texts.parquet", out=tmp_path / "coded", workers=1, **options)
    assert found.is_complete, found
    coded = pl.read_parquet(tmp_path / "coded/texts.parquet")
    with pytest.warns(at.AnnotuneWarning):
        wanted = at.zero_shot(texts, book(), str(decoder()))
    assert_frame_equal(coded.select("unit_id", "label", "coder"), wanted.select("unit_id", "label", "coder"))
    assert_frame_equal(coded.select("prob"), wanted.select("prob"), abs_tol=1e-4)


def test_without_probabilities(texts_folder, model_folder, tmp_path):
    at.classify(texts_folder / "a.parquet", model_folder, tmp_path / "o", probabilities=False, **OPTIONS)
    columns = pl.read_parquet(tmp_path / "o/a.00000.parquet").columns
    assert columns == ["unit_id", "variable", "coder", "label", "prob", "status"]


def test_the_manifest_says_what_was_done(texts_folder, model_folder, tmp_path):
    out = tmp_path / "coded"
    found = at.classify(texts_folder, model_folder, out, **OPTIONS)
    folder, plan = RunFolder(out), require_plan(out)
    for shard in plan.shards:
        manifest = folder.manifest(shard)
        codes = pl.read_parquet(out / shard.output)
        assert manifest["texts"] == manifest["rows"] == len(codes) == shard.rows
        assert sum(row["n"] for row in manifest["labels"]) == codes["label"].count()
        assert manifest["models"] == {at.load(model_folder).name: plan.models[0]["sha256"]}
        assert {"host", "gpu", "seconds", "finished", "input_sha256", "settings", "attempt"} <= set(manifest)
    assert found.labels["n"].sum() == pl.read_parquet(out / "**/*.parquet")["label"].count()
    assert "740 of 740 texts (100%) in 11 of 11 shards." in found.in_words()


def test_what_is_not_whole_is_refused():
    codes = pl.DataFrame({"unit_id": ["a", "b"], "variable": "v", "coder": "m"})
    models = [{"name": "m", "variables": [{"name": "v"}]}]
    units = pl.Series(["a", "b"])
    coding.require_whole(codes, units, "f", models)
    for broken in (codes.head(1), codes.reverse(), codes.with_columns(coder=pl.lit("n"))):
        with pytest.raises(at.AnnotuneError, match="not those of the 2 texts"):
            coding.require_whole(broken, units, "f", models)
