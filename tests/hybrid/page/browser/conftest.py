"""The coding page as people have it before them: a server, a browser, and a study with coders."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import time

import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page import launch
from annotune.hybrid.page.texts import Columns
from annotune.hybrid.store import now, open_store
from annotune.records.fingerprints import fingerprint

BROWSERS = (
    "chromium",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
PATIENCE = 60_000  # milliseconds, on a busy machine
REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, ?, 'openai', ?, 'p', '{}', 'ok')"
)
# Each label and the word in a text that calls for it.
WORDS = {"Health": "nurses", "Law": "judges", "Trade": "tariffs", "Farming": "wheat"}


def label_of(text):
    """The label that a text calls for."""
    return next(label for label, word in WORDS.items() if word in text)


@pytest.fixture(scope="module")
def chromium():
    """One browser for the tests of a file; each opens windows of its own.

    As long as Playwright runs, this thread has a running event loop, which tests of other files must not find.
    """
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None and "CI" not in os.environ:
        pytest.skip("No Chromium is installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def topics():
    """One question with four labels."""
    definitions = {"Health": "Hospitals and those who work there.", "Law": "Courts, police and prisons."}
    labels = [
        at.Label(code=code, name=name, definition=definitions.get(name, ""), examples=(f"More {WORDS[name]}, please.",))
        for code, name in enumerate(WORDS, start=1)
    ]
    return at.Codebook(name="Questions", variables=(at.Variable(name="topic", labels=tuple(labels)),))


@pytest.fixture(scope="session")
def texts():
    """A maker of texts, each of which calls for one label: `unit_id`, `text`, and `label`."""

    def make(n):
        labels = [list(WORDS)[i % 4] for i in range(n)]
        sentences = [f"Question {i}: the minister was asked about {WORDS[labels[i]]} once more." for i in range(n)]
        return pl.DataFrame({"unit_id": [f"u{i:02}" for i in range(n)], "text": sentences, "label": labels})

    return make


@pytest.fixture
def serve(tmp_path):
    """A maker of pages that are served: `serve(corpus, codebook, coders)`; texts come in the corpus's order."""
    pages = []

    def make(corpus, codebook, coders=("anna",), *, arms=None, proposals=(), passages=(), columns=None, **more):
        path = tmp_path / f"study{len(pages)}.annotune"
        at.sample(
            corpus, len(corpus), store=path, coders=list(coders), overlap=float(len(coders) > 1), codebook=codebook
        )
        with open_store(path) as store, store.change() as connection:
            for place, unit in enumerate(corpus["unit_id"], start=1):
                change = "UPDATE assignments SET place = ?, arm = ? WHERE unit_id = ?"
                connection.execute(change, [place, (arms or {}).get(unit, "open"), unit])
            for model, unit, variable, labels in proposals:
                key = f"{model} {unit} {variable}"
                connection.execute(REQUEST, [key, now(), unit, model, model])
                for rank, label in enumerate(labels):
                    row = (key, variable, rank, label)
                    connection.execute("INSERT INTO proposals VALUES (?, ?, ?, ?, .9, 'ok', '')", row)
            connection.execute("UPDATE requests SET settings = '{\"evidence\": true}' WHERE ?", [bool(passages)])
            for model, unit, variable, rank, words, share in passages:
                text = corpus.filter(unit_id=unit)["text"][0]
                row = (rank, text.index(words), text.index(words) + len(words), share, fingerprint(text))
                key = f"{model} {unit} {variable}"
                connection.execute("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", [key, variable, *row])
        columns = Columns(**columns) if columns else None
        page = launch.serve(path, read_corpus(corpus), codebook, coders, columns=columns, browser=False, port=0, **more)
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.stop()


class Window:
    """A browser window with the page, and the hands of a coder."""

    def __init__(self, page: Page):
        self.page = page
        self.faults = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(dialog.message) or dialog.dismiss())

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def place(self):
        """The number of the text that is shown."""
        return int(re.search(r"\d+|$", self.page.locator("#place").text_content()).group() or 0)

    @property
    def text(self):
        return self.page.locator("#passage .text").inner_text()

    def until(self, condition):
        """Wait for a condition; the page's policy lets no string be run in it, so it is asked from outside."""
        end = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < end, "The page did not come so far."
            self.page.wait_for_timeout(10)

    @property
    def is_waiting(self):
        return "waiting" in self.page.locator("#coding").get_attribute("class")

    def wait_for_place(self, place):
        self.wait_for_view("coding")
        self.until(lambda: self.place == place and not self.is_waiting)

    def wait_until_saved(self):
        self.page.wait_for_selector("#saved[data-state=saved]")

    def wait_for_view(self, name):
        self.page.wait_for_selector(f"body[data-view={name}]")

    def chosen(self):
        """The labels that are chosen, in all questions."""
        return self.page.locator("#questions input:checked").evaluate_all("all => all.map(input => input.value)")

    def key_of(self, label):
        """The key that is shown beside a label."""
        option = self.page.locator("#questions .option", has=self.page.get_by_text(label, exact=True))
        return option.locator("kbd").inner_text()

    def code(self, label=None):
        """Choose by the key beside the label, confirm, and wait for the next text."""
        place = self.place
        self.press(self.key_of(label or label_of(self.text)), "Enter")
        body = self.page.locator("body")
        self.until(lambda: body.get_attribute("data-view") == "finished" or self.place != place)


@pytest.fixture
def window(chromium):
    """A maker of windows: `window(address, width=..., color_scheme=...)`; no script in them may fail."""
    contexts, windows = [], []

    def make(address, width=1280, height=800, context=None, **more):
        if context is None:
            context = chromium.new_context(viewport={"width": width, "height": height}, **more)
            contexts.append(context)
        shown = Window(context.new_page())
        windows.append(shown)
        shown.page.goto(address)
        shown.until(lambda: shown.place > 0 or shown.page.locator("#finished h1:focus").count())
        return shown

    yield make
    faults = [fault for shown in windows for fault in shown.faults]
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="session")
def violations():
    """What axe finds wrong with a page: each rule with where it is broken."""
    axe = Axe()

    def find(page):
        found = axe.run(page).response["violations"]
        return [(rule["id"], node["target"], node.get("failureSummary")) for rule in found for node in rule["nodes"]]

    return find


@pytest.fixture(scope="session")
def answers_in():
    """What is decided in a store: the labels of each text, variable and coder as they stand now."""

    def answers(path):
        codings = at.read_codings(path)
        kept = codings.filter(pl.col("kind") != "model") if "kind" in codings.columns else codings
        rows = kept.sort("unit_id", "variable", "coder", "label").select("unit_id", "variable", "coder", "label").rows()
        groups = itertools.groupby(rows, key=lambda row: row[:3])
        return {key: [label for *_, label in group if label is not None] for key, group in groups}

    return answers


@pytest.fixture(scope="session")
def decisions_in():
    """Every decision as it was stored, in its order."""

    def decisions(path):
        with open_store(path) as store:
            return store.table("SELECT * FROM decisions ORDER BY id").to_dicts()

    return decisions
