"""Temperature and cut-offs: recovered on simulated logits, harmless where there is little to learn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss

from annotune.network.logits import decide
from annotune.tuning.calibrate import cutoffs, surprises, temperature


def drawn(n, labels, seed=1):
    """Logits, and targets drawn from the probabilities that they state."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, labels))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits, (rng.random((n, 1)) > shares.cumsum(1)).sum(1)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("labels", [2, 5])
def test_a_known_temperature_is_recovered(true, labels):
    logits, targets = drawn(8_000, labels)
    assert temperature(logits * true, targets) == pytest.approx(true, rel=0.06)


def test_a_known_temperature_of_sets_is_recovered():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4_000, 3))
    targets = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    assert temperature(logits * 2.0, targets) == pytest.approx(2.0, rel=0.06)


def test_labels_stay_and_the_likelihood_is_not_worse():
    logits, targets = drawn(3_000, 4)
    warmth = temperature(3 * logits, targets)
    assert (decide(3 * logits / warmth, sets=False) == decide(3 * logits, sets=False)).all()
    assert surprises(3 * logits / warmth, targets).mean() < surprises(3 * logits, targets).mean()


def test_a_handful_of_texts_that_are_all_right_make_no_model_certain():
    logits = np.array([[2.0, 0.0], [0.0, 2.0]] * 6)
    targets = np.array([0, 1] * 6)
    assert 0.5 < temperature(logits, targets) < 1
    assert temperature(logits[:0], targets[:0]) == 1.0


@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 1000))
def test_surprise_is_the_log_loss_of_scikit_learn(labels, n, seed):
    logits, targets = drawn(n, labels, seed)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert surprises(logits, targets).mean() == pytest.approx(log_loss(targets, shares, labels=range(labels)))


def test_cut_offs_raise_f1_on_other_texts():
    """A rare label whose probabilities are all too low: more likely than not is too strict for F1."""
    rng = np.random.default_rng(1)
    wanted = rng.random((6_000, 2)) < [0.1, 0.5]
    logits = rng.normal(0, 1, wanted.shape) + np.where(wanted, [-0.7, 3.0], [-2.7, -3.0])
    cut = cutoffs(logits[:3_000], wanted[:3_000])
    assert cut[0] < -0.2
    rest = slice(3_000, None)
    assert f1_score(wanted[rest, 0], logits[rest, 0] > cut[0]) > f1_score(wanted[rest, 0], logits[rest, 0] > 0) + 0.02
    assert abs(cut[1]) < 1.8


def test_few_yeses_are_no_ground_for_a_cut_off():
    rng = np.random.default_rng(1)
    wanted = np.zeros((200, 2), dtype=bool)
    wanted[:9, 0] = True
    wanted[9:, 1] = True
    assert cutoffs(rng.normal(size=(200, 2)), wanted).tolist() == [0.0, 0.0]


def test_noise_gives_no_cut_off_that_helps():
    rng = np.random.default_rng(3)
    wanted, logits = rng.random((400, 6)) < 0.5, rng.normal(0, 1, (400, 6))
    cut = cutoffs(logits, wanted)
    assert ((cut == 0) | (np.abs(cut) <= np.log(0.85 / 0.15) + 1e-9)).all()
