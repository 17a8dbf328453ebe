"""Formats beside the commonest ones, each written or shipped by a program that is not annotune."""

import zipfile
from pathlib import Path

import polars as pl
import pyreadstat
import pytest
import statsmodels

import annotune as at
from annotune.tables import read_table

SHEET = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 office:version="1.2"><office:body><office:spreadsheet><table:table table:name="S">{rows}</table:table>
</office:spreadsheet></office:body></office:document-content>"""
CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
NUMBER = '<table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell>'


def test_an_xls_file_of_excel_97():
    """One that statsmodels ships."""
    frame = read_table(next(Path(statsmodels.__file__).parent.rglob("test_spec_blocks.xls"))).frame
    assert frame.columns[:5] == ["Model", "SeriesID", "SeriesName", "Frequency", "Block1-Global"]
    assert frame["Model"].to_list() == [1] * 8
    assert frame.select("SeriesID", "SeriesName", "Transformation").row(1) == (
        "CPIAUCSL",
        "Consumer Price Index",
        "pch",
    )


def test_an_ods_sheet_of_libreoffice(tmp_path):
    rows = [["unit_id", "topic"], ["007", "Health"], ["8", 3]]
    cells = ("".join((CELL if isinstance(cell, str) else NUMBER).format(cell) for cell in row) for row in rows)
    content = SHEET.format(rows="".join(f"<table:table-row>{row}</table:table-row>" for row in cells))
    with zipfile.ZipFile(tmp_path / "t.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        archive.writestr("META-INF/manifest.xml", manifest)
    assert read_table(tmp_path / "t.ods").frame.rows() == [("007", "Health"), ("8", "3")]


def test_zsav_and_por_files_of_spss(tmp_path):
    frame = pl.DataFrame({"unit_id": ["0071", "8"], "topic": [1.0, 3.0], "share": [0.5, None]})
    labels = {"topic": {1: "Economy", 3: "Health"}}
    pyreadstat.write_sav(frame, tmp_path / "t.zsav", compress=True, variable_value_labels=labels)
    table = read_table(tmp_path / "t.zsav")
    assert table.frame.rows() == [("0071", "Economy", 0.5), ("8", "Health", None)]
    assert at.read_codebook(tmp_path / "t.zsav").variable("topic").codes == {"Economy": 1, "Health": 3}

    pyreadstat.write_por(frame, tmp_path / "t.por", column_labels=["", "What about?", ""])
    table = read_table(tmp_path / "t.por")
    assert table.frame.rename(str.lower).rows() == [("0071", 1, 0.5), ("8", 3, None)]  # names are capitals in .por
    assert {name.lower(): text for name, text in table.headings.items()} == {"topic": "What about?"}


def test_a_tab_file_of_a_dataverse(tmp_path):
    """Written as its ingest does: texts in quotation marks, with backslashes before marks, tabs and line ends."""
    texts = ['He said: "no"', "C:\\temp\\new", "a\ttab", "two\nlines", "plain, with comma; semicolon"]
    marks = (("\\", "\\\\"), ('"', '\\"'), ("\t", "\\t"), ("\n", "\\n"))

    def cell(text):
        for mark, escaped in marks:
            text = text.replace(mark, escaped)
        return f'"{text}"'

    rows = [f"{number}\t{cell(text)}\t{number / 2}" for number, text in enumerate(texts)]
    (tmp_path / "t.tab").write_text("\n".join(["id\ttext\tshare", *rows, '9\t""\t', "10\t\t1"]) + "\n")
    frame = read_table(tmp_path / "t.tab").frame
    assert frame["text"].to_list() == [*texts, None, None]
    assert frame["id"].to_list() == [0, 1, 2, 3, 4, 9, 10]
    assert frame["share"].to_list() == [0.0, 0.5, 1.0, 1.5, 2.0, None, 1.0]


def test_a_tab_file_with_doubled_marks_is_read_as_any_other(tmp_path):
    (tmp_path / "t.tab").write_text('id\ttext\n1\t"a ""new"" C:\\temp"\n2\t"x\ny"\n')
    assert read_table(tmp_path / "t.tab").frame["text"].to_list() == ['a "new" C:\\temp', "x\ny"]


def test_json_lists_and_lines_are_tables(tmp_path):
    (tmp_path / "list.json").write_text('[{"id": "a", "n": 1}, {"id": "b", "n": null, "more": "x"}]')
    assert read_table(tmp_path / "list.json").frame.rows() == [("a", 1, None), ("b", None, "x")]
    (tmp_path / "lines.json").write_text('{"id": "a", "n": 1}\n{"id": "b", "n": 2}\n')
    assert read_table(tmp_path / "lines.json").frame.rows() == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('[{"id": 1},\n{"id": }]', r"t\.json, line 2: this is not JSON"),
        ("[1, 2]", r"t\.json holds no list of objects\. A table in JSON is a list of objects"),
        ("[]", r"t\.json holds an empty list"),
        ('{"id": "Größe"}'.encode("latin-1"), r"t\.json is not UTF-8"),
    ],
)
def test_json_that_is_no_table_is_refused(tmp_path, content, sentence):
    (tmp_path / "t.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(at.AnnotuneError, match=sentence):
        read_table(tmp_path / "t.json")
