"""Columns for other programs' linear regressions: what they hold, and that those are the corrected ones."""

import json
import shutil
import subprocess

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import annotune as at
from annotune.tables import read_table

LABELS = ["Health", "Law and order", "Farming"]


@pytest.fixture(scope="module")
def data():
    """1,200 texts as crossfit gives them; districts were drawn for coding with two probabilities."""
    rng = np.random.default_rng(8)
    n = 1200
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    said = np.where(rng.random(n) < 0.75, truth, rng.integers(0, 3, n))
    pi = np.where(rng.random(n) < 0.5, 0.5, 0.25)
    coded = rng.random(n) < pi
    names = pl.Enum(LABELS)
    chance = 0.1 + 0.7 * (said[:, None] == np.arange(3))
    return pl.DataFrame(
        {
            "topic": pl.Series([LABELS[i] for i in said], dtype=names),
            "topic_gold": pl.Series([LABELS[i] if c else None for i, c in zip(truth, coded, strict=True)], dtype=names),
            "topic_p_Health": chance[:, 0], "topic_p_Law_and_order": chance[:, 1], "topic_p_Farming": chance[:, 2],
            "party": rng.choice(["left", "right"], n), "age": rng.normal(size=n), "district": rng.integers(0, 60, n),
            "pi": pi, "coded": coded, "fold": pl.Series(np.where(coded, 1, -1)),
        }
    )  # fmt: skip


def test_one_label_gives_gold_prediction_and_corrected_outcome(data):
    found = at.dsl_columns(data, "topic", label="Law and order")
    added = [name for name in found.columns if name not in data.columns]
    assert added == ["y_gold", "y_hat", "dsl_y"]
    assert found["y_hat"].equals(data["topic_p_Law_and_order"].alias("y_hat"))
    coded = found.filter("coded")
    np.testing.assert_allclose(coded["dsl_y"], coded["y_hat"] + (coded["y_gold"] - coded["y_hat"]) / coded["pi"])
    assert coded["y_gold"].cast(pl.Boolean).equals((coded["topic_gold"] == "Law and order").alias("y_gold"))
    rest = found.filter(~pl.col("coded"))
    assert rest["dsl_y"].equals(rest["y_hat"].alias("dsl_y"))
    assert rest["y_gold"].null_count() == len(rest)
    by_label = at.dsl_columns(data, "topic", label="Law and order", prediction="label")
    assert by_label["y_hat"].unique().sort().to_list() == [0, 1]


def test_several_labels_get_a_column_each_that_sum_to_one(data):
    for prediction in ("prob", "label"):
        found = at.dsl_columns(data, prediction=prediction)
        assert [name for name in found.columns if name.startswith("dsl_")] == [f"dsl_{label}" for label in LABELS]
        total = found.select(pl.sum_horizontal(f"dsl_{label}" for label in LABELS)).to_series()
        np.testing.assert_allclose(total, 1, atol=1e-12)
    alone = at.dsl_columns(data, label="Health")
    assert alone["dsl_y"].equals(at.dsl_columns(data)["dsl_Health"].alias("dsl_y"))


def test_least_squares_on_the_column_is_the_correction(data):
    found = at.dsl_columns(data, "topic", label="Health")
    x = np.column_stack([np.ones(len(data)), data["party"] == "right", data["age"]]).astype(float)
    peer = sm.OLS(found["dsl_y"].to_numpy(), x).fit(cov_type="HC0")
    for formula, frame in (("topic == 'Health' ~ party + age", data), ("y ~ party + age", found)):
        fit = at.correct(formula, frame)
        np.testing.assert_allclose(list(fit.coefficients().values()), peer.params, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(fit.covariance["corrected"], peer.cov_params(), rtol=1e-10, atol=1e-12)


SCRIPT = """
data <- read.csv(commandArgs(TRUE)[1])
one <- lm(dsl_y ~ party + age, data)
hand <- lm(y_gold ~ party + age, data, weights = 1 / pi, subset = coded == 1)
with_groups <- lm(dsl_y ~ age + factor(district), data)
pick <- function(v) as.numeric(v)
show <- function(...) cat(paste0("[", paste(format(c(...), digits = 17), collapse = ","), "]\\n"))
show(pick(coef(one)))
show(pick(sandwich::vcovHC(one, type = "HC0")))
show(pick(sandwich::vcovHC(one, type = "HC1")))
show(pick(sandwich::vcovCL(one, cluster = data$district, type = "HC0", cadjust = FALSE)))
show(pick(sandwich::vcovCL(one, cluster = data$district, type = "HC1", cadjust = TRUE)))
show(pick(coef(hand)))
show(pick(sandwich::vcovHC(hand, type = "HC0")))
show(coef(with_groups)[["age"]])
show(sandwich::vcovHC(with_groups, type = "HC0")["age", "age"])
"""


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_the_r_package_sandwich_gives_the_same_numbers(data, tmp_path):
    found = at.dsl_columns(data, "topic", label="Health").with_columns(pl.col("coded").cast(pl.Int8))
    found.select("dsl_y", "y_gold", "party", "age", "district", "pi", "coded").write_csv(tmp_path / "data.csv")
    (tmp_path / "peer.R").write_text(SCRIPT)
    command = ["Rscript", str(tmp_path / "peer.R"), str(tmp_path / "data.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "there is no package called" in done.stderr:
        pytest.skip("R's package sandwich is not installed")
    peer = [np.array(json.loads(line)) for line in done.stdout.splitlines()]
    formula = "topic == 'Health' ~ party + age"
    robust, clustered = at.correct(formula, data), at.correct(formula, data, cluster="district")
    small, small_clustered = (at.correct(formula, data, cluster=c, small_sample=True) for c in (None, "district"))
    within = at.correct("topic == 'Health' ~ age | district", data)
    ours = [
        list(robust.coefficients().values()), robust.covariance["corrected"], small.covariance["corrected"],
        clustered.covariance["corrected"], small_clustered.covariance["corrected"],
        list(robust.coefficients("hand-coded only").values()), robust.covariance["hand-coded only"],
        within.coefficients()["age"], within.covariance["corrected"],
    ]  # fmt: skip
    for mine, theirs in zip(ours, peer, strict=True):
        np.testing.assert_allclose(np.ravel(mine), theirs, rtol=1e-9, atol=1e-12)


def test_labels_of_a_set_and_numbers_are_outcomes_by_themselves():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 200)
    gold = pl.Series([int(v) if i % 2 else None for i, v in enumerate(y)])
    frame = pl.DataFrame(
        {"topic_Law": y, "topic_p_Law": y * 0.8 + 0.1, "topic_gold_Law": gold, "x": rng.normal(size=200)}
    )
    found = at.dsl_columns(frame, "topic_Law", pi=0.5)
    assert found["y_hat"].equals(frame["topic_p_Law"].alias("y_hat"))
    peer = at.correct("y ~ x", found).coefficients()
    assert at.correct("topic_Law ~ x", frame, pi=0.5).coefficients() == pytest.approx(peer, rel=1e-10)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda d: d, {"label": "Helth"}, "Did you mean 'Health'"),
        (lambda d: d.drop("pi"), {}, "not known"),
        (lambda d: d, {"pi": 1.5}, "at most 1"),
        (lambda d: d.with_columns(fold=pl.lit(None)), {}, "was tuned on them"),
        (lambda d: d.with_columns(fold=float("nan")), {}, "was tuned on them"),
        (lambda d: d, {"pi": [0.5]}, "pi= .*Give a text or a number"),
        (lambda d: d, {"label": 3}, "label= .*cannot be 3. Give a text"),
        (lambda d: d.drop("topic_gold"), {}, "No column ends in '_gold'"),
        (lambda d: d.with_columns(other_gold=1), {}, "Several variables were coded"),
        (lambda d: d.with_columns(dsl_y=1), {"label": "Health"}, "'dsl_y' already"),
        (lambda d: d.drop("coded").with_columns(topic_gold=pl.lit(None, pl.String)), {}, "No text has both"),
        (lambda d: d.clear(), {}, "no rows"),
        (lambda d: d, {"prediction": "score"}, "no prediction 'score'"),
        (lambda d: d, {"predicted": "machine"}, "no column 'machine'"),
    ],
)
def test_what_will_not_do_is_refused_in_words(data, change, options, said):
    with pytest.raises(at.AnnotuneError, match=said):
        at.dsl_columns(change(data), **options)


@pytest.mark.parametrize("suffix", [".dta", ".rds", ".sav"])
def test_files_warn_that_the_columns_are_for_linear_models_only(data, tmp_path, suffix):
    """By the columns' labels, that a program shows beside them; a label given by hand stands in their place."""
    for found, names in ((at.dsl_columns(data, label="Health"), ["dsl_y"]), (at.dsl_columns(data), None)):
        at.write(found, tmp_path / f"ready{suffix}")
        told = read_table(tmp_path / f"ready{suffix}").headings
        assert sorted(told) == sorted(names or (name for name in told if name.startswith("dsl_")))
        assert len(told) == (1 if names else 3)
        assert all(heading.startswith("linear models only") for heading in told.values())
    at.write(found, tmp_path / f"ready{suffix}", headings={"dsl_Health": "mine"})
    assert read_table(tmp_path / f"ready{suffix}").headings["dsl_Health"] == "mine"


def test_missing_texts_as_stata_has_them_are_no_label(data):
    words = data.cast({"topic": pl.String, "topic_gold": pl.String})
    stata = words.with_columns(pl.col("topic_gold").fill_null(""))
    dsl = [name for name in at.dsl_columns(words).columns if name.startswith("dsl_")]
    assert len(dsl) == 3
    assert at.dsl_columns(stata).select(dsl).equals(at.dsl_columns(words).select(dsl))
    unseen = words.with_columns(topic=pl.when(pl.int_range(pl.len()) > 9).then("topic").otherwise(pl.lit("")))
    assert at.dsl_columns(unseen, label="Health", prediction="label")["dsl_y"].null_count() == 10


def test_rare_labels_are_told_of_alone_and_among_others(data):
    rare = data.with_columns(
        pl.when(pl.int_range(pl.len()).over("topic_gold") < 12).then("topic_gold").otherwise(pl.lit("Health"))
    ).with_columns(pl.when("coded").then("topic_gold").cast(pl.Enum(LABELS)).alias("topic_gold"))
    with pytest.warns(at.AnnotuneWarning, match=r"fewer than 20 texts are coded by hand as Farming \(12\)"):
        alone = at.dsl_columns(rare, label="Farming")
    with pytest.warns(at.AnnotuneWarning, match="'Farming', 'Law and order'"):
        assert at.dsl_columns(rare)["dsl_Farming"].equals(alone["dsl_y"].alias("dsl_Farming"))


def test_yes_and_no_need_as_many_codings_as_labels_do():
    frame = pl.DataFrame({"y_hat": [0.2] * 400, "y_gold": [1.0] * 5 + [0.0] * 195 + [None] * 200})
    with pytest.warns(at.AnnotuneWarning, match=r"fewer than 20 texts are coded by hand as y 1 \(5\)"):
        at.dsl_columns(frame, "y", pi=0.5)
    with pytest.raises(at.AnnotuneError, match="No text is coded by hand as y 1"):
        at.dsl_columns(frame.with_columns(pl.col("y_gold") * 0), "y", pi=0.5)
    with pytest.raises(at.AnnotuneError, match="19 texts are coded by hand for this variable; that is too few"):
        at.dsl_columns(frame.with_columns(y_gold=pl.when(pl.int_range(400) < 19).then("y_gold")), "y", pi=0.05)
    enough = frame.with_columns(y_gold=pl.Series([1.0] * 50 + [0.0] * 150 + [None] * 200))
    assert at.dsl_columns(enough.with_columns(y_hat=pl.lit(0)), "y", label="1", pi=0.5)["dsl_y"][0] == 2
