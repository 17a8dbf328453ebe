"""Average marginal effects of logits, beside statsmodels, by hand, and by simulation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from statsmodels.api import Logit
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

FORMULA = "y ~ x + left + party"


def texts(seed=1, n=3000, wrong=0.1):
    rng = np.random.default_rng(seed)
    x, left, party = rng.normal(size=n), rng.integers(0, 2, n), rng.choice(list("abc"), n)
    truth = rng.random(n) < expit(-0.5 + 0.6 * x - 0.4 * left + 0.5 * (party == "c"))
    gold = [int(value) if drawn else None for value, drawn in zip(truth, rng.random(n) < 0.2, strict=True)]
    predicted = (truth ^ (rng.random(n) < wrong)) * 1
    return pl.DataFrame({"x": x, "left": left, "party": party, "y_hat": predicted, "y_gold": gold, "pi": [0.2] * n})


@pytest.fixture(scope="module")
def data():
    return texts()


@pytest.fixture(scope="module")
def fit(data):
    return at.correct(FORMULA, data, model="logit")


def test_naive_effects_are_those_of_statsmodels(data):
    rows = at.correct("y ~ x + left", data, model="logit").margins.filter(method="naive")
    design = np.column_stack([np.ones(len(data)), data["x"], data["left"]])
    peer = Logit(data["y_hat"].to_numpy(), design).fit(disp=0, cov_type="HC0").get_margeff(at="overall", dummy=True)
    np.testing.assert_allclose(rows["estimate"], peer.margeff, rtol=1e-6)
    np.testing.assert_allclose(rows["std_error"], peer.margeff_se, rtol=1e-6)
    np.testing.assert_allclose(rows["conf_low"], peer.conf_int()[:, 0], rtol=1e-5)


def test_a_category_stands_beside_the_reference_and_not_beside_the_mixture_of_the_others(fit, data):
    b = fit.coefficients()
    rest = b["Intercept"] + b["x"] * data["x"].to_numpy() + b["left"] * data["left"].to_numpy()
    wanted = (expit(rest + b["party[c]"]) - expit(rest)).mean()
    row = fit.margins.filter(method="corrected", term="party[c]").row(0, named=True)
    assert row["estimate"] == pytest.approx(wanted, rel=1e-6)
    again = at.correct("y ~ x + left + party", data, model="logit", reference={"party": "c"}).margins
    turned = again.filter(method="corrected", term="party[a]").row(0, named=True)
    assert (turned["estimate"], turned["std_error"]) == pytest.approx((-row["estimate"], row["std_error"]), rel=1e-6)


def test_intervals_hold_the_effect_in_these_texts():
    held = 0
    for seed in range(150):
        data = texts(seed, 2000, 0.15)
        row = (
            at.correct("y ~ x + left", data, model="logit")
            .margins.filter(method="corrected", term="left")
            .row(0, named=True)
        )
        rest = -0.5 + 0.6 * data["x"].to_numpy() + 0.5 * (data["party"] == "c").to_numpy()
        held += row["conf_low"] <= (expit(rest - 0.4) - expit(rest)).mean() <= row["conf_high"]
    assert 0.9 < held / 150 < 0.99


@pytest.mark.parametrize(
    ("formula", "options"),
    [("y ~ x", {}), ("y ~ x + I(x**2)", {"model": "logit"}), ("y ~ x * left", {"model": "logit"}),
     ("left ~ y", {"model": "logit"})],
)  # fmt: skip
def test_where_terms_are_no_covariates_there_are_none(data, formula, options):
    assert at.correct(formula, data, gold={"y": "y_gold"}, **options).margins is None


def test_the_command_prints_them_or_says_why_not(data, tmp_path):
    data.write_csv(tmp_path / "texts.csv")
    words = ["correct", str(tmp_path / "texts.csv"), FORMULA, "--margins"]
    done = CliRunner().invoke(app, [*words, "--model", "logit"])
    assert done.exit_code == 0, done.output
    assert "Average marginal effects, in points of probability" in done.output
    linear = CliRunner().invoke(app, words)
    assert linear.exit_code != 0
    assert "has no marginal effects by terms" in str(linear.exception)
