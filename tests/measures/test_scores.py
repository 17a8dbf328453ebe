"""Every measure against an implementation of somebody else, on random answers."""

import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa

from annotune.measures.scores import label_sums, macro_f1, measures, per_label, set_sums

LABELS = 4


def answers(lowest=0):
    """Pairs of truth and predicted, label numbers below LABELS; -1 is no answer."""
    sizes = st.integers(1, 60)
    return sizes.flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, LABELS - 1)),
            hnp.arrays(np.int64, n, elements=st.integers(lowest, LABELS - 1)),
        )
    )


def sets():
    sizes = st.integers(1, 40)
    return sizes.flatmap(lambda n: st.tuples(*[hnp.arrays(np.bool_, (n, LABELS))] * 2))


def of_labels(truth, predicted, ordinal=False):
    return {
        k: float(v) for k, v in measures(label_sums(truth, predicted, LABELS).total, LABELS, False, ordinal).items()
    }


def of_sets(truth, predicted, answered=None):
    answered = np.ones(len(truth), dtype=bool) if answered is None else answered
    return {k: float(v) for k, v in measures(set_sums(truth, predicted, answered).total, LABELS, True).items()}


def sklearn_scores(truth, predicted, average, labels, **options):
    return metrics.precision_recall_fscore_support(
        truth, predicted, average=average, labels=labels, zero_division=np.nan, **options
    )


@given(answers())
def test_single_labels_are_measured_as_scikit_learn_does(pair):
    truth, predicted = pair
    mine, occurring = of_labels(truth, predicted), np.union1d(truth, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "macro_f1": metrics.f1_score(truth, predicted, labels=occurring, average="macro", zero_division=0),
            "macro_f1_all_labels": metrics.f1_score(
                truth, predicted, labels=range(LABELS), average="macro", zero_division=0
            ),
            "micro_f1": metrics.f1_score(truth, predicted, labels=range(LABELS), average="micro"),
            "weighted_f1": metrics.f1_score(truth, predicted, average="weighted", zero_division=0),
            "macro_precision": sklearn_scores(truth, predicted, "macro", np.unique(predicted))[0],
            "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
            "accuracy": metrics.accuracy_score(truth, predicted),
            "coverage": 1.0,
        }
    assert {name: mine[name] for name in expected} == pytest.approx(expected)


@given(answers())
def test_chance_corrected_measures_are_those_of_others_or_not_defined(pair):
    truth, predicted = pair
    mine = of_labels(truth, predicted, ordinal=True)
    table = metrics.confusion_matrix(truth, predicted, labels=range(LABELS))
    if len(np.union1d(truth, predicted)) == 1:
        assert np.isnan([mine["kappa"], mine["alpha"], mine["mcc"], mine["kappa_quadratic"]]).all()
        return
    assert mine["kappa"] == pytest.approx(cohens_kappa(table, return_results=False))
    assert mine["kappa_quadratic"] == pytest.approx(
        cohens_kappa(table, wt="quadratic", return_results=False), abs=1e-12
    )
    expected_alpha = krippendorff.alpha(np.stack([truth, predicted]), level_of_measurement="nominal")
    assert mine["alpha"] == pytest.approx(expected_alpha)
    if len(np.unique(truth)) > 1 and len(np.unique(predicted)) > 1:
        assert mine["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, predicted))
    else:
        assert np.isnan(mine["mcc"])


@given(answers(lowest=-1))
def test_no_answer_is_a_wrong_answer(pair):
    truth, predicted = pair
    mine = of_labels(truth, predicted)
    assert mine["accuracy"] == pytest.approx(np.mean(truth == predicted))
    assert mine["coverage"] == pytest.approx(np.mean(predicted >= 0))
    assert mine["balanced_accuracy"] == pytest.approx(
        np.mean([np.mean(predicted[truth == label] == label) for label in np.unique(truth)])
    )
    with_a_category_more = np.where(predicted < 0, LABELS, predicted)
    if len(np.union1d(truth, with_a_category_more)) > 1:
        assert mine["kappa"] == pytest.approx(metrics.cohen_kappa_score(truth, with_a_category_more))


@given(sets())
def test_sets_are_measured_as_scikit_learn_does(pair):
    truth, predicted = pair
    mine, occurring = of_sets(truth, predicted), np.flatnonzero((truth | predicted).any(0))
    nonempty = (truth | predicted).any(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "micro_f1": metrics.f1_score(truth, predicted, average="micro", zero_division=np.nan),
            "micro_precision": metrics.precision_score(truth, predicted, average="micro", zero_division=np.nan),
            "micro_recall": metrics.recall_score(truth, predicted, average="micro", zero_division=np.nan),
            "macro_f1_all_labels": metrics.f1_score(truth, predicted, average="macro", zero_division=0),
            "exact_set": metrics.accuracy_score(truth, predicted),
            "hamming_loss": metrics.hamming_loss(truth, predicted),
            "jaccard": metrics.jaccard_score(truth, predicted, average="samples", zero_division=1),
            "any_right": np.mean((truth & predicted).any(1) | ~nonempty),
            "coverage": 1.0,
        }
        if len(occurring):
            by_label = metrics.f1_score(truth, predicted, average=None, zero_division=0)
            expected["macro_f1"] = by_label[occurring].mean()
        if truth.any():
            expected["weighted_f1"] = metrics.f1_score(truth, predicted, average="weighted", zero_division=0)
    assert {name: mine[name] for name in expected} == pytest.approx(expected, nan_ok=True)


@given(sets(), st.data())
def test_a_set_that_was_not_answered_is_wrong_whatever_it_holds(pair, data):
    truth, predicted = pair
    answered = data.draw(hnp.arrays(np.bool_, len(truth)))
    mine = of_sets(truth, predicted, answered)
    right = (truth == predicted).all(1) & answered
    assert mine["exact_set"] == pytest.approx(right.mean())
    assert mine["coverage"] == pytest.approx(answered.mean())
    assert mine["jaccard"] <= mine["any_right"] <= mine["coverage"]


def test_truth_and_predicted_are_not_exchanged():
    """Of 3 true a, 1 is found; of 1 predicted a, all are right: recall 1/3, precision 1."""
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1])
    by_label = per_label(label_sums(truth, predicted, 2).total, 2, False)
    assert by_label["precision"].tolist() == [1.0, 1 / 3]
    assert by_label["recall"].tolist() == [1 / 3, 1.0]
    assert by_label["n_true"].tolist() == [3, 1]
    assert by_label["n_predicted"].tolist() == [1, 3]
    as_sets = per_label(set_sums(np.eye(2)[truth], np.eye(2)[predicted], np.ones(4, dtype=bool)).total, 2, True)
    assert {name: values.tolist() for name, values in as_sets.items()} == {
        name: values.tolist() for name, values in by_label.items()
    }


@given(answers(lowest=-1), st.integers(1, 5))
def test_clusters_change_the_intervals_but_not_the_estimates(pair, k):
    truth, predicted = pair
    plain = label_sums(truth, predicted, LABELS)
    clustered = label_sums(truth, predicted, LABELS, np.arange(len(truth)) % k)
    assert (plain.total == clustered.total).all()
    drawn = np.concatenate(clustered.replicates(20, np.random.default_rng(1)))
    assert drawn.shape == (20, len(plain.total))


def test_replicates_are_resampled_units():
    """The share of right answers among 200 with 150 right has a standard error of sqrt(.75 * .25 / 200)."""
    truth, predicted = np.zeros(200, dtype=int), np.repeat([0, 1], [150, 50])
    sums = label_sums(truth, predicted, 2)
    drawn = np.concatenate(sums.replicates(20_000, np.random.default_rng(1)))
    accuracy = measures(drawn, 2, False)["accuracy"]
    assert accuracy.mean() == pytest.approx(0.75, abs=0.001)
    assert accuracy.std() == pytest.approx(np.sqrt(0.75 * 0.25 / 200), rel=0.03)


def test_macro_f1_counts_only_labels_that_occur():
    assert macro_f1(np.array([0, 1]), np.array([0, 1]), 5) == 1
    assert macro_f1(np.array([[1, 0, 0]]), np.array([[1, 0, 0]]), 3) == 1
