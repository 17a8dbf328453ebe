"""What a further wave is expected to do to standard errors: against the plan of one draw, and against what comes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.correction.next_wave import next_standard_errors
from annotune.correction.text_scores import doubt, for_coefficients, proportional, with_floor
from annotune.hybrid.draws import fixed_size

N, ROUND = 4_000, 200


def corpus(seed: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Texts of two parties with calibrated probabilities; the labels, and how much each text matters."""
    rng = np.random.default_rng(seed)
    right = rng.random(N) < 0.5
    likely = rng.beta(0.5, 1.0 + right)
    truth = rng.random(N) < likely
    x = np.column_stack([np.ones(N), right])
    score = with_floor(for_coefficients((x @ np.linalg.inv(x.T @ x))[:, 1:], doubt(likely)))
    table = pl.DataFrame({"party": np.where(right, "right", "left"), "y": (likely > 0.5).astype(int), "y_p_1": likely})
    return table, truth, score


def drawn(table: pl.DataFrame, truth: np.ndarray, waves: list[np.ndarray], seed: int) -> pl.DataFrame:
    """The table after waves that were drawn with these probabilities, each among the texts that are left."""
    rng = np.random.default_rng(seed)
    wave, pi = np.zeros(len(truth), dtype=int), np.full(len(truth), np.nan)
    for number, score in enumerate(waves, start=1):
        free = np.flatnonzero(wave == 0)
        chance = proportional(score[free], ROUND)
        pi[free] = chance
        wave[free[fixed_size(chance, rng)]] = number
    gold = [int(y) if drawn else None for y, drawn in zip(truth, wave > 0, strict=True)]
    return table.with_columns(y_gold=pl.Series(gold), pi=pl.Series(pi), wave=pl.Series(wave).replace(0, None))


def expected(data: pl.DataFrame, **how: object) -> tuple[float, float]:
    row = next_standard_errors(data, "y ~ party", n=ROUND, variable="y", pi="pi", wave="wave", **how).row(0)
    assert row[0] == "party[right]"
    return row[1], row[2]


def error(data: pl.DataFrame) -> float:
    rows = at.correct("y ~ party", data).tidy()
    return float(rows.filter(method="corrected", term="party[right]")["std_error"][0])


def test_of_simple_draws_it_is_the_plan() -> None:
    """Two simple waves are one of both sizes: the variance by the draw is (1/n - 1/N) B, as `plan_sample` has it."""
    table, truth, _ = corpus(1)
    data = drawn(table, truth, [np.ones(N)], 1)
    now, then = expected(data)
    for n, value in ((ROUND, now), (2 * ROUND, then)):
        plan = at.plan_sample(data.drop("wave"), n=n, formula="y ~ party").estimates["std_error"][0]
        assert value == pytest.approx(plan, rel=2e-3)


@pytest.mark.parametrize("active", [False, True])
def test_what_is_expected_comes_on_the_average(active: bool) -> None:
    ratios = []
    for seed in range(40):
        table, truth, score = corpus(seed)
        waves = [np.ones(N), score if active else np.ones(N)]
        before = drawn(table, truth, waves[:1], seed)
        after = drawn(table, truth, waves, seed)
        now, then = expected(before, score=score if active else None)
        ratios.append((error(before) * then / now) / error(after))
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert np.std(ratios) < 0.12


def test_an_active_wave_is_expected_to_bring_more_where_few_texts_matter() -> None:
    table, truth, score = corpus(3)
    data = drawn(table, truth, [np.ones(N)], 3)
    assert expected(data, score=score)[1] < 0.97 * expected(data)[1]
    assert expected(data, score=np.ones(N))[1] == pytest.approx(expected(data)[1], rel=2e-3)


def test_texts_without_a_covariate_count_for_nothing() -> None:
    table, truth, score = corpus(4)
    data = drawn(table, truth, [np.ones(N)], 4)
    holes = data.with_columns(party=pl.when(pl.int_range(N) < 300).then(None).otherwise("party"))
    rest = pl.Series(np.arange(N) >= 300)
    by_part = expected(data.filter(rest), score=score[300:])
    assert expected(holes, score=score) == pytest.approx(by_part)


def test_what_cannot_be_planned_for_is_said() -> None:
    table, truth, _ = corpus(5)
    data = drawn(table, truth, [np.ones(N)], 5)
    with pytest.raises(at.AnnotuneError, match="cannot be planned for"):
        next_standard_errors(data, "y ~ party | party", n=ROUND, variable="y", pi="pi", wave="wave")
