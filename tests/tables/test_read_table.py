"""Every format and every ugly file that a researcher may have."""

import csv
import datetime as dt
import gzip
import io
import random
import shutil
import subprocess
import sys
import time

import polars as pl
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import annotune as at
from annotune.tables import ALL_COLUMNS, delimited, read_table
from annotune.tables.encodings import detect_encoding

LONG_ID = 1234567890123456789


@pytest.fixture
def table(tmp_path):
    """Write a file's bytes or text and read it."""

    def read(content, name="t.csv", **options):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(tmp_path / name, **options)

    return read


# --- csv: what is inside ------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found_out(table, mark, end):
    rows = [["id", "v"], ["1", "x"], ["2", "y"]]
    assert table(end.join(mark.join(row) for row in rows) + end).frame.rows() == [(1, "x"), (2, "y")]


def test_the_delimiter_is_not_mistaken_for_punctuation(table):
    frame = table("id;text, long, x;c\n1;a, b, c;2\n2;d;3\n").frame
    assert frame.columns == ["id", "text, long, x", "c"]
    assert frame["text, long, x"].to_list() == ["a, b, c", "d"]


def test_excels_own_first_line_names_the_delimiter(table):
    assert table("sep=;\nid;v,w\n1;x\n").frame.to_dicts() == [{"id": 1, "v,w": "x"}]


def test_quotes_line_breaks_and_emoji_in_texts(table):
    text = 'He said: "no",\r\nthen; left 😀\ttab'
    frame = table(pl.DataFrame({"id": ["a"], "text": [text]}).write_csv()).frame
    assert frame["text"].to_list() == [text]


def test_quotation_marks_inside_unquoted_texts(table):
    assert table('id,t\n1,5" pipe\n2,6" pipe\n').frame["t"].to_list() == ['5" pipe', '6" pipe']


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8))
def test_whatever_is_written_by_a_csv_writer_is_read_back(tmp_path_factory, cells):
    texts = pl.DataFrame(cells, schema={"a": pl.String, "b": pl.String}, orient="row")
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + texts.write_csv(quote_style="always").encode())
    expected = texts.with_columns(pl.all().str.replace_all("\0", "", literal=True).replace("", None))
    filled = expected.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    expected = expected.head(int(filled[-1]) + 1 if len(filled) else 0)
    assert_frame_equal(read_table(path, strings=ALL_COLUMNS).frame, expected)


def test_texts_of_more_than_100_kilobytes(table):
    text = "word " * 40_000
    assert table(f'id,t,v\n1,"{text}",\n2,x,y\n').frame["t"].to_list() == [text, "x"]


def test_a_row_that_is_too_long_or_too_short_is_named_by_its_line(table):
    with pytest.raises(at.AnnotuneError, match=r"t\.csv, line 5: 4 fields where the header has 3"):
        table('id,t,v\n1,"two\nlines",x\n2,y,\n3,a,b,c\n')
    with pytest.raises(at.AnnotuneError, match=r"t\.csv, line 3: 2 fields where the header has 3"):
        table("id,t,v\n1,a,b\n2,a\n3,c,d\n")


def test_rows_that_all_end_early_have_empty_last_columns(table):
    found = table("id,t,approve,reject\n1,a\n2,b\n")
    assert found.frame.rows() == [(1, "a", None, None), (2, "b", None, None)]
    assert found.notes == (
        "t.csv: every row has 2 fields, and the header has 4: the last columns are empty ('approve', 'reject').",
    )


def test_row_names_of_r_and_empty_fields_beyond_the_header(table):
    named = table('"x" "t"\n"fr" 1 "a b"\n"es" 2 "c"\n'.replace(" ", "\t"))
    assert named.frame.columns == ["row_names", "x", "t"]
    assert named.frame["row_names"].to_list() == ["fr", "es"]
    assert "the first field is the row's name" in named.notes[0]
    ended = table("id,t\n1,a,\n2,b,\n")
    assert ended.frame.rows() == [(1, "a"), (2, "b")]
    assert "the empty fields at the end of the rows were left out" in ended.notes[0]
    for ambiguous in ("id,t\n1,a, b\n2,c, d\n", "id,t\n1,a,b\n1,c,d\n", "id,t\n1,a,b,c\n2,d,e,f\n"):
        with pytest.raises(at.AnnotuneError, match=r"line 2: . fields where the header has 2, as in every row"):
            table(ambiguous)


QUALTRICS = (
    "StartDate,ResponseId,Q1,Q2\n"
    'Start Date,Response ID,"What is the problem?\nWrite a sentence.",How old are you?\n'
    '"{""ImportId"":""startDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n'
    '2024-03-01,R_1aB,"Rents, and jobs",34\n2024-03-01,R_2cD,,51\n'
)


def test_lines_of_description_are_no_rows(table, tmp_path):
    import xlsxwriter

    found = table("\ufeff" + QUALTRICS)
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate(csv.reader(io.StringIO(QUALTRICS))):
            sheet.write_row(row, 0, [int(cell) if cell.isdigit() else cell for cell in cells])
    for export in (found, read_table(tmp_path / "t.xlsx")):
        assert export.frame["Q2"].to_list() == [34, 51]
        assert export.frame["Q1"].to_list() == ["Rents, and jobs", None]
        assert export.headings["Q1"] == "What is the problem? Write a sentence."
        assert "2 lines of description below the names of the columns are no rows" in export.notes[0]
    missing = pytest.raises(at.AnnotuneError, match=r"row 5, column 'Q1': the identifier is missing")
    with missing, pytest.warns(at.AnnotuneWarning, match="lines of description"):
        at.read_codings(tmp_path / "t.xlsx", unit_id="Q1", variable="Q2")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_questions_alone_below_the_names_are_no_row_either(tmp_path, suffix):
    import xlsxwriter

    days = [dt.datetime(2025, 6, 1, 10, 30), dt.datetime(2025, 6, 2, 9)]
    rows = [
        ["StartDate", "ResponseId", "Q1", "Q7_TEXT"],
        ["Date de début", "ID de la réponse", "Quel âge avez-vous ?", "Pourquoi ?"],
        [days[0], "R_1aB", 34, "Le salaire\net la santé 😩"],
        [days[1], "R_2cD", 51, None],
    ]
    file = tmp_path / f"enquête.{suffix}"
    if suffix == "csv":
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows(rows)
    else:
        with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
            sheet = book.add_worksheet()
            for number, cells in enumerate(rows):
                sheet.write_row(number, 0, cells)
    table = read_table(file, strings=("ResponseId", "Q7_TEXT"))
    assert table.frame["ResponseId"].to_list() == ["R_1aB", "R_2cD"]
    assert table.frame["Q1"].to_list() == [34, 51]
    assert table.headings["Q7_TEXT"] == "Pourquoi ?"
    (note,) = table.notes
    assert "1 line of description below the names of the columns is no row" in note
    assert table.first == 3
    if suffix == "xlsx":
        assert table.frame["StartDate"].to_list() == days


def test_a_first_row_stays_where_identifiers_do_not_say_that_it_is_a_question(table):
    assert len(table("ResponseId,Q1\nR_1a,x\nR_2b,y\n").frame) == 2
    assert len(table("ResponseId,Q1\nanna,x\nben,y\n").frame) == 2
    assert len(table("ResponseId,Q1\nResponse ID,Why?\nR_2b,y\nben,z\n").frame) == 3


def test_an_open_quotation_mark_is_named_by_its_line(table):
    with pytest.raises(at.AnnotuneError, match=r"t\.csv, line 3: a quotation mark is not closed"):
        table('id,t\n1,x\n2,"open\n3,y\n4,z\n')
    with pytest.raises(at.AnnotuneError, match=r"t\.csv, line 2: a quotation mark"):
        table('id,t\n1,"say \\"hi\\", please"\n2,y\n')


def test_empty_rows_and_columns_at_the_end_are_left_out(table):
    assert table("id,t,,\n1,x,,\n2,y,,\n,,,\n\n\n").frame.rows() == [(1, "x"), (2, "y")]
    assert table("id,t\n1,x\n\n2,y\n").frame["id"].to_list() == [1, None, 2]  # in the middle they keep their place


def test_headers_are_stripped_and_must_differ(table):
    assert table(" id , t\n1,x\n").frame.columns == ["id", "t"]
    assert table(",t\n1,x\n").frame.columns == ["column_1", "t"]  # as R's row names are
    with pytest.raises(at.AnnotuneError, match="line 1: there are two columns 't'"):
        table("id,t,t\n1,2,3\n")


def test_files_without_content_are_refused(table, tmp_path):
    for content in ("", "\n\n", "\ufeff"):
        with pytest.raises(at.AnnotuneError, match=r"t\.csv is empty"):
            table(content)
    with pytest.raises(at.AnnotuneError, match=r"is not there\. Check the path"):
        read_table(tmp_path / "none.csv")  # t.csv is there, and is not what is meant
    (tmp_path / "questions.csv").write_text("a,b")
    with pytest.raises(at.AnnotuneError, match=r"is not there\. Did you mean 'questions\.csv'"):
        read_table(tmp_path / "question.csv")
    with pytest.raises(at.AnnotuneError, match="no reader"):
        table("x", "t.doc")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(at.AnnotuneError, match="is a folder"):
        read_table(tmp_path / "folder.csv")


def test_null_characters_are_left_out_and_counted(table):
    found = table("id,t\n1,a\0b\0\n")
    assert found.frame["t"].to_list() == ["ab"]
    assert "2 in all" in found.notes[0]


# --- csv: types ---------------------------------------------------------------------------------


def test_types_are_inferred_without_losing_characters(table):
    frame = table(
        "zip,long,int,dec,sci,full,flag,mixed,na\n"
        "01234,1234567890123456,+1,1.5,1e3,0.12345678901234567,TRUE,1,NA\n"
        "99999,2,-2,.5,2E-3,1,false,x,3\n"
        ",,NA,,,,,z,\n"
    ).frame
    assert frame.schema == {
        "zip": pl.String, "long": pl.String, "int": pl.Int64, "dec": pl.Float64, "sci": pl.Float64,
        "full": pl.Float64, "flag": pl.Boolean, "mixed": pl.String, "na": pl.Int64,
    }  # fmt: skip
    assert frame["zip"].to_list() == ["01234", "99999", None]
    assert frame["int"].to_list() == [1, -2, None]
    assert frame["sci"].to_list() == [1000.0, 0.002, None]
    assert frame["na"].to_list() == [None, 3, None]


def test_columns_named_as_strings_stay_words(table):
    frame = table("id,v\n007,1\n8,2\n", strings=("id",)).frame
    assert frame.rows() == [("007", 1), ("8", 2)]
    assert table("id,v\n007,NA\n", strings=ALL_COLUMNS).frame.rows() == [("007", "NA")]


# --- csv: encodings -----------------------------------------------------------------------------

WESTERN = {
    "German": "Jörg,Müller,Größe,Außenpolitik",
    "one German name": "Jörg",
    "French": "Hélène,François,Santé,très élevé",
    "Spanish": "Núñez,Educación,¿qué?,mañana",
    "Dutch": "Financiën,coördinatie,één",
    "Portuguese": "Educação,Saúde,ações",
    "Danish": "Sørensen,Miljø,Ålborg",
    "Italian": "città,perché,più",
    "typographic": "It’s,“fine”,5 €,a – b",
}


@pytest.mark.parametrize("language", WESTERN)
def test_short_western_files_are_read_right(table, language):
    words = WESTERN[language].split(",")
    encodings = ["cp1252"] if language in ("typographic",) else ["cp1252", "latin-1"]
    for encoding in encodings:
        found = table(("id,word\n" + "".join(f"{i},{w}\n" for i, w in enumerate(words))).encode(encoding))
        assert found.frame["word"].to_list() == words
        assert "cp1252" in found.notes[0]


OTHERS = {
    "cp1251": "Здравоохранение,Экономика страны,Да,Нет",
    "koi8_r": "Здравоохранение,Экономика страны",
    "cp1250": "Ochrona środowiska,łódź,żywność,się",
    "iso8859_2": "Ochrona środowiska,łódź,żywność,się",
    "cp1253": "Υγεία,Παιδεία και οικονομία",
    "cp1254": "Sağlık,Eğitim,dış ilişkiler",
    "mac_roman": "Größe,Müller,Jörg,très élevé",
    "cp850": "Größe,Müller,Jörg,très élevé",
}


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_scripts_and_older_systems(table, encoding):
    words = OTHERS[encoding].split(",")
    found = table(("word;n\n" + "".join(f"{w};1\n" for w in words)).encode(encoding))
    assert found.frame["word"].to_list() == words


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_with_and_without_a_mark(table, encoding):
    found = table("id;text\n1;Größe 😀 Да\n".encode(encoding))
    assert (found.frame.rows(), found.notes) == ([(1, "Größe 😀 Да")], ())


def test_one_broken_letter_does_not_spoil_a_utf8_file(table):
    found = table("id,t\n1,Größe und Äußeres über ähnlich größer\n2,caf".encode() + b"\xc3\n")
    assert found.frame["t"].to_list() == ["Größe und Äußeres über ähnlich größer", "caf\ufffd"]
    assert "utf-8 became '\ufffd' (1 times)" in found.notes[0]


def test_a_named_encoding_is_used_and_must_fit(table):
    assert table("id,t\n1,Größe\n".encode("cp850"), encoding="cp850").frame["t"].to_list() == ["Größe"]
    assert table(b"\xef\xbb\xbfid,t\n1,x\n", encoding="utf-8").frame.columns == ["id", "t"]
    for wrong in ("utf-8", "no-such"):
        with pytest.raises(at.AnnotuneError, match=f"is not {wrong}"):
            table("id,t\n1,Größe\n".encode("latin-1"), encoding=wrong)


def test_plain_ascii_is_utf8():
    assert detect_encoding(b"id,t\n1,plain\n") == detect_encoding(b"") == "utf-8"


# --- speed --------------------------------------------------------------------------------------


def test_many_rows_are_read_quickly(tmp_path):
    words = ["the", "parliament", "voted", "on", "health", "and", "budget", "policies", "ü"]
    draw = random.Random(1)
    texts = [" ".join(draw.choices(words, k=12)) for _ in range(1_000)]
    rows = (f'{LONG_ID + i},"{texts[i % 1_000]}, yes",{2000 + i % 20},{"" if i % 2 else "x"}\n' for i in range(200_000))
    path = tmp_path / "big.csv"
    path.write_text("id,text,year,last\n" + "".join(rows))
    start = time.process_time()
    frame = read_table(path, strings=("id", "text")).frame
    assert time.process_time() - start < 5  # about a second of two cores, although the last column has holes
    assert frame.shape == (200_000, 4)
    assert frame["id"][-1] == str(LONG_ID + 199_999)


# --- other formats ------------------------------------------------------------------------------


@given(
    rows=st.lists(st.tuples(*[st.text("ab\"',; \n\ré9", max_size=6)] * 3), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    size=st.integers(24, 90),
)
def test_a_csv_is_read_in_parts_as_it_is_at_once(tmp_path_factory, rows, quoting, end, size):
    path = tmp_path_factory.mktemp("parts") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        if quoting == csv.QUOTE_MINIMAL:  # which leaves a lone \\r without marks: is it the end of a row?
            rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
        csv.writer(file, quoting=quoting, lineterminator=end).writerows([("i", "j", "k"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotune.tables.delimited.PART", size)
        parts = delimited._in_parts(path, None, ",")
    assert parts is not None
    whole, notes = delimited._at_once(path, None, ",", str)
    assert_frame_equal(parts[0], whole)
    assert parts[1] == notes


@pytest.mark.parametrize(
    "text",
    [
        'id,t\n1,5" pipe\n2,"a\nb"\n3,c\n',  # a mark inside of a field that has none around it
        'id,t\n1,5"\n2,"a\nb, c"\n3,"d\ne"\n',
        'id,t\n1,"a" b\n2,c\n',
        'id,t\n1,"not closed\n2,c\n',
        "id,t\n1,a\n2,b,c\n",
        "id,t\n1,a,b\n2,b,c\n",
        "id,t\n1,a\n2\n",
        "id,t\n1,a\n2,\0b\n",
        "sep=;\nid;t\n1;a\n",
    ],
)
def test_where_a_text_is_unusual_all_of_it_says_how_it_is_read(tmp_path, monkeypatch, text):
    (path := tmp_path / "t.csv").write_text(text)
    monkeypatch.setattr("annotune.tables.delimited.PART", 16)
    assert delimited._in_parts(path, None, "") is None


PEAK = """
import sys
from annotune.tables import read_table

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

read_table(sys.argv[1])
before = peak()
assert len(read_table(sys.argv[2], strings=("unit_id", "text")).frame) == int(sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the most memory of a process known")
def test_packed_texts_take_no_more_than_twice_their_length(tmp_path):
    rows = [f'{number},"{number:0600d}, {number:b}"\n'.encode() for number in range(100_000)]
    text = b"unit_id,text\n" + b"".join(rows)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text, 1))
    (tmp_path / "tiny.csv").write_text("unit_id,text\n1,a\n")
    command = [sys.executable, "-c", PEAK, tmp_path / "tiny.csv", tmp_path / "t.csv.gz", str(len(rows))]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < 1.8 * len(text)


def test_more_columns_than_a_table_has_are_a_sentence(table):
    with pytest.raises(at.AnnotuneError, match=r"t\.csv has 40,001 columns, and may not have more than 32,767"):
        table("," * 40_000 + "\n1\n")


def test_gzipped_text(table):
    packed = gzip.compress("id;t\n1;Größe\n".encode("latin-1"))
    assert table(packed, "t.csv.gz").frame["t"].to_list() == ["Größe"]
    assert table(gzip.compress(b'{"id": 1}\n'), "t.jsonl.gz").frame["id"].to_list() == [1]
    with pytest.raises(at.AnnotuneError, match=r"t\.csv\.gz cannot be read as csv"):
        table(packed[:-12], "t.csv.gz")
    with pytest.raises(at.AnnotuneError, match="no reader"):
        table(gzip.compress(b"x"), "t.dta.gz")


def test_jsonl_keeps_digits_lists_and_nulls(table):
    found = table(
        f'\ufeff{{"id": {LONG_ID}, "l": ["a", "b"]}}\n\n{{"id": 2, "t": "é\\ud83d\\ude00"}}\n', "t.jsonl"
    ).frame
    assert found["id"].to_list() == [LONG_ID, 2]
    assert found["l"].to_list() == [["a", "b"], None]
    assert found["t"].to_list() == [None, "é😀"]


@pytest.mark.parametrize("bad", ['{"id": }', "[1]", '{"id": 1} x', '{"id": NaN}', '"é"'])
def test_a_broken_line_of_jsonl_is_named(table, bad):
    with pytest.raises(at.AnnotuneError, match=r"t\.jsonl, line 3: this is not a JSON object"):
        table(f'{{"id": 1}}\n{{"id": 2}}\n{bad}\n'.encode("latin-1"), "t.jsonl")


def test_excel_holds_whole_numbers_dates_and_notes(tmp_path):
    import xlsxwriter

    book = xlsxwriter.Workbook(tmp_path / "t.xlsx")
    sheet = book.add_worksheet("Codings")
    for r, row in enumerate([["id", "code", "zip", ""], [1, 3, "007", None], [2, None, "8", None]]):
        for c, value in enumerate(row):
            sheet.write(r, c, value)
    sheet.write_blank(5, 1, None, book.add_format({"bold": True}))
    book.add_worksheet("Notes")
    book.close()
    found = read_table(tmp_path / "t.xlsx")
    assert found.frame.rows() == [(1, 3, "007"), (2, None, "8")]
    assert found.frame.schema["code"] == pl.Int64
    assert found.notes == ("t.xlsx: the sheet 'Codings' was read, 1 more were not.",)
    xlsxwriter.Workbook(tmp_path / "e.xlsx").close()
    with pytest.raises(at.AnnotuneError, match=r"e\.xlsx: the sheet 'Sheet1' is empty"):
        read_table(tmp_path / "e.xlsx")


@pytest.mark.parametrize("suffix", ["dta", "sav"])
def test_labelled_columns_keep_their_codes_and_labels(tmp_path, suffix):
    import pandas as pd

    path = tmp_path / f"t.{suffix}"
    frame = pd.DataFrame({"topic": [3, 1, None], "part": [1, 2, 9], "text": ["a", "b", "c"]})
    getattr(pyreadstat, f"write_{suffix}")(
        frame,
        str(path),
        column_labels={"topic": "Main topic"},
        variable_value_labels={"topic": {3: "Law", 1: "Health", 7: "Trade"}, "part": {1: "one"}},
    )
    found = read_table(path)
    assert found.labels == {"topic": {1: "Health", 3: "Law", 7: "Trade"}, "part": {1: "one"}}
    assert found.frame["topic"].to_list() == ["Law", "Health", None]
    assert found.frame["topic"].dtype == pl.Enum(["Health", "Law", "Trade"])
    assert found.frame["part"].to_list() == [1, 2, 9]  # some codes have no label, so none is replaced
    assert found.headings["topic"] == "Main topic"


R_SCRIPT = """
library(haven)
d <- data.frame(id = c("a1", "a2"), topic = labelled(c(3, 1), c(Health = 1, Law = 3)),
  tone = factor(c("low", NA), levels = c("low", "high")), text = c("Gr\\u00f6\\u00dfe", NA), year = c(2001L, NA),
  day = as.Date(c("2024-02-29", NA)), big = c(1234567890123456789, 1))
d$whole <- structure(c(4.94065645841247e-324, 9.88131291682493e-324), class = "integer64")
saveRDS(d, "d.rds")
write_dta(d[c("id", "topic", "tone", "text", "year", "day", "big")], "d.dta")
write_sav(d[c("id", "topic", "tone", "text", "year", "day", "big")], "d.sav")
write.csv(d, "d.csv")
"""


@pytest.fixture(scope="module")
def from_r(tmp_path_factory):
    """A folder with the same data frame as R and haven write it."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    folder = tmp_path_factory.mktemp("r")
    done = subprocess.run(["Rscript", "-e", R_SCRIPT], cwd=folder, capture_output=True, text=True, check=False)
    if "there is no package called" in done.stderr:
        pytest.skip("the R package haven is not installed")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("suffix", ["rds", "dta", "sav"])
def test_what_r_writes(from_r, suffix):
    found = read_table(from_r / f"d.{suffix}")
    assert found.frame["id"].to_list() == ["a1", "a2"]
    assert found.frame["topic"].to_list() == ["Law", "Health"]
    assert found.labels["topic"] == {1: "Health", 3: "Law"}
    assert found.frame["tone"].to_list() == ["low", None]
    assert found.labels["tone"] == {1: "low", 2: "high"}
    assert found.frame["text"][0] == "Größe"
    assert [str(day) for day in found.frame["day"]] == ["2024-02-29", "None"]
    with pytest.raises(at.AnnotuneError, match=r"row 1, column 'big'.*lost digits"):
        at.read_corpus(from_r / f"d.{suffix}", unit_id="big")


def test_a_csv_of_r_has_row_names_and_na(from_r):
    frame = read_table(from_r / "d.csv").frame
    assert frame.columns[:2] == ["column_1", "id"]
    assert frame["year"].to_list() == [2001, None]
    with pytest.warns(at.AnnotuneWarning) as told:
        assert at.read_corpus(from_r / "d.csv", unit_id="id")["text"].to_list() == ["Größe", None]
    said = " ".join(str(one.message) for one in told)
    assert "1 of 2 texts are empty" in said
    assert "the word NA is a value like any other in 'tone'" in said


def test_64_bit_whole_numbers_of_r(from_r):
    assert read_table(from_r / "d.rds").frame["whole"].to_list() == [1, 2]


def test_single_precision_identifiers_have_lost_digits(tmp_path):
    import pandas as pd

    path = tmp_path / "f.dta"
    pd.DataFrame({"unit_id": pd.Series([3, 123456789], dtype="float32"), "text": "x"}).to_stata(path, write_index=False)
    with pytest.raises(at.AnnotuneError, match=r"f\.dta, row 2, column 'unit_id'.*lost digits"):
        at.read_corpus(path)


@pytest.mark.parametrize("suffix", ["parquet", "xlsx", "dta", "sav", "rds", "jsonl"])
def test_a_broken_file_is_one_sentence(table, suffix):
    with pytest.raises(at.AnnotuneError, match=rf"t\.{suffix}"):
        table(b"garbage that is no table " * 40, f"t.{suffix}")


@pytest.mark.parametrize("others", [["A1"], []])
def test_long_numbers_that_excel_has_rounded_are_told_of(tmp_path, others):
    """Excel keeps 15 digits of what is typed in; beside words, fastexcel gives the rest of the number as text."""
    import xlsxwriter

    def notes(*values):
        with xlsxwriter.Workbook(tmp_path / "ids.xlsx") as book:
            sheet = book.add_worksheet()
            for row, value in enumerate(("id", *others, *values)):
                sheet.write(row, 0, value)
        return read_table(tmp_path / "ids.xlsx").notes

    rounded = (1234567890123450, 1234567890123460)
    assert "end in 0, such as 1234567890123450" in notes(*rounded)[0]
    assert not notes("1234567890123456", "1234567890123450")
    assert not notes(123456789012345, 100)
