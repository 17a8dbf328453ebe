"""Every Python block of the README and of docs/ runs, page by page, in an empty folder."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The page's Python blocks, each compiled so that a traceback shows the page's own lines."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        above = text[: match.start(1)].count("\n")
        yield compile("\n" * above + match.group(1), str(page), "exec")


@pytest.mark.filterwarnings("default::annotune.AnnotuneWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        exec(block, namespace)


def test_a_wrong_example_is_found_at_its_line(tmp_path):
    (tmp_path / "page.md").write_text("# Page\n\n```text\nnot run\n```\n\n```python\nx = 1\nassert x == 2\n```\n")
    (block,) = blocks(tmp_path / "page.md")
    with pytest.raises(AssertionError) as caught:
        exec(block, {})
    assert caught.traceback[-1].lineno == 8  # counted from 0
