"""Coefficients against the values that their authors, or other packages, have published."""

import krippendorff
import numpy as np
import polars as pl
import pytest
from statsmodels.stats import inter_rater

import annotune as at
from annotune.agreement.distances import masi

# Krippendorff 2011 (also the four raters of Gwet 2014): 12 units by 4 observers, * is missing
OBSERVERS = "11*1 2232 3333 3333 2222 1234 4444 1121 2222 *555 **11 **3*"
# the encyclopaedia's example of alpha: 15 units by 3 coders
THREE_CODERS = "*1* *** *22 *11 *33 334 444 13* 2*2 1*1 1*1 3*3 3*3 *** 3*4"
# Fleiss 1971, 30 patients by 6 psychiatrists, in the order of R's package irr
DIAGNOSES = """
444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445
333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
"""
# the encyclopaedia's example of Fleiss' kappa: 10 units, 14 raters, counts in 5 categories
FOURTEEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Shrout and Fleiss 1979, table 2: 6 targets by 4 judges
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def matrix(text):
    return [[None if sign == "*" else sign for sign in unit] for unit in text.split()]


def one(codings, metric, level=None, **options):
    options = {"ci": "analytic"} | options
    return at.reliability(codings, metrics=[metric], level=level, **options).row(0, named=True)


@pytest.mark.parametrize(
    ("level", "value"),
    [
        ("nominal", 0.743421),
        ("ordinal", 0.815388),
        ("interval", 0.849107),
        ("ratio", 0.797403),
        ("gwet_ordinal", 0.83364),
    ],
)
def test_alpha_of_krippendorffs_observers(codings_of, level, value):
    found = one(codings_of(matrix(OBSERVERS)), "alpha", level)["estimate"]
    assert found == pytest.approx(value, abs=5e-7 if level != "gwet_ordinal" else 5e-6)


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.691358), ("interval", 0.810845)])
def test_alpha_of_the_encyclopaedia(codings_of, level, value):
    assert one(codings_of(matrix(THREE_CODERS)), "alpha", level)["estimate"] == pytest.approx(value, abs=5e-7)


@pytest.mark.parametrize(
    ("metric", "level", "value", "se"),
    [
        ("ac1", "nominal", 0.77544, 0.14295),
        ("fleiss_kappa", "nominal", 0.76117, 0.15302),
        ("conger_kappa", "nominal", 0.76282, 0.14917),
        ("brennan_prediger", "nominal", 0.77273, 0.14472),
        ("percent", "nominal", 0.81818, 0.12561),
        ("alpha", "nominal", 0.74342, 0.14548),
        ("ac2", "quadratic", 0.91400, 0.10396),
    ],
)
def test_gwets_raters_and_his_standard_errors(codings_of, metric, level, value, se):
    found = one(codings_of(matrix(OBSERVERS)), metric, level, ci="gwet")
    assert found["estimate"] == pytest.approx(value, abs=5e-6)
    assert found["se"] == pytest.approx(se, abs=5e-6)


@pytest.mark.parametrize(("level", "power"), [("linear", 1), ("quadratic", 2)])
def test_weighted_percent_agreement_is_the_mean_over_pairs(codings_of, level, power):
    """Gwet (2014, chapter 4): pairs of codings of a unit, weighted by nearness; with it his AC2 of .91400."""
    found = one(codings_of(matrix(OBSERVERS)), "weighted_percent", level)["estimate"]
    units = [[int(value) for value in unit if value is not None] for unit in matrix(OBSERVERS)]
    weight = lambda a, b: 1 - (abs(a - b) / 4) ** power  # noqa: E731
    shares = [
        np.mean([weight(a, b) for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j])
        for unit in units
        if len(unit) > 1
    ]
    assert found == pytest.approx(np.mean(shares))
    if level == "quadratic":
        use = np.mean([np.bincount(unit, minlength=6)[1:] / len(unit) for unit in units if unit], axis=0)
        total = sum(weight(a, b) for a in range(5) for b in range(5))
        by_chance = total / 20 * (use * (1 - use)).sum()
        assert (found - by_chance) / (1 - by_chance) == pytest.approx(0.91400, abs=5e-6)


def test_gwets_interval_of_alpha(codings_of):
    found = one(codings_of(matrix(OBSERVERS)), "alpha", "nominal", ci="gwet")
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(0.423, abs=5e-4), 1.0)


def test_diagnoses_of_fleiss(codings_of, codebook_of):
    codings, codebook = codings_of(matrix(DIAGNOSES)), codebook_of("12345")
    found = one(codings, "fleiss_kappa", codebook=codebook)
    assert found["estimate"] == pytest.approx(0.430245, abs=5e-7)
    assert "z = 17.65, two-sided p < .001 (Fleiss, Nee and Landis 1979)" in found["note"]
    assert one(codings, "conger_kappa", codebook=codebook)["estimate"] == pytest.approx(0.4418, abs=5e-5)
    assert one(codings, "light_kappa", codebook=codebook)["estimate"] == pytest.approx(0.4594, abs=5e-5)
    assert one(codings, "brennan_prediger", codebook=codebook)["estimate"] == pytest.approx(0.4444, abs=5e-5)


def test_categories_of_fleiss(codings_of, codebook_of):
    found = at.category_reliability(
        codings_of(matrix(DIAGNOSES)), codebook=codebook_of("12345"), metrics=["fleiss_kappa"], ci="analytic"
    )
    assert found["estimate"].round(3).to_list() == [0.245, 0.245, 0.520, 0.471, 0.566]


def test_fourteen_raters(codings_of):
    rows = [[k for k, n in enumerate(unit) for _ in range(n)] for unit in FOURTEEN]
    assert one(codings_of(rows), "fleiss_kappa", "nominal")["estimate"] == pytest.approx(0.209931, abs=5e-7)


def test_passonneaus_masi():
    sets = [frozenset({1, 2}), frozenset({1, 2, 3, 4}), frozenset(), frozenset("ab"), frozenset("ac")]
    found = masi(sets)
    assert found[0, 1] == pytest.approx(2 / 3)
    assert found[3, 4] == pytest.approx(8 / 9)
    assert found[2, 2] == 0
    assert found[2, 0] == 1


@pytest.mark.parametrize(
    ("metric", "value", "low", "high"),
    [  # values of Shrout and Fleiss 1979, intervals of R's package psych
        ("icc1", 0.166, -0.133, 0.723), ("icc2", 0.290, 0.019, 0.761), ("icc3", 0.715, 0.342, 0.946),
        ("icc1k", 0.443, -0.884, 0.912), ("icc2k", 0.620, 0.071, 0.927), ("icc3k", 0.909, 0.676, 0.986),
    ],
)  # fmt: skip
def test_intraclass_correlations_of_shrout_and_fleiss(codings_of, metric, value, low, high):
    found = one(codings_of(JUDGES), metric, "interval")
    assert found["estimate"] == pytest.approx(value, abs=6e-4)
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
    assert found["method"] == "analytic (F)"


def test_crowd_codings_of_british_manifestos(shared):
    table = pl.read_parquet(shared("uk_manifestos_immigration/immigration_codings.parquet")).filter(
        ~pl.col("gold_test_item")
    )
    for column, value in (("label_immigration", 0.528), ("direction", 0.338)):
        codings = table.select(pl.col("sentence_id").cast(pl.String).alias("unit_id"), coder="coder_id", label=column)
        assert one(codings, "alpha")["estimate"] == pytest.approx(value, abs=5e-4)


@pytest.fixture(scope="module")
def headlines(shared):
    table = pl.read_csv(shared("ecosent_dutch_headlines/codings.csv")).rename({"value": "label"})
    gold = pl.read_csv(shared("ecosent_dutch_headlines/headlines.csv")).drop_nulls("gold_label")
    gold = gold.select("id", pl.col("gold_label").alias("label"), coder=pl.lit("gold"))
    return at.read_codings(table, unit_id="id", variable="sentiment", keep=["kind"]), at.read_codings(
        gold, unit_id="id", variable="sentiment"
    )


def test_crowds_and_students_on_dutch_headlines(headlines):
    found = at.reliability(headlines[0], level="ordinal", metrics=["alpha"], by="kind", ci="analytic")
    assert dict(found.select("kind", pl.col("estimate").round(3)).rows()) == {"crowd": 0.675, "student": 0.814}


def test_crowds_and_students_against_gold(headlines):
    codings, gold = headlines
    for kind, value in (("crowd", 0.719), ("student", 0.800)):
        people = codings.filter(pl.col("kind") == kind)
        both = at.bind(people, gold.join(people, on="unit_id", how="semi"))
        against = people.join(gold.select("unit_id", right=pl.col("label")), on="unit_id")
        assert (against["label"] == against["right"]).mean() == pytest.approx(value, abs=5e-4)
        found = at.compare_reliability(both, "gold", metrics=["percent"], ci="analytic", level="nominal")
        twice = against.filter(pl.len().over("unit_id") > 1)
        right = twice.group_by("unit_id").agg((pl.col("label") == pl.col("right")).mean())["label"].mean()
        assert found["estimate"][1] == pytest.approx(right)


def test_the_crowds_mode_on_dutch_headlines(headlines):
    """Twelve headlines are tied; however they are decided, the published .768 must be within reach."""
    codings, gold = headlines
    mode = at.resolve(codings.filter(pl.col("kind") == "crowd")).join(gold, on="unit_id")
    right, ties = (mode["label"] == mode["label_right"]).sum(), mode["label"].null_count()
    assert (len(mode), ties) == (284, 12)
    assert right / 284 <= 0.768 <= (right + ties) / 284


def simulated(units=300, coders=3, q=4, missing=0.0, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, units)
    said = np.where(rng.random((units, coders)) < 0.7, truth[:, None], rng.integers(0, q, (units, coders)))
    gone = rng.random((units, coders)) < missing
    return [[None if g else int(v) for v, g in zip(*row, strict=True)] for row in zip(said, gone, strict=True)]


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_as_the_package_krippendorff_has_it(codings_of, level):
    rows = [[None if x is None else x + 1 for x in row] for row in simulated(missing=0.3)]
    data = np.array([[np.nan if x is None else x for x in row] for row in rows]).T
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement=level)
    assert one(codings_of(rows), "alpha", level)["estimate"] == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize(("level", "weights"), [("nominal", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_cohens_kappa_as_statsmodels_has_it(codings_of, level, weights):
    rows = simulated(coders=2)
    table = np.zeros((4, 4))
    np.add.at(table, tuple(np.array(rows).T), 1)
    theirs = inter_rater.cohens_kappa(table, wt=weights)
    found = one(codings_of(rows), "cohen_kappa", level)
    assert found["estimate"] == pytest.approx(theirs.kappa, abs=1e-12)
    # theirs divides by n, ours by n - 1
    assert found["se"] == pytest.approx(np.sqrt(theirs.var_kappa * 300 / 299), rel=1e-6)


def test_fleiss_kappa_as_statsmodels_has_it(codings_of):
    rows = simulated(coders=5)
    table, _ = inter_rater.aggregate_raters(np.array(rows))
    assert one(codings_of(rows), "fleiss_kappa", "nominal")["estimate"] == pytest.approx(
        inter_rater.fleiss_kappa(table)
    )
