"""Several coders' predictions at once: no wider than with the best of them, and right whatever the others are."""

import numpy as np
import polars as pl
import pytest

import annotune as at

FORMULA = "topic == 'Health' ~ x"


def coded_by(rights, seed, n=3000, coded=250, slope=0.6):
    """Texts on health or law; each coder is right with the given probability, and less often where x > 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    health = rng.random(n) < 1 / (1 + np.exp(1 - slope * x))
    labels = [np.where((rng.random(n) < r - 0.05 * (x > 0)) == health, "Health", "Law") for r in rights]
    drawn = rng.random(n) < coded / n
    gold = [label if d else None for label, d in zip(np.where(health, "Health", "Law"), drawn, strict=True)]
    columns = {f"c{k}": label for k, label in enumerate(labels)}
    frame = pl.DataFrame({"x": x, "pi": coded / n, "topic_gold": gold, **columns})
    return frame, float(np.polyfit(x, health.astype(float), 1)[0])


def slope_of(frame, coders, **options):
    options = {"prediction": "recalibrated", **options}
    fit = at.correct(FORMULA, frame, predicted={"topic": ("topic_gold", coders)}, **options)
    return fit.tidy().filter(term="x", method="corrected").row(0, named=True)


@pytest.fixture(scope="module")
def population():
    return coded_by((0.9, 0.8, 0.5), 10**6, 400_000)[1]


def test_all_are_no_wider_than_the_best_whatever_their_order_and_cover(population):
    held, ratios = 0, []
    for seed in range(60):
        frame, _ = coded_by((0.9, 0.8, 0.5), seed)
        best = slope_of(frame, ["c0"])
        for order in (["c0", "c1", "c2"], ["c2", "c1", "c0"]):
            row = slope_of(frame, order)
            ratios.append(row["std_error"] / best["std_error"])
            held += row["conf_low"] < population < row["conf_high"]
    assert np.median(ratios) < 0.97
    assert 0.89 <= held / 120 <= 0.99


def test_useless_coders_cost_next_to_nothing():
    ratios = []
    for seed in range(20):
        frame, _ = coded_by((0.9, 0.5, 0.5, 0.5), seed)
        ratios.append(slope_of(frame, ["c1", "c2", "c3", "c0"])["std_error"] / slope_of(frame, ["c0"])["std_error"])
    assert np.median(ratios) < 1.03


def test_the_note_says_what_was_combined_and_naive_rows_are_by_the_first():
    frame, _ = coded_by((0.9, 0.7), 1)
    several = at.correct(FORMULA, frame, predicted={"topic": ("topic_gold", ["c1", "c0"])})
    assert any(
        "What 'c1', 'c0' predicted was combined" in note and "naive estimates are by 'c1'" in note
        for note in several.notes
    )
    one = at.correct(FORMULA, frame, predicted={"topic": ("topic_gold", "c1")}, prediction="label")
    naive = [fit.tidy().filter(method="naive")["estimate"].to_list() for fit in (several, one)]
    assert naive[0] == naive[1]


def test_one_in_a_list_is_one():
    frame, _ = coded_by((0.9,), 1)
    fits = [
        at.correct(FORMULA, frame, predicted={"topic": named}, prediction="recalibrated")
        for named in (("topic_gold", "c0"), ("topic_gold", ["c0"]))
    ]
    assert fits[0].estimates.equals(fits[1].estimates)


def test_a_coder_who_did_not_answer_is_no_reason_to_leave_a_text_out():
    frame, _ = coded_by((0.9, 0.8), 2)
    gaps = pl.Series(np.random.default_rng(3).random(len(frame)) < 0.2)
    holes = frame.with_columns(c0=pl.when(gaps).then(None).otherwise("c0"))
    fit = at.correct(FORMULA, holes, predicted={"topic": ("topic_gold", ["c0", "c1"])})
    assert fit.n == len(frame)


def test_the_order_of_labels_stays_that_of_the_first():
    frame, _ = coded_by((0.9, 0.8), 2)
    frame = frame.with_columns(c0=pl.col("c0").cast(pl.Enum(["Law", "Health"])))
    fit = at.correct("topic ~ x", frame, predicted={"topic": ("topic_gold", ["c0", "c1"])}, model="multinomial")
    assert fit.references == {"topic": "Law"}


def test_probabilities_and_numbers_count_as_well():
    frame, _ = coded_by((0.9, 0.8), 2)
    likely = frame.with_columns(
        c0_p_Health=pl.when(pl.col("c0") == "Health").then(0.9).otherwise(0.1),
        y_gold=(pl.col("topic_gold") == "Health").cast(pl.Float64),
        n0=(pl.col("c0") == "Health").cast(pl.Float64),
        n1=(pl.col("c1") == "Health"),
    )
    named = slope_of(likely, ["c0", "c1"])
    fit = at.correct("y ~ x", likely, predicted={"y": ("y_gold", ["n0", "n1"])}, model="linear")
    numbers = fit.tidy().filter(term="x", method="corrected").row(0, named=True)
    assert numbers["estimate"] == pytest.approx(named["estimate"], abs=named["std_error"] / 4)


@pytest.mark.parametrize("model", ["logit", "multinomial"])
def test_other_models_take_several_as_well(model):
    frame, _ = coded_by((0.9, 0.8, 0.5), 4)
    formula = "topic ~ x" if model == "multinomial" else FORMULA
    errors = []
    for coders in (["c0"], ["c0", "c1", "c2"]):
        predicted = {"topic": ("topic_gold", coders)}
        fit = at.correct(formula, frame, predicted=predicted, model=model, prediction="recalibrated")
        errors.append(fit.tidy().filter(term="x", method="corrected")["std_error"].item())
    assert errors[1] < errors[0] * 1.02


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"predicted": {"topic": ("topic_gold", ["c0", "gpt"])}}, "gpt"),
        ({"predicted": {"topic": ("topic_gold", [])}}, "no predictions of 'topic'"),
        ({"predicted": {"topic": ("topic_gold", ["c0", "c1"])}, "prediction": "label"}, "takes one label per text"),
        ({"predicted": {"topic": ("topic_gold", ["c0", "c1"])}, "method": "none"}, "combined by the correction"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said):
    frame, _ = coded_by((0.9, 0.8), 1)
    with pytest.raises(at.AnnotuneError, match=said):
        at.correct(FORMULA, frame, **arguments)


def test_a_covariate_has_one_prediction():
    frame, _ = coded_by((0.9, 0.8), 1)
    with pytest.raises(at.AnnotuneError, match="is not what is explained"):
        at.correct("x ~ topic == 'Health'", frame, predicted={"topic": ("topic_gold", ["c0", "c1"])})
