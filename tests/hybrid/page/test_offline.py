"""A page for places without a server: what is written into it, and what comes of its export."""

import json
import re

import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.hybrid.store import open_store


def entry(number, unit=None, topic="Law", marks=("elite",), **more):
    """An answer, or an undo without a text, as the page exports it."""
    about = {"key": f"offline-{number:04}", "at": "2026-11-27T10:00:00.000+00:00"}
    if unit is None:
        return {"kind": "undo", **about}
    answers = {"topic": {"labels": [topic], "status": "ok", "unsure": False, "note": ""}}
    answers["marks"] = {"labels": list(marks), "status": "ok" if marks else "none", "unsure": True, "note": "hm"}
    return {"kind": "answer", **about, "unit_id": unit, "version": 1, "seconds": 7.5, "answers": answers, **more}


@pytest.fixture
def pages(path, corpus, topics, tmp_path):
    """The stand-alone pages of Anna and Ben, of whom Anna sees proposals."""
    at.sample(corpus, 12, store=path, coders=["anna", "ben"], overlap=1.0, codebook=topics)
    propose(path, "gpt", {f"u{i}": "Health" for i in range(12)})
    return at.code(path, corpus, offline=tmp_path / "pages")


@pytest.fixture
def exported(tmp_path):
    def write(*entries, coder="anna", **more):
        content = {"format": "annotune-answers", "version": 1, "study": "", "coder": coder, "entries": entries, **more}
        target = tmp_path / f"answers_{coder}.json"
        target.write_text(json.dumps(content))
        return target

    return write


def test_a_page_holds_all_texts_in_the_coders_order_and_no_name_of_a_model(pages, path):
    assert sorted(pages) == ["anna", "ben"]
    page = pages["anna"].read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    order = at.read_draws(path, of="people").filter(coder="anna").sort("place")["unit_id"].to_list()
    assert [item["unit_id"] for item in data["items"]] == order
    assert data["items"][0]["proposals"] == {"topic": [{"id": 0, "labels": ["Health"], "status": "ok"}]}
    assert (data["study"]["coder"], data["study"]["offline"]) == ("anna", True)
    assert "gpt" not in page
    with open_store(path) as store:
        assert store.value("SELECT count(*) FROM shown WHERE coder = 'anna'") == 12
        assert store.value("SELECT count(*) FROM links") == 0


def test_an_export_is_read_as_what_holds_after_all_undos(exported, topics):
    target = exported(entry(1, "u1", "Law"), entry(2, "u2", "Law"), entry(3, "u1", "Trade", ()), entry(4), entry(5))
    rows = at.read_codings(target, topics).select("unit_id", "variable", "coder", "label", "status").sort("variable")
    assert rows.rows() == [("u1", "marks", "anna", "elite", "ok"), ("u1", "topic", "anna", "Law", "ok")]


def test_an_export_is_recorded_once_with_times_notes_and_what_was_shown(pages, exported, path):
    target = exported(entry(1, "u1", "Law"), entry(2, "u2", "Health", ()))
    assert at.record(path, target).rows() == [("anna", 4, 0, 0, 10)]
    assert at.record(path, [target]).rows() == [("anna", 0, 0, 4, 10)]
    query = "SELECT unit_id, variable, labels, arm, seconds, unsure, note, wave FROM decisions ORDER BY id"
    with open_store(path) as store:
        assert store.rows(query) == [
            ("u1", "topic", '["Law"]', "open", 7.5, 0, "", 1),
            ("u1", "marks", '["elite"]', "open", 7.5, 1, "hm", 1),
            ("u2", "topic", '["Health"]', "open", 7.5, 0, "", 1),
            ("u2", "marks", "[]", "open", 7.5, 1, "hm", 1),
        ]
        shown = json.loads(store.value("SELECT proposals FROM decisions WHERE variable = 'topic'"))
    assert shown == [{"coder": "gpt", "labels": ["Health"], "status": "ok", "decoy": False}]


def test_a_later_export_takes_back_what_was_undone_since(pages, exported, path):
    entries = [entry(1, "u1"), entry(2, "u2")]
    at.record(path, exported(*entries))
    at.record(path, exported(*entries, entry(3), entry(4, "u3")))
    held = at.read_codings(path).filter(kind="person", variable="topic")
    assert sorted(held["unit_id"]) == ["u1", "u3"]


def test_exports_and_sheets_are_recorded_together(pages, exported, path, tmp_path):
    sheet = tmp_path / "coding_sheet_ben.csv"
    sheet.write_text("unit_id,coder,topic\nu5,ben,Law\n")
    table = at.record(path, [sheet, exported(entry(1, "u1"))])
    assert dict(table.select("coder", "new").iter_rows()) == {"anna": 2, "ben": 1}


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"entries": "all"}, "no whole export"),
        ({"version": 2}, "no whole export"),
        ({"coder": 7}, "no whole export"),
        ({"entries": [{"kind": "answer", "key": "offline-0001"}]}, "no whole export"),
        ({"entries": [entry(1, "u1", "Sports")]}, "the label 'Sports' is not in"),
        ({"entries": [entry(1, "u1"), entry(2, "u99")]}, "'u99' is not among those of anna"),
        ({"entries": [entry(1, "u1", seconds=-5)]}, "was changed"),
        ({"entries": [entry(1, "u1", version=9)]}, "no version 9"),
        ({"entries": []}, "holds no answer"),
    ],
)
def test_an_export_that_cannot_be_is_one_sentence_and_nothing_is_recorded(pages, exported, path, broken, complaint):
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.record(path, exported(**{"entries": [], **broken}) if "entries" not in broken else write(exported, broken))
    with open_store(path) as store:
        assert store.value("SELECT count(*) FROM decisions") == 0


def write(exported, broken):
    target = exported()
    target.write_text(json.dumps({**json.loads(target.read_text()), **broken}))
    return target


def test_other_json_files_are_read_as_before(tmp_path):
    target = tmp_path / "codings.json"
    target.write_text(json.dumps([{"unit_id": "a", "coder": "anna", "label": "yes"}]))
    assert at.read_codings(target, variable="agree")["label"].to_list() == ["yes"]


def test_pages_are_for_coders_who_have_texts(path, corpus, topics, tmp_path):
    with pytest.raises(at.AnnotuneError, match="nobody is named"):
        at.code(path, corpus, topics, offline=tmp_path)
