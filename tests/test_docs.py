"""Every Python block of the README and of docs/ runs, page by page, in an empty folder.

A block that needs an extra says so in its first line, and where the extra is not installed it must end in the sentence
that says so. Command lines name verbs and options that there are.
"""

import doctest
import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer

import annotune as at
from annotune.cli import app
from annotune.errors import AnnotuneError
from annotune.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^annotune (?:.*\\\n)*.*$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"\A# Needs pip install 'annotune\[(\w+)\]'\.$", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The page's Python blocks, compiled so that a traceback shows the page's own lines, and the extra each needs."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        above = text[: match.start(1)].count("\n")
        mark = MARK.match(match.group(1))
        yield compile("\n" * above + match.group(1), str(page), "exec"), mark and mark.group(1)


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block, extra in blocks(page):
        if extra is None or all(importlib.util.find_spec(module) for module in EXTRAS[extra].packages):
            exec(block, namespace)
            continue
        with pytest.raises(AnnotuneError, match=rf"pip install 'annotune\[{extra}\]'"):
            exec(block, namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_command_lines_of_a_page_can_be_typed(page):
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in LINE.findall(block) if language in ("", "sh") else ():
            require_understood(line)


def require_understood(line):
    verb, *words = shlex.split(line.replace("\\\n", " "), comments=True)[1:]
    command = typer.main.get_command(app).commands[verb]
    command.make_context(verb, words)


def test_a_wrong_example_is_found_at_its_line(tmp_path):
    (tmp_path / "page.md").write_text("# Page\n\n```text\nnot run\n```\n\n```python\nx = 1\nassert x == 2\n```\n")
    ((block, _),) = blocks(tmp_path / "page.md")
    with pytest.raises(AssertionError) as caught:
        exec(block, {})
    assert caught.traceback[-1].lineno == 8  # counted from 0


def test_a_wrong_command_line_is_found():
    with pytest.raises(KeyError):
        require_understood("annotune tuen questions.csv")
    with pytest.raises(typer.BadParameter.__base__, match="No such option: --codebok"):
        require_understood("annotune tune questions.csv gold.csv --codebok codebook.yaml --codebook c.yaml --out model")


def test_a_block_names_the_extra_that_it_needs_in_its_first_line(tmp_path):
    page = "```python\n# Needs pip install 'annotune[onnx]'.\nx = 1\n```\n\n```python\nx = 2\n```\n"
    (tmp_path / "page.md").write_text(page)
    assert [extra for _, extra in blocks(tmp_path / "page.md")] == ["onnx", None]


# Public names whose docstrings are still to get an example.
WITHOUT = {"load", "Classifier", "Evaluation", "tune"}


@pytest.mark.parametrize("name", at.__all__[1:])
def test_every_public_name_has_an_example(name):
    """Whether it runs, pytest sees by itself: it collects docstrings."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(at, name)) or "")
    assert bool(examples) != (name in WITHOUT)
