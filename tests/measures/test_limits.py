"""Limits of shares, F1 and macro means: as published, and as often right as they say, with few texts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

import annotune as at
from annotune.measures.evaluation import tabulate
from annotune.measures.limits import difference, limits, limits_of_each, shares_of
from annotune.measures.scores import label_sums, measures, set_sums
from annotune.measures.shares_of_sums import by_label, columns, scores

SHARES = np.array([0.5, 0.3, 0.15, 0.05])
RIGHT = np.array([0.9, 0.85, 0.7, 0.4])  # of each label, the share that the model gets right


def population():
    """The confusion table in the population, and its F1 by label."""
    table = np.array([(1 - RIGHT[i]) / (1 - SHARES[i]) * SHARES for i in range(4)])
    np.fill_diagonal(table, RIGHT)
    table *= SHARES[:, None]
    return table, 2 * np.diag(table) / (table.sum(0) + table.sum(1))


def scored(truth, predicted, n_labels=4, **options):
    sums = label_sums(truth, predicted, n_labels, **options)
    return sums, scores(sums.features, sums.counts, n_labels, False, sums.clustered)


@given(st.integers(1, 80), st.data())
def test_a_share_has_the_limits_of_wilson(n, data):
    right = data.draw(st.integers(0, n))
    truth = np.zeros(n, dtype=int)
    _, found = scored(truth, (np.arange(n) >= right).astype(int), 2)
    assert limits(found["accuracy"]) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)


def test_forty_of_forty_are_not_certain():
    """Wilson's lower limit of 40 of 40 is 40 / (40 + 1.96 ** 2); what has no such limit has a note and no interval."""
    result = at.evaluate(["x", "y"] * 20, ["x", "y"] * 20, n_boot=100)
    mine = {row["measure"]: row for row in result.measures.filter(model="predicted").to_dicts()}
    assert mine["accuracy"]["ci_low"] == pytest.approx(40 / (40 + 1.959964**2))
    assert mine["macro_f1"]["ci_low"] < 0.96
    assert mine["macro_f1"]["ci_high"] == 1
    assert mine["kappa"]["ci_low"] is None
    assert "no interval" in mine["kappa"]["note"]
    assert (result.labels.filter(model="predicted")["f1_low"] < 0.95).all()
    certain = result.measures.filter(pl.col("ci_low") == pl.col("ci_high"))
    assert certain.is_empty()


@pytest.mark.parametrize("n", [60, 150])
def test_macro_f1_and_the_f1_of_a_rare_label_are_held_as_often_as_said(n):
    """Percentiles of a bootstrap hold macro-F1 in 86 to 90 % of samples of 60 texts; these limits in 93 to 97 %."""
    table, f1 = population()
    rng, macro, rare = np.random.default_rng(5), [], []
    for _ in range(700):
        cell = rng.choice(16, n, p=table.ravel())
        sums, found = scored(cell // 4, cell % 4)
        macro.append((limits(found["macro_f1"]), found["macro_f1"].weight @ f1))
        label = by_label(columns(sums.features, 4, False), sums.counts, False)["f1"]
        rare += [(limits_of_each(label, f1=True)[3], f1[3])] if label.defined[3] else []
    for held in (macro, rare):
        assert 0.93 <= np.mean([low <= truth <= high for (low, high), truth in held]) <= 0.975


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_limits_are_of_the_measure_and_around_it(seed, sets):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    weights = rng.gamma(2, size=n)
    options = {"weights": weights / weights.mean(), "clusters": rng.integers(0, 6, n) if rng.random() < 0.5 else None}
    if sets:
        truth, predicted = rng.random((2, n, 3)) < 0.4
        sums = set_sums(truth, predicted, rng.random(n) < 0.9, **options)
    else:
        sums = label_sums(rng.integers(0, 3, n), rng.integers(-1, 3, n), 3, **options)
    expected = measures(sums.total, 3, sets)
    for name, score in scores(sums.features, sums.counts, 3, sets, sums.clustered).items():
        low, high = limits(score)
        assert score.estimate == pytest.approx(float(expected[name]), abs=1e-9)
        assert 0 <= low <= score.estimate + 1e-9
        assert score.estimate - 1e-9 <= high <= 1


def test_clusters_and_weights_lower_the_effective_number():
    """Ten texts of a cluster that are right or wrong together count as one; so does a text that weighs as ten."""
    right = np.repeat(np.array([1.0, 0, 1, 0, 1, 1]), 10)
    together = shares_of(right.reshape(6, 10).sum(1)[:, None], np.full((6, 1), 10.0), np.ones(6), clustered=True)
    alone = shares_of(right[:, None], np.ones((60, 1)), np.ones(60))
    assert alone.n[0] == pytest.approx(60)
    assert together.n[0] == pytest.approx(5)  # the variance of six clusters divides by five
    heavy = np.array([10.0, 1, 1, 1, 1, 1])[:, None]
    assert shares_of(heavy, heavy, np.ones(6)).n[0] == pytest.approx(15**2 / 105)  # Kish


def test_few_texts_of_a_label_are_noted():
    truth, said = ["x"] * 40 + ["y"] * 17 + ["z"] * 3, ["x"] * 40 + ["y"] * 18 + ["z"] * 2
    result = at.evaluate(truth, said, n_boot=20)
    notes = dict(result.measures.filter(model="predicted").select("measure", "note").rows())
    assert notes["macro_f1"] == notes["balanced_accuracy"] == "rests on fewer than 5 texts of z (3)"
    assert notes["accuracy"] is None
    assert result.in_words()[-1] == "Its macro-F1 rests on fewer than 5 texts of z (3)."


def test_replicates_keep_the_labels_of_the_whole():
    """Without the two texts of z a resample says nothing about z: its F1 stays what it is in all texts."""
    truth, predicted = np.array([0] * 10 + [1] * 10 + [2] * 2), np.array([0] * 10 + [1] * 10 + [0, 1])
    whole = label_sums(truth, predicted, 3).total
    part = label_sums(truth[:20], predicted[:20], 3).total
    assert measures(part, 3, False)["macro_f1"] == 1
    assert measures(part, 3, False, of=whole)["macro_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("right_of_rare", "only", "difference"), [("a", (8, 2), 0.442), ("b", (7, 3), -0.231)])
def test_eight_against_two_is_neither_sure_nor_lopsided(right_of_rare, only, difference):
    """One of 60 texts has the third label and decides a third of macro-F1: it is neither dropped nor taken as certain.

    Resamples that lack the text drop its label, and gave .442 (.030 to .555; p = .004) and -.231 (-.336 to +.300).
    """
    truth = np.array([0] * 55 + [1] * 4 + [2])
    a, b = truth.copy(), truth.copy()
    a[:2], b[2:9] = 1, 1
    (b if right_of_rare == "a" else a)[59] = 0
    units = [str(i) for i in range(60)]
    table = lambda labels, coder: pl.DataFrame({"unit_id": units, "label": labels.astype(str), "coder": coder})  # noqa: E731
    found = at.compare({"a": table(a, "a"), "b": table(b, "b")}, table(truth, "gold"), n_boot=200)
    pair = found.pairs.filter(a="a", b="b", measure="macro_f1").row(0, named=True)
    assert (pair["only_a"], pair["only_b"], pair["test"]) == (*only, "paired t")
    assert pair["difference"] == pytest.approx(difference, abs=0.001)
    assert pair["ci_low"] < 0 < pair["ci_high"]
    below, above = pair["difference"] - pair["ci_low"], pair["ci_high"] - pair["difference"]
    assert 0.7 < below / above < 1.4
    assert pair["p"] > 0.05
    few = "The macro-F1 rests on fewer than 5 texts of 1 (4), 2 (1): a single text may decide it."
    assert found.in_words()[-1] == few


@pytest.mark.parametrize("n", [60, 150])
def test_differences_of_macro_f1_are_held_as_often_as_said(n):
    """Two coders who are each right on 85 and 75 % of texts, mostly on the same."""
    rng, held = np.random.default_rng(3), []
    chances = [np.full(4, 0.85), np.full(4, 0.75)]
    f1 = []
    for chance in chances:
        table = np.tile((1 - chance[:, None]) / 3, 4)
        np.fill_diagonal(table, chance)
        table *= SHARES[:, None]
        f1.append((2 * np.diag(table) / (table.sum(0) + table.sum(1))).mean())
    for _ in range(500):
        truth, luck, away = rng.choice(4, n, p=SHARES), rng.random(n), rng.integers(1, 4, n)
        answers = [np.where(luck < chance[truth], truth, (truth + away) % 4) for chance in chances]
        coders = [scores(_features(truth, said), np.ones(n), 4, False)["macro_f1"] for said in answers]
        low, high = difference(*coders).limits
        held.append(low <= f1[0] - f1[1] <= high)
    assert 0.93 <= np.mean(held) <= 0.995


def _features(truth, predicted):
    features = np.zeros((len(truth), 20))
    features[np.arange(len(truth)), truth * 5 + predicted] = 1
    return features


def test_twelve_clusters_hold_the_accuracy():
    """Clusters of ten texts with an intraclass correlation of about .3."""
    rng, held = np.random.default_rng(2), []
    for _ in range(600):
        chance = np.repeat(rng.beta(1.9, 0.475, 12), 10)
        right = rng.random(120) < chance
        _, found = scored(np.zeros(120, dtype=int), (~right).astype(int), 2, clusters=np.repeat(np.arange(12), 10))
        low, high = limits(found["accuracy"])
        held.append(low <= 0.8 <= high)
    assert 0.925 <= np.mean(held) <= 0.985


def test_without_replicates_there_is_no_interval():
    entry = at.Variable(name="v", labels=(at.Label(code=0, name="x"), at.Label(code=1, name="y")))
    answers = np.array([0, 1, 1])
    found = tabulate(np.array([0, 1, 0]), {"m": (answers, answers >= 0)}, entry, n_boot=0)
    assert found.measures["ci_low"].null_count() == len(found.measures)
    assert found.labels["f1_low"].null_count() == 2
