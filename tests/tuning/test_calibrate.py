"""Scaling and cut-offs: recovered on simulated logits, harmless where there is little to learn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss

from annotune.network.logits import decide, from_logits
from annotune.tuning.calibrate import cutoffs_for, log_shares, scaling, share_cutoff, surprises, temperature


def drawn(n, labels, seed=1, intercepts=0.0):
    """Logits, and targets drawn from the probabilities that they state."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, labels)) + intercepts
    shares = from_logits(logits, sets=False)
    return logits, (rng.random((n, 1)) > shares.cumsum(1)).sum(1)


def drawn_sets(n, labels, seed=1, intercepts=0.0):
    """The same of label sets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, labels)) + intercepts
    return logits, rng.random(logits.shape) < from_logits(logits, sets=True)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("labels", [2, 5])
def test_a_known_temperature_is_recovered(true, labels):
    logits, targets = drawn(8_000, labels)
    assert temperature(logits * true, targets) == pytest.approx(true, rel=0.06)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("draw", [drawn, drawn_sets])
def test_a_known_scale_and_offsets_are_recovered(true, draw):
    logits, targets = draw(8_000, 3, intercepts=[-1.0, 0.5, 0.0])
    line = scaling((logits - [0.3, -0.2, 0.0]) * true, targets)
    assert line.scale == pytest.approx(1 / true, rel=0.06)
    stated, known = (
        from_logits(one, targets.ndim == 2) for one in (line.of((logits - [0.3, -0.2, 0.0]) * true), logits)
    )
    assert np.abs(stated - known).max() < 0.05


def test_scaling_comes_near_to_a_regression_on_the_logits():
    """Without a prior, two labels are Platt's (1999) regression of the truth on the log-odds."""
    logits, targets = drawn(6_000, 2, intercepts=[0.0, -1.5])
    log_odds = 3 * (logits[:, 1] - logits[:, 0])[:, None]
    platt = LogisticRegression(C=1e9).fit(log_odds, targets)
    stated = from_logits(scaling(3 * logits, targets).of(3 * logits), sets=False)[:, 1]
    assert np.abs(stated - platt.predict_proba(log_odds)[:, 1]).max() < 0.02


@given(st.integers(2, 6), st.integers(100, 300), st.integers(0, 1000))
def test_noise_says_no_more_than_the_labels_shares(labels, n, seed):
    """A model that knows nothing loses little to the shares on the texts that its scale was found on."""
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, 5, (n, labels)), rng.integers(0, labels, n)
    told = surprises(scaling(logits, targets).of(logits), targets).mean()
    shares = surprises(np.tile(log_shares(targets, labels), (n, 1)), targets).mean()
    assert told < shares + 0.1  # the scale goes no lower than .05, where noise of 5 still says something


def test_a_handful_of_texts_that_are_all_right_make_no_model_certain():
    logits, targets = np.array([[2.0, 0.0], [0.0, 2.0]] * 6), np.array([0, 1] * 6)
    assert 0.5 < temperature(logits, targets) < 1
    assert 1 < scaling(logits, targets).scale < 3
    assert temperature(logits[:0], targets[:0]) == 1.0
    assert scaling(logits[:0], targets[:0]).of(logits).tolist() == logits.tolist()


def test_texts_that_were_picked_by_their_label_speak_for_the_corpus():
    """Of a label that one in twenty texts has, half of the coded texts were picked: weights bring the shares back."""
    rng = np.random.default_rng(4)
    corpus_truth = (rng.random(40_000) < 0.05).astype(int)
    signal = rng.normal(corpus_truth * 2.0, 1)
    picked = np.concatenate([np.flatnonzero(corpus_truth == label)[:1000] for label in (0, 1)])
    weights = np.where(corpus_truth[picked] == 1, 0.05 / 0.5, 0.95 / 0.5)
    learnt = LogisticRegression().fit(signal[picked, None], corpus_truth[picked])
    logits = np.column_stack([np.zeros(40_000), learnt.decision_function(signal[:, None])])
    stated = from_logits(scaling(logits[picked], corpus_truth[picked], weights).of(logits), sets=False)[:, 1]
    assert stated.mean() == pytest.approx(0.05, abs=0.01)
    assert from_logits(logits, sets=False)[:, 1].mean() > 0.15


@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 1000))
def test_surprise_is_the_log_loss_of_scikit_learn(labels, n, seed):
    logits, targets = drawn(n, labels, seed)
    shares = from_logits(logits, sets=False)
    assert surprises(logits, targets).mean() == pytest.approx(log_loss(targets, shares, labels=range(labels)))


@given(st.integers(2, 6), st.integers(0, 1000))
def test_each_label_is_given_as_often_as_its_probabilities_add_up_to(labels, seed):
    logits, targets = drawn(1_000, labels, seed, intercepts=np.linspace(-2, 2, labels))
    answers = decide(logits, False, cutoffs_for("share", logits, targets))
    counts = np.bincount(answers, minlength=labels)
    assert np.abs(counts - from_logits(logits, sets=False).sum(0)).max() <= 25


@given(st.integers(1, 5), st.integers(1, 200), st.integers(0, 1000))
def test_so_is_each_label_of_a_set(labels, n, seed):
    logits, targets = drawn_sets(n, labels, seed, intercepts=-2.0)
    answers = decide(logits, True, cutoffs_for("share", logits, targets))
    assert np.abs(answers.sum(0) - from_logits(logits, sets=True).sum(0)).max() <= 0.5 + 1e-9


def test_shares_of_answers_count_texts_by_their_weights():
    log_odds, weights = np.array([2.0, 1.0, 0.0, -9.0]), np.array([3.0, 0.5, 0.4, 0.1])
    assert (log_odds > share_cutoff(log_odds, weights)).tolist() == [True, False, False, False]


def test_a_rare_label_that_is_never_the_likeliest_is_given_after_all():
    logits, targets = drawn(4_000, 2, intercepts=[4.0, 0.0])
    weak = logits * 0.4 + [1.5, -1.5]
    line = scaling(weak, targets)
    rare = {rule: decide(line.of(weak), False, cutoffs_for(rule, line.of(weak), targets)).mean() for rule in RULES}
    assert rare["share"] == pytest.approx(targets.mean(), abs=0.01)
    assert rare["likeliest"] < rare["share"] < rare["f1"] + 0.02


def test_dozens_of_labels_with_a_few_texts_each_cost_no_accuracy():
    """Labels are equally frequent, so the likeliest one has the right shares; eight texts a label say nothing more."""
    right = {"share": [], "likeliest": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        targets = np.arange(40 * 68) % 40
        logits = 3.0 * np.eye(40)[targets] + rng.normal(0, 1, (len(targets), 40))
        coded, fresh = slice(0, 40 * 8), slice(40 * 8, None)
        for rule, hits in right.items():
            cutoffs = cutoffs_for(rule, logits[coded], targets[coded])
            hits.append((decide(logits[fresh], False, cutoffs) == targets[fresh]).mean())
    assert np.mean(right["share"]) > np.mean(right["likeliest"]) - 0.005


RULES = ("likeliest", "share", "f1")


def test_cut_offs_for_f1_raise_it_on_other_texts():
    """A rare label whose probabilities are all too low: more likely than not is too strict for F1."""
    rng = np.random.default_rng(1)
    wanted = rng.random((6_000, 2)) < [0.1, 0.5]
    logits = rng.normal(0, 1, wanted.shape) + np.where(wanted, [-0.7, 3.0], [-2.7, -3.0])
    cut = cutoffs_for("f1", logits[:3_000], wanted[:3_000])
    rest = slice(3_000, None)
    assert f1_score(wanted[rest, 0], logits[rest, 0] > cut[0]) > f1_score(wanted[rest, 0], logits[rest, 0] > 0) + 0.02


def test_with_few_yeses_a_label_is_given_as_often_as_it_has_a_share():
    """Not never, as a cut-off of .5 would have it, and not as often as a handful of texts would have it for F1."""
    rng = np.random.default_rng(1)
    wanted = np.zeros((200, 2), dtype=bool)
    wanted[:9, 0], wanted[:150, 1] = True, True
    logits = log_shares(wanted, 2) + rng.normal(0, 0.5, (200, 2))
    given_ = decide(logits, True, cutoffs_for("f1", logits, wanted))[:, 0]
    assert given_.mean() == pytest.approx(from_logits(logits, sets=True)[:, 0].mean(), abs=0.005)


def test_decisions():
    logits = np.array([[0.1, 2.0, -1.0], [-3.0, -2.0, -0.5]])
    assert decide(logits, sets=False).tolist() == [1, 2]
    assert decide(logits, sets=True).tolist() == [[True, True, False], [False, False, False]]
    assert decide(logits, False, (0.0, 3.0, 0.0)).tolist() == [0, 2]
    assert decide(logits, True, (0.0, 3.0, -1.0)).tolist() == [[True, False, False], [False, False, True]]
    assert decide(logits, False, (0.5, 1.9)).tolist() == [1, 1]  # two cuts of three levels
