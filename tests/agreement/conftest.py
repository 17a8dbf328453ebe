"""From a matrix of units by coders to a table of codings."""

from pathlib import Path

import polars as pl
import pytest

import annotune as at

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def codings_of():
    def make(rows, variable="v", **columns):
        """Rows of labels (None where absent), a column per coder: c0, c1, ..."""
        coders = [f"c{i}" for i in range(len(rows[0]))]
        wide = pl.DataFrame([[None if x is None else str(x) for x in row] for row in rows], schema=coders, orient="row")
        wide = wide.cast(pl.String).with_columns(unit_id=pl.int_range(len(rows)).cast(pl.String), **columns)
        return at.read_codings(wide, variable=variable, coders=coders, keep=list(columns))

    return make


@pytest.fixture(scope="session")
def codebook_of():
    def make(names, kind="nominal", variable="v"):
        labels = tuple(at.Label(code=i, name=str(name)) for i, name in enumerate(names, start=1))
        return at.Codebook(variables=(at.Variable(name=variable, kind=kind, labels=labels),))

    return make


@pytest.fixture(scope="session")
def shared():
    def find(name):
        path = DATA / name
        if not path.exists():
            pytest.skip(f"the data set {name} is not there")
        return path

    return find
