"""The stand-alone file in a browser without any server: coded by keyboard, exported, read back."""

import json

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.page.shell import stand_alone
from annotune.hybrid.store import now, open_store

REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES ('k', 'q', ?, ?, 'gpt', 'openai', 'gpt', 'p', '{}', 'ok')"
)
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def offline(tmp_path, topics):
    """A file with four texts, as a browser opens it."""
    study = {"name": "Questions", "coder": "anna", "role": "coder", "version": 3, "language": "en", "offline": True}
    study["variables"] = topics.model_dump(mode="json")["variables"]
    texts = ["About nurses.", HOSTILE, "About judges.", "About wheat."]
    items = [{"place": i, "of": 4, "unit_id": f"u{i}", "text": text, "dir": "auto"} for i, text in enumerate(texts, 1)]
    items[0]["proposals"] = {"topic": [{"id": 0, "labels": ["Law"], "status": "ok"}]}
    path = tmp_path / "anna.html"
    path.write_text(stand_alone({"study": study, "items": items}), "utf-8")
    return path.as_uri()


def exported(shown, tmp_path):
    with shown.page.expect_download() as download:
        shown.page.click("#export")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_file_is_coded_without_a_server_and_exported(offline, window, tmp_path):
    requests = []
    anna = window(offline)
    anna.page.context.set_offline(True)
    anna.page.on("request", lambda request: requests.append(request.url))
    anna.press("a", "Enter")
    anna.wait_for_place(2)
    assert anna.text == HOSTILE
    anna.press("0", "q", "Enter")
    anna.wait_for_place(3)
    anna.press("2", "Enter")
    anna.wait_for_place(4)
    anna.press("u")
    anna.wait_for_place(3)
    anna.page.reload()
    anna.wait_for_place(3)
    assert anna.page.locator("#progress-share").inner_text() == "2 of 4"
    anna.press("3", "Enter")
    anna.wait_for_place(4)
    path = exported(anna, tmp_path)
    assert path.name == "answers_anna.json"
    content = json.loads(path.read_text("utf-8"))
    assert (content["format"], content["version"], content["study"], content["coder"]) == (
        "annotune-answers",
        1,
        "Questions",
        "anna",
    )
    entries = content["entries"]
    assert [entry["kind"] for entry in entries] == ["answer", "answer", "answer", "undo", "answer"]
    assert [entry["answers"]["topic"]["labels"] for entry in entries if "answers" in entry] == [
        ["Law"],
        [],
        ["Law"],
        ["Trade"],
    ]
    assert {entry["version"] for entry in entries if "answers" in entry} == {3}
    assert len({entry["key"] for entry in entries}) == 5
    assert not [url for url in requests if not url.startswith(("file:", "blob:"))]


def test_a_study_is_coded_in_files_and_comes_back_into_its_store(window, tmp_path, texts, topics, decisions_in):
    corpus = texts(4)
    store = tmp_path / "study.annotune"
    at.sample(corpus, 4, store=store, coders=["anna"], codebook=topics)
    with open_store(store) as kept, kept.change() as connection:
        connection.execute(REQUEST, [now(), "u01"])
        connection.execute("INSERT INTO proposals VALUES ('k', 'topic', 0, 'Law', .9, 'ok', '')")
    at.code(store, corpus, topics, ["anna"], offline=tmp_path, say=lambda line: None)
    anna = window((tmp_path / "code_anna.html").as_uri())
    for place in range(1, 5):
        anna.wait_for_place(place)
        anna.press("a" if anna.page.locator(".offer").count() else "1", "q", "Enter")
    anna.wait_for_view("finished")
    anna.press("u")
    anna.wait_for_place(4)
    anna.press("2", "Enter")
    anna.wait_for_view("finished")
    path = exported(anna, tmp_path)
    read = at.read_codings(path, topics).sort("unit_id")
    assert set(read["coder"]) == {"anna"}
    assert at.record(store, path).rows() == [("anna", 4, 0, 0, 0)]
    first = decisions_in(store)
    assert at.record(store, path).rows() == [("anna", 0, 0, 4, 0)]
    assert decisions_in(store) == first  # each answer once
    stored = at.read_codings(store).filter(pl.col("kind") == "person").sort("unit_id")
    assert stored.select("unit_id", "label", "status").equals(read.select("unit_id", "label", "status"))
    shown = {row["unit_id"]: json.loads(row["proposals"]) for row in first if row["status"] == "ok"}
    assert [proposal["labels"] for proposal in shown["u01"]] == [["Law"]]
    assert shown["u00"] == []
    assert sum(row["unsure"] for row in first) >= 3


def test_two_studies_of_one_name_keep_their_answers_apart(window, tmp_path, texts, topics):
    for folder in ("pilot", "main"):
        (tmp_path / folder).mkdir()
        store = tmp_path / folder / "study.annotune"
        at.code(store, texts(2), topics, ["anna"], offline=store.parent, say=lambda line: None)
    pilot = window((tmp_path / "pilot" / "code_anna.html").as_uri())
    pilot.code()
    main = window((tmp_path / "main" / "code_anna.html").as_uri(), context=pilot.page.context)
    assert main.page.locator("#progress-share").inner_text() == "0 of 2"
    main.code()
    main.code()
    assert at.record(store, exported(main, tmp_path)).rows() == [("anna", 2, 0, 0, 0)]
    assert len(at.read_codings(store)) == 2


def test_after_a_decoy_the_text_comes_again_without_it(window, tmp_path, texts, topics, decisions_in):
    """At the end here, as there are fewer than 20 texts; undone it is due at once, and again without the proposal."""
    store = tmp_path / "study.annotune"
    at.sample(texts(3), 3, store=store, coders=["anna"], codebook=topics)
    with open_store(store) as kept, kept.change() as connection:
        connection.execute("UPDATE assignments SET arm = 'decoy' WHERE unit_id = 'u01'")
        connection.execute(REQUEST, [now(), "u01"])
        connection.execute("INSERT INTO proposals VALUES ('k', 'topic', 0, 'Law', .9, 'ok', '')")
    at.code(store, texts(3), topics, ["anna"], offline=tmp_path, say=lambda line: None)
    anna = window((tmp_path / "code_anna.html").as_uri())
    offer, second_look = anna.page.locator(".offer"), None
    for place in range(1, 4):
        anna.wait_for_place(place)
        second_look = place if offer.count() else second_look
        anna.press("a" if offer.count() else "1", "Enter")
    for label in ("1", "2"):
        anna.wait_for_place(second_look)
        assert offer.count() == 0
        assert anna.chosen() == ([] if label == "1" else ["Health"])  # what was undone stays chosen, as elsewhere
        anna.press(label, "Enter")
        anna.wait_for_view("finished")
        if label == "1":
            anna.press("u")
    path = exported(anna, tmp_path)
    assert at.record(store, path).rows()[0][:2] == ("anna", 3)
    rows = [row for row in decisions_in(store) if row["unit_id"] == "u01"]
    kinds = [(row["arm"], row["status"], len(json.loads(row["proposals"]))) for row in rows]
    assert kinds[0] == ("decoy", "ok", 1)
    assert kinds[-1] == ("blind", "ok", 0)
    assert {kind[2] for kind in kinds if kind[0] == "blind"} == {0}
    assert at.record(store, path).rows()[0][:2] == ("anna", 0)


def test_two_tabs_of_one_file_lose_nothing(offline, window, tmp_path):
    one = window(offline)
    other = window(offline, context=one.page.context)
    one.press("1", "Enter")
    one.wait_for_place(2)
    other.press("2", "Enter")
    other.wait_for_place(2)
    one.press("3", "Enter")
    one.wait_for_place(3)
    entries = json.loads(exported(one, tmp_path).read_text("utf-8"))["entries"]
    assert [entry["answers"]["topic"]["labels"] for entry in entries] == [["Health"], ["Law"], ["Trade"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_file(offline, window, violations, scheme):
    anna = window(offline, color_scheme=scheme)
    assert violations(anna.page) == []
    for _ in range(4):
        anna.press("1", "Enter")
        anna.wait_until_saved()
    anna.wait_for_view("finished")
    assert anna.page.locator("#finished-export").is_visible()
    assert violations(anna.page) == []
