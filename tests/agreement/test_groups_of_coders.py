"""Pairs of coders, categories, people and models, each coder against the rest."""

import numpy as np
import polars as pl
import pytest

import annotune as at


def rows_of(units=200, rights=(0.9, 0.9, 0.9, 0.4), q=3, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, units)
    return np.stack(
        [np.where(rng.random(units) < r, truth, rng.integers(0, q, units)) for r in rights], axis=1
    ).tolist()


@pytest.fixture(scope="module")
def codings(codings_of):
    return codings_of(rows_of())


def test_pairs_are_what_two_coders_alone_would_be(codings):
    pairs = at.pairwise_reliability(codings, level="nominal", ci="analytic")
    assert pairs.select("coder_a", "coder_b").unique().height == 6
    two = codings.filter(pl.col("coder").is_in(["c1", "c3"]))
    alone = at.reliability(two, level="nominal", metrics=["percent", "cohen_kappa", "alpha"], ci="analytic")
    mine = pairs.filter(coder_a="c1", coder_b="c3")
    assert mine["estimate"].to_list() == alone["estimate"].to_list()
    assert mine["se"].to_list() == alone["se"].to_list()


def test_pairs_without_a_common_unit_say_so(codings_of):
    pairs = at.pairwise_reliability(
        codings_of([["a", "b", None], ["b", "b", None], [None, None, "a"]]), metrics=["alpha"]
    )
    apart = pairs.filter(coder_b="c2")
    assert apart["estimate"].to_list() == [None, None]
    assert set(apart["note"]) == {"no unit was coded by two coders"}


def test_a_hard_category_shows(codings_of):
    rows = [["a", "a"]] * 20 + [["b", "c"], ["c", "b"]] * 5 + [["b", "b"], ["c", "c"]] * 3
    found = at.category_reliability(codings_of(rows), metrics=["alpha"])
    alpha = dict(found.select("category", "estimate").rows())
    assert alpha["a"] == 1
    assert alpha["b"] < 0.6
    assert alpha["c"] < 0.6


def test_a_multilabel_category_is_given_or_not(codebook_of):
    codebook = codebook_of("ab", "multilabel")
    wide = pl.DataFrame({"unit_id": list("klmn"), "x": ["a", "a;b", "none", "b"], "y": ["a", "a", "none", "b"]})
    codings = at.read_codings(wide, codebook, coders=["x", "y"])
    found = at.category_reliability(codings, codebook=codebook, metrics=["percent"])
    assert found.select("category", "estimate").rows() == [("a", 1.0), ("b", 0.75)]


def test_a_model_as_good_as_people_does_not_differ(codings_of):
    codings = codings_of(rows_of(units=600, rights=(0.85, 0.85, 0.85)))
    people, model, gap = at.compare_reliability(codings, "c2", level="nominal", metrics=["alpha"]).rows(named=True)
    assert gap["metric"] == "alpha_difference"
    assert gap["estimate"] == pytest.approx(model["estimate"] - people["estimate"])
    assert gap["ci_low"] < 0 < gap["ci_high"]
    assert (people["coder_a"], people["coder_b"], model["coder_b"]) == ("people", "people", "c2")


@pytest.mark.parametrize(("level", "metric"), [("nominal", "alpha"), ("ordinal", "alpha"), ("nominal", "ac1")])
def test_a_poor_model_differs_and_shared_units_sharpen_it(codings, level, metric):
    people, model, gap = at.compare_reliability(codings, "c3", level=level, metrics=[metric]).rows(named=True)
    assert gap["ci_high"] < 0
    assert "two-sided p < .001" in gap["note"]
    assert gap["se"] < np.hypot(people["se"], model["se"])


def test_with_one_person_there_is_nothing_to_compare(codings):
    found = at.compare_reliability(codings.filter(pl.col("coder").is_in(["c0", "c3"])), "c3")
    assert set(found["note"]) == {"no unit was coded by the model and by two people"}


def test_comparisons_of_unknown_coders_or_metrics(codings):
    with pytest.raises(at.AnnotuneError, match="There is no coder 'gpt'"):
        at.compare_reliability(codings, "gpt")
    with pytest.raises(at.AnnotuneError, match="does not compare groups of coders"):
        at.compare_reliability(codings, "c3", metrics=["conger_kappa"])
    with pytest.raises(at.AnnotuneError, match="about particular coders"):
        at.coder_quality(codings, cluster="coder")


def test_ordinal_comparisons_of_two_coders_are_ordinal_alpha(codings):
    """One person against the rest, who are one: both ways of counting coincidences must meet."""
    two = codings.filter(pl.col("coder").is_in(["c0", "c3"]))
    rest = at.coder_quality(two, level="ordinal", metrics=["alpha"], ci="analytic").filter(metric="alpha")
    alpha = at.reliability(two, level="ordinal", metrics=["alpha"], ci="analytic")
    for column in ("estimate", "se"):
        assert rest[column].to_list() == pytest.approx([alpha[column][0]] * 2)


def test_the_poor_coder_stands_out(codings):
    found = at.coder_quality(codings, level="nominal", ci="analytic")
    alpha = dict(found.filter(metric="alpha").select("coder_a", "estimate").rows())
    accuracy = dict(found.filter(metric="accuracy").select("coder_a", "estimate").rows())
    assert min(alpha, key=alpha.get) == min(accuracy, key=accuracy.get) == "c3"
    assert accuracy["c0"] > 0.85
    matrix = found.filter(metric="dawid_skene", coder_a="c0")["estimate"].to_numpy().reshape(3, 3)
    np.testing.assert_allclose(matrix.sum(1), 1)


def test_a_lonely_coder_has_a_note(codings_of):
    found = at.coder_quality(codings_of([["a", "b", None], ["b", "b", None], [None, None, "a"]]), metrics=["percent"])
    lonely = found.filter(metric="percent", coder_a="c2").row(0, named=True)
    assert (lonely["estimate"], lonely["note"]) == (None, "shares no unit with another coder")
