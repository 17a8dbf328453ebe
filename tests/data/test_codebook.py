"""Codebooks from YAML, sheets and labelled columns; every fault with its file and line."""

import polars as pl
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at

HEAD = "variables:\n  - name: topic\n    labels:\n"
TWO = HEAD + "      - {code: 1, name: A}\n      - {code: 2, name: B}\n"


@pytest.fixture
def book(tmp_path):
    """Write a codebook's bytes or text and read it."""

    def read(content, name="book.yaml"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return at.read_codebook(tmp_path / name)

    return read


def test_everything_a_codebook_can_say_is_read(book):
    codebook = book(
        "name: Questions\nlanguage: de\nvariables:\n"
        "  - name: topic\n    kind: multilabel\n    instruction: Which?\n    labels:\n"
        "      - {code: 10, name: Law, definition: Courts., examples: [one, two]}\n"
        "      - {code: 3, name: Crime, parent: 10}\n"
        "  - name: tone\n    kind: ordinal\n    labels: [{code: 0, name: low}, {code: 1, name: high}]\n"
    )
    topic, tone = codebook.variables
    assert (codebook.name, codebook.language, topic.kind, tone.kind) == ("Questions", "de", "multilabel", "ordinal")
    assert topic.names == ["Law", "Crime"]  # the file's order, not the codes'
    assert topic.codes == {"Law": 10, "Crime": 3}
    assert topic.labels[0].examples == ("one", "two")
    assert (topic.labels[0].parent, topic.labels[1].parent) == (None, 10)


def test_labels_keep_the_characters_that_were_written(book):
    names = ["No", "NA", "1.10", "null", "yes", "0x1F", "2024-01-01", "1e3", "Ä 😀"]
    labels = "".join(f"      - {{code: {code}, name: {name}}}\n" for code, name in enumerate(names))
    assert book(HEAD + labels).variable().names == names


@pytest.mark.parametrize("content", ["\ufeff" + TWO, TWO.replace("\n", "\r\n"), TWO + "\n\n# end\n"])
def test_byte_order_marks_line_ends_and_comments_do_no_harm(book, content):
    assert book(content).variable().codes == {"A": 1, "B": 2}


FAULTS = {
    "code twice": (HEAD + "      - {code: 1, name: A}\n      - {code: 1, name: B}\n", "line 5: The code 1 of variable"),
    "code twice, in blocks": (
        HEAD + "      - code: 1\n        name: A\n      - name: B\n        code: 1\n",
        "line 7: The code 1 of variable 'topic' is there twice",
    ),
    "name twice": (HEAD + "      - {code: 1, name: A}\n\n      - {code: 2, name: a}\n", "line 6: The label 'a'"),
    "variable twice": (TWO + TWO.partition("\n")[2], "line 6: The variable 'topic' is there twice"),
    "key twice": ("name: x\nvariables: []\nname: y\n", "line 3: the key 'name' is there twice"),
    "empty key twice": ("name:\nname:\nvariables: []\n", "line 2: the key 'name' is there twice"),
    "unknown key": (
        TWO.replace("name: topic", "name: topic\n    kimd: ordinal"),
        "line 3: variables 1, kimd: .* Did you mean .kind",
    ),
    "unknown key of a label": (
        TWO.replace("name: B", "name: B, meaning: x"),
        "labels 2, meaning: .* There are: 'code', ",
    ),
    "unknown kind": (TWO.replace("name: topic", "name: topic\n    kind: odd"), "line 3: .*'nominal', 'ordinal'"),
    "no code": (HEAD + "      - {code: 1, name: A}\n      - {name: B}\n", "line 5: .*labels 2, code: it is missing"),
    "no name": (HEAD + "      - {code: 1, name: }\n      - {code: 2, name: B}\n", "line 4: .*name: it is missing"),
    "code is a word": (TWO.replace("code: 2", "code: x"), "line 5: .*code: it must be a whole number"),
    "code is a fraction": (TWO.replace("code: 2", "code: 1.5"), "line 5: .*code: it must be a whole number"),
    "code is negative": (TWO.replace("code: 2", "code: -2"), r"line 5: .*it must be 0 or more \(a label such as"),
    "code beyond Stata's": (TWO.replace("code: 2", "code: 2147483621"), "line 5: .*it must be 2147483620 or less"),
    "one label": (HEAD + "      - {code: 1, name: A}\n", "line 3: The labels of variable 'topic' are too few"),
    "no labels": ("variables:\n  - name: topic\n", "line 2: variables 1, labels: it is missing"),
    "no variables": ("name: x\n", "line 1: variables: it is missing"),
    "no variable": ("name: x\nvariables: []\n", "line 2: The codebook has no variable"),
    "parent is nobody": (TWO.replace("name: B", "name: B, parent: 7"), "line 5: The parent 7 of label 'B'"),
    "parent is itself": (TWO.replace("name: B", "name: B, parent: 2"), "line 5: The label 'B' .* own ancestor"),
    "parents in a circle": (
        TWO.replace("name: A", "name: A, parent: 2").replace("name: B", "name: B, parent: 1"),
        "line 4: The label 'A' .* own ancestor",
    ),
    "a set's separator": (
        TWO.replace("name: topic", "name: topic\n    kind: multilabel").replace("name: B", "name: B; C"),
        "line 6: The label 'B; C' .* holds ; or",
    ),
    "comma without quotes": (
        TWO.replace("name: B", "name: B, definition: taxes, prices"),
        "line 5: 'prices' stands behind a comma .* is no key.*Put quotes",
    ),
    "tab": ("variables:\n\t- name: topic\n", "line 2: this is not YAML"),
    "open bracket": ("name: [x\nvariables: []\n", "this is not YAML"),
    "two documents": ("name: x\n---\nname: y\n", "line 2: this is not YAML"),
    "a list": ("- a\n- b\n", "line 1: the file: it must be a block of keys"),
    "a key that is no word": ("name: x\n? [a, b]\n: 1\n", "line 2: a key must be a word"),
    "endless": ("name: &x [*x]\nvariables: []\n", "alias"),
    "empty": ("", "is empty"),
    "only a comment": ("# later\n", "is empty"),
    "control character": ("name: \x07\n", "characters that YAML does not allow"),
    "Latin-1": (TWO.replace("name: A", "name: Ä").encode("latin-1"), "not UTF-8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(book, fault):
    content, message = FAULTS[fault]
    with pytest.raises(at.AnnotuneError, match=rf"book\.yaml.*{message}"):
        book(content)


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(at.AnnotuneError, match=r"none\.yaml is not there\. Check the path"):
        at.read_codebook(tmp_path / "none.yaml")
    with pytest.raises(at.AnnotuneError, match=r"no reader for '\.docx'"):
        at.read_codebook(tmp_path / "book.docx")


@given(st.integers(0, 12), st.integers(1, 12))
def test_the_line_of_a_double_code_is_right_wherever_it_stands(tmp_path_factory, before, between):
    lines = [f"      - {{code: {code}, name: n{code}}}\n" for code in range(before + between)]
    lines.append(f"      - {{code: {before}, name: again}}\n")
    path = tmp_path_factory.mktemp("book") / "b.yaml"
    path.write_text(HEAD + "".join(lines))
    with pytest.raises(at.AnnotuneError, match=rf"line {3 + len(lines)}: The code {before} "):
        at.read_codebook(path)


def test_a_variable_is_found_by_name_or_because_it_is_the_only_one(book):
    codebook = book(TWO)
    assert codebook.variable().name == codebook.variable("topic").name == "topic"
    with pytest.raises(at.AnnotuneError, match=r"no variable 'tpoic'\. Did you mean 'topic'"):
        codebook.variable("tpoic")
    two = at.Codebook(variables=(codebook.variable(), codebook.variable().model_copy(update={"name": "tone"})))
    with pytest.raises(at.AnnotuneError, match="several variables"):
        two.variable()


def test_the_fingerprint_is_of_the_content_not_of_the_layout(book):
    blocks = HEAD + "      - code: 1\n        name: A\n      - code: 2\n        name: 'B'\n"
    assert book(TWO).sha256 == book(blocks).sha256
    assert book(TWO).sha256 != book(TWO.replace("B", "C")).sha256


def test_codebooks_made_in_python_are_held_to_the_same_rules():
    labels = (at.Label(code=1, name="A"), at.Label(code=1, name="B"))
    with pytest.raises(at.AnnotuneError, match="The code 1 of variable 'x' is there twice"):
        at.Codebook(variables=(at.Variable(name="x", labels=labels),))


SHEET = pl.DataFrame(
    {
        "variable": ["topic", "topic", "tone", "tone"],
        "kind": [None, None, "ordinal", None],
        "code": [1, 3, 0, 1],
        "name": ["1.10", "NA", "No", "Yes"],
        "parent": [None, 1, None, None],
        "examples": ["one\ntwo", None, None, None],
        "remark": ["not read", None, None, None],
    }
)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_a_sheet_has_a_row_per_label(tmp_path, suffix):
    path = tmp_path / f"book.{suffix}"
    {"csv": SHEET.write_csv, "xlsx": SHEET.write_excel, "parquet": SHEET.write_parquet}[suffix](path)
    codebook = at.read_codebook(path)
    topic, tone = codebook.variables
    assert topic.codes == {"1.10": 1, "NA": 3}
    assert (topic.kind, tone.kind, tone.codes) == ("nominal", "ordinal", {"No": 0, "Yes": 1})
    assert (topic.labels[1].parent, topic.labels[0].examples) == (1, ("one", "two"))


def test_faults_in_a_sheet_are_named_with_their_row(book):
    with pytest.raises(at.AnnotuneError, match=r"b\.csv, row 4: The code 1"):
        book("variable,code,name\nt,1,A\nt,2,B\nt,1,C\n", "b.csv")
    with pytest.raises(at.AnnotuneError, match=r"b\.csv, row 3: variables 2, name: it is empty"):
        book("variable,code,name\nt,1,A\n,2,B\n", "b.csv")
    with pytest.raises(at.AnnotuneError, match=r"b\.csv holds no codebook.*'code', 'name', 'variable'.*'label'"):
        book("variable,code,label\nt,1,A\n", "b.csv")


def test_a_latin_1_sheet_is_read_and_said_to_be_one(book):
    with pytest.warns(at.AnnotuneWarning, match="cp1252"):
        codebook = book("variable,code,name\nt,1,Außenpolitik\nt,2,Müll\n".encode("latin-1"), "b.csv")
    assert codebook.variable().names == ["Außenpolitik", "Müll"]


@pytest.mark.parametrize("suffix", ["dta", "sav"])
def test_value_labels_are_a_codebook(tmp_path, suffix):
    import pandas as pd

    path = tmp_path / f"data.{suffix}"
    frame = pd.DataFrame({"topic": [1, 3, -9], "year": [1, 2, 3], "one": [1, 1, 1]})
    labels = {"topic": {3: "Law", 1: "Health", -9: "Refused"}, "one": {1: "only"}}
    getattr(pyreadstat, f"write_{suffix}")(frame, str(path), variable_value_labels=labels)
    with pytest.warns(at.AnnotuneWarning, match="negative codes mean missing, and were left out: 'Refused'"):
        codebook = at.read_codebook(path, variable="topic")
    assert codebook.variable("topic").codes == {"Health": 1, "Law": 3}
    with pytest.raises(at.AnnotuneError, match="no labelled column 'year'"):
        at.read_codebook(path, variable="year")
    with pytest.raises(at.AnnotuneError, match=r"'one' are too few.*variable="):
        at.read_codebook(path, variable="one")


def test_two_codes_with_one_label_are_refused(tmp_path):
    import pandas as pd

    labels = {"topic": {1: "same", 2: "same"}}
    pyreadstat.write_dta(pd.DataFrame({"topic": [1, 2]}), str(tmp_path / "d.dta"), variable_value_labels=labels)
    with pytest.raises(at.AnnotuneError, match=r"d\.dta: The label 'same' of variable 'topic' is there twice"):
        at.read_codebook(tmp_path / "d.dta")


def test_a_misspelt_column_of_a_sheet_is_told_of(tmp_path):
    (tmp_path / "book.csv").write_text("variable,code,name,definiton\nv,1,yes,says so\nv,2,no,does not\n")
    with pytest.warns(at.AnnotuneWarning, match="'definiton' is not read. Did you mean 'definition'"):
        at.read_codebook(tmp_path / "book.csv")
