"""Agreement within groups: held against the same figures computed apart, and the groups that are made."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_confint

import annotune as at
from annotune.reporting.subgroups import by_group


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
