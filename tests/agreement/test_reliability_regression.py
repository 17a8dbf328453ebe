"""Does agreement depend on who, when, or what? The fit against statsmodels' own, and the verdict."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import annotune as at


def codings(units=400, seed=1, effect=0.0):
    """Two coders a unit; in round 2 the second one errs more often by `effect`."""
    rng = np.random.default_rng(seed)
    truth, words = rng.integers(0, 2, units), rng.integers(3, 60, units)
    when = np.where(np.arange(units) % 2, "two", "one")
    wrong = rng.random(units) < 0.1 + effect * (when == "two")
    rows = []
    for coder, labels in (("ann", truth), ("ben", np.where(wrong, 1 - truth, truth))):
        label = np.array(["no", "yes"])[labels]
        rows.append(pl.DataFrame({"label": label, "words": words, "round": when}).with_columns(coder=pl.lit(coder)))
    return pl.concat(rows).with_columns(unit_id=pl.Series([f"u{i}" for i in range(units)] * 2), variable=pl.lit("v"))


def test_the_fit_is_a_fractional_logit_with_clustered_errors():
    table = codings(effect=0.2)
    fit = at.reliability_regression(table, ["round", "words"])
    answers = table.pivot("coder", index="unit_id", values="label")
    agree = (answers["ann"] == answers["ben"]).cast(pl.Float64).to_numpy()
    design = np.column_stack([np.ones(800), (table["round"] == "two").to_numpy(), table["words"].to_numpy()]).astype(
        float
    )
    model = sm.GLM(np.tile(agree, 2), design, family=sm.families.Binomial())
    theirs = model.fit(cov_type="cluster", cov_kwds={"groups": np.tile(np.arange(400), 2)})
    np.testing.assert_allclose(fit.table["estimate"], theirs.params, rtol=1e-6)
    np.testing.assert_allclose(fit.table["se"], theirs.bse, rtol=1e-6)
    assert (fit.n_codings, fit.n_units, fit.n_clusters) == (800, 400, 400)


def test_what_matters_is_said_in_points():
    fit = at.reliability_regression(codings(effect=0.25), ["round", "words"])
    assert "Agreement depends on round: 'two' agrees" in fit.verdict
    assert "percentage points less than 'one' (two-sided Wald test, p < .001)" in fit.verdict
    assert "No sign that agreement depends on words" in fit.verdict
    effect = fit.table.filter(term="two")["effect"][0]
    assert effect == pytest.approx(-0.25, abs=0.08)


def test_nothing_is_found_where_nothing_is():
    found = [at.reliability_regression(codings(seed=seed), "round").tests["p_value"][0] for seed in range(40)]
    assert np.mean(np.array(found) < 0.05) <= 0.15


def test_covariates_of_the_corpus_are_joined():
    table = codings().drop("words")
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(400)], "words": np.arange(400)})
    assert at.reliability_regression(table, "words", corpus=corpus).n_codings == 800
    with pytest.raises(at.AnnotuneError, match="has no column 'words'"):
        at.reliability_regression(table, "words")


def test_few_clusters_are_warned_of():
    table = codings().with_columns(block=pl.col("unit_id").str.tail(1))
    assert "With 10 clusters" in at.reliability_regression(table, "words", cluster="block").verdict


def test_clusters_must_outnumber_terms():
    with pytest.raises(at.AnnotuneError, match="2 clusters of 'coder' cannot carry the standard errors of 2 terms"):
        at.reliability_regression(codings(), "words", cluster="coder")


def test_a_category_that_never_agrees_is_shown_and_not_tested():
    table = codings(units=900, effect=0.0)
    last = pl.col("unit_id").is_in([f"u{i}" for i in range(860, 900)])
    table = table.with_columns(round=pl.when(last).then(pl.lit("never")).otherwise("round"))
    apart = pl.when(last).then(pl.col("coder")).otherwise("label")
    fit = at.reliability_regression(table.with_columns(label=apart), "round")
    never = fit.table.filter(term="never").row(0, named=True)
    assert (never["estimate"], never["se"], never["p_value"]) == (None, None, None)
    assert never["effect"] < -0.8
    assert fit.tests.select("df").item() == 1
    assert "(1 of its categories agree always, or never, and are not tested.)" in fit.verdict


def test_two_coders_agree_alike():
    with pytest.raises(at.AnnotuneError, match="same for both codings of every pair"):
        at.reliability_regression(codings(), "coder")


def test_numbers_that_are_none_are_left_out():
    strange = pl.when(pl.col("unit_id") == "u1").then(float("nan")).when(pl.col("unit_id") == "u2").then(float("inf"))
    table = codings().with_columns(words=strange.otherwise(pl.col("words").cast(pl.Float64)))
    with pytest.warns(at.AnnotuneWarning, match="4 of 800 codings lack a covariate"):
        assert at.reliability_regression(table, "words").n_codings == 796


def test_what_cannot_be_explained(codings_of):
    table = codings()
    perfect = table.with_columns(label=pl.lit("yes"))
    with pytest.raises(at.AnnotuneError, match="Agreement is the same for every coding"):
        at.reliability_regression(perfect, "words")
    with pytest.raises(at.AnnotuneError, match="All codings are in one cluster of 'k'"):
        at.reliability_regression(table.with_columns(k=pl.lit("x")), "words", cluster="k")
    with pytest.raises(at.AnnotuneError, match="The column 'k' is empty for 800 codings"):
        at.reliability_regression(table.with_columns(k=pl.lit(None, pl.String)), "words", cluster="k")
    with pytest.raises(at.AnnotuneError, match="The covariate 'words' holds lists"):
        at.reliability_regression(table.with_columns(pl.concat_list("words")), "words")
    with pytest.raises(at.AnnotuneError, match="has no rows"):
        at.reliability_regression(table.clear(), "words")
    texts = pl.DataFrame({"unit_id": ["u1", "u1"], "year": [1, 2]})
    with pytest.raises(at.AnnotuneError, match="The corpus has the text 'u1' twice"):
        at.reliability_regression(table, "year", corpus=texts)


def test_the_command_line_regresses(tmp_path, monkeypatch, capsys):
    from annotune import cli

    codings(effect=0.25).select("unit_id", "coder", "label", "round").write_csv(tmp_path / "codings.csv")
    codings().select(pl.col("unit_id").alias("id"), "words").unique("id").write_csv(tmp_path / "corpus.csv")
    pl.read_csv(tmp_path / "codings.csv").rename({"unit_id": "id"}).write_csv(tmp_path / "codings.csv")
    words = ["codings.csv", "--variable", "label", "--unit-id", "id", "--coder", "coder", "--on", "round,words"]
    monkeypatch.chdir(tmp_path)
    rest = ["--corpus", "corpus.csv", "--write", "terms.tex", "--write", "terms.csv"]
    monkeypatch.setattr("sys.argv", ["annotune", "reliability-regression", *words, *rest])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "Agreement depends on round: 'two' agrees" in said
    assert "800 codings of 400 texts in 400 clusters." in said
    assert r"round & two & one &" in (tmp_path / "terms.tex").read_text()
    assert pl.read_csv(tmp_path / "terms.csv")["term"].to_list() == ["constant", "two", "words"]


def test_a_category_of_few_codings_does_not_make_the_verdict():
    table = codings(effect=0.25)
    odd = pl.col("unit_id").is_in(["u0", "u1"])
    table = table.with_columns(round=pl.when(odd).then(pl.lit("three")).otherwise("round"))
    table = table.with_columns(label=pl.when(odd & (pl.col("coder") == "ben")).then(pl.lit("other")).otherwise("label"))
    fit = at.reliability_regression(table, "round")
    assert fit.table.filter(term="three")["n_codings"].to_list() == [4]
    assert "'three'" not in fit.verdict


def test_missing_covariates_are_counted():
    table = codings().with_columns(words=pl.when(pl.col("words") < 10).then(None).otherwise("words"))
    with pytest.warns(at.AnnotuneWarning, match="of 800 codings lack a covariate"):
        at.reliability_regression(table, "words")


@pytest.mark.parametrize(
    ("table", "on", "sentence"),
    [
        (codings(), [], "No covariate was named"),
        (codings(), "variable", "'variable' is the same for all 800 codings"),
        (codings(), "unit_id", "'unit_id' has 400 categories"),
        (codings().with_columns(twice=pl.col("words") * 2), ["words", "twice"], "determine each other"),
        (codings().filter(coder="ann"), "words", "No unit was coded by two coders"),
    ],
)
def test_what_cannot_be_asked(table, on, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.reliability_regression(table, on)
