"""What a correction does with good and with useless predictions, any names, and input that will not do."""

import contextlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annotune as at
from annotune.correction.formulas import parse

LABELS = ["Public health", "Don't know", 'He said "no"', "Größe ~ x"]


@pytest.fixture(scope="module")
def data():
    """1,500 questions, a third coded, as crossfit gives them; the columns have any names that columns have."""
    rng = np.random.default_rng(5)
    n = 1500
    truth, coded = rng.integers(0, 4, n), rng.random(n) < 1 / 3
    said = np.where(rng.random(n) < 0.8, truth, rng.integers(0, 4, n))
    chance = np.full((n, 4), 0.05) + 0.8 * (said[:, None] == np.arange(4))
    topic = [LABELS[i] for i in said]
    gold = [LABELS[i] if c else None for i, c in zip(truth, coded, strict=True)]
    names = ["topic_p_Public_health", "topic_p_Don_t_know", "topic_p_He_said_no", "topic_p_Größe_x"]
    return pl.DataFrame(
        {
            "topic": pl.Series(topic, dtype=pl.Enum(LABELS)), "topic_gold": pl.Series(gold, dtype=pl.Enum(LABELS)),
            **{name: chance[:, i] for i, name in enumerate(names)},
            "party family": rng.choice(["left", "right", "none, or other"], n), "log": rng.gamma(2, 1, n),
            "année": rng.integers(2015, 2020, n), "x.y": rng.normal(size=n), "vote": rng.normal(size=n) + (truth == 0),
            "pi": 1 / 3, "coded": coded, "fold": np.where(coded, 1.0, np.nan), "district": rng.integers(0, 40, n),
        }
    ).with_columns(pl.col("fold").fill_nan(None).cast(pl.Int64))  # fmt: skip


def rows(fit, method="corrected"):
    return fit.tidy().filter(pl.col("method") == method)


@pytest.mark.parametrize("label", LABELS)
def test_labels_and_names_may_be_anything(data, label):
    quoted = "'" + label.replace("'", "\\'") + "'"
    fit = at.correct(f"topic == {quoted} ~ `party family` + log(log) + année + x.y", data)
    terms = ["Intercept", "party family[none, or other]", "party family[right]", "log(log)", "année", "x.y"]
    assert rows(fit)["term"].to_list() == terms
    share = (data["topic_gold"] == label).mean()
    mean = at.correct(f"topic == {quoted} ~ 1", data).coefficients()["Intercept"]
    assert abs(mean - share) < 0.05


def test_probabilities_make_errors_smaller_than_labels(data):
    by = {kind: at.correct("topic == 'Public health' ~ x.y", data, prediction=kind) for kind in ("prob", "label")}
    errors = {kind: rows(fit)["std_error"].to_list() for kind, fit in by.items()}
    assert all(prob < label for prob, label in zip(errors["prob"], errors["label"], strict=True))
    assert rows(by["prob"], "naive").equals(rows(by["label"], "naive"))
    without = at.correct("topic == 'Public health' ~ x.y", data.drop("topic_p_Public_health"))
    assert rows(without).equals(rows(by["label"]))
    assert "there are no probabilities of 'Public health'" in without.notes[0]


def test_a_predicted_covariate_is_corrected(data):
    fit = at.correct("vote ~ topic == 'Public health'", data)
    naive, corrected = (fit.coefficients(method)["topic == 'Public health'"] for method in ("naive", "corrected"))
    assert naive < 0.9 < corrected < 1.25
    whole = at.correct("vote ~ topic + `party family`", data)
    assert rows(whole)["term"].to_list()[1:4] == ["topic[Don't know]", 'topic[He said "no"]', "topic[Größe ~ x]"]


def test_three_rows_a_coefficient_together_and_a_readable_summary(data):
    fit = at.correct("topic ~ x.y", data, model="multinomial", cluster="district")
    assert fit.tidy()["method"].to_list() == ["hand-coded only", "naive", "corrected"] * 6
    assert fit.tidy()["equation"].unique(maintain_order=True).to_list() == LABELS[1:]
    assert fit.covariance["corrected"].shape == (6, 6)
    text = fit.summary(80, "stacked")
    assert f"1,500 units, {data['coded'].sum()} of them coded by hand; 40 clusters" in " ".join(text.split())
    assert text.count("hand-coded only") == 6


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.1, 0.3, 0.6]), model=st.sampled_from(["linear", "logit"]))
def test_predictions_without_error_give_the_regression_on_all_texts(seed, share, model):
    rng = np.random.default_rng(seed)
    n = 1000
    x, z = rng.normal(size=n), rng.integers(0, 3, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))) * 1.0
    frame = pl.DataFrame({"x": x, "z": z, "y_hat": y, "y_gold": np.where(rng.random(n) < share, y, np.nan)})
    for method in ("dsl", "ppi"):
        fit = at.correct("y ~ x + z", frame, model=model, method=method, pi=share)
        if method == "dsl":
            np.testing.assert_allclose(rows(fit)["estimate"], rows(fit, "naive")["estimate"], rtol=1e-8, atol=1e-10)
        assert (rows(fit)["std_error"] < rows(fit, "hand-coded only")["std_error"]).all()


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_useless_predictions_leave_what_the_hand_coded_texts_say(seed):
    """PPI hardly uses them: its interval is about the hand-coded texts' own."""
    rng = np.random.default_rng(seed)
    n = 4000
    x = rng.normal(size=n)
    y, coded = 0.3 * x + rng.normal(size=n), rng.random(n) < 0.25
    frame = pl.DataFrame({"x": x, "y_hat": rng.normal(size=n), "y_gold": np.where(coded, y, np.nan)})
    fit = at.correct("y ~ x", frame, method="ppi", pi=0.25)
    ratio = (rows(fit)["std_error"] / rows(fit, "hand-coded only")["std_error"]).to_numpy()
    assert (abs(ratio - 1) < 0.05).all()
    np.testing.assert_allclose(rows(fit)["estimate"], rows(fit, "hand-coded only")["estimate"], atol=0.03)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), factor=st.sampled_from([1e-6, 1e3, 1e8]), shift=st.sampled_from([0.0, 1e4]))
def test_units_of_covariates_do_not_matter(seed, factor, shift):
    rng = np.random.default_rng(seed)
    n = 600
    x, coded = rng.normal(size=n), rng.random(n) < 0.5
    y = (rng.random(n) < 0.4) * 1.0
    frame = pl.DataFrame({"x": x, "y_hat": y * 0.7 + 0.1, "y_gold": np.where(coded, y, np.nan)})
    scaled = frame.with_columns((pl.col("x") + shift) * factor)
    one, other = (at.correct("y ~ x", table, method="ppi", model="logit", pi=0.5) for table in (frame, scaled))
    np.testing.assert_allclose(other.coefficients()["x"] * factor, one.coefficients()["x"], rtol=1e-6)


def test_the_order_of_rows_does_not_matter(data):
    tables = data, data.sample(fraction=1, shuffle=True, seed=1)
    fit, turned = (at.correct("topic == 'Public health' ~ année", t, cluster="district", model="logit") for t in tables)
    np.testing.assert_allclose(rows(turned)["std_error"], rows(fit)["std_error"], rtol=1e-8)


FORMULA = "topic == 'Public health' ~ x.y"


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda d: d.drop("pi"), {}, "not known. Give pi="),
        (lambda d: d, {"pi": "drawn"}, "no column 'drawn'"),
        (lambda d: d, {"pi": 0}, "pi is 0 for 1,500 texts"),
        (lambda d: d, {"pi": 33.3}, "pi is 33.3"),
        (lambda d: d.with_columns(pi=-0.1), {}, "pi is -0.1"),
        (lambda d: d.with_columns(pi=pl.lit("a third")), {}, "holds no numbers"),
        (lambda d: d.with_columns(pi=pl.when(pl.col("x.y") > 1).then(0.0).otherwise(0.3)), {}, "above 0"),
        (lambda d: d.with_columns(pi=pl.when("coded").then(None).otherwise(0.3)), {}, "pi is missing for"),
        (lambda d: d.with_columns(fold=pl.lit(None, pl.Int64)), {}, "was tuned on them"),
        (lambda d: d.with_columns(fold=float("nan")), {}, "was tuned on them"),
        (lambda d: d.with_columns(fold=pl.lit("")), {}, "was tuned on them"),
        (lambda d: d, {"pi": [1 / 3] * 1500}, "a list. Give a text or a number. A column"),
        (lambda d: d, {"pi": True}, "pi= of correct.. cannot be True"),
        (lambda d: d, {"cluster": 3}, "cluster= of correct.. cannot be 3"),
        (lambda d: d, {"cluster": ["district", "age", "x.y"]}, "There are 3 kinds of clusters"),
        (lambda d: d, {"gold": 3}, "gold= of correct.. cannot be 3"),
        (lambda d: d, {"predicted": {"topic": "anna"}}, "cannot be {.topic.: .anna.}. Give a dictionary"),
        (lambda d: d, {"level": "high"}, "level= of correct.. cannot be .high"),
        (lambda d: d, {"method": "ppi", "power": "all"}, "power= of correct.. cannot be .all"),
        (lambda d: d.with_columns(pl.lit("a").alias("x.y")), {}, "All texts have the same 'x.y'"),
        (lambda d: d.with_columns(w=pl.col("topic_gold").is_null() * 1.0), {"weights": "w"}, "0 texts are coded"),
        (lambda d: d.drop("x.y"), {}, "no column 'x.y'"),
        (lambda d: d.drop("topic_gold"), {}, "no column has hand codings"),
        (lambda d: d.clear(), {}, "have no rows"),
        (lambda d: d.head(1), {}, "too few|Nobody|missing"),
        (lambda d: d.with_columns(pl.lit(None, pl.Float64).alias("x.y")), {}, "Every text lacks 'x.y'"),
        (lambda d: d.with_columns(pl.lit([1, 2]).alias("x.y")), {}, "holds lists"),
        (lambda d: d.with_columns(pl.time(12).alias("x.y")), {}, "times of day"),
        (lambda d: d.with_columns(pl.lit(3.0).alias("x.y")), {}, "'x.y' does not vary"),
        (lambda d: d.with_columns(coded=pl.lit("yes")), {}, "does not say which texts were coded"),
        (lambda d: d.with_columns(w=-1.0), {"weights": "w"}, "negative"),
        (lambda d: d.with_columns(w=pl.lit("a")), {"weights": "w"}, "not numbers"),
        (lambda d: d.with_columns(c=1), {"cluster": "c"}, "same 'c'"),
        (lambda d: d, {"cluster": "distrikt"}, "Did you mean 'district'"),
        (lambda d: d, {"cluster": "topic"}, "'topic' was predicted"),
        (lambda d: d, {"model": "probit"}, "no model 'probit'"),
        (lambda d: d, {"method": "dls"}, "Did you mean 'dsl'"),
        (lambda d: d, {"level": 95}, "not between 0 and 1"),
        (lambda d: d, {"power": 0.5}, "lambda of PPI"),
        (lambda d: d, {"model": "fixed_effects"}, "names no groups"),
        (lambda d: d.with_columns(topic_p_Public_health=pl.lit("high")), {}, "has words instead of probabilities"),
        (lambda d: d.with_columns(topic_p_Public_health=50.0), {}, "holds 50, not a probability"),
    ],
)  # fmt: skip
def test_what_will_not_do_is_refused_in_words(data, change, options, said):
    with pytest.raises(at.AnnotuneError, match=said) as error:
        at.correct(FORMULA, change(data), **options)
    assert error.value.advice


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("topic == 'Helth' ~ x.y", {}, "no text has the topic 'Helth'"),
        ("topic ~ x.y", {}, r"words, not numbers\. Name one of its labels: topic == 'Public health'"),
        ("topic == 'Public health' ~ x.y + I(2 * x.y)", {}, "does not vary beside"),
        ("vote ~ topic == 'Public health'", {"model": "logit"}, "from 0 to 1"),
        ("topic == 'Public health' ~ x.y | district", {"model": "logit"}, "cannot be absorbed"),
        ("topic == 'Public health' ~ 1 | district", {}, "no covariate beside its groups"),
        ("topic == 'Public health' ~ open('x')", {}, "function 'open' is not known"),
        ("topic == 'Public health'", {}, "is no formula"),
        ("topic == Health ~ x.y", {}, r"at '== Health'\. Put the label in quotes, as in topic == 'Health'"),
        ("topic == 'Public health' ~ §", {}, "in backticks"),
        ("topic = 'Public health' ~ x", {}, r"single =, .* A comparison is written ==, with the label in quotes"),
        ("topic == 'Public health' ~ I(party = 'a')", {}, "A comparison is written =="),
        ("vote ~ x.y", {}, "no column has hand codings"),
        ("scale(vote) ~ x.y", {"gold": "vote"}, "scale.. depends on all rows"),
        ("center(vote) ~ x.y", {"gold": "vote"}, "center.. depends on all rows"),
        ("topic == 'Public health' ~ x.y + (", {}, "cannot be computed"),
        ("topic == 'Public health' ~ poly(x.y, 2000)", {}, "a number up to 100"),
    ],
)
def test_formulas_that_will_not_do_are_refused_in_words(data, formula, options, said):
    with pytest.raises(at.AnnotuneError, match=said):
        at.correct(formula, data, **options)


def test_a_polynomial_of_more_degrees_than_values_cannot_be_computed(data):
    three = data.with_columns(three=(pl.int_range(pl.len()) % 3).cast(pl.Float64))
    with pytest.raises(at.AnnotuneError, match="cannot be computed: no row gives numbers"):
        at.correct("topic == 'Public health' ~ poly(three, 50)", three)


@pytest.mark.parametrize(("lost", "said"), [(1, "1 text drawn for coding has"), (2, "2 texts drawn for coding have")])
def test_texts_drawn_without_a_code_are_counted(data, lost, said):
    drawn = pl.col("coded") | (pl.int_range(pl.len()).over("coded") < lost)
    with pytest.warns(at.AnnotuneWarning, match=said):
        found = at.correct(FORMULA, data.with_columns(coded=drawn))
    assert found.n_coded == data["coded"].sum()


def test_few_codings_in_a_category_are_told_loudly_and_none_is_refused(data):
    """Ten texts with the label: all three rows, and a note before all others. Nobody coded it: nothing to go by."""
    keep = (pl.col("topic_gold") != "Public health") | (pl.int_range(pl.len()).over("topic_gold") < 10)
    few = data.with_columns(topic_gold=pl.when(keep).then("topic_gold"), coded=pl.lit(True)).drop("coded")
    fit = at.correct(FORMULA, few, pi=0.3)
    assert fit.tidy()["std_error"].null_count() == 0
    assert fit.notes[0].startswith(
        "FEW CODINGS: fewer than 20 texts are coded by hand as topic == 'Public health' (10)."
    )
    coded = few.drop_nulls("topic_gold")
    peer = np.cov(coded["topic_gold"] == "Public health", coded["x.y"])
    assert fit.coefficients("hand-coded only")["x.y"] == pytest.approx(peer[0, 1] / peer[1, 1])
    assert "as topic Public health (10)" in at.correct("vote ~ topic", few, pi=0.3).notes[0]
    other = at.correct('topic == "Don\'t know" ~ x.y', few, pi=0.3)
    assert not any("FEW CODINGS" in note for note in other.notes)
    none = few.with_columns(topic_gold=pl.when(pl.col("topic_gold") != "Public health").then("topic_gold"))
    with pytest.raises(at.AnnotuneError, match="No text is coded by hand as topic == 'Public health'"):
        at.correct(FORMULA, none, pi=0.3)


def test_separation_is_refused_and_told_of_the_hand_coded_alone(data):
    split = data.with_columns(z=(pl.col("topic") == "Public health") & (pl.col("topic_p_Public_health") > 0.5))
    exact = split.with_columns(topic_gold=pl.when("coded").then("topic"))
    with pytest.raises(at.AnnotuneError, match="separation"):
        at.correct("topic == 'Public health' ~ z", exact, model="logit", prediction="label")
    by_hand = pl.col("coded").not_() | (pl.col("topic_gold") == "Public health")
    rare = data.with_columns(z=(pl.int_range(pl.len()) % 7 == 0) & by_hand)
    fit = at.correct("topic == 'Public health' ~ z", rare, model="logit", method="none")
    hand = rows(fit, "hand-coded only")
    assert hand["estimate"].null_count() == 2
    assert any("No estimates, hand-coded only" in note for note in fit.notes)
    assert np.isnan(fit.covariance["hand-coded only"]).all()
    assert "-" in fit.summary()


def test_incomplete_rows_are_left_out_and_counted(data):
    holes = data.with_columns(pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("x.y").alias("x.y"))
    with pytest.warns(at.AnnotuneWarning, match="150 of 1,500 texts lack 'x.y'"):
        fit = at.correct(FORMULA, holes)
    assert fit.n == 1350
    zero = data.with_columns(pl.when(pl.int_range(pl.len()) % 10 == 0).then(0.0).otherwise("log").alias("log"))
    with pytest.warns(at.AnnotuneWarning, match="150 texts were left out because a covariate is not a number"):
        assert at.correct("topic == 'Public health' ~ log(log)", zero).n == 1350


def test_pi_that_disagrees_with_the_number_coded_is_told(data):
    with pytest.warns(at.AnnotuneWarning, match="check pi"):
        at.correct(FORMULA, data, pi=0.05)


def test_without_folds_the_assumption_is_noted(data):
    assert any("was not tuned on the hand-coded texts" in note for note in at.correct(FORMULA, data.drop("fold")).notes)
    assert at.correct(FORMULA, data).notes == ()


def test_pi_may_be_any_number(data):
    """A column pi beside it does not count then."""
    wanted = at.correct(FORMULA, data, pi=0.3).tidy()
    other = data.with_columns(pi=0.9)
    assert at.correct(FORMULA, other, pi=np.float64(0.3)).tidy().equals(wanted)
    np.testing.assert_allclose(
        at.correct(FORMULA, other, pi=np.float32(0.3)).tidy()["estimate"], wanted["estimate"], rtol=1e-5
    )


def test_texts_of_weight_zero_are_not_there(data):
    weighted = data.with_columns(w=(pl.col("district") > 5) * 1.0)
    fit, without = at.correct(FORMULA, weighted, weights="w"), at.correct(FORMULA, data.filter(pl.col("district") > 5))
    assert fit.n == without.n < 1500
    np.testing.assert_allclose(fit.tidy()["std_error"], without.tidy()["std_error"], rtol=1e-10)


def test_hand_codings_of_one_cluster_alone_have_no_error(data):
    one = data.with_columns(place=pl.when("coded").then(0).otherwise("district"))
    for small in (False, True):
        fit = at.correct(FORMULA, one, cluster="place", small_sample=small)
        assert rows(fit, "hand-coded only")["std_error"].null_count() == 2
        assert any("all hand-coded texts are in one cluster" in note for note in fit.notes)


@pytest.mark.parametrize(
    ("formula", "options"),
    [("topic ~ x.y", {"model": "multinomial"}), ("vote ~ topic", {}), ("vote ~ factor(topic) * x.y", {})],
)
def test_missing_texts_as_stata_has_them_are_no_category(data, formula, options):
    """A text that nobody coded has an empty label in a .dta without value labels."""
    words = data.select("x.y", "vote", "pi", "fold", pl.col("topic", "topic_gold").cast(pl.String))
    stata = words.with_columns(pl.col("topic_gold").fill_null(""))
    assert at.correct(formula, stata, **options).tidy().equals(at.correct(formula, words, **options).tidy())


def test_labels_of_blanks_are_missing_ones(data):
    words = data.drop(pl.selectors.starts_with("topic_p")).cast({"topic": pl.String})
    blank = words.with_columns(topic=pl.when(pl.col("topic") == "Don't know").then(pl.lit(" ")).otherwise("topic"))
    with pytest.warns(at.AnnotuneWarning, match="lack 'topic' and were left out"):
        assert at.correct(FORMULA, blank).n == (words["topic"] != "Don't know").sum()


def test_labels_may_begin_with_blanks_and_none_is_blank(data):
    words = data.cast({"topic": pl.String, "topic_gold": pl.String})
    padded = words.with_columns(pl.col("topic", "topic_gold").replace({"Public health": " Public health "}))
    fit = at.correct("topic == ' Public health ' ~ x.y", padded)
    assert fit.coefficients() == at.correct(FORMULA, data).coefficients()
    with pytest.raises(at.AnnotuneError, match="no text has the topic '  '"):
        at.correct("topic == '  ' ~ x.y", words)


def test_columns_may_be_named(data):
    other = data.rename({"topic": "machine", "topic_gold": "anna", "pi": "chance", "fold": "part", "coded": "drawn"})
    renamed = other.rename({name: name.replace("topic_p", "area_p") for name in other.columns})
    named = {"predicted": {"area": ("anna", "machine")}, "pi": "chance", "fold": "part", "coded": "drawn"}
    fit = at.correct("area == 'Public health' ~ x.y", renamed, **named)
    assert rows(fit).equals(rows(at.correct(FORMULA, data)))
    by_gold = at.correct("machine == 'Public health' ~ x.y", other, gold="anna", pi="chance", prediction="label")
    assert rows(by_gold).equals(rows(at.correct(FORMULA, data, prediction="label")))


def test_formulas_are_read_and_spoken_back():
    formula = parse("topic == 'x' ~ `a b`^2 + I(c^2):factor(d) + topic != 'y' - 1 | g + `h i`")
    assert formula.groups == ("g", "h i")
    assert formula.columns == ["topic", "a b", "c", "d", "g", "h i"]
    assert [formula.spoken(term) for term in formula.terms.split(" + ")][2] == "topic != 'y' - 1"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_formula_or_refused_in_words(text):
    with contextlib.suppress(at.AnnotuneError):
        assert parse(text).outcome


def test_true_and_false_are_one_and_zero(data):
    truths = data.select(
        "x.y", "pi", "fold", y_hat=pl.col("topic") == "Public health", y_gold=pl.col("topic_gold") == "Public health"
    )
    fits = [at.correct(f"{left} ~ x.y", truths) for left in ("y", "y == 1", "y == '1'")]
    peer = rows(at.correct(FORMULA, data, prediction="label"))
    assert all(rows(fit).equals(peer) for fit in fits)
    assert at.correct("y ~ x.y", truths.to_pandas()).tidy().equals(fits[0].tidy())


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("topic == 'Public health' ~ 0", "has no terms"),
        ("topic == 'Public health' ~ topic", "'topic' would explain itself"),
        ("topic == 'Public health' ~ topic_gold", "'topic_gold' would explain itself"),
        ("topic == 'Public health' ~ 'x.y'", "cannot be computed"),
        ("topic == 'Public health' ~ factor(unit)", "as many coefficients as texts|1,500 categories"),
    ],
)
def test_formulas_without_sense_are_refused_in_words(data, formula, said):
    with pytest.raises(at.AnnotuneError, match=said):
        at.correct(formula, data.with_columns(unit=pl.int_range(pl.len())))


def test_ppi_with_absorbed_effects_is_no_worse_than_the_hand_codings():
    """Poor predictions, and ten texts a group: lambda has to be small."""
    rng, slopes = np.random.default_rng(0), {"corrected": [], "hand-coded only": []}
    for _ in range(25):
        group, x, coded = rng.integers(0, 100, 1000), rng.normal(size=1000), rng.random(1000) < 0.3
        y = 0.5 * x + rng.normal(size=100)[group] + rng.normal(size=1000)
        frame = pl.DataFrame({"y_hat": y + 3 * rng.normal(size=1000), "y_gold": y, "x": x, "group": group})
        frame = frame.with_columns(y_gold=pl.when(pl.Series(coded)).then("y_gold"))
        found = at.correct("y ~ x | group", frame, method="ppi", pi=0.3).tidy()
        for method, values in slopes.items():
            values.append(found.filter(method=method)["estimate"][0])
    assert np.std(slopes["corrected"]) < 1.1 * np.std(slopes["hand-coded only"])


def test_texts_that_are_there_twice_are_told_of(data):
    with pytest.warns(at.AnnotuneWarning, match="3,000 of 3,000 rows share their unit_id with others"):
        at.correct(FORMULA, pl.concat([data.with_row_index("unit_id")] * 2))
