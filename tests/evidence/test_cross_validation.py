"""evaluate(cv=): every coded text predicted by a model that has not seen it, and figures that others agree with."""

import json
import sys

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sklearn import metrics

import annotune as at
from annotune import cli
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.tuning import held_out
from annotune.tuning import trials as trials_module
from annotune.tuning.held_out import PROBE
from annotune.tuning.parts import Cases


@pytest.fixture(scope="module")
def texts(topics):
    """The shared texts, with authors of several documents; 60 of 90 are coded."""
    author = pl.Series([f"a{i // 18}" for i in range(90)])
    return topics.drop("label").with_columns(author=author, pi=pl.lit(2 / 3))


@pytest.fixture(scope="module")
def validate(texts, gold, book, tiny_base):
    """`at.evaluate` by cross-validation of the shared texts, quickly, with anything overruled by name."""

    def quickly(truth=None, **options):
        given = {"corpus": texts, "codebook": book(), "base": str(tiny_base), "method": "probe", "cv": 3, "n_boot": 20}
        return at.evaluate(gold[:60] if truth is None else truth, **(given | options))

    return quickly


@pytest.fixture(scope="module")
def found(validate):
    return validate()


@pytest.fixture(scope="module")
def grouped(validate):
    return validate(group="author")


@pytest.fixture
def fits(monkeypatch):
    """A list that grows with each fold that is tried, and each model that is made from all texts."""
    seen, try_out, from_all = [], trials_module.try_out, held_out._from_all
    monkeypatch.setattr(trials_module, "try_out", lambda *how, **more: seen.append("fold") or try_out(*how, **more))

    def watched(task, places, choices):
        if len(places) == len(task.examples):  # and not a fold's probe, made again from its texts
            seen.append("all")
        return from_all(task, places, choices)

    monkeypatch.setattr(held_out, "_from_all", watched)
    return seen


def both(found):
    """Truth and prediction of every coded text."""
    return found.data["topic_gold"].cast(pl.String).to_list(), found.data["topic"].cast(pl.String).to_list()


def test_the_figures_are_scikit_learns_on_the_kept_predictions(found, grouped):
    for result in (found, grouped):
        true, said = both(result)
        assert len(true) == 60
        assert None not in true + said
        labels = sorted(set(true) | set(said))
        scores = {"average": "macro", "labels": labels, "zero_division": 0}
        assert result.get("accuracy") == pytest.approx(metrics.accuracy_score(true, said))
        assert result.get("macro_f1") == pytest.approx(metrics.f1_score(true, said, **scores))
        assert result.get("kappa") == pytest.approx(metrics.cohen_kappa_score(true, said))
        assert result.get("mcc") == pytest.approx(metrics.matthews_corrcoef(true, said))
        confused = metrics.confusion_matrix(true, said, labels=labels)
        wanted = [(labels[i], labels[j], confused[i, j]) for i, j in np.argwhere(confused)]
        assert sorted(result.confusion.iter_rows()) == wanted


def test_the_model_stands_beside_the_baselines_on_the_same_texts_and_a_probe_not_beside_itself(found):
    assert found.models == [found.model.name, TF_IDF, NO_INFORMATION]
    assert found.measures["n_units"].unique().to_list() == [60]
    assert found.measures.filter(measure="accuracy")["ci_low"].null_count() == 0


def test_a_group_is_in_one_fold_and_in_one_part_of_each_resample(grouped, gold, book, texts):
    assert grouped.data.group_by("author").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 4
    assert sorted(grouped.data["fold"].unique()) == [1, 2, 3]
    again = at.evaluate(
        gold[:60], grouped.codings, codebook=book(), corpus=texts, cluster="author", n_boot=20, name=grouped.models[0]
    )
    shown = ["measure", "estimate", "ci_low", "ci_high"]
    mine, theirs = (of.measures.filter(model=grouped.models[0]).select(shown) for of in (grouped, again))
    assert_frame_equal(mine, theirs)
    units = at.evaluate(gold[:60], grouped.codings, codebook=book(), n_boot=20)
    assert units.measures.filter(measure="accuracy")["ci_low"][0] != theirs.filter(measure="accuracy")["ci_low"][0]


def test_no_fold_s_model_has_seen_the_group(validate, monkeypatch, texts):
    seen, real = [], trials_module.try_out

    def watched(task, rest, out, *how, **more):
        author = task.coded.frame["author"]
        seen.append((set(author.gather(rest)), set(author.gather(out))))
        return real(task, rest, out, *how, **more)

    monkeypatch.setattr(trials_module, "try_out", watched)
    validate(group="author")
    assert len(seen) == 3
    assert not any(rest & out for rest, out in seen)


def test_equal_texts_are_in_one_fold(validate, texts):
    twice = texts.with_columns(text=pl.concat([texts["text"][:30]] * 3))
    data = validate(corpus=twice).data.join(twice.select("unit_id", "text"), on="unit_id")
    assert data.group_by("text").agg(pl.col("fold").n_unique())["fold"].max() == 1


@given(st.lists(st.integers(0, 6), min_size=8, max_size=60), st.integers(2, 5), st.booleans())
@settings(max_examples=60)
def test_folds_divide_the_texts_and_never_a_group(groups, k, large):
    groups = np.array(groups)
    if len(np.unique(groups)) < k:
        return
    strata = np.arange(len(groups)) % 3
    parts = Cases(strata, groups, large=large).folds(k)
    assert sorted(np.concatenate([out for _, out in parts])) == list(range(len(groups)))
    for rest, out in parts:
        assert len(out)
        assert not set(groups[rest]) & set(groups[out])
        assert len(rest) + len(out) == len(groups)


def test_the_predictions_are_cross_fitting_s(found, validate, texts, gold, book, tiny_base):
    done = at.crossfit(
        texts, gold[:60], book(), base=str(tiny_base), method="probe", folds=3, uncoded="model", n_boot=20
    )
    assert_frame_equal(found.data, done.data.filter("coded").drop("pi"))
    assert_frame_equal(found.codings, done.codings.filter(pl.col("fold").is_not_null()).drop("pi"))
    assert_frame_equal(found.measures, done.evaluation.measures)
    shares = at.prevalence(found.data, "topic", methods=["hand", "dsl"], pi=1.0)
    hand, corrected = (shares.filter(method=name)["estimate"] for name in ("hand", "dsl"))
    np.testing.assert_allclose(hand, corrected)  # where all are coded, the model adds nothing
    with pytest.raises(at.AnnotuneError, match="drawn for hand coding is not known"):
        at.correct("topic == 'Law' ~ unit_id", found.data)


def test_nothing_is_tuned_twice(validate, fits, tmp_path, texts, gold, book, tiny_base):
    first = validate(out=tmp_path, n_boot=1000)
    assert fits == ["fold"] * 3 + ["all"]
    fits.clear()
    done = at.crossfit(texts, gold[:60], book(), base=str(tiny_base), method="probe", folds=3, out=tmp_path)
    assert fits == []
    assert done.codings["fold"].null_count() == 0
    anew = at.crossfit(texts, gold[:60], book(), base=str(tiny_base), method="probe", folds=3)
    assert_frame_equal(done.data, anew.data, rel_tol=1e-4)
    fits.clear()
    assert_frame_equal(validate(out=tmp_path, n_boot=1000).measures, first.measures)
    assert fits == []
    validate(out=tmp_path, seed=2)
    assert fits == ["fold"] * 3 + ["all"]


def test_what_was_stopped_goes_on(validate, found, fits, tmp_path, monkeypatch):
    real = trials_module.baselines

    def stop_at_the_third(*parts):
        if len(fits) == 3:
            raise KeyboardInterrupt
        return real(*parts)

    with monkeypatch.context() as patch:
        patch.setattr(trials_module, "baselines", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            validate(out=tmp_path)
    fits.clear()
    assert_frame_equal(validate(out=tmp_path).measures, found.measures)
    assert fits == ["fold", "all"]


def test_label_sets_of_one_of_several_variables(validate, texts, book, gold, tmp_path):
    about = [[], ["Law"], ["Health"], ["Health", "Law"]]
    words = {"Law": "court judge crime", "Health": "hospital doctor nurse"}
    said = [" ".join([*(words[label] for label in about[i % 4]), "new " * (i % 7), "the year"]) for i in range(90)]
    rows = [(f"q{i:03}", label) for i in range(60) for label in (about[i % 4] or [None])]
    sets = pl.DataFrame(rows, schema=["unit_id", "label"], orient="row").with_columns(
        variable=pl.lit("about"),
        coder=pl.lit("gold"),
        status=pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok")),
    )
    truth = pl.concat([sets, gold[:60].with_columns(status=pl.lit("ok"))], how="diagonal")
    several = at.Codebook(
        variables=(book().variables[0], book("multilabel", ["Health", "Law"]).variables[0].model_copy(
            update={"name": "about"}
        ))
    )  # fmt: skip
    corpus = texts.with_columns(text=pl.Series(said))
    found = validate(truth, corpus=corpus, codebook=several, variable="about", out=tmp_path)
    columns = ["Health", "Law"]
    true, guess = (
        found.data.select(f"{stem}_{name}" for name in columns).to_numpy() for stem in ("about_gold", "about")
    )
    assert found.get("exact_set") == pytest.approx(metrics.accuracy_score(true, guess))
    assert found.get("micro_f1") == pytest.approx(metrics.f1_score(true, guess, average="micro"))
    assert [folder.name for folder in tmp_path.iterdir()] == ["about"]
    with pytest.raises(at.AnnotuneError, match="variable="):
        validate(truth, corpus=corpus, codebook=several)


def test_a_label_with_fewer_texts_than_folds_is_named(validate, gold):
    rare = (
        gold[:60]
        .with_columns(label=pl.when(pl.col("label") == "Farming").then(pl.lit("Law")).otherwise("label"))
        .with_columns(label=pl.when(pl.col("unit_id") == "q003").then(pl.lit("Farming")).otherwise("label"))
    )
    with pytest.warns(at.AnnotuneWarning, match=r"fewer texts than there are folds \('Farming': 1 of 3\)"):
        found = validate(rare)
    row = found.labels.filter(model=found.models[0], label="Farming").row(0, named=True)
    assert (row["n_true"], row["recall"]) == (1, 0.0)


def test_without_a_codebook_the_labels_are_those_that_occur(validate, found):
    plain = validate(codebook=None)  # in the alphabet's order, and so in other folds
    assert plain.labels["label"].unique().sort().to_list() == found.labels["label"].unique().sort().to_list()
    assert plain.get("accuracy") == pytest.approx(found.get("accuracy"), abs=0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"predicted": pl.DataFrame()}, "predicted= has no meaning"),
        ({"cluster": "author"}, "cluster= has no meaning.*group="),
        ({"baselines": {}}, "baselines= has no meaning"),
        ({"corpus": None}, "Give the corpus"),
        ({"folds": 3}, "folds= and cv= exclude each other"),
        ({"test": 0.2}, "test= and cv= exclude each other"),
        ({"cv": 1}, "cannot be put into 1 folds"),
        ({"cv": 61}, "cannot be put into 61 folds"),
        ({"cv": "5"}, "cv= of evaluate.. cannot be '5'"),
        ({"group": "autor"}, "no column 'autor'.*Did you mean 'author'"),
        ({"epoch": 1}, "Did you mean 'epochs'"),
        ({"variable": "tone"}, "no variable 'tone'"),
        ({"cv": None}, "base= is for models tuned in folds|method= is for"),
        ({"truth": ["a", "b"]}, "A list is no table"),
    ],
)
@pytest.mark.filterwarnings("ignore:3 labels have fewer")
def test_what_does_not_go_together_is_one_sentence(validate, fits, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        validate(**options)
    assert not fits


def test_nothing_to_compare_with_is_said():
    with pytest.raises(at.AnnotuneError, match=r"nothing to compare the truth with\. Give predicted=.*cv=5"):
        at.evaluate(["a", "b"])


@pytest.mark.parametrize("authors", [1, 2])
def test_too_few_groups_for_the_folds_are_counted(validate, texts, authors):
    few = texts.with_columns(author=pl.Series([f"a{i % authors}" for i in range(90)]))
    with pytest.raises(at.AnnotuneError, match=f"{authors} groups cannot be put into 3 folds"):
        validate(corpus=few, group="author")


def test_the_corpus_may_be_any_table_and_have_whole_numbers_as_identifiers(topics, gold):
    numbers = topics.select(pl.int_range(90).alias("unit_id"), "text", "doc")
    rows = gold.with_columns(unit_id=pl.int_range(90).cast(pl.String))
    found = at.evaluate(rows, rows, corpus=numbers.to_pandas(), cluster="doc", n_boot=10)
    assert found.get("accuracy") == 1
    with pytest.raises(at.AnnotuneError, match="The corpus has no column 'text'"):
        at.evaluate(rows, rows, corpus=numbers.drop("text"), n_boot=0)


def test_the_command_line_says_the_same(grouped, fits, texts, gold, book, tiny_base, tmp_path, monkeypatch, capsys):
    at.write(texts, tmp_path / "texts.csv")
    at.write(gold[:60], tmp_path / "gold.csv")
    labels = [{"code": label.code, "name": label.name} for label in book().variables[0].labels]
    (tmp_path / "book.yaml").write_text(yaml.safe_dump({"variables": [{"name": "topic", "labels": labels}]}))
    words = ["evaluate", "gold.csv", "--corpus", "texts.csv", "--codebook", "book.yaml", "--cv", 3, "--group", "author"]
    words += ["--base", tiny_base, "--method", "probe", "--n-boot", 20, "--out", "folds"]
    words += ["--write", "measures.parquet", "--predictions", "coded.parquet"]
    monkeypatch.chdir(tmp_path)

    def run(*given):
        monkeypatch.setattr(sys, "argv", ["annotune", *map(str, given)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, " ".join("".join(capsys.readouterr()).split())

    code, said = run(*words)
    assert code == 0, said
    assert TF_IDF in said
    assert PROBE not in said
    shown = ["model", "measure", "estimate", "ci_low", "ci_high", "n_units"]
    assert_frame_equal(pl.read_parquet("measures.parquet").select(shown), grouped.measures.select(shown))
    record = json.loads((tmp_path / "coded.parquet.record.json").read_text())
    assert record["what"] == "annotune evaluate"
    assert (record["settings"]["cv"], set(record["inputs"])) == (3, {"gold.csv", "texts.csv"})
    written = pl.read_parquet("coded.parquet")
    assert written.columns == grouped.data.columns
    assert written["fold"].to_list() == grouped.data["fold"].to_list()
    fits.clear()
    words = ["crossfit", "texts.csv", "gold.csv", "--codebook", "book.yaml", "--folds", 3, "--group", "author"]
    words += ["--base", tiny_base, "--method", "probe", "--out", "folds", "--write", "all.parquet"]
    code, said = run(*words)
    assert code == 0, said
    assert fits == ["all"]  # whose figures have other intervals; no fold again
    code, said = run("prevalence", "coded.parquet", "--methods", "hand,dsl", "--pi", 1)
    assert code == 0, said
    code, said = run("evaluate", "gold.csv", "gold.csv", "--predictions", "p.csv")
    assert (code, "--cv 5" in said) == (2, True)
    code, said = run("evaluate", "gold.csv")
    assert (code, "nothing to compare" in said) == (2, True)
