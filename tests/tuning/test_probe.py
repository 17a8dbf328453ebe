"""The probe is the logistic regression that scikit-learn fits, with a row for every label."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from annotune.tuning.probe import PENALTIES, fit_probe

RNG = np.random.default_rng(2)
POINTS = RNG.normal(size=(120, 6)).astype(np.float32)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_probabilities_are_those_of_a_regression_fitted_alone(n_labels, balanced):
    targets = (POINTS[:, 0] * 2 + RNG.normal(size=120)).round().clip(0, n_labels - 1).astype(int)
    for penalty in PENALTIES:
        probe = fit_probe(POINTS, targets, n_labels, penalty, balanced)
        alone = LogisticRegression(
            C=penalty, max_iter=1000, tol=1e-8, class_weight="balanced" if balanced else None
        ).fit(POINTS, targets)
        assert np.abs(softmax(probe.logits(POINTS)) - alone.predict_proba(POINTS)).max() < 5e-3
        assert (probe.penalty, probe.balanced) == (penalty, balanced)


def test_sets_have_a_regression_for_every_label():
    targets = np.column_stack([POINTS[:, 0] > 0, POINTS[:, 1] > 1])
    probe = fit_probe(POINTS, targets, 2, 1.0, False)
    for label in range(2):
        alone = LogisticRegression(C=1.0, tol=1e-8).fit(POINTS, targets[:, label])
        assert probe.logits(POINTS)[:, label] == pytest.approx(alone.decision_function(POINTS), abs=0.05)


def test_labels_that_do_not_occur_are_ruled_out():
    probe = fit_probe(POINTS, np.where(POINTS[:, 0] > 0, 3, 1), 5, 1.0, False)
    assert set(probe.logits(POINTS).argmax(1)) == {1, 3}
    only = fit_probe(POINTS, np.full(120, 2), 5, 1.0, False)
    assert set(only.logits(POINTS).argmax(1)) == {2}


def test_a_label_that_all_or_none_have_is_always_or_never_given():
    probe = fit_probe(POINTS, np.column_stack([np.ones(120, bool), np.zeros(120, bool)]), 2, 1.0, False)
    assert (probe.logits(POINTS) > 0).tolist() == [[True, False]] * 120
