"""Learning curves for gold with the shares of its coders: how far probabilities are from these, with more labels."""

import io

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rich.console import Console

import annotune as at
from annotune.commands import display
from annotune.evidence import runs as runs_module
from annotune.evidence.curve_shares import AgainstShares
from annotune.evidence.runs import TUNED
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.measures.share_scores import OVERALL, SHARE_MEASURES, limits_of_mean, share_rows
from annotune.network.logits import from_logits
from annotune.reporting.page import Table
from annotune.reporting.sections import curve_section
from annotune.tuning.held_out import PROBE

STATE = [TUNED, PROBE, TF_IDF, OVERALL]  # the models that state probabilities


@pytest.fixture(scope="module")
def draw(topics, gold_with_shares, book, tiny_base):
    def quickly(**options):
        about = {"corpus": topics, "gold": gold_with_shares, "codebook": book(), "base": str(tiny_base)}
        return at.learning_curve(**(about | {"method": "probe", "sizes": [22, 40, 60], "seeds": 2} | options))

    return quickly


@pytest.fixture(scope="module")
def drawn(draw):
    return draw(n_boot=50)


@pytest.fixture(scope="module")
def by_log_score(draw):
    return draw(n_boot=200, measure="log_score")


def test_scores_stand_beside_the_measures_of_labels(drawn):
    for name in SHARE_MEASURES:
        rows = drawn.table.filter(measure=name, n=60)
        assert rows["model"].to_list() == STATE
        assert (rows["ci_low"] < rows["estimate"]).all()
        assert (rows["estimate"] < rows["ci_high"]).all()
    beside = drawn.rows().filter(n=60)
    scores = dict(drawn.table.filter(measure="log_score", n=60).select("model", "estimate").rows())
    assert beside.select("model", "log_score").rows() == [
        (model, scores.get(model)) for model in (TUNED, PROBE, TF_IDF, NO_INFORMATION)
    ]
    assert scores[TUNED] < scores[OVERALL]
    words = drawn.in_words()
    assert f"Against the shares of coders the log score is {scores[TUNED]:.3f}".replace(" 0.", " .") in words
    assert f"always stating the overall shares has {scores[OVERALL]:.3f}".replace(" 0.", " .") in words


def test_a_single_run_has_the_figures_of_evaluate(draw, monkeypatch, book):
    looks, real = [], runs_module.hold_out_once

    def spy(task, test, rest):
        made, held = real(task, test, rest)
        looks.append((task, held))
        return made, held

    monkeypatch.setattr(runs_module, "hold_out_once", spy)
    table = draw(sizes=[60], seeds=1, n_boot=20).table
    ((task, held),) = looks
    stated = {TUNED: from_logits(held.logits, sets=False), **held.stated}
    expected = share_rows(stated, task.examples.shares[held.places], book().variable())
    columns = ["model", "measure", "estimate", "ci_low", "ci_high", "n_units"]
    rows = table.filter(pl.col("measure").is_in(SHARE_MEASURES)).select(columns).sort("model", "measure")
    for mine, theirs in zip(rows.rows(), expected.select(columns).sort("model", "measure").rows(), strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2:] == pytest.approx(theirs[2:])


def test_a_curve_of_log_scores_falls(by_log_score):
    law = by_log_score.fit.table.filter(parameter="asymptote")["estimate"][0]
    ahead = by_log_score.forecast([60, 200])
    assert 0 <= law <= ahead["estimate"][1] <= ahead["estimate"][0]
    assert (ahead["ci_low"] <= ahead["estimate"]).all()
    assert (ahead["estimate"] <= ahead["ci_high"]).all()
    assert by_log_score.in_words(32).startswith(
        "32 more labels (99 instead of 67 to learn from) are expected to lower the log score by ."
    )
    assert by_log_score.rows()["model"].unique(maintain_order=True).to_list() == STATE
    figure = at.plot_learning_curve(by_log_score)
    assert figure.axes[0].get_ylabel() == "log score on 23 other texts"


def test_any_measure_is_drawn_and_only_its_own_has_a_forecast(drawn):
    labels = [one.get_text() for one in at.plot_learning_curve(drawn, measure="log_score").axes[0].get_legend().texts]
    assert labels == STATE
    with pytest.raises(at.AnnotuneError, match=r"no measure 'logscore'\. Did you mean 'log_score'"):
        at.plot_learning_curve(drawn, measure="logscore")


def test_resamples_of_texts_are_the_same_for_every_run():
    """Their spread is the error of the mean, and that of a difference the error of the texts' differences."""
    rng = np.random.default_rng(3)
    hard, clusters, weights = rng.normal(1, 0.3, 200), np.arange(200) // 4, rng.random(200) + 0.5
    first, second = hard + rng.normal(0, 0.1, 200), hard + rng.normal(0, 0.1, 200)
    scores = AgainstShares({(1, 0, "m"): {"s": first}, (2, 0, "m"): {"s": second}}, weights, clusters)
    drawn = [scores.drawn((n, 0, "m"), "s", 20_000, 1) for n in (1, 2)]
    for values, of in ((first, drawn[0]), (first - second + 1, drawn[0] - drawn[1])):
        low, high = limits_of_mean(values, clusters, weights)
        assert of.std() == pytest.approx((high - low) / 2 / 1.96, rel=0.03)
    assert scores.limits_of_mean([(1, 0, "m")], "s", 0.0)["ci_low"] == limits_of_mean(first, clusters, weights)[0]


def test_what_was_kept_has_the_probabilities_too(draw, drawn, tmp_path, monkeypatch):
    first = draw(n_boot=0, out=tmp_path).points
    monkeypatch.setattr(runs_module, "_run", lambda *_: pytest.fail("a model was tuned again"))
    assert_frame_equal(draw(n_boot=0, out=tmp_path).points, first)
    assert_frame_equal(first.drop("seconds"), drawn.points.drop("seconds"))


def test_screen_and_page_have_the_scores(drawn):
    console = Console(file=io.StringIO(), width=120)
    console.print(display.curve(drawn))
    assert "log score" in console.file.getvalue()
    captions = [part.caption for part in curve_section(drawn).parts if isinstance(part, Table)]
    assert captions[1].startswith("log score (lower is better) by the number of training texts, on 23 other texts")


def test_sets_have_scores_as_well(topics, book, tiny_base):
    rows = [
        (unit, coder, label)
        for i, (unit, label) in enumerate(topics.select("unit_id", "label").iter_rows())
        for coder, label in (("a", label), ("b", label), ("b", "Law" if i % 3 else label))
    ]
    codings = pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row").unique(maintain_order=True)
    many = book("multilabel")
    shares = at.resolve(at.read_codings(codings, many), "shares", codebook=many)
    sets = at.learning_curve(topics, shares, many, sizes=[60], seeds=1, base=str(tiny_base), method="probe", n_boot=0)
    rows = sets.table.filter(measure="log_score")
    assert rows["model"].to_list() == STATE
    assert rows["ci_low"].null_count() == len(rows)


def test_without_shares_there_is_no_such_curve(topics, gold, book, tiny_base):
    what = "A curve of 'log_score' is for gold with its coders' shares, and this gold has none. Resolve the codings by"
    with pytest.raises(at.AnnotuneError, match=what):
        at.learning_curve(topics, gold, book(), base=str(tiny_base), method="probe", measure="log_score")
