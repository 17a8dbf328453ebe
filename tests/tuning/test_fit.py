"""Fitting: the loop learns, the better of probe and network is kept, and weights count as they should."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from annotune.measures.scores import macro_f1
from annotune.network.base import find_base, load_backbone, load_tokenizer
from annotune.network.batches import tokenize
from annotune.network.encoder import build, outputs
from annotune.network.logits import decide
from annotune.tuning import choices
from annotune.tuning import fit as fitting
from annotune.tuning.choices import Choices, Examples, doubt, planned_epochs, score_error, score_of, settle
from annotune.tuning.fit import fit, refit
from annotune.tuning.lora import add_lora, merge_lora
from annotune.tuning.losses import loss_function
from annotune.tuning.probe import Probe
from annotune.tuning.settings import Settings

CPU = torch.device("cpu")
PLAN = Choices(penalty=10.0, balanced=True, epochs=1, planned=8, scores={"probe": 0.5})


@pytest.fixture(scope="module")
def work(tiny_base, topics):
    """A backbone, and the texts of `topics` as examples."""
    base = find_base(str(tiny_base))
    backbone = load_backbone(base, CPU)
    tokens = tokenize(load_tokenizer(base), topics["text"].to_list(), 32)
    targets = topics["label"].replace_strict({"Health": 0, "Law": 1, "Farming": 2}).to_numpy()
    embeddings = outputs(build(backbone, 3), tokens, embeddings=True)
    return backbone, Examples(tokens, embeddings, targets, 3)


@pytest.fixture
def parts(work):
    return work[1].take(np.arange(0, 60)), work[1].take(np.arange(60, 90))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_network_learns_and_the_backbone_stays_as_it_was(work, method, monkeypatch):
    """Started from a head of noughts, so that it is the loop which learns."""
    backbone, examples = work
    before = {name: weights.clone() for name, weights in backbone.state_dict().items()}
    monkeypatch.setattr(fitting, "fit_probe", lambda *_: Probe(np.zeros((3, 32), np.float32), np.zeros(3), 10.0, True))
    rates = {"learning_rate": 3e-3, "head_learning_rate": 0.1}
    fitted = refit(backbone, examples, PLAN, Settings(method=method, batch_texts=8, **rates))
    assert all(torch.equal(before[name], weights) for name, weights in backbone.state_dict().items())
    assert score_of(outputs(fitted.model, examples.tokens), examples.targets) > 0.9
    assert set(fitted.model.state_dict()) == set(build(backbone, 3).state_dict())
    assert fitted.choices == PLAN
    assert fitted.texts_per_second > 0


def test_the_state_handed_out_is_the_best_one_or_the_clearly_better_probe(work, parts):
    backbone, (seen, held) = work[0], parts
    for rate in (1e-3, 10.0):  # the second destroys the network
        fitted = fit(backbone, seen, held, Settings(method="full", epochs=3, learning_rate=rate))
        score = score_of(outputs(fitted.model, held.tokens), held.targets)
        probe, *epochs = fitted.choices.scores.values()
        assert score == pytest.approx(max(epochs) if fitted.choices.epochs else probe)
        assert score >= probe - doubt(held.targets)
    assert fitted.choices.epochs == 0
    unlike = outputs(fitted.model, held.tokens) * fitted.choices.temperature - fitted.probe.logits(held.embeddings)
    assert np.abs(unlike).max() < 1e-3


def test_a_probe_that_is_a_little_better_on_few_texts_does_not_end_tuning(work, parts, monkeypatch):
    few, many = np.arange(30) % 3, np.arange(3000) % 3
    assert 0.08 < doubt(few) < 0.1
    assert doubt(many) == 0
    for lead, epochs in ((0.05, 2), (0.3, 0)):
        scores = iter([0.9] * 4 + [0.89 - lead, 0.9 - lead])  # three probes to choose from come first
        for module in (fitting, choices):
            monkeypatch.setattr(module, "score_of", lambda logits, targets, ordered, scores=scores: next(scores))
        assert fit(work[0], *parts, Settings(epochs=2, class_weights="none")).choices.epochs == epochs


def test_training_stops_when_nothing_is_gained(work, parts, monkeypatch):
    falling = iter([0.9] * 4 + [0.5, 0.4, 0.3])  # three probes to choose from come first
    for module in (fitting, choices):
        monkeypatch.setattr(module, "score_of", lambda logits, targets, ordered: next(falling))
    fitted = fit(work[0], *parts, Settings(epochs=5, patience=2, class_weights="none"))
    assert fitted.choices.epochs == 0
    assert len(fitted.choices.scores) == 3  # probe and two epochs


def test_the_same_seed_gives_the_same_weights_and_another_does_not(work, parts):
    plan = replace(PLAN, planned=2)
    states = [refit(work[0], parts[0], plan, Settings(seed=seed)).model.state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_merged_matrices_give_the_same_logits(work):
    torch.manual_seed(1)
    backbone, examples = work
    model = build(deepcopy(backbone), 3)
    plain = outputs(model, examples.tokens)
    add_lora(model, 4)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weights, std=0.2)
    adapted = outputs(model, examples.tokens)
    merge_lora(model)
    assert np.abs(adapted - plain).max() > 0.01
    assert np.abs(outputs(model, examples.tokens) - adapted).max() < 1e-5


def test_outputs_do_not_depend_on_order_or_on_the_batch(work):
    backbone, examples = work
    model = build(backbone, 3)
    together = outputs(model, examples.tokens)
    order = np.random.default_rng(1).permutation(len(examples))
    assert np.abs(outputs(model, examples.tokens.take(order)) - together[order]).max() < 1e-5
    assert np.abs(outputs(model, examples.tokens, batch_tokens=16) - together).max() < 1e-5


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60))
def test_balanced_weights_are_those_of_scikit_learn(targets):
    targets = np.array(targets)
    present = np.unique(targets)
    loss = loss_function(targets, 5, True, CPU)
    expected = compute_class_weight("balanced", classes=present, y=targets)
    assert loss.weight.numpy()[present] == pytest.approx(expected, rel=1e-5)


def test_unbalanced_and_multilabel_losses():
    logits = torch.randn(6, 3, generator=torch.manual_seed(1))
    numbers = np.array([0, 0, 0, 0, 1, 2])
    plain = loss_function(numbers, 3, False, CPU)(logits, torch.from_numpy(numbers))
    assert plain == pytest.approx(nn.functional.cross_entropy(logits, torch.from_numpy(numbers)).item())
    sets = np.array([[1, 0, 1]] * 3 + [[0, 0, 1]] * 3, dtype=bool)
    assert loss_function(sets, 3, True, CPU).pos_weight.tolist() == [1, 6, 1]
    assert loss_function(sets, 3, False, CPU).pos_weight.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("asked", "wanted"), [("none", {False}), ("balanced", {True}), ("auto", {False, True})])
def test_weighings_are_tried_as_asked(parts, asked, wanted):
    assert {balanced for _, balanced, _ in fitting._candidates(parts[0], asked)} == wanted


def test_weighing_is_no_choice_where_labels_are_equally_frequent(work):
    even = work[1].take(np.flatnonzero(work[1].targets < 2)[:40])
    counts = np.bincount(even.targets)
    assert counts.max() / counts.min() < 1.7
    few = work[1].take(np.concatenate([np.flatnonzero(work[1].targets == label)[:10] for label in range(3)]))
    assert {balanced for _, balanced, _ in fitting._candidates(few, "auto")} == {False}


def test_epochs_by_default_are_fewer_where_texts_are_more():
    assert [planned_epochs(n, Settings()) for n in (100, 8_000, 100_000)] == [6, 5, 3]
    assert planned_epochs(100, Settings(epochs=2)) == 2
    assert planned_epochs(100, Settings(method="probe", epochs=2)) == 0


def test_decisions():
    logits = np.array([[0.1, 2.0, -1.0], [-3.0, -2.0, -0.5]])
    assert decide(logits, sets=False).tolist() == [1, 2]
    assert decide(logits, sets=True).tolist() == [[True, True, False], [False, False, False]]


@pytest.mark.parametrize(("last", "epochs"), [((0.9, 0.7), 6), ((0.9, 0.42), 6), ((0.9, 0.38), 0)])
def test_what_folds_agree_on(last, epochs):
    folds = [
        Choices(penalty, balanced, 2, 3, {"probe": 0.7, "epoch 1": 0.99, "epoch 2": score})
        for (penalty, balanced), score in zip([(10.0, True), (1.0, False)], last, strict=True)
    ]
    targets = np.arange(100) % 2
    agreed = settle([folds[0], *folds], targets, Settings())
    assert (agreed.penalty, agreed.balanced, agreed.planned) == (10.0, True, 6)
    assert settle(folds, targets, Settings()).epochs == epochs
    assert settle(folds, targets, Settings(method="probe")).epochs == 0


@pytest.mark.parametrize(("counts", "share"), [([500, 40], 0.15), ([200, 200, 200], 0.2), ([90, 9], 1.0)])
def test_the_error_of_macro_f1_is_bounded(counts, share):
    """Against simulation: texts of each label are found with any chance, and none is given wrongly."""
    rng = np.random.default_rng(1)
    held = [max(round(count * share), 1) for count in counts]
    truth = np.repeat(np.arange(len(held)), held)
    for chance in (0.5, 0.7, 0.9):
        scores = [macro_f1(truth, np.where(rng.random(len(truth)) < chance, truth, -1), len(held)) for _ in range(400)]
        assert np.std(scores) < 1.2 * score_error(np.repeat(np.arange(len(counts)), counts), share)
    assert score_error(np.eye(2, dtype=bool)) == pytest.approx(score_error(np.array([0, 1])))


def test_a_small_held_out_part_does_not_choose_the_probe(work, parts):
    """Whatever the few held-out labels say, the choice is the same; with many of them it is theirs."""
    seen, held = parts
    upside_down = replace(held, targets=(held.targets + 1) % 3)
    assert fitting._best_probe(seen, held, "auto") == fitting._best_probe(seen, upside_down, "auto")
