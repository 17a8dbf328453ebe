"""Blind answers as hand codings: which count, how many texts each stands for, and what a correction makes of them."""

import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import annotune as at
from annotune import cli


def corpus_of(n):
    return pl.DataFrame({"unit_id": [f"t{i:03}" for i in range(n)], "text": ["..."] * n})


def answered(store, decide, proposal, label="Health", shown="Law"):
    """Everybody answers: the proposal where it is in sight, and else the label."""
    people = at.read_draws(store, of="people")
    rows = [
        (unit, coder, shown if arm == "open" else label, arm, [proposal(shown)] if arm == "open" else [], None)
        for unit, coder, arm in people.select("unit_id", "coder", "arm").iter_rows()
    ]
    decide(store, rows)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(4, 30), st.floats(0.15, 0.85)), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 99),
)
def test_blind_answers_stand_for_the_whole_corpus(tmp_path_factory, book, decide, proposal, waves, overlap, seed):
    """With equal chances in each wave the texts that blind answers stand for are all texts, however many waves."""
    path = tmp_path_factory.mktemp("waves") / "study.annotune"
    corpus = corpus_of(120)
    for n, blind in waves:
        share = 0.5 if overlap else 0.0
        at.sample(corpus, n, store=path, coders=["anna", "ben"], blind=blind, overlap=share, codebook=book, seed=seed)
    answered(path, decide, proposal)
    table = at.blind_gold(corpus, path)
    gold = table.filter(pl.col("topic_gold").is_not_null())
    assert (1 / gold["pi"]).sum() == pytest.approx(120)
    assert set(gold["topic_gold"]) == {"Health"}
    people = at.read_draws(path, of="people")
    shown = set(table["topic_shown"].drop_nulls()) if "topic_shown" in table.columns else set()
    assert shown == ({"Law"} if "open" in set(people["arm"]) else set())  # a few texts may all be blind
    assert set(gold["unit_id"]) == set(people.filter(pl.col("arm") == "blind")["unit_id"])


def test_of_one_wave_pi_is_that_of_the_draw_times_the_part_that_is_blind(tmp_path, book, decide, proposal):
    path = tmp_path / "study.annotune"
    corpus = corpus_of(100).with_columns(size=pl.Series(np.linspace(1, 3, 100)))
    draw = at.sample(corpus, 40, design="active", scores="size", floor=0.2, store=path, coders=["anna"], blind=0.25)
    answered(path, decide, proposal)
    table = at.blind_gold(corpus, path, book)
    assert table["pi"].to_list() == pytest.approx((draw.draws.sort("unit_id")["pi"] * 0.25).to_list())


def test_texts_that_were_coded_both_ways_have_a_proxy_and_survey_weights(tmp_path, book, decide, proposal):
    path = tmp_path / "study.annotune"
    draw = at.sample(
        corpus_of(200), 80, store=path, coders=["anna", "ben", "cleo"], overlap=0.5, blind=0.3, codebook=book
    )
    answered(path, decide, proposal)
    table = at.blind_gold(corpus_of(200), path, among="verified")
    arms = draw.assignments.group_by("unit_id").agg(pl.col("arm").unique())
    verified = arms.filter(pl.col("arm").list.contains("open"))
    both = verified.filter(pl.col("arm").list.contains("blind"))
    assert set(table["unit_id"]) == set(verified["unit_id"])
    assert table["pi"].unique().to_list() == pytest.approx([len(both) / len(verified)])
    assert table["stands_for"].sum() == pytest.approx(200)
    assert set(table.filter(pl.col("topic_gold").is_not_null())["unit_id"]) == set(both["unit_id"])
    assert table["topic_shown"].null_count() == 0


def test_a_second_look_is_no_blind_answer_and_other_gold_goes(tmp_path, book, decide, proposal):
    path = tmp_path / "study.annotune"
    at.sample(corpus_of(8), 8, store=path, coders=["anna"], blind=0.5, codebook=book)
    decide(path, [("t000", "anna", "Trade", "decoy", [proposal("Trade", decoy=True)], None)])
    decide(path, [("t000", "anna", "Law", "blind", [], None), ("t001", "anna", "Law", "blind", [], None)])
    old = corpus_of(8).with_columns(topic_gold=pl.lit("Health"), pi=pl.lit(0.5), wave=pl.lit(1), topic=pl.lit("Law"))
    table = at.blind_gold(old, path)
    assert table.filter(pl.col("topic_gold").is_not_null()).select("unit_id", "topic_gold").rows() == [("t001", "Law")]
    assert table["pi"].unique().to_list() == [1 / 8]
    assert set(table.columns) == {"unit_id", "text", "topic", "topic_gold", "pi"}


def test_a_correction_undoes_what_proposals_did(tmp_path, book, simulated):
    """Proposals are followed more often than not, and often wrong: verified shares miss, corrected ones do not."""
    path = tmp_path / "study.annotune"
    corpus = simulated(path, book, n=3000, pull=0.6, blind=0.4, drawn=1500, skewed=True)
    truth = (corpus["truth"] == "Trade").mean() * 0.85 + 0.05
    data = corpus.select("unit_id", "x", topic="proposed")
    codings = at.read_codings(path, book)
    with pytest.warns(at.AnnotuneWarning, match="rests on answers that were given with a proposal in sight"):
        gold = at.resolve(codings.filter(pl.col("arm") == "open"), codebook=book)
    verified = data.join(gold.select("unit_id", topic_gold="label"), on="unit_id", how="left")
    naive = at.prevalence(verified, pi=0.3, methods="dsl").filter(label="Trade").row(0, named=True)
    assert naive["conf_low"] > truth + 0.05
    fixed = at.prevalence(at.blind_gold(data, path), "topic", methods="dsl").filter(label="Trade").row(0, named=True)
    assert fixed["conf_low"] <= truth <= fixed["conf_high"]
    assert fixed["conf_high"] - fixed["conf_low"] < 0.12


def test_resolve_says_what_verified_gold_is_worth(tmp_path, book, decide, proposal):
    path = tmp_path / "study.annotune"
    at.sample(corpus_of(40), 40, store=path, coders=["anna", "ben"], overlap=1.0, blind=0.5, codebook=book)
    answered(path, decide, proposal)
    both_ways = at.read_draws(path, of="people").group_by("unit_id").agg(pl.col("arm").n_unique())
    n = both_ways.filter(pl.col("arm") == 2).height
    with pytest.warns(at.AnnotuneWarning) as told:
        at.resolve(at.read_codings(path, book), codebook=book, ties="first")
    (note,) = [str(one.message) for one in told if "in sight" in str(one.message)]
    assert f"agree with answers without one in 0% of {n} texts" in note
    assert "two of the latter with each other in 100%" in note
    blind_only = at.read_codings(path, book).filter(pl.col("shown") == 0)
    assert len(at.resolve(blind_only, codebook=book)) == blind_only["unit_id"].n_unique()  # without a warning


def test_sheets_that_show_no_proposals_say_nothing_of_them(tmp_path, book):
    path = tmp_path / "study.annotune"
    at.sample(corpus_of(20), 20, store=path, coders=["anna"], blind=0.5, codebook=book)
    answers = pl.DataFrame({"unit_id": corpus_of(20)["unit_id"], "coder": "anna", "topic": "Law"})
    at.record(path, at.read_codings(answers, book))
    codings = at.read_codings(path, book)
    assert codings["shown"].to_list() == [0] * 20
    assert len(at.resolve(codings, codebook=book)) == 20


def test_what_cannot_be_is_refused(tmp_path, book, decide, proposal):
    path = tmp_path / "study.annotune"
    at.sample(corpus_of(20), 10, store=path, coders=["anna"], codebook=book)
    answered(path, decide, proposal)
    with pytest.raises(at.AnnotuneError, match="No text of wave 1 was coded blind"):
        at.blind_gold(corpus_of(20), path)
    with pytest.raises(at.AnnotuneError, match="wave 1 was coded both blind and with a proposal"):
        at.blind_gold(corpus_of(20), path, among="verified")
    with pytest.raises(at.AnnotuneError, match=r"no rows among='verfied'. Did you mean 'verified'"):
        at.blind_gold(corpus_of(20), path, among="verfied")
    strangers = pl.DataFrame({"unit_id": ["x"], "text": ["..."]})
    with pytest.raises(at.AnnotuneError, match="is in the corpus"):
        at.blind_gold(strangers, path)
    plain = tmp_path / "plain.annotune"
    at.sample(corpus_of(20), 10, store=plain, coders=["anna"], blind=0.5)
    with pytest.raises(at.AnnotuneError, match="has no codebook"):
        at.blind_gold(corpus_of(20), plain)


def test_its_command_writes_what_correct_reads(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    people = at.read_draws(study, of="people")
    corpus = people.select("unit_id", topic=pl.lit("Law"), x=pl.col("place") % 2).unique("unit_id")
    corpus.write_csv("data.csv")
    monkeypatch.setattr(sys, "argv", f"annotune blind-gold data.csv {study} --write blind.parquet".split())
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    blind = people.filter(pl.col("arm") == "blind")["unit_id"].n_unique()
    assert f"600 texts; blind answers: {blind} in topic_gold." in " ".join(capsys.readouterr().out.split())
    assert at.correct("topic == 'Health' ~ x", pl.read_parquet("blind.parquet")).n_coded == blind
