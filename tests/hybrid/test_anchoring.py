"""What proposals did to answers: against statsmodels and scipy, against effects that are known, and arm by arm."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

import annotune as at
from annotune import cli
from annotune.hybrid.answers_by_arm import read_answers
from annotune.hybrid.two_arms import compared

JUDGEMENTS = Path(__file__).parents[3] / "shared" / "data" / "seed_verified_proposals" / "judgements.parquet"
LABELS = ("Health", "Law", "Trade")


def answers(n=400, coders=8, seed=1, **more):
    """One row per answer: coders give what is proposed more often when they see it."""
    rng = np.random.default_rng(seed)
    proposed, own = rng.choice(LABELS, n), rng.choice(LABELS, n)
    seen = rng.random(n) < 0.6
    follows = seen & (rng.random(n) < 0.5)
    columns = {
        "unit_id": [f"t{i // 2}" for i in range(n)],
        "coder": [f"c{i % coders}" for i in range(n)],
        "label": np.where(follows, proposed, own),
        "proposals": [label if shown else None for label, shown in zip(proposed, seen, strict=True)],
    }
    return pl.DataFrame(columns | more)


def row(table, **keys):
    return table.filter(**keys).row(0, named=True)


def decision(unit, coder, label, arm, shown=(), seconds=None):
    return unit, coder, label, arm, list(shown), seconds


# Against others


def test_two_way_errors_of_many_coders_and_texts_are_those_of_statsmodels():
    from statsmodels.regression.linear_model import OLS

    table = answers(n=1200, coders=60)
    result = at.anchoring(table)
    y = (table["label"] == "Health").cast(pl.Float64).to_numpy()
    shown = table["proposals"].is_not_null().cast(pl.Float64).to_numpy()
    groups = table.select(pl.col("coder", "unit_id").rank("dense")).to_numpy().astype(int)
    weight = table.select(
        pl.len().over("coder") / pl.len().over("coder", pl.col("proposals").is_not_null())
    ).to_series()
    root = np.sqrt(weight.to_numpy())
    fit = OLS(y * root, np.column_stack([root, shown * root])).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    mine = row(result.shares, label="Health")
    assert mine["difference"] == pytest.approx(fit.params[1], abs=1e-10)
    assert mine["std_error"] == pytest.approx(fit.bse[1], rel=1e-8)
    assert (mine["ci_low"], mine["ci_high"]) == pytest.approx(tuple(fit.conf_int()[1]), abs=1e-6)
    assert mine["p_value"] == pytest.approx(fit.pvalues[1], abs=1e-8)
    assert mine["df"] is None


@settings(max_examples=20)
@given(st.integers(3, 12), st.integers(0, 10**6))
def test_few_coders_with_as_many_texts_each_have_a_paired_t_test(coders, seed):
    """CR2 of balanced clusters is the variance of the clusters' own differences, with one degree of freedom less."""
    rng = np.random.default_rng(seed)
    y = rng.random((coders, 2, 6))
    rows = pl.DataFrame(
        {
            "y": y.ravel(),
            "shown": np.tile(np.repeat([False, True], 6), coders),
            "coder": np.repeat([f"c{i}" for i in range(coders)], 12),
            "unit_id": [str(i) for i in range(y.size)],
        }
    ).with_columns(weight=pl.lit(1.0))
    cells = compared(rows, ["coder"], is_share=False)
    test = ttest_rel(y[:, 1].mean(axis=1), y[:, 0].mean(axis=1))
    assert cells["p_value"] == pytest.approx(test.pvalue, rel=1e-6)
    assert cells["df"] == pytest.approx(coders - 1, rel=1e-6)
    assert (cells["ci_low"], cells["ci_high"]) == pytest.approx(tuple(test.confidence_interval()), rel=1e-6)


def test_seconds_are_compared_as_ratios():
    from scipy.stats import ttest_ind

    table = answers(n=300, coders=300).with_columns(unit_id=pl.int_range(300).cast(pl.String))
    rng = np.random.default_rng(3)
    table = table.with_columns(seconds=pl.Series(rng.lognormal(2, 0.4, 300)))
    mine = row(at.anchoring(table).seconds, arm="open")
    logs = table["seconds"].log().to_numpy()
    seen = table["proposals"].is_not_null().to_numpy()
    assert mine["ratio"] == pytest.approx(np.exp(logs[seen].mean() - logs[~seen].mean()))
    welch = ttest_ind(logs[seen], logs[~seen], equal_var=False)
    assert mine["p_value"] == pytest.approx(welch.pvalue, rel=0.05)
    assert mine["median"] == pytest.approx(float(np.median(table["seconds"].to_numpy()[seen])))


# Effects that are known


def test_a_known_effect_is_found(study):
    """Coders are right with .85 + .05, take a proposal over half of the time; it is right in .6 + .4 / 3 of texts."""
    result = at.anchoring(study)
    right, hit = 0.85 + 0.15 / 3, 0.6 + 0.4 / 3
    unseen = hit * right + (1 - hit) * 0.05
    found = row(result.acceptance, by="these coders")
    assert found["share_blind"] == pytest.approx(unseen, abs=0.08)
    assert found["ci_low"] <= 0.5 * (1 - unseen) <= found["ci_high"]
    assert found["p_value"] < 0.001
    assert row(result.recall, by="all")["share_blind"] == pytest.approx(found["share_blind"])  # one label an answer
    assert any("when they saw it" in sentence for sentence in result.in_words())


def test_waves_with_other_blind_parts_are_no_effect():
    """The second wave has more blind answers and another label: mixed up, that would look like an effect."""
    rng = np.random.default_rng(1)
    parts = []
    for wave, (blind, label) in enumerate([(0.1, "Law"), (0.8, "Health")], start=1):
        hidden = rng.permutation(1000) < 1000 * blind
        about = {"unit_id": [f"w{wave}t{i}" for i in range(1000)], "coder": ["anna", "ben"] * 500, "label": label}
        shown = pl.Series("proposals", [None if each else "Trade" for each in hidden])
        parts.append(pl.DataFrame(about).with_columns(shown, wave=pl.lit(wave)))
    table = pl.concat(parts)
    shares = at.anchoring(table, proposals=_trade(table)).shares
    assert shares["difference"].abs().max() < 1e-9
    mixed_up = at.anchoring(table.drop("wave"), proposals=_trade(table)).shares
    assert mixed_up["difference"].abs().max() > 0.5


def _trade(table):
    """The model that proposes Trade for every text."""
    return table.select("unit_id", variable=pl.lit("label"), coder=pl.lit("gpt"), label=pl.lit("Trade"))


def test_coders_with_one_arm_are_left_out_beside_those_with_both_and_compared_alone():
    table = answers(n=400, coders=4)
    only_seen = pl.col("coder") == "c3"
    table = table.with_columns(proposals=pl.when(only_seen).then(pl.lit("Law")).otherwise("proposals"))
    result = at.anchoring(table)
    assert result.n_coders == 3
    assert any("100 answers by coders with one kind" in note for note in result.notes)
    between = table.with_columns(
        proposals=pl.when(pl.col("coder").is_in(["c0", "c1"])).then(pl.coalesce("proposals", pl.lit("Law")))
    )
    result = at.anchoring(between)
    assert (result.n_coders, result.n_shown, result.n_blind) == (4, 200, 200)
    assert any("No coder has answers of both kinds" in note for note in result.notes)


# What counts as what


@pytest.fixture
def small(tmp_path, book):
    """A store in which ten texts were drawn for two coders each."""
    path = tmp_path / "small.annotune"
    corpus = pl.DataFrame({"unit_id": [f"t{i}" for i in range(10)], "text": ["..."] * 10})
    at.sample(corpus, 10, store=path, coders=["anna", "ben"], overlap=1.0, blind=0.5, codebook=book)
    return path


def test_a_second_look_after_a_decoy_is_no_blind_answer(small, decide, proposal):
    decoy = [proposal("Trade", decoy=True)]
    decide(
        small,
        [
            *(decision(f"t{i}", "anna", "Trade" if i < 3 else "Law", "decoy", decoy) for i in range(5)),
            *(decision(f"t{i}", "anna", "Trade" if i < 1 else "Law", "blind") for i in range(4)),
            decision("t5", "anna", "Law", "open", [proposal("Law")]),
            decision("t6", "anna", "Law", "blind"),
        ],
    )
    assert read_answers(small).answers.filter(pl.col("arm") == "blind")["second"].to_list().count(True) == 4
    models = pl.DataFrame({"unit_id": ["t6"], "variable": ["topic"], "coder": ["gpt"], "label": ["Law"]})
    result = at.anchoring(small, proposals=models)
    assert (result.n_shown, result.n_blind) == (1, 1)
    found = row(result.decoys, by="all")
    assert (found["n"], found["accepted"], found["n_again"]) == (5, 0.6, 4)
    assert (found["share_decoy"], found["share_again"], found["agreement"]) == (0.75, 0.25, 0.5)
    assert any("5 proposals that were false on purpose, coders accepted 60%" in words for words in result.in_words())


def test_the_last_answer_holds_and_one_that_was_withdrawn_does_not_count(small, decide, proposal):
    shown = [proposal("Law")]
    decide(
        small,
        [
            decision("t0", "anna", "Law", "open", shown),
            decision("t0", "anna", "Health", "open", shown),
            decision("t1", "anna", "Law", "open", shown),
            decision("t1", "anna", "withdrawn", "open"),
            decision("t2", "anna", "missing", "open", shown),
            decision("t3", "anna", None, "open", [proposal(None)]),
            decision("t4", "ben", "Law", "blind"),
        ],
    )
    result = at.anchoring(small)
    assert result.n_shown == 2
    labels = result.acceptance.filter(by="label").select("name", "share_shown").rows()
    assert labels == [("(none)", 1.0), ("Law", 0.0)]


def test_what_nobody_proposed_is_counted_among_what_blind_coders_found(small, decide, proposal):
    decide(
        small,
        [
            *(decision(f"t{i}", "anna", "Law" if i % 2 else "Trade", "blind") for i in range(4)),
            *(decision(f"t{i}", "anna", "Law", "open", [proposal("Law")]) for i in range(4, 7)),
            decision("t7", "anna", "Health", "open", [proposal("Law")]),
        ],
    )
    models = pl.DataFrame({"unit_id": [f"t{i}" for i in range(8)], "variable": "topic", "coder": "gpt", "label": "Law"})
    recall = at.anchoring(small, proposals=models).recall
    whole = row(recall, by="all")
    assert (whole["n_blind"], whole["share_blind"], whole["share_shown"]) == (4, 0.5, 0.75)
    assert row(recall, by="label", name="Trade")["share_blind"] == 0
    assert row(recall, by="proposer", name="gpt")["share_blind"] == 0.5


def test_two_proposals_are_judged_each_and_no_pair_is_made_of_one_answer(small, decide, proposal):
    both = [proposal("Law"), proposal("Health", "llama")]
    decide(small, [decision(f"t{i}", "anna", "Law", "two", both) for i in range(5)])
    result = at.anchoring(small)
    shares = dict(result.acceptance.filter(by="proposer").select("name", "share_shown").iter_rows())
    assert shares == {"gpt": 1.0, "llama": 0.0}
    assert result.pairs.is_empty()


def test_sets_of_labels_and_verdicts_are_read_from_a_plain_table():
    table = pl.DataFrame(
        {
            "unit_id": ["a", "b", "c", "d", "e"],
            "coder": ["x"] * 5,
            "label": ["Law;Health", "none", "", "Law", None],
            "proposals": ["Law; Trade", "none", "Law", None, "Law"],
        }
    )
    result = at.anchoring(table)
    shares = dict(result.acceptance.filter(by="label").select("name", "share_shown").iter_rows())
    assert shares == {"Law": 0.5, "Trade": 0.0}
    verdicts = pl.DataFrame({"unit_id": list("abcd"), "coder": ["x"] * 4, "suggested": ["Law"] * 4, "ok": [1, 0, 1, 1]})
    result = at.anchoring(verdicts, columns={"proposals": "suggested", "accepted": "ok"})
    assert row(result.acceptance, by="all")["share_shown"] == 0.75
    assert any("no text was coded blind" in sentence for sentence in result.in_words())


def test_several_variables_have_a_row_each_and_one_can_be_chosen():
    first, second = answers(), answers(seed=2)
    table = pl.concat([first.with_columns(variable=pl.lit("a")), second.with_columns(variable=pl.lit("b"))])
    result = at.anchoring(table)
    assert set(result.shares["variable"]) == {"a", "b"}
    assert set(result.acceptance.filter(by="variable")["name"]) == {"a", "b"}
    alone = at.anchoring(table, variable="b")
    assert alone.shares.equals(at.anchoring(second.with_columns(variable=pl.lit("b"))).shares)
    with pytest.raises(at.AnnotuneError, match="Nobody coded the variable 'c'"):
        at.anchoring(table, variable="c")


def test_answers_that_are_all_alike_have_limits():
    table = answers(n=80, coders=4).with_columns(label=pl.lit("Law"))
    found = row(at.anchoring(table).shares, label="Law")
    assert (found["share_shown"], found["difference"], found["std_error"]) == (1.0, 0.0, 0.0)
    assert found["low_shown"] < 1
    assert found["ci_low"] < 0 < found["ci_high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proposals": None}, "No answer was given with a proposal in sight"),
        ({"arm": "shown"}, "has 'shown' in its column 'arm'"),
        ({"seconds": "quick"}, "has words in its column 'seconds'"),
        ({"proposals": "[{"}, "row 1, column 'proposals': the cell is no JSON list of proposals"),
        ({"decoy": "maybe"}, "has words in its column 'decoy'"),
        ({"coder": None}, "row 1, column 'coder': the name is missing"),
    ],
)
def test_a_table_that_cannot_be_is_refused(change, message):
    table = answers(n=20).with_columns(**{name: pl.lit(value, pl.String) for name, value in change.items()})
    with pytest.raises(at.AnnotuneError, match=message):
        at.anchoring(table)


def test_a_cell_that_is_no_list_among_lists_is_named_by_its_row():
    listed = '[{"coder": "gpt", "labels": ["Health"], "status": "ok", "decoy": false}]'
    cells = pl.Series("proposals", [listed, None, "Law", listed] * 5)
    with pytest.raises(at.AnnotuneError, match="row 3, column 'proposals'"):
        at.anchoring(answers(n=20).with_columns(cells))


def test_proposals_that_name_no_variable_are_of_that_of_the_answers(tmp_path):
    """A table of answers without `variable` is about one, and so are the models' codings beside it."""
    table = answers(n=200).drop("variable", strict=False)
    path = tmp_path / "models.csv"
    pl.DataFrame({"unit_id": table["unit_id"].unique(), "coder": "gpt", "label": "Health"}).write_csv(path)
    result = at.anchoring(table, proposals=path)
    assert result.n_blind > 0
    assert not any("give it with proposals=" in note for note in result.notes)


def test_names_that_there_are_not_are_refused(study):
    with pytest.raises(at.AnnotuneError, match="no column 'suggested'"):
        at.anchoring(answers(), columns={"proposals": "suggested"})
    with pytest.raises(at.AnnotuneError, match="'answer', which has no meaning here"):
        at.anchoring(answers(), columns={"answer": "label"})
    with pytest.raises(at.AnnotuneError, match="depend on each other by 'party'"):
        at.anchoring(answers(), cluster="party")
    with pytest.raises(at.AnnotuneError, match="neither answers nor verdicts"):
        at.anchoring(answers().drop("label"))
    with pytest.raises(at.AnnotuneError, match="A store has its own columns"):
        at.anchoring(study, columns={"label": "label"})
    with pytest.raises(at.AnnotuneError, match=r"no picture of 'acceptence'. Did you mean 'acceptance'"):
        at.anchoring(study).plot(of="acceptence")


def test_its_pictures_and_its_command(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    result = at.anchoring(study)
    differences = result.plot()
    assert differences.axes[0].get_xlabel() == "difference to answers without proposals, in points"
    names = [text.get_text() for text in differences.axes[0].get_yticklabels()]
    assert {"all coders", "these coders alone", "anna", "gpt", *LABELS} <= set(names)
    assert result.plot(of="acceptance").axes[0].get_xlim()[1] == pytest.approx(1.01)
    line = f"annotune anchoring {study} --write a.csv --shares s.parquet --recall r.csv --plot p.png"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "when they did not" in " ".join(capsys.readouterr().out.split())
    assert pl.read_csv("a.csv").filter(by="all")["difference"].item() == pytest.approx(
        row(result.acceptance, by="all")["difference"]
    )
    assert pl.read_parquet("s.parquet").equals(result.shares)
    assert len(pl.read_csv("r.csv")) == len(result.recall)
    assert Path("p.png").stat().st_size > 10_000


def test_the_figures_of_the_founding_group():
    """Who proposes moves the verdict, coders differ, and both have intervals: by texts, and for coders like these."""
    if not JUDGEMENTS.exists():
        pytest.skip("the data set seed_verified_proposals is not there")
    table = pl.read_parquet(JUDGEMENTS)
    result = at.anchoring(table, columns={"proposals": "label"})
    models = row(result.pairs, of="proposer")
    assert (models["n_a"], models["n_texts"]) == (103, 47)
    assert (models["share_a"], models["share_b"]) == pytest.approx((0.835, 0.650), abs=5e-4)  # GPT4, LLAMA2
    assert (models["ci_low"], models["ci_high"]) == pytest.approx((-0.413, 0.044), abs=5e-4)  # four coders
    of_these = row(at.anchoring(table, columns={"proposals": "label"}, cluster="unit_id").pairs, of="proposer")
    assert (of_these["ci_low"], of_these["ci_high"]) == pytest.approx((-0.282, -0.087), abs=5e-4)
    assert of_these["p_value"] < 0.001
    agreed = row(result.reliability, metric="percent")
    assert agreed["estimate"] == pytest.approx(0.70, abs=0.01)
    assert (agreed["ci_low"], agreed["ci_high"]) == pytest.approx((0.670, 0.744), abs=5e-4)
    coders = row(result.pairs, of="coder", a="coder_2", b="coder_9")
    assert coders["n_a"] == 182
    assert (coders["share_a"], coders["share_b"]) == pytest.approx((0.31, 0.62), abs=6e-3)
    assert (coders["ci_low"], coders["ci_high"]) == pytest.approx((0.167, 0.448), abs=5e-4)
    accepted = row(result.acceptance, by="all")
    assert (accepted["n_shown"], accepted["share_shown"]) == (26_635, pytest.approx(0.402, abs=5e-4))
    assert result.recall.is_empty()  # what nobody proposed was never judged
