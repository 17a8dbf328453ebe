"""Learning from all coders: what is fitted to shares is fitted to every coder's answer, each a case of its own."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import annotune as at
from annotune.network.logits import decide
from annotune.tuning.calibrate import cutoffs_for, log_shares, scaling, surprises
from annotune.tuning.losses import OrderedLoss, SharesLoss, loss_function, text_masses
from annotune.tuning.probe import fit_probe

CPU = torch.device("cpu")


def crowd(seed, n=60, coders=4, labels=3):
    """Logits or embeddings (n, labels), every coder's label (n, coders), and the shares of labels (n, labels)."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, labels, (n, coders))
    return rng.normal(0, 1.5, (n, labels)), answers, np.stack([(answers == k).mean(1) for k in range(labels)], 1)


def one_by_one(values, answers):
    """The same with a row for each answer."""
    return values.repeat(answers.shape[1], axis=0), answers.ravel()


@given(st.integers(0, 1000))
def test_surprises_are_the_means_over_coders(seed):
    logits, answers, shares = crowd(seed)
    single = surprises(*one_by_one(logits, answers)).reshape(answers.shape).mean(1)
    assert surprises(logits, shares, sets=False) == pytest.approx(single)
    yes = np.stack([answers == k for k in range(3)], 2)  # each coder's set
    each = np.mean([surprises(logits, yes[:, coder]) for coder in range(4)], axis=0)
    assert surprises(logits, shares) == pytest.approx(each)


def test_the_probe_is_that_of_every_answer_by_itself():
    embeddings, answers, shares = crowd(3)
    found = fit_probe(embeddings, shares, 3, 4.0, balanced=False, sets=False)
    every = fit_probe(
        *one_by_one(embeddings, answers), 3, 1.0, balanced=False
    )  # of four answers, each counts a quarter
    assert found.weight == pytest.approx(every.weight, abs=2e-3)
    balanced = fit_probe(embeddings, shares, 3, 4.0, balanced=True, sets=False)
    assert balanced.weight == pytest.approx(
        fit_probe(*one_by_one(embeddings, answers), 3, 1.0, balanced=True).weight, abs=2e-3
    )
    sets = fit_probe(embeddings, shares, 3, 4.0, balanced=False)
    yes = np.stack([answers == k for k in range(3)], 2).reshape(-1, 3)
    each = fit_probe(embeddings.repeat(4, axis=0), yes, 3, 1.0, balanced=False)
    assert sets.weight == pytest.approx(each.weight, abs=2e-3)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_networks_loss_is_the_mean_over_answers(balanced, ordered):
    logits, answers, shares = crowd(5)
    told, single = one_by_one(logits, answers)
    by_answer = loss_function(single, 3, balanced, CPU, ordered)
    by_share = loss_function(shares, 3, balanced, CPU, ordered, sets=False)
    assert isinstance(by_share, OrderedLoss if ordered else SharesLoss)
    expected = by_answer(torch.from_numpy(told).float(), torch.from_numpy(single))
    found = by_share(torch.from_numpy(logits).float(), torch.from_numpy(shares).float())
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    by_text = text_masses(single, 3).reshape(answers.shape).mean(1)
    assert text_masses(shares, 3) == pytest.approx(by_text)


def test_of_sets_the_loss_is_the_mean_over_answers_too():
    logits, answers, shares = crowd(6)
    yes = np.stack([answers == k for k in range(3)], 2).reshape(-1, 3)
    each = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits).repeat_interleave(4, 0), torch.from_numpy(yes).double()
    )
    found = loss_function(shares, 3, False, CPU, sets=True)(torch.from_numpy(logits), torch.from_numpy(shares))
    assert found.item() == pytest.approx(each.item(), rel=1e-6)


@pytest.mark.parametrize("sets", [False, True])
def test_scaled_probabilities_add_up_to_the_shares(sets):
    rng = np.random.default_rng(1)
    strength = rng.normal(0, 1, (3000, 3)) - [0, 1, 2]
    powers = np.exp(strength)
    chances = powers / (1 + powers) if sets else powers / powers.sum(1, keepdims=True)
    votes = rng.binomial(5, chances) if sets else np.stack([rng.multinomial(5, row) for row in chances])
    shares = votes / 5
    line = scaling(2.5 * strength + 0.4, shares, sets=sets)
    assert line.scale == pytest.approx(1 / 2.5, rel=0.06)
    scaled = line.of(2.5 * strength + 0.4)
    stated = 1 / (1 + np.exp(-scaled)) if sets else np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
    assert stated.mean(0) == pytest.approx(shares.mean(0), abs=0.01)
    assert np.abs(stated - chances).mean() < 0.02
    assert log_shares(shares, 3, sets=sets)[0] > log_shares(shares, 3, sets=sets)[2]


@pytest.mark.parametrize("sets", [False, True])
def test_labels_are_given_as_often_as_most_coders_gave_them(sets):
    """Not as often as any one coder gives them, which is what probabilities add up to."""
    rng = np.random.default_rng(2)
    chances = rng.beta(0.6, 2.4, 4000)  # about one coder in five says yes, and rarely most of them
    votes = rng.binomial(5, chances)
    logits = np.log(chances / (1 - chances))[:, None]
    logits, targets = (logits, (votes > 2)[:, None]) if sets else (np.hstack([-logits, logits]) / 2, (votes > 2) * 1)
    cuts = cutoffs_for("share", logits, targets, counted=True)
    assert decide(logits, sets, cuts).mean() == pytest.approx((votes > 2).mean(), abs=0.004)
    by_sum = cutoffs_for("share", logits, targets)
    assert decide(logits, sets, by_sum).mean() > 1.2 * (votes > 2).mean()


@pytest.fixture(scope="module")
def disputed():
    """Texts with one telling word out of three: of the coders, 95, 65 and 10 % say Health."""
    rng = np.random.default_rng(4)
    words, rows, codings = {"hospital": 0.95, "minister": 0.65, "court": 0.1}, [], []
    for i in range(240):
        word = list(words)[i % 3]
        rows.append((f"t{i}", f"{word} {' '.join(rng.choice(['the', 'about', 'new', 'more', 'year'], 3))}", word))
        labels = ["Health" if rng.random() < words[word] else "Law" for _ in range(5)]
        codings += [(f"t{i}", f"coder{coder}", label) for coder, label in enumerate(labels)]
    texts = pl.DataFrame(rows, schema=["unit_id", "text", "word"], orient="row")
    return texts, pl.DataFrame(codings, schema=["unit_id", "coder", "label"], orient="row").with_columns(
        variable=pl.lit("topic")
    )


@pytest.mark.parametrize("kind", ["nominal", "ordinal", "multilabel"])
def test_models_say_what_share_of_coders_gives_a_label(disputed, kind, book, tiny_base):
    texts, codings = disputed
    codebook = book(kind, ("Health", "Law"))
    read = at.read_codings(codings, codebook)
    said = {}
    for rule in ("shares", "majority"):
        gold = at.resolve(read, rule, codebook=codebook)
        model = at.tune(texts, gold, codebook, base=str(tiny_base), method="probe", n_boot=0)
        found = model.held_out.unique("unit_id").join(texts, on="unit_id").group_by("word").agg(pl.mean("p_Health"))
        said[rule] = dict(found.iter_rows())
    assert said["shares"]["minister"] == pytest.approx(0.65, abs=0.06)
    assert said["shares"]["hospital"] == pytest.approx(0.95, abs=0.06)
    assert said["shares"]["court"] == pytest.approx(0.1, abs=0.06)
    assert said["majority"]["minister"] > 0.75  # how often most of five say so


def test_a_network_learns_shares_too(disputed, book, tiny_base):
    texts, codings = disputed
    codebook = book("nominal", ("Health", "Law"))
    gold = at.resolve(at.read_codings(codings, codebook), "shares", codebook=codebook)
    model = at.tune(texts, gold, codebook, base=str(tiny_base), method="full", epochs=8, test=0.2, n_boot=0)
    found = dict(model.classify(texts).join(texts, on="unit_id").group_by("word").agg(pl.mean("p_Health")).iter_rows())
    assert found["hospital"] > found["minister"] + 0.15 > found["court"] + 0.3
    assert found["minister"] == pytest.approx(0.65, abs=0.12)


def test_a_label_that_is_never_the_majoritys_is_learnt_all_the_same(disputed, book, tiny_base):
    texts, codings = disputed
    rare = codings.with_columns(
        label=pl.when((pl.col("coder") == "coder1") & pl.col("unit_id").str.ends_with("0"))
        .then(pl.lit("Farming"))
        .otherwise("label")
    )
    gold = at.resolve(at.read_codings(rare, book()), "shares", codebook=book())
    assert "Farming" not in gold["label"]
    model = at.tune(texts, gold, book(), base=str(tiny_base), method="probe", n_boot=0)
    assert model.held_out["p_Farming"].mean() == pytest.approx(0.02, abs=0.01)
