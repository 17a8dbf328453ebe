"""Drift: no alarm where there is none, an alarm where there is one, and the sums of a folder as those of a table."""

import datetime
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from typer.testing import CliRunner

import annotune as at
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan
from annotune.bulk.repeats import known_repeats
from annotune.cli import app
from annotune.correction.drift_measures import BINS, Period, comparisons, cut_off, difference, n_comparisons

from .folder_of_codes import THEMES, coded_folder, told

LABELS = ("a", "b", "c")


def drawn(rng, n, shares=(0.5, 0.3, 0.2), sure=(4, 2), coded=60, accuracy=0.8):
    """A period of n texts as it comes from one world."""
    certainty = rng.beta(*sure, n)
    bins = np.bincount((certainty * BINS).astype(int), minlength=BINS)
    right = rng.binomial(coded, accuracy)
    return Period(n, rng.multinomial(n, shares), bins, coded, right, coded, coded)


def alarms(rng, later, n=400, periods=5):
    """The measures that moved in any of several periods, beside a first one."""
    base = drawn(rng, n)
    others = [drawn(rng, n, **later) for _ in range(periods)]
    error = 0.05 / n_comparisons(others, base)
    every = [one for part in others for one in comparisons(part, base, LABELS, cut_off(base.sure), error)]
    return {one.measure for one in every if one.is_beyond(0.0)}


def test_without_drift_there_is_an_alarm_in_five_of_a_hundred_draws_at_most():
    rng = np.random.default_rng(1)
    n = sum(bool(alarms(rng, {})) for _ in range(400))
    assert 1 <= n <= 26  # Bonferroni: 5 % at most; 26 of 400 are two standard errors above that


@pytest.mark.parametrize(
    ("later", "measures"),
    [
        ({"sure": (4, 3)}, {"uncertain", "certainty"}),
        ({"shares": (0.35, 0.3, 0.35)}, {"labels"}),
        ({"accuracy": 0.4}, {"accuracy"}),
    ],
)
def test_a_drift_is_found_where_it_is(later, measures):
    rng = np.random.default_rng(2)
    every = [alarms(rng, later) for _ in range(60)]
    assert sum(measures <= one for one in every) >= 57
    assert sum(bool(one - measures) for one in every) <= 6


def test_the_interval_of_a_difference_holds_it():
    rng, held = np.random.default_rng(3), 0
    for _ in range(2000):
        low, high = difference(rng.binomial(60, 0.9) / 60, 60, rng.binomial(40, 0.8) / 40, 40, 1.959964)
        held += low <= 0.1 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 400), st.integers(2, 400), st.integers(0, 10_000))
def test_the_distance_is_that_of_scipy_and_its_interval_holds_it(n, m, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, BINS, n), rng.integers(0, BINS, m) // 2
    parts = [Period(len(one), np.array([len(one)]), np.bincount(one, minlength=BINS)) for one in (first, second)]
    found = next(one for one in comparisons(*parts, ["a"], 0.5, 0.05) if one.measure == "certainty")
    assert found.change == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert found.low <= found.change <= found.high


def codes_by_month(n=900, seed=5, later=0.0):
    """Texts of three months whose answers stand in them; the last month's are less sure by `later`."""
    rng = np.random.default_rng(seed)
    month = rng.integers(1, 4, n)
    day = [datetime.date(2020, int(one), int(rng.integers(1, 28))) for one in month]
    guess = rng.integers(0, 3, n)
    top = np.clip(rng.uniform(0.5, 0.95, n) - later * (month == 3), 0.34, 1)
    likely = np.repeat(((1 - top) / 2)[:, None], 3, axis=1)
    likely[np.arange(n), guess] = top
    texts = [told(LABELS[label], row) for label, row in zip(guess, likely, strict=True)]
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "text": texts, "day": day}), guess


def test_a_folder_is_as_its_rows_and_what_moved_is_said(tmp_path):
    frame, guess = codes_by_month(later=0.12)
    out = coded_folder(tmp_path, {"a.parquet": frame[:400], "b.parquet": frame[400:]}, covariates=["day"])
    gold = pl.Series([LABELS[label] for label in guess])
    wrong = pl.Series(np.arange(len(frame)) % 4 == 0)
    by_hand = frame.select("unit_id", topic_gold=pl.when(wrong).then(pl.lit("a")).otherwise(gold))[::3]
    found = at.drift(out, time="day", every="1mo", hand_coded=by_hand)
    whole = pl.read_parquet(out / "**/*.parquet")
    assert_frame_equal(found.table, at.drift(whole, time="day", every="1mo", hand_coded=by_hand).table)
    moved = found.moved.select("day", "measure").rows()
    assert moved == [(datetime.date(2020, 3, 1), "uncertain"), (datetime.date(2020, 3, 1), "certainty")]
    assert found.verdict.startswith(
        "Beside 2020-01-01, 1 of 2 periods moved by more than chance. 2020-03-01: the model"
    )
    month = frame["day"].dt.month()
    right = [(one[0], one[1]) for one in zip(by_hand["topic_gold"], gold[::3], strict=True)]
    mine = [a == b for (a, b), m in zip(right, month[::3], strict=True) if m == 2]
    row = found.table.filter(measure="accuracy", day=datetime.date(2020, 2, 1)).row(0, named=True)
    assert (row["value"], row["n"]) == (pytest.approx(np.mean(mine)), len(mine))
    calm = at.drift(out, time="day", every="1mo", hand_coded=by_hand, tolerance=0.5)
    assert calm.moved.is_empty()
    assert "nothing moved by more than chance and 0.5" in calm.verdict
    assert "fewer than 30" not in repr(found)


def test_weights_predictions_of_folds_and_multi_label_variables(tmp_path):
    n = 300
    answers = [
        {"themes": {"label": ["War"] if i % 2 else [], "p": {"War": 0.9, "Aid": 0.4 + i % 3 / 10}}} for i in range(n)
    ]
    frame = pl.DataFrame(
        {
            "unit_id": [f"u{i}" for i in range(n)],
            "text": list(map(json.dumps, answers)),
            "year": [2020 + i % 3 for i in range(n)],
        }
    )
    out = coded_folder(tmp_path, {"a.parquet": frame}, (THEMES,), covariates=["year"])
    gold = frame.select(
        "unit_id",
        pi=pl.when(pl.int_range(n) < 150).then(0.25).otherwise(1.0),
        themes_gold_War=pl.int_range(n) % 2,
        themes_gold_Aid=(pl.int_range(n) < 150).cast(pl.Int8),
    )
    found = at.drift(out, time="year", hand_coded=gold)
    rows = found.table.filter(measure="accuracy")
    assert rows["value"].to_list() == pytest.approx([0.2, 0.2])  # 50 right of weight 1, 50 wrong of weight 4
    assert found.table.filter(measure="uncertain", year=2021)["value"].item() == 1.0
    own = gold.with_columns(themes_War="themes_gold_War", themes_Aid="themes_gold_Aid")
    assert at.drift(out, time="year", hand_coded=own).table.filter(measure="accuracy")["value"].to_list() == [1.0, 1.0]
    with pytest.raises(at.AnnotuneError, match="has no pi above 0"):
        at.drift(out, time="year", hand_coded=gold.with_columns(pi=pl.lit(0.0)))


def test_periods_without_texts_are_named_in_whatever_order_they_come(tmp_path):
    frame, _ = codes_by_month()
    shuffled = frame.filter(pl.col("day").dt.month() != 2).sample(fraction=1, shuffle=True, seed=1)
    shuffled = shuffled.with_columns(pl.when(pl.int_range(pl.len()) > 1).then("day"))
    out = coded_folder(tmp_path, {"a.parquet": shuffled}, covariates=["day"])
    with pytest.warns(at.AnnotuneWarning, match="2 of .* texts have no day"):
        found = at.drift(out, time="day", every="1mo")
    assert "Without texts: '2020-02-01'." in found.notes
    assert found.table["day"].unique().to_list() == [datetime.date(2020, 3, 1)]
    back = pytest.warns(at.AnnotuneWarning)
    with back:
        assert at.drift(out, time="day", every="1mo", reference="2020-03-01").reference == ("2020-03-01",)


def test_what_cannot_be_is_one_sentence(tmp_path):
    frame, _ = codes_by_month(60)
    out = coded_folder(tmp_path, {"a.parquet": frame}, covariates=["day"])
    for options, says in [
        ({"time": "year"}, "have a column 'year'"),
        ({"time": "day", "every": "1mo", "reference": "2019-01-01"}, "no period '2019-01-01'"),
        ({"time": "day", "every": "10y"}, "only the period .*nothing to compare"),
        (
            {"time": "day", "every": "1mo", "reference": ["2020-01-01", "2020-02-01", "2020-03-01"]},
            "All periods are in",
        ),
        ({"time": "day", "tolerance": 2.0}, "cannot be tolerated"),
        ({"time": "day", "below": 0.0}, "No certainty is below 0.0"),
        ({"time": "day", "level": 1.0}, "cannot have the level"),
        ({"time": "n"}, "column 'n' of its own"),
        ({"time": "day", "variable": "tone"}, "no codes of 'tone'"),
        ({"time": "day", "hand_coded": frame.select("unit_id")}, "no hand codings of what was coded"),
    ]:
        with pytest.raises(at.AnnotuneError, match=says):
            at.drift(out, **options)
    with pytest.raises(at.AnnotuneError, match="has no column 'variable'"):
        at.drift(frame, time="day")


def test_the_command_says_writes_and_draws(tmp_path):
    frame, _ = codes_by_month(later=0.12)
    out = coded_folder(tmp_path, {"a.parquet": frame}, covariates=["day"])
    words = [
        "drift",
        out,
        "--time",
        "day",
        "--every",
        "1mo",
        "--write",
        tmp_path / "d.csv",
        "--plot",
        tmp_path / "d.png",
    ]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "1 of 2 periods moved by more than chance" in " ".join(done.output.split())
    assert len(pl.read_csv(tmp_path / "d.csv")) == 6
    assert (tmp_path / "d.png").stat().st_size > 5_000
    whole = pl.read_parquet(out / "**/*.parquet").with_columns(pl.col("day").cast(pl.String))
    whole.write_csv(tmp_path / "codes.csv")
    done = CliRunner().invoke(app, ["drift", str(tmp_path / "codes.csv"), "--time", "day", "--every", "1mo"])
    assert "1 of 2 periods moved by more than chance" in " ".join(done.output.split())


def test_pictures_of_several_variables_need_one():
    codes = pl.DataFrame(
        {"unit_id": [str(i) for i in range(60)] * 2, "variable": ["x"] * 60 + ["y"] * 60, "t": list("ab") * 60}
    )
    found = at.drift(codes.with_columns(label=pl.lit("l"), prob=0.5), time="t")
    with pytest.raises(at.AnnotuneError, match="has 2 variables"):
        at.plot_drift(found)
    with pytest.raises(at.AnnotuneError, match="no variable 'z'"):
        at.plot_drift(found, variable="z")
    assert len(at.plot_drift(found, variable="y").axes) == 3


def test_a_folder_that_is_not_whole(tmp_path):
    """Still being written, with identifiers that come again, with a file that is damaged or of another schema."""
    frame, _ = codes_by_month(300)
    files = {"a.parquet": frame[:150], "b.parquet": frame[150:], "c.parquet": frame[:50]}
    out = coded_folder(tmp_path, files, covariates=["day"])
    shards = require_plan(out).shards
    known_repeats(RunFolder(out), shards, look=True)
    with pytest.warns(at.AnnotuneWarning, match="50 identifiers are in several shards"):
        found = at.drift(out, time="day", every="1mo")
    assert found.table.filter(measure="labels")["n"].sum() < 350
    unfinished = coded_folder(tmp_path / "unfinished", files, covariates=["day"], only=1)
    with pytest.warns(at.AnnotuneWarning, match="2 of 3 shards are not done; what follows is about the 150 texts"):
        at.drift(unfinished, time="day", every="1mo")
    path = unfinished / "a.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"x" * (len(content) - len(content) // 2))
    with pytest.warns(at.AnnotuneWarning), pytest.raises(at.AnnotuneError, match=r"a\.parquet cannot be read"):
        at.drift(unfinished, time="day", every="1mo")
