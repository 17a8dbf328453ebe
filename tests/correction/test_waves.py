"""Texts drawn in waves: estimates are right on average over every possible draw, and so are their variances."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import annotune as at
from annotune.correction.balance import balance_of_waves
from annotune.data.waves import counts

N = 5


def draws_of(pi):
    """Every set of texts that can be drawn independently with these probabilities, and how likely it is."""
    for drawn in product([False, True], repeat=len(pi)):
        taken = np.array(drawn, dtype=bool)
        yield taken, float(np.prod(np.where(taken, pi, 1 - pi)))


def adaptive(pi_first, taken, errors):
    """The second wave's probabilities, which rest on the errors that the first found."""
    found = abs(errors[taken]).sum()
    return np.clip(0.2 + 0.15 * found * (1 + np.arange(len(errors))) / len(errors), 0.1, 0.9)


def every_two_waves(pi_first, errors):
    """For every pair of waves its probability, the wave of each text (0: none) and its pi there."""
    for first, chance in draws_of(pi_first):
        second_pi = adaptive(pi_first, first, errors)
        free = np.flatnonzero(~first)
        for second, then in draws_of(second_pi[free]):
            wave, pi = first.astype(int), np.where(first, pi_first, second_pi)
            wave[free[second]] = 2
            yield chance * then, wave, pi


def fixed_counts(wave, pi, part):
    """Weights by the definition, with waves' parts that were fixed before: (N,), 0 for texts that nobody drew."""
    weight = np.where(wave == 1, part[0] / pi + part[1], np.where(wave == 2, part[1] / pi, 0.0))
    chance = np.where(wave == 0, 0.0, (np.array([0, *part])[wave] / pi) ** 2 * (1 - pi))
    return weight, chance


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_unbiased_over_all_draws_with_a_variance_that_is_right(seed, first_part):
    rng = np.random.default_rng(seed)
    errors, pi_first = rng.choice([-1.0, 0.0, 1.0], N), rng.uniform(0.2, 0.7, N)
    likely = rng.uniform(0, 1, N)
    part = (first_part, 1 - first_part)
    mean = square = estimated = robust = 0.0
    for chance, wave, pi in every_two_waves(pi_first, errors):
        weight, spread = fixed_counts(wave, pi, part)
        total = weight @ errors
        mean += chance * total
        square += chance * total**2
        estimated += chance * (spread @ errors**2)
        robust += chance * ((likely + weight * errors) ** 2).sum()
    variance = square - mean**2
    assert mean == pytest.approx(errors.sum())
    assert estimated == pytest.approx(variance)  # that of the corpus
    assert robust == pytest.approx(variance + ((likely + errors) ** 2).sum())  # HC0: that of a population


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_three_waves_are_unbiased_each_resting_on_those_before(seed):
    """Four texts, every way in which three waves can draw them; the third's pi rests on what both before found."""
    rng = np.random.default_rng(seed)
    errors, pi_first = rng.normal(size=4), rng.uniform(0.2, 0.7, 4)
    part = np.array([0.0, 0.2, 0.3, 0.5])
    later = np.array([0.0, 0.8, 0.5, 0.0])
    mean = square = estimated = 0.0

    def after(wave, pi, chance, number):
        nonlocal mean, square, estimated
        if number == 4:
            drawn = wave > 0
            weight = np.where(drawn, part[wave] / pi + later[wave], 0.0)
            mean += chance * (weight @ errors)
            square += chance * (weight @ errors) ** 2
            estimated += chance * (drawn * (part[wave] / pi) ** 2 * (1 - pi) @ errors**2)
            return
        free = np.flatnonzero(wave == 0)
        now = pi_first if number == 1 else adaptive(pi_first, wave > 0, errors)
        for taken, then in draws_of(now[free]):
            with_these = wave.copy()
            with_these[free[taken]] = number
            after(with_these, np.where(wave == 0, now, pi), chance * then, number + 1)

    after(np.zeros(4, dtype=int), np.ones(4), 1.0, 1)
    assert mean == pytest.approx(errors.sum())
    assert estimated == pytest.approx(square - mean**2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_counts_are_by_the_definition(seed, number):
    rng = np.random.default_rng(seed)
    pi, wave = rng.uniform(0.05, 1, 40), rng.integers(1, number + 1, 40)
    count = counts(pi, 10 * wave)  # whatever the waves' numbers are
    part = np.array([(wave == t).mean() for t in range(1, number + 1)])
    expected = [part[s - 1] / p + part[s:].sum() for s, p in zip(wave, pi, strict=True)]
    assert np.allclose(count.ratio, expected)
    if count.chance is not None:
        assert np.allclose(count.chance * count.ratio**2, part[wave - 1] ** 2 * (1 - pi) / pi**2)


def test_one_wave_is_one_over_pi_to_the_bit():
    pi = np.random.default_rng(1).uniform(0.01, 1, 1000)
    for wave in (None, np.full(1000, 7)):
        count = counts(pi, wave)
        assert count.chance is None
        assert (count.ratio == 1 / pi).all()


def two_waves(rng, n=1500, sizes=(150, 250)):
    """A corpus whose second wave is drawn where the first found the model to err; the truth; and who was drawn."""
    x = rng.normal(size=n)
    truth = rng.random(n) < 1 / (1 + np.exp(1.2 - 0.8 * x))
    likely = np.clip(1 / (1 + np.exp(1.2 - 0.4 * x)) + rng.normal(0, 0.05, n), 0.02, 0.98)
    first = rng.random(n) < sizes[0] / n
    hard = abs(likely - truth)[first & (x > 0)].mean() / abs(likely - truth)[first].mean()
    score = np.where(x > 0, hard, 1.0) * (0.2 + np.sqrt(likely * (1 - likely)))
    pi_second = np.minimum(1, sizes[1] * score / score[~first].sum())
    second = ~first & (rng.random(n) < pi_second)
    wave = np.where(first, 1, np.where(second, 2, 0))
    frame = pl.DataFrame(
        {
            "x": x,
            "y": (likely > 0.5).astype(int),
            "y_p_1": likely,
            "y_gold": np.where(wave > 0, truth, np.nan),
            "pi": np.where(first, sizes[0] / n, np.where(second, pi_second, np.nan)),
            "wave": np.where(wave > 0, wave, np.nan),
            "place": rng.integers(0, 60, n),
        }
    ).with_columns(pl.col("y_gold", "wave").fill_nan(None).cast(pl.Int64), pl.col("pi").fill_nan(None))
    return frame, truth


@pytest.fixture
def frame():
    return two_waves(np.random.default_rng(5))[0]


def test_waves_are_found_and_change_the_weights(frame):
    by_itself, named = at.correct("y ~ x", frame), at.correct("y ~ x", frame, wave="wave")
    one = at.correct("y ~ x", frame.drop("wave"))
    assert by_itself.estimates.equals(named.estimates)
    assert not by_itself.estimates.equals(one.estimates)
    assert any("in 2 waves" in note for note in by_itself.notes)
    assert by_itself.balance is not None
    assert not by_itself.balance.drawn_otherwise


def test_the_column_regression_is_the_corrected_one(frame):
    ready = at.dsl_columns(frame, "y")
    design = np.column_stack([np.ones(len(ready)), ready["x"]])
    beta = np.linalg.lstsq(design, ready["dsl_y"].to_numpy(), rcond=None)[0]
    assert np.allclose(beta, list(at.correct("y ~ x", frame).coefficients().values()))
    coded = frame["y_gold"].is_not_null().to_numpy()
    count = counts(frame["pi"].to_numpy()[coded], frame["wave"].to_numpy()[coded])
    assert np.allclose(ready["dsl_weight"].to_numpy()[coded], count.ratio)
    likely, by_hand = frame["y_p_1"].to_numpy()[coded], frame["y_gold"].to_numpy()[coded]
    assert np.allclose(ready["dsl_y"].to_numpy()[coded], likely + count.ratio * (by_hand - likely))
    assert at.correct("y ~ x", ready).estimates["estimate"].to_list() == pytest.approx(
        at.correct("y ~ x", frame).estimates["estimate"].to_list()
    )


def test_shares_of_the_corpus_have_the_waves_variance(frame):
    coded = frame["y_gold"].is_not_null().to_numpy()
    pi, wave = frame["pi"].to_numpy()[coded], frame["wave"].to_numpy()[coded].astype(int)
    part = np.bincount(wave)[1:] / coded.sum()
    error = frame["y_gold"].to_numpy()[coded] - frame["y_p_1"].to_numpy()[coded]
    weight = part[wave - 1] / pi + np.array([part[1], 0])[wave - 1]
    share = frame["y_p_1"].mean() + (weight @ error) / len(frame)
    variance = (part[wave - 1] ** 2 * (1 - pi) / pi**2 * error**2).sum() / len(frame) ** 2
    row = at.prevalence(frame, methods="dsl").filter(label="1").row(0, named=True)
    assert row["estimate"] == pytest.approx(share)
    assert row["std_error"] == pytest.approx(np.sqrt(variance))


def test_error_model_and_plan_weigh_by_waves(frame):
    for result in (
        lambda data: at.error_model(data, "x").coefficients,
        lambda data: at.plan_sample(data, n=300).estimates,
    ):
        assert not result(frame).equals(result(frame.drop("wave")))
        assert result(frame).equals(result(frame.rename({"wave": "y_wave", "pi": "y_pi"})))


def test_a_single_wave_is_as_without(frame):
    once = frame.with_columns(
        y_gold=pl.when(pl.col("wave") == 1).then("y_gold"), wave=pl.when(pl.col("wave") == 1).then("wave")
    )
    without = at.correct("y ~ x", once.drop("wave"))
    assert at.correct("y ~ x", once).estimates.equals(without.estimates)
    assert at.prevalence(once).equals(at.prevalence(once.drop("wave")))
    assert at.dsl_columns(once, "y").drop("wave").equals(at.dsl_columns(once.drop("wave"), "y"))


def test_a_panel_s_waves_are_no_draws(frame):
    panel = frame.with_columns(wave=pl.int_range(pl.len()) % 3 + 1)
    assert at.correct("y ~ x", panel).estimates.equals(at.correct("y ~ x", frame.drop("wave")).estimates)


@pytest.mark.filterwarnings("ignore:379 texts")  # of the panel, whose pi is simulated
def test_waves_that_drew_every_text_are_found(frame):
    every = frame.filter(pl.col("wave").is_not_null()).with_columns(
        pi=pl.when(pl.col("wave") == 2).then(1.0).otherwise(0.375)
    )
    by_itself, named = at.correct("y ~ x", every), at.correct("y ~ x", every, wave="wave")
    assert any("in 2 waves" in note for note in by_itself.notes)
    assert by_itself.estimates.equals(named.estimates)
    panel = every.with_columns(pi=0.5)  # a panel's waves, of which a simple draw took half
    assert not any("waves" in note for note in at.correct("y ~ x", panel).notes)


def test_tuning_weighs_texts_as_the_correction_does():
    from annotune.tuning.settings import Settings
    from annotune.tuning.task import prepare

    rng, n = np.random.default_rng(3), 60
    wave = np.repeat([1, 2, 0], 20)[rng.permutation(n)]
    texts = pl.DataFrame(
        {
            "unit_id": [f"u{i}" for i in range(n)],
            "text": [f"nurses and hospital number {i}" for i in range(n)],
            "pi": np.where(wave == 1, 1 / 3, rng.uniform(0.2, 0.9, n)),
            "wave": pl.Series(np.where(wave > 0, wave, -1)).replace({-1: None}),
        }
    )
    coded = texts.filter(pl.col("wave").is_not_null())
    labels = (at.Label(code=0, name="Law"), at.Label(code=1, name="Health"))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    answers = {"variable": pl.lit("topic"), "coder": pl.lit("anna"), "status": pl.lit("ok")}
    gold = coded.select("unit_id", label=pl.Series(["Law", "Health"] * 20), **answers)
    task = prepare(texts, gold, book, "topic", None, 0.15, Settings(method="probe"), pi="pi")
    mine = texts.join(task.coded.frame.select("unit_id"), on="unit_id", maintain_order="right")
    ratio = counts(mine["pi"].to_numpy(), mine["wave"].to_numpy()).ratio
    assert task.weights == pytest.approx(ratio / ratio.mean())
    assert task.weights != pytest.approx(1 / mine["pi"].to_numpy() / (1 / mine["pi"].to_numpy()).mean())


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({}, {"wave": "waves"}, "no column 'waves'"),
        ({"wave": pl.col("wave") + 0.5}, {"wave": "wave"}, "holds no waves"),
        ({"wave": pl.when(pl.col("wave") == 1).then("wave")}, {"wave": "wave"}, "is not known"),
        ({}, {"wave": "wave", "pi": 0.2}, "pi is one number"),
    ],
)
def test_what_is_no_wave(frame, change, options, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.correct("y ~ x", frame.with_columns(**change), **options)


def test_balance_has_its_level_and_finds_what_is_otherwise():
    rng = np.random.default_rng(2)
    p_values, otherwise = [], []
    for _ in range(300):
        frame, _ = two_waves(rng)
        coded = frame["y_gold"].is_not_null().to_numpy()
        count = counts(frame["pi"].to_numpy()[coded], frame["wave"].to_numpy()[coded])
        columns = np.column_stack([frame["x"], frame["y_p_1"]])
        p_values.append(balance_of_waves(columns, ["x", "p"], coded, count.ratio, count.chance).p_value)
        flat = counts(np.full(coded.sum(), 0.25), frame["wave"].to_numpy()[coded])
        otherwise.append(balance_of_waves(columns, ["x", "p"], coded, flat.ratio, flat.chance).p_value)
    assert abs(np.mean(np.array(p_values) < 0.05) - 0.05) < 0.04
    assert np.mean(np.array(otherwise) < 0.05) > 0.5


def test_balance_is_hotellings_and_holds_its_level_with_few_coded_texts():
    """Eight columns and some 90 coded texts; Hotelling's T-squared is computed here from the columns as they are."""
    rng, p_values = np.random.default_rng(6), []
    for _ in range(200):
        pi, wave = rng.uniform(0.02, 0.1, 1000), np.zeros(1000, dtype=int)
        wave[rng.random(1000) < pi] = 1
        wave[(wave == 0) & (rng.random(1000) < pi / 2)] = 2
        coded, chance_of = wave > 0, np.where(wave == 2, pi / 2, pi)
        count = counts(chance_of[coded], wave[coded])
        x = rng.uniform(-1, 1, (1000, 8))
        found = balance_of_waves(x, list("abcdefgh"), coded, count.ratio, count.chance)
        z = (x - x.mean(0)) / x.std(0)
        total = count.ratio @ z[coded] - z.sum(0)
        drawn = z[coded] * (count.ratio * np.sqrt(count.chance))[:, None]
        square, n = total @ np.linalg.solve(drawn.T @ drawn, total), int(coded.sum())
        assert found.statistic == pytest.approx(square * (n - 8) / (8 * (n - 1)))
        assert found.p_value == pytest.approx(stats.f.sf(found.statistic, 8, n - 8))
        p_values.append(found.p_value)
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_intervals_hold_the_truth():
    """600 corpora with a second wave that rests on the first; the tolerance is three simulation errors."""
    rng = np.random.default_rng(4)
    design_truth, inside, shares = [], [], []
    for _ in range(600):
        frame, truth = two_waves(rng)
        coded = frame["y_gold"].is_not_null().to_numpy()
        count = counts(frame["pi"].to_numpy()[coded], frame["wave"].to_numpy()[coded])
        likely = frame["y_p_1"].to_numpy()
        weight = np.zeros(len(frame))
        weight[coded] = count.ratio
        corrected = likely + weight * (truth - likely)
        design = np.column_stack([np.ones(len(frame)), frame["x"]])
        inverse = np.linalg.inv(design.T @ design)
        beta = inverse @ design.T @ corrected
        scores = design * (corrected - design @ beta)[:, None]
        design_truth.append(beta[1])
        inside.append((beta[1], np.sqrt((inverse @ scores.T @ scores @ inverse)[1, 1])))
        squares = (count.chance * count.ratio**2) @ (truth - likely)[coded] ** 2
        shares.append(abs(corrected.mean() - truth.mean()) < 1.96 * np.sqrt(squares) / len(frame))
    slopes = np.array(inside)
    expected = slopes[:, 0].mean()
    covered = np.mean(abs(slopes[:, 0] - expected) < 1.96 * slopes[:, 1])
    assert abs(covered - 0.95) < 0.03
    assert abs(np.mean(shares) - 0.95) < 0.03
    assert slopes[:, 1].mean() == pytest.approx(slopes[:, 0].std(), rel=0.1)
