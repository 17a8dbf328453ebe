"""`annotune propose`, and the key `propose` of a study."""

import json
import sys
import warnings

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.errors import PeopleNeeded
from annotune.hybrid.propose.provider import Answer, Proposal

BOOK = """\
variables:
  - name: topic
    labels: [{code: 1, name: Health}, {code: 2, name: Law}]
"""
STUDY = """\
codebook: codebook.yaml
corpus: {path: questions.csv}
sample: {n: 6, coders: [anna]}
tune: {method: probe, folds: 2}
propose:
  - {model: words.csv, drawn: false}
  - {model: gpt-test, endpoint: ADDRESS}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, corpus):
    """A corpus, a codebook and a dictionary, in the working folder."""
    monkeypatch.chdir(tmp_path)
    corpus.write_csv("questions.csv")
    (tmp_path / "codebook.yaml").write_text(BOOK)
    (tmp_path / "words.csv").write_text("label,words\nHealth,nurse\nLaw,court\n")
    return tmp_path


@pytest.fixture
def say(monkeypatch, capsys, folder):
    """Runs a command; its exit code, and what it printed."""

    def run(*words):
        options = ["--codebook", "codebook.yaml", "--store", "study.annotune"]
        monkeypatch.setattr(sys, "argv", ["annotune", "propose", "questions.csv", *words, *options])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out, printed.err

    return run


def test_a_dictionary_on_the_command_line(say, folder):
    code, out, err = say("words.csv", "--write", "proposals.csv")
    assert (code, err) == (0, "")
    assert "nothing is sent and nothing is paid" in out
    assert "Written: study.annotune, proposals.csv" in out
    assert pl.read_csv("proposals.csv")["label"].to_list()[:2] == ["Health", "Law"]


def test_a_model_behind_an_endpoint_on_the_command_line(say, folder, serve):
    server = serve()
    code, out, _ = say("gpt-test", "--endpoint", server.address, "--again", "4")
    assert code == 0
    assert "24 calls" in out
    assert "Sent to 127.0.0.1: 24 questions" in out
    assert "percent" in out
    code, out, _ = say("gpt-test", "--endpoint", server.address, "--dry-run")
    assert (code, sum(server.asked.values())) == (0, 24)
    assert "20 have an answer in the store" in out
    code, out, _ = say("gpt-test", "--endpoint", server.address, "--again", "4", "--dry-run")
    assert "0 calls" in out  # nor is a second answer asked for again


def test_where_nobody_can_be_asked_it_stops_and_with_yes_it_goes_on(say, folder, serve, monkeypatch):
    server = serve()
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    paid = ["gpt-test", "--endpoint", server.address, "--price", "1,2"]
    code, out, err = say(*paid)
    assert code == 2
    assert "20 calls" in out
    assert "Add --yes" in err
    assert not server.asked
    assert say(*paid, "--yes", "--max-cost", "0")[0] == 2
    assert not server.asked
    assert say(*paid, "--yes", "--max-cost", "1")[0] == 0
    assert len(server.asked) == 20


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gpt-5-mini"], "add --allow-upload api.openai.com"),
        (["gpt-5-mini", "--allow-upload", "api.openai.com"], "OPENAI_API_KEY is empty or not there"),
        (["gpt", "--endpoint", "http://127.0.0.1:9/v1"], "is not there: nobody answers there"),
        (["gpt", "--price", "cheap"], "--price 'cheap' is not two numbers"),
        (["words.csv", "--redact", "mails"], "--redact"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(say, folder, words, says):
    code, _, err = say(*words)
    assert code == 2
    assert says in err
    assert err.count("Error:") == 1


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")
def test_a_study_asks_its_models_when_its_texts_are_drawn_and_once(folder, serve):
    server = serve(lambda text, n: json.dumps({"topic": "Law"}))
    study = folder / "study.yaml"
    study.write_text(STUDY.replace("ADDRESS", server.address))
    for _ in range(2):
        with pytest.raises(PeopleNeeded, match="anna codes 6"):
            at.run(study)
    assert sum(server.asked.values()) == 6  # of the drawn texts, once
    codings = at.read_codings("study.annotune")
    counts = dict(codings.group_by("coder").len().iter_rows())
    assert sorted(counts.values()) == [6, 20]


def test_a_study_that_says_no_cost_asks_nothing_that_is_paid(folder, serve):
    server = serve()
    study = folder / "study.yaml"
    study.write_text(STUDY.replace("ADDRESS}", f"{server.address}, price: [1, 2]}}"))
    with pytest.raises(at.AnnotuneError, match="Say with max_cost"):
        at.run(study)
    assert not server.asked


ELSEWHERE = "{model: gpt-test, endpoint: 'https://llm.example.org/v1', key: MY_SECRET, max_cost: 1, price: [0, 0]}"


@pytest.fixture
def strange(folder):
    """A study of somebody else, who would like to have the texts and what MY_SECRET holds."""
    path = folder / "study.yaml"
    path.write_text(STUDY.replace("{model: gpt-test, endpoint: ADDRESS}", ELSEWHERE))
    return path


def test_a_study_of_somebody_else_sends_nothing_and_draws_nothing_without_leave(strange, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "s3cret")
    monkeypatch.setattr("annotune.hybrid.propose.openai.Endpoint.ask", lambda *_: pytest.fail("it was sent"))
    with pytest.raises(
        at.AnnotuneError, match=r"send texts to llm\.example\.org, with the key in MY_SECRET, .*allow_up"
    ):
        at.run(strange)
    with pytest.raises(at.AnnotuneError, match=r"send texts to llm\.example\.org"):
        at.run(strange, allow_upload=["api.openai.com"])
    assert not (strange.parent / "study.annotune").exists()
    strange.write_text(strange.read_text().replace("key:", "allow_upload: llm.example.org, key:"))
    with pytest.raises(at.AnnotuneError, match=r"allow_upload is said by who runs a study"):
        at.run(strange)


def test_with_leave_it_is_sent_and_what_is_answered_needs_neither_leave_nor_key(strange, monkeypatch):
    asked = []

    def answer(endpoint, question):
        asked.append((endpoint.host, endpoint.key))
        return Answer(question, "ok", (Proposal("topic", "Law", None, "ok", ""),))

    monkeypatch.setenv("MY_SECRET", "s3cret")
    monkeypatch.setattr("annotune.hybrid.propose.openai.Endpoint.ask", answer)
    monkeypatch.setattr(sys, "argv", ["annotune", "run", "study.yaml", "--allow-upload", "LLM.example.org"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert asked == [("llm.example.org", "s3cret")] * 6
    monkeypatch.delenv("MY_SECRET")
    with pytest.raises(PeopleNeeded):
        at.run(strange)
    assert len(asked) == 6
