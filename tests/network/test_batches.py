"""Batches hold every text once, keep to their budget, and put no text's tokens into another's row."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.network.base import Base, load_tokenizer
from annotune.network.batches import Tokens, by_length, pad, tokenize

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=80).map(np.array)


@given(lengths, st.integers(16, 600), st.integers(1, 40), st.sampled_from([None, 1, 2]))
def test_every_text_is_in_one_batch_within_the_budget(sizes, max_tokens, max_texts, seed):
    batches = by_length(sizes, max_tokens, max_texts, None if seed is None else np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(len(sizes)))
    assert all(len(batch) <= max_texts for batch in batches)
    assert all(len(batch) == 1 or sizes[batch].max() * len(batch) <= max_tokens for batch in batches)


@given(lengths)
def test_a_batch_holds_neighbouring_lengths(sizes):
    batches = by_length(sizes, 600, 8)
    assert all(sizes[first].max() <= sizes[second].min() for first, second in pairwise(batches))


def test_the_seed_decides_order_and_composition():
    sizes = np.full(64, 10)
    draws = [[batch.tolist() for batch in by_length(sizes, 400, 8, np.random.default_rng(s))] for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    rng = np.random.default_rng(1)
    first, second = (by_length(sizes, 400, 8, rng) for _ in range(2))
    assert {frozenset(b.tolist()) for b in first} != {frozenset(b.tolist()) for b in second}


def test_no_text_no_batch():
    assert by_length(np.array([], dtype=int), 100, 10) == []


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=12), min_size=1, max_size=9))
def test_padding_leaves_each_text_in_its_row(ids):
    tokens = Tokens(ids, padding=0, limit=12, cut=0)
    batch = np.arange(len(ids))[::-1]
    padded, mask = pad(tokens, batch, torch.device("cpu"))
    assert padded.shape == mask.shape == (len(ids), max(map(len, ids)))
    for row, i in enumerate(batch):
        assert padded[row][mask[row].bool()].tolist() == ids[i]
        assert not padded[row][~mask[row].bool()].any()


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(Base(tiny_base, "tiny", "1"))


def test_long_texts_are_cut_and_counted(tokenizer):
    tokens = tokenize(tokenizer, ["court", "judge " * 50, "police " * 100_000], max_tokens=20)
    assert tokens.lengths.tolist() == [3, 20, 20]
    assert (tokens.cut, tokens.limit) == (2, 20)


def test_a_model_that_reads_less_than_asked_sets_the_limit(tokenizer):
    tokens = tokenize(tokenizer, ["judge " * 100], max_tokens=256)
    assert (tokens.lengths.tolist(), tokens.limit) == ([64], 64)


@pytest.mark.parametrize(
    "text", ["", "\x00", "🙂🙃", "ｆｕｌｌ", "\ud83d".encode("utf-8", "replace").decode(), "e\u0301" * 9]
)
def test_odd_texts_have_tokens(tokenizer, text):
    assert tokenize(tokenizer, [text], 32).lengths[0] >= 2


def test_nul_is_dropped(tokenizer):
    assert tokenize(tokenizer, ["co\x00urt"], 32).ids == tokenize(tokenizer, ["court"], 32).ids


def test_a_tokenizer_without_padding_is_refused(tiny_base):
    tokenizer = load_tokenizer(Base(tiny_base, "tiny", "1"))
    tokenizer.pad_token = None
    with pytest.raises(at.AnnotuneError, match="no padding token"):
        tokenize(tokenizer, ["court"], 32)
