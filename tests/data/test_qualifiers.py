"""Columns that qualify a coding, in the forms of Prodigy, Mechanical Turk, Label Studio and Appen."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

LABELS = (at.Label(code=1, name="Economy"), at.Label(code=2, name="Health"))


def book(kind="nominal"):
    return at.Codebook(variables=(at.Variable(name="topic", kind=kind, labels=LABELS),))


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def triples(codings):
    return codings.select("unit_id", "label", "status").rows()


BINARY = [
    {"unit_id": "a", "label": "Economy", "answer": "accept", "_annotator_id": "db-anna"},
    {"unit_id": "b", "label": "Economy", "answer": "reject", "_annotator_id": "db-anna"},
    {"unit_id": "c", "label": "Economy", "answer": "ignore", "_annotator_id": "db-anna"},
]


@pytest.mark.parametrize("codebook", [None, book(), book("multilabel")])
def test_accepted_rejected_and_ignored_labels(tmp_path, codebook):
    path = jsonl(tmp_path / "db_out.jsonl", BINARY)
    with pytest.warns(at.AnnotuneWarning) as told:
        codings = at.read_codings(path, codebook, variable="topic")
    assert triples(codings) == [("a", "Economy", "ok"), ("b", None, "none"), ("c", None, "missing")]
    assert codings["coder"].unique().to_list() == ["db-anna"]
    said = [str(one.message).removeprefix(f"{path}, 'answer': ") for one in told]
    assert said == [
        "1 label was rejected, so that nothing is said but what the text is not; the status is 'none'.",
        "1 coding does not count, and the status is 'missing'.",
    ]


@pytest.mark.filterwarnings("ignore::annotune.errors.AnnotuneWarning")
def test_a_label_that_is_rejected_beside_an_accepted_one_says_nothing():
    rows = [
        ("a", "Economy", "reject"),
        ("a", "Health", "accept"),
        ("b", "Economy", "reject"),
        ("b", "Health", "reject"),
    ]
    frame = pl.DataFrame(rows, schema=["unit_id", "label", "answer"], orient="row")
    assert triples(at.read_codings(frame, book())) == [("a", "Health", "ok"), ("b", None, "none")]


def test_choices_of_prodigy(tmp_path):
    options = [{"id": "Economy", "text": "Economy"}, {"id": "Health", "text": "Health"}]
    rows = [("a", ["Economy"], "accept"), ("b", ["Health"], "ignore")]
    rows = [{"unit_id": u, "text": "x", "options": options, "accept": c, "answer": a} for u, c, a in rows]
    with pytest.warns(at.AnnotuneWarning, match="1 coding does not count"):
        codings = at.read_codings(jsonl(tmp_path / "choice.jsonl", rows), book())
    assert triples(codings) == [("a", "Economy", "ok"), ("b", None, "missing")]


def test_a_batch_of_mechanical_turk(tmp_path):
    header = "HITId,WorkerId,AssignmentStatus,Input.unit_id,Answer.topic,Approve,Reject\n"
    path = tmp_path / "Batch_1_batch_results.csv"
    options = {"unit_id": "Input.unit_id", "coder": "WorkerId", "columns": {"topic": "Answer.topic"}}
    path.write_text(header + "H1,W1,Submitted,q1,Economy\nH1,W2,Submitted,q1,Economy\nH2,W1,Submitted,q2,Health\n")
    with pytest.warns(at.AnnotuneWarning, match=r"the last columns are empty \('Approve', 'Reject'\)"):
        codings = at.read_codings(path, book(), **options)
    assert codings.select("unit_id", "coder", "label").rows() == [
        ("q1", "W1", "Economy"),
        ("q1", "W2", "Economy"),
        ("q2", "W1", "Health"),
    ]
    with pytest.warns(at.AnnotuneWarning, match="the last columns are empty"):  # as its columns are named
        assert at.read_codings(path, unit_id="Input.unit_id", variable="topic").equals(codings)
    gold = tmp_path / "gold.csv"
    words = ["resolve", str(path), "--unit-id", "Input.unit_id", "--columns", "area=Answer.topic", "--out", str(gold)]
    with pytest.warns(at.AnnotuneWarning, match="the last columns are empty"):
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert at.read_codings(gold).select("unit_id", "variable", "label").rows() == [
        ("q1", "area", "Economy"),
        ("q2", "area", "Health"),
    ]
    path.write_text(
        header + "H1,W1,Approved,q1,Economy,x,\nH1,W2,Rejected,q1,Health,,\nH2,W1,Submitted,q2,Health,,slow\n"
    )
    with pytest.warns(at.AnnotuneWarning, match="'AssignmentStatus', 'Reject': 2 codings do not count"):
        codings = at.read_codings(path, book(), **options)
    assert triples(codings) == [("q1", "Economy", "ok"), ("q1", None, "missing"), ("q2", None, "missing")]


@pytest.mark.parametrize("column", ["was_cancelled", "_tainted"])
def test_cancelled_and_tainted_codings_do_not_count(column):
    frame = pl.DataFrame({"unit_id": ["a", "b"], "topic": ["Economy", "Health"], column: [False, True]})
    with pytest.warns(at.AnnotuneWarning, match="1 coding does not count"):
        assert triples(at.read_codings(frame, book())) == [("a", "Economy", "ok"), ("b", None, "missing")]


def test_a_column_of_that_name_with_other_words_qualifies_nothing():
    frame = pl.DataFrame({"unit_id": ["a", "b"], "topic": ["Economy", "Health"], "answer": ["rents", "reject"]})
    assert triples(at.read_codings(frame, book())) == [("a", "Economy", "ok"), ("b", "Health", "ok")]
    answer = at.Codebook(variables=(at.Variable(name="answer", labels=(LABELS[0], at.Label(code=3, name="reject"))),))
    coded = pl.DataFrame({"unit_id": ["a"], "answer": ["reject"]})
    assert triples(at.read_codings(coded, answer)) == [("a", "reject", "ok")]
