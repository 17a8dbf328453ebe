"""Texts that may be taken for a formula: none is one in a workbook, and none in a csv where that is asked for."""

import csv
import re
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.tables import read_table

TRAPS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1+1",
    "＝1",
    "{=1}",
    "a=1",
    "'=1",
    "",
    None,
]
DANGEROUS = TRAPS[:9]


@pytest.fixture
def written(tmp_path):
    """Write a table as a file of a kind and give the path and the report's rows."""

    def write(data, suffix, **options):
        report = at.write(data, tmp_path / f"t{suffix}", **options)
        return tmp_path / f"t{suffix}", report.rows(named=True)

    return write


def test_no_cell_of_a_workbook_is_a_formula(written):
    data = pl.DataFrame({"=head": TRAPS, "x": pl.Series(["=1"] * len(TRAPS), dtype=pl.Categorical)})
    options = {"headings": {"x": "=1+1"}, "notes": ["@note"], "title": "=title"}
    for guard in (False, True):
        path, _ = written(data, ".xlsx", labels={"x": {1: "=1"}}, guard_formulas=guard, **options)
        with zipfile.ZipFile(path) as book:
            pages = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/")]
            assert not any(b"<f" in page for page in pages)
        read = read_table(path).frame
        assert read.columns == data.columns
        assert read["=head"].to_list()[:11] == TRAPS[:11]  # texts stay as they are, whatever their mark


def test_a_workbooks_texts_keep_the_mark_of_text(written):
    data = pl.DataFrame({"note": TRAPS, "=n": range(len(TRAPS))})
    path, report = written(data, ".xlsx", guard_formulas=True, notes=["=note"])
    sheets = openpyxl.load_workbook(path)
    marked = [cell.value for row in sheets["data"].iter_rows() for cell in row if cell.quotePrefix]
    assert len(marked) == len(DANGEROUS) + 1  # the name of a column as well
    assert [row for row in report if row["change"] == "guarded"] == [
        {"file": path.name, "column": "note", "change": "guarded", "cells": len(DANGEROUS),
         "detail": "texts that may be taken for a formula are marked as text"},
    ]  # fmt: skip
    assert sheets["about"]["C2"].quotePrefix
    plain, _ = written(data, ".xlsx", notes=["=note"])
    assert not any(cell.quotePrefix for row in openpyxl.load_workbook(plain)["data"].iter_rows() for cell in row)


def test_a_csv_has_an_apostrophe_before_what_may_be_a_formula(written):
    topics = pl.Series(["@x", "y"], dtype=pl.Enum(["@x", "y"]))
    data = pl.DataFrame({"=n": [-1, 2], "note": ["-1", "a=b"], "topic": topics})
    path, report = written(data, ".csv", guard_formulas=True)
    assert path.read_text(encoding="utf-8") == "'=n,note,topic\n-1,'-1,'@x\n2,a=b,y\n"
    assert [(row["column"], row["change"], row["cells"]) for row in report] == [
        ("note", "guarded", 1), ("topic", "guarded", 1), ("=n", "renamed", None),
    ]  # fmt: skip
    plain, report = written(data, ".csv")
    assert plain.read_text(encoding="utf-8") == "=n,note,topic\n-1,-1,@x\n2,a=b,y\n"
    assert report == []


@given(st.text(max_size=6) | st.sampled_from(TRAPS[:-1]))
def test_no_guarded_cell_of_a_csv_begins_a_formula(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        at.write(pl.DataFrame({"a": [text]}), path, guard_formulas=True)
        with path.open(encoding="utf-8", newline="") as file:
            (cell,) = list(csv.reader(file))[1] or [""]
    assert not re.match(r"[\t\r\n]|\s*[=+\-@＝＋－＠]", cell)
    assert cell.removeprefix("'") == text.replace("\0", "").removeprefix("'")


def test_the_command_line_guards_formulas(tmp_path):
    pl.DataFrame({"note": ["=1+1"]}).write_parquet(tmp_path / "t.parquet")
    run = CliRunner().invoke(app, ["write", str(tmp_path / "t.parquet"), str(tmp_path / "t.csv"), "--guard-formulas"])
    assert run.exit_code == 0
    assert (tmp_path / "t.csv").read_text() == "note\n'=1+1\n"
    assert "guarded" in run.output
