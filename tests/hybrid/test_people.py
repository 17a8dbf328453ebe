"""Who codes what: everything by somebody, the agreed part by two, the work evenly, a random part blind."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotune.errors import AnnotuneError
from annotune.hybrid.people import Shares, assigned, require_people

ARM = {"blind": 1, "two": 2, "decoy": 3}


@given(st.integers(1, 60), st.integers(2, 5), st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_work_is_divided_evenly_and_the_shared_part_has_two_coders(n, n_coders, overlap, blind, seed):
    work = assigned(n, n_coders, overlap, Shares(blind), np.random.default_rng(seed))
    coders_of = Counter(work.text.tolist())
    assert len(coders_of) == n
    assert sum(times == 2 for times in coders_of.values()) == round(overlap * n)
    assert len(set(zip(work.text.tolist(), work.coder.tolist(), strict=True))) == len(work.text)
    load = np.bincount(work.coder, minlength=n_coders)
    assert load.max() - load.min() <= (1 if n_coders == 2 or round(overlap * n) == 0 else n_coders)
    for coder in range(n_coders):
        assert sorted(work.place[work.coder == coder]) == list(range(1, load[coder] + 1))
        hidden = int((work.arm[work.coder == coder] == ARM["blind"]).sum())
        assert hidden == min(load[coder], max(round(blind * load[coder]), 1 if blind else 0))


@given(st.integers(1, 200), st.tuples(*[st.floats(0, 1 / 3)] * 3), st.integers(0, 100))
def test_each_arm_has_its_share_of_every_coders_texts(n, shares, seed):
    work = assigned(n, 2, 0.0, Shares(*shares), np.random.default_rng(seed))
    for coder in range(2):
        arms = work.arm[work.coder == coder]
        left = len(arms)
        for name, share in zip(ARM, shares, strict=True):
            wanted = min(left, max(round(share * len(arms)), 1 if share else 0))
            assert (arms == ARM[name]).sum() == wanted
            left -= wanted


def test_the_blind_texts_are_the_same_whatever_other_arms_there_are():
    alone, beside = (
        assigned(60, 2, 0.2, shares, np.random.default_rng(7)) for shares in (Shares(0.2), Shares(0.2, 0.3, 0.1))
    )
    assert ((alone.arm == ARM["blind"]) == (beside.arm == ARM["blind"])).all()
    assert {0, 1, 2, 3} == set(beside.arm)


def test_shares_beyond_all_texts_are_refused():
    with pytest.raises(AnnotuneError, match=r"add up to 1\.2"):
        require_people(["anna"], 0.0, Shares(0.5, 0.5, 0.2))


def test_every_pair_of_coders_has_as_many_texts_in_common():
    work = assigned(30, 3, 1.0, Shares(), np.random.default_rng(1))
    pairs = Counter(tuple(sorted(work.coder[work.text == text])) for text in range(30))
    assert sorted(pairs.values()) == [10, 10, 10]


def test_orders_differ_between_coders_and_from_the_draw():
    work = assigned(50, 2, 1.0, Shares(), np.random.default_rng(1))
    first, second = work.text[work.coder == 0], work.text[work.coder == 1]
    assert (first != second).any()
    assert (first != np.sort(first)).any()


@pytest.mark.parametrize(
    ("coders", "overlap", "blind", "complaint"),
    [
        (["anna", "Anna"], 0.0, 0.0, "two coders are called 'Anna'"),
        (["anna", "anna"], 0.0, 0.0, "two coders are called 'anna'"),
        (["../anna"], 0.0, 0.0, "cannot be named after"),
        ([""], 0.0, 0.0, "cannot be named after"),
        (["anna"], 0.2, 0.0, "overlap= needs two coders"),
        (["anna", "ben"], 1.2, 0.0, "overlap=1.2 is no share"),
        (["anna", "ben"], 0.0, -0.1, "blind=-0.1 is no share"),
        ([], 0.0, 0.1, "blind= needs coders"),
    ],
)
def test_people_who_cannot_be_are_refused(coders, overlap, blind, complaint):
    with pytest.raises(AnnotuneError, match=complaint):
        require_people(coders, overlap, Shares(blind))
