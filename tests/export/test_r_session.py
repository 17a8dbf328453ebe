"""Between polars and R in one session: what crosses comes back; where it cannot work, one sentence says so."""

import datetime as dt
import importlib.util
import os
import subprocess
import sys

import polars as pl
import pytest

import annotune as at
from annotune.export.r_session import table_from_r

live = pytest.mark.skipif(importlib.util.find_spec("rpy2") is None, reason="rpy2 is not installed.")

FRAME = pl.DataFrame(
    {
        "id": ["1234567890123456789", "NA", None],
        "topic": pl.Series(["b", None, "a"], dtype=pl.Enum(["b", "a"])),
        "day": [dt.date(2020, 1, 1), None, dt.date(1950, 1, 1)],
        "time": pl.Series([dt.datetime(2020, 1, 1, 12), None, None], dtype=pl.Datetime("us", "UTC")),
        "x": [1.5, float("nan"), None],
        "i": pl.Series([1, None, 3], dtype=pl.Int32),
        "l": [True, None, False],
    }
)


@live
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_frame_comes_back(rows):
    assert at.from_r(at.to_r(FRAME.head(rows))).equals(FRAME.head(rows))


@live
def test_r_sees_factors_missing_values_and_labels():
    from rpy2.robjects import r

    data = at.to_r(FRAME, labels={"topic": {7: "b", 2: "a"}}, labelled=True)
    r.assign("data", data)
    assert list(r("as.integer(data$topic)")) == [7, r("NA_integer_")[0], 2]
    assert list(r("is.nan(data$x)")) == [False, True, False]
    assert list(r("is.na(data$id)")) == [False, False, True]
    assert table_from_r(data).labels == {"topic": {2: "a", 7: "b"}}


@live
def test_labelled_columns_of_haven_arrive():
    from rpy2.robjects import r

    codes, labels = 'c(1, 2, haven::tagged_na("a"))', 'c(yes = 1, no = 2, gone = haven::tagged_na("a"))'
    assert at.from_r(r(f"data.frame(a = haven::labelled({codes}, {labels}))"))["a"].to_list() == ["yes", "no", None]


@live
def test_programs_started_later_find_their_own_libraries():
    before = os.environ.get("LD_LIBRARY_PATH")
    at.to_r(FRAME)
    look = "import ssl, os; print(os.environ.get('LD_LIBRARY_PATH'))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert done.stdout.strip() == str(before), done.stderr


def test_inside_r_it_refuses(monkeypatch):
    monkeypatch.setitem(sys.modules, "rpycall", object())
    for call in (lambda: at.to_r(FRAME), lambda: at.from_r(None)):
        with pytest.raises(at.AnnotuneError, match="runs inside R"):
            call()


def test_without_rpy2_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rpy2", None)
    with pytest.raises(at.AnnotuneError, match=r"pip install 'annotune\[r\]'"):
        at.to_r(FRAME)
