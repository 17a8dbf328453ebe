"""Stata's .a to .z and SPSS's user-missing codes: kept on reading, through the corpus, and in what is written."""

import shutil
import subprocess

import pandas as pd
import polars as pl
import pyreadstat
import pytest

import annotune as at
from annotune.tables import read_table
from annotune.tables.reasons import letters

WORDS = {
    "vote_missing": [None, None, ".a refused", ".z", None],
    "income_missing": [None, ".b", None, None, None],
    "count_missing": [None, ".c gone", None, ".d", None],
}


@pytest.fixture
def stata(tmp_path):
    """A .dta by another writer: labelled codes, real numbers and whole ones, each with extended missing values."""
    frame = pd.DataFrame(
        {
            "unit_id": list("abcde"),
            "text": ["one", "two", "three", "four", "five"],
            "vote": [1, 2, "a", "z", None],
            "income": [1.5, "b", None, 2.25, 3.0],
            "count": [1000, "c", 5, "d", None],
        }
    )
    pyreadstat.write_dta(
        frame, str(tmp_path / "in.dta"), version=14,
        missing_user_values={"vote": ["a", "z"], "income": ["b"], "count": ["c", "d"]},
        variable_value_labels={"vote": {1: "yes", 2: "no", "a": "refused"}, "count": {"c": "gone"}},
    )  # fmt: skip
    return tmp_path / "in.dta"


@pytest.fixture
def spss(tmp_path):
    """A .sav whose columns have single codes, a range, and a word that count as missing."""
    frame = pl.DataFrame({"v": [1.0, 2, 98, 99], "r": [1.0, 2, 3, -9], "t": ["a", "b", "zz", ""]})
    pyreadstat.write_sav(
        frame, str(tmp_path / "in.sav"),
        missing_ranges={"v": [99, {"lo": 90, "hi": 98}], "r": [{"lo": -99, "hi": -1}], "t": ["zz"]},
        variable_value_labels={"v": {1: "yes", 2: "no", 99: "refused"}},
    )  # fmt: skip
    return tmp_path / "in.sav"


def words(frame, columns=tuple(WORDS)):
    return {name: frame[name].cast(pl.String).replace("", None).to_list() for name in columns}


def test_reasons_stand_beside_the_cells(stata):
    table = read_table(stata)
    assert words(table.frame) == WORDS
    assert table.frame.columns[2:4] == ["vote", "vote_missing"]
    assert table.frame["vote"].to_list() == ["yes", "no", None, None, None]
    assert table.frame["count"].to_list() == [1000, None, 5, None, None]
    assert "'vote_missing', 'income_missing', 'count_missing'" in table.notes[0]


@pytest.mark.parametrize("suffix", [".dta", ".rds", ".parquet", ".csv", ".sav", ".xlsx"])
def test_reasons_go_through_the_corpus_into_every_format(stata, suffix):
    with pytest.warns(at.AnnotuneWarning, match="why cells are missing"):
        corpus = at.read_corpus(stata)
    path = stata.with_name(f"out{suffix}")
    at.write(corpus, path)
    table = read_table(path)
    assert words(table.frame) == WORDS
    assert table.notes == ()  # nothing beside what is there already


@pytest.mark.parametrize(("suffix", "labelled"), [(".dta", False), (".rds", True)])
def test_haven_finds_the_letters_and_labels(stata, suffix, labelled):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    path = stata.with_name(f"out{suffix}")
    with pytest.warns(at.AnnotuneWarning, match="why cells are missing"):
        report = at.write(stata, path, labelled=labelled)
    assert (suffix == ".rds") or ".a refused, .z" in report.filter(pl.col("column") == "vote")["detail"][0]
    code = f"""d <- {"haven::read_dta" if suffix == ".dta" else "readRDS"}("{path}")
    for (v in c("vote", "income", "count")) {{
      known <- attr(d[[v]], "labels")
      cat(haven::na_tag(d[[v]]), "|", as.numeric(d[[v]]), "|", names(known), haven::na_tag(as.double(known)), "\\n")
    }}"""
    run = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, timeout=600)
    assert [" ".join(line.split()) for line in run.stdout.splitlines()] == [
        "NA NA a z NA | 1 2 NA NA NA | yes no refused NA NA a",
        "NA b NA NA NA | 1.5 NA NA 2.25 3 |",
        "NA c NA d NA | 1000 NA 5 NA NA | gone c",
    ], run.stderr


def test_tagged_values_in_rds_are_read(stata):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    path = stata.with_name("tagged.rds")
    code = f'saveRDS(haven::read_dta("{stata}"), "{path}")'
    subprocess.run(["Rscript", "-e", code], check=True, timeout=600)
    assert words(read_table(path).frame) == WORDS


def test_user_missing_codes_in_rds_are_read(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    whole = "haven::labelled_spss(c(1L, -9L, NA), c(yes = 1L, gone = -9L), na_values = -9L)"
    code = f'saveRDS(data.frame(a = {whole}, b = {whole.replace("1L", "1").replace("9L", "9")}), "{tmp_path}/u.rds")'
    subprocess.run(["Rscript", "-e", code], check=True, timeout=600)
    frame = read_table(tmp_path / "u.rds").frame
    assert frame["a_missing"].to_list() == frame["b_missing"].to_list() == [None, "-9 gone", None]
    assert frame["a"].to_list() == frame["b"].to_list() == ["yes", None, None]


def test_user_missing_codes_of_spss(spss):
    table = read_table(spss)
    found = {"v_missing": [None, None, "98", "99 refused"], "r_missing": [None, None, None, "-9"]}
    assert words(table.frame, found) == found
    assert table.frame["t_missing"].to_list() == [None, None, "zz", None]
    with pytest.warns(at.AnnotuneWarning, match="why cells are missing"):
        at.write(spss, [spss.with_name("out.sav"), spss.with_name("out.dta")])
    frame, meta = pyreadstat.read_sav(spss.with_name("out.sav"), user_missing=True, output_format="polars")
    assert frame["v"].to_list() == [1, 2, 98, 99]
    assert frame["r"].to_list() == [1, 2, 3, -9]
    assert [part["lo"] for part in meta.missing_ranges["v"]] == [98, 99]
    _, meta = pyreadstat.read_dta(spss.with_name("out.dta"))
    assert meta.variable_value_labels["v"] == {1: "yes", 2: "no", 99: "refused", "a": "98", "b": "refused"}


def test_spss_takes_a_range_of_many_codes_unless_a_value_is_in_it(tmp_path):
    cells = [1, None, None, None, None]
    frame = pl.DataFrame({"x": cells, "x_missing": [None, "-9", "-8 gone", "-7", "-1"]})
    at.write(frame, tmp_path / "x.sav")
    codes, meta = pyreadstat.read_sav(tmp_path / "x.sav", user_missing=True, output_format="polars")
    assert codes["x"].to_list() == [1, -9, -8, -7, -1]
    assert meta.missing_ranges["x"] == [{"lo": -9, "hi": -1}]
    report = at.write(frame.with_columns(x=pl.Series([-5, *cells[1:]])), tmp_path / "y.sav")
    assert "x_missing tells why" in report["detail"][0]
    assert read_table(tmp_path / "y.sav").frame["x"].to_list() == [-5, None, None, None, None]


def test_reasons_are_no_coder(tmp_path):
    frame = pd.DataFrame({"unit_id": list("abc"), "anna": [1, 2, "a"], "ben": [1, 2, 2]})
    pyreadstat.write_dta(frame, str(tmp_path / "c.dta"), missing_user_values={"anna": ["a"]}, version=14)
    with pytest.warns(at.AnnotuneWarning, match="anna_missing"):
        codings = at.read_codings(tmp_path / "c.dta", variable="topic")
    assert codings["coder"].unique(maintain_order=True).to_list() == ["anna", "ben"]


def test_status_needs_no_second_column(tmp_path):
    topic = pl.Series(["x", None, None], dtype=pl.Enum(["x"]))
    at.write(pl.DataFrame({"topic": topic, "topic_status": ["ok", "none", "error"]}), tmp_path / "t.dta")
    assert read_table(tmp_path / "t.dta").frame.columns == ["topic", "topic_status"]


def test_another_column_of_that_name_stays(stata):
    pyreadstat.write_dta(
        pd.DataFrame({"x": [1, "a"], "x_missing": [0, 1]}), str(stata), missing_user_values={"x": ["a"]}, version=14
    )
    table = read_table(stata)
    assert table.frame.to_dict(as_series=False) == {"x": [1, None], "x_missing": [0, 1]}
    assert "left out, because 'x_missing' is another column" in table.notes[0]


def test_words_that_are_no_reasons_are_only_words(tmp_path):
    report = at.write(pl.DataFrame({"x": [1, None], "x_missing": [".a", "who knows"]}), tmp_path / "x.dta")
    assert report.filter(pl.col("column") == "x").is_empty()
    assert letters(["who knows"]) == {}


def test_codes_take_free_letters_and_the_rest_has_none(tmp_path):
    codes = [str(code) for code in range(-30, 0)]
    found = letters([".a", *codes])
    assert found["-30"] == ("b", "-30")
    taken = [letter for letter, _ in found.values() if letter]
    assert len(set(taken)) == len(taken) == 24
    assert {"n", "i"}.isdisjoint(taken)
    assert found["-1"] == ("", "-1")
    report = at.write(pl.DataFrame({"x": [1] + [None] * 30, "x_missing": [None, *codes]}), tmp_path / "x.dta")
    assert "no letter is left for 6 others" in report["detail"][0]


def test_long_and_broken_labels_of_reasons(tmp_path):
    frame = pl.DataFrame({"x": [1.5, None, None], "x_missing": [None, ".a " + "y" * 33_000, ".b g\0one"]})
    report = at.write(frame, tmp_path / "x.dta")
    assert "value labels were cut to 32,000 bytes" in report["detail"].to_list()
    assert report["detail"].str.len_chars().max() < 200
    coded, meta = pyreadstat.read_dta(tmp_path / "x.dta", user_missing=True, output_format="polars")
    assert coded["x"].to_list() == [1.5, "a", "b"]
    assert meta.variable_value_labels["x"]["b"] == "gone"
