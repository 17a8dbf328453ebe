"""The page's files: handed out by a fixed list of names, and whole in one file where no server may run."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from annotune.hybrid.page.shell import MODULES, PAGE_POLICY, STATIC, page, stand_alone, static

STUDY = {"name": "Speeches", "coder": "anna", "role": "coder", "version": 1, "language": "en", "offline": True}
HOSTILE = "</script><script>alert(1)</script><!-- & 'quoted' \u2028"


class Elements(HTMLParser):
    """The elements of a page, each with its attributes and the text in it."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        self.elements.append(("", {}, []))

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2].append(data)

    def named(self, tag):
        return [(attributes, "".join(text)) for name, attributes, text in self.elements if name == tag]


def offline(text=HOSTILE):
    item = {"place": 1, "of": 1, "unit_id": "u1", "text": text, "proposals": {}}
    return stand_alone({"study": {**STUDY, "variables": []}, "items": [item]})


@pytest.mark.parametrize("html", [page("coder"), page("adjudicator"), offline()])
def test_nothing_in_a_page_is_a_script_or_a_style_of_its_own(html):
    elements = Elements(html).elements
    assert len(elements) > 100
    for tag, attributes, _ in elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag


def test_the_served_page_has_no_script_but_those_of_the_list():
    elements = Elements(page("coder"))
    sources = [attributes["src"] for attributes, _ in elements.named("script")]
    links = [attributes["href"] for attributes, _ in elements.named("link") if attributes["rel"] != "icon"]
    assert sources == ["/static/start.js"]
    assert set(links) == {f"/static/{name}" for name in STATIC}
    assert "unsafe" not in PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY


def test_a_page_says_for_whom_it_is():
    assert Elements(page("adjudicator")).named("body")[0][0]["data-role"] == "adjudicator"


def test_names_outside_the_list_are_no_paths():
    for name in ("../shell.py", "/etc/passwd", "start.js/../page.css", "templates/code.html.j2", ""):
        with pytest.raises(KeyError):
            static(name)


def test_modules_import_what_comes_before_them():
    for place, name in enumerate(MODULES):
        for other in re.findall(r'from "\./([\w.]+)"', static(name).decode()):
            assert other in MODULES[:place], f"{name} imports {other}"


def test_modules_name_nothing_alike():
    """In the stand-alone file they share one scope."""
    sources = [static(name).decode() for name in MODULES]
    names = [
        name
        for source in sources
        for name in re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", source, re.MULTILINE)
    ]
    assert len(names) == len(set(names))


def test_no_script_reads_text_as_html():
    for name in MODULES:
        source = static(name).decode()
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert danger not in source, f"{name}: {danger}"


def test_the_policy_of_the_one_file_allows_its_own_script_and_style_alone():
    elements = Elements(offline())
    policy = next(
        attributes["content"]
        for attributes, _ in elements.named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    parts = [elements.named("style")[0][1], *(text for a, text in elements.named("script") if a["type"] == "module")]
    hashes = {"sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts}
    assert len(parts) == 2
    assert set(re.findall(r"'(sha256-[^']+)'", policy)) == hashes
    assert "unsafe" not in policy
    assert "connect-src" not in policy  # nothing is fetched: default-src holds


def test_texts_in_the_one_file_are_data_whatever_they_contain():
    elements = Elements(offline())
    scripts = elements.named("script")
    assert [attributes["type"] for attributes, _ in scripts] == ["application/json", "module"]
    assert json.loads(scripts[0][1])["items"][0]["text"] == HOSTILE


def test_the_one_file_imports_nothing():
    script = Elements(offline()).named("script")[1][1]
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
