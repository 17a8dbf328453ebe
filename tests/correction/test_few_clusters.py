"""Standard errors by few clusters, and by clusters of two kinds."""

import re
import shutil
import subprocess

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy.stats import t
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

FORMULA = "y ~ x + author_rank"


def texts(n=600, authors=9, seed=1):
    """Texts of few authors with sizes that differ, in 14 papers; a third coded by hand."""
    rng = np.random.default_rng(seed)
    author, paper = (
        rng.choice(authors, n, p=np.arange(1, authors + 1) / sum(range(authors + 1))),
        rng.integers(0, 14, n),
    )
    x = rng.normal(size=n) + author / 5
    truth = x / 4 + rng.normal(size=authors)[author] + rng.normal(size=14)[paper] + rng.normal(size=n)
    frame = pl.DataFrame(
        {"x": x, "author_rank": author % 2, "author": author, "paper": paper, "y_hat": truth + rng.normal(size=n)}
    )
    coded = rng.random(n) < 1 / 3
    return frame.with_columns(y_gold=pl.Series(np.where(coded, truth, np.nan)), pi=pl.lit(1 / 3))


def rows(fit, method="corrected"):
    return fit.tidy().filter(pl.col("method") == method)


def design(frame):
    return np.column_stack([np.ones(len(frame)), frame["x"], frame["author_rank"]])


def corrected_outcome(frame):
    return at.dsl_columns(frame, "y")["dsl_y"].to_numpy()


def test_cr2_and_degrees_of_freedom_are_those_of_estimatr_in_r(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")
    frame = texts()
    frame.with_columns(dsl_y=corrected_outcome(frame)).write_csv(tmp_path / "data.csv")
    script = """library(estimatr); options(digits = 15); d <- read.csv("data.csv")
    for (d in list(d, transform(d, dsl_y = y_hat), transform(d[is.finite(as.numeric(d$y_gold)), ], dsl_y = y_gold))) {
      m <- lm_robust(dsl_y ~ x + author_rank, d, clusters = author, se_type = "CR2")
      cat(m$std.error, m$df, m$conf.high, m$p.value, "\\n") }"""
    done = subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    fit = at.correct(FORMULA, frame, cluster="author")
    for method, line in zip(("corrected", "naive", "hand-coded only"), done.stdout.splitlines(), strict=True):
        error, df, high, p = np.array(line.split(), dtype=float).reshape(4, 3)
        np.testing.assert_allclose(rows(fit, method)["std_error"], error, rtol=1e-7)
        np.testing.assert_allclose(fit.df[method], df, rtol=1e-6)
        np.testing.assert_allclose(rows(fit, method)["conf_high"], high, rtol=1e-6)
        np.testing.assert_allclose(rows(fit, method)["p_value"], p, rtol=1e-5)


def test_the_note_says_what_was_done():
    frame = texts()
    fit = at.correct(FORMULA, frame, cluster="author")
    low, high = fit.df["corrected"].min(), fit.df["corrected"].max()
    told = [note for note in fit.notes if "clusters" in note]
    assert len(told) == 1
    assert f"With 9 clusters, standard errors are CR2, and intervals are widened to {low:.1f} to {high:.1f}" in told[0]
    assert ("are rough" in told[0]) == (low < 4)
    without = at.correct(FORMULA, frame, cluster="author", small_sample=False)
    assert "With 9 clusters, intervals are too narrow." in without.notes
    assert "Leave out small_sample to widen them." in without.advice
    widths = [(rows(one)["conf_high"] - rows(one)["conf_low"]).to_numpy() for one in (fit, without)]
    assert (widths[0] > widths[1]).all()
    assert not np.isfinite(without.df["corrected"]).any()


def test_many_clusters_have_normal_intervals_without_a_note():
    frame = texts().with_columns(author=pl.int_range(600) // 10)
    fit = at.correct(FORMULA, frame, cluster="author")
    assert not any("clusters" in note for note in fit.notes)
    peer = sm.OLS(corrected_outcome(frame), design(frame)).fit(
        cov_type="cluster", cov_kwds={"groups": frame["author"].to_numpy(), "use_correction": False}
    )
    np.testing.assert_allclose(fit.covariance["corrected"], peer.cov_params(), rtol=1e-8)
    assert np.isinf(fit.df["corrected"]).all()


def test_clusters_of_two_kinds_are_those_of_statsmodels():
    """Cameron, Gelbach and Miller (2011), without a factor."""
    frame = texts(seed=2)
    fit = at.correct(FORMULA, frame, cluster=["author", "paper"], small_sample=False)
    peer = sm.OLS(corrected_outcome(frame), design(frame)).fit()
    both = cov_cluster_2groups(peer, frame["author"].to_numpy(), frame["paper"].to_numpy(), use_correction=False)[0]
    assert np.linalg.eigvalsh(both).min() > 0
    np.testing.assert_allclose(fit.covariance["corrected"], both, rtol=1e-7, atol=1e-12)
    assert (fit.n_clusters, dict(fit.clusters)) == (9, {"author": 9, "paper": 14})
    assert "9 clusters of author and 14 of paper" in re.sub(r"\s+", " ", str(fit))
    few = frame.with_columns(y_gold=pl.when(~pl.col("author").is_in([1, 2]) & (pl.col("paper") != 3)).then("y_gold"))
    fit = at.correct(FORMULA, few, cluster=["author", "paper"], small_sample=False)
    assert dict(fit.clusters_coded) == {"author": 7, "paper": 13}
    sizes = {line.split("  ")[0]: line.split()[-3:] for line in fit.summary(100).splitlines() if "Clusters" in line}
    assert sizes == {"Clusters (author)": ["7", "9", "9"], "Clusters (paper)": ["13", "14", "14"]}


def test_two_kinds_have_the_fewer_degrees_of_freedom_and_no_negative_variance():
    frame = texts()
    one, other, both = (at.correct(FORMULA, frame, cluster=c) for c in ("author", "paper", ["author", "paper"]))
    np.testing.assert_allclose(both.df["corrected"], np.minimum(one.df["corrected"], other.df["corrected"]))
    swapped = at.correct(FORMULA, frame, cluster=["paper", "author"])
    np.testing.assert_allclose(swapped.covariance["corrected"], both.covariance["corrected"], rtol=1e-9)
    sums = [one.covariance[method] + other.covariance[method] for method in both.covariance]
    assert any(np.allclose(total, matrix) for total, matrix in zip(sums, both.covariance.values(), strict=True))
    assert all(np.linalg.eigvalsh(matrix).min() > -1e-12 for matrix in both.covariance.values())


@pytest.mark.parametrize("nested", ["author", "country"])
def test_clusters_within_clusters_are_the_larger_ones(nested):
    frame = texts().with_columns(country=pl.col("author") // 2)
    names = ["author", "country"] if nested == "country" else ["author", "author"]
    alone = at.correct(FORMULA, frame, cluster=nested)
    pair = at.correct(FORMULA, frame, cluster=names)
    for method, covariance in alone.covariance.items():
        np.testing.assert_allclose(pair.covariance[method], covariance, rtol=1e-6, atol=1e-10)


def test_the_command_line_takes_two_columns(tmp_path):
    frame = texts()
    frame.write_parquet(tmp_path / "coded.parquet")
    words = ["correct", str(tmp_path / "coded.parquet"), FORMULA, "--cluster", "author,paper"]
    done = CliRunner().invoke(app, [*words, "--write", str(tmp_path / "out.csv")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    fit = at.correct(FORMULA, frame, cluster=["author", "paper"])
    written = pl.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(written["conf_high"], fit.tidy()["conf_high"], rtol=1e-9)
    plain = [*words[:3], "--cluster", "author", "--no-small-sample", "--write", str(tmp_path / "plain.csv")]
    assert CliRunner().invoke(app, plain, catch_exceptions=False).exit_code == 0
    without = at.correct(FORMULA, frame, cluster="author", small_sample=False)
    written = pl.read_csv(tmp_path / "plain.csv")["std_error"]
    np.testing.assert_allclose(written, without.tidy()["std_error"], rtol=1e-9)


@pytest.mark.parametrize("model", ["linear", "logit"])
def test_intervals_of_twelve_unequal_clusters_hold_the_truth(model):
    """In 90 to 100 of 100 samples; with the normal distribution and no correction in about 80."""
    held = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        size = np.exp(0.8 * rng.normal(size=12))
        group = rng.choice(12, 600, p=size / size.sum())
        latent = 0.6 * rng.normal(size=12)[group] + rng.normal(size=600)
        truth = latent if model == "linear" else (latent > 0.3) * 1.0
        noise = rng.normal(size=600)
        guess = truth + noise if model == "linear" else np.where(noise > 1.2, 1 - truth, truth)
        gold = np.where(rng.random(600) < 0.5, truth, np.nan)
        x = rng.normal(size=12)[group]
        frame = pl.DataFrame({"x": x, "group": group, "y_hat": guess, "y_gold": gold})
        row = rows(at.correct("y ~ x", frame, model=model, pi=0.5, cluster="group")).row(1, named=True)
        held.append(row["conf_low"] <= 0 <= row["conf_high"])
    assert np.mean(held) >= 0.9


def test_degrees_of_freedom_make_the_interval():
    fit = at.correct(FORMULA, texts(), cluster="author", level=0.9)
    row = rows(fit).row(1, named=True)
    df = fit.df["corrected"][1]
    assert row["conf_low"] == pytest.approx(row["estimate"] - t.ppf(0.95, df) * row["std_error"])
    assert row["p_value"] == pytest.approx(2 * t.sf(abs(row["statistic"]), df))


def test_few_clusters_do_not_choose_the_weights_of_auto():
    """They are those without clusters; chosen by 9 clusters, they would make the variance look smaller than it is."""
    plain, few = (at.correct(FORMULA, texts(), method="auto", cluster=c) for c in (None, "author"))
    np.testing.assert_allclose(rows(few)["estimate"], rows(plain)["estimate"], rtol=1e-9)
    assert np.isfinite(few.df["corrected"]).all()
    bare = at.correct(FORMULA, texts(), method="auto", cluster="author", small_sample=False)
    assert not np.allclose(rows(bare)["estimate"], rows(plain)["estimate"], rtol=1e-3)
