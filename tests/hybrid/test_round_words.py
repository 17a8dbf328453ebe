"""What rounds say: forecasts, labels on which coders differ, and the rule by which they end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.hybrid.effort import effort_until
from annotune.hybrid.round_words import Stop, expected_gain, rule_in_words
from annotune.hybrid.rounds import COEFFICIENTS, LABELS, TABLE, Rounds, made_of
from annotune.hybrid.store import open_store


def rows(*f1: float, first: int = 100) -> pl.DataFrame:
    """A table of rounds that doubled the codings."""
    cells = [
        {"round": i + 1, "variable": "topic", "n_coded": first * 2**i, "codings": 300, "macro_f1": value,
         "macro_f1_low": value - 0.02, "macro_f1_high": value + 0.02, "alpha": 0.8}
        for i, value in enumerate(f1)
    ]  # fmt: skip
    return pl.DataFrame(cells, schema=TABLE)


def coefficients(error: float, term: str = "party[right]") -> pl.DataFrame:
    cells = {"round": 1, "formula": "topic == 'Law' ~ party", "estimate": 0.1, "std_error": error}
    constant = cells | {"term": "Intercept", "std_error": 0.5}
    return pl.DataFrame([constant, cells | {"term": term}], schema=COEFFICIENTS)


@pytest.mark.parametrize(
    ("stop", "reached"),
    [
        (Stop(), ""),
        (Stop(rounds=1), "The rule is reached: 1 round was to be made."),
        (Stop(rounds=2), ""),
        (Stop(std_error=0.03), "The rule is reached: no standard error is above 0.03."),
        (Stop(std_error=0.01), ""),
        (Stop(std_error=0.03, macro_f1=0.8), ""),
        (Stop(std_error=0.03, macro_f1=0.7), "no standard error is above 0.03 and no macro-F1 is below 0.7."),
        (Stop(rounds=1, macro_f1=0.9), "The rule is reached: 1 round was to be made."),
    ],
)
def test_the_rule_goes_by_cross_fitted_figures(stop: Stop, reached: str) -> None:
    """Not by the constant of a regression that has other terms, and not by what the evaluation set says."""
    table = rows(0.75).with_columns(evaluation_f1=pl.lit(0.99))
    words = rule_in_words(table, coefficients(0.02), stop)
    assert words.endswith(reached)
    assert bool(words) == bool(reached)


def test_the_power_law_of_three_rounds_is_carried_on() -> None:
    law = [0.9 - 2.0 * n**-0.5 for n in (100, 200, 400, 800)]
    gain = expected_gain(rows(*law[:3]), 400)
    assert gain is not None
    assert gain["estimate"] == pytest.approx(law[3] - law[2], abs=0.002)
    assert gain["ci_low"] <= law[3] - law[2] <= gain["ci_high"]
    assert expected_gain(rows(*law[:2]), 400) is None


def test_labels_are_named_by_how_sure_their_agreement_is() -> None:
    cells = [("Law", 0.55, 0.41, 0.66, 120), ("Trade", 0.6, 0.1, 0.95, 25), ("War", 0.2, 0.0, 0.4, 12),
             ("Health", 0.9, 0.8, 0.95, 120)]  # fmt: skip
    names = ("label", "alpha", "alpha_low", "alpha_high", "n_pairable")
    labels = [{"round": 1, "variable": "topic", **dict(zip(names, row, strict=True))} for row in cells]
    result = made_of([{"table": rows(0.7).to_dicts(), "coefficients": [], "labels": labels}], Stop(), 200)
    assert result.words == (
        "Agreement on 'Law' of topic is 0.55 (0.41 to 0.66), on 120 texts: sharpen its definition first.",
        "Agreement on 'Trade' of topic is 0.60, and by 25 texts it may be from 0.10 to 0.95: look at those on which "
        "coders differ.",
    )
    assert list(result.labels.columns) == list(LABELS)


def test_of_two_labels_agreement_is_said_once() -> None:
    both = [{"round": 1, "variable": "war", "label": name, "alpha": 0.3, "n_pairable": 50} for name in ("no", "yes")]
    (words,) = made_of([{"table": rows(0.7).to_dicts(), "coefficients": [], "labels": both}], Stop(), 200).words
    assert words == "Agreement on war is 0.30, on 50 texts: sharpen its definition first."


def test_narrowing_is_said_with_the_decimals_that_it_needs() -> None:
    row = {"round": 1, "formula": "y ~ x", "term": "x", "estimate": 0.1, "std_error": 0.00102}
    row |= {"conf_low": 0.098, "conf_high": 0.102, "n_next": 200, "expected_width": 0.0035}
    result = made_of([{"table": rows(0.7).to_dicts(), "coefficients": [row], "labels": []}], Stop(), 200)
    said = "200 more codings are expected to narrow the interval of x by 0.0005, from 0.0040 to 0.0035."
    assert said in result.words
    assert said in " ".join(repr(result).split())


def test_agreement_that_nobody_knows_is_told() -> None:
    unknown = rows(0.7).with_columns(alpha=pl.lit(None, pl.Float64)).to_dicts()
    (words,) = made_of([{"table": unknown, "coefficients": [], "labels": []}], Stop(), 200).words
    assert "not known: no text was coded by two of them" in words


def test_hours_count_once_for_answers_of_one_moment_and_money_until_the_next_draw(tmp_path: Path) -> None:
    store = tmp_path / "study.annotune"
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(20)], "text": ["x"] * 20})
    at.sample(corpus, 5, store=store, coders=["anna"])
    unit = at.read_draws(store).filter("drawn")["unit_id"][0]
    decision = "INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, seconds) VALUES "
    request = (
        "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status, cost)"
    )
    with open_store(store) as kept, kept.change() as connection:
        for variable in ("topic", "tone"):
            connection.execute(decision + f"('2026', '{unit}', '{variable}', 'anna', '[]', 'none', 1, 1800)")
        connection.execute(f"{request} VALUES ('a', 'q', '2026', 'u1', 'm', 'p', 'm', 'p', '{{}}', 'ok', 1.5)")
    assert effort_until(store, 1) == {"codings": 2, "hours": 0.5, "cost": 1.5}
    at.sample(corpus, 5, store=store, coders=["anna"])
    with open_store(store) as kept, kept.change() as connection:
        connection.execute(f"{request} VALUES ('b', 'q', '2027', 'u2', 'm', 'p', 'm', 'p', '{{}}', 'ok', 2.5)")
    assert effort_until(store, 1)["cost"] == 1.5
    assert effort_until(store, 2)["cost"] == 4.0


def test_a_picture_shows_what_there_is(tmp_path: Path) -> None:
    table = rows(0.6, 0.7).with_columns(codings=pl.lit(200), hours=pl.lit(1.5), cost=pl.lit(None, pl.Float64))
    figure = at.plot_rounds(Rounds(table), tmp_path / "rounds.svg")
    assert [axes.get_title("left") for axes in figure.axes][3] == "codings"
    assert "1.5 h" in (tmp_path / "rounds.svg").read_text() or figure.axes[3].texts[0].get_text() == "200\n1.5 h"
    assert np.allclose(figure.axes[1].lines[0].get_ydata(), [0.6, 0.7])
