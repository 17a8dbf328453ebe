"""Codings that carry no answer, or the wrong question: a sentence, or null with a note."""

import polars as pl
import pytest

import annotune as at

COLUMNS = [
    "variable", "metric", "level", "category", "coder_a", "coder_b", "estimate", "se", "ci_low", "ci_high",
    "n_units", "n_pairable", "n_coders", "method", "note",
]  # fmt: skip
METRICS = ["percent", "fleiss_kappa", "conger_kappa", "light_kappa", "brennan_prediger", "ac1", "alpha"]


def empty_handed(found, note):
    assert found["estimate"].null_count() == len(found)
    assert all(note in text for text in found["note"])


def test_one_coder(codings_of):
    for verb in (at.reliability, at.pairwise_reliability, at.category_reliability):
        found = verb(codings_of([["a"], ["b"]]), metrics=["percent", "alpha"])
        assert len(found) == 1  # not one per metric, nor per label
        empty_handed(found, "one coder, so there is no agreement to measure. Have a second person code")


def test_one_coder_of_a_group_is_one_row_there_and_the_others_are_whole(codings_of):
    rows = codings_of([["a", "a"], ["b", "a"], ["a", None], ["b", None]], wave=pl.Series([1, 1, 2, 2]))
    found = at.reliability(rows.filter(pl.col("label").is_not_null()), by="wave", metrics=["percent", "alpha"])
    assert found["wave"].to_list() == [1, 1, 2]


def test_no_unit_coded_twice(codings_of):
    rows = [["a", None], [None, "b"], ["b", None]]
    empty_handed(at.reliability(codings_of(rows), metrics=METRICS), "no unit was coded by two coders")


def test_all_missing(codings_of):
    empty_handed(at.reliability(codings_of([[None, None], [None, None]]), metrics=METRICS), "no unit has a coding")


def test_a_single_category_is_never_a_silent_one(codings_of, codebook_of):
    found = at.reliability(codings_of([["a", "a"]] * 5), codebook=codebook_of("ab"), metrics=METRICS)
    percent, rest = found.filter(metric="percent"), found.filter(pl.col("metric") != "percent")
    empty_handed(rest, "all codings are in one category")
    assert percent["estimate"].to_list() == [1.0]
    assert "no standard error" in percent["note"][0]


def test_perfect_agreement_has_no_interval_and_says_so(codings_of):
    found = at.reliability(codings_of([["a", "a"], ["b", "b"]] * 5), metrics=["alpha"])
    assert found["estimate"].to_list() == [1.0]
    assert found["ci_low"].to_list() == [None]
    assert "no standard error" in found["note"][0]


def test_two_units_are_enough_for_a_row(codings_of):
    found = at.reliability(codings_of([["a", "b"], ["a", "a"]]), metrics=METRICS)
    assert found["estimate"].is_nan().sum() == 0


def test_labels_outside_the_codebook(codings_of, codebook_of):
    with pytest.raises(at.AnnotuneError, match=r"'c' is not in the codebook's variable 'v' \(2 such codings\)"):
        at.reliability(codings_of([["a", "c"], ["b", "c"]]), codebook=codebook_of("ab"))


def test_failed_codings_count_as_missing(codings_of):
    rows = codings_of([["a", "a", "b"], ["b", "b", "a"], ["a", "b", "a"]])
    lost = pl.when(pl.col("coder") == "c2")
    failed = rows.with_columns(
        status=lost.then(pl.lit("unparsed")).otherwise("status"), label=lost.then(None).otherwise("label")
    )
    kept = rows.filter(pl.col("coder") != "c2")
    assert at.reliability(failed)["estimate"].to_list() == at.reliability(kept)["estimate"].to_list()


def test_a_coder_twice_on_a_unit_counts_with_the_first(codings_of):
    rows = codings_of([["a", "a"], ["b", "b"], ["a", "b"], ["b", "b"]])
    again = rows.filter((pl.col("coder") == "c0") & (pl.col("unit_id") == "0")).with_columns(label=pl.lit("b"))
    once, twice = at.reliability(rows), at.reliability(pl.concat([rows, again]))
    assert once["estimate"].to_list() == twice["estimate"].to_list()
    assert all("left out: 1 further coding of a unit by the same coder" in note for note in twice["note"])


def test_an_order_that_is_not_there(codings_of, codebook_of):
    rows = codings_of([["a", "b"], ["b", "b"]])
    with pytest.raises(at.AnnotuneError, match=r"labels without an order.*Give a codebook with the kind ordinal"):
        at.reliability(rows, level="ordinal")
    with pytest.raises(at.AnnotuneError, match=r"labels without an order.*Give it the kind ordinal there"):
        at.reliability(rows, codebook=codebook_of("ab"), level="interval")
    with pytest.raises(at.AnnotuneError, match="is not multi-label, and the level is 'masi'"):
        at.reliability(rows, level="masi")
    empty_handed(at.reliability(rows, metrics=["icc"]), "for labels with an order")


def test_single_label_levels_on_sets(codebook_of):
    codebook = codebook_of("ab", "multilabel")
    codings = at.read_codings(pl.DataFrame({"unit_id": ["1"], "x": ["a;b"], "y": ["a"]}), codebook, coders=["x", "y"])
    with pytest.raises(at.AnnotuneError, match="is multi-label, and the level is 'ordinal'"):
        at.reliability(codings, codebook=codebook, level="ordinal")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metrics": ["kappa"]}, "There is no metric 'kappa'"),
        ({"level": "nominl"}, "There is no level 'nominl'. Did you mean 'nominal'"),
        ({"ci": "bca"}, "There is no interval ci='bca'"),
        ({"n_boot": 5}, "n_boot=5 replicates are too few"),
        ({"by": "rnd"}, "has no column 'rnd'"),
        ({"by": "coder"}, "cannot be grouped by 'coder'"),
        ({"metrics": []}, "No metric was named"),
        ({"variable": "w"}, "Nobody coded the variable 'w'"),
    ],
)
def test_unknown_names(codings_of, options, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.reliability(codings_of([["a", "b"], ["b", "b"]]), **options)


def test_tables_without_rows_or_coders(codings_of):
    rows = codings_of([["a", "b"], ["b", "b"]])
    with pytest.raises(at.AnnotuneError, match="has no rows"):
        at.reliability(rows.clear())
    with pytest.raises(at.AnnotuneError, match="4 codings have no coder"):
        at.reliability(rows.with_columns(coder=pl.lit(None, pl.String)))


def test_a_single_metric_needs_no_list(codings_of):
    rows = codings_of([["a", "b"], ["b", "b"]])
    assert at.reliability(rows, metrics="alpha").equals(at.reliability(rows, metrics=["alpha"]))


def test_a_coder_of_one_unit_does_not_cost_conger_the_interval(codings_of):
    rows = [["a", "a", None], ["b", "b", None], ["a", "b", None], ["b", "b", "a"]] * 5
    found = at.reliability(codings_of([*rows[:-5], ["a", "a", "a"]]), metrics="conger_kappa").row(0, named=True)
    assert found["se"] > 0
    assert found["note"] is None


def test_negative_values_have_no_ratios(codings_of):
    with pytest.raises(at.AnnotuneError, match="needs values that are not negative"):
        at.reliability(codings_of([["-1", "1"], ["0", "1"]]), level="ratio")


def test_very_many_values(codings_of):
    rows = [[str(i), str(i + 1)] for i in range(2500)]
    found = at.reliability(codings_of(rows), level="interval", metrics=["alpha"], ci="analytic")
    assert found["estimate"][0] > 0.99
    empty_handed(at.reliability(codings_of(rows), level="ratio", metrics=["alpha"]), "more than 2,000 different values")
    empty_handed(at.reliability(codings_of(rows), level="ordinal", metrics=["alpha"]), "more than 200 different ranks")


def test_the_table_is_always_the_same(codings_of):
    rows = codings_of([["a", "b", "a"], ["b", "b", "a"], ["a", "a", None]], round=pl.Series([1, 2, 1]))
    assert at.reliability(rows).columns == COLUMNS
    assert at.reliability(rows, by="round").columns == ["round", *COLUMNS]
    for function in (at.pairwise_reliability, at.category_reliability, at.coder_quality):
        assert function(rows).columns == COLUMNS
    assert at.compare_reliability(rows, "c2").columns == COLUMNS


def test_every_variable_has_its_own_rows(codings_of):
    both = at.bind(codings_of([["a", "b"], ["b", "b"]], "v"), codings_of([["x", "x"], ["y", "x"]], "w"))
    assert at.reliability(both, metrics=["percent"])["variable"].to_list() == ["v", "w"]


def test_groups_are_measured_apart(codings_of):
    rows = [["a", "a"], ["b", "b"], ["a", "b"], ["b", "a"]]
    codings = codings_of(rows, round=pl.Series([1, 1, 2, 2]))
    found = at.reliability(codings, metrics=["percent"], by="round")
    assert found.select("round", "estimate").rows() == [(1, 1.0), (2, 0.0)]


def test_pandas_frames_will_do(codings_of):
    rows = codings_of([["a", "b"], ["b", "b"], ["a", "a"]])
    assert at.reliability(rows.to_pandas()).equals(at.reliability(rows))


ONE_CATEGORY = "all codings are in one category"


@pytest.mark.parametrize("rows", [[["a"], ["b"]], [[None, None]]])
def test_every_table_has_a_row_that_says_why_it_is_empty(codings_of, rows):
    codings = codings_of(rows)
    for function in (at.pairwise_reliability, at.coder_quality, at.category_reliability):
        found = function(codings)
        assert found.columns == COLUMNS
        assert len(found) > 0
        assert found["estimate"].null_count() == found["note"].count() == len(found)


def test_error_matrices_need_units_coded_twice(codings_of):
    found = at.coder_quality(codings_of([["a", None], [None, "b"], ["b", None]]), metrics=["percent"])
    empty_handed(found.filter(metric="accuracy"), "no unit was coded by two coders")
    assert "dawid_skene" not in found["metric"]
    empty_handed(at.coder_quality(codings_of([["a", "a"]] * 5)).filter(metric="accuracy"), ONE_CATEGORY)


def test_a_coder_who_shares_no_unit_has_no_errors_to_estimate(codings_of):
    rows = [["a", "a", "a", None], ["b", "a", "b", None], ["b", "b", "b", None], [None, None, None, "a"]] * 3
    found = at.coder_quality(codings_of(rows), metrics=["percent"]).filter(coder_a="c3")
    empty_handed(found, "shares no unit with another coder")


def test_labels_that_a_coder_never_met_have_no_error_rate(codings_of, codebook_of):
    rows = [["a", "a", "a"], ["b", "a", "b"], ["b", "b", "b"], ["a", "a", "a"]] * 5
    found = at.coder_quality(codings_of(rows), codebook=codebook_of("abc"), metrics=["percent"])
    never = found.filter(pl.col("category").str.starts_with("c ->"))
    assert len(never) == 9
    empty_handed(never, "the coder met no unit")
    assert "no error is estimated" in found.filter(metric="accuracy", coder_a="c0")["note"][0]


def test_comparisons_within_one_category(codings_of, codebook_of):
    codings, codebook = codings_of([["a", "a", "a"]] * 5), codebook_of("ab")
    empty_handed(at.compare_reliability(codings, "c0", codebook=codebook, metrics=["ac1", "alpha"]), ONE_CATEGORY)
    found = at.coder_quality(codings, codebook=codebook, metrics=["brennan_prediger"])
    empty_handed(found, ONE_CATEGORY)


def test_no_model_and_no_column_twice(codings_of):
    codings = codings_of([["a", "b"], ["b", "b"]], round=pl.Series([1, 1]))
    with pytest.raises(at.AnnotuneError, match="No model was named"):
        at.compare_reliability(codings, [])
    assert at.reliability(codings, by=["round", "round"]).columns == ["round", *COLUMNS]


def test_perfect_agreement_has_no_jackknife(codings_of):
    found = at.reliability(codings_of([["a"] * 3, ["b"] * 3] * 3), metrics=["alpha"], cluster="coder")
    assert found.select("estimate", "se", "ci_low").row(0) == (1.0, None, None)
    assert "no jackknife" in found["note"][0]


def one(*_):
    return 1.0


@pytest.mark.parametrize(
    ("distance", "sentence"),
    [
        (lambda a, b: float(a < b), "The custom distance is not a distance"),
        (lambda a, b: 0.0, "not 0 throughout"),
        (lambda a, b: a - b, "The custom distance fails on the labels"),
        (lambda a: 0.0, "The custom distance fails on the labels"),
        (one, "it must be 0 from a label to itself"),
        (3, "cannot be 3"),
        ("nomnial", "There is no level 'nomnial'"),
    ],
)
def test_distances_that_are_none(codings_of, distance, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.reliability(codings_of([["a", "b"], ["b", "b"]]), metrics="alpha", level=distance)


def test_a_label_that_is_no_number_is_missing():
    rows = {"unit_id": [1, 1, 2, 2, 3, 3], "coder": list("xyxyxy"), "label": [1, float("nan"), 2, 2, 1, 1]}
    found = at.reliability(pl.DataFrame(rows, strict=False), metrics="percent")
    assert found.select("n_units", "n_pairable").row(0) == (3, 2)


@pytest.mark.parametrize(
    ("labels", "rule", "sentence"),
    [
        ("ab", ["--rule", "unanimous"], "The rule unanimous leaves every coded text without an answer."),
        ("ab", ["--at-least", "2"], "The rule at_least leaves every coded text without an answer."),
        (["", ""], [], "Nothing was coded: 2 texts have no label by anybody."),
    ],
)
def test_the_verb_writes_no_gold_of_which_no_text_has_an_answer(command, tmp_path, labels, rule, sentence):
    codings, gold = tmp_path / "both.csv", tmp_path / "gold.csv"
    rows = [f"{unit},{coder},{label}" for unit in "12" for coder, label in zip("xy", labels, strict=True)]
    codings.write_text("\n".join(["unit_id,coder,topic", *rows]), encoding="utf-8")
    done = command("resolve", codings, "--columns", "topic=topic", "--out", gold, *rule)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert not gold.exists()


def test_the_verb_makes_gold_of_the_variable_that_is_named(command, tmp_path):
    codings, gold = tmp_path / "both.csv", tmp_path / "gold.csv"
    rows = ["unit_id,coder,variable,label", "1,x,topic,a", "1,x,tone,b"]
    codings.write_text("\n".join(rows), encoding="utf-8")
    assert command("resolve", codings, "--variable", "tone", "--out", gold).returncode == 0
    assert pl.read_csv(gold)["variable"].to_list() == ["tone"]
    done = command("resolve", codings, "--variable", "ton", "--out", gold)
    assert (done.returncode, "Did you mean 'tone'?" in done.stderr) == (2, True)
