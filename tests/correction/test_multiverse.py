"""Flips, shares of variance and words of a multiverse whose figures are known by hand."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

import annotune as at
from annotune.correction.multiverse import Multiverse, made_of


def rows_of(estimates, estimator="naive", half=0.1, **choices):
    """Specifications with these estimates, and each choice's values beside them."""
    values = [dict(zip(choices, each, strict=True)) for each in zip(*choices.values(), strict=True)]
    return [
        {
            "estimator": estimator,
            **each,
            "estimate": at,
            "std_error": half / 2,
            "conf_low": at - half,
            "conf_high": at + half,
        }
        for at, each in zip(estimates, values, strict=True)
    ]


def balanced() -> Multiverse:
    """Two seeds by three gold rules: 0.3 and 0.1 by rule, -0.05 by the third; the seed adds 0.02."""
    cells = [(seed, rule) for seed in ("1", "2") for rule in ("majority", "unanimous", "anna")]
    effect = {"majority": 0.3, "unanimous": 0.1, "anna": -0.05}
    estimates = [effect[rule] + 0.02 * (seed == "2") for seed, rule in cells]
    rows = rows_of(estimates, seed=[seed for seed, _ in cells], gold=[rule for _, rule in cells])
    rows[0]["own"] = True
    return made_of(rows, "topic == 'Health' ~ party", "party[opposition]")


def test_flips_are_counted_from_the_studys_own_choices():
    row = balanced().flips.row(0, named=True)
    assert (row["n"], row["positive"], row["own"]) == (6, 4, 0.3)
    assert (row["significant_positive"], row["significant_negative"]) == (3, 0)  # 0.3, 0.32, and 0.12 above its 0.1
    assert (row["sign_flips"], row["significance_flips"]) == (2, 3)


def test_shares_are_the_analysis_of_variance_of_a_balanced_design():
    """Without interactions the shares add up to one, as sums of squares by hand: 2 x 0.01^2 x 3 of the seed."""
    shares = dict(balanced().choices.select("choice", "share").iter_rows())
    effects = np.array([0.3, 0.1, -0.05])
    by_seed, by_gold = 6 * 0.01**2, 2 * ((effects - effects.mean()) ** 2).sum()
    assert shares == pytest.approx({"seed": by_seed / (by_seed + by_gold), "gold": by_gold / (by_seed + by_gold)})


def test_words_name_the_choice_that_moves_most():
    words = " ".join(balanced().in_words())
    assert "under 6 specifications, 6 naive" in words
    assert "the sign differs in 2 (33%) and the significance in 3 (50%)" in words
    assert "moved most by the gold rule, between whose values lie 100%" in words
    assert "with anna" in words
    assert "with majority" in words


def test_equal_specifications_count_once_and_the_studys_own_stays():
    rows = rows_of([0.2, 0.2, 0.4], gold=["a", "a", "b"])
    rows[1]["own"] = True
    table = made_of(rows, "y ~ x", "x").table
    assert table.select("gold", "own").rows() == [("a", True), ("b", False)]


def test_a_choice_that_an_estimator_does_not_use_is_not_counted_for_it():
    corrected = rows_of([0.1, 0.2], "corrected", cutoffs=[None, None], seed=["1", "2"])
    result = made_of([*rows_of([0.1, 0.3], cutoffs=["share", "f1"], seed=["1", "1"]), *corrected], "y ~ x", "x")
    assert result.choices.select("estimator", "choice").rows() == [("naive", "cutoffs"), ("corrected", "seed")]


def test_without_the_studys_own_choices_the_median_is_what_others_differ_from():
    result = made_of(rows_of([-0.3, 0.2, 0.3], seed=["1", "2", "3"]), "y ~ x", "x")
    assert result.flips.row(0, named=True)["own"] is None
    assert result.flips["sign_flips"].to_list() == [1]
    assert "the median is 0.20" in " ".join(result.in_words())


def test_what_gave_no_estimate_is_left_out_and_nothing_at_all_is_refused():
    rows = rows_of([0.1, 0.2], seed=["1", "2"])
    rows[0]["estimate"] = None
    assert made_of(rows, "y ~ x", "x").table["seed"].to_list() == ["2"]
    with pytest.raises(at.AnnotuneError, match="no specification gave an estimate of x"):
        made_of([], "y ~ x", "x")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(-1, 1)), min_size=1, max_size=30))
def test_shares_lie_between_0_and_1_and_do_not_depend_on_the_unit(cells):
    cells = list({cell[:2]: cell for cell in cells}.values())
    names = {"seed": [cell[0] for cell in cells], "gold": [cell[1] for cell in cells]}
    one = made_of(rows_of([round(cell[2], 3) for cell in cells], **names), "y ~ x", "x").choices
    other = made_of(rows_of([3 * round(cell[2], 3) for cell in cells], **names), "y ~ x", "x").choices
    assert one["share"].is_between(-1e-9, 1 + 1e-9).all()
    assert np.allclose(one["share"], other["share"], atol=1e-6)


def test_the_picture_has_a_tick_for_each_choice_of_each_specification(tmp_path):
    result = made_of(
        [*balanced().table.to_dicts(), *rows_of([0.2, 0.25], "corrected", seed=["1", "2"])],
        "y ~ x",
        "party[opposition]",
    )
    figure = at.plot_multiverse(result, tmp_path / "curve.svg")
    assert [axes.get_title("left") for axes in figure.axes] == ["naive", "corrected", "", ""]
    naive, corrected = figure.axes[2:]
    assert [label.get_text() for label in naive.get_yticklabels()] == [
        "seed: 1", "seed: 2", "gold: anna", "gold: majority", "gold: unanimous",
    ]  # fmt: skip
    drawn = [[len(line.get_xdata()) for line in axes.lines] for axes in (naive, corrected)]
    assert drawn == [[3, 3, 2, 2, 2], [1, 1, 0, 0, 0]]
    assert (tmp_path / "curve.svg").stat().st_size > 1000
    with pytest.raises(at.AnnotuneError, match="cannot be saved"):
        at.plot_multiverse(result, tmp_path / "curve.doc")


def test_only_hand_codings_cannot_be_drawn():
    with pytest.raises(at.AnnotuneError, match="no naive and no corrected"):
        at.plot_multiverse(made_of(rows_of([0.1], "hand-coded only", gold=["a"]), "y ~ x", "x"))


def test_the_report_has_the_sentences_the_picture_and_the_table(tmp_path):
    page = at.report(tmp_path / "page.html", multiverse=balanced()).read_text(encoding="utf-8")
    assert "Other choices" in page
    assert "moved most by the gold rule" in page
    assert page.count("<svg") == 1
    assert "Simonsohn, U." in page
    assert "What moves the coefficient" in page
    assert at.report(tmp_path / "again.html", multiverse=balanced()).read_text(encoding="utf-8") == page


def test_the_table_is_written_whole(tmp_path):
    at.write(balanced().table, tmp_path / "specifications.dta")
    again = pl.read_csv(at.write(balanced().table, tmp_path / "s.csv") is not None and tmp_path / "s.csv")
    assert again["estimate"].to_list() == pytest.approx(balanced().table["estimate"].to_list())
