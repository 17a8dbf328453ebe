"""The corpus with its codes beside it: what cannot be put there."""

import polars as pl
import pytest

import annotune as at
from annotune.data.wide import detach

TEXTS = pl.DataFrame({"unit_id": ["a", "b"], "text": ["...", "..."]})
VOTE = at.Variable(name="vote", labels=(at.Label(code=1, name="yes"), at.Label(code=2, name="no")))
TONES = at.Variable(
    name="tones", kind="multilabel", labels=(at.Label(code=1, name="harsh"), at.Label(code=2, name="mild"))
)
BOOK = at.Codebook(variables=(VOTE, TONES))


def said(variable, *labels):
    return pl.DataFrame({"unit_id": "b", "variable": variable, "label": list(labels)})


@pytest.mark.parametrize("variable", ["vote", "tones"])
def test_a_label_outside_the_codebook_is_named(variable):
    with pytest.raises(at.AnnotuneError, match=f"for '{variable}' hold the label 'maybe', which the"):
        at.attach(TEXTS, said(variable, "maybe"), codebook=BOOK)


def test_a_label_outside_the_codebook_is_named_in_the_gold_too():
    with pytest.raises(at.AnnotuneError, match=r"'yess' \(and 1 others\), which") as caught:
        at.attach(TEXTS, said("vote", "yes"), codebook=BOOK, gold=said("vote", "yess", "perhaps"))
    assert caught.value.advice == "Did you mean 'yes'?"


def test_labels_of_variables_that_the_codebook_lacks_are_nobodys_concern():
    codings = pl.concat([said("vote", "no"), said("other", "maybe")])
    assert at.attach(TEXTS, codings, codebook=BOOK)["vote"].to_list() == [None, "no"]


def test_texts_that_the_corpus_does_not_have_are_counted():
    codings = pl.concat([said("vote", "no"), said("vote", "yes").with_columns(unit_id=pl.lit("z"))])
    with pytest.warns(at.AnnotuneWarning, match="1 of 2 texts of the codings are not in the corpus .* such as 'z'"):
        assert at.attach(TEXTS, codings, codebook=BOOK)["unit_id"].to_list() == ["a", "b"]
    with pytest.warns(at.AnnotuneWarning, match="1 of 2 texts of the gold"):
        at.attach(TEXTS, said("vote", "no"), codebook=BOOK, gold=codings)
    others = said("other", "no").with_columns(unit_id=pl.lit("z"))
    at.attach(TEXTS, pl.concat([said("vote", "no"), others]), codebook=BOOK)


def test_what_was_attached_comes_off_again():
    codings = pl.DataFrame(
        {
            "unit_id": ["a", "b", "a", "a", "b"],
            "variable": ["vote", "vote", "tones", "tones", "tones"],
            "coder": "m",
            "label": ["no", None, "harsh", "mild", None],
            "prob": [0.8, None, None, None, None],
            "status": ["ok", "missing", "ok", "ok", "none"],
        }
    )
    attached = at.attach(TEXTS, codings, codebook=BOOK)
    for entry in (VOTE, TONES):
        rows = codings.filter(variable=entry.name).sort("unit_id", "label")
        assert detach(attached, entry, "m").select(codings.columns).sort("unit_id", "label").equals(rows)
    with pytest.raises(at.AnnotuneError, match="no column 'vote'"):
        detach(TEXTS, VOTE)


def test_a_corpus_is_taken_with_any_identifiers_and_refused_with_double_ones():
    codings = said("vote", "no").with_columns(unit_id=pl.lit("2"))
    numbers = TEXTS.with_columns(unit_id=pl.Series([1, 2]))
    assert at.attach(numbers, codings, codebook=BOOK)["vote"].to_list() == [None, "no"]
    with pytest.raises(at.AnnotuneError, match="the unit 'a' more than once"):
        at.attach(pl.concat([TEXTS, TEXTS]), said("vote", "no"), codebook=BOOK)
    with pytest.raises(at.AnnotuneError, match="no column 'unit_id'"):
        at.attach(TEXTS.drop("unit_id"), said("vote", "no"), codebook=BOOK)


def test_gold_with_two_answers_makes_no_row_twice():
    with pytest.raises(at.AnnotuneError, match=r"several answers for 'vote' in the gold. Make them one with resolve"):
        at.attach(TEXTS, said("vote", "no"), codebook=BOOK, gold=said("vote", "yes", "no"))


def test_codings_of_nothing_in_the_codebook_are_refused():
    with pytest.raises(at.AnnotuneError, match=r"Nobody coded a variable of the codebook\. The codings are of 'mood'"):
        at.attach(TEXTS, said("mood", "no"), codebook=BOOK)


def test_shares_of_coders_stand_beside_the_gold():
    book = at.Codebook(
        variables=(
            at.Variable(name="tone", labels=(at.Label(code=0, name="calm"), at.Label(code=1, name="very angry"))),
            at.Variable(
                name="marks",
                kind="multilabel",
                labels=(at.Label(code=0, name="elite"), at.Label(code=1, name="people")),
            ),
        )
    )
    rows = [("a", "x", "calm"), ("a", "y", "very angry"), ("a", "z", "calm"), ("b", "x", "very angry")]
    tone = pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row").with_columns(variable=pl.lit("tone"))
    rows = [("a", "x", "elite"), ("a", "x", "people"), ("a", "y", "elite")]
    marks = pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row").with_columns(
        variable=pl.lit("marks")
    )
    gold = at.resolve(at.bind(tone, marks), "shares", codebook=book)
    said = gold.select("unit_id", "variable", "label", coder=pl.lit("m"))
    texts = pl.DataFrame({"unit_id": ["a", "b", "c"], "text": ["1", "2", "3"]})
    wide = at.attach(texts, said, codebook=book, gold=gold)
    assert wide.select("tone_gold", "tone_share_calm", "tone_share_very_angry").rows() == [
        ("calm", pytest.approx(2 / 3), pytest.approx(1 / 3)),
        ("very angry", 0.0, 1.0),
        (None, None, None),
    ]
    assert wide.select("marks_gold_people", "marks_share_elite", "marks_share_people").rows() == [
        (0, 1.0, 0.5),
        (None, None, None),
        (None, None, None),
    ]
    with pytest.raises(at.AnnotuneError, match="column 'tone_share_calm' already"):
        at.attach(texts.with_columns(tone_share_calm=1), said, codebook=book, gold=gold)
    assert "tone_share_calm" not in at.attach(texts, said, codebook=book, gold=gold.drop("^share_.*$")).columns
