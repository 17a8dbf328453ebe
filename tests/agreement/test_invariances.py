"""What agreement must not depend on, and what it must tend to."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annotune as at
from annotune.agreement.estimators import METRICS

KAPPAS = ["percent", "fleiss_kappa", "conger_kappa", "light_kappa", "brennan_prediger", "ac1", "alpha"]
quick = settings(max_examples=15, deadline=None)


@st.composite
def codings(draw, coders=3, q=3, missing=True):
    cell = st.one_of(st.integers(0, q - 1), st.none()) if missing else st.integers(0, q - 1)
    rows = draw(st.lists(st.lists(cell, min_size=coders, max_size=coders), min_size=4, max_size=20))
    return [
        {"unit_id": f"u{i}", "variable": "v", "coder": f"c{j}", "label": None if x is None else "abc"[x]}
        for i, row in enumerate(rows)
        for j, x in enumerate(row)
    ]


def frame(rows):
    return pl.DataFrame(rows, schema={"unit_id": str, "variable": str, "coder": str, "label": str})


def estimates(table, codebook, metrics=KAPPAS, level=None):
    found = at.reliability(table, codebook=codebook, metrics=metrics, level=level, ci="analytic")
    return found["estimate"].to_list(), found["se"].to_list()


def same(one, other):
    for a, b in zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True):
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=1e-9)


@given(codings())
@quick
def test_the_order_of_rows_does_not_matter(codebook_of, rows):
    codebook = codebook_of("abc")
    same(estimates(frame(rows), codebook), estimates(frame(rows[::-1]), codebook))


@given(codings(), st.permutations(range(3)))
@quick
def test_names_of_coders_and_units_do_not_matter(codebook_of, rows, order):
    codebook = codebook_of("abc")
    renamed = [
        row | {"coder": f"c{order[int(row['coder'][1])]}", "unit_id": "x" + row["unit_id"][::-1]} for row in rows
    ]
    same(estimates(frame(rows), codebook), estimates(frame(renamed), codebook))


@given(codings(), st.permutations("abc"))
@quick
def test_names_of_labels_do_not_matter_at_nominal_level(codebook_of, rows, names):
    codebook = codebook_of("abc")
    renamed = [row | {"label": row["label"] and names["abc".index(row["label"])]} for row in rows]
    same(estimates(frame(rows), codebook), estimates(frame(renamed), codebook))


@given(codings())
@quick
def test_turning_the_scale_round_does_not_matter_at_ordinal_level(codebook_of, rows):
    codebook, turned = codebook_of("abc", "ordinal"), codebook_of("cba", "ordinal")
    metrics = ["alpha", "ac2", "fleiss_kappa", "light_kappa"]
    same(estimates(frame(rows), codebook, metrics), estimates(frame(rows), turned, metrics))


@given(codings(), st.floats(0.5, 20), st.floats(-50, 50))
@quick
def test_interval_agreement_is_the_same_in_other_units(rows, scale, shift):
    numbers = [row | {"label": row["label"] and str("abc".index(row["label"]))} for row in rows]
    moved = [row | {"label": row["label"] and str(shift + scale * float(row["label"]))} for row in numbers]
    metrics = ["alpha", "icc1", "icc2", "icc3k"]
    one = at.reliability(frame(numbers), metrics=metrics, level="interval", ci="analytic")["estimate"]
    other = at.reliability(frame(moved), metrics=metrics, level="interval", ci="analytic")["estimate"]
    for a, b in zip(one, other, strict=True):
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=1e-6)


@given(codings(), st.integers(2, 4))
@quick
def test_units_that_are_there_several_times_weigh_as_many(codebook_of, rows, times):
    """Coefficients are functions of shares; only alpha's small-sample correction knows the number of units."""
    codebook, metrics = codebook_of("abc"), [name for name in KAPPAS if name != "alpha"]
    copies = [row | {"unit_id": f"{copy}{row['unit_id']}"} for copy in range(times) for row in rows]
    one, other = estimates(frame(rows), codebook, metrics)[0], estimates(frame(copies), codebook, metrics)[0]
    assert one == pytest.approx(other, abs=1e-9, nan_ok=True)


@given(codings(coders=2, missing=False))
@quick
def test_with_two_coders_the_coefficients_meet(codebook_of, rows):
    metrics = ["scott_pi", "fleiss_kappa", "cohen_kappa", "light_kappa", "conger_kappa"]
    scott, fleiss, cohen, light, conger = estimates(frame(rows), codebook_of("abc"), metrics)[0]
    assert scott == pytest.approx(fleiss) if scott is not None else fleiss is None
    for other in (light, conger):
        assert (cohen is None) == (other is None)
        assert cohen is None or cohen == pytest.approx(other, abs=1e-9)


@given(codings())
@quick
def test_nothing_is_ever_nan_or_out_of_bounds(codebook_of, rows):
    metrics = [name for name in METRICS if not name.startswith("icc")]
    for ci in ("analytic", "bootstrap", "gwet"):
        found = at.reliability(frame(rows), codebook=codebook_of("abc"), metrics=metrics, ci=ci, n_boot=100)
        for name in ("estimate", "se", "ci_low", "ci_high"):
            assert not found[name].is_nan().any()
        assert found["ci_high"].drop_nulls().is_between(-10, 1 + 1e-12).all()  # 1, as doubles have it
        assert (found["ci_low"] <= found["ci_high"]).all()
        assert found.filter(pl.col("estimate").is_null())["note"].is_not_null().all()


@pytest.mark.parametrize("units", [50, 5000])
def test_alpha_tends_to_scotts_pi(codings_of, units):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, units)
    rows = np.where(rng.random((units, 2)) < 0.8, truth[:, None], rng.integers(0, 3, (units, 2))).tolist()
    found = at.reliability(codings_of(rows), level="nominal", metrics=["alpha", "scott_pi"], ci="analytic")
    alpha, scott = found["estimate"]
    assert alpha - scott == pytest.approx((1 - scott) / (2 * units), rel=1e-6)


def test_ordinal_alpha_takes_the_order_of_the_codebook(codings_of, codebook_of):
    rows = [["low", "mid"], ["high", "mid"], ["low", "low"], ["high", "high"], ["mid", "low"]]
    right, wrong = (
        at.reliability(codings_of(rows), codebook=codebook_of(order, "ordinal"), metrics=["alpha"])["estimate"][0]
        for order in (("low", "mid", "high"), ("low", "high", "mid"))
    )
    assert right > wrong


def test_the_category_set_is_the_codebooks(codings_of, codebook_of):
    rows = [["a", "a"], ["b", "b"], ["a", "b"], ["b", "b"]]
    small, large = (
        at.reliability(codings_of(rows), codebook=codebook_of(names), metrics=["ac1", "brennan_prediger"])["estimate"]
        for names in ("ab", "abcdef")
    )
    assert (large > small).all()


def test_a_custom_distance(codings_of):
    rows = [["1", "2"], ["2", "2"], ["4", "3"], ["3", "3"], ["1", "1"]]
    codings = codings_of(rows)
    own = at.reliability(codings, level=lambda a, b: (float(a) - float(b)) ** 2, metrics=["alpha"])
    assert own["level"][0] == "custom"
    squared = at.reliability(codings, level="interval", metrics=["alpha"])["estimate"][0]
    assert own["estimate"][0] == pytest.approx(squared)
    with pytest.raises(at.AnnotuneError, match="custom distance"):
        at.reliability(codings, level=lambda a, b: 1.0, metrics=["alpha"])


def test_sets_of_labels(codebook_of):
    """MASI by hand: of two units one agrees, one is {a} against {a, b}; the four sets pooled give the chance."""
    codebook = codebook_of("ab", "multilabel")
    wide = pl.DataFrame({"unit_id": ["1", "2"], "x": ["a", "a"], "y": ["a", "a;b"]})
    found = at.reliability(at.read_codings(wide, codebook, variable="v", coders=["x", "y"]), codebook=codebook)
    values = dict(
        found.filter(pl.col("category").is_null())
        .select("level", "estimate")
        .filter(pl.col("level") != "nominal")
        .rows()
    )
    # distance {a},{a,b}: Jaccard 1/2, MASI 1 - 1/2 * 2/3 = 2/3; observed 2/4 d, expected 2*3*1/(4*3) d
    assert values == {"masi": pytest.approx(0.0), "jaccard": pytest.approx(0.0)}
    assert found.filter(pl.col("category").is_not_null())["category"].to_list() == ["a", "b"]
