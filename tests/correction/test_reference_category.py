"""The category that others are compared with, in every program; dates; formulas the wrong way round."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
import statsmodels.formula.api as smf
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

N = 900
FAMILIES = ["Conservative", "Green", "Social Democratic"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(18)
    truth, wrong = rng.random(N) < 0.4, rng.random(N) < 0.1
    topic, gold = (np.where(column, "Health", "Other") for column in (truth ^ wrong, truth))
    first = dt.date(1999, 12, 30)
    return pl.DataFrame(
        {
            "family": rng.choice(FAMILIES, N),
            "year": rng.integers(1990, 1993, N),
            "day": [first + dt.timedelta(days=int(i)) for i in rng.integers(0, 900, N)],
            "topic": topic,
            "topic_gold": pl.Series(gold).set(pl.Series(rng.random(N) < 0.6), None),
            "pi": 0.4,
            "fold": 1,
        }
    )


def terms(fit):
    return [name for name in fit.coefficients() if name != "Intercept"]


@pytest.mark.parametrize(
    ("formula", "reference"),
    [
        ("topic == 'Health' ~ family", {"family": "Green"}),
        ("topic == 'Health' ~ relevel(family, ref = 'Green')", None),
        ('topic == "Health" ~ relevel(factor(family), "Green")', None),
        ("topic == 'Health' ~ factor(family, levels = c('Green', 'Conservative', 'Social Democratic'))", None),
    ],
)
def test_every_way_of_choosing_it_gives_what_statsmodels_gives(table, formula, reference):
    fit = at.correct(formula, table, reference=reference)
    assert terms(fit) == ["family[Conservative]", "family[Social Democratic]"]
    assert fit.references == {"family": "Green"}
    numbers = table.with_columns(y=(pl.col("topic") == "Health").cast(pl.Float64)).to_pandas()
    wanted = smf.ols("y ~ C(family, Treatment('Green'))", numbers).fit().params
    np.testing.assert_allclose(list(fit.coefficients("naive").values()), wanted, rtol=1e-9)


def test_it_is_shown_wherever_the_table_is(table, tmp_path):
    fit = at.correct("topic == 'Health' ~ family * factor(year)", table)
    sentence = "Reference categories: Conservative (family), 1990 (year)."
    assert sentence in " ".join(fit.summary(70).split())
    page = at.report(tmp_path / "page.html", correct=fit).read_text()
    assert sentence in page
    at.write(fit, tmp_path / "table.html")
    assert sentence in (tmp_path / "table.html").read_text()


def test_a_multinomial_outcome_has_one_too(table):
    fit = at.correct("topic ~ family", table, model="multinomial", reference={"topic": "Other", "family": "Green"})
    assert fit.references == {"topic": "Other", "family": "Green"}
    assert fit.estimates["equation"].unique().to_list() == ["Health"]


@pytest.mark.parametrize(
    ("formula", "reference", "sentence"),
    [
        ("topic == 'Health' ~ family", {"famly": "Green"}, "Did you mean 'family'"),
        ("topic == 'Health' ~ family", {"family": "Grün"}, "No text has the family 'Grün'"),
        ("topic == 'Health' ~ year", {"year": 1991}, r"write factor\(year\)"),
        ("topic == 'Health' ~ relevel(family, 'Green')", {"family": "Green"}, "Say it once"),
        ("topic == 'Health' ~ relevel(family)", None, r"relevel\(party, ref = 'Conservative'\)"),
        ("topic == 'Health' ~ factor(family, levels = c('Green'))", None, "lack 'Conservative', 'Social Democratic'"),
        ("family ~ topic == 'Health'", None, r"wrong way round.*topic == 'Health' ~ family"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(table, formula, reference, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.correct(formula, table, reference=reference)


def test_the_command_takes_it(table, tmp_path):
    table.write_parquet(tmp_path / "t.parquet")
    words = ["correct", str(tmp_path / "t.parquet"), "topic == 'Health' ~ family", "--reference"]
    done = CliRunner().invoke(app, [*words, "family=Green"])
    assert done.exit_code == 0, done.output
    assert "Reference category: Green (family)." in done.output
    with pytest.raises(at.AnnotuneError, match="is not column=category"):
        CliRunner().invoke(app, [*words, "Green"], catch_exceptions=False)


def test_a_date_counts_days_and_may_be_a_category(table):
    fit = at.correct("topic == 'Health' ~ day", table)
    numbers = table.with_columns(
        y=(pl.col("topic") == "Health").cast(pl.Float64), x=(pl.col("day") - dt.date(1970, 1, 1)).dt.total_days()
    ).to_pandas()
    wanted = smf.ols("y ~ x", numbers).fit().params["x"]
    assert fit.coefficients("naive")["day"] == pytest.approx(wanted, rel=1e-6)
    assert "day is counted in days." in fit.notes
    at_noon = at.correct("topic == 'Health' ~ day", table.with_columns(pl.col("day").cast(pl.Datetime("ms"))))
    assert at_noon.coefficients() == pytest.approx(fit.coefficients(), rel=1e-6)
    assert at.error_model(table, "day", "topic").effects.height == 1
    months = table.with_columns(day=pl.col("day").dt.truncate("1y"))
    assert terms(at.correct("topic == 'Health' ~ factor(day)", months)) == [
        "day[2000-01-01]",
        "day[2001-01-01]",
        "day[2002-01-01]",
    ]


def test_the_error_model_compares_with_the_same_category(table):
    effects = at.error_model(table, "relevel(family, ref = 'Green')", "topic").effects
    assert effects["reference"].to_list() == ["Green", "Green"]


def test_dates_that_a_csv_file_holds_as_text_are_dates(table):
    """R's read.csv and pandas give them as text, too; a text with anything else in it stays one."""
    words = table.with_columns(pl.col("day").cast(pl.String))
    formula = "topic == 'Health' ~ day + family"
    assert at.correct(formula, words).estimates.equals(at.correct(formula, table).estimates)
    assert at.error_model(words, "day", "topic").tests.equals(at.error_model(table, "day", "topic").tests)
    asked = {"time": "day", "every": "1y", "methods": ["count", "dsl"]}
    assert at.prevalence(words, "topic", **asked).equals(at.prevalence(table, "topic", **asked))
    months = words.with_columns(pl.col("day").str.slice(0, 7)).filter(pl.col("day") < "2000-06")
    assert "day[2000-01]" in at.correct("topic == 'Health' ~ day", months).coefficients()
