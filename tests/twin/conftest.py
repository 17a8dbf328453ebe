"""One study three times: through Python, through the command line, and in R, each in a folder of its own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
SIZE = {"n": 160, "n_coded": 80, "seed": 3}
CODERS = ["coder_anna.xlsx", "coder_ben.dta", "coder_carla.csv"]


@dataclass(frozen=True)
class Side:
    """A folder with the demo's files, and the tables that were made of them."""

    folder: Path
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


@pytest.fixture(scope="session")
def assert_same():
    """Words and whole numbers exactly, others to 1e-12."""

    def compare(expected, found):
        """`found` is all words, as a file of text is; `expected` says what they mean."""
        assert found.columns == expected.columns
        assert found.height == expected.height > 0
        for name, column in expected.to_dict().items():
            if column.dtype.is_float():
                other = found[name].cast(pl.Float64).fill_nan(None)
                assert (other.is_null() == column.fill_nan(None).is_null()).all(), name
                np.testing.assert_allclose(
                    other.drop_nulls(), column.fill_nan(None).drop_nulls(), rtol=1e-12, atol=1e-12
                )
            elif column.dtype == pl.Boolean:
                assert found[name].str.to_lowercase().to_list() == column.cast(pl.String).to_list(), name
            else:
                assert found[name].to_list() == column.cast(pl.String).to_list(), name

    return compare


@pytest.fixture(scope="session")
def r_library(tmp_path_factory):
    """A library with the R package as it stands."""
    if shutil.which("Rscript") is None and "CI" not in os.environ:
        pytest.skip("R is not installed.")
    library = tmp_path_factory.mktemp("library")
    install = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", f"--library={library}", str(ROOT / "r-package")]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


@pytest.fixture(scope="session")
def run_r(r_library):
    """Run one of the scripts beside this file in an R session of its own, on this Python."""

    def run(script, *arguments, **environment):
        import torch

        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums are added up in as many parts
        places = {"RETICULATE_PYTHON": sys.executable, "R_LIBS": str(r_library), "KEEP": str(HERE / "keep.R")}
        done = subprocess.run(
            ["Rscript", str(HERE / script), *map(str, arguments)],
            env={**os.environ, **threads, **places, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def quick_study(folder):
    """The demo's study, quick to run."""
    study = (folder / "study.yaml").read_text()
    for slow, quick in (
        ("seed: 1", "seed: 1, method: probe, folds: 2"),
        ("coders: [anna, ben]", "coders: [anna, ben], n_boot: 100"),
    ):
        assert slow in study
        study = study.replace(slow, quick)
    (folder / "quick.yaml").write_text(study)
    return folder / "quick.yaml"


@pytest.fixture(scope="session")
def in_python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    demo = at.demo(folder, **SIZE)
    book = at.read_codebook(folder / "codebook.yaml")
    corpus = at.read_corpus(folder / "questions.csv")
    codings = at.read_codings([folder / name for name in CODERS], book)
    pair = at.read_codings([folder / name for name in CODERS[:2]], book)
    some = {"codebook": book, "n_boot": 200}
    gold = at.resolve(codings, "adjudicated", coder="carla", codebook=book)
    model = at.tune(corpus, gold, book, test=0.3, epochs=1, n_boot=100, seed=1)
    coded = model.classify(corpus)
    attached = at.attach(corpus, coded, codebook=book, gold=gold)
    at.write(attached, [folder / "written.dta", folder / "written.rds"], codebook=book)
    at.write(at.attach(corpus, coded, codebook=book), folder / "coded.parquet", codebook=book)
    folds = {"cv": 2, "group": "district", "method": "probe", "n_boot": 50}
    validated = at.evaluate(gold, codebook=book, corpus=corpus, **folds)
    metrics = ["percent", "alpha", "ac1"]
    tables = {
        "demo_corpus": demo.corpus,
        "demo_truth": demo.truth,
        **{f"demo_{coder}": frame for coder, frame in demo.coders.items()},
        "codings": codings,
        "reliability": at.reliability(pair, **some),
        "analytic": at.reliability(codings, codebook=book, metrics=metrics, ci="analytic"),
        "pairs": at.pairwise_reliability(codings, **some),
        "categories": at.category_reliability(pair, **some),
        "coders": at.coder_quality(codings, **some),
        "compare": at.compare_reliability(codings, ["carla"], **some),
        "replacement": at.replacement_test(codings, ["carla"], epsilon=0.1, **some),
        "gold": gold,
        "majority": at.resolve(pair, ties="first", codebook=book),
        "dawid_skene": at.resolve(codings, "dawid_skene", codebook=book),
        "tuned": model.evaluation.measures,
        "classified": coded,
        "evaluation": at.evaluate(gold, coded, codebook=book, corpus=corpus, n_boot=100).measures,
        "cross_validated": validated.measures,
        "predicted": validated.data,
        "attached": attached,
        "study": at.run(quick_study(folder)).data,
    }
    return Side(folder, tables)


@pytest.fixture(scope="session")
def in_r(run_r, in_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    shutil.copy(in_python.folder / "quick.yaml", folder)
    run_r("study.R", folder, *SIZE.values())
    tables = {path.stem: pl.read_csv(path, infer_schema=False) for path in (folder / "tables").iterdir()}
    return Side(
        folder, {name: frame.with_columns(pl.all().replace("<missing>", None)) for name, frame in tables.items()}
    )


@pytest.fixture(scope="session")
def in_shell(in_python, tmp_path_factory):
    from typer.testing import CliRunner

    from annotune.cli import app

    folder = tmp_path_factory.mktemp("shell")
    at.demo(folder, **SIZE)
    quick_study(folder)

    def annotune(*words):
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output

    book, pair = ["--codebook", "codebook.yaml"], CODERS[:2]
    agreement = [*book, "--n-boot", "200"]
    before = Path.cwd()
    os.chdir(folder)
    try:
        annotune("reliability", *pair, *agreement, "--write", "reliability.csv")
        few = ["--metrics", "percent,alpha,ac1", "--ci", "analytic"]
        annotune("reliability", *CODERS, *book, *few, "--write", "analytic.csv")
        annotune("reliability", *CODERS, *agreement, "--of", "pairs", "--write", "pairs.csv")
        annotune("reliability", *pair, *agreement, "--of", "categories", "--write", "categories.csv")
        annotune("reliability", *CODERS, *agreement, "--of", "coders", "--write", "coders.csv")
        annotune("reliability", *CODERS, *agreement, "--model", "carla", "--write", "compare.csv")
        replacement = ["--of", "replacement", "--model", "carla", "--epsilon", "0.1"]
        annotune("reliability", *CODERS, *agreement, *replacement, "--write", "replacement.csv")
        annotune("resolve", *CODERS, "--out", "gold.csv", *book, "--rule", "adjudicated", "--coder", "carla")
        annotune("resolve", *pair, "--out", "majority.csv", *book, "--ties", "first")
        annotune("resolve", *CODERS, "--out", "dawid_skene.csv", *book, "--rule", "dawid_skene")
        annotune("tune", "questions.csv", "gold.csv", *book, "--out", "model", "--test", "0.3", "--epochs", "1")
        folds = ["--cv", "2", "--group", "district", "--method", "probe", "--n-boot", "50"]
        results = ["--write", "cross_validated.csv", "--predictions", "predicted.csv"]
        annotune("evaluate", "gold.csv", *book, "--corpus", "questions.csv", *folds, *results)
        annotune("classify", "model", "questions.csv", "coded.parquet")
        annotune("write", "coded.parquet", "written.dta", "written.rds", *book)
        annotune("run", "quick.yaml")
    finally:
        os.chdir(before)
    tables = {path.stem: pl.read_csv(path, infer_schema=False) for path in folder.glob("*.csv")}
    return Side(folder, tables)
