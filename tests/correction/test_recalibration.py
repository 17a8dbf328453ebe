"""Bare labels turned into probabilities by the coded texts of other folds."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.correction.families import LINEAR, LOGIT, POISSON
from annotune.correction.recalibration import FOLDS, features_of, recalibrated

TOPICS = np.array(["Economy", "Environment", "Health", "Law"])


def hosted(seed, n=3000):
    """Questions that a hosted model labels: what is on health in the opposition it often labels as law."""
    rng = np.random.default_rng(seed)
    party, x = rng.integers(0, 2, n), rng.normal(size=n)
    health = rng.random(n) < 1 / (1 + np.exp(1.2 - 0.6 * party - 0.5 * x))
    truth = np.where(health, 2, rng.choice([0, 1, 3], n))
    lost = health & (rng.random(n) < np.where(party == 1, 0.5, 0.2))
    spurious = (truth == 3) & (rng.random(n) < 0.2)
    label = np.where(lost, 3, np.where(spurious, 2, truth))
    coded = rng.random(n) < 0.12
    gold = [TOPICS[t] if c else None for t, c in zip(truth, coded, strict=True)]
    columns = {"party": party, "x": x, "topic": TOPICS[label], "topic_gold": gold, "pi": 0.12}
    return pl.DataFrame(columns).with_columns(group=pl.int_range(pl.len()) % 50), health


def corrected(fit):
    return fit.tidy().filter(method="corrected")


def test_intervals_are_narrower_than_of_labels_as_they_are_and_still_hold():
    truth, _ = whole()
    covered, ratios = 0, []
    for seed in range(100):
        data, _ = hosted(seed)
        fit, bare = (
            at.correct("topic == 'Health' ~ party + x", data, prediction=kind) for kind in ("recalibrated", "label")
        )
        ratios.append((corrected(fit)["std_error"] / corrected(bare)["std_error"])[1])
        row = corrected(fit).row(1, named=True)
        covered += row["conf_low"] < truth < row["conf_high"]
    assert np.median(ratios) < 0.9
    assert covered >= 89


def whole():
    """The slope of party in very many texts."""
    data, health = hosted(99, 400_000)
    design = np.column_stack([np.ones(len(data)), data["party"], data["x"]])
    beta = np.linalg.lstsq(design, health * 1.0, rcond=None)[0]
    return beta[1], beta


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("topic == 'Health' ~ party + x", {"model": "logit"}),
        ("topic ~ party + x", {"model": "multinomial"}),
        ("topic != 'Health' ~ x | group", {"cluster": "group"}),
        ("topic == 'Health' ~ party + x", {"method": "auto"}),
        ("topic == 'Health' ~ party + x", {"method": "ppi"}),
    ],
)
def test_every_model_takes_recalibrated_predictions(formula, options):
    fit, bare = (at.correct(formula, hosted(1)[0], prediction=kind, **options) for kind in ("recalibrated", "label"))
    assert any("recalibrated on the coded texts of other folds" in note for note in fit.notes)
    pair = [result.tidy().filter(method="naive")["estimate"] for result in (fit, bare)]
    assert pair[0].equals(pair[1])
    assert corrected(fit)["std_error"].sum() < 1.02 * corrected(bare)["std_error"].sum()


def test_no_prediction_was_made_with_the_texts_own_coding():
    """Features without any information: a guess that rose with the text's own coding would have seen it."""
    rng = np.random.default_rng(1)
    at_, gold = np.arange(200), (rng.random((200, 1)) < 0.5) * 1.0
    guesses = recalibrated(rng.normal(size=(1000, 30)), gold, at_, np.ones(200), LINEAR)[:200, 0]
    assert np.corrcoef(guesses, gold[:, 0])[0, 1] < 0.1
    changed = gold.copy()
    changed[7] = 1 - changed[7]
    features = np.random.default_rng(2).normal(size=(1000, 3))
    one, other = (recalibrated(features, values, at_, np.ones(200), LINEAR)[:, 0] for values in (gold, changed))
    same_fold = one == other
    assert same_fold[7]
    assert 0.1 < same_fold.mean() < 0.3  # the texts of its fold, coded or not


def test_clusters_are_in_one_fold():
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 20, 1000)
    gold = rng.normal(size=(200, 1))
    changed = gold + 3.0 * (clusters[:200] == clusters[0])[:, None]
    features = rng.normal(size=(1000, 2))
    pair = [
        recalibrated(features, values, np.arange(200), np.ones(200), LINEAR, clusters) for values in (gold, changed)
    ]
    same = (pair[0] == pair[1])[:, 0]
    assert same[clusters == clusters[0]].all()
    assert len({tuple(np.unique(same[clusters == c])) for c in range(20)}) == 2


def test_counts_and_probabilities_stay_in_their_range():
    rng = np.random.default_rng(4)
    features = features_of(rng.normal(size=(800, 1)), rng.normal(size=(800, 2)), None)
    counts = rng.poisson(2.0, (150, 1)) * 1.0
    assert (recalibrated(features, counts, np.arange(150), np.ones(150), POISSON) > 0).all()
    yes = (rng.random((150, 1)) < 0.3) * 1.0
    chances = recalibrated(features, yes, np.arange(150), np.ones(150), LOGIT)
    assert ((chances > 0) & (chances < 1)).all()
    several = np.eye(4)[rng.integers(0, 4, 150)][:, 1:]
    assert (recalibrated(features, several, np.arange(150), np.ones(150), LOGIT).sum(axis=1) < 1).all()
    assert FOLDS == 5


def test_a_single_value_outside_a_fold_is_not_recalibrated():
    gold = np.zeros((50, 1))
    assert recalibrated(np.ones((200, 1)), gold, np.arange(50), np.ones(50), LOGIT) is None


def test_bare_labels_are_told_of_the_way_out():
    fit = at.correct("topic == 'Health' ~ party", hosted(1)[0])
    assert "there are no probabilities of 'Health'" in fit.notes[1]
    assert any("prediction='recalibrated'" in advice for advice in fit.advice)


def test_an_outcome_that_nobody_predicted_cannot_be_recalibrated():
    data = hosted(1)[0].with_columns(vote=pl.col("x") + 1)
    with pytest.raises(at.AnnotuneError, match="not a predicted column"):
        at.correct("vote ~ topic == 'Health'", data, prediction="recalibrated")
