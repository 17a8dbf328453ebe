"""Coefficients together: joint tests and contrasts, beside statsmodels and by simulation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from statsmodels.api import OLS
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.correction.hypotheses import wald


def texts(n=4000, seed=1, clusters=None):
    """Texts of four parties of which one differs, or by clusters of parties that do not; a fifth coded by hand."""
    rng = np.random.default_rng(seed)
    author = rng.integers(0, clusters or n, n)
    party = rng.integers(0, 4, n) if clusters is None else author % 3
    shift = np.zeros(n) if clusters is None else rng.normal(size=clusters)[author] / 4
    truth = rng.random(n) < np.clip(0.35 + 0.1 * (party == 3) + shift, 0.02, 0.98)
    coded = rng.random(n) < 0.2
    columns = {"party": np.array(list("abcd"))[party], "x": rng.normal(size=n), "author": author}
    predicted = (truth ^ (rng.random(n) < 0.15)) * 1
    gold = pl.Series(np.where(coded, truth, np.nan)).fill_nan(None)
    return pl.DataFrame(columns).with_columns(y_hat=pl.Series(predicted), y_gold=gold, pi=pl.lit(0.2))


@pytest.fixture(scope="module")
def data():
    return texts()


@pytest.fixture(scope="module")
def fit(data):
    return at.correct("y ~ party + x", data)


@pytest.fixture(scope="module")
def peer(data):
    dummies = [(data["party"] == name).cast(pl.Float64) for name in "bcd"]
    design = np.column_stack([np.ones(len(data)), *dummies, data["x"]])
    return OLS(at.dsl_columns(data, "y")["dsl_y"].to_numpy(), design).fit(cov_type="HC0")


def test_a_joint_test_is_that_of_statsmodels(fit, peer):
    row = fit.joint_test("party").filter(method="corrected").row(0, named=True)
    other = peer.wald_test(np.eye(5)[1:4], use_f=False, scalar=True)
    assert (row["terms"], row["df"], row["df_error"]) == ("party[b], party[c], party[d]", 3, None)
    assert row["statistic"] == pytest.approx(float(other.statistic), rel=1e-6)
    assert row["p_value"] == pytest.approx(float(other.pvalue), rel=1e-6)
    assert fit.joint_test(["party[b]", "x"])["df"].to_list() == [2, 2, 2]


def test_a_contrast_is_that_of_statsmodels_and_of_another_reference(fit, peer, data):
    row = fit.contrast("party[d] - party[b]").filter(method="corrected").row(0, named=True)
    other = peer.t_test([0, -1, 0, 1, 0])
    assert row["estimate"] == pytest.approx(other.effect[0], rel=1e-6)
    assert (row["conf_low"], row["conf_high"]) == pytest.approx(tuple(other.conf_int()[0]), rel=1e-6)
    assert row["p_value"] == pytest.approx(float(other.pvalue), rel=1e-6)
    from_b = at.correct("y ~ party + x", data, reference={"party": "b"}).tidy()
    again = from_b.filter(method="corrected", term="party[d]").row(0, named=True)
    assert row["std_error"] == pytest.approx(again["std_error"], rel=1e-6)
    half = fit.contrast({"party[d]": 0.5, "x": 2}).filter(method="corrected").row(0, named=True)
    by_hand = fit.coefficients()
    assert half["estimate"] == pytest.approx(0.5 * by_hand["party[d]"] + 2 * by_hand["x"])
    assert half["contrast"] == "0.5 * party[d] + 2 * x"


def test_few_clusters_have_hotellings_test_whose_size_holds():
    """Of parties that differ no more than authors do, 24 of them: Wald's chi-squared finds differences too often."""
    found, wald_found = 0, 0
    for seed in range(200):
        fit = at.correct("y ~ party", texts(600, seed, clusters=24), cluster="author")
        row = fit.joint_test("party").filter(method="corrected").row(0, named=True)
        at_terms = [i for i, term in enumerate(fit.tidy()["term"].unique(maintain_order=True)) if "party" in term]
        beta = np.array([fit.coefficients()[f"party[{name}]"] for name in "bc"])
        found += row["p_value"] < 0.05
        wald_found += wald(beta, fit.covariance["corrected"][np.ix_(at_terms, at_terms)], np.inf)[3] < 0.05
    assert row["df_error"] < 24
    assert found / 200 < 0.08 < wald_found / 200 + 0.03


def test_too_few_degrees_of_freedom_and_unknown_names_are_told(fit):
    with pytest.raises(at.AnnotuneError, match=r"3 coefficients cannot be tested together with 2.0 degrees"):
        wald(np.ones(3), np.eye(3), 2.0)
    with pytest.raises(at.AnnotuneError, match=r"no coefficient of 'partei'\. Did you mean 'party'"):
        fit.joint_test("partei")
    with pytest.raises(at.AnnotuneError, match=r"'party\[e\]' is none"):
        fit.contrast("party[d] - party[e]")
    with pytest.raises(at.AnnotuneError, match=r"Did you mean 'party\[d\]'"):
        fit.contrast({"party[D]": 1})


def test_the_command_prints_both(data, tmp_path):
    data.write_csv(tmp_path / "texts.csv")
    words = [
        "correct",
        str(tmp_path / "texts.csv"),
        "y ~ party + x",
        "--test",
        "party",
        "--contrast",
        "party[d] - party[b]",
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "all 0: party[b], party[c], party[d]" in done.output
    assert "chi-squared(3) = " in done.output
    assert "contrast: party[d] - party[b]" in done.output
    wrong = CliRunner().invoke(app, [*words[:4], "partei"])
    assert wrong.exit_code != 0
