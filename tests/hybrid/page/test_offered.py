"""Which texts a page offers, to whom: what was drawn, or all, of which the coded part is a simple random sample."""

import socket

import httpx
import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.launch import serve

QUIET = {"browser": False, "wait": False, "port": 0, "say": lambda line: None}


def order_of(coder):
    return [item["unit_id"] for item in coder.get("list").json()["items"]]


def test_all_texts_are_offered_in_one_random_order_and_empty_ones_are_not(opened, path):
    texts = [None if i == 3 else f"Text {i}" for i in range(12)]
    with pytest.warns(at.AnnotuneWarning, match="empty"):
        corpus = read_corpus(pl.DataFrame({"unit_id": [f"u{i:02}" for i in range(12)], "text": texts}))
    people = opened(texts=corpus)
    order = order_of(people["anna"])
    assert sorted(order) == [f"u{i:02}" for i in range(12) if i != 3]
    assert order != sorted(order)
    assert order_of(people["ben"]) == order


def test_what_was_coded_of_all_counts_as_a_simple_random_sample(people, path, corpus, topics):
    order = order_of(people["anna"])
    assert at.read_draws(path)["drawn"].sum() == 0
    for unit in order[:3]:
        people["anna"].say(unit)
    people["ben"].say(order[0])
    draws = at.read_draws(path)
    assert set(draws.filter("drawn")["unit_id"]) == set(order[:3])
    assert draws["pi"].unique().to_list() == [3 / 12]
    people["anna"].undo()
    assert at.read_draws(path)["pi"].unique().to_list() == [2 / 12]
    gold = at.resolve(at.read_codings(path, topics), codebook=topics)
    data = at.attach(corpus, gold, codebook=topics, draws=path)
    assert data.filter(pl.col("wave").is_not_null())["unit_id"].sort().to_list() == sorted(order[:2])
    assert data["pi"].to_list() == [2 / 12] * 12


def test_a_share_of_what_was_coded_of_all_is_right_on_average(tmp_path, opened, topics):
    """Over many orders the texts that were coded, each counted 1 / pi times, are the corpus."""
    corpus = read_corpus(pl.DataFrame({"unit_id": [f"u{i:02}" for i in range(20)], "text": ["Text"] * 20}))
    truth, estimates = np.arange(20) < 6, []
    for seed in range(300):
        order = np.random.default_rng([seed, 1]).permutation(20)[:8]  # as `offered` draws it
        estimates.append(truth[order].sum() / (8 / 20) / 20)
    assert np.mean(estimates) == pytest.approx(0.3, abs=0.02)
    path = tmp_path / "other.annotune"
    page = at.code(path, corpus, topics, ["anna"], seed=5, **QUIET)
    page.stop()
    offered = at.read_draws(path, of="people").sort("place")["unit_id"].to_list()
    assert offered == [f"u{i:02}" for i in np.random.default_rng([5, 1]).permutation(20)]


def test_a_further_wave_ends_the_order_and_draws_among_the_rest(people, path, corpus, topics):
    order = order_of(people["anna"])
    for unit in order[:4]:
        people["anna"].say(unit)
    draw = at.sample(corpus, 5, store=path, coders=["anna"], codebook=topics)
    assert not set(draw.texts["unit_id"]) & set(order[:4])
    assert set(order_of(people["anna"])) == set(order[:4]) | set(draw.texts["unit_id"])
    drawn = at.read_draws(path).filter("drawn")
    assert drawn.group_by("wave").len().sort("wave").rows() == [(1, 4), (2, 5)]
    people["anna"].say(draw.texts["unit_id"][0])
    assert at.read_draws(path).filter(wave=1)["pi"].unique().to_list() == [4 / 12]
    sheet = pl.DataFrame({"unit_id": [draw.texts["unit_id"][1]], "coder": ["anna"], "topic": ["Law"]})
    assert at.record(path, at.read_codings(sheet, topics))["new"].to_list() == [1]
    waves = at.read_codings(path).filter(pl.col("unit_id").is_in(draw.texts["unit_id"].implode()))["wave"]
    assert waves.unique().to_list() == [2]


def test_a_wave_that_was_divided_among_nobody_is_for_everybody(path, corpus, topics, opened):
    at.sample(corpus, 5, store=path, codebook=topics)
    people = opened(["anna", "ben"])
    assert order_of(people["anna"]) == order_of(people["ben"])
    assert len(order_of(people["anna"])) == 5
    assert len(order_of(opened(["cleo"])["cleo"])) == 5


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"coders": ["dora"]}, "No text was drawn for 'dora'.*'anna'"),
        ({"coders": ["anna"], "adjudicator": "Anna"}, "'Anna' is a coder"),
        ({"coders": ["../anna"]}, "cannot be named after"),
        ({"show": "mood"}, "mood"),
        ({"hours": 0.0}, "no time for links"),
        ({"port": 70000}, r"port must be 0-65535\. Choose another with port= or host="),
        ({"adjudicator": ""}, "cannot be named after ''"),
        ({"offline": "pages", "port": None, "adjudicator": "cara"}, "adjudicator= is of a page that is served"),
        ({"offline": "pages", "port": None, "network": True}, "network= is of a page that is served"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(path, corpus, topics, options, complaint):
    at.sample(corpus, 6, store=path, coders=["anna", "ben"], codebook=topics)
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.code(path, corpus, topics, **{**QUIET, **options})


def test_a_store_of_another_name_is_no_silent_new_study(tmp_path, path, corpus, topics):
    said = []
    options = {**QUIET, "say": said.append}
    at.code(path, corpus, topics, ["anna"], **options).stop()
    assert "Nothing was drawn: all 12 texts are offered, in a random order." in said
    misspelt = path.with_name(path.name[1:])
    for more in ((None, ["anna"]), (topics,)):
        with pytest.raises(at.AnnotuneError, match=f"There is no store .*Did you mean '{path.name}'"):
            at.code(misspelt, corpus, *more, **options)
    assert not misspelt.exists()


def test_a_seed_of_which_nothing_can_be_drawn_leaves_no_wave_behind(path, corpus, topics):
    with pytest.raises(at.AnnotuneError, match="seed=-1 is below 0"):
        at.code(path, corpus, topics, ["anna"], seed=-1, **QUIET)
    page = at.code(path, corpus, topics, ["anna"], **QUIET)
    page.stop()
    assert page.people()["texts"].to_list() == [12]


def test_a_corpus_of_another_study_is_refused(path, corpus, topics):
    at.sample(corpus, 6, store=path, coders=["anna"], codebook=topics)
    other = read_corpus(pl.DataFrame({"unit_id": ["x"], "text": ["Other."]}))
    with pytest.raises(at.AnnotuneError, match="lacks 6 of 6 texts"):
        at.code(path, other, topics, **QUIET)
    with pytest.raises(at.AnnotuneError, match="The store has no texts"):
        at.code(path, **QUIET)


def test_a_port_that_is_in_use_is_said_and_another_is_found_by_default(path, corpus, topics, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(at.AnnotuneError, match=f"port {port}"):
            at.code(path, corpus, topics, ["anna"], **{**QUIET, "port": port})
        monkeypatch.setattr("annotune.hybrid.page.launch.PORT", port)
        page = at.code(path, corpus, topics, ["anna"], **{**QUIET, "port": None})
        assert f":{port}/" not in page.links["anna"]
        page.stop()


def test_on_the_network_it_says_so_and_links_end(path, corpus, topics):
    lines = []
    options = {**QUIET, "say": lines.append}
    page = at.code(path, corpus, topics, ["anna"], network=True, hours=2, **options)
    said = " ".join(lines)
    assert "whole local network, unencrypted" in said
    assert "end in 2 hours" in said
    address = page.links["anna"].split("/code/")
    name = address[0].removeprefix("http://")
    port = name.rpartition(":")[2]
    for host, status in ((name, 200), (f"evil.example:{port}", 421)):
        answer = httpx.get(f"http://127.0.0.1:{port}/api/study", headers={"X-Annotune-Token": address[1], "Host": host})
        assert answer.status_code == status
    page.stop()
    assert not page.is_served
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_a_page_says_how_far_coders_are(path, corpus, topics):
    page = serve(path, corpus, topics, ["anna"], port=0, browser=False)
    base, _, token = page.links["anna"].partition("/code/")
    assert "Each link is for one person" in repr(page)
    content = {"key": "a-good-key", "unit_id": "u1", "version": 1, "seconds": 3}
    content["answers"] = {"topic": {"labels": ["Law"]}, "marks": {"labels": [], "status": "none"}}
    headers = {"X-Annotune-Token": token, "Origin": base}
    assert httpx.post(f"{base}/api/answer", json=content, headers=headers).json()["saved"]
    assert httpx.get(page.links["anna"]).headers["content-type"].startswith("text/html")
    page.stop()
    assert page.people().rows() == [("anna", 12, 1, 0, 3.0)]
    assert page.codings()["label"].drop_nulls().to_list() == ["Law"]
    assert "anna" in repr(page)


STUDY = """
codebook: codebook.yaml
corpus: {path: questions.csv, unit_id: id, text: q}
sample: {n: 10, coders: [anna, ben], show: party, write: sheet.xlsx, two: 0.2}
correct: ["topic == 'Law' ~ party"]
code: {adjudicator: cara}
"""
BOOK = "name: Questions\nvariables: [{name: topic, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]\n"


def test_a_study_brings_its_corpus_its_codebook_its_coders_and_draws_its_first_wave(tmp_path):
    corpus = pl.DataFrame({"id": range(40), "q": ["Why?"] * 40, "party": ["A", "B"] * 20})
    corpus.write_csv(tmp_path / "questions.csv")
    (tmp_path / "codebook.yaml").write_text(BOOK)
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    page = at.code(study, **QUIET)
    assert list(page.links) == ["anna", "ben", "cara"]
    base, _, token = page.links["anna"].partition("/code/")
    headers = {"X-Annotune-Token": token}
    item = httpx.get(f"{base}/api/item", headers=headers).json()
    assert (item["of"], set(item["shown"])) == (5, {"party"})
    assert httpx.get(f"{base}/api/study", headers=headers).json()["name"] == "Questions"
    page.stop()
    assert set(at.read_draws(page.store, of="people")["arm"]) == {"open", "two"}
    with pytest.raises(at.AnnotuneError, match="has its corpus"):
        at.code(study, corpus, **QUIET)


def test_texts_that_are_kept_apart_for_evaluation_are_coded_blind_by_whoever_is_named_later(opened, path, corpus):
    """As those are that were divided among coders when they were drawn; other free waves show proposals."""
    at.sample(corpus, 3, store=path, for_="evaluation")
    at.sample(corpus, 4, store=path)
    opened(coders=("anna",))
    arms = at.read_draws(path, of="people").group_by("wave", "arm").len().sort("wave").rows()
    assert arms == [(1, "blind", 3), (2, "open", 4)]
