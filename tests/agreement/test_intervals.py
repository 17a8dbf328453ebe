"""Standard errors and intervals: two ways that must meet, clusters, and coders taken out in turn."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.agreement import coefficients, patterns
from annotune.agreement.intervals import influences, interval, resampled


def said(units, coders=3, q=3, missing=0.1, right=0.7, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, units)
    rows = np.where(rng.random((units, coders)) < right, truth[:, None], rng.integers(0, q, (units, coders)))
    gone = rng.random((units, coders)) < missing
    return [[None if g else int(v) for v, g in zip(*row, strict=True)] for row in zip(rows, gone, strict=True)]


@pytest.fixture(scope="module")
def large(codings_of):
    return codings_of(said(5000))


METRICS = ["percent", "fleiss_kappa", "conger_kappa", "light_kappa", "brennan_prediger", "ac1", "alpha"]


@pytest.mark.parametrize(
    ("metric", "level"),
    [*((metric, "nominal") for metric in METRICS), ("alpha", "ordinal"), ("alpha", "interval"), ("ac2", "quadratic"),
     ("icc1", "interval"), ("icc2", "interval"), ("icc3k", "interval")],
)  # fmt: skip
def test_bootstrap_and_delta_method_agree_within_5_percent(large, metric, level):
    se = [
        at.reliability(large, metrics=[metric], level=level, ci=ci, n_boot=4000)["se"][0]
        for ci in ("analytic", "bootstrap")
    ]
    assert se[1] == pytest.approx(se[0], rel=0.05)


def test_pairs_too(codings_of):
    codings = codings_of(said(3000, coders=2))
    for metric in ("cohen_kappa", "scott_pi"):
        se = [
            at.reliability(codings, metrics=[metric], level="nominal", ci=ci, n_boot=4000)["se"][0]
            for ci in ("analytic", "bootstrap")
        ]
        assert se[1] == pytest.approx(se[0], rel=0.05)


def test_gwets_standard_error_is_the_same_where_every_unit_has_two_codings(codings_of):
    codings = codings_of(said(200, missing=0))
    for metric in ("percent", "fleiss_kappa", "conger_kappa", "ac1", "brennan_prediger"):
        se = [at.reliability(codings, metrics=[metric], level="nominal", ci=ci)["se"][0] for ci in ("analytic", "gwet")]
        assert se[0] == pytest.approx(se[1], rel=1e-9)


def statistic(rows, q=3):
    found = patterns.distinct(np.sort(np.array(rows), axis=1))
    return coefficients.alpha(found, patterns.counts(found.rows, q), 1 - np.eye(q))


def test_influences_are_what_leaving_a_unit_out_shows():
    rows = said(60, missing=0)
    whole = statistic(rows)
    step = np.array([statistic(rows[:i] + rows[i + 1 :]).estimate() for i in range(60)])
    jackknife = np.sqrt(59 / 60 * ((step - step.mean()) ** 2).sum())
    freq = whole.patterns.freq
    assert np.sqrt(60 / 59 * (freq @ influences(whole) ** 2)) == pytest.approx(jackknife, rel=0.02)


def test_few_patterns_and_single_units_are_drawn_alike():
    """The multinomial over patterns and the drawing of units are the same law."""
    rows = said(400, missing=0)
    few = statistic(rows)
    ids = np.arange(400)
    each = patterns.Patterns(few.patterns.rows[few.patterns.of_unit], np.ones(400, np.int64), ids)
    single = patterns.Statistic(each, few.terms[few.patterns.of_unit], few.value)
    assert single.estimate() == pytest.approx(few.estimate())
    spread = [np.concatenate([s.value(x) for x in resampled(s, 4000, 1)]).std() for s in (few, single)]
    assert spread[0] == pytest.approx(spread[1], rel=0.05)


def test_the_seed_decides_and_only_the_seed(codings_of):
    codings = codings_of(said(100))
    once, again, other = (at.reliability(codings, seed=seed) for seed in (1, 1, 2))
    assert once.equals(again)
    assert not once.equals(other)


def test_doubled_units_in_clusters_weigh_once(codings_of):
    rows = said(300, missing=0)
    single = codings_of(rows)
    doubled = codings_of(rows + rows, document=pl.Series([str(i) for i in range(300)] * 2))
    for ci in ("analytic", "bootstrap"):
        options = {"level": "nominal", "metrics": ["alpha", "ac1"], "ci": ci, "n_boot": 4000}
        expected = at.reliability(single, **options)["se"]
        naive, clustered = (at.reliability(doubled, cluster=c, **options)["se"] for c in (None, "document"))
        np.testing.assert_allclose(clustered, expected, rtol=0.05)
        np.testing.assert_allclose(naive, expected / np.sqrt(2), rtol=0.05)


def test_clusters_must_hold_whole_units(codings_of):
    codings = codings_of(said(10, missing=0)).with_columns(place=pl.col("coder"))
    with pytest.raises(at.AnnotuneError, match="is in several clusters of 'place'"):
        at.reliability(codings, cluster="place")
    with pytest.raises(at.AnnotuneError, match="has no column 'nowhere'"):
        at.reliability(codings, cluster="nowhere")


def test_the_jackknife_over_coders_sees_a_poor_coder(codings_of):
    good = said(300, coders=5, missing=0, right=0.9)
    rng = np.random.default_rng(2)
    spoiled = [[*row[:4], int(rng.integers(0, 3))] for row in good]
    alike, unlike = (
        at.reliability(codings_of(rows), level="nominal", metrics=["alpha"], cluster="coder").row(0, named=True)
        for rows in (good, spoiled)
    )
    assert unlike["se"] > 5 * alike["se"]
    assert unlike["method"] == "jackknife over coders"


def test_two_coders_have_no_jackknife(codings_of):
    found = at.reliability(codings_of(said(30, coders=2)), level="nominal", metrics=["alpha"], cluster="coder")
    assert found["estimate"][0] is not None
    assert found["se"][0] is None
    assert "no jackknife" in found["note"][0]


def test_a_statistic_without_variation_has_no_standard_error():
    rows = [[0, 0]] * 5 + [[1, 1]] * 5
    found = interval(statistic(rows, q=2), "bootstrap", 200, 1, 9)
    assert (found.estimate, found.se, found.low) == (1.0, None, None)


def test_intervals_cover(codings_of):
    """A short form of the simulation in the benchmarks."""
    truth = at.reliability(codings_of(said(20_000, seed=99)), level="nominal", metrics=["alpha"], ci="analytic")[
        "estimate"
    ][0]
    for ci in ("bootstrap", "analytic"):
        found = [
            at.reliability(codings_of(said(100, seed=seed)), level="nominal", metrics=["alpha"], ci=ci, n_boot=500)
            for seed in range(150)
        ]
        hits = np.mean([row["ci_low"][0] <= truth <= row["ci_high"][0] for row in found])
        assert 0.9 <= hits <= 0.99
