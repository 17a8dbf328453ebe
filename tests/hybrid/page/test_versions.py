"""A definition that is sharpened while people code: a version with who and why, and the texts that it concerns."""

import polars as pl
import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.summary import agreement_by_version, people_of
from annotune.hybrid.page.versions import bring_in, changes, latest, of_version
from annotune.hybrid.store import open_store


def sharpen(coder, **more):
    words = {"variable": "topic", "label": "Health", "definition": "Hospitals and doctors.", "reason": "Too wide."}
    return coder.post("definition", **{**words, **more})


def states(coder):
    return {item["unit_id"]: item["state"] for item in coder.get("list").json()["items"]}


def test_a_new_version_says_who_and_why_and_texts_that_it_concerns_come_up_again(people, path):
    anna, ben = people["anna"], people["ben"]
    propose(path, "gpt", {"u5": "Health"})
    anna.say("u1", "Health")
    anna.say("u2", "Law")  # ben says Health of it
    anna.say("u3", "Law")
    anna.say("u4", "Trade", unsure=True)
    anna.say("u5", "Law")
    anna.say("u6", None)
    ben.say("u2", "Health")
    assert sharpen(anna).json() == {"version": 2, "again": 5}
    assert {unit for unit, state in states(anna).items() if state == "again"} == {"u1", "u2", "u4", "u5", "u6"}
    assert {unit for unit, state in states(ben).items() if state == "again"} == {"u2"}
    study = ben.get("study").json()
    assert (study["version"], study["variables"][0]["labels"][0]["definition"]) == (2, "Hospitals and doctors.")
    item = ben.item()
    assert (item["unit_id"], item["version"], item["answers"]["topic"]["labels"]) == ("u2", 2, ["Health"])
    assert item["again"] == {
        "why": "definition", "variable": "topic", "label": "Health", "was": "Hospitals.",
        "reason": "Too wide.", "by": "anna",
    }  # fmt: skip
    with open_store(path) as store:
        assert store.rows("SELECT version, author, reason FROM codebooks") == [
            (1, "", "brought in from a file"), (2, "anna", "Too wide."),
        ]  # fmt: skip
    ben.say("u2", "Law", version=2)
    assert states(ben)["u2"] == "done"
    ben.undo()
    assert states(ben)["u2"] == "again"


def test_the_answer_of_a_page_that_has_not_heard_yet_is_kept_and_comes_up_again(people, path):
    sharpen(people["ben"])
    assert people["anna"].say("u1", "Health", version=1).json()["version"] == 2
    people["anna"].say("u2", "Law", version=1)
    assert {unit: state for unit, state in states(people["anna"]).items() if unit in ("u1", "u2")} == {
        "u1": "again", "u2": "done",
    }  # fmt: skip
    with open_store(path) as store:
        assert store.rows("SELECT DISTINCT codebook FROM decisions") == [(1,)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"reason": " "}, 422), ({"label": "Sports"}, 400), ({"variable": "mood"}, 400),
        ({"definition": "x" * 8001}, 422), ({"author": "ben"}, 422),
    ],
)  # fmt: skip
def test_definitions_without_a_reason_or_of_nothing_are_refused(people, change, status):
    refusal = sharpen(people["anna"], **change)
    assert (refusal.status_code, bool(refusal.json()["error"])) == (status, True)
    assert people["anna"].get("study").json()["version"] == 1


def test_a_file_that_is_put_back_as_it_was_counts_again(people, path, topics):
    entry = topics.variable("topic")
    fewer = entry.model_copy(update={"labels": entry.labels[1:]})
    parts = tuple(fewer if part.name == "topic" else part for part in topics.variables)
    with open_store(path) as store:
        assert bring_in(store, topics.model_copy(update={"variables": parts})) == 2
        assert bring_in(store, topics) == 3
    assert sharpen(people["anna"]).json()["version"] == 4
    with open_store(path) as store:
        assert bring_in(store, topics) == 4  # what coders made of it stays
        assert latest(store)[1].variable("topic").names == entry.names


def test_the_same_definition_is_no_new_version(people):
    assert sharpen(people["anna"], definition=" Hospitals. ").json() == {"version": 1, "again": 0}


def test_a_codebook_from_a_file_does_not_undo_what_coders_sharpened(people, path, corpus, topics):
    sharpen(people["anna"])
    with open_store(path) as store:
        assert bring_in(store, topics) == 2
        assert latest(store)[1].variable("topic").labels[0].definition == "Hospitals and doctors."


def test_a_codebook_that_was_changed_in_its_file_is_a_version_and_concerns_texts(people, path, corpus, topics):
    people["anna"].say("u1", "Trade")
    people["anna"].say("u2", "Law")
    topic, marks = topics.variables
    labels = tuple(label.model_copy(update={"definition": label.name}) for label in topic.labels[2:])
    changed = topics.model_copy(
        update={"variables": (topic.model_copy(update={"labels": (*topic.labels[:2], *labels)}), marks)}
    )
    with open_store(path) as store:
        prepared(store, corpus, changed, ["anna"], None, 1)
        assert latest(store)[0] == 2
        assert changes(of_version(store, 1), of_version(store, 2)) == [("topic", "Trade")]
    assert {unit for unit, state in states(people["anna"]).items() if state == "again"} == {"u1"}


def test_agreement_is_told_under_each_version(people, path):
    anna, ben = people["anna"], people["ben"]
    for number, (first, second) in enumerate([("Law", "Health"), ("Health", "Law"), ("Law", "Law"), ("Health", "Law")]):
        anna.say(f"u{number}", first)
        ben.say(f"u{number}", second)
    sharpen(anna)
    for number, label in enumerate(["Law", "Health", "Law", "Health"]):
        for coder in (anna, ben):
            coder.say(f"u{number}", label, version=2)
    with open_store(path) as store:
        table = agreement_by_version(store)
        people_table = people_of(store, latest(store)[1])
    topic = table.filter(variable="topic")
    assert topic.select("version", "author", "units").rows() == [(1, "", 4), (2, "anna", 4)]
    assert topic["alpha"][1] == 1.0
    pairs = [("Law", "Health"), ("Health", "Law"), ("Law", "Law"), ("Health", "Law")]
    wide = pl.DataFrame({"unit_id": [0, 1, 2, 3], "a": [p[0] for p in pairs], "b": [p[1] for p in pairs]})
    expected = at.reliability(at.read_codings(wide, variable="topic"), metrics="alpha", ci="analytic")
    assert topic["alpha"][0] == pytest.approx(expected["estimate"][0])
    assert people_table.select("coder", "texts", "coded", "again", "seconds").rows() == [
        ("anna", 12, 4, 0, 4.0), ("ben", 12, 4, 0, 4.0),
    ]  # fmt: skip


def test_a_model_that_is_asked_of_one_variable_leaves_the_page_all_of_them(path, corpus, topics, people, tmp_path):
    words = tmp_path / "words.csv"
    words.write_text("variable,label,words\ntopic,Law,text\n")
    at.propose(corpus, topics, words, store=path, variable="topic")
    anna = people["anna"]
    study = anna.get("study").json()
    assert (study["version"], [entry["name"] for entry in study["variables"]]) == (1, ["topic", "marks"])
    assert study["name"] == "A study"


def test_a_codebook_that_comes_with_a_further_draw_brings_up_what_it_concerns(path, corpus, topics, opened):
    at.sample(corpus, 4, store=path, coders=["anna"], codebook=topics)
    anna = opened(["anna"])["anna"]
    for unit in (item["unit_id"] for item in anna.get("list").json()["items"]):
        assert anna.say(unit).status_code == 200
    labels = tuple(
        label.model_copy(update={"definition": "Courts."}) if label.name == "Law" else label
        for label in topics.variable("topic").labels
    )
    newer = topics.model_copy(
        update={"variables": (topics.variable("topic").model_copy(update={"labels": labels}), topics.variable("marks"))}
    )
    at.sample(corpus, 2, store=path, coders=["anna"], codebook=newer)
    assert [item["state"] for item in anna.get("list").json()["items"]] == ["again"] * 4 + ["open"] * 2
