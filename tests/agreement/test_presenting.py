"""What people see: words with their sources, LaTeX, plots, and the command line."""

import re

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.agreement.present import CAUTION, in_words, notes, screen, tex, with_several_coders
from annotune.tables import read_table


@pytest.fixture(scope="module")
def codings(codings_of):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 80)
    rows = np.stack([np.where(rng.random(80) < 0.8, truth, rng.integers(0, 3, 80)) for _ in range(3)], axis=1)
    return codings_of(rows.tolist(), variable="a_b", round=pl.Series([1, 2] * 40))


def test_conventions_name_their_source_and_are_no_verdict(codings):
    found = at.reliability(codings)
    words = in_words(found)
    assert any("Krippendorff 2004, p. 241" in sentence for sentence in words)
    assert any("Landis and Koch 1977" in sentence for sentence in words)
    assert all("95 % interval" in sentence for sentence in words[:-1])
    assert words[-1] == CAUTION
    assert not any("percent agreement" in sentence for sentence in words)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (-0.1, "poor"),
        (0.2, "slight"),
        (0.21, "fair"),
        (0.6, "moderate"),
        (0.8, "substantial"),
        (0.81, "almost perfect"),
    ],
)
def test_landis_and_koch(value, word):
    row = {
        "variable": "v",
        "metric": "cohen_kappa",
        "level": "nominal",
        "estimate": value,
        "ci_low": value,
        "ci_high": value,
    }
    assert f": {word} over the whole interval" in in_words(pl.DataFrame([row]))[0]


def test_rows_without_an_interval_have_no_words(codings_of):
    assert in_words(at.reliability(codings_of([["a"], ["b"]]))) == []


def test_one_coder_is_one_sentence(codings_of):
    alone = at.reliability(codings_of([["a"], ["b"]]))
    rest, sentences = with_several_coders(alone)
    assert rest.is_empty()
    assert sentences == [
        "v: one coder, so there is no agreement to measure. Have a second person code some of the texts."
    ]
    both = at.reliability(codings_of([["a", "a"], ["b", "a"]]))
    assert with_several_coders(both)[0].equals(both)


def test_what_alpha_is_called_makes_a_sentence():
    row = {"variable": "v", "metric": "alpha", "level": "nominal", "estimate": 0.3, "ci_low": 0.1, "ci_high": 0.5}
    assert ": too low to rely on over the whole interval (" in in_words(pl.DataFrame([row]))[0]
    row |= {"ci_high": 0.7}
    assert "reaches from too low to rely on to enough for tentative conclusions (" in in_words(pl.DataFrame([row]))[0]


def test_notes_name_their_rows(codings_of):
    told = notes(at.reliability(codings_of([["a", None], [None, "b"]])))
    about = "v, percent agreement; v, Krippendorff's alpha; v, Cohen's kappa; and 1 more"
    assert told == [f"Note: no unit was coded by two coders ({about})."]


def test_latex_is_escaped(codings):
    text = tex(at.reliability(codings, by="round"))
    assert r"a\_b" in text
    assert r"95 \% interval" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in body}) == 1


def test_a_forest_plot_shows_what_the_table_says(codings, tmp_path):
    found = at.reliability(codings)
    figure = at.plot_reliability(found, tmp_path / "forest.png")
    (dots,) = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == found["estimate"].to_list()
    spans = [tuple(line.get_xdata()) for line in figure.axes[0].lines[:4]]
    assert spans == list(found.select("ci_low", "ci_high").rows())
    assert (tmp_path / "forest.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["forest.png"]


def test_a_heat_map_shows_every_pair(codings, tmp_path):
    pairs = at.pairwise_reliability(codings, level="nominal", metrics=["cohen_kappa"], ci="analytic")
    figure = at.plot_coders(pairs, tmp_path / "heat.svg")
    shown = np.asarray(figure.axes[0].images[0].get_array(), float)
    assert np.isnan(np.diag(shown)).all()
    assert sorted(shown[np.triu_indices(3, 1)]) == pytest.approx(sorted(pairs["estimate"]))
    assert (tmp_path / "heat.svg").stat().st_size > 0


def test_plots_that_cannot_be(codings, codings_of, tmp_path):
    with pytest.raises(at.AnnotuneError, match="no coefficient with a value"):
        at.plot_reliability(at.reliability(codings_of([["a"], ["b"]])))
    with pytest.raises(at.AnnotuneError, match="no pair of coders"):
        at.plot_coders(at.reliability(codings))
    with pytest.raises(at.AnnotuneError, match=r"cannot be saved as '\.doc'"):
        at.plot_reliability(at.reliability(codings), tmp_path / "plot.doc")


@pytest.fixture
def reliability(command):
    """Run that verb: what it prints, or what it says of what it cannot do."""

    def run(*words, expect=0):
        done = command("reliability", *words)
        assert done.returncode == expect, done.stderr
        return done.stdout if expect == 0 else done.stderr

    return run


def test_the_command_line_says_what_python_says(codings, tmp_path, reliability):
    source = tmp_path / "codings.csv"
    codings.write_csv(source)
    written = [tmp_path / name for name in ("out.csv", "out.dta", "out.tex")]
    shown = reliability(
        source, "--by", "round", "--plot", tmp_path / "plot.png", *(f"--write={path}" for path in written)
    )
    expected = at.reliability(at.read_codings(source, keep=["round"]), by="round")
    for value in expected["estimate"]:
        assert f"{value:.3f}" in shown
    for path in written[:2]:
        np.testing.assert_allclose(read_table(path).frame["estimate"].cast(float), expected["estimate"])
    assert r"\toprule" in written[2].read_text()
    assert (tmp_path / "plot.png").exists()


def test_the_command_lines_other_tables(codings, tmp_path, reliability):
    source = tmp_path / "codings.csv"
    codings.write_csv(source)
    assert "c0" in reliability(source, "--of", "pairs", "--ci", "analytic", "--metrics", "percent")
    assert "rest" in reliability(source, "--of", "coders", "--ci", "analytic")
    assert re.search(
        r"alpha +people and people .*\n +people and c2 .*\n +difference ",
        reliability(source, "--model", "c2", "--ci", "analytic"),
    )
    assert "There is no table of 'pair'" in reliability(source, "--of", "pair", expect=2)


def test_brackets_in_labels_are_no_markup(codings_of, capsys):
    from rich.console import Console

    found = at.category_reliability(codings_of([["[/x]", "[red]y"], ["[/x]", "[/x]"], [":smile:", "[/x]"]]))
    Console(width=200).print(screen(found))
    said = capsys.readouterr().out
    assert all(label in said for label in ("[/x]", "[red]y", ":smile:"))


def test_lost_replicates_are_one_note():
    row = {"variable": "v", "metric": "alpha"}
    found = pl.DataFrame([row | {"note": f"{n} replicates had no value and were left out"} for n in (3, 14)])
    assert notes(found) == [
        "Note: some replicates had no value and were left out (v, Krippendorff's alpha; v, Krippendorff's alpha)."
    ]


def test_a_heat_map_of_very_many_coders_shows_the_busiest(codings_of):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 2, (40, 62)).astype(object)
    rows[3:, 60:] = None
    figure = at.plot_coders(at.pairwise_reliability(codings_of(rows.tolist()), metrics=["percent"], ci="analytic"))
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert sorted(shown) == sorted(f"c{i}" for i in range(60))
    assert "the 60 busiest of 62 coders" in figure.axes[0].get_title()


def test_error_matrices_are_not_in_the_forest(codings):
    figure = at.plot_reliability(at.coder_quality(codings))
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(shown) == 6
    assert not any("accuracy" in name or "error matrix" in name for name in shown)
