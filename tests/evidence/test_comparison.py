"""Comparing coders: published figures, paired differences, gaps that count, people as the ceiling, and bad input."""

import runpy
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as theirs
from statsmodels.stats.multitest import multipletests

import annotune as at
from annotune.evidence.paired import holm, mcnemar, wald
from annotune.measures.baselines import NO_INFORMATION, NO_LABEL, TF_IDF_HERE

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
PUBLISHED = runpy.run_path(str(ROOT / "benchmarks" / "compare_published.py"))  # the comparisons of docs/compare.md


def needs(name):
    return pytest.mark.skipif(not (DATA / name).is_dir(), reason=f"the data set {name} is not beside the repository")


def table(units, labels, coder="model"):
    return pl.DataFrame(
        {"unit_id": list(units), "label": list(labels)}, schema_overrides={"label": pl.String}
    ).with_columns(variable=pl.lit("topic"), coder=pl.lit(coder))


def row(frame, **wanted):
    return frame.row(by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in wanted.items()), named=True)


def test_a_tie_is_called_one():
    units, truth = [str(i) for i in range(12)], list("xyz") * 4
    right, wrong = table(units, truth, "a"), table(units, list("xyx") * 4, "c")
    same = right.with_columns(coder=pl.lit("b"))
    sentences = at.compare([right, same, wrong], table(units, truth, "gold"), n_boot=50).in_words()
    assert sentences[0].startswith("a and b are tied for the highest macro-F1: 1.000 (")
    assert any(
        "12 units that both were to code, a cannot be distinguished from b: +0.000" in each for each in sentences
    )
    alone = at.compare([right, wrong], table(units, truth, "gold"), n_boot=50).in_words()
    assert alone[0].startswith("a has the highest macro-F1: 1.000 (")


@needs("seed_cap_ep_questions")
def test_published_figures_of_policy_codes():
    """Carammia, Iacus and Porro (2024): 74.8 % of 424 test questions (95 % interval 70.4 to 78.7), kappa .728."""
    found = PUBLISHED["policy_codes"](DATA / "seed_cap_ep_questions")
    accuracy = row(found.measures, model="llama-2-7b", measure="accuracy")
    assert (accuracy["estimate"], accuracy["n_units"]) == (pytest.approx(0.748, abs=5e-4), 424)
    assert (accuracy["ci_low"], accuracy["ci_high"]) == pytest.approx((0.704, 0.787), abs=0.006)
    assert row(found.measures, model="llama-2-7b", measure="kappa")["estimate"] == pytest.approx(0.728, abs=5e-4)
    assert found.models == ["llama-2-7b", NO_INFORMATION]


@needs("seed_dataverse_predictions")
def test_published_figures_of_sets():
    """The same paper: two models' sets of subjects for 32,619 data sets, and always answering Social Sciences."""
    found = PUBLISHED["subjects"](DATA / "seed_dataverse_predictions", n_boot=200)
    models = ["llama-2-7b-small-dv", "llama-2-7b-dv"]
    assert found.models == [*models[::-1], NO_INFORMATION, NO_LABEL]
    shown = found.table().select("any_right", "exact_set", "micro_f1").rows()
    assert shown[0] == pytest.approx((0.947, 0.855, 0.893), abs=5e-4)
    assert shown[1] == pytest.approx((0.848, 0.784, 0.816), abs=5e-4)
    assert shown[2][0] == pytest.approx(0.516, abs=5e-4)
    pair = row(found.pairs, a=models[1], b=models[0], measure="exact_set")
    assert pair["difference"] == pytest.approx(0.855 - 0.784, abs=1e-3)
    assert pair["test"] == "McNemar, exact"
    assert pair["p_holm"] < 1e-100


@needs("ecosent_dutch_headlines")
def test_published_figures_of_people_and_dictionaries():
    """Van Atteveldt et al. (2021): one crowd coding .719, one student coding .800; ordinal alpha of students .814."""
    found = PUBLISHED["tone"](DATA / "ecosent_dutch_headlines", n_boot=200)
    accuracy = dict(found.table().select("model", "accuracy").rows())
    assert accuracy["crowd, one at a time"] == pytest.approx(0.719, abs=5e-4)
    assert accuracy["student, one at a time"] == pytest.approx(0.800, abs=5e-4)
    assert row(found.agreement, group="student", metric="alpha")["estimate"] == pytest.approx(0.814, abs=5e-4)
    assert "kappa_quadratic" in found.table().columns
    assert row(found.measures, model="student, one at a time", measure="accuracy")["n_units"] == 280
    pair = (
        row(found.pairs, a="student, one at a time", b="boukes", measure="accuracy")
        if len(found.pairs.filter(a="student, one at a time", b="boukes"))
        else row(found.pairs, a="boukes", b="student, one at a time", measure="accuracy")
    )
    assert (pair["n_units"], pair["only_a"], pair["test"]) == (280, None, "paired t")
    words = " ".join(found.in_words("accuracy"))
    assert "students" not in words
    assert "student agree at alpha 0.81" in words
    assert "LSD_google left out 34 of 284" in words


def test_what_is_left_out_counts_against_a_model():
    """Right on the two texts of four that it coded: accuracy .5, and 1 on those alone."""
    gold = table("abcd", "xyxy", "gold")
    found = at.compare({"gaps": table("ab", "xy"), "all": table("abcd", "xyxx")}, gold, n_boot=100)
    both = {r["units"]: r for r in found.measures.filter(model="gaps", measure="accuracy").to_dicts()}
    assert (both["all"]["estimate"], both["all"]["n_units"]) == (0.5, 4)
    assert (both["answered"]["estimate"], both["answered"]["n_units"]) == (1.0, 2)
    assert found.table()["macro_f1_answered"].to_list()[found.models.index("gaps")] == 1.0
    assert found.measures.filter(model="all")["units"].unique().to_list() == ["all"]
    assert found.models[0] == "all"
    assert "gaps left out 2 of 4 units" in " ".join(found.in_words())


def test_without_a_bootstrap_there_are_no_intervals_but_words():
    gold = table("abcd", "xyxy", "gold")
    found = at.compare({"m": table("abcd", "xyxx")}, gold, n_boot=0)
    assert found.measures["ci_low"].null_count() == len(found.measures)
    assert "+0.250 accuracy (p = 1.000 after Holm's correction)" in " ".join(found.in_words("accuracy"))
    with pytest.raises(at.AnnotuneError, match="n_boot=-1"):
        at.compare({"m": gold}, gold, n_boot=-1)


def test_differences_are_paired():
    """Two models that differ on one text of 200: narrower than either's, and not surer than one text can make it."""
    rng = np.random.default_rng(1)
    truth = rng.choice(list("xy"), 200)
    one = np.where(rng.random(200) < 0.7, truth, "x")
    other = one.copy()
    changed = int(np.flatnonzero((one == truth) & (truth == "y"))[0])
    other[changed] = "x"
    units = [str(i) for i in range(200)]
    found = at.compare({"one": table(units, one), "other": table(units, other)}, table(units, truth, "gold"))
    pair = row(found.pairs, a="one", b="other", measure="accuracy")
    alone = row(found.measures, model="one", measure="accuracy")
    assert pair["difference"] == pytest.approx(1 / 200)
    assert (pair["only_a"], pair["only_b"], pair["p"]) == (1, 0, 1.0)
    assert pair["ci_high"] - pair["ci_low"] < 0.7 * (alone["ci_high"] - alone["ci_low"])
    assert pair["ci_low"] < 0 < pair["ci_high"]


def test_clusters_widen_intervals_and_leave_mcnemar_out():
    units = [str(i) for i in range(60)]
    truth = ["x", "y"] * 30
    said = [label if i // 6 % 2 else "x" for i, label in enumerate(truth)]  # right or wrong by document
    corpus = pl.DataFrame({"unit_id": units, "text": ["some words"] * 60, "doc": [f"d{i // 6}" for i in range(60)]})
    gold, given = table(units, truth, "gold"), {"model": table(units, said)}
    plain = at.compare(given, gold)
    within = at.compare(given, gold, corpus=corpus, cluster="doc")
    wide = lambda found: (lambda r: r["ci_high"] - r["ci_low"])(row(found.measures, model="model", measure="accuracy"))  # noqa: E731
    assert wide(within) > wide(plain)
    assert set(within.pairs["test"]) == {"paired t", "paired bootstrap"}
    assert TF_IDF_HERE in within.models
    assert not within.pairs.filter((pl.col("a") == TF_IDF_HERE) & (pl.col("b") == NO_INFORMATION)).height


def test_a_reference_narrows_what_is_tested():
    gold = table("abcd", "xyxy", "gold")
    given = {name: table("abcd", labels) for name, labels in (("p", "xyxx"), ("q", "xyyx"), ("r", "yyxx"))}
    found = at.compare(given, gold, reference="q", n_boot=50)
    assert set(found.pairs["a"]) == {"q"}
    assert len(found.pairs.filter(measure="accuracy")) == 3
    assert len(at.compare(given, gold, n_boot=50).pairs.filter(measure="accuracy")) == 6


def test_costs_are_shown_beside():
    gold = table("abcd", "xyxy", "gold")
    found = at.compare({"m": table("abcd", "xyxx")}, gold, costs={"m": {"cost": 1.5, "seconds": 20}}, n_boot=0)
    assert row(found.table(), model="m")["cost"] == 1.5
    assert row(found.table(), model="m")["seconds"] == 20.0
    assert "cost" not in at.compare({"m": table("abcd", "xyxx")}, gold, n_boot=0).table().columns


def test_sets_of_people_one_at_a_time(book):
    """Two people, two texts: of four sets, three are exactly right."""
    rows = [("a", "p", "Health"), ("a", "p", "Law"), ("a", "q", "Health"), ("b", "p", "Law"), ("b", "q", "Law")]
    said = pl.DataFrame(rows, schema=["unit_id", "coder", "label"], orient="row").with_columns(variable=pl.lit("topic"))
    gold = pl.DataFrame({"unit_id": ["a", "a", "b"], "label": ["Health", "Law", "Law"], "variable": "topic"})
    found = at.compare(said, gold, codebook=book("multilabel"), people={"people": ["p", "q"]}, n_boot=50)
    assert row(found.measures, model="people, one at a time", measure="exact_set")["estimate"] == 0.75


def test_a_tuned_model_stands_for_its_held_out_predictions(topics, gold, book, tiny_base):
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=3, n_boot=0)
    found = at.compare(
        [model, table(topics["unit_id"], ["Health"] * 90, "always Health")], gold, codebook=book(), n_boot=50
    )
    assert row(found.measures, model=model.name, measure="accuracy")["estimate"] == pytest.approx(
        model.evaluation.get("accuracy")
    )
    bare = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0)
    with pytest.raises(at.AnnotuneError, match="no held-out predictions"):
        at.compare(bare, gold)


@pytest.mark.parametrize(("only_a", "only_b"), [(150, 86), (1, 9), (0, 5), (7, 7), (25, 3)])
def test_mcnemar_is_that_of_statsmodels(only_a, only_b):
    """150 and 86 are the approval ratings of Agresti (1990, p. 350); the exact p in R is binom.test(86, 236)."""
    expected = theirs([[0, only_a], [only_b, 0]], exact=True).pvalue
    assert mcnemar(only_a, only_b) == pytest.approx(expected)
    if only_a == 150:
        z = (150 - 86) / np.sqrt(236)
        assert mcnemar(150, 86) == pytest.approx(2 * stats.norm.sf(z), rel=0.3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    with_gap = holm([None, *p_values])
    assert with_gap[0] is None
    assert with_gap[1:] == pytest.approx(holm(p_values))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_coder_against_itself_is_no_different_and_order_turns_the_sign(seed):
    rng = np.random.default_rng(seed)
    units, truth = [str(i) for i in range(30)], rng.choice(list("xyz"), 30)
    p, q = (np.where(rng.random(30) < share, truth, rng.choice(list("xyz"), 30)) for share in (0.8, 0.4))
    gold = table(units, truth, "gold")
    one = at.compare({"p": table(units, p), "q": table(units, q), "again": table(units, p)}, gold, n_boot=60)
    same = one.pairs.filter(a="p", b="again")
    assert same.select("difference", "ci_low", "ci_high").rows() == [(0.0, 0.0, 0.0)] * len(same)
    assert set(same["p"]) == {1.0}
    other = at.compare({"q": table(units, q), "p": table(units, p)}, gold, n_boot=60)
    turned, straight = other.pairs.filter(a="q", b="p"), one.pairs.filter(a="p", b="q")
    assert turned["difference"].to_list() == pytest.approx((-straight["difference"]).to_list())
    assert turned["p"].to_list() == pytest.approx(straight["p"].to_list(), abs=0.2)


def test_the_bootstrap_p_has_its_level():
    """Two coders of equal accuracy: one in twenty comparisons is below .05."""
    rng, below = np.random.default_rng(2), 0
    for _ in range(400):
        a, b = (rng.random(100) < 0.7 for _ in range(2))
        d = (a.astype(float) - b)[rng.integers(0, 100, (200, 100))].mean(1)
        p = wald(float(a.mean() - b.mean()), d)
        below += p is not None and p < 0.05
    assert 0.02 < below / 400 < 0.09


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ({}, {}, "There are no codings to compare"),
        ({"m": table("xyz", "xxx")}, {}, "None of the coders coded a unit"),
        ([table("ab", "xy"), table("ab", "yy")], {}, "tables 1 and 2 have both codings by 'model'"),
        ({"m": table("abcd", "xyxx")}, {"reference": "n"}, "no coder 'n' to compare with"),
        ({"m": table("abcd", "xyxx")}, {"people": {"crowd": ["w1"]}}, "'w1' of the group 'crowd' coded no unit"),
        ({"m": table("abcd", "xyxx")}, {"people": {"crowd": []}}, "Nobody of the group 'crowd'"),
        ({"m": table("abcd", "xyxx")}, {"costs": {"n": {"cost": 1}}}, "names 'n', which is not compared"),
        ({"m": table("abcd", "xyxx")}, {"costs": {"m": {"price": 1}}}, "needs the column model"),
        ({"m": table("abca", "xyxx")}, {}, "several answers"),
        ({"m": table("abcd", "xyxx")}, {"cluster": "doc"}, "no column 'doc' to resample by"),
        ({"m": table("abcd", "xyxx")}, {"variable": "tone"}, "Nobody coded the variable 'tone'"),
        ({"m": table("abcd", "xyxx")}, {"costs": {"m": {"cost": "4,10"}}}, "costs= has words"),
        ({NO_INFORMATION: table("abcd", "xyxx")}, {}, "Two are called 'most frequent label'"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(given, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.compare(given, table("abcd", "xyxy", "gold"), n_boot=0, **options)


@pytest.mark.parametrize(("labels", "n"), list(product(["x", "y"], [1, 3])))
def test_one_label_and_few_units(labels, n):
    """Nothing to tell apart: null with a note, and no warning."""
    units = [str(i) for i in range(n)]
    found = at.compare({"m": table(units, [labels] * n)}, table(units, ["x"] * n, "gold"), n_boot=50)
    assert row(found.measures, model="m", measure="accuracy")["estimate"] == float(labels == "x")
    assert found.in_words()


def test_a_coder_of_other_units_is_said_to_be_left_out():
    """Identifiers that are written differently are the usual reason."""
    with pytest.warns(at.AnnotuneWarning, match="'typo' coded no unit of the gold .*such as 'A', .*such as 'a'"):
        found = at.compare({"m": table("abcd", "xyxx"), "typo": table("ABCD", "xyxx")}, table("abcd", "xyxy"), n_boot=0)
    assert found.models == ["m", NO_INFORMATION]


def test_people_who_coded_a_part_are_the_best_on_that_part():
    units = [str(i) for i in range(40)]
    gold, model = table(units, ["x", "y"] * 20), table(units, ["x", "y"] * 15 + ["x", "x"] * 5, "model")
    ann = table(units[:10], ["x", "y"] * 5, "ann")
    found = at.compare([model, ann], gold, people={"people": ["ann"]}, n_boot=100)
    assert found.models[0] == "people, one at a time"
    assert found.in_words()[0].endswith(" on the 10 of 40 units that it was to code.")


def test_many_coders_of_one_verdict_are_one_sentence():
    """Six coders who are wrong on 12 to 22 of 60 texts: one sentence, with the nearest and the farthest."""
    units, truth = [str(i) for i in range(60)], ["x", "y"] * 30
    swapped = {"x": "y", "y": "x"}
    tables = {"best": table(units, truth)}
    for wrong in (12, 14, 16, 18, 20, 22):
        tables[f"wrong {wrong}"] = table(units, [swapped[label] for label in truth[:wrong]] + truth[wrong:])
    found = at.compare(tables, table(units, truth, "gold"), n_boot=50)
    sentences = [line for line in found.in_words("accuracy") if "units that both were to code" in line]
    assert len(sentences) == 1
    assert "is better than each of 7 others in accuracy, from wrong 12 (+0.200; " in sentences[0]
    assert "to most frequent label (+0.500; " in sentences[0]
    assert sentences[0].endswith("; p up to 0.011 after Holm's correction.")
    three = at.compare(
        {name: tables[name] for name in ("best", "wrong 12", "wrong 14")}, table(units, truth), n_boot=50
    )
    (line,) = (line for line in three.in_words("accuracy") if "units that both" in line)
    assert "it is better than wrong 12 (+0.200; " in line
    assert " and most frequent label (+0.500; " in line


def test_texts_that_nobody_could_code_are_left_out():
    gold = table("abcdef", "xyxyxy", "gold")
    corpus = pl.DataFrame({"unit_id": list("abcdef"), "text": ["one", "two", None, "four", " ", "six"]})
    with pytest.warns(at.AnnotuneWarning, match=r"2 units of the truth have no text.*such as 'c': left out"):
        found = at.compare({"m": table("abdf", "xyyy")}, gold, corpus=corpus, n_boot=0)
    assert row(found.measures, model="m", measure="accuracy")["estimate"] == 1
    assert row(found.measures, model="m", measure="accuracy")["n_units"] == 4


def test_where_few_units_differ_only_the_exact_test_has_a_p():
    """By one coder alone, 5 of 40 are right: McNemar's exact p is 1/16, and a normal approximation would say less."""
    units, truth = [str(i) for i in range(40)], ["x", "y"] * 20
    worse = ["y", "x", "y", "x", "y", *truth[5:]]
    found = at.compare({"good": table(units, truth), "poor": table(units, worse)}, table(units, truth), n_boot=200)
    pairs = found.pairs.filter(a="good", b="poor")
    assert dict(zip(pairs["measure"], pairs["p"], strict=True)) == {
        "macro_f1": None, "kappa": None, "mcc": None, "accuracy": pytest.approx(1 / 16)
    }  # fmt: skip
    assert "cannot be tested against poor: +0.125" in found.in_words()[1]
