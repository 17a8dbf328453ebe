"""Draws on arrays: probabilities sum to n, what is drawn has them, and strata get what was meant for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from annotune.correction.text_scores import proportional
from annotune.hybrid.draws import allocated, by_scores, fixed_size, poisson

SIZES = arrays(float, st.integers(2, 40), elements=st.floats(0.01, 1000))


@given(SIZES, st.data())
def test_proportional_probabilities_sum_to_n_and_are_at_most_1(sizes, data):
    n = data.draw(st.integers(1, len(sizes)))
    pi = proportional(sizes, n)
    assert pi.sum() == pytest.approx(n)
    assert (pi > 0).all()
    assert (pi <= 1).all()
    free = pi < 1
    if free.any():  # in proportion to their sizes, and none that is certain has a smaller one
        np.testing.assert_allclose(pi[free] / sizes[free], (pi[free] / sizes[free])[0], rtol=1e-9)
        assert sizes[~free].min(initial=np.inf) >= sizes[free].max() * (1 - 1e-9)


@given(arrays(float, st.integers(2, 40), elements=st.floats(0, 1000)), st.floats(0.05, 1), st.data())
def test_no_text_is_without_a_chance(scores, floor, data):
    n = data.draw(st.integers(1, len(scores)))
    pi = by_scores(scores, n, floor)
    assert pi.sum() == pytest.approx(n)
    assert pi.min() >= floor * n / len(scores) * (1 - 1e-9)


def test_a_floor_of_1_is_a_simple_draw():
    np.testing.assert_allclose(by_scores(np.array([0.0, 5.0, 50.0]), 2, 1.0), 2 / 3)


@given(SIZES, st.integers(0, 1000), st.data())
def test_a_fixed_size_is_fixed_and_certain_texts_are_drawn(sizes, seed, data):
    n = data.draw(st.integers(1, len(sizes)))
    pi = proportional(sizes, n)
    chosen = fixed_size(pi, np.random.default_rng(seed))
    assert chosen.sum() == n
    assert chosen[pi == 1].all()
    assert (chosen == fixed_size(pi, np.random.default_rng(seed))).all()


@pytest.mark.parametrize("draw", [fixed_size, poisson])
def test_texts_are_drawn_as_often_as_their_probability_says(draw):
    pi = proportional(np.array([1, 1, 2, 3, 5, 8, 13, 21, 34, 200.0]), 4)
    rng, times = np.random.default_rng(1), 20_000
    drawn = sum(draw(pi, rng) for _ in range(times)) / times
    error = np.sqrt(pi * (1 - pi) / times)
    assert (abs(drawn - pi) <= 4 * error + 1e-9).all()


def test_every_pair_can_be_drawn_as_often_as_in_a_simple_random_sample():
    """Equal probabilities along a random order are sampling without replacement: n (n - 1) / (N (N - 1)) each pair."""
    rng, times, pairs = np.random.default_rng(1), 20_000, np.zeros((6, 6))
    for _ in range(times):
        chosen = fixed_size(np.full(6, 0.5), rng).astype(float)
        pairs += np.outer(chosen, chosen)
    share = 3 * 2 / (6 * 5)
    wanted = np.where(np.eye(6, dtype=bool), 0.5, share)
    assert abs(pairs / times - wanted).max() < 5 * np.sqrt(share / times)


@given(arrays(np.int64, st.integers(1, 8), elements=st.integers(2, 500)), st.data())
def test_allocations_sum_to_n_and_fit_their_strata(sizes, data):
    n = data.draw(st.integers(2 * len(sizes), int(sizes.sum())))
    weights = data.draw(arrays(float, len(sizes), elements=st.floats(0, 100)))
    numbers = allocated(sizes, n, weights)
    assert numbers.sum() == n
    assert (numbers >= 2).all()
    assert (numbers <= sizes).all()


def test_neymans_allocation_is_that_of_the_book():
    """Proportional to N_h S_h: Cochran (1977), section 5.5. Sizes 13 and 18 for N S = 13 : 18 of 31."""
    sizes, deviations = np.array([130, 90]), np.array([10.0, 20.0])
    assert allocated(sizes, 31, sizes * deviations).tolist() == [13, 18]
    assert allocated(sizes, 22, sizes.astype(float)).tolist() == [13, 9]
    assert allocated(sizes, 22, np.ones(2)).tolist() == [11, 11]


def test_a_neyman_allocation_has_the_least_variance_of_all():
    sizes, deviations, n = np.array([60, 40, 100]), np.array([3.0, 1.0, 0.5]), 30

    def variance(numbers):
        return float((sizes**2 * deviations**2 * (1 / numbers - 1 / sizes)).sum())

    best = variance(allocated(sizes, n, sizes * deviations))
    others = [(a, b, n - a - b) for a in range(2, 27) for b in range(2, 29 - a)]
    assert best <= min(variance(np.array(numbers)) for numbers in others) * 1.001
