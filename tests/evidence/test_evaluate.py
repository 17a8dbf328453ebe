"""Evaluating: the founding paper's figures, missing answers, baselines, intervals, and bad input."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import binom
from sklearn import metrics

import annotune as at
from annotune.measures.baselines import NO_INFORMATION, TF_IDF, TF_IDF_HERE

DATA = Path(__file__).parents[3] / "shared" / "data"


def needs(name):
    return pytest.mark.skipif(not (DATA / name).is_dir(), reason=f"the data set {name} is not beside the repository")


def table(units, labels, coder="model"):
    return pl.DataFrame({"unit_id": units, "label": labels}).with_columns(variable=pl.lit("topic"), coder=pl.lit(coder))


@needs("seed_cap_ep_questions")
@pytest.mark.parametrize(
    ("split", "n", "accuracy", "kappa"), [("test", 424, 0.748, 0.728), ("train", 1272, 0.754, None)]
)
def test_published_accuracy_of_policy_codes(split, n, accuracy, kappa):
    """Carammia, Iacus and Porro (2024), European Parliament questions, 21 policy codes."""
    rows = pl.read_csv(DATA / "seed_cap_ep_questions" / "labels_predictions.csv").filter(pl.col("split") == split)
    units = rows["id_coding"].cast(pl.String)
    result = at.evaluate(table(units, rows["label"]), table(units, rows["llama2_7b_ft"], "llama-2-7b"), n_boot=500)
    assert result.models == ["llama-2-7b", NO_INFORMATION]
    assert result.measures["n_units"].unique().to_list() == [n]
    assert result.get("accuracy") == pytest.approx(accuracy, abs=0.0005)
    if kappa is not None:
        assert result.get("kappa") == pytest.approx(kappa, abs=0.0005)
        row = result.measures.row(
            by_predicate=(pl.col("measure") == "accuracy") & (pl.col("model") == "llama-2-7b"), named=True
        )
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.704, 0.787), abs=0.006)  # Wilson's, as published


@pytest.fixture(scope="module")
def dataverse():
    """The true sets as codings, their codebook, and a function that gives a model's sets."""
    true = pl.read_parquet(DATA / "seed_dataverse_predictions" / "true_labels.parquet")
    predictions = pl.read_parquet(DATA / "seed_dataverse_predictions" / "predictions.parquet")
    truth = as_sets(true.select("id", said="labels"), "truth")
    names = sorted(truth["label"].unique())
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="subject", kind="multilabel", labels=labels),))

    def of(model):
        said = predictions.filter(pl.col("model") == model).select("id", said="predicted_clean")
        return as_sets(said, model)

    return truth, book, of


def as_sets(said, coder):
    """A row per label; an answer that names no subject is the paper's label N/A."""
    split = said.with_columns(label=pl.col("said").replace("", "N/A").str.split("|")).explode("label").unique()
    return split.select(unit_id="id", variable=pl.lit("subject"), coder=pl.lit(coder), label="label")


@needs("seed_dataverse_predictions")
@pytest.mark.parametrize(
    ("model", "any_right", "exact_set", "micro_f1", "macro_f1"),
    [("llama-2-7b-dv", 0.947, 0.855, 0.893, 0.628), ("llama-2-7b-small-dv", 0.848, 0.784, 0.816, 0.471)],
)
def test_published_measures_of_sets(dataverse, model, any_right, exact_set, micro_f1, macro_f1):
    """The same paper, subjects of 32,619 data sets: sets of 15 labels."""
    truth, book, of = dataverse
    result = at.evaluate(truth, of(model), codebook=book, n_boot=0)
    found = [result.get(name) for name in ("any_right", "exact_set", "micro_f1", "macro_f1_all_labels")]
    assert found == pytest.approx([any_right, exact_set, micro_f1, macro_f1], abs=0.0005)
    assert result.get("any_right", NO_INFORMATION) == pytest.approx(0.516, abs=0.0005)
    assert result.measures["n_units"].unique().to_list() == [32_619]
    assert result.confusion.is_empty()


def test_every_unit_of_the_truth_counts():
    """A model that answers 2 of 4 units, both right, is right for half of them, not for all."""
    truth = table(["a", "b", "c", "d"], ["x", "y", "x", "y"], "gold")
    predicted = table(["a", "b", "not in the truth"], ["x", "y", "x"])
    result = at.evaluate(truth, predicted, n_boot=0)
    assert (result.get("accuracy"), result.get("coverage")) == (0.5, 0.5)
    assert set(result.confusion.rows()) == {("x", "x", 1), ("y", "y", 1), ("x", None, 1), ("y", None, 1)}
    assert result.measures["n_units"].unique().to_list() == [4]


@pytest.mark.parametrize("status", ["error", "missing", "unparsed"])
def test_a_prediction_that_failed_counts_as_wrong(status):
    truth = table(["a", "b"], ["x", "y"], "gold")
    predicted = table(["a", "b"], ["x", None]).with_columns(
        status=pl.when(pl.col("label").is_null()).then(pl.lit(status)).otherwise(pl.lit("ok"))
    )
    result = at.evaluate(truth, predicted, n_boot=0)
    assert (result.get("accuracy"), result.get("coverage")) == (0.5, 0.5)


def test_a_set_coded_as_empty_is_an_answer(book):
    rows = {"variable": ["topic"] * 3, "unit_id": ["a", "b", "c"], "label": ["Health", None, None]}
    truth = pl.DataFrame({**rows, "status": ["ok", "none", "none"]})
    predicted = pl.DataFrame({**rows, "status": ["ok", "none", "error"]})
    result = at.evaluate(truth, predicted, codebook=book("multilabel"), n_boot=0)
    assert result.get("exact_set") == pytest.approx(2 / 3)
    assert result.get("coverage") == pytest.approx(2 / 3)


def test_one_label_only_is_null_with_a_note_and_never_nan():
    result = at.evaluate(["x", "x", "x"], ["x", "x", "x"], n_boot=50)
    undefined = result.measures.filter(pl.col("estimate").is_null())
    assert set(undefined["measure"]) == {"kappa", "alpha", "mcc"}
    assert undefined["note"].str.contains("not defined").all()
    assert not any(result.measures[name].is_nan().any() for name in ("estimate", "ci_low", "ci_high"))
    assert result.get("accuracy") == 1


def test_labels_in_codebook_order_with_how_many_each_mean_covers(book):
    result = at.evaluate(
        table(["a", "b"], ["Law", "Health"]), table(["a", "b"], ["Law", "Law"]), codebook=book(), n_boot=0
    )
    assert result.labels.filter(pl.col("model") == result.models[0])["label"].to_list() == ["Health", "Law", "Farming"]
    covers = dict(result.measures.filter(pl.col("model") == result.models[0]).select("measure", "n_labels").rows())
    assert covers["macro_f1"] == 2
    assert covers["macro_f1_all_labels"] == 3
    assert result.get("macro_f1") == pytest.approx((0 + 2 / 3) / 2)
    assert result.get("macro_f1_all_labels") == pytest.approx((0 + 2 / 3 + 0) / 3)


def test_rows_of_the_table_name_precision_and_recall_the_right_way_round():
    truth, predicted = ["a", "a", "a", "b"], ["a", "b", "b", "b"]
    labels = at.evaluate(truth=truth, predicted=predicted, n_boot=0).labels
    row = labels.row(0, named=True)
    assert (row["label"], row["precision"], row["recall"]) == ("a", 1.0, 1 / 3)
    assert (row["n_true"], row["n_predicted"]) == (3, 1)


def test_baselines_are_measured_on_the_same_units(topics, gold):
    train, test = gold[:60], gold[60:]
    result = at.evaluate(
        test, test.with_columns(coder=pl.lit("perfect")), corpus=topics, train=train, n_boot=0,
        baselines={"the other": test.with_columns(label=pl.lit("Law"))},
    )  # fmt: skip
    assert result.models == ["perfect", "the other", TF_IDF, NO_INFORMATION]
    assert result.measures["n_units"].unique().to_list() == [30]
    share = (test["label"] == train["label"].mode()[0]).mean()
    assert result.get("accuracy", NO_INFORMATION) == pytest.approx(share)
    assert result.get("accuracy", NO_INFORMATION) < result.get("accuracy", TF_IDF) <= 1
    assert result.get("accuracy", "the other") == pytest.approx((test["label"] == "Law").mean())
    assert result.table()["model"].to_list() == result.models


def test_a_bag_of_words_without_a_training_part_learns_by_cross_validation(topics, gold):
    shuffled = gold.with_columns(pl.Series("label", np.random.default_rng(1).permutation(gold["label"].to_list())))
    honest = at.evaluate(gold, gold, corpus=topics, n_boot=0).get("accuracy", TF_IDF)
    noise = at.evaluate(shuffled, gold, corpus=topics, n_boot=0).get("accuracy", TF_IDF)
    assert honest > 0.9
    assert noise < 0.7  # 1.0 if it had seen the texts that it predicts


def test_intervals_cover_a_known_share_as_often_as_they_say():
    """Of 200 samples of 150 units with accuracy .8, about 95 % of the intervals hold .8."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        right = rng.random(150) < 0.8
        result = at.evaluate(["x"] * 75 + ["y"] * 75, _said(right), n_boot=200)
        row = result.measures.filter((pl.col("measure") == "accuracy") & (pl.col("model") == result.models[0]))
        held += row["ci_low"][0] <= 0.8 <= row["ci_high"][0]
    assert binom.cdf(held, 200, 0.95) > 0.001
    assert binom.cdf(held, 200, 0.90) > 0.5


def _said(right):
    truth = np.repeat(["x", "y"], 75)
    return np.where(right, truth, np.where(truth == "x", "y", "x")).tolist()


def test_clusters_widen_the_intervals(topics, gold):
    wrong = {f"doc{i}" for i in range(0, 15, 3)}
    said = gold.with_columns(topics["doc"]).with_columns(
        label=pl.when(pl.col("doc").is_in(wrong)).then(pl.lit("Farming")).otherwise("label")
    )
    widths = []
    for cluster in (None, "doc"):
        result = at.evaluate(gold, said.drop("doc"), corpus=topics, cluster=cluster, n_boot=500)
        row = result.measures.filter((pl.col("measure") == "accuracy") & (pl.col("model") == result.models[0]))
        widths.append(row["ci_high"][0] - row["ci_low"][0])
    assert widths[1] > 1.5 * widths[0]


def test_the_same_seed_gives_the_same_intervals(gold):
    said = gold.with_columns(label=pl.col("label").shift(1, fill_value="Law"))
    first, second = (at.evaluate(gold, said, n_boot=100, seed=5).measures for _ in range(2))
    assert_frame_equal(first, second)
    other = at.evaluate(gold, said, n_boot=100, seed=6).measures
    assert first["ci_low"].to_list() != other["ci_low"].to_list()


def test_an_ordinal_variable_has_weighted_kappa(book):
    names = ["low", "medium", "high"]
    truth, predicted = ["low", "medium", "high", "high"], ["low", "low", "medium", "high"]
    tables = [table(list("abcd"), labels) for labels in (truth, predicted)]
    result = at.evaluate(*tables, codebook=book("ordinal", names), n_boot=0)
    expected = metrics.cohen_kappa_score(truth, predicted, labels=names, weights="quadratic")
    assert result.get("kappa_quadratic") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"truth": ["a"], "predicted": ["a", "b"]}, "do not match"),
        ({"truth": [], "predicted": []}, "truth is empty"),
        ({"truth": table(["1"], ["a"]), "predicted": ["a"]}, "do not match"),
        ({"truth": table(["1"], [None]), "predicted": table(["1"], ["a"])}, "No unit has a true label"),
        ({"truth": table(["1", "1"], ["a", "b"]), "predicted": table(["1"], ["a"])}, "several answers"),
        ({"truth": table(["1"], ["a"]), "predicted": table(["1", "1"], ["a", "b"])}, "several answers"),
        ({"truth": ["a", "b"], "predicted": ["a", "b"], "cluster": "doc"}, "no column 'doc'"),
        (
            {"truth": table(["1"], ["a"]), "predicted": table(["x1"], ["a"])},
            "No unit of the truth",
        ),
        ({"truth": ["a", "b"], "predicted": ["a", "b"], "name": NO_INFORMATION}, "Two are called 'most frequent"),
        (
            {"truth": table(["1"], ["a"]), "predicted": table(["1"], ["a"]), "baselines": {"model": None}},
            "Two are called 'model'",
        ),
        (
            {"truth": table(["1"], ["a"]), "predicted": table(["1"], ["b"]), "train": table(["1"], ["a"])},
            "train= has no unit beside those",
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.evaluate(**arguments, n_boot=0)


def test_a_label_that_is_not_in_the_codebook_is_named(book):
    with pytest.raises(at.AnnotuneError, match="'Defence' is not in the variable 'topic'"):
        at.evaluate(table(["1"], ["Law"]), table(["1"], ["Defence"]), codebook=book(), n_boot=0)


def test_a_measure_that_is_not_there_is_refused():
    with pytest.raises(at.AnnotuneError, match="no measure 'acuracy'"):
        at.evaluate(["a", "b"], ["a", "b"], n_boot=0).get("acuracy")


def test_units_without_a_true_label_are_counted():
    truth = table(["1", "2"], ["a", None])
    with pytest.warns(at.AnnotuneWarning, match="1 unit has no true label"):
        result = at.evaluate(truth, table(["1", "2"], ["a", "a"]), n_boot=0)
    assert result.measures["n_units"][0] == 1


def test_what_does_better_is_said_in_words():
    truth, said = ["a", "a", "a", "b", "b", "c"], ["b", "c", "a", "a", "c", "a"]
    first, *better = at.evaluate(truth, said, name="mine", n_boot=50).in_words()
    assert re.fullmatch(r"mine reaches macro-F1 0\.111 \(0\.\d{3} to 0\.\d{3}\) on 6 texts\.", first)
    few = "Its macro-F1 rests on fewer than 5 texts of a (3), b (2), c (1)."
    assert better == ["Always giving the most frequent label reaches more: 0.222.", few]
    truth, said = table(list("abcdef"), truth), table(list("abcdef"), said)
    counted = at.evaluate(truth, said, baselines={TF_IDF: truth}, n_boot=0).in_words()
    assert "1.000. Where a base model does not read the language" in counted[1]
    perfect = at.evaluate(truth, truth, name="mine", n_boot=0).in_words()
    assert perfect == ["mine reaches macro-F1 1.000 on 6 texts.", few]


@pytest.mark.parametrize("cluster", [None, "doc"])
def test_a_bag_of_words_learns_nothing_from_copies_and_neighbours(cluster):
    """Labels that have nothing to do with the words but through the document: what is beaten has to be chance."""
    rng = np.random.default_rng(1)
    doc = np.repeat(np.arange(60), 4)
    text = [f"word{d} and word{d + 100}" + (f" line{i}" if cluster else "") for i, d in enumerate(doc)]
    units = [str(i) for i in range(240)]
    truth = table(units, rng.choice(["a", "b"], 60)[doc].tolist())
    corpus = pl.DataFrame({"unit_id": units, "text": text, "doc": doc})
    found = at.evaluate(truth, truth, corpus=corpus, cluster=cluster, n_boot=0)
    assert found.get("accuracy", TF_IDF) < 0.7


def test_words_counted_here_and_elsewhere_have_two_names(topics, gold):
    train, test = gold.head(60), gold.slice(60)
    options = {"corpus": topics, "n_boot": 0}
    assert at.evaluate(test, test, train=train, **options).models[1] == TF_IDF
    here = at.evaluate(test, test, **options)
    assert here.models[1] == TF_IDF_HERE
    assert here.get("accuracy", TF_IDF) == here.get("accuracy", TF_IDF_HERE)  # the name it had before


def test_units_without_a_text_are_left_out_of_what_was_predicted_in_folds():
    """A text that is empty has no row among predictions made in folds; nobody could code it, so it is not wrong."""
    truth = table(list("abcd"), list("xyxy"))
    folds = table(list("abc"), list("xyy"), "m").with_columns(fold=pl.Series([1, 2, 1]))
    with pytest.warns(at.AnnotuneWarning, match=r"1 unit of the truth has no text.*'d': left out"):
        found = at.evaluate(truth, folds, n_boot=0)
    assert (found.get("accuracy"), found.get("coverage")) == (pytest.approx(2 / 3), 1.0)
    assert at.evaluate(truth, folds.drop("fold"), n_boot=0).get("accuracy") == 0.5


def test_units_that_the_corpus_lacks_are_told_of():
    truth = table(["1", "2", "3", "4"], ["a", "b", "a", "b"])
    corpus = pl.DataFrame({"unit_id": ["1", "2", "3"], "text": ["x", "y", "x"], "doc": ["d", "e", None]})
    with pytest.warns(at.AnnotuneWarning, match="no text for 1 of 4 units"):
        at.evaluate(truth, truth, corpus=corpus, n_boot=0)
    with pytest.raises(at.AnnotuneError, match="2 units have no 'doc' in the corpus"):
        at.evaluate(truth, truth, corpus=corpus, cluster="doc", n_boot=0)
    with pytest.raises(at.AnnotuneError, match="the unit '1' more than once"):
        at.evaluate(truth, truth, corpus=pl.concat([corpus, corpus]), n_boot=0)
