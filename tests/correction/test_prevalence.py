"""Shares of labels: values computed by hand, identities, coverage, and what cannot be."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize
from statsmodels.regression.linear_model import OLS

import annotune as at
from annotune.correction.prevalence import METHODS
from annotune.correction.quantify import Errors, adjusted_count, em, onto_simplex
from annotune.correction.tally import HandCoded, group_of


def simulated(n=3000, share=0.15, seed=1, differential=False, k=3):
    """n texts on k topics in two parties, a random `share` of them coded by hand; predictions err in 1 of 4."""
    rng = np.random.default_rng(seed)
    party = rng.choice(["left", "right"], n)
    true = np.where(rng.random(n) < 0.2 + 0.2 * (party == "right"), 0, rng.integers(1, k, n))
    accuracy = np.where((party == "right") & differential, 0.45, 0.75)
    # an error is towards the last topic, so that errors do not cancel out
    guess = np.where(rng.random(n) < accuracy, true, np.where(rng.random(n) < 0.7, k - 1, rng.integers(0, k, n)))
    likely = np.full((n, k), 0.2 / (k - 1))
    likely[np.arange(n), guess] = 0.8
    names, coded = np.array(list("abcdefgh")[:k]), rng.random(n) < share
    frame = pl.DataFrame({"topic": names[guess], "topic_gold": names[true], "party": party, "true": names[true]})
    columns = {f"topic_p_{name}": likely[:, i] for i, name in enumerate(names)}
    gold = pl.when(pl.Series(coded)).then("topic_gold").alias("topic_gold")
    return frame.with_columns(gold, pi=pl.lit(share), document=pl.Series(np.arange(n) // 5), **columns)


def estimate(found, method, label="a", **where):
    return found.filter(method=method, label=label, **where).row(0, named=True)


def test_the_adjusted_count_of_a_worked_example():
    """Sensitivity .8 (of 40), specificity .9 (of 60); 310 of 1,000 others are predicted: (.31 - .1) / .7 = .3.

    The variance is Rogan and Gladen's (1978), as prediction and validation are different texts.
    """
    gold = [1] * 40 + [0] * 60 + [None] * 1000
    said = [1] * 32 + [0] * 8 + [0] * 54 + [1] * 6 + [1] * 310 + [0] * 690
    frame = pl.DataFrame({"y_hat": said, "y_gold": gold, "part": ["coded"] * 100 + ["others"] * 1000})
    found = at.prevalence(frame, by="part", methods="adjusted").filter(part="others", label="1").row(0, named=True)
    assert found["estimate"] == pytest.approx(0.3)
    variance = (0.31 * 0.69 / 1000 + 0.3**2 * 0.8 * 0.2 / 40 + 0.7**2 * 0.9 * 0.1 / 60) / 0.7**2
    assert found["std_error"] == pytest.approx(np.sqrt(variance))
    assert found["conf_high"] == pytest.approx(0.3 + 1.959964 * np.sqrt(variance))
    assert (found["n"], found["n_coded"], found["interval"], found["note"]) == (1000, 0, "normal", None)


def test_with_the_coded_texts_among_the_others_the_variance_is_that_of_repeated_draws():
    estimates, errors = [], []
    for seed in range(300):
        found = estimate(at.prevalence(simulated(800, 0.3, seed), methods="adjusted"), "adjusted")
        estimates.append(found["estimate"])
        errors.append(found["std_error"])
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.12)
    assert np.mean(estimates) == pytest.approx(0.3, abs=0.01)


def test_em_finds_the_maximum_of_the_likelihood():
    frame = simulated(600)
    probabilities = frame.select("^topic_p_.*$").to_numpy()
    coded = frame["topic_gold"].is_not_null().to_numpy()
    prior = probabilities[coded].mean(0)
    right = (frame["party"] == "right").to_numpy()

    def surprise(free):
        shares = np.exp([0, *free]) / np.exp([0, *free]).sum()
        return -np.log(probabilities[right] @ (shares / prior)).sum()

    best = minimize(surprise, np.zeros(2), method="BFGS", options={"gtol": 1e-9}).x
    expected = np.exp([0, *best]) / np.exp([0, *best]).sum()
    found = at.prevalence(frame, by="party", methods="em", n_boot=2).filter(party="right")
    np.testing.assert_allclose(found["estimate"], expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 10_000))
def test_em_stays_where_texts_are_those_the_model_learnt_from(k, n, seed):
    posteriors = np.random.default_rng(seed).dirichlet(np.full(k, 0.7), n)
    prior = posteriors.mean(0, keepdims=True)
    np.testing.assert_allclose(em(posteriors, prior), prior, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_a_point_on_the_simplex_is_the_nearest(k, seed):
    rng = np.random.default_rng(seed)
    shares = rng.normal(0, 1, k)
    found = onto_simplex(shares)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    others = rng.dirichlet(np.ones(k), 200)
    assert (np.linalg.norm(shares - found) <= np.linalg.norm(shares - others, axis=1) + 1e-12).all()
    np.testing.assert_allclose(onto_simplex(found), found, atol=1e-12)


def test_without_errors_the_adjusted_count_is_the_count():
    gold = np.arange(60) % 3
    errors = Errors.of(np.where(np.arange(60) < 30, gold, -1), gold, np.ones(60), 3)
    coded = HandCoded(gold[:30], gold[:30], np.eye(3)[gold[:30]], np.ones(30))
    shares, covariance = adjusted_count(errors, group_of(gold, None, 3, np.arange(30)), coded)
    np.testing.assert_allclose(shares, 1 / 3)
    np.testing.assert_allclose(np.diag(covariance), 2 / 9 / 60)


def test_dsl_is_least_squares_on_dsl_y():
    frame = simulated(500)
    table = at.dsl_columns(frame, prediction="prob")
    found = at.prevalence(frame, methods=["dsl", "count", "hand"], of="population")
    for label in "abc":
        fit = OLS(table[f"dsl_{label}"].to_numpy(), np.ones(500)).fit(cov_type="HC0")
        row = estimate(found, "dsl", label)
        assert (row["estimate"], row["std_error"]) == pytest.approx((fit.params[0], fit.bse[0]), rel=1e-10)
        share = (frame["topic"] == label).mean()
        count = estimate(found, "count", label)
        assert count["estimate"] == pytest.approx(share)
        assert count["std_error"] == pytest.approx(np.sqrt(share * (1 - share) / 500))
        hand = estimate(found, "hand", label)
        assert hand["estimate"] == pytest.approx((frame["topic_gold"].drop_nulls() == label).mean())


def test_ppi_takes_different_pi_as_correct_does_and_a_weak_model_costs_nothing():
    rng = np.random.default_rng(4)
    x = rng.random(6000) < 0.5
    truth = rng.random(6000) < np.where(x, 0.4, 0.2)
    pi = np.where(x, 0.05, 0.2)
    gold = pl.Series(np.where(rng.random(6000) < pi, truth, np.nan)).fill_nan(None)
    frame = pl.DataFrame({"y_hat": (truth ^ (rng.random(6000) < 0.3)) * 1, "y_gold": gold, "pi": pi})
    found = at.prevalence(frame, methods=["hand", "dsl", "ppi"], of="population")
    fit = at.correct("y ~ 1", frame, method="ppi").tidy().filter(method="corrected").row(0, named=True)
    row = estimate(found, "ppi", "1")
    assert row["estimate"] == pytest.approx(fit["estimate"], abs=1e-3)
    assert row["std_error"] == pytest.approx(fit["std_error"], rel=1e-3)
    errors = {method: estimate(found, method, "1")["std_error"] for method in ("hand", "dsl", "ppi")}
    assert errors["ppi"] < 0.95 * min(errors["hand"], errors["dsl"])


def test_clusters_and_unequal_probabilities_are_least_squares_too():
    rng = np.random.default_rng(2)
    frame = simulated(2400, 0.2)
    pi = np.where(frame["party"] == "left", 0.1, 0.4)
    gold = pl.when(pl.Series(rng.random(2400) < pi)).then("true").alias("topic_gold")
    frame = frame.with_columns(gold, pi=pl.Series(pi))
    found = at.prevalence(frame, methods=["dsl", "ppi", "hand"], cluster="document", of="population")
    outcome = at.dsl_columns(frame)["dsl_a"].to_numpy()
    options = {"groups": frame["document"].to_numpy(), "use_correction": False}
    fit = OLS(outcome, np.ones(2400)).fit(cov_type="cluster", cov_kwds=options)
    row = estimate(found, "dsl")
    assert (row["estimate"], row["std_error"]) == pytest.approx((fit.params[0], fit.bse[0]), rel=1e-10)
    assert estimate(found, "ppi")["std_error"] <= 1.01 * row["std_error"]
    coded = frame.drop_nulls("topic_gold")
    expected = ((coded["topic_gold"] == "a") / coded["pi"]).sum() / (1 / coded["pi"]).sum()
    assert estimate(found, "hand")["estimate"] == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(60, 300), st.floats(0.3, 0.9), st.integers(0, 10_000), st.integers(2, 5))
def test_shares_are_shares_and_sum_to_one(n, share, seed, k):
    found = at.prevalence(simulated(n, share, seed, k=k), by="party", n_boot=5).drop_nulls("estimate")
    sums = found.group_by("party", "method").agg(pl.col("estimate").sum())
    np.testing.assert_allclose(sums["estimate"], 1, atol=1e-9)
    inside = found.filter(pl.col("estimate").is_between(0, 1))
    assert inside.filter((pl.col("conf_low") < 0) | (pl.col("conf_high") > 1)).is_empty()
    assert found.filter(method="em").filter((pl.col("estimate") < 0) | (pl.col("estimate") > 1)).is_empty()


@pytest.mark.parametrize("differential", [False, True])
def test_intervals_cover_where_they_should(differential):
    """150 draws: the corrections cover about 95 %; the count never; error rates of all fail where errors differ."""
    methods = ["count", "hand", "adjusted", "dsl", "ppi"]
    inside = {method: [] for method in methods}
    for seed in range(150):
        frame = simulated(1500, 0.2, seed, differential=differential)
        found = at.prevalence(frame, by="party", methods=methods, of="population").filter(party="right", label="a")
        for row in found.to_dicts():
            inside[row["method"]].append(row["conf_low"] <= 0.4 <= row["conf_high"])
    coverage = {method: np.mean(hits) for method, hits in inside.items()}
    assert coverage["count"] < 0.5
    assert all(0.88 <= coverage[method] <= 1 for method in ("hand", "dsl", "ppi"))
    assert coverage["adjusted"] >= 0.88 if not differential else coverage["adjusted"] < 0.8


def test_corrections_have_narrower_intervals_than_the_hand_codings_alone():
    found = at.prevalence(simulated(4000, 0.1), methods=["hand", "dsl", "ppi"])
    width = {method: estimate(found, method)["std_error"] for method in ("hand", "dsl", "ppi")}
    assert width["ppi"] <= width["dsl"] * 1.001 < width["hand"]


def test_the_bootstrap_of_em_has_a_seed_and_knows_clusters():
    frame = simulated(400)
    one, same, other = (at.prevalence(frame, methods="em", n_boot=20, seed=seed) for seed in (1, 1, 2))
    assert one.equals(same)
    assert one["std_error"].to_list() != other["std_error"].to_list()
    assert one["interval"].unique().to_list() == ["bootstrap, 20 replicates, seed 1"]
    twice = pl.concat([frame, frame]).with_columns(unit=pl.Series([*range(400), *range(400)]))
    clustered = at.prevalence(twice, methods="em", n_boot=300, cluster="unit")
    single = at.prevalence(frame, methods="em", n_boot=300)
    assert clustered["std_error"][0] == pytest.approx(single["std_error"][0], rel=0.2)


def test_groups_come_in_the_order_of_their_columns_and_periods_in_time():
    frame = simulated(600).with_columns(
        party=pl.col("party").cast(pl.Enum(["right", "left"])),
        day=pl.Series([datetime.date(2000 + i % 3, 1 + i % 12, 1) for i in range(600)]),
    )
    found = at.prevalence(frame, by="party", time="day", every="1y", methods="count")
    assert found["party"].unique(maintain_order=True).to_list() == ["right", "left"]
    assert found.filter(party="right", label="a")["day"].to_list() == [datetime.date(2000 + i, 1, 1) for i in range(3)]
    assert found["n"].sum() == 600 * 3
    assert found.columns == [
        *("party", "day", "label", "method", "estimate", "std_error"),
        *("conf_low", "conf_high", "interval", "n", "n_coded", "note"),
    ]


def test_a_group_without_hand_codings_has_what_can_be_had():
    gold = pl.when(pl.col("party") == "left").then("topic_gold").alias("topic_gold")
    found = at.prevalence(simulated(600).with_columns(gold, pi=pl.lit(0.08)), by="party", n_boot=5)
    right = found.filter(party="right", label="a")
    known = dict(right.select("method", pl.col("estimate").is_not_null()).iter_rows())
    assert known == {"count": True, "hand": False, "adjusted": True, "em": True, "dsl": False, "ppi": False}
    assert right.filter(method="dsl")["note"][0] == "0 hand-coded texts"


def test_groups_of_one_text_and_no_bootstrap():
    frame = simulated(200, 0.5).with_columns(unit=pl.int_range(200))
    found = at.prevalence(frame, by="unit", n_boot=0, of="population")
    assert found.filter(method="count")["note"].unique().to_list() == ["one text has no interval"]
    sums = (
        found.filter(pl.col("method").is_in(["count", "em"])).group_by("unit", "method").agg(pl.col("estimate").sum())
    )
    np.testing.assert_allclose(sums["estimate"], 1)
    assert found.filter(method="em")["conf_low"].null_count() == 600
    assert found.filter(method="dsl")["estimate"].null_count() == 600


def test_one_cluster_has_no_interval():
    frame = simulated(400, 0.5).with_columns(
        country=pl.when(pl.col("party") == "left").then(1).otherwise(pl.int_range(400))
    )
    found = at.prevalence(frame, by="party", cluster="country", n_boot=5)
    left, right = (found.filter(party=side) for side in ("left", "right"))
    assert left["std_error"].null_count() == left["conf_low"].null_count() == len(left) == 18
    assert left["note"].unique().to_list() == ["one cluster has no interval"]
    assert left["estimate"].null_count() == right["std_error"].null_count() == 0


def test_few_hand_codings_are_told():
    frame = simulated(100, 0.15)
    n = frame["topic_gold"].count()
    note = estimate(at.prevalence(frame, methods="dsl"), "dsl")["note"]
    assert note == f"{n} hand-coded texts: the interval may be too short"


def good_of_rare(seed, n=4000, coded=100):
    """A label of a tenth, of which the model overlooks a fifth, and 100 coded texts."""
    rng = np.random.default_rng(seed)
    true = rng.random(n) < 0.1
    said = true & (rng.random(n) < 0.8)
    drawn = np.isin(np.arange(n), rng.permutation(n)[:coded])
    frame = pl.DataFrame({"y_hat": said * 1.0, "y_gold": pl.Series(true * 1.0).set(pl.Series(~drawn), None)})
    return frame, true.mean()


def test_adjusted_counts_allow_for_errors_that_were_not_seen():
    inside, told = [], []
    for seed in range(60):
        frame, share = good_of_rare(seed)
        row = at.prevalence(frame, methods="adjusted", pi=0.025).filter(label="1").row(0, named=True)
        inside.append(row["conf_low"] <= share <= row["conf_high"])
        told.append("few errors" in (row["note"] or ""))
    assert np.mean(inside) >= 0.93
    assert np.mean(told) > 0.9


def test_with_many_errors_adjusted_counts_are_as_they_were():
    rng = np.random.default_rng(1)
    true = rng.random(80_000) < 0.4
    said = np.where(rng.random(80_000) < 0.75, true, ~true)
    gold = pl.Series(true * 1.0).set(pl.Series(np.arange(80_000) >= 800), None)
    rows = at.prevalence(pl.DataFrame({"y_hat": said * 1.0, "y_gold": gold}), methods="adjusted", pi=0.01)
    assert rows["note"].to_list() == [None, None]
    rates = [said[:800][true[:800] == one].mean() for one in (False, True)]
    spread = said.mean() * (1 - said.mean()) / 80_000  # Rogan and Gladen (1978), with the delta method
    p, apart = rows["estimate"][1], rates[1] - rates[0]
    sizes = [(true[:800] == one).sum() for one in (False, True)]
    parts = zip((1 - p, p), rates, sizes, strict=True)
    of_rates = sum((share / apart) ** 2 * rate * (1 - rate) / size for share, rate, size in parts)
    assert rows["std_error"][1] == pytest.approx(np.sqrt(spread / apart**2 + of_rates), rel=0.03)


def test_few_clusters_have_intervals_of_t():
    """Documents of one size: the variance of the mean of their means, with G - 1 degrees of freedom."""
    rng = np.random.default_rng(2)
    chance = np.repeat(rng.uniform(0.2, 0.8, 12), 50)
    true = rng.random(600) < chance
    said = np.where(rng.random(600) < 0.8, true, ~true)
    drawn = np.tile(np.arange(50) < 20, 12)
    frame = pl.DataFrame({"y_hat": said * 1.0, "y_gold": pl.Series(true * 1.0).set(pl.Series(~drawn), None)})
    frame = frame.with_columns(document=pl.Series(np.repeat(np.arange(12), 50)))
    rows = at.prevalence(frame, methods=["dsl", "count"], pi=0.4, cluster="document", of="population").filter(label="1")
    row = rows.filter(method="dsl").row(0, named=True)
    outcome = (said + np.where(drawn, (true * 1.0 - said) / 0.4, 0)).reshape(12, 50).mean(1)
    error = outcome.std(ddof=1) / np.sqrt(12)
    assert row["std_error"] == pytest.approx(error, rel=1e-6)
    assert row["conf_high"] - row["estimate"] == pytest.approx(stats.t.ppf(0.975, 11) * error, rel=1e-6)
    assert "12 clusters" in row["note"]
    assert row["interval"] == "t, 11 degrees of freedom"
    assert rows.filter(method="count")["interval"][0] == "t, 11 degrees of freedom"


def test_notes_say_why_an_interval_is_wide():
    def note(with_label, n, weights=None, document=None):
        gold = pl.Series([1.0] * with_label + [0.0] * (n - with_label) + [None] * n)
        columns = {"pi": weights or [0.5] * 2 * n, "document": document or list(range(2 * n))}
        frame = pl.DataFrame({"y_hat": [0.0, 1.0] * n, "y_gold": gold, **columns})
        cluster = None if document is None else "document"
        return at.prevalence(frame, methods="hand", pi="pi", cluster=cluster).filter(label="1")["note"][0]

    assert note(12, 40) == "few hand-coded texts have this label"
    assert note(28, 40) == "few hand-coded texts have another label"
    assert note(40, 40) == "every hand-coded text has this label: the interval is a bound"
    assert note(45, 100) is None
    heavy = [0.001 if i in (0, 99) else 0.5 for i in range(200)]
    assert "few texts have most of the weight" in note(45, 100, heavy)
    alike = [i % 20 for i in range(200)]
    assert note(40, 100, document=alike) == "clusters differ little, perhaps by chance; 20 clusters: rough"


def test_an_estimate_below_0_is_told_and_its_interval_reaches_what_can_be():
    frame = pl.DataFrame({"y_hat": [1.0] * 3 + [0.0] * 97, "y_gold": [0.0] * 3 + [0.0] * 37 + [None] * 60})
    row = at.prevalence(frame, methods="dsl", pi=0.4).filter(label="1").row(0, named=True)
    assert row["estimate"] < 0
    assert row["conf_high"] > 0.01
    assert "an estimate below 0" in row["note"]


def test_a_label_that_nobody_coded_has_no_error_rates():
    frame = simulated(400).with_columns(topic_gold=pl.when(pl.col("topic_gold") != "c").then("topic_gold"))
    found = at.prevalence(frame.with_columns(pi=pl.lit(0.1)), methods=["adjusted", "dsl"])
    assert estimate(found, "adjusted")["note"] == "nobody coded 'c'"
    assert estimate(found, "dsl", "c")["estimate"] is not None


def test_predictions_without_a_relation_to_the_truth_cannot_be_adjusted():
    frame = pl.DataFrame({"y_hat": [0, 1] * 100, "y_gold": [0, 0, 1, 1] * 50})
    note = estimate(at.prevalence(frame, methods="adjusted"), "adjusted", "1")["note"]
    assert note == "errors are so many that labels cannot be distinguished"


def test_all_one_label():
    frame = pl.DataFrame({"y_hat": [1] * 80, "y_gold": [1] * 40 + [None] * 40})
    found = at.prevalence(frame, pi=0.5)
    assert found.filter(pl.col("method") != "em")["estimate"].to_list() == pytest.approx([1.0] * 5)
    assert estimate(found, "em", "1")["note"] == "there are no columns with the labels' probabilities"


def test_probabilities_of_a_yes_count_for_a_label_of_a_set():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 2, 500)
    likely = np.clip(0.5 + (true - 0.5) * rng.normal(0.7, 0.5, 500), 0.02, 0.98)
    frame = pl.DataFrame({"topic_Law": likely > 0.5, "topic_p_Law": likely}).with_columns(
        topic_gold_Law=pl.Series([int(y) if i < 100 else None for i, y in enumerate(true)])
    )
    found = at.prevalence(frame, "topic_Law", pi=0.2, n_boot=5)
    mean = likely.mean() + (true - likely)[:100].mean() * 100 / 500 / 0.2
    assert estimate(found, "dsl", "1")["estimate"] == pytest.approx(mean)
    assert estimate(found, "em", "1")["estimate"] is not None


def test_texts_without_a_prediction_or_a_group_are_counted_and_left_out():
    frame = simulated(300).with_columns(
        topic=pl.when(pl.int_range(300) >= 10).then("topic"), party=pl.when(pl.int_range(300) < 280).then("party")
    )
    with pytest.warns(at.AnnotuneWarning) as caught:
        found = at.prevalence(frame, by="party", methods="count")
    said = " ".join(str(warning.message) for warning in caught)
    assert "10 of 300 texts have no predicted topic" in said
    assert "20 of 290 texts have no party" in said
    assert found.unique("party")["n"].sum() == 270


def test_of_sets_the_column_of_a_label_is_asked_for():
    frame = simulated(300).rename({"topic": "topic_Tax", "topic_gold": "topic_gold_Tax"})
    with pytest.raises(
        at.AnnotuneError, match=r"'topic' are sets, .* such as 'topic_gold_Tax'\. .*variable='topic_Tax'"
    ):
        at.prevalence(frame, "topic")


def test_times_of_day_behind_dates_are_left_out_where_periods_are_made():
    """As files of tweets have them; months alone are no dates, and that is said with one of them."""
    frame = simulated(300).with_columns(
        at=pl.when(pl.int_range(300) < 150)
        .then(pl.lit("2024-01-31T23:59:00.000Z"))
        .otherwise(pl.lit("2024-02-01T00:00:00Z")),
        month=pl.lit("2024-01"),
    )
    shares = at.prevalence(frame, time="at", every="1mo", methods="count")
    assert shares["at"].cast(pl.String).unique().sort().to_list() == ["2024-01-01", "2024-02-01"]
    with pytest.raises(at.AnnotuneError, match="column of dates, and 'month' holds others, such as '2024-01'"):
        at.prevalence(frame, time="month", every="1q", methods="count")


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({}, {"methods": "dsll"}, "method 'dsll' is unknown.*Did you mean 'dsl'"),
        ({}, {"methods": []}, "No method was named"),
        ({}, {"of": "sample"}, "of= of prevalence.. cannot be 'sample'|no shares of 'sample'"),
        ({}, {"by": "partei"}, "no column 'partei'.*Did you mean 'party'"),
        ({}, {"every": "1y"}, "every= divides a column of dates"),
        ({}, {"level": "high"}, "level= of prevalence.. cannot be 'high'"),
        ({}, {"n_boot": "many"}, "n_boot= of prevalence.. cannot be 'many'"),
        ({}, {"pi": [0.5]}, "pi= of prevalence.. cannot be"),
        ({}, {"level": 95}, "cannot have the level 95"),
        ({}, {"cluster": "dok"}, "no column 'dok'"),
        ({}, {"by": "topic_gold"}, "Shares of 'topic_gold' cannot be grouped by it"),
        ({"document": pl.lit("")}, {"cluster": "document"}, "'document' has empty cells"),
        ({}, {"n_boot": -1}, "cannot be -1 replicates"),
        ({"label": pl.lit("x")}, {"by": "label"}, "has a column 'label' of its own"),
        ({}, {"pi": 0.0}, "pi is 0"),
        ({}, {"pi": "chance"}, "no column 'chance'"),
        ({}, {"variable": "tone"}, "No column has hand codings of 'tone' .* or ask for methods='count'"),
        ({"document": pl.lit(None)}, {"cluster": "document"}, "'document' has empty cells"),
        ({"party": pl.lit(None)}, {"by": "party"}, "No text has a value in party"),
        ({"topic_p_a": pl.lit(None)}, {}, "probabilities of 'topic' have empty"),
        ({"day": pl.lit(datetime.date(2001, 1, 1))}, {"time": "day", "every": "month"}, "'month' is not a period"),
        ({"tone_gold": pl.lit("x")}, {}, "Several variables were coded: 'topic', 'tone'"),
    ],
)
def test_what_cannot_be_is_one_sentence(change, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.prevalence(simulated(200, 0.5).with_columns(**change), **options)


def test_a_count_needs_no_hand_codings():
    frame = simulated(200, 0.5)
    counts = at.prevalence(frame, methods="count", by="party")
    bare = frame.drop("topic_gold", "pi")
    same = counts.with_columns(n_coded=pl.lit(0, counts.schema["n_coded"]))
    assert at.prevalence(bare, methods="count", by="party").equals(same)  # what was predicted is known by probabilities
    assert at.prevalence(bare.select("topic", "party"), "topic", methods="count", by="party").equals(same)
    assert at.prevalence(bare, ["topic", "party"], methods="count")["variable"].unique().len() == 2
    with pytest.raises(at.AnnotuneError, match="No column has hand codings to correct predictions by"):
        at.prevalence(bare)
    with pytest.raises(at.AnnotuneError, match="No column has probabilities beside it"):
        at.prevalence(bare.select("topic"), methods="count")
    with pytest.raises(at.AnnotuneError, match=r"no column 'topik'.*Did you mean 'topic'"):
        at.prevalence(bare, "topik", methods="count")


def test_without_pi_only_what_does_without_it():
    frame = simulated(200, 0.5).drop("pi")
    with pytest.raises(at.AnnotuneError, match="not known with which probability"):
        at.prevalence(frame)
    assert len(at.prevalence(frame, methods=["count", "adjusted", "em"], n_boot=2)) == 9


def test_pictures_show_what_was_asked_for(tmp_path):
    frame = simulated(600).with_columns(year=pl.Series(np.arange(600) % 4 + 2000))
    found = at.prevalence(frame, by="party", time="year", n_boot=5)
    figure = at.plot_prevalence(found, tmp_path / "shares.png", time="year", labels=["a", "b"])
    assert (tmp_path / "shares.png").stat().st_size > 10_000
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a: left", "a: right", "b: left", "b: right"]
    drawn = figure.axes[0].lines[1].get_ydata()
    expected = found.filter(party="left", label="a", method="dsl").sort("year")["estimate"]
    assert list(drawn) == expected.to_list()
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    by_party = at.prevalence(frame, by="party", n_boot=5)
    figure = at.plot_prevalence(by_party, methods=METHODS)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["left", "right"]
    assert len(figure.legends[0].get_texts()) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"methods": "mean"}, "no method 'mean'"),
        ({"labels": "z"}, "no label 'z'"),
        ({"time": "yeer"}, "no column 'yeer'"),
        ({"path": "shares.xyz"}, "cannot be saved as '.xyz'"),
    ],
)
def test_pictures_that_cannot_be_are_one_sentence(options, says):
    found = at.prevalence(simulated(200), by="party", methods=["count", "dsl"])
    with pytest.raises(at.AnnotuneError, match=says):
        at.plot_prevalence(found, **options)


def test_what_is_no_table_of_shares_is_not_drawn():
    with pytest.raises(at.AnnotuneError, match="not a table of shares"):
        at.plot_prevalence(simulated(10))
    found = at.prevalence(simulated(200), methods="em", n_boot=2)
    with pytest.raises(at.AnnotuneError, match="no estimate to show"):
        at.plot_prevalence(found.with_columns(estimate=pl.lit(None, pl.Float64)), methods="em")


def test_every_interval_holds_its_estimate():
    """A label that nobody coded, and that is hardly predicted: corrected, its share is below 0."""
    frame = pl.DataFrame({"y_hat": [1] * 10 + [0] * 390, "y_gold": [0] * 100 + [None] * 300})
    found = at.prevalence(frame, pi=0.25, n_boot=5).drop_nulls("conf_low")
    assert found.filter(method="dsl", label="1")["estimate"][0] < 0
    assert ((found["conf_low"] <= found["estimate"]) & (found["estimate"] <= found["conf_high"])).all()


def rare(n=2000, n_coded=100, share=0.03, right=(0.7, 0.99), seed=1):
    """n texts with a label of this share, `n_coded` of them coded; how many with it, and without, are predicted right.

    `true` has the labels of all texts.
    """
    rng = np.random.default_rng(seed)
    true = rng.random(n) < share
    said = np.where(true, rng.random(n) < right[0], rng.random(n) >= right[1])
    coded = np.isin(np.arange(n), rng.permutation(n)[:n_coded])
    frame = pl.DataFrame({"y_hat": said.astype(int), "true": true.astype(int)})
    return frame.with_columns(y_gold=pl.when(pl.Series(coded)).then("true"), pi=pl.lit(n_coded / n))


def coverage(frames, method, **options):
    """The share of intervals of a yes that hold the share of the corpus."""
    inside = []
    for frame in frames:
        row = estimate(at.prevalence(frame.drop("true"), methods=method, **options), method, "1")
        inside.append(row["conf_low"] <= frame["true"].mean() <= row["conf_high"])
    return np.mean(inside)


@pytest.mark.parametrize(
    ("method", "share", "right"),
    [
        ("hand", 0.03, (0.5, 0.995)), ("dsl", 0.03, (0.5, 0.995)), ("ppi", 0.03, (0.5, 0.995)),
        ("dsl", 0.3, (0.99, 0.99)), ("ppi", 0.3, (0.99, 0.99)),
    ],
)  # fmt: skip
def test_few_errors_do_not_make_intervals_too_sure(method, share, right):
    """A model that is right 99 times in 100, and a label of 3 %, 100 texts coded: normal intervals hold 64 to 88 %."""
    frames = (rare(share=share, right=right, seed=seed) for seed in range(100))
    assert coverage(frames, method) >= 0.93


@pytest.mark.parametrize("method", ["hand", "dsl"])
def test_weights_that_differ_a_hundredfold_do_not_make_intervals_too_sure(method):
    """Texts with the label drawn with .5, others with .005: most that the model overlooks are never seen."""
    frames = []
    for seed in range(60):
        frame, rng = rare(20_000, share=0.03, right=(0.7, 0.99), seed=seed), np.random.default_rng(1000 + seed)
        pi = np.where(frame["y_hat"] == 1, 0.5, 0.005)
        gold = pl.when(pl.Series(rng.random(20_000) < pi)).then("true")
        frames.append(frame.with_columns(y_gold=gold, pi=pl.Series(pi)))
    assert coverage(frames, method) >= 0.93
    note = estimate(at.prevalence(frames[0].drop("true"), methods=method), method, "1")["note"]
    coded = frames[0]["y_gold"].count()
    weights = 1 / frames[0].drop_nulls("y_gold")["pi"].to_numpy()
    size = weights.sum() ** 2 / (weights**2).sum()
    assert f"unequal pi: {coded} hand-coded texts count as {size:.0f}" in note


@pytest.mark.parametrize("method", ["hand", "dsl", "ppi"])
def test_shares_of_the_corpus_have_the_intervals_of_a_finite_population(method):
    """Half of 800 texts coded: an interval for a larger population holds the corpus's share almost always."""
    frames = [rare(800, 400, 0.3, (0.85, 0.85), seed) for seed in range(200)]
    assert 0.90 <= coverage(frames, method) <= 0.98
    assert coverage(frames, method, of="population") > 0.98


def test_the_finite_population_variance_of_simple_random_sampling():
    """Cochran (1977, 2.20): (1 - n / N) s^2 / n, with s^2 over n here; and nothing is left of it when all are coded."""
    frame = rare(400, 100, 0.4, (0.8, 0.8)).drop("true")
    found = at.prevalence(frame, methods=["hand", "dsl", "ppi"])
    coded = frame.drop_nulls("y_gold")
    error = (coded["y_gold"] - coded["y_hat"]).to_numpy()
    assert estimate(found, "dsl", "1")["std_error"] == pytest.approx(np.sqrt(0.75 * (error**2).mean() / 100))
    assert estimate(found, "hand", "1")["std_error"] == pytest.approx(
        np.sqrt(0.75 * coded["y_gold"].to_numpy().var() / 100)
    )
    whole = at.prevalence(rare(400, 400).drop("true"), methods=["hand", "dsl", "ppi"])
    assert whole["std_error"].to_list() == [0.0] * 6
    assert (whole["conf_low"] == whole["conf_high"]).all()


def test_clusters_of_the_corpus_that_were_drawn_whole():
    """With texts of a document all coded or none, and alike, the variance is that of documents."""
    rng, variances, shares, truths = np.random.default_rng(3), [], [], []
    for _ in range(200):
        true, drawn = np.repeat(rng.random(200) < 0.3, 5), np.repeat(rng.permutation(200) < 80, 5)
        frame = pl.DataFrame({"y_hat": np.zeros(1000, int), "y_gold": true.astype(int)}).with_columns(
            y_gold=pl.when(pl.Series(drawn)).then("y_gold"), document=pl.Series(np.arange(1000) // 5)
        )
        row = estimate(at.prevalence(frame, pi=0.4, methods="hand", cluster="document"), "hand", "1")
        variances.append(row["std_error"] ** 2)
        shares.append(row["estimate"])
        truths.append(true.mean())
    assert np.mean(variances) == pytest.approx(np.var(np.subtract(shares, truths)), rel=0.25)


def test_a_label_that_nobody_coded_has_an_interval_and_a_note():
    """None of 80 is not none of all: Wilson's interval, as in Agresti and Coull (1998)."""
    frame = pl.DataFrame({"y_hat": [1] * 4 + [0] * 7996, "y_gold": [0] * 80 + [None] * 7920})
    row = estimate(at.prevalence(frame, pi=0.01, methods="hand", of="population"), "hand", "1")
    assert (row["estimate"], row["conf_low"], row["interval"]) == (0.0, 0.0, "Wilson")
    assert row["conf_high"] == pytest.approx(0.0458, abs=1e-4)
    assert row["std_error"] > 0
    assert row["note"] == "no hand-coded text has this label: the interval is a bound"


def test_a_model_without_an_error_among_the_coded_has_a_bound():
    """As in the rule of three (Hanley and Lippman-Hand 1983): as if there were three errors among 100."""
    frame = rare(100_000, 100, 0.3, (1.0, 1.0)).drop("true")
    row = estimate(at.prevalence(frame, methods="dsl"), "dsl", "1")
    assert row["std_error"] == pytest.approx(np.sqrt(3) / 100, rel=1e-3)
    assert row["note"] == "few errors: the interval is a bound, as if there were up to three more"
    many = at.prevalence(rare(2000, 400, 0.3, (0.85, 0.85)).drop("true"), methods=["hand", "dsl", "ppi"])
    assert many["note"].null_count() == 6


def test_of_the_corpus_every_text_is_counted():
    found = at.prevalence(rare().drop("true"), methods="count").filter(label="1").row(0, named=True)
    assert (found["std_error"], found["interval"]) == (0.0, "none")
    assert found["conf_low"] == found["estimate"] == found["conf_high"]
    assert "the model's errors are in no interval" in found["note"]


def test_the_probability_of_a_yes_is_read_in_one_way_by_all():
    """`h_p_1` beside a variable of 0 and 1."""
    rng = np.random.default_rng(4)
    true = rng.random(3000) < 0.3
    likely = np.clip(np.where(true, 0.65, 0.25) + rng.normal(0, 0.15, 3000), 0.01, 0.99)
    coded = np.arange(3000) < 300
    frame = pl.DataFrame({"h": (likely > 0.5).astype(int), "h_p_1": likely, "pi": 0.1}).with_columns(
        h_gold=pl.when(pl.Series(coded)).then(pl.Series(true.astype(int)))
    )
    share = estimate(at.prevalence(frame, methods="dsl", of="population"), "dsl", "1")
    fits = [at.correct(formula, frame).tidy().filter(method="corrected") for formula in ("h ~ 1", "h == 1 ~ 1")]
    assert [fit["std_error"][0] for fit in fits] == pytest.approx([share["std_error"]] * 2)
    ready = at.dsl_columns(frame, "h")
    assert ready["y_hat"].equals(frame["h_p_1"].alias("y_hat"))
    plan = at.plan_sample(frame, n=300, label="1", of="population").estimates
    assert plan["std_error"][0] == pytest.approx(share["std_error"], rel=0.02)
    plain = at.plan_sample(frame.drop("h_p_1"), n=300, label="1", of="population").estimates
    assert plain["std_error"][0] != pytest.approx(plan["std_error"][0], rel=0.1)
    numbers = frame.with_columns(pl.col("h", "h_gold") * 2)
    assert at.dsl_columns(numbers, "h")["y_hat"].to_list() == numbers["h"].to_list()
