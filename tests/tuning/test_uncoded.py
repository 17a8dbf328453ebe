"""Which fold's model codes a text that nobody coded."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from annotune.tuning.uncoded import dealt

FEW = ["", "the same", "NA", "emoji \N{OTTER}", None]


@st.composite
def corpora(draw):
    """Texts, some of them equal or empty, in documents; and the folds of those that were coded."""
    n = draw(st.integers(2, 60))
    units = [f"{i:019}" for i in range(n)]
    texts = [draw(st.sampled_from([*FEW, f"text {i}", f"text {i}"])) for i in range(n)]
    coded = [text is not None and draw(st.booleans()) for text in texts]
    k = draw(st.integers(1, 4))
    fold = {}
    for text, told in zip(texts, coded, strict=True):
        if told:
            fold.setdefault(text, draw(st.integers(1, k)))  # equal texts are in one fold
    frame = pl.DataFrame({"unit_id": units, "text": texts}, {"unit_id": pl.String, "text": pl.String})
    folds = frame.filter(pl.Series(coded)).with_columns(fold=pl.col("text").replace_strict(fold, return_dtype=pl.Int64))
    return frame, folds.select("unit_id", "fold")


@given(corpora(), st.integers(0, 3))
def test_every_other_text_is_dealt_once_in_the_proportions_of_the_coded(drawn, seed):
    texts, folds = drawn
    if folds.is_empty():
        return
    found = dealt(texts, folds, seed=seed)
    coded = texts.join(folds, on="unit_id")
    rest = texts.join(folds, on="unit_id", how="anti").join(coded.select("text").unique(), on="text", how="anti")
    assert sorted(found["unit_id"]) == sorted(rest["unit_id"])
    sizes = dict(folds.group_by("fold").len().iter_rows())
    shares = dict(found.group_by("fold").len().iter_rows())
    assert set(shares) <= set(sizes)
    for number, size in sizes.items():
        assert abs(shares.get(number, 0) - len(rest) * size / len(folds)) <= 1
    turned = dealt(texts.sample(fraction=1, shuffle=True, seed=seed), folds.reverse(), seed=seed)
    assert_frame_equal(turned.sort("unit_id"), found.sort("unit_id"))


@given(corpora(), st.data())
def test_a_document_goes_to_the_fold_of_its_coded_texts(drawn, data):
    texts, folds = drawn
    if folds.is_empty():
        return
    documents = [data.draw(st.sampled_from([None, "a", "b", "c"])) for _ in range(len(texts))]
    texts = texts.with_columns(doc=pl.Series(documents, dtype=pl.String))
    numbers = data.draw(st.fixed_dictionaries({name: st.integers(1, 3) for name in "abc"}))
    coded = texts.join(folds, on="unit_id", how="semi").drop_nulls("doc")
    folds = coded.select("unit_id", fold=pl.col("doc").replace_strict(numbers, return_dtype=pl.Int64))
    if folds.is_empty():
        return
    found = dealt(texts, folds, group="doc").join(texts.select("unit_id", "doc"), on="unit_id")
    told = found.filter(pl.col("doc").is_in(coded["doc"].implode()))
    assert [numbers[name] for name in told["doc"]] == told["fold"].to_list()
    assert found["unit_id"].n_unique() == len(found)
    assert set(found["fold"]) <= set(folds["fold"])


def test_equal_texts_are_dealt_together_but_at_the_ends_of_shares():
    texts = pl.DataFrame(
        {"unit_id": [f"q{i:04}" for i in range(4000)], "text": [f"text {i % 500}" for i in range(4000)]}
    )
    coded = pl.DataFrame({"unit_id": [f"c{i}" for i in range(50)], "text": [f"coded {i}" for i in range(50)]})
    folds = coded.select("unit_id", fold=pl.int_range(50) % 5 + 1)
    found = dealt(pl.concat([texts, coded]), folds)
    parted = found.group_by("text").agg(pl.col("fold").n_unique()).filter(pl.col("fold") > 1)
    assert len(parted) <= 4
    assert found["fold"].value_counts()["count"].to_list() == [800] * 5


@pytest.mark.parametrize("seed", [1, 2])
def test_the_draw_has_nothing_to_do_with_the_texts(seed):
    """Texts in the order of the alphabet and of the corpus: a fold's are from everywhere in both."""
    texts = pl.DataFrame({"unit_id": [f"q{i:04}" for i in range(2000)], "text": [f"{i:04}" for i in range(2000)]})
    folds = pl.DataFrame({"unit_id": [f"q{i:04}" for i in range(0, 2000, 20)], "fold": [1, 2] * 50})
    found = dealt(texts, folds, seed=seed)
    places = found.filter(fold=1)["text"].cast(pl.Int64).to_numpy()
    assert abs(places.mean() - 999.5) < 4 * 577 / np.sqrt(len(places))
    assert not found.equals(dealt(texts, folds, seed=seed + 10))
