"""Label errors: the paper's counting by hand, planted mistakes found, and bad input."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.evidence.second_look import suspects


def test_thresholds_and_confident_labels_by_hand():
    """Northcutt et al. (2021), equations 1 and 2: thresholds .7 and .75; the last unit is confidently the other."""
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6]])
    given = np.array([0, 0, 1, 1, 0, 1])
    thresholds, confident = suspects(shares, given)
    assert thresholds == pytest.approx([0.7, (0.7 + 0.9 + 0.6) / 3])
    assert confident.tolist() == [0, 0, -1, 1, -1, -1]
    swapped, _ = suspects(shares, np.array([0, 0, 1, 0, 0, 1]))
    assert swapped[0] == pytest.approx((0.9 + 0.8 + 0.1 + 0.4) / 4)


def simulated(n=600, flipped=0.05, seed=1):
    """Units, the model's probabilities, hand codings of which some are wrong, and which."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    logits = rng.normal(0, 1, (n, 3)) + 4 * np.eye(3)[truth]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wrong = rng.random(n) < flipped
    hand = np.where(wrong, (truth + 1) % 3, truth)
    names, units = np.array(["x", "y", "z"]), [f"u{i}" for i in range(n)]
    model = pl.DataFrame({"unit_id": units, "label": names[shares.argmax(1)], "prob": shares.max(1)})
    model = model.with_columns(
        variable=pl.lit("v"), coder=pl.lit("model"), **{f"p_{c}": shares[:, i] for i, c in enumerate(names)}
    )
    return model, pl.DataFrame({"unit_id": units, "label": names[hand], "variable": "v"}), wrong


def test_planted_mistakes_come_first():
    model, gold, wrong = simulated()
    found = at.label_errors(model, gold, n=int(wrong.sum()))
    planted = {f"u{i}" for i in np.flatnonzero(wrong)}
    assert len(planted & set(found["unit_id"])) / len(planted) > 0.85
    assert found["rank"].to_list() == list(range(1, len(found) + 1))
    assert (found["hand"] != found["model"]).all()
    assert found["likely_error"].to_list() == sorted(found["likely_error"], reverse=True)
    assert "it gives 0." in found["why"][0]


def test_the_text_stands_beside():
    model, gold, _ = simulated(60, 0.2)
    corpus = pl.DataFrame({"unit_id": gold["unit_id"], "text": "the text of " + gold["unit_id"]})
    found = at.label_errors(model, gold, corpus=corpus, n=5)
    assert found.columns[:3] == ["rank", "unit_id", "text"]
    assert (found["text"] == "the text of " + found["unit_id"]).all()


def test_sets_are_looked_at_label_by_label(book):
    """One label that was given and should not have been, one that was missed."""
    units = [f"u{i}" for i in range(40)]
    health = np.array([0.95] * 20 + [0.05] * 20)
    base = pl.DataFrame(
        {"unit_id": units, "variable": "topic", "coder": "model", "p_Health": health, "p_Law": 1 - health}
    )
    model = base.with_columns(label=pl.when(pl.col("p_Health") > 0.5).then(pl.lit("Health")).otherwise(pl.lit("Law")))
    hand = ["Law", *["Health"] * 19, *["Law"] * 20]
    gold = pl.DataFrame({"unit_id": units, "label": hand, "variable": "topic"})
    found = at.label_errors(model, gold, codebook=book("multilabel", ["Health", "Law"]))
    assert set(found.select("unit_id", "label", "hand", "model").rows()) == {
        ("u0", "Health", "not given", "given"),
        ("u0", "Law", "given", "not given"),
    }
    assert found["likely_error"].all()


def test_where_all_agree_the_list_is_empty():
    model, gold, _ = simulated(50, 0.0)
    agreed = gold.with_columns(label=model["label"])
    assert at.label_errors(model, agreed).is_empty()


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda model: model.drop("^p_.*$"), {}, "no columns p_<label>"),
        (lambda model: model, {"n": 0}, "A list of 0 codings"),
        (lambda model: model.with_columns(unit_id=pl.lit("z") + pl.col("unit_id")), {}, "No unit of the gold"),
        (lambda model: model.clear(), {}, "by 0 coders"),
    ],
)
def test_what_cannot_be_ranked_is_one_sentence(change, options, says):
    model, gold, _ = simulated(30)
    with pytest.raises(at.AnnotuneError, match=says):
        at.label_errors(change(model), gold, **options)
