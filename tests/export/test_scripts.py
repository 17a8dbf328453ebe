"""The scripts beside the data: R runs its one, and finds what statsmodels finds."""

import shutil
import subprocess

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import annotune as at
from annotune.export.scripts import Regression

LABELS = ["Health", 'Law "x"']
FORMULA = "topic == 'Law \"x\"' ~ party + year"
CODEBOOK = at.Codebook(
    variables=(at.Variable(name="topic", labels=(at.Label(code=3, name="Health"), at.Label(code=1, name=LABELS[1]))),)
)


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(1)
    n = 200
    gold = [LABELS[k] if k < 2 else None for k in draw.integers(0, 4, n)]
    return pl.DataFrame(
        {
            "unit_id": [str(i) for i in range(n)],
            "topic": draw.choice(LABELS, n),
            "topic_gold": pl.Series(gold, dtype=pl.Enum(LABELS)),
            "party": pl.Series(draw.choice(["left", "right", "far"], n), dtype=pl.Enum(["right", "left", "far"])),
            "country": draw.choice(["NL", "UK"], n),
            "year": draw.integers(2000, 2020, n),
            "dsl y": draw.random(n) * 3 - 1,
            "pi": draw.choice([0.25, 0.5], n),
        }
    )


def hc0(data, y, weights=None):
    """Estimates and robust standard errors by statsmodels: intercept, left, far, year."""
    x = np.column_stack([np.ones(len(data)), data["party"] == "left", data["party"] == "far", data["year"]]).astype(
        float
    )
    rows = ~np.isnan(y)
    model = sm.WLS(y[rows], x[rows], 1 if weights is None else weights[rows]).fit(cov_type="HC0")
    return np.column_stack([model.params, model.bse])


@pytest.mark.parametrize(("suffixes", "weight"), [((".dta", ".rds"), None), ((".dta",), None), ((".dta",), "counts")])
def test_r_runs_the_script_and_agrees_with_statsmodels(tmp_path, data, suffixes, weight):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    data = data.with_columns(counts=1 + pl.int_range(pl.len()) % 3 / 2)  # of several waves, in place of 1 / pi
    regression = Regression(FORMULA, corrected="dsl y", gold="topic_gold", probability="pi", weight=weight)
    paths = [tmp_path / f"results{suffix}" for suffix in suffixes]
    labels = {"party": {0: "right", 1: "left", 2: "far"}}
    at.write(data, paths, codebook=CODEBOOK, labels=labels, notes=["seed 1"], regressions=[regression])
    tell = "for (model in list(plain_1, hand_1, corrected_1)) "
    tell += "write.table(robust(model)[1:2], 'found.txt', append = TRUE, col.names = FALSE)"
    with (tmp_path / "results.R").open("a") as script:
        script.write(tell)
    run = subprocess.run(["Rscript", "results.R"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert "seed 1" in run.stdout
    found = np.loadtxt(tmp_path / "found.txt", usecols=(1, 2))
    code = {None: np.nan, LABELS[0]: 0.0, LABELS[1]: 1.0}
    plain, gold = (np.array([code[label] for label in data[name]]) for name in ("topic", "topic_gold"))
    stands_for = (1 / data["pi"] if weight is None else data[weight]).to_numpy()
    wanted = [hc0(data, plain), hc0(data, gold, stands_for), hc0(data, data["dsl y"].to_numpy())]
    np.testing.assert_allclose(found, np.vstack(wanted), rtol=1e-6)


@pytest.mark.parametrize("cluster", [None, "country"])
def test_r_solves_the_corrected_logit_as_statsmodels_does(tmp_path, data, cluster):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    data = data.with_columns(pl.Series("country", np.random.default_rng(2).choice(["NL", "UK", "DE", "FR"], len(data))))
    formula = FORMULA.replace("year", "C(era)")
    data = data.with_columns((pl.col("year") // 10).alias("era"))
    regression = Regression(formula, "dsl y", "topic_gold", "pi", "logit", cluster)
    at.write(data, tmp_path / "r.rds", codebook=CODEBOOK, regressions=[regression])
    tell = "cluster <- NULL" if cluster is None else f"cluster <- ~ {cluster}"
    tell += "\nwrite.table(rbind(robust(plain_1, cluster), corrected_1)[1:2], 'found.txt', col.names = FALSE)"
    with (tmp_path / "r.R").open("a") as script:
        script.write(tell)
    run = subprocess.run(["Rscript", "r.R"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    party, era = data["party"], data["era"]
    x = np.column_stack([np.ones(len(data)), party == "left", party == "far", era == 201]).astype(float)
    cov = {"cov_type": "HC0"}
    if cluster:
        groups = data[cluster].rank("dense").to_numpy()
        cov = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}}
    wanted = []
    for y in ((data["topic"] == LABELS[1]).cast(float).to_numpy(), data["dsl y"].to_numpy()):
        fit = sm.GLM(y, x, sm.families.Binomial()).fit(tol=1e-14, **cov)
        wanted.append(np.column_stack([fit.params, fit.bse]))
    np.testing.assert_allclose(np.loadtxt(tmp_path / "found.txt", usecols=(1, 2)), np.vstack(wanted), rtol=1e-6)


def test_the_do_file_solves_the_corrected_logit_by_gmm(tmp_path, data):
    regression = Regression(FORMULA.replace("year", "C(year)"), "dsl y", "topic_gold", "pi", "logit", "country")
    at.write(data, tmp_path / "r.dta", codebook=CODEBOOK, regressions=[regression])
    lines = (tmp_path / "r.do").read_text().splitlines()
    right = "ib1.party i.year"
    assert f"logit plain_1_y {right}, vce(cluster country)" in lines
    assert f"logit hand_1_y {right} [pweight = hand_1_w], vce(cluster country)" in lines
    moments = f"gmm (dsl_y - invlogit({{xb: {right} _cons}})), instruments({right}) onestep vce(cluster country)"
    assert moments in lines
    assert "estimates table plain_1 hand_1 corrected_1, b(%9.4f) se(%9.4f) stats(N) equations(1)" in lines


@pytest.mark.parametrize(("suffix", "options"), [(".dta", {}), (".rds", {"labelled": True})])
def test_labelled_columns_enter_as_factors_and_numbers_stay_numbers(tmp_path, suffix, options):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    income = [1.0, 2, 4, 3, 6, None, 7, 5]
    data = pl.DataFrame({"income": income, "party": [1, 2, 3, 1, 2, 3, 1, 2], "topic": ["a", "b"] * 4})
    data = data.with_columns(country=pl.Series(["NL", None, "NL", "UK", "UK", "NL", "UK", "NL"]))
    data = data.with_columns(income_missing=pl.when(pl.col("income").is_null()).then(pl.lit(".a refused")))
    labels = {"party": {3: "left", 1: "centre", 2: "right"}, "topic": {4: "a", 2: "b"}}
    formulas = ["topic == 'a' ~ income + party + country"]
    at.write(data, tmp_path / f"d{suffix}", labels=labels, regressions=formulas, **options)
    with (tmp_path / "d.R").open("a") as script:
        script.write("cat(names(coef(plain_1)), sum(plain_1$model$plain_1_y), sep = ' ', file = 'found.txt')")
    run = subprocess.run(["Rscript", "d.R"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "found.txt").read_text() == "(Intercept) income partycentre partyright countryUK 4"
    if suffix == ".dta":  # which stops at nothing but a regression
        assert "capture noisily tabulate party, missing" in (tmp_path / "d.do").read_text()


def test_the_do_file_names_codes_and_factors(tmp_path, data):
    formulas = [FORMULA.replace("party", "party*country"), "year ~ 1"]
    at.write(data, tmp_path / "r.dta", codebook=CODEBOOK, labels={"party": {-1: "right", 1: "left", 2: "far"}},
             regressions=[Regression(formulas[0], "dsl y"), formulas[1]])  # fmt: skip
    lines = (tmp_path / "r.do").read_text().splitlines()
    assert lines[1] == 'use "r.dta", clear'
    assert "generate byte plain_1_y = topic == 1 if !missing(topic)" in lines
    assert "egen party_factor = group(party), label" in lines  # Stata's factors have no negative codes
    assert "egen country_factor = group(country), label" in lines  # and no text
    assert "regress plain_1_y i.party_factor##i.country_factor c.year, vce(robust)" in lines
    assert "regress dsl_y i.party_factor##i.country_factor c.year, vce(robust)" in lines
    assert "estimates table plain_1 corrected_1, b(%9.4f) se(%9.4f) stats(N)" in lines


def test_the_first_label_of_the_codebook_is_the_base(tmp_path, data):
    at.write(data, tmp_path / "r.dta", codebook=CODEBOOK, regressions=["year ~ topic"])
    assert "regress year ib3.topic, vce(robust)" in (tmp_path / "r.do").read_text().splitlines()


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("topic", "no formula"),
        ("topic == 'Healt' ~ year", "Did you mean 'Health'"),
        ("topc == 'Health' ~ year", "Did you mean 'topic'"),
        ("topic == 'Health' ~ yaer", "Did you mean 'year'"),
        ("topic ~ year", "is not numeric"),
        ("country == 'NL' ~ year", "has no labels"),
        (Regression("topic == 'Health' ~ year", corrected="dsl"), "no column 'dsl'"),
        (Regression("topic == 'Health' ~ year", gold="country"), "has no labels"),
    ],
)
def test_a_wrong_formula_stops_before_anything_is_written(tmp_path, data, formula, words):
    with pytest.raises(at.AnnotuneError, match=words):
        at.write(data, tmp_path / "r.dta", codebook=CODEBOOK, regressions=[formula])
    assert list(tmp_path.iterdir()) == []


def test_a_label_may_hold_the_sign_of_a_formula():
    regression = Regression("topic == 'war ~ peace' ~ year + party")
    assert regression.sides == ("topic == 'war ~ peace'", "year + party")
    assert regression.columns == ["year", "party"]


def test_both_scripts_compare_with_the_category_that_was_chosen(tmp_path, data):
    formula = "topic == 'Health' ~ relevel(party, ref = 'left') + country + factor(year)"
    regression = Regression(formula, "dsl y", references={"country": "UK", "year": "2003"})
    labels = {"party": {0: "right", 1: "left", 2: "far"}}
    at.write(data, [tmp_path / "r.dta", tmp_path / "r.rds"], codebook=CODEBOOK, labels=labels, regressions=[regression])
    lines = (tmp_path / "r.do").read_text().splitlines()
    assert 'quietly summarize country_factor if country == "UK", meanonly' in lines
    assert "local base_country = r(min)" in lines
    assert "regress dsl_y ib1.party ib`base_country'.country_factor ib2003.year, vce(robust)" in lines
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    run = subprocess.run(["Rscript", "r.R"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    table = run.stdout.rpartition("estimate")[2]
    assert 'ref = "left")right' in table
    assert 'ref = "UK")NL' in table
    assert 'ref = "2003")2000' in table
