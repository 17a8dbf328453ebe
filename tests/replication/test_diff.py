"""diff: what was changed is named, and so is all that it changed; what was not is not."""

import json
import shutil
import sys
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune import cli
from annotune.replication.compared import compared

FORMULA = "topic == 'Health' ~ party"


@pytest.fixture(scope="module")
def pair(finished, tmp_path_factory):
    """The study, and a copy in which one coding is another one and only unanimous texts are gold."""
    folder = shutil.copytree(finished.parent, tmp_path_factory.mktemp("other") / "study")
    study = folder / "study.yaml"
    rule = "gold: {rule: unanimous, coders: [anna, ben]}"
    study.write_text(study.read_text().replace("gold: {rule: adjudicated, coder: carla}", rule))
    carla = folder / "coder_carla.csv"
    lines = carla.read_text().splitlines()
    carla.write_text("\n".join(lines[:-1]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that texts on which coders disagree have no gold
        at.run(study)
    return finished, study


def test_causes_and_consequences_are_those_of_the_two_runs(pair):
    difference = at.diff(*pair)
    tables = difference.tables
    assert not difference.is_same
    assert tables["inputs"]["file"].to_list() == ["coder_carla.csv"]
    settings = {key: (a, b) for key, a, b in tables["settings"].rows()}
    assert settings["gold.rule"] == ("adjudicated", "unanimous")
    assert settings["gold.coder"] == ("carla", None)
    assert all(key.startswith("gold") for key in settings)
    ((variable, coder, a, b),) = tables["coders"].rows()
    assert (variable, coder, a - b) == ("topic", "carla", 1)
    assert "versions" not in tables
    assert "codebook" not in tables
    assert "agreement" not in tables  # of anna and ben, who said what they said


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")  # that coders disagree
def test_two_bundles_are_compared_as_their_runs_are(pair, tmp_path):
    one = at.bundle(pair[0], tmp_path / "a.zip", texts="none")
    other = at.bundle(pair[1], tmp_path / "b", texts="none")  # a folder
    of_runs, of_bundles = at.diff(*pair).tables, at.diff(one, other).tables
    assert "coefficients" in of_bundles
    assert set(of_runs) - {"inputs"} == set(of_bundles) - {"inputs"}
    for name in set(of_bundles) - {"inputs"}:
        assert of_bundles[name].equals(of_runs[name]), name
    assert at.why(one).tree["a.zip"]["made by"] == at.why(pair[0]).tree["study.yaml"]["made by"]
    (other / "study" / "codebook.yaml").write_text("variables: []")
    with pytest.raises(at.AnnotuneError, match=r"codebook\.yaml"):
        at.diff(one, other)


def test_texts_that_moved_are_counted_one_by_one(pair):
    one, other = (pl.read_parquet(study.parent / "results.parquet") for study in pair)
    tables = at.diff(*pair).tables
    both = one.join(other, on="unit_id", suffix="_b")
    for column in ("topic", "topic_gold"):
        moved = tables["labels"].filter(column=column)
        truth = both.filter(pl.col(column).ne_missing(pl.col(f"{column}_b")))
        assert moved["n_texts"].sum() == len(truth)
        for a, b, n in moved.select("a", "b", "n_texts").iter_rows():
            words = [
                pl.col(name).cast(pl.String).eq_missing(pl.lit(word))
                for name, word in ((column, a), (f"{column}_b", b))
            ]
            assert truth.filter(words).height == n
    assert tables["labels"].filter(column="topic_gold")["n_texts"].sum() > 0
    cells = dict(tables["cells"].select("column", "n_texts").iter_rows())
    assert cells["topic_gold"] == tables["labels"].filter(column="topic_gold")["n_texts"].sum()
    assert "party" not in cells


def test_coefficients_are_those_of_the_records(pair):
    table = at.diff(*pair).tables["coefficients"]
    for study, side in zip(pair, "ab", strict=True):
        rows = json.loads(study.with_suffix(".record.json").read_text())["corrections"][FORMULA]
        estimates = {(row["method"], row["term"]): row["estimate"] for row in rows}
        for method, term, value in table.select("method", "term", side).iter_rows():
            assert estimates[method, term] == value
    assert (table["difference"] - (table["b"] - table["a"])).abs().max() == 0
    assert at.diff(*pair).tables["measures"]["model"].unique().is_in(["the model"]).any()


def test_nothing_differs_between_a_run_and_itself(finished):
    for place in (finished.parent, finished.parent / "results.dta"):
        difference = at.diff(finished, place)
        assert difference.is_same
        assert difference.in_words().startswith("Nothing differs")


def test_with_records_alone_it_is_said_that_texts_were_not_compared(pair, tmp_path):
    for study, name in zip(pair, "ab", strict=True):
        shutil.copy(study.with_suffix(".record.json"), tmp_path / f"{name}.record.json")
    difference = at.diff(tmp_path / "a.record.json", tmp_path / "b.record.json")
    assert {"settings", "gold", "coefficients"} <= set(difference.tables)
    assert "labels" not in difference.tables
    assert len(difference.notes) == 2
    with pytest.raises(at.AnnotuneError, match=r"several records: a\.record\.json, b\.record\.json"):
        at.diff(tmp_path, tmp_path)


def test_a_codebook_is_compared_label_by_label(tmp_path):
    one = "variables: [{name: t, kind: nominal, labels: [{code: 1, name: A, definition: x}, {code: 2, name: B}]}]"
    (tmp_path / "one.yaml").write_text(one)
    (tmp_path / "two.yaml").write_text(
        one.replace("definition: x", "definition: y").replace("{code: 2, name: B}", "{code: 3, name: B}")
    )
    rows = at.diff(tmp_path / "one.yaml", tmp_path / "two.yaml").tables["codebook"].rows()
    assert ("t", "1", "definition", "x", "y") in rows
    assert ("t", "2", "name", "B", None) in rows
    assert ("t", "3", "name", None, "B") in rows
    assert ("t", "", "order of labels", "[1, 2]", "[1, 3]") in rows
    assert len(rows) == 4


def test_what_is_neither_is_refused(finished, tmp_path):
    (tmp_path / "codebook.yaml").write_text((finished.parent / "codebook.yaml").read_text())
    with pytest.raises(at.AnnotuneError, match="not of a kind"):
        at.diff(finished, tmp_path / "codebook.yaml")
    (tmp_path / "study.yaml").write_text(finished.read_text())
    with pytest.raises(at.AnnotuneError, match="neither a run with its record nor a codebook"):
        at.diff(finished, tmp_path / "study.yaml")
    with pytest.raises(at.AnnotuneError, match="Nothing tells what"):
        at.diff(finished, tmp_path)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_says_whether_something_differs(pair, monkeypatch, capsys, as_json):
    for other, code in ((pair[0].parent, 0), (pair[1], 1), (pair[0].parent / "nothing", 2)):
        words = ["annotune", "diff", str(pair[0]), str(other), *["--json"] * as_json]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert (end.value.code or 0) == code
        printed = capsys.readouterr().out
        if code == 1:
            assert ("gold" in json.loads(printed)["tables"]) if as_json else ("gold.rule" in printed)


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@given(numbers, st.floats(1e-9, 1e-3), st.integers(0, 7), st.booleans())
def test_a_number_is_within_the_tolerance_or_it_is_named(values, tolerance, place, within):
    one = pl.DataFrame({"unit_id": [f"u{i}" for i in range(len(values))], "x": values})
    place %= len(values)
    step = tolerance * max(1.0, abs(values[place])) * (0.4 if within else 4.0)
    other = one.with_columns(x=pl.Series(np.where(np.arange(len(values)) == place, one["x"] + step, one["x"])))
    result = compared(one, other, ["unit_id"], tolerance)
    exact = other["x"][place] == values[place]
    assert result.state == ("identical" if exact else "equal within the tolerance" if within else "different")
    assert (f"x of u{place}: " in result.first) == (result.state == "different")
    assert compared(one, one, ["unit_id"], 0.0).state == "identical"


def test_rows_and_columns_that_one_table_alone_has_are_differences():
    one = pl.DataFrame({"k": ["a", "b"], "x": [1, 2]})
    assert compared(one, one.head(1), ["k"], 1.0).first == "b is in one alone"
    assert compared(one.with_columns(y=1), one, ["k"], 1.0).first == "the column y is in one alone"
    assert compared(one, one.reverse(), ["k"], 0.0).state == "identical"  # rows go by their key
    nothing = one.with_columns(x=pl.Series([1, None]))
    assert compared(one, nothing, ["k"], 1.0).first == "x of b: 2 and nothing"
