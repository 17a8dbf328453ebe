"""The coding page as R has it: a process of its own, its links, and what was coded when it is stopped."""

import socket

import httpx
import polars as pl
import pytest

import annotune as at
from annotune.rcalls import coding


@pytest.fixture
def book():
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


def test_r_gets_links_and_in_the_end_what_was_coded(tmp_path, book):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    corpus = pl.DataFrame({"unit_id": ["a"], "text": ["Why?"], "party": ["A"]})
    store, answers = str(tmp_path / "study.annotune"), [("anna", "Law"), ("ben", "Health"), ("cara", "Law")]
    people = {"coders": ["anna", "ben"], "adjudicator": "cara"}
    page = coding.start(store, corpus, book, **people, show=["party"], network=False, mark=None, port=port)
    try:
        assert coding.is_served(page["process"])
        for name, label in answers:
            base, _, token = page["links"][name].partition("/code/")
            headers = {"X-Annotune-Token": token, "Origin": base}
            assert httpx.get(f"{base}/api/item?place=1", headers=headers).json()["shown"] == {"party": "A"}
            answer = {"topic": {"labels": [label]}}
            content = {"key": f"a-key-of-{name}", "unit_id": "a", "version": 1, "answers": answer}
            assert httpx.post(f"{base}/api/answer", json=content, headers=headers).json()["saved"]
    finally:
        codings = coding.stop(page["process"])
    assert sorted(codings.select("coder", "label").rows()) == answers  # who settled a difference is there, too
    assert not coding.is_served(page["process"])
    with pytest.raises(at.AnnotuneError, match="not served any more"):
        coding.stop(page["process"])


def test_what_cannot_be_served_is_a_sentence_in_r_too(tmp_path, book):
    corpus = pl.DataFrame({"unit_id": ["a"], "text": ["Why?"]})
    with pytest.raises(at.AnnotuneError, match="nobody is named who codes"):
        coding.start(str(tmp_path / "study.annotune"), corpus, book)
