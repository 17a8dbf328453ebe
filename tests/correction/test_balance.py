"""Samples that were not drawn as pi says are found, and those that were are not; and what would follow if they were."""

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2_contingency

import annotune as at
from annotune.correction import estimate
from annotune.correction.balance import balance
from annotune.correction.families import MODELS
from annotune.correction.influence import Influence
from annotune.correction.sensitivity import sensitivity

SAMPLES = 60


def texts(seed, chosen, n=3000):
    """Questions of two parties; one in ten coded, drawn at random, by a covariate, or because they are easy."""
    rng = np.random.default_rng(seed)
    party, x = rng.integers(0, 2, n), rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(0.6 - 0.6 * party - 0.3 * x))) * 1
    hard = rng.random(n) < np.where(party == 1, 0.4, 0.2)
    label = np.where(hard & (rng.random(n) < 0.5), 1 - y, y)
    chance = np.where(hard, 0.35, 0.08) + np.where(hard, 0.3, 0.84) * label
    chances = {"drawn": 0.1, "covariate": np.where(x > 0, 0.15, 0.05), "easy": np.where(hard, 0, 0.14)}
    coded = rng.random(n) < chances[chosen]
    names = np.array(["Law", "Health"])
    gold = [names[v] if c else None for v, c in zip(y, coded, strict=True)]
    columns = {"party": party, "x": x, "topic": names[label], "topic_p_Health": chance, "topic_p_Law": 1 - chance}
    return pl.DataFrame({**columns, "topic_gold": gold, "pi": 0.1, "fold": 1, "district": np.arange(n) % 60})


@pytest.mark.parametrize(("chosen", "least", "most"), [("drawn", 0, 3), ("covariate", 59, 60), ("easy", 60, 60)])
def test_samples_that_were_not_drawn_as_pi_says_are_told_of(chosen, least, most):
    fits = [at.correct("topic == 'Health' ~ party + x", texts(seed, chosen)) for seed in range(SAMPLES)]
    assert least <= sum("not drawn as pi says" in note for fit in fits for note in fit.notes) <= most
    assert all((fit.balance.verdict in fit.notes) == fit.balance.drawn_otherwise for fit in fits)


def test_the_verdict_names_what_differs_most():
    fit = at.correct("topic == 'Health' ~ party + x", texts(1, "covariate"))
    assert "the mean of x is" in fit.balance.verdict
    easy = at.correct("topic == 'Health' ~ party + x", texts(1, "easy"))
    assert "the mean of sureness of the prediction" in easy.balance.verdict
    assert easy.balance.rows["term"].to_list()[:3] == ["party", "x", "predicted topic == 'Health'"]


def test_of_one_group_the_test_is_pearsons():
    rng = np.random.default_rng(2)
    x, coded = rng.integers(0, 2, 900), rng.random(900) < 0.3
    found = balance(x[:, None] * 1.0, ["x"], coded, np.full(900, 0.3))
    peer = chi2_contingency(np.histogram2d(x, coded, bins=2)[0], correction=False)
    assert found.statistic == pytest.approx(peer.statistic)
    assert found.p_value == pytest.approx(peer.pvalue)
    assert found.rows["coded"][0] == pytest.approx(x[coded].mean())


def test_documents_drawn_whole_differ_by_chance_where_they_are_named():
    drawn_otherwise = {"named": 0, "not named": 0}
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        document = rng.integers(0, 80, 2000)
        x = rng.normal(size=(80, 3))[document] + rng.normal(size=(2000, 3))
        coded, pi = (rng.random(80) < 0.25)[document], np.full(2000, 0.25)
        drawn_otherwise["named"] += balance(x, ["a", "b", "c"], coded, pi, document).drawn_otherwise
        drawn_otherwise["not named"] += balance(x, ["a", "b", "c"], coded, pi).drawn_otherwise
    assert drawn_otherwise["named"] <= 3
    assert drawn_otherwise["not named"] > 45


def test_different_pi_that_are_true_are_no_imbalance():
    many = 0
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2000, 2))
        pi = np.where(x[:, 0] > 0, 0.3, 0.05)
        many += balance(x, ["a", "b"], rng.random(2000) < pi, pi).drawn_otherwise
    assert many <= 3


def test_collinear_and_constant_columns_do_not_count():
    rng = np.random.default_rng(5)
    x, coded = rng.normal(size=(800, 2)), rng.random(800) < 0.4
    pi = np.full(800, 0.4)
    alone = balance(x, ["a", "b"], coded, pi)
    more = np.column_stack([x, x.sum(axis=1), np.ones(800)])
    found = balance(more, ["a", "b", "c", "d"], coded, pi)
    assert found.df == 2
    assert found.statistic == pytest.approx(alone.statistic)
    assert balance(np.ones((800, 1)), ["d"], coded, pi) is None


def test_unknown_pi_of_texts_that_were_not_coded_is_told():
    data = texts(1, "drawn").with_columns(pi=pl.when(pl.col("topic_gold").is_not_null()).then("pi"))
    fit = at.correct("topic == 'Health' ~ party", data)
    assert fit.balance is None
    assert any("was not tested: pi is not known" in note for note in fit.notes)


def test_where_all_texts_are_coded_there_is_nothing_to_compare():
    data = texts(1, "drawn").with_columns(topic_gold="topic", pi=1.0)
    assert at.correct("topic == 'Health' ~ party", data).balance is None


def sample_of_label(seed=3, n=2500):
    rng = np.random.default_rng(seed)
    x, coded = rng.normal(size=n), rng.random(n) < 0.3
    y = (rng.random(n) < 1 / (1 + np.exp(-x))) * 1.0
    wrong = rng.random(n) < 0.15
    gold = pl.Series(np.where(coded, y, np.nan)).fill_nan(None)
    return pl.DataFrame({"x": x, "y_hat": abs(y - wrong), "y_gold": gold, "group": rng.integers(0, 50, n)})


def arrays(data, cluster=None, groups=()):
    """The same as `correct` computes with."""
    coded, n = data["y_gold"].is_not_null().to_numpy(), len(data)
    design = np.column_stack([np.ones(n), data["x"]])[:, int(bool(groups)) :]
    return estimate.Sample(
        design=design,
        design_gold=design[coded],
        labels=data["y_hat"].to_numpy()[:, None],
        predicted=data["y_hat"].to_numpy()[:, None],
        gold=data["y_gold"].to_numpy()[coded, None],
        at=np.flatnonzero(coded),
        ratio=np.full(coded.sum(), 1 / 0.3),
        weight=1 + (np.arange(n) % 3) / 2,
        clusters=None if cluster is None else data[cluster].to_numpy(),
        groups=tuple(data[name].to_numpy() for name in groups),
    )


def test_at_the_factor_the_slope_is_nothing():
    """Errors that push it up were drawn with the factor times pi, others with pi over the factor: by the columns."""
    data = sample_of_label()
    fit = at.correct("y ~ x", data, pi=0.3)
    factor = fit.sensitivity.filter(term="x")["sign"][0]
    x, gold, predicted = (data[name].cast(pl.Float64).to_numpy() for name in ("x", "y_gold", "y_hat"))
    pushes = np.nan_to_num(gold - predicted) * (x - x.mean())

    def slope(times):
        ratio = np.where(pushes > 0, 1 / times, times) / 0.3
        outcome = predicted + np.nan_to_num(ratio * (gold - predicted))
        return np.cov(x, outcome)[0, 1] / x.var()

    assert slope(1.0) == pytest.approx(fit.coefficients()["x"], rel=1e-3)
    assert factor == pytest.approx(brentq(slope, 1, 50), rel=1e-6)
    assert 1 < fit.sensitivity.filter(term="x")["interval"][0] < factor


def test_an_interval_that_holds_nothing_already_has_a_factor_of_one():
    rng = np.random.default_rng(2)
    data = sample_of_label().with_columns(z=pl.Series(rng.normal(size=2500)))
    fit = at.correct("y ~ z", data, pi=0.3)
    row = fit.tidy().filter(pl.col("term") == "z", pl.col("method") == "corrected").row(0, named=True)
    assert row["conf_low"] < 0 < row["conf_high"]
    assert fit.sensitivity.filter(term="z")["interval"][0] == pytest.approx(1)
    assert "z " in fit.summary(1000).split("G (in brackets")[1]


def test_without_errors_no_factor_will_do():
    data = sample_of_label()
    data = data.with_columns(y_hat=pl.coalesce("y_gold", "y_hat"))
    assert at.correct("y ~ x", data, pi=0.3).sensitivity.filter(term="x")["sign"][0] is None
    nothing = Influence(np.zeros((3, 1)), np.arange(3), np.zeros((3, 1)), np.eye(1) * 1e-6)
    assert np.isinf(sensitivity(nothing, np.array([-1.0]))).all()


@pytest.mark.parametrize(
    ("model", "cluster", "groups"),
    [
        *((model, cluster, ()) for model in ("linear", "logit", "poisson") for cluster in (None, "group")),
        *(("linear", cluster, ("group",)) for cluster in (None, "group")),
    ],
)
def test_the_influence_is_that_of_the_covariance(model, cluster, groups):
    sample = arrays(sample_of_label(), cluster, groups)
    fit = estimate.dsl(MODELS[model], sample)
    np.testing.assert_allclose(fit.influence.covariance(), fit.covariance, rtol=1e-7, atol=1e-14)
