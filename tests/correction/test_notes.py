"""Notes under tables of papers are sentences of the field; what may be done about them is for the screen alone."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

PROGRAMMER = re.compile(
    r"To do|=\'|\w=(?!=)|\(\)|Code more|Take larger|Leave out|leave out|Report the|Find out|column \'"
)


def weak(seed: int = 3) -> pl.DataFrame:
    """Bare labels of which a third are wrong, few hand codings of a rare label, by ten authors; easy texts coded."""
    rng = np.random.default_rng(seed)
    truth, wrong = rng.random(1500) < 0.08, rng.random(1500) < 0.35
    party = rng.integers(0, 2, 1500)
    coded = (rng.random(1500) < 0.15) & (party == 1) | (rng.random(1500) < 0.05)
    names = np.array(["Law", "Health"])
    gold = [str(names[int(t)]) if c else None for t, c in zip(truth, coded, strict=True)]
    columns = {"topic": names[(truth ^ wrong).astype(int)], "topic_gold": gold, "party": party}
    return pl.DataFrame(columns).with_columns(author=rng.integers(0, 10, 1500), pi=pl.lit(0.12))


@pytest.fixture(scope="module")
def fits() -> list[at.Correction]:
    options = ({}, {"cluster": "author", "small_sample": False})
    return [at.correct("topic == 'Health' ~ party", weak(), **each) for each in options]


def test_each_kind_of_note_has_its_advice(fits):
    pairs = {
        "FEW CODINGS": "Code more texts",
        "was not tuned on": "crossfit()",
        "no probabilities": "prediction='recalibrated'",
        "intervals are too narrow": "small_sample",
        "times as wide": "method='auto'",
        "not drawn as pi says": "cluster=",
    }
    for note, advice in pairs.items():
        told = [fit for fit in fits if any(note in sentence for sentence in fit.notes)]
        assert told, note
        assert all(any(advice in sentence for sentence in fit.advice) for fit in told), advice
    assert all(len(set(fit.advice)) == len(fit.advice) for fit in fits)


def test_tables_for_papers_have_no_advice_and_the_screen_has(fits, tmp_path):
    assert not [note for fit in fits for note in fit.notes if PROGRAMMER.search(note)]
    fit = fits[0]
    for name in ("table.tex", "table.html", "fit.do", "fit.csv"):
        at.write(fit, tmp_path / name)
    assert "To do" not in "".join(path.read_text("utf-8") for path in tmp_path.iterdir())
    whole = " ".join(fit.summary(200).split())
    assert f"To do: {' '.join(fit.advice)}" in whole
    assert "To do: " in fit._repr_html_()


def test_a_correction_without_anything_to_be_done_says_nothing_of_it():
    rng = np.random.default_rng(1)
    truth = rng.random(4000) < 0.4
    table = pl.DataFrame({"y_hat": (truth ^ (rng.random(4000) < 0.1)) * 1, "x": rng.normal(size=4000), "fold": 1})
    fit = at.correct("y ~ x", table.with_columns(y_gold=pl.when(pl.int_range(4000) < 400).then(truth * 1)), pi=0.1)
    assert fit.advice == ()
    assert "To do" not in fit.summary()


def test_the_command_says_what_may_be_done(tmp_path):
    weak().write_csv(tmp_path / "weak.csv")
    done = CliRunner().invoke(app, ["correct", str(tmp_path / "weak.csv"), "topic == 'Health' ~ party"])
    assert done.exit_code == 0, done.output
    assert "To do: " in done.output
    assert "prediction='recalibrated'" in done.output
