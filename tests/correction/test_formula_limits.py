"""What a few signs of a formula could blow up is one sentence, in no time; what a paper may need is read."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.correction.formulas import parse
from annotune.correction.matrices import design

LARGE = {
    "(x+y)**200": "a power of terms can be 20 at most",
    "(x + y)^200": "a power of terms can be 20 at most",
    "(x)**99999999999999999999": "a power of terms can be 20 at most",
    "(x+y)**20": "stands for 1,048,577 products of terms",
    "((x+y)**9)**9": "stands for more than 10^12 products",
    "*".join(["x", "y"] * 20): "stands for more than 10^12 products",
    "I(9**9**9)": "is no function of a column",
    "I(x + (9**9)**9**9)": "is no function of a column",
    "I(10**400)": "is no function of a column",
    "I(1<<9999999999)": "is no function of a column",
    "I((1,2)*10**9)": "is no function of a column",
    "I('ab'*10**9)": "is no function of a column",
    "poly(x, 100000)": "the degree of poly() is a number up to 100",
    "poly(x, 9*9*9*9)": "the degree of poly() is a number up to 100",
    "bs(x, df=1000000)": "the df of bs() is a number up to 100",
    "bs(x, 4, NULL, 2000)": "the degree of bs() is a number up to 100",
    "cr(x, df=1000000)": "the df of cr() is a number up to 100",
    "I(" + "-" * 3000 + "x)": "is nested too deeply",
    "+".join(f"x{i}" for i in range(9000)): "20,000 are the most",
}


@pytest.mark.parametrize(("terms", "words"), LARGE.items(), ids=[terms[:20] for terms in LARGE])
def test_a_formula_that_would_hang_is_one_sentence(terms, words):
    with pytest.raises(at.AnnotuneError) as error:
        parse(f"y ~ {terms}")
    assert words in str(error.value)
    assert len(str(error.value)) < 450


def test_the_left_side_is_read_as_carefully():
    with pytest.raises(at.AnnotuneError, match="is no function of a column"):
        parse("I(y * 9**9**9) ~ x")


def test_a_study_file_with_such_a_formula_stops_at_once(tmp_path, command):
    (tmp_path / "study.yaml").write_text(
        "codebook: c.yaml\ncorpus: t.csv\ncodings: [a.csv]\nsample: simple\ncorrect: ['tone ~ (x + y)**200']\n"
    )
    run = command("run", tmp_path / "study.yaml")
    assert run.returncode == 2
    assert "a power of terms can be 20 at most" in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("terms", "columns"),
    [
        ("(x + z + w)**3", 8),
        ("(x + z)^2 + I(x**2) + I(z / 10**6)", 6),
        ("poly(x, 3):z + bs(w, knots=(3,)) - 1", 7),
        ("x*z*w", 8),
        ("I((x + z)**2)", 2),
        ("I(2**x) + log(w)", 3),
    ],
)
def test_what_a_paper_needs_is_read_as_before(terms, columns):
    rng = np.random.default_rng(1)
    data = pl.DataFrame({name: rng.random(30) * 5 + 0.5 for name in "yxzw"})
    assert design(parse(f"y ~ {terms}"), data, np.arange(3), {}).design.shape == (30, columns)


def test_many_covariates_are_read():
    assert len(parse("y ~ " + " + ".join(f"x{i}:z" for i in range(1000))).columns) == 1002
