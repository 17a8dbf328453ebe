"""Files of codes say in their labels what their columns hold, whatever wrote them."""

import polars as pl
import pyreadstat
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune import rcalls
from annotune.cli import app
from annotune.data.wide import attach, headings
from annotune.export.write import write
from annotune.rcalls.packing import Kept

CODES = {1: "Health", 2: "Law", 3: "Farming"}
LABELS = {"topic_prob": "topic: the coder's probability for its label"}
LABELS |= {"topic_status": "topic: why there is a label, or none"}
LABELS |= {f"topic_p_{name}": f"topic: the coder's probability for {name}" for name in CODES.values()}
BOOK = "variables:\n- name: topic\n  labels:\n" + "".join(
    f"  - {{code: {code}, name: {name}}}\n" for code, name in CODES.items()
)


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=2, n_boot=0)


@pytest.fixture
def texts(topics, tmp_path):
    topics.select("unit_id", "text", "doc").head(8).write_csv(tmp_path / "texts.csv")
    return tmp_path / "texts.csv"


def annotune(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def words_of(path):
    """The variable labels that are there, and the value labels of the codes; reasons for missing ones have letters."""
    reader = {".dta": pyreadstat.read_dta, ".sav": pyreadstat.read_sav}[path.suffix]
    about = reader(path)[1]
    codes = {code: label for code, label in about.variable_value_labels["topic"].items() if not isinstance(code, str)}
    return {name: label for name, label in about.column_names_to_labels.items() if label}, codes


@pytest.mark.parametrize("suffix", [".dta", ".sav"])
def test_classify_labels_what_it_adds(model, texts, tmp_path, suffix):
    out = tmp_path / f"coded{suffix}"
    annotune("classify", model.save(tmp_path / "model"), texts, out, "--evidence")
    headings, codes = words_of(out)
    assert headings | LABELS == headings
    assert headings["topic_evidence"].startswith("topic: ")
    assert codes == CODES


def test_zero_shot_labels_what_it_adds(decoder, texts, tmp_path):
    (tmp_path / "book.yaml").write_text(BOOK)
    out = tmp_path / "coded.dta"
    annotune("zero-shot", texts, out, "--codebook", tmp_path / "book.yaml", "--base", decoder())
    headings, codes = words_of(out)
    assert headings == LABELS
    assert codes == CODES


def test_a_data_frame_of_r_keeps_its_own_labels_beside_these(model, texts, tmp_path):
    """Of a column that is not written, such as the text, there is none to keep."""
    frame = rcalls.pack(pl.read_csv(texts))
    for column in frame["columns"]:
        column["heading"] = f"the {column['name']}"
    table = {".r": "table", "rows": frame["rows"], "columns": frame["columns"]}
    arguments = {"model": {".r": "object", "object": Kept(model)}, "corpus": table, "precision": "float32"}
    arguments |= {"unit_id": "unit_id", "text": "text", "paths": [str(tmp_path / "coded.dta")]}
    answer = rcalls.call("code_files", arguments)
    assert "value" in answer, answer
    headings, codes = words_of(tmp_path / "coded.dta")
    assert headings == LABELS | {"unit_id": "the unit_id", "doc": "the doc"}
    assert codes == CODES


def test_the_columns_of_a_set_say_who_gave_which_label(tmp_path):
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(("war", "peace"), 1))
    book = at.Codebook(variables=(at.Variable(name="marks", kind="multilabel", labels=labels),))
    corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": ["One.", "Two."]})
    given = pl.DataFrame({"unit_id": ["a", "a", "b"], "label": ["war", "peace", "war"], "variable": "marks"})
    data = attach(corpus, given.with_columns(coder=pl.lit("anna")), codebook=book, gold=given)
    write(data, [tmp_path / "marks.dta"], codebook=book, headings=headings(book, data.columns))
    words = pyreadstat.read_dta(tmp_path / "marks.dta")[1].column_names_to_labels
    assert words["marks_war"] == "marks: whether the coder gave war"
    assert words["marks_gold_peace"] == "marks: whether people gave peace"
