"""The same study gives the same tables whichever way it is run: counts and words exactly, numbers to 1e-12."""

import polars as pl
import pyreadstat
import pytest

AGREEMENT = ["reliability", "analytic", "pairs", "categories", "coders", "compare", "replacement"]
ANSWERS = ["gold", "majority", "dawid_skene", "cross_validated", "predicted"]
IN_R_ALONE = [
    *("demo_corpus", "demo_truth", "demo_anna", "demo_ben", "demo_carla"),
    *("codings", "tuned", "classified", "evaluation", "attached", "study"),
]


@pytest.mark.parametrize("table", [*AGREEMENT, *ANSWERS, *IN_R_ALONE])
def test_r_gives_what_python_gives(in_python, in_r, assert_same, table):
    assert_same(in_python.tables[table], in_r.tables[table])


@pytest.mark.parametrize("table", [*AGREEMENT, *ANSWERS])
def test_the_command_line_gives_what_python_gives(in_python, in_shell, assert_same, table):
    assert_same(in_python.tables[table], in_shell.tables[table])


@pytest.mark.parametrize("name", ["codebook.yaml", "questions.csv", "truth.csv", "coder_carla.csv", "study.yaml"])
def test_r_writes_the_demo_that_python_writes(in_python, in_r, name):
    assert (in_r.folder / name).read_bytes() == (in_python.folder / name).read_bytes()


@pytest.mark.parametrize("side", ["in_r", "in_shell"])
def test_a_coded_file_is_the_same(request, in_python, side):
    ours, other = (one.folder / "coded.parquet" for one in (in_python, request.getfixturevalue(side)))
    assert pl.read_parquet(other).equals(pl.read_parquet(ours))


@pytest.mark.parametrize("side", ["in_r", "in_shell"])
@pytest.mark.parametrize("name", ["results.parquet", "results.csv", "report.html"])
def test_a_study_writes_the_same_files(request, in_python, side, name):
    other = request.getfixturevalue(side).folder / name
    assert other.read_bytes() == (in_python.folder / name).read_bytes()


@pytest.mark.parametrize("name", ["results.dta", "written.dta"])
def test_stata_files_have_the_same_data_and_labels(in_python, in_r, in_shell, name):
    sides = (in_python, in_r, in_shell) if name == "results.dta" else (in_python, in_r)
    (data, meta), *others = (pyreadstat.read_dta(side.folder / name) for side in sides)
    assert meta.variable_value_labels
    for other, its in others:
        assert other.equals(data)
        assert its.variable_value_labels == meta.variable_value_labels
        assert its.original_variable_types == meta.original_variable_types


def test_r_reads_the_same_from_every_rds(run_r, in_python, in_r, in_shell):
    """The file that R wrote itself, and those of the writer in Python."""
    run_r("same_rds.R", *(side.folder / "results.rds" for side in (in_python, in_r, in_shell)))
    run_r("same_rds.R", *(side.folder / "written.rds" for side in (in_python, in_r)))
