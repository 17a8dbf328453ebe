"""Scores of texts are what theory says: proportional to how far a coding is expected to move the estimate."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.correction.text_scores import FLOORS, best_floor, doubt, proportional, with_floor
from annotune.hybrid.active import scores


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    n = 400
    x, party = rng.normal(size=n), rng.choice(["left", "right", "green"], n, p=[0.6, 0.3, 0.1])
    p = rng.beta(0.4, 2.0, n)
    return pl.DataFrame(
        {
            "topic": np.where(p > 0.5, "Health", "Other"),
            "topic_p_Health": p,
            "topic_p_Other": 1 - p,
            "x": x,
            "party": party,
            "place": rng.integers(0, 12, n),
        }
    )


def in_proportion(score, expected):
    return np.allclose(score / score.mean(), expected / expected.mean())


def test_linear_coefficient(frame):
    design = np.column_stack([np.ones(len(frame)), frame["x"]])
    p = frame["topic_p_Health"].to_numpy()
    reach = design @ np.linalg.inv(design.T @ design)
    score = scores(frame, for_="topic == 'Health' ~ x", floor=0)
    assert in_proportion(score, abs(reach[:, 1]) * np.sqrt(p * (1 - p)))
    intercept = scores(frame, for_="topic == 'Health' ~ x", term="Intercept", floor=0)
    assert in_proportion(intercept, abs(reach[:, 0]) * np.sqrt(p * (1 - p)))
    assert np.allclose(score, scores(frame, for_="topic != 'Health' ~ x", floor=0))


def test_logit_weighs_by_the_information(frame):
    from scipy.optimize import minimize
    from scipy.special import expit

    design = np.column_stack([np.ones(len(frame)), frame["x"]])
    p = frame["topic_p_Health"].to_numpy()
    loss = lambda beta: np.logaddexp(0, design @ beta).sum() - p @ design @ beta  # noqa: E731
    mean = expit(design @ minimize(loss, np.zeros(2), tol=1e-10).x)
    reach = design @ np.linalg.inv((design * (mean * (1 - mean))[:, None]).T @ design)
    score = scores(frame, for_="topic == 'Health' ~ x", model="logit", floor=0)
    expected = abs(reach[:, 1]) * np.sqrt(p * (1 - p))
    assert np.allclose(score, expected / expected.mean(), rtol=1e-3)


def test_fixed_effects_are_taken_out(frame):
    p = frame["topic_p_Health"].to_numpy()
    within = (frame["x"] - frame.select(pl.col("x").mean().over("place")).to_series()).to_numpy()
    assert in_proportion(
        scores(frame, for_="topic == 'Health' ~ x | place", floor=0), abs(within) * np.sqrt(p * (1 - p))
    )


def test_coefficients_count_alike_whatever_their_unit(frame):
    other = frame.with_columns(x=pl.col("x") * 1000)
    formula = "topic == 'Health' ~ x + party"
    assert np.allclose(scores(frame, for_=formula), scores(other, for_=formula))


def test_shares_of_one_and_of_all_labels(frame):
    p = frame["topic_p_Health"].to_numpy()
    assert in_proportion(scores(frame, for_="topic == 'Health'", floor=0), doubt(p))
    assert in_proportion(
        scores(frame, for_="share", variable="topic", floor=0), doubt(p)
    )  # of two labels both are alike


def test_tuning_seeks_rare_labels():
    likely = pl.DataFrame(
        {"y_p_a": [0.9] * 8 + [0.5, 0.5], "y_p_b": [0.1] * 8 + [0.0, 0.5], "y_p_c": [0.0] * 8 + [0.5, 0.0]}
    )
    score = scores(likely, for_="tuning", variable="y", floor=0)
    assert score[8] > score[9] > score[0]  # c is in fewer texts than b


def test_bare_labels_have_the_doubts_that_codings_show():
    n = 200
    labels = np.repeat([1, 0], n // 2)
    gold = [1 if i % 4 else 0 for i in range(50)] + [None] * 50 + [0] * 50 + [None] * 50
    frame = pl.DataFrame({"y": labels, "y_gold": gold})
    score = scores(frame, for_="y == 1", floor=0.1)
    wrong = (np.array([13, 0]) + 0.5) / 51
    expected = 0.1 + 0.9 * np.sqrt(wrong) / np.sqrt(wrong).mean()
    assert np.allclose([score[0], score[-1]], expected)
    uncoded = scores(frame.with_columns(y_gold=pl.lit(None, pl.Int64)), for_="y == 1")
    assert np.allclose(uncoded, 1)  # nothing is known of the labels' errors


def test_coded_texts_choose_a_floor(frame):
    rng = np.random.default_rng(1)
    p = frame["topic_p_Health"].to_numpy()
    as_it_says = np.where(rng.random(len(p)) < p, "Health", "Other")
    reversed_doubt = np.where(
        rng.random(len(p)) < np.where(doubt(p) > 0.25, p > 0.5, rng.random(len(p)) < 0.5), "Health", "Other"
    )
    floors = [
        scores(frame.with_columns(topic_gold=gold), for_="topic == 'Health'").min()
        for gold in (as_it_says, reversed_doubt)
    ]
    assert floors[0] < 0.4 < floors[1]


def test_texts_without_predictions_or_covariates_keep_a_chance(frame):
    place = pl.int_range(pl.len())
    gaps = frame.with_columns(
        topic_p_Health=pl.when(place == 0).then(None).otherwise("topic_p_Health"),
        x=pl.when(place == 1).then(None).otherwise("x"),
    )
    with pytest.warns(at.AnnotuneWarning, match="left out"):
        score = scores(gaps, for_="topic == 'Health' ~ x", floor=0.3)
    assert score[1] == pytest.approx(0.3)
    assert (score >= 0.3 - 1e-12).all()
    assert np.isfinite(score).all()


@given(st.lists(st.floats(0, 50), min_size=3, max_size=30), st.floats(0.05, 0.95))
def test_probabilities_sum_to_n(values, share):
    score = with_floor(np.array(values), 0.1)
    n = share * len(score)
    pi = proportional(score, n)
    assert pi.sum() == pytest.approx(n)
    assert ((pi > 0) & (pi <= 1)).all()
    free = pi < 1
    assert np.allclose(pi[free] / score[free], (pi[free] / score[free]).max(initial=0))


@given(st.integers(0, 10_000))
def test_no_other_probabilities_have_a_smaller_variance(seed):
    rng = np.random.default_rng(seed)
    added = rng.exponential(size=20)
    best, other = proportional(added, 5), proportional(added * rng.uniform(0.2, 5, 20), 5)
    variance = [((1 - pi) / pi * added**2).sum() for pi in (best, other)]
    assert variance[0] <= variance[1] * (1 + 1e-9)


def test_best_floor_is_by_weights():
    score, added = np.tile([0.1, 1.9], 100), np.tile([[1.0], [1.0]], (100, 1))
    heavy = np.tile([0.0, 1.0], 100)  # only texts in doubt count
    assert best_floor(score, added, np.arange(200), heavy) == FLOORS[0]
    assert best_floor(score, added, np.arange(200), np.ones(200)) == 1.0


@pytest.mark.parametrize(
    ("for_", "sentence"),
    [
        ("topic == 'Helth' ~ x", "No text has the topic 'Helth'"),
        ("topic == 'Health' ~ age", "there is no column 'age'"),
        ("log(x) ~ party", "does not explain a coded variable"),
        ("policy == 'Health' ~ x", "there is no column 'policy'"),
        ("topic == 'Health' ~ x + I(2 * x)", "has no solution"),
    ],
)
def test_what_cannot_be_scored(frame, for_, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        scores(frame, for_=for_)


def test_predicted_covariates_are_refused(frame):
    other = frame.with_columns(vote=pl.col("x"), topic_gold=pl.lit(None, pl.String))
    with pytest.raises(at.AnnotuneError, match="for a predicted outcome alone"):
        scores(other, for_="vote ~ topic == 'Health'")


def test_no_probabilities(frame):
    with pytest.raises(at.AnnotuneError, match="no probabilities"):
        scores(frame.select("topic", "x"), for_="tuning", variable="topic")
    with pytest.raises(at.AnnotuneError, match="A floor of 2"):
        scores(frame, for_="share", variable="topic", floor=2)
