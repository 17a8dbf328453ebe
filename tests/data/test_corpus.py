"""Corpora: identifiers keep every digit, texts every character, and rows in = rows out."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at

LONG = ["1234567890123456789", "1234567890123456790"]


def write(frame, path):
    """The frame in the format of the path's suffix."""
    suffix = path.suffix.removeprefix(".")
    if suffix == "xlsx":
        return frame.write_excel(path)
    if suffix in ("dta", "sav"):
        import pyreadstat

        return getattr(pyreadstat, f"write_{suffix}")(frame.to_pandas(), str(path))
    return getattr(frame, {"jsonl": "write_ndjson"}.get(suffix, f"write_{suffix}"))(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx", "dta", "sav"])
def test_every_format_gives_the_same_corpus(tmp_path, suffix):
    path = tmp_path / f"corpus.{suffix}"
    write(pl.DataFrame({"key": LONG, "question": ["Why?", 'Größe, "so"'], "year": [2001, 2002], "x": [1, 2]}), path)
    corpus = at.read_corpus(path, unit_id="key", text="question", covariates=["year"])
    assert corpus.columns == ["unit_id", "text", "year"]
    assert corpus.rows() == [(LONG[0], "Why?", 2001), (LONG[1], 'Größe, "so"', 2002)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_19_digits_stored_as_whole_numbers_survive(tmp_path, suffix):
    path = tmp_path / f"c.{suffix}"
    write(pl.DataFrame({"unit_id": [int(key) for key in LONG], "text": ["a", "b"]}), path)
    assert at.read_corpus(path)["unit_id"].to_list() == LONG


@pytest.mark.parametrize(("suffix", "row"), [("xlsx", 3), ("dta", 2), ("sav", 2), ("parquet", 2)])
def test_19_digits_stored_as_doubles_are_refused(tmp_path, suffix, row):
    path = tmp_path / f"c.{suffix}"
    write(pl.DataFrame({"unit_id": [12.0, 1234567890123456789.0], "text": ["a", "b"]}), path)
    with pytest.raises(at.AnnotuneError, match=rf"c\.{suffix}, row {row}, column 'unit_id'.*lost digits \(1 in all\)"):
        at.read_corpus(path)


@pytest.mark.parametrize("mangled", ["1.23457E+18", "1,23457E+18", "1e+18", " 1.2E18"])
def test_what_a_spreadsheet_makes_of_long_numbers_is_refused(tmp_path, mangled):
    (tmp_path / "c.csv").write_text(f"unit_id;text\na;x\n{mangled};y\n")
    with pytest.raises(at.AnnotuneError, match=r"row 3, column 'unit_id'.*lost digits"):
        at.read_corpus(tmp_path / "c.csv")


@pytest.mark.parametrize("odd", ["1e5", "12E+18", "5e-324x", "E18", "1.2", "007", "1e+1a"])
def test_identifiers_that_only_look_odd_are_kept(odd):
    assert at.read_corpus(pl.DataFrame({"unit_id": [odd], "text": ["x"]}))["unit_id"].to_list() == [odd]


def test_identifiers_with_fractions_are_refused_and_whole_doubles_are_whole():
    assert at.read_corpus(pl.DataFrame({"unit_id": [7.0], "text": ["x"]}))["unit_id"].to_list() == ["7"]
    with pytest.raises(at.AnnotuneError, match=r"row 1, column 'unit_id': the identifier 1\.5"):
        at.read_corpus(pl.DataFrame({"unit_id": [1.5], "text": ["x"]}))
    with pytest.raises(at.AnnotuneError, match=r"row 2, .*lost digits"):
        at.read_corpus(pl.DataFrame({"unit_id": [1.0, 2.0**53], "text": ["x", "y"]}))


def test_leading_zeros_stay(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,text,zip\n007,x,01234\n7,y,99999\n")
    assert at.read_corpus(tmp_path / "c.csv").select("unit_id", "zip").rows() == [("007", "01234"), ("7", "99999")]


@pytest.mark.parametrize("blank", ["", "  ", None, float("nan")])
def test_missing_identifiers_are_counted_and_the_first_is_named(blank):
    ids = [1.0, blank, blank] if isinstance(blank, float) else ["a", blank, blank]
    with pytest.raises(at.AnnotuneError, match=r"row 2, column 'unit_id': the identifier is missing \(2 in all\)"):
        at.read_corpus(pl.DataFrame({"unit_id": ids, "text": ["x", "y", "z"]}))


def test_double_identifiers_are_named_with_their_rows(tmp_path):
    (tmp_path / "c.csv").write_text('unit_id,text\na,"two\nlines"\nb,x\na,y\nc,z\nb,w\n')
    with pytest.raises(at.AnnotuneError, match=r"'a' is there more than once \(rows 2, 4\); so are 1 other"):
        at.read_corpus(tmp_path / "c.csv")


def test_blank_texts_keep_their_rows_and_are_counted():
    frame = pl.DataFrame({"unit_id": list("abcdef"), "text": ["\u200bx", "", " \n", None, "NA", "\u200b\ufeff\u00ad"]})
    with pytest.warns(at.AnnotuneWarning, match="5 of 6 texts are empty"):
        corpus = at.read_corpus(frame)
    assert corpus["text"].to_list() == ["\u200bx", None, None, None, None, None]


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,test\na,x\n")
    with pytest.raises(at.AnnotuneError, match=r"c\.csv has no column 'text'. Name .* Did you mean 'test'\?"):
        at.read_corpus(tmp_path / "c.csv")
    frame = pl.DataFrame({"unit_id": ["a"], "text": ["x"], "party": ["y"]})
    with pytest.raises(at.AnnotuneError, match="The corpus has no column 'pary'"):
        at.read_corpus(frame, covariates=["party", "pary"])


def test_covariates_may_be_one_word_and_count_once():
    frame = pl.DataFrame({"unit_id": ["a"], "text": ["x"], "party": ["y"], "year": [1]})
    assert at.read_corpus(frame, covariates="party").columns == ["unit_id", "text", "party"]
    assert at.read_corpus(frame, covariates=["year", "year", "text"]).columns == ["unit_id", "text", "year"]
    assert at.read_corpus(frame, covariates=[]).columns == ["unit_id", "text"]


def test_a_column_whose_name_is_taken_is_left_out_with_a_word():
    frame = pl.DataFrame({"id": ["a"], "body": ["x"], "text": ["y"]})
    with pytest.warns(at.AnnotuneWarning, match="the column 'text' was left out"):
        assert at.read_corpus(frame, unit_id="id", text="body").rows() == [("a", "x")]


def test_numbers_and_lists_are_no_texts_and_no_identifiers():
    with pytest.raises(at.AnnotuneError, match="'text' holds Int64, not texts"):
        at.read_corpus(pl.DataFrame({"unit_id": ["a"], "text": [1]}))
    with pytest.raises(at.AnnotuneError, match="'unit_id' holds lists"):
        at.read_corpus(pl.DataFrame({"unit_id": [["a"]], "text": ["x"]}))


def test_nothing_and_one_row(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,text\n")
    with pytest.raises(at.AnnotuneError, match=r"c\.csv has no rows. Its columns are 'unit_id', 'text'"):
        at.read_corpus(tmp_path / "c.csv")
    with pytest.raises(at.AnnotuneError, match="The corpus has no rows"):
        at.read_corpus(pl.DataFrame(schema={"unit_id": pl.String, "text": pl.String}))
    assert len(at.read_corpus(pl.LazyFrame({"unit_id": ["a"], "text": ["x"]}))) == 1
    with pytest.raises(at.AnnotuneError, match="A dict is no table"):
        at.read_corpus({"unit_id": ["a"]})


def test_pandas_frames_with_and_without_an_index():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"unit_id": [3, 4], "text": ["x", "y"], "party": pd.Categorical(["b", "a"])}, index=[9, 9])
    assert at.read_corpus(frame).rows() == [("3", "x", "b"), ("4", "y", "a")]
    assert at.read_corpus(frame.set_index("unit_id"))["unit_id"].to_list() == ["3", "4"]
    with pytest.raises(at.AnnotuneError, match="The pandas frame cannot be taken over"):
        at.read_corpus(pd.DataFrame({"unit_id": pd.Series([1, "a"], dtype=object), "text": ["x", "y"]}))


def test_the_encoding_of_a_corpus_is_said(tmp_path):
    (tmp_path / "c.csv").write_bytes("unit_id;text\n1;Straße nach Köln\n".encode("cp1252"))
    with pytest.warns(at.AnnotuneWarning, match="not UTF-8; it was read as cp1252"):
        assert at.read_corpus(tmp_path / "c.csv")["text"].to_list() == ["Straße nach Köln"]
    assert at.read_corpus(tmp_path / "c.csv", encoding="cp1252")["text"].to_list() == ["Straße nach Köln"]


@given(
    st.lists(
        st.tuples(st.uuids(), st.text(alphabet='ab é\n",;😀', min_size=1)), min_size=1, unique_by=lambda row: row[0]
    )
)
def test_rows_in_are_rows_out_in_their_order(tmp_path_factory, rows):
    ids = [str(unit) for unit, _ in rows]
    texts = [f"x{text}" for _, text in rows]
    path = tmp_path_factory.mktemp("corpus") / "c.csv"
    pl.DataFrame({"unit_id": ids, "text": texts}).write_csv(path)
    corpus = at.read_corpus(path)
    assert (corpus["unit_id"].to_list(), corpus["text"].to_list()) == (ids, texts)


def test_the_word_na_in_a_covariate_is_told_of(tmp_path):
    """R's write.csv writes a missing word so; a country's code may be meant as well."""
    (tmp_path / "texts.csv").write_text("unit_id,text,party,n\na,x,NA,NA\nb,y,CDU,3\n")
    with pytest.warns(at.AnnotuneWarning, match="the word NA is a value like any other in 'party'"):
        assert at.read_corpus(tmp_path / "texts.csv")["party"].to_list() == ["NA", "CDU"]


def test_where_a_table_is_wanted_a_file_has_to_be_read_first():
    with pytest.raises(at.AnnotuneError, match=r"'m.csv' is a text, and a table is wanted. Read the file first"):
        at.correct("y ~ x", "m.csv")


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        ({"doc_id": [1, 2], "text": ["a", "b"]}, "unit_id='doc_id'; in a study, corpus: {path: ..., unit_id: doc_id}"),
        ({"HITId": [1, 2], "Input.unit_id": [1, 2], "text": ["a", "b"]}, "unit_id='Input.unit_id'"),
        ({"nummer": [1, 2], "text": ["a", "a"]}, "unit_id='nummer'"),
        ({"text": ["one text", "another"], "party": ["x", "x"]}, "Add one, with a name or number of its own"),
        ({"unit_id": [1, 2], "party": ["a", "b"], "question": ["Why is it so?", "How long is it?"]}, "text='question'"),
    ],
)
def test_a_missing_column_says_what_to_write(frame, advice):
    with pytest.raises(at.AnnotuneError, match="has no column") as error:
        at.read_corpus(pl.DataFrame(frame))
    assert advice in str(error.value)


@pytest.mark.parametrize("suffix", ["sav", "dta"])
def test_a_scale_of_which_only_the_ends_are_named_is_told(tmp_path, suffix):
    import pyreadstat

    frame = pl.DataFrame({"unit_id": ["a", "b", "c"], "text": ["x", "y", "z"], "lr": [0.0, 5.0, 10.0]})
    labels = {"lr": {0: "left", 10: "right"}}
    path = tmp_path / f"corpus.{suffix}"
    getattr(pyreadstat, f"write_{suffix}")(frame, str(path), variable_value_labels=labels)
    with pytest.warns(at.AnnotuneWarning, match=r"not every value of 'lr' has a label.*0 left, 10 right"):
        corpus = at.read_corpus(path)
    assert corpus["lr"].to_list() == [0.0, 5.0, 10.0]
