"""Agreement within groups: held against the same figures computed apart, and the groups that are made."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_confint

import annotune as at
from annotune.reporting.subgroups import _paired_gaps, by_group, gaps_by_group
from annotune.reporting.summary import _languages


@pytest.fixture(scope="module")
def texts():
    """400 texts; the model errs twice as often on the right."""
    rng = np.random.default_rng(5)
    truth = rng.choice(["x", "y"], 400)
    side = rng.choice(["left", "right"], 400)
    wrong = rng.random(400) < np.where(side == "right", 0.3, 0.15)
    said = np.where(wrong, np.where(truth == "x", "y", "x"), truth)
    units = [f"u{i}" for i in range(400)]
    gold = pl.DataFrame({"unit_id": units, "label": truth})
    corpus = pl.DataFrame({"unit_id": units, "side": side, "year": rng.integers(1990, 2020, 400)})
    return gold, pl.DataFrame({"unit_id": units, "label": said}), corpus


def test_each_group_is_what_evaluate_says_of_it(texts):
    gold, said, corpus = texts
    found = by_group(said, gold, corpus, ["side"], n_boot=200)
    for side in ("left", "right"):
        inside = corpus.filter(side=side)["unit_id"].implode()
        alone = at.evaluate(gold.filter(pl.col("unit_id").is_in(inside)), said, n_boot=200)
        rows = found.filter(group=side).sort("measure")
        assert rows["measure"].to_list() == ["accuracy", "macro_f1"]
        assert rows["estimate"].to_list() == pytest.approx([alone.get("accuracy"), alone.get("macro_f1")])
        right = rows["estimate"][0] * rows["n_units"][0]
        assert rows.select("ci_low", "ci_high").row(0) == pytest.approx(
            proportion_confint(round(right), rows["n_units"][0], method="wilson")
        )


def test_the_test_is_the_chi_squared_test_of_the_table(texts):
    gold, said, corpus = texts
    right = (gold["label"] == said["label"]).to_numpy()
    table = [
        [((corpus["side"] == side).to_numpy() & (right == ok)).sum() for side in ("left", "right")] for ok in (0, 1)
    ]
    p = by_group(said, gold, corpus, ["side"], n_boot=100)["p"].unique()
    assert p.to_list() == pytest.approx([chi2_contingency(table, correction=False).pvalue])
    assert p[0] < 0.01


def test_gaps_are_the_model_s_shares_less_people_s_in_each_group(texts):
    gold, said, corpus = texts
    found = gaps_by_group(said, gold, corpus, ["side"])
    both = gold.join(said, on="unit_id", suffix="_by_model").join(corpus, on="unit_id")
    for row in found.to_dicts():
        mine = both.filter(side=row["group"])
        gap = (mine["label_by_model"] == row["label"]).mean() - (mine["label"] == row["label"]).mean()
        assert row["estimate"] == pytest.approx(gap)
        assert row["ci_low"] < gap < row["ci_high"]
    assert found["label"].to_list() == ["x", "y"] * 2


def test_the_interval_of_a_gap_is_agresti_and_min_s():
    """Their 2005 paper adds half a text to each cell of the table of pairs (Wald+2); one label needs no correction."""
    by_model = np.repeat([True, True, False, False], [40, 12, 5, 43])[:, None]
    by_people = np.repeat([True, False, True, False], [40, 12, 5, 43])[:, None]
    estimate, low, high = _paired_gaps(by_model, by_people)[0]
    n, more, fewer = 102, 12.5, 5.5
    error = np.sqrt(more + fewer - (more - fewer) ** 2 / n) / n
    assert (estimate, low, high) == pytest.approx((0.07, 7 / n - 1.959964 * error, 7 / n + 1.959964 * error), abs=1e-6)


def test_gaps_of_all_labels_hold_together_in_95_of_100_samples():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        truth = rng.integers(4, size=60)
        said = np.where(rng.random(60) < 0.3, rng.choice(4, p=[0.4, 0.2, 0.2, 0.2], size=60), truth)
        limits = _paired_gaps(said[:, None] == np.arange(4), truth[:, None] == np.arange(4))
        true_gap = 0.3 * (np.array([0.4, 0.2, 0.2, 0.2]) - 0.25)
        covered += bool(((limits[:, 1] <= true_gap) & (true_gap <= limits[:, 2])).all())
    assert covered >= 372  # 380 expected; the seed is fixed


def test_the_chance_of_being_drawn_is_no_covariate_unless_it_is_asked_for(texts):
    gold, said, corpus = texts
    drawn = corpus.with_columns(pi=pl.when(pl.col("side") == "left").then(0.2).otherwise(0.6))
    assert by_group(said, gold, drawn, n_boot=100)["covariate"].unique().to_list() == ["side"]
    assert by_group(said, gold, drawn, ["pi"], n_boot=100)["covariate"].unique().to_list() == ["pi"]


def test_languages_come_first_among_covariates(texts):
    gold, said, corpus = texts
    many = {f"c{i}": pl.Series(["a", "b"] * 200) for i in range(6)}
    found = by_group(said, gold, corpus.select("unit_id", **many, Language=pl.col("side")), n_boot=100)
    assert found["covariate"].unique(maintain_order=True).to_list() == ["Language", *list(many)[:5]]


def test_the_summary_names_languages_that_differ_by_more_than_chance(texts):
    gold, said, corpus = texts
    model = SimpleNamespace(key="m", title="")
    for covariate, sentences in {"Language": 1, "side": 0}.items():
        table = by_group(said, gold, corpus.rename({"side": covariate}), [covariate], n_boot=100)
        words = list(_languages(model, SimpleNamespace(groups={"m": table})))
        assert len(words) == sentences
    right = {row["group"]: row["estimate"] for row in table.filter(measure="accuracy").to_dicts()}
    table = table.with_columns(covariate=pl.lit("language"))
    (sentence,) = _languages(model, SimpleNamespace(groups={"m": table}))
    assert sentence == (
        f"The model is right for {right['right']:.2f} of the texts in right, and for {right['left']:.2f} in left."
    )
    even = table.with_columns(p=pl.lit(0.4))
    assert list(_languages(model, SimpleNamespace(groups={"m": even}))) == []


def test_numbers_with_many_values_are_cut_into_quarters(texts):
    gold, said, corpus = texts
    found = by_group(said, gold, corpus, ["year"], n_boot=100).filter(measure="accuracy")
    assert len(found) == 4
    assert found["group"][0].startswith("1990 to ")
    assert found["n_units"].sum() == 400
    assert found["n_units"].min() > 60


def test_small_groups_and_missing_values_are_left_out(texts):
    gold, said, corpus = texts
    odd = pl.Series("side", ["rare"] * 9 + [None] * 41 + ["many"] * 350)
    found = by_group(said, gold, corpus.with_columns(odd), ["side"], n_boot=100)
    assert found["group"].unique().to_list() == ["many"]
    assert found["p"].null_count() == 2
    assert by_group(said, gold, corpus.select("unit_id"), n_boot=100).is_empty()


def test_by_default_columns_with_few_values_are_taken(texts):
    gold, said, corpus = texts
    found = by_group(said, gold, corpus.with_columns(text=pl.lit("x"), yes=pl.col("year") > 2000), n_boot=100)
    assert found["covariate"].unique(maintain_order=True).to_list() == ["side", "yes"]


def test_a_text_without_an_answer_is_wrong(texts):
    gold, said, corpus = texts
    none = said.with_columns(label=pl.when(pl.col("unit_id") == "u0").then(None).otherwise("label"))
    found = by_group(none, gold, corpus.with_columns(side=pl.lit("all")), ["side"], n_boot=100)
    right = (gold["label"] == none["label"]).sum()
    assert found["estimate"][0] == pytest.approx(right / 400)


def test_identifiers_may_be_numbers_and_have_to_be_the_same(texts):
    gold, said, corpus = texts
    number = pl.col("unit_id").str.strip_prefix("u")
    as_numbers = corpus.with_columns(number.cast(pl.Int64))
    found = by_group(said.with_columns(number), gold.with_columns(number), as_numbers, ["side"], n_boot=10)
    assert found.equals(by_group(said, gold, corpus, ["side"], n_boot=10))
    with pytest.raises(at.AnnotuneError, match="none of the held-out texts"):
        by_group(said, gold, as_numbers, ["side"])
