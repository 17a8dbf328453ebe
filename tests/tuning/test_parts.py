"""Parts never overlap, keep together what belongs together, and spread the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.tuning.parts import Cases

shares = st.floats(0.05, 0.9)


@st.composite
def cases(draw, fewest=2):
    n = draw(st.integers(max(fewest, 4), 80))
    strata = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    groups = np.array(draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)))
    groups[:fewest] = np.arange(100, 100 + fewest)  # at least so many different ones
    return Cases(strata, groups, large=draw(st.booleans()), seed=draw(st.integers(0, 5)))


@given(cases(), shares)
def test_two_parts_are_disjoint_complete_and_keep_groups_whole(found, share):
    everything = np.arange(len(found.strata))
    rest, held = found.hold_out(everything, share)
    assert sorted([*rest, *held]) == everything.tolist()
    assert len(rest) > 0
    assert not set(found.groups[rest]) & set(found.groups[held])


@given(cases(), shares)
def test_a_part_of_a_part_stays_within_it(found, share):
    places = np.arange(0, len(found.strata), 2)
    found = Cases(found.strata, np.arange(len(found.strata)), False, found.seed)
    rest, held = found.hold_out(places, share)
    assert sorted([*rest, *held]) == places.tolist()


@given(cases(fewest=3), st.integers(2, 3))
def test_folds_hold_every_case_once_and_keep_groups_whole(found, k):
    folds = found.folds(k)
    assert len(folds) == k
    assert sorted(np.concatenate([fold for _, fold in folds])) == list(range(len(found.strata)))
    for rest, fold in folds:
        assert len(rest) + len(fold) == len(found.strata)
        assert len(fold) > 0
        assert not set(found.groups[rest]) & set(found.groups[fold])


def test_every_stratum_gives_its_share():
    strata = np.repeat([0, 1, 2], [700, 200, 100])
    _, held = Cases(strata, np.arange(1000)).hold_out(np.arange(1000), 0.2)
    assert np.bincount(strata[held]).tolist() == [140, 40, 20]
    for _, fold in Cases(strata, np.arange(1000)).folds(5):
        assert np.bincount(strata[fold]).tolist() == [140, 40, 20]


def test_many_small_strata_still_give_the_share_and_keep_one_each():
    strata = np.repeat(np.arange(50), 2)
    rest, held = Cases(strata, np.arange(100)).hold_out(np.arange(100), 0.15)
    assert len(held) == 15
    assert len(np.unique(strata[rest])) == 50


def test_large_groups_come_close_to_the_share():
    groups = np.repeat(np.arange(20), np.random.default_rng(1).integers(20, 80, 20))
    found = Cases(np.zeros(len(groups), dtype=int), groups, large=True)
    _, held = found.hold_out(np.arange(len(groups)), 0.2)
    assert 0.15 < len(held) / len(groups) < 0.25
    sizes = [len(fold) for _, fold in found.folds(4)]
    assert max(sizes) - min(sizes) < 80


def test_the_seed_decides():
    strata = np.repeat([0, 1], 50)
    held = [Cases(strata, np.arange(100), seed=seed).hold_out(np.arange(100), 0.2)[1].tolist() for seed in (1, 1, 2)]
    assert held[0] == held[1] != held[2]


def test_one_group_cannot_be_split():
    with pytest.raises(at.AnnotuneError, match="in one group"):
        Cases(np.array([0, 1]), np.array([1, 1]), large=True).hold_out(np.arange(2), 0.5)


@pytest.mark.parametrize("k", [1, 0, 4])
def test_impossible_numbers_of_folds_are_refused(k):
    with pytest.raises(at.AnnotuneError, match=f"3 different texts cannot be put into {k} folds"):
        Cases(np.array([0, 1, 0, 1]), np.array([1, 1, 2, 3])).folds(k)
