"""The coefficients as a picture: a row each, a mark and an interval for each method, where the estimates are."""

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 800
    truth, wrong = rng.random(n) < 0.4, rng.random(n) < 0.1
    gold = pl.Series(np.where(truth, "Health", "Other")).set(pl.Series(rng.random(n) < 0.5), None)
    said = np.where(truth ^ wrong, "Health", "Other")
    columns = {"party": rng.choice(["a", "b", "c"], n), "topic": said, "topic_gold": gold, "pi": 0.5, "fold": 1}
    return pl.DataFrame(columns)


@pytest.fixture(scope="module")
def fit(table):
    return at.correct("topic == 'Health' ~ party", table)


def drawn(figure):
    """The names beside the rows, and the places of the marks along the horizontal axis."""
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "") and len(line.get_xdata()) == 1]
    return [text.get_text() for text in axes.get_yticklabels()], sorted(float(line.get_xdata()[0]) for line in marks)


def test_every_estimate_is_drawn_where_it_is(fit, tmp_path):
    figure = fit.plot(tmp_path / "plot.png")
    names, places = drawn(figure)
    assert names == ["party[b]", "party[c]"]
    slopes = fit.estimates.filter(pl.col("term") != "Intercept")
    np.testing.assert_allclose(places, sorted(slopes["estimate"]))
    ends = {tuple(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 2}
    assert set(slopes.select("conf_low", "conf_high").iter_rows()) <= ends
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["hand-coded only", "naive", "corrected"]
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_one_method_and_the_constant_on_request(fit):
    names, places = drawn(at.plot_correction(fit, only="corrected", intercept=True))
    assert names == ["Intercept", "party[b]", "party[c]"]
    np.testing.assert_allclose(places, sorted(fit.coefficients().values()))


def test_what_cannot_be_drawn_is_a_sentence(fit, table):
    with pytest.raises(at.AnnotuneError, match="Did you mean 'corrected'"):
        fit.plot(only="correctd")
    with pytest.raises(at.AnnotuneError, match="no coefficient to draw"):
        at.correct("topic == 'Health' ~ 1", table).plot()


def test_the_command_draws_it(table, tmp_path):
    table.write_parquet(tmp_path / "t.parquet")
    words = ["correct", str(tmp_path / "t.parquet"), "topic == 'Health' ~ party", "--plot"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "plot.svg")])
    assert done.exit_code == 0, done.output
    assert "<svg" in (tmp_path / "plot.svg").read_text()
