"""Shares over a folder of codes are those of the same rows in memory."""

import datetime
import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.tables import read_table

from .folder_of_codes import THEMES, TOPIC, coded_folder, topics

FOLDER_METHODS = ["count", "hand", "adjusted", "dsl", "ppi"]
BOOK = at.Codebook(variables=(TOPIC,))


def parted(frame, columns, sizes=(500, 300, 400), suffix=".parquet"):
    """The texts in files of these sizes."""
    starts = np.cumsum([0, *sizes])
    return {
        f"{i}{suffix}": frame.slice(start, n).select("unit_id", "text", *columns)
        for i, (start, n) in enumerate(zip(starts, sizes, strict=False))
    }


def in_memory(out, frame):
    """The codes of a folder beside the texts, as `attach` puts them."""
    codes = pl.read_parquet(out / "**/*.parquet").select(
        "unit_id", "variable", "coder", "label", "prob", "status", "^p_.*$"
    )
    gold = frame.drop_nulls("gold").select("unit_id", label="gold", variable=pl.lit("topic"))
    return at.attach(frame.drop("gold"), codes, codebook=BOOK, gold=gold)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """1,200 texts, coded in files and shards."""
    frame = topics()
    place = tmp_path_factory.mktemp("folder")
    out = coded_folder(place, parted(frame, ["party", "year", "author"]), covariates=["party"], rows_per_shard=200)
    return out, frame, frame.drop_nulls("gold").select("unit_id", pl.col("gold").alias("topic_gold"), "pi")


@pytest.mark.parametrize("of", ["corpus", "population"])
@pytest.mark.parametrize(
    "grouping", [{}, {"by": "party"}, {"by": "party", "time": "year"}, {"by": "party", "cluster": "author"}]
)
def test_shares_are_those_of_the_same_rows_in_memory(folder, of, grouping):
    out, frame, gold = folder
    wanted = at.prevalence(in_memory(out, frame), methods=FOLDER_METHODS, of=of, **grouping)
    found = at.prevalence(out, hand_coded=gold, of=of, **grouping)
    assert_frame_equal(found, wanted, rel_tol=1e-9, abs_tol=1e-12)
    assert found.filter(method="dsl")["estimate"].is_not_null().all()


def test_one_probability_and_waves_are_those_in_memory(folder):
    out, frame, gold = folder
    whole = in_memory(out, frame)
    with pytest.warns(at.AnnotuneWarning, match="check pi"):
        wanted = at.prevalence(whole, pi=0.5, methods=FOLDER_METHODS)
    with pytest.warns(at.AnnotuneWarning, match="check pi"):
        assert_frame_equal(at.prevalence(out, hand_coded=gold, pi=0.5), wanted, rel_tol=1e-9)
    waves = gold.with_columns(wave=pl.int_range(pl.len()) % 2 + 1)
    whole = whole.join(waves.select("unit_id", "wave"), on="unit_id", how="left", maintain_order="left")
    wanted = at.prevalence(whole, methods=FOLDER_METHODS, by="party")
    assert_frame_equal(at.prevalence(str(out), hand_coded=waves, by=["party"]), wanted, rel_tol=1e-9)


def test_gold_may_be_rows_of_codings_in_a_file(folder, tmp_path):
    out, _, gold = folder
    rows = gold.select("unit_id", "pi", label="topic_gold", variable=pl.lit("topic"))
    rows.write_csv(tmp_path / "gold.csv")
    found = at.prevalence(out, "topic", hand_coded=tmp_path / "gold.csv", by="party")
    assert_frame_equal(found, at.prevalence(out, hand_coded=gold, by="party"), rel_tol=1e-9)


def test_predictions_of_models_that_had_not_seen_the_text_replace_those_of_the_folder(folder):
    out, frame, _ = folder
    whole = in_memory(out, frame)
    own = {"topic": pl.lit("a", pl.Enum(list("abc"))), "topic_p_a": 0.8, "topic_p_b": 0.15, "topic_p_c": 0.05}
    names, coded = list(own), pl.col("topic_gold").is_not_null()
    values = [value if isinstance(value, pl.Expr) else pl.lit(value, pl.Float64) for value in own.values()]
    columns = [
        pl.when(coded).then(value).otherwise(name).alias(name) for name, value in zip(names, values, strict=True)
    ]
    crossed = whole.with_columns(columns)
    wanted = at.prevalence(crossed, methods=FOLDER_METHODS, by="party")
    given = crossed.filter(coded).select("unit_id", "topic_gold", "pi", *names, fold=pl.lit(1))
    assert_frame_equal(at.prevalence(out, hand_coded=given, by="party"), wanted, rel_tol=1e-6)
    seen = given.with_columns(fold=pl.lit(None, pl.Int64))
    with pytest.raises(at.AnnotuneError, match="their model was tuned on them"):
        at.prevalence(out, hand_coded=seen)


def test_many_indicators_in_one_call(tmp_path):
    rng = np.random.default_rng(4)
    n, names = 400, [f"i{number}" for number in range(46)]
    entries = tuple(
        at.Variable(name=name, labels=(at.Label(code=1, name="yes"), at.Label(code=0, name="no"))) for name in names
    )
    entries += (THEMES,)
    truth = rng.random((n, 46)) < 0.3
    guess = np.where(rng.random((n, 46)) < 0.8, truth, ~truth)
    sets = [[name for name in THEMES.names if rng.random() < 0.4] for _ in range(n)]

    def text(i):
        single = {name: {"label": "yes" if guess[i, j] else "no", "p": {}} for j, name in enumerate(names)}
        return json.dumps(
            {**single, "themes": {"label": sets[i], "p": {"War": 0.9 if "War" in sets[i] else 0.2, "Aid": 0.5}}}
        )

    frame = pl.DataFrame(
        {"unit_id": [f"u{i}" for i in range(n)], "text": [text(i) for i in range(n)], "land": rng.choice(["x", "y"], n)}
    )
    out = coded_folder(tmp_path, {"a.parquet": frame[:150], "b.parquet": frame[150:]}, entries, covariates=["land"])
    gold = {f"{name}_gold": np.where(truth[:, j], "yes", "no") for j, name in enumerate(names)}
    gold |= {f"themes_gold_{name}": rng.integers(0, 2, n) for name in THEMES.names}
    table = pl.DataFrame({"unit_id": frame["unit_id"], **gold, "pi": 0.5}).filter(rng.random(n) < 0.5)
    found = at.prevalence(out, by="land", hand_coded=table, methods=["count", "dsl"])
    assert found["variable"].n_unique() == 47
    assert found.columns[:4] == ["variable", "land", "label", "method"]
    for name in ("i7", "i45"):
        alone = at.prevalence(out, name, by="land", hand_coded=table, methods=["count", "dsl"])
        assert_frame_equal(found.filter(variable=name).drop("variable"), alone)
    yes = found.filter(variable="i7", label="yes", method="count", land="x")["estimate"].item()
    assert yes == pytest.approx(guess[(frame["land"] == "x").to_numpy(), 7].mean())
    is_war = np.array(["War" in one for one in sets])
    whole = frame.with_columns(themes_War=pl.Series(is_war), themes_p_War=pl.Series(np.where(is_war, 0.9, 0.2))).join(
        table.select("unit_id", "pi", "themes_gold_War"), on="unit_id", how="left"
    )
    wanted = at.prevalence(whole, "themes_War", gold="themes_gold_War", by="land", methods=["count", "dsl"], pi=0.5)
    war = found.filter(variable="themes", label="War").drop("variable", "label")
    assert_frame_equal(war, wanted.filter(label="1").drop("label"), rel_tol=1e-6)


def test_columns_that_the_codes_lack_are_read_from_the_texts(tmp_path):
    frame = topics(300)
    out = coded_folder(tmp_path, parted(frame, ["party"], (100, 200), ".csv"), rows_per_shard=70)
    with pytest.raises(at.AnnotuneError, match=r"no column 'party', and 0.csv is no parquet file"):
        at.prevalence(out, by="party")
    with pytest.raises(at.AnnotuneError, match=r"Or did you mean 'coder'\?"):
        at.prevalence(out, by="codr")
    (tmp_path / "texts").rename(tmp_path / "elsewhere")
    found = at.prevalence(out, by="party", texts=tmp_path / "elsewhere")
    wanted = at.prevalence(in_memory(out, frame), by="party", methods="count")
    assert_frame_equal(found.drop("n_coded"), wanted.drop("n_coded"))
    other = frame.slice(0, 100).with_columns(unit_id="v" + pl.col("unit_id")).select("unit_id", "text", "party")
    other.write_csv(tmp_path / "elsewhere" / "0.csv")
    with pytest.raises(at.AnnotuneError, match=r"0.csv has other texts than those that were coded"):
        at.prevalence(out, by="party", texts=tmp_path / "elsewhere")


def test_periods_are_those_in_memory_in_whatever_order_texts_are(tmp_path):
    frame = topics(300).with_columns(
        day=pl.lit(datetime.date(2020, 1, 1)) + pl.duration(days=(pl.int_range(300) * 37) % 90)
    )
    frame = frame.filter(pl.col("day").dt.month() != 2).with_columns(pl.when(pl.int_range(pl.len()) > 3).then("day"))
    out = coded_folder(tmp_path, parted(frame, ["day"], (100, 200)))
    with pytest.warns(at.AnnotuneWarning, match="4 of .* texts have no day and are left out"):
        found = at.prevalence(out, time="day", every="1mo")
    with pytest.warns(at.AnnotuneWarning, match="have no day"):
        wanted = at.prevalence(in_memory(out, frame), time="day", every="1mo", methods="count")
    assert_frame_equal(found.drop("n_coded"), wanted.drop("n_coded"))
    assert found["day"].unique().sort().to_list() == [datetime.date(2020, 1, 1), datetime.date(2020, 3, 1)]


def test_two_coders_have_a_column(tmp_path):
    out = coded_folder(tmp_path, parted(topics(50), [], (50,)), coders=("one", "two"))
    found = at.prevalence(out)
    assert found.columns[0] == "coder"
    assert found.filter(coder="one").drop("coder").equals(found.filter(coder="two").drop("coder"))
    frame = topics(50)
    gold = frame.select("unit_id", topic_gold=pl.lit("a"), pi=pl.lit(1.0))
    assert at.prevalence(out, hand_coded=gold, methods="hand")["coder"].unique().sort().to_list() == ["one", "two"]
    for asked in (
        at.prevalence,
        lambda *folder, **more: at.drift(*folder, time="year", texts=tmp_path / "texts", **more),
    ):
        with pytest.raises(at.AnnotuneError, match="predictions of 'topic' by one model, and 'one', 'two' coded it"):
            asked(out, hand_coded=gold.with_columns(topic=pl.lit("a")))


def test_texts_without_an_answer_are_left_out(tmp_path):
    frame = topics(60).with_columns(text=pl.when(pl.int_range(60) < 6).then(None).otherwise("text"))
    out = coded_folder(tmp_path, parted(frame, [], (20, 40)))
    with pytest.warns(at.AnnotuneWarning, match="6 of 60 texts have no predicted topic"):
        assert at.prevalence(out)["n"][0] == 54


def test_what_is_still_being_coded_is_told(tmp_path):
    frame = topics(90)
    out = coded_folder(tmp_path, parted(frame, [], (30, 30, 30)), only=2)
    with pytest.warns(at.AnnotuneWarning, match="1 of 3 shards are not done; what follows is about the 60 texts"):
        assert at.prevalence(out)["n"][0] == 60
    none = coded_folder(tmp_path / "none", parted(frame, [], (90,)), only=0)
    with pytest.raises(at.AnnotuneError, match="holds no codes yet"):
        at.prevalence(none)
    with pytest.raises(at.AnnotuneError, match="holds no texts"):
        at.prevalence(coded_folder(tmp_path / "empty", {"a.parquet": frame.head(0).select("unit_id", "text")}))


def test_what_cannot_be_is_one_sentence(folder, tmp_path):
    out, frame, gold = folder
    for options, says in [
        ({"hand_coded": gold, "methods": "em"}, "em reads all texts again"),
        ({"methods": ["count", "dsl"]}, "no hand-coded texts to correct the codes by"),
        ({"hand_coded": gold, "gold": "topic_gold"}, "name columns of a table"),
        ({"variable": "tone"}, "has no codes of 'tone'"),
        ({"hand_coded": gold.drop("pi")}, "not known with which probability"),
        ({"hand_coded": gold, "pi": "chance"}, "no column 'chance'"),
        ({"hand_coded": gold, "by": "land"}, "have a column 'land'"),
        ({"hand_coded": gold.drop("topic_gold")}, "no hand codings of what was coded"),
        ({"hand_coded": gold.vstack(gold)}, "has the unit 'u.*' more than once"),
        ({"hand_coded": gold.with_columns(unit_id="x" + pl.col("unit_id"))}, "None of the .* hand-coded texts is in"),
        ({"hand_coded": gold, "by": "label"}, "has a column 'label' of its own"),
    ]:
        with pytest.raises(at.AnnotuneError, match=says):
            at.prevalence(out, **options)
    with pytest.raises(at.AnnotuneError, match="holds no run of annotune classify"):
        at.prevalence(tmp_path)
    with pytest.raises(at.AnnotuneError, match="belong to a folder of codes"):
        at.prevalence(in_memory(out, frame), hand_coded=gold)
    extra = gold.vstack(gold[:1].with_columns(unit_id=pl.lit("stranger")))
    with pytest.warns(at.AnnotuneWarning, match="1 of .* hand-coded texts are not among the codes"):
        at.prevalence(out, hand_coded=extra, methods="hand")


def test_a_hand_coded_text_that_is_there_twice_and_a_damaged_file(tmp_path):
    frame = topics(60)
    files = {"a.parquet": frame.select("unit_id", "text"), "b.parquet": frame[:5].select("unit_id", "text")}
    out = coded_folder(tmp_path, files)
    gold = frame[:20].select("unit_id", topic_gold=pl.lit("a"), pi=pl.lit(0.5))
    with pytest.raises(at.AnnotuneError, match=r"'u0' is among the codes twice, the second time in b.parquet"):
        at.prevalence(out, hand_coded=gold)
    path = out / "b.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(at.AnnotuneError, match=r"b.parquet cannot be read"):
        at.prevalence(out)
    pl.DataFrame({"unit_id": ["u0"]}).write_parquet(path)
    with pytest.warns(at.AnnotuneWarning, match="1 of 2 shards are not done"):
        at.prevalence(out)


def test_several_variables_of_a_table_have_a_column(folder):
    out, frame, _ = folder
    whole = in_memory(out, frame).with_columns(tone="topic", tone_gold="topic_gold")
    found = at.prevalence(whole, ["topic", "tone"], methods=["count", "hand"])
    assert found["variable"].unique(maintain_order=True).to_list() == ["topic", "tone"]
    assert found.filter(variable="tone").drop("variable").equals(found.filter(variable="topic").drop("variable"))


def test_the_command_writes_and_draws(folder, tmp_path):
    out, _, gold = folder
    gold.write_parquet(tmp_path / "gold.parquet")
    words = ["prevalence", out, "--by", "party", "--time", "year", "--hand-coded", tmp_path / "gold.parquet"]
    files = ["--write", tmp_path / "shares.dta", "--write", tmp_path / "shares.rds", "--plot", tmp_path / "shares.png"]
    done = CliRunner().invoke(app, [str(word) for word in [*words, *files]])
    assert done.exit_code == 0, done.output
    shares = read_table(tmp_path / "shares.dta").frame
    wanted = at.prevalence(out, by="party", time="year", hand_coded=gold)
    np.testing.assert_allclose(shares["estimate"].to_numpy(), wanted["estimate"].to_numpy())
    assert (tmp_path / "shares.rds").exists()
    assert (tmp_path / "shares.png").stat().st_size > 10_000
    data = at.why(tmp_path / "shares.dta").tree["shares.dta"]["data"]
    plan = next(branch for name, branch in data.items() if name.endswith("coded/.annotune/plan.json"))
    assert "as recorded" in plan["file"]
    assert plan["run"]["coders"] == {"told": f"zero-shot, SHA-256 {'0' * 64}"}
    assert plan["run"]["texts"] == {"0.parquet": "500 texts", "1.parquet": "300 texts", "2.parquet": "400 texts"}
    assert set(data) >= {"gold.parquet"}


def test_panels_are_those_of_each_variable():
    table = pl.DataFrame(
        {"y_hat": ["a", "b"] * 40, "y_gold": ["a", "b"] * 40, "x_hat": [1, 0] * 40, "x_gold": [0, 1] * 40}
    )
    found = at.prevalence(table.with_columns(t=pl.int_range(80) % 4), ["y", "x"], pi=1.0, time="t")
    figure = at.plot_prevalence(found, methods="hand", time="t")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a: y", "b: y", "0: x", "1: x"]
    bars = at.plot_prevalence(found.filter(t=0), methods="hand")
    assert [tick.get_text() for tick in bars.axes[0].get_yticklabels()] == ["y, 0"]
