"""Columns of Stata, SPSS, R and Excel whose numbers mean something else: days, periods, labels, padded identifiers."""

import datetime as dt
import io
import shutil
import subprocess
import warnings
import zipfile

import pandas as pd
import polars as pl
import pyreadstat
import pytest
import xlsxwriter

import annotune as at
from annotune.tables import read_table

DAY = dt.date(2019, 3, 1)
NOON = dt.datetime(2019, 3, 1, 12, 30)


def stata(path, number, display_format, single=False):
    """A .dta with the column x: a number and a missing cell, shown in a format."""
    if single:  # as `generate` makes them, where no type is named
        pd.DataFrame({"x": pd.Series([number, None], dtype="float32")}).to_stata(path, write_index=False)
        padded = display_format.encode().ljust(len(b"%9.0g"), b"\0")
        path.write_bytes(path.read_bytes().replace(b"%9.0g", padded, 1))
    else:
        frame = pl.DataFrame({"x": [float(number), None]})
        pyreadstat.write_dta(frame, str(path), variable_format={"x": display_format})
    return path


def spss(path, number, display_format):
    pyreadstat.write_sav(pl.DataFrame({"x": [number, None]}), str(path), variable_format={"x": display_format})
    return path


def first_cell(path):
    """The first value of x; R's times have a zone, which those of Stata and SPSS have not."""
    value = read_table(path).frame["x"][0]
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def formats_of(path):
    read = pyreadstat.read_dta if path.suffix == ".dta" else pyreadstat.read_sav
    return read(str(path), output_format="polars", disable_datetime_conversion=True)


# Numbers and what Stata shows for them, by its manual [D] Datetime
STATA = {
    "%td": (21609, DAY),
    "%tdDD/NN/CCYY": (21609, DAY),
    "%d": (21609, DAY),
    "%-td": (21609, DAY),
    "%tw": (3068 + 8, dt.date(2019, 2, 26)),
    "%tm": (710, DAY),
    "%tmMon_CCYY": (710, DAY),
    "%tq": (236, dt.date(2019, 1, 1)),
    "%th": (119, dt.date(2019, 7, 1)),
    "%ty": (2019, 2019),
    "%tc": (21609 * 86_400_000 + 45_000_000, NOON),
    "%tcHH:MM": (45_000_000, dt.time(12, 30)),
    "%tC": (21609 * 86_400_000 + 45_000_000 + 27_000, NOON),  # 27 leap seconds had been by then
}


@pytest.mark.parametrize("display_format", STATA)
def test_what_stata_shows_is_read_and_written_back(tmp_path, display_format):
    number, value = STATA[display_format]
    path = stata(tmp_path / "t.dta", number, display_format)
    assert read_table(path).frame["x"].to_list() == [value, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", at.AnnotuneWarning)
        at.write(path, [tmp_path / "o.dta", tmp_path / "o.sav", tmp_path / "o.rds", tmp_path / "o.xlsx"])
    frame, meta = formats_of(tmp_path / "o.dta")
    if display_format == "%tC":  # without its leap seconds, it is %tc
        number, display_format = number - 27_000, "%tc"
    assert (frame["x"].to_list(), meta.original_variable_types["x"]) == ([number, None], display_format)
    for suffix in ("sav", "rds", "xlsx"):
        assert first_cell(tmp_path / f"o.{suffix}") in (value, str(value))


@pytest.mark.parametrize("display_format", ["%td", "%tm", "%tq", "%th", "%tw", "%ty"])
def test_days_and_periods_in_single_precision(tmp_path, display_format):
    number, value = STATA[display_format]
    path = stata(tmp_path / "t.dta", number, display_format, single=True)
    _, meta = formats_of(path)
    assert meta.readstat_variable_types["x"] == "float"
    assert read_table(path).frame["x"].to_list() == [value, None]


def test_what_becomes_of_periods_and_imprecise_times_is_told(tmp_path):
    assert read_table(stata(tmp_path / "m.dta", 710, "%tm")).notes == (
        "m.dta, 'x': months (%tm) are read as their first days.",
    )
    wrong = read_table(stata(tmp_path / "c.dta", 21609 * 86_400_000 + 45_000_000, "%tc", single=True))
    assert "single precision can be wrong by a minute" in wrong.notes[0]


def test_business_days_stay_numbers_and_are_told(tmp_path):
    table = read_table(stata(tmp_path / "b.dta", 250, "%tbnyse"))
    assert table.frame["x"].to_list() == [250, None]
    assert table.notes == (
        "b.dta, 'x': business days (%tbnyse) are numbers, as their calendar is in a file of its own.",
    )


def test_months_become_days_where_a_day_is_no_first_one(tmp_path):
    seconds = (dt.date(2019, 3, 15) - dt.date(1582, 10, 14)).days * 86_400.0
    at.write(spss(tmp_path / "t.sav", seconds, "MOYR8"), tmp_path / "o.dta")
    frame, meta = formats_of(tmp_path / "o.dta")
    assert (frame["x"][0], meta.original_variable_types["x"]) == (21609 + 14, "%td")


SPSS = {
    "DATE11": (DAY, "%td"), "ADATE10": (DAY, "%td"), "EDATE10": (DAY, "%td"), "SDATE10": (DAY, "%td"),
    "MOYR8": (DAY, "%tm"), "WKYR10": (dt.date(2019, 2, 26), "%tw"), "QYR8": (dt.date(2019, 1, 1), "%tq"),
    "DATETIME20": (NOON, "%tc"), "TIME8": (dt.time(12, 30), "%tcHH:MM:SS"), "DTIME12": (dt.timedelta(days=2), "%10.0g"),
}  # fmt: skip


@pytest.mark.parametrize("display_format", SPSS)
def test_what_spss_shows_is_read_and_written_back(tmp_path, display_format):
    value, in_stata = SPSS[display_format]
    origin = dt.datetime(1582, 10, 14)
    if isinstance(value, (dt.time, dt.timedelta)):
        number = value.total_seconds() if isinstance(value, dt.timedelta) else value.hour * 3600.0 + value.minute * 60
    else:
        day = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
        number = (day - origin).total_seconds()
    path = spss(tmp_path / "t.sav", number, display_format)
    assert read_table(path).frame["x"].to_list() == [value, None]
    at.write(path, [tmp_path / "o.sav", tmp_path / "o.dta", tmp_path / "o.rds"])
    frame, meta = formats_of(tmp_path / "o.sav")
    assert (frame["x"].to_list(), meta.original_variable_types["x"]) == ([number, None], display_format)
    _, meta = formats_of(tmp_path / "o.dta")
    assert meta.original_variable_types["x"] == in_stata
    assert first_cell(tmp_path / "o.rds") == value


def test_words_that_spss_shows_for_months_and_weekdays(tmp_path):
    assert read_table(spss(tmp_path / "m.sav", 3.0, "MONTH9")).frame["x"].to_list() == ["March", None]
    assert read_table(spss(tmp_path / "d.sav", 1.0, "WKDAY9")).frame["x"].to_list() == ["Sunday", None]


def test_days_out_of_reach_are_missing_and_counted(tmp_path):
    table = read_table(stata(tmp_path / "t.dta", 1e9, "%td"))
    assert table.frame["x"].to_list() == [None, None]
    assert table.notes == ("t.dta, 'x': 1 cell is missing: infinite, or not of the years 1 to 9999.",)


# --- identifiers whose zeros are made by a format -------------------------------------------------


@pytest.mark.parametrize(("suffix", "display_format"), [("dta", "%05.0f"), ("sav", "N5")])
def test_zeros_in_front_by_a_display_format(tmp_path, suffix, display_format):
    path, frame = tmp_path / f"t.{suffix}", pl.DataFrame({"unit_id": [71.0, 12345.0], "text": ["a", "b"]})
    getattr(pyreadstat, f"write_{suffix}")(frame, str(path), variable_format={"unit_id": display_format})
    with pytest.warns(at.AnnotuneWarning, match="zeros in front"):
        assert at.read_corpus(path)["unit_id"].to_list() == ["00071", "12345"]


def test_zeros_in_front_by_a_number_format_of_excel(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        sheet, zeros = book.add_worksheet(), book.add_format({"num_format": "0000000"})
        sheet.write_row(2, 1, ["unit_id", "text", "n"])  # a table need not begin in the corner
        for row, number in enumerate((71, 1234567), start=3):
            sheet.write(row, 1, number, zeros)
            sheet.write_row(row, 2, ["x", number])
    with pytest.warns(at.AnnotuneWarning, match=r"t\.xlsx, 'unit_id': numbers with zeros in front \(0000000\)"):
        corpus = at.read_corpus(tmp_path / "t.xlsx")
    assert corpus["unit_id"].to_list() == ["0000071", "1234567"]
    assert corpus["n"].to_list() == [71, 1234567]


def test_zeros_that_only_some_cells_are_shown_with_are_told(tmp_path):
    rows = [["id", "n"], [(71, "zeros"), (5, "zeros")], ["A12", 123]]
    table = read_table(workbook(tmp_path / "t.xlsx", rows, zeros="00000"))
    assert table.frame.rows() == [("71", 5), ("A12", 123)]
    assert table.notes == (
        "t.xlsx, 'id', 'n': cells that Excel shows with zeros in front (00000) are read without them.",
    )


# --- labels of texts, of fractions, and of columns without an answer ------------------------------


@pytest.fixture
def text_codes(tmp_path):
    path = tmp_path / "coder_anna.sav"
    frame = pl.DataFrame({"unit_id": ["a", "b", "c"], "topic": ["e", "h", ""]})
    pyreadstat.write_sav(frame, str(path), variable_value_labels={"topic": {"e": "Economy", "h": "Health"}})
    return path


def test_labels_of_texts_are_codebook_and_labels(text_codes):
    with pytest.warns(at.AnnotuneWarning, match="not whole numbers, so that the codebook's are '1 for e', '2 for h'"):
        book = at.read_codebook(text_codes)
    assert book.variable("topic").codes == {"Economy": 1, "Health": 2}
    assert at.read_codings(text_codes, book).select("label", "coder", "status").rows() == [
        ("Economy", "anna", "ok"),
        ("Health", "anna", "ok"),
        (None, "anna", "missing"),
    ]


def test_labels_of_texts_are_kept_where_they_can_be_and_told_of_in_stata(text_codes, tmp_path):
    paths = [tmp_path / f"out.{suffix}" for suffix in ("sav", "rds", "parquet", "dta")]
    report = at.write(text_codes, paths)
    for path in paths[:3]:
        assert read_table(path).labels == {"topic": {"e": "Economy", "h": "Health"}}
        assert read_table(path).frame["topic"].to_list() == ["Economy", "Health", None]
    frame, _ = pyreadstat.read_sav(str(paths[0]), output_format="polars")
    assert frame["topic"].to_list() == ["e", "h", ""]
    assert read_table(paths[3]).frame["topic"].to_list() == ["Economy", "Health", None]
    assert report.filter(file="out.dta", change="label")["detail"].to_list() == [
        "text codes became 1, 2, ...: Stata labels whole numbers only (e Economy, h Health)"
    ]


def test_texts_without_a_label_among_those_with_one(tmp_path):
    path = tmp_path / "in.sav"
    pyreadstat.write_sav(
        pl.DataFrame({"topic": ["e", "x"]}), str(path), variable_value_labels={"topic": {"e": "Economy"}}
    )
    report = at.write(path, [tmp_path / f"out.{suffix}" for suffix in ("sav", "rds", "dta")])
    for suffix in ("sav", "rds"):
        again = read_table(tmp_path / f"out.{suffix}")
        assert (again.frame["topic"].to_list(), again.labels) == (["e", "x"], {"topic": {"e": "Economy"}})
    assert read_table(tmp_path / "out.dta").frame["topic"].to_list() == ["e", "x"]
    assert "the labels of texts were left out" in report.filter(file="out.dta")["detail"][0]


def test_labels_beside_fractions_and_of_a_column_without_answers(tmp_path):
    path, labels = tmp_path / "in.sav", {"scale": {0: "left", 10: "right"}, "wave2": {0: "no", 1: "yes"}}
    frame = pl.DataFrame({"scale": [0.0, 5.5, 10.0], "wave2": pl.Series([None] * 3, dtype=pl.Float64)})
    pyreadstat.write_sav(frame, str(path), variable_value_labels=labels)
    at.write(path, [tmp_path / f"out.{suffix}" for suffix in ("sav", "rds", "dta", "parquet")])
    for suffix in ("sav", "rds", "dta", "parquet"):
        again = read_table(tmp_path / f"out.{suffix}")
        assert again.labels == labels
        assert again.frame["scale"].to_list() == [0.0, 5.5, 10.0]
        assert again.frame["wave2"].to_list() == [None, None, None]


def test_labels_of_fractions(tmp_path):
    path, labels = tmp_path / "in.sav", {"dose": {0.5: "half", 1: "whole"}}
    pyreadstat.write_sav(pl.DataFrame({"dose": [0.5, 1.0, None]}), str(path), variable_value_labels=labels)
    report = at.write(path, [tmp_path / f"out.{suffix}" for suffix in ("sav", "rds", "dta")])
    for suffix in ("sav", "rds"):
        again = read_table(tmp_path / f"out.{suffix}")
        assert (again.frame["dose"].to_list(), again.labels) == (["half", "whole", None], labels)
    in_stata = read_table(tmp_path / "out.dta")
    assert (in_stata.frame["dose"].to_list(), in_stata.labels) == ([0.5, 1.0, None], {"dose": {1: "whole"}})
    assert "fractions lost their labels" in report.filter(file="out.dta")["detail"][0]


def test_haven_finds_labels_of_texts_and_times(text_codes, tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    at.write(text_codes, [tmp_path / "o.sav", tmp_path / "o.rds"])
    at.write(text_codes, tmp_path / "l.rds", labelled=True)
    code = (
        'for (d in list(haven::read_sav("o.sav"), readRDS("l.rds"))) '
        'cat(names(attr(d$topic, "labels")), unclass(attr(d$topic, "labels")), d$topic[1], "\\n")\n'
        'cat(as.character(readRDS("o.rds")$topic), "\\n")'
    )
    done = subprocess.run(["Rscript", "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["Economy Health e h e "] * 2 + ["Economy Health NA "]


# --- R --------------------------------------------------------------------------------------------

R_SCRIPT = """
d <- data.frame(n = 1:2, row.names = c("france", "spain"))
d$span <- as.difftime(c(90, 30), units = "mins")
d$clock <- structure(c(37800, 0), class = c("hms", "difftime"), units = "secs")
d$berlin <- as.POSIXct(c("2020-06-01 10:00", NA), tz = "Europe/Berlin")
d$parts <- as.POSIXlt(c("2020-06-01 10:00", NA), tz = "Europe/Berlin")
d$seen <- as.POSIXct(c(1614600000, Inf), origin = "1970-01-01")
d$day <- as.Date(c("2021-03-01", NA)); d$day[2] <- structure(Inf, class = "Date")
saveRDS(d, "d.rds")
names(d)[2] <- "n"; saveRDS(d, "double.rds")
"""


@pytest.fixture(scope="module")
def from_r(tmp_path_factory):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    folder = tmp_path_factory.mktemp("r")
    subprocess.run(["Rscript", "-e", R_SCRIPT], cwd=folder, check=True, timeout=600)
    return folder


def test_times_durations_and_row_names_of_r(from_r, tmp_path):
    table = read_table(from_r / "d.rds")
    frame = table.frame
    assert frame["row_names"].to_list() == ["france", "spain"]
    assert frame["span"].to_list() == [dt.timedelta(minutes=90), dt.timedelta(minutes=30)]
    assert frame["clock"].to_list() == [dt.time(10, 30), dt.time(0)]
    for name in ("berlin", "parts"):
        assert frame.schema[name] == pl.Datetime("us", "Europe/Berlin")
        assert frame[name].dt.hour().to_list() == [10, None]
    assert [str(cell) for cell in frame["seen"]] == ["2021-03-01 12:00:00+00:00", "None"]
    assert frame["day"].to_list() == [dt.date(2021, 3, 1), None]
    said = " ".join(table.notes)
    assert "the names of the rows are in the column 'row_names'" in said
    assert "'seen': times are in UTC, as the file names no zone" in said
    assert "'seen', 'day': 1 cell is missing: infinite" in said
    with pytest.warns(at.AnnotuneWarning) as told:
        at.write(from_r / "d.rds", tmp_path / "o.rds")
    assert {str(one.message) for one in told} == set(table.notes)
    code = 'd <- readRDS("o.rds"); cat(class(d$clock), units(d$span), unclass(d$span))'
    done = subprocess.run(["Rscript", "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hms", "difftime", "secs", "5400", "1800"]


def test_two_columns_of_one_name_in_rds_are_refused_by_name(from_r):
    with pytest.raises(at.AnnotuneError, match=r"double\.rds: there are two columns 'n'"):
        read_table(from_r / "double.rds")


# --- Excel ----------------------------------------------------------------------------------------


def workbook(path, rows, **formats):
    """A workbook; a pair of a value and the name of a format is written in that format."""
    with xlsxwriter.Workbook(path) as book:
        made = {name: book.add_format({"num_format": form}) for name, form in formats.items()}
        sheet = book.add_worksheet()
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if isinstance(cell, tuple):
                    sheet.write(r, c, cell[0], made[cell[1]])
                elif isinstance(cell, str) and cell.startswith("#"):
                    sheet.write_formula(r, c, "=NA()", None, cell)
                else:
                    sheet.write(r, c, cell)
    return path


def test_days_of_the_system_of_1904_beside_an_extension(tmp_path):
    rows = [["unit_id", "day"], ["a", (41331, "day")]]
    path = workbook(tmp_path / "t.xlsx", rows, day="yyyy-mm-dd")
    assert read_table(path).frame["day"].to_list() == [dt.date(2013, 2, 26)]
    parts = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    about = parts["xl/workbook.xml"].replace(b"<workbookPr", b'<workbookPr date1904="1"', 1)
    extension = (
        b'<extLst><ext uri="{79F5}" xmlns:x14="urn:x14"><x14:workbookPr defaultImageDpi="32767"/></ext></extLst>'
    )
    for xml in (about, about.replace(b"</workbook>", extension + b"</workbook>")):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as out:
            for name, part in (parts | {"xl/workbook.xml": xml}).items():
                out.writestr(name, part)
        (tmp_path / "mac.xlsx").write_bytes(content.getvalue())
        assert read_table(tmp_path / "mac.xlsx").frame["day"].to_list() == [dt.date(2017, 2, 27)]


def test_errors_in_cells_are_counted(tmp_path):
    rows = [["unit_id", "topic", "gdp"], ["a", "Economy", 1.5], ["b", "#N/A", "#DIV/0!"], ["c", "Health", "#N/A"]]
    table = read_table(workbook(tmp_path / "t.xlsx", rows))
    assert table.frame["topic"].to_list() == ["Economy", None, "Health"]
    assert table.frame["gdp"].to_list() == [1.5, None, None]
    assert table.notes == (
        "t.xlsx, 'topic': 1 cell with an error of Excel is missing (#N/A).",
        "t.xlsx, 'gdp': 2 cells with errors of Excel are missing (#DIV/0!, #N/A).",
    )


def test_columns_of_one_name_are_refused_as_they_are_in_csv(tmp_path):
    path = workbook(tmp_path / "wide.xlsx", [["unit_id", "anna", "anna "], ["a", "yes", "no"]])
    with pytest.raises(at.AnnotuneError, match=r"wide\.xlsx, row 1: there are two columns 'anna'"):
        at.read_codings(path, variable="vote")


def test_keys_of_one_name_are_refused_in_jsonl(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"unit_id": "a", "topic": "x"}\n{"unit_id": "b", "topic": "x", "topic": "y"}\n')
    with pytest.raises(at.AnnotuneError, match=r"t\.jsonl, line 2: there are two columns 'topic'"):
        read_table(path)
    path.write_text('{"unit_id": "a", "part": {"x": 1}}\n{"unit_id": "b", "part": {"x": 2}}\n')
    assert read_table(path).frame["unit_id"].to_list() == ["a", "b"]


def test_headers_that_are_days_or_numbers_have_the_names_that_are_shown(tmp_path):
    path = workbook(
        tmp_path / "t.xlsx", [["id", (dt.date(2019, 1, 1), "day"), 2019, 2.5], [1, 2, 3, 4]], day="dd/mm/yy"
    )
    assert read_table(path).frame.columns == ["id", "2019-01-01", "2019", "2.5"]


def test_times_of_day_and_durations_of_excel(tmp_path):
    rows = [["clock", "span"], [(0.5, "clock"), (1.5, "span")], [(0.25, "clock"), (0.25, "span")]]
    path = workbook(tmp_path / "t.xlsx", rows, clock="hh:mm", span="[h]:mm:ss")
    values = [(dt.time(12), dt.timedelta(days=1.5)), (dt.time(6), dt.timedelta(days=0.25))]
    assert read_table(path).frame.rows() == values
    at.write(path, [tmp_path / "o.xlsx", tmp_path / "o.sav", tmp_path / "o.rds", tmp_path / "o.parquet"])
    for suffix in ("xlsx", "sav", "rds", "parquet"):
        assert read_table(tmp_path / f"o.{suffix}").frame.rows() == values
    report = at.write(path, [tmp_path / "o.dta", tmp_path / "o.csv"])
    assert report.select("file", "detail").rows() == [
        ("o.dta", "durations became seconds"),
        ("o.csv", "durations became seconds"),
    ]
    assert read_table(tmp_path / "o.dta").frame.rows() == [(dt.time(12), 129_600), (dt.time(6), 21_600)]


def test_days_before_march_1900_are_texts_in_excel_and_told(tmp_path):
    days = pl.DataFrame({"old": [dt.date(1880, 5, 6), dt.date(1900, 1, 15), dt.date(1901, 3, 1)]})
    report = at.write(days.with_columns(new=dt.date(1901, 3, 1)), tmp_path / "o.xlsx")
    assert read_table(tmp_path / "o.xlsx").frame["old"].to_list() == ["1880-05-06", "1900-01-15", "1901-03-01"]
    assert read_table(tmp_path / "o.xlsx").frame["new"].to_list() == [dt.date(1901, 3, 1)] * 3
    assert report.select("column", "change", "cells").rows() == [("old", "type", 2)]
