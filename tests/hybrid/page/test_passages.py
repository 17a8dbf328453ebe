"""The passage that decided for a proposal: seen where the proposal is, and nowhere else; decoys have one, too."""

import json

import polars as pl
import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.answers_by_arm import read_answers
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.desk import Desk
from annotune.hybrid.page.offline import data_for
from annotune.hybrid.page.texts import Columns, Texts
from annotune.hybrid.store import open_store
from annotune.records.fingerprints import fingerprint

N, DECIDED = 40, "More nurses are needed."
PASSAGE = "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)"


@pytest.fixture
def corpus():
    texts = [f"Text {i}. Thank you all. {DECIDED} And so on." for i in range(N)]
    return read_corpus(pl.DataFrame({"unit_id": [f"u{i}" for i in range(N)], "text": texts}))


def with_passages(path, coder, variable, texts, shares=(0.62,), whole=False):
    """What `propose(evidence=True)` keeps beside a model's proposals."""
    with open_store(path) as store, store.change() as connection:
        connection.execute("UPDATE requests SET settings = ? WHERE coder = ?", ['{"evidence": true}', coder])
        for unit, text in texts.select("unit_id", "text").iter_rows():
            first, behind = (0, len(text)) if whole else (text.index(DECIDED), text.index(DECIDED) + len(DECIDED))
            for place, share in enumerate(shares):
                key = f"{coder} {unit} {variable}"
                connection.execute(PASSAGE, [key, variable, place, first, behind, share, fingerprint(text)])


@pytest.fixture
def drawn(path, corpus, topics):
    """A store with texts in every arm, for which a tuned model proposed a topic and two marks, with passages."""
    shares = {"blind": 0.25, "decoy": 0.5}
    at.sample(corpus, N, store=path, coders=["anna"], codebook=topics, **shares)
    propose(path, "tuned", {f"u{i}": "Health" for i in range(N)})
    propose(path, "tuned marks", {f"u{i}": ["elite", "people"] for i in range(N)}, "marks")
    with_passages(path, "tuned", "topic", corpus)
    with_passages(path, "tuned marks", "marks", corpus, (0.8, 0.3))
    return dict(at.read_draws(path, of="people").select("unit_id", "arm").iter_rows())


def items_of(anna):
    return [anna.item(place) for place in range(1, N + 1)]


def test_passages_are_seen_with_the_proposal_alone(drawn, opened):
    anna, arms = opened(coders=())["anna"], set()
    for item in items_of(anna):
        arm = drawn[item["unit_id"]]
        arms.add(arm)
        if arm == "blind":
            assert item["proposals"] == {}
            assert "span" not in json.dumps(item)
            continue
        (topic,), (marks,) = item["proposals"]["topic"], item["proposals"]["marks"]
        for proposal, shares in ((topic, [0.62]), (marks, [0.8, 0.3])):
            assert [one["share"] for one in proposal["passages"]] == shares
            assert sorted(one["label"] for one in proposal["passages"]) == sorted(proposal["labels"])
            for one in proposal["passages"]:
                assert item["text"][slice(*one["span"])] == DECIDED
        assert (topic["labels"] == ["Health"]) == (arm == "open")  # a decoy looks like any other proposal
    assert arms == {"open", "blind", "decoy"}


def test_a_page_without_a_server_has_them_where_it_has_the_proposal(drawn, path, corpus):
    with open_store(path) as store:
        data = data_for(Desk(store, Texts(corpus, Columns()), "A study"), Person("anna", "coder"))
    for item in data["items"]:
        assert ("passages" in json.dumps(item)) == (drawn[item["unit_id"]] != "blind")


def test_no_passage_of_another_text_is_shown_and_no_whole_text(drawn, path, opened, corpus):
    other = read_corpus(corpus.with_columns(text=pl.lit("Now ") + pl.col("text")))
    assert "span" not in json.dumps(items_of(opened(coders=(), texts=other)["anna"]))
    with open_store(path) as store, store.change() as connection:
        connection.execute("DELETE FROM passages")
        connection.execute("DELETE FROM shown")
    with_passages(path, "tuned", "topic", corpus, whole=True)
    assert "span" not in json.dumps(items_of(opened(coders=())["anna"]))


def test_what_was_decided_beside_passages_is_counted_as_ever(drawn, path, opened):
    anna = opened(coders=())["anna"]
    for item in items_of(anna):
        assert anna.say(item["unit_id"], "Health").status_code == 200
    answers = read_answers(path).answers
    arms = answers.filter(pl.col("variable") == "topic")["arm"].to_list()
    assert sorted(arms) == sorted(drawn.values())
    assert set(read_answers(path).offered["proposer"]) == {"tuned", "tuned marks"}


def test_nothing_takes_the_place_of_no_label_where_a_passage_would_be_missed(path, corpus, topics, opened):
    """Of a model with passages a proposal with a label has one, and a decoy could have none."""
    at.sample(corpus, N, store=path, coders=["anna"], codebook=topics, decoy=1.0)
    propose(path, "tuned", {f"u{i}": [] for i in range(N)}, "marks")
    with open_store(path) as store, store.change() as connection:
        connection.execute(
            "INSERT INTO proposals SELECT key, 'marks', 0, NULL, NULL, 'none', '' FROM requests WHERE coder = 'tuned'"
        )
    with_passages(path, "tuned", "marks", corpus, shares=())
    assert all(item["proposals"] == {} for item in items_of(opened(coders=())["anna"]))
