"""The power law: exact curves recovered, bounds kept, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from annotune.evidence.power_law import RATES, bounds, fit_power_law

SIZES = np.array([25.0, 50.0, 100.0, 200.0, 400.0])


@given(st.floats(0.3, 1.0), st.floats(0.1, 3.0), st.sampled_from(RATES[10:60].tolist()))
def test_an_exact_curve_is_recovered(asymptote, drop, rate):
    law = fit_power_law(SIZES, (asymptote - drop * SIZES**-rate)[None])
    assert law.at(np.array([1600.0]))[0, 0] == pytest.approx(asymptote - drop * 1600**-rate, abs=1e-3)


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5))
def test_whatever_is_measured_the_curve_keeps_its_bounds(measured):
    law = fit_power_law(SIZES, np.array([measured]))
    ahead = law.at(np.geomspace(25, 1e6, 50))[0]
    assert (np.diff(ahead) >= -1e-9).all()
    assert ahead.max() <= 1 + 1e-9
    assert law.rate[0] in RATES


def test_the_fit_is_that_of_scipy():
    rng = np.random.default_rng(1)
    measured = 0.8 - 1.2 * SIZES**-0.6 + rng.normal(0, 0.005, 5)
    theirs, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, SIZES, measured, p0=(0.8, 1, 0.5))
    ours = fit_power_law(SIZES, measured[None])
    assert ours.at(np.array([800.0]))[0, 0] == pytest.approx(theirs[0] - theirs[1] * 800 ** -theirs[2], abs=2e-3)


def test_forecasts_cover_the_truth():
    """Noise of a hundredth at five sizes; the forecast at four times the largest is looked at in 200 simulations."""
    rng, covered = np.random.default_rng(1), 0
    truth = 0.85 - 1.5 * SIZES**-0.5
    for _ in range(200):
        estimate = truth + rng.normal(0, 0.01, 5)
        law = fit_power_law(SIZES, np.vstack([estimate, estimate + rng.normal(0, 0.01, (200, 5))]))
        found = bounds(law.at(np.array([1600.0]))[:, 0])
        covered += found["ci_low"] <= 0.85 - 1.5 * 1600**-0.5 <= found["ci_high"]
    assert covered / 200 > 0.88


def test_weights_count():
    measured = np.array([[0.2, 0.4, 0.5, 0.56, 0.1]])
    light = fit_power_law(SIZES, measured, np.array([1, 1, 1, 1, 1e-9]))
    assert light.at(np.array([200.0]))[0, 0] == pytest.approx(0.56, abs=0.01)
    assert fit_power_law(SIZES, measured).at(np.array([200.0]))[0, 0] < 0.45


def test_a_curve_without_replicates_has_no_interval():
    law = fit_power_law(SIZES, (0.8 - SIZES**-0.5)[None])
    assert law.table["ci_low"].null_count() == 3
    assert law.table["parameter"].to_list() == ["asymptote", "drop", "rate"]
