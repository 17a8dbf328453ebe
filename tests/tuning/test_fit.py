"""Fitting: the loop learns, the better of probe and network is kept, and weights count as they should."""

from copy import deepcopy

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
from annotune.tuning.calibrate import Scaling
from annotune.tuning.choices import Examples, Unseen, choose, planned_epochs, score_error
from annotune.tuning.fit import candidates, probe_of, rebuilt, scaled, tuned, with_head
from annotune.tuning.lora import add_lora, merge_lora
from annotune.tuning.losses import loss_function
from annotune.tuning.probe import Probe
from annotune.tuning.settings import Settings

CPU = torch.device("cpu")
NOTHING = Probe(np.zeros((3, 32), np.float32), np.zeros(3, np.float32), 10.0, True)


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
def test_the_network_learns_and_the_backbone_stays_as_it_was(work, method):
    """Started from a head of noughts, so that it is the loop which learns."""
    backbone, examples = work
    before = {name: weights.clone() for name, weights in backbone.state_dict().items()}
    rates = {"learning_rate": 3e-3, "head_learning_rate": 0.1}
    done = tuned(backbone, NOTHING, examples, Settings(method=method, batch_texts=8, **rates), epochs=8)
    assert all(torch.equal(before[name], weights) for name, weights in backbone.state_dict().items())
    assert macro_f1(examples.targets, outputs(done.model, examples.tokens).argmax(1), 3) > 0.9
    assert set(done.model.state_dict()) == set(build(backbone, 3).state_dict())
    assert done.texts_per_second > 0
    assert done.weights is None


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_network_is_built_again_from_what_training_changed(work, method):
    backbone, examples = work
    settings, start = Settings(method=method), probe_of(examples, 10.0, False, False)
    done = tuned(backbone, start, examples, settings, epochs=1, keep_weights=True)
    again = rebuilt(backbone, start, done.weights, settings)
    states = done.model.state_dict(), again.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_scaling_is_in_the_head_of_the_probe_that_is_handed_out(work):
    backbone, examples = work
    probe, line = probe_of(examples, 3.0, False, False), Scaling(0.7, (0.1, -0.4, 0.2))
    network = scaled(with_head(backbone, probe), line)
    unlike = outputs(network, examples.tokens) - line.of(probe.logits(examples.embeddings))
    assert np.abs(unlike).max() < 1e-4
    assert np.abs(line.undone(line.of(np.eye(3))) - np.eye(3)).max() < 1e-12


def unseen_of(good, bad, tuned_logits=None, n=300):
    """What two probes and perhaps a network say: the first penalty's logits are `good`, the second's `bad`."""
    rng = np.random.default_rng(2)
    truth = np.arange(n) % 3
    signal = np.eye(3)[truth]
    noise = rng.normal(0, 1, (n, 3))
    ways = {(1.0, False, False): good * signal + noise, (30.0, False, False): bad * signal + noise}
    network = None if tuned_logits is None else tuned_logits * signal + rng.normal(0, 1, (n, 3))
    return Unseen(truth, ways, network, np.ones(n))


def test_the_better_of_probe_and_network_is_handed_out_with_its_own_scale():
    for strength, epochs in ((4.0, 6), (0.5, 0)):
        unseen = unseen_of(2.0, 1.0, strength)
        made = choose(unseen, "share", 6)
        assert made.epochs == epochs
        best = unseen.tuned if epochs else unseen.probes[made.probe]
        assert made.losses["tuned" if epochs else "probe"] == min(made.losses.values())
        alone = choose(Unseen(unseen.targets, {made.probe: best}, None, unseen.weights), "share", 6)
        assert (made.scale, made.offsets, made.cutoffs) == (alone.scale, alone.offsets, alone.cutoffs)
    assert choose(unseen_of(2.0, 1.0), "share", 6).epochs == 0


def test_the_probe_with_the_lower_loss_is_taken_and_of_equal_ones_the_stronger_penalty():
    assert choose(unseen_of(2.0, 0.5), "share", 0).penalty == 1.0
    assert choose(unseen_of(0.5, 2.0), "share", 0).penalty == 30.0
    assert choose(unseen_of(2.0, 2.0), "share", 0).penalty == 1.0


def test_the_same_seed_gives_the_same_weights_and_another_does_not(work, parts):
    start = probe_of(parts[0], 10.0, False, False)
    states = [
        tuned(work[0], start, parts[0], Settings(seed=seed, method="lora"), 2).model.state_dict() for seed in (1, 1, 2)
    ]
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


@pytest.mark.parametrize(("asked", "wanted"), [("none", {False}), ("balanced", {True}), ("auto", {False})])
def test_labels_are_weighed_as_asked(parts, asked, wanted):
    assert {balanced for _, balanced, _ in candidates(parts[0], asked)} == wanted


def test_three_passes_by_default_and_more_where_few_texts_tune_all_weights():
    assert [planned_epochs(n, Settings(method="lora")) for n in (100, 8_000, 100_000)] == [3, 3, 3]
    for more in ({"method": "full"}, {"method": "lora", "objective": "label"}):
        assert [planned_epochs(n, Settings(**more)) for n in (100, 8_000, 100_000)] == [6, 5, 3]
    assert planned_epochs(100, Settings(epochs=2)) == 2
    assert planned_epochs(100, Settings(method="probe", epochs=2)) == 0


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
