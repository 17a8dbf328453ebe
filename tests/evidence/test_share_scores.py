"""Probabilities measured against the shares of coders who gave each label."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss

import annotune as at
from annotune.measures.baselines import TF_IDF_HERE, tf_idf_shares
from annotune.measures.share_scores import OVERALL, SHARE_MEASURES, scores_of_texts, share_rows

TONE = at.Variable(name="tone", labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(["bad", "good"])))


def crowd(seed, n=40, labels=3, coders=5):
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, labels, (n, coders))
    return rng.dirichlet(np.ones(labels), n), answers, np.stack([(answers == k).mean(1) for k in range(labels)], 1)


@given(st.integers(0, 500))
def test_log_and_brier_score_are_the_means_over_coders(seed):
    stated, answers, shares = crowd(seed)
    scores = scores_of_texts(stated, shares, sets=False)
    every = stated.repeat(5, axis=0), answers.ravel()
    assert scores["log_score"].mean() == pytest.approx(log_loss(every[1], every[0], labels=range(3)))
    by_coder = ((stated[:, None] - np.eye(3)[answers]) ** 2).sum(2)
    assert scores["brier_score"] == pytest.approx(by_coder.mean(1))
    assert scores["share_distance"] == pytest.approx(np.clip(stated - shares, 0, None).sum(1))  # of the sum above


def test_of_sets_every_label_is_a_question():
    rng = np.random.default_rng(2)
    yes = rng.random((30, 5, 2)) < 0.3  # texts, coders, labels
    stated, shares = rng.random((30, 2)), yes.mean(1)
    scores = scores_of_texts(stated, shares, sets=True)
    told = stated[:, None].repeat(5, axis=1)
    assert scores["log_score"].mean() == pytest.approx(log_loss(yes.ravel(), told.ravel()))
    assert scores["brier_score"].mean() == pytest.approx(2 * brier_score_loss(yes.ravel(), told.ravel()))
    assert scores["share_distance"] == pytest.approx(np.abs(stated - shares).mean(1))


@given(st.integers(0, 500))
def test_no_probabilities_score_better_than_the_shares_themselves(seed):
    stated, _, shares = crowd(seed)
    best = scores_of_texts(shares, shares, sets=False)
    for name, values in scores_of_texts(stated, shares, sets=False).items():
        assert (values >= best[name] - 1e-9).all()
    assert best["share_distance"].max() == 0


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_are_those_of_a_mean(clustered):
    stated, _, shares = crowd(3, labels=2)
    rng = np.random.default_rng(3)
    weights, clusters = rng.random(40) + 0.5, rng.integers(0, 12, 40) if clustered else np.arange(40)
    row = share_rows({"m": stated}, shares, TONE, clusters if clustered else None, weights).row(0, named=True)
    values = scores_of_texts(stated, shares, sets=False)["log_score"]
    # of a weighted mean, the sandwich of weighted least squares on a constant, scores summed by cluster
    fit = sm.WLS(values, np.ones(40), weights).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert row["estimate"] == pytest.approx(fit.params[0])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(fit.conf_int()[0], rel=1e-3)


@pytest.fixture
def coded():
    """Gold with shares of twelve texts, and probabilities for eleven of them."""
    good = [0.0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0, 0.5]
    gold = pl.DataFrame({"unit_id": [f"t{i}" for i in range(12)], "variable": "tone", "share_good": good})
    gold = gold.with_columns(
        share_bad=1 - pl.col("share_good"),
        label=pl.when(pl.col("share_good") > 0.5).then(pl.lit("good")).otherwise(pl.lit("bad")),
    )
    said = gold.select("unit_id", "variable", "label", p_good=0.1 + 0.8 * pl.col("share_good"))
    return gold, said.with_columns(p_bad=1 - pl.col("p_good"), coder=pl.lit("model"))[:11]


def test_evaluate_has_scores_beside_those_of_labels(coded):
    gold, said = coded
    corpus = gold.select("unit_id", text=pl.format("word{}", (pl.col("share_good") * 5).round().cast(pl.Int64)))
    found = at.evaluate(gold, said, codebook=at.Codebook(variables=(TONE,)), corpus=corpus)
    assert found.models == ["model", TF_IDF_HERE, "most frequent label", OVERALL]
    assert found.get("accuracy") == 11 / 12
    stated = said.select("p_bad", "p_good").to_numpy()
    expected = scores_of_texts(stated, gold[:11].select("share_bad", "share_good").to_numpy(), sets=False)
    for name in SHARE_MEASURES:
        assert found.get(name) == pytest.approx(expected[name].mean())
        assert found.get(name) < found.get(name, OVERALL)
    row = found.measures.filter(model="model", measure="log_score").row(0, named=True)
    assert (row["n_units"], row["note"]) == (11, "1 text without probabilities left out")
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert "log_score" in found.table().columns
    assert found.in_words()[-1].startswith("Against the shares of coders its log score is 0.459")


def test_without_shares_or_probabilities_nothing_is_added(coded):
    gold, said = coded
    plain = at.evaluate(gold.drop("share_good", "share_bad"), said, n_boot=0)
    assert "log_score" not in set(plain.measures["measure"])
    labels_alone = at.evaluate(gold, said.drop("p_good", "p_bad"), n_boot=0)
    assert plain.measures.equals(labels_alone.measures)


def test_counted_words_learn_shares():
    texts = ["sun sun day", "rain day"] * 30
    shares = np.array([[0.2, 0.8], [0.9, 0.1]] * 30)
    stated = tf_idf_shares(texts, shares, ["sun", "rain"], sets=False)
    assert stated.sum(1) == pytest.approx(np.ones(2))
    assert stated[0, 1] > 0.6 > 0.4 > stated[1, 1]
    assert tf_idf_shares(texts, shares, ["sun", "rain"], sets=True)[:, 1] == pytest.approx(stated[:, 1], abs=1e-3)
    assert tf_idf_shares(["", ""], shares[:2], ["sun"], sets=False)[0] == pytest.approx([0.55, 0.45])


def test_a_tuned_model_is_measured_against_its_coders(topics, gold_with_shares, book, tiny_base):
    for options in ({}, {"test": 0.3}):
        model = at.tune(topics, gold_with_shares, book(), base=str(tiny_base), method="probe", n_boot=20, **options)
        assert model.evaluation.get("log_score") < model.evaluation.get("log_score", OVERALL)
        truth = gold_with_shares.join(model.held_out, on="unit_id", how="semi")
        again = at.evaluate(truth, model.held_out, codebook=book(), n_boot=0)
        assert again.get("log_score") == pytest.approx(model.evaluation.get("log_score"))
        assert again.get("macro_f1") == pytest.approx(model.evaluation.get("macro_f1"))


@pytest.mark.parametrize("kind", ["nominal", "multilabel"])
def test_calibration_is_against_the_coders(kind):
    """Probabilities that are the chance that any coder says so are calibrated, though most coders' label is surer."""
    rng = np.random.default_rng(5)
    chances = rng.beta(2, 2, 3000)
    good = rng.binomial(7, chances) / 7
    gold = pl.DataFrame({"unit_id": [f"t{i}" for i in range(3000)], "variable": "tone", "share_good": good})
    most = pl.when(pl.col("share_good") > 0.5).then(pl.lit("good")).otherwise(pl.lit("bad"))
    gold = gold.with_columns(label=most, share_bad=1 - pl.col("share_good"))
    likely = np.where(chances > 0.5, "good", "bad")
    said = gold.select("unit_id", "variable", label=pl.Series(likely), p_good=pl.Series(chances), coder=pl.lit("m"))
    said = said.with_columns(p_bad=1 - pl.col("p_good"), prob=pl.max_horizontal("p_good", 1 - pl.col("p_good")))
    book = at.Codebook(variables=(TONE.model_copy(update={"kind": kind}),))
    found = at.calibration(said, gold, codebook=book, n_boot=20)
    plain = at.calibration(said, gold.drop("share_good", "share_bad"), codebook=book, n_boot=0)
    assert found.get("ece") < 0.02 < 0.06 < plain.get("ece")
    stated, shares = (frame.select(f"{k}_bad", f"{k}_good").to_numpy() for frame, k in ((said, "p"), (gold, "share")))
    scores = scores_of_texts(stated, shares, sets=False)
    assert found.get("log_loss") == pytest.approx(scores["log_score"].mean())
    half = 2 if kind == "multilabel" else 1  # of sets the mean over labels
    assert found.get("brier") == pytest.approx(scores["brier_score"].mean() / half)
    alone = at.calibration(said.drop("p_good", "p_bad"), gold, codebook=book, n_boot=0) if kind == "nominal" else found
    assert alone.get("ece") == pytest.approx(found.get("ece"))


@pytest.fixture(scope="module")
def two_models():
    """Gold with shares of coders, and two models, one of which states probabilities nearer to them."""
    rng = np.random.default_rng(3)
    share = rng.random(150)
    about = {"unit_id": [f"u{i}" for i in range(150)], "variable": "tone"}
    gold = pl.DataFrame({**about, "label": np.where(share > 0.5, "x", "y"), "share_x": share, "share_y": 1 - share})

    def model(name, spread):
        p = np.clip(share + rng.normal(0, spread, 150), 0.02, 0.98)
        return pl.DataFrame({**about, "coder": name, "label": np.where(p > 0.5, "x", "y"), "p_x": p, "p_y": 1 - p})

    return gold, [model("minilm-1", 0.3), model("multilingual-2", 0.1)]


def test_models_are_compared_by_their_log_scores_against_shares(two_models):
    gold, models = two_models
    dictionary = gold.select("unit_id", "variable", "label", coder=pl.lit("dictionary"))
    found = at.compare([*models, dictionary], gold, n_boot=0)
    alone = {model["coder"][0]: at.evaluate(gold, model, n_boot=0) for model in models}
    for name, evaluation in alone.items():
        row = found.measures.filter(model=name, measure="log_score")
        assert row["estimate"].to_list() == pytest.approx([evaluation.get("log_score")])
    assert "dictionary" not in found.measures.filter(measure="log_score")["model"]
    share = gold["share_x"].to_numpy()
    first, second = (
        -(share * np.log(model["p_x"].to_numpy()) + (1 - share) * np.log(model["p_y"].to_numpy())) for model in models
    )
    (pair,) = found.pairs.filter(measure="log_score").to_dicts()
    assert (pair["a"], pair["b"], pair["n_units"]) == ("minilm-1", "multilingual-2", 150)
    test = stats.ttest_rel(first, second)
    limits = test.confidence_interval()
    assert [pair["difference"], pair["ci_low"], pair["ci_high"], pair["p"]] == pytest.approx(
        [(first - second).mean(), limits.low, limits.high, test.pvalue]
    )
    assert f"multilingual-2 has the lowest log score, {second.mean():.3f}" in " ".join(found.in_words())
    assert "log_score" in found.table().columns


def test_without_shares_or_probabilities_no_log_scores_are_compared(two_models):
    gold, models = two_models
    without = at.compare(models, gold.select("unit_id", "variable", "label"), n_boot=0)
    labels_alone = at.compare([model.drop("p_x", "p_y") for model in models], gold, n_boot=0)
    for found in (without, labels_alone):
        assert found.measures.filter(measure="log_score").is_empty()
        assert not any("log score" in sentence for sentence in found.in_words())


def test_compared_by_clusters_the_spread_is_that_of_their_sums(two_models):
    gold, models = two_models
    corpus = gold.select("unit_id", speech=pl.int_range(150) // 10, text=pl.lit("a"))
    found = at.compare(models, gold, corpus=corpus, cluster="speech", n_boot=0).pairs.filter(measure="log_score")
    plain = at.compare(models, gold, n_boot=0).pairs.filter(measure="log_score")
    assert found["difference"][0] == pytest.approx(plain["difference"][0])
    assert found["ci_low"][0] != pytest.approx(plain["ci_low"][0], abs=1e-6)
