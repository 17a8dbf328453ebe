"""The model of Dawid and Skene: their own example, what it must not depend on, and `resolve` with it."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.agreement.dawid_skene import dawid_skene

# Dawid and Skene (1979), table 1: patients' fitness by five anaesthetists, the first of whom coded three times
ANAESTHETISTS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111
1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111
2322222 1211111 2222222
"""


@pytest.fixture(scope="module")
def fit():
    value = np.array([[int(digit) - 1 for digit in patient] for patient in ANAESTHETISTS.split()])
    unit = np.repeat(np.arange(45), 7)
    coder = np.tile([0, 0, 0, 1, 2, 3, 4], 45)
    return dawid_skene(unit, coder, value.ravel(), (45, 5, 4))


def test_published_shares_and_error_rates(fit):
    assert fit.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert fit.confusion[0, :2].round(2).tolist() == [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0]]
    assert fit.converged


def test_probabilities_are_probabilities(fit):
    np.testing.assert_allclose(fit.posterior.sum(1), 1)
    np.testing.assert_allclose(fit.confusion.sum(2), 1)


def simulated(n=1000, accuracies=(0.95, 0.6, 0.6, 0.6), seed=3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    said = {f"c{i}": np.where(rng.random(n) < a, truth, 1 - truth) for i, a in enumerate(accuracies)}
    wide = pl.DataFrame(
        {"unit_id": [f"u{i}" for i in range(n)], **{k: [["no", "yes"][v] for v in x] for k, x in said.items()}}
    )
    return truth, at.read_codings(wide, variable="agree", coders=list(said))


@pytest.mark.filterwarnings("ignore:.* have no answer for")
def test_a_good_coder_outweighs_three_poor_ones():
    truth, codings = simulated()
    right = {
        rule: np.mean(
            [label == ["no", "yes"][t] for label, t in zip(at.resolve(codings, rule)["label"], truth, strict=True)]
        )
        for rule in ("majority", "dawid_skene")
    }
    assert right["dawid_skene"] > right["majority"] + 0.1


def test_prob_is_the_posterior_of_the_label():
    _, codings = simulated()
    gold = at.resolve(codings, "dawid_skene")
    assert gold["prob"].min() >= 0.5
    assert gold["prob"].is_between(0, 1).all()
    assert set(gold["n_coders"]) == {4}


def test_order_of_rows_and_coders_does_not_matter():
    _, codings = simulated(n=300)
    once = at.resolve(codings, "dawid_skene").sort("unit_id")
    again = at.resolve(codings.sample(fraction=1, shuffle=True, seed=1), "dawid_skene").sort("unit_id")
    np.testing.assert_allclose(once["prob"], again["prob"], atol=1e-5)
    assert once["label"].to_list() == again["label"].to_list()


def multilabel():
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate("ab", start=1))
    codebook = at.Codebook(variables=(at.Variable(name="v", kind="multilabel", labels=labels),))
    wide = pl.DataFrame(
        {
            "unit_id": list("klmn"),
            "x": ["a;b", "b", "none", "a"],
            "y": ["a", "b", "none", "a;b"],
            "z": ["a;b", "b", "b", None],
        }
    )
    return codebook, at.read_codings(wide, codebook, variable="v", coders=["x", "y", "z"])


def test_a_multilabel_variable_is_resolved_label_by_label():
    codebook, codings = multilabel()
    gold = at.resolve(codings, "dawid_skene", codebook=codebook)
    assert gold.select("unit_id", "label", "status").rows() == [
        ("k", "a", "ok"), ("k", "b", "ok"), ("l", "b", "ok"), ("m", None, "none"), ("n", "a", "ok")
    ]  # fmt: skip


def test_the_last_coder_overrules():
    codebook, codings = multilabel()
    gold = at.resolve(codings, "adjudicated", codebook=codebook)
    found = gold.group_by("unit_id", maintain_order=True).agg("label").rows()
    assert found == [("k", ["a", "b"]), ("l", ["b"]), ("m", ["b"]), ("n", ["a", "b"])]


def test_a_named_adjudicator_overrules_and_elsewhere_the_majority_holds():
    wide = pl.DataFrame(
        {"unit_id": list("kl"), "x": ["a", "a"], "y": ["a", "a"], "chief": ["b", None], "z": ["a", "b"]}
    )
    codings = at.read_codings(wide, variable="v", coders=["x", "y", "chief", "z"])
    assert at.resolve(codings, "adjudicated", coder="chief")["label"].to_list() == ["b", "a"]
    assert at.resolve(codings, "adjudicated")["label"].to_list() == ["a", "b"]
    assert at.resolve(codings, "adjudicated")["n_coders"].to_list() == [4, 3]


def test_an_unknown_adjudicator_or_rule_is_a_sentence():
    _, codings = simulated(n=10)
    with pytest.raises(at.AnnotuneError, match="There is no coder 'boss'"):
        at.resolve(codings, "adjudicated", coder="boss")
    with pytest.raises(at.AnnotuneError, match="There is no rule 'dawid'"):
        at.resolve(codings, "dawid")


def test_units_without_an_answer_stay_and_are_missing():
    wide = pl.DataFrame({"unit_id": list("klm"), "x": ["a", "b", None], "y": ["a", "b", None]})
    gold = at.resolve(at.read_codings(wide, variable="v", coders=["x", "y"]), "dawid_skene")
    assert gold["status"].to_list() == ["ok", "ok", "missing"]


def test_labels_that_are_as_likely_as_each_other_are_not_decided_by_rounding():
    """Two coders, each against the other once: nothing speaks for either."""
    wide = pl.DataFrame({"unit_id": list("klmn"), "x": ["a", "b", "a", "b"], "y": ["a", "b", "b", "a"]})
    gold = at.resolve(at.read_codings(wide, variable="v", coders=["x", "y"]), "dawid_skene")
    assert gold["label"].to_list() == ["a", "b", None, None]


def test_a_label_of_a_set_that_is_as_likely_as_not_is_not_given():
    label = at.Label(code=1, name="a"), at.Label(code=2, name="b")
    book = at.Codebook(variables=(at.Variable(name="v", kind="multilabel", labels=label),))
    wide = pl.DataFrame({"unit_id": list("klmn"), "x": ["a", "b", "a", "b"], "y": ["a", "b", "b", "a"]})
    gold = at.resolve(at.read_codings(wide, book, coders=["x", "y"]), "dawid_skene", codebook=book)
    assert gold.select("unit_id", "label").rows() == [("k", "a"), ("l", "b"), ("m", None), ("n", None)]
