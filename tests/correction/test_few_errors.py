"""Few errors behind a coefficient: intervals that hold nonetheless, and notes that say what they are."""

import numpy as np
import polars as pl
import pytest

import annotune as at

CORRECTED, HAND = "corrected", "hand-coded only"


def texts(seed=1, n=4000, coded=100, share=0.3, right=(0.99, 0.99), party=0.3):
    """n texts of two parties, `coded` of them coded; how many with a label, and without, are predicted right."""
    rng = np.random.default_rng(seed)
    true = rng.random(n) < share
    said = np.where(true, rng.random(n) < right[0], rng.random(n) >= right[1])
    drawn = np.isin(np.arange(n), rng.permutation(n)[:coded])
    frame = pl.DataFrame({"y_hat": said * 1.0, "y_gold": np.where(drawn, true, np.nan), "fold": 1})
    return frame.with_columns(party=pl.Series((rng.random(n) < party) * 1.0), pi=pl.lit(coded / n))


def row(fit, method=CORRECTED, term="party"):
    return fit.tidy().filter(method=method, term=term).row(0, named=True)


def named(fit, words):
    return [note for note in fit.notes if words in note]


@pytest.mark.parametrize(("method", "model"), [("dsl", "linear"), ("ppi", "linear"), ("dsl", "logit")])
def test_intervals_hold_where_a_good_model_errs_in_one_party_alone(method, model):
    """It overlooks a tenth there, 3 % of the texts: of 30 coded ones, one or none. Of usual intervals, most fail."""
    inside = []
    for seed in range(40):
        perfect, flawed = (texts(seed, right=right) for right in ((1.0, 1.0), (0.9, 1.0)))
        frame = perfect.with_columns(y_hat=pl.when(pl.col("party") == 1).then(flawed["y_hat"]).otherwise("y_hat"))
        found = row(at.correct("y ~ party", frame, method=method, model=model))
        inside.append(found["conf_low"] <= 0 <= found["conf_high"])
    assert np.mean(inside) >= 0.92


def test_without_an_error_the_variance_is_that_of_three():
    """As in the rule of three; the variance of the predictions counts as a fifth of an error. It is called a bound."""
    frame = texts(right=(1.0, 1.0), n=10_000)
    fit = at.correct("y ~ 1", frame)
    found = row(fit, term="Intercept")
    share = frame["y_hat"].mean()
    spread = share * (1 - share) / 10_000
    more = 3 * (1 - spread * 100**2 / 9)
    assert found["std_error"] == pytest.approx(np.sqrt(spread + more / 100**2), rel=1e-3)
    assert fit.covariance[CORRECTED][0, 0] == pytest.approx(found["std_error"] ** 2)
    (note,) = named(fit, "Few errors")
    assert "'Intercept' rests on fewer than 9" in note
    assert "bound" in note
    wide = row(at.correct("y ~ 1", frame, level=0.99), term="Intercept")
    assert wide["conf_high"] - wide["estimate"] > 4.6 / 100  # the exact bound of no event among 100 at 99 %, one-sided


def test_errors_are_counted_for_each_coefficient():
    """Many errors, but none among the 40 coded texts of the small party."""
    frame = texts(right=(0.7, 0.7), coded=800, party=0.05)
    spared = frame.with_columns(
        y_gold=pl.when(pl.col("party") == 0)
        .then("y_gold")
        .otherwise(pl.when(pl.col("y_gold").is_not_nan()).then("y_hat").otherwise("y_gold"))
    )
    before, after = at.correct("y ~ party", frame), at.correct("y ~ party", spared)
    assert not named(before, "Few errors")
    (note,) = named(after, "Few errors")
    assert "'party'" in note
    assert "'Intercept'" not in note
    only = spared.filter(pl.col("party") == 0)
    assert row(after, term="Intercept")["std_error"] == pytest.approx(
        row(at.correct("y ~ 1", only), term="Intercept")["std_error"], rel=0.01
    )


def test_with_enough_errors_nothing_is_changed_or_said():
    frame = texts(coded=1000, right=(0.9, 0.9))
    fit = at.correct("y ~ party", frame)
    assert fit.notes == ()
    outcome = at.dsl_columns(frame, "y")["dsl_y"].to_numpy()
    party = frame["party"].to_numpy() == 1
    variance = sum(outcome[side].var() / side.sum() for side in (party, ~party))
    assert row(fit)["std_error"] == pytest.approx(np.sqrt(variance))


def test_heavy_weights_are_told_and_intervals_hold():
    """pi of .5 where the label is predicted and of .02 elsewhere: what the model overlooks is hardly ever seen."""
    inside = []
    for seed in range(50):
        frame, rng = texts(seed, n=8000, share=0.03, right=(0.7, 0.99)), np.random.default_rng(500 + seed)
        true = rng.random(8000) < 0.03
        said = np.where(true, rng.random(8000) < 0.7, rng.random(8000) >= 0.99)
        pi = np.where(said, 0.5, 0.02)
        drawn = rng.random(8000) < pi
        frame = frame.with_columns(y_hat=said * 1.0, y_gold=np.where(drawn, true, np.nan), pi=pi)
        found = row(fit := at.correct("y ~ 1", frame), term="Intercept")
        inside.append(found["conf_low"] <= 0.03 <= found["conf_high"])
    assert np.mean(inside) >= 0.93
    weights = 1 / pi[drawn]
    size = weights.sum() ** 2 / (weights**2).sum()
    assert named(fit, f"{drawn.sum()} hand-coded texts count as {size:.0f} with the same pi (Kish)")


def test_five_texts_with_most_of_the_variance_are_told():
    """Nine errors among 100 coded texts of 10,000 are enough; five are 5 / 9 of what the errors add to the variance."""
    frame = texts(right=(1.0, 1.0), n=10_000).with_columns(place=pl.int_range(pl.len()).over(pl.col("y_gold").is_nan()))
    wrong = pl.col("y_gold").is_not_nan() & (pl.col("place") < 9)
    frame = frame.with_columns(y_gold=pl.when(wrong).then(1 - pl.col("y_gold")).otherwise("y_gold"))
    (note,) = at.correct("y ~ 1", frame).notes
    assert note.startswith("Five hand-coded texts have up to 54% of the variance of 'Intercept'")


def test_the_part_of_five_texts_is_of_the_whole_variance():
    """As in least squares on DSL's outcomes with White's variance, whose scores are computed here."""
    frame = texts(seed=2, n=2000, coded=500, right=(0.9, 0.9))
    x = np.random.default_rng(2).standard_t(2, 2000)
    (note,) = named(at.correct("y ~ x", frame.with_columns(x=x)), "Five hand-coded texts")
    design, outcome = np.column_stack([np.ones(2000), x]), at.dsl_columns(frame, "y")["dsl_y"].to_numpy()
    inverse = np.linalg.inv(design.T @ design)
    scores = design * (outcome - design @ inverse @ design.T @ outcome)[:, None] @ inverse
    squares = scores[frame["y_gold"].is_not_nan().to_numpy(), 1] ** 2
    share = np.sort(squares)[-5:].sum() / (scores[:, 1] ** 2).sum()
    assert f"up to {share:.0%} of the variance of 'x'" in note


def test_a_note_counts_errors_that_were_seen():
    none, two = (at.correct("y ~ party", texts(n=2000, coded=200, right=(1.0, 1.0), seed=seed)) for seed in (1, 2))
    assert all("(none was seen)" in named(fit, "Few errors")[0] for fit in (none, two))
    frame = texts(n=20_000, coded=100, right=(1.0, 1.0)).with_columns(at=pl.col("y_gold").is_not_nan().cum_sum())
    wrong = pl.col("y_gold").is_not_nan() & (pl.col("at") <= 2)
    frame = frame.with_columns(y_gold=pl.when(wrong).then(1 - pl.col("y_gold")).otherwise("y_gold")).drop("at")
    assert "(2.0 by their weight)" in named(at.correct("y ~ 1", frame), "Few errors")[0]


def test_a_note_says_behind_which_estimates_no_error_was_seen():
    """Two errors among the coded texts of one party move its difference, and not the other party's share."""
    frame = texts(n=2000, right=(1.0, 1.0)).with_columns(coded=pl.col("y_gold").is_not_nan())
    nth = pl.col("coded").cum_sum().over("party")
    wrong = pl.col("coded") & (pl.col("party") == 1) & (nth <= 2)
    frame = frame.with_columns(y_gold=pl.when(wrong).then(1 - pl.col("y_gold")).otherwise("y_gold")).drop("coded")
    (note,) = named(at.correct("y ~ party", frame), "Few errors")
    assert "'Intercept', 'party' rest on fewer than 9 (none was seen for 'Intercept')" in note


def test_errors_that_weigh_little_were_seen_nonetheless():
    """Forty errors at texts with a hundredth of the others' weight."""
    frame = texts(n=20_000, coded=300, right=(1.0, 1.0)).with_columns(coded=pl.col("y_gold").is_not_nan())
    often = pl.col("coded") & (pl.col("coded").cum_sum() <= 40)
    pi = pl.when(often).then(1.0).otherwise(0.01)
    gold = pl.when(often).then(1 - pl.col("y_gold")).otherwise("y_gold")
    (note,) = named(at.correct("y ~ 1", frame.with_columns(pi=pi, y_gold=gold).drop("coded")), "Few errors, corrected")
    assert "(below 0.1 by their weight)" in note


def test_errors_of_numbers_and_of_predicted_covariates_are_noted():
    """There is no typical error of a number: it is only said that few texts make up the variance."""
    rng = np.random.default_rng(3)
    frame = texts(coded=200).with_columns(vote=pl.Series(rng.normal(size=4000)))
    gold = pl.when(pl.int_range(4000) % 20 == 0).then(pl.col("vote") + 5.0 * (pl.int_range(4000) < 60))
    numbers = frame.select("party", "fold", score=pl.col("vote"), score_gold=gold)
    fit = at.correct("score ~ party", numbers, pi=0.05)
    (note,) = [note for note in named(fit, "Few errors") if CORRECTED in note]
    assert "too narrow" in note
    assert any("too narrow" in note for note in named(at.correct("vote ~ y", frame), "Few errors"))


def test_columns_for_other_programs_are_told_of():
    with pytest.warns(at.AnnotuneWarning, match="'dsl_y' rests on fewer than 9 errors among 100 hand-coded texts"):
        at.dsl_columns(texts(), "y")
