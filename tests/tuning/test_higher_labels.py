"""Texts coded by a parent alone teach a model that one of its labels holds, and are no label of their own."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.network.batches import Tokens
from annotune.network.logits import softmax
from annotune.tuning.choices import Examples, Higher
from annotune.tuning.coded_texts import join
from annotune.tuning.fit import completed, probe_of

LABELS = {"Care": (1, None), "Health": (11, 1), "Nursing": (12, 1), "Law": (2, None), "Farming": (3, None)}
TOPIC = at.Variable(
    name="topic", labels=tuple(at.Label(code=code, name=name, parent=parent) for name, (code, parent) in LABELS.items())
)
BOOK = at.Codebook(variables=(TOPIC,))


def gold_of(labels):
    units = [f"u{i}" for i in range(len(labels))]
    return pl.DataFrame({"unit_id": units, "variable": "topic", "coder": "gold", "label": labels})


def texts_of(n):
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "text": [f"text {i}" for i in range(n)]})


def test_a_parent_is_no_class_where_its_labels_are_used():
    labels = ["Health", "Nursing", "Law", "Care", "Farming"] * 4
    with pytest.warns(at.AnnotuneWarning, match=r"4 texts are coded with a label .*, such as 'Care'"):
        coded = join(texts_of(20), gold_of(labels), BOOK)
    assert coded.variable.names == ["Health", "Nursing", "Law", "Farming"]
    assert len(coded.frame) == 16
    assert coded.higher.frame["unit_id"].to_list() == [f"u{i}" for i in range(3, 20, 5)]
    assert coded.higher.among.tolist() == [[True, True, False, False]] * 4


def test_a_parent_whose_labels_nobody_gave_is_a_class():
    with pytest.warns(at.AnnotuneWarning, match="cannot give them: 'Health', 'Nursing', 'Farming'"):
        coded = join(texts_of(20), gold_of(["Care", "Law"] * 10), BOOK)
    assert coded.variable.names == ["Care", "Law"]
    assert coded.higher is None


def examples(n, n_higher, rng):
    """Three labels at the corners of a triangle; of further texts it is known that they have one of the first two."""
    corners = np.eye(3, 6)
    targets, hidden = rng.integers(3, size=n), rng.integers(2, size=n_higher)
    vectors = [corners[numbers] + 0.25 * rng.normal(size=(len(numbers), 6)) for numbers in (targets, hidden)]
    tokens = [Tokens([[1]] * m, 0, 8, 0) for m in (n, n_higher)]
    among = np.tile([True, True, False], (n_higher, 1))
    groups = np.arange(n + n_higher)
    higher = Higher(tokens[1], vectors[1], among, groups[n:], groups[:n])
    return Examples(tokens[0], vectors[0], targets, 3, higher=higher), hidden


def test_they_make_known_what_is_known():
    given, _ = examples(12, 200, np.random.default_rng(2))
    fine = Examples(given.tokens, given.embeddings, given.targets, 3)
    alone, probe = probe_of(fine, 10.0, False, False), probe_of(given, 10.0, False, False)
    fresh, _ = examples(0, 500, np.random.default_rng(3))
    stated = {name: softmax(made.logits(fresh.higher.embeddings)) for name, made in (("alone", alone), ("both", probe))}
    known = {name: -np.log(rows[:, :2].sum(1)).mean() for name, rows in stated.items()}
    assert known["both"] < known["alone"]
    whole = completed(given, probe)
    assert len(whole) == 212
    assert (whole.shares[12:, 2] == 0).all()
    np.testing.assert_allclose(whole.shares.sum(1), 1)
    np.testing.assert_array_equal(whole.shares[:12].argmax(1), given.targets)


def test_of_those_that_are_long_every_passage_is_theirs():
    given, _ = examples(3, 2, np.random.default_rng(2))
    long = Tokens([[1], [2], [3]], 0, 8, 0, np.array([2, 3]))
    both = given.tokens.joined(long)
    assert len(both) == 5
    assert both.take(np.array([3])).ids == [[1], [2]]
    assert long.joined(given.tokens).take(np.array([0, 1, 4])).ids == [[1], [2], [3], [1]]


def test_what_goes_with_a_held_out_text_is_not_learnt_from():
    given, _ = examples(10, 4, np.random.default_rng(1))
    higher = given.higher
    shared = Higher(higher.tokens, higher.embeddings, higher.among, np.array([0, 1, 50, 51]), higher.of_others)
    again = Examples(given.tokens, given.embeddings, given.targets, 3, higher=shared).take(np.arange(1, 10))
    assert again.higher.groups.tolist() == [1, 50, 51]
    assert again.take(np.arange(1, 9)).higher.groups.tolist() == [50, 51]


@pytest.mark.parametrize("length", [{}, {"max_tokens": 8, "long_texts": "whole"}])
@pytest.mark.parametrize("method", ["probe", "lora"])
def test_a_model_is_tuned_with_them(topics, tiny_base, method, length):
    labels = topics["label"].to_list()
    rng = np.random.default_rng(1)
    labels = ["Nursing" if name == "Health" and rng.random() < 0.5 else name for name in labels]
    by_parent = [i for i, name in enumerate(labels) if name in ("Health", "Nursing")][:8]
    labels = ["Care" if i in by_parent else name for i, name in enumerate(labels)]
    gold = topics.select("unit_id", variable=pl.lit("topic"), coder=pl.lit("gold"), label=pl.Series(labels))
    options = {"epochs": 1, "folds": 2, "n_boot": 0, "device": "cpu", **length}
    with pytest.warns(at.AnnotuneWarning, match="8 texts are coded with a label"):
        model = at.tune(topics, gold, BOOK, base=str(tiny_base), method=method, **options)
    assert "Care" not in model.labels
    coded = at.roll_up(model.classify(topics), BOOK).filter(variable="topic_major")
    assert set(coded["label"]) <= {"Care", "Law", "Farming"}
    held_out = set(model.held_out["unit_id"])
    assert held_out.isdisjoint(topics["unit_id"].gather(by_parent))
    assert len(held_out) == len(topics) - 8
