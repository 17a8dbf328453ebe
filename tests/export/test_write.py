"""Writing in every format: reports, labels, provenance, the same bytes again, and every ugly input."""

import datetime as dt
import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyreadstat
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.export import dta, dta_file
from annotune.tables import read_table

ALL = (".dta", ".rds", ".parquet", ".csv", ".sav", ".xlsx")
TOPIC = at.Variable(
    name="topic",
    instruction="Which area?",
    labels=(at.Label(code=3, name="Health"), at.Label(code=1, name="Law"), at.Label(code=20, name="Zoë")),
)
CODEBOOK = at.Codebook(name="Questions", variables=(TOPIC,))
RESULT = pl.DataFrame(
    {
        "unit_id": ["1234567890123456789", "b", "c", "d"],
        "topic": ["Law", None, "Zoë", None],
        "topic_status": ["ok", "none", "ok", "error"],
        "topic_prob": [0.5, None, 0.25, None],
        "party": pl.Series(["l", "r", None, "l"], dtype=pl.Enum(["r", "l"])),
        "day": [dt.date(2024, 2, 29), None, dt.date(1950, 1, 1), None],
    }
)
OPTIONS = {"codebook": CODEBOOK, "labels": {"party": {5: "r", 9: "l"}}, "notes": ["model 3fa2", "seed 1"]}


@pytest.fixture
def written(tmp_path):
    """Write a table as a file of a kind and give the path and the report's rows."""

    def write(data, suffix, **options):
        report = at.write(data, tmp_path / f"t{suffix}", **options)
        return tmp_path / f"t{suffix}", report.rows(named=True)

    return write


@pytest.mark.parametrize("suffix", [".dta", ".rds", ".parquet", ".sav"])
def test_codes_labels_and_headings_survive_every_format(written, suffix):
    path, _ = written(RESULT, suffix, **OPTIONS)
    table = read_table(path)
    assert table.frame["topic"].cast(pl.String).to_list() == RESULT["topic"].to_list()
    assert table.labels == {"topic": {3: "Health", 1: "Law", 20: "Zoë"}, "party": {5: "r", 9: "l"}}
    assert table.headings == {"topic": "Which area?"}
    assert table.frame["day"].to_list() == RESULT["day"].to_list()
    assert table.frame["unit_id"].to_list() == RESULT["unit_id"].to_list()


def test_codes_survive_a_chain_of_formats(tmp_path):
    paths = [
        tmp_path / f"step{place}{suffix}" for place, suffix in enumerate((".sav", ".dta", ".rds", ".parquet", ".dta"))
    ]
    at.write(RESULT, paths[0], **OPTIONS)
    for source, target in itertools.pairwise(paths):
        at.write(source, target)
    assert read_table(paths[-1]).labels == {"topic": {1: "Law", 3: "Health", 20: "Zoë"}, "party": {5: "r", 9: "l"}}


def test_the_same_input_gives_the_same_bytes_at_another_time(tmp_path):
    at.write(RESULT, [tmp_path / f"a{suffix}" for suffix in ALL], **OPTIONS)
    time.sleep(2.1)  # the clocks of .sav and of .xlsx count seconds
    at.write(RESULT, [tmp_path / f"b{suffix}" for suffix in ALL], **OPTIONS)
    for suffix in ALL:
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes(), suffix


def test_the_report_says_what_was_changed_to_whom_it_is_told(written, capsys):
    frame = pl.DataFrame({"if": [1, 2], "a b": ["x", None], "p": [0.5, float("nan")]})
    lines = []
    _, report = written(frame, ".dta", say=lines.append)
    assert [(row["column"], row["change"], row["cells"]) for row in report] == [
        ("if", "renamed", None),
        ("a b", "renamed", None),
        ("a b", "missing", 1),
        ("p", "missing", 1),
    ]
    assert lines[0] == "t.dta, 'if': renamed: is called if_"
    assert len(lines) == len(report)
    _, nothing = written(pl.DataFrame({"a": [1]}), ".dta", say=lines.append)
    assert nothing == []
    assert len(lines) == len(report)
    assert capsys.readouterr().out == ""  # a library function prints nothing itself


def test_what_is_no_number_is_missing_in_every_sheet_and_told(written):
    """A csv with NaN or inf would be read as words elsewhere, or as another number."""
    frame = pl.DataFrame({"p": [0.5, float("nan"), float("inf"), None, -float("inf")], "q": [1.0, 2.0, 3.0, 4.0, 5.0]})
    for suffix in (".csv", ".xlsx", ".sav"):
        path, report = written(frame, suffix)
        assert [(row["column"], row["change"], row["cells"]) for row in report] == [("p", "missing", 3)], suffix
        assert read_table(path).frame["p"].to_list() == [0.5, None, None, None, None], suffix
        assert read_table(path).frame["q"].dtype.is_numeric()


def test_a_long_report_is_told_in_part(written):
    lines = []
    _, report = written(pl.DataFrame({f"a {i}": [1] for i in range(25)}), ".dta", say=lines.append)
    assert len(report) == 25
    assert len(lines) == 21
    assert lines[-1] == "... and 5 more changes in the report."


def test_stata_names_are_valid_and_differ(written):
    names = ["if", "a b", "a_b", "1x", "", "x" * 40, "x" * 39 + "y", "_all", "str5", "é", "日本", "x" * 31 + "!"]
    path, _ = written(pl.DataFrame({name: [1] for name in names}), ".dta")
    found = read_table(path).frame.columns
    assert len(set(found)) == len(names)
    assert found[2] == "a_b"  # a name that is fine stays, whoever comes before it
    assert all(len(name) <= 32 and name.isidentifier() and name not in ("if", "_all", "str5") for name in found)


def test_spss_names_differ_whatever_the_case(written):
    path, _ = written(pl.DataFrame({name: [1] for name in ("all", "ALL", "Id", "ID", "a.", "_x", "ü" * 40)}), ".sav")
    found = read_table(path).frame.columns
    assert len({name.lower() for name in found}) == 7
    assert all(len(name.encode()) <= 64 for name in found)


def test_long_labels_are_cut_and_kept_whole_in_notes(written):
    options = {"headings": {"a": "é" * 81}, "labels": {"a": {1: "ü" * 20_000, 2: "b"}}, "title": "t" * 81}
    path, report = written(pl.DataFrame({"a": [1, 2]}), ".dta", **options)
    _, meta = pyreadstat.read_dta(path)
    assert meta.column_labels == ["é" * 80]
    assert meta.file_label == "t" * 80
    assert meta.variable_value_labels["a"][1] == "ü" * 16_000
    content = path.read_bytes()
    assert ("é" * 81).encode() in content
    assert ("t" * 81).encode() in content
    assert [row["change"] for row in report] == ["truncated"] * 3


def test_numbers_that_lose_digits_become_text(written):
    frame = pl.DataFrame({"a": pl.Series([2**53 + 1, None, -5]), "b": pl.Series([2**64 - 1, 0, 1], dtype=pl.UInt64)})
    for suffix in (".dta", ".rds", ".csv", ".xlsx"):
        path, report = written(frame, suffix)
        assert {row["column"] for row in report if row["change"] == "type"} == {"a", "b"}
        read = read_table(path, strings=("a", "b")).frame
        assert read["a"].cast(pl.String).to_list()[0] == str(2**53 + 1)
        assert read["b"].cast(pl.String).to_list()[0] == str(2**64 - 1)


def test_nul_is_removed_and_counted(written):
    for suffix in (".dta", ".rds", ".sav"):
        path, report = written(pl.DataFrame({"a": ["a\0b", "\0", "c"]}), suffix)
        assert read_table(path).frame["a"].to_list() == ["ab", "", "c"]
        assert (report[0]["detail"], report[0]["cells"]) == ("NUL characters were removed", 2)


def test_half_characters_in_labels_and_notes_are_replaced_and_told(written):
    path, report = written(pl.DataFrame({"a": [1]}), ".dta", labels={"a": {1: "\ud800x"}}, notes=["\udfff"])
    assert read_table(path).labels == {"a": {1: "?x"}}
    assert [row["change"] for row in report] == ["text", "text"]


def test_half_characters_in_pandas_are_refused(tmp_path):
    with pytest.raises(at.AnnotuneError, match="surrogates not allowed"):
        at.write(pd.DataFrame({"a": pd.Series(["\ud800x"], dtype=object)}), tmp_path / "t.dta")


def test_zones_become_utc(written):
    winter = pl.Series([dt.datetime(2024, 1, 1, 12)]).dt.replace_time_zone("America/New_York")
    for suffix in (".dta", ".rds", ".sav"):
        path, report = written(pl.DataFrame({"a": winter}), suffix)
        assert read_table(path).frame["a"].dt.replace_time_zone(None).to_list() == [dt.datetime(2024, 1, 1, 17)]
        assert "became times in UTC" in report[0]["detail"]


def test_nested_columns_become_json(written):
    frame = pl.DataFrame({"a": [{"x": 1, "y": ["é"]}, None], "b": pl.Series([[1, 2], []], dtype=pl.List(pl.Int8))})
    path, report = written(frame, ".rds")
    assert read_table(path).frame.rows() == [('{"x":1,"y":["é"]}', "[1,2]"), (None, "[]")]
    assert len(report) == 2


@pytest.mark.parametrize("suffix", ALL)
def test_no_rows(written, suffix):
    frame = RESULT.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias("nested"))
    path, _ = written(frame, suffix, **OPTIONS)
    if suffix != ".xlsx":
        assert read_table(path).frame.shape[0] == 0


@pytest.mark.parametrize("suffix", ALL)
def test_faults_are_one_sentence_and_leave_nothing(tmp_path, suffix):
    faults = {
        "no columns": pl.DataFrame(),
        "Python objects": pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}),
        "outside the years": pl.DataFrame({"a": pl.Series([10**8], dtype=pl.Int32).cast(pl.Date)}),
        "no table": [1, 2],
        "cannot be computed": pl.LazyFrame({"a": [1]}).select("b"),
    }
    for words, data in faults.items():
        with pytest.raises(at.AnnotuneError, match=words):
            at.write(data, tmp_path / f"t{suffix}")
    with pytest.raises(at.AnnotuneError, match=r"not among its labels: 'Lwa' .1 cell.*Did you mean 'Law'"):
        at.write(pl.DataFrame({"topic": ["Lwa"]}), tmp_path / f"t{suffix}", codebook=CODEBOOK)
    with pytest.raises(at.AnnotuneError, match="no column 'b'"):
        at.write(pl.DataFrame({"a": [1]}), tmp_path / f"t{suffix}", labels={"b": {1: "x"}})
    with pytest.raises(at.AnnotuneError, match="is no folder"):
        at.write(pl.DataFrame({"a": [1]}), tmp_path / "nowhere" / f"t{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ALL)
def test_a_full_disk_keeps_the_old_file(tmp_path, suffix):
    """A limit on the size of files stands for the disk; it needs a process of its own."""
    (tmp_path / f"t{suffix}").write_text("old")
    script = f"""
import resource, sys
import annotune as at, numpy as np, polars as pl
frame = pl.DataFrame({{"a": np.random.default_rng(1).random(200_000)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    at.write(frame, r"{tmp_path}/t{suffix}")
except at.AnnotuneError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert "cannot be written" in run.stdout, run.stderr
    assert (tmp_path / f"t{suffix}").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [f"t{suffix}"]


def test_what_cannot_be_read_back_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(dta, "EPOCH", 3_652)
    with pytest.raises(at.AnnotuneError, match=r"'day' has .* instead of"):
        at.write(RESULT, tmp_path / "t.dta", **OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_ambiguous_codes_stay_numbers_with_labels_in_r(written):
    path, report = written(pl.DataFrame({"a": [1, 2, 9]}), ".rds", labels={"a": {1: "x", 2: "x"}})
    assert read_table(path).frame["a"].to_list() == [1, 2, 9]
    assert "haven_labelled" in report[0]["detail"]


def test_names_that_two_codes_share_are_refused(tmp_path):
    with pytest.raises(at.AnnotuneError, match="two codes have the same label"):
        at.write(pl.DataFrame({"a": ["x"]}), tmp_path / "t.dta", labels={"a": {1: "x", 2: "x"}})


def test_codes_from_pandas_may_have_gaps(written):
    path, _ = written(pd.DataFrame({"topic": [3, None, 20]}), ".dta", codebook=CODEBOOK)
    assert read_table(path).frame["topic"].to_list() == ["Health", None, "Zoë"]


def test_more_labels_than_stata_has(written):
    names = [f"w{i}" for i in range(65_537)]
    path, report = written(pl.DataFrame({"a": pl.Series(names[::-1], dtype=pl.Enum(names))}), ".dta")
    assert read_table(path).frame["a"].to_list() == names[::-1]
    assert "became text" in report[0]["detail"]
    path, report = written(pl.DataFrame({"a": [65_536, 2]}), ".dta", labels={"a": dict(enumerate(names))})
    assert read_table(path).frame["a"].to_list() == [65_536, 2]
    assert "only the codes" in report[0]["detail"]


def test_release_119_where_118_is_too_small(tmp_path, monkeypatch):
    monkeypatch.setattr(dta_file, "MOST_VARIABLES", 2)
    frame = pl.DataFrame({"a": [1, None], "b": ["x" * 3000, ""], "c": ["é" * 3000, "z"]})
    at.write(frame, tmp_path / "t.dta")
    assert b"<release>119</release>" in (tmp_path / "t.dta").read_bytes()
    for read in (pd.read_stata(tmp_path / "t.dta"), pyreadstat.read_dta(tmp_path / "t.dta")[0]):
        assert read["b"].to_list() == ["x" * 3000, ""]
        assert read["c"].to_list() == ["é" * 3000, "z"]
        assert read["a"].to_list()[0] == 1
    at.write(frame.select("a", "b"), tmp_path / "t.dta")
    assert b"<release>118</release>" in (tmp_path / "t.dta").read_bytes()


def test_slices_and_batches_make_no_difference(tmp_path, monkeypatch):
    draw = np.random.default_rng(1)
    names = [f"label {i}" for i in range(5)]
    frame = pl.DataFrame(
        {
            "topic": pl.Series([None, *draw.choice(names, 24_999)], dtype=pl.Enum(names)),
            "long": [("x" * 2_046 if i % 1_000 == 0 else "s") for i in range(25_000)],
            "number": draw.integers(0, 30_000, 25_000),
        }
    )  # fmt: skip
    at.write(frame, [tmp_path / "whole.dta", tmp_path / "whole.rds"])
    frame.write_parquet(tmp_path / "source.parquet", row_group_size=3_333)
    monkeypatch.setattr("annotune.export.sheet.SLICE_BYTES", 1)
    monkeypatch.setattr("annotune.export.sheet.FEWEST_ROWS", 7_001)
    monkeypatch.setattr("annotune.export.sheet.BATCH_BYTES", 1)
    at.write(tmp_path / "source.parquet", [tmp_path / "parts.dta", tmp_path / "parts.rds"])
    at.write(pl.scan_parquet(tmp_path / "source.parquet"), tmp_path / "lazy.dta")
    assert (tmp_path / "whole.dta").read_bytes() == (tmp_path / "parts.dta").read_bytes()
    assert (tmp_path / "whole.dta").read_bytes() == (tmp_path / "lazy.dta").read_bytes()
    assert (tmp_path / "whole.rds").read_bytes() == (tmp_path / "parts.rds").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Only Linux tells a process's largest memory.")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Three million rows more make a file 330 MB longer, and the peak hardly higher."""
    script = """
import sys
import annotune as at, numpy as np, polars as pl
import pyarrow.parquet as pq
path, groups = sys.argv[1], int(sys.argv[2])
table = pl.DataFrame({"a": np.arange(100_000.0), "b": np.arange(100_000), "t": ["x" * 100] * 100_000}).to_arrow()
with pq.ParquetWriter(path + ".parquet", table.schema) as writer:
    for _ in range(groups):
        writer.write_table(table)
at.write(path + ".parquet", path + ".dta")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    peaks = [
        int(subprocess.run([sys.executable, "-c", script, tmp_path / f"t{n}", str(n)], capture_output=True).stdout)
        for n in (10, 40)
    ]
    assert (tmp_path / "t40.dta").stat().st_size > 440e6
    assert peaks[1] - peaks[0] < 150_000  # kilobytes


def test_a_workbook_has_data_labels_and_notes(written):
    path, _ = written(RESULT.with_columns(pl.lit("=1+1").alias("sum")), ".xlsx", **OPTIONS)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["data", "labels", "about"]
    assert [cell.value for cell in book["data"][2]] == [
        "1234567890123456789", "Law", "ok", 0.5, "l", dt.datetime(2024, 2, 29), "=1+1",
    ]  # fmt: skip
    assert book["data"]["G2"].data_type == "s"
    assert ("topic", 3, "Health") in list(book["labels"].values)
    assert ("note", None, "model 3fa2") in list(book["about"].values)


def test_csv_tells_an_empty_text_from_a_missing_one(written):
    path, _ = written(pl.DataFrame({"a": ["", None, "é"], "b": [1, 2, 3]}), ".csv")
    assert path.read_text(encoding="utf-8") == 'a,b\n"",1\n,2\né,3\n'


def test_spss_says_where_the_reasons_are(written):
    path, report = written(RESULT, ".sav", **OPTIONS)
    assert any("topic_status tells why" in row["detail"] for row in report)
    _, meta = pyreadstat.read_sav(path)
    assert meta.variable_measure["topic"] == "nominal"
    assert meta.notes == ["model 3fa2", "seed 1"]


def test_command_line(tmp_path):
    RESULT.write_parquet(tmp_path / "r.parquet")
    book = "variables: [{name: topic, labels: [{code: 3, name: Health}, {code: 1, name: Law}, {code: 20, name: Zoë}]}]"
    (tmp_path / "book.yaml").write_text(book, encoding="utf-8")
    paths = [str(tmp_path / name) for name in ("r.parquet", "r.dta", "r.rds")]
    options = ["--codebook", str(tmp_path / "book.yaml"), "--note", "hello", "--regression", "topic == 'Law' ~ party"]
    run = CliRunner().invoke(app, ["write", *paths, *options], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert read_table(tmp_path / "r.dta").labels["topic"] == {1: "Law", 3: "Health", 20: "Zoë"}
    assert (tmp_path / "r.do").is_file()
    assert (tmp_path / "r.R").is_file()


def test_excel_counts_an_emoji_as_two_and_nothing_after_it_is_lost(tmp_path):
    texts = ["🙂 " + "word " * 7000, "x" * 32766 + "😀", "😀" * 20_000, "after"]
    report = at.write(pl.DataFrame({"unit_id": list("abcd"), "text": texts}), tmp_path / "texts.xlsx")
    read = pl.read_excel(tmp_path / "texts.xlsx")["text"].to_list()
    assert [len(text.encode("utf-16-le")) // 2 for text in read] == [32767, 32766, 32766, 5]
    assert all(text.startswith(kept) for text, kept in zip(texts, read, strict=True))
    assert any("texts were cut to 32,767 characters" in str(row) for row in report.rows())


def test_the_notes_of_reading_are_shown_by_who_writes(tmp_path, command):
    path = tmp_path / "latin.csv"
    path.write_bytes("unit_id;text\na;Größe aus Köln\nb;Café\n".encode("latin-1"))
    with pytest.warns(at.AnnotuneWarning, match=r"latin\.csv is not UTF-8; it was read as cp1252"):
        at.write(path, tmp_path / "out.parquet")
    done = command("write", path, tmp_path / "cli.parquet")
    assert done.returncode == 0
    assert "latin.csv is not UTF-8" in " ".join(done.stderr.split())
    for file in ("out", "cli"):
        assert pl.read_parquet(tmp_path / f"{file}.parquet")["text"].to_list() == ["Größe aus Köln", "Café"]


def test_a_file_is_not_written_over_itself(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("unit_id,x\na,1\n")
    with pytest.raises(at.AnnotuneError, match="is read, and would be replaced"):
        at.write(path, [tmp_path / "e.csv", path])
    assert path.read_text() == "unit_id,x\na,1\n"
    assert not (tmp_path / "e.csv").exists()


def test_a_broken_parquet_file_is_one_sentence(tmp_path):
    (tmp_path / "b.parquet").write_text("x")
    with pytest.raises(at.AnnotuneError, match=r"b.parquet is damaged, or not a .parquet file"):
        at.write(tmp_path / "b.parquet", tmp_path / "x.csv")
