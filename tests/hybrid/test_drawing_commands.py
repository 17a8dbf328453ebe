"""annotune sample, record and draws: from a corpus over sheets to the store, as typed."""

import openpyxl
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a corpus and a codebook."""
    monkeypatch.chdir(tmp_path)
    corpus = pl.DataFrame({"id": [f"{i:03}" for i in range(40)], "q": "Why?", "party": ["A", "B"] * 20})
    corpus.write_csv("questions.csv")
    (tmp_path / "codebook.yaml").write_text(
        "variables: [{name: topic, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]\n"
    )
    return tmp_path


def typed(line):
    done = CliRunner().invoke(app, line.split())
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


DRAW = (
    "sample questions.csv --n 10 --unit-id id --text q --codebook codebook.yaml --store study.annotune "
    "--coders anna,ben --overlap 0.2 --write coding_sheet.xlsx"
)


def test_from_the_draw_over_sheets_into_the_store(folder):
    said = typed(DRAW + " --out draws.csv --out draws.parquet")
    assert "Wave 1: 10 texts drawn from 40, with probabilities of 0.25." in said
    assert "annotune record study.annotune coding_sheet_anna.xlsx coding_sheet_ben.xlsx" in said
    assert pl.read_csv("draws.csv")["drawn"].sum() == 10
    book = openpyxl.load_workbook("coding_sheet_anna.xlsx")
    page = book.worksheets[0]
    column = [cell.value for cell in page[1]].index("topic")
    for row in page.iter_rows(min_row=2):
        row[column].value = "Law"
    book.save("coding_sheet_anna.xlsx")
    said = typed("record study.annotune coding_sheet_anna.xlsx coding_sheet_ben.xlsx")
    assert said.split() == ["coder", "new", "changed", "same", "open", "anna", "6", "0", "0", "0"]
    assert set(at.read_codings("study.annotune")["label"]) == {"Law"}
    said = typed("draws study.annotune --of people --write people.csv")
    assert "anna" in said
    people = pl.read_csv("people.csv").group_by("coder").agg(pl.col("answered").sum())
    assert dict(people.iter_rows()) == {"anna": 6, "ben": 0}
    typed("write study.annotune codings.csv")
    assert pl.read_csv("codings.csv")["kind"].unique().to_list() == ["person"]


def test_a_further_wave_and_its_table(folder):
    typed(DRAW)
    said = typed(
        "sample questions.csv --n 6 --unit-id id --text q --store study.annotune --design stratified --strata party"
    )
    assert "Wave 2: 6 texts drawn from 30" in said
    typed("draws study.annotune --write draws.csv")
    assert pl.read_csv("draws.csv").group_by("wave").agg(pl.col("drawn").sum()).sort("wave").rows() == [(1, 10), (2, 6)]


def test_a_draw_that_would_be_kept_nowhere_is_refused(folder):
    for sheet in ("", " --write sheet.xlsx --codebook codebook.yaml"):
        with pytest.raises(at.AnnotuneError, match="kept nowhere"):
            typed(f"sample questions.csv --n 10 --unit-id id --text q{sheet}")
    assert not (folder / "sheet.xlsx").exists()
    typed(DRAW)
    with pytest.raises(at.AnnotuneError, match=r"coding_sheet_anna\.xlsx is there already"):
        typed(DRAW)
    assert at.read_draws("study.annotune")["wave"].max() == 1


def test_sheets_whose_columns_are_named_otherwise_are_recorded(folder):
    typed(DRAW)
    drawn = at.read_draws("study.annotune", of="people").filter(coder="ben").head(2)
    drawn.select("unit_id", "coder", Thema=pl.lit("Law")).write_csv("ben.csv")
    said = typed("record study.annotune ben.csv --columns topic=Thema")
    assert said.split()[5:] == ["ben", "2", "0", "0", "4"]
    assert at.read_codings("study.annotune").select("variable", "label").unique().rows() == [("topic", "Law")]


def test_sheets_of_what_is_left(folder):
    typed(DRAW)
    said = typed("sheets study.annotune --corpus questions.csv --unit-id id --text q --write left.csv --coders ben")
    assert "annotune record study.annotune left_ben.csv" in said
    assert len(pl.read_csv("left_ben.csv")) == 6
