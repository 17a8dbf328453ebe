"""Which package belongs to which extra: the one table, what pyproject.toml and the docs say, and what is imported."""

import ast
import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import annotune as at
from annotune.extras import EXTRAS, package, pip_line, require

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "python" / "annotune").rglob("*.py"))
MODULES = sorted({module for extra in EXTRAS.values() for module in extra.packages})
OURS = {"test", "lint", "docs"}  # what is needed to work on annotune


def listed(name):
    """The packages of a list in pyproject.toml, without their versions."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    entries = re.search(rf"^{name} = \[(.*?)\](?:\s*#.*)?$", text, re.MULTILINE | re.DOTALL)[1]
    return {re.match(r"[\w-]+", need)[0] for need in re.findall(r'"(.+?)"', entries)}


def test_the_table_says_what_pyproject_says():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = re.search(r"^\[project\.optional-dependencies\]\n(.*?)^\[", text, re.MULTILINE | re.DOTALL)[1]
    extras = set(re.findall(r"^(\w+) = ", section, re.MULTILINE)) - OURS
    assert {name: listed(name) for name in extras} == {
        name: set(extra.packages.values()) for name, extra in EXTRAS.items()
    }


def test_the_page_on_installation_has_the_table():
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    assert rows == [(name, extra.purpose, ", ".join(extra.packages.values())) for name, extra in EXTRAS.items()]


def test_r_installs_the_same_extras():
    source = (ROOT / "r-package" / "R" / "extras.R").read_text("utf-8")
    names = re.findall(r'"(\w+)"', re.search(r"^EXTRAS <- c\((.*)\)$", source, re.MULTILINE)[1])
    assert names == [name for name in EXTRAS if name != "r"]  # rpy2 must not be loaded in R


def test_whatever_is_imported_is_installed_by_default_or_brought_by_an_extra():
    of_module, default = metadata.packages_distributions(), listed("dependencies")
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                named = [node.module]
            for root in {name.partition(".")[0] for name in named} - sys.stdlib_module_names - {"annotune"}:
                where = f"{path.relative_to(ROOT)}, line {node.lineno}: {root}"
                brought_by = {name.lower().replace("_", "-") for name in of_module.get(root, [])}
                assert root in MODULES or default & brought_by, where


def test_how_to_install_an_extra_is_said_in_one_place():
    told = {path.name for path in SOURCES if re.search(r"pip install|annotune\[\w", path.read_text("utf-8"))}
    # base.py: the default model's package, which is no extra; papers.py: annotune itself, in a bundle's own page
    assert told == {"extras.py", "base.py", "papers.py"}


@pytest.mark.parametrize("module", MODULES)
def test_a_package_that_is_not_there_is_one_sentence_and_the_line_for_pip(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(at.AnnotuneError) as caught:
        require(module, "This needs", ", or do without")
    extra = next(name for name, about in EXTRAS.items() if module in about.packages)
    assert caught.value.what == f"This needs the package {package(module)}, which is not installed."
    assert caught.value.advice == f"Run: pip install 'annotune[{extra}]', or do without."


def test_a_package_that_is_broken_is_not_called_missing(monkeypatch, tmp_path):
    (tmp_path / "docx.py").write_text("import lxml_of_another_machine\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "docx", raising=False)
    with pytest.raises(at.AnnotuneError, match="cannot be loaded: No module named 'lxml_of_another_machine'"):
        require("docx", "This needs")
    sys.modules.pop("docx", None)


def test_what_is_there_is_handed_over(monkeypatch):
    monkeypatch.setitem(sys.modules, "docx", importlib.import_module("json"))
    assert require("docx", "This needs") is sys.modules["json"]
    assert pip_line("rpy2.robjects") == "pip install 'annotune[r]'"


def test_no_module_of_annotune_needs_an_extra_to_be_imported():
    """In a process of its own, in which none of their packages can be imported."""
    code = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({MODULES!r}))
import annotune
names = [module.name for module in pkgutil.walk_packages(annotune.__path__, "annotune.")]
for name in names:
    if name != "annotune.__main__":
        importlib.import_module(name)
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(SOURCES) - 1
