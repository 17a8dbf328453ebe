"""What the stand-alone page exports: read as codings, recorded as if it had been sent, and refused where it is none."""

import json

import polars as pl
import pytest

import annotune as at
from annotune.errors import AnnotuneError
from annotune.hybrid.page.shell import stand_alone
from annotune.hybrid.store import open_store


def entry(number, unit, topic, **more):
    """An answer to both variables of a text, as the page keeps it."""
    answer = {"labels": [topic] if topic else [], "status": "ok" if topic else "none", "unsure": False, "note": ""}
    marks = {"labels": ["people", "elite"], "status": "ok", "unsure": True, "note": "Both?"}
    about = {"kind": "answer", "key": f"key-{number:08}", "unit_id": unit, "version": 1, "seconds": 3.5}
    return {**about, "answers": {"topic": answer, "marks": marks}, "at": "2026-11-27T01:00:00.000+00:00", **more}


def undo(number):
    return {"kind": "undo", "key": f"key-{number:08}", "at": "2026-11-27T01:00:00.000+00:00"}


@pytest.fixture
def export(tmp_path):
    """A maker of exported files."""

    def make(*entries, **more):
        content = {"format": "annotune-answers", "version": 1, "study": "A study", "coder": "anna", "entries": entries}
        path = tmp_path / "answers_anna.json"
        path.write_text(json.dumps({**content, **more}), "utf-8")
        return path

    return make


@pytest.fixture
def store(path, corpus, topics):
    """A study whose twelve texts are anna's."""
    at.sample(corpus, 12, store=path, coders=["anna"], codebook=topics)
    return path


def test_an_export_is_read_as_codings_without_what_was_taken_back(export, topics):
    path = export(
        entry(1, "u1", "Law"), entry(2, "u2", "Health"), undo(3), entry(4, "u3", None), entry(5, "u1", "Trade")
    )
    rows = at.read_codings(path, topics).filter(variable="topic").select("unit_id", "coder", "label", "status").rows()
    assert rows == [("u1", "anna", "Trade", "ok"), ("u3", "anna", None, "none")]
    sets = at.read_codings(path, topics).filter(variable="marks", unit_id="u1")["label"].to_list()
    assert sorted(sets) == ["elite", "people"]


def test_an_export_is_recorded_once_with_all_that_it_says(export, store):
    path = export(entry(1, "u1", "Law"), entry(2, "u2", "Health"), undo(3))
    assert at.record(store, path).rows() == [("anna", 2, 0, 0, 11)]
    assert at.record(store, path).rows() == [("anna", 0, 0, 2, 11)]
    with open_store(store) as kept:
        rows = kept.table("SELECT unit_id, variable, status, seconds, unsure, note, codebook FROM decisions").rows()
    assert rows[:2] == [("u1", "topic", "ok", 3.5, 0, "", 1), ("u1", "marks", "ok", 3.5, 1, "Both?", 1)]
    assert [row[2] for row in rows[2:]] == ["ok", "ok", "withdrawn", "withdrawn"]


def test_what_is_no_export_of_the_page_is_refused(export, store, topics):
    with pytest.raises(AnnotuneError, match="newer version"):
        at.read_codings(export(version=2), topics)
    with pytest.raises(AnnotuneError, match="entry 2: the page wrote no such entry"):
        at.read_codings(export(entry(1, "u1", "Law"), {"kind": "answer", "key": "x"}), topics)
    with pytest.raises(AnnotuneError, match="entry 1: the text 'elsewhere' is not among those of anna"):
        at.record(store, export(entry(1, "elsewhere", "Law")))
    with pytest.raises(AnnotuneError, match="entry 1: The variable 'topic' has no label 'Nonsense'"):
        at.record(store, export(entry(1, "u1", "Nonsense")))
    with pytest.raises(AnnotuneError, match="entry 1: the page wrote no such entry"):
        at.record(store, export(entry(1, "u1", "Law", further=1)))
    with pytest.raises(AnnotuneError, match="one after the other"):
        at.record(store, [export(entry(1, "u1", "Law")), pl.DataFrame({"unit_id": ["u1"], "label": ["Law"]})])


def test_files_hold_all_texts_and_nobody_who_proposed(store, corpus, tmp_path):
    lines = []
    page = at.code(store, corpus, offline=tmp_path, say=lines.append)
    html = (tmp_path / "anna.html").read_text("utf-8")
    assert page.links == {"anna": str(tmp_path / "anna.html")}
    assert all(f'"unit_id": "u{i}"' in html for i in range(12))
    assert not page.is_served
    assert "answers_<coder>.json" in lines[-1]
    page.stop()
    with pytest.raises(AnnotuneError, match="is no folder"):
        at.code(store, corpus, offline=tmp_path / "nowhere", say=lines.append)
    with pytest.raises(AnnotuneError, match="adjudicator has no file"):
        at.code(store, corpus, offline=tmp_path, adjudicator="cara", say=lines.append)


def test_a_stand_alone_page_is_one_file(store, corpus, tmp_path):
    at.code(store, corpus, offline=tmp_path, say=lambda line: None)
    html = (tmp_path / "anna.html").read_text("utf-8")
    assert "src=" not in html.replace('src="data:', "")
    assert html.count("<script") == stand_alone({"study": {}, "items": []}).count("<script")
