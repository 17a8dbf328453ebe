"""The rule `shares`: the majority's label, and beside it which share of a text's coders gave each label."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.data.coder_shares import shares_of

YES_NO = at.Codebook(
    variables=(at.Variable(name="vote", labels=(at.Label(code=0, name="no"), at.Label(code=1, name="yes"))),)
)
MARKS = at.Codebook(
    variables=(
        at.Variable(
            name="marks", kind="multilabel", labels=tuple(at.Label(code=i, name=name) for i, name in enumerate("xyz"))
        ),
    )
)


def long(rows, codebook):
    return at.read_codings(pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row"), codebook)


def test_each_label_has_its_share_and_no_text_is_lost_to_a_tie():
    rows = [("a", "u", "yes"), ("a", "v", "yes"), ("a", "w", "no"), ("b", "u", "yes"), ("b", "v", "no")]
    rows += [("c", "u", "no"), ("d", "u", None)]
    gold = at.resolve(long(rows, YES_NO), "shares", codebook=YES_NO)
    assert gold.select("unit_id", "label", "status", "share_no", "share_yes").rows() == [
        ("a", "yes", "ok", pytest.approx(1 / 3), pytest.approx(2 / 3)),
        ("b", "no", "ok", 0.5, 0.5),  # in all, no was given as often as yes is, and stands first
        ("c", "no", "ok", 1.0, 0.0),
        ("d", None, "missing", None, None),
    ]
    more = long([*rows, ("c", "v", "yes"), ("c", "w", "yes")], YES_NO)
    assert at.resolve(more, "shares", codebook=YES_NO)["label"][1] == "yes"  # which was given more often in all
    assert at.resolve(more, "shares", codebook=YES_NO, ties="no")["label"][1] == "no"
    assert at.resolve(more, "majority", codebook=YES_NO)["label"][1] is None


def test_of_sets_each_label_has_the_share_of_coders():
    rows = [("a", "u", "x"), ("a", "u", "y"), ("a", "v", "x"), ("a", "w", "none"), ("b", "u", "none"), ("b", "v", "z")]
    gold = at.resolve(long(rows, MARKS), "shares", codebook=MARKS)
    assert gold.select("unit_id", "label", "status").rows() == [("a", "x", "ok"), ("b", None, "none")]
    assert gold.select("^share_.*$").rows() == [
        (pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0),
        (0.0, 0.0, 0.5),
    ]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("uvw"), st.sampled_from(["no", "yes"])), min_size=1))
def test_shares_add_up_to_one_and_the_majority_keeps_its_label(rows):
    single = {(unit, coder): label for unit, coder, label in rows}
    codings = long([(*key, label) for key, label in single.items()], YES_NO)
    gold = at.resolve(codings, "shares", codebook=YES_NO)
    assert (gold["share_no"] + gold["share_yes"] - 1).abs().max() < 1e-9
    plain = at.resolve(codings, "majority", codebook=YES_NO)
    same = gold.join(plain.drop_nulls("label"), on="unit_id", suffix="_majority")
    assert (same["label"] == same["label_majority"]).all()
    assert (gold["prob"] == gold.select(pl.max_horizontal("share_no", "share_yes")).to_series()).all()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_a_written_gold_keeps_its_shares(suffix, tmp_path):
    rows = [("a", "u", "yes"), ("a", "v", "no"), ("a", "w", "no"), ("b", "u", "yes")]
    gold = at.resolve(long(rows, YES_NO), "shares", codebook=YES_NO)
    at.write(gold, tmp_path / f"gold.{suffix}")
    again = at.read_codings(tmp_path / f"gold.{suffix}", YES_NO)
    columns = ["unit_id", "label", "share_no", "share_yes"]
    assert again.select(columns).equals(gold.select(columns))
    plain = at.read_codings(tmp_path / f"gold.{suffix}")
    assert plain.select(columns).equals(gold.select(columns))


def test_several_variables_have_columns_of_their_own():
    both = at.bind(
        long([("a", "u", "yes"), ("a", "v", "no")], YES_NO),
        pl.DataFrame({"unit_id": ["a"], "variable": ["tone"], "coder": ["u"], "label": ["glad"]}),
    )
    gold = at.resolve(both, "shares")
    assert gold.select("variable", "share_yes", "share_glad").rows() == [("vote", 0.5, None), ("tone", None, 1.0)]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("share_yes", ["1.4", "0"], r"row 2, column 'share_yes': '1.4' is no share"),
        ("share_yes", ["much", "0"], r"row 2, column 'share_yes': 'much' is no share"),
    ],
)
def test_what_is_no_share_is_named(column, values, message, tmp_path):
    frame = pl.DataFrame({"unit_id": ["a", "b"], "label": ["yes", "no"], "share_no": ["0", "1"], column: values})
    frame.write_csv(tmp_path / "gold.csv")
    with pytest.raises(at.AnnotuneError, match=message):
        at.read_codings(tmp_path / "gold.csv", YES_NO)


def test_shares_of_frames_are_checked_where_they_are_used():
    entry = YES_NO.variable("vote")
    gold = pl.DataFrame({"unit_id": ["a", "b", "c"], "label": ["yes", "no", "no"], "share_yes": [0.5, None, 0.25]})
    whole = gold.with_columns(share_no=1 - pl.col("share_yes"))
    assert shares_of(whole, whole["unit_id"], entry).tolist() == [[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]]
    assert shares_of(gold.drop("share_yes"), gold["unit_id"], entry) is None
    with pytest.raises(at.AnnotuneError, match=r"shares of the text 'c' add up to 0\.25"):
        shares_of(gold, gold["unit_id"], entry)
    with pytest.raises(at.AnnotuneError, match=r"text 'a' has 2\.0 in the column 'share_yes'"):
        shares_of(whole.with_columns(share_yes=2.0), whole["unit_id"], entry)
