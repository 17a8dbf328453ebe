"""Predictions weighed by coefficient, and PPI where texts were drawn with different pi."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.correction import estimate
from annotune.correction.families import LINEAR

SAMPLES = 40


def weak(seed, n=3000, different=True):
    """Questions that a poor model codes, worse in the opposition, whose texts were drawn four times as often."""
    rng = np.random.default_rng(seed)
    party, x = rng.integers(0, 2, n), rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(0.6 - 0.6 * party - 0.3 * x))) * 1.0
    wrong = rng.random(n) < np.where(party == 1, 0.45, 0.2)
    pi = np.where(party == 1, 0.16, 0.04) if different else np.full(n, 0.1)
    gold = pl.Series(np.where(rng.random(n) < pi, y, np.nan)).fill_nan(None)
    return pl.DataFrame({"party": party, "x": x, "y_hat": abs(y - wrong), "y_gold": gold, "pi": pi, "truth": y})


def errors(fit, method="corrected"):
    return fit.tidy().filter(pl.col("method") == method)["std_error"].to_numpy()


def test_no_interval_is_wider_than_by_hand_or_by_dsl():
    for seed in range(SAMPLES):
        data = weak(seed)
        auto, dsl = (at.correct("y ~ party + x", data, method=method) for method in ("auto", "dsl"))
        assert (errors(auto)[1:] <= errors(auto, "hand-coded only")[1:] * (1 + 1e-9)).all()
        assert (errors(auto)[1:] <= errors(dsl)[1:] * (1 + 1e-9)).all()


def test_the_estimates_vary_less_than_dsls_and_by_no_more_than_they_say():
    estimates = {method: [] for method in ("auto", "dsl", "hand")}
    claimed = []
    for seed in range(200):
        data = weak(seed)
        fits = {method: at.correct("y ~ party + x", data, method=method) for method in ("auto", "dsl")}
        for method, fit in fits.items():
            estimates[method].append(fit.coefficients()["party"])
        estimates["hand"].append(fits["dsl"].coefficients("hand-coded only")["party"])
        claimed.append(errors(fits["auto"])[1])
    spread = {method: np.std(values) for method, values in estimates.items()}
    assert spread["auto"] < 0.95 * min(spread["dsl"], spread["hand"])
    assert np.mean(claimed) > 0.9 * spread["auto"]


def test_the_weight_is_the_best_of_its_kind():
    """By a search over weights of the variance that the joint sandwich gives."""
    data = weak(4)
    coded = data["y_gold"].is_not_null().to_numpy()
    design = np.column_stack([np.ones(len(data)), data["party"]])
    pi, hat = data["pi"].to_numpy()[coded], data["y_hat"].to_numpy()
    sample = estimate.Sample(
        design=design, design_gold=design[coded], labels=hat[:, None], predicted=hat[:, None],
        gold=data["y_gold"].to_numpy()[coded, None], at=np.flatnonzero(coded), ratio=1 / pi, weight=np.ones(len(data)),
    )  # fmt: skip
    fit = estimate.auto(LINEAR, sample)
    ratio, gold = np.zeros(len(data)), np.nan_to_num(data["y_gold"].to_numpy())
    ratio[coded] = 1 / pi
    pair = []
    for outcome, weight in ((gold, ratio), (hat + ratio * (gold - hat), np.ones(len(data)))):
        bread = np.linalg.inv((design * weight[:, None]).T @ design)
        beta = bread @ (design * weight[:, None]).T @ outcome
        pair.append((beta, (design * (weight * (outcome - design @ beta))[:, None]) @ bread))
    (by_hand, one), (dsl, other) = pair
    weights = np.linspace(-1, 2, 3001)
    variances = np.array([((one[:, 1] * (1 - w) + other[:, 1] * w) ** 2).sum() for w in weights])
    best = weights[variances.argmin()]
    assert fit.power[1] == pytest.approx(best, abs=1e-3)
    assert fit.beta[1] == pytest.approx(by_hand[1] + best * (dsl[1] - by_hand[1]), abs=1e-3)
    assert fit.covariance[1, 1] == pytest.approx(variances.min(), rel=1e-5)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ party + x", {"model": "logit"}),
        ("y ~ x | group", {"cluster": "group"}),
        ("vote ~ y + party", {}),
        ("y ~ party + x", {"small_sample": True, "cluster": "group"}),
    ],
)
def test_every_model_can_be_weighed(formula, options):
    data = weak(1).with_columns(group=pl.int_range(pl.len()) % 40, vote=pl.col("truth") + pl.col("x"))
    fit = at.correct(formula, data, method="auto", **options)
    slopes = fit.tidy().filter(pl.col("term") != "Intercept")
    by = {method: slopes.filter(method=method)["std_error"].to_numpy() for method in ("corrected", "hand-coded only")}
    assert (by["corrected"] <= by["hand-coded only"] * (1 + 1e-9)).all()
    assert any("Weights of DSL's estimates" in note for note in fit.notes)


def test_a_wider_interval_is_told_with_the_way_out():
    fit = at.correct("y ~ party + x", weak(2))
    ratio = errors(fit) / errors(fit, "hand-coded only")
    assert ratio.max() > 1.05
    note = next(note for note in fit.notes if "as wide as the hand-coded ones" in note)
    assert f"{ratio.max():.2f} times" in note
    assert "method='auto'" not in note
    assert any("use method='auto'" in advice for advice in fit.advice)
    assert not any("as wide" in note for note in at.correct("y ~ party + x", weak(2), method="auto").notes)


def test_ppi_takes_different_pi_and_covers():
    truth, covered = 0.142, 0
    for seed in range(100):
        row = at.correct("y ~ party + x", weak(seed), method="ppi").tidy().filter(method="corrected", term="party")
        covered += row["conf_low"][0] < truth < row["conf_high"][0]
    assert covered >= 88


def test_ppi_with_different_pi_and_a_lambda_of_one_is_dsl_and_of_nothing_the_hand_codings():
    data = weak(3)
    one, none = (at.correct("y ~ party + x", data, method="ppi", power=power) for power in (1, 0))
    dsl = at.correct("y ~ party + x", data)
    np.testing.assert_allclose(errors(one), errors(dsl), rtol=1e-9)
    assert one.coefficients() == pytest.approx(dsl.coefficients())
    assert none.coefficients() == pytest.approx(dsl.coefficients("hand-coded only"))
    assert (
        0
        < float(next(n for n in at.correct("y ~ party + x", data, method="ppi").notes if "lambda" in n).split()[3])
        < 1
    )
