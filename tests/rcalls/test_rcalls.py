"""What R sends arrives as the public functions take it, and what they give arrives as R can hold it."""

import inspect
import os
import re
import subprocess
import sys
import warnings
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune import errors, progress, rcalls
from annotune.rcalls.packing import Kept, pack


def frame(rows, **columns):
    """A data frame as R sends it."""
    sent = [{"name": name, **column} for name, column in columns.items()]
    return {".r": "frame", "columns": sent, "rows": rows}


@pytest.mark.parametrize(
    ("column", "series"),
    [
        ({"type": "string", "values": ["a", None, "NA"]}, pl.Series(["a", None, "NA"])),
        ({"type": "integer", "values": [1, None, 3]}, pl.Series([1, None, 3], dtype=pl.Int64)),
        ({"type": "double", "values": [0.5, None, 3.0]}, pl.Series([0.5, None, 3.0])),
        ({"type": "logical", "values": [True, None, False]}, pl.Series([True, None, False])),
        (
            {"type": "factor", "values": [2, None, 1], "levels": ["z", "a"]},
            pl.Series(["a", None, "z"], dtype=pl.Enum(["z", "a"])),
        ),
        (
            {"type": "labelled", "values": [3.0, None, 1.0], "codes": [3, 1], "names": ["three", "one"]},
            pl.Series(["three", None, "one"], dtype=pl.Enum(["one", "three"])),
        ),
        (
            {"type": "labelled", "values": [3.0, None, 4.0], "codes": 3, "names": "three"},
            pl.Series([3, None, 4], dtype=pl.Int64),  # where a code has no label, codes are kept
        ),
        ({"type": "date", "values": [0, None, 18262]}, pl.Series([date(1970, 1, 1), None, date(2020, 1, 1)])),
        ({"type": "list", "values": [["a", "b"], None, "c"]}, pl.Series([["a", "b"], None, ["c"]])),
        ({"type": "blank"}, pl.Series([None, None, None], dtype=pl.Null)),
    ],
)
def test_a_column_arrives_with_its_type_and_its_gaps(column, series):
    arrived = rcalls.unpack(frame(3, x=column))["x"]
    assert arrived.dtype == series.dtype
    assert arrived.to_list() == series.to_list()


def test_seconds_arrive_as_times():
    arrived = rcalls.unpack(frame(2, x={"type": "datetime", "values": [0.25, None]}))["x"].to_list()
    assert arrived == [datetime(1970, 1, 1, 0, 0, 0, 250_000, timezone.utc), None]


def test_labels_of_texts_and_fractions_arrive():
    text = {"type": "labelled", "values": ["e", None], "codes": ["e", "h"], "names": ["Economy", "Health"]}
    half = {"type": "labelled", "values": [0.5, 1.0], "codes": [0.5, 1.0], "names": ["half", "one"]}
    table = rcalls.unpack({**frame(2, topic=text, dose=half), ".r": "table"})
    assert table.frame.rows() == [("Economy", "half"), (None, "one")]
    assert table.labels == {"topic": {"e": "Economy", "h": "Health"}, "dose": {0.5: "half", 1: "one"}}


def test_durations_and_times_of_day_cross_as_seconds():
    sent = frame(2, span={"type": "duration", "values": [90.5, None]}, clock={"type": "clock", "values": [60.0, None]})
    arrived = rcalls.unpack(sent)
    assert arrived["span"].to_list() == [timedelta(seconds=90.5), None]
    assert arrived["clock"].to_list() == [time(0, 1), None]
    columns = pack(arrived)["columns"]
    assert [(column["type"], column["values"][0], column["missing"]) for column in columns] == [
        ("duration", 90.5, [1]),
        ("clock", 60.0, [1]),
    ]


def test_one_row_and_no_rows_arrive():
    assert rcalls.unpack(frame(1, x={"type": "string", "values": "a"}))["x"].to_list() == ["a"]
    empty = rcalls.unpack(frame(0, x={"type": "factor", "values": [], "levels": "only"}))
    assert empty.height == 0
    assert empty["x"].dtype == pl.Enum(["only"])


@pytest.mark.parametrize(
    ("series", "kind", "values", "missing"),
    [
        (pl.Series(["a", None, "NA"]), "string", ["a", "", "NA"], [1]),
        (pl.Series([1, None]), "integer", [1, 0], [1]),
        (pl.Series([2**31, None]), "double", [2.0**31, 0.0], [1]),
        (pl.Series([2**53 + 1, -1]), "string", ["9007199254740993", "-1"], []),
        (pl.Series([], dtype=pl.Int64), "integer", [], []),
        (pl.Series([None, True]), "logical", [False, True], [0]),
        (pl.Series([date(1970, 1, 2), None]), "date", [1, 0], [1]),
        (pl.Series([["a"], [], None]), "list", [["a"], [], []], [2]),
        (pl.Series(["b", None, "a"], dtype=pl.Categorical), "factor", [0, -1, 1], [1]),
        (pl.Series([None, None], dtype=pl.Null), "logical", [False, False], [0, 1]),
    ],
)
def test_a_column_leaves_as_a_flat_list_with_its_gaps_told(series, kind, values, missing):
    packed = rcalls.pack(series)
    assert (packed["type"], packed["values"], packed["missing"]) == (kind, values, missing)


def test_levels_leave_in_their_order_whether_used_or_not():
    packed = rcalls.pack(pl.Series(["a"], dtype=pl.Enum(["z", "a"])))
    assert (packed["values"], packed["levels"]) == ([1], ["z", "a"])


def test_numbers_leave_as_plain_ones_that_r_can_hold():
    assert type(rcalls.pack(np.int64(3))) is int
    assert rcalls.pack(2**40) == 2.0**40
    assert type(rcalls.pack(2**40)) is float
    assert type(rcalls.pack(np.float32(0.5))) is float
    matrix = rcalls.pack(np.array([[1, 2], [3, 4], [5, 6]]))
    assert matrix == {".py": "array", "dim": [3, 2], "values": [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]}  # by column, as R has it


def test_no_array_or_frame_leaves(gold, topics, book):
    """Every public result is taken apart down to what all versions of reticulate can convert."""
    results = [
        at.demo(n=30, n_coded=20),
        at.evaluate(["a", "b"], ["a", "a"], n_boot=0),
        book(),
        at.reliability_regression(_two_coders(), "words"),
    ]
    for result in results:
        _require_plain(rcalls.pack(result))


def _two_coders():
    said = {"unit_id": list("aabbccddee"), "coder": ["ann", "ben"] * 5, "label": list("xxxyyxxxyy")}
    return pl.DataFrame(said | {"words": [3, 3, 40, 40, 20, 20, 5, 5, 30, 30], "variable": ["v"] * 10})


def _require_plain(value):
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            _require_plain(part)
    else:
        assert value is None or type(value) in (str, int, float, bool)


def test_a_call_gives_value_and_warnings():
    sent = frame(2, unit_id={"type": "string", "values": ["a", "b"]}, text={"type": "string", "values": ["x", None]})
    answer = rcalls.call("read_corpus", {"path": sent})
    assert answer["value"]["rows"] == 2
    assert answer["warnings"] == [
        "The corpus: 1 of 2 texts are empty; they keep their rows, with the status 'missing'."
    ]


def test_errors_are_told_and_what_cannot_be_loaded_is_raised(monkeypatch):
    sent = frame(1, unit_id={"type": "string", "values": "a"})
    error = rcalls.call("read_corpus", {"path": sent})["error"]
    assert error == {"what": "The corpus has no column 'text'.", "advice": "There are: 'unit_id'."}
    assert "no_such_argument" in rcalls.call("read_corpus", {"path": sent, "no_such_argument": 1})["error"]["what"]
    for error in (ModuleNotFoundError("No module named 'torch'"), OSError("libtorch.so: cannot open")):
        monkeypatch.setitem(rcalls._HERE, "write", lambda error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)):
            rcalls.call("write", {})


def test_warnings_of_others_are_notes_on_the_screen(monkeypatch, capsys):
    def noisy():
        warnings.warn("not ours", UserWarning, stacklevel=1)
        errors.warn("ours")
        errors.warn("ours")

    monkeypatch.setitem(rcalls._HERE, "noisy", noisy)
    assert rcalls.call("noisy", {})["warnings"] == ["ours"]
    assert capsys.readouterr().err == "Note from UserWarning: not ours\n"


def test_nothing_is_printed_but_by_r(capsys, tmp_path):
    sent = frame(1, **{"left/right": {"type": "double", "values": 0.5}})
    answer = rcalls.call("write", {"data": {**sent, ".r": "table"}, "paths": [str(tmp_path / "x.dta")]})
    assert answer["value"]["columns"][2]["values"] == ["renamed"]
    assert capsys.readouterr().out == ""


def test_progress_is_told_now_and_then_and_at_its_end(monkeypatch):
    def steps():
        with progress.bar("Working", 1000) as advance:
            for _ in range(1000):
                advance(1)

    monkeypatch.setitem(rcalls._HERE, "steps", steps)
    told = []
    rcalls.call("steps", {}, lambda *report: told.append(report))
    assert told[-1] == ("Working", 1000, 1000)
    assert len(told) < 50


def test_value_labels_and_reasons_reach_the_file(tmp_path):
    column = {"type": "labelled", "values": [1.0, None], "codes": [1, 2], "names": ["yes", "no"], "heading": "Vote"}
    column["why"] = [None, ".a refused"]
    answer = rcalls.call(
        "write", {"data": {**frame(2, vote=column), ".r": "table"}, "paths": [str(tmp_path / "vote.dta")]}
    )
    assert "error" not in answer
    from annotune.tables import read_table

    found = read_table(tmp_path / "vote.dta")
    assert found.labels["vote"] == {1: "yes", 2: "no"}
    assert found.headings["vote"] == "Vote"
    assert found.frame["vote_missing"].to_list() in ([None, ".a refused"], ["", ".a refused"])


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0)


def test_a_model_stays_in_python(model):
    packed = rcalls.pack(model)
    kept = packed.pop("object")
    assert rcalls.unpack({".r": "object", "object": kept}) is model
    assert packed["labels"] == ["Health", "Law", "Farming"]
    _require_plain(packed)


def test_predictions_are_those_of_classify_in_order(model, topics):
    texts = [*topics["text"].to_list(), None]
    answer = rcalls.call("predict", {"model": {".r": "object", "object": Kept(model)}, "texts": texts,
                                     "precision": "float32"})  # fmt: skip
    label, *probabilities = answer["value"]["columns"]
    expected = model.classify(topics)
    names = [label["levels"][code] for code in label["values"][:-1]]
    assert names == expected["label"].to_list()
    assert label["missing"] == [90]
    for column in probabilities:
        assert column["values"][:-1] == expected[column["name"]].to_list()


def test_what_was_coded_before_an_interrupt_is_not_coded_again(model, topics, monkeypatch):
    monkeypatch.setattr(rcalls, "TEXTS_AT_ONCE", 25)
    coded, compute = [], at.Classifier.logits

    def interrupted(self, texts, *how, **named):
        if len(coded) == 2:
            coded.append([])
            raise KeyboardInterrupt
        coded.append(texts)
        return compute(self, texts, *how, **named)

    monkeypatch.setattr(at.Classifier, "logits", interrupted)
    arguments = {"model": {".r": "object", "object": Kept(model)}, "texts": topics["text"].to_list()}
    arguments["precision"] = "float32"
    assert rcalls.call("predict", arguments)["interrupted"] == 50
    answer = rcalls.call("predict", arguments)
    assert sum(len(texts) for texts in coded) == topics["text"].n_unique()
    expected = model.classify(topics)["label"].to_list()
    label = answer["value"]["columns"][0]
    assert [label["levels"][code] for code in label["values"]] == expected
    assert not rcalls._UNFINISHED


def test_a_corpus_is_coded_from_file_to_file(model, topics, tmp_path):
    topics.select("unit_id", "text", "doc").write_csv(tmp_path / "texts.csv")
    paths = [str(tmp_path / "coded.parquet")]
    answer = rcalls.call(
        "code_files",
        {"model": {".r": "object", "object": Kept(model)}, "corpus": str(tmp_path / "texts.csv"),
         "paths": paths, "unit_id": "unit_id", "text": "text", "precision": "float32"},
    )  # fmt: skip
    assert sum(answer["value"]["columns"][2]["values"]) == 90
    written = pl.read_parquet(paths[0])
    assert written["topic"].cast(pl.String).to_list() == model.classify(topics)["label"].to_list()
    assert "doc" in written.columns


READERS = {"read_codebook": "codebook", "read_corpus": "corpus", "read_codings": "codings", "read_draws": "draws"}
READERS |= {"rounds": "round"}
# R has its own words for these: rbind(), its own reshaping, plot(), and R objects themselves.
OF_R = {"bind", "widen", "to_r", "from_r"}


def test_every_verb_has_its_twin_in_r():
    namespace = (Path(__file__).parents[2] / "r-package" / "NAMESPACE").read_text()
    exported = set(re.findall(r"export\(at_(\w+)\)", namespace))
    verbs = {name for name in at.__all__ if inspect.isfunction(getattr(at, name)) and not name.startswith("plot_")}
    assert {READERS.get(name, name) for name in verbs - OF_R} <= exported


def test_torch_is_not_loaded_before_a_call():
    """On R's side a call loads it with libraries of its own, without which it is 25 times as slow."""
    look = "import sys, annotune.rcalls; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look]).returncode == 0


def test_programs_that_r_has_started_find_the_libraries_of_the_user(monkeypatch, tmp_path):
    """R puts its own folders first, and whatever is started from there would load R's libraries."""
    seen = []
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/R/lib:/their/own")

    def look(*_, **__):
        seen.append(os.environ["LD_LIBRARY_PATH"])
        raise at.AnnotuneError("That is all.", "")

    monkeypatch.setattr(at, "classify", look)
    monkeypatch.setattr(rcalls, "run", look)
    rcalls.call("code_folder", {"path": ["texts"], "out": str(tmp_path), "library_path": "/their/own"})
    rcalls.call("run", {"study": "s.yaml", "again": False, "data": True, "library_path": "/their/own"})
    assert seen == ["/their/own", "/their/own"]
    assert os.environ["LD_LIBRARY_PATH"] == "/usr/lib/R/lib:/their/own"
    rcalls.call("code_folder", {"path": ["texts"], "out": str(tmp_path)})
    assert seen[-1] == "/usr/lib/R/lib:/their/own"
