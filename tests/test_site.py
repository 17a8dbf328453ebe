"""The site: every page and every public name has its place, it builds without a warning, and asks no other host."""

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import typer
import yaml

import annotune as at
from annotune.cli import app

ROOT = Path(__file__).parents[1]
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
FETCHED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(https?:|//)|<link[^>]*rel=["']?stylesheet[^>]*(https?:|//)"""
)


def pages_in(navigation):
    """The pages that a navigation names, in their order."""
    for entry in navigation:
        for place in entry.values():
            yield from pages_in(place) if isinstance(place, list) else [place]


def test_every_page_has_its_place_in_the_navigation():
    named = Counter(pages_in(SETTINGS["nav"]))
    without = {path.name for path in (ROOT / "docs").glob("*.md")} - set(named)
    assert not without, (
        f"Add a line for {', '.join(sorted(without))} under nav: in mkdocs.yml, where a reader looks for it."
    )
    assert max(named.values()) == 1


def test_every_public_name_stands_once_in_the_reference():
    listed = Counter(name for names in SETTINGS["extra"]["reference"].values() for name in names)
    named = set(at.__all__) - {"__version__"}
    assert set(listed) == named, "Add the name to its task under extra: reference: in mkdocs.yml."
    assert max(listed.values()) == 1


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make site` builds it, in another folder."""
    if importlib.util.find_spec("mkdocs") is None and "CI" not in os.environ:
        pytest.skip("mkdocs is not installed: pip install 'annotune[docs]'.")
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(call, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_every_page_and_name(site):
    for page in pages_in(SETTINGS["nav"]):
        assert (site / page).with_suffix(".html").exists()
    shown = "".join(path.read_text("utf-8") for path in (site / "reference").glob("*.html"))
    assert [name for name in at.__all__[1:] if not re.search(rf'id="annotune\.[\w.]+\.{name}"', shown)] == []


def test_the_reference_of_the_command_line_has_every_verb_and_option(site):
    page = html.unescape((site / "reference" / "command-line.html").read_text("utf-8"))
    assert re.search(r"--codings PATH +All coders", page)  # and no type of Python
    assert not re.search(r"<(list\[\w+\]|path|str|int|float)>", page, re.IGNORECASE)
    verbs = typer.main.get_command(app).commands
    for name, verb in verbs.items():
        _, heading, part = page.partition(f'<h2 id="{name}">')
        shown = part.partition("<h2 ")[0]
        assert heading, name
        assert [
            option for param in verb.params for option in param.opts if "--" in option and option not in shown
        ] == []
    assert len(verbs) > 20


def test_the_reference_has_r_functions_with_their_arguments(site):
    if shutil.which("Rscript") is None and "CI" not in os.environ:
        pytest.skip("R is not installed.")
    page = html.unescape((site / "reference" / "r-functions.html").read_text("utf-8"))
    exported = re.findall(r"^export\((at_\w+)\)", (ROOT / "r-package" / "NAMESPACE").read_text("utf-8"), re.MULTILINE)
    assert len(exported) > 40
    assert [name for name in exported if f"{name}(" not in page] == []
    _, _, part = page.partition('<h2 id="at_tune">')
    assert "<code>corpus</code>" in part.partition('<h2 id="')[0]


def test_the_site_fetches_nothing_from_elsewhere(site):
    assert FETCHED.search('<script src="https://example.org/a.js">')
    assert FETCHED.search('<link rel="stylesheet" href="//example.org/a.css">')
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    assert [path.name for path in pages if FETCHED.search(path.read_text("utf-8"))] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:|//)", styles)


def test_the_pictures_of_every_page_are_there(site):
    for path in site.rglob("*.html"):
        for source in re.findall(r'<img[^>]*\ssrc="([^"]+)"', path.read_text("utf-8")):
            assert source.startswith("data:") or (path.parent / source).resolve().exists(), f"{path.name}: {source}"
