"""What annotation tools export, built as their documentation shows it, read as texts and as codings."""

import json

import polars as pl
import pytest
import xlsxwriter

import annotune as at
from annotune.cli import main

TOPIC = at.Codebook(
    variables=(
        at.Variable(name="topic", labels=(at.Label(code=1, name="Economy"), at.Label(code=2, name="Health"))),
        at.Variable(
            name="issues", kind="multilabel", labels=(at.Label(code=1, name="tax"), at.Label(code=2, name="war"))
        ),
    )
)
ISSUES = at.Codebook(variables=TOPIC.variables[1:])


def choices(name, *labels):
    value = {"choices": list(labels)}
    return {"id": "x", "from_name": name, "to_name": "text", "type": "choices", "value": value}


def annotation(by, *results, cancelled=False):
    return {"id": 5, "completed_by": by, "result": list(results), "was_cancelled": cancelled, "ground_truth": False}


@pytest.fixture
def label_studio(tmp_path):
    span = {"from_name": "ner", "to_name": "text", "type": "labels", "value": {"start": 0, "end": 3, "labels": ["PER"]}}
    ben = {"id": 2, "email": "ben@uni.org", "first_name": "", "last_name": ""}
    tasks = [
        {
            "id": 11, "data": {"text": "Taxes rise", "party": "A", "meta": {"x": 1}},
            "annotations": [
                annotation(1, choices("topic", "Economy"), choices("issues", "tax", "war"), span),
                annotation(ben, choices("topic", "Health")),
            ],
            "predictions": [{"model_version": "m", "result": [choices("topic", "Health")]}],
        },
        {"id": 12, "data": {"text": "A clinic", "party": "B"}, "annotations": [annotation(1, cancelled=True)]},
        {"id": 13, "data": {"text": "Hm", "party": "B"}, "annotations": []},
    ]  # fmt: skip
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    return path


def test_label_studios_annotations_are_codings_by_annotator_and_question(label_studio):
    with pytest.warns(at.AnnotuneWarning) as notes:
        codings = at.read_codings(label_studio, TOPIC)
    assert sorted(codings.select("unit_id", "variable", "coder", "label", "status").rows(), key=str) == sorted(
        [
            ("11", "topic", "1", "Economy", "ok"),
            ("11", "topic", "ben@uni.org", "Health", "ok"),
            ("12", "topic", "1", None, "missing"),
            ("11", "issues", "1", "tax", "ok"),
            ("11", "issues", "1", "war", "ok"),
            ("11", "issues", "ben@uni.org", None, "missing"),
            ("12", "issues", "1", None, "missing"),
        ],
        key=str,
    )
    told = " ".join(str(note.message) for note in notes)
    assert "1 annotation is empty, as the text was skipped" in told
    assert "left out, as they are not about whole texts: labels (1)" in told
    assert "1 prediction by models were left out" in told


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")
def test_label_studios_tasks_are_texts(label_studio):
    corpus = at.read_corpus(label_studio)
    assert corpus.rows() == [("11", "Taxes rise", "A"), ("12", "A clinic", "B"), ("13", "Hm", "B")]
    assert at.read_corpus(label_studio, covariates=[])["unit_id"].to_list() == ["11", "12", "13"]


def test_label_studios_json_min(tmp_path):
    common = {"annotation_id": 1, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01", "lead_time": 2.5}
    rows = [
        {"id": 1, "text": "x", "topic": "Economy", "issues": {"choices": ["tax", "war"]}, "annotator": 1} | common,
        {"id": 1, "text": "x", "topic": "Health", "issues": "war", "annotator": 2} | common,
        {"id": 2, "text": "y", "topic": "Health", "annotator": 2} | common,
    ]
    (tmp_path / "min.json").write_text(json.dumps(rows))
    codings = at.read_codings(tmp_path / "min.json", TOPIC)
    assert codings.filter(variable="topic").select("unit_id", "coder", "label").rows() == [
        ("1", "1", "Economy"), ("1", "2", "Health"), ("2", "2", "Health"),
    ]  # fmt: skip
    assert codings.filter(variable="issues").select("unit_id", "coder", "label").rows() == [
        ("1", "1", "tax"), ("1", "1", "war"), ("1", "2", "war"), ("2", "2", None),
    ]  # fmt: skip
    assert at.read_corpus(tmp_path / "min.json", covariates=[]).rows() == [("1", "x"), ("2", "y")]


def test_exports_without_labels_of_whole_texts_are_refused_in_a_sentence(tmp_path, monkeypatch, capsys):
    span = {"from_name": "ner", "type": "labels", "value": {"labels": ["PER"]}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps([{"id": 1, "data": {"text": "x"}, "annotations": [annotation(1, span)]}]))
    monkeypatch.setattr("sys.argv", ["annotune", "reliability", str(path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "no annotation has a choice" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(at.AnnotuneError, match=r"p\.json: no annotation has a choice.*labels \(1\)"):
        at.read_codings(path)
    path.write_text(json.dumps([{"id": 1, "data": {"text": "x"}, "annotations": []}, {"id": 2, "annotations": []}]))
    with pytest.raises(at.AnnotuneError, match=r"p\.json, task 2: it has no 'id' or no 'data'"):
        at.read_corpus(path)
    path.write_text(json.dumps([{"id": 1, "text": "x", "annotations": [{"label": 2, "user": 1}]}]))
    with pytest.raises(at.AnnotuneError, match="numbers of labels, not their names"):
        at.read_codings(path)


def test_doccanos_jsonl(tmp_path):
    rows = [
        {"id": 1, "text": "x", "label": ["tax", "war"], "Comments": []},
        {"id": 2, "text": "y", "label": [], "Comments": []},
    ]
    path = tmp_path / "anna.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(at.AnnotuneWarning, match="1 text has an empty list of labels"):
        codings = at.read_codings(path, ISSUES)
    assert codings.select("unit_id", "coder", "label", "status").rows() == [
        ("1", "anna", "tax", "ok"), ("1", "anna", "war", "ok"), ("2", "anna", None, "none"),
    ]  # fmt: skip
    one = at.Codebook(
        variables=(at.Variable(name="t", labels=(at.Label(code=1, name="A"), at.Label(code=2, name="B"))),)
    )
    path.write_text('{"id": 1, "text": "x", "label": ["A"]}\n{"id": 2, "text": "y", "label": []}\n')
    with pytest.warns(at.AnnotuneWarning, match="an empty list"):
        assert at.read_codings(path, one)["status"].to_list() == ["ok", "missing"]
    with pytest.warns(at.AnnotuneWarning, match="an empty list"):
        assert at.read_corpus(path)["unit_id"].to_list() == ["1", "2"]


def test_doccanos_spans_are_refused(tmp_path):
    (tmp_path / "ner.jsonl").write_text('{"id": 1, "text": "EU rejects", "label": [[0, 2, "ORG"]]}\n')
    with pytest.raises(at.AnnotuneError, match=r"ner\.jsonl, .*spans"):
        at.read_codings(tmp_path / "ner.jsonl", ISSUES)


def test_prodigys_answers(tmp_path):
    """Accepted labels are given, rejected ones are not, and what was ignored has no answer."""
    asked = [
        ("1", "x", "tax", "accept", "db-anna"), ("1", "x", "war", "accept", "db-anna"),
        ("1", "x", "tax", "reject", "db-ben"),
        ("2", "y", "tax", "reject", "db-anna"), ("2", "y", "war", "accept", "db-anna"),
        ("3", "z", "tax", "ignore", "db-anna"),
    ]  # fmt: skip
    names = ("_input_hash", "text", "label", "answer", "_annotator_id")
    path = tmp_path / "db_out.jsonl"
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in asked))
    with pytest.warns(at.AnnotuneWarning, match="label was rejected|labels were rejected|not count"):
        codings = at.read_codings(path, ISSUES)
    assert codings.select("unit_id", "coder", "label", "status").rows() == [
        ("1", "db-anna", "tax", "ok"), ("1", "db-anna", "war", "ok"), ("1", "db-ben", None, "none"),
        ("2", "db-anna", "war", "ok"), ("3", "db-anna", None, "missing"),
    ]  # fmt: skip
    assert at.read_corpus(path, covariates=[]).rows() == [("1", "x"), ("2", "y"), ("3", "z")]


def test_prodigys_choices(tmp_path):
    options = [{"id": "tax", "text": "Tax"}, {"id": "war", "text": "War"}]
    rows = [
        {"_input_hash": -5, "text": "x", "options": options, "accept": ["tax", "war"], "answer": "accept"},
        {"_input_hash": 6, "text": "y", "options": options, "accept": [], "answer": "accept"},
        {"_input_hash": 7, "text": "z", "options": options, "accept": ["war"], "answer": "ignore"},
    ]
    path = tmp_path / "anna.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(at.AnnotuneWarning, match="1 coding does not count"):
        codings = at.read_codings(path, ISSUES)
    assert codings.select("unit_id", "coder", "label", "status").rows() == [
        ("-5", "anna", "tax", "ok"), ("-5", "anna", "war", "ok"), ("6", "anna", None, "none"),
        ("7", "anna", None, "missing"),
    ]  # fmt: skip


def workbook(path, rows):
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return path


def test_maxqdas_coded_segments(tmp_path):
    header = ["Color", "Comment", "Document group", "Document name", "Code", "Beginning", "End", "Weight score"]
    header += ["Segment", "Modified by", "Created by", "Area", "Coverage %"]
    rows = [
        ["", "", "Bundestag", "Speech 1", "Issues > tax", 3, 4, 0, "Taxes rise.", "anna", "anna", 11, 1.5],
        ["", "", "Bundestag", "Speech 1", "Issues > war", 3, 4, 0, "Taxes rise.", "anna", "anna", 11, 1.5],
        ["", "", "Bundestag", "Speech 1", "Issues > tax", 3, 4, 0, "Taxes rise.", "ben", "ben", 11, 1.5],
    ]
    path = workbook(tmp_path / "segments.xlsx", [header, *rows])
    codings = at.read_codings(path, ISSUES)
    assert codings.select("unit_id", "coder", "label").rows() == [
        ("Bundestag/Speech 1:3-4", "anna", "tax"),
        ("Bundestag/Speech 1:3-4", "anna", "war"),
        ("Bundestag/Speech 1:3-4", "ben", "tax"),
    ]
    assert at.read_corpus(path, covariates=["Document name"]).rows() == [
        ("Bundestag/Speech 1:3-4", "Taxes rise.", "Speech 1")
    ]
    by_document = at.read_codings(path, ISSUES, unit_id="Document name")
    assert set(by_document["unit_id"]) == {"Speech 1"}


def test_taguettes_highlights(tmp_path):
    path = tmp_path / "anna.csv"
    path.write_text('id,document,tag,content\n7,Speech,tax,"Taxes, again"\n7,Speech,war,"Taxes, again"\n8,Speech,,Hm\n')
    assert at.read_codings(path, ISSUES).select("unit_id", "coder", "label").rows() == [
        ("7", "anna", "tax"), ("7", "anna", "war"), ("8", "anna", None),
    ]  # fmt: skip
    assert at.read_corpus(path, covariates=[]).rows() == [("7", "Taxes, again"), ("8", "Hm")]


# --- codebooks ----------------------------------------------------------------------------------

QDC = """<?xml version="1.0" encoding="UTF-8"?>
<CodeBook xmlns="urn:QDA-XML:codebook:1.0" origin="NVivo 12 For Mac"><Codes>
  <Code guid="A" name="Economy" isCodable="true"><Description>Growth, prices</Description>
    <Code guid="B" name="Tax" isCodable="true"/><Code guid="C" name="Other" isCodable="true"/></Code>
  <Code guid="D" name="Places" isCodable="false"><Code guid="E" name="Other" isCodable="true"/></Code>
</Codes><Sets/></CodeBook>"""


def test_a_refi_qda_codebook(tmp_path):
    (tmp_path / "codes.qdc").write_text(QDC)
    with pytest.warns(at.AnnotuneWarning) as notes:
        codebook = at.read_codebook(tmp_path / "codes.qdc", variable="issues")
    entry = codebook.variable("issues")
    assert entry.kind == "multilabel"
    assert entry.codes == {"Economy": 1, "Tax": 2, "Economy > Other": 3, "Places > Other": 4}
    assert [label.parent for label in entry.labels] == [None, 1, 1, None]
    assert entry.labels[0].definition == "Growth, prices"
    told = " ".join(str(note.message) for note in notes)
    assert "'Places' cannot be given to a text" in told
    assert "4 codes were read as the labels of one multilabel variable, 'issues'" in told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("<CodeBook>\n<Codes>", "line 2: this is not XML"), ("<Project/>", "no REFI-QDA codebook: it holds 'Project'")],
)
def test_a_file_that_is_no_refi_qda_codebook_is_refused(tmp_path, content, sentence):
    (tmp_path / "c.qdc").write_text(content)
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.read_codebook(tmp_path / "c.qdc")


@pytest.mark.parametrize(
    ("header", "rows", "names"),
    [
        (["tag", "description", "number of highlights"], [["tax", "Taxes", 3], ["war", "", 0]], ["tax", "war"]),
        (["Name", "Description"], [["Codes\\\\tax", "Taxes"], ["Codes\\\\tax\\\\VAT", ""]], ["tax", "VAT"]),
        (["Code", "Memo"], [["Money > tax", "Taxes"], ["Money > fees", ""]], ["tax", "fees"]),
    ],
)  # fmt: skip
def test_codebooks_of_taguette_nvivo_and_maxqda(tmp_path, header, rows, names):
    plain = tmp_path / "book.csv"
    pl.DataFrame(rows, schema=header, orient="row").write_csv(plain)
    for path in (plain, workbook(tmp_path / "book.xlsx", [header, *rows])):
        with pytest.warns(at.AnnotuneWarning, match="one multilabel variable, 'book'"):
            entry = at.read_codebook(path).variable("book")
        assert entry.names == names
        assert entry.labels[0].definition == "Taxes"
