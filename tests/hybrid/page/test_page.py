"""What the page's addresses answer: texts in order, answers once, undo of any depth, differences, and who may."""

import json

import polars as pl
import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.summary import agreement_by_version
from annotune.hybrid.page.texts import Columns
from annotune.hybrid.store import open_store


def decisions(path):
    with open_store(path) as store:
        return store.table("SELECT unit_id, variable, coder, labels, status, wave, arm, codebook FROM decisions")


def test_what_is_coded_is_said_with_definitions_and_codes(people):
    study = people["anna"].get("study").json()
    assert (study["name"], study["coder"], study["role"], study["version"]) == ("A study", "anna", "coder", 1)
    topic, marks = study["variables"]
    assert (topic["kind"], marks["kind"]) == ("nominal", "multilabel")
    health = {"code": 1, "name": "Health", "definition": "Hospitals.", "examples": [], "parent": None}
    assert topic["labels"][0] == health
    assert people["cara"].get("study").json()["role"] == "adjudicator"


def test_texts_come_one_after_the_other_and_are_done_when_all_is_answered(people, path):
    anna, seen = people["anna"], []
    for place in range(1, 13):
        item = anna.item()
        assert (item["place"], item["of"], item["answers"], item["proposals"]) == (place, 12, {}, {})
        seen.append(item["unit_id"])
        half = anna.send(item["unit_id"], {"topic": {"labels": ["Law"]}})
        assert half.json()["progress"]["done"] == place - 1
        assert anna.item()["place"] == place
        full = anna.send(item["unit_id"], {"marks": {"labels": [], "status": "none"}}).json()
        assert full["saved"]
        assert full["progress"]["done"] == place
    assert sorted(seen) == sorted(f"u{i}" for i in range(12))
    assert anna.item()["finished"]
    assert people["ben"].item()["place"] == 1
    codings = at.read_codings(path)
    assert codings.filter(variable="topic")["label"].to_list() == ["Law"] * 12
    assert codings.filter(variable="marks")["status"].to_list() == ["none"] * 12


def test_an_answer_that_is_sent_twice_is_one(people, path):
    anna = people["anna"]
    assert anna.say("u1", key="the-same-key").status_code == 200
    rows = decisions(path)
    assert anna.say("u1", key="the-same-key", seconds=9).json()["saved"]
    assert decisions(path).equals(rows)
    other = anna.say("u1", "Health", key="the-same-key")
    assert other.status_code == 400
    assert "same key" in other.json()["error"]
    assert people["ben"].say("u1", key="the-same-key").status_code == 200  # keys are each coder's own


def test_undo_goes_back_step_by_step_to_what_was_before(people, path):
    anna = people["anna"]
    anna.say("u1", "Law")
    anna.say("u2", "Law")
    anna.say("u1", "Health")
    place = {item["unit_id"]: item["place"] for item in anna.get("list").json()["items"]}
    assert anna.undo("undo-key-1").json()["unit_id"] == "u1"
    assert anna.item(place["u1"])["answers"]["topic"]["labels"] == ["Law"]
    assert anna.undo("undo-key-1").json()["unit_id"] == "u1"  # the same undo, sent again
    assert anna.undo().json()["unit_id"] == "u2"
    assert anna.item(place["u2"])["answers"] == {}
    assert anna.undo().json()["unit_id"] == "u1"
    assert anna.undo().json()["unit_id"] is None
    assert anna.item()["place"] == 1
    assert len(decisions(path)) == 6 + 2 + 2 + 2 + 2  # every step is kept: what was said, taken back, said again
    assert decisions(path).filter(pl.col("status") == "withdrawn").height == 6


def test_undo_leaves_what_was_changed_elsewhere_since(people, path, topics):
    people["anna"].say("u1", "Law")
    sheet = pl.DataFrame({"unit_id": ["u1"], "coder": ["anna"], "topic": ["Trade"]})
    at.record(path, at.read_codings(sheet, topics))
    people["anna"].undo()
    assert at.read_codings(path).select("variable", "label").rows() == [("topic", "Trade")]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"topic": {"labels": ["Sports"]}}, "no label 'Sports'"),
        ({"topic": {"labels": ["Law", "Health"]}}, "has 2 labels"),
        ({"topic": {"labels": []}}, "has 0 labels"),
        ({"topic": {"labels": ["Law"], "status": "none"}}, "says that there is none"),
        ({"marks": {"labels": ["elite", "elite"]}}, "is there twice"),
        ({"mood": {"labels": ["Law"]}}, "no variable 'mood'"),
        ({}, "answers"),
        ({"topic": {"labels": ["Law"], "status": "withdrawn"}}, "status"),
        ({"topic": {"labels": ["Law"], "arm": "blind"}}, "arm"),
        ({"topic": {"labels": ["Law"], "note": "x" * 4001}}, "note"),
        ({"topic": {"labels": ["Law"], "note": "\ud800"}}, "note"),
        ({"topic": {"labels": ["Law"], "unsure": "yes"}}, "unsure"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_in_a_sentence(people, path, answer, complaint):
    refusal = people["anna"].send("u1", answer)
    assert refusal.status_code in (400, 422)
    assert complaint in refusal.json()["error"]
    assert refusal.json()["advice"]
    assert decisions(path).is_empty()


@pytest.mark.parametrize(
    "change", [{"key": "short"}, {"key": "../../etc/passwd"}, {"version": 7}, {"seconds": -1}, {"seconds": "soon"}]
)
def test_what_comes_with_an_answer_is_held_to_its_kind(people, path, change):
    sent = {"key": "a-good-key", "unit_id": "u1", "version": 1, "seconds": 1, "answers": {"topic": {"labels": ["Law"]}}}
    assert people["anna"].post("answer", **{**sent, **change}).status_code in (400, 422)
    assert decisions(path).is_empty()


def test_nobody_answers_for_texts_of_others_or_none(path, corpus, topics, opened):
    at.sample(corpus, 10, store=path, coders=["anna", "ben"], codebook=topics)
    people = opened(coders=())
    mine = {item["unit_id"] for item in people["anna"].get("list").json()["items"]}
    other = next(iter({item["unit_id"] for item in people["ben"].get("list").json()["items"]} - mine))
    assert len(mine) == 5
    assert people["anna"].say(other).status_code == 404
    assert people["anna"].say("u99").status_code == 404
    assert people["anna"].get("item", place=6).status_code == 404
    for place in ("0", "-1", "x", "9" * 50, "٣"):
        assert people["anna"].get("item", place=place).status_code == 404


def test_unsure_notes_and_seconds_are_kept(people, path):
    anna = people["anna"]
    anna.say("u1", "Law", unsure=True, note="שלום\0\n🙂", seconds=12.5)
    with open_store(path) as store:
        row = store.rows("SELECT unsure, note, seconds FROM decisions WHERE variable = 'topic'")[0]
    assert row == (1, "שלום\n🙂", 12.5)
    (item,) = [part for part in anna.get("list").json()["items"] if part["unit_id"] == "u1"]
    assert item["unsure"]
    assert anna.item(item["place"])["answers"]["topic"]["note"] == "שלום\n🙂"


def test_the_time_that_is_left_goes_by_the_median_of_what_was_not_undone(people):
    anna = people["anna"]
    for unit, seconds in (("u0", 2), ("u1", 10), ("u2", 6)):
        far = anna.say(unit, seconds=seconds).json()["progress"]
    assert far == {"done": 3, "of": 12, "seconds_each": 6.0, "seconds_left": 54}
    anna.undo()
    assert anna.undo().json()["progress"] == {"done": 1, "of": 12, "seconds_each": 2.0, "seconds_left": 22}


def test_what_was_left_out_is_skipped_and_comes_last(people):
    anna = people["anna"]
    order = [item["unit_id"] for item in anna.get("list").json()["items"]]
    anna.say(order[3])
    states = [item["state"] for item in anna.get("list").json()["items"]]
    assert states == ["skipped"] * 3 + ["done"] + ["open"] * 8
    assert anna.item()["place"] == 5


def test_the_adjudicator_sees_where_coders_differ_and_decides_like_any_coder(people, path, topics):
    anna, ben, cara = (people[name] for name in ("anna", "ben", "cara"))
    for unit, first, second in (("u1", "Law", "Law"), ("u2", "Law", "Trade"), ("u3", None, "Health")):
        anna.say(unit, first)
        ben.say(unit, second, note="because")
    anna.send("u4", {"topic": {"labels": [], "status": "missing"}})
    ben.send("u4", {"topic": {"labels": ["Law"]}})
    told = cara.get("differences").json()
    assert (told["of"], told["done"]) == (2, 0)
    assert [(item["unit_id"], item["variable"], item["text"]) for item in told["items"]] == [
        ("u2", "topic", "Text 2"), ("u3", "topic", "Text 3"),
    ]  # fmt: skip
    said = [(part["coder"], part["labels"], part["note"]) for part in told["items"][0]["codings"]]
    assert said == [("anna", ["Law"], ""), ("ben", ["Trade"], "because")]
    assert cara.send("u2", {"topic": {"labels": ["Trade"]}}).json()["progress"]["done"] == 1
    told = cara.get("differences").json()
    assert (told["done"], told["items"][0]["answer"]["labels"]) == (1, ["Trade"])
    assert cara.item()["unit_id"] == "u3"
    assert cara.send("u1", {"topic": {"labels": ["Law"]}}).status_code == 404
    gold = at.resolve(at.read_codings(path, topics), "adjudicated", coder="cara", codebook=topics)
    assert gold.filter(unit_id="u2", variable="topic")["label"].to_list() == ["Trade"]
    assert anna.get("differences").status_code == 403
    assert cara.undo().json()["unit_id"] == "u2"


def test_a_set_of_labels_is_no_text_that_was_coded_twice(people, path, topics):
    people["anna"].say("u1", marks=("elite", topics.variable("marks").names[1]))
    with pytest.warns(at.AnnotuneWarning, match=r"sets of labels, such as that of 'anna' to the text 'u1'; give the"):
        at.read_codings(path)
    assert len(at.read_codings(path, topics).filter(variable="marks")) == 2


def test_agreement_is_that_of_people_who_decided_by_themselves(people, path, topics):
    for i in range(8):
        people["anna"].say(f"u{i}", "Law")
        people["ben"].say(f"u{i}", "Law" if i < 4 else "Trade")
    with open_store(path) as store:
        before = agreement_by_version(store)
    alone = at.reliability(at.read_codings(path, topics), "topic", topics, metrics=["percent"])
    assert alone["estimate"].to_list() == [0.5]
    for i in range(4, 8):
        people["cara"].send(f"u{i}", {"topic": {"labels": ["Law"]}})
    propose(path, "gpt", {f"u{i}": "Law" for i in range(12)})
    propose(path, "other", {f"u{i}": "Law" for i in range(12)})
    codings = at.read_codings(path, topics)
    assert codings.filter(kind="adjudicator")["coder"].unique().to_list() == ["cara"]
    with pytest.warns(at.AnnotuneWarning, match=r"28 answers by 'gpt', 'other', 'cara'.*left out"):
        assert at.reliability(codings, "topic", topics, metrics=["percent"]).equals(alone)
    with pytest.warns(at.AnnotuneWarning, match="16 answers by 'other', 'cara'"):
        compared = at.compare_reliability(codings, "gpt", "topic", topics, metrics=["percent"])
    assert compared["estimate"].to_list() == [0.5, 0.75, 0.25]
    pairs = at.pairwise_reliability(codings, "topic", topics, metrics=["percent"])
    assert {*pairs["coder_a"], *pairs["coder_b"]} == {"anna", "ben", "cara", "gpt", "other"}
    with open_store(path) as store:
        assert agreement_by_version(store).equals(before)


def test_the_text_comes_with_what_stands_around_it(opened):
    frame = pl.DataFrame(
        {
            "unit_id": ["a", "b", "c", "d"],
            "text": ["First.", "<script>alert(1)</script>", "שלום עולם", "Fourth."],
            "speech": ["x", "x", "x", "y"],
            "earlier": [None, "Before.", "", None],
            "said": ["", "alert", "עולם", "absent"],
            "party": ["A", None, "B", "C"],
        }
    )
    columns = Columns(show=("party",), before="earlier", document="speech", mark="said")
    anna = opened(["anna"], columns=columns, texts=read_corpus(frame))["anna"]
    items = {anna.item(place)["unit_id"]: anna.item(place) for place in range(1, 5)}
    assert items["b"]["text"] == "<script>alert(1)</script>"  # as it is: the page shows it as a text
    assert items["b"]["mark"] == [8, 13]
    assert items["b"]["before"] == [{"text": "First."}, {"text": "Before."}]
    assert items["b"]["after"] == [{"text": "שלום עולם"}]
    assert (items["c"]["dir"], items["c"]["mark"]) == ("rtl", [5, 9])
    assert (items["d"]["before"], items["d"]["mark"], items["d"]["shown"]) == ([], None, {"party": "C"})
    assert items["b"]["shown"] == {"party": ""}


def test_pauses_are_kept(people, path):
    for paused in (True, False):
        assert people["anna"].post("pause", paused=paused).json() == {"saved": True}
    with open_store(path) as store:
        assert store.rows("SELECT coder, paused FROM breaks") == [("anna", 1), ("anna", 0)]


def test_answers_are_json_that_holds_no_name_of_a_model(people):
    answer = people["anna"].get("item")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["unit_id"]
