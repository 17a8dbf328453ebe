"""Is the error related to covariates? Against R's glm with sandwich, and by simulation."""

import shutil
import subprocess
from itertools import product

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import chi2_contingency, norm, t

import annotune as at
from annotune.correction.logit import Design, fit_logit


def simulated(n=400, seed=1, slope=0.0, share=0.25):
    """n hand-coded texts: `wrong` depends on party and years with `slope`, in 40 documents of 10."""
    rng = np.random.default_rng(seed)
    party, year = rng.choice(["left", "middle", "right"], n, p=[0.5, 0.3, 0.2]), rng.integers(2000, 2010, n)
    odds = np.log(share / (1 - share)) + slope * (party == "right") + 0.05 * slope * (year - 2005)
    wrong = rng.random(n) < 1 / (1 + np.exp(-odds))
    gold = rng.choice(["a", "b"], n)
    said = np.where(wrong, np.where(gold == "a", "b", "a"), gold)
    document = np.arange(n) // 10
    return pl.DataFrame(
        {
            "topic": said,
            "topic_gold": gold,
            "party": party,
            "year": year,
            "document": document,
            "weight": rng.uniform(1, 4, n),
        }
    )


R = """
library(sandwich); options(digits = 15)
d <- read.csv(commandArgs(TRUE)[1]); d$wrong <- d$topic != d$topic_gold
if (commandArgs(TRUE)[2] == "no") d$weight <- 1
fit <- glm(wrong ~ party + year, quasibinomial, d, weights = weight, control = list(epsilon = 1e-14))
V <- if (commandArgs(TRUE)[3] == "no") vcovHC(fit, type = "HC1") else vcovCL(fit, ~ document, type = "HC1")
W <- coef(fit)[-1] %*% solve(V[-1, -1]) %*% coef(fit)[-1]
if (commandArgs(TRUE)[3] == "yes") {  # Rao's test, with one correlation of the residuals of a document
  p <- fitted(glm(wrong ~ 1, quasibinomial, d, weights = weight, control = list(epsilon = 1e-14)))
  D <- model.matrix(fit)[, -1]; u <- d$weight
  Z <- u * (D - rep(1, nrow(D)) %o% (colSums(u * D) / sum(u)))
  S <- Z * sqrt(p * (1 - p)); r <- (d$wrong - p) / sqrt(p * (1 - p)); m <- table(d$document)
  rho <- max(0, sum(rowsum(r, d$document)^2) - sum(r^2)) / sum(m * (m - 1))
  U <- colSums(Z * (d$wrong - p)); B <- crossprod(S) + rho * (crossprod(rowsum(S, d$document)) - crossprod(S))
  W <- U %*% solve(B, U) / 3
}
cat(coef(fit), sqrt(diag(V)), W, "\\n")
w <- d$weight / sum(d$weight); at <- function(p) predict(fit, transform(d, party = p), type = "response")
X <- function(p) model.matrix(~ party + year, transform(d, party = factor(p, c("left", "middle", "right"))))
g <- colSums(w * (at("right") * (1 - at("right")) * X("right") - at("left") * (1 - at("left")) * X("left")))
cat(sum(w * (at("right") - at("left"))), sqrt(g %*% V %*% g), "\\n")
"""


@pytest.mark.parametrize(("weighted", "clustered"), list(product(["no", "yes"], repeat=2)))
def test_it_is_glm_with_sandwich_in_r(tmp_path, weighted, clustered):
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")
    frame = simulated(slope=0.8).with_columns(document=pl.int_range(400) // 5)
    frame.write_csv(tmp_path / "data.csv")
    (tmp_path / "fit.R").write_text(R)
    done = subprocess.run(
        ["Rscript", "fit.R", "data.csv", weighted, clustered], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    figures, effect = (np.array(line.split(), dtype=float) for line in done.stdout.splitlines())
    if weighted == "yes":
        uncoded = frame.with_columns(topic_gold=pl.lit(None, pl.String))  # so that n is what pi lets expect
        frame = pl.concat([frame, uncoded]).with_columns(pi=0.999 / pl.col("weight"))
    found = at.error_model(frame, "party + year", cluster="document" if clustered == "yes" else None)
    assert found.coefficients["term"].to_list() == ["Intercept", "party[middle]", "party[right]", "year"]
    np.testing.assert_allclose(found.coefficients["estimate"], figures[:4], rtol=1e-7)
    np.testing.assert_allclose(found.coefficients["std_error"], figures[4:8], rtol=1e-6)
    assert found.tests["statistic"][0] == pytest.approx(figures[8], rel=1e-6)
    right = found.effects.row(1, named=True)
    assert (right["covariate"], right["level"], right["reference"]) == ("party", "right", "left")
    assert (right["difference"], right["std_error"]) == pytest.approx(tuple(effect), rel=1e-6)


def test_with_one_category_the_difference_is_that_of_the_shares():
    """Saturated: 6 of 30 against 12 of 40, and the standard error of a difference of shares, times n / (n - k)."""
    wrong = [1] * 6 + [0] * 24 + [1] * 12 + [0] * 28
    frame = pl.DataFrame({"y_hat": wrong, "y_gold": [0] * 70, "side": ["a"] * 30 + ["b"] * 40})
    effect = at.error_model(frame, ["side"]).effects.row(0, named=True)
    assert effect["difference"] == pytest.approx(0.3 - 0.2)
    assert effect["std_error"] == pytest.approx(np.sqrt((0.2 * 0.8 / 30 + 0.3 * 0.7 / 40) * 70 / 68))
    assert effect["detectable"] / effect["std_error"] == pytest.approx(1.959964 + 0.841621, abs=1e-5)


def test_evidence_is_told_with_the_difference():
    found = at.error_model(simulated(800, slope=1.2), ["party", "year"])
    assert found.outcome == "evidence"
    assert "Errors about topic are related to party + year (joint Wald test, p < .001" in found.verdict
    assert "with party = right, against left, they are" in found.verdict
    assert found.note.startswith("topic: prediction errors are related to party + year (p < .001, 800 hand-coded")


def test_no_evidence_is_told_with_what_could_have_been_found():
    found = at.error_model(simulated(seed=3), "party")
    assert found.outcome == "none detected"
    largest = 100 * found.effects["detectable"].max()
    assert f"differences of {largest:.1f} percentage points" in found.verdict
    assert "does not prove that there is none" in found.verdict
    assert len(found.note) < 120


@pytest.mark.parametrize("share", [0.0, 0.02, 0.98])
def test_too_few_errors_or_too_few_without_are_told_apart_from_no_relation(share):
    found = at.error_model(simulated(100, share=share) if share else _without_errors(), ["party", "year"])
    assert (found.outcome, len(found.effects), len(found.tests)) == ("too few", 0, 0)
    assert f"{found.n_wrong} of 100 hand-coded texts have a wrong prediction" in found.verdict
    assert "too few wrong predictions" in found.note


def _without_errors():
    return simulated(100).with_columns(topic="topic_gold")


def test_too_few_clusters_for_the_coefficients_are_told():
    few = simulated(slope=1.0).with_columns(country=pl.col("document") % 3)
    verdict = at.error_model(few, "party", cluster="country").verdict
    assert "3 clusters cannot carry the standard errors of 2 coefficients" in verdict


def test_a_category_without_errors_is_no_evidence_by_itself():
    """18 of 180 against 0 of 20: the chi-squared test of the table, by scipy."""
    table = np.array([[162, 18], [20, 0]])
    frame = pl.DataFrame(
        {"y_hat": [0] * 162 + [1] * 18 + [0] * 20, "y_gold": [0] * 200, "side": ["a"] * 180 + ["b"] * 20}
    )
    found = at.error_model(frame, "side")
    assert found.outcome == "none detected"
    peer = chi2_contingency(table, correction=False)
    assert found.tests.row(0)[1:5] == (pytest.approx(peer.statistic), 1, pytest.approx(peer.pvalue), "score")


def test_the_score_test_of_counts_by_group_is_rs(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")
    rng = np.random.default_rng(2)
    party, year = rng.choice(list("abcd"), 300, p=[0.5, 0.3, 0.15, 0.05]), rng.integers(0, 9, 300)
    frame = pl.DataFrame({"party": party, "year": year, "y_hat": (rng.random(300) < 0.12) * 1, "y_gold": [0] * 300})
    frame.write_csv(tmp_path / "data.csv")
    script = """d <- read.csv("data.csv"); fit <- function(f) glm(f, binomial, d, control = list(epsilon = 1e-14))
    rao <- function(a, b) cat(anova(fit(a), fit(b), test = "Rao")$Rao[2], "")
    options(digits = 15); rao(y_hat ~ 1, y_hat ~ party + year); rao(y_hat ~ year, y_hat ~ party + year)"""
    done = subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    tests = at.error_model(frame, "party + year").tests
    assert tests["test"].to_list() == ["score", "score", "wald"]
    np.testing.assert_allclose(tests["statistic"][:2], np.array(done.stdout.split(), dtype=float), rtol=1e-6)


@pytest.mark.parametrize(("clusters", "most"), [(None, 0.1), (12, 0.1), (30, 0.1)])
def test_unrelated_errors_in_four_groups_are_found_related_in_few_samples(clusters, most):
    """In 16 to 54 of 100, where the variance of the errors was taken from the few that each group has."""
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        cluster = rng.integers(0, clusters or 400, 400)
        chance = expit(-2.2 + (0.8 * rng.normal(size=clusters)[cluster] if clusters else np.zeros(400)))
        party = rng.choice(list("abcd"), 400, p=[0.5, 0.3, 0.15, 0.05])
        party = np.array(list("abcd"))[cluster % 4] if clusters else party
        wrong = (rng.random(400) < chance) * 1
        frame = pl.DataFrame({"party": party, "cluster": cluster, "y_hat": wrong, "y_gold": [0] * 400})
        found.append(at.error_model(frame, "party", cluster="cluster" if clusters else None).outcome == "evidence")
    assert np.mean(found) <= most


def test_strong_relations_are_found_with_few_clusters():
    frame = simulated(600, slope=2.0).with_columns(country=pl.col("document") % 12)
    found = at.error_model(frame, "party", cluster="country")
    assert found.outcome == "evidence"
    assert (found.tests["test"][0], found.tests["df_residual"][0]) == ("score", 11)
    assert "With 12 clusters only strong relations are detected." in found.verdict


def test_few_clusters_have_cr2_and_its_degrees_of_freedom():
    """Pustejovsky and Tipton (2018), eq. 5 to 11, with matrices of all texts in place of sums by cluster."""
    frame = simulated(200, slope=1.0).with_columns(country=(pl.col("document") ** 2) % 11)
    country = frame["country"].to_numpy()
    design, wrong = Design.of("party", frame), (frame["topic"] != frame["topic_gold"]).to_numpy()
    fit = fit_logit(wrong, design, np.ones(200), country)
    p = expit(design.matrix @ fit.params)
    x, rest = design.matrix * np.sqrt(p * (1 - p))[:, None], (wrong - p) / np.sqrt(p * (1 - p))
    inverse = np.linalg.inv(x.T @ x)
    left = np.eye(200) - x @ inverse @ x.T
    effects, along = np.zeros((3, 3)), []
    for place in np.unique(country):
        own = np.flatnonzero(country == place)
        values, vectors = np.linalg.eigh(left[np.ix_(own, own)])
        adjusted = x[own].T @ vectors / np.sqrt(values) @ vectors.T
        effects += np.outer(inverse @ adjusted @ rest[own], inverse @ adjusted @ rest[own])
        along.append((inverse @ adjusted)[1] @ left[own])
    products = np.array(along) @ np.array(along).T
    np.testing.assert_allclose(fit.covariance, effects, rtol=1e-8)
    degrees = np.trace(products) ** 2 / (products**2).sum()
    row = fit.coefficients().row(1, named=True)
    assert fit.few.df(np.eye(3))[1] == pytest.approx(degrees, rel=1e-6)
    assert row["conf_high"] == pytest.approx(row["estimate"] + t.ppf(0.975, degrees) * row["std_error"])


def test_the_test_rejects_a_true_null_about_as_often_as_it_says():
    """Rao's and Wald's test at 5 %, 200 draws: within three standard errors."""
    wald, score = [], []
    for seed in range(200):
        frame = simulated(200, seed=seed)
        design = Design.of("party", frame)
        wrong = (frame["topic"] != frame["topic_gold"]).to_numpy()
        fit = fit_logit(wrong, design, np.ones(200), np.arange(200))
        wald.append(fit.tests()["p_value"][0] < 0.05)
        score.append(fit._score(np.array([1, 2])) > 5.991)
    assert np.mean(wald) == pytest.approx(0.05, abs=0.046)
    assert np.mean(score) == pytest.approx(0.05, abs=0.046)


def test_a_detectable_difference_is_found_four_times_in_five():
    rng, found = np.random.default_rng(5), []
    detectable = np.sqrt(0.2 * 0.8 / 200 + 0.33 * 0.67 / 200) * (norm.ppf(0.975) + norm.ppf(0.8))
    side = np.repeat(["a", "b"], 200)
    for _ in range(120):
        wrong = rng.random(400) < np.where(side == "a", 0.2, 0.2 + detectable)
        frame = pl.DataFrame({"y_hat": wrong.astype(int), "y_gold": np.zeros(400, int), "side": side})
        found.append(at.error_model(frame, "side").outcome == "evidence")
    assert np.mean(found) == pytest.approx(0.8, abs=0.11)


def test_a_category_without_errors_is_tested_all_the_same():
    """Wald's test has no answer to log odds of minus infinity."""
    rng = np.random.default_rng(0)
    side = np.repeat(["a", "b", "c"], 60)
    wrong = np.where(side == "a", False, rng.random(180) < 0.3)
    frame = pl.DataFrame({"y_hat": wrong.astype(int), "y_gold": [0] * 180, "side": side, "x": rng.normal(size=180)})
    found = at.error_model(frame, ["side", "x"])
    assert found.outcome == "evidence"
    assert found.tests["test"].to_list() == ["score", "score", "wald"]
    assert found.coefficients.filter(term="side[b]")["estimate"][0] is None
    assert found.effects["difference"][0] == pytest.approx(wrong[side == "b"].mean(), abs=0.02)
    assert found.effects["std_error"][:2].to_list() == [None, None]
    assert "nan" not in found.verdict.lower()


def test_errors_about_one_label():
    frame = pl.DataFrame(
        {
            "topic": ["a", "b", "c", "c"] * 30,
            "topic_gold": ["a", "b", "c", "b"] * 30,
            "side": (["x"] * 7 + ["y"] * 3) * 12,
        }
    )
    assert at.error_model(frame, "side").n_wrong == 30
    assert at.error_model(frame, "side", label="a").n_wrong == 0
    assert at.error_model(frame, "side", label="b").n_wrong == 30


def test_formulas_have_interactions_functions_and_names_with_blanks():
    frame = simulated(600, slope=1.0).rename({"year": "year of speech"})
    found = at.error_model(frame, "party * `year of speech`")
    assert found.tests["covariate"].to_list() == [None, "party", "year of speech", "party:year of speech"]
    assert found.effects["covariate"].to_list() == ["party", "party", "year of speech"]
    same = at.error_model(frame, ["party", "year of speech"])
    assert same.coefficients["term"].to_list()[-1] == "year of speech"
    categories = at.error_model(frame, "factor(`year of speech`)")
    assert categories.effects["reference"].unique().to_list() == ["2000"]
    assert len(categories.effects) == 9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-3, 3))
def test_units_and_constants_of_a_covariate_do_not_matter(seed, scale, shift):
    frame = simulated(150, seed=seed)
    moved = frame.with_columns(year=(pl.col("year") - 2005) * scale + shift)
    one, other = (at.error_model(table, "year") for table in (frame, moved))
    assert one.outcome == other.outcome
    assert one.tests["p_value"][0] == pytest.approx(other.tests["p_value"][0], rel=1e-5)
    assert one.effects["difference"][0] == pytest.approx(other.effects["difference"][0], rel=1e-5, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_texts_and_uncoded_ones_do_not_matter(seed):
    frame = simulated(120, seed=seed)
    more = pl.concat([frame, frame.with_columns(topic_gold=pl.lit(None, pl.String))]).sample(
        fraction=1, shuffle=True, seed=seed
    )
    one, other = (at.error_model(table, "party") for table in (frame, more))
    assert one.verdict == other.verdict
    assert one.n_coded == other.n_coded == 120


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({}, {"covariates": "partei"}, "no column 'partei'.*Did you mean 'party'"),
        ({}, {"covariates": []}, "No covariate was named"),
        ({}, {"covariates": 3}, "covariates= .*Give a text or a list"),
        ({}, {"covariates": "party +"}, "formula 'party \\+' cannot be used|cannot be read"),
        ({}, {"covariates": "party + system('ls')"}, "function 'system' is not known"),
        ({}, {"covariates": "0 + party"}, "has no constant"),
        ({}, {"covariates": "1"}, "names no covariate"),
        ({}, {"covariates": "party | document"}, "has fixed effects"),
        ({}, {"variable": "tone"}, "no column 'tone_gold'"),
        ({}, {"label": "z"}, "No text has the label 'z'"),
        ({}, {"cluster": "dok"}, "no column 'dok'"),
        ({"party": pl.lit("left")}, {}, "'party' is the same for all 400"),
        (
            {"year": pl.when(pl.col("party") == "left").then(1).otherwise(0)},
            {"covariates": "party + year"},
            "determine each",
        ),
        ({"party": pl.lit([1, 2])}, {}, "'party' holds lists"),
        ({"document": pl.lit(1)}, {"cluster": "document"}, "are in one cluster"),
        ({"document": pl.lit(None)}, {"cluster": "document"}, "'document' is empty for 400"),
        ({"topic_gold": pl.lit(None)}, {}, "No text has a hand-coded label"),
        ({"topic": pl.lit(None)}, {}, "No text has a prediction"),
        ({"topic": pl.lit(0.4)}, {}, "fractions, not labels"),
        ({"pi": pl.lit(0.0)}, {}, "pi is 0 for 400 texts"),
        ({"fold": pl.lit(None)}, {}, "400 of 400 hand-coded texts have no 'fold': their model was tuned on them"),
        ({"coded": pl.lit("perhaps")}, {}, "'coded' does not say which texts were coded"),
        ({}, {"covariates": "log(year - 2005)"}, "gives no number for"),
        ({}, {"covariates": "log(topic) ~ party"}, "does not explain a coded variable"),
        ({}, {"covariates": "topic == 'a' ~ party", "label": "b"}, "is not about 'topic'"),
        ({"document": pl.lit(" ")}, {"cluster": "document"}, "'document' is empty for 400"),
    ],
)
def test_what_cannot_be_is_one_sentence(change, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.error_model(simulated().with_columns(**change), **({"covariates": "party"} | options))


def test_missing_covariates_are_counted_and_left_out():
    frame = simulated().with_columns(year=pl.when(pl.col("document") > 3).then("year"))
    with pytest.warns(at.AnnotuneWarning, match="40 of 400 hand-coded texts lack a covariate"):
        assert at.error_model(frame, "year").n_coded == 360


def test_an_empty_frame_and_a_single_row_are_one_sentence():
    with pytest.raises(at.AnnotuneError, match="No text has a prediction"):
        at.error_model(simulated()[:0], "party")
    with pytest.raises(at.AnnotuneError, match="is the same for all 1"):
        at.error_model(simulated()[:1], "party")


@pytest.mark.parametrize("sign", ["==", "!="])
def test_a_label_in_the_formula_is_compared_with_all_others(sign):
    """Among the others no difference was estimated, and none is stated."""
    found = at.error_model(simulated(4000, slope=1.0), f"party {sign} 'right'")
    row = found.effects.row(0, named=True)
    frame = simulated(4000, slope=1.0).with_columns(wrong=pl.col("topic") != pl.col("topic_gold"))
    shares = [frame.filter((pl.col("party") == "right") == side)["wrong"].mean() for side in (True, False)]
    assert (len(found.effects), row["level"], row["reference"]) == (1, "right", "all others")
    assert row["difference"] == pytest.approx(shares[0] - shares[1])
    assert "with party = right, against all others, they are" in found.verdict


def test_a_covariate_with_a_long_tail_has_a_finite_estimate():
    """Statsmodels' own, though errors are all but certain in the longest texts."""
    rng = np.random.default_rng(4)
    length = rng.lognormal(5, 1.2, 4000)
    gold, wrong = rng.integers(0, 2, 4000), rng.random(4000) < 1 / (1 + np.exp(2.2 - 0.004 * length))
    frame = pl.DataFrame({"y_gold": gold, "y_hat": np.where(wrong, 1 - gold, gold), "length": length})
    found = at.error_model(frame, "length")
    theirs = sm.Logit(wrong.astype(float), sm.add_constant(length)).fit(disp=0)
    assert found.coefficients["estimate"][1] == pytest.approx(theirs.params[1], rel=1e-4)
    assert found.coefficients["std_error"][1] == pytest.approx(theirs.bse[1], rel=0.1)
    assert found.tests["test"][0] == "wald"


def test_a_whole_formula_says_which_label_is_meant():
    frame = simulated()
    assert at.error_model(frame, "topic == 'a' ~ party").verdict == at.error_model(frame, "party", label="a").verdict


def test_blanks_are_no_category():
    frame = simulated().with_columns(party=pl.when(pl.col("document") < 3).then(pl.lit(" ")).otherwise("party"))
    with pytest.warns(at.AnnotuneWarning, match="30 of 400 hand-coded texts lack a covariate"):
        assert set(at.error_model(frame, "party").effects["reference"]) == {"left"}


def test_categories_do_without_the_packages_of_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    rows = simulated().with_columns(
        pl.col("party").cast(pl.Enum(["middle", "left", "right"])), late=pl.col("year") > 2004
    )
    design = Design.of("party * late + year", rows)
    assert design.names == [
        "Intercept",
        "party[left]",
        "party[right]",
        "late[True]",
        "year",
        "party[left]:late[True]",
        "party[right]:late[True]",
    ]
