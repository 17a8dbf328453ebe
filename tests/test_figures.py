"""Figures on the pages of docs/ are those that the benchmarks measured: tables are made again from the rows kept."""

import html
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

import annotune as at
from annotune.study.file import Study

ROOT = Path(__file__).parents[1]
DOCS, BENCHMARKS = ROOT / "docs", ROOT / "benchmarks"
FIGURE = re.compile(r"(\d+(?:\.\d+)?)(?: \(bound\))?")
PATH = re.compile(r"benchmarks/\w+(?:\.\w+)?")


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def rows_of(text):
    """The rows of all tables in a page, each as its cells; heads and rules are rows, too."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def is_rounded(cell, value):
    """Whether a cell has the value, to as many digits as it shows."""
    number = FIGURE.fullmatch(cell)[1]
    return abs(float(number) - value) <= 0.5 * 10 ** -len(number.partition(".")[2]) + 1e-9


def place(name, text):
    """What stands on a page between the two comments with this name."""
    return text.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0].strip()


@pytest.fixture(scope="module")
def many_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        before = set(sys.modules)
        yield importlib.import_module("many_draws")
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
                del sys.modules[name]


@pytest.mark.parametrize("name", ["reliability", "scale", "abstention"])
def test_tables_of_many_draws_are_what_the_benchmark_writes(many_draws, name):
    rows = pl.read_ndjson(many_draws.ROWS, infer_schema_length=None)
    assert place(name, page("accuracy.md")) == getattr(many_draws, f"{name}_table")(rows)


def test_the_table_of_candidates_is_what_the_benchmark_writes_and_stands_there_once(many_draws):
    candidates = importlib.import_module("candidates")
    assert place("candidates", page("accuracy.md")) == candidates.table()
    assert page("accuracy.md").count(candidates.WAYS["along"]) == 1


def test_what_is_said_of_networks_that_were_handed_out_is_of_the_rows_kept():
    said = " ".join(page("accuracy.md").split())
    rows = pl.read_ndjson(BENCHMARKS / "accuracy_drawn.jsonl", infer_schema_length=None).filter(size="500 drawn")
    ours, key = rows.filter(method="annotune"), ["task", "seed"]
    both = ours.join(rows.filter(method="probe").select(*key, probe="macro_f1"), on=key)
    others, networks = both.filter(~pl.col("network")), both.filter("network")
    assert others["macro_f1"].equals(others["probe"].rename("macro_f1"))  # where no network is, the probe is handed out
    gains = networks["macro_f1"] - networks["probe"]
    assert f"a network was handed out in {len(networks)} of {len(ours)} draws" in said
    assert f"were {short(gains.min())} to {short(gains.max())} above the probe" in said
    seven = networks.filter(pl.col("task") != "popbert")  # three of whose draws are of six passes
    sure, ece, chance = (seven[f"new_{name}"] for name in ("too_sure", "ece", "ece_chance"))
    assert (len(seven), (seven["new_log_loss"] < seven["new_base_log_loss"]).all()) == (7, True)
    assert f"accuracy is {short(sure.mean())} on the average ({short(sure.min())} to +{short(sure.max())})" in said
    assert f"error {short(ece.min())} to {short(ece.max())} (by chance alone {short(chance.min())} to" in said


def short(value):
    """Three digits behind the point, and none before it."""
    return f"{value:.3f}".replace("0.", ".")


def test_the_table_of_accuracies_has_the_means_of_the_rows_kept():
    """Differences to annotune's are left out: they need the texts' labels, which are not ours to hand on."""
    kept = [
        pl.read_ndjson(BENCHMARKS / f"accuracy_{name}.jsonl", infer_schema_length=None) for name in ("drawn", "cells")
    ]
    means = (
        pl.concat(kept, how="diagonal")
        .group_by("task", "size", "method")
        .agg(pl.len(), pl.col("n_train", "n_test", "accuracy", "macro_f1", "seconds").mean())
    )
    expected = set()
    for task, size, method, draws, n, test, accuracy, f1, seconds in means.iter_rows():
        coded = f"{n:,.0f}" if size.endswith("drawn") else f"{size} of each"
        expected.add(
            (task, f"{coded}, {test:,.0f}", method, str(draws), f"{accuracy:.3f}", f"{f1:.3f}", f"{seconds:.0f}")
        )
    shown = [row[:7] for row in rows_of(place("accuracy", page("accuracy.md"))) if len(row) == 8 and row[3].isdigit()]
    assert len(shown) >= 30
    assert set(shown) <= expected
    shown_cells = {row[:2] for row in shown}
    others = ("multilingual", "shares")  # in a table of their own
    assert set(shown) == {row for row in expected if row[:2] in shown_cells and row[2] not in others}


def test_the_table_of_bases_and_shares_has_the_means_of_the_rows_kept():
    rows = pl.read_ndjson(BENCHMARKS / "accuracy_drawn.jsonl", infer_schema_length=None)
    shown = [row for row in rows_of(place("bases and shares", page("accuracy.md"))) if row[3:4] and row[3].isdigit()]
    assert {row[2] for row in shown} >= {"TF-IDF", "probe", "multilingual", "shares"}
    for task, coded, method, draws, accuracy, f1, *_ in shown:
        mine = rows.filter(task=task, size=f"{coded.partition(',')[0]} drawn")
        cell = mine.join(mine.filter(method="multilingual"), on="seed", how="semi").filter(method=method)
        means = (cell["accuracy"].mean(), cell["macro_f1"].mean())
        assert (str(len(cell)), f"{means[0]:.3f}", f"{means[1]:.3f}") == (draws, accuracy, f1)


def test_the_study_of_the_bundestag_on_its_page_is_the_one_that_is_written():
    script = (BENCHMARKS / "bundestag.py").read_text(encoding="utf-8")
    study = script.partition('STUDY = """')[2].partition('"""')[0]
    assert f"```yaml\n{study}```" in page("shares.md")
    assert Study.model_validate(yaml.safe_load(study)).gold.rule == "shares"


def test_how_good_models_are_by_how_many_texts_were_coded_is_as_on_the_page_of_accuracies():
    measured = {
        (row[0], row[1].partition(",")[0]): row[5] for row in rows_of(page("accuracy.md")) if row[2:3] == ("annotune",)
    }
    rows = [row for row in rows_of(page("which-model.md")) if len(row) == 4 and row[1].isdigit()]
    assert len(rows) == 3
    for name, _, hundred, five_hundred in rows:
        texts = name.partition(",")[0]
        assert (hundred, five_hundred) == (measured[texts, "100"], measured[texts, "500"])


def test_the_founding_papers_figures_are_those_computed_from_its_predictions():
    shown = [row for row in rows_of(page("founding-paper.md")) if row[0].startswith(("llama", "most frequent"))]
    assert len(shown) == 5
    assert [row for row in shown if row not in rows_of(page("compare.md"))] == []


def words_of_picture(name):
    """What a picture shows, as it was written into the file when the picture was taken."""
    with Image.open(DOCS / name) as image:
        return image.info["Description"].replace("\xa0", " ")


def test_the_pictures_of_the_report_show_what_make_demo_prints():
    """The naive figure may differ by a thousandth between processors."""
    printed = html.unescape((DOCS / "demo.svg").read_text("utf-8")).replace("\xa0", " ")
    effect = [float(cell) for cell in re.search(r"party\[opposition\] +([\d.]+) +([\d.]+) +([\d.]+)", printed).groups()]
    head, *rows = (line.split("\t") for line in words_of_picture("table.png").splitlines())
    assert head == ["", "Hand-coded only", "Naive", "Corrected"]
    assert [float(cell) for cell in next(row for row in rows if row[0] == "party[opposition]")[1:]] == pytest.approx(
        effect, abs=0.002
    )
    summary = words_of_picture("report.png")
    assert f"hand-coded only {effect[0]} " in summary
    assert f"corrected {effect[2]} " in summary
    alpha = re.search(r"Krippendorff's alpha +([\d.]+)", printed)[1]
    assert f"alpha: {float(alpha):.2f} " in summary


def test_a_scale_beside_names_is_as_measured():
    rows = pl.read_ndjson(BENCHMARKS / "many_draws.jsonl", infer_schema_length=None)
    shown = [row for row in rows_of(page("tuning.md")) if len(row) == 6 and row[1] in ("nominal", "ordinal")]
    assert len(shown) == 4
    for coded, kind, *figures in shown:
        cell = rows.filter(set="ecosent" if kind == "nominal" else "ecosent_scale", size=int(coded))
        assert len(cell) == 25
        assert figures[:3] == [f"{cell[name].mean():.3f}" for name in ("kappa", "accuracy", "macro_f1")]


def test_what_active_draws_are_worth_is_said_as_it_was_measured():
    measured = rows_of((BENCHMARKS / "active.md").read_text(encoding="utf-8"))
    shown = rows_of(page("waves.md"))
    assert len(shown) > 25
    assert shown == measured


def test_what_rounds_brought_is_said_as_it_was_measured():
    measured = rows_of((BENCHMARKS / "rounds.md").read_text(encoding="utf-8"))
    shown = [row for row in rows_of(page("rounds.md")) if len(row) > 2]
    assert len(shown) > 7
    assert [row for row in shown if row not in measured] == []


def test_the_edges_are_said_as_they_were_measured():
    """Each pair of figures on the page, as is usual and by annotune, is that of one of the situations simulated."""
    rows = rows_of((BENCHMARKS / "edges.md").read_text(encoding="utf-8"))
    measured = [(float(row[2]), float(row[3])) for row in rows if FIGURE.fullmatch(row[2])]
    page_rows = [row for row in rows_of(page("when-not-to-trust.md")) if len(row) == 3]
    shown = [row for row in page_rows if all(FIGURE.fullmatch(cell) for cell in row[1:])]
    assert len(shown) > 15
    assert [row for row in shown if not any(all(map(is_rounded, row[1:], pair)) for pair in measured)] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name
)
def test_benchmarks_that_are_named_are_there(path):
    assert [name for name in PATH.findall(path.read_text(encoding="utf-8")) if not (ROOT / name).exists()] == []


def test_what_a_correction_does_to_anchoring_is_as_the_benchmark_measured():
    of_name = {
        "verified answers": "verified answers",
        "the same, with the model's predictions (DSL)": "verified answers as the hand coding",
        "`blind_gold`": "blind_gold",
        '`blind_gold(among="verified")`, verified codings as a proxy': "blind_gold, among verified",
    }
    measured = {row[:2]: row for row in rows_of((BENCHMARKS / "anchoring.md").read_text("utf-8")) if len(row) == 7}
    shown = [row for row in rows_of(page("anchoring.md")) if len(row) == 4 and row[0] in of_name]
    assert len(shown) == 7
    for name, of, bias, coverage in shown:
        row = measured[of_name[name], of.split(" ")[0]]
        assert float(bias) == pytest.approx(float(row[4]), abs=0.0006)
        assert coverage == f"{row[6]} %"
    corrected = [float(row[6]) for (name, _), row in measured.items() if name.startswith("blind_gold")]
    assert len(corrected) == 3
    assert all(93 <= figure <= 97 for figure in corrected)


@pytest.fixture(scope="module")
def multiverse():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("multiverse")
        sys.modules.pop("multiverse", None)


def test_what_the_multiverse_of_simulated_studies_gave_is_said_as_it_was_measured(multiverse):
    rows = [json.loads(line) for line in (BENCHMARKS / "multiverse.jsonl").read_text(encoding="utf-8").splitlines()]
    text = (BENCHMARKS / "multiverse.md").read_text(encoding="utf-8")
    assert multiverse.page(rows) == text
    assert rows_of(place("simulation", page("multiverse.md"))) == rows_of(text)
    corrected = [row for row in rows_of(text) if row[1] == "corrected"]
    assert len(corrected) == len(multiverse.DESIGNS)
    assert all(93 <= float(row[3]) <= 97 for row in corrected)


def test_the_simulated_studies_are_corrected_as_correct_does_it(multiverse):
    """The difference of means of DSL's outcome and its error are those of a regression on the party, by `correct`."""
    rng = np.random.default_rng(5)
    bases, party, topic = multiverse.sample(multiverse.DESIGNS[2], rng)
    coded = np.sort(rng.choice(multiverse.N, multiverse.N_CODED, replace=False))
    chance, folds = multiverse.folded(bases[0], topic, coded, rng)
    given = multiverse.labels(chance, folds, topic, coded, "share")
    drawn = np.isin(np.arange(multiverse.N), coded)
    for predicted in (chance, given):
        frame = pl.DataFrame({"party": party, "y_hat": predicted[0], "fold": folds[0]})
        frame = frame.with_columns(y_gold=pl.when(pl.Series(drawn)).then(pl.Series(topic)))
        rows = at.correct("y ~ party", frame, pi=multiverse.N_CODED / multiverse.N).tidy().filter(term="party")
        outcomes = {"naive": predicted, "corrected": multiverse.dsl(predicted, topic, coded)}
        for name, outcome in outcomes.items():
            row = rows.row(by_predicate=pl.col("method") == name, named=True)
            estimate, error = multiverse.difference(outcome, party)
            assert row["estimate"] == pytest.approx(estimate[0])
            assert row["std_error"] == pytest.approx(error[0], rel=2e-3)


def test_what_is_said_of_multiverses_is_what_they_gave():
    measured = (BENCHMARKS / "multiverse_studies.md").read_text(encoding="utf-8")
    sentences = [line.removeprefix("- ") for line in measured.splitlines() if line.startswith("- ")]
    assert len(sentences) >= 12
    words = " ".join(page("multiverse.md").split())
    assert [sentence for sentence in sentences if sentence not in words] == []
