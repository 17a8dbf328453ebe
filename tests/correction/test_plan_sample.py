"""How many texts to code: against repeated draws, and against the corrections' own standard errors."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annotune as at
from annotune.correction.plan_sample import needed_codings, standard_error


def corpus(n=4000, seed=1, accuracy=0.95):
    """n texts with a true topic, a prediction, and a covariate on which both depend."""
    rng = np.random.default_rng(seed)
    party = rng.choice(["left", "right"], n)
    true = rng.random(n) < 0.25 + 0.2 * (party == "right")
    said = np.where(rng.random(n) < accuracy - 0.1 * (party == "right"), true, ~true)
    names = np.array(["War", "Trade"])
    return pl.DataFrame({"topic": names[1 - said.astype(int)], "true": names[1 - true.astype(int)], "party": party})


def drawn(frame, n, seed):
    """The corpus with n texts coded at random."""
    chosen = np.zeros(len(frame), dtype=bool)
    chosen[np.random.default_rng(seed).choice(len(frame), n, replace=False)] = True
    gold = pl.when(pl.Series(chosen)).then("true").alias("topic_gold")
    return frame.with_columns(gold, pi=pl.lit(n / len(frame))).drop("true")


def fully(frame):
    return frame.with_columns(topic_gold="true", pi=pl.lit(1.0)).drop("true")


@pytest.mark.parametrize("of", ["corpus", "population"])
@pytest.mark.parametrize("method", ["dsl", "ppi"])
def test_the_promised_standard_error_is_that_of_repeated_draws_of_a_share(method, of):
    """300 corpora of which 250 texts are coded: the spread of the corrected share is what the plan says.

    Of the corpus, that around the corpus's own share.
    """
    plan = at.plan_sample(fully(corpus(20_000)), n=250, label="War", total=1000, method=method, of=of)
    shares, said = [], []
    for seed in range(300):
        texts = corpus(1000, seed + 10)
        row = at.prevalence(drawn(texts, 250, seed), methods=method, of=of).filter(label="War").row(0, named=True)
        shares.append(row["estimate"] - (texts["true"] == "War").mean() * (of == "corpus"))
        said.append(row["std_error"])
    assert np.std(shares) == pytest.approx(plan.estimates["std_error"][0], rel=0.12)
    assert np.mean(said) == pytest.approx(plan.estimates["std_error"][0], rel=0.05)


def test_the_promised_standard_error_is_that_of_repeated_draws_of_a_coefficient():
    formula = "topic == 'War' ~ party"
    plan = at.plan_sample(fully(corpus(20_000)), n=250, formula=formula, total=1000)
    assert plan.estimates["estimate"].to_list() == ["party[right]"]
    slopes, by_hand = [], []
    for seed in range(200):
        frame = drawn(corpus(1000, seed + 10), 250, seed)
        outcome = at.dsl_columns(frame, label="War")["dsl_y"]
        right = frame["party"] == "right"
        slopes.append(outcome.filter(right).mean() - outcome.filter(~right).mean())
        coded = frame.drop_nulls("topic_gold")
        war, right = coded["topic_gold"] == "War", coded["party"] == "right"
        by_hand.append(war.filter(right).mean() - war.filter(~right).mean())
    assert np.std(slopes) == pytest.approx(plan.estimates["std_error"][0], rel=0.15)
    assert np.std(by_hand) == pytest.approx(plan.estimates["std_error_hand"][0], rel=0.15)


def test_with_the_pilots_own_number_it_is_the_standard_error_of_the_correction():
    frame = drawn(corpus(), 400, 3)
    plan = at.plan_sample(frame, n=400)
    found = at.prevalence(frame, methods=["dsl", "hand"]).filter(label="War")
    assert plan.estimates["estimate"].to_list() == ["Trade", "War"]
    assert plan.estimates["std_error"][1] == pytest.approx(found.filter(method="dsl")["std_error"][0], rel=0.02)
    assert plan.estimates["std_error_hand"][1] == pytest.approx(found.filter(method="hand")["std_error"][0], rel=0.001)


def test_with_the_pilots_own_number_it_is_the_standard_error_of_correct():
    frame, formula = drawn(corpus(), 500, 3), "topic == 'War' ~ party"
    plan = at.plan_sample(frame, n=500, formula=formula)
    rows = at.correct(formula, frame).tidy().filter(pl.col("term") == "party[right]")
    by_method = dict(rows.select("method", "std_error").iter_rows())
    assert plan.estimates["std_error"][0] == pytest.approx(by_method["corrected"], rel=0.03)
    assert plan.estimates["std_error_hand"][0] == pytest.approx(by_method["hand-coded only"], rel=0.03)


@pytest.mark.parametrize("method", ["dsl", "ppi"])
def test_a_logits_standard_errors_are_those_that_correct_computes(method):
    frame = drawn(corpus(), 500, 3).with_columns(year=pl.Series(2000.0 + np.arange(len(corpus())) % 20))
    formula = "topic == 'War' ~ party + year"
    plan = at.plan_sample(frame, n=500, formula=formula, model="logit", method=method)
    rows = at.correct(formula, frame, model="logit", method=method).tidy()
    rows = rows.filter(pl.col("term").is_in(plan.estimates["estimate"].implode()))
    for kind, column, near in (("corrected", "std_error", 0.03), ("hand-coded only", "std_error_hand", 0.12)):
        np.testing.assert_allclose(plan.estimates[column], rows.filter(method=kind)["std_error"], rtol=near)
    linear = at.plan_sample(frame, n=500, formula=formula, method=method).estimates["std_error"]
    assert (plan.estimates["std_error"] > 2 * linear).all()  # log odds, not points


def test_a_logit_without_a_finite_fit_or_a_formula_is_refused():
    frame = drawn(corpus(), 500, 3)
    with pytest.raises(at.AnnotuneError, match="no regression to be of"):
        at.plan_sample(frame, n=500, model="logit")
    with pytest.raises(at.AnnotuneError, match=r"no plan for the model 'logt'\. Did you mean 'logit'"):
        at.plan_sample(frame, n=500, formula="topic == 'War' ~ party", model="logt")


def test_the_number_found_gives_the_target_and_one_less_does_not():
    frame = drawn(corpus(), 300, 5)
    plan = at.plan_sample(frame, target=0.015, label="War")
    assert at.plan_sample(frame, n=plan.n, label="War").estimates["std_error"][0] <= 0.015
    assert at.plan_sample(frame, n=plan.n - 1, label="War").estimates["std_error"][0] > 0.015
    assert plan.n_low < plan.n < plan.n_high
    assert plan.estimates["n_needed_hand"][0] > plan.n
    assert f"{plan.n:,} of 4,000 texts coded by hand ({plan.n_low:,} to {plan.n_high:,}" in plan.verdict
    assert f"{plan.n - 300:,} more than the pilot's 300" in plan.verdict


def test_a_pilot_that_is_enough_is_told():
    plan = at.plan_sample(drawn(corpus(), 600, 5), target=0.03, label="War")
    assert "the pilot's 600 are enough" in plan.verdict


def test_the_interval_covers_the_number_that_the_whole_corpus_would_give():
    truth = at.plan_sample(fully(corpus()), target=0.015, label="War").n
    inside = []
    for seed in range(50):
        plan = at.plan_sample(drawn(corpus(), 300, seed), target=0.015, label="War", n_boot=200)
        inside.append(plan.n_low <= truth <= plan.n_high)
    assert np.mean(inside) >= 0.86


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 5), st.floats(0, 5), st.integers(100, 100_000), st.floats(0.001, 0.5))
def test_the_inverse_of_the_curve_is_the_curve(floor, noise, total, target):
    n = needed_codings(target, total, np.array([floor]), np.array([noise]))[0]
    if np.isnan(n):
        assert np.sqrt(floor / total) > target
    else:
        assert 20 <= n <= total
        assert standard_error(n, total, floor, noise) <= target * (1 + 1e-9)
        if n > 20:
            assert standard_error(n - 1, total, floor, noise) > target * (1 - 1e-9)


def test_the_curve_falls_to_what_coding_everything_gives():
    plan = at.plan_sample(drawn(corpus(), 300, 5), n=300, label="War", of="population")
    assert at.plan_sample(drawn(corpus(), 300, 5), n=300, label="War").curve["std_error"][-1] == 0
    errors = plan.curve["std_error"].to_numpy()
    assert (np.diff(errors) < 0).all()
    assert plan.curve["n"][0] == 20
    assert 300 in plan.curve["n"].to_list()
    assert errors[-1] == pytest.approx(plan.estimates["std_error_least"][0])
    assert plan.curve["std_error_hand"][-1] == pytest.approx(errors[-1])
    assert (plan.curve["std_error"] <= plan.curve["std_error_hand"] + 1e-12).all()


def test_ppi_is_never_worse_and_useless_predictions_are_worth_nothing_to_it():
    noise = corpus(accuracy=0.5)
    frame = drawn(noise, 400, 2)
    dsl, ppi = (
        at.plan_sample(frame, n=400, label="War", method=method).estimates.row(0, named=True)
        for method in ("dsl", "ppi")
    )
    assert ppi["std_error"] <= ppi["std_error_hand"] * (1 + 1e-12) < dsl["std_error"]


def test_predictions_that_err_too_often_are_told():
    plan = at.plan_sample(drawn(corpus(accuracy=0.5), 400, 2), n=400, label="War")
    assert "which is better: predictions err so often that method='ppi' is needed to weight them" in plan.verdict


def test_probabilities_count_as_they_do_in_the_correction():
    rng = np.random.default_rng(1)
    true = rng.random(4000) < 0.3
    likely = np.clip(np.where(true, 0.7, 0.2) + rng.normal(0, 0.15, 4000), 0.01, 0.99)
    names = np.array(["Trade", "War"])
    frame = pl.DataFrame({"topic": names[(likely > 0.5).astype(int)], "true": names[true.astype(int)]})
    frame = drawn(frame.with_columns(topic_p_War=pl.Series(likely), topic_p_Trade=pl.Series(1 - likely)), 400, 1)
    said = at.prevalence(frame, methods="dsl").filter(label="War")["std_error"][0]
    assert at.plan_sample(frame, n=400, label="War").estimates["std_error"][0] == pytest.approx(said, rel=0.03)
    by_formula = at.plan_sample(frame, n=400, formula="topic == 'War' ~ 1", term="Intercept")
    larger = at.prevalence(frame, methods="dsl", of="population").filter(label="War")["std_error"][0]
    assert by_formula.estimates["std_error"][0] == pytest.approx(larger, rel=0.03)
    assert larger > said
    without = at.plan_sample(frame.drop("topic_p_War"), n=400, label="War").estimates["std_error"][0]
    assert abs(without - said) > 1e-4


def test_unequal_chances_of_the_pilot_are_weighed():
    rng = np.random.default_rng(4)
    frame = corpus(40_000)
    pi = np.where(frame["true"] == "War", 0.05, 0.01)
    gold = pl.when(pl.Series(rng.random(40_000) < pi)).then("true").alias("topic_gold")
    weighed = at.plan_sample(frame.with_columns(gold, pi=pl.Series(pi)), n=2000, label="War")
    whole = at.plan_sample(fully(frame), n=2000, label="War")
    assert weighed.estimates["std_error"][0] == pytest.approx(whole.estimates["std_error"][0], rel=0.05)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "Give one of target=, effect= and n="),
        ({"target": 0.1, "n": 100}, "Give one of target=, effect= and n="),
        ({"target": 0.0}, "standard error 0.0 cannot be reached"),
        (
            {"target": 0.001, "of": "population"},
            "With all 4,000 texts coded by hand, the standard error of 'War' would be 0.00",
        ),
        ({"n": 100.5}, "n= of plan_sample.. cannot be 100.5"),
        ({"n": 100, "n_boot": 0}, "cannot be 0 replicates"),
        ({"n": "many"}, "n= of plan_sample.. cannot be 'many'"),
        ({"target": "small"}, "target= of plan_sample.. cannot be 'small'"),
        ({"n": 100, "term": "party"}, "term='party' has no regression to be a coefficient of"),
        ({"n": 100, "label": "War", "formula": "topic == 'War' ~ party"}, "label= plans for a share"),
        ({"n": 10}, "10 of 4,000 texts cannot be planned for"),
        ({"n": 5000}, "5,000 of 4,000 texts cannot be planned for"),
        ({"n": 100, "total": 50}, "100 of 50 texts cannot be planned for"),
        ({"n": 10, "total": 10}, "A corpus of 10 texts needs no plan"),
        ({"n": 100, "method": "em"}, "method 'em' is unknown"),
        ({"n": 100, "label": "Health"}, "No text has the label 'Health'"),
        ({"n": 100, "formula": "topic ~ party"}, "'topic' holds words"),
        ({"n": 100, "formula": "party ~ topic"}, "its outcome has to be 'topic'"),
        ({"n": 100, "formula": "topic == 'War' ~ partei"}, "no column 'partei'.*Did you mean 'party'"),
        ({"n": 100, "formula": "topic == 'War' ~ party", "term": "left"}, "no coefficient 'left'.*party"),
        ({"n": 100, "formula": "topic == 'War' ~ topic"}, "'topic' on both sides"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.plan_sample(
            drawn(corpus(), 300, 5),
            **({} if "label" in options or "formula" in options else {"label": "War"}) | options,
        )


def test_a_tiny_pilot_is_refused_and_one_without_errors_doubted():
    frame = drawn(corpus(), 300, 5)
    with pytest.raises(at.AnnotuneError, match="has 12 hand-coded texts"):
        at.plan_sample(drawn(corpus(), 12, 1), n=100)
    right = frame.with_columns(topic=pl.coalesce("topic_gold", "topic"))
    with pytest.warns(at.AnnotuneWarning, match="Only 0 of the pilot's 300"):
        assert at.plan_sample(right, target=0.03, label="War").n == 20


def test_covariates_with_holes_are_counted_and_left_out():
    frame = drawn(corpus(), 300, 5).with_columns(party=pl.when(pl.int_range(pl.len()) >= 100).then("party"))
    with pytest.warns(at.AnnotuneWarning, match="100 of 4,000 texts lack"):
        assert at.plan_sample(frame, n=300, formula="topic == 'War' ~ party").total == 4000


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.9])
def test_ppi_is_planned_with_the_weight_that_the_correction_gives_predictions(accuracy):
    """One from 0 to 1 for all coefficients: predictions that are mostly wrong count nothing, not negatively."""
    frame, formula = drawn(corpus(accuracy=accuracy), 500, 3), "topic == 'War' ~ party"
    plan = at.plan_sample(frame, n=500, formula=formula, method="ppi")
    row = at.correct(formula, frame, method="ppi").tidy().filter(method="corrected", term="party[right]")
    assert plan.estimates["std_error"][0] == pytest.approx(row["std_error"][0], rel=0.04)
    share = at.plan_sample(frame, n=500, label="War", method="ppi").estimates["std_error"][0]
    assert share == pytest.approx(at.prevalence(frame, methods="ppi").filter(label="War")["std_error"][0], rel=0.03)


def test_covariates_that_are_no_numbers_are_left_out_or_told_of():
    frame = drawn(corpus(), 500, 3).with_columns(age=pl.Series(np.r_[np.nan, np.arange(1.0, 4000.0)]), _row=pl.lit(1))
    with pytest.warns(at.AnnotuneWarning, match="1 of 4,000 texts lack 'age'"):
        at.plan_sample(frame, n=500, formula="topic == 'War' ~ age")
    frame = frame.with_columns(age=pl.col("age").fill_nan(1) - 10)
    with pytest.raises(at.AnnotuneError, match="gives no number for some texts"):
        at.plan_sample(frame, n=500, formula="topic == 'War' ~ log(age)")


def test_a_constant_shift_of_probabilities_costs_ppi_nothing():
    """What is too high for every text alike is known from all texts: only how the error varies counts."""
    frame, rng = drawn(corpus(), 500, 3), np.random.default_rng(4)
    likely = 0.55 + 0.1 * (frame["topic"] == "War").to_numpy() + 0.3 * rng.random(len(frame))
    frame = frame.with_columns(topic_p_War=likely, topic_p_Trade=1 - likely)
    plan = at.plan_sample(frame, n=500, label="War", method="ppi")
    found = at.prevalence(frame, methods="ppi").filter(label="War")
    assert plan.estimates["std_error"][0] == pytest.approx(found["std_error"][0], rel=0.02)


def with_probabilities(n=4000, seed=1, sure=3.0):
    """A corpus in which the model knows when it does not know."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    likely = 1 / (1 + np.exp(-(sure * rng.normal(size=n) + 0.5 * x - 1)))
    true = rng.random(n) < likely
    return pl.DataFrame(
        {
            "y": (likely > 0.5).astype(int),
            "y_p_1": likely,
            "x": x,
            "place": rng.integers(0, 80, n),
            "true": true.astype(int),
        }
    )


def coded(frame, n, seed):
    chosen = np.random.default_rng(seed).permutation(len(frame)) < n
    return frame.with_columns(y_gold=pl.when(pl.Series(chosen)).then("true"), pi=pl.lit(n / len(frame)))


def test_an_active_draw_has_the_standard_error_that_the_plan_says():
    """400 active draws by the scores themselves, of a corpus of which all is known."""
    from annotune.correction.text_scores import proportional
    from annotune.hybrid.active import scores

    frame = with_probabilities()
    formula = "y ~ x"
    plan = at.plan_sample(coded(frame, 4000, 1), n=300, formula=formula)
    x, true, likely = (frame[name].to_numpy() for name in ("x", "true", "y_p_1"))
    design = np.column_stack([np.ones(len(x)), x])
    solve = np.linalg.inv(design.T @ design) @ design.T
    pi = proportional(scores(coded(frame, 4000, 1), for_=formula), 300)
    rng, slopes = np.random.default_rng(3), []
    for _ in range(400):
        drawn = rng.random(len(x)) < pi
        slopes.append((solve @ (likely + drawn / pi * (true - likely)))[1])
    row = plan.designs.filter(design="active").row(0, named=True)
    floor = plan.estimates["std_error_least"][0]
    assert np.std(slopes) == pytest.approx(np.sqrt(row["std_error"] ** 2 - floor**2), rel=0.1)
    assert row["std_error"] < plan.estimates["std_error"][0]


def test_strata_have_neymans_standard_error():
    frame = with_probabilities()
    plan = at.plan_sample(coded(frame, 4000, 1), n=400, label="1")
    error = (frame["true"] - frame["y_p_1"]).to_numpy()
    strata = [error[(frame["y"] == label).to_numpy()] for label in (0, 1)]
    sizes, spread = np.array([len(each) for each in strata]), np.array([each.std() for each in strata])
    n = 400 * sizes * spread / (sizes @ spread)
    expected = np.sqrt(((sizes / 4000) ** 2 * spread**2 * (1 / n - 1 / sizes)).sum())
    assert plan.designs.filter(design="stratified", estimate="1")["std_error"][0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("options", [{"label": "1"}, {"formula": "y ~ x"}, {"formula": "y ~ x", "model": "logit"}])
def test_each_designs_number_gives_the_target(options):
    frame = coded(with_probabilities(), 400, 2)
    target = 0.012 if options.get("model") != "logit" else 0.08
    plan = at.plan_sample(frame, target=target, **options)
    for design, n in plan.designs.select("design", "n_needed").iter_rows():
        if n is None:
            continue
        errors = [
            at.plan_sample(frame, n=each, **options).designs.filter(design=design)["std_error"][0]
            for each in (n, n - 1)
        ]
        assert errors[0] <= target < errors[1]
    by_design = dict(plan.designs.select("design", "n_needed").iter_rows())
    assert by_design["simple"] == plan.n
    assert by_design["active"] < plan.n
    assert f"Drawn actively, {by_design['active']:,} codings would do" in plan.verdict
    assert plan.curve.columns[-2:] == ["std_error_stratified", "std_error_active"]


def test_the_picture_has_a_line_for_each_design_and_dots_at_the_target(tmp_path):
    plan = at.plan_sample(coded(with_probabilities(), 400, 2), target=0.012, formula="y ~ x")
    figure = at.plot_plan(plan, tmp_path / "plan.png")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert (tmp_path / "plan.png").stat().st_size > 0
    assert list(lines["corrected, active draw"].get_ydata()) == plan.curve["std_error_active"].to_list()
    dots = [
        (line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines if line.get_linestyle() == "None"
    ]
    assert [n for n, _ in dots] == plan.designs["n_needed"].to_list()
    assert np.allclose([error for _, error in dots], 0.012, rtol=0.02)
    with pytest.raises(at.AnnotuneError, match="no estimate 'z'"):
        at.plot_plan(plan, estimate="z")
    ppi = at.plan_sample(coded(with_probabilities(), 400, 2), n=400, formula="y ~ x", method="ppi")
    assert len(at.plot_plan(ppi).axes[0].lines) == 2
    assert ppi.designs["design"].to_list() == ["simple"]


def test_where_no_design_helps_it_is_said():
    rng = np.random.default_rng(1)
    true = rng.random(2000) < 0.5
    said = np.where(rng.random(2000) < 0.8, true, ~true)
    frame = pl.DataFrame({"y": said.astype(int), "y_p_1": np.where(said, 0.8, 0.2), "true": true.astype(int)})
    assert "Neither an active draw nor strata" in at.plan_sample(coded(frame, 400, 1), n=400, label="1").verdict


def test_an_effect_is_a_target():
    frame = coded(with_probabilities(), 400, 2)
    by_effect = at.plan_sample(frame, effect=-0.06, power=0.9, formula="y ~ x")
    by_target = at.plan_sample(frame, target=0.06 / (1.959964 + 1.281552), formula="y ~ x")
    assert by_effect.n == by_target.n


def test_a_logits_plan_is_the_standard_error_of_correct():
    frame = coded(with_probabilities(), 500, 3)
    plan = at.plan_sample(frame, n=500, formula="y ~ x", model="logit")
    rows = at.correct("y ~ x", frame, model="logit").tidy().filter(pl.col("term") == "x")
    by_method = dict(rows.select("method", "std_error").iter_rows())
    assert plan.estimates["std_error"][0] == pytest.approx(by_method["corrected"], rel=0.05)
    assert plan.estimates["std_error_hand"][0] == pytest.approx(by_method["hand-coded only"], rel=0.15)


def test_clusters_are_in_what_all_codings_would_leave():
    rng = np.random.default_rng(2)
    place = rng.integers(0, 80, 4000)
    x, of_place = rng.normal(size=80)[place], rng.normal(size=80)[place]
    true = rng.random(4000) < 1 / (1 + np.exp(-of_place - 0.3 * x))
    likely = np.clip(np.where(true, 0.7, 0.3) + rng.normal(0, 0.1, 4000), 0.01, 0.99)
    said = (likely + rng.normal(0, 0.2, 4000) > 0.5).astype(int)
    frame = pl.DataFrame({"y": said, "y_p_1": likely, "x": x, "place": place, "true": true.astype(int)})
    plan = at.plan_sample(coded(frame, 1000, 4), n=1000, formula="y ~ x", cluster="place")
    rows = at.correct("y ~ x", coded(frame, 1000, 4), cluster="place").tidy()
    expected = rows.filter(pl.col("term") == "x", method="corrected")["std_error"][0]
    assert plan.estimates["std_error"][0] == pytest.approx(expected, rel=0.05)
    alone = at.plan_sample(coded(frame, 1000, 4), n=1000, formula="y ~ x")
    assert plan.estimates["std_error"][0] > 1.5 * alone.estimates["std_error"][0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"effect": 0.0}, "An effect of 0.0 cannot be found"),
        ({"effect": 0.1, "power": 1.0}, "cannot be found with a probability of 1.0"),
        ({"n": 100, "formula": "y ~ x", "model": "multinomial"}, "no plan for the model 'multinomial'"),
        ({"n": 100, "label": "1", "cluster": "place"}, "cluster='place' has no regression to be of"),
        ({"n": 100, "formula": "y ~ x", "cluster": "plac"}, "no column 'plac'"),
    ],
)
def test_what_cannot_be_planned(options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.plan_sample(coded(with_probabilities(), 400, 2), **options)
