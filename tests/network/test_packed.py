"""BERT without padding computes what the padded one does, and a text's numbers in whatever company."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network.conftest import texts_of

from annotune.network.base import find_base, load_backbone
from annotune.network.batches import Tokens
from annotune.network.encoder import build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.network.packed import TOKENS, Packed, why_not_packed
from annotune.network.steady import steady_logits

CPU = torch.device("cpu")


def packed_by(powers, network, dtype=torch.float32):
    packed = Packed(network, dtype)
    packed.by_powers = powers  # what is chosen by the processor
    return packed


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 64), min_size=1, max_size=70))
@pytest.mark.parametrize("powers", [False, True])
def test_numbers_are_those_with_padding(network, powers, lengths):
    tokens = texts_of(lengths)
    packed = packed_by(powers, network).logits(tokens)
    assert np.abs(packed - outputs(network, tokens)).max() < 1e-5


def test_scores_are_computed_in_parts_where_they_are_many(network, monkeypatch):
    tokens = texts_of([40, 64, 64, 64, 64, 64])
    at_once = packed_by(True, network).logits(tokens)
    monkeypatch.setattr("annotune.network.packed.SCORES", 2 * 4 * 64**2)
    assert np.array_equal(packed_by(True, network).logits(tokens), at_once)
    monkeypatch.setattr("annotune.network.packed.SCORES", 1)
    assert np.array_equal(packed_by(True, network).logits(tokens), at_once)


@pytest.mark.parametrize("score", [-100, -95, -91, -88, -84, -60, 0, 60, 82, 84.5, 86, 87.5, 88.5, 91, 100])
def test_scores_that_all_are_higher_or_lower_mean_the_same(network, score):
    """A softmax does not see what is added to all of a row's scores; powers leave the numbers that there are."""
    tokens = texts_of([3, 9, 9, 30, 64])
    layers = [layer.attention.self for layer in network.backbone.encoder.layer]
    size = network.backbone.config.hidden_size // network.backbone.config.num_attention_heads
    part = (abs(score) / size**0.5) ** 0.5  # of a query and of a key: their product over the root of the size
    kept = [(layer.query.bias.detach().clone(), layer.key.bias.detach().clone()) for layer in layers]
    try:
        with torch.no_grad():
            for layer in layers:
                layer.query.weight.mul_(0.1)
                layer.query.bias.fill_(part)
                layer.key.bias.fill_(part if score > 0 else -part)
        by_softmax, by_powers = (packed_by(powers, network).logits(tokens) for powers in (False, True))
        assert np.abs(by_powers - by_softmax).max() < 1e-4
    finally:
        with torch.no_grad():
            for layer, (query, key) in zip(layers, kept, strict=True):
                layer.query.weight.div_(0.1)
                layer.query.bias.copy_(query)
                layer.key.bias.copy_(key)


def test_powers_beyond_all_numbers_are_computed_again_without(network):
    tokens = texts_of([3, 9, 9, 30, 64])
    queries = [layer.attention.self.query.weight for layer in network.backbone.encoder.layer]
    kept = [weight.detach().clone() for weight in queries]
    try:
        with torch.no_grad():
            for weight in queries:
                weight.mul_(3e4)
        by_softmax, by_powers = (packed_by(powers, network) for powers in (False, True))
        with torch.inference_mode():
            first = by_powers._rows(tokens, np.arange(5), by_powers._by_powers)
        assert np.isnan(first).any(1).any()
        assert np.array_equal(by_powers.logits(tokens), by_softmax.logits(tokens))
        assert np.isfinite(by_powers.logits(tokens)).all()
    finally:
        with torch.no_grad():
            for weight, old in zip(queries, kept, strict=True):
                weight.copy_(old)


@settings(max_examples=10)
@given(order=st.permutations(range(90)), n=st.integers(1, 90))
@pytest.mark.parametrize("powers", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_text_has_its_numbers_to_the_last_bit_in_any_company(network, powers, dtype, order, n):
    if dtype == torch.bfloat16 and not has_fast_bf16(CPU):
        pytest.skip("this processor does not compute bfloat16")
    tokens, packed = texts_of([1 + i % 64 for i in range(90)]), packed_by(powers, network, dtype)
    assert len(packed.batches(tokens.lengths)) > 1
    some = np.array(order[:n])
    assert np.array_equal(packed.logits(tokens.take(some)), packed.logits(tokens)[some])


def test_the_first_token_stands_for_the_text_where_the_base_says_so(network):
    tokens, network.pooling = texts_of(range(1, 50)), "first"
    try:
        packed = Packed(network, torch.float32).logits(tokens)
        assert np.abs(packed - outputs(network, tokens)).max() < 1e-5
    finally:
        network.pooling = "mean"
    assert np.abs(packed - outputs(network, tokens)).max() > 1e-3


def test_every_text_is_in_one_batch_that_it_fits(network):
    lengths = np.random.default_rng(3).integers(1, 64, 500)
    batches = Packed(network, torch.float32).batches(lengths)
    assert sorted(np.concatenate(batches)) == list(range(500))
    sizes = [lengths[batch].sum() for batch in batches]
    assert max(sizes) <= TOKENS
    assert min(sizes[:-1]) > TOKENS - 64  # but for the last, they are full


def test_texts_without_tokens_and_no_texts_at_all(network):
    packed = Packed(network, torch.float32)
    assert packed.logits(texts_of([])).shape == (0, 5)
    logits = packed.logits(Tokens([[], [3, 4], []], 0, 64, 0))
    assert np.isfinite(logits).all(1).tolist() == [False, True, False]


def test_bfloat16_is_near(network):
    if not has_fast_bf16(CPU):
        pytest.skip("this processor does not compute bfloat16")
    tokens = texts_of(range(1, 60))
    exact, near = outputs(network, tokens), Packed(network, torch.bfloat16).logits(tokens)
    assert 0 < np.abs(near - exact).max() < 0.05


def test_a_sum_within_a_product_has_the_bits_of_one_behind_it(network, monkeypatch):
    tokens, packed = texts_of(range(1, 60)), Packed(network, torch.float32)
    within = packed.logits(tokens)
    monkeypatch.setattr("annotune.network.packed._adds_within_products", lambda: not packed.adds)
    other = Packed(network, torch.float32)
    assert other.adds is not packed.adds
    assert np.array_equal(other.logits(tokens), within)


def test_gaps_behind_long_texts_are_counted_and_a_last_batch_in_part(network, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("annotune.network.packed.time.perf_counter", lambda: float(next(ticks)))
    tokens, fit = texts_of([60] * 100), TOKENS // 60  # a batch takes a second, as long as there are no more
    n_full, rest = divmod(100, fit)
    expected = (n_full + rest * 60 / TOKENS) / 100
    assert Packed(network, torch.float32).seconds_a_text(tokens) == pytest.approx(expected)


def test_other_networks_say_why_not(network, decoder):
    assert why_not_packed(network) is None
    assert why_not_packed(build(load_backbone(find_base(str(decoder("llama"))), CPU), 5)).startswith("Only encoders")
    network.backbone.config.hidden_act = "relu"
    try:
        assert why_not_packed(network).startswith("Only BERT")
    finally:
        network.backbone.config.hidden_act = "gelu"


def test_neighbours_are_read_and_the_vector_is_of_the_text_in_every_runtime(network):
    lengths = [n for n in range(3, 60) for _ in range(2)]
    plain = texts_of(lengths)
    marks = [bytes([0, *np.random.default_rng(n).integers(0, 2, n - 2), 0]) for n in lengths]
    tokens = Tokens(plain.ids, 0, 64, 0, None, marks)
    padded = outputs(network, tokens)
    assert np.abs(padded - outputs(network, plain)).max() > 1e-3
    assert np.abs(Packed(network, torch.float32).logits(tokens) - padded).max() < 1e-5
    assert np.abs(steady_logits(network, tokens) - padded).max() < 1e-5
    alone = np.concatenate([outputs(network, tokens.take(np.array([i]))) for i in range(len(tokens))])
    assert np.abs(alone - padded).max() < 1e-5
    with torch.inference_mode():  # by hand: the last states of the own tokens, averaged and of length one
        states = network.backbone(input_ids=torch.tensor([plain.ids[40]])).last_hidden_state[0]
        mean = states[torch.tensor(list(marks[40]), dtype=torch.bool)].mean(0)
        assert np.abs(network.head(mean / mean.norm()).numpy() - padded[40]).max() < 1e-5


def test_where_no_token_is_the_texts_own_all_are(network):
    plain = texts_of([5, 9])
    none = Tokens(plain.ids, 0, 64, 0, None, [bytes(5), bytes(9)])
    for logits in (outputs(network, none), Packed(network, torch.float32).logits(none)):
        assert np.abs(logits - outputs(network, plain)).max() < 1e-5
    both = none.joined(texts_of([7]))
    assert [both.own_of(i) for i in range(3)] == [bytes(5), bytes(9), b"\1" * 7]
