"""Whole numbers of 8 bits in place of others: near, the same in any company, refused where nothing computes them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.network.conftest import texts_of
from torch import nn

import annotune as at
from annotune.network import machine, packed_int8
from annotune.network.encoder import outputs
from annotune.network.machine import has_fast_int8
from annotune.network.packed import TOKENS, Packed
from annotune.network.packed_int8 import PackedInt8, Product, ranges_of
from annotune.runtimes.engines import RUNTIMES, engine, require_steady, runtimes_here

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def packed(network):
    if RUNTIMES["packed-int8"].why_not(network):
        pytest.skip("this processor does not compute in whole numbers of 8 bits")
    return PackedInt8(network)


@settings(max_examples=10)
@given(order=st.permutations(range(90)), n=st.integers(1, 90))
def test_a_text_has_its_numbers_to_the_last_bit_in_any_company(packed, order, n):
    tokens = texts_of([1 + i % 64 for i in range(90)])
    assert len(packed.batches(tokens.lengths)) > 1
    some = np.array(order[:n])
    assert np.array_equal(packed.logits(tokens.take(some)), packed.logits(tokens)[some])


def test_steps_follow_from_the_network_alone(network, packed):
    tokens = texts_of(range(1, 60))
    ranges = ranges_of(network)
    packed_int8._RANGES.clear()
    assert np.array_equal(PackedInt8(network).logits(tokens), packed.logits(tokens))
    assert ranges_of(network) is not ranges
    assert torch.equal(ranges_of(network), ranges)
    require_steady("packed-int8", engine("packed-int8", network), tokens)


def test_numbers_are_near_those_of_32_bits_and_not_those_of_others(network, packed):
    tokens = texts_of(range(1, 60))
    exact, near = outputs(network, tokens), packed.logits(tokens)
    assert 0 < np.abs(near - exact).max() < 0.05
    assert not np.array_equal(near, Packed(network, packed.dtype).logits(tokens))


def mean_error(states, linear):
    """The error of the product in whole numbers, root of its mean square."""
    with torch.inference_mode():
        near = Product(torch.stack(states.aminmax(dim=0)), linear)(states, torch.float32)
        return float((near - linear(states)).square().mean().sqrt())


@pytest.fixture
def states(packed):
    torch.manual_seed(3)
    return torch.randn(TOKENS, 96)


def test_an_input_that_ranges_far_costs_the_others_little(states, monkeypatch):
    linear = nn.Linear(96, 64)
    usual = mean_error(states, linear)
    states[:, 7] *= 40
    error = mean_error(states, linear)
    monkeypatch.setattr(packed_int8, "INTO_WEIGHTS", 0.0)
    assert usual < 0.01
    assert error < 10 * usual
    assert mean_error(states, linear) > 2 * error


def test_inputs_far_from_zero_have_steps_where_they_are(states):
    linear = nn.Linear(96, 64)
    assert mean_error(states + 50, linear) == pytest.approx(mean_error(states, linear), rel=0.05)


def test_numbers_beyond_a_range_that_was_seen_end_at_it(states):
    product = Product(torch.tensor([[-1.0], [1.0]]).expand(2, 96).contiguous(), nn.Linear(96, 64))
    with torch.inference_mode():
        assert torch.equal(product(states + 9, torch.float32), product(states + 99, torch.float32))


def test_a_processor_without_it_says_so(network, monkeypatch):
    for name in ("_is_vnni_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not has_fast_int8(CPU)
    assert "packed-int8" not in runtimes_here(network)
    with pytest.raises(at.AnnotuneError, match=r"no instructions for whole numbers of 8 bits \(VNNI\)") as error:
        engine("packed-int8", network)
    assert "go on on a machine that has it" in str(error.value)


def test_a_gpu_does_not_compute_so():
    assert not machine.has_fast_int8(torch.device("meta"))
