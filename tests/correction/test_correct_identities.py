"""What a correction equals: regressions of statsmodels on corrected outcomes, PPI's published formulas, dummies."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import annotune as at
from annotune.correction.regression import correct

EXACT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(scope="module")
def texts():
    """2,000 texts drawn for coding with different probabilities; the coder errs more in the opposition's."""
    rng = np.random.default_rng(3)
    n = 2000
    party = rng.choice(["government", "opposition"], n)
    year, age = rng.integers(2015, 2025, n), rng.normal(50, 10, n)
    share = 1 / (1 + np.exp(0.9 - 0.8 * (party == "opposition") - 0.02 * (age - 50)))
    truth = rng.random(n) < share
    chance = np.clip(share + np.where(party == "opposition", 0.25, -0.05) * rng.random(n), 0.02, 0.98)
    guess = np.where(truth, 0.6 * chance + 0.4, 0.6 * chance)
    pi = np.where(party == "opposition", 0.4, 0.2)
    coded = rng.random(n) < pi
    return pl.DataFrame(
        {
            "party": party, "year": year, "age": age, "district": rng.integers(0, 25, n), "pi": pi,
            "size": rng.gamma(2, 1, n), "y": guess, "y_gold": np.where(coded, truth, np.nan),
            "count": rng.poisson(2, n) * 1.0, "coded": coded, "fold": np.where(coded, 1, 0),
        }
    ).with_columns(count_gold=pl.when("coded").then(pl.col("count") + (pl.col("age") > 50)))  # fmt: skip


def matrix(texts, names=("year", "age")):
    opposition = (texts["party"] == "opposition").cast(float).to_numpy()
    return np.column_stack([np.ones(len(texts)), opposition, *(texts[name].to_numpy() * 1.0 for name in names)])


def outcome(texts, gold="y_gold", predicted="y"):
    coded = texts["coded"].to_numpy()
    values = texts[predicted].to_numpy().copy()
    by_hand = texts[gold].cast(float).to_numpy()
    values[coded] += (by_hand[coded] - values[coded]) / texts["pi"].to_numpy()[coded]
    return values


def rows(fit, method):
    return fit.tidy().filter(pl.col("method") == method)


def same(fit, method, beta, covariance, tolerance=EXACT):
    np.testing.assert_allclose(rows(fit, method)["estimate"], beta, **tolerance)
    np.testing.assert_allclose(fit.covariance[method], covariance, **tolerance)
    np.testing.assert_allclose(rows(fit, method)["std_error"], np.sqrt(np.diag(covariance)), **tolerance)


def test_linear_dsl_is_least_squares_on_the_corrected_outcome_with_hc0(texts):
    fit = correct("y ~ party + year + age", texts)
    peer = sm.OLS(outcome(texts), matrix(texts)).fit(cov_type="HC0")
    same(fit, "corrected", peer.params, peer.cov_params(), {"rtol": 1e-8, "atol": 1e-10})
    limits = peer.conf_int()
    np.testing.assert_allclose(rows(fit, "corrected")["conf_low"], limits[:, 0], rtol=1e-8)
    np.testing.assert_allclose(rows(fit, "corrected")["p_value"], peer.pvalues, rtol=1e-7, atol=1e-10)
    assert rows(fit, "corrected")["term"].to_list() == ["Intercept", "party[opposition]", "year", "age"]


def test_linear_dsl_to_ten_digits_where_years_do_not_cost_them(texts):
    centred = texts.with_columns(pl.col("year") - 2020, pl.col("age") - 50)
    fit = correct("y ~ party + year + age", centred)
    peer = sm.OLS(outcome(centred), matrix(centred)).fit(cov_type="HC0")
    same(fit, "corrected", peer.params, peer.cov_params())


def test_hand_coded_and_naive_rows_are_weighted_and_plain_least_squares(texts):
    fit = correct("y ~ party + age", texts)
    coded = texts["coded"].to_numpy()
    x, y, ratio = matrix(texts, ("age",)), texts["y"].to_numpy(), 1 / texts["pi"].to_numpy()
    peer = sm.WLS(texts["y_gold"].to_numpy()[coded], x[coded], weights=ratio[coded]).fit(cov_type="HC0")
    same(fit, "hand-coded only", peer.params, peer.cov_params())
    peer = sm.OLS(y, x).fit(cov_type="HC0")
    same(fit, "naive", peer.params, peer.cov_params())
    assert rows(fit, "hand-coded only")["n"][0] == coded.sum() == fit.n_coded
    assert rows(fit, "naive")["n"][0] == fit.n == 2000


def test_survey_weights_are_those_of_weighted_least_squares(texts):
    fit = correct("y ~ party + age", texts, weights="size")
    peer = sm.WLS(outcome(texts), matrix(texts, ("age",)), weights=texts["size"].to_numpy()).fit(cov_type="HC0")
    same(fit, "corrected", peer.params, peer.cov_params())


def test_logit_dsl_is_a_binomial_glm_on_the_corrected_outcome(texts):
    whole = texts.with_columns(y=(pl.col("y") > 0.5).cast(pl.Float64))
    fit = correct("y ~ party + age", whole, model="logit")
    with np.errstate(all="ignore"):
        family = sm.families.Binomial()
        peer = sm.GLM(outcome(whole), matrix(texts, ("age",)), family=family)
        peer = peer.fit(cov_type="HC0", tol=1e-14, maxiter=200)
    same(fit, "corrected", peer.params, peer.cov_params())
    with np.errstate(all="ignore"):
        peer = sm.GLM(whole["y"].to_numpy(), matrix(texts, ("age",)), family=family).fit(cov_type="HC0", tol=1e-14)
    same(fit, "naive", peer.params, peer.cov_params())


@pytest.mark.parametrize("model", ["linear", "logit"])
def test_shares_of_coders_are_a_hand_coding_like_any_other(texts, model):
    """Logit is then the fractional one of Papke and Wooldridge (1996): binomial quasi-likelihood, robust errors."""
    rng = np.random.default_rng(8)
    chance = np.clip(texts["y"].to_numpy(), 0.05, 0.95)
    votes = pl.Series(np.where(texts["coded"], rng.binomial(5, chance) / 5, np.nan))
    shared = texts.with_columns(tone_share_angry=votes, tone_p_angry=pl.col("y")).drop("y", "y_gold")
    named = {"angry": ("tone_share_angry", "tone_p_angry")}
    fit = correct("angry ~ party + age", shared, model=model, predicted=named)
    x, family = matrix(texts, ("age",)), sm.families.Binomial() if model == "logit" else sm.families.Gaussian()
    with np.errstate(all="ignore"):
        corrected = outcome(shared, "tone_share_angry", "tone_p_angry")
        peer = sm.GLM(corrected, x, family=family).fit(cov_type="HC0", tol=1e-14, maxiter=200)
        same(fit, "corrected", peer.params, peer.cov_params(), {"rtol": 1e-6, "atol": 1e-9})
        coded = texts["coded"].to_numpy()
        by_hand = sm.GLM(
            votes.to_numpy()[coded], x[coded], family=family, freq_weights=1 / texts["pi"].to_numpy()[coded]
        )
        peer = by_hand.fit(tol=1e-14, maxiter=200)
    estimates = rows(fit, "hand-coded only")["estimate"].to_numpy()
    np.testing.assert_allclose(estimates, peer.params, rtol=1e-6)


def test_a_logit_refuses_what_is_no_share(texts):
    beyond = texts.with_columns(pl.col("y_gold") * 2)
    with pytest.raises(at.AnnotuneError, match=r"the outcome is 2 by hand; in a logit model it is from 0 to 1"):
        correct("y ~ party", beyond, model="logit")


def test_poisson_dsl_is_a_poisson_glm_on_the_corrected_outcome(texts):
    fit = correct("count ~ party + age", texts, model="poisson")
    peer = sm.GLM(outcome(texts, "count_gold", "count"), matrix(texts, ("age",)), family=sm.families.Poisson())
    found = peer.fit(cov_type="HC0", tol=1e-14, maxiter=200)
    same(fit, "corrected", found.params, found.cov_params(), {"rtol": 1e-9, "atol": 1e-11})


def test_fixed_effects_are_dummies(texts):
    fit = correct("y ~ party + age | district", texts)
    dummies = (texts["district"].to_numpy()[:, None] == np.arange(25)) * 1.0
    peer = sm.OLS(outcome(texts), np.hstack([matrix(texts, ("age",))[:, 1:], dummies])).fit(cov_type="HC0")
    same(fit, "corrected", peer.params[:2], peer.cov_params()[:2, :2])
    assert fit.model == "fixed_effects"
    assert fit.tidy()["term"].unique(maintain_order=True).to_list() == ["party[opposition]", "age"]
    by_dummies = correct("y ~ party + age + factor(district)", texts)
    np.testing.assert_allclose(by_dummies.coefficients()["age"], fit.coefficients()["age"], **EXACT)


def test_two_sets_of_fixed_effects_are_dummies_of_both(texts):
    fit = correct("y ~ party + age | district + year", texts, model="fixed_effects", weights="size")
    groups = (texts[name].to_numpy()[:, None] for name in ("district", "year"))
    districts, years = ((group == np.unique(group)) * 1.0 for group in groups)
    x = np.hstack([matrix(texts, ("age",))[:, 1:], districts, years[:, 1:]])
    peer = sm.WLS(outcome(texts), x, weights=texts["size"].to_numpy()).fit(cov_type="HC0")
    same(fit, "corrected", peer.params[:2], peer.cov_params()[:2, :2], {"rtol": 1e-9, "atol": 1e-10})


def test_fixed_effects_with_a_predicted_covariate_are_dummies_too(texts):
    """The profile equations of the slopes are those of slopes and dummies together."""
    data = texts.with_columns(outcome=pl.col("age") + 5 * pl.col("y"), y=(pl.col("y") > 0.5).cast(pl.Float64))
    absorbed = correct("outcome ~ y + age | district", data)
    dummies = correct("outcome ~ y + age + factor(district)", data)
    for method in ("hand-coded only", "corrected"):
        wide = rows(dummies, method)
        places = [wide["term"].to_list().index(term) for term in ("y", "age")]
        covariance = dummies.covariance[method][np.ix_(places, places)]
        same(absorbed, method, wide["estimate"].to_numpy()[places], covariance, {"rtol": 1e-8, "atol": 1e-10})


def test_clusters_of_one_are_robust_errors_and_large_ones_those_of_statsmodels(texts):
    single = texts.with_columns(unit=pl.int_range(pl.len()))
    for model, formula in (("linear", "y ~ party + age"), ("fixed_effects", "y ~ age | district")):
        plain, alone = correct(formula, single, model=model), correct(formula, single, model=model, cluster="unit")
        for method in plain.covariance:
            np.testing.assert_allclose(alone.covariance[method], plain.covariance[method], **EXACT)
    named = texts.with_columns(pl.format("d{}", "district").alias("district"))
    fit = correct("y ~ party + age", named, cluster="district", small_sample=False)
    options = {"groups": texts["district"].to_numpy(), "use_correction": False}
    peer = sm.OLS(outcome(texts), matrix(texts, ("age",))).fit(cov_type="cluster", cov_kwds=options)
    same(fit, "corrected", peer.params, peer.cov_params())
    assert fit.n_clusters == 25


def test_small_samples_are_corrected_as_stata_does(texts):
    fit = correct("y ~ party + age", texts, small_sample=True)
    peer = sm.OLS(outcome(texts), matrix(texts, ("age",))).fit(cov_type="HC1", use_t=True)
    same(fit, "corrected", peer.params, peer.cov_params())
    np.testing.assert_allclose(rows(fit, "corrected")["conf_high"], peer.conf_int()[:, 1], rtol=1e-9)
    fit = correct("y ~ party + age", texts, small_sample=True, cluster="district")
    options = {"groups": texts["district"].to_numpy(), "df_correction": True}
    peer = sm.OLS(outcome(texts), matrix(texts, ("age",))).fit(cov_type="cluster", cov_kwds=options, use_t=True)
    same(fit, "corrected", peer.params, peer.cov_params())
    np.testing.assert_allclose(rows(fit, "corrected")["p_value"], peer.pvalues, rtol=1e-7, atol=1e-12)


def test_a_multinomial_of_two_categories_is_a_logit(texts):
    words = texts.select(
        "party", "age", "pi", "coded", "fold",
        topic=pl.when(pl.col("y") > 0.5).then(pl.lit("yes")).otherwise(pl.lit("no")),
        topic_gold=pl.when(pl.col("y_gold") == 1).then(pl.lit("yes")).when(pl.col("y_gold") == 0).then(pl.lit("no")),
    )  # fmt: skip
    several = correct("topic ~ party + age", words, model="multinomial")
    two = correct("topic == 'yes' ~ party + age", words, model="logit")
    for method in two.covariance:
        same(several, method, rows(two, method)["estimate"], two.covariance[method])
    assert several.tidy()["equation"].unique().to_list() == ["yes"]


def test_naive_multinomial_is_statsmodels_mnlogit(texts):
    cut = pl.when(pl.col("y") < 0.3).then(pl.lit("low")).when(pl.col("y") < 0.6).then(pl.lit("middle"))
    cut = cut.otherwise(pl.lit("top"))
    words = texts.with_columns(topic=cut, topic_gold=pl.when("coded").then(cut))
    fit = correct("topic ~ party + age", words, model="multinomial")
    place = words["topic"].replace_strict({"low": 0, "middle": 1, "top": 2}).to_numpy()
    peer = sm.MNLogit(place, matrix(texts, ("age",))).fit(disp=False, method="newton", tol=1e-14)
    np.testing.assert_allclose(rows(fit, "naive")["estimate"], peer.params.T.ravel(), rtol=1e-8)
    assert next(iter(fit.coefficients())) == "middle: Intercept"


@pytest.fixture(scope="module")
def drawn():
    """300 of 3,000 drawn at random: the frame, and the arrays that PPI's formulas take."""
    rng = np.random.default_rng(9)
    n, n_coded = 3000, 300
    y = rng.normal(2, 1, n)
    hat = y + rng.normal(0.3, 0.7, n)
    coded = np.zeros(n, dtype=bool)
    coded[rng.choice(n, n_coded, replace=False)] = True
    frame = pl.DataFrame({"y_hat": hat, "y_gold": np.where(coded, y, np.nan), "x": rng.normal(size=n) + y})
    return frame.with_columns(pl.col("y_gold").fill_nan(None)), (y[coded], hat[coded], hat[~coded])


def ppi_mean(lam, y, hat, rest):
    """Angelopoulos, Duchi and Zrnic (2023), written out for a mean."""
    estimate = lam * rest.mean() + (y - lam * hat).mean()
    variance = lam**2 * rest.var() / len(rest) + (y - lam * hat).var() / len(y)
    return estimate, np.sqrt(variance)


@pytest.mark.parametrize("lam", [0.0, 0.35, 1.0])
def test_ppi_mean_and_its_error_for_any_lambda(drawn, lam):
    row = rows(correct("y ~ 1", drawn[0], method="ppi", pi=0.1, power=lam), "corrected").row(0, named=True)
    np.testing.assert_allclose((row["estimate"], row["std_error"]), ppi_mean(lam, *drawn[1]), **EXACT)


def test_ppi_takes_the_published_best_lambda(drawn):
    frame, (y, hat, rest) = drawn
    shared = 2 * ((y - y.mean()) * (hat - hat.mean())).mean()
    lam = shared / (2 * (1 + len(y) / len(rest)) * np.concatenate([hat, rest]).var())
    fit = correct("y ~ 1", frame, method="ppi", pi=0.1)
    np.testing.assert_allclose(rows(fit, "corrected")["estimate"][0], ppi_mean(lam, y, hat, rest)[0], **EXACT)
    assert f"lambda is {lam:.3f}" in fit.summary()
    assert rows(fit, "corrected")["std_error"][0] < rows(fit, "hand-coded only")["std_error"][0]


def test_the_dsl_mean_is_ppi_with_lambda_the_share_not_coded(drawn):
    dsl = correct("y ~ 1", drawn[0], pi=0.1)
    np.testing.assert_allclose(dsl.coefficients()["Intercept"], ppi_mean(0.9, *drawn[1])[0], **EXACT)


@pytest.mark.parametrize("model", ["linear", "logit", "poisson"])
def test_dsl_is_ppi_with_lambda_the_share_not_coded(drawn, model):
    frame = drawn[0] if model == "linear" else drawn[0].with_columns((pl.col("y_hat", "y_gold") > 2).cast(pl.Float64))
    ppi = correct("y ~ x", frame, model=model, method="ppi", pi=0.1, power=0.9)
    pair = correct("y ~ x", frame, model=model, pi=0.1), ppi
    np.testing.assert_allclose(*(rows(fit, "corrected")["estimate"] for fit in pair), **EXACT)


def test_a_lambda_of_nothing_is_the_hand_coded_estimate(drawn):
    fit = correct("y ~ x", drawn[0], method="ppi", pi=0.1, power=0)
    np.testing.assert_allclose(*(rows(fit, method)["estimate"] for method in ("corrected", "hand-coded only")), **EXACT)


def test_no_correction_gives_two_rows_a_coefficient(texts):
    fit = correct("y ~ party", texts.drop("pi", "fold"), method="none")
    assert fit.tidy()["method"].to_list() == ["hand-coded only", "naive"] * 2
    with pytest.raises(at.AnnotuneError, match="no estimates by 'corrected'"):
        fit.coefficients()


def written_out(texts, mean, q=1):
    """DSL's equations as they are in the paper, solved by scipy with a numeric derivative: estimates, covariance."""
    from scipy.optimize import approx_fprime, root

    def scores(beta):
        table = beta.reshape(q, -1).T
        each = [
            np.concatenate([x * (y - mean(x @ table))[:, [j]] for j in range(q)], axis=1)
            for x, y in ((texts["x"], texts["y"]), (texts["x_gold"], texts["y_gold"]))
        ]
        ratio = (texts["coded"] / texts["pi"])[:, None]
        return each[0] + ratio * (each[1] - each[0])

    beta = root(lambda b: scores(b).sum(axis=0), np.zeros(texts["x"].shape[1] * q), tol=1e-13).x
    slope = approx_fprime(beta, lambda b: scores(b).sum(axis=0), 1e-7)
    bread = np.linalg.inv(slope)
    return beta, bread @ scores(beta).T @ scores(beta) @ bread.T


@pytest.mark.parametrize("model", ["linear", "logit", "poisson"])
def test_predicted_outcome_and_covariate_solve_the_equations_of_the_paper(model):
    rng = np.random.default_rng(4)
    n = 1500
    z, coded = rng.normal(size=n), rng.random(n) < 0.3
    topic = (rng.random(n) < 0.4) * 1.0
    y = (rng.random(n) < 1 / (1 + np.exp(-topic - 0.3 * z))) * 1.0
    said, guess = abs(topic - (rng.random(n) < 0.15)), abs(y - (rng.random(n) < 0.1 + 0.1 * topic))
    gold = {"topic_gold": np.where(coded, topic, np.nan), "y_gold": np.where(coded, y, np.nan)}
    frame = pl.DataFrame({"topic": said, "y_hat": guess, "z": z, **gold})
    means = {"linear": lambda eta: eta, "logit": lambda eta: 1 / (1 + np.exp(-eta)), "poisson": np.exp}
    one = np.ones(n)
    parts = {
        "x": np.column_stack([one, said, z]), "y": guess[:, None], "x_gold": np.column_stack([one, topic, z]),
        "y_gold": y[:, None], "coded": coded, "pi": 0.3,
    }  # fmt: skip
    beta, covariance = written_out(parts, means[model])
    fit = correct("y ~ topic + z", frame, model=model, pi=0.3)
    np.testing.assert_allclose(rows(fit, "corrected")["estimate"], beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.covariance["corrected"], covariance, rtol=1e-5, atol=1e-8)


def test_a_multinomial_solves_the_equations_of_the_paper():
    rng = np.random.default_rng(6)
    n, labels = 1500, np.array(["a", "b", "c"])
    x, coded = rng.normal(size=n), rng.random(n) < 0.3
    truth = rng.integers(0, 3, n)
    said = np.where(rng.random(n) < 0.8, truth, rng.integers(0, 3, n))
    chance = 0.06 + 0.82 * (said[:, None] == np.arange(3))
    gold = pl.Series([labels[t] if c else None for t, c in zip(truth, coded, strict=True)])
    shares = {f"topic_p_{label}": chance[:, i] for i, label in enumerate(labels)}
    frame = pl.DataFrame({"x": x, "topic": labels[said], "topic_gold": gold, **shares})

    def mean(eta):
        parts = np.exp(eta)
        return parts / (1 + parts.sum(axis=1, keepdims=True))

    design = np.column_stack([np.ones(n), x])
    gold_columns = (truth[:, None] == np.arange(1, 3)) * 1.0
    parts = {"x": design, "y": chance[:, 1:], "x_gold": design, "y_gold": gold_columns, "coded": coded, "pi": 0.3}
    beta, covariance = written_out(parts, mean, q=2)
    fit = correct("topic ~ x", frame, model="multinomial", pi=0.3)
    np.testing.assert_allclose(rows(fit, "corrected")["estimate"], beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.covariance["corrected"], covariance, rtol=1e-5, atol=1e-8)
