"""Words among numbers, decimal commas, and labels that look as if they stood for no answer."""

import warnings

import polars as pl
import pytest
import xlsxwriter

import annotune as at
from annotune.tables import ALL_COLUMNS, read_table


def written(path, rows):
    """A csv file or a workbook with these rows; texts are cells of text in the workbook."""
    if path.suffix == ".csv":
        path.write_text("\n".join(";".join(str(cell) for cell in row) for row in rows) + "\n")
        return path
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for place, cell in enumerate(row):
            (sheet.write_string if isinstance(cell, str) else sheet.write_number)(number, place, cell)
    book.close()
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
@pytest.mark.parametrize("word", [".", "N/A", "n/a", "NA", "NaN", "#N/A"])
def test_words_that_mean_missing_are_missing_among_numbers_in_csv_and_excel_alike(tmp_path, name, word):
    path = written(tmp_path / name, [["id", "age"], ["a", 31], ["b", word], ["c", 54]])
    table = read_table(path)
    assert table.frame["age"].to_list() == [31, None, 54]
    assert table.frame["age"].dtype == pl.Int64
    told = [f"{name}, column 'age': {word!r} among numbers is read as missing (1 cell)."]
    assert list(table.notes) == ([] if word in ("NA", "NaN") else told)
    assert read_table(path, strings=ALL_COLUMNS).frame["id"].to_list() == ["a", "b", "c"]


def test_an_identifier_and_a_text_in_excel_stay_as_they_are(tmp_path):
    path = written(tmp_path / "t.xlsx", [["zip", "code"], ["01234", "12"], ["NA", "13"]])
    frame = read_table(path).frame
    assert frame["zip"].to_list() == ["01234", "NA"]
    assert frame["code"].to_list() == ["12", "13"]


def test_none_among_codes_in_excel_is_a_word_and_among_days_it_is_told(tmp_path):
    path = written(tmp_path / "coder_anna.xlsx", [["unit_id", "issues"], ["a", 1], ["b", "None"], ["c", 2]])
    labels = (at.Label(code=1, name="tax"), at.Label(code=2, name="war"))
    codebook = at.Codebook(variables=(at.Variable(name="issues", kind="multilabel", labels=labels),))
    assert at.read_codings(path, codebook)["status"].to_list() == ["ok", "none", "ok"]

    book = xlsxwriter.Workbook(str(path))
    sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_column(0, 0, ["day", 43_831], day)
    sheet.write_string(2, 0, "None")
    book.close()
    table = read_table(path)
    assert table.frame["day"].cast(pl.String).to_list()[0].startswith("2020-01-01")
    assert table.notes == ("coder_anna.xlsx, column 'day': 'None' among days is read as missing (1 cell).",)


def test_days_beside_words_in_excel_are_told(tmp_path):
    book = xlsxwriter.Workbook(str(tmp_path / "t.xlsx"))
    sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_column(0, 0, ["when", "unknown", "early in May"])
    sheet.write_number(3, 0, 43_831, day)
    book.close()
    table = read_table(tmp_path / "t.xlsx")
    assert table.frame["when"].to_list() == ["unknown", "early in May", "2020-01-01 00:00:00"]
    assert table.notes == ("t.xlsx, column 'when': days stand beside words, and are read as texts.",)


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_decimal_commas_are_told_and_kept_as_words(tmp_path, name):
    table = read_table(written(tmp_path / name, [["id", "rent"], ["a", "1.200,5"], ["b", "3"], ["c", "-4,25"]]))
    assert table.frame["rent"].to_list() == ["1.200,5", "3", "-4,25"]
    assert list(table.notes) == [
        f"{name}, column 'rent' looks like numbers with decimal commas, such as '1.200,5', and is read as words. "
        "If they are numbers, write decimal points."
    ]


def test_commas_between_thousands_are_not_taken_for_decimals(tmp_path):
    table = read_table(written(tmp_path / "t.csv", [["id", "income"], ["a", "1,200"], ["b", "12,000"]]))
    assert table.frame["income"].to_list() == ["1,200", "12,000"]
    assert "looks like numbers with commas, such as '1,200'" in table.notes[0]
    assert "remove the commas" in table.notes[0]


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
@pytest.mark.parametrize(
    "cells",
    [["1.234,50", "2,5", "3.5"], ["1 234", "2,5", "7"], ["1\u202f234", "5", "6"], ["1'234.50", "12"], ["\u22125", "3"],
     ["1.5", "2,5"], ["1,234", "2,5"], ["12.345.678", "9"]],
)  # fmt: skip
def test_numbers_written_in_several_ways_are_told_and_kept_as_words(tmp_path, name, cells):
    table = read_table(written(tmp_path / name, [["id", "rent"], *([f"u{i}", cell] for i, cell in enumerate(cells))]))
    assert table.frame["rent"].to_list() == cells
    (note,) = table.notes
    assert f"{name}, column 'rent' looks like numbers" in note
    assert repr(cells[0]) in note
    assert "and is read as words. If they are numbers, " in note


def test_infinity_beside_numbers_is_one_and_alone_a_word(tmp_path):
    rows = [["a", "b", "c", "d"], ["1.5", "inf", "NaN", "info"], ["-Inf", "Inf", "inf", "1"], ["NaN", "inf", "2", "2"]]
    frame = read_table(written(tmp_path / "t.csv", rows)).frame
    assert frame["a"].to_list() == [1.5, -float("inf"), None]
    assert frame["b"].to_list() == ["inf", "Inf", "inf"]
    assert frame["c"].to_list() == [None, float("inf"), 2.0]
    assert frame["d"].dtype == pl.String


def test_words_among_decimal_commas_are_told(tmp_path):
    rows = [["id", "rent"], *([f"u{i}", f"{i},5"] for i in range(9)), ["u9", "ca. 5"]]
    (note,) = read_table(written(tmp_path / "t.csv", rows)).notes
    assert "looks like numbers, but 1 cell is not, such as 'ca. 5' in row 11" in note


def test_days_sets_and_versions_are_no_numbers(tmp_path):
    rows = [["id", "day", "set", "version"], ["a", "01.02.2020", "1|2", "1.0.1"], ["b", "03.04.2021", "2", "1.0.12"]]
    assert read_table(written(tmp_path / "t.csv", rows)).notes == ()


def test_a_few_words_among_numbers_are_told_with_the_first_row(tmp_path):
    rows = [["id", "age"], *([f"u{i}", 20 + i] for i in range(9)), ["u9", "unk"]]
    table = read_table(written(tmp_path / "t.csv", rows))
    assert table.frame["age"].dtype == pl.String
    assert "looks like numbers, but 1 cell is not, such as 'unk' in row 11, and is read as words" in table.notes[0]


def test_words_identifiers_and_columns_named_as_texts_are_not_told(tmp_path):
    rows = [["id", "word", "zip", "v"], ["1,5", "yes", "01234", "A"], ["2,5", "no, never", "NA", "1"]]
    assert read_table(written(tmp_path / "t.csv", rows), strings=("id",)).notes == ()


def test_a_text_that_is_a_word_for_missing_has_no_text_and_a_covariate_is_told(tmp_path):
    path = written(tmp_path / "t.csv", [["unit_id", "text", "land"], ["a", "N/A", "DE"], ["b", "Why?", "N/A"]])
    with pytest.warns(at.AnnotuneWarning) as notes:
        corpus = at.read_corpus(path)
    assert corpus["text"].to_list() == [None, "Why?"]
    assert any("the word N/A is a value like any other in 'land'" in str(note.message) for note in notes)


@pytest.mark.parametrize("word", ["None", "null", "<NA>", "-", "missing", "k.A."])
def test_a_label_that_looks_like_a_placeholder_is_told_without_a_codebook(tmp_path, word):
    path = written(tmp_path / "coder_anna.csv", [["unit_id", "topic"], ["a", "Health"], ["b", word], ["c", word]])
    with pytest.warns(at.AnnotuneWarning, match=r"row 3, column 'topic': .* is read as a label \(2 such cells\)"):
        codings = at.read_codings(path, variable="topic", columns={"topic": "topic"})
    assert codings["label"].to_list() == ["Health", word, word]


def test_agreement_is_not_lowered_by_a_placeholder_without_a_word():
    answers = {"unit_id": list("abcd"), "anna": ["x", "y", "None", "x"], "ben": ["x", "y", "x", "None"]}
    with pytest.warns(at.AnnotuneWarning, match="'None' is read as a label"):
        at.read_codings(pl.DataFrame(answers), variable="topic", coders=["anna", "ben"])


def test_a_placeholder_that_the_codebook_has_is_a_label_without_a_word(tmp_path):
    labels = (at.Label(code=0, name="None"), at.Label(code=1, name="Health"))
    codebook = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    path = written(tmp_path / "coder_anna.csv", [["unit_id", "topic"], ["a", "Health"], ["b", "None"]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", at.AnnotuneWarning)
        assert at.read_codings(path, codebook)["label"].to_list() == ["Health", "None"]


def test_columns_separated_by_blanks_are_told(tmp_path):
    (tmp_path / "t.txt").write_text("Chins Situps Jumps\n5 162 60\n2 110 60\n")
    note = (
        "t.txt: the one column 'Chins Situps Jumps' looks like 3, separated by blanks. Put commas or tabs between them."
    )
    assert read_table(tmp_path / "t.txt").notes == (note,)
    (tmp_path / "t.txt").write_text("open answer\nno idea\nvery good\n")
    assert read_table(tmp_path / "t.txt").notes == ()
