"""A study whose models code very many texts beside its corpus."""

import polars as pl
import pytest

import annotune as at
from annotune.study.file import read_study
from annotune.study.many_texts import many_texts
from annotune.study.models import Steps

# The base of these tests reads letters, and its model is as good as that.
pytestmark = pytest.mark.filterwarnings("ignore::annotune.errors.AnnotuneWarning")


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_base):
    """A simulated study that names a folder of texts, run once."""
    study = at.demo(tmp_path_factory.mktemp("study"), n=120, n_coded=60).study
    texts = study.parent / "tweets"
    (texts / "2020").mkdir(parents=True)
    corpus = pl.read_csv(study.parent / "questions.csv")
    corpus.head(70).write_csv(texts / "a.csv")
    corpus.tail(50).with_columns(unit_id=pl.format("x{}", "unit_id")).write_parquet(texts / "2020" / "b.parquet")
    put(study, "classify: {texts: tweets, covariates: [party], workers: 1, rows_per_shard: 50}")
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("base: minilm", f"base: {tiny_base}, method: probe, folds: 2"), encoding="utf-8")
    assert at.run(study).done["classify into coded"] == "done"
    return study


def coded_again(study):
    """How far the folder is after the step alone."""
    file = read_study(study)
    return many_texts(file, ["topic"], Steps(file.work, False, lambda _: None))


def put(study, line):
    """The study with this line in place of its key `classify`."""
    lines = [one for one in study.read_text(encoding="utf-8").splitlines() if not one.startswith("classify:")]
    study.write_text("\n".join([*lines, line]) + "\n", encoding="utf-8")


def test_models_of_the_study_code_the_folder_and_a_second_run_has_nothing_to_do(study):
    out = study.parent / "coded"
    coded = pl.read_parquet(out / "**/*.parquet")
    assert coded["unit_id"].n_unique() == 120
    assert "party" in coded.columns
    model = at.load(study.parent / "annotune-work" / "topic" / "model")
    assert coded["coder"].unique().to_list() == [model.name]
    bytes_before = {path: path.read_bytes() for path in out.rglob("*.parquet")}
    again = at.run(study)
    assert again.done["classify topic"] == again.done["tune topic"] == "up to date"
    assert bytes_before == {path: path.read_bytes() for path in out.rglob("*.parquet")}
    assert "120 of 120 texts (100%)" in repr(again)
    assert at.verify(study.parent).is_sound


def test_more_texts_change_nothing_of_what_was_done(study):
    before = {path: path.read_bytes() for path in (study.parent / "coded").rglob("*.parquet")}
    more = pl.DataFrame({"unit_id": ["new"], "text": ["Why?"], "party": ["Labour"]})
    more.write_csv(study.parent / "tweets" / "c.csv")
    assert coded_again(study).shards["texts"].sum() == 121
    assert all(path.read_bytes() == content for path, content in before.items())
    put(study, "classify: {texts: tweets, rows_per_shard: 50}")
    with pytest.raises(at.AnnotuneError, match="was begun with covariates="):
        coded_again(study)


def test_on_slurm_the_named_cluster_is_asked(study, monkeypatch):
    asked = {}

    def classify(path, model, out, **options):
        asked.update(options, path=path, model=model, out=out)
        return at.status(study.parent / "coded")

    monkeypatch.setattr("annotune.bulk.classify.classify", classify)
    put(study, "classify: {texts: [tweets, 'more/*.csv'], out: elsewhere, on: slurm, cluster: horeka}")
    coded_again(study)
    folder = study.parent
    assert (asked["on"], asked["cluster"], asked["out"]) == ("slurm", "horeka", folder / "elsewhere")
    assert asked["path"] == [str(folder / "tweets"), str(folder / "more" / "*.csv")]
    assert asked["model"] == [folder / "annotune-work" / "topic" / "model"]
    assert not {"setup", "clusters", "options", "python", "address"} & asked.keys()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{on: slurm}", "is about very many texts, and none are named"),
        ("{texts: t, cluster: horeka}", "cluster: 'horeka' is named, and texts are coded on 'local'"),
        ("{texts: t, on: kubernetes}", "classify, on: Input should be 'local', 'ray' or 'slurm'"),
        ("{texts: t, on: slurm, setup: rm -rf /}", "setup"),
        ("{texts: t, on: slurm, clusters: theirs.yaml}", "clusters"),
        ("{texts: t, on: ray, address: 'ray://elsewhere:10001'}", "address"),
        ("{texts: t, workers: 0}", "workers"),
    ],
)
def test_what_a_study_may_not_say_is_refused_before_anything_is_computed(tmp_path, line, says):
    path = tmp_path / "study.yaml"
    path.write_text(f"codebook: book.yaml\ncorpus: a.csv\ncodings: b.csv\nclassify: {line}\n", encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match=says):
        read_study(path)
