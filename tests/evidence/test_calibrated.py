"""Calibration: scores by hand and by scikit-learn, before and after, and bad input."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, log_loss

import annotune as at
from annotune.evidence.calibrated import AFTER, BEFORE, GIVEN


def said(labels, prob=None, **shares):
    columns = {"unit_id": [f"u{i}" for i in range(len(labels))], "label": labels}
    frame = pl.DataFrame(columns, schema_overrides={"label": pl.String}).with_columns(
        variable=pl.lit("v"), coder=pl.lit("model")
    )
    more = {name: pl.Series(values) for name, values in ({"prob": prob} | shares).items() if values is not None}
    return frame.with_columns(**more)


def simulated(n=3_000, sharper=1.0, seed=1):
    """A coder whose probabilities are `sharper` than they should be, and the gold."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (rng.random((n, 1)) > shares.cumsum(1)).sum(1)
    stated = shares**sharper / (shares**sharper).sum(1, keepdims=True)
    best, names = stated.argmax(1), np.array(["x", "y", "z"])
    columns = {f"p_{name}": stated[:, i] for i, name in enumerate(names)}
    return (
        said(names[best].tolist(), stated.max(1), **columns),
        said(names[truth].tolist()).drop("coder"),
        stated,
        truth,
    )


def test_expected_calibration_error_by_hand():
    """Bins (.5, .6] and (.8, .9]: |.6 - 1/2| on two of five, |.9 - 1/3| on three of five."""
    gold = said(["a", "a", "a", "b", "b"])
    found = at.calibration(said(["a", "b", "a", "a", "a"], [0.6, 0.6, 0.9, 0.9, 0.9]), gold, n_boot=0)
    assert found.bins.select("low", "n", "right").rows() == [(0.5, 2, 0.5), (0.8, 3, pytest.approx(1 / 3))]
    assert found.get("ece") == pytest.approx(0.4 * 0.1 + 0.6 * (0.9 - 1 / 3))
    assert found.get("brier") == pytest.approx((0.4**2 + 0.6**2 + 0.1**2 + 0.9**2 + 0.9**2) / 5)
    assert "too sure by 0.380" in found.in_words()


def test_brier_by_hand_over_all_labels():
    """Brier (1950): the squared distance to the outcome, summed over classes: (.3^2 + .3^2) and (.8^2 + .8^2)."""
    found = at.calibration(said(["a", "a"], [0.7, 0.8], p_a=[0.7, 0.8], p_b=[0.3, 0.2]), said(["a", "b"]), n_boot=0)
    assert found.get("brier") == pytest.approx((0.18 + 1.28) / 2)


def test_brier_and_log_loss_of_scikit_learn():
    codings, gold, stated, truth = simulated(400)
    found = at.calibration(codings, gold, n_boot=0)
    assert found.get("log_loss") == pytest.approx(log_loss(truth, stated))
    theirs = brier_score_loss(truth, stated, labels=[0, 1, 2], scale_by_half=False)
    assert found.get("brier") == pytest.approx(theirs)


def test_honest_probabilities_are_calibrated_and_sharpened_ones_are_mended():
    honest = at.calibration(*simulated(n=4_000)[:2], n_boot=200)
    assert honest.get("ece") < 0.03
    sharp = at.calibration(*simulated(n=4_000, sharper=3.0)[:2], n_boot=200)
    assert sharp.get("ece") > 0.15
    assert sharp.get("ece", AFTER) < 0.03
    assert sharp.get("brier", AFTER) < sharp.get("brier")
    row = sharp.scores.row(0, named=True)
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert (sharp.bins["ci_low"] <= sharp.bins["right"]).all()


def test_a_tuned_model_before_and_after(topics, gold, book, tiny_base):
    """Its scale and offsets are in the probabilities; here they are taken out again."""
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0.4, n_boot=0)
    choices = model.card["choices"]
    assert choices["scale"] != 1.0
    found = at.calibration(model, gold, codebook=book(), n_boot=0)
    assert found.scores["version"].unique(maintain_order=True).to_list() == [GIVEN, BEFORE]
    logits = (np.log(model.held_out.select("^p_.*$").to_numpy()) - choices["offsets"]) / choices["scale"]
    before = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = [model.labels.index(label) for label in model.held_out.join(gold, on="unit_id", how="left")["label_right"]]
    assert found.get("log_loss", BEFORE) == pytest.approx(log_loss(truth, before, labels=range(3)), rel=1e-4)
    alphabetical = at.calibration(model, gold, n_boot=0)  # its labels come in the order of the alphabet, not the book's
    assert alphabetical.get("log_loss", BEFORE) == pytest.approx(found.get("log_loss", BEFORE))


def test_sets_are_questions_of_yes_or_no(book):
    codings = said(["Health", "Law"], p_Health=[0.9, 0.2], p_Law=[0.4, 0.7], p_Farming=[0.1, 0.1])
    names = pl.DataFrame({"unit_id": ["u0", "u1"], "label": ["Health", "Law"], "variable": "topic"})
    found = at.calibration(
        codings.with_columns(variable=pl.lit("topic")), names, codebook=book("multilabel"), n_boot=20
    )
    squares = [0.1**2, 0.4**2, 0.1**2, 0.2**2, 0.3**2, 0.1**2]
    assert found.get("brier") == pytest.approx(sum(squares) / 6)
    assert found.bins.filter(version=GIVEN)["n"].sum() == 6


def test_what_has_no_probability_is_counted():
    codings = said(["a", "a", None], [0.6, None, None])
    found = at.calibration(codings, said(["a", "a", "b"]), n_boot=0)
    assert found.left_out == 2
    assert found.bins["n"].sum() == 1


def test_the_diagram(tmp_path):
    codings, gold, *_ = simulated(300, sharper=2.0)
    found = at.calibration(codings, gold, n_boot=0)
    figure = at.plot_calibration(found, tmp_path / "diagram.png")
    assert (tmp_path / "diagram.png").stat().st_size > 10_000
    assert [text.get_text().split(" (")[0] for text in figure.axes[0].get_legend().get_texts()] == [GIVEN, AFTER]
    with pytest.raises(at.AnnotuneError, match="cannot be saved as"):
        at.plot_calibration(found, tmp_path / "diagram.words")


@pytest.mark.parametrize(
    ("codings", "options", "says"),
    [
        (said(["a", "b"]), {}, "No unit of the gold has an answer and a probability"),
        (said(["a", "b"], [0.5, 0.5]), {"bins": 0}, "0 bins cannot be read"),
        (said(["a", "b"], [50.0, 95.0]), {}, "not from 0 to 1"),
        (said(["a", "b"], [float("nan"), None]), {}, "No unit of the gold has an answer and a probability"),
        (said([], []), {}, "by 0 coders"),
        (pl.concat([said(["a"], [0.5]), said(["b"], [0.5]).with_columns(coder=pl.lit("other"))]), {}, "by 2 coders"),
    ],
)
def test_what_cannot_be_calibrated_is_one_sentence(codings, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.calibration(codings, said(["a", "b"]), n_boot=0, **options)


@pytest.mark.parametrize(("n", "gap"), [(200, 0.0), (200, 0.1), (800, 0.03)])
def test_the_interval_of_the_expected_calibration_error_covers_it(n, gap):
    """Absolute gaps are too large in a sample, and larger again in resamples of it: percentiles alone never hold 0."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(40):
        stated = rng.uniform(0.55, 0.95, n)
        gold = said(np.where(rng.random(n) < stated - gap, "a", "b").tolist()).drop("coder")
        found = at.calibration(said(["a"] * n, stated), gold, n_boot=100).scores.row(0, named=True)
        assert found["ci_low"] <= found["estimate"] <= found["ci_high"]
        held += found["ci_low"] <= gap <= found["ci_high"]
    assert held >= 35  # of 40; with 95 % coverage fewer come once in 1,500 times


def test_a_label_that_nobody_gave_counts_with_its_probability():
    gold, columns = said(["a", "b"]).drop("coder"), {"p_a": [0.5, 0.2], "p_b": [0.2, 0.5], "p_c": [0.3, 0.3]}
    found = at.calibration(said(["a", "b"], [0.5, 0.5], **columns), gold, n_boot=0)
    assert found.get("brier") == pytest.approx(0.25 + 0.04 + 0.09)
    assert found.get("log_loss") == pytest.approx(-np.log(0.5))


def test_a_text_without_all_its_probabilities_is_left_out_and_counted():
    found = at.calibration(
        said(["a", "b", "b"], [0.9, 0.8, 0.7], p_a=[0.9, 0.2, None], p_b=[0.1, 0.8, 0.7]), said(["a", "b", "b"])
    )
    assert (found.left_out, found.scores["n_units"][0]) == (1, 2)
    assert found.scores["estimate"].is_not_nan().all()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"p_a": [90.0, 20.0], "p_b": [10.0, 80.0]}, "not from 0 to 1"),
        ({"p_a": [0.5, 0.2], "p_b": [0.2, 0.8]}, "of the text 'u0' add up to 0.70.*'p_a', 'p_b'"),
        ({"p_a": ["high", "low"], "p_b": [0.2, 0.8]}, "'p_a' has words"),
    ],
)
def test_probabilities_that_are_none_are_refused(columns, told):
    with pytest.raises(at.AnnotuneError, match=told):
        at.calibration(said(["a", "b"], [0.9, 0.8], **columns), said(["a", "b"]), n_boot=0)


def test_coded_texts_beside_their_covariates_are_as_good_as_codings(book):
    """What `classify` writes on the command line has a column a variable."""
    codings = pl.DataFrame({"unit_id": ["a", "b", "c"], "label": ["Law", "Health", None], "coder": "m"}).with_columns(
        variable=pl.lit("topic"), prob=pl.Series([0.7, 0.6, None]),
        p_Health=pl.Series([0.2, 0.6, None]), p_Law=pl.Series([0.7, 0.3, None]), p_Farming=pl.Series([0.1, 0.1, None]),
    )  # fmt: skip
    gold = pl.DataFrame({"unit_id": ["a", "b", "c"], "label": ["Law", "Law", "Law"]}).with_columns(
        variable=pl.lit("topic")
    )
    wide = at.attach(gold.select("unit_id", text=pl.lit("...")), codings, codebook=book())
    for given in (codings, wide):
        found = at.calibration(given, gold, codebook=book(), n_boot=0)
        assert found.left_out == 1
        assert found.get("brier") == pytest.approx((0.04 + 0.09 + 0.01 + 0.36 + 0.49 + 0.01) / 2)
    with pytest.raises(at.AnnotuneError, match="or a codebook"):
        at.calibration(wide, gold)
