"""R's own functions, on the written .rds, find what `correct` finds: estimates and standard errors to 1e-8."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import polars as pl
import pytest

import annotune as at

LABELS = ("Health", "Law", "Farming")
R = """
data <- readRDS("data.rds")
stopifnot(grepl("linear models only", attr(data$dsl_y, "label")), is.factor(data$party))
hand <- subset(data, coded)
moments <- function(formula, cluster = NULL) {      # the logit's scores, solved by Newton's method
  x <- model.matrix(formula, data); y <- data$dsl_y; b <- rep(0, ncol(x))
  for (i in 1:60) {
    p <- plogis(drop(x %*% b)); h <- solve(crossprod(x, x * p * (1 - p))); b <- b + drop(h %*% crossprod(x, y - p))
  }
  s <- x * (y - p)
  if (!is.null(cluster)) s <- rowsum(s, cluster)
  c(b, sqrt(diag(h %*% crossprod(s) %*% h)))
}
told <- function(model, variance = sandwich::vcovHC(model, type = "HC0")) c(coef(model), sqrt(diag(variance)))
by_cluster <- function(model) sandwich::vcovCL(model, ~ district, type = "HC0", cadjust = FALSE)
corrected <- lm(dsl_y ~ party * year, data)
naive <- lm(said ~ party * year, data)
only <- lm(y_gold ~ party * year, hand, weights = 1 / pi)
logit <- glm(said ~ party * year, binomial, data, control = glm.control(epsilon = 1e-15, maxit = 100))
found <- list(
  linear_corrected = told(corrected), linear_naive = told(naive), linear_hand = told(only),
  clustered_corrected = told(corrected, by_cluster(corrected)), clustered_naive = told(naive, by_cluster(naive)),
  logit_corrected = moments(~ party * year),
  logit_naive = told(logit, sandwich::sandwich(logit)),
  logitclustered_corrected = moments(~ party * year, data$district)
)
"""


@pytest.fixture(scope="module")
def data() -> pl.DataFrame:
    """1,200 texts, a third of them coded with unequal probabilities, predicted with an error that depends on party."""
    rng = np.random.default_rng(11)
    n = 1200
    party = rng.choice(["left", "right", "green"], n)
    year = rng.integers(0, 10, n) / 10
    truth = np.where(rng.random(n) < 0.3 + 0.2 * (party == "left") + 0.1 * year, 0, rng.integers(1, 3, n))
    pi = np.where(party == "green", 0.5, 0.25)
    said = np.where(rng.random(n) < np.where(party == "left", 0.4, 0.15), rng.integers(0, 3, n), truth)
    gold = np.array(LABELS, dtype=object)[truth]
    gold[rng.random(n) >= pi] = None
    chance = np.clip(np.where(said == 0, 0.8, 0.1) + rng.normal(0, 0.05, n), 0.001, 0.999)
    return pl.DataFrame(
        {
            "party": pl.Series(party, dtype=pl.Enum(["left", "right", "green"])),
            "year": year,
            "district": [f"d{i}" for i in rng.integers(0, 50, n)],
            "topic": pl.Series(np.array(LABELS)[said], dtype=pl.Enum(LABELS)),
            "topic_gold": pl.Series(gold.tolist(), dtype=pl.Enum(LABELS)),
            "topic_p_Health": chance,
            "pi": pi,
            "fold": rng.integers(1, 6, n),
        }
    )


def figures(data: pl.DataFrame, method: str, **options: str) -> list[float]:
    """Estimates, then standard errors, by `correct`."""
    found = at.correct("topic == 'Health' ~ party * year", data, **options).tidy()
    rows = found.filter(pl.col("method") == method)
    return [*rows["estimate"], *rows["std_error"]]


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")
def test_r_agrees_on_what_was_written(tmp_path, data) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    table = at.dsl_columns(data, "topic", label="Health").with_columns(said=(pl.col("topic") == "Health").cast(float))
    at.write(table, tmp_path / "data.rds", headings={"dsl_y": "Health, corrected: linear models only"})
    tell = 'for (name in names(found)) cat(name, sprintf("%.17g", found[[name]]), "\\n", file = "r.txt", append = TRUE)'
    done = subprocess.run(["Rscript", "-e", R + tell], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    by_r = {name: [float(word) for word in words] for name, *words in map(str.split, (tmp_path / "r.txt").open())}
    methods = {"corrected": "corrected", "naive": "naive", "hand": "hand-coded only"}
    models = {
        "linear": {},
        "clustered": {"cluster": "district"},
        "logit": {"model": "logit"},
        "logitclustered": {"model": "logit", "cluster": "district"},
    }
    assert len(by_r) == 8
    for name, numbers in by_r.items():
        model, method = name.split("_")
        wanted = figures(data, methods[method], **models[model])
        np.testing.assert_allclose(numbers, wanted, rtol=1e-8, atol=1e-10, err_msg=name)
