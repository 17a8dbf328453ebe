"""What is shown beside a text: drawn at random, the same whenever it is asked for, kept, and never by whom."""

import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.arms import choose, generator
from annotune.hybrid.page.work import LAG
from annotune.hybrid.store import open_store

N = 60


@pytest.fixture
def corpus():
    return read_corpus(pl.DataFrame({"unit_id": [f"u{i}" for i in range(N)], "text": [f"Text {i}" for i in range(N)]}))


@pytest.fixture
def anna(path, corpus, topics, opened):
    """Anna, with a quarter of her texts in each arm, for which two models proposed a topic and one marks."""
    shares = {"blind": 0.25, "two": 0.25, "decoy": 0.25}
    at.sample(corpus, N, store=path, coders=["anna"], codebook=topics, **shares)
    propose(path, "gpt", {f"u{i}": "Health" for i in range(N)})
    propose(path, "llama", {f"u{i}": "Law" for i in range(N)})
    propose(path, "gpt", {f"u{i}": ["elite", "people"] for i in range(N)}, "marks")
    return opened(coders=())["anna"]


def arms_of(path):
    return dict(at.read_draws(path, of="people").select("unit_id", "arm").iter_rows())


def seen(anna):
    return {item["unit_id"]: item for item in (anna.item(place) for place in range(1, N + 1))}


def test_each_arm_shows_what_it_is_to_show(anna, path):
    arms, items = arms_of(path), seen(anna)
    assert Counter(arms.values()) == {"open": 15, "blind": 15, "two": 15, "decoy": 15}
    labels = {arm: [] for arm in set(arms.values())}
    for unit, item in items.items():
        proposals = item["proposals"].get("topic", [])
        assert [proposal["id"] for proposal in proposals] == list(range(len(proposals)))
        labels[arms[unit]].append(tuple(proposal["labels"][0] for proposal in proposals))
    assert set(labels["blind"]) == {()}
    assert set(labels["open"]) == {("Health",), ("Law",)}
    assert set(labels["two"]) == {("Health", "Law"), ("Law", "Health")}
    assert set(labels["decoy"]) == {("Trade",)}  # the label that no model proposed
    marks = {tuple(item["proposals"]["marks"][0]["labels"]) for unit, item in items.items() if arms[unit] == "decoy"}
    assert marks == {("left", "people"), ("elite", "left")}


def test_nothing_says_who_proposed_or_which_arm_it_is(anna):
    for item in seen(anna).values():
        assert not set(item) & {"arm", "coder"}
        assert not {"gpt", "llama", "decoy", "blind"} & set(json.dumps(item).replace('"', " ").split())
        for proposals in item["proposals"].values():
            assert all(set(proposal) == {"id", "labels", "status"} for proposal in proposals)


def test_what_was_shown_stays_also_when_more_is_proposed(anna, path):
    before = seen(anna)
    propose(path, "claude", {f"u{i}": "Trade" for i in range(N)})
    assert {unit: item["proposals"] for unit, item in seen(anna).items()} == {
        unit: item["proposals"] for unit, item in before.items()
    }


def test_another_store_of_the_same_seed_shows_the_same(anna, path, corpus, topics, tmp_path, opened):
    first = {unit: item["proposals"] for unit, item in seen(anna).items()}
    with open_store(path) as store, store.change() as connection:
        connection.execute("DELETE FROM shown")
    assert {unit: item["proposals"] for unit, item in seen(anna).items()} == first


def test_decisions_have_the_arm_and_what_was_shown_with_who_proposed_it(anna, path):
    arms = arms_of(path)
    for unit in seen(anna):
        anna.say(unit, "Law")
    query = "SELECT unit_id, arm, proposals FROM decisions WHERE variable = 'topic' ORDER BY id"
    with open_store(path) as store:
        rows = store.rows(query)
    for unit, arm, shown in rows:
        assert arm == arms[unit]
        coders = [proposal["coder"] for proposal in json.loads(shown)]
        assert {"open": len(coders) == 1, "blind": not coders, "two": set(coders) == {"gpt", "llama"},
                "decoy": coders == [None]}[arm]  # fmt: skip
        assert [proposal["decoy"] for proposal in json.loads(shown)] == [arm == "decoy"] * len(coders)


def test_a_decoy_is_coded_again_without_it_and_not_at_once(anna, path):
    arms = arms_of(path)
    first = next(item for item in anna.get("list").json()["items"] if arms[item["unit_id"]] == "decoy")
    unit, place = first["unit_id"], first["place"]
    anna.item(place)
    anna.say(unit, "Trade")
    others = [other for other in seen(anna) if arms[other] != "decoy"][:LAG]
    for other in others[:-1]:
        anna.say(other)
        assert anna.item(place)["state"] == "done"
    anna.say(others[-1])
    again = anna.item()
    assert (again["unit_id"], again["state"], again["again"]) == (unit, "again", {"why": "second"})
    assert (again["answers"], again["proposals"]) == ({}, {})  # neither is a proposal
    anna.say(unit, "Law")
    assert anna.item(place)["state"] == "done"
    assert anna.item(place)["proposals"] == {}
    query = "SELECT labels, arm, proposals <> '[]' FROM decisions WHERE unit_id = ? AND variable = 'topic' ORDER BY id"
    with open_store(path) as store:
        assert store.rows(query, [unit]) == [('["Trade"]', "decoy", 1), ('["Law"]', "blind", 0)]
    anna.undo()
    assert anna.item(place)["state"] == "again"
    with open_store(path) as store:
        people = "SELECT label, arm FROM people WHERE unit_id = ? AND variable = 'topic'"
        assert store.rows(people, [unit]) == [("Trade", "decoy")]


def test_the_last_texts_are_decoys_of_which_the_second_look_still_comes(anna, path):
    for item in seen(anna).values():
        anna.say(item["unit_id"])
    left = [item for item in anna.get("list").json()["items"] if item["state"] == "again"]
    assert len(left) == 15
    for _ in left:
        anna.say(anna.item()["unit_id"])
    assert anna.item()["finished"]


def test_without_proposals_every_arm_is_empty_and_nothing_is_looked_at_twice(path, corpus, topics, opened):
    at.sample(corpus, 20, store=path, coders=["anna"], codebook=topics, decoy=1.0)
    anna = opened(coders=())["anna"]
    for place in range(1, 21):
        assert anna.item(place)["proposals"] == {}
        anna.say(anna.item(place)["unit_id"])
    assert anna.item()["finished"]


def proposal(*labels):
    return {"coder": "gpt", "labels": list(labels), "status": "ok" if labels else "none", "decoy": False}


def test_decoys_are_plausible_frequent_labels_neighbours_on_a_scale_and_siblings():
    def share(entry, of, frequent, n=2000):
        drawn = [choose("decoy", [of], entry, frequent, generator(1, i))[0]["labels"] for i in range(n)]
        return {labels[0]: count / n for labels, count in Counter(map(tuple, drawn)).items()}

    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate("abcde"))
    nominal = at.Variable(name="v", labels=labels)
    frequent = share(nominal, proposal("a"), {"b": 97})
    assert set(frequent) == set("bcde")
    assert frequent["b"] == pytest.approx(98 / 101, abs=0.02)
    scale = share(at.Variable(name="v", kind="ordinal", labels=labels), proposal("c"), {})
    weights = np.array([0.04, 0.2, 0.2, 0.04]) / 0.48
    assert [scale.get(name, 0) for name in "abde"] == pytest.approx(weights.tolist(), abs=0.03)
    nested = [at.Label(code=10, name="p"), *(at.Label(code=i, name=n, parent=10) for i, n in enumerate("ab"))]
    tree = at.Variable(name="v", labels=(*nested, at.Label(code=11, name="z")))
    assert share(tree, proposal("a"), {})["b"] == pytest.approx(5 / 7, abs=0.03)
    assert choose("decoy", [proposal(*"abcde")], nominal, {}, generator(1)) == []  # there is no other label
    assert choose("decoy", [proposal()], nominal, {}, generator(1))[0]["labels"][0] in "abcde"
