"""Abstention: the bound is that of Clopper and Pearson, the risk is held, and unsure texts go to people."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

import annotune as at
from annotune.evidence.abstention import guaranteed, upper_bound


def coded(labels, prob, coder="model"):
    units = [f"u{i}" for i in range(len(labels))]
    frame = pl.DataFrame({"unit_id": units, "label": labels, "prob": prob}, schema_overrides={"label": pl.String})
    return frame.with_columns(variable=pl.lit("v"), coder=pl.lit(coder))


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.2))
def test_the_bound_is_that_of_clopper_and_pearson(errors, n, delta):
    errors = min(errors, n)
    expected = proportion_confint(errors, n, alpha=2 * delta, method="beta")[1]
    assert upper_bound(errors, n, delta) == pytest.approx(expected)


def test_the_risk_is_held_as_often_as_promised():
    """A model whose error falls with its certainty: its true risk above the threshold is rarely more than 10 %."""
    rng = np.random.default_rng(1)
    broken, found = 0, 0
    for _ in range(300):
        stated = rng.random(400)
        wrong = rng.random(400) < 0.4 * (1 - stated) ** 2
        threshold, bound = guaranteed(stated, wrong, risk=0.1, delta=0.1)
        if threshold is not None:
            found += 1
            assert bound <= 0.1
            broken += 0.4 * (1 - threshold) ** 2 / 3 > 0.1  # the mean error of those above it
    assert found > 100
    assert broken / 300 <= 0.1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_whatever_is_found_has_a_bound_below_the_risk(pairs, risk):
    stated, wrong = np.array([p for p, _ in pairs]), np.array([w for _, w in pairs])
    threshold, bound = guaranteed(stated, wrong, risk, 0.05)
    if threshold is None:
        assert bound is None
    else:
        kept = stated >= threshold
        assert bound <= risk
        assert wrong[kept].mean() <= bound


def test_unsure_texts_go_to_people():
    """Of 1,000 texts, 800 are surely right, 200 are guesses: about those 200 are to be coded by hand."""
    rng = np.random.default_rng(1)
    sure = rng.random(1_000) < 0.8
    truth = np.where(rng.random(1_000) < 0.5, "x", "y")
    said = np.where(sure, truth, np.where(rng.random(1_000) < 0.5, "x", "y"))
    prob = np.where(sure, 0.95, 0.55) + rng.random(1_000) * 0.04
    held, gold = coded(said.tolist(), prob), coded(truth.tolist(), prob, "gold").drop("prob")
    found = at.abstain(held, held_out=held, gold=gold, risk=0.02)
    assert found.codings["by_hand"].to_list() == (prob < found.threshold).tolist()
    assert 150 < found.n_by_hand < 260
    assert found.bound <= 0.02
    assert f"({found.n_by_hand:,} of 1,000 texts)" in found.in_words()
    strict = at.abstain(held, held_out=held, gold=gold, risk=0.0005)
    assert strict.threshold is None
    assert strict.codings["by_hand"].all()
    assert "code all 1,000 texts by hand" in strict.in_words()


def test_texts_without_an_answer_are_coded_by_hand():
    held = coded(["x"] * 200, [0.9] * 200)
    new = coded(["x", None, "x"], [0.9, None, 0.3])
    found = at.abstain(new, held_out=held, gold=held.with_columns(coder=pl.lit("gold")))
    assert found.codings["by_hand"].to_list() == [False, True, True]
    assert found.codings["unit_id"].to_list() == ["u0", "u1", "u2"]


def test_the_curve_by_hand():
    held = coded(["x", "x", "x", "x"], [0.9, 0.8, 0.8, 0.6])
    gold = coded(["x", "y", "x", "y"], [1.0] * 4, "gold")
    found = at.abstain(held, held_out=held, gold=gold, risk=0.5)
    assert found.curve.select("threshold", "n", "n_wrong").rows() == [(0.6, 4, 2), (0.8, 3, 1), (0.9, 1, 0)]
    assert found.curve["bound"][2] == pytest.approx(0.95)


def test_sets_are_as_sure_as_all_their_answers(book):
    columns = {"unit_id": ["a", "b"], "label": ["Health", "Law"], "variable": "topic", "coder": "model"}
    held = pl.DataFrame(columns).with_columns(
        p_Health=pl.Series([0.9, 0.2]), p_Law=pl.Series([0.4, 0.7]), p_Farming=pl.Series([0.1, 0.1])
    )
    gold = pl.DataFrame(columns).drop("coder")
    found = at.abstain(held, held_out=held, gold=gold, codebook=book("multilabel"))
    assert found.codings["confidence"].to_list() == pytest.approx([0.9 * 0.6 * 0.9, 0.8 * 0.7 * 0.9])


@pytest.mark.parametrize("options", [{"risk": 0.0}, {"risk": 1.5}, {"confidence": 1.0}])
def test_shares_that_are_none_are_refused(options):
    held = coded(["x"] * 4, [0.9] * 4)
    with pytest.raises(at.AnnotuneError, match="is not between 0 and 1"):
        at.abstain(held, held_out=held, gold=held, **options)


def test_codings_of_another_variable_are_refused():
    held = coded(["x"] * 4, [0.9] * 4)
    with pytest.raises(at.AnnotuneError, match="Nobody coded the variable 'v'"):
        at.abstain(held.with_columns(variable=pl.lit("w")), held_out=held, gold=held)
