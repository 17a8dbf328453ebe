"""What was written, read back by pandas, pyreadstat, and by R with haven and readstata13: equal, or as reported."""

import datetime as dt
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

import annotune as at
from annotune.tables import read_table

SIZES = (0, 1, 3, 700)
MISSING = ("none", "some", "all")
NAMES = ["Zoë", "b", "a & b", "c" * 300]  # in an order that is neither theirs nor their codes'
CODES = [7, 0, 300, 12]
STATUS = {"missing": "a", "none": "b", "unparsed": "c", "error": "d"}
EPOCH_DAYS = (dt.date(1970, 1, 1) - dt.date(1960, 1, 1)).days
CODEBOOK = at.Codebook(
    name="Questions",
    variables=(
        at.Variable(
            name="topic",
            instruction="Which area?",
            labels=tuple(at.Label(code=code, name=name) for code, name in zip(CODES, NAMES, strict=True)),
        ),
        at.Variable(name="level", kind="ordinal", labels=(at.Label(code=2, name="low"), at.Label(code=3, name="high"))),
    ),
)


def column(values, dtype, size, missing, seed):
    """A column that runs through `values` at random, with missing cells as asked for."""
    draw = np.random.default_rng(seed)
    cells = [values[i] for i in draw.integers(0, len(values), size)]
    gone = {"none": np.zeros(size, bool), "some": draw.random(size) < 0.3, "all": np.ones(size, bool)}[missing]
    return pl.Series([None if lost else cell for cell, lost in zip(cells, gone, strict=True)], dtype=dtype)


def example(size, missing):
    """A table with every type, at the limits of its storage in Stata."""
    types = {
        "text": (["", "a", "Zoë 👍", " padded ", "line\nbreak", "x" * 90], pl.String),
        "text_2045": (["x" * 2045, "é" * 1000], pl.String),
        "long_text": (["x" * 2046, "y" * 3000, "", "short"], pl.String),
        "topic": (NAMES, pl.Enum(NAMES)),
        "level": (["low", "high"], pl.String),
        "party": (["l", "r"], pl.Enum(["r", "l"])),
        "flag": ([True, False], pl.Boolean),
        "bytes": ([-127, 100, 0], pl.Int8),
        "past_byte": ([101, -128], pl.Int8),
        "ints": ([-32767, 32740], pl.Int16),
        "longs": ([-2147483647, 2147483620], pl.Int64),
        "past_long": ([2147483621, -(2**31)], pl.Int64),
        "exact": ([2**53, -(2**53)], pl.Int64),
        "unsigned": ([255, 0], pl.UInt8),
        "single": ([0.1, -1.5e38, 1e-30], pl.Float32),
        "doubles": ([0.1, -8.9e307, 5e-324, math.pi], pl.Float64),
        "strange": ([float("nan"), float("inf"), -float("inf"), 1.0], pl.Float64),
        "day": ([dt.date(1960, 1, 1), dt.date(1582, 10, 15), dt.date(9999, 12, 31)], pl.Date),
        "time": ([dt.datetime(1969, 12, 31, 23, 59, 59, 999000), dt.datetime(2024, 2, 29)], pl.Datetime("us")),
        "utc": ([dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)], pl.Datetime("ms", "UTC")),
        "nothing": ([None], pl.Null),
    }
    frame = pl.DataFrame({name: column(*spec, size, missing, i) for i, (name, spec) in enumerate(types.items())})
    reasons = pl.Series(np.random.default_rng(99).choice([*STATUS, "other"], size), dtype=pl.String)
    said = pl.when(pl.col("topic").is_null()).then(reasons).otherwise(pl.lit("ok"))
    return frame.with_columns(said.alias("topic_status"))


def in_stata(name, cell, row, haven):
    """What Stata's file must say for a cell, in the words of read_back.R."""
    if isinstance(cell, str) and name in ("topic", "level", "party"):
        codes = {**dict(zip(NAMES, CODES, strict=True)), "low": 2, "high": 3, "r": -1, "l": 5}
        return float(codes[cell])
    if name == "topic" and row["topic_status"] in STATUS:
        return f"NA({STATUS[row['topic_status']]})"
    if name in ("text", "text_2045", "long_text", "topic_status"):
        return (cell or "").rstrip(" ") if haven else cell or ""  # haven drops blanks at the end
    if cell is None:
        return "NA"
    if isinstance(cell, dt.datetime):
        seconds = (cell.replace(tzinfo=dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(seconds=1)
        return seconds if haven else seconds * 1000 + EPOCH_DAYS * 86_400_000
    if isinstance(cell, dt.date):
        return float((cell - dt.date(1970, 1, 1)).days + (0 if haven else EPOCH_DAYS))
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NA(n)" if math.isnan(cell) else "NA(i)"
    return float(cell)


def in_r(name, cell, row):
    """What R's file must say for a cell."""
    if name in ("topic", "level", "party") or isinstance(cell, str):
        return "NA" if cell is None else cell
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else cell
    return in_stata("", cell, row, haven=True)


def said(value):
    """A value from read_back.R: a text, a number, or what is missing and why."""
    if value.startswith("s:"):
        return bytes.fromhex(value[2:]).decode()
    return float(value[2:]) if value.startswith("n:") else value


@pytest.fixture(scope="session")
def matrix(tmp_path_factory):
    """Every size and pattern of missing cells, written as .dta and .rds, and what R reads there."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    folder = tmp_path_factory.mktemp("matrix")
    frames = {f"{size}{missing}": example(size, missing) for size in SIZES for missing in MISSING}
    options = {
        "codebook": CODEBOOK,
        "labels": {"party": {-1: "r", 5: "l"}},
        "headings": {"flag": "f" * 81, "text": "Ünïcode"},
        "notes": ["model 3fa2", "n" * 5000],
    }
    for name, frame in frames.items():
        at.write(frame, [folder / f"{name}.dta", folder / f"{name}.rds"], **options)
    at.write(frames["700some"], folder / "labelled.rds", labelled=True, **options)
    subprocess.run(["Rscript", Path(__file__).with_name("read_back.R"), folder], check=True, timeout=600)
    cells, about = {}, {}
    for line in (folder / "cells.tsv").read_text(encoding="utf-8").splitlines():
        file, reader, place, row, value = line.split("\t")
        cells.setdefault((file, reader), {})[int(place), int(row)] = value
    for line in (folder / "about.tsv").read_text(encoding="utf-8").splitlines():
        file, place, what, *values = line.split("\t")
        about.setdefault((file, int(place), what), []).append(values)
    return frames, cells, about, folder


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("suffix", "reader"), [("dta", "haven"), ("dta", "readstata13"), ("rds", "haven")])
def test_r_reads_every_cell(matrix, size, missing, suffix, reader):
    if reader == "readstata13" and size == 0:
        pytest.skip("readstata13 makes a row of a file that has none, whoever wrote it.")
    frames, cells, about, _ = matrix
    frame, file = frames[f"{size}{missing}"], f"{size}{missing}.{suffix}"
    assert about[file, 0, "shape"] == [[str(size), str(frame.width)]]
    found = cells.get((file, reader), {})
    assert len(found) == size * frame.width
    for row, values in enumerate(frame.iter_rows(named=True), start=1):
        for place, (name, cell) in enumerate(values.items(), start=1):
            haven = reader == "haven"
            wanted = in_stata(name, cell, values, haven) if suffix == "dta" else in_r(name, cell, values)
            got = said(found[place, row])
            if reader == "readstata13" and name == "long_text" and got == "NA":
                got = ""  # what it makes of an empty strL
            if isinstance(wanted, float) and math.isfinite(wanted):
                assert got == pytest.approx(wanted, rel=1e-15, abs=1e-6 if name == "time" else 0), (name, row)
            else:
                assert got == wanted, (name, row)


def test_r_finds_labels_headings_notes_and_title(matrix):
    _, _, about, _ = matrix
    hexed = [name.encode().hex() for name in NAMES]
    stata = about["700some.dta", 4, "label"]
    by_code = sorted(zip(CODES, hexed, strict=True))
    assert [(said(code), text) for code, text in stata[:4]] == by_code
    assert [code for code, _ in stata[4:]] == ["NA(a)", "NA(b)", "NA(c)", "NA(d)"]
    assert [bytes.fromhex(text).decode() for _, text in stata[4:]][1] == "no label applies"
    assert [text for _, text in about["700some.rds", 4, "label"]] == hexed  # levels in the codebook's order
    for suffix in ("dta", "rds"):
        file = f"700some.{suffix}"
        assert said("s:" + about[file, 1, "heading"][0][0]) == "Ünïcode"
        assert said("s:" + about[file, 4, "heading"][0][0]) == "Which area?"
        assert about[file, 0, "title"] == [[b"Questions".hex()]]
        assert [said("s:" + note) for (note,) in about[file, 0, "note"][-2:]] == ["model 3fa2", "n" * 5000]
    assert said("s:" + about["700some.dta", 7, "heading"][0][0]) == "f" * 80
    assert said("s:" + about["700some.rds", 7, "heading"][0][0]) == "f" * 81


def test_r_classes(matrix):
    _, _, about, _ = matrix
    classes = {
        name: about["700some.rds", place, "class"][0][0] for place, name in enumerate(example(1, "none").columns, 1)
    }
    wanted = {
        "topic": "factor", "level": "ordered factor", "party": "factor", "flag": "logical", "longs": "integer",
        "past_long": "numeric", "day": "Date", "time": "POSIXct POSIXt", "text": "character",
    }  # fmt: skip
    assert {name: classes[name] for name in wanted} == wanted
    assert about["labelled.rds", 4, "class"] == [["haven_labelled vctrs_vctr double"]]
    assert about["labelled.rds", 4, "label"][-4:][0][0] == "NA(a)"


def test_haven_labelled_tells_why_a_code_is_missing(matrix):
    frames, cells, _, _ = matrix
    frame, found = frames["700some"], cells["labelled.rds", "haven"]
    for row, values in enumerate(frame.iter_rows(named=True), start=1):
        assert said(found[4, row]) == in_stata("topic", values["topic"], values, haven=True)


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("size", SIZES)
def test_pandas_reads_every_number(matrix, size, missing):
    frames, _, _, folder = matrix
    frame = frames[f"{size}{missing}"]
    read = pd.read_stata(
        folder / f"{size}{missing}.dta", convert_missing=True, convert_categoricals=False, convert_dates=False
    )
    assert read.shape == frame.shape
    for name in frame.columns:
        for row, (got, values) in enumerate(zip(read[name], frame.iter_rows(named=True), strict=True)):
            wanted = in_stata(name, values[name], values, haven=False)
            if isinstance(wanted, str) and wanted.startswith("NA") and not isinstance(got, str):
                letter = wanted[3:-1]
                assert str(got) == f".{letter}", (name, row)
            else:
                assert got == wanted, (name, row)


def test_storage_is_the_tightest(matrix):
    frames, _, _, folder = matrix
    content = (folder / "700some.dta").read_bytes()
    start = content.index(b"<variable_types>") + len(b"<variable_types>")
    width = frames["700some"].width
    kinds = dict(zip(frames["700some"].columns, np.frombuffer(content, "<u2", width, start).tolist(), strict=True))
    byte, int_, long, float_, double = 65530, 65529, 65528, 65527, 65526
    wanted = {
        "bytes": byte, "past_byte": int_, "ints": int_, "longs": long, "past_long": double, "exact": double,
        "unsigned": int_, "single": float_, "doubles": double, "topic": int_, "flag": byte, "day": long,
        "time": double, "nothing": byte, "text_2045": 2045, "long_text": 32768,
    }  # fmt: skip
    assert {name: kinds[name] for name in wanted} == wanted


@given(
    dataframes(
        max_cols=5,
        max_size=20,
        allow_infinity=True,
        allow_nan=True,
        allowed_dtypes=[
            pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean,
            pl.String, pl.Date, pl.Datetime, pl.Enum, pl.Categorical, pl.Duration, pl.Time, pl.Decimal, pl.Binary,
            pl.Null,
        ],
    ),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_table_comes_back(tmp_path_factory, frame, labelled):
    if frame.width == 0:
        return
    folder = tmp_path_factory.mktemp("any")
    paths = [folder / f"t{suffix}" for suffix in (".dta", ".rds", ".parquet", ".sav", ".csv", ".xlsx")]
    report = at.write(frame, paths, labelled=labelled)
    changed = set(report["column"])
    r = read_table(folder / "t.rds").frame
    stata = pd.read_stata(folder / "t.dta", convert_categoricals=False, convert_dates=False)
    assert r.shape == stata.shape == frame.shape == read_table(folder / "t.parquet").frame.shape
    for name, of_r, of_stata in zip(frame.columns, r, stata, strict=True):
        cells = frame[name]
        if name not in changed and cells.dtype.is_numeric():
            assert of_r.cast(pl.Float64).equals(cells.cast(pl.Float64).fill_nan(float("nan")))
            assert [None if pd.isna(v) else float(v) for v in stata[of_stata]] == cells.cast(pl.Float64).to_list()
        if name not in changed and cells.dtype == pl.String:
            assert of_r.to_list() == stata[of_stata].to_list() == cells.to_list()
